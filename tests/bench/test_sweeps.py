"""Sweeps: the cells of one run from many jobs, by every launcher of Hydra's, and jobs and launchers that fail."""

import shutil

import pytest

pytestmark = pytest.mark.usefixtures("own_registry")

BASIC = pytest.param((), id="basic")
JOBLIB = pytest.param(("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"), id="joblib")
RAY = pytest.param(("hydra/launcher=ray",), id="ray", marks=pytest.mark.slow)
# Submitit's own processes on this machine; what it does for SLURM, but for the queue.
SUBMITIT = ("hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=5")
SUBMITIT_SLOW = pytest.param(SUBMITIT, id="submitit", marks=pytest.mark.slow)  # it waits 15 s for a late result


@pytest.fixture(autouse=True)
def _launcher(request):
    if "submitit" in request.node.name:
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs keyframe_bench[cluster]")


@pytest.mark.parametrize("launcher", [BASIC, JOBLIB, RAY, SUBMITIT_SLOW])
def test_a_sweep_equals_one_run(command, words, undisturbed, rendered, tmp_path, numbers, environment, launcher):
    """Jobs in processes that other processes started: relative paths mean the same, a strange name does no harm."""
    (tmp_path / "videos").symlink_to(rendered)
    (tmp_path / "here").mkdir()
    name = "it's ${out}, \\" if "ray" in str(launcher) else "it's, \\"  # Submitit's launcher reads ${...} as Hydra's
    swept = [word for word in words if not word.startswith(("budget=", "seeds="))]
    swept += ["-m", "budget=2,4", "seeds=[0],[1]", *launcher, "dataset.root=../videos", f"out=../{name}"]
    done = command(*swept, cwd=tmp_path / "here", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    out = tmp_path / name
    assert numbers(out) == undisturbed
    assert (out / "results.jsonl").read_text().count("\n") == len(undisturbed)
    assert b"scored 3 of 3 videos" in done.stdout and b"36 of 36 cells computed now" in done.stdout
    assert not launcher or {path.name for path in (out / "hydra").iterdir()} >= {"0", "1", "2", "3"}
    assert list((tmp_path / "here").iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"here", "videos", out.name}


def test_jobs_compute_what_they_share_once(cli, words, tmp_path, cells):
    """Two processes, one folder: controls and vsumm are in both jobs."""
    words = [*words, "-m", "grid.pixel_distance.factor=1,2", *JOBLIB.values[0], f"out={tmp_path}/out"]
    status, text, err = cli(*words)
    assert (status, err) == (0, "") and "42 of 42 cells computed now" in text
    assert "0 of 42 cells computed now" in cli(*words)[1]
    found = [r["params"]["factor"] for r in cells(tmp_path / "out").values() if r["extractor"] == "pixel_distance"]
    assert sorted(found) == [1] * 6 + [2] * 6


@pytest.mark.parametrize("launcher", [BASIC, JOBLIB, RAY, SUBMITIT_SLOW])
def test_error_inside_a_job_is_one_sentence(command, folder, tmp_path, environment, launcher):
    """The fault of a file, found only while a job runs."""
    (folder / "zzz.mp4").write_text("no video")
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "on_error=raise"]
    done = command(*words, "budget=2,4", *launcher, f"out={tmp_path}/out", env=environment)
    assert (done.returncode, done.stdout) == (2, b"") and done.stderr.count(b"\n") == 1
    assert b"zzz.mp4" in done.stderr and b"no video container" in done.stderr


def test_failing_jobs_and_failed_cells_are_named_and_the_others_make_a_table(cli, words, tmp_path):
    words = [*words, "-m", "extractors=[plugin_of_tests]", "budget=2", "seeds=[0]"]
    status, text, err = cli(*words, "grid.plugin_of_tests.mode=[works],[exit]", "on_error=raise", f"out={tmp_path}/one")
    assert status == 1 and "9 of 9 cells computed now" in text
    assert err.count("failed: ") == 1 and "[exit]" in err and "1 of 2 runs failed" in err and "launcher" not in err
    status, _, err = cli(*words, "grid.plugin_of_tests.mode=[raises]", "budget=2,4", f"out={tmp_path}/two")
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 4


@pytest.mark.parametrize("launcher", [JOBLIB, SUBMITIT_SLOW])
def test_killed_job_is_one_sentence(cli, words, tmp_path, cells, launcher):
    words = [*words, "-m", "grid.plugin_of_tests.mode=[killed]", "budget=2,4", *launcher, f"out={tmp_path}/out"]
    status, text, err = cli(*words)
    assert (status, text) == (2, "") and err.count("\n") == 1
    assert "the sweep's launcher failed: " in err and "to resume" in err
    assert (".submitit" in err) == (launcher is SUBMITIT)  # where its logs are
    cells(tmp_path / "out")  # every one readable


def test_submitit_without_slurm_is_one_sentence(cli, words, tmp_path, monkeypatch):
    """The cluster's launcher on a machine that belongs to none."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no srun, wherever SLURM is installed
    assert shutil.which("srun") is None
    status, text, err = cli(*words, "-m", "budget=2,4", "hydra/launcher=submitit_slurm", f"out={tmp_path}/out")
    assert (status, text) == (2, "") and err.count("\n") == 1
    assert "are you indeed on a slurm cluster?" in err
