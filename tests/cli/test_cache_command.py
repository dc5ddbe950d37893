"""``keyframe-bench cache``: what is kept between runs, and how to be rid of it."""

import json
import subprocess
import sys

import numpy as np
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


def test_empty_cache(cli, cache):
    status, out, err = cli("cache", "--json")
    assert (status, err) == (0, "")
    folder = str(cache / "features")
    told = json.loads(out)
    pictures = told.pop("pictures")
    assert told.pop("cameras") == {"folder": str(cache), "bytes": 0, "files": 0}
    assert told == {"folder": folder, "bytes": 0, "entries": 0, "videos": 0, "limit_bytes": 10_000_000_000}
    assert (pictures["folder"], pictures["bytes"], pictures["entries"]) == (str(cache / "pictures"), 0, 0)
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


def test_rendered_cameras_of_tables_are_told_and_removed(cli, cache):
    from keyframe_bench.training.data import TrainingData

    source = TrainingData.registry.build("rendered", {"kind": "camera_a", "n": 4, "n_validation": 2})
    cache.mkdir()
    path = cache / f"{source.kind}-{source.digest()}.mp4"  # as keyframe_bench.bench.training_video names it
    path.write_text("rendered")
    other = path.with_name("demo-seed0.mp4")
    other.write_text("of somebody else")
    size = path.stat().st_size
    told = json.loads(cli("cache", "--json")[1])["cameras"]
    assert told == {"folder": str(cache), "bytes": size, "files": 1}
    assert f"rendered cameras, 1 video, {size / 1e6:.1f} MB in" in cli("cache")[1]
    removed = json.loads(cli("cache", "clear", "--json")[1])["cameras"]
    assert (removed["removed_bytes"], removed["removed_files"]) == (size, 1)
    assert not path.exists() and other.exists() and "rendered cameras" not in cli("cache", "clear")[1]


def test_pictures_kept_by_other_code_are_not_taken(cache, monkeypatch):
    """What decodes frames is part of their key."""
    from keyframe_bench.training import kept_pictures

    made = []

    def produce(append):
        made.append(len(made))
        append(np.full((2, 3, 3), len(made), np.uint8))
        return {}

    def kept():
        kept_pictures._made_with.cache_clear()
        return int(kept_pictures.keep({"frames": "x"}, 2, 3, 1, produce).rows[0, 0, 0, 0])

    assert (kept(), kept()) == (1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("av.__version__", "0.0")
        assert (kept(), kept()) == (2, 2)
    with monkeypatch.context() as patch:
        patch.setattr(kept_pictures, "DECODING", kept_pictures.DECODING[1:])  # other text
        assert kept() == 3
    with monkeypatch.context() as patch:
        patch.setattr(kept_pictures, "LOADED_NS", 0)  # as if a file was edited since
        assert (kept(), kept()) == (4, 4)
    assert kept() == 1
    kept_pictures._made_with.cache_clear()


def test_all_code_that_decodes_is_part_of_the_key():
    from keyframe_bench.training.kept_pictures import DECODING

    code = (
        "import sys, keyframe_bench.video.ahead, keyframe_bench.video.decode; "
        "print(*(m for m in sys.modules if m.startswith('keyframe_bench.video.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {f"keyframe_bench.video.{name}" for name in DECODING}


def test_training_pictures_are_told_and_removed(cli, cache):
    from keyframe_bench.training.data import TrainingData

    TrainingData.registry.build("rendered", {"kind": "camera_a", "n": 4, "n_validation": 2}).pictures(12, 24)
    told = json.loads(cli("cache", "--json")[1])["pictures"]
    assert told["entries"] == 1 and told["bytes"] > 6 * 12 * 24 * 3
    assert "training pictures, 1 entry" in cli("cache")[1]
    assert json.loads(cli("cache", "clear", "--json")[1])["pictures"]["removed_bytes"] == told["bytes"]
    assert "training pictures" not in cli("cache")[1]
