"""Decoding ahead: one thread decodes into a bounded queue while another computes features."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType

from ..core.errors import OutOfMemoryError
from ..core.memory import has_room
from .decode import decoder_threads
from .frame import Frame
from .reader import Reader

CHUNK_FRAMES = 8  # handed over together: a hand-over of every single frame costs as much as a small feature
CHUNKS = 3  # one that is filled, one that waits, one that is used
_LOOK_S = 2.0  # how often it is looked whether the decoding thread still lives
_START_BYTES = 24_000_000  # its stack and what it needs to begin
AHEAD_BYTES = 8_000_000  # of decoded pictures in all chunks; of large pictures there is one in each


class DecodedAhead:
    """The frames of a reader, in order, decoded by a thread of their own.

    Use it as a context manager and iterate; what the decoder raises is raised here. With one decoder thread there is no
    second thread and decoding waits for its reader's user: a worker is then one core.

    Parameters
    ----------
    reader : Reader
        Nobody else may use it before this is closed.
    limit : int, optional
        Stop after so many frames.

    Attributes
    ----------
    decode_s : float
        Seconds the decoder took. While features are computed beside it on the same cores it takes longer than alone.
    """

    def __init__(self, reader: Reader, limit: int | None = None) -> None:
        self.reader = reader
        self.limit = limit
        self.decode_s = 0.0
        self._queue: SimpleQueue[list[Frame] | BaseException | None] = SimpleQueue()
        self._free = Semaphore(CHUNKS)
        self._stopped = False
        self._thread: Thread | None = None

    def __enter__(self) -> DecodedAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._free.release()  # the decoder may be waiting for room
        interrupt: KeyboardInterrupt | None = None
        while self._thread is not None and self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as error:  # a second one: the file must not be closed under the decoder
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def __iter__(self) -> Iterator[Frame]:
        if decoder_threads() == 1:
            yield from self._timed()
            return
        if not has_room(_START_BYTES):  # it might begin and end without a word
            raise OutOfMemoryError("no thread can be started")
        self._thread = Thread(target=self._work, name="keyframe_bench-decoder", daemon=True)
        self._thread.start()
        while (found := self._next()) is not None:
            if isinstance(found, BaseException):
                raise found
            found.reverse()
            while found:  # the chunk keeps no frame that the features are done with
                yield found.pop()
            self._free.release()

    def _next(self) -> list[Frame] | BaseException | None:
        """Return what the thread hands over next; `OutOfMemoryError` if it could not even tell why it ended."""
        while True:
            alive = self._thread is not None and self._thread.is_alive()
            with suppress(Empty):
                return self._queue.get(timeout=_LOOK_S if alive else 0)
            if not alive:
                raise OutOfMemoryError("the decoding thread ended")

    def _timed(self) -> Iterator[Frame]:
        frames = islice(self.reader, self.limit)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self.decode_s += time.perf_counter() - start
            if frame is None:
                return
            yield frame

    def _work(self) -> None:
        try:
            frames, room = self._timed(), 1
            while room:
                self._free.acquire()
                if self._stopped:
                    return
                chunk = list(islice(frames, room))
                room = _room(chunk[0]) if chunk else 0
                self._queue.put(chunk)
                del chunk  # from now on it is the user's
        except BaseException as error:  # noqa: BLE001 - raised again where the frames are used
            self._queue.put(error)
        else:
            self._queue.put(None)


def _room(frame: Frame) -> int:
    """Return how many frames like this one make a chunk."""
    return max(1, min(CHUNK_FRAMES, AHEAD_BYTES // (CHUNKS * max(1, frame.held_bytes))))
