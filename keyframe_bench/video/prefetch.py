"""Prefetching frames: a thread decodes into a bounded queue while another computes features."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import count, islice
from threading import Lock

from ..core.errors import OutOfMemoryError
from ..core.processes import has_room
from ..core.threads import in_order
from .decode import Reader, decoder_threads
from .frame import Frame

CHUNK_FRAMES = 8  # handed over together: handing over every single frame costs as much as a small feature
CHUNKS = 3  # one that is filled, one that waits, one that is used
QUEUE_BYTES = 8_000_000  # of decoded pictures in all chunks; of large images there is one in each
_START_BYTES = 24_000_000  # the thread's stack and what it needs to begin


class Prefetch:
    """The frames of a reader, in order, decoded by a thread of their own.

    Use it as a context manager and iterate; what the decoder raises is raised here. With one decoder thread there is no
    second thread and a frame is decoded when it is asked for: a worker then uses one core. ``reader``: nobody else may
    use it before this is closed; ``limit``: stop after so many frames.
    """

    def __init__(self, reader: Reader, limit: int | None = None) -> None:
        self.decode_s = 0.0  # longer than alone while features are computed beside it on the same cores
        self._decoded = self._timed(islice(reader, limit))
        self._room = 1  # frames of a chunk; the first frame's size decides
        self._frames = self._decoded if decoder_threads() == 1 else self._prefetched()
        self._decoding = Lock()

    def __enter__(self) -> Prefetch:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._frames.close()
        finally:
            self._close()

    def _close(self) -> None:
        """End decoding, however often somebody interrupts: the file must not be closed under the decoder."""
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                with self._decoding:
                    self._decoded.close()
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def _prefetched(self) -> Generator[Frame, None, None]:
        if not has_room(_START_BYTES):  # it might begin and end without a word
            raise OutOfMemoryError("no thread can be started")
        with closing(in_order(self._chunk, count(), threads=1, room=lambda: CHUNKS)) as chunks:
            for chunk in chunks:
                if not chunk:
                    return
                chunk.reverse()
                while chunk:  # the chunk keeps no frame that the features are done with
                    yield chunk.pop()

    def _chunk(self, _: int) -> list[Frame]:
        with self._decoding:
            chunk = list(islice(self._decoded, self._room))
        if chunk:
            frame_bytes = max(1, chunk[0].held_bytes)
            self._room = max(1, min(CHUNK_FRAMES, QUEUE_BYTES // (CHUNKS * frame_bytes)))
        return chunk

    def _timed(self, frames: Iterator[Frame]) -> Generator[Frame, None, None]:
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self.decode_s += time.perf_counter() - start
            if frame is None:
                return
            yield frame
