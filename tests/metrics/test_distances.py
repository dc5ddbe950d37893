import gc
import weakref

import numpy as np
import pytest

from keyframe_bench.metrics.distances import (
    MAX_FRAMES,
    GrayDistances,
    HueDistances,
    distances_of,
    gray_distance,
    hue_distance,
    judged_frames,
)

KINDS = pytest.mark.parametrize("kind", [HueDistances, GrayDistances])


def clip_of(make_clip, seed, n=50):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (n, 18, 32), dtype=np.uint8)
    return make_clip(n, gray=gray, hue=rng.dirichlet(np.full(16, 0.3), n))


@pytest.mark.parametrize("n", [0, 1, 7, MAX_FRAMES, MAX_FRAMES + 1, 123_456])
def test_judged_frames_are_distinct_even_and_reach_both_ends(n):
    frames = judged_frames(n)
    assert len(frames) == min(n, MAX_FRAMES)
    if n > 1:
        assert (frames[0], frames[-1]) == (0, n - 1)
        assert set(np.diff(frames)) <= {n // MAX_FRAMES, n // MAX_FRAMES + 1} | ({1} if n <= MAX_FRAMES else set())


@pytest.mark.parametrize(("p", "r"), [(0, 3), (3, 0), (1, 1), (40, 17), (300, 65)])
def test_distances_agree_with_numpy(p, r):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (n, 18, 32), dtype=np.uint8) for n in (p, r))
    squares = ((a[:, None].astype(float) - b[None]) ** 2).mean(axis=(2, 3))
    assert gray_distance(a, b).tolist() == np.sqrt(squares).tolist()  # exact
    x, y = (rng.dirichlet(np.full(16, 0.2), n).reshape(n, 16) for n in (p, r))
    assert hue_distance(x, y) == pytest.approx(np.abs(x[:, None] - y[None]).sum(axis=2))


@KINDS
def test_what_is_cached_is_never_that_of_other_key_frames_or_clips(make_clip, kind):
    for clip in (clip_of(make_clip, 1), clip_of(make_clip, 2)):
        for frames in (np.array(chosen) for chosen in ([3, 9], [4], [3, 9])):
            found = distances_of(clip, kind).nearest(frames)
            assert found.tolist() == kind(clip).nearest(frames).tolist()
            assert found == pytest.approx(kind(clip).between(np.arange(50), frames).min(axis=1))


@KINDS
def test_no_digit_depends_on_what_was_computed_together(make_clip, kind):
    """A sweep cut into jobs must give the very numbers of one run: another order of addition changes the last digit."""
    clip = clip_of(make_clip, 3)
    frames = np.array([2, 11, 19, 30, 44])
    for judge in (kind.nearest, kind.standard_nearest):
        in_parts = kind(clip)
        alone = [judge(in_parts, frames[i : i + 1]) for i in range(len(frames))]
        assert judge(kind(clip), frames).tolist() == np.min(alone, axis=0).tolist()


def test_they_go_with_the_clip(make_clip):
    clip = clip_of(make_clip, 1)
    known = []
    for kind in (GrayDistances, HueDistances):
        distances_of(clip, kind).standard_nearest(np.array([1]))
        known.append(weakref.ref(distances_of(clip, kind)))
    gc.disable()  # at once, not when cycles are looked for
    try:
        del clip
        assert [distances() for distances in known] == [None, None]
    finally:
        gc.enable()


def test_rows_are_computed_once_while_there_is_room(make_clip, monkeypatch):
    computed, compare = [], GrayDistances._compare
    monkeypatch.setattr(GrayDistances, "_compare", lambda self, f: computed.extend(f.tolist()) or compare(self, f))
    gray = GrayDistances(clip_of(make_clip, 1))
    for frames in ([5, 3, 5], [3, 8], [8]):
        gray.nearest(np.array(frames))
    assert computed == [5, 3, 8]


@pytest.mark.parametrize("room", [0, 1_000_000])
@pytest.mark.parametrize("n_keys", [1, 15, 16, 17, 31, 32, 33, 65, 150])
def test_many_key_frames_are_compared_in_parts(make_clip, monkeypatch, n_keys, room):
    monkeypatch.setattr("keyframe_bench.metrics.distances.CACHE_BYTES", room)
    clip = clip_of(make_clip, 3, 200)
    rng = np.random.default_rng(n_keys)
    frames, which = np.sort(rng.choice(200, n_keys, replace=False)), rng.integers(0, n_keys, 200)
    gray = GrayDistances(clip)
    x = gray.rows(np.arange(200))
    assert gray.nearest(frames).tolist() == gray.between(np.arange(200), frames).min(axis=1).tolist()
    assert gray.squared(frames, which).tolist() == ((x - x[frames[which]]) ** 2).sum(axis=1).tolist()
