"""What a table says about its numbers: fallbacks, shortfalls, copies, absent annotators, bounds, controls, networks."""

import numpy as np
import pytest
import scipy.stats

from keyframe_bench.report.latex import to_latex
from keyframe_bench.report.markdown import to_markdown
from keyframe_bench.tables import coverage_sentence, ranking, stats
from keyframe_bench.tables.experiment import Experiment, exported
from keyframe_bench.tables.load import read_cells
from keyframe_bench.tables.measure import estimate

from .conftest import COLUMNS, cell, cells_of, frame, notes, table_of, values_of

BASE = np.linspace(0.3, 0.6, 10)
SCORED = {"metrics": {"cus_a": 0.5}}


def frames(n, **marks):
    return {"keyframes": {"frames": list(range(n)), "times": [float(i) for i in range(n)], "cost": {}, **marks}}


def test_fallbacks_are_counted_over_videos():
    why = "nothing above the threshold"
    some = [(v, s, frames(1, fallback=why if v != "d" else "")) for v in "abcd" for s in (0, 1)]
    cells = [cell("ffmpeg_scene", v, seed=s, **SCORED, **found) for v, s, found in some]
    table = table_of(*cells, cell("uniform", **SCORED))
    (said,) = notes(table, "3 of 4 videos: nothing above the threshold")
    assert said.startswith("ffmpeg_scene") and "uniform" not in said
    (row, below) = (line for line in to_latex(table).splitlines() if not line.startswith("%") and "scene" in line)
    assert row.startswith(r"ffmpeg\_scene$^{*}$ &") and "3 of 4 videos: nothing above the threshold" in below
    assert said in to_latex(table) and why in to_markdown(table)
    line = table.frame.set_index("extractor").loc["ffmpeg_scene"]
    assert (line["n_fallback"], line["n_short"]) == (3, 0)


def test_shortfalls_are_told_with_both_numbers_and_the_reason(write):
    counts = zip("abcde", (10, 10, 9, 6, 4), strict=True)
    why = {True: "similar ones go", False: ""}
    cells = [cell("vsumm", v, k=10, **SCORED, **frames(n, shortfall=why[n < 10])) for v, n in counts]
    table = table_of(*cells, cell("uniform", k=10, **SCORED, **frames(10)))
    (said,) = notes(table, "similar ones go")
    assert said.startswith("vsumm: 7.8 of 10 key frames, fewer on 3 of 5 videos: ")
    assert table.frame.set_index("extractor")["n_short"].to_dict() == {"uniform": 0, "vsumm": 3}
    # Older cells have no marks.
    (said,) = notes(table_of(cell("vsumm", k=10, **SCORED, **frames(7)), cell("old", **SCORED)), "7 of 10 key frames")
    assert said.startswith("vsumm") and "no reason was recorded" in said
    # A short video at many budgets is one note.
    short = frames(5, shortfall="no more frames")
    (said,) = notes(table_of(*(cell("u", budget=str(k), k=k, **SCORED, **short) for k in range(6, 30))), "no more")
    assert "budget 6: 5 of 6" in said and "more" in said and len(said) < 500
    # Small results keep the marks, and what notes need.
    numbers = {"n_users_empty": 1, "cus_f_bound": 0.5, "cus_a": 1}
    kept = cell("vsumm", k=3, metrics=numbers, **frames(1, shortfall="few"))
    small = exported(read_cells(write(kept)), Experiment("x", "x"))
    assert '"shortfall":"few"' in small and '"n_users_empty"' in small and '"cus_a"' not in small


def test_copies_count_once_whatever_their_names():
    values = {"a": 0.1, "b": 0.4, "c": 0.5, "d": 0.7, "e": 0.8, "f": 0.9}

    def of(prefix, names):
        leads = {"vsumm": 0.05, "uniform": 0, "random": 0}
        numbers = [(e, v, values[v] + lead) for e, lead in leads.items() for v in names]
        return [cell(e, prefix + v, video_sha256=f"sha-{v}", metrics={"cus_a": x}) for e, v, x in numbers]

    once, twice = table_of(*of("", values)), table_of(*of("", values), *of("copies/", values))
    assert twice.rows == once.rows  # means, intervals, n
    assert twice.comparisons == once.comparisons and twice.discriminability == once.discriminability
    assert {c.n for c in twice.comparisons} == {6}
    (said,) = notes(twice, "6 copies counted once")
    assert "copies/a = a" in said and not notes(once, "counted once")
    (one,) = notes(table_of(*of("", values), *of("z", "c")), "counted once")
    assert one.startswith("1 copy") and "zc = c" in one


@pytest.mark.parametrize(
    ("cells", "mean"),
    [
        # Copies with annotations of their own are one video with their mean; one that is not measured does not count.
        ([("a", "same", 0.2, "1"), ("b", "same", 0.6, "1"), ("c", "c", 1.0, "1"), ("d", "same", None, "1")], 0.7),
        # A file that changed is the same video, and no copy of what it was.
        ([("a", "old", 0.2, "1"), ("a", "new", 0.4, "2"), ("b", "old", 0.9, "1")], 0.65),
    ],
)
def test_copies_and_changed_files_are_two_videos(cells, mean):
    made = [cell("vsumm", v, video_sha256=sha, metrics={"cus_a": x}, finished=at) for v, sha, x, at in cells]
    value = table_of(*made).rows[0].values["cus_a"]
    assert (value.n, value.mean) == (2, pytest.approx(mean))


def test_copies_in_two_data_sets_are_two_rows_and_measures_count_them_once():
    table = table_of(*(cell("vsumm", dataset=d, video_sha256="same", **SCORED) for d in ("x", "y")))
    assert [row.n_videos for row in table.rows] == [1, 1] and not notes(table, "counted once")
    results = frame(*(cell("vsumm", v, video_sha256=s, **SCORED) for v, s in ("ax", "bx", "cy")))
    assert estimate(results, {"mean": "cus_a"}).n == 2
    assert coverage_sentence(results, {"n_videos": 3}) == "scored 3 of 3 videos"


@pytest.mark.parametrize("same", [{}, {"video_sha256": "0" * 64}])
def test_users_without_key_frames_are_named_with_their_video(same):
    """A copy is named by the name under which the annotators saw it."""
    counts = (("a", 0), ("b", 2), ("c", None))
    cells = [cell("vsumm", v, metrics={"cus_a": 0.5, "n_users_empty": n}, **same) for v, n in counts]
    (said,) = notes(table_of(*cells, cell("human", "b", metrics={"cus_a": 0.5, "n_users_empty": 1})), "left out")
    assert "2 on b" in said and " on a" not in said


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"random": [0.8, 0.5, 0.79999], "uniform": [0.8, 0.6, 0.8], "vsumm": [0.7, 0.8, 0.8]},
            ["2 of 3 videos", "v00 (2 of 3 rows), v02 (3 of 3 rows)"],
        ),
        ({"random": [0.5, 0.5], "vsumm": [0.8, 0.8]}, []),
        ({"random": [0.8], "vsumm": [0.8]}, ["1 of 1 video,"]),
    ],
)
def test_videos_where_random_reaches_the_bound_are_named(values, told):
    columns = COLUMNS | {name: {"direction": "higher"} for name in ("cus_f", "cus_f_bound")}
    found = notes(
        table_of(*cells_of(values, column="cus_f", more={"cus_f_bound": 0.8}), **columns), "reaches the bound"
    )
    assert len(found) == bool(told) and all(word in found[0] for word in told)


def test_work_grows_with_the_number_of_budgets_only(monkeypatch):
    """Rows are compared with those of their own place: six times the budgets are six times the work, not 36 times."""
    fewer_helps = ("cus_e", "redundancy_gray")
    columns = {name: {"direction": "lower"} for name in fewer_helps} | {"n_keyframes": {"direction": "none"}}
    looked_at, candidates = [0], ranking.candidates

    class Counted(list):
        def __iter__(self):
            looked_at[0] += len(self)
            return super().__iter__()

    for module in ("ranking", "notes"):
        monkeypatch.setattr(f"keyframe_bench.tables.{module}.candidates", lambda rows, c: candidates(Counted(rows), c))

    def work(n):
        looked_at[0] = 0
        numbers = {k: {"n_keyframes": k, **dict.fromkeys(fewer_helps, k / 1000)} for k in range(1, n + 1)}
        cells = [cell(e, budget=str(k), metrics=m) for e in ("random", "uniform", "vsumm") for k, m in numbers.items()]
        assert len(table_of(*cells, **columns).rows) == 3 * n
        return looked_at[0]

    assert work(12) == 6 * work(2) > 0


def network(gain, n=10, **more):
    mine = {"params": {"space": "network"}, "more": {"total_s": 60.0}}
    plain = {"params": {"space": "input"}, "label": "no network", "more": {"total_s": 1.0}}
    return cells_of({"net": BASE[:n] + gain}, **mine, **more) + cells_of({"net": BASE[:n]}, **plain, **more)


@pytest.mark.parametrize(("gain", "word"), [(0.1, "better"), (-0.1, "worse"), (0.0, "differs in no column")])
def test_a_table_says_what_the_network_adds_and_costs(gain, word):
    table = table_of(*network(gain), *cells_of({"uniform": BASE - 0.05}))
    (note,) = notes(table, "what the network adds")
    assert word in note and "60.0 times the total_s" in note
    names = ("net (space=network)", "net (space=input, no network)")
    mine = next(c for c in table.comparisons if (c.label, c.rival_label) == names)
    assert mine.difference == pytest.approx(gain)
    if gain:
        assert mine.p_holm == pytest.approx(scipy.stats.wilcoxon(np.full(10, gain), method="exact").pvalue)
        assert mine.p_holm == stats.smallest_p(10)  # a family of its own: one pair, whatever else is in the table


def test_every_budget_has_its_own_note_and_few_videos_say_so():
    table = table_of(*network(0.1, 4, budget="5"), *network(0.1, 4, budget="10"))
    first, second = notes(table, "what the network adds", "significance is impossible with n = 4 videos")
    assert "budget 5" in first and "budget 10" in second
    assert not notes(values_of({"net": BASE, "uniform": BASE}), "what the network adds")


def test_who_is_below_random_is_named_with_the_columns_within_one_budget():
    # total_s is equal: a cost is no merit
    table = values_of({"random": BASE, "good": BASE + 0.1, "bad": BASE - 0.1}, more={"total_s": 1.0})
    assert notes(table, "on average worse") == ["on average worse than random: bad in cus_a"]
    low, high = {"random": BASE, "vsumm": BASE + 0.1}, {"random": BASE + 0.2, "vsumm": BASE + 0.1}
    table = table_of(*cells_of(low, budget="5"), *cells_of(high, budget="10"))
    assert notes(table, "on average worse") == ["on average worse than random at budget 10: vsumm in cus_a"]


@pytest.mark.parametrize(("lead", "said"), [(0.0, True), (-0.1, True), (0.1, False)])
def test_a_tie_with_a_control_is_no_lead(lead, said):
    table = values_of({"uniform": BASE, "vsumm": BASE + lead})
    best = "a control is best, or level with the best, in cus_a (uniform)"
    assert notes(table, "a control is best") == [best] * said


def test_random_within_noise_of_the_best_is_flagged():
    noise = np.array([0.10, -0.08, 0.06, -0.09, 0.02])
    random = cells_of({"random": [0.5] * 5}, draws=100)
    (flagged,) = notes(table_of(*random, *cells_of({"vsumm": 0.5 + noise})), "within noise")
    assert "cus_a (vsumm" in flagged
    clear = table_of(*random, *cells_of({"vsumm": 0.9 + noise / 10}))
    assert not notes(clear, "within noise") and "random: mean of 100 random draws per video" in clear.notes
