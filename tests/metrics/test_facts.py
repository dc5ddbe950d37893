from dataclasses import replace

import pytest


@pytest.mark.parametrize(
    ("n", "duration_s", "frames", "expected"),
    [
        (600, 60.0, [0, 100, 200], [3, 0.995, 200, 3]),
        (600, 60.0, [], [0, 1, 600, 0]),
        (1, 0.0, [0], [1, 0, 1, 0]),  # of unknown duration
    ],
)
def test_compression_by_hand(make_clip, score, n, duration_s, frames, expected):
    clip = make_clip(n)
    clip = replace(clip, video=replace(clip.video, duration_s=duration_s))
    assert list(score("compression", clip, frames).values()) == pytest.approx(expected)


def test_cost_by_hand_and_what_was_not_measured_is_zero(make_clip, score):
    clip = make_clip(300)
    given = {"decode_s": 1.0, "features_s": 0.5, "select_s": 0.25, "peak_mb": 120.0}
    found = score("cost", clip, [1], cost={**given, "other_s": 9.0})
    assert found == pytest.approx({**given, "total_s": 1.75, "frames_per_s": 300 / 1.75})
    assert set(score("cost", clip, [1]).values()) == {0.0}
