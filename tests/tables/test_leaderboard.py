"""The leaderboard against plain loops: shares of rivals, sections, intervals, costs, marks, and what is no board."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from keyframe_bench.report.markdown import leaderboard_markdown
from keyframe_bench.tables.leaderboard import leaderboard

COLUMNS = {
    "shot_recall": {"metric": "shots", "direction": "higher", "unit": "1", "headline": True},
    "srd_db": {"metric": "srd", "direction": "higher", "unit": "dB", "headline": True},
    "blur_px": {"metric": "blur", "direction": "lower", "unit": "px", "headline": True},
    "redundancy_gray": {"metric": "redundancy_gray", "direction": "lower", "unit": "1", "headline": True},
    "total_s": {"metric": "cost", "direction": "lower", "unit": "s", "headline": True},
}
METHODS = ("random", "uniform", "a", "b", "c")
_keys = itertools.count()


def results(values, dataset="folder", budget="4", run=None, **fields):
    """Cells and record of a run; ``values``: extractor to column to one number a video (None: the cell failed)."""
    cells = {}
    for extractor, columns in values.items():
        for i in range(len(next(iter(columns.values())))):
            found = {name: column[i] for name, column in columns.items()}
            cell = {"key": f"k{next(_keys)}", "status": "ok", "extractor": extractor, "video": f"{i}.mp4"}
            cell |= {"video_sha256": f"{dataset}{i}", "dataset": dataset, "budget": budget, "sampling": "2fps"}
            cell |= {"version": 1, "params": {}, "seed": 0, "k": 4, "metrics": found, "finished": "2026-01-01"}
            cell |= {"control": extractor in ("random", "uniform"), "privileged": extractor == "oracle"}
            if None in found.values():
                cell |= {"status": "failed", "metrics": {}}
            cell |= {name: value[extractor] for name, value in fields.items() if extractor in value}
            cells[cell["key"]] = cell
    return cells, {"budget": budget, "columns": COLUMNS, **(run or {})}


def drawn(seed, methods=METHODS, n=7, columns=("shot_recall", "srd_db", "blur_px")):
    """Few different numbers, so that there are ties."""
    rng = np.random.default_rng(seed)
    return {name: {column: rng.integers(4, size=n).tolist() for column in columns} for name in methods}


def by_loops(values):
    """Return (rank - 1) / (rivals) on each video, mean over columns, by extractor: [videos]."""
    names, found = list(values), {}
    columns = list(values[names[0]])
    for i, name in enumerate(names):
        shares = []
        for video in range(len(values[name][columns[0]])):
            ranks = []
            for column in columns:
                sign = -1 if COLUMNS[column]["direction"] == "higher" else 1
                ranks.append(rankdata([sign * values[other][column][video] for other in names])[i])
            shares.append((np.mean(ranks) - 1) / (len(names) - 1))
        found[name] = np.array(shares)
    return found


def rows(section):
    return {row.label: row for row in section.rows}


def test_shares_and_ranks_are_those_of_plain_loops():
    values = drawn(0, (*METHODS, "d", "e"), n=9)
    more = {name: values[name] | {"redundancy_gray": [i] * 9, "total_s": [i] * 9} for i, name in enumerate(values)}
    board = leaderboard({"one": results(more)})
    (section,) = board.sections
    for name, expected in by_loops(values).items():
        row = rows(section)[name]
        assert row.beaten == pytest.approx(expected.mean())
        assert row.lead == pytest.approx(by_loops(values)["uniform"].mean() - expected.mean())
        assert board.boards[0].ranks[name] == pytest.approx(1 + 6 * expected.mean())
        rng = np.random.default_rng(1)
        means = [expected[rng.integers(9, size=9)].mean() for _ in range(4000)]
        assert (row.low, row.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    assert [row.beaten for row in section.rows] == sorted(row.beaten for row in section.rows)
    assert board.boards[0].columns == ("shot_recall", "srd_db", "blur_px")  # not redundancy, not seconds


def test_it_depends_on_no_order():
    first, second = results(drawn(0)), results(drawn(1, n=4), dataset="other")
    shuffled = dict(reversed(first[0].items())), first[1]
    assert leaderboard({"x": first, "y": second}) == leaderboard({"y": second, "x": shuffled})


def test_videos_of_different_data_sets_are_drawn_apart():
    values = drawn(0, n=9)
    ((one,), (both,)) = (
        leaderboard({name: results(values, dataset=name) for name in names}).sections for names in ("x", "xy")
    )
    widths = [rows(section)["a"].high - rows(section)["a"].low for section in (one, both)]
    assert 0.6 < widths[1] / widths[0] < 0.85  # 1 / sqrt(2)


def test_all_equal_is_a_tie_of_all():
    values = {name: {"shot_recall": [0.5, 0.25]} for name in METHODS}
    (section,) = leaderboard({"one": results(values)}).sections
    assert {(row.beaten, row.low, row.high, row.lead) for row in section.rows} == {(0.5, 0.5, 0.5, 0.0)}


def test_what_is_equal_in_the_digits_of_a_small_file_is_a_tie():
    values = {name: {"shot_recall": [1 / 3]} for name in METHODS} | {"c": {"shot_recall": [0.333333]}}
    (section,) = leaderboard({"one": results(values)}).sections
    assert {row.beaten for row in section.rows} == {0.5}


def test_a_section_compares_over_common_boards_only():
    small, large = drawn(0, (*METHODS, "late")), drawn(1, n=4)
    board = leaderboard({"one": results(small), "two": results(large, dataset="other", budget="8")})
    everywhere, one = board.sections
    assert set(rows(everywhere)) == set(METHODS) and set(rows(one)) == {*METHODS, "late"}
    assert len(everywhere.boards) == 2 and one.boards == ("folder (7 videos), budget 4",)
    for name in METHODS:
        shares = [by_loops(values)[name].mean() for values in (small, large)]  # data sets count alike
        assert rows(everywhere)[name].beaten == pytest.approx(np.mean(shares))
        assert rows(everywhere)[name].by_dataset == pytest.approx(
            dict(zip(("folder (7 videos)", "other (4 videos)"), shares, strict=True))
        )
        assert rows(one)[name].beaten == pytest.approx(shares[0])


def test_budgets_are_averaged_within_a_data_set():
    found = {b: results(drawn(i, n=5), budget=b) for i, b in enumerate(("4", "8"))}
    (section,) = leaderboard({**found, "other": results(drawn(7, n=3), dataset="other")}).sections
    shares = [by_loops(drawn(i, n=n))["a"].mean() for i, n in ((0, 5), (1, 5), (7, 3))]
    assert rows(section)["a"].beaten == pytest.approx((shares[0] / 2 + shares[1] / 2 + shares[2]) / 2)


def test_a_method_without_a_number_is_no_rival_and_is_named():
    values = drawn(2)
    broken = {"shot_recall": [9, None, *[9] * 5]} | {name: [9] * 7 for name in ("srd_db", "blur_px")}
    board = leaderboard({"one": results({**values, "broken": broken})})
    (section,) = board.sections
    assert rows(section)["a"].beaten == pytest.approx(by_loops(values)["a"].mean())
    assert "broken" not in rows(section) and any("broken" in note for note in board.notes)


def test_a_ceiling_is_beside_the_rivals_and_not_among_them():
    values = drawn(3)
    best = {name: [-9 if name == "blur_px" else 9] * 7 for name in ("shot_recall", "srd_db", "blur_px")}
    (section,) = leaderboard({"one": results({**values, "oracle": best})}).sections
    assert section.rows[-1].label == "oracle" and section.rows[-1].beaten == 0 and section.rows[-1].role == "ceiling"
    assert rows(section)["a"].beaten == pytest.approx(by_loops(values)["a"].mean())


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (("random", "uniform", "a", "b"), "2 methods"),
        (("random", "uniform", "a"), "1 method"),
        (("random", "a", "b", "c"), "without uniform"),
        (("uniform", "a", "b", "c"), "without random"),
    ],
)
def test_few_methods_and_missing_controls_are_no_board(methods, said):
    board = leaderboard({"one": results(drawn(0, methods))})
    assert not board.boards and not board.sections
    assert any(said in note and "one" in note for note in board.notes)
    assert said in leaderboard_markdown(board)


def test_trainings_and_figures_are_none():
    cells, run = results(drawn(0))
    board = leaderboard({"figure": (cells, {**run, "budget": None}), "one": (cells, run)})
    assert board.boards[0].sources == ("one",) and any("figure" in note for note in board.notes)


def test_files_about_the_same_bytes_share_a_board_and_the_newest_row_counts():
    values, other = drawn(4), drawn(5, ("random", "uniform", "mine"))
    new = dict.fromkeys(("mine", "uniform"), "2026-02-02")
    merged = {**values, "mine": other["mine"], "uniform": other["uniform"]}
    more = {name: {**columns, "extra": [1] * 7} for name, columns in other.items()}
    cells, run = results(more, finished=new)
    run["columns"] = COLUMNS | {"extra": {"metric": "extra", "direction": "higher", "unit": "1", "headline": True}}
    board = leaderboard({"old": results(values), "sent": (cells, run)})
    assert [one.sources for one in board.boards] == [("old", "sent")]
    (section,) = board.sections
    assert set(rows(section)) == set(merged)
    assert rows(section)["mine"].beaten == pytest.approx(by_loops(merged)["mine"].mean())


def test_results_without_a_column_of_the_board_are_left_out_and_named():
    more, fewer = drawn(0, (*METHODS, "d")), drawn(1, (*METHODS[:4], "e"), columns=("shot_recall",))
    board = leaderboard({"most": results(more), "few": results(fewer)})
    assert [(one.sources, one.n_ranked) for one in board.boards] == [(("most",), 6)]
    assert any("few" in note and "srd_db" in note for note in board.notes)


def test_settings_of_a_sweep_on_one_board_are_no_rivals():
    params = {"a2": {"gamma": 2.0}}
    both = {"one": results(drawn(0) | {"a2": drawn(9)["a"]}, params=params, extractor={"a2": "a"})}
    board = leaderboard({**both, "two": results(drawn(1), dataset="other")})
    assert {label for section in board.sections for label in rows(section)} == set(METHODS)
    assert any("1 of a" in note for note in board.notes)
    (alone,) = leaderboard(both).sections  # as many boards as the other setting: a row
    assert len(alone.rows) == 6


@pytest.mark.parametrize(
    ("weights", "labels"),
    [
        (("../mine/one.pt", "../mine/two.pt"), {"a (weights=one.pt)", "a (weights=two.pt)"}),
        (("../one/a.pt", "../two/a.pt"), {"a (weights=../one/a.pt)", "a (weights=../two/a.pt)"}),
        (("hub:own/net.a", "hub:own/net.b"), {"a (weights=hub:own/net.a)", "a (weights=hub:own/net.b)"}),
    ],
)
def test_a_label_has_the_name_of_a_file_where_that_tells_rows_apart(weights, labels):
    params = {name: {"weights": file} for name, file in zip(("a", "a2"), weights, strict=True)}
    board = leaderboard({"one": results(drawn(0) | {"a2": drawn(9)["a"]}, params=params, extractor={"a2": "a"})})
    assert {row.label for row in board.sections[0].rows if row.label.startswith("a ")} == labels


def test_long_labels_are_told_apart_in_the_page():
    params = {name: {"weights": "x" * 99 + name} for name in ("a", "a2")}
    board = leaderboard({"one": results(drawn(0) | {"a2": drawn(9)["a"]}, params=params, extractor={"a2": "a"})})
    page = leaderboard_markdown(board)
    assert all("x" * 99 + name in page for name in ("a)", "a2)"))


def test_cost_is_a_ratio_within_one_run():
    def run_of(scale, **values):
        decoding = {"random": 0.05, "uniform": 0.05, "a": 1.0, "b": 1.4, "c": 0.05}  # some read packets alone
        spent = {"random": 0.05, "uniform": 0.05, "a": 0.0, "b": 1.6, "c": 1.45}
        costs = {
            name: {
                "frames": [0],
                "cost": {"decode_s": decoding[name] * scale, "features_s": 0.0, "select_s": spent[name] * scale},
            }
            for name in METHODS
        }
        return results(drawn(0, n=3), keyframes=costs, **values)

    (section,) = leaderboard({"fast": run_of(1), "slow": run_of(100, dataset="other")}).sections
    assert [rows(section)[name].cost for name in ("uniform", "a", "b")] == pytest.approx([0.1, 1.0, 3.0])
    (section,) = leaderboard({"one": results(drawn(0))}).sections
    assert {row.cost for row in section.rows} == {None}


def test_what_must_be_said_of_a_row():
    warning = "columns such as coverage_gray, srd_db judge by gray, which a selects on: they may favour a"
    marked = results(
        drawn(0),
        run={"warnings": [warning]},
        known_defects={"b": "it stops early"},
        label={"c": "from a file"},
        version={"a": 3},
    )
    board = leaderboard({"one": marked}, {"a": 4, "b": 1})
    (section,) = board.sections
    found = {row.label.split(" ")[0]: row for row in section.rows}
    assert found["a"].own == ("srd_db",) and found["b"].own == ()
    assert "version 3" in found["a"].marks[0] and "tool" in found["b"].marks[0]
    assert found["c"].label == "c (from a file)"
    assert found["random"].marks == ("control",)
    text = leaderboard_markdown(board)
    assert all(word in text for word in ("srd", "version 3", "another tool", "from a file", "control"))


def test_the_table_has_a_line_a_row_and_hostile_names_stay_text():
    values = drawn(0)
    values["<script>alert(1)</script>|x"] = values.pop("a")
    board = leaderboard({"one": results(values)})
    assert "<script>" not in leaderboard_markdown(board)
    frame = board.frame
    assert len(frame) == 5 and set(frame["label"]) == set(values) and frame["beaten"].between(0, 1).all()
    assert board.to_json()["sections"][0]["rows"][0]["label"] == board.sections[0].rows[0].label
