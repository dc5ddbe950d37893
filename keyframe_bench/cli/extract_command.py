"""``keyframe-bench extract``: key frames of one video."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..api import Extraction, extract
from ..core.clip import KeyFrames, quantiles_of, quantiles_told, share_below, standing
from ..core.errors import UsageError
from ..core.files import file_name, one_line
from ..core.registry import check_params
from ..extractors.base import Extractor
from ..report.exports import checked
from ..report.key_clips import CLIPS_RECORD
from ..selection.key_clips import ClipRules
from .commands import Arguments, counted, listed, path_text
from .compose import configured, named
from .progress import video_progress


def run(found: Arguments) -> int:
    """Extract, write and print."""
    video, rules = found.video(), _clip_rules(found)
    formats = checked(listed(found.get("export") or ()), video)
    name, options = extraction_options(found)
    chosen_budget = any(line.startswith("budget=") for line in found.overrides)
    if rules is not None and not chosen_budget and "free" in Extractor.registry.get(name).supports:
        options["budget"] = "free"  # what happens decides how many clips there are
    with video_progress(video.name) as progress:
        result = extract(video, name, **options, progress=progress)
    folder = result.save(found.get("out") or file_name(f"{video.stem}_{name}"), clips=rules, export=formats)
    clips = [] if rules is None else _clip_lines(json.loads((folder / CLIPS_RECORD).read_text("utf-8")))
    exports = json.loads((folder / "keyframes.json").read_text("utf-8"))["exports"]
    notes = [f"{file}: {note}" for file, note in exports.items() if note]
    print("\n".join([*_lines(result), *clips, *notes, f"written to {path_text(folder)}"]))
    return 0


def extraction_options(found: Arguments) -> tuple[str, dict[str, Any]]:
    """Return the extractor's name and the other keyword arguments of `keyframe_bench.extract`."""
    config = configured(found)
    name, params = named(config["extractor"])
    return name, {"params": params, **{k: config[k] for k in ("budget", "sampling", "seed")}}


def _clip_rules(found: Arguments) -> ClipRules | None:
    """Return the rules of ``clips.*=``; None when no clips are wanted."""
    given = {k.removeprefix("clips."): value for k, value in found.values.items() if k.startswith("clips.")}
    wanted = found.values.get("clips", bool(given))
    if not isinstance(wanted, bool):
        raise UsageError(f"clips={wanted} is not true or false")
    rules = ClipRules(**check_params(ClipRules, given, "clips"))
    return rules if wanted else None


def _lines(result: Extraction) -> Iterator[str]:
    """Yield what is printed about key frames."""
    info, keyframes, n = result.video, result.keyframes, len(result.frames)
    yield f"{one_line(info.name)}  {info.width}x{info.height}, {info.n_frames} frames, {info.duration_s:.2f} s"
    yield from (f"  health: {one_line(problem)}" for problem in result.source.health.problems)
    scores = _scores(keyframes)
    heads = "score (among the frames seen)" if any(scores) else ""
    yield f"{'#':<4} {'frame':<8} {'time (s)':<9} {heads}".rstrip()
    for i, (frame, time, score) in enumerate(zip(result.frames, result.times, scores, strict=True), start=1):
        yield f"{i:<4} {frame:<8} {f'{time:.3f}':<9} {score}".rstrip()
    label = f" ({result.label})" if result.label else ""
    n_sampled, n_run = (len(result.source.grid(s)) for s in (result.sampling, result.run_sampling))
    budget = result.budget if result.k is None or str(result.k) == result.budget else f"{result.budget} = {result.k}"
    budget += f" of the {n_run} frames at {result.run_sampling}" if result.budget.endswith("%") else ""
    cost = keyframes.cost
    yield (
        f"{result.extractor}{label}: {counted(n, 'key frame')} (budget {budget}; {n_sampled} frames seen, "
        f"sampling {result.sampling}); decode {cost['decode_s']:.2f} s, features {cost['features_s']:.2f} s, "
        f"selection {cost['select_s']:.3f} s"
    )
    if result.trained_by_other_code:
        yield "  the plug-in was edited after the training of this checkpoint; train it again if that matters"
    if keyframes.fallback:
        yield f"  a fallback, not a result: {one_line(keyframes.fallback)}"
    if keyframes.shortfall:
        yield f"  {n} of {result.k}: {one_line(keyframes.shortfall)}"
    if line := _scores_and_threshold(keyframes):
        found_for = result.k is not None and keyframes.thresholds is not None
        yield f"{line} (found for k={result.k})" if found_for else line


def _scores_and_threshold(keyframes: KeyFrames) -> str:
    """Say how the scores of all frames lie, beside the threshold if there is one; empty where frames have no scores.

    ``scores of 698 frames: half below 0.0041, 90 % below 0.0193, 99 % below 0.0412, highest 0.0703; threshold 0.0298``.
    """
    scores, limits = keyframes.frame_scores, keyframes.threshold_range
    if scores is None or not (quantiles := quantiles_of(scores)):
        return ""
    line = f"scores of {np.isfinite(scores).sum()} frames: {quantiles_told(quantiles)}"
    if limits is None or keyframes.thresholds is None:
        return line
    threshold = " to ".join(dict.fromkeys(f"{value:.4g}" for value in limits))
    nothing = "" if (scores > keyframes.thresholds).any() else ": no score is above it"
    return f"{line}; threshold {threshold}{nothing}"


def _scores(keyframes: KeyFrames) -> list[str]:
    """Return the score of each key frame, as of any frame, and where it stands; empty where frames have no scores."""
    own, of_frames = keyframes.own_scores, keyframes.frame_scores
    if own is None or of_frames is None:
        return [""] * len(keyframes)
    quantiles, shares = quantiles_of(of_frames), share_below(of_frames, own)
    return [f"{one:<9.4g} ({standing(one, share, quantiles)})" for one, share in zip(own, shares, strict=True)]


def _clip_lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every clip of ``clips.json``, and one for all."""
    for clip in record["clips"]:
        first, end = clip["frames"]
        yield (
            f"{clip['file']}  {clip['start_s']:.2f} to {clip['end_s']:.2f} s, frames {first} to {end - 1}, "
            f"{counted(len(clip['keyframes']), 'key frame')}, {clip['bytes'] / 1e6:.2f} MB, "
            f"{'copied' if clip['copied'] else 'encoded again'}: {clip['reason']}"
        )
    yield (
        f"key clips: {record['n_clips']}, {record['saved_s']:.2f} s kept = "
        f"{100 * record['saved_duration_ratio']:.1f} % of the duration, {record['bytes'] / 1e6:.2f} MB = "
        f"{100 * record['byte_ratio']:.1f} % of the video's bytes"
    )
