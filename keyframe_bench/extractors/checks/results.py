"""Checks of what ``select`` returns, on typical and on extreme clips."""

from __future__ import annotations

import json

import numpy as np

from ...core.errors import ContractError
from ...core.keyframes import KeyFrames
from ...core.seeding import rng_for
from ..base import Extractor
from .clips import EXTREME, TYPICAL, clip_of
from .rule import (
    require,
    require_budget,
    require_extreme,
    results,
    rule,
    same,
    select,
    some_budgets,
    takes_free,
    takes_inferred,
    takes_k,
    view_of,
)

_BUDGETS = (1, 2, 3, 5, 8)


@rule()
def check_frames_sorted_unique(extractor: Extractor) -> None:
    """Key frames come in order, each once."""
    for clip, k, result in results(extractor):
        frames, counts = np.unique(result.frames, return_counts=True)
        twice = ", ".join(map(str, frames[counts > 1]))
        require(
            np.all(np.diff(result.frames) > 0),
            f"frames {result.frames.tolist()} for k={k} on {clip.video.name} are not sorted and unique"
            f"{f': {twice} come more than once' if twice else ''}; "
            "clip.pick sorts and removes duplicates",
        )


@rule()
def check_frames_in_range(extractor: Extractor) -> None:
    """Key frames are ordinals of sampled frames, not positions in the clip."""
    for clip, k, result in results(extractor):
        require(
            np.all(np.isin(result.frames, clip.ordinals)),
            f"frames {result.frames.tolist()} for k={k} on {clip.video.name} are not among the sampled ordinals; "
            "give positions to clip.pick and let it look up the ordinals",
        )


@rule()
def check_times_match_frames(extractor: Extractor) -> None:
    """Key frames carry their presentation times, as the clip states them."""
    for clip, k, result in results(extractor):
        where = np.searchsorted(clip.ordinals, result.frames).clip(0, len(clip) - 1)
        require(
            np.array_equal(result.times, clip.times[where]),
            f"times {result.times.tolist()} for k={k} on {clip.video.name} are not those of the frames; "
            "let clip.pick look them up, never compute frame / fps",
        )


@rule(takes_k)
def check_budget_met(extractor: Extractor) -> None:
    """Exactly k key frames come back wherever the clip has k frames."""
    for kind in TYPICAL:
        clip = clip_of(extractor, kind)
        for k in (*_BUDGETS, len(clip) - 1):
            require_budget(extractor, clip, k)


@rule(takes_k)
def check_budget_above_length(extractor: Extractor) -> None:
    """Budgets of all frames or more give every frame."""
    for kind in TYPICAL:
        clip = clip_of(extractor, kind)
        for k in (len(clip), len(clip) + 1, 10 * len(clip)):
            require_budget(extractor, clip, k)


@rule(takes_free)
def check_free_budget(extractor: Extractor) -> None:
    """Without k the method decides itself: at least one key frame, at most all."""
    for kind in (*TYPICAL, *EXTREME):
        clip = clip_of(extractor, kind)
        got = len(select(extractor, clip, None))
        require(
            1 <= got <= len(clip),
            f"{got} key frames without a budget on {kind} ({len(clip)} frames); give at least one, "
            "with clip.pick(..., fallback=reason) where it only stands in",
        )


@rule(takes_inferred)
def check_inferred_budget(extractor: Extractor) -> None:
    """The number inferred from the scores lies between 1 and all frames, is the same again, and can be asked for."""
    for kind in (*TYPICAL, *EXTREME):
        clip = clip_of(extractor, kind)
        view = view_of(extractor, clip)
        k, again = (extractor.infer_k(view, rng=rng_for(0, "check")) for _ in range(2))
        require(isinstance(k, int) and 1 <= k <= len(clip), f"infer_k gives {k!r} on {kind} ({len(clip)} frames)")
        require(k == again, f"infer_k gives {k}, then {again} on {kind} with the same rng; draw only from rng")
        require_budget(extractor, clip, k)


@rule()
def check_why_told(extractor: Extractor) -> None:
    """``why`` says something of every sampled frame, in one line."""
    for clip, k, result in results(extractor):
        view = view_of(extractor, clip)
        for position in range(len(clip)):
            said = extractor.why(view, result, position, k)
            require(isinstance(said, str) and said.strip() and "\n" not in said, f"why gives {said!r}, not one line")


@rule()
def check_single_frame(extractor: Extractor) -> None:
    """One frame alone is the key frame."""
    require_extreme(extractor, "one frame")


@rule()
def check_two_frames(extractor: Extractor) -> None:
    """Two frames are enough, with one difference between neighbours."""
    require_extreme(extractor, "two frames")


@rule()
def check_static_clip(extractor: Extractor) -> None:
    """Pictures that never change work, textured or black."""
    require_extreme(extractor, "a static picture", "a black picture")


@rule()
def check_constant_scores(extractor: Extractor) -> None:
    """Equal scores on all frames work: ties are broken, and no threshold is left without a frame."""
    require_extreme(extractor, "constant features")


@rule()
def check_scores_finite(extractor: Extractor) -> None:
    """Scores are finite numbers on every clip."""
    for kind in (*TYPICAL, *EXTREME):
        for k in some_budgets(extractor):
            result = select(extractor, clip_of(extractor, kind), k)
            for name in ("scores", "frame_scores", "thresholds"):
                values = getattr(result, name)
                require(
                    values is None or np.all(np.isfinite(values)),
                    f"{name} on {kind} are not finite; define the value for a division by zero",
                )


@rule()
def check_segments_cover(extractor: Extractor) -> None:
    """Segments, where given, cover the video once from the first sampled frame on, and each holds its key frame."""
    for kind in (*TYPICAL, *EXTREME):
        for k in some_budgets(extractor):
            clip = clip_of(extractor, kind)
            result = select(extractor, clip, k)
            if result.segments is None:
                continue
            start, end = result.segments.T
            said = f"segments {result.segments.tolist()} for k={k} on {kind}"
            require(start[0] <= clip.ordinals[0] and end[-1] == clip.video.n_frames, f"{said} leave frames out")
            require(np.array_equal(start[1:], end[:-1]), f"{said} overlap or have gaps; begin each where the last ends")
            require(
                np.all((start <= result.frames) & (result.frames < end)),
                f"{said} do not hold their key frames {result.frames.tolist()}",
            )


@rule()
def check_json_round_trip(extractor: Extractor) -> None:
    """Results survive being written as JSON and read again."""
    for _, _, result in results(extractor):
        try:
            text = json.dumps(result.to_json(), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"the result is no JSON ({error}); keep scores finite and costs plain numbers"
            ) from error
        read = KeyFrames.from_json(json.loads(text))
        require(same(result, read), "the result changes when written as JSON and read; make it with clip.pick")
