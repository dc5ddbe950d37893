"""What every extractor must keep to, one plain function per rule: ``check_<rule>(extractor)`` returns None or raises.

Authors of plug-ins call them in their own tests::

    from keyframe_bench.extractors.checks import CHECKS

    @pytest.mark.parametrize("rule", CHECKS)
    def test_contract(rule):
        CHECKS[rule](MyMethod())

`run_checks` runs all of them and honours ``expected_failures``, strictly: a failure that was announced and does not
come is a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...core.errors import ContractError, UnavailableError
from ..base import Extractor
from .declarations import (
    check_budget_rule_present,
    check_declarations_valid,
    check_docstring_present,
    check_expected_failures_explained,
    check_init_does_no_work,
    check_needs_are_features,
    check_parameters_declared,
    check_parameters_stored,
    check_reference_present,
)
from .reading import (
    check_clip_unchanged,
    check_reads_declared_needs,
    check_reads_no_annotation,
)
from .repeats import (
    check_deterministic_as_declared,
    check_global_random_untouched,
    check_online_prefix,
    check_picklable,
    check_same_answer_elsewhere,
    check_same_rng_same_answer,
)
from .results import (
    check_budget_above_length,
    check_budget_met,
    check_constant_scores,
    check_frames_in_range,
    check_frames_sorted_unique,
    check_free_budget,
    check_inferred_budget,
    check_json_round_trip,
    check_returns_keyframes,
    check_scores_finite,
    check_segments_cover,
    check_single_frame,
    check_static_clip,
    check_times_match_frames,
    check_two_frames,
    check_why_told,
)
from .rule import CHECKS, WHY_NOT

__all__ = [
    "CHECKS",
    "CheckResult",
    "check_budget_above_length",
    "check_budget_met",
    "check_budget_rule_present",
    "check_clip_unchanged",
    "check_constant_scores",
    "check_declarations_valid",
    "check_deterministic_as_declared",
    "check_docstring_present",
    "check_expected_failures_explained",
    "check_frames_in_range",
    "check_frames_sorted_unique",
    "check_free_budget",
    "check_global_random_untouched",
    "check_inferred_budget",
    "check_init_does_no_work",
    "check_json_round_trip",
    "check_needs_are_features",
    "check_online_prefix",
    "check_parameters_declared",
    "check_parameters_stored",
    "check_picklable",
    "check_reads_declared_needs",
    "check_reads_no_annotation",
    "check_reference_present",
    "check_returns_keyframes",
    "check_same_answer_elsewhere",
    "check_same_rng_same_answer",
    "check_scores_finite",
    "check_segments_cover",
    "check_single_frame",
    "check_static_clip",
    "check_times_match_frames",
    "check_two_frames",
    "check_why_told",
    "run_check",
    "run_checks",
]


@dataclass(frozen=True)
class CheckResult:
    """Verdict of one check.

    Attributes
    ----------
    name : str
        Key in `CHECKS`.
    status : {"passed", "failed", "expected failure", "not applicable"}
    message : str
        Why, and what to implement; empty when passed.
    """

    name: str
    status: Literal["passed", "failed", "expected failure", "not applicable"]
    message: str = ""


def run_check(name: str, extractor: Extractor) -> CheckResult:
    """Run the check ``name`` (a key of `CHECKS`) on ``extractor`` and return its verdict; it never raises."""
    announced = type(extractor).expected_failures.get(name)
    try:
        why_not = WHY_NOT[name](extractor)
        CHECKS[name](extractor)
    except Exception as error:  # noqa: BLE001 - whatever the class raises is a verdict
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
    """Run every check on an instance and return the verdicts, in the order of `CHECKS`.

    Parameters
    ----------
    extractor : Extractor
        Built with the parameters it is to be checked with.

    Raises
    ------
    UnavailableError
        If the extractor cannot run here.
    """
    reason = extractor.unavailable()
    if reason:
        name = getattr(extractor, "name", type(extractor).__name__)
        raise UnavailableError(f"extractor {name!r} cannot be checked: {reason}")
    return [run_check(name, extractor) for name in CHECKS]
