"""``keyframe-bench extract``: key frames of one video."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..api import Extraction, extract
from ..core.errors import UsageError
from ..core.files import file_name, one_line
from ..core.keyframes import KeyFrames
from ..core.params import check_params
from ..core.registry import load_plugins
from ..extractors.base import Extractor
from ..report.key_clips import CLIPS_RECORD
from ..selection.key_clips import ClipRules
from .arguments import Arguments, path_text
from .compose import built_params, composed, text_parameters
from .progress import video_progress


def run(found: Arguments) -> int:
    """Extract, write and print."""
    video, rules = found.video(), _clip_rules(found)
    chosen_budget = any(line.startswith("budget=") for line in found.overrides)
    name, options = extraction_options(found)
    if rules is not None and not chosen_budget and "free" in Extractor.registry.get(name).supports:
        options["budget"] = "free"  # what happens decides how many clips there are
    with video_progress(video.name) as progress:
        result = extract(video, name, **options, progress=progress)
    folder = result.save(found.get("out") or file_name(f"{video.stem}_{name}"), clips=rules)
    console = Console(highlight=False)
    _print(console, result)
    if rules is not None:
        _print_clips(console, json.loads((folder / CLIPS_RECORD).read_text("utf-8")))
    console.print(f"written to {escape(path_text(folder))}", soft_wrap=True)
    return 0


def extraction_options(found: Arguments) -> tuple[str, dict[str, Any]]:
    """Return the extractor's name and the other keyword arguments of `keyframe_bench.extract`; loads plug-ins."""
    load_plugins(found.plugins)
    texts, overrides = text_parameters("extractor", found.overrides)
    config = composed(found.command.config, overrides)
    name, params = built_params(config["extractor"])
    params |= found.below("extractor.") | {key.removeprefix("extractor."): text for key, text in texts.items()}
    params |= {"weights": found.values["weights"]} if "weights" in found.values else {}
    return name, {"params": params, **{k: config[k] for k in ("budget", "sampling", "seed")}}


def _clip_rules(found: Arguments) -> ClipRules | None:
    """Return the rules of ``clips.*=``; None when no clips are wanted."""
    given = found.below("clips.")
    wanted = found.values.get("clips", bool(given))
    if not isinstance(wanted, bool):
        raise UsageError(f"clips={wanted} is not true or false")
    rules = ClipRules(**check_params(ClipRules, given, "clips"))
    return rules if wanted else None


def _print(console: Console, result: Extraction) -> None:
    info, cost = result.video, result.keyframes.cost
    console.print(
        f"[bold]{escape(one_line(info.name))}[/]  {info.width}x{info.height}, {info.n_frames} frames, "
        f"{info.duration_s:.2f} s",
        soft_wrap=True,
    )
    for problem in result.source.health.problems:
        console.print(f"  health: {escape(one_line(problem))}", soft_wrap=True)
    table = Table("#", "frame", "time (s)", "score", box=None, pad_edge=False)
    scores = result.keyframes.scores
    for n, (frame, time) in enumerate(zip(result.frames.tolist(), result.times.tolist(), strict=True)):
        table.add_row(str(n + 1), str(frame), f"{time:.3f}", "" if scores is None else f"{scores[n]:.4g}")
    console.print(table)
    label = f" ({result.label})" if result.label else ""
    n_sampled, n_run = (len(result.source.grids[s]) for s in (result.sampling, result.run_sampling))
    wanted = "" if result.k is None or str(result.k) == result.budget else f" = {result.k}"
    wanted += f" of the {n_run} frames at {result.run_sampling}" if result.budget.endswith("%") else ""
    console.print(
        f"{result.extractor}{label}: {len(result.frames)} key frame{'' if len(result.frames) == 1 else 's'} "
        f"(budget {result.budget}{wanted}; "
        f"{n_sampled} frames seen, sampling {result.sampling}); "
        f"decode {cost['decode_s']:.2f} s, features {cost['features_s']:.2f} s, selection {cost['select_s']:.3f} s",
        soft_wrap=True,
    )
    if result.trained_by_other_code:
        console.print("  the plug-in was edited after the training of this checkpoint; train it again if that matters")
    if fallback := result.keyframes.fallback:
        console.print(f"  a fallback, not a result: {escape(one_line(fallback))}", soft_wrap=True)
    if shortfall := result.keyframes.shortfall:
        console.print(f"  {len(result.frames)} of {result.k}: {escape(one_line(shortfall))}", soft_wrap=True)
    if told := _scores_and_threshold(result.keyframes):
        console.print(told if result.k is None else f"{told} (found for k={result.k})", soft_wrap=True)


def _scores_and_threshold(keyframes: KeyFrames) -> str:
    """Say how the scores of all frames lie beside the threshold; empty where there is none.

    ``scores of 698 frames: half below 0.0041, 90 % below 0.0193, 99 % below 0.0412, highest 0.0703; threshold 0.0298``.
    """
    scores, thresholds = keyframes.frame_scores, keyframes.thresholds
    if scores is None or thresholds is None or not len(scores):
        return ""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return ""
    half, most, nearly = (f"{value:.4g}" for value in np.quantile(known, (0.5, 0.9, 0.99)))
    level = " to ".join(dict.fromkeys(f"{value:.4g}" for value in (thresholds.min(), thresholds.max())))
    nothing = "" if (scores > thresholds).any() else ": no score is above it"
    return (
        f"scores of {len(known)} frames: half below {half}, 90 % below {most}, 99 % below {nearly}, "
        f"highest {known.max():.4g}; threshold {level}{nothing}"
    )


def _print_clips(console: Console, record: dict[str, Any]) -> None:
    """Print a line for every clip of ``clips.json``, and one for all."""
    for clip in record["clips"]:
        first, end = clip["frames"]
        n_keys = len(clip["keyframes"])
        console.print(
            f"{clip['file']}  {clip['start_s']:.2f} to {clip['end_s']:.2f} s, frames {first} to {end - 1}, "
            f"{n_keys} key frame{'' if n_keys == 1 else 's'}, {clip['bytes'] / 1e6:.2f} MB, "
            f"{'copied' if clip['copied'] else 'encoded again'}: {escape(clip['reason'])}",
            soft_wrap=True,
        )
    n = record["n_clips"]
    console.print(
        f"key clips: {n}, {record['saved_s']:.2f} s kept = "
        f"{100 * record['saved_duration_ratio']:.1f} % of the duration, {record['bytes'] / 1e6:.2f} MB = "
        f"{100 * record['byte_ratio']:.1f} % of the video's bytes",
        soft_wrap=True,
    )
