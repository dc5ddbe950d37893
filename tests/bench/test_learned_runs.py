"""Copies, files that cannot be read, and methods that cannot be trained, in runs that train; given checkpoints."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keyframe_bench as kb
from keyframe_bench.bench.plan import make_plan
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.bench.train import Training, train, trainable
from keyframe_bench.core.grammar import Split
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.features.images import Gray
from keyframe_bench.tables.build import comparison
from keyframe_bench.tables.load import load_results
from keyframe_bench.training.data import TrainingData
from keyframe_bench.training.reading import read_parts


@pytest.fixture
def videos(tmp_path):
    """Four videos of four images."""
    rng = np.random.default_rng(0)
    for name in "abcd":
        (tmp_path / "videos" / name).mkdir(parents=True)
        for i in range(4):
            picture = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "videos" / name / f"{i}.png")
    return tmp_path / "videos"


@pytest.fixture
def methods(usual_picture):
    """Two methods that learn the mean image: ``usual``, and ``choosers``, from annotators."""

    class Usual(usual_picture):
        """Frames unlike the mean image."""

    class Choosers(usual_picture):
        """The same, from annotators."""

        supervision = "users"

    kb.register("usual")(Usual)
    kb.register("choosers")(Choosers)


@pytest.fixture
def spec(videos, tmp_path):
    """What a run is asked to do."""

    def make(extractors, *, root=videos, **given):
        asked = {"budgets": ["2"], "sampling": "every", "seeds": [0], "on_error": "skip"} | given
        dataset, trainings = Dataset.registry.build("folder", {"root": str(root)}), tmp_path / "trainings"
        return RunSpec(dataset, tmp_path / "out", extractors, trainings=trainings, **asked)

    return make


def annotate(videos: Path, *names: str) -> None:
    told = {"users": {"u1": {"frames": [1]}, "u2": {"frames": [2]}}}
    document = {"format": "keyframe_bench/annotations@1", "videos": dict.fromkeys(names, told)}
    (videos / "annotations.json").write_text(json.dumps(document))


def test_copies_have_one_timeline(spec, videos, methods):
    shutil.copytree(videos / "a", videos / "a_copy")
    plan = make_plan(spec(["usual"], split="temporal:0.5"))
    assert {cell.video: cell.part for cell in plan.cells} == dict.fromkeys(["a", "a_copy", "b", "c", "d"], (2, 4))
    assert not any(cell.seen for cell in plan.cells)


def test_a_copy_on_the_other_side_of_a_file_is_refused(spec, videos, methods, tmp_path):
    shutil.copytree(videos / "a", videos / "a_copy")
    annotate(videos, "a", "b", "a_copy", "d")
    folds = [{"train": ["a", "b"], "test": ["a_copy", "d"]}]
    (tmp_path / "s.json").write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}))
    with pytest.raises(kb.UsageError, match=r"s\.json' has 'a' in train and 'a_copy' in test, which belong together"):
        make_plan(spec(["choosers"], split=str(tmp_path / "s.json")))


def test_a_file_that_cannot_be_read_is_told_under_temporal(spec, videos):
    (videos / "e.mp4").write_bytes(b"garbage" * 1000)
    plan = make_plan(spec(["uniform"], split="temporal:0.5"))
    assert [bool(job.unreadable) for job in plan.jobs] == [False] * 4 + [True]
    with pytest.raises(kb.VideoError, match=r"e\.mp4"):
        make_plan(spec(["uniform"], split="temporal:0.5", on_error="raise"))


def test_who_learns_from_annotators_stops_no_other_under_temporal(spec, videos, methods):
    annotate(videos, *"abcd")
    plan = make_plan(spec("all", split="temporal:0.5", budgets=["50%"]), only_found=True)
    assert {"uniform", "usual"} <= {variant.name for variant in plan.variants}
    reasons = {one.extractor: one.reason for one in plan.not_run}
    assert reasons["choosers"].startswith("split=temporal:0.5 would")


def test_a_fold_without_annotations_is_a_failed_training(spec, videos, methods):
    with pytest.raises(kb.UnavailableError, match="human annotators"):  # nowhere any
        make_plan(spec(["choosers"], split="kfold:4"))
    annotate(videos, "a")
    plan = make_plan(spec(["uniform", "choosers"], split="kfold:4"))
    (reason,) = (cell.untrained for cell in plan.cells if cell.extractor == "choosers" and cell.untrained)
    assert reason.startswith("training of choosers, fold") and "no video in which human annotators chose" in reason
    assert len([cell for cell in plan.cells if cell.extractor == "uniform"]) == 4
    with pytest.raises(kb.UsageError, match="no video in which human annotators"):
        make_plan(spec(["uniform", "choosers"], split="kfold:4", on_error="raise"))


def test_videos_are_listed_once_a_fold_however_many_trainings_there_are(spec, videos, methods):
    """Listing may be slow: `composed` reads all of its clips for that."""

    class Seeded(kb.Extractor.registry.get("choosers")):
        """The same, once a seed."""

        seeded = True

    kb.register("seeded")(Seeded)
    annotate(videos, *"abcd")

    def n_listings(n_seeds: int) -> int:
        asked = spec(["seeded", "choosers"], split="kfold:2", seeds=list(range(n_seeds)))
        list_videos, listed = asked.dataset.videos, []
        asked.dataset.videos = lambda: listed.append(1) or list_videos()
        assert not any(one.untrained for one in make_plan(asked).trainings)
        return len(listed)

    assert n_listings(5) == n_listings(5) == n_listings(1)


@pytest.fixture
def trained(videos, tmp_path, methods):
    """The checkpoint of a training of ``usual`` on some data."""

    def make(split="videos:0.5", root=videos, **given):
        data = TrainingData(
            dataset=Dataset.registry.build("folder", {"root": str(root)}), split=Split.parse(split), **given
        )
        made = Training(extractor="usual", options=trainable("usual").Options.build({}), data=data, out=tmp_path)
        return train(replace(made, out=tmp_path / made.key)).best

    return make


def test_given_checkpoints_that_differ_in_their_training_stand_beside_each_other(benchmark, trained, videos, tmp_path):
    other = Path(shutil.copytree(videos, tmp_path / "other" / "videos"))
    shutil.rmtree(other / "d")
    changes = [{}, {"limit": 3}, {"sampling": "every2"}, {"split_seed": 1}, {"root": other}]
    given = [trained(**change) for change in changes] + [trained("kfold:2", fold=fold) for fold in (0, 1)]
    grid = {"usual": {"checkpoint": [str(path) for path in given]}}
    run = benchmark(videos, ["usual"], grid=grid, sampling="every", budgets=["2"], on_error="skip", limit=1)
    assert not run.failures and not run.lost
    results = load_results(tmp_path / "out")
    assert (results["extractor"] == "usual").sum() == 7
    rows = [row for row in comparison(results, {}).rows if row.extractor == "usual"]
    assert len({row.label for row in rows}) == len(rows) == 6, "two folds are one row"


def test_clips_in_memory_make_checkpoints_that_stand_beside_each_other(benchmark, videos, tmp_path, methods):
    usual = kb.Extractor.registry.build("usual")
    for name in ("a", "b"):
        images = np.stack([np.asarray(Image.open(file)) for file in sorted((videos / name).iterdir())])
        kb.fit_clips(usual, [kb.clip_from_images(images, usual.needs)], tmp_path / name)
    grid = {"usual": {"checkpoint": [str(tmp_path / name / "best.safetensors") for name in ("a", "b")]}}
    run = benchmark(videos, ["usual"], grid=grid, sampling="every", budgets=["2"], limit=1)
    assert not run.lost and (load_results(tmp_path / "out")["extractor"] == "usual").sum() == 2


@pytest.mark.parametrize("sizes", [[2, 4], [4, 2]])
def test_parameters_that_a_training_does_not_know_are_failed_rows(spec, methods, sizes):
    """`train` knows options of the training; other features than it used cannot be had from its checkpoint."""

    @kb.register("sized")
    class Sized(kb.Extractor.registry.get("usual")):
        """An image of a size."""

        def __init__(self, checkpoint: str = "", size: int = 2) -> None:
            self.checkpoint = checkpoint
            self.size = size

        @property
        def needs(self):
            return (Gray(height=self.size, width=self.size),)

    plan = make_plan(spec(["sized"], split="kfold:2", grid={"sized": {"size": sizes}}))
    found = {cell.params["size"]: cell.untrained for cell in plan.cells if cell.extractor == "sized"}
    assert found[2] == "" and "give it the parameters" in found[4]


@pytest.mark.parametrize("name", ["usual", "choosers"])
def test_copies_are_on_one_side_whatever_is_known_of_them(videos, methods, name):
    """Frames of a copy are never held out while the same frames train."""
    shutil.copytree(videos / "a", videos / "a_copy")
    shutil.rmtree(videos / "b"), shutil.rmtree(videos / "c"), shutil.rmtree(videos / "d")
    keys = []
    for known in ([], ["a", "a_copy"]):
        if known or name == "usual":
            annotate(videos, *known)
            data = TrainingData(
                dataset=Dataset.registry.build("folder", {"root": str(videos)}),
                split=Split.parse("temporal:0.5"),
                annotated=name == "choosers",
            )
            parts = read_parts(data, (Gray(height=2, width=2),), lambda _: None)
            seen, held = (
                {row.tobytes() for clip in part for row in clip[Gray(height=2, width=2)]}
                for part in (parts.train, parts.validation)
            )
            assert seen and held and not seen & held
            keys.append((data.identity, len(parts.train)))
    assert keys[0] == keys[-1]


def test_a_checkpoint_of_other_code_is_labelled(benchmark, videos, trained, tmp_path, monkeypatch):
    """What was learned may mean something else to a plug-in that was edited."""
    grid = {"usual": {"checkpoint": [str(trained())]}}
    monkeypatch.setattr("keyframe_bench.extractors.trainable.source_digest", lambda _: "edited")
    benchmark(videos, ["usual"], grid=grid, sampling="every", budgets=["2"], leak="allow")
    notes = comparison(load_results(tmp_path / "out"), {}).notes
    assert any("usual: a given checkpoint" in note and "by other code of this plug-in" in note for note in notes)
