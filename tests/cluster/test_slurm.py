"""A sweep through SLURM: `make test-slurm` starts one of one node. A SLURM that answers already is used as it is.

On a real cluster the test's folder must lie on a file system that the nodes share: ``pytest -m slurm --basetemp=DIR``.
"""

import os
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slurm

LAUNCHER = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=5")

PLUGIN = """
import os
import numpy as np
import keyframe_bench as kb


@kb.register("slurm_of_tests")
class InSlurm(kb.Extractor):
    '''The first frames, inside a SLURM job only.'''

    reference = "none"
    budget_rule = "the first k"
    stochastic = False
    needs = ()

    def select(self, clip, k=None, *, rng):
        if "SLURM_JOB_ID" not in os.environ:
            raise RuntimeError("not in a job of SLURM")
        return clip.pick(np.arange(k))
"""


@pytest.fixture(scope="module", autouse=True)
def _slurm():
    found = shutil.which("sinfo")
    if found is None or subprocess.run([found], capture_output=True, timeout=300, check=False).returncode:
        pytest.fail("no SLURM answers (sinfo): `make test-slurm` starts one of one node, as root on Debian")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs keyframe_bench[cluster]")


@pytest.fixture
def sweep(command, rendered, tmp_path):
    """Sweep over the three small videos, started in an empty folder with an empty home: status, output, errors."""

    def run(*words, root=rendered, out="out"):
        for name in ("here", "home"):
            (tmp_path / name).mkdir(exist_ok=True)
        environment = os.environ | {"HOME": str(tmp_path / "home")}
        words = ["run", "-m", "dataset=folder", f"dataset.root={root}", *words, *LAUNCHER, f"out={tmp_path / out}"]
        done = command(*words, cwd=tmp_path / "here", env=environment)
        assert not [*(tmp_path / "here").iterdir(), *(tmp_path / "home").iterdir()]  # all of it lies in OUT
        return done.returncode, _own_lines(done.stdout), _own_lines(done.stderr)

    return run


def _own_lines(printed):
    """Without what `sacct` and Submitit say where a cluster keeps no accounts, as ours of one node does not."""
    return [line for line in printed.decode().splitlines() if "accounting" not in line and "sacct" not in line]


def _job_ids(out):
    """The SLURM jobs that ran, from Submitit's logs."""
    logs = "".join(log.read_text() for log in (out / "hydra" / ".submitit").rglob("*_log.out"))
    return set(re.findall(r"JobEnvironment\(job_id=(\d+_\d+),", logs))


def test_slurm_gives_the_same_cells_and_numbers(sweep, cli, rendered, tmp_path, numbers, snapshot):
    words = ["extractors=[vsumm,pixel_distance]"]
    serial = ["run", "dataset=folder", f"dataset.root={rendered}", *words, "budget=[2,4]", "seeds=[0,1]"]
    assert cli(*serial, f"out={tmp_path}/serial")[0] == 0
    before = snapshot(rendered)
    status, text, err = sweep(*words, "budget=2,4", "seeds=[0],[1]")
    assert (status, err) == (0, [])
    found = numbers(tmp_path / "out")
    assert found == numbers(tmp_path / "serial") and len(found) == 3 * 2 * (2 + 1 + 2)  # random for both seeds
    assert "scored 3 of 3 videos" in text
    assert (tmp_path / "out" / "results.jsonl").read_text().count("\n") == len(found)
    assert len(_job_ids(tmp_path / "out")) == 4
    assert snapshot(rendered) == before
    # again: nothing is left to compute, here or there
    assert "0 of 30 cells computed now" in cli(*serial, f"out={tmp_path}/out")[1]


def test_jobs_run_inside_slurm_and_know_the_plugin(sweep, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    status, text, err = sweep("extractors=[slurm_of_tests]", f"--plugin={plugin}", "budget=1,2")
    assert (status, err) == (0, []), text
    assert len(_job_ids(tmp_path / "out")) == 2


def test_error_in_a_job_is_one_sentence(sweep, folder):
    """The fault of a file, found only while a job runs."""
    (folder / "zzz.mp4").write_text("no video")
    status, text, err = sweep("extractors=[uniform]", "on_error=raise", "budget=2,4", root=folder)
    assert (status, text, len(err)) == (2, [], 1)
    assert "zzz.mp4" in err[0] and "no video container" in err[0]


def test_refused_by_the_queue_is_one_sentence(sweep):
    status, text, err = sweep("extractors=[uniform]", "budget=2,4", "hydra.launcher.partition=no_such_partition")
    assert (status, text) == (2, [])
    own = [line for line in err if line.startswith("keyframe-bench: error: ")]
    assert len(own) == 1 and "partition" in own[0] and "Traceback" not in "".join(err)
