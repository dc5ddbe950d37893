"""``keyframe-bench results validate`` and ``leaderboard``: what is accepted, every kind of problem, what is written."""

import csv
import json
import pickle
import shutil
from pathlib import Path

import pytest

from keyframe_bench.cli.main import main
from keyframe_bench.tables.caveats import favoured

COMMITTED = sorted((Path(__file__).parents[2] / "experiments" / "results").glob("*.jsonl"))


@pytest.fixture(scope="module")
def made(rendered, annotate, tmp_path_factory):
    """Results of a run with picks of another tool among its rows, as somebody might send them."""
    folder = tmp_path_factory.mktemp("sent")
    annotate(Path(shutil.copytree(rendered, folder / "videos")))
    picks = {"format": "keyframe_bench/picks@1", "unit": "frames from 0"}
    picks["items"] = {"cuts.mp4": [3, 20], "mixed.mp4": [0, 39], "static.mp4": [5, 6]}
    (folder / "picks.json").write_text(json.dumps(picks))
    words = [
        "dataset=folder",
        "dataset.root=videos",
        "extractors=[pixel_distance,histogram_distance,vsumm]",
        "budget=2",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", *words, "external=[<script>alert(1)</script>=picks.json]", "out=out"]) == 0
    return folder / "out"


@pytest.fixture
def sent(made, tmp_path):
    """Write the results, changed by ``change(cells, run)``, and return the file."""

    def write(change=lambda cells, run: None):
        cells = [json.loads(line) for line in (made / "results.jsonl").read_text("utf-8").splitlines()]
        run = json.loads((made / "run.json").read_text("utf-8")) | {"commit": "0123456789ab"}
        change(cells, run)
        file = tmp_path / "sent.jsonl"
        file.write_text("".join(json.dumps(cell) + "\n" for cell in cells), "utf-8")
        file.with_suffix(".run.json").write_text(json.dumps(run), "utf-8")
        return file

    return write


def at(cells, extractor):
    return next(i for i, cell in enumerate(cells) if cell["extractor"] == extractor)


def test_what_a_run_wrote_is_valid(cli, sent, made):
    file = sent()
    assert cli("results", "validate", file) == (0, f"{file}: valid\n", "")
    status, out, _ = cli("results", "validate", file, "--json")
    assert status == 0 and json.loads(out) == [{"file": str(file), "problems": []}]
    run = json.loads((made / "run.json").read_text("utf-8"))
    assert cli("results", "validate", made)[0] == (1 if run["commit"].endswith("+") else 0)


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_every_committed_file_is_valid(cli, file):
    status, out, err = cli("results", "validate", file)
    assert (status, err) == (0, ""), out
    assert ": valid" in out


def older(**fields):
    """Change a cell that lacks part of what its key is the hash of, as those that were saved once."""

    def change(cells, run):
        cells[at(cells, "pixel_distance")].pop("annotation")
        cells[at(cells, "pixel_distance")].update(fields)

    return change


def same_row(cells, run):
    cells.append({**cells[0], "key": "0" * 20})
    del cells[-1]["annotation"]


def number(name, value):
    def change(cells, run):
        cells[at(cells, "pixel_distance")]["metrics"][name] = value

    return change


def above_the_bound(cells, run):
    cells[at(cells, "pixel_distance")]["metrics"].update(cus_f=0.6, f1_1s=0.25, cus_f_bound=0.5)


def cost(decode_s):
    def change(cells, run):
        cells[at(cells, "pixel_distance")]["keyframes"]["cost"]["decode_s"] = decode_s

    return change


def frames(*ordinals, **fields):
    def change(cells, run):
        cell = cells[at(cells, "pixel_distance")]
        cell["keyframes"] = {"frames": list(ordinals), "cost": {}}
        cell["metrics"]["n_keyframes"] = len(ordinals)
        cell.update(fields)

    return change


def without(extractor):
    def change(cells, run):
        cells[:] = [cell for cell in cells if cell["extractor"] != extractor]

    return change


def record(**fields):
    return lambda cells, run: run.update(fields)


def few_draws(cells, run):
    cells[at(cells, "random")]["draws"] = 10


def twice(cells, run):
    cells.append(cells[0])


def one_video_less(cells, run):
    del cells[at(cells, "pixel_distance")]


def upside_down(cells, run):
    run["columns"]["coverage_gray"]["direction"] = "lower"


BROKEN = {
    "key": (lambda cells, run: cells[0].update(key="0" * 20), "line", "hash"),
    "key of another form": (older(key="mine"), "line", "20 hex digits"),
    "same row under another key": (same_row, "line", "line 1"),
    "other bytes of one video": (older(video_sha256="0" * 64), "line", "video_sha256"),
    "other budget under the same key": (lambda cells, run: cells[0].update(budget="3"), "line", "hash"),
    "no extractor": (lambda cells, run: cells[0].pop("extractor"), "line", "extractor"),
    "other format": (lambda cells, run: cells[0].update(format="mine@1"), "line", "cell@1"),
    "number as text": (number("coverage_gray", "0.5"), "line", "coverage_gray"),
    "not finite": (number("coverage_gray", float("nan")), "line", "finite"),
    "above 1": (number("coverage_gray", 1.5), "line", "coverage_gray = 1.5"),
    "below 0": (number("total_s", -1.0), "line", "total_s = -1"),
    "share below 0": (number("coverage_gray", -0.5), "line", "coverage_gray = -0.5"),
    "above its bound": (above_the_bound, "line", "cus_f = 0.6"),
    "cost below 0": (cost(-5.0), "line", "decode_s = -5"),
    "less than its parts": (number("total_s", 1e-6), "line", "total_s = 1e-06"),
    "more than its parts": (cost(0.0), "line", "total_s"),
    "no column": (lambda cells, run: cells[-1]["metrics"].pop("cus_f"), "line", "no cus_f"),
    "no numbers": (lambda cells, run: cells[-1].update(metrics={}), "line", "no cus_a"),
    "no such number": (number("beauty", 1.0), "line", "beauty"),
    "count": (number("n_keyframes", 7.0), "line", "n_keyframes is 7"),
    "no data set": (older(dataset=None), "line", "dataset"),
    "no budget": (older(budget="many"), "line", "budget=many"),
    "unknown data set": (older(dataset="mine"), "line", "'mine'"),
    "too many": (frames(1, 2, 3), "line", "3 key frames"),
    "k above the budget": (frames(1, 2, 3, k=3), "line", "budget 2"),
    "no k": (frames(1, 2, k=None), "line", "no k"),
    "beyond the end": (frames(1, 30), "line", "key frame 30"),
    "out of order": (frames(2, 1), "line", "order"),
    "negative": (frames(-1, 1), "line", "order"),
    "no key frames": (lambda cells, run: cells[-1].update(keyframes=None), "line", "no key frames"),
    "twice": (twice, "line", "line 1"),
    "few draws": (few_draws, "line", "10 draws"),
    "one video less": (one_video_less, "line", "cuts.mp4"),
    "path in a cell": (older(label="/home/anna/picks.json"), "line", "/home/anna"),
    "no random": (without("random"), "file", "random"),
    "no uniform": (without("uniform"), "file", "uniform"),
    "nothing": (lambda cells, run: cells.clear(), "file", "no cells"),
    "too large": (lambda cells, run: cells[0].update(label="x" * 21_000_000), "file", "21 MB"),
    "no record": (lambda cells, run: run.clear(), "file", "run.json"),
    "other record": (record(format="mine"), "file", "run@1"),
    "no command": (record(command=""), "file", "command"),
    "no versions": (record(versions={}), "file", "version"),
    "no commit": (record(commit=None), "file", "changes of its own"),
    "changed checkout": (record(commit="0123456789ab+"), "file", "changes of its own"),
    "record of another data set": (record(dataset="mine"), "file", "'mine'"),
    "path in the record": (record(command="keyframe-bench run dataset.root=/data/clips"), "file", "/data/clips"),
    "leak": (record(command="keyframe-bench run leak=allow"), "file", "leak=allow"),
    "upside down": (upside_down, "file", "coverage_gray"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_problem_is_a_sentence_with_its_line(cli, sent, name):
    change, where, said = BROKEN[name]
    file = sent(change)
    status, out, err = cli("results", "validate", file)
    assert (status, err) == (1, "")
    found = [line for line in out.splitlines() if said in line]
    assert found, out
    start = found[0].removeprefix(f"{file}:")
    assert start[0].isdigit() == (where == "line") and len(out.splitlines()) == 1


def test_what_table_saves_can_be_checked_as_a_run_can(cli, made, tmp_path):
    file = tmp_path / "small.jsonl"
    assert cli("table", "main", "--from", made, "--save", file)[0] == 0
    record = file.with_suffix(".run.json")
    record.write_text(json.dumps(json.loads(record.read_text("utf-8")) | {"commit": "0123456789ab"}))
    assert cli("results", "validate", file) == (0, f"{file}: valid\n", "")
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([json.dumps(json.loads(lines[0]) | {"video_sha256": "0" * 64}), *lines[1:]]))
    status, out, _ = cli("results", "validate", file)
    assert status == 1 and f"{file}:1:" in out and "hash" in out


def test_a_wrong_line_does_not_hide_another(cli, sent):
    def change(cells, run):
        older(video_sha256="0" * 64)(cells, run)
        cells[-1]["metrics"]["coverage_gray"] = 2.0

    _, out, _ = cli("results", "validate", sent(change))
    assert len(out.splitlines()) == 2 and "video_sha256" in out and "coverage_gray" in out


def test_keys_that_cannot_be_checked_are_counted(cli, sent):
    status, out, _ = cli("results", "validate", sent(older()))
    assert status == 0 and "1 of " in out


def test_a_correlation_may_be_negative(cli, sent):
    assert cli("results", "validate", sent(number("rank_tau", -0.5)))[0] == 0


@pytest.mark.parametrize("field", ["columns", "versions", "dataset", "earlier_commands", "command", "commit", "budget"])
@pytest.mark.parametrize("value", [3, [1], {"a": 1}, "x"])
def test_a_strange_record_is_no_traceback(cli, sent, field, value):
    status, out, err = cli("results", "validate", sent(record(**{field: value})))
    assert status in (0, 1) and out and err == ""


def test_a_problem_names_the_line_it_is_on(cli, sent):
    place = []

    def change(cells, run):
        place.append(at(cells, "histogram_distance") + 1)
        cells[place[0] - 1]["metrics"]["coverage_gray"] = 2.0

    file = sent(change)
    status, out, _ = cli("results", "validate", file, "--json")
    ((found,),) = [one["problems"] for one in json.loads(out)]
    assert status == 1 and found["line"] == place[0] and "coverage_gray" in found["text"]


@pytest.mark.parametrize("content", [b"hello\n", b"\xff\xfe", b"[1]\n", pickle.dumps({"a": print}), b""])
def test_what_is_no_results_is_refused_and_never_unpickled(cli, sent, content):
    file = sent()
    file.write_bytes(content)
    status, out, err = cli("results", "validate", file)
    assert (status, err) == (1, "") and out.count("\n") == 1


def test_several_files_are_checked_at_once(cli, sent, tmp_path):
    good = tmp_path / "good"
    shutil.copytree(sent().parent, good, ignore=shutil.ignore_patterns("good"))
    sent(number("coverage_gray", 2.0))
    status, out, _ = cli("results", "validate", good, tmp_path / "sent.jsonl")
    assert status == 1 and [": valid" in line for line in out.splitlines()] == [True, False]


@pytest.mark.parametrize(
    "words", [["validate"], ["leaderboard"], ["validate", "nowhere"], ["leaderboard", "."], ["vlidate"]]
)
def test_what_is_missing_is_one_sentence(cli, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("results", *words)
    if words == ["validate", "nowhere"]:  # a file among others: the others are still looked at
        assert (status, err) == (1, "") and "nowhere" in out
    else:
        assert (status, out, err.count("\n")) == (2, "", 1)


def test_the_leaderboard_of_a_run_is_printed_and_written(cli, sent, tmp_path):
    file = sent()
    status, page, _ = cli("results", "leaderboard", file)
    assert status == 0 and "| histogram_distance |" in page and "<script>" not in page
    status, out, _ = cli("results", "leaderboard", file, f"out={tmp_path / 'board'}")
    assert status == 0 and out.count("leaderboard.") == 3
    assert (tmp_path / "board" / "leaderboard.md").read_text("utf-8") == page
    data = json.loads((tmp_path / "board" / "leaderboard.json").read_text("utf-8"))
    (section,) = data["sections"]
    with open(tmp_path / "board" / "leaderboard.csv", newline="") as table:
        lines = list(csv.DictReader(table))
    assert not any("{" in text for line in lines for text in line.values())  # no Python in it
    assert [line["label"] for line in lines] == [row["label"] for row in section["rows"]]
    assert json.loads(cli("results", "leaderboard", file, "--json")[1]) == data
    mine = next(row for row in section["rows"] if "script" in row["label"])
    assert "from a file" in mine["label"] and mine["cost"] is None
    assert data["boards"][0]["ranks"][mine["label"]] == pytest.approx(1 + 5 * mine["beaten"])
    own = {row["label"]: row["own"] for row in section["rows"] if row["own"]}
    assert own == {"vsumm": ["cus_f"]}  # which judges by the hue histograms that it selects on
    assert cli("results", "leaderboard", file)[1] == page


def test_own_features_do_not_depend_on_the_words_of_warnings(cli, sent):
    data = json.loads(cli("results", "leaderboard", sent(record(warnings=[])), "--json")[1])
    (section,) = data["sections"]
    assert {row["label"]: row["own"] for row in section["rows"] if row["own"]} == {"vsumm": ["cus_f"]}


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_every_committed_record_gives_its_own_features(file):
    run = json.loads(file.with_suffix(".run.json").read_text("utf-8"))
    said = [text for text in run.get("warnings", []) if "judge by" in text]
    found = favoured(run)
    assert len(found) == len({text.split()[-1] for text in said}) and all(found.values())
    assert all(column in " ".join(said) for columns in found.values() for column in columns)


def test_the_leaderboard_of_all_committed_results_has_the_main_board(cli):
    status, out, _ = cli("results", "leaderboard", COMMITTED[0].parent, "--json")
    data = json.loads(out)
    assert status == 0
    (main_board,) = [board for board in data["boards"] if "main" in board["sources"]]
    assert "peers" in main_board["sources"] and main_board["n_ranked"] >= 15
    assert {"uniform", "random", "vsumm", "katna", "oracle"} <= main_board["ranks"].keys()
    listed = {row["label"] for section in data["sections"] for row in section["rows"]}
    assert {"uniform", "vsumm", "katna"} <= listed
