"""``keyframe-bench cache``: what is kept between runs, and how to be rid of it."""

import json

import pytest

from keyframe_bench.core.errors import UsageError


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def filled(cli, cache, rendered, tmp_path):
    """The cache after a run over three videos, with a rendered video in it."""
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    assert cli(*words)[0] == 0
    (cache / "synthetic").mkdir()
    (cache / "synthetic" / "cuts.mp4").write_text("rendered")
    return cache


@pytest.fixture
def data_of_a_training(video):
    """Read a small video as a training does; return its clips and their rows."""
    from keyframe_bench.core.split import Split
    from keyframe_bench.datasets.base import Dataset
    from keyframe_bench.features.rgb import Rgb
    from keyframe_bench.training.data import TrainingData

    def read(clips=None):
        feature = Rgb(height=12, width=24)
        dataset = Dataset.registry.build("folder", {"root": str(video), "camera": True})
        data = TrainingData(dataset=dataset, split=Split.parse("temporal:0.8"))
        clips = clips or data.read((feature,), lambda _: None).train
        return clips, clips.rows(feature)

    return read


def test_empty_cache(cli, cache):
    status, out, err = cli("cache", "--json")
    assert (status, err) == (0, "")
    folder = str(cache / "features")
    told = json.loads(out)
    empty = {"bytes": 0, "entries": 0, "videos": 0}
    assert told.pop("pictures") == {"folder": str(cache / "rows"), **empty, "limit_bytes": 80_000_000_000}
    assert told == {"folder": folder, **empty, "limit_bytes": 10_000_000_000}
    assert cli("cache", "clear")[0] == 0
    assert not cache.exists(), "looking creates nothing"


def test_amount_is_that_on_disk(cli, filled):
    told = json.loads(cli("cache", "--json")[1])
    files = [file for file in (filled / "features").rglob("*") if file.is_file()]
    assert told["bytes"] == sum(file.stat().st_size for file in files) > 0
    assert told["entries"] == sum(file.name == "entry.json" for file in files) and told["videos"] == 3
    status, out, err = cli("cache")
    assert (status, err) == (0, "")
    assert f"features of 3 videos, {told['entries']} entries, " in out
    assert str(filled / "features") in out and "cache_gb=10" in out


def test_a_cache_that_is_no_folder_is_one_sentence(cli, cache):
    cache.mkdir()
    (cache / "features").write_text("a file")
    for words in (["cache"], ["cache", "clear"]):
        status, _, err = cli(*words)
        assert status == 2
        assert "features" in err and err.count("\n") == 1 and "Not a directory" in err


def test_clear_removes_features_and_says_how_much(cli, filled):
    before = json.loads(cli("cache", "--json")[1])
    told = json.loads(cli("cache", "clear", "--json")[1])
    assert {name: told[f"removed_{name}"] for name in ("bytes", "entries", "videos")} == {
        name: before[name] for name in ("bytes", "entries", "videos")
    }
    assert json.loads(cli("cache", "--json")[1])["entries"] == 0
    assert (filled / "synthetic" / "cuts.mp4").read_text() == "rendered"
    assert "removed features of 0 videos, 0 entries, 0.0 MB" in cli("cache", "clear")[1]


@pytest.mark.parametrize("words", [["clean"], ["clear", "all"], ["out=x"], ["--all"], ["cache_gb=1"]])
def test_wrong_words_are_one_sentence_and_remove_nothing(cli, filled, words):
    status, out, err = cli("cache", *words)
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert json.loads(cli("cache", "--json")[1])["entries"] > 0


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "many", "null", "true", "[1]", "1e300"])
def test_wrong_limit_is_told_before_anything_runs(cli, cache, rendered, tmp_path, value):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    status, out, err = cli(*words, f"cache_gb={value}")
    assert (status, out) == (2, "") and err.count("\n") == 1 and "cache_gb=" in err
    assert not (tmp_path / "out").exists() and not cache.exists()


def test_wrong_limit_in_python(rendered):
    import keyframe_bench as kb

    with pytest.raises(UsageError, match="cache_gb=-1"):
        kb.sweep(rendered, ["uniform"], cache_gb=-1)


def test_rows_of_trainings_are_told_and_removed_apart(cli, filled, data_of_a_training):
    features = json.loads(cli("cache", "--json")[1])["bytes"]
    assert "training rows" not in cli("cache")[1]
    data_of_a_training()
    told = json.loads(cli("cache", "--json")[1])
    rows, files = told["pictures"], [file for file in (filled / "rows").rglob("*") if file.is_file()]
    assert rows["bytes"] == sum(file.stat().st_size for file in files) > 30 * 12 * 24 * 3 and rows["videos"] == 1
    assert told["bytes"] == features, "a training pushes no features of runs out"
    assert "training rows of 1 video, " in cli("cache")[1]
    removed = json.loads(cli("cache", "clear", "--json")[1])
    assert removed["pictures"]["removed_bytes"] == rows["bytes"] and removed["removed_bytes"] == features
    assert "training rows" not in cli("cache")[1]


def test_rows_that_were_removed_are_still_read(cli, cache, data_of_a_training):
    """A training that runs goes on: what it has opened stays readable, what it has not is decoded again."""
    read, rows = data_of_a_training()
    before = rows.take(range(len(rows)))
    assert cli("cache", "clear")[0] == 0
    _, others = data_of_a_training(read)
    assert (rows.take(range(len(rows))) == before).all() and (others.take(range(len(others))) == before).all()


def test_a_torn_row_file_is_read_again(cache, data_of_a_training):
    _, rows = data_of_a_training()
    before = rows.take(range(len(rows)))
    largest = max((cache / "rows").rglob("*.np*"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])
    _, rows = data_of_a_training()
    assert (rows.take(range(len(rows))) == before).all()
