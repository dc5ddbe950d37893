"""The data set `synthetic`: rendered once, reused when it fits, and never over somebody's files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets import synthetic as module
from keyframe_bench.datasets._annotations import read_annotations
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.rendering import films
from keyframe_bench.rendering.plan import KINDS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def synthetic(**params):
    return Dataset.registry.build("synthetic", {"duration_s": 0.4, **params})


def stamps(items):
    return {item.id: (item.path.stat().st_mtime_ns, item.path.stat().st_ino) for item in items}


def same(*annotations):
    one, two = ((a.shots.tolist(), [u.frames.tolist() for u in a.users], a.events is None) for a in annotations)
    return one == two


def test_eight_videos_cover_every_kind_with_exact_annotations(cache):
    dataset = synthetic()
    items = dataset.videos()
    assert [item.id for item in items] == [f"{i:03d}-{kind}.mp4" for i, kind in enumerate(KINDS)]
    assert {item.path.parent for item in items} == {cache / "synthetic" / dataset.revision()}
    for item in items:
        with av.open(str(item.path)) as container:
            n = sum(1 for _ in container.decode(video=0))
        assert n == 10
        assert item.annotation.shots[-1, 1] == n
        item.annotation.aligned(np.arange(n) / 25, item.id)
    written = read_annotations(items[0].path.parent / "annotations.json", [item.id for item in items])
    assert all(same(written[item.id], item.annotation) for item in items)


def test_the_folder_can_be_read_by_folder(tmp_path):
    items = synthetic(root=str(tmp_path / "s"), n_videos=3).videos()
    read = Dataset.registry.build("folder", {"root": str(tmp_path / "s")}).videos()
    assert [(r.id, r.path) for r in read] == [(i.id, i.path) for i in items]
    assert all(same(r.annotation, i.annotation) for r, i in zip(read, items, strict=True))


def test_what_is_there_is_reused(tmp_path):
    first = stamps(synthetic(root=str(tmp_path / "s"), n_videos=2).videos())
    assert stamps(synthetic(root=str(tmp_path / "s"), n_videos=2).videos()) == first
    more = stamps(synthetic(root=str(tmp_path / "s"), n_videos=3).videos())
    assert {name: more[name] for name in first} == first
    fewer = synthetic(root=str(tmp_path / "s"), n_videos=1).videos()
    assert stamps(fewer).items() <= first.items()
    assert sorted(p.name for p in (tmp_path / "s").glob("*.mp4")) == [fewer[0].id]
    assert list(read_annotations(tmp_path / "s" / "annotations.json")) == [fewer[0].id]


@pytest.mark.parametrize("damage", ["seed", "duration", "renderer", "truncated", "deleted", "record", "annotations"])
def test_what_does_not_fit_is_rendered_again(tmp_path, monkeypatch, damage):
    root = tmp_path / "s"
    items = synthetic(root=str(root), n_videos=1).videos()
    good, old = items[0].path.read_bytes(), stamps(items)
    params = {"seed": {"seed": 7}, "duration": {"duration_s": 0.8}}.get(damage, {})
    if damage == "renderer":
        monkeypatch.setattr(module, "RENDERER_VERSION", module.RENDERER_VERSION + 1)
    elif damage == "truncated":
        items[0].path.write_bytes(good[:100])
    elif damage in ("deleted", "annotations"):
        (items[0].path if damage == "deleted" else root / "annotations.json").unlink()
    elif damage == "record":
        (root / "rendered.json").write_text("{")
    again = synthetic(root=str(root), n_videos=1, **params).videos()
    assert (stamps(again) == old) == (damage == "annotations")
    assert (again[0].path.read_bytes() == good) == (not params)
    assert same(read_annotations(root / "annotations.json")[again[0].id], again[0].annotation)


def test_somebodys_files_are_safe(tmp_path):
    (tmp_path / "annotations.json").write_text("precious")
    with pytest.raises(UsageError, match=r"annotations.json.*empty folder with dataset.root=DIR"):
        synthetic(root=str(tmp_path)).videos()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        synthetic(root=str(tmp_path / "file")).videos()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["annotations.json", "file"]
    assert (tmp_path / "annotations.json").read_text() == "precious"


def test_a_record_cannot_delete_outside_its_folder(tmp_path):
    (tmp_path / "keep.mp4").write_text("")
    root = tmp_path / "s"
    root.mkdir()
    (root / "rendered.json").write_text(json.dumps({"videos": {"../keep.mp4": {}}}))
    synthetic(root=str(root), n_videos=1).videos()
    assert (tmp_path / "keep.mp4").exists()


def test_a_killed_rendering_is_completed(tmp_path, monkeypatch):
    def killed(path, kind, seed, **kwargs):
        if kind == KINDS[2]:
            raise KeyboardInterrupt
        return render(path, kind, seed, **kwargs)

    render = films.render_video
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(films, "render_video", killed)
        synthetic(root=str(tmp_path / "s"), n_videos=4).videos()
    assert not (tmp_path / "s" / "annotations.json").exists()
    done = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").glob("*.mp4")}
    assert len(done) == 2
    items = synthetic(root=str(tmp_path / "s"), n_videos=4).videos()
    assert {name: stamp for name, (stamp, _) in stamps(items).items() if name in done} == done


@pytest.mark.parametrize(
    ("params", "damaged", "stays"), [({}, False, True), ({"seed": 7}, False, False), ({"seed": 7}, True, False)]
)
def test_annotations_of_these_videos_stay_while_one_is_rendered_again(tmp_path, monkeypatch, params, damaged, stays):
    items = synthetic(root=str(tmp_path / "s"), n_videos=2).videos()
    items[1].path.unlink()
    if damaged:
        (tmp_path / "s" / "rendered.json").write_text("{")
    monkeypatch.setattr(films, "render_video", None)
    with pytest.raises(TypeError):
        synthetic(root=str(tmp_path / "s"), n_videos=2, **params).videos()
    assert (tmp_path / "s" / "annotations.json").exists() == stays


def test_two_processes_may_render_at_once(tmp_path):
    code = """if True:
        import hashlib, sys; from keyframe_bench.datasets.synthetic import Synthetic
        items = Synthetic(root=sys.argv[1], duration_s=1.0).videos()
        print([hashlib.sha256(i.path.read_bytes()).hexdigest() for i in items])"""
    start = partial(subprocess.Popen, stdout=subprocess.PIPE, text=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [start([sys.executable, "-c", code, str(tmp_path / "s")], env=environment) for _ in range(2)]
    answers = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert len(list((tmp_path / "s").iterdir())) == 8 + 2  # no temporary file is left


def test_revision_follows_the_parameters_not_the_place(tmp_path):
    assert len({synthetic(**p).revision() for p in ({}, {"seed": 1}, {"n_videos": 9}, {"duration_s": 0.5})}) == 4
    assert synthetic(root=str(tmp_path)).revision() == synthetic().revision()
