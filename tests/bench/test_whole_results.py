"""What lies in an output folder is believed only after it was checked, and a run says what its folder lacks."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from keyframe_bench.bench import execute, provenance
from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.files import claimed
from keyframe_bench.tables.load import load_results

DEEP = '{"a":' * 5000 + "1" + "}" * 5000


def other(**fields):
    """Make a file's cell another one; functions change what is there, and None removes it."""

    def spoil(file):
        cell = json.loads(file.read_text())
        for name, value in fields.items():
            cell[name] = value(cell[name]) if callable(value) else value
        file.write_text(json.dumps({name: value for name, value in cell.items() if fields.get(name, 0) is not None}))

    return spoil


def text(content):
    return lambda file: file.write_text(content)


def added(content):
    return lambda file: file.write_text(file.read_text().rstrip()[:-1] + "," + content + "}")


def instead(make):
    def spoil(file):
        file.unlink()
        make(file)

    return spoil


def first_metric(value):
    return other(metrics=lambda m: {**m, next(iter(m)): value})


def keyframes(**fields):
    return other(keyframes=lambda k: {**k, **fields})


SPOILED = {
    "copy of another": lambda file: shutil.copy(next(p for p in file.parent.glob("*.json") if p != file), file),
    "empty": text(""),
    "half": lambda file: file.write_text(file.read_text()[:200]),
    "list": text("[]"),
    "only a key": text(json.dumps({"format": FORMAT, "key": "x"})),
    "huge": lambda file: os.truncate(file, 1 << 33),
    "deep": text(DEEP),
    "deep inside": added('"more":' + "[" * 300 + "]" * 300),
    "5000 digits": text('{"key":' + "1" * 5000 + "}"),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe"),
    "half a character": other(label="\ud800"),
    "future format": other(format="keyframe_bench/cell@2"),
    "list for a name": other(extractor=["uniform"]),
    "name of another": other(video="other.mp4"),
    "truth for a number": other(seed=False),
    "NaN": first_metric(float("nan")),
    "1e999": added('"metrics": {"srd_db": 1e999}'),
    "400 digits": first_metric(10**400),
    "text for a number": first_metric("high"),
    "no metrics": other(metrics=None),
    "one metric less": other(metrics=lambda m: {n: v for n, v in m.items() if n != "coverage_gray"}),
    "no warnings": other(warnings=None),
    "text for frames": keyframes(frames="012"),
    "negative frame": keyframes(frames=[-1, 2]),
    "frames out of order": other(keyframes=lambda k: {**k, "frames": k["frames"][::-1]}),
    "other times": keyframes(times=[0.0]),
    "text for a cost": keyframes(cost={"total_s": "long"}),
    "number for versions": other(metric_versions=7),
    "unknown status": other(status="done"),
    "fifo": instead(os.mkfifo),
    "loop": instead(lambda file: file.symlink_to(file)),
    "link to a folder": instead(lambda file: file.symlink_to(file.parent)),
}


@pytest.fixture(scope="module")
def finished(rendered, tmp_path_factory):
    """A folder of results of one video, and how to run into a copy of it."""
    from keyframe_bench.bench.execute import run_benchmark
    from keyframe_bench.bench.spec import RunSpec
    from keyframe_bench.datasets.base import Dataset

    place = tmp_path_factory.mktemp("finished")
    shutil.copytree(rendered, place / "videos", ignore=shutil.ignore_patterns("m*", "s*"))

    def run(out, budgets=("3",)):
        dataset = Dataset.registry.build("folder", {"root": str(place / "videos")})
        return run_benchmark(RunSpec(dataset, out, ["vsumm"], list(budgets), "2fps", (0,), "skip"))

    run(place / "out")
    return place / "out", run


def test_spoiled_cells_are_named_once_and_computed_again(finished, tmp_path, numbers):
    """Under their own names and under foreign ones; files that stay spoiled stop nothing."""
    _, run = finished
    out, budgets = tmp_path / "out", [str(n) for n in range(2, 2 + len(SPOILED))]
    run(out, budgets)
    whole = numbers(out)
    cells = {json.loads(p.read_text())["budget"]: p for p in (out / "cells").glob("*.json")}
    foreign = []
    for budget, (name, spoil) in zip(budgets, SPOILED.items(), strict=True):
        foreign.append(out / "cells" / f"{name}.json")
        shutil.copy(cells[budget], foreign[-1])
        spoil(foreign[-1])
        spoil(cells[budget])
    summary = run(out, budgets)
    assert (summary.n_computed, summary.failures) == (len(SPOILED), [])
    for budget, path in zip(budgets, foreign, strict=True):
        named = [sum(str(file) in note for note in summary.notes) for file in (cells[budget], path)]
        assert named == [1, 1], path.stem
        path.unlink()
    assert numbers(out) == whole and len(load_results(out)) == len(whole)
    assert run(out, budgets).notes == []


def test_a_folder_in_the_place_of_a_cell(cli, finished, tmp_path, numbers):
    done, _ = finished
    out = shutil.copytree(done, tmp_path / "out")
    file = min((out / "cells").glob("*.json"))
    file.unlink()
    file.mkdir()
    (file / "note").touch()
    words = ["run", "dataset=folder", f"dataset.root={done.parent}/videos", "extractors=[vsumm]", "budget=3"]
    words.append(f"out={out}")
    assert "3 cells, 1 missing" in cli(*words, "--dry-run")[1]
    status, told, err = cli(*words)
    assert status == 0 and "1 of 3 cells computed now" in told
    assert err.count(str(file)) == err.count("counts as missing") == err.count("\n") == 1
    assert numbers(out) == numbers(done)


def test_fields_of_a_later_version_are_no_reason_to_compute_again(finished, tmp_path):
    done, run = finished
    out = shutil.copytree(done, tmp_path / "out")
    for file in (out / "cells").glob("*.json"):
        other(shortfall={"of": 3, "why": [1]}, more=[1])(file)
    assert run(out).n_computed == 0


@pytest.mark.parametrize(
    "spoil",
    [
        text(""),
        text("{}"),
        text(DEEP),
        other(change={"times": [1], "values": []}),
        other(health=[]),
        other(sha256="0"),
        other(fps="fast"),
        instead(os.mkfifo),
        instead(lambda file: file.mkdir()),
        instead(lambda file: None),
    ],
)
def test_a_spoiled_record_of_a_video_is_written_again(finished, tmp_path, spoil):
    from keyframe_bench.report.outputs import write_outputs

    done, run = finished
    out = shutil.copytree(done, tmp_path / "out")
    (file,) = (out / "videos").glob("*.json")
    before = file.read_text()
    spoil(file)
    write_outputs(out)  # without it
    assert run(out).n_computed <= 1
    assert file.read_text() == before


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", ".lock", ".claims", "table.md"])
def test_a_pipe_in_the_folder_stops_nobody(cli, finished, tmp_path, name):
    done, _ = finished
    out = shutil.copytree(done, tmp_path / "out")
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    root = done.parent / "videos"
    assert cli("run", "dataset=folder", f"dataset.root={root}", "extractors=[vsumm]", f"out={out}")[0] == 0


def test_cells_that_are_lost_during_a_run_are_an_error(cli, finished, tmp_path, monkeypatch):
    done, _ = finished
    out, collect = tmp_path / "out", execute.collect_results

    def deleted(*arguments):
        for file in list((out / "cells").glob("*.json"))[:2]:
            file.unlink()
        return collect(*arguments)

    monkeypatch.setattr(execute, "collect_results", deleted)
    root = done.parent / "videos"
    status, told, err = cli("run", "dataset=folder", f"dataset.root={root}", "extractors=[vsumm]", f"out={out}")
    assert status == 1 and "2 of 3 cells are not in" in err and str(out) in err and err.count("\n") == 1
    assert "3 of 3 cells computed now" in told


@pytest.mark.parametrize("content", ["[]", '{"command": 3, "extractors": {"uniform": 7}}', DEEP, ""])
def test_a_foreign_record_of_a_run_is_replaced(finished, tmp_path, content):
    done, run = finished
    out = shutil.copytree(done, tmp_path / "out")
    (out / "run.json").write_text(content)
    run(out)
    record = json.loads((out / "run.json").read_text())
    assert record["format"] != FORMAT and record["started"] <= record["ended"]


def test_times_of_a_run(cli, finished, tmp_path, monkeypatch):
    """It starts when it is asked for, and ends when all is done; the report says so."""
    clock = iter(f"2026-01-01T00:00:{second:02}+00:00" for second in range(60))
    _, run = finished
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "_now", lambda: next(clock))
        record = run(tmp_path / "out").record
    assert (record["started"][-8:-6], record["ended"][-8:-6]) == ("00", "01")
    root = finished[0].parent / "videos"
    assert cli("run", "dataset=folder", f"dataset.root={root}", "extractors=[vsumm]", f"out={tmp_path}/out")[0] == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert record["started"] in page and record["ended"] in page


def holder_of(folder, keys, then):
    """Start a process that claims cells and says so."""
    program = (
        "import sys, time, shutil; from pathlib import Path; from keyframe_bench.core.files import claimed\n"
        f"with claimed(Path({str(folder)!r}), {keys!r}): print('ready', flush=True); {then}"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"ready\n"
    return holder


def test_what_others_claim_is_theirs_until_they_end(tmp_path):
    """Even by kill -9; and nobody claims what is claimed."""
    with holder_of(tmp_path / "claims", ["a", "b"], "time.sleep(600)") as holder:
        with claimed(tmp_path / "claims", ["a", "c"]) as mine:
            assert mine == ["c"]
        holder.kill()
    with claimed(tmp_path / "claims", ["a", "c"], wait=True) as mine:
        assert mine == ["a", "c"]


def test_two_runs_at_once_compute_shared_cells_once(finished, tmp_path):
    """The second begins when the first holds everything: it waits for the controls and computes its own."""
    done, run = finished
    out = tmp_path / "out"
    shared = [p.stem for p in (done / "cells").glob("*.json") if json.loads(p.read_text())["extractor"] != "vsumm"]
    out.mkdir()
    finish = (
        "sys.stdin.readline(); "
        f"shutil.copytree({str(done / 'videos')!r}, {str(out / 'videos')!r}, dirs_exist_ok=True); "
        f"[shutil.copy(Path({str(done)!r}, 'cells', k + '.json'), Path({str(out)!r}, 'cells')) for k in {shared!r}]"
    )
    with holder_of(out / ".claims", shared, finish) as holder, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, out)
        while not list((out / "cells").glob("*.json")):
            assert not running.done()
        holder.stdin.write(b"\n")
        holder.stdin.close()
        summary = running.result()
    assert (summary.n_computed, summary.n_cells) == (1, 3)
