"""Several processes: workers on this machine and a Ray cluster, killed and interrupted runs, many writers."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import joblib
import pytest

from keyframe_bench.bench.cluster import Start
from keyframe_bench.bench.workers import Work
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.files import locked
from keyframe_bench.datasets.base import VideoItem

pytestmark = pytest.mark.usefixtures("own_registry")

LOKY = pytest.param("loky", id="loky")
RAY = pytest.param("ray", id="ray", marks=pytest.mark.slow)


def start(words, **options):
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def wait_for(reached, seconds=300):
    limit = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.002)


@pytest.mark.parametrize("executor", [LOKY, RAY])
def test_the_same_numbers(command, words, undisturbed, rendered, tmp_path, numbers, environment, executor):
    """With relative paths, which mean the same to every worker; nothing is left where the run was started."""
    (tmp_path / "videos").symlink_to(rendered)
    (tmp_path / "here").mkdir()
    words = [*words, f"executor={executor}", "dataset.root=../videos", "out=../out"]
    done = command(*words, cwd=tmp_path / "here", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert numbers(tmp_path / "out") == undisturbed
    text = done.stdout.decode()
    assert f"{len(undisturbed)} of {len(undisturbed)} cells computed now" in text
    assert "ray" not in text.lower().replace("gray", "") and list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    ("executor", "threads", "expected"),
    [
        ("executor=serial", "1", 1),
        pytest.param("executor=loky executor.n_jobs=1", "1", 1, marks=pytest.mark.slow),
        ("executor=loky executor.n_jobs=2", "1", 1),
        pytest.param(  # a worker for each video
            "executor=loky executor.n_jobs=64", "null", max(1, joblib.cpu_count() // 3), marks=pytest.mark.slow
        ),
        pytest.param("executor=loky executor.n_jobs=2", "3", 3, marks=pytest.mark.slow),
        pytest.param("executor=ray", "null", 1, marks=pytest.mark.slow),
        pytest.param("executor=ray", "2", 2, marks=pytest.mark.slow),
    ],
)
def test_workers_keep_to_their_threads(command, words, tmp_path, environment, executor, threads, expected):
    words = [*words, "extractors=[plugin_of_tests]", "budget=2", "grid.plugin_of_tests.mode=[threads]"]
    words += [f"grid.plugin_of_tests.marker=['{tmp_path}']", *executor.split(), f"executor.threads={threads}"]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.pop(name, None)
    done = command(*words, f"out={tmp_path}/out", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    found = [json.loads(file.read_text()) for file in tmp_path.glob("*.mp4.json")]
    assert len(found) == 3
    for about in found:
        # a library may take fewer threads than it is allowed to where there are fewer cores
        assert about.pop("libraries") == expected or expected > (os.cpu_count() or 1)
        assert about == {"decoder": expected, "cv2": expected, "omp": str(expected)}


def test_threads_are_given_back(benchmark, rendered):
    """A library user's process goes on with what it had."""
    import cv2

    from keyframe_bench.video.decode import decoder_threads

    before = cv2.getNumThreads(), decoder_threads(), os.environ.get("OMP_NUM_THREADS")
    benchmark(rendered, threads=before[0] + 1)
    assert (cv2.getNumThreads(), decoder_threads(), os.environ.get("OMP_NUM_THREADS")) == before


@pytest.fixture
def killed(tmp_path):
    """Options of a run into ``out`` whose worker is killed at one video while ``marker`` exists."""
    (tmp_path / "marker").write_text(str(tmp_path / "out"))
    mode = "grid.plugin_of_tests.mode=['killed while marked']"
    return [mode, f"grid.plugin_of_tests.marker=['{tmp_path}/marker']", f"out={tmp_path}/out"]


@pytest.mark.parametrize("executor", [LOKY, RAY])
def test_killed_worker(command, words, killed, undisturbed, tmp_path, cells, numbers, environment, executor):
    """SIGKILL in the middle of a video: its rows failed, all others are there, the second run completes."""
    words, out = [*words, f"executor={executor}", *killed], tmp_path / "out"
    done = command(*words, env=environment)
    err = done.stderr.decode()
    failed = "failed: plugin_of_tests on mixed.mp4: WorkerDiedError: its worker process ended"
    assert done.returncode == 1 and err.count(failed) == err.count("\n") == 2, err
    kept = {key: record for key, record in cells(out).items() if record["status"] == "ok"}
    assert len(kept) == len(undisturbed) - 2
    raised = command(*words, "on_error=raise", env=environment)
    assert raised.returncode == 2 and raised.stderr.count(b"\n") == 1 and b"plugin_of_tests on " in raised.stderr
    (tmp_path / "marker").unlink()
    done = command(*words, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    found = cells(out)
    assert len(found) == len(undisturbed) and found.items() >= kept.items()
    plain = {key: record for key, record in numbers(out).items() if record["extractor"] != "plugin_of_tests"}
    assert plain.items() <= undisturbed.items()  # the other's cells have the marker in their parameters


@pytest.mark.parametrize("executor", ["serial", LOKY, RAY])
def test_interrupted_run(words, killed, tmp_path, environment, executor):
    """Ctrl-C: one sentence, the shell's usual status, and no worker goes on."""
    out, n_jobs = tmp_path / "out", 2 if executor == "loky" else 1
    (tmp_path / "marker").write_text("/nowhere")  # one video takes minutes
    words = [*words, *killed, f"executor={executor}", f"executor.n_jobs={n_jobs}"]
    process = start(words, env=environment, start_new_session=True)
    wait_for(lambda: process.poll() is not None or list(out.glob("cells/*.json")))
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells all processes of the job
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and err.decode().count("\n") == 1 and b"to resume" in err
    found = sorted(out.glob("cells/*.json"))
    time.sleep(1)
    assert found and sorted(out.glob("cells/*.json")) == found


@pytest.mark.parametrize("installed", [False, True])
def test_a_cluster_that_is_not_there(cli, rendered, tmp_path, monkeypatch, installed):
    said = "pip install 'keyframe_bench[cluster]'"
    with socket.socket() as free:  # a port on which nobody listens
        free.bind(("127.0.0.1", 0))
        if installed:
            pytest.importorskip("ray", reason="needs keyframe_bench[cluster]")
            pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs hydra-ray-launcher")
            said = f"no Ray cluster answers at RAY_ADDRESS=127.0.0.1:{free.getsockname()[1]}"
            monkeypatch.setenv("RAY_ADDRESS", said.partition("=")[2])
        else:
            monkeypatch.setitem(sys.modules, "ray", None)
        for more in (["executor=ray"], ["-m", "hydra/launcher=ray", "budget=2,4"]):
            status, text, err = cli("run", "dataset=folder", f"dataset.root={rendered}", *more, f"out={tmp_path}/out")
            assert (status, text, err.count("\n")) == (2, "", 1) and said in err
            assert not installed or "`ray start --head`" in err


@pytest.mark.slow
def test_more_threads_than_the_cluster_has(command, words, tmp_path, ray_environment):
    done = command(*words, "executor=ray", "executor.threads=99", f"out={tmp_path}/out", env=ray_environment)
    assert done.returncode == 2 and b"the largest machine of the Ray cluster has 2 cores" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["folder", "out", "video"])
def test_worker_on_a_machine_without_the_paths(tmp_path, monkeypatch, missing):
    """It names the machine and the path before anything is computed or recorded."""
    monkeypatch.chdir(tmp_path)
    paths = {"folder": tmp_path / "here", "out": tmp_path / "out" / "cells", "video": tmp_path / "a.mp4"}
    for name, path in paths.items():
        if name != missing:
            path.mkdir(parents=True)
    work = Work(tmp_path / "out", "warn", (), 1, Start(str(paths["folder"])))
    job = type("Job", (), {"item": VideoItem("a.mp4", paths["video"])})
    with pytest.raises(UsageError, match="need the same paths") as caught:
        work(job)
    named = tmp_path / "out" if missing == "out" else paths[missing]
    assert socket.gethostname() in str(caught.value) and f"'{named}'" in str(caught.value)


def test_workers_report_failures_and_broken_files(cli, words, folder, tmp_path):
    (folder / "broken.mp4").write_text("no video")
    words = [*words, f"dataset.root={folder}", "executor=loky", "extractors=[plugin_of_tests]", "budget=2"]
    words += [f"out={tmp_path}/out"]
    status, text, err = cli(*words, "grid.plugin_of_tests.mode=[raises,odd error]")
    assert status == 1 and err.count("ZeroDivisionError: of tests") == 2 and "worker process ended" not in err
    assert "failed: plugin_of_tests on cuts.mp4: OddError: what happened" in err  # it cannot be pickled
    assert "scored 3 of 4 videos; 1 skipped: broken.mp4 (no video container" in text
    status, _, err = cli(*words, "on_error=raise", "extractors=[uniform]", "grid.plugin_of_tests.mode=[works]")
    assert status == 2 and err.count("\n") == 1
    (folder / "broken.mp4").unlink()
    status, out, err = cli(*words, "grid.plugin_of_tests.mode=[odd error]", "on_error=raise")
    assert (status, out, err.count("\n")) == (1, "", 1) and "OddError: what happened" in err and "in select" in err


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
        process.kill()
        process.communicate(timeout=20)
        kept = cells(out) if out.exists() else {}  # asserts that each can be read
        assert kept.items() >= seen.items(), f"a finished cell was lost or changed (random seed {seed})"
        seen = kept
    done = command(*words, f"out={out}")
    assert (done.returncode, done.stderr) == (0, b""), f"random seed {seed}"
    assert numbers(out) == undisturbed, f"random seed {seed}"
    assert cells(out).items() >= seen.items()
    assert (out / "report.html").exists()


@pytest.mark.slow
def test_runs_killed_at_any_moment_are_completed(command, words, undisturbed, tmp_path, cells, numbers):
    """As above, from the first moment to the last, many times."""
    out = tmp_path / "out"
    begin = time.monotonic()
    assert command(*words, f"out={tmp_path}/whole").returncode == 0
    longest, seed = time.monotonic() - begin, random.randrange(2**32)
    moments = random.Random(seed)
    for _ in range(40):
        process = start([*words, f"out={out}"])
        time.sleep(moments.uniform(0, longest))
        process.kill()
        process.communicate(timeout=20)
        if out.exists():
            cells(out)  # asserts that each can be read
    assert command(*words, f"out={out}").returncode == 0, f"random seed {seed}"
    assert numbers(out) == undisturbed, f"random seed {seed}"


def test_writers_at_the_same_time_lose_nothing(rendered, tmp_path, cells):
    """Two runs with other methods end at the same moment: results, record and table hold the cells of both."""
    out = tmp_path / "out"
    out.mkdir()
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "budget=2", f"out={out}"]
    with locked(out):
        processes = [start([*words, f"extractors=[{name}]"]) for name in ("vsumm", "pixel_distance")]
        wait_for(lambda: len(list(out.glob("cells/*.json"))) >= 3 * 4)
        time.sleep(0.5)
        assert len(cells(out)) == 3 * 4 and not list(out.rglob(".tmp-*"))
        assert not (out / "results.jsonl").exists(), "nobody may list the cells while another process does"
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, b"")
    methods = {"vsumm", "pixel_distance", "uniform", "random"}
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * 4 and {line["extractor"] for line in lines} == methods
    record = json.loads((out / "run.json").read_text())
    assert record["extractors"].keys() == methods and len(record["earlier_commands"]) == 1
    for name in ("table.csv", "table.md", "report.html"):
        text = (out / name).read_text()
        assert "vsumm" in text and "pixel_distance" in text
