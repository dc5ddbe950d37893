"""What demuxing alone can tell: PTS and key flags of all frames, claimed only where the bitstream gives evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .decode import _READ_ERRORS, open_container, refuse_memory_error, video_stream
from .frame import Frame, is_mirrored
from .frame_folder import FrameFolder, VideoPath, as_video
from .stream import DeclaredLength

# Containers that store whole access units with their own presentation time and key flag.
_CONTAINERS = ("mov,mp4", "matroska,webm")
_MAX_REORDER = 32  # no codec here allows more than 16 frames of reordering


@dataclass(frozen=True, eq=False)
class PacketTable:
    """Packets of the main video stream in order of presentation.

    Attributes
    ----------
    pts : int64 [N]
        Presentation times in units of ``time_base``, sorted; packets without one are left out (and cost the trust).
    times : float64 [N]
        The same in seconds.
    keys : bool [N]
        Whether the container flags the packet as a key frame.
    time_base : Fraction
        Seconds per unit of ``pts``.
    trusted : bool
        True when there is evidence that a full decode gives exactly these frames: row n is the decoder's ordinal n.
    reason : str
        Why not, in a few words; empty when trusted.
    declared_frames : int or None
        Number of frames the container states.
    declared_duration_s : float or None
        Duration the container states, in seconds.
    frame_s : float
        Nominal duration of one frame in seconds.
    width, height : int
        Upright size in pixels, from the first decoded frame; 0 when nothing decodes.
    rotation : int
        Degrees by which the coded picture is turned counter-clockwise for display: 0, 90, 180 or 270.

    Notes
    -----
    Damage inside the coded data of a picture cannot be seen without decoding it: damage to lengths, slice starts, flags
    or time stamps costs the trust, a flipped bit further inside does not.
    """

    pts: NDArray[np.int64]
    times: NDArray[np.float64]
    keys: NDArray[np.bool_]
    time_base: Fraction
    trusted: bool
    reason: str
    declared_frames: int | None = None
    declared_duration_s: float | None = None
    frame_s: float = 0.04
    width: int = 0
    height: int = 0
    rotation: int = 0

    def __len__(self) -> int:
        return len(self.pts)


def scan_packets(path: VideoPath) -> PacketTable:
    """Demux ``path`` and say whether packet order can stand for decoder order.

    Only packets up to the first frame are decoded (for size and rotation); the rest is read, not decoded. Every
    picture of a folder is a key frame, and nothing is proved: which can be read is known when they are.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    PacketTable

    Raises
    ------
    VideoError
        As decoding does: no readable file, no container, no video stream, no decoder, or no frame in it.
    """
    if isinstance(video := as_video(path), FrameFolder):
        return _table_of(video)
    with open_container(video) as container:
        stream = video_stream(container, video)
        rate = stream.average_rate or stream.guessed_rate
        time_base = Fraction(stream.time_base or 1)
        # The delay is read before decoding starts: the decoder raises it when surprised, and drops a frame.
        scan = _Scan(container.format.name, stream.frames, stream.codec_context.reorder_depth, _picture_check(stream))
        length = DeclaredLength(container, stream, video)
        scan.read(length)
        if not scan.pts:
            refuse_memory_error()
            raise VideoError(video, "it holds no frame")
        given = np.array([p for p in scan.pts if p is not None], dtype=np.int64)
        keys = np.array([k for p, k in zip(scan.pts, scan.keys, strict=True) if p is not None], dtype=bool)
        order = np.argsort(given, kind="stable")
        reason = next(_doubts(scan, given, order), "")
        first = scan.first
        times = given[order] * time_base.numerator / time_base.denominator
        return PacketTable(
            pts=given[order],
            times=times,
            keys=keys[order],
            time_base=time_base,
            trusted=not reason,
            reason=reason,
            declared_frames=stream.frames or None,
            declared_duration_s=length.seconds(times),
            frame_s=float(1 / rate) if rate else 0.04,
            width=first.width if first else 0,
            height=first.height if first else 0,
            rotation=90 * first.turns if first else 0,
        )


def _table_of(folder: FrameFolder) -> PacketTable:
    pts = np.sort(folder.ticks(folder.files()))
    return PacketTable(
        pts=pts,
        times=pts / folder.rate,
        keys=np.ones(len(pts), dtype=bool),
        time_base=folder.time_base,
        trusted=False,
        reason="pictures are known to be readable only when they are read",
        declared_frames=len(pts),
        frame_s=1 / folder.rate,
    )


@dataclass
class _Scan:
    """Facts of all packets in order of decoding."""

    container: str
    declared: int
    delay: int  # frames the decoder waits for reordering
    check: Callable[[memoryview, bool], str] | str
    pts: list[int | None] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    doubt: str = ""
    first: Frame | None = None

    def read(self, length: DeclaredLength) -> None:
        try:
            for packet in length.packets():
                if packet.size:
                    self._note(packet)
                if self.first is None:
                    self._decode(packet)
        except _READ_ERRORS as error:
            refuse_memory_error(error)
            self.doubt = self.doubt or f"reading stops early ({type(error).__name__})"

    def _note(self, packet: Any) -> None:
        self.pts.append(packet.pts)
        self.keys.append(packet.is_keyframe)
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
        except _READ_ERRORS as error:
            refuse_memory_error(error)
            self.doubt = self.doubt or "the first packets do not decode"


def _doubts(scan: _Scan, pts: NDArray[np.int64], order: NDArray[np.intp]) -> Iterator[str]:
    """Yield the reasons why packets may not stand for decoded frames, the most general first."""
    if not scan.container.startswith(_CONTAINERS):
        yield f"container {scan.container} does not promise one frame per packet"
    if isinstance(scan.check, str):
        yield scan.check
    if scan.doubt:
        yield scan.doubt
    if len(pts) < len(scan.pts):
        yield "packets without PTS"
    if np.any(np.diff(pts[order]) == 0):
        yield "PTS repeat"
    if scan.declared and scan.declared != len(pts):
        yield f"the container declares {scan.declared} frames and holds {len(pts)} packets"
    if order[0] != 0 or not scan.keys[0]:
        yield "the first packet is not the first frame shown, or no key frame"
    if _reordering(order) > scan.delay:
        yield "frames are reordered further than the stream declares"
    if scan.first is None or scan.first.raw.pts != pts[0] or not scan.first.key_frame:
        yield "the first decoded frame is not the first packet"


def _reordering(order: NDArray[np.intp]) -> int:
    """Return the largest number of packets that are decoded before, and shown after, any one packet."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    later = np.zeros(len(order), dtype=np.int64)
    for back in range(1, min(_MAX_REORDER, len(order) - 1) + 1):
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
        return _NalPictures(_H264, (extra[4] & 3) + 1, extra)
    if name == "hevc" and len(extra) > 22 and extra[0] == 1:
        return _NalPictures(_HEVC, (extra[21] & 3) + 1, extra)
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


@dataclass(frozen=True)
class _NalPictures:
    """Test that a packet of length-prefixed NAL units is exactly one picture whose type agrees with the key flag."""

    syntax: _Syntax
    prefix: int
    extradata: bytes

    def __call__(self, data: memoryview, key: bool) -> str:
        syntax, prefix, header = self.syntax, self.prefix, self.syntax.header
        at, end, pictures, coded_key = 0, len(data), 0, False
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
            elif kind in syntax.parameters and bytes(data[at : at + size]) not in self.extradata:
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
    bits.skip_golomb(1)  # seq_parameter_set_id
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        if bits.golomb() == 3:  # chroma_format_idc 4:4:4
            bits.take(1)
        bits.skip_golomb(2)  # bit depths
        bits.take(1)
        if bits.take(1):  # scaling lists: rare, not worth parsing
            return False
    bits.skip_golomb(1)
    order = bits.golomb()  # pic_order_cnt_type
    if order == 0:
        bits.skip_golomb(1)
    elif order == 1:
        bits.take(1)
        bits.skip_golomb(2)
        bits.skip_golomb(min(bits.golomb(), 255))
    bits.skip_golomb(1)  # max_num_ref_frames
    gaps = bits.take(1)
    bits.skip_golomb(2)  # width and height in macroblocks
    return bits.take(1) == 1 and not gaps


class _Bits:
    """Reads bits from the most significant on; past the end come zeros."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data + bytes(8), "big")
        self.left = 8 * (len(data) + 8)

    def take(self, n: int) -> int:
        self.left = max(self.left - n, 0)
        return self.value >> self.left & ((1 << n) - 1)

    def golomb(self) -> int:
        """Unsigned Exp-Golomb code (section 9.1)."""
        zeros = 0
        while self.left and not self.take(1) and zeros < 32:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_golomb(self, n: int) -> None:
        for _ in range(n):
            self.golomb()
