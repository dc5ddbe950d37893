"""Does a claim hold? Verdicts are data: claim, measured number with its interval, what was expected.

A claim holds when the whole 95 % interval is as expected, and fails when none of it is. All claims of a table are then
corrected together by Holm (1979): the p-value of a claim is the two-sided one of Student's t test of its number against
the nearest limit (paired over videos or seeds; of a ratio over videos, of first minus limit times second), and a claim
whose corrected p is not below .05 is undecided. What is exact needs no test, and what is measured on too few videos or
seeds has none; both are left out of the correction. A claim with several measures has the largest of their p-values: it
holds (or fails) by all of them or is undecided. A claim that holds is *not tested* when a control passes it too, and
undecided when it is not told apart from one that may.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .experiment import Experiment
from .measure import Estimate, estimate
from .stats import ALPHA, holm

if TYPE_CHECKING:
    import pandas as pd

Word = Literal["holds", "fails", "undecided", "not tested"]
Named = tuple[tuple[str, "Estimate | None"], ...]

# The bootstrap interval of fewer videos covers less than 84 % instead of 95 %. Student's t is exact for normal values
# already with two seeds, but its interval is then too wide to say anything.
LEAST: Mapping[str, int] = {"video": 5, "seed": 3, "exact": 1}


@dataclass(frozen=True)
class Verdict:
    """A claim of a paper and what became of it."""

    claim: str
    paper: str  # the paper's own number, or empty
    found: Estimate | None  # none when no cell measures it
    expected: str  # "above 1", "between 2.5 and 4": what the number must be for the claim to hold
    verdict: Word
    note: str = ""  # why it is undecided or not tested, and what the file says about the claim
    p: float | None = None  # corrected by Holm over the claims of the table; None where there is no test
    also: tuple[Estimate | None, ...] = ()  # by the other measures of the claim
    # Numbers that are printed beside and decide nothing; the same measure of
    # controls
    beside: Named = ()
    controls: Named = ()


def verdicts(experiment: Experiment, cells: pd.DataFrame) -> list[Verdict]:
    """Return the verdict on every claim of ``experiment``.

    ``cells``: of `load_results`.
    """
    bounds = [_bounds(claim["expect"]) for claim in experiment.claims]
    measures = [claim["measure"].get("all", [claim["measure"]]) for claim in experiment.claims]
    measured = [tuple(estimate(cells, one) for one in several) for several in measures]
    plain = [_p(numbers, low, high) for numbers, (low, high, _) in zip(measured, bounds, strict=True)]
    corrected = iter(holm([p for p in plain if p is not None]))
    found = []
    for claim, numbers, (low, high, expected), tested in zip(experiment.claims, measured, bounds, plain, strict=True):
        p = None if tested is None else float(next(corrected))
        beside, controls = (
            tuple((name, estimate(cells, one)) for name, one in claim.get(field, {}).items())
            for field in ("beside", "controls")
        )
        word, why = _decided(numbers, low, high, p)
        if word == "holds":
            word, why = _against_controls(numbers[0], controls, low, high)
        note = "; ".join(part for part in (why, str(claim.get("note", ""))) if part)
        texts = str(claim["claim"]), str(claim.get("paper", ""))
        found.append(Verdict(*texts, numbers[0], expected, word, note, p, numbers[1:], beside, controls))
    return found


def judge(measured: Estimate | None, low: float, high: float) -> tuple[Word, str]:
    """Return whether ``measured`` lies in the open interval (low, high), and why it cannot be told.

    Examples
    --------
    >>> judge(Estimate(3.2, 2.9, 3.6, 20), 2.5, 4.0)
    ('holds', '')
    >>> judge(Estimate(0.1, -0.1, 0.3, 20), 0.0, float("inf"))[0]
    'undecided'
    >>> judge(Estimate(0.0, 0.0, 0.0, 20), 0.0, float("inf"))[0]
    'fails'
    """
    if measured is None:
        return "undecided", "not measured in these results"
    if measured.low is None or measured.high is None:
        return "undecided", "there is no interval"
    if measured.n < LEAST[measured.unit]:
        return "undecided", f"{measured.n} {measured.unit}s are too few for an interval to be trusted"
    if low < measured.low and measured.high < high:
        return "holds", ""
    if measured.high <= low or measured.low >= high:  # the limits themselves are not as expected
        return "fails", ""
    return "undecided", "the interval reaches across the limit"


def _decided(numbers: Sequence[Estimate | None], low: float, high: float, p: float | None) -> tuple[Word, str]:
    """Return the word that all measures of a claim share and that the correction leaves."""
    words = [judge(one, low, high) for one in numbers]
    word, why = next((one for one in words if one[0] == "undecided"), words[0])
    if len({one for one, _ in words}) > 1:
        return "undecided", f"by its measures in turn: {', '.join(one for one, _ in words)}"
    if word != "undecided" and p is not None and p >= ALPHA:
        return "undecided", "decided by its interval alone, but not after correction for all claims of the table"
    return word, why


def _against_controls(found: Estimate | None, controls: Named, low: float, high: float) -> tuple[Word, str]:
    """Return "not tested" when a control is as expected too, and "undecided" where ``found`` is not told apart from it.

    Two are told apart where one of them is not as expected at all, or their intervals share nothing.
    """
    passing, near, missing = [], [], []
    least, most = _ends(found) if found else (-math.inf, math.inf)
    for name, one in controls:
        if one is None:
            missing.append(name)
            continue
        lower, upper = _ends(one)
        if low < lower and upper < high:
            passing.append(name)
        elif low < upper and lower < high and least <= upper and lower <= most:
            near.append(name)
    if passing:
        return "not tested", f"the control passes too: {', '.join(passing)}"
    if near:
        return "undecided", f"it is not told apart from the control: {', '.join(near)}"
    if missing:
        return "undecided", f"the control is not measured in these results: {', '.join(missing)}"
    return "holds", ""


def _ends(one: Estimate) -> tuple[float, float]:
    ends = [end for end in (one.value, one.low, one.high) if end is not None]
    return min(ends), max(ends)


def _p(numbers: Sequence[Estimate | None], low: float, high: float) -> float | None:
    """Return the two-sided p-value of the limit and the measure that are hardest to tell apart; None without a test."""
    from scipy.special import stdtr

    tails = [0.0]
    for one in numbers:
        if one is None or one.excess is None or one.low is None or one.n < LEAST[one.unit]:
            return None
        for limit in filter(math.isfinite, (low, high)):
            values = one.excess(limit)
            mean = abs(float(values.mean()))
            error = float(values.std(ddof=1)) / math.sqrt(len(values)) if math.isfinite(mean) else 0.0
            # Without any spread the number is what it is, at the limit too: that is not as expected.
            tails.append(float(stdtr(len(values) - 1, -mean / error)) if error else 0.0)
    return min(1.0, 2 * max(tails))


def p_text(p: float | None) -> str:
    """Return a p-value with two digits.

    Examples
    --------
    >>> p_text(0.0234), p_text(0.00002), p_text(1.0), p_text(None)
    ('.023', '<.001', '1', '-')
    """
    if p is None:
        return "-"
    return "<.001" if p < 0.001 else f"{p:.2g}".removeprefix("0")


def _bounds(expect: Mapping[str, Any]) -> tuple[float, float, str]:
    """Return the open interval of a claim (checked when its file was read), and its words."""
    side, limit = next(iter(expect.items()))
    if side == "between":
        return float(limit[0]), float(limit[1]), f"between {limit[0]:g} and {limit[1]:g}"
    low, high = (float(limit), math.inf) if side == "above" else (-math.inf, float(limit))
    return low, high, f"{side} {limit:g}"
