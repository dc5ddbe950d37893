"""What a table says about its numbers: fallbacks, shortfalls, copies, users without key frames, F at its bound."""

import pytest

from keyframe_bench.report.latex import to_latex
from keyframe_bench.report.markdown import to_markdown
from keyframe_bench.tables import comparison, coverage_sentence, load_results
from keyframe_bench.tables.experiment import Experiment
from keyframe_bench.tables.export import exported
from keyframe_bench.tables.load import read_cells
from keyframe_bench.tables.measure import estimate

KEYS = {"cost": {"select_s": 0.5}}


def note(table, *words):
    return [n for n in table.notes if all(word in n for word in words)]


def frames(n, **marks):
    return {"keyframes": {"frames": list(range(n)), "times": [float(i) for i in range(n)], **KEYS, **marks}}


@pytest.fixture
def table_of(write, columns):
    columns["cus_f"] = columns["cus_f_bound"] = {"direction": "higher", "unit": "1", "headline": True}
    return lambda *cells: comparison(load_results(write(*cells)), columns)


# Fallbacks and shortfalls.


def test_fallbacks_are_counted_over_videos(table_of, cell, write):
    why = "nothing above the threshold"
    cells = [
        cell(
            "ffmpeg_scene",
            v,
            seed=s,
            budget="free",
            metrics={"cus_a": 0.5},
            **frames(1, fallback=why if v != "d" else ""),
        )
        for v in "abcd"
        for s in (0, 1)
    ]
    table = table_of(*cells, cell("uniform", "a", budget="free", metrics={"cus_a": 0.5}))
    (said,) = note(table, "3 of 4 videos: nothing above the threshold")
    assert said.startswith("ffmpeg_scene") and "uniform" not in said
    (row, below) = (line for line in to_latex(table).splitlines() if not line.startswith("%") and "scene" in line)
    assert row.startswith(r"ffmpeg\_scene$^{*}$ &") and "3 of 4 videos: nothing above the threshold" in below
    assert said in to_latex(table) and why in to_markdown(table)
    line = table.frame.set_index("extractor").loc["ffmpeg_scene"]
    assert (line["n_fallback"], line["n_short"]) == (3, 0)


def test_shortfalls_are_told_with_both_numbers_and_the_reason(table_of, cell):
    cells = [
        cell(
            "vsumm",
            v,
            k=10,
            budget="10",
            metrics={"cus_a": 0.5},
            **frames(n, shortfall="similar ones go" if n < 10 else ""),
        )
        for v, n in zip("abcde", (10, 10, 9, 6, 4), strict=True)
    ]
    table = table_of(*cells, cell("uniform", "a", k=10, metrics={"cus_a": 0.5}, **frames(10)))
    (said,) = note(table, "similar ones go")
    assert said.startswith("vsumm: 7.8 of 10 key frames, fewer on 3 of 5 videos: ")
    assert table.frame.set_index("extractor")["n_short"].to_dict() == {"uniform": 0, "vsumm": 3}


def test_older_cells_without_marks_are_read(table_of, cell):
    table = table_of(
        cell("vsumm", "a", k=10, metrics={"cus_a": 0.5}, **frames(7)), cell("old", "a", metrics={"cus_a": 1})
    )
    (said,) = note(table, "7 of 10 key frames")
    assert said.startswith("vsumm") and "no reason was recorded" in said


def test_a_short_video_at_many_budgets_is_one_note(table_of, cell):
    many = [
        cell("uniform", "a", budget=str(k), k=k, metrics={"cus_a": 0.5}, **frames(5, shortfall="no more frames"))
        for k in range(6, 60)
    ]
    (said,) = note(table_of(*many), "no more frames")
    assert "budget 6: 5 of 6" in said and "more" in said and len(said) < 500


def test_marks_and_what_notes_need_are_kept_in_small_results(write, cell):
    experiment = Experiment("x", "x", "x", "none", {}, [], [], [], [])
    kept = cell(
        "vsumm", "a", k=3, metrics={"n_users_empty": 1, "cus_f_bound": 0.5, "cus_a": 1}, **frames(1, shortfall="few")
    )
    small = exported(read_cells(write(kept)), experiment)
    assert '"shortfall":"few"' in small and '"n_users_empty"' in small and '"cus_a"' not in small


# Copies.


def test_copies_count_once_whatever_their_names(table_of, cell):
    values = {"a": 0.1, "b": 0.4, "c": 0.5, "d": 0.7, "e": 0.8, "f": 0.9}

    def cells_of(prefix, names, shift=0.0):
        return [
            cell(e, prefix + v, video_sha256=f"sha-{v}", metrics={"cus_a": values[v] + (0.05 if e == "vsumm" else 0)})
            for e in ("vsumm", "uniform", "random")
            for v in names
        ]

    once = table_of(*cells_of("", values))
    twice = table_of(*cells_of("", values), *cells_of("copies/", values))
    assert twice.rows == once.rows  # means, intervals, n
    assert twice.comparisons == once.comparisons and twice.sanity == once.sanity
    assert {c.n for c in twice.comparisons} == {6}
    (said,) = note(twice, "6 copies counted once")
    assert "copies/a = a" in said and not note(once, "counted once")
    (one,) = note(table_of(*cells_of("", values), *cells_of("z", "c")), "counted once")
    assert one.startswith("1 copy") and "zc = c" in one


def test_copies_with_annotations_of_their_own_are_one_video_with_their_mean(table_of, cell):
    cells = [
        cell("vsumm", "a", video_sha256="same", metrics={"cus_a": 0.2}),
        cell("vsumm", "b", video_sha256="same", metrics={"cus_a": 0.6}),
        cell("vsumm", "c", metrics={"cus_a": 1.0}),
        cell("vsumm", "d", video_sha256="same", metrics={"cus_a": None}),
    ]
    value = table_of(*cells).rows[0].values["cus_a"]
    assert (value.n, value.mean) == (2, pytest.approx(0.7))


def test_copies_in_two_data_sets_are_two_rows(table_of, cell):
    cells = [cell("vsumm", "a", dataset=d, key=d, video_sha256="same", metrics={"cus_a": 0.2}) for d in ("x", "y")]
    table = table_of(*cells)
    assert [row.n_videos for row in table.rows] == [1, 1] and not note(table, "counted once")


def test_a_file_that_changed_is_the_same_video_and_no_copy_of_what_it_was(table_of, cell):
    cells = [
        cell("vsumm", "a", video_sha256="old", finished="2026-01-01", metrics={"cus_a": 0.2}),
        cell("vsumm", "a", video_sha256="new", finished="2026-01-02", metrics={"cus_a": 0.4}),
        cell("vsumm", "b", video_sha256="old", finished="2026-01-01", metrics={"cus_a": 0.9}),
    ]
    value = table_of(*cells).rows[0].values["cus_a"]
    assert (value.n, value.mean) == (2, pytest.approx(0.65))


def test_measures_of_a_paper_count_copies_once_and_all_videos_were_scored(write, cell):
    cells = [cell("vsumm", v, video_sha256=s, metrics={"cus_a": 0.5}) for v, s in zip("abc", "xxy", strict=True)]
    results = load_results(write(*cells))
    assert estimate(results, {"mean": "cus_a"}).n == 2
    assert coverage_sentence(results, {"n_videos": 3}) == "scored 3 of 3 videos"


# People who chose nothing, and F at its bound.


def test_users_without_key_frames_are_named_with_their_video(table_of, cell):
    cells = [cell("vsumm", v, metrics={"cus_a": 0.5, "n_users_empty": n}) for v, n in (("a", 0), ("b", 2), ("c", None))]
    (said,) = note(table_of(*cells, cell("human", "b", metrics={"cus_a": 0.5, "n_users_empty": 1})), "left out")
    assert "2 on b" in said and " on a" not in said


def test_users_without_key_frames_are_named_with_the_copy_they_saw(table_of, cell):
    same = {"video_sha256": "0" * 64}
    cells = [cell("vsumm", v, metrics={"cus_a": 0.5, "n_users_empty": n}, **same) for v, n in (("a", 0), ("b", 2))]
    (said,) = note(table_of(*cells), "left out")
    assert "2 on b" in said and "on a" not in said


def test_the_bound_is_told_of_a_single_video_too(table_of, cell):
    cells = [cell(e, "a", metrics={"cus_f": 0.8, "cus_f_bound": 0.8}) for e in ("random", "vsumm")]
    (said,) = note(table_of(*cells), "reaches the bound")
    assert "1 of 1 video" in said


def test_videos_where_random_reaches_the_bound_are_named(table_of, cell):
    def row(extractor, **f):
        return [cell(extractor, v, metrics={"cus_f": x, "cus_f_bound": 0.8}) for v, x in f.items()]

    cells = [
        *row("random", a=0.8, b=0.5, c=0.79999),
        *row("uniform", a=0.8, b=0.6, c=0.8),
        *row("vsumm", a=0.7, b=0.8, c=0.8),
    ]
    (said,) = note(table_of(*cells), "reaches the bound")
    assert "2 of 3 videos" in said and "a (2 of 3 rows)" in said and "c (3 of 3 rows)" in said and "b (" not in said
    assert not note(table_of(*row("random", a=0.5, b=0.5), *row("vsumm", a=0.8, b=0.8)), "reaches the bound")


# Large tables.


def test_work_grows_with_the_number_of_budgets_only(write, cell, columns, monkeypatch):
    """Rows are compared with those of their own place: six times the budgets are six times the work, not 36 times."""
    from keyframe_bench.tables import rank

    fewer_helps = ("cus_e", "redundancy_gray", "redundancy_hue", "repeated_shot")
    columns |= {name: {"direction": "lower", "unit": "1", "headline": True} for name in fewer_helps}
    columns["n_keyframes"] = {"direction": "none", "unit": "1", "headline": True}
    looked_at = 0

    class Counted(list):
        def __iter__(self):
            nonlocal looked_at
            looked_at += len(self)
            return super().__iter__()

    candidates = rank.candidates
    for module in ("build", "notes", "sanity", "significance"):
        monkeypatch.setattr(f"keyframe_bench.tables.{module}.candidates", lambda rows, c: candidates(Counted(rows), c))

    def work(n):
        nonlocal looked_at
        looked_at = 0
        cells = [
            cell(e, "a", budget=str(k), metrics={"n_keyframes": k, **dict.fromkeys(fewer_helps, k / 1000)})
            for e in ("random", "uniform", "vsumm")
            for k in range(1, n + 1)
        ]
        assert len(comparison(load_results(write(*cells)), columns).rows) == 3 * n
        return looked_at

    assert work(24) == 6 * work(4) > 0
