"""Runs that share features: the next one decodes nothing, and no number is another for it."""

import os
import warnings

import pytest

import keyframe_bench as kb
from keyframe_bench.video import onepass
from keyframe_bench.video.store import FeatureStore, features_folder

METHODS = ["pixel_distance", "vsumm", "coded_frames", "ffmpeg_scene"]


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def plain(benchmark, numbers, rendered, tmp_path):
    """The numbers of a run that keeps nothing."""

    def run(*more, **options):
        benchmark(rendered, *more, out=tmp_path / "plain", **options)
        return numbers(tmp_path / "plain")

    return run


@pytest.fixture
def undecoded(monkeypatch):
    """From the call on, a pass that decodes fails the test (images of newly chosen frames are still fetched)."""

    def forbid():
        monkeypatch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))

    return forbid


def costs(cells, out):
    found = {}
    for record in cells(out).values():
        cost = record["keyframes"]["cost"]
        found[record["extractor"], record["video"], record["seed"]] = cost["decode_s"], cost["features_s"]
    return found


def test_another_budget_decodes_nothing(benchmark, rendered, tmp_path, cache, undecoded, plain, numbers, cells):
    benchmark(rendered, METHODS, budgets=["4"], out=tmp_path / "four", cache_gb=1)
    undecoded()
    assert benchmark(rendered, METHODS, budgets=["8"], out=tmp_path / "eight", cache_gb=1).notes == []
    grid = {"pixel_distance": {"factor": [0.5, 1.0, 2.0], "threshold": ["mean", "mean+std"]}}
    summary = benchmark(rendered, ["pixel_distance"], budgets=["free"], grid=grid, out=tmp_path / "free", cache_gb=1)
    assert (summary.n_computed, summary.failures) == (3 * (6 + 1), [])  # six settings, and uniform
    before, after = costs(cells, tmp_path / "four"), costs(cells, tmp_path / "eight")
    assert before.keys() == after.keys()
    for row, (decode_s, features_s) in after.items():
        if row[0] in ("pixel_distance", "vsumm", "ffmpeg_scene"):  # without pixels it is reading packets, measured anew
            assert decode_s == before[row][0] > 0
        assert features_s == pytest.approx(before[row][1]), "the cost is that of computing, not of reading back"


def test_numbers_are_the_same_with_and_without(benchmark, rendered, tmp_path, cache, plain, numbers):
    """A small limit only costs time."""
    wanted = plain(METHODS, budgets=["4", "free", "15%"])
    summary = benchmark(rendered, METHODS, budgets=["4", "free", "15%"], out=tmp_path / "small", cache_gb=1e-5)
    (note,) = summary.notes
    assert "more than cache_gb=1e-05 allows" in note and numbers(tmp_path / "small") == wanted
    assert not cache.exists() or FeatureStore(features_folder(), 0).usage().bytes <= 10_000
    for turn in ("writes", "reads"):
        benchmark(rendered, METHODS, budgets=["4", "free", "15%"], out=tmp_path / turn, cache_gb=1)
        assert numbers(tmp_path / turn) == wanted


def test_zero_keeps_and_uses_nothing(benchmark, rendered, tmp_path, cache):
    benchmark(rendered, out=tmp_path / "none")
    assert not cache.exists()
    benchmark(rendered, out=tmp_path / "some", cache_gb=1)
    for entry in features_folder().iterdir():
        os.utime(entry, (1, 1))
    benchmark(rendered, out=tmp_path / "again", cache_gb=0)
    assert {entry.stat().st_mtime for entry in features_folder().iterdir()} == {1}, "an entry was used"


def test_failing_feature_leaves_the_others_in_the_store(benchmark, rendered, plugin, tmp_path, cache, undecoded):
    grid = {"plugin_of_tests": {"mode": ["feature fails"]}}
    given = {"grid": grid, "plugins": [plugin], "on_error": "warn", "cache_gb": 1}
    summary = benchmark(rendered, ["plugin_of_tests", "vsumm"], **given)
    assert len(summary.failures) == 3 and all("the feature broke" in line for line in summary.failures)
    undecoded()
    assert benchmark(rendered, ["vsumm"], out=tmp_path / "other", cache_gb=1).failures == []


@pytest.fixture
def unwritable(monkeypatch, tmp_path):
    """A cache where no folder can be made, whoever the tests run as."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "file"))


def test_unwritable_cache_is_one_warning(cli, unwritable, rendered, tmp_path, plain, numbers):
    """Of a run over three videos, of a sweep of two jobs, and in Python."""
    wanted = plain(["vsumm"])
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", "budget=3"]
    for number, more in enumerate(([], ["-m", "seeds=[0],[0]"])):
        status, _, err = cli(*words, *more, f"out={tmp_path}/out{number}")
        assert status == 0, err
        assert err.count("warning: features are not kept") == err.count("\n") == 1, err
        assert "Not a directory" in err and "cache_gb=0" in err
        assert numbers(tmp_path / f"out{number}") == wanted
    assert cli(*words, "cache_gb=0", f"out={tmp_path}/silent")[2] == ""
    with pytest.warns(UserWarning, match="features are not kept") as caught:
        table = kb.sweep(rendered, ["vsumm"], budget=3, cache_gb=1)
    assert len(caught) == 1 and caught[0].filename == __file__ and len(table) == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kb.sweep(rendered, ["vsumm"], budget=3)


@pytest.mark.slow
def test_workers_and_jobs_share_one_store(command, cli, rendered, plugin, tmp_path, cache, numbers):
    """Two jobs of a sweep in two processes write the same entries at once; workers then read them."""
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm,plugin_of_tests]"]
    words.append(f"--plugin={plugin}")
    assert cli(*words, "budget=[2,4]", "cache_gb=0", f"out={tmp_path}/alone")[0] == 0
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"]
    swept = command(*words, "-m", "budget=2,4", *launcher, f"out={tmp_path}/swept")
    assert (swept.returncode, swept.stderr) == (0, b"")
    assert numbers(tmp_path / "swept") == numbers(tmp_path / "alone")
    store = FeatureStore(features_folder(), 0)
    entries = {path.name: path.stat().st_ino for path in store.folder.iterdir()}
    assert len(entries) == store.usage().entries + 1, "entries and the lock, nothing else"
    workers = command(*words, "budget=[2,4]", "executor=loky", "executor.n_jobs=2", f"out={tmp_path}/workers")
    assert (workers.returncode, workers.stderr) == (0, b"")
    assert numbers(tmp_path / "workers") == numbers(tmp_path / "alone")
    assert {path.name: path.stat().st_ino for path in store.folder.iterdir()} == entries, "something was computed"
