"""Sweeps through Hydra's launchers that need no cluster, and launchers that fail."""

import shutil

import pytest

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0")
# Submitit's own processes on this machine; what it does for SLURM, but for the queue.
SUBMITIT = ("hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=5")

DEADLY = """
import os
import keyframe_bench as kb


@kb.register("deadly_of_tests")
class Deadly(kb.Extractor):
    '''Kills its process, as the system does for want of memory.'''

    reference = "none"
    budget_rule = "none"
    stochastic = False
    needs = ()

    def select(self, clip, k=None, *, rng):
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(JOBLIB, id="joblib"),
        pytest.param(SUBMITIT, id="submitit", marks=pytest.mark.slow),  # it waits 15 s for a result that might be late
    ],
)
def test_killed_job_is_one_sentence(cli, rendered, tmp_path, cells, own_registry, launcher):
    if launcher is SUBMITIT:
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs keyframe_bench[cluster]")
    plugin = tmp_path / "deadly.py"
    plugin.write_text(DEADLY)
    words = ["dataset=folder", f"dataset.root={rendered}", "extractors=[deadly_of_tests]", f"--plugin={plugin}"]
    status, text, err = cli("run", "-m", *words, "budget=2,4", *launcher, f"out={tmp_path}/out")
    assert (status, text) == (2, "") and err.count("\n") == 1
    assert "the sweep's launcher failed: " in err and "to resume" in err
    assert (".submitit" in err) == (launcher is SUBMITIT)  # where its logs are
    cells(tmp_path / "out")  # every one readable


def test_submitit_without_slurm_is_one_sentence(cli, rendered, tmp_path, monkeypatch):
    """The cluster's launcher on a machine that belongs to none."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs keyframe_bench[cluster]")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no srun, wherever SLURM is installed
    assert shutil.which("srun") is None
    words = ["run", "-m", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", "budget=2,4"]
    status, text, err = cli(*words, "hydra/launcher=submitit_slurm", f"out={tmp_path}/out")
    assert (status, text) == (2, "") and err.count("\n") == 1
    assert "are you indeed on a slurm cluster?" in err


def test_submitit_gives_the_same_numbers(cli, rendered, tmp_path, numbers):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs keyframe_bench[cluster]")
    words = ["dataset=folder", f"dataset.root={rendered}", "extractors=[pixel_distance]"]
    assert cli("run", *words, "budget=[2,4]", f"out={tmp_path}/serial")[0] == 0
    status, text, err = cli("run", "-m", *words, "budget=2,4", *SUBMITIT, f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    assert numbers(tmp_path / "out") == numbers(tmp_path / "serial")
    assert "18 of 18 cells computed now" in text
