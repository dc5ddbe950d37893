"""A conversion that several features share is made once and owed by each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyframe_bench.video.cost_meter import CostMeter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[[], str]]:
    """Conversions that take an exact time: ``clock(2.0)`` is one of two seconds."""
    now = [0.0]
    monkeypatch.setattr("keyframe_bench.video.cost_meter.time.thread_time", lambda: now[0])

    def lasting(seconds: float) -> Callable[[], str]:
        def convert() -> str:
            now[0] += seconds
            return "picture"

        return convert

    return lasting


def test_who_only_used_what_was_there_owes_all_of_it(clock: Callable[[float], Callable[[], str]]) -> None:
    meter = CostMeter()
    for user in ("a", "b"):
        meter.active = user
        meter.ask(("luma",))
        if user == "a":
            assert meter.make(("luma",), clock(2.0)) == "picture"
    assert meter.made[("luma",)] == 1
    assert meter.seconds_of("a", 1) == meter.seconds_of("b", 1) == 2.0
    assert meter.seconds_of("c", 1) == 0.0


def test_parts_of_a_conversion_are_owed_too_and_counted_once(clock: Callable[[float], Callable[[], str]]) -> None:
    """``rgb`` (3 s) needs ``planes`` (5 s), which ``luma`` (1 s) made before."""
    meter = CostMeter()
    made = set()

    def get(what: str, seconds: float, part: str | None = None) -> None:
        meter.ask((what,))
        if what in made:
            return

        def convert() -> None:
            if part:
                get(part, 5.0)
            clock(seconds)()

        made.add(what)
        meter.make((what,), convert)

    meter.active = "grey"
    get("luma", 1.0, "planes")
    assert meter.converting_s == 6.0
    meter.active, meter.converting_s = "colour", 0.0
    get("rgb", 3.0, "planes")
    assert meter.converting_s == 3.0
    meter.active = "both"
    get("rgb", 3.0, "planes")
    get("luma", 1.0, "planes")
    assert meter.seconds_of("grey", 1) == 6.0
    assert meter.seconds_of("colour", 1) == 8.0
    assert meter.seconds_of("both", 1) == 9.0


def test_who_sees_fewer_frames_owes_less(clock: Callable[[float], Callable[[], str]]) -> None:
    meter = CostMeter()
    for frame in range(10):
        meter.active = "every"
        meter.ask(("luma",))
        meter.make(("luma",), clock(0.5))
        if frame % 5 == 0:
            meter.active = "sparse"
            meter.ask(("luma",))
            meter.ask(("luma",))  # asking twice for one frame makes nothing twice
    assert meter.seconds_of("every", 10) == pytest.approx(5.0)
    assert meter.seconds_of("sparse", 2) == pytest.approx(1.0)


def test_a_failing_conversion_leaves_the_book_usable(clock: Callable[[float], Callable[[], str]]) -> None:
    meter = CostMeter()
    meter.active = "a"
    with pytest.raises(ZeroDivisionError):
        meter.make(("bad",), lambda: 1 // 0)
    meter.ask(("good",))
    meter.make(("good",), clock(1.0))
    assert meter.seconds_of("a", 1) == 1.0
