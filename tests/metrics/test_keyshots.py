"""The keyshot protocol and rank correlation against plain loops, SciPy and hand-made cases."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import inf, log
from statistics import fmean
from time import process_time

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.distances import GRAY, HUE

KEYSHOTS, RANKS = Metric.registry.build("keyshot_f"), Metric.registry.build("rank_correlation")


def annotation(*importance):
    none = np.zeros(0, dtype=np.int64)
    users = (UserSummary(str(i), none, none + 0.0, np.asarray(s, np.float32)) for i, s in enumerate(importance))
    return Annotation(tuple(users))


def scored(clip, scores, step=1):
    """Key frames with a score of every ``step``-th frame."""
    grid, first = np.arange(0, len(clip), step), np.zeros(1, dtype=np.int64)
    return KeyFrames(first, clip.times[first], frame_scores=np.asarray(scores, np.float32)[: len(grid)], scored=grid)


@pytest.fixture
def film(make_clip):
    """A film of ten scenes of 2 s at 10 frames a second, each of its own grey image."""

    def make(n=200, length=20, noise=6):
        rng = np.random.default_rng(n)
        images = rng.integers(0, 256, (n // length + 1, 18, 32))[np.arange(n) // length]
        gray = np.clip(images + rng.normal(0, noise, images.shape), 0, 255).astype(np.uint8)
        return make_clip(n, gray=gray, hue=rng.dirichlet(np.full(16, 9.0), n))

    return make


# Plain loops, from the definitions.


def sampled(times, seconds):
    kept, last = [], -1
    for i, t in enumerate(times):
        if int((t - times[0]) / seconds + 1e-6) > last:
            kept.append(i)
            last = int((t - times[0]) / seconds + 1e-6)
    return kept


def plain_segments(clip):
    """First frame of every segment, by a recursion over (change points left, end)."""
    kept = sampled(clip.times, 0.5)
    rows = []
    for i in kept:
        hue = np.sqrt(clip.columns[HUE.key][i].astype(float))
        gray = clip.columns[GRAY.key][i].astype(float).ravel()
        gray = gray - fmean(gray)
        rows.append(np.concatenate([part / (np.linalg.norm(part) or 1) for part in (hue, gray)]) / 2**0.5)
    rows = np.array(rows)
    n = len(rows)

    @cache
    def scatter(a, b):
        return float(((rows[a:b] - rows[a:b].mean(axis=0)) ** 2).sum())

    @cache
    def best(m, end):
        if m == 0:
            return scatter(0, end), ()
        options = [(best(m - 1, a)[0] + scatter(a, end), (*best(m - 1, a)[1], a)) for a in range(m, end)]
        return min(options, default=(inf, ()))

    costs = [best(m, n)[0] + (0.5 * m * (log(n / m) + 1) if m else 0) for m in range(n)]
    return [0, *(kept[a] for a in best(costs.index(min(costs)), n)[1])]


def plain_means(scores, starts):
    exact = [Fraction(float(s)) for s in scores]
    largest = max(map(abs, exact)) or 1
    ends = [*starts[1:], len(exact)]
    return [round(sum(exact[a:b]) / (b - a) / largest * 2**30) for a, b in zip(starts, ends, strict=True)]


def plain_keyshots(scores, starts):
    low = min(0.0, *scores)
    values, n = plain_means([s - low for s in scores], starts), len(scores)
    lengths = [b - a for a, b in zip(starts, [*starts[1:], n], strict=True)]

    @cache
    def best(i, room):
        if i < 0:
            return 0, ()
        without = best(i - 1, room)
        if lengths[i] > room:
            return without
        total, chosen = best(i - 1, room - lengths[i])
        return (total + values[i], (*chosen, i)) if total + values[i] > without[0] else without

    chosen = best(len(starts) - 1, int(Fraction(15, 100) * n))[1]
    return {t for i in chosen for t in range(starts[i], starts[i] + lengths[i])}


def plain_scores(keyframes, n):
    if keyframes.frame_scores is None:
        return [float(t in keyframes.frames) for t in range(n)]
    known = dict(zip(keyframes.scored.tolist(), keyframes.frame_scores.tolist(), strict=True))
    return [known[max([s for s in known if s <= t], default=min(known))] for t in range(n)]


def plain_f(a, b):
    return 1.0 if not a and not b else 2 * len(a & b) / (len(a) + len(b))


def plain_keyshot_f(keyframes, clip, about):
    starts, n = plain_segments(clip), len(clip)
    summary, scores = plain_keyshots(plain_scores(keyframes, n), starts), []
    for user in about.users:
        own = user.importance.tolist()
        if len(set(own)) > 1:
            binary = len(set(own)) == 2 and min(own) == 0
            theirs = {t for t in range(n) if own[t] > 0} if binary else plain_keyshots(own, starts)
            scores.append(plain_f(summary, theirs))
    share = len(summary) / n
    return {
        **{"keyshot_f": fmean(scores), "keyshot_f_max": max(scores)},
        **{"keyshot_share": share, "keyshot_segments": len(starts)},
    }


def scipy_ranks(keyframes, clip, about):
    units = sampled(clip.times, 2.0)
    own = plain_means(plain_scores(keyframes, len(clip)), units)
    theirs = [plain_means(u.importance.tolist(), units) for u in about.users if len(set(u.importance.tolist())) > 1]
    constant = len(set(own)) == 1
    pairs = [
        (0.0, 0.0) if constant or len(set(t)) == 1 else (kendalltau(own, t)[0], spearmanr(own, t)[0]) for t in theirs
    ]
    return {
        "rank_tau": fmean(t for t, _ in pairs),
        "rank_rho": fmean(r for _, r in pairs),
        "rank_constant": float(constant),
    }


def random_case(seed, film):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 160))
    clip = film(n, length=int(rng.integers(5, 40)), noise=int(rng.choice([3, 40])))
    if seed % 3 == 0:
        clip = replace(clip, times=3.0 + np.cumsum(rng.choice([0.04, 0.1, 0.3], n)))
    unit = np.arange(n) // 10
    kinds = [rng.integers(1, 6, n)[unit], rng.random(n)[unit] < 0.2, rng.random(n), np.zeros(n), rng.integers(0, 3, n)]
    users = [kinds[i] for i in rng.permutation(5)] + [np.arange(n) >= n // 2]
    if seed % 4 == 0:
        frames = np.sort(rng.choice(n, min(n, 6), replace=False))
        return KeyFrames(frames, clip.times[frames]), clip, annotation(*users)
    step = int(rng.integers(1, 8))
    scores = [rng.normal(size=n), rng.integers(0, 3, n), np.ones(n)][seed % 4 - 1]
    return scored(clip, scores, step), clip, annotation(*users)


@pytest.mark.parametrize(("metric", "plainly"), [(KEYSHOTS, plain_keyshot_f), (RANKS, scipy_ranks)], ids=["f", "ranks"])
def test_agrees_with_an_independent_implementation(metric, plainly, film):
    for seed in range(24):
        case = random_case(seed, film)
        assert metric.compute(*case) == pytest.approx(plainly(*case), abs=1e-6), f"case {seed}"


def test_a_perfect_prediction_of_one_annotator(film):
    clip = film()
    chosen = np.repeat([0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 20)
    other = np.repeat([0, 0, 0, 0, 0, 1, 0, 0, 0, 0], 20)
    found = KEYSHOTS.compute(scored(clip, chosen), clip, annotation(chosen, other))
    assert found == pytest.approx(
        {"keyshot_f": 0.5, "keyshot_f_max": 1.0, "keyshot_share": 0.1, "keyshot_segments": 10}
    )
    ranks = RANKS.compute(scored(clip, chosen), clip, annotation(chosen))
    assert ranks == pytest.approx({"rank_tau": 1.0, "rank_rho": 1.0, "rank_constant": 0.0})


def test_key_frames_without_scores_stand_for_their_segments(film):
    clip = film()
    frames = np.array([45])
    about = annotation(np.repeat([0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 20))
    assert KEYSHOTS.compute(KeyFrames(frames, clip.times[frames]), clip, about)["keyshot_f"] == 1.0


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5])
def test_constant_scores_count_as_no_correlation_and_are_counted(film, value):
    clip = film()
    found = RANKS.compute(scored(clip, np.full(200, value)), clip, annotation(np.arange(200)))
    assert found == {"rank_tau": 0.0, "rank_rho": 0.0, "rank_constant": 1.0}


def test_scores_of_any_scale_and_sign_give_the_same_ranks(film):
    clip, rng = film(), np.random.default_rng(0)
    scores, about = rng.random(200), annotation(rng.integers(1, 6, 200))
    first = RANKS.compute(scored(clip, scores), clip, about)
    assert RANKS.compute(scored(clip, scores * 1e-30), clip, about) == pytest.approx(first)
    assert RANKS.compute(scored(clip, scores - 5), clip, about) == pytest.approx(first, abs=1e-5)
    assert KEYSHOTS.compute(scored(clip, scores - 5), clip, about)["keyshot_share"] > 0


def test_annotators_who_chose_nothing_or_everything_are_left_out(film):
    clip, some = film(), np.repeat([0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 20)
    alone, with_them = annotation(some), annotation(np.zeros(200), some, np.ones(200))
    for metric in (KEYSHOTS, RANKS):
        assert metric.compute(scored(clip, some), clip, alone) == metric.compute(scored(clip, some), clip, with_them)
        assert not metric.applies(annotation(np.zeros(200), np.ones(200)))
        assert metric.applies(with_them)


def test_a_film_without_a_change_has_one_segment_that_no_summary_holds(make_clip):
    clip = make_clip(100)
    found = KEYSHOTS.compute(scored(clip, np.ones(100)), clip, annotation(np.arange(100) < 10))
    assert found == {"keyshot_f": 0.0, "keyshot_f_max": 0.0, "keyshot_share": 0.0, "keyshot_segments": 1.0}


@pytest.mark.parametrize("metric", [KEYSHOTS, RANKS], ids=["f", "ranks"])
@pytest.mark.parametrize("graded", [False, True])
def test_twenty_annotators_of_ten_thousand_frames_take_milliseconds(metric, graded, make_clip):
    rng = np.random.default_rng(0)
    clip = make_clip(10_000, gray=np.repeat(rng.integers(0, 256, (20, 18, 32), dtype=np.uint8), 500, axis=0))
    units = np.arange(10_000) // 60
    about = annotation(
        *(rng.integers(1, 6, 200)[units] if graded else rng.random(200)[units] < 0.15 for _ in range(20))
    )
    metric.compute(scored(clip, rng.random(10_000), 15), clip, about)
    spent = []
    for _ in range(9):
        summary, start = scored(clip, rng.random(10_000), 15), process_time()
        metric.compute(summary, clip, about)
        spent.append(process_time() - start)
    assert min(spent) < 0.02  # 0.003 when written
