"""What lies in an output folder is believed only after it was checked, and a run says what its folder lacks."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.files import claimed
from keyframe_bench.tables.load import load_results

DEEP = '{"a":' * 5000 + "1" + "}" * 5000


def other(**fields):
    """Make a file's cell another one; functions change what is there."""

    def spoil(file):
        cell = json.loads(file.read_text())
        for name, value in fields.items():
            cell[name] = value(cell[name]) if callable(value) else value
        file.write_text(json.dumps(cell))

    return spoil


def text(content):
    return lambda file: file.write_text(content)


def fifo(file):
    file.unlink()
    os.mkfifo(file)


def loop(file):
    file.unlink()
    file.symlink_to(file)


def folder_in_its_place(file):
    file.unlink()
    file.mkdir()
    (file / "note").touch()


SPOILED = {
    "empty": text(""),
    "list": text("[]"),
    "deep": text(DEEP),
    "deep inside": lambda file: file.write_text(file.read_text()[:-1] + ',"more":' + "[" * 300 + "]" * 300 + "}"),
    "5000 digits": text('{"key":' + "1" * 5000 + "}"),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe"),
    "future format": other(format="keyframe_bench/cell@2"),
    "list for a name": other(extractor=["uniform"]),
    "name of another": other(video="other.mp4"),
    "copy of another": lambda file: shutil.copy(next(p for p in file.parent.glob("*.json") if p != file), file),
    "NaN": other(metrics=lambda m: {**m, next(iter(m)): float("nan")}),
    "1e999": lambda file: file.write_text(file.read_text().replace('"k":3', '"k":1e999')),
    "400 digits": other(metrics=lambda m: {**m, next(iter(m)): 10**400}),
    "text for a number": other(metrics=lambda m: {**m, next(iter(m)): "high"}),
    "text for frames": other(keyframes=lambda k: {**k, "frames": "012"}),
    "frames out of order": other(keyframes=lambda k: {**k, "frames": k["frames"][::-1]}),
    "other times": other(keyframes=lambda k: {**k, "times": [0.0]}),
    "number for versions": other(metric_versions=7),
    "unknown status": other(status="done"),
    "fifo": fifo,
    "loop": loop,
    "folder": folder_in_its_place,
}


@pytest.fixture(scope="module")
def finished(rendered, tmp_path_factory):
    """A folder of results of one video, and how to run into a copy of it."""
    from keyframe_bench.bench.execute import run_benchmark
    from keyframe_bench.bench.spec import RunSpec
    from keyframe_bench.datasets.base import Dataset

    place = tmp_path_factory.mktemp("finished")
    shutil.copytree(rendered, place / "videos", ignore=shutil.ignore_patterns("m*", "s*"))

    def run(out, **options):
        dataset = Dataset.registry.build("folder", {"root": str(place / "videos")})
        given = {"budgets": ["3"], "sampling": "2fps", "seeds": (0,), "on_error": "skip"} | options
        return run_benchmark(RunSpec(dataset, out, ["vsumm"], **given))

    run(place / "out")
    return place / "out", run


def test_one_reader_serves_all(finished, tmp_path, numbers):
    """Every spoiled cell is named once, computed again and in the table; a file that stays spoiled stops nothing."""
    done, run = finished
    whole = numbers(done)
    for name, spoil in SPOILED.items():
        out = shutil.copytree(done, tmp_path / name)
        file = max((out / "cells").glob("*.json"), key=lambda p: json.loads(p.read_text())["extractor"] == "vsumm")
        spoil(file)
        foreign = out / "cells" / "foreign.json"
        shutil.copy(next(p for p in (out / "cells").glob("*.json") if p != file), foreign)
        spoil(foreign)
        summary = run(out)
        assert (summary.n_computed, summary.failures) == (1, []), name
        assert [note.count(str(path)) for note, path in zip(summary.notes, (file, foreign), strict=True)] == [1, 1], (
            name
        )
        if foreign.is_dir():
            shutil.rmtree(foreign)
        else:
            foreign.unlink()
        assert numbers(out) == whole and len(load_results(out)) == len(whole), name
        assert run(out).notes == []


def test_fields_of_a_later_version_are_no_reason_to_compute_again(finished, tmp_path):
    done, run = finished
    out = shutil.copytree(done, tmp_path / "out")
    for file in (out / "cells").glob("*.json"):
        other(shortfall={"of": 3, "why": None}, more=[1])(file)
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
        fifo,
        folder_in_its_place,
        lambda file: file.unlink(),
    ],
)
def test_a_spoiled_record_of_a_video_is_written_again(cli, finished, tmp_path, spoil):
    from keyframe_bench.report.outputs import write_outputs

    done, run = finished
    out = shutil.copytree(done, tmp_path / "out")
    (file,) = (out / "videos").glob("*.json")
    before = file.read_text()
    spoil(file)
    write_outputs(out)  # without it
    assert run(out).n_computed <= 1
    assert file.read_text() == before


def test_a_folder_that_is_deleted_during_a_run(cli, finished, tmp_path, monkeypatch):
    from keyframe_bench.bench import execute

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


def test_times_of_a_run(finished, tmp_path, monkeypatch):
    """It starts when it is asked for, and ends when all is done."""
    from keyframe_bench.bench import provenance

    clock = iter(f"2026-01-01T00:00:{second:02}+00:00" for second in range(60))
    monkeypatch.setattr(provenance, "_now", lambda: next(clock))
    _, run = finished
    summary = run(tmp_path / "out")
    assert (summary.record["started"][-8:-6], summary.record["ended"][-8:-6]) == ("00", "01")


def test_what_others_claim_is_theirs_until_they_end(tmp_path):
    """Even by kill -9; and nobody claims what is claimed."""
    program = (
        "import sys, time; from pathlib import Path; from keyframe_bench.core.files import claimed\n"
        f"with claimed(Path({str(tmp_path / 'claims')!r}), ['a', 'b']): print('ready', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"ready\n"
    with claimed(tmp_path / "claims", ["a", "c"]) as mine:
        assert mine == ["c"]
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with claimed(tmp_path / "claims", ["a", "c"], wait=True) as mine:
        assert mine == ["a", "c"]


def test_two_runs_at_once_compute_shared_cells_once(finished, tmp_path):
    """The second begins when the first holds everything: it waits for the controls and computes its own."""
    from concurrent.futures import ThreadPoolExecutor

    done, run = finished
    out = tmp_path / "out"
    shared = [p.stem for p in (done / "cells").glob("*.json") if json.loads(p.read_text())["extractor"] != "vsumm"]
    out.mkdir()
    program = (
        "import sys, time, shutil; from pathlib import Path; from keyframe_bench.core.files import claimed\n"
        f"out, done, keys = Path({str(out)!r}), Path({str(done)!r}), {shared!r}\n"
        "with claimed(out / '.claims', keys):\n"
        "    print('ready', flush=True); sys.stdin.readline()\n"
        "    shutil.copytree(done / 'videos', out / 'videos', dirs_exist_ok=True)\n"
        "    for key in keys: shutil.copy(done / 'cells' / f'{key}.json', out / 'cells')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as holder, ThreadPoolExecutor(1) as pool:
        assert holder.stdout.readline() == b"ready\n"
        running = pool.submit(run, out)
        while not list((out / "cells").glob("*.json")):
            assert not running.done()
        holder.stdin.write(b"\n")
        holder.stdin.close()
        summary = running.result()
    assert (summary.n_computed, summary.n_cells) == (1, 3)
