"""What every extractor must keep to, one plain function per rule: ``check_<rule>(extractor)`` returns None or raises.

Authors of plug-ins call them in their own tests::

    from keyframe_bench import CHECKS

    @pytest.mark.parametrize("rule", CHECKS)
    def test_contract(rule):
        CHECKS[rule](MyMethod())

A method that learns, and has no checkpoint, is trained on clips of the checks, once in a process. `run_checks` runs all
of them and honours ``expected_failures``, strictly: a failure that was announced and does not come is a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...core.errors import ContractError, UnavailableError
from ..base import Extractor
from . import declarations, learning, outputs, repeats  # noqa: F401 - each adds its rules
from .clips import TYPICAL, clip_of
from .rule import CHECKS, SELECTING, WHY_NOT, Check, select, some_budgets
from .training import ready, untrained

__all__ = ["CHECKS", "CheckResult", "run_check", "run_checks", "uncheckable"]


def __getattr__(name: str) -> Check:
    """Return the function ``check_<rule>``."""
    if name.removeprefix("check_") in CHECKS:
        return CHECKS[name.removeprefix("check_")]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class CheckResult:
    """Verdict of one check."""

    name: str  # key in `CHECKS`
    status: Literal["passed", "failed", "expected failure", "not applicable"]
    message: str = ""  # why, and what to implement; empty when passed


def run_check(name: str, extractor: Extractor) -> CheckResult:
    """Run the check ``name`` (a key of `CHECKS`) on ``extractor`` and return its verdict; it never raises."""
    announced = type(extractor).expected_failures.get(name)
    try:
        why_not = WHY_NOT[name](extractor)
        CHECKS[name](extractor)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the class raises is a verdict
        text = str(error) if isinstance(error, (ContractError, AssertionError)) else f"{type(error).__name__}: {error}"
        if announced is not None:
            return CheckResult(name, "expected failure", f"{announced} ({text})")
        return CheckResult(name, "failed", text)
    if announced is not None:
        return CheckResult(
            name, "failed", f"expected to fail ({announced}) but does not; remove it from expected_failures"
        )
    return CheckResult(name, "not applicable", why_not) if why_not else CheckResult(name, "passed")


def run_checks(extractor: Extractor) -> list[CheckResult]:
    """Run every check on an instance and return the verdicts, in the order of `CHECKS`; each fault is told once.

    Parameters
    ----------
    extractor : Extractor
        Built with the parameters it is to be checked with.

    Raises
    ------
    UnavailableError
        If the extractor cannot run here.
    """
    reason = uncheckable(extractor)
    if reason:
        name = getattr(extractor, "name", type(extractor).__name__)
        raise UnavailableError(f"extractor {name!r} cannot be checked: {reason}")
    verdicts: list[CheckResult] = []
    told: dict[str, str] = {}  # what is wrong, to the first check that says so
    fails = ""  # the check that says why nothing can be selected
    for name in CHECKS:
        if fails and name in SELECTING:
            verdicts.append(CheckResult(name, "not applicable", f"select fails: see {fails}"))
            continue
        verdict = run_check(name, extractor)
        if verdict.status == "failed":
            first = told.setdefault(verdict.message.partition(" (clip: ")[0], name)
            if first != name:
                verdict = CheckResult(name, "not applicable", f"it fails as {first} does: see there")
            elif name in SELECTING or name == "needs_are_features":
                fails = "" if _can_select(extractor) else name
        verdicts.append(verdict)
    return verdicts


def uncheckable(extractor: Extractor) -> str | None:
    """Return why a method cannot be checked here, or None; one that has not learned yet is trained for the checks."""
    if not untrained(extractor):
        return extractor.unavailable()
    try:
        return ready(extractor).unavailable()
    except UnavailableError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - the checks tell what it is
        return None


def _can_select(extractor: Extractor) -> bool:
    try:
        extractor = ready(extractor)
        for k in some_budgets(extractor):
            select(extractor, clip_of(extractor, TYPICAL[0]), k)
    except Exception:  # noqa: BLE001 - a check has told what it is
        return False
    return True
