"""A conversion that several features share is made once and owed by each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyframe_bench.video.ledger import Ledger


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[[], str]]:
    """Conversions that take an exact time: ``clock(2.0)`` is one of two seconds."""
    now = [0.0]
    monkeypatch.setattr("keyframe_bench.video.ledger.time.thread_time", lambda: now[0])

    def lasting(seconds: float) -> Callable[[], str]:
        def convert() -> str:
            now[0] += seconds
            return "picture"

        return convert

    return lasting


def test_who_only_used_what_was_there_owes_all_of_it(clock: Callable[[float], Callable[[], str]]) -> None:
    ledger = Ledger()
    for user in ("a", "b"):
        ledger.active = user
        ledger.ask(("luma",))
        if user == "a":
            assert ledger.make(("luma",), clock(2.0)) == "picture"
    assert ledger.made[("luma",)] == 1
    assert ledger.seconds_of("a", 1) == ledger.seconds_of("b", 1) == 2.0
    assert ledger.seconds_of("c", 1) == 0.0


def test_parts_of_a_conversion_are_owed_too_and_counted_once(clock: Callable[[float], Callable[[], str]]) -> None:
    """``rgb`` (3 s) needs ``planes`` (5 s), which ``luma`` (1 s) made before."""
    ledger = Ledger()
    made = set()

    def get(what: str, seconds: float, part: str | None = None) -> None:
        ledger.ask((what,))
        if what in made:
            return

        def convert() -> None:
            if part:
                get(part, 5.0)
            clock(seconds)()

        made.add(what)
        ledger.make((what,), convert)

    ledger.active = "grey"
    get("luma", 1.0, "planes")
    assert ledger.converting_s == 6.0
    ledger.active, ledger.converting_s = "colour", 0.0
    get("rgb", 3.0, "planes")
    assert ledger.converting_s == 3.0
    ledger.active = "both"
    get("rgb", 3.0, "planes")
    get("luma", 1.0, "planes")
    assert ledger.seconds_of("grey", 1) == 6.0
    assert ledger.seconds_of("colour", 1) == 8.0
    assert ledger.seconds_of("both", 1) == 9.0


def test_who_sees_fewer_frames_owes_less(clock: Callable[[float], Callable[[], str]]) -> None:
    ledger = Ledger()
    for frame in range(10):
        ledger.active = "every"
        ledger.ask(("luma",))
        ledger.make(("luma",), clock(0.5))
        if frame % 5 == 0:
            ledger.active = "sparse"
            ledger.ask(("luma",))
            ledger.ask(("luma",))  # asking twice for one frame makes nothing twice
    assert ledger.seconds_of("every", 10) == pytest.approx(5.0)
    assert ledger.seconds_of("sparse", 2) == pytest.approx(1.0)


def test_a_failing_conversion_leaves_the_book_usable(clock: Callable[[float], Callable[[], str]]) -> None:
    ledger = Ledger()
    ledger.active = "a"
    with pytest.raises(ZeroDivisionError):
        ledger.make(("bad",), lambda: 1 // 0)
    ledger.ask(("good",))
    ledger.make(("good",), clock(1.0))
    assert ledger.seconds_of("a", 1) == 1.0
