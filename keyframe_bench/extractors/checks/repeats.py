"""Checks that an answer can be repeated: same generator, other process, pickled copy, live stream."""

from __future__ import annotations

import pickle
import random

import numpy as np

from ...core.errors import ContractError
from ..base import Extractor
from .clips import TYPICAL, clip_of
from .elsewhere import answers, answers_elsewhere
from .rule import only, require, rule, same, select, some_budgets


@rule()
def check_same_rng_same_answer(extractor: Extractor) -> None:
    """Equal generators give equal answers, whatever was selected in between."""
    for k in some_budgets(extractor):
        first = select(extractor, clip_of(extractor, TYPICAL[0]), k)
        select(extractor, clip_of(extractor, TYPICAL[1]), k)
        again = select(extractor, clip_of(extractor, TYPICAL[0]), k)
        require(
            same(first, again),
            f"frames {first.frames.tolist()}, then {again.frames.tolist()} for k={k} with the same rng; draw only from "
            "rng and keep nothing between calls",
        )


@rule(only(lambda e: type(e).__module__ != "__main__", "the class lives in a prompt or notebook, not in a file"))
def check_same_answer_elsewhere(extractor: Extractor) -> None:
    """Another process, with other hash seeds, gives the same answer."""
    clip, budgets = clip_of(extractor, TYPICAL[0]), some_budgets(extractor)
    require(
        answers(extractor, clip, budgets) == answers_elsewhere(extractor, clip, budgets),
        "another process gives another answer; do not depend on hash(), on the order of a set, on time or on globals",
    )


@rule()
def check_global_random_untouched(extractor: Extractor) -> None:
    """``select`` neither draws from nor seeds the global generators of random and numpy."""
    for k in some_budgets(extractor):
        before = _global_state()
        select(extractor, clip_of(extractor, TYPICAL[0]), k)
        require(
            before == _global_state(),
            "select uses the global random state; draw from rng, give libraries random_state=int(rng.integers(2**31))",
        )


def _global_state() -> str:
    return repr((random.getstate(), [str(part) for part in np.random.get_state()]))  # noqa: NPY002 - only read


@rule(only(lambda e: not e.stochastic, "it says stochastic = True"))
def check_deterministic_as_declared(extractor: Extractor) -> None:
    """With ``stochastic = False`` the answer is the same for every generator."""
    for kind in TYPICAL:
        for k in some_budgets(extractor):
            first, *others = (select(extractor, clip_of(extractor, kind), k, seed) for seed in range(4))
            require(
                all(same(first, other) for other in others),
                f"the answer on {kind} for k={k} depends on rng; set stochastic = True",
            )


@rule()
def check_picklable(extractor: Extractor) -> None:
    """Pickled copies, as worker processes get them, select the same."""
    try:
        copy = pickle.loads(pickle.dumps(extractor))
    except Exception as error:
        raise ContractError(
            f"the extractor cannot be pickled ({type(error).__name__}: {error}); define the class at the top of a file "
            "and store no open files, locks or lambdas"
        ) from error
    require(copy.params == extractor.params, f"pickling changes the parameters to {copy.params}")
    for k in some_budgets(extractor):
        clip = clip_of(extractor, TYPICAL[0])
        require(same(select(extractor, clip, k), select(copy, clip, k)), "the pickled copy selects other frames")


@rule(only(lambda e: e.online, "it does not say online = True"))
def check_online_prefix(extractor: Extractor) -> None:
    """With ``online = True`` the key frames of a prefix are those of the whole clip that lie in the prefix."""
    for kind in TYPICAL:
        clip = clip_of(extractor, kind)
        for k in some_budgets(extractor) if "free" not in extractor.supports else (None,):
            whole = select(extractor, clip, k).frames
            for n in range(1, len(clip)):
                part = select(extractor, clip.prefix(n), k).frames
                expected = whole[whole < clip.ordinals[n]]
                require(
                    np.array_equal(part, expected),
                    f"after {n} frames of {kind} it chose {part.tolist()}, at the end {expected.tolist()} of them; "
                    "decide on a frame without looking ahead, or set online = False",
                )
