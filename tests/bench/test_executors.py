"""Executors: the same cells and numbers from one process, workers and a Ray cluster; lost workers; many writers."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import pytest

from keyframe_bench.bench.cluster import Start
from keyframe_bench.bench.workers import Work, _Pool
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.files import locked
from keyframe_bench.datasets.base import VideoItem

pytestmark = pytest.mark.usefixtures("own_registry")

PLUGIN = """
import json
import os
import time
from pathlib import Path

import keyframe_bench as kb


@kb.register("threads_of_tests")
class Threads(kb.Extractor):
    '''The first frames; writes into a file how many threads each library may use.'''

    reference = "none"
    budget_rule = "the first k"
    stochastic = False
    needs = ()

    def __init__(self, into: str = "") -> None:
        self.into = into

    def select(self, clip, k=None, *, rng):
        import cv2
        from threadpoolctl import threadpool_info
        from keyframe_bench.video.decode import decoder_threads

        found = {"decoder": decoder_threads(), "cv2": cv2.getNumThreads(), "pid": os.getpid()}
        found |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}
        found |= {"libraries": max(about["num_threads"] for about in threadpool_info())}
        Path(self.into, clip.video.name + ".json").write_text(json.dumps(found))
        return clip.pick(range(k))


@kb.register("killed_of_tests")
class Killed(kb.Extractor):
    '''The first frames. While ``marker`` exists its process is killed at one video, after another video is finished.'''

    reference = "none"
    budget_rule = "the first k"
    stochastic = False
    needs = ()

    def __init__(self, marker: str = "") -> None:
        self.marker = marker

    def select(self, clip, k=None, *, rng):
        marker = Path(self.marker)
        if clip.video.name == "mixed.mp4" and self.marker and marker.exists():
            limit = time.monotonic() + 300
            while time.monotonic() < limit and not list(Path(marker.read_text()).glob("cells/*.json")):
                time.sleep(0.02)
            os.kill(os.getpid(), 9)
        return clip.pick(range(k))
"""


@pytest.fixture(scope="module")
def plugin_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "executors_of_tests.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture(scope="module")
def ray_environment():
    """Start a Ray cluster of this machine's own, with two cores; the environment that leads to it."""
    pytest.importorskip("ray", reason="needs keyframe_bench[cluster]")
    # Ray's sockets need short paths. A token keeps everybody else out.
    with tempfile.TemporaryDirectory(prefix="kb-ray-") as folder:
        environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment |= {"RAY_TMPDIR": folder, "HOME": folder}
        environment.pop("RAY_ADDRESS", None)
        log = Path(folder, "log")
        words = ["--head", "--block", "--port=0", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
        words += [f"--temp-dir={folder}/t", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"]
        program = [str(Path(sys.executable).with_name("ray")), "start", *words]
        with log.open("wb") as file:
            ray = subprocess.Popen(
                program, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            limit = time.monotonic() + 300
            while (address := re.search(r"--address='([^']+)'", log.read_text())) is None:
                assert ray.poll() is None and time.monotonic() < limit, log.read_text()
                time.sleep(0.1)
            yield environment | {"RAY_ADDRESS": address[1]}
        finally:
            ray.terminate()
            try:
                ray.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(ray.pid, signal.SIGKILL)


LOKY = pytest.param("loky", id="loky")
RAY = pytest.param("ray", id="ray", marks=pytest.mark.slow)


@pytest.fixture
def environment(request):
    """The environment for an executor or launcher: what a Ray cluster needs, if it is that."""
    return request.getfixturevalue("ray_environment") if "ray" in str(request.node.callspec.id) else dict(os.environ)


@pytest.fixture(scope="module")
def words(rendered, plugin_file):
    """A run over three videos with a plug-in, two budgets and two seeds, without its ``out=``."""
    more = ["budget=[2,4]", "seeds=[0,1]", f"--plugin={plugin_file}", "extractors=[vsumm,killed_of_tests]"]
    return ["run", "dataset=folder", f"dataset.root={rendered}", "cache_gb=0", *more]


@pytest.fixture(scope="module")
def undisturbed(command, words, tmp_path_factory, numbers):
    """The numbers of that run in one process."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = command(*words, f"out={out}")
    assert (done.returncode, done.stderr) == (0, b"")
    return numbers(out)


@pytest.mark.parametrize("executor", ["serial", LOKY, RAY])
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
def test_workers_keep_to_their_threads(
    command, rendered, plugin_file, tmp_path, environment, executor, threads, expected
):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", f"--plugin={plugin_file}", "budget=2"]
    words += ["extractors=[threads_of_tests]", f"grid.threads_of_tests.into=['{tmp_path}']", "cache_gb=0"]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.pop(name, None)
    done = command(*words, *executor.split(), f"executor.threads={threads}", f"out={tmp_path}/out", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    found = [json.loads(file.read_text()) for file in tmp_path.glob("*.mp4.json")]
    assert len(found) == 3
    for about in found:
        del about["pid"]
        # a library may take fewer threads than it is allowed to where there are fewer cores
        assert about.pop("libraries") == expected or expected > (os.cpu_count() or 1)
        assert about == {"decoder": expected, "cv2": expected, "OMP_NUM_THREADS": str(expected)}


def test_threads_are_given_back(benchmark, rendered):
    """A library user's process goes on with what it had."""
    import cv2

    from keyframe_bench.video.decode import decoder_threads

    before = cv2.getNumThreads(), decoder_threads(), os.environ.get("OMP_NUM_THREADS")
    benchmark(rendered, threads=before[0] + 1)
    assert (cv2.getNumThreads(), decoder_threads(), os.environ.get("OMP_NUM_THREADS")) == before


@pytest.mark.parametrize("executor", [LOKY, RAY])
def test_killed_worker(command, words, undisturbed, tmp_path, cells, numbers, environment, executor):
    """SIGKILL in the middle of a video: its rows failed, all others are there, the second run completes."""
    marker, out = tmp_path / "marker", tmp_path / "out"
    marker.write_text(str(out))
    words = [*words, f"executor={executor}", f"grid.killed_of_tests.marker=['{marker}']", f"out={out}"]
    done = command(*words, env=environment)
    err = done.stderr.decode()
    failed = "failed: killed_of_tests on mixed.mp4: WorkerDiedError: its worker process ended"
    assert done.returncode == 1 and err.count(failed) == err.count("\n") == 2, err
    kept = {key: record for key, record in cells(out).items() if record["status"] == "ok"}
    assert len(kept) == len(undisturbed) - 2
    marker.unlink()
    done = command(*words, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    found = cells(out)
    assert len(found) == len(undisturbed) and found.items() >= kept.items()
    plain = {key: record for key, record in numbers(out).items() if record["extractor"] != "killed_of_tests"}
    assert plain.items() <= undisturbed.items()  # the other's cells have the marker in their parameters


@pytest.mark.parametrize("executor", [LOKY, RAY])
def test_interrupted_run(words, tmp_path, environment, executor):
    """Ctrl-C: one sentence, the shell's usual status, and no worker goes on."""
    out = tmp_path / "out"
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words, f"executor={executor}", "executor.n_jobs=1"]
    program = [word.replace("n_jobs=1", "n_jobs=2") if executor == "loky" else word for word in program]
    (tmp_path / "marker").write_text("/nowhere")  # one video takes a minute
    program += [f"grid.killed_of_tests.marker=['{tmp_path / 'marker'}']", f"out={out}"]
    process = subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    limit = time.monotonic() + 300
    while time.monotonic() < limit and not list(out.glob("cells/*.json")):
        time.sleep(0.02)
    assert list(out.glob("cells/*.json")), process.communicate(timeout=300)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells all processes of the job
    text, err = process.communicate(timeout=300)
    assert (process.returncode, text) == (130, b"") and err.decode().count("\n") == 1 and b"to resume" in err
    found = sorted(out.glob("cells/*.json"))
    time.sleep(1)
    assert sorted(out.glob("cells/*.json")) == found


def test_ray_that_is_not_installed(cli, rendered, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for more in (["executor=ray"], ["-m", "hydra/launcher=ray", "budget=2,4"]):
        status, text, err = cli("run", "dataset=folder", f"dataset.root={rendered}", *more, f"out={tmp_path}/out")
        assert (status, text) == (2, "") and "Ray is not installed: pip install 'keyframe_bench[cluster]'" in err
        assert err.count("\n") == 1


def test_cluster_that_does_not_answer(cli, rendered, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs keyframe_bench[cluster]")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs hydra-ray-launcher")
    with socket.socket() as free:  # a port on which nobody listens
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        for more in (["executor=ray"], ["-m", "hydra/launcher=ray", "budget=2,4"]):
            status, text, err = cli("run", "dataset=folder", f"dataset.root={rendered}", *more, f"out={tmp_path}/out")
            assert (status, text) == (2, "") and f"no Ray cluster answers at RAY_ADDRESS={address}" in err
            assert "`ray start --head`" in err and err.count("\n") == 1


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
    with pytest.raises(UsageError, match="need the same paths, on a file system that they share") as caught:
        work(job)
    named = tmp_path / "out" if missing == "out" else paths[missing]
    assert socket.gethostname() in str(caught.value) and f"'{named}'" in str(caught.value)


def test_worker_that_dies_before_all_jobs_are_handed_over(tmp_path):
    """No result comes, nothing is raised, and the next job gets a process again."""
    (tmp_path / "dies.py").write_text("import os\nos._exit(0)\n")

    def jobs_one_by_one():
        yield 1
        limit = time.monotonic() + 60
        while not pool._pool._flags.broken and time.monotonic() < limit:
            time.sleep(0.02)
        yield 2

    class Slow(list):
        def __iter__(self):
            return jobs_one_by_one()

    with _Pool(Work(tmp_path, "warn", (str(tmp_path / "dies.py"),), 1), 1) as pool:
        assert list(pool.results(Slow([1, 2]))) == []
        assert pool.result(3) is None
        pool.work = Work(tmp_path, "warn", (str(tmp_path / "no.py"),), 1)
        with pytest.raises(UsageError):
            pool.result(3)


HYDRAS_RAY = pytest.param(("hydra/launcher=ray",), id="ray", marks=pytest.mark.slow)
SUBMITIT = pytest.param(
    ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"), id="submitit", marks=pytest.mark.slow
)


@pytest.mark.parametrize("launcher", [HYDRAS_RAY, SUBMITIT])
def test_sweep_equals_one_run(command, words, undisturbed, rendered, tmp_path, numbers, environment, launcher):
    """Jobs in processes that other processes started: relative paths mean the same, a strange name does no harm."""
    (tmp_path / "videos").symlink_to(rendered)
    (tmp_path / "here").mkdir()
    name = "it's ${out}, \\" if "ray" in launcher[0] else "it's, \\"  # Submitit's launcher reads ${...} as Hydra's
    words = [word for word in words if not word.startswith(("budget=", "seeds="))]
    words += ["-m", "budget=2,4", "seeds=[0],[1]", *launcher, "dataset.root=../videos", f"out=../{name}"]
    done = command(*words, cwd=tmp_path / "here", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    out = tmp_path / name
    assert numbers(out) == undisturbed
    assert (out / "results.jsonl").read_text().count("\n") == len(undisturbed)
    assert {path.name for path in (out / "hydra").iterdir()} >= {"0", "1", "2", "3"}
    assert list((tmp_path / "here").iterdir()) == [] and {p.name for p in tmp_path.iterdir()} == {
        "here", "videos", out.name
    }  # fmt: skip


@pytest.mark.parametrize("launcher", [HYDRAS_RAY, SUBMITIT])
def test_error_inside_a_job_is_one_sentence(command, folder, tmp_path, environment, launcher):
    (folder / "zzz.mp4").write_text("no video")
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "on_error=raise"]
    done = command(*words, "budget=2,4", *launcher, f"out={tmp_path}/out", env=environment)
    assert (done.returncode, done.stdout) == (2, b"") and done.stderr.count(b"\n") == 1
    assert b"zzz.mp4" in done.stderr and b"no video container" in done.stderr


def test_writers_at_the_same_time_lose_nothing(rendered, tmp_path, cells):
    """Two runs with other methods end at the same moment: results, record and table hold the cells of both."""
    out = tmp_path / "out"
    out.mkdir()
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "budget=2", f"out={out}"]
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
    with locked(out):
        processes = [
            subprocess.Popen([*program, f"extractors=[{name}]"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for name in ("vsumm", "pixel_distance")
        ]
        limit = time.monotonic() + 300
        while len(list(out.glob("cells/*.json"))) < 3 * 4 and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(cells(out)) == 3 * 4
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
