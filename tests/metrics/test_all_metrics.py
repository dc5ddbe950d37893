"""What holds for every metric, those of later files too."""

import re
from dataclasses import replace

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
    annotation = annotated(noisy_clip, [3, 30], [], [59], shots=[[0, 20], [20, 60]])
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
def test_what_requires_an_annotation_is_not_applied_without(name, make_clip, annotated):
    metric = Metric.registry.build(name)
    assert metric.applies(None) == (metric.requires is None)
    assert metric.applies(annotated(make_clip(5))) == (metric.requires is None)


def test_the_comparison_table_stays_readable():
    headline = {c for name in NAMES for c, column in Metric.registry.get(name).columns.items() if column.headline}
    assert {"cus_a", "cus_e", "f1_1s", "shot_recall", "coverage_gray", "n_keyframes", "total_s"} <= headline
    assert len(headline) <= 13


@pytest.mark.parametrize(("line", "said"), [('wants = "users"', "`requires`"), ('requires = "user"', "'user' is not ")])
def test_a_metric_that_requires_no_part_of_an_annotation_is_refused(cli, own_registry, tmp_path, line, said):
    file = tmp_path / "old.py"
    lines = ["import keyframe_bench as kb", '@kb.register("old")', "class Old(kb.Metric):", f"    {line}"]
    file.write_text("\n".join([*lines, "    def compute(self, keyframes, clip, annotation):", "        return {}", ""]))
    status, _, err = cli("list", "--plugin", file)
    assert status == 2 and err.count("\n") == 1 and said in err and "Old" in err


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
