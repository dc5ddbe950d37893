"""The controls: frames drawn at random, and frames at regular times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.random import Random
from keyframe_bench.extractors.uniform import Uniform


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 99))
def test_random_gives_exactly_k_sampled_frames(run, clip_of, n, k, seed):
    found = run(Random(), clip_of(Random(), times=np.arange(n) / 2, step=3), k, seed)
    assert len(found) == min(k, n) and set(found.frames) <= set(range(0, 3 * n, 3))


def test_every_frame_is_as_likely_as_any_other(clip_of):
    counts, clip = np.zeros(10), clip_of(Random(), times=np.arange(10))
    for seed in range(2000):
        counts[Random().select(clip, 3, rng=rng_for(seed)).frames] += 1
    # Expected 600 each; the variance of a frame's count is 2000 * 0.3 * 0.7, so 5 sigma is 102.
    assert np.abs(counts - 600).max() < 102


def test_random_is_the_control_of_100_seeded_draws(run, clip_of):
    clip = clip_of(Random(), times=np.arange(500))
    draw = [run(Random(), clip, 5, seed).frames.tolist() for seed in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2]
    assert Random.draws == 100 and Random.stochastic
    with pytest.raises(UsageError, match="'random' does not support a free budget"):
        run(Random(), clip)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("spectral", {"mode": "best", "entropy": "max", "clusters": 4, "n_neighbors": 0, "kmax": 1}),
        ("differential_evolution", {"fitness": "mse", "pairs": "some", "population": 3, "weight": -1}),
        ("differential_evolution", {"crossover": 1.5, "generations": -1, "seconds_per_key": 0}),
        ("embedding_kmeans", {"layer": "fc", "growth": "log", "seconds_per_key": 0, "n_init": 0, "mean": 124.0}),
        ("ffmpeg_thumbnail", {"n": 1}),
        ("pixel_distance", {"threshold": "median", "window_s": 0}),
    ],
)
def test_values_out_of_range_are_refused_by_name(name, params):
    for parameter, value in params.items():
        with pytest.raises(UsageError, match=f"{parameter}={value!r} is not "):
            Extractor.registry.build(name, {parameter: value})


@pytest.mark.parametrize(
    ("extractor", "times", "duration_s", "k", "expected"),
    [
        (Uniform(), np.arange(240) / 2, 120.0, None, np.arange(0, 120, 2.0)),  # the article's sixty of two minutes
        (Uniform(), [10.5, 11.5, 12.5, 13.5], 0.0, None, [10.5, 12.5]),  # counted from the first frame
        (Uniform(), [0.0, 1.0, 9.0, 9.5, 10.0], 0.0, None, [0, 9, 10]),  # a gap gives one, not one per missed point
        (Uniform(phase="start"), np.arange(12.0), 12.0, 3, [0, 4, 8]),
        (Uniform(phase="centre"), np.arange(12.0), 12.0, 3, [2, 6, 10]),
        (Uniform(), 100 + np.arange(12.0), 12.0, 3, [102, 106, 110]),
        (Uniform(phase="start"), np.arange(10.0), 20.0, 2, [0, 9]),
        (Uniform(phase="start"), np.arange(11.0), 0.0, 2, [0, 5]),  # of unknown duration: it ends with its last frame
        # Even in time, not in number: half of the frames lie in the first second of ten.
        (Uniform(), [*np.arange(50) / 50, *np.linspace(1, 9.9, 50)], 10.0, 5, [1, 3.0, 5.0, 7.0, 9.0]),
        (Uniform(), [0.0, 0.5], 1.0, 5, [0, 0.5]),
        (Uniform(), [0.0], 0.5, None, [0]),
    ],
)
def test_uniform_by_hand(run, clip_of, extractor, times, duration_s, k, expected):
    found = run(extractor, clip_of(extractor, times=times, duration_s=duration_s), k)
    assert found.times.tolist() == pytest.approx(expected, abs=0.2 if len(times) == 100 else 1e-9)


def test_uniform_does_not_drift_at_29_97_frames_per_second(run, clip_of):
    found = run(Uniform(), clip_of(Uniform(), times=np.arange(30000) * 1001 / 30000))
    grid = 2.0 * np.arange(len(found))
    assert np.all(found.times >= grid - 1e-6) and np.all(found.times < grid + 1001 / 30000)


@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.04, 0.5, 30.0, -0.2]), max_size=40),
    st.integers(1, 60),
    st.sampled_from(["centre", "start"]),
    st.sampled_from([0.0, 5.0, 1e4]),
)
def test_uniform_gives_exactly_k_whatever_the_time_stamps(run, clip_of, steps, k, phase, extra):
    times = 7.0 + np.concatenate([[0.0], np.cumsum(steps)])
    clip = clip_of(Uniform(), times=times, duration_s=extra and float(np.ptp(times)) + extra)
    assert len(run(Uniform(phase=phase), clip, k)) == min(k, len(times))
    assert len(run(Uniform(), clip)) >= 1
