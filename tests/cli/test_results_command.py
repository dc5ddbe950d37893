"""``keyframe-bench results diff``: exit status, words, JSON, bad input."""

import json

import pytest


@pytest.fixture
def write_results(tmp_path):
    """An output folder with cells of two methods on two videos, changed by ``change(cell)``."""

    def write(name, change=None):
        folder = tmp_path / name
        folder.mkdir()
        lines = []
        for extractor in ("uniform", "vsumm"):
            for video in ("a.mp4", "b.mp4"):
                cell = {"format": "keyframe_bench/cell@1", "key": f"{extractor}{video}{name}", "status": "ok"}
                cell |= {"extractor": extractor, "video": video, "dataset": "folder", "budget": "8", "seed": 0}
                cell |= {"params": {}, "metrics": {"f1": 0.5, "cus_a": 0.25, "total_s": len(name)}, "version": 1}
                cell |= {"keyframes": {"frames": [1, 2], "times": [0.1, 0.2], "cost": {}}, "versions": {"numpy": name}}
                if change is not None:
                    cell = change(cell)
                lines += [] if cell is None else [json.dumps(cell) + "\n"]
        (folder / "results.jsonl").write_text("".join(lines), encoding="utf-8")
        return folder

    return write


def one_worse(cell):
    if cell["extractor"] == "vsumm" and cell["video"] == "a.mp4":
        cell["metrics"]["f1"] -= 0.125
        cell["keyframes"]["frames"] = [1, 3]
    return cell


def test_equal_results_exit_0_and_name_the_versions(cli, write_results):
    status, out, err = cli("results", "diff", write_results("a"), write_results("other") / "results.jsonl")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "4 cells against 4, 4 of them in both: no differences",
        "versions:",
        "  numpy: a -> other (4 cells)",
    ]


def test_the_same_path_twice_is_equal(cli, write_results):
    folder = write_results("a")
    assert cli("results", "diff", folder, folder)[:2] == (0, "4 cells against 4, 4 of them in both: no differences\n")


def test_a_change_exits_1_and_says_how_much(cli, write_results):
    status, out, _ = cli("results", "diff", write_results("a"), write_results("b", one_worse))
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "4 cells against 4, 4 of them in both: 1 changed"
    assert "other key frames: vsumm (1 cell)" in lines
    at = lines.index("numbers of vsumm:")
    assert lines[at + 1] == "  f1: 1 cell, by 0.125 on average, 0.125 at most, mean over all -0.0625"
    assert "total_s" not in out


def test_the_tolerance_decides(cli, write_results):
    def shifted(cell):
        cell["metrics"]["f1"] += 0.001
        return cell

    a, b = write_results("a"), write_results("b", shifted)
    assert cli("results", "diff", a, b)[0] == 1
    assert cli("results", "diff", a, b, "--tolerance", "0.01")[0] == 0
    assert cli("results", "diff", "--tolerance=0.0001", a, b)[0] == 1


def test_missing_cells_and_statuses(cli, write_results):
    def change(cell):
        if cell["extractor"] == "uniform":
            return None
        return cell | {"status": "failed", "keyframes": None, "metrics": {}}

    status, out, _ = cli("results", "diff", write_results("a"), write_results("b", change))
    assert status == 1
    assert "only in the first: uniform (2 cells)" in out
    assert "  vsumm on a.mp4, budget 8, seed 0: ok -> failed" in out


def test_json_says_the_same(cli, write_results):
    a, b = write_results("a"), write_results("b", one_worse)
    status, out, _ = cli("results", "diff", a, b, "--json")
    found = json.loads(out)
    assert (status, found["equal"], found["n_changed"], found["keyframes"]) == (1, False, 1, {"vsumm": 1})
    assert found["columns"] == [
        {
            **{"extractor": "vsumm", "column": "f1", "n_changed": 1, "n_one_sided": 0},
            **{"mean": 0.125, "max": 0.125, "shift": -0.0625},
        }
    ]
    assert (found["first"], found["second"]) == (str(a), str(b))


def test_long_lists_end_with_how_many_more(cli, write_results):
    def many(cell):
        cell["metrics"] |= {f"m{i:02}": i / 100 for i in range(30)}
        return cell

    out = cli("results", "diff", write_results("a"), write_results("b", many))[1]
    assert out.count("and 22 more (--json lists all)") == 2  # once per method
    assert len(out.splitlines()) < 30


def test_names_cannot_break_the_lines(cli, write_results):
    def hostile(cell):
        return cell | {"video": "x\n\x1b[31m" + cell["video"], "status": "failed" if cell["version"] == 2 else "ok"}

    a = write_results("a", hostile)
    b = write_results("b", lambda cell: hostile(cell | {"version": 2}))
    out = cli("results", "diff", a, b)[1]
    assert "\x1b" not in out
    assert "\n\\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "results diff A B"),
        (("difference", "a", "b"), "one thing to do, diff"),
        (("diff", "a"), "compares two results"),
        (("diff", "a", "a", "a"), "one too many"),
        (("diff", "a", "missing"), "cannot read 'missing': No such file"),
        (("diff", "a", "empty"), "holds no cells"),
        (("diff", "a", "folder"), "results.jsonl"),
        (("diff", "a", "text"), "line 1 of 'text' cannot be used: it is not JSON"),
        (("diff", "a", "list"), "line 1 of 'list' cannot be used: it is not a keyframe_bench"),
        (("diff", "a", "binary"), "not UTF-8"),
        (("diff", "a", "a", "--tolerance", "-1"), "--tolerance '-1' is not a number of 0 or more"),
        (("diff", "a", "a", "--tolerance", "nan"), "--tolerance 'nan'"),
        (("diff", "a", "a", "--tolerance"), "--tolerance needs a value after it"),
        (("diff", "a", "a", "--verbose"), "unknown option"),
        (("diff", "a", "a", "budget=8"), "options such as budget="),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(cli, write_results, tmp_path, monkeypatch, arguments, said):
    write_results("a")
    (tmp_path / "empty").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "list").write_text("[1]\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("results", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert err.startswith("keyframe-bench: error: ")


def test_the_order_of_options_and_odd_paths(cli, write_results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_results("a=b")
    write_results("-c")
    assert cli("results", "diff", "a=b", "a=b")[0] == 0
    assert cli("results", "--json", "diff", "a=b", "a=b")[0] == 0
    assert cli("results", "--tolerance", "0", "--", "diff", "-c", "-c")[0] == 0
