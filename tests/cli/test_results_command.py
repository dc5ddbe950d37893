"""``keyframe-bench results diff``: exit status, words, JSON, bad input."""

import json

import pytest


@pytest.fixture
def write_results(tmp_path):
    """An output folder with cells of two methods on two videos, changed by ``change(cell)``."""

    def write(name, change=lambda cell: cell):
        folder = tmp_path / name
        folder.mkdir()
        cells = []
        for extractor, video in (("uniform", "a.mp4"), ("uniform", "b.mp4"), ("vsumm", "a.mp4"), ("vsumm", "b.mp4")):
            cell = {"format": "keyframe_bench/cell@1", "key": f"{extractor}{video}{name}", "status": "ok"}
            cell |= {"extractor": extractor, "video": video, "dataset": "folder", "budget": "8", "seed": 0}
            cell |= {"params": {}, "metrics": {"f1": 0.5, "cus_a": 0.25, "total_s": len(name)}, "version": 1}
            cell |= {"keyframes": {"frames": [1, 2], "times": [0.1, 0.2], "cost": {}}, "versions": {"numpy": name}}
            cells.append(change(cell))
        (folder / "results.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in cells if cell), "utf-8")
        return folder

    return write


def one_worse(cell):
    if cell["extractor"] == "vsumm" and cell["video"] == "a.mp4":
        cell["metrics"]["f1"] -= 0.125
        cell["keyframes"]["frames"] = [1, 3]
    return cell


def half_gone(cell):
    return None if cell["extractor"] == "uniform" else cell | {"status": "failed", "keyframes": None, "metrics": {}}


def test_equal_results_exit_0_and_name_the_versions(cli, write_results):
    folder, equal = write_results("a"), "4 cells against 4, 4 of them in both: no differences"
    status, out, err = cli("results", "diff", folder, write_results("other") / "results.jsonl")
    assert (status, err) == (0, "")
    assert out.splitlines() == [equal, "versions:", "  numpy: a -> other (4 cells)"]
    assert cli("results", "diff", folder, folder)[:2] == (0, f"{equal}\n")


def test_a_change_exits_1_and_says_how_much(cli, write_results):
    a, b = write_results("a"), write_results("b", one_worse)
    status, out, _ = cli("results", "diff", a, b)
    lines = out.splitlines()
    assert status == 1 and lines[0] == "4 cells against 4, 4 of them in both: 1 changed"
    assert "other key frames: vsumm (1 cell)" in lines
    at = lines.index("numbers of vsumm:")
    assert lines[at + 1] == "  f1: 1 cell, by 0.125 on average, 0.125 at most, mean over all -0.0625"
    assert "total_s" not in out
    status, out, _ = cli("results", "diff", a, b, "--json")
    found = json.loads(out)
    assert (status, found["equal"], found["n_changed"], found["keyframes"]) == (1, False, 1, {"vsumm": 1})
    changed = {"extractor": "vsumm", "column": "f1", "n_changed": 1, "n_one_sided": 0}
    assert found["columns"] == [changed | {"mean": 0.125, "max": 0.125, "shift": -0.0625}]
    assert (found["first"], found["second"]) == (str(a), str(b))


def test_the_tolerance_decides_and_long_lists_end_with_how_many_more(cli, write_results):
    def many(cell):
        cell["metrics"] |= {f"m{i:02}": 0.001 for i in range(30)}
        return cell

    def none(cell):
        return cell | {"metrics": dict.fromkeys(many(cell)["metrics"], 0)}

    a, b = write_results("a", none), write_results("b", many)
    status, out, _ = cli("results", "diff", a, b, "--tolerance=0.0001")
    assert status == 1 and out.count("more (--json lists all)") == 2  # once per method
    assert len(out.splitlines()) < 30
    assert cli("results", "diff", a, b, "--tolerance", "0.6")[0] == 0


def test_missing_cells_statuses_and_names_that_cannot_break_the_lines(cli, write_results):
    def hostile(cell):
        return cell | {"video": "x\n\x1b[31m" + cell["video"]}

    a, b = write_results("a", hostile), write_results("b", lambda cell: half_gone(hostile(cell)))
    status, out, _ = cli("results", "diff", a, b)
    assert status == 1 and "only in the first: uniform (2 cells)" in out
    assert "a.mp4, budget 8, seed 0: ok -> failed" in out
    assert "\\x1b" in out and "\x1b" not in out and "\n\\x1b" not in out


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "holds no cells"), (b"hello\n", "not JSON"), (b"[1]\n", "keyframe_bench"), (b"\xff\xfe\x00", "not UTF-8")],
)
def test_a_file_that_holds_no_results_is_one_sentence(cli, write_results, tmp_path, content, said):
    (tmp_path / "other").write_bytes(content)
    status, out, err = cli("results", "diff", write_results("a"), tmp_path / "other")
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err


def test_the_order_of_options_and_odd_paths(cli, write_results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_results("a=b")
    write_results("-c")
    assert cli("results", "diff", "a=b", "a=b")[0] == 0
    assert cli("results", "--json", "diff", "a=b", "a=b")[0] == 0
    assert cli("results", "--tolerance", "0", "--", "diff", "-c", "-c")[0] == 0
