"""The key frames of one video: what `keyframe_bench.extract` returns and writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core.clip import KeyFrames, VideoInfo
from .core.errors import OutputError, UnavailableError, UsageError
from .core.feature import Feature
from .core.files import printable
from .core.registry import Parameter, Range
from .extractors._rows import FEATURE, feature_named
from .extractors.asked import DEFAULT_EXTRACTOR, Asked, unsupported
from .extractors.base import Extractor
from .extractors.trainable import Trainable
from .report.exports import PICTURED, Exported, Marks, checked, exported
from .report.key_clips import clips_of, replaced, write_key_clips
from .report.map import Mapped, VideoMap, check_place, decoding, write_map
from .selection.key_clips import ClipRules, KeyClips
from .video.fetch import fetch_frames
from .video.frame_folder import FrameFolder, Video, VideoPath, as_video, check_video
from .video.image_files import encode_image, fit_width
from .video.onepass import Pass, Progress, read_pass

STORYBOARD_WIDTH = 320


@dataclass(frozen=True, repr=False)
class Extraction:
    """Key frames of one video, with what is needed to show them.

    Attributes
    ----------
    path : Path or FrameFolder
        The video.
    keyframes : KeyFrames
    extractor : str
        Registered name.
    params : dict
        Parameters of the extractor.
    budget : str
    k : int or None
        The budget as a number: a share is one of the frames of ``run_sampling``, "inferred" is read off the frames that
        were seen; None when the method decided.
    sampling, run_sampling : str
        The method's own, and the one asked for.
    label : str
        What must be said beside the name ("random init").
    seed : int
    source : Pass
        The pass over the file: its health, every PTS.
    trained_on_this_video : bool or None
        Whether the extractor was trained, or its epoch chosen, on this very file; None where it does not learn.
    trained_by_other_code : bool
        Whether the extractor's plug-in was edited after the training of its checkpoint.
    """

    path: Video
    keyframes: KeyFrames
    extractor: str
    params: dict[str, Any]
    budget: str
    k: int | None
    sampling: str
    run_sampling: str
    label: str
    seed: int
    source: Pass
    trained_on_this_video: bool | None = None
    trained_by_other_code: bool = False

    def __repr__(self) -> str:
        return f"Extraction({printable(self.path.name)!r}, {self.extractor!r}, frames={self.frames.tolist()})"

    def _repr_jpeg_(self) -> bytes:
        """Return the key frames as a storyboard: what a notebook shows of an extraction."""
        from .report.storyboard import storyboard

        sheet = storyboard(list(self.pictures(STORYBOARD_WIDTH)), self.times.tolist(), height=120, width=960)
        return encode_image(sheet, ".jpg", 80)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Decoder ordinals of the key frames, int64 [K]."""
        return self.keyframes.frames

    @property
    def times(self) -> NDArray[np.float64]:
        """Their PTS in seconds, float64 [K]."""
        return self.keyframes.times

    @property
    def video(self) -> VideoInfo:
        """Facts about the video."""
        return self.source.info

    @property
    def health(self) -> dict[str, Any]:
        """The health record as plain data."""
        return {**self.source.health.to_json(), "problems": self.source.health.problems}

    def pictures(self, width: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the key frames' images in order, uint8 [height, width, 3], RGB, upright.

        Parameters
        ----------
        width : int, optional
            Width in pixels; default: full resolution.

        Raises
        ------
        VideoError
            When the file changed since it was read.
        """
        for frame in fetch_frames(self.path, self.frames.tolist(), self.source):
            yield frame.full_rgb() if width is None else frame.rgb(*fit_width(frame.height, frame.width, width))

    def rows(self, feature: Feature) -> NDArray[Any]:
        """Return the key frames' rows of a feature that `extract` was asked for, [K, ...]."""
        clip = self.source.clip(self.sampling, (feature,))
        return clip[feature][np.searchsorted(clip.ordinals, self.frames)]

    def clips(self, rules: ClipRules | None = None) -> KeyClips:
        """Return the stretches of the video that its key frames say are worth keeping; `save` writes them.

        Parameters
        ----------
        rules : ClipRules, optional
            When a clip begins and ends; default: ``ClipRules()``.
        """
        return clips_of(self.frames, self.source, rules or ClipRules())

    def exports(self, *formats: str) -> list[Exported]:
        """Return the key frames, and the segments they stand for, as files for other programs.

        Where the method gives no segments, each lasts until the next key frame.

        Parameters
        ----------
        *formats : {"csv", "otio", "edl", "fcpxml", "webvtt", "ffmetadata", "storyboard"}

        Returns
        -------
        list of Exported
            ``(name, data, note)``: file name, bytes, and what a format cannot hold exactly, "" if nothing.

        Raises
        ------
        UsageError
            Unknown format, or one that the video does not fit.

        Examples
        --------
        >>> import keyframe_bench as kb
        >>> (table,) = kb.extract(kb.demo_video(), "uniform", budget=1).exports("csv")
        >>> print(table.data.decode().splitlines()[1])
        demo-seed0-renderer2.mp4,uniform,150,76800,1/12800,6.0,,150,300,76800,153600
        """
        wanted = checked(formats, self.path)
        pictures = list(self.pictures(STORYBOARD_WIDTH)) if PICTURED & set(wanted) else []
        return exported(Marks.of(self.path, self.keyframes, self.source, self.extractor, pictures), wanted)

    def to_json(self) -> dict[str, Any]:
        """Return what ``keyframes.json`` holds."""
        from .bench.provenance import package_versions

        return {
            **self.keyframes.to_json(),
            "video": printable(self.path.name),
            "video_sha256": self.video.sha256,
            "extractor": self.extractor,
            "params": self.params,
            "budget": self.budget,
            "k": self.k,
            "sampling": self.sampling,
            "run_sampling": self.run_sampling,
            "label": self.label,
            "seed": self.seed,
            "trained_on_this_video": self.trained_on_this_video,
            "health": self.health,
            "versions": package_versions(),
        }

    def save(self, folder: str | Path, *, clips: ClipRules | None = None, export: Sequence[str] = ()) -> Path:
        """Write ``keyframes.json``, one full-resolution JPEG a key frame and ``storyboard.jpg`` into ``folder``.

        Files of an earlier extraction in the same folder are replaced; when anything fails, the folder stays as it was.

        Parameters
        ----------
        folder : str or Path
        clips : ClipRules, optional
            Write the key clips of these rules too: ``clips/clip_001.mp4`` ... and ``clips.json``.
        export : sequence of str
            Formats of `exports` to write too.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        from .report.storyboard import storyboard

        target = Path(folder)
        if isinstance(self.path, FrameFolder) and target.exists() and target.samefile(self.path):
            raise OutputError(target, "it is the folder of the video's images, and what is written would become some")
        with replaced(target) as staging:
            names, small = [], []
            for ordinal, picture in zip(self.frames.tolist(), self.pictures(), strict=True):
                names.append(f"frame_{ordinal:06d}.jpg")
                (staging / names[-1]).write_bytes(encode_image(picture, ".jpg"))
                small.append(_shrunk(picture))
            (staging / "storyboard.jpg").write_bytes(encode_image(storyboard(small, self.times.tolist()), ".jpg"))
            files = self.exports(*export)
            for file in files:
                (staging / file.name).write_bytes(file.data)
            record = {**self.to_json(), "images": names, "exports": {file.name: file.note for file in files}}
            (staging / "keyframes.json").write_text(json.dumps(record, indent=1, allow_nan=False), "utf-8")
            if clips is not None:
                write_key_clips(self.path, self.frames, self.source, clips, staging)
        return target


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    height, width = fit_width(picture.shape[0], picture.shape[1], STORYBOARD_WIDTH)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def extract(
    path: VideoPath,
    extractor: str | Extractor = DEFAULT_EXTRACTOR,
    *,
    fps: float | None = None,
    times: str | None = None,
    budget: str | int = 8,
    sampling: str = "2fps",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    features: Sequence[Feature] = (),
    progress: Progress | None = None,
) -> Extraction:
    """Extract the key frames of one video.

    Parameters
    ----------
    path : str, Path or FrameFolder
        Video file, or a folder whose images are its frames in natural order of their names.
    extractor : str or Extractor
        Registered name, or an instance.
    fps : float, optional
        Images per second of a folder of images; default: 25, and the health record says so.
    times : {"index", "names"}, optional
        Of a folder of images: when each is shown, in units of 1 / fps. "index" counts the image files from 0,
        "names" takes the last number in the name.
    budget : str or int
        ``8``, ``"15%"`` of the sampled frames, ``"4/min"``, ``"free"`` (the method's own rule), ``"inferred"`` (the
        knee of the sorted scores) or ``"inferred-coverage"`` (the smallest k that covers 95 % of the sampled frames).
    sampling : str
        ``"2fps"``, ``"every"`` or ``"every3"``; methods defined on frames of their own keep theirs.
    params : mapping, optional
        Parameters of a named extractor.
    seed : int
        For methods that draw at random.
    features : sequence of Feature
        Computed in the same pass, of the frames that the method sees, whether it reads them or not; see
        `Extraction.rows`.
    progress : callable, optional
        Called with the PTS reached, in seconds.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError
        Unknown extractor (with the nearest names), wrong parameter, budget or sampling; ``fps`` or ``times`` of a file.
    UnavailableError
        The extractor cannot run here.
    VideoError
        The file gives no frames.

    Examples
    --------
    >>> import keyframe_bench as kb
    >>> result = kb.extract(kb.demo_video(), "uniform", budget=3)
    >>> result.frames.shape, result.video.fps
    ((3,), 25.0)
    """
    method = Extractor.registry.build(extractor, params) if isinstance(extractor, str) else extractor
    asked = Asked.of(method, budget, sampling)
    asked.budget.check(None, "a video by itself")
    Parameter("seed", (int,), range=Range(0)).check(seed, "extract")
    reason = method.unavailable()
    if reason is None and method.privileged:
        reason = "it requires annotations; use keyframe-bench run on a data set that has them"
    if reason is not None:
        raise UnavailableError(f"extractor {method.name!r} cannot run: {reason}")
    reason = unsupported(method, asked.budget)
    if reason is not None:  # before the video is read
        raise UsageError(f"extractor {method.name!r}, budget={asked.budget}: {reason}")
    video = as_video(path, fps, times)
    asked.check_length(video)
    requests = {**asked.requests, asked.sampling: tuple(dict.fromkeys([*asked.features, *features]))}
    read = read_pass(video, requests, progress=progress)
    found, k = asked.answer(read, seed)
    trained_on = method.has_seen(read.info.sha256) if isinstance(method, Trainable) else None
    return Extraction(
        path=video,
        keyframes=found,
        extractor=method.name,
        params=method.params,
        budget=str(asked.budget),
        k=k,
        sampling=asked.sampling,
        run_sampling=asked.run_sampling,
        label=method.label,
        seed=seed,
        source=read,
        trained_on_this_video=trained_on,
        trained_by_other_code=isinstance(method, Trainable) and method.other_code,
    )


def map_videos(
    paths: Sequence[VideoPath],
    extractor: str = DEFAULT_EXTRACTOR,
    *,
    out: str | Path,
    feature: str = FEATURE,
    budget: str | int = "free",
    sampling: str = "2fps",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    fps: float | None = None,
    times: str | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> VideoMap:
    """Lay out the key frames of videos by t-SNE of a feature, alike ones near each other, on a page to look around in.

    Parameters
    ----------
    paths : sequence of str, Path or FrameFolder
        The videos, each once.
    extractor, budget, sampling, params, fps, times
        As of `extract`.
    out : str or Path
        The page, ``NAME.html``, which needs no other file, unless full-size frames and previews take more than 20 MB:
        they are then in the folder ``NAME_files`` beside it. An earlier map there is replaced, no other file.
    feature : str
        Any feature with a row of numbers per frame, with its parameters after a question mark
        (``hue_histogram?bins=32``).
    seed : int
        Of t-SNE, and for methods that draw at random.
    progress : callable, optional
        Called with a share, 0 to 1, and in words with what it is of: videos decoded, then layouts, then frames drawn.

    Returns
    -------
    VideoMap

    Raises
    ------
    UsageError, UnavailableError, VideoError, OutputError
        As `extract` and `keyframe_bench.report.map.write_map`; nothing is written then.
    """
    check_place(Path(out))
    looked_at = feature_named(feature)
    if reason := getattr(looked_at, "unavailable", lambda: None)():
        raise UnavailableError(f"feature={feature}: {reason}")
    videos = [as_video(path, fps, times) for path in paths]
    if twice := next((v for i, v in enumerate(videos) if v in videos[:i]), None):
        raise UsageError(f"{printable(str(twice))!r} is named twice; name every video once")
    for video in videos:
        check_video(video)
    options: dict[str, Any] = {"budget": budget, "sampling": sampling, "params": params, "seed": seed}
    mapped, tell = [], progress or (lambda *_: None)
    for done, video in enumerate(videos):
        reached = decoding(tell, done, len(videos), video)
        found = extract(video, extractor, **options, features=(looked_at,), progress=reached)
        label = f" ({found.label})" if found.label else ""
        method = f"{extractor}{label}, budget {found.budget}, sampling {found.sampling}"
        mapped.append(Mapped(video, found.keyframes, found.source, found.rows(looked_at), method))
    return write_map(mapped, Path(out), feature=feature, seed=seed, tell=tell)
