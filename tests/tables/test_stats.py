"""Statistics against scipy, brute force and hand cases."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.tables import stats

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 6))
VALUES = arrays(float, st.integers(1, 30), elements=NUMBERS)


def brute_force_p(difference):
    """Two-sided p over all 2^n signs of the ranks that Pratt's rule gives."""
    ranks = scipy.stats.rankdata(np.abs(difference))
    observed = abs(np.sum(ranks * np.sign(difference)))
    ranks = ranks[difference != 0]
    signs = np.array(list(itertools.product((-1, 1), repeat=len(ranks))))
    return np.mean(np.abs(signs @ ranks) >= observed - 1e-9)


def test_bootstrap_agrees_with_scipy_within_the_noise_of_resampling():
    values = np.random.default_rng(3).gamma(2.0, size=25)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert stats.bootstrap_interval(values) == pytest.approx(reference, abs=0.02 * values.std())


def test_bootstrap_of_two_values_is_exact():
    # Of two videos a resample is (a, a), (a, b), (b, a) or (b, b): a quarter each at the ends.
    assert stats.bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)
    assert stats.bootstrap_interval([0.0, 1.0], 0.4) == (0.5, 0.5)


@settings(deadline=None, max_examples=40)
@given(VALUES)
def test_bootstrap_contains_the_mean_and_stays_within_the_values(values):
    low, high = stats.bootstrap_interval(values)
    slack = 1e-9 * (1 + np.abs(values).max())
    assert values.min() - slack <= low <= values.mean() + slack
    assert values.mean() - slack <= high <= values.max() + slack


@settings(deadline=None, max_examples=25)
@given(VALUES, st.randoms())
def test_nothing_depends_on_the_order_of_the_videos(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    assert stats.bootstrap_interval(values[order]) == stats.bootstrap_interval(values)
    assert stats.wilcoxon(values[order]).p == pytest.approx(stats.wilcoxon(values).p, abs=1e-12)
    assert stats.wilcoxon(values[order]).effect == pytest.approx(stats.wilcoxon(values).effect)


def test_bootstrap_is_the_same_every_time_and_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(30)
    kept = stats.bootstrap_interval(values)
    assert stats.bootstrap_interval(values) == kept
    monkeypatch.setattr(stats, "_KEPT", 0)  # drawn anew, as for thousands of videos
    assert stats.bootstrap_interval(values) == kept


def test_resamples_draw_whole_videos_with_replacement():
    values = np.column_stack([np.eye(6), np.arange(6.0)])
    means = stats.resampled_means(values)
    assert means.shape == (10_000, 7)
    counts = means[:, :6] * 6
    assert np.allclose(counts, counts.round())
    assert np.allclose(counts.sum(axis=1), 6)
    assert np.allclose(means[:, 6], means[:, :6] @ np.arange(6.0))  # columns see the same draws
    assert counts.mean(axis=0) == pytest.approx(np.ones(6), abs=0.1)
    assert counts.var(axis=0) == pytest.approx(np.full(6, 5 / 6), abs=0.1)


def test_a_difference_is_resampled_as_pairs():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=40)  # videos differ much more than methods
    low, high = stats.bootstrap_interval(stats.differences(hard + 0.1 + rng.normal(scale=0.01, size=40), hard))
    assert 0.09 < low < 0.1 < high < 0.11
    with pytest.raises(ValueError, match="40 and 3"):
        stats.differences(hard, hard[:3])


def test_student_interval_is_scipys():
    values = np.random.default_rng(5).normal(size=12)
    test = scipy.stats.ttest_1samp(values, 0.0)
    for confidence in (0.5, 0.95, 0.98):
        reference = test.confidence_interval(confidence)
        assert stats.student_interval(values, confidence) == pytest.approx((reference.low, reference.high))
    with pytest.raises(ValueError, match="two values"):
        stats.student_interval([1.0])


@pytest.mark.parametrize("n", [1, 2, 5, 6, 11, 25])
def test_exact_wilcoxon_is_scipys_without_ties(n):
    difference = np.random.default_rng(n).normal(loc=0.4, size=n)
    reference = scipy.stats.wilcoxon(difference, zero_method="pratt", method="exact")
    found = stats.wilcoxon(difference)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-12)
    assert min(found.positive, found.negative) == reference.statistic


@settings(deadline=None, max_examples=40)
@given(arrays(float, st.integers(1, 11), elements=st.integers(-4, 4).map(float)))
def test_exact_wilcoxon_with_ties_and_zeros_is_the_share_of_sign_choices(difference):
    if np.any(difference):
        assert stats.wilcoxon(difference).p == pytest.approx(brute_force_p(difference), rel=1e-12)
    else:
        assert stats.wilcoxon(difference).p == 1.0


def test_many_videos_take_scipys_normal_approximation_with_ties_and_zeros():
    difference = np.random.default_rng(2).integers(-3, 6, 60).astype(float)
    assert (difference == 0).any()
    reference = scipy.stats.wilcoxon(difference, zero_method="pratt", correction=False, method="approx")
    assert stats.wilcoxon(difference).p == reference.pvalue


def test_five_videos_can_never_be_significant_not_even_with_ties():
    assert stats.smallest_p(5) == 0.0625
    assert stats.wilcoxon([0.1] * 5).p == 0.0625  # the normal approximation says .025
    assert stats.wilcoxon([0.0, 0.1, 0.1, 0.1, 0.1]).p == 0.125
    assert [stats.smallest_p(n) for n in (0, 1, 6)] == [1.0, 1.0, 2 / 64]


def test_equal_decimal_steps_are_ties():
    difference = stats.differences([0.55, 0.75, 0.3], [0.20, 0.40, 0.3])
    assert difference[0] == difference[1] == pytest.approx(0.35)
    assert difference[2] == 0
    assert stats.differences([0.0, 0.0], [0.0, 0.0]).tolist() == [0, 0]
    assert stats.differences([1e-9], [3e-9])[0] == pytest.approx(-2e-9)


def test_holm_by_hand_and_in_the_order_given():
    # 0.005 * 4; 0.01 * 3; max(0.03 * 2, before); max(0.04 * 1, before)
    assert stats.holm([0.04, 0.01, 0.005, 0.03]) == pytest.approx([0.06, 0.03, 0.02, 0.06])
    assert stats.holm([]).tolist() == []
    assert stats.holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@settings(deadline=None, max_examples=60)
@given(arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p):
    corrected = stats.holm(p)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(corrected[order]) >= 0)
    assert np.all(corrected >= p)
    assert np.all(corrected <= np.minimum(1, len(p) * p) + 1e-15)


def test_effect_sizes_by_hand():
    assert [stats.wilcoxon(x).effect for x in ([1, 2, 3], [-1, 2, 3], [0, 0])] == pytest.approx([1, (5 - 1) / 6, 0])


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [[0.1]]])
def test_what_is_no_sample_is_refused(values):
    with pytest.raises(ValueError, match="finite"):
        stats.bootstrap_interval(values)
