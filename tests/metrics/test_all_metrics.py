"""What holds for every metric, those of later files too."""

import re

import numpy as np
import pytest

from keyframe_bench.metrics.base import Metric

NAMES = Metric.registry.names()


@pytest.fixture
def noisy_clip(make_clip):
    rng = np.random.default_rng(0)
    return make_clip(
        60, hue=rng.dirichlet(np.full(16, 0.3), 60), gray=rng.integers(0, 256, (60, 18, 32), dtype=np.uint8)
    )


def _standard(metric, clip):
    """Metrics added later may need other features than this file can make up."""
    if any(feature.key not in clip.columns for feature in metric.needs):
        pytest.skip(f"{metric.name} needs features of its own")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chosen", [[], [0], [59], [3, 17, 18, 40], list(range(60))], ids=len)
def test_exactly_its_columns_all_finite_floats(name, chosen, noisy_clip, summary_of, annotated):
    metric = Metric.registry.build(name)
    _standard(metric, noisy_clip)
    users = [[3, 30], [], [59]]
    annotation = annotated(noisy_clip, *users, shots=[[0, 20], [20, 60]])
    result = metric.compute(summary_of(noisy_clip, chosen), noisy_clip, annotation)
    assert set(result) == set(metric.columns)
    assert all(type(value) is float and np.isfinite(value) for value in result.values())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_changed_and_only_declared_features_are_read(name, noisy_clip, summary_of, annotated):
    metric = Metric.registry.build(name)
    _standard(metric, noisy_clip)
    for column in noisy_clip.columns.values():
        column.flags.writeable = False
    view = noisy_clip.restricted(metric.needs, annotation=False)
    summary, annotation = summary_of(view, [3, 17, 40]), annotated(view, [2, 5], shots=[[0, 60]])
    assert metric.compute(summary, view, annotation) == metric.compute(summary, view, annotation)


def test_column_names_are_short_identifiers_and_unique():
    columns = [column for name in NAMES for column in Metric.registry.get(name).columns]
    assert len(columns) == len(set(columns))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,21}", column) for column in columns)


@pytest.mark.parametrize("name", NAMES)
def test_what_wants_an_annotation_is_not_applied_without(name, make_clip, annotated):
    metric = Metric.registry.build(name)
    assert metric.applies(None) == (metric.requires is None)
    assert metric.applies(annotated(make_clip(5))) == (metric.requires is None)


def test_the_comparison_table_stays_readable():
    headline = {c for name in NAMES for c, column in Metric.registry.get(name).columns.items() if column.headline}
    assert {"cus_a", "cus_e", "f1_1s", "shot_recall", "coverage_gray", "n_keyframes", "total_s"} <= headline
    assert len(headline) <= 13
