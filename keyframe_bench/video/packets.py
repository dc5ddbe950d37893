"""What demuxing alone shows: PTS and key flags of all frames, trusted only where the bitstream gives evidence."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .container import READ_ERRORS, DeclaredLength, frame_seconds, open_stream, refuse_memory_error
from .frame import Frame, is_mirrored
from .frame_folder import FrameFolder, VideoPath, as_video
from .health import Health

# Containers that store whole access units with their own presentation time and key flag.
_CONTAINERS = ("mov,mp4", "matroska,webm")
_MAX_REORDER = 32  # no codec here allows more than 16 frames of reordering


@dataclass(eq=False)
class PacketTable:
    """Packets of the main video stream in order of presentation.

    Notes
    -----
    Damage inside the coded data of a picture cannot be seen without decoding it: damage to lengths, slice starts, flags
    or timestamps is noticed, a flipped bit further inside is not.
    """

    # Presentation times in units of ``time_base``, sorted; packets without one are left out (and are not trusted)
    pts: NDArray[np.int64]
    times: NDArray[np.float64]  # the same in seconds
    keys: NDArray[np.bool_]  # whether the container flags the packet as a key frame
    order: NDArray[np.int64]  # row of each packet, in the order of decoding
    # Why it is not `trusted`, in a few words; empty when there is evidence that a full decode gives exactly these
    # frames: row n is then the decoder's ordinal n
    reason: str
    health: Health  # what the packets show of it
    width: int  # upright size in pixels, from the first decoded frame; 0 when nothing decodes
    height: int
    codec: str  # FFmpeg's name
    time_base: Fraction  # seconds per unit of ``pts``
    pixel_shape: Fraction | None  # width of a pixel over its height, where it is stated
    n_bytes: int  # of all packets

    @property
    def trusted(self) -> bool:
        """Whether a full decode gives exactly these frames."""
        return not self.reason

    seekable = trusted  # then PTS do not repeat

    def __len__(self) -> int:
        return len(self.pts)


def scan_packets(path: str | Path) -> PacketTable:
    """Demux the file ``path`` and say whether packet order can stand for decoder order.

    Only packets up to the first frame are decoded (for size and rotation); the rest is read, not decoded. Raises
    `VideoError` as decoding does: no readable file, no container, no video stream, no decoder, or no frame in it.
    """
    container, stream = open_stream(path)
    with container:
        # The delay is read before decoding starts: the decoder raises it when surprised, and drops a frame.
        scan = _Scan(container.format.name, stream.frames, stream.codec_context.reorder_depth, _picture_check(stream))
        length = DeclaredLength(container, stream, path)
        scan.read(length)
        if not scan.pts:
            refuse_memory_error()
            raise VideoError(path, "it holds no frame")
        base, first = Fraction(stream.time_base or 1), scan.first
        given = np.array([p for p in scan.pts if p is not None], dtype=np.int64)
        keys = np.array([k for p, k in zip(scan.pts, scan.keys, strict=True) if p is not None], dtype=bool)
        shown = np.argsort(given, kind="stable")
        times, reason = given[shown] * base.numerator / base.denominator, next(_doubts(scan, given, shown), "")
        health = Health(stream.frames or None, declared_duration_s=length.seconds(times), from_packets=True)
        health.rotation = 90 * first.turns if first else 0
        health.judge_times(times, frame_seconds(stream))
        size, codec = (first.width, first.height) if first else (0, 0), stream.codec_context.codec.canonical_name
        facts = (*size, codec, base, stream.sample_aspect_ratio or None, scan.n_bytes)
        return PacketTable(given[shown], times, keys[shown], np.argsort(shown), reason, health, *facts)


def trusted_packets(path: VideoPath) -> tuple[PacketTable, float] | None:
    """Return the packets of a video and the seconds that reading them took; None where they are not `trusted`."""
    video, start = as_video(path), time.perf_counter()
    if isinstance(video, FrameFolder) or not (table := scan_packets(video)).trusted:
        return None
    return table, time.perf_counter() - start


@dataclass
class _Scan:
    """Facts of all packets in order of decoding."""

    container: str
    declared: int
    delay: int  # frames the decoder waits for reordering
    check: Callable[[memoryview, bool], str] | str
    pts: list[int | None] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    n_bytes: int = 0
    doubt: str = ""
    first: Frame | None = None

    def read(self, length: DeclaredLength) -> None:
        try:
            for packet in length.packets():
                if packet.size:
                    self._note(packet)
                if self.first is None:
                    self._decode(packet)
        except READ_ERRORS as error:
            refuse_memory_error(error)
            self.doubt = self.doubt or f"reading stops early ({type(error).__name__})"

    def _note(self, packet: Any) -> None:
        self.pts.append(packet.pts)
        self.keys.append(packet.is_keyframe)
        self.n_bytes += packet.size
        if self.doubt or isinstance(self.check, str):
            return
        if packet.is_corrupt or packet.is_discard:
            self.doubt = "packets are marked damaged" if packet.is_corrupt else "an edit list hides decoded frames"
        elif packet.has_sidedata("new_extradata"):
            self.doubt = "the decoder's settings change on the way"
        else:
            self.doubt = self.check(memoryview(packet), packet.is_keyframe)

    def _decode(self, packet: Any) -> None:
        try:
            for raw in packet.decode()[:1]:
                self.first = Frame(raw, 0, 0.0, mirrored=is_mirrored(raw))
        except READ_ERRORS as error:
            refuse_memory_error(error)
            self.doubt = self.doubt or "the first packets do not decode"


def _doubts(scan: _Scan, pts: NDArray[np.int64], shown: NDArray[np.intp]) -> Iterator[str]:
    """Yield the reasons why packets may not stand for decoded frames, the most general first."""
    if not scan.container.startswith(_CONTAINERS):
        yield f"container {scan.container} does not promise one frame per packet"
    if isinstance(scan.check, str):
        yield scan.check
    if scan.doubt:
        yield scan.doubt
    if len(pts) < len(scan.pts):
        yield "packets without PTS"
    if np.any(np.diff(pts[shown]) == 0):
        yield "PTS repeat"
    if scan.declared and scan.declared != len(pts):
        yield f"the container declares {scan.declared} frames and holds {len(pts)} packets"
    if shown[0] != 0 or not scan.keys[0]:
        yield "the first packet is not the first frame shown, or no key frame"
    if _reordering(shown) > scan.delay:
        yield "frames are reordered further than the stream declares"
    if scan.first is None or scan.first.raw.pts != pts[0] or not scan.first.key_frame:
        yield "the first decoded frame is not the first packet"


def _reordering(shown: NDArray[np.intp]) -> int:
    """Return the largest number of packets that are decoded before, and shown after, any one packet."""
    rank = np.argsort(shown)
    later = np.zeros(len(rank), dtype=np.int64)
    for back in range(1, min(_MAX_REORDER, len(rank) - 1) + 1):
        later[back:] += rank[:-back] > rank[back:]
    return int(later.max(initial=0))


def _picture_check(stream: Any) -> Callable[[memoryview, bool], str] | str:
    """Return a test ``(packet bytes, key flag) -> doubt``, or the reason why this stream cannot be tested."""
    context = stream.codec_context
    name, extra = context.codec.canonical_name, bytes(context.extradata or b"")
    if name == "vp8":
        return _vp8_picture
    if name == "h264" and len(extra) > 8 and extra[0] == 1:
        length = int.from_bytes(extra[6:8], "big")
        if not _only_frames(extra[8 : 8 + length]):
            return "the stream may hold fields or skip frame numbers"
        return functools.partial(_nal_picture, syntax=_H264, prefix=(extra[4] & 3) + 1, extradata=extra)
    if name == "hevc" and len(extra) > 22 and extra[0] == 1:
        return functools.partial(_nal_picture, syntax=_HEVC, prefix=(extra[21] & 3) + 1, extradata=extra)
    return f"codec {name} does not promise one frame per packet"


def _vp8_picture(data: memoryview, key: bool) -> str:
    """RFC 6386 section 9.1: bit 0 of a frame is 0 for key frames, bit 4 is show_frame."""
    if not data[0] & 0x10:
        return "hidden frames"
    return "" if key == (not data[0] & 1) else "key flags differ from the coded pictures"


@dataclass(frozen=True)
class _Syntax:
    """Where a NAL unit keeps what is needed, and which types mean what."""

    header: int  # bytes
    slices: range  # coded slices of primary pictures
    key: range  # those of key pictures
    parameters: range  # sequence and picture parameter sets
    refused: frozenset[int]
    flag_in_key: int  # bit of a key slice's first byte that lets the decoder drop waiting frames


# ITU-T H.264 table 7-1: 1 slice, 5 IDR slice, 7/8 parameter sets, 2-4 data partitions, 10 end of sequence.
_H264 = _Syntax(1, range(1, 6), range(5, 6), range(7, 9), frozenset({2, 3, 4, 10, 15, 20}), 0)
# ITU-T H.265 table 7-1: 0-21 slices, 19-20 IDR, 21 CRA, 32-34 parameter sets, 16-18 BLA (drop their leading pictures),
# 36 end of sequence. Bit 6 of a random access slice is no_output_of_prior_pics_flag (section 7.3.6.1).
_HEVC = _Syntax(2, range(22), range(19, 22), range(32, 35), frozenset({16, 17, 18, 22, 23, 36}), 0x40)


def _nal_picture(data: memoryview, key: bool, *, syntax: _Syntax, prefix: int, extradata: bytes) -> str:
    """Test that a packet of length-prefixed NAL units is exactly one picture whose type agrees with the key flag."""
    header, at, end, pictures, coded_key = syntax.header, 0, len(data), 0, False
    while at + prefix + header < end:
        size = int.from_bytes(data[at : at + prefix], "big")
        at += prefix
        first = data[at]
        kind = first & 31 if header == 1 else first >> 1 & 63
        if kind in syntax.slices and size > header:
            start = data[at + header]
            pictures += start >> 7  # first_mb_in_slice = 0 and first_slice_segment_in_pic_flag are both a leading 1
            if kind in syntax.key:
                coded_key = True
                if start & syntax.flag_in_key:
                    return "a key frame discards waiting frames"
        elif kind in syntax.parameters and bytes(data[at : at + size]) not in extradata:
            return "the decoder's settings change on the way"
        if kind in syntax.refused or (header == 2 and (first & 1 or data[at + 1] >> 3)):
            return "pictures of a kind that is not always shown"
        at += size
    if at != end:
        return "a packet is damaged"
    if pictures != 1:
        return "a packet does not hold exactly one picture"
    return "" if key == coded_key else "key flags differ from the coded pictures"


def _only_frames(sps: bytes) -> bool:
    """Say whether an H.264 sequence parameter set excludes fields and gaps in frame numbers (section 7.3.2.1.1)."""
    bits = _Bits(sps[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.take(24) >> 16
    bits.golomb(1)  # seq_parameter_set_id
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        if bits.golomb() == 3:  # chroma_format_idc 4:4:4
            bits.take(1)
        bits.golomb(2)  # bit depths
        bits.take(1)
        if bits.take(1):  # scaling lists: rare, not worth parsing
            return False
    bits.golomb(1)
    order = bits.golomb()  # pic_order_cnt_type
    if order == 0:
        bits.golomb(1)
    elif order == 1:
        bits.take(1)
        bits.golomb(2)
        bits.golomb(min(bits.golomb(), 255))
    bits.golomb(1)  # max_num_ref_frames
    gaps = bits.take(1)
    bits.golomb(2)  # width and height in macroblocks
    return bits.take(1) == 1 and not gaps


class _Bits:
    """Reads bits from the most significant on; past the end come zeros."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data + bytes(8), "big")
        self.left = 8 * (len(data) + 8)

    def take(self, n: int) -> int:
        self.left = max(self.left - n, 0)
        return self.value >> self.left & ((1 << n) - 1)

    def golomb(self, n: int = 1) -> int:
        """Return the last of ``n`` unsigned Exp-Golomb codes (section 9.1)."""
        value = 0
        for _ in range(n):
            zeros = 0
            while self.left and not self.take(1) and zeros < 32:
                zeros += 1
            value = (1 << zeros) - 1 + self.take(zeros)
        return value
