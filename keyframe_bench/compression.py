"""A video from its key frames alone: a network reconstructs the others, beside blends and H.264 of the same size."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .api import Extraction, extract
from .core.checkpoint import BUNDLED
from .core.errors import UnavailableError, UsageError
from .core.registry import Parameter, Range
from .metrics.visual import ROUNDING
from .models.frame_mae_weights import N_FRAMES, UNIFORM, why_unavailable
from .report.key_clips import replaced
from .video.decode import VideoReader
from .video.encode import write_h264
from .video.fetch import fetch_frames
from .video.frame_folder import VideoPath
from .video.image_files import encode_image
from .video.onepass import Progress

if TYPE_CHECKING:
    from .models.frame_filling import Statistics
    from .models.frame_mae import FrameMAE

Images = NDArray[np.uint8]

_CRF = 21.0  # of H.264, for what is kept and for the whole video
_STEPS = 9  # halvings of the quality that gives the same bytes
_MARGIN = 18  # pixels above a row of the strip
_OURS, _EVEN = "key frames, network", "tokens 3 and 6 of 8, network"


@dataclass(frozen=True)
class Way:
    """One way to show the whole video.

    Attributes
    ----------
    name : str
    psnr_db, ssim : float
        Of the frames that are left out, against the original at the network's size; PSNR of their mean squared error.
    all_psnr_db, all_ssim : float
        Of all frames.
    size : int
        Bytes of what must be stored, as H.264 in MP4.
    """

    name: str
    psnr_db: float
    ssim: float
    all_psnr_db: float
    all_ssim: float
    size: int


@dataclass(frozen=True, repr=False)
class Compression:
    """What `compress` found.

    Attributes
    ----------
    extraction : Extraction
        The key frames.
    n_frames, n_kept : int
        Frames that the method looked at, and those of them that are stored.
    height, width : int
        Of the images, which is the network's size.
    statistics : str
    whole_size : int
        Bytes of all these frames as H.264, coded like the kept ones.
    ways : list of Way
    """

    extraction: Extraction
    n_frames: int
    n_kept: int
    height: int
    width: int
    statistics: str
    whole_size: int
    ways: list[Way]

    def to_json(self) -> dict[str, Any]:
        """Return what ``compress.json`` holds."""
        own = {name: getattr(self, name) for name in ("n_frames", "n_kept", "height", "width", "statistics")}
        ways = [asdict(way) | {"ratio": way.size / self.whole_size} for way in self.ways]
        return {**own, "whole_size": self.whole_size, "ways": ways, "key_frames": self.extraction.to_json()}


def compress(
    path: VideoPath,
    extractor: str = "frame_rs",
    *,
    out: str | Path,
    checkpoint: str = BUNDLED,
    budget: str | int = "free",
    sampling: str = "every",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    statistics: Literal["blended", "target"] = "blended",
    limit: int = 1000,
    fps: float | None = None,
    times: str | None = None,
    progress: Progress | None = None,
) -> Compression:
    """Keep the key frames of a video, reconstruct the other frames, and compare with the original.

    The frames are those that the method looks at, at the size of the network (their shorter side is its side). Those
    that are kept are stored as H.264, and the others are reconstructed from what is decoded from there. Sound is
    dropped.

    Parameters
    ----------
    path, extractor, budget, sampling, params, seed, fps, times, progress
        As of `extract`. Tokens of two frames are kept as a whole, and in every window of 16 frames at least one.
    out : str or Path
        Folder for ``reconstructed.mp4``, ``kept.mp4``, ``h264.mp4`` (all frames in as many bytes as the kept ones),
        ``strip.png`` and ``compress.json``.
    checkpoint : str
        Of the FrameMAE that reconstructs: "bundled", or a file that ``train extractor=frame_rs`` wrote; and of
        `frame_rs`, where no other is among ``params``.
    statistics : {"blended", "target"}
        Where mean and deviation of a patch come from: the kept frames, or the frame that was left out. The latter is
        what papers show, and cannot be had from the kept frames. The bundled network predicts pixels and needs neither.
    limit : int
        Frames from the start of the video that are kept or reconstructed; the budget is of the whole video.

    Returns
    -------
    Compression

    Raises
    ------
    UsageError, UnavailableError, VideoError, OutputError
        As `extract`, if nothing is left out, and for ``statistics="target"`` with a network that predicts pixels.
    """
    from .models.frame_mae_weights import load_frame_mae

    if missing := why_unavailable(checkpoint, "frame_rs"):
        raise UnavailableError(missing)
    Parameter("statistics", (), choices=("blended", "target")).check(statistics, "compress")
    Parameter("limit", (int,), range=Range(1)).check(limit, "compress")
    model = load_frame_mae(checkpoint, "frame_rs")
    if statistics == "target" and not model.normalised:
        raise UsageError(
            f"statistics=target: the FrameMAE of checkpoint={checkpoint!r} predicts pixels and needs no statistics of "
            "patches; leave it out, or give a checkpoint trained with trainer.mae_target=normalised"
        )
    own = {"checkpoint": checkpoint} if extractor == "frame_rs" else {}
    params = {**(params or {}), **{name: given for name, given in own.items() if not (params or {}).get(name)}}
    asked = {"budget": budget, "sampling": sampling, "params": params, "seed": seed, "fps": fps, "times": times}
    found = extract(path, extractor, **asked, progress=progress)  # type: ignore[arg-type]  # by name
    with replaced(Path(out)) as staging, tempfile.TemporaryDirectory() as scratch:
        result = _compared(found, model, statistics, limit, staging, Path(scratch))
        (staging / "compress.json").write_text(json.dumps(result.to_json(), indent=1, allow_nan=False), "utf-8")
    return result


def _compared(
    found: Extraction, model: FrameMAE, statistics: Statistics, limit: int, folder: Path, scratch: Path
) -> Compression:
    from .models.frame_filling import by_blending, by_holding, by_network, same_tokens, whole_tokens

    images, chosen, rate = _seen(found, model.size.side, limit)
    kept = whole_tokens(chosen)
    if kept.all():
        raise UsageError(
            "all frames are kept, and nothing is left to reconstruct; give a smaller budget, a larger limit or a "
            "longer video"
        )
    even = same_tokens(len(kept), UNIFORM)
    stored, size = _stored(images, kept, rate, folder / "kept.mp4")
    plain, plain_size = _stored(images, even, rate, scratch / "even.mp4")
    everything = np.ones_like(kept)
    whole_size = _stored(images, everything, rate, scratch / "whole.mp4")[1]
    _within(size, images, rate, folder / "h264.mp4")
    coded_size = (folder / "h264.mp4").stat().st_size
    plain_coding = f"all frames as H.264 {'of that size' if coded_size <= size else 'of the lowest quality'}"
    coded = _decoded(folder / "h264.mp4", images.copy(), everything)
    shown = {
        _OURS: (by_network(model, stored, kept, statistics), kept, size),
        _EVEN: (by_network(model, plain, even, statistics), even, plain_size),
        "key frames, blended": (by_blending(stored, kept), kept, size),
        "key frames, last one held": (by_holding(stored, kept), kept, size),
        plain_coding: (coded, kept, coded_size),
    }
    if len(images) < N_FRAMES:  # there are no such tokens
        del shown[_EVEN]
    ways = [_way(name, images, one, left, size) for name, (one, left, size) in shown.items()]
    made = {name: one for name, (one, *_) in shown.items() if name != _EVEN}
    write_h264(folder / "reconstructed.mp4", made[_OURS], rate)
    (folder / "strip.png").write_bytes(encode_image(strip(images, kept, made), ".png"))
    n, height, width = images.shape[:3]
    return Compression(found, n, int(kept.sum()), height, width, statistics, whole_size, ways)


def _way(name: str, images: Images, made: Images, kept: NDArray[np.bool_], size: int) -> Way:
    errors, similarities = qualities(images, made)
    of_all = psnr(errors), float(similarities.mean())
    return Way(name, psnr(errors[~kept]), float(similarities[~kept].mean()), *of_all, size)


def _seen(found: Extraction, side: int, limit: int) -> tuple[Images, NDArray[np.bool_], float]:
    """Return the frames that the method looked at, uint8 [N, H, W, 3], which were chosen, and how many a second."""
    from .models.frame_filling import size_of

    seen, times = found.source.grid(found.sampling)[:limit], found.source.times
    height, width = size_of(found.video.height, found.video.width, side)
    images = np.stack([frame.rgb(height, width) for frame in fetch_frames(found.path, seen.tolist(), found.source)])
    spent = float(times[seen[-1]] - times[seen[0]])
    return images, np.isin(seen, found.frames), (len(seen) - 1) / spent if spent > 0 else 25.0


def _stored(images: Images, kept: NDArray[np.bool_], rate: float, path: Path) -> tuple[Images, int]:
    """Write the kept frames as H.264; return the frames with what is decoded in their place, and the file's bytes."""
    write_h264(path, (images[n] for n in np.flatnonzero(kept)), rate, crf=_CRF)
    return _decoded(path, images.copy(), kept), path.stat().st_size


def _decoded(path: Path, images: Images, kept: NDArray[np.bool_]) -> Images:
    with VideoReader(path) as reader:
        for n, frame in zip(np.flatnonzero(kept), reader, strict=True):
            images[n] = frame.full_rgb()
    return images


def _within(size: int, images: Images, rate: float, path: Path) -> None:
    """Write all frames as H.264 of the best quality that takes at most ``size`` bytes, or of the lowest there is."""
    best, worst = 0.0, 51.0  # of x264's scale
    for _ in range(_STEPS):
        crf = (best + worst) / 2
        write_h264(path, images, rate, crf=crf)
        best, worst = (best, crf) if path.stat().st_size <= size else (crf, worst)
    write_h264(path, images, rate, crf=worst)


def qualities(images: Images, made: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean squared error (of images in 0 to 1) and SSIM of every frame, [N], of two uint8 [N, H, W, 3]."""
    import torch

    from .models.similarity import Ssim

    errors, similarities = np.empty(len(images)), np.empty(len(images))
    for start in range(0, len(images), N_FRAMES):
        part = slice(start, start + N_FRAMES)
        first, second = (
            torch.from_numpy(one[part]).permute(0, 3, 1, 2).float() / 255 for one in (images, made)
        )  # [n, 3, H, W]
        errors[part] = (first.double() - second.double()).square().mean(dim=(1, 2, 3))
        similarities[part] = Ssim()(first, second)
    return errors, similarities


def psnr(errors: NDArray[np.float64]) -> float:
    """Return the PSNR of the mean of some mean squared errors, dB; at best that of rounding to whole levels."""
    return -10 * math.log10(max(float(errors.mean()), ROUNDING / 255**2))


def strip(images: Images, kept: NDArray[np.bool_], made: Mapping[str, Images]) -> Images:
    """Return rows of every other frame of the window of 16 that changes most, with their names, uint8 [H', W', 3].

    The original, what is kept of it (the rest is grey), and each of the ways to make the rest.
    """
    import cv2

    ends = [(start, min(start + N_FRAMES, len(images)) - 1) for start in range(0, len(images), N_FRAMES)]
    moved = [np.abs(images[first].astype(int) - images[last]).mean() for first, last in ends]
    first, last = ends[int(np.argmax(moved))]
    shown = np.minimum(np.arange(first, first + N_FRAMES, 2), last)
    grey = np.where(kept[shown, None, None, None], images[shown], 128)
    rows = {"original": images[shown], "kept": grey, **{name: one[shown] for name, one in made.items()}}
    found = []
    for name, row in rows.items():
        margin = np.full((_MARGIN, row.shape[2] * len(row), 3), 255, dtype=np.uint8)
        cv2.putText(margin, name, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        found += [margin, np.concatenate(list(row), axis=1)]
    return np.concatenate(found).astype(np.uint8)
