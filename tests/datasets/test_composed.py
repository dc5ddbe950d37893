"""The data set `composed`: real videos whose cuts, dissolves and sources are exactly what is declared."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets._annotations import read_annotations
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.video import compose, onepass
from keyframe_bench.video.compose import Material, make_edit, read_material
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264

COLOURS = [(220, 30, 30), (30, 200, 30), (40, 40, 230), (220, 210, 20), (200, 30, 200), (20, 200, 210)]
RATES = [25, 30, 10, 50, 12.5, 24]
PER_SECOND = 25  # grey levels that the right half of a clip brightens in a second


def write_clip(path, colour, fps, seconds=8.0, height=48, width=64):
    """Left half: whose clip it is. Right half: a grey level that tells the time."""

    def pictures():
        for i in range(round(seconds * fps)):
            picture = np.empty((height, width, 3), np.uint8)
            picture[:, : width // 2] = colour
            picture[:, width // 2 :] = 20 + round(PER_SECOND * i / fps)
            yield picture

    write_h264(path, pictures(), fps)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for i, (colour, fps) in enumerate(zip(COLOURS, RATES, strict=True)):
        write_clip(folder / f"{'abcdef'[i]}.mp4", colour, fps)
    return folder


@pytest.fixture
def clips(made, tmp_path):
    return shutil.copytree(made, tmp_path / "clips")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def composed(clips, **params):
    small = {"n_videos": 1, "duration_s": 30.0, "height": 48, "width": 64}
    return Dataset.registry.build("composed", {"clips": clips and str(clips), **small, **params})


def record_of(item):
    return json.loads((item.path.parent / "composed.json").read_text())["videos"][item.id]


def decoded(path):
    """Return the mean colour of the left half and the grey level of the right half of every frame."""
    with VideoReader(path) as reader:
        pictures = np.stack([frame.full_rgb().astype(float) for frame in reader])
    return pictures[:, :, 4:28].mean(axis=(1, 2)), pictures[:, :, 36:60].mean(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def one(made, tmp_path_factory):
    """Return a composed video of 60 s, its record, and what its frames show."""
    root = tmp_path_factory.mktemp("out") / "set"
    (item,) = composed(made, root=str(root), duration_s=60.0, seed=4).videos()
    return item, record_of(item), *decoded(item.path)


def test_every_frame_shows_the_declared_clip_at_the_declared_time(one):
    item, record, colour, grey = one
    assert len(colour) == 1500 == item.annotation.shots[-1, 1]
    assert [shot["frames"] for shot in record["shots"]] == item.annotation.shots.tolist()
    mixed = np.isin(np.arange(1500), np.concatenate([np.arange(*span) for span in record["dissolves"]]))
    assert 0 < mixed.sum() < 750
    for shot in record["shots"]:
        first, end = shot["frames"]
        frames = np.arange(first, end)[~mixed[first:end]]
        which = "abcdef".index(shot["clip"][0])
        assert np.abs(colour[frames] - COLOURS[which]).max() < 25, shot
        seconds = shot["clip_s"][0] + (frames - first) / 25
        shown = (grey[frames] - 20) / PER_SECOND
        # nearest in time: never farther than half a frame of the clip; half a level as drawn, two for the codec
        assert np.abs(shown - seconds).max() <= 0.5 / RATES[which] + 2.5 / PER_SECOND
        assert abs(np.mean(shown - seconds)) < 0.03 + 0.3 / RATES[which]


def test_cuts_are_hard_and_exact(one):
    _, record, colour, _ = one
    middles = {sum(span) // 2 for span in record["dissolves"]}
    cuts = [shot["frames"][0] for shot in record["shots"][1:] if shot["frames"][0] not in middles]
    steps = np.abs(np.diff(colour, axis=0)).max(axis=1)
    assert len(cuts) >= 3
    mixed = {f for first, end in record["dissolves"] for f in range(first - 1, end + 1)}
    jumps = {int(i) + 1 for i in np.flatnonzero(steps > 60)} - mixed
    assert jumps == set(cuts)


def test_dissolves_are_exact(one):
    _, record, colour, _ = one
    assert record["dissolves"]
    for first, end in record["dissolves"]:
        before, after = colour[first - 1], colour[end]
        along = after - before
        weight = (colour[first:end] - before) @ along / (along @ along)
        assert np.abs(weight - np.arange(1, end - first + 1) / (end - first + 1)).max() < 0.06
        middle = (first + end) // 2
        assert middle in [shot["frames"][0] for shot in record["shots"]]
        assert weight[middle - first] > 0.5 > weight[middle - first - 1]


def test_annotators_and_annotation_file(one):
    item, _, _, _ = one
    assert [user.name for user in item.annotation.users] == [f"user{u}" for u in range(1, 6)]
    assert all(len(user) >= 1 and np.all(user.frames % 25 == 0) for user in item.annotation.users)  # one frame a second
    item.annotation.aligned(np.arange(1500) / 25, item.id)
    written = read_annotations(item.path.parent / "annotations.json", [item.id])[item.id]
    assert written.shots.tolist() == item.annotation.shots.tolist()
    assert [u.frames.tolist() for u in written.users] == [u.frames.tolist() for u in item.annotation.users]


def test_the_clips_of_train_and_test_are_disjoint(clips):
    used = {}
    for split in ("train", "test", "all"):
        items = composed(clips, split=split, n_videos=3, duration_s=40.0).videos()
        used[split] = {shot["clip_sha256"] for item in items for shot in record_of(item)["shots"]}
    assert not used["train"] & used["test"]
    assert len(used["test"]) == 2 and len(used["train"]) == 4
    other = {clip.read.info.sha256 for clip in composed(clips, split="test", seed=7)._material()}
    assert other == used["test"]  # another seed cannot bring a training clip into the test
    assert used["train"] | used["test"] == used["all"]


def test_a_copied_or_renamed_clip_cannot_leak_into_the_other_split(clips):
    before = [clip.read.info.sha256 for clip in composed(clips, split="test")._material()]
    for name in "abcdef":
        shutil.copy(clips / f"{name}.mp4", clips / f"copy of {name}.mp4")
    (clips / "a.mp4").rename(clips / "z.mp4")
    test = [clip.read.info.sha256 for clip in composed(clips, split="test")._material()]
    train = [clip.read.info.sha256 for clip in composed(clips, split="train")._material()]
    assert sorted(test) == sorted(before) and not set(test) & set(train) and len(set(train)) == len(train) == 4


def test_the_same_parameters_give_the_same_bytes(clips, tmp_path):
    first = composed(clips, root=str(tmp_path / "one")).videos()[0]
    again = composed(clips, root=str(tmp_path / "two")).videos()[0]
    assert first.path.read_bytes() == again.path.read_bytes()
    for name in ("annotations.json", "composed.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    other = composed(clips, root=str(tmp_path / "three"), seed=1).videos()[0]
    assert other.path.read_bytes() != first.path.read_bytes()


def test_revision_follows_clips_and_parameters_not_places(clips, tmp_path):
    base = composed(clips).revision()
    variants = ({"seed": 1}, {"n_users": 3}, {"n_videos": 2}, {"duration_s": 31.0}, {"exclude": "a*"}, {"width": 66})
    texts = {composed(clips, **p).revision() for p in (*variants, {"split": "test"}, {"users_every_s": 0.0})}
    assert len(texts) == 8 and base not in texts
    moved = shutil.copytree(clips, tmp_path / "moved")
    assert composed(moved, root=str(tmp_path / "r")).revision() == base
    write_clip(moved / "a.mp4", COLOURS[0], 25, seconds=7.9)
    assert composed(moved).revision() != base


def test_only_what_changed_is_made_again(clips, tmp_path):
    root = str(tmp_path / "set")
    item = composed(clips, root=root).videos()[0]
    stamp = item.path.stat().st_mtime_ns
    fewer = composed(clips, root=root, n_users=2).videos()[0]  # other annotators, the same video
    assert item.path.stat().st_mtime_ns == stamp
    written = read_annotations(tmp_path / "set" / "annotations.json")[item.id]
    assert len(written.users) == len(fewer.annotation.users) == 2
    for n in (0, 1):
        (item,) = composed(clips, root=root, n_users=n).videos()
        assert len(item.annotation.users) == n
    composed(clips, root=root, n_videos=2).videos()
    assert item.path.stat().st_mtime_ns == stamp
    (clips / "a.mp4").unlink()
    changed = composed(clips, root=root).videos()[0]
    assert "a.mp4" not in {shot["clip"] for shot in record_of(changed)["shots"]}


def test_a_clip_is_read_again_only_when_it_has_changed(clips, monkeypatch):
    read, opened = onepass.read_pass, []
    monkeypatch.setattr(
        onepass, "read_pass", lambda path, *rest, **named: opened.append(path) or read(path, *rest, **named)
    )
    dataset = composed(clips)
    first, before = dataset.videos(), dataset.revision()
    assert [item.id for item in dataset.videos()] == [item.id for item in first]
    assert len(opened) == len(COLOURS)
    write_clip(clips / "c.mp4", (10, 90, 90), 25, seconds=6.0)
    assert dataset.revision() != before
    assert opened[len(COLOURS) :] == [clips / "c.mp4"]


def test_clips_of_any_shape_fill_the_picture(clips):
    write_clip(clips / "tall.mp4", (250, 250, 250), 25, height=160, width=48)
    write_clip(clips / "wide.mp4", (250, 250, 250), 25, height=32, width=200)
    (item,) = composed(clips, exclude="[a-f].mp4").videos()
    with VideoReader(item.path) as reader:
        darkest = min(int(frame.full_rgb()[:, :20].min()) for frame in reader)
    assert darkest > 235  # their left half is white: no bars


def test_every_edit_is_possible():
    rng = np.random.default_rng(0)
    for _ in range(500):
        lengths = rng.integers(10, rng.integers(11, 1000), size=int(rng.integers(2, 20))).tolist()
        n = int(rng.integers(50, 3000))
        edit = make_edit(lengths, n, rng)
        ends = [take.end for take in edit]
        assert [take.first for take in edit] == [0, *ends[:-1]] and ends[-1] == n
        halves = [0, *(take.fade // 2 for take in edit)]
        for take, before, after in zip(edit, halves, halves[1:], strict=False):
            assert before + after <= len(take)
            assert before <= take.start and take.start + len(take) + after <= lengths[take.clip]
        assert all(one.clip != two.clip for one, two in pairwise(edit))


def test_edits_are_as_stated():
    rng = np.random.default_rng(1)
    edits = [make_edit([2500] * 60, 2500, rng) for _ in range(300)]
    lengths = np.concatenate([[len(take) / 25 for take in edit[:-1]] for edit in edits])
    assert np.median(lengths) == pytest.approx(compose.SHOT_MEDIAN_S, rel=0.1)
    assert np.std(np.log(lengths)) == pytest.approx(compose.SHOT_LOG_SD, rel=0.1)
    assert lengths.min() >= compose.SHOT_LEAST_S
    fades = [take.fade > 0 for edit in edits for take in edit[:-1]]
    assert np.mean(fades) == pytest.approx(compose.DISSOLVE_SHARE, abs=0.03)
    returns = [take.clip in {t.clip for t in edit[:i]} for edit in edits for i, take in enumerate(edit) if i >= 2]
    assert np.mean(returns) == pytest.approx(compose.RETURN_SHARE, abs=0.04)
    for edit in edits:  # a clip goes on where it was left: nothing is shown twice
        for clip in {take.clip for take in edit}:
            ranges = [(take.start, take.start + len(take)) for take in edit if take.clip == clip]
            assert all(a[1] <= b[0] for a, b in pairwise(ranges))


def test_nearest_frame_by_time_stamp(made):
    slow = read_material("c.mp4", made / "c.mp4")  # 10 frames per second
    assert slow.n_frames == 200
    assert slow.ordinals(0, 10).tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4]
    assert isinstance(slow, Material)


@pytest.mark.parametrize(
    ("prepare", "params", "message"),
    [
        (None, {"clips": None}, r"give dataset.clips=DIR"),
        (None, {"clips": "nowhere"}, r"does not exist"),
        ("file", {}, r"is not a folder"),
        ("empty", {}, r"no video file"),
        ("copies", {}, r"at least 2 different clips"),
        (None, {"split": "test", "exclude": "[a-c].mp4"}, r"at least 4 different clips"),
        (None, {"exclude": "*"}, r"all 6 clips are excluded"),
        ("damaged", {}, r"clip 'b.mp4' cannot be read"),
        ("short", {}, r"'short.mp4' is shorter"),
        (None, {"width": 65}, r"width=65 is odd"),
    ],
)
def test_what_is_wrong_is_named(clips, tmp_path, cache, prepare, params, message):
    if prepare in ("file", "empty", "copies"):
        kept = (clips / "a.mp4").read_bytes()
        shutil.rmtree(clips)
        if prepare == "file":
            clips.write_bytes(kept)
        else:
            clips.mkdir()
            for name in ["a.mp4", "b.mp4"] if prepare == "copies" else []:
                (clips / name).write_bytes(kept)
    elif prepare == "damaged":
        (clips / "b.mp4").write_bytes(b"no video at all")
    elif prepare == "short":
        write_clip(clips / "short.mp4", COLOURS[0], 25, seconds=0.2)
    with pytest.raises(UsageError, match=message):
        composed(**{"clips": clips, "root": str(tmp_path / "set"), **params}).videos()
    assert not (tmp_path / "set").exists() and not cache.exists()  # nothing half made


def test_somebodys_files_are_safe(clips, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "all-000.mp4").write_text("precious")
    with pytest.raises(UsageError, match=r"did not render, such as 'all-000.mp4'; give an empty folder"):
        composed(clips, root=str(tmp_path / "mine")).videos()
    assert (tmp_path / "mine" / "all-000.mp4").read_text() == "precious"
    Dataset.registry.build("synthetic", {"root": str(tmp_path / "s"), "n_videos": 1, "duration_s": 0.4}).videos()
    with pytest.raises(UsageError, match="did not render"):
        composed(clips, root=str(tmp_path / "s")).videos()
    for root in (clips, clips / "below"):
        with pytest.raises(UsageError, match="folder of the clips"):
            composed(clips, root=str(root)).videos()


def test_on_the_command_line(clips, tmp_path, cli):
    odd = clips.rename(tmp_path / "clips, (a=b)")
    status, output, errors = cli(
        "run", "dataset=composed", f"dataset.clips={odd}", f"dataset.root={tmp_path / 'set'}", "dataset.n_videos=1",
        "dataset.duration_s=12", "dataset.height=48", "dataset.width=64", "extractors=[pixel_distance]", "budget=3",
        "executor=serial", f"out={tmp_path / 'out'}",
    )  # fmt: skip
    assert (status, "human" in output) == (0, True), errors
    status, _, errors = cli("run", "dataset=composed", "extractors=[uniform]", f"out={tmp_path / 'o2'}")
    assert status == 2 and "give dataset.clips=DIR" in errors


def test_groups_share_no_clip_and_one_group_changes_nothing(clips, tmp_path):
    plain = composed(clips, n_videos=2, root=str(tmp_path / "plain"))
    one = composed(clips, n_videos=2, groups=1, root=str(tmp_path / "one"))
    assert one.revision() == plain.revision()
    pairs = zip(one.videos(), plain.videos(), strict=True)
    assert all(a.path.read_bytes() == b.path.read_bytes() for a, b in pairs)
    assert {item.group for item in one.videos()} == {""}

    root = tmp_path / "dealt"
    items = composed(clips, n_videos=4, groups=2, root=str(root)).videos()
    record = json.loads((root / "composed.json").read_text())["videos"]
    shown = {item.id: {shot["clip"] for shot in record[item.id]["shots"]} for item in items}
    assert items[0].group == items[2].group != items[1].group == items[3].group
    of_group = [shown[items[i].id] | shown[items[i + 2].id] for i in (0, 1)]
    assert not of_group[0] & of_group[1]
    with pytest.raises(UsageError, match="groups=4"):
        composed(clips, groups=4, root=str(tmp_path / "four")).videos()
