"""Where things lie in the plots."""

import numpy as np
import pytest

from keyframe_bench.report.layout import CHAR_WIDTH, LABEL_HEIGHT, place_labels, stacked
from keyframe_bench.report.plots import LEFT, RIGHT, TOP, budget_plot, cost_plot
from keyframe_bench.tables.quality import BudgetCurves, Point, Tradeoff
from keyframe_bench.tables.spec import ColumnSpec

F1, COST = ColumnSpec("f1", "higher"), ColumnSpec("total_s", "lower", "s")


def _point(name, x, y, *, role="method", half=0.1, front=False):
    ends = (None, None) if half is None else (y - half, y + half)
    return Point(name, role, x, y, *ends, 5, front)


def test_costs_lie_on_a_logarithmic_axis_and_quality_upwards():
    points = tuple(_point(f"m{i}", 10.0**i, 0.2 + 0.2 * i, front=True) for i in range(3))
    plot = cost_plot(Tradeoff(F1, COST, "", "4", points), {f"m{i}": i + 1 for i in range(3)})
    xs, ys = np.array([[m.x, m.y] for m in plot.marks]).T
    assert np.diff(xs)[0] == pytest.approx(np.diff(xs)[1], abs=0.11)
    assert np.diff(ys)[0] == pytest.approx(np.diff(ys)[1], abs=0.11)
    assert ys[0] > ys[2]
    ticks = {text: x for x, text in plot.x_ticks}
    assert [ticks[text] for text in ("1", "10", "100")] == pytest.approx(list(xs), abs=0.11)
    assert plot.front == f"M{xs[0]} {ys[0]}H{xs[1]}V{ys[1]}H{xs[2]}V{ys[2]}H{RIGHT}"
    for mark in plot.marks:
        assert LEFT <= mark.x <= RIGHT
        assert TOP <= mark.high < mark.y < mark.low <= plot.bottom  # high quality is further up


def test_ceilings_and_rows_without_a_cost_are_levels():
    oracle = _point("oracle", 0.1, 0.9, role="ceiling")
    points = (_point("a", 1.0, 0.5), _point("b", 2.0, 0.4, half=None), oracle, _point("c", None, 0.2))
    plot = cost_plot(Tradeoff(F1, COST, "", "", points), {"a": 1, "b": 2, "oracle": 3, "c": 4})
    assert [m.number for m in plot.marks] == [1, 2]
    told = [(line.number, line.title.split(", ")[1]) for line in plot.lines]
    assert told == [(3, "ceiling"), (4, "cost not measured")]
    assert plot.marks[1].low is None
    assert plot.marks[0].title == "a: f1 0.500 (0.400–0.600), total_s 1 s, 5 videos"


@pytest.mark.parametrize(
    "ys", [(0.5, 0.5), (0.0, 0.0), (-3.0, 2.0), (1e-4, 2e-4), (0.5, 0.5 + 2e-16), (2 / 3, 1 - 1 / 3)]
)
def test_flat_and_odd_ranges_have_ticks_inside(ys):
    points = tuple(_point(str(i), 0.5, y, half=None) for i, y in enumerate(ys))
    plot = cost_plot(Tradeoff(F1, COST, "", "", points), {"0": 1, "1": 2})
    assert len(plot.y_ticks) >= 2
    assert len({text for _, text in plot.y_ticks}) == len(plot.y_ticks)
    assert all(TOP <= y <= plot.bottom for y, _ in plot.y_ticks)
    assert len(plot.x_ticks) >= 1


def test_a_row_over_budgets_is_a_line_and_random_a_band():
    curves = (
        (_point("random", 4.0, 0.2, role="control"), _point("random", 8.0, 0.3, role="control")),
        (_point("m", 4.0, 0.5), _point("m", 6.0, 0.6)),
        (_point("one", 4.0, 0.4),),
    )
    plot = budget_plot(BudgetCurves(F1, "", curves), {"random": 1, "m": 2, "one": 3})
    assert [len(line.marks) for line in plot.lines] == [2, 2, 1]
    assert [bool(line.area) for line in plot.lines] == [True, False, False]
    ticks = {text: x for x, text in plot.x_ticks}
    assert [x for x, _, _ in plot.lines[1].marks] == pytest.approx([ticks["4"], ticks["6"]])


def _apart(centres, wide):
    for i, a in enumerate(centres):
        for b, w in zip(centres[:i], wide[:i], strict=True):
            clear_x = abs(a[0] - b[0]) >= (wide[i] + w) / 2 - 1e-6
            assert clear_x or abs(a[1] - b[1]) >= LABEL_HEIGHT - 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_apart_inside_and_off_the_points(seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.uniform((70, 30), (590, 340), (20, 2)), rng.uniform((300, 180), (340, 210), (8, 2))])
    texts = [str(i) for i in range(len(points))]
    centres = place_labels(points, texts, np.zeros((0, 4)), (58, 14, 604, 356))
    wide = [len(text) * CHAR_WIDTH for text in texts]
    _apart(centres, wide)
    assert (centres >= [58, 14]).all() and (centres <= [604, 356]).all()
    for centre, w in zip(centres, wide, strict=True):
        near = np.abs(points - centre)
        assert not ((near[:, 0] < w / 2) & (near[:, 1] < LABEL_HEIGHT / 2)).any()


@pytest.mark.parametrize("n", [1, 5, 18, 30, 50])
def test_names_beside_lines_keep_their_order_and_do_not_touch(n):
    bottom = 14 + max(342, n * LABEL_HEIGHT)
    ends = np.random.default_rng(n).uniform(14, bottom, n)
    heights = stacked(ends, 14, bottom)
    assert (np.diff(np.sort(heights)) >= LABEL_HEIGHT - 1e-6).all()
    assert (heights >= 14).all() and (heights <= bottom).all()
    assert (np.argsort(ends) == np.argsort(heights)).all()


def test_a_plot_of_many_rows_is_as_high_as_their_names_need():
    curves = tuple((_point(f"m{i}", 4.0, 0.5), _point(f"m{i}", 8.0, 0.5)) for i in range(60))
    plot = budget_plot(BudgetCurves(F1, "", curves), {f"m{i}": i for i in range(60)})
    heights = sorted(line.label[1] for line in plot.lines)
    assert min(np.diff(heights)) > LABEL_HEIGHT - 0.2 and heights[-1] <= plot.bottom


def test_long_names_keep_both_ends():
    names = [f"autoencoder (distance_space=latent, network=lin2015, {i})" for i in "12"]
    points = tuple(_point(name, i + 1.0, 0.5) for i, name in enumerate(names))
    plot = cost_plot(Tradeoff(F1, COST, "", "4", points), {name: i for i, name in enumerate(names)})
    assert [mark.name[:11] + mark.name[-3:] for mark in plot.marks] == [
        "autoencoder 1)"[:11] + " 1)",
        "autoencoder 2)"[:11] + " 2)",
    ]
    assert all(name in mark.title for name, mark in zip(names, plot.marks, strict=True))


def test_no_points_have_no_labels():
    assert place_labels(np.zeros((0, 2)), [], np.zeros((0, 4)), (0, 0, 1, 1)).shape == (0, 2)
