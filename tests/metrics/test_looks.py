import gc
import weakref

import numpy as np
import pytest

from keyframe_bench.metrics.distances import Blocks
from keyframe_bench.metrics.kept import Kept
from keyframe_bench.metrics.looks import MAX_FRAMES, GrayLooks, HueLooks, looks_of, spread


def clip_of(make_clip, seed, n=50):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (n, 18, 32), dtype=np.uint8)
    return make_clip(n, gray=gray, hue=rng.dirichlet(np.full(16, 0.3), n))


@pytest.mark.parametrize("n", [0, 1, 7, MAX_FRAMES, MAX_FRAMES + 1, 123_456])
def test_judged_frames_are_distinct_even_and_reach_both_ends(n):
    frames = spread(n)
    assert len(frames) == min(n, MAX_FRAMES)
    if n > 1:
        assert (frames[0], frames[-1]) == (0, n - 1)
        assert set(np.diff(frames)) <= {n // MAX_FRAMES, n // MAX_FRAMES + 1} | ({1} if n <= MAX_FRAMES else set())


@pytest.mark.parametrize("kind", [HueLooks, GrayLooks])
def test_what_is_remembered_is_never_that_of_other_key_frames_or_clips(make_clip, kind):
    first, second = clip_of(make_clip, 1), clip_of(make_clip, 2)
    a, b = np.array([3, 9]), np.array([4])
    for clip in (first, second):
        for frames in (a, b, a, a.copy()):
            fresh = kind(clip).nearest(frames)
            assert looks_of(clip, kind).nearest(frames).tolist() == fresh.tolist()
            assert fresh == pytest.approx(kind(clip).distance(np.arange(50), frames).min(axis=1))
    assert looks_of(first, kind) is looks_of(first, kind) is not looks_of(second, kind)


@pytest.mark.parametrize("kind", [HueLooks, GrayLooks])
def test_no_digit_depends_on_what_was_computed_together(make_clip, kind):
    """A sweep cut into jobs must give the very numbers of one run: another order of addition changes the last digit."""
    clip = clip_of(make_clip, 3)
    frames = np.array([2, 11, 19, 30, 44])
    for judge in (kind.nearest, kind.standard_nearest):
        in_parts = kind(clip)
        alone = [judge(in_parts, frames[i : i + 1]) for i in range(len(frames))]
        assert judge(kind(clip), frames).tolist() == np.min(alone, axis=0).tolist()


def test_it_goes_with_the_clip(make_clip):
    clip = clip_of(make_clip, 1)
    known = []
    for kind in (GrayLooks, HueLooks):
        looks_of(clip, kind).standard_nearest(np.array([1]))
        known.append(weakref.ref(looks_of(clip, kind)))
    looks_of(clip, GrayLooks).histograms(np.array([1]))
    gc.disable()  # at once, not when cycles are looked for
    try:
        del clip
        assert [looks() for looks in known] == [None, None]
    finally:
        gc.enable()


def test_rows_are_computed_once_while_there_is_room(monkeypatch):
    monkeypatch.setattr("keyframe_bench.metrics.kept.KEPT_BYTES", 100 * 8)
    computed = []

    def compute(frames):
        computed.extend(frames.tolist())
        return frames[:, None] * [1.0]

    kept = Kept(1, np.float64, compute)

    def rows(frames):
        return [row for _, part in kept.parts(np.array(frames)) for row in part[:, 0].tolist()]

    assert rows([5, 3, 5]) == [5, 3, 5]
    assert rows([3, 8]) == [3, 8]
    assert computed == [5, 3, 8]
    many = list(range(1000))
    assert rows(many) == many
    assert rows([5, 999, 3]) == [5, 999, 3]
    assert rows([]) == []


@pytest.mark.parametrize("n_keys", [1, 15, 16, 17, 31, 32, 33, 65, 150])
def test_many_key_frames_are_compared_in_parts(make_clip, n_keys):
    clip = clip_of(make_clip, 3, 200)
    frames = np.sort(np.random.default_rng(n_keys).choice(200, n_keys, replace=False))
    looks = GrayLooks(clip)
    compared = looks.compared(frames)
    x = looks.vectors(np.arange(200)) - 128
    assert compared.nearest == pytest.approx(looks.distance(np.arange(200), frames).min(axis=1))
    assert compared.with_before.tolist() == (x * x[frames[compared.before]]).sum(axis=1).tolist()
    assert compared.with_after.tolist() == (x * x[frames[compared.after]]).sum(axis=1).tolist()
    assert compared.steps[:-1].tolist() == (x[frames[:-1]] * x[frames[1:]]).sum(axis=1).tolist()


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 3), (1000, 576), (3, 0)])
def test_blocks_multiply_all_rows(shape):
    rng = np.random.default_rng(0)
    rows, others = rng.normal(size=shape), rng.normal(size=(37, shape[1]))
    result = np.full((shape[0], 37), np.nan)
    blocks = Blocks(*shape)
    blocks.rows[:] = rows
    for group, products in blocks.products(others):
        result[:, group] = products
    assert result == pytest.approx(rows @ others.T)
