"""Several processes: workers, sweeps, runs at the same time, and runs that are killed."""

import random
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.usefixtures("own_registry")

EXTRACTORS = "[vsumm,pixel_distance,plugin_of_tests]"


@pytest.fixture(scope="module")
def words(rendered, plugin_file):
    """A run over three videos with a plug-in, two budgets and two seeds, without its ``out=``."""
    more = ["budget=[2,4]", "seeds=[0,1]", f"--plugin={plugin_file}"]
    return ["run", "dataset=folder", f"dataset.root={rendered}", f"extractors={EXTRACTORS}", *more]


@pytest.fixture(scope="module")
def undisturbed(command, words, tmp_path_factory, numbers):
    """The numbers of that run in one process, left alone."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = command(*words, f"out={out}")
    assert (done.returncode, done.stderr) == (0, b"")
    found = numbers(out)
    assert len(found) == 3 * 2 * (3 + 1 + 2)  # three methods and uniform once, random for both seeds
    return found


@pytest.mark.slow
def test_workers_give_the_same_numbers(cli, words, undisturbed, tmp_path, numbers):
    """Worker processes load the plug-in themselves."""
    status, _, err = cli(*words, "executor=loky", "executor.n_jobs=2", f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    assert numbers(tmp_path / "out") == undisturbed
    assert "0 of 36 cells computed now" in cli(*words, f"out={tmp_path}/out")[1]


def test_workers_report_failures_and_broken_files(cli, folder, plugin, tmp_path):
    (folder / "broken.mp4").write_text("no video")
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    words += ["grid.plugin_of_tests.mode=[raises]", "executor=loky", f"out={tmp_path}/out"]
    status, text, err = cli(*words)
    assert status == 1 and err.count("ZeroDivisionError: of tests") == 2
    assert "scored 3 of 4 videos; 1 skipped: broken.mp4 (no video container" in text
    status, _, err = cli(*words, "on_error=raise", "extractors=[uniform]", "grid.plugin_of_tests.mode=[works]")
    assert status == 2 and err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["killed", "ends its process"])
def test_a_worker_that_dies_is_a_failed_row(cli, words, tmp_path, cells, undisturbed, mode):
    """The other methods' rows are there, of that video too."""
    words = [*words, "executor=loky", "executor.n_jobs=2", f"grid.plugin_of_tests.mode=[{mode}]"]
    status, out, err = cli(*words, "budget=2", "seeds=[0]", f"out={tmp_path}/out")
    assert status == 1 and "15 of 15 cells computed now" in out and err.count("failed: plugin_of_tests on ") == 3
    assert "its worker process ended" in err and "Traceback" not in err
    found = cells(tmp_path / "out").values()
    assert [r["status"] for r in found if r["extractor"] == "plugin_of_tests"] == ["failed"] * 3
    assert {r["key"] for r in found if r["status"] == "ok"} == undisturbed.keys() & {r["key"] for r in found}
    status, out, err = cli(*words, "budget=2", "seeds=[0]", "on_error=raise", f"out={tmp_path}/out")
    assert (status, out, err.count("\n")) == (2, "", 1) and "plugin_of_tests on " in err


def test_an_error_that_cannot_travel_is_told_as_it_is(cli, words, tmp_path):
    """It is not taken for the death of a worker."""
    words = [*words, "executor=loky", "executor.n_jobs=2", "grid.plugin_of_tests.mode=[odd error]"]
    status, _, err = cli(*words, f"out={tmp_path}/a")
    assert status == 1 and "failed: plugin_of_tests on cuts.mp4: OddError: what happened" in err
    status, out, err = cli(*words, "on_error=raise", f"out={tmp_path}/b")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "OddError: what happened" in err and "in select" in err and "worker process ended" not in err


def test_jobs_of_a_sweep_compute_what_they_share_once(cli, words, tmp_path):
    """Two processes, one folder: controls and vsumm are in both jobs."""
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"]
    words = [*words, "-m", "grid.pixel_distance.factor=1,2", *launcher]
    status, text, err = cli(*words, f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "42 of 42 cells computed now" in text
    assert "0 of 42 cells computed now" in cli(*words, f"out={tmp_path}/out")[1]


def test_sweep_equals_one_run(cli, words, undisturbed, tmp_path, numbers):
    """``-m budget=2,4`` with the joblib launcher: two jobs in two processes, one folder."""
    swept = [w for w in words if not w.startswith("budget=")]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"]
    status, text, err = cli(*swept, "-m", "budget=2,4", *launcher, f"out={tmp_path}/out")
    assert status == 0, err
    assert numbers(tmp_path / "out") == undisturbed
    assert "scored 3 of 3 videos" in text and "36 of 36 cells computed now" in text
    assert (tmp_path / "out" / "results.jsonl").read_text().count("\n") == 36


def test_sweep_in_this_process(cli, words, undisturbed, tmp_path, numbers, monkeypatch):
    """Hydra's basic launcher, axes of several kinds, and nothing of Hydra's in the working folder."""
    monkeypatch.chdir(tmp_path)
    swept = [w for w in words if not w.startswith(("budget=", "seeds="))]
    status, _, err = cli(*swept, "--multirun", "budget=2,4", "seeds=[0],[1]", "out=swept")
    assert status == 0, err
    assert numbers(tmp_path / "swept") == undisturbed
    assert [p.name for p in tmp_path.iterdir()] == ["swept"]


def test_sweep_over_an_extractors_parameter(cli, folder, tmp_path, cells):
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[pixel_distance]"]
    status, _, err = cli(*words, "grid.pixel_distance.factor=1,2", "budget=2", f"out={tmp_path}/out")
    assert status == 0, err
    found = [r["params"]["factor"] for r in cells(tmp_path / "out").values() if r["extractor"] == "pixel_distance"]
    assert sorted(found) == [1, 1, 1, 2, 2, 2]


def test_error_inside_a_job_is_one_sentence(cli, folder, tmp_path):
    """The fault of a file, found only while a job runs."""
    (folder / "zzz.mp4").write_text("no video")
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "on_error=raise"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"]
    for more in ([], launcher):
        status, out, err = cli(*words, "budget=2,4", *more, f"out={tmp_path}/out{len(more)}")
        assert (status, out) == (2, "") and err.count("\n") == 1 and "Traceback" not in err
        assert "zzz.mp4" in err and "no video container" in err


def test_failed_cells_of_a_sweep_exit_with_1(cli, folder, plugin, tmp_path):
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]"]
    words += [f"--plugin={plugin}", "grid.plugin_of_tests.mode=[raises]", "budget=2,4", f"out={tmp_path}/out"]
    status, _, err = cli(*words)
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 4


def start(words):
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_runs_are_completed(command, words, undisturbed, tmp_path, cells, numbers):
    """SIGKILL at random moments: every cell stays readable, and the last run gives the undisturbed numbers."""
    out = tmp_path / "out"
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    seen = {}
    for attempt in range(4):
        process = start([*words, f"out={out}"])
        # wait for the part that writes: the folder, or (later) a cell that is not there yet
        limit = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < limit and len(list(out.glob("cells/*.json"))) <= len(seen):
            if attempt % 2 and out.exists():
                break
            time.sleep(0.001)
        time.sleep(0.08 * moments.random() ** 3)  # often while cells are being written, sometimes while decoding
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        process.stderr.close()
        kept = cells(out) if out.exists() else {}  # asserts that each can be read
        assert kept.items() >= seen.items(), f"a finished cell was lost or changed (random seed {seed})"
        seen = kept
    done = command(*words, f"out={out}")
    assert (done.returncode, done.stderr) == (0, b""), f"random seed {seed}"
    assert numbers(out) == undisturbed, f"random seed {seed}"
    assert cells(out).items() >= seen.items()
    assert (out / "report.html").exists()


@pytest.mark.slow
def test_runs_at_the_same_time(words, undisturbed, tmp_path, numbers):
    """Two processes into one folder: both succeed, and all cells are whole."""
    processes = [start([*words, f"out={tmp_path}/out"]) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, b"")
    assert numbers(tmp_path / "out") == undisturbed
    assert not list((tmp_path / "out").rglob(".tmp-*"))


def test_interrupted_run_says_that_it_can_go_on(words, tmp_path):
    """Ctrl-C: one sentence, the shell's usual status, finished cells kept."""
    process = start([*words, "budget=[2,3,4,5,6]", f"out={tmp_path}/out"])
    limit = time.monotonic() + 300
    while not (tmp_path / "out" / "cells").exists() and time.monotonic() < limit:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and err.decode().count("\n") == 1 and b"to resume" in err


@pytest.mark.slow
def test_runs_killed_at_any_moment_are_completed(command, words, undisturbed, tmp_path, cells, numbers):
    """As above, from the first moment to the last, many times."""
    out = tmp_path / "out"
    moments = random.Random(0)
    for _ in range(40):
        process = start([*words, f"out={out}"])
        time.sleep(moments.uniform(0, 2.5))
        process.kill()
        process.communicate()
        if out.exists():
            cells(out)
    assert command(*words, f"out={out}").returncode == 0
    assert numbers(out) == undisturbed
