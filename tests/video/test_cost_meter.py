"""A conversion that several features share is made once and charged to each."""

from __future__ import annotations

import pytest

from keyframe_bench.video.cost_meter import CostMeter


@pytest.fixture
def meter(monkeypatch):
    """A meter whose conversions take an exact time: ``meter.get("rgb", 3.0, part="planes")`` needs another of 5 s."""
    now = [0.0]
    monkeypatch.setattr("keyframe_bench.video.cost_meter.time.thread_time", lambda: now[0])

    class Meter(CostMeter):
        def get(self, what, seconds, part=None):
            def convert() -> str:
                if part:
                    self.get(part, 5.0)
                now[0] += seconds
                return "picture"

            self.ask((what,))
            if what not in self.frame:
                self.frame[what] = self.make((what,), convert)
            return self.frame[what]

    made = Meter()
    made.frame = {}
    return made


def test_parts_of_a_conversion_are_charged_too_and_counted_once(meter) -> None:
    """``rgb`` (3 s) needs ``planes`` (5 s), which ``luma`` (1 s) made before."""
    meter.active = "grey"
    assert meter.get("luma", 1.0, "planes") == "picture"
    assert meter.converting_s == 6.0
    meter.active, meter.converting_s = "colour", 0.0
    meter.get("rgb", 3.0, "planes")
    assert meter.converting_s == 3.0
    meter.active = "both"
    meter.get("rgb", 3.0, "planes")
    meter.get("luma", 1.0, "planes")
    assert set(meter.made.values()) == {1}
    assert [meter.seconds_of(user, 1) for user in ("grey", "colour", "both", "nobody")] == [6.0, 8.0, 9.0, 0.0]


def test_who_sees_fewer_frames_owes_less(meter) -> None:
    for frame in range(10):
        meter.frame.clear()
        meter.active = "every"
        meter.get("luma", 0.5)
        if frame % 5 == 0:
            meter.active = "sparse"
            meter.get("luma", 0.5)
            meter.get("luma", 0.5)  # asking twice for one frame makes nothing twice
    assert meter.seconds_of("every", 10) == pytest.approx(5.0)
    assert meter.seconds_of("sparse", 2) == pytest.approx(1.0)


def test_a_failing_conversion_leaves_the_meter_usable(meter) -> None:
    meter.active = "a"
    with pytest.raises(ZeroDivisionError):
        meter.make(("bad",), lambda: 1 // 0)
    meter.get("good", 1.0)
    assert meter.seconds_of("a", 1) == 1.0
