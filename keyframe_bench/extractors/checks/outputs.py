"""Checks of what ``select`` reads, what it leaves alone, and what it returns."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np

from ...core.clip import KeyFrames, watched
from ...core.errors import ContractError
from ...core.feature import Feature
from ...core.seeding import rng_for
from ..base import Extractor, check_result
from .clips import EXTREME, TYPICAL, AnnotationTrap, ReadColumns, clip_of
from .rule import cases, only, require, require_budget, results, rule, same, select
from .training import ready


@rule(selects=False)
def check_needs_are_features(extractor: Extractor) -> None:
    """``needs`` is a tuple of features, the same every time."""
    extractor = ready(extractor)
    needs = extractor.needs
    require(
        isinstance(needs, tuple) and all(isinstance(feature, Feature) for feature in needs),
        "needs is a tuple of features such as (Gray(height=60, width=80),); mind the comma of a single one",
    )
    require(needs == extractor.needs, "needs changes from call to call; it may depend on parameters only")


@rule()
def check_reads_declared_needs(extractor: Extractor) -> None:
    """``select`` reads only features that ``needs`` declares."""
    for clip, k in cases(extractor):
        columns = ReadColumns(clip.columns)
        with suppress(Exception):  # only a missing feature breaks this rule
            extractor.select(replace(clip, columns=columns), k, rng=rng_for(0, "check"))
        for missing in columns.missing:
            raise ContractError(f"select reads {missing}, which needs does not declare; add that feature to needs")


@rule()
def check_returns_keyframes(extractor: Extractor) -> None:
    """``select`` returns KeyFrames: sampled frames in order, each once, with their times; arrays as documented."""
    for clip, k, result in results(extractor):
        n, found = len(clip), len(result.frames)
        documented = {"frames": ("int64", [found]), "times": ("float64", [found]), "scores": ("float64", [found])}
        documented |= {"segments": ("int64", [found, 2])} | dict.fromkeys(
            ("frame_scores", "thresholds"), ("float32", [n])
        )
        for name, (dtype, shape) in documented.items():
            array = getattr(result, name)
            require(
                (array is None and name not in ("frames", "times"))
                or (isinstance(array, np.ndarray) and array.dtype == dtype and list(array.shape) == shape),
                f"{name} must be {dtype} {shape}; return clip.pick(positions, scores=..., segments=...)",
            )
        check_result(extractor, clip, k, result, count=False)


@rule(only(lambda e: not e.privileged, "it is privileged: it may see the annotation"))
def check_reads_no_annotation(extractor: Extractor) -> None:
    """``select`` neither reads the annotation nor depends on whether there is one."""
    for clip, k in cases(extractor):
        annotated = select(extractor, replace(clip, annotation=AnnotationTrap()), k)
        plain = select(extractor, clip, k)
        require(same(annotated, plain), "select answers otherwise when the clip has an annotation; ignore it")


@rule()
def check_clip_unchanged(extractor: Extractor) -> None:
    """``select`` writes into no array of the clip: all methods share it."""
    for clip, k in cases(extractor):
        with watched(extractor, clip, own=True):
            select(extractor, clip, k)


@rule(only(lambda e: "fixed" in e.supports, "it takes no number of key frames (supports has no 'fixed')"))
def check_budget_met(extractor: Extractor) -> None:
    """Exactly k key frames come back wherever the clip has k frames, and all frames where it has fewer."""
    for kind in TYPICAL:
        n = len(clip_of(extractor, kind))
        for k in (1, 2, 3, 5, 8, n - 1, n, n + 1, 10 * n):
            require_budget(extractor, clip_of(extractor, kind), k)


@rule(only(lambda e: "free" in e.supports, "it does not decide the number itself (supports has no 'free')"))
def check_free_budget(extractor: Extractor) -> None:
    """Without k the method decides itself: at least one key frame, at most all."""
    for kind in (*TYPICAL, *EXTREME):
        require_budget(extractor, clip_of(extractor, kind), None)


@rule(only(lambda e: "inferred" in e.supports, "no number can be inferred (supports has no 'inferred')"))
def check_inferred_budget(extractor: Extractor) -> None:
    """The number inferred from the scores lies between 1 and all frames, is the same again, and can be asked for."""
    for kind in (*TYPICAL, *EXTREME):
        clip = clip_of(extractor, kind)
        k, again = (extractor.infer_k(clip, rng=rng_for(0, "check")) for _ in range(2))
        require(isinstance(k, int) and 1 <= k <= len(clip), f"infer_k gives {k!r} on {kind} ({len(clip)} frames)")
        require(k == again, f"infer_k gives {k}, then {again} on {kind} with the same rng; draw only from rng")
        require_budget(extractor, clip, k)


@rule()
def check_extreme_clips(extractor: Extractor) -> None:
    """One frame, two frames, images that never change, and constant features work."""
    for clip, k, result in results(extractor, *EXTREME):
        check_result(extractor, clip, k, result)


@rule()
def check_why_told(extractor: Extractor) -> None:
    """``why`` says something of every sampled frame, in one line."""
    for clip, k, result in results(extractor):
        for position in range(len(clip)):
            said = extractor.why(clip, result, position, k)
            require(isinstance(said, str) and said.strip() and "\n" not in said, f"why gives {said!r}, not one line")


@rule()
def check_segments_cover(extractor: Extractor) -> None:
    """Segments, where given, cover the video once from the first sampled frame on, and each holds its key frame."""
    for clip, k, result in results(extractor, *TYPICAL, *EXTREME):
        if result.segments is None:
            continue
        start, end = result.segments.T
        said = f"segments {result.segments.tolist()} for k={k} on {clip.video.name}"
        require(start[0] <= clip.ordinals[0] and end[-1] == clip.video.n_frames, f"{said} leave frames out")
        require(np.array_equal(start[1:], end[:-1]), f"{said} overlap or have gaps; begin each where the last ends")
        held = np.all((start <= result.frames) & (result.frames < end))
        require(held, f"{said} do not hold their key frames {result.frames.tolist()}")


@rule()
def check_json_round_trip(extractor: Extractor) -> None:
    """Results survive being written as JSON and read again."""
    for _, _, result in results(extractor):
        try:
            text = json.dumps(result.to_json(), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ContractError(f"the result is not JSON ({error}); keep scores finite, costs plain numbers") from error
        require(
            same(result, KeyFrames.from_json(json.loads(text))),
            "the result changes when written as JSON and read; make it with clip.pick",
        )
