"""How a check is declared, and what the checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

import numpy as np

from ...core.clip import Clip, KeyFrames
from ...core.errors import ContractError
from ...core.feature import opens_file
from ...core.seeding import rng_for
from ..base import Extractor, check_result
from .clips import TYPICAL, clip_of
from .training import ready

Check = Callable[[Extractor], None]
CHECKS: dict[str, Check] = {}
WHY_NOT: dict[str, Callable[[Extractor], str]] = {}  # rule to "why it does not apply", "" when it does
SELECTING: set[str] = set()  # rules that can only be judged where ``select`` works


def rule(unless: Callable[[Extractor], str] = lambda _: "", *, selects: bool = True) -> Callable[[Check], Check]:
    """Collect a check under its name without ``check_``; it does not apply where ``unless`` gives a reason.

    A check that ``selects`` does not apply to a black box: the clips of the checks are no files. It gets a method that
    has not learned yet after a training (`ready`).
    """

    def why_not(extractor: Extractor) -> str:
        if selects and opens_file(ready(extractor).needs):
            return "it opens the video file itself; the clips of the checks are images in memory"
        return unless(extractor)

    def decorate(check: Check) -> Check:
        @wraps(check)
        def guarded(extractor: Extractor) -> None:
            if not why_not(extractor):
                check(ready(extractor) if selects else extractor)

        name = check.__name__.removeprefix("check_")
        CHECKS[name], WHY_NOT[name] = guarded, why_not
        if selects:
            SELECTING.add(name)
        return guarded

    return decorate


def require(condition: object, message: str) -> None:
    """Raise `ContractError` with ``message`` unless ``condition`` holds (``assert`` would vanish under -O)."""
    if not condition:
        raise ContractError(message)


def only(condition: Callable[[Extractor], object], reason: str) -> Callable[[Extractor], str]:
    """Return the ``unless`` of a rule that applies only where ``condition`` holds."""
    return lambda extractor: "" if condition(extractor) else reason


def some_budgets(extractor: Extractor) -> tuple[int | None, ...]:
    """Return a few budgets of the kinds the extractor supports."""
    fixed = (1, 3, 7) if "fixed" in extractor.supports else ()
    return (*fixed, None) if "free" in extractor.supports else fixed


def select(extractor: Extractor, clip: Clip, k: int | None, seed: int = 0) -> KeyFrames:
    """Select as the runner does, without its checks of the result; errors name the clip and k."""
    try:
        result = extractor.select(clip, k, rng=rng_for(seed, "check"))
    except Exception as error:
        raise ContractError(
            f"select raises {type(error).__name__}: {error} (clip: {clip.video.name}, {len(clip)} frames; k={k})"
        ) from error
    require(isinstance(result, KeyFrames), f"select returns {type(result).__name__}; return clip.pick(positions)")
    return result


def cases(extractor: Extractor, *kinds: str) -> Iterator[tuple[Clip, int | None]]:
    """Yield a fresh clip of each of these kinds, by default the first typical one, with each of `some_budgets`."""
    for kind in kinds or TYPICAL[:1]:
        for k in some_budgets(extractor):
            yield clip_of(extractor, kind), k


def results(extractor: Extractor, *kinds: str) -> Iterator[tuple[Clip, int | None, KeyFrames]]:
    """Yield clip, budget and result on the clips of these kinds, by default the typical ones."""
    for clip, k in cases(extractor, *(kinds or TYPICAL)):
        yield clip, k, select(extractor, clip, k)


def require_budget(extractor: Extractor, clip: Clip, k: int | None) -> None:
    """Require what the runner requires of a result, the number of key frames included."""
    check_result(extractor, clip, k, select(extractor, clip, k))


def same(first: KeyFrames, second: KeyFrames) -> bool:
    """Say whether two results are equal, apart from their cost."""
    names = ("frames", "times", "scores", "segments", "frame_scores", "thresholds", "fallback")
    pairs = [(getattr(first, name), getattr(second, name)) for name in names]
    return all((a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in pairs)
