"""The two scalars of a run: what may be written, what it means, and that it can be written back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.grammar import Budget, Sampling


@pytest.mark.parametrize(
    ("text", "k"),
    [
        ("8", 8), (8, 8), (" 8 ", 8), ("1000", 1000), ("15%", 30), ("0.1%", 1), ("100%", 200), ("12.5%", 25),
        ("4/min", 6), ("0.5/min", 1), ("3/min", 5), ("free", None), ("inferred", None), ("inferred-coverage", None),
    ],
)  # fmt: skip
def test_budgets_of_a_clip(text: str | int, k: int | None) -> None:
    """200 sampled frames, 90 s; halves are rounded up, and at least one frame is allowed."""
    budget = Budget.parse(text)
    assert budget.resolve(n_sampled=200, duration_s=90.0) == k
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text", ["0", "-1", "0%", "101%", "1.5", "8 %", "%", "4/hour", "", "Free", "nan", "1e3", "²", "infer"]
)
def test_what_is_no_budget_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"4/min.* free") as caught:
        Budget.parse(text)
    assert "\n" not in str(caught.value) and "is not a budget; use a whole number" in str(caught.value)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 9))
def test_as_many_as_are_annotated(chosen: list[int], n_shots: int) -> None:
    """Annotators who chose nothing do not count; half a frame is rounded up."""
    users = tuple(UserSummary("", np.arange(n) if n % 2 else None, np.arange(n) / 2) for n in chosen)
    annotation = Annotation(users, shots=np.arange(2 * n_shots).reshape(-1, 2) if n_shots else None)
    some = [n for n in chosen if n]
    expected = {"shots": n_shots, "users": round(sum(some) / len(some) + 1e-9) if some else 0}
    for text, k in expected.items():
        budget = Budget.parse(text)
        assert str(budget) == text and budget.fits(annotation) == (k > 0)
        if k:
            assert budget.resolve(1, 90.0, annotation) == k
        for known in (Annotation(), None) if k else (annotation,):
            with pytest.raises(UsageError, match=f"budget={text}: .* has no .*; give a number, such as budget=8"):
                budget.resolve(200, 90.0, known)


def test_what_a_budget_asks_of_an_extractor() -> None:
    texts = {
        "8": "fixed",
        "15%": "fixed",
        "4/min": "fixed",
        "shots": "fixed",
        "users": "fixed",
        "free": "free",
        "inferred-coverage": "inferred",
    }
    assert {text: Budget.parse(text).needs_support for text in texts} == texts


@given(st.integers(0, 10**6), st.floats(0, 10**5), st.integers(1, 100))
def test_at_least_one_frame_and_never_more_with_less(n: int, seconds: float, share: int) -> None:
    budget = Budget.parse(f"{share}%")
    k = budget.resolve(n, seconds)
    assert k is not None and 1 <= k <= max(1, n)
    assert k <= (budget.resolve(n + 100, seconds) or 0)


def kept(text: str, times: list[float]) -> list[int]:
    keep = Sampling.parse(text).keeper()
    found = [n for n, t in enumerate(times) if keep(n, t)]
    assert Sampling.parse(text).ordinals(np.array(times)).tolist() == found
    return found


@given(st.lists(st.floats(-2, 3), max_size=60), st.sampled_from(["2fps", "7.5fps", "every", "every3"]))
def test_all_at_once_are_those_one_after_another_even_where_time_goes_back(steps: list[float], text: str) -> None:
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    assert kept(text, times)[0] == 0


def test_samplings_of_a_regular_video() -> None:
    times, all_frames = [n / 25 for n in range(60)], list(range(60))
    found = {"every": all_frames, "every7": all_frames[::7], "2fps": [0, 13, 25, 38, 50], "100fps": all_frames}
    for text, frames in found.items():
        assert kept(text, times) == kept(text, times) == frames  # each keeper starts anew


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 24000 / 1001, 30000 / 1001, 60000 / 1001])
@pytest.mark.parametrize("rate", [1, 2, 5])
def test_the_grid_is_tied_to_time_and_does_not_drift(fps: float, rate: int) -> None:
    times = [n / fps for n in range(round(600 * fps))]
    grid = kept(f"{rate}fps", times)
    assert len(grid) == 600 * rate
    late = [times[n] - tick / rate for tick, n in enumerate(grid)]
    assert min(late) >= -1e-5 and max(late) < 1 / fps + 1e-5


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=200), st.sampled_from(["1fps", "2fps", "7.5fps"]))
def test_every_tick_that_has_a_frame_gets_its_first(steps: list[float], text: str) -> None:
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    grid, rate = kept(text, times), float(text.removesuffix("fps"))
    assert grid[0] == 0
    first = {}
    for n, t in enumerate(times):
        first.setdefault(int(t * rate + 1e-6), n)
    assert grid == list(first.values())


@pytest.mark.parametrize(
    ("text", "name"), [("every3", "every3"), ("29.97fps", "29.97fps"), ("every1", "every"), ("2.0fps", "2fps")]
)
def test_samplings_can_be_written_back_under_one_name(text: str, name: str) -> None:
    sampling = Sampling.parse(text)
    assert str(sampling) == name and Sampling.parse(name) == sampling == Sampling.parse(sampling)


@pytest.mark.parametrize("text", ["every0", "0fps", "-1fps", "fps", "every 3", "2", "2 fps", "", "all", "²fps"])
def test_what_is_no_sampling_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="2fps"):
        Sampling.parse(text)
