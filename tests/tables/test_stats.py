"""Statistics against scipy, brute force, hand cases and the per-video results of VSUMM's authors (protocol C7)."""

import inspect
import itertools

import numpy as np
import pandas as pd
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
    parameters = inspect.signature(scipy.stats.bootstrap).parameters
    seeded = "rng" if "rng" in parameters else "random_state"  # before SciPy 1.15
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="percentile", **{seeded: np.random.default_rng(1)}
    ).confidence_interval
    assert stats.bootstrap_interval(values) == pytest.approx(reference, abs=0.02 * values.std())
    # Of two videos a resample is (a, a), (a, b), (b, a) or (b, b): a quarter each at the ends.
    assert stats.bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)
    assert stats.bootstrap_interval([0.0, 1.0], 0.4) == (0.5, 0.5)


@settings(deadline=None, max_examples=25)
@given(VALUES, st.randoms())
def test_bootstrap_contains_the_mean_and_nothing_depends_on_the_order_of_the_videos(values, random):
    low, high = stats.bootstrap_interval(values)
    slack = 1e-9 * (1 + np.abs(values).max())
    assert values.min() - slack <= low <= values.mean() + slack
    assert values.mean() - slack <= high <= values.max() + slack
    shuffled = np.array(random.sample(values.tolist(), len(values)))
    assert stats.bootstrap_interval(shuffled) == (low, high)
    one, other = stats.wilcoxon(shuffled), stats.wilcoxon(values)
    assert (one.p, one.effect) == pytest.approx((other.p, other.effect))


def test_blocks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(30)
    kept = stats.bootstrap_interval(values)
    monkeypatch.setattr(stats, "_MAX_CACHED", 0)  # drawn anew, as for thousands of videos
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
    for n in (1, 3):
        with pytest.raises(ValueError, match=f"shapes: 40 and {n}"):
            stats.differences(hard, hard[:n])


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


@settings(deadline=None, max_examples=30)
@given(arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p):
    corrected = stats.holm(p)
    assert np.all(np.diff(corrected[np.argsort(p, kind="stable")]) >= 0)
    assert np.all(corrected >= p) and np.all(corrected <= np.minimum(1, len(p) * p) + 1e-15)


def test_effect_sizes_by_hand_and_no_sample():
    assert [stats.wilcoxon(x).effect for x in ([1, 2, 3], [-1, 2, 3], [0, 0])] == pytest.approx([1, (5 - 1) / 6, 0])
    for values in ([], [0.1, float("nan")], [[0.1]]):
        with pytest.raises(ValueError, match="finite"):
            stats.bootstrap_interval(values)
    for interval in (stats.bootstrap_interval, stats.student_interval):
        for confidence in (0, 1, 95, float("nan")):
            with pytest.raises(ValueError, match="between 0 and 1"):
                interval([0.1, 0.2], confidence)


# CUS_A mean, sd; CUS_E mean, sd; P / R / F derived per video; VISTO is STIMO's name in the files.
MEANS = {
    "OV": (0.704, 0.240, 0.573, 0.578, 0.615, 0.704, 0.627),
    "DT": (0.532, 0.219, 0.287, 0.198, 0.654, 0.532, 0.574),
    "VISTO": (0.716, 0.183, 0.584, 0.332, 0.576, 0.716, 0.623),
    "VSUMM1": (0.853, 0.107, 0.380, 0.303, 0.723, 0.853, 0.774),
    "VSUMM2": (0.704, 0.124, 0.266, 0.224, 0.756, 0.704, 0.718),
}
# VSUMM1 minus the other: mean and half width of the paired 98 % interval.
LEADS = {"OV": (0.148, 0.072), "DT": (0.320, 0.066), "VISTO": (0.137, 0.066), "VSUMM2": (0.148, 0.037)}
SURPLUS = {"OV": -0.194, "DT": 0.093, "VISTO": -0.204, "VSUMM2": 0.114}
TO_3 = 0.00051  # the reference is rounded to three decimals


@pytest.fixture(scope="module")
def results(data_root):
    frame = pd.read_csv(data_root / "vsumm" / "ovp_results.csv")
    assert len(frame) == 250
    return frame.pivot(index="video", columns="approach", values=["cus_a", "cus_e"])


def differences(results, column, other):
    return stats.differences(results[column, "VSUMM1"].to_numpy(), results[column, other].to_numpy())


@pytest.mark.data
def test_means_and_deviations(results):
    for approach, expected in MEANS.items():
        a, e = (results[c, approach].to_numpy() for c in ("cus_a", "cus_e"))
        p = a / (a + e)
        f = 2 * p * a / (p + a)
        found = (a.mean(), a.std(ddof=1), e.mean(), e.std(ddof=1), p.mean(), a.mean(), f.mean())
        assert found == pytest.approx(expected, abs=TO_3)


@pytest.mark.data
@pytest.mark.parametrize("other", LEADS)
def test_the_published_98_percent_intervals_are_students(results, other):
    difference = differences(results, "cus_a", other)
    low, high = stats.student_interval(difference, 0.98)
    assert (difference.mean(), (high - low) / 2) == pytest.approx(LEADS[other], abs=TO_3)
    assert stats.wilcoxon(difference).p < 1e-4
    # The bootstrap says the same to .01, and that VSUMM1 leads.
    assert stats.bootstrap_interval(difference, 0.98) == pytest.approx((low, high), abs=0.01)
    assert low > 0
    assert stats.wilcoxon(difference).effect > 0.6


@pytest.mark.data
def test_erroneous_key_frames(results):
    for other, mean in SURPLUS.items():
        assert differences(results, "cus_e", other).mean() == pytest.approx(mean, abs=TO_3)
    difference = differences(results, "cus_e", "OV")
    low, high = stats.student_interval(difference, 0.98)
    assert (high - low) / 2 == pytest.approx(0.194, abs=TO_3)
    assert low < 0 < high
    assert stats.wilcoxon(difference).p == pytest.approx(0.17, abs=0.005)


@pytest.mark.data
def test_holm_leaves_one_comparison_of_eight_undecided(results):
    tests = [stats.wilcoxon(differences(results, c, o)).p for c in ("cus_a", "cus_e") for o in LEADS]
    assert np.flatnonzero(stats.holm(tests) >= 0.05).tolist() == [4]  # CUS_E against OV
