"""Does a claim hold? Verdicts are data: claim, measured number with its interval, what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .experiment import Experiment
from .measure import Estimate, estimate

if TYPE_CHECKING:
    import pandas as pd

Word = Literal["holds", "fails", "undecided"]

# The bootstrap interval of fewer videos covers less than 84 % instead of 95 %. Student's t is exact for normal values
# already with two seeds, but its interval is then too wide to say anything.
LEAST: Mapping[str, int] = {"video": 5, "seed": 3, "exact": 1}


@dataclass(frozen=True)
class Verdict:
    """A claim of a paper and what became of it.

    Attributes
    ----------
    claim : str
    paper : str
        The paper's own number, or empty.
    found : Estimate or None
        None when no cell measures it.
    expected : str
        "above 1", "between 2.5 and 4": what the number must be for the claim to hold.
    verdict : {"holds", "fails", "undecided"}
        Holds when the whole interval is as expected, fails when the whole interval is not, else undecided.
    note : str
        Why it is undecided, or what the file says about the claim.
    """

    claim: str
    paper: str
    found: Estimate | None
    expected: str
    verdict: Word
    note: str = ""


def verdicts(experiment: Experiment, cells: pd.DataFrame) -> list[Verdict]:
    """Return the verdict on every claim of ``experiment``.

    Parameters
    ----------
    experiment : Experiment
    cells : pandas.DataFrame
        Of `load_results`.
    """
    found = []
    for claim in experiment.claims:
        low, high, expected = _bounds(claim["expect"])
        measured = estimate(cells, claim["measure"])
        word, why = judge(measured, low, high)
        note = "; ".join(part for part in (why, str(claim.get("note", ""))) if part)
        found.append(Verdict(str(claim["claim"]), str(claim.get("paper", "")), measured, expected, word, note))
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


def _bounds(expect: Mapping[str, Any]) -> tuple[float, float, str]:
    """Return the open interval of a claim (checked when its file was read), and its words."""
    side, limit = next(iter(expect.items()))
    if side == "between":
        return float(limit[0]), float(limit[1]), f"between {limit[0]:g} and {limit[1]:g}"
    return (
        (float(limit), math.inf, f"above {limit:g}")
        if side == "above"
        else (-math.inf, float(limit), f"below {limit:g}")
    )
