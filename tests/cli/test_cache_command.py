"""``keyframe-bench cache``: what is kept between runs, and how to be rid of it."""

import json

import pytest

from keyframe_bench.core.grammar import Split
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.features.images import Rgb
from keyframe_bench.training.data import TrainingData
from keyframe_bench.training.reading import read_parts

COUNTS = ("bytes", "entries", "videos")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def told(cli):
    return lambda *words: json.loads(cli("cache", *words, "--json")[1])


@pytest.fixture
def rows_of_a_training(video):
    """Read a small video as a training does; return its clips and their rows."""

    def read(clips=None):
        feature = Rgb(height=12, width=24)
        dataset = Dataset.registry.build("folder", {"root": str(video), "camera": True})
        data = TrainingData(dataset=dataset, split=Split.parse("temporal:0.8"))
        clips = clips or read_parts(data, (feature,), lambda _: None).train
        return clips, clips.rows(feature)

    return read


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_empty_cache(cli, cache, told):
    empty = dict.fromkeys(COUNTS, 0)
    found = told()
    assert found.pop("pictures") == {"folder": str(cache / "rows"), **empty, "limit_bytes": 80_000_000_000}
    assert found == {"folder": str(cache / "features"), **empty, "limit_bytes": 10_000_000_000}
    assert cli("cache", "clear")[0] == 0
    assert not cache.exists(), "looking creates nothing"


def test_what_is_kept_is_told_and_removed(cli, cache, told, rendered, tmp_path, rows_of_a_training):
    """Features of runs and rows of trainings apart; rendered videos stay."""
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    assert cli(*words)[0] == 0
    (cache / "synthetic").mkdir()
    (cache / "synthetic" / "cuts.mp4").write_text("rendered")
    features = told()
    entries = sum(file.name == "entry.json" for file in (cache / "features").rglob("*"))
    assert [features[name] for name in COUNTS] == [size(cache / "features"), entries, 3] and entries > 0
    status, out, err = cli("cache")
    assert (status, err) == (0, "") and "training rows" not in out
    assert f"features of 3 videos, {entries} entries, " in out
    assert str(cache / "features") in out and "cache_gb=10" in out
    rows_of_a_training()
    found = told()
    rows = found["pictures"]
    assert rows["bytes"] == size(cache / "rows") > 30 * 12 * 24 * 3 and rows["videos"] == 1
    assert found["bytes"] == features["bytes"], "a training pushes no features of runs out"
    assert "training rows of 1 video, " in cli("cache")[1]
    removed = told("clear")
    assert removed["pictures"]["removed_bytes"] == rows["bytes"]
    assert [removed[f"removed_{name}"] for name in COUNTS] == [features[name] for name in COUNTS]
    assert told()["entries"] == 0 and "training rows" not in cli("cache")[1]
    assert (cache / "synthetic" / "cuts.mp4").read_text() == "rendered"
    assert "removed features of 0 videos, 0 entries, 0.0 MB" in cli("cache", "clear")[1]


def test_a_cache_that_is_no_folder_is_one_sentence(cli, cache):
    cache.mkdir()
    (cache / "features").write_text("a file")
    for words in (["cache"], ["cache", "clear"]):
        status, _, err = cli(*words)
        assert status == 2
        assert "features" in err and err.count("\n") == 1 and "Not a directory" in err


def test_rows_that_were_removed_or_torn_are_still_read(cli, cache, rows_of_a_training):
    """A training that runs goes on: what it has opened stays readable, what it has not is decoded again."""
    clips, rows = rows_of_a_training()
    before = rows.take(range(len(rows)))
    assert cli("cache", "clear")[0] == 0
    for read in (rows, rows_of_a_training(clips)[1]):
        assert (read.take(range(len(read))) == before).all()
    rows_of_a_training()
    largest = max((cache / "rows").rglob("*.np*"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])
    _, rows = rows_of_a_training()
    assert (rows.take(range(len(rows))) == before).all()
