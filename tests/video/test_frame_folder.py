"""Folders of images as videos: order, times, health, identity, and everything that takes the path of a video."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import keyframe_bench as kb
from keyframe_bench.core.errors import OutputError, UnavailableError, UsageError, VideoError
from keyframe_bench.core.processes import anonymous_mb
from keyframe_bench.features.container import SourceFile
from keyframe_bench.features.images import Gray, Rgb
from keyframe_bench.video.frame_folder import sha256_of_video
from keyframe_bench.video.image_files import fit, read_rgb
from keyframe_bench.video.onepass import read_pass


def scene(n, height=24, width=32, seed=0):
    """Images that all differ, with a change of scene in the middle."""
    rng = np.random.default_rng(seed)
    flat = rng.integers(0, 200, (2, 3))
    made = []
    for i in range(n):
        picture = np.full((height, width, 3), flat[int(i >= n // 2)], dtype=np.uint8)
        picture[i % height] += 1 + i % 50
        made.append(picture)
    return made


def put(folder, names, pictures=None, **how):
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(names, pictures or scene(len(names)), strict=True):
        Image.fromarray(picture).save(folder / name, **how)
    return folder


def assert_shown(found, drawn):
    assert all(np.array_equal(*pair) for pair in zip(found.pictures(), drawn, strict=True))


@pytest.fixture
def folder(tmp_path):
    return put(tmp_path / "frames", [f"frame_{i}.png" for i in range(1, 21)])


def problems(path, **options):
    return " | ".join(kb.extract(path, "uniform", budget=1, **options).source.health.problems)


def test_frames_are_the_pictures_in_natural_order(folder):
    found = kb.extract(folder, "uniform", budget=20, sampling="every", fps=10)
    assert found.frames.tolist() == list(range(20))  # frame_2 before frame_10
    assert found.times.tolist() == [i / 10 for i in range(20)]
    assert_shown(found, scene(20))
    assert (found.video.width, found.video.height, found.video.n_frames) == (32, 24, 20)
    assert found.video.duration_s == pytest.approx(2) and found.video.name == "frames"
    assert found.source.health.problems == []
    assert found.source.keys.all() and not found.source.health.from_packets
    zeros = put(folder.parent / "f", ["f_010.png", "f_2.png", "f_001.png", "f_9.png"])
    found = kb.extract(zeros, "uniform", budget=4, sampling="every")
    assert_shown(found, [scene(4)[n] for n in (2, 1, 3, 0)])
    assert found.video.fps == pytest.approx(25) and "25" in " ".join(found.source.health.problems)


def test_it_is_the_same_video_as_a_film_of_the_same_images(folder, encode):
    film = encode("film.mkv", scene(20), codec="ffv1", pix_fmt="bgr0")
    for name in ("pixel_distance", "vsumm", "histogram_distance", "spectral"):
        ours, theirs = (kb.extract(path, name, budget=3, sampling="every") for path in (folder, film))
        assert ours.frames.tolist() == theirs.frames.tolist() and ours.times == pytest.approx(theirs.times)


def test_what_cannot_be_read_leaves_a_gap_and_is_named(tmp_path):
    folder = put(tmp_path / "f", [f"a{i:02d}.jpg" for i in range(12)], quality=95)
    (folder / "a03.jpg").write_bytes((folder / "a03.jpg").read_bytes()[:400])
    (folder / "a05.jpg").write_bytes(b"")
    (folder / "a07.jpg").write_text("no image")
    (folder / "a09.jpg").unlink()
    os.mkfifo(folder / "a09.jpg")
    (folder / "a99.jpg").mkdir()
    (folder / "a50.json").write_text("{}")
    (folder / ".a00.jpg").write_bytes(b"hidden")
    found = kb.extract(folder, "uniform", budget=8, sampling="every", fps=10)
    assert found.times.tolist() == pytest.approx([0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.1])
    assert found.frames.tolist() == list(range(8))
    assert np.array_equal(next(iter(found.pictures())), read_rgb(folder / "a00.jpg"))
    told = " ".join(found.health["problems"])
    assert found.health["decode_errors"] == 4
    assert all(text in told for text in ("a03.jpg", "a05.jpg", "empty", "a07.jpg", "a09.jpg", "not a regular file"))
    assert "a99" not in told and "json" not in told
    probe = read_pass(kb.FrameFolder(folder, fps=10), {"every": [Gray(2, 2)]}, limit=4).health
    assert (probe.decode_errors, probe.declared_frames, probe.decoded_frames) == (1, 11, 4)


def test_names_that_are_not_utf8_and_links(tmp_path):
    folder = put(tmp_path / "f", ["a.png", "b.png"])
    try:
        (folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("the file system takes no such names")
    (folder / "d.png").symlink_to(folder / "b.png")
    (folder / "e.png").symlink_to("nowhere.png")
    found = kb.extract(folder, "uniform", budget=3, sampling="every", fps=1)
    assert found.video.n_frames == 3 and "e.png" in " ".join(found.health["problems"])
    json.dumps(found.to_json())


def test_a_picture_without_permission(folder, monkeypatch):
    real = Path.read_bytes

    def refuse(path):
        if path.name == "frame_4.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)  # chmod does not stop root
    assert "frame_4.png (Permission denied)" in problems(folder, fps=5)


def test_times_by_the_numbers_in_the_names(tmp_path):
    folder = put(tmp_path / "f", ["cam1_0100.png", "cam1_0101.png", "cam1_0105.png"])
    found = kb.extract(folder, "uniform", budget=3, sampling="every", fps=10, times="names")
    assert found.times.tolist() == pytest.approx([10.0, 10.1, 10.5])
    put(folder, ["cover.png"])
    with pytest.raises(VideoError, match=r"cover\.png.*no number"):
        kb.extract(folder, "uniform", fps=10, times="names")
    assert kb.extract(folder, "uniform", budget=1, fps=10).video.n_frames == 4


def test_numbers_that_repeat_as_times_are_told_and_images_found_again(tmp_path):
    folder = put(tmp_path / "f", ["a_1.png", "a_2.png", "b_1.png", "b_2.png"])
    found = kb.extract(folder, "uniform", budget=4, sampling="every", fps=10, times="names")
    assert found.health["non_monotonic_pts"] == 1
    assert_shown(found, scene(4))


NUMBERED = {
    "f1 f2 f3 f6": "4 to 5", "f10 f20 f40 f50": "30", "f1 f01 f2": "f01.png", "a1 a2 b1 b2": "2 sequences",
    "f1 f2 f3": "", "f10 f20 f30": "", "one two": "", f"f{'9' * 200} f1": "",
}  # fmt: skip


@pytest.mark.parametrize("names", NUMBERED)
def test_gaps_and_repeats_in_the_numbering(tmp_path, names):
    told = problems(put(tmp_path / "f", [f"{name}.png" for name in names.split()]), fps=10)
    assert NUMBERED[names] in told and bool(told) == bool(NUMBERED[names])


def test_sizes_that_differ_are_named(tmp_path):
    folder = put(tmp_path / "f", ["1.png", "2.png"])
    put(folder, ["3.jpg"], scene(1, 48, 40))
    found = kb.extract(folder, "pixel_distance", budget=2, sampling="every", fps=2)
    assert found.health["size_changes"] == 1
    assert "24 x 32 (2" in (told := " ".join(found.health["problems"])) and "48 x 40 (1, such as 3.jpg" in told
    shapes = [picture.shape for picture in kb.extract(folder, "uniform", budget=3, sampling="every").pictures()]
    assert shapes == [(24, 32, 3), (24, 32, 3), (48, 40, 3)]


def test_wrong_options_and_folders(folder, encode, tmp_path):
    film, empty = encode("frames/film.mp4", scene(5)), tmp_path / "empty"
    empty.mkdir()
    for path, options, error, said in (
        *((folder, {"fps": fps}, UsageError, "fps") for fps in (0, -1, float("nan"), float("inf"), "25", True)),
        (folder, {"times": "ptses"}, UsageError, "times"),
        (film, {"fps": 25}, UsageError, "folders of images"),
        (film, {"times": "names"}, UsageError, "folders of images"),
        (tmp_path / "nothing", {"fps": 25}, VideoError, "no such file"),
        (empty, {"fps": 25}, VideoError, "no image"),
        (folder, {}, VideoError, "video files"),  # its pictures may be the covers of films
    ):
        with pytest.raises(error, match=said):
            kb.extract(path, "uniform", **options)
    assert kb.extract(folder, "uniform", fps=5).video.n_frames == 20
    with pytest.raises(UnavailableError, match="folder of images"):
        read_pass(kb.FrameFolder(folder, fps=5), {"every": [SourceFile(tool="tool")]})
    (empty / "a.jpg").write_bytes(b"")
    with pytest.raises(VideoError, match=r"a\.jpg"):
        kb.extract(empty, "uniform", fps=25)


def test_identity_is_names_bytes_and_rate(folder):
    def sha(**options):
        return sha256_of_video(kb.FrameFolder(folder, **options))

    before = sha(fps=25)
    (folder / "notes.txt").write_text("not an image")
    assert sha(fps=25) == before == kb.extract(folder, "uniform", fps=25).video.sha256
    assert len({before, sha(fps=24), sha(fps=25, times="names")}) == 3
    (folder / "frame_3.png").rename(folder / "frame_33.png")
    renamed = sha(fps=25)
    assert renamed != before
    (folder / "frame_33.png").rename(folder / "frame_3.png")
    assert sha(fps=25) == before
    Image.fromarray(scene(1, seed=9)[0]).save(folder / "frame_3.png")
    assert sha(fps=25) != before


def test_stored_and_single_threaded_passes_are_equal(folder, store, threads):
    wanted = {"every": [Gray(height=6, width=8)]}
    video = kb.FrameFolder(folder, fps=12.5)
    plain, first = read_pass(video, wanted), read_pass(video, wanted, store=store)
    again = read_pass(video, wanted, store=store)
    assert again.decode_s == first.decode_s  # not read again
    threads(1)
    for read in (first, again, read_pass(video, wanted)):
        assert read.info == plain.info and read.health == plain.health
        assert np.array_equal(read.checksums, plain.checksums) and np.array_equal(read.times, plain.times)
        ours, theirs = (r.clip("every", wanted["every"])[wanted["every"][0]] for r in (read, plain))
        assert np.array_equal(ours, theirs)


def test_a_folder_that_changes_is_told(folder, tmp_path):
    found = kb.extract(folder, "uniform", budget=2, fps=25)
    (folder / "frame_1.png").unlink()
    with pytest.raises(VideoError, match="changed"):
        found.save(tmp_path / "out")
    with pytest.raises(VideoError):
        list(found.pictures())


def test_saving_and_key_clips(folder, tmp_path):
    found = kb.extract(folder, "pixel_distance", budget=2, fps=10)
    out = found.save(tmp_path / "out", clips=kb.ClipRules(quiet_s=0.2, post_roll_s=0.3))
    record = json.loads((out / "clips.json").read_text())
    assert record["n_clips"] >= 1
    for clip in record["clips"]:
        with av.open(str(out / clip["file"])) as container:
            shown = [float(frame.time) for frame in container.decode(video=0)]
        assert len(shown) == clip["frames"][1] - clip["frames"][0]
        assert np.diff(shown) == pytest.approx(0.1, abs=1e-3)
    slow = kb.extract(folder, "uniform", budget=2, fps=1e-6)
    with pytest.raises(VideoError, match="fps"):
        slow.save(tmp_path / "slow", clips=kb.ClipRules())
    assert not (tmp_path / "slow").exists()
    with pytest.raises(OutputError, match="images"):
        found.save(folder)
    assert not (folder / "keyframes.json").exists()


@pytest.mark.parametrize("fps", [1e-3, 0.5, 23.976, 29.97, 1000, 1e6])
def test_key_clips_at_odd_rates(folder, tmp_path, fps):
    found = kb.extract(folder, "uniform", budget=2, sampling="every", fps=fps)
    found.save(tmp_path / "out", clips=kb.ClipRules(quiet_s=4 / fps, post_roll_s=4 / fps))
    assert json.loads((tmp_path / "out" / "clips.json").read_text())["n_clips"] >= 1


def test_sweep_and_workers_take_folders(folder, tmp_path):
    video = kb.FrameFolder(folder, fps=30, times="names")
    assert pickle.loads(pickle.dumps(video)) == video
    assert os.fspath(video) == str(folder) and Path(video) == folder
    other = put(tmp_path / "more", ["a.jpg", "b.jpg", "c.jpg"])
    table = kb.sweep([video, other], ["pixel_distance"], budget=2, n_jobs=2)
    assert set(table["video"]) == {"frames", "more"} and (table["status"] == "ok").all()
    assert set(kb.sweep(folder, ["uniform"], budget=2)["video"]) == {"frames"}


def test_one_pixel_and_kinds_of_pictures(tmp_path):
    folder = put(tmp_path / "f", ["1.png"], scene(1, 1, 1))
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).save(folder / "2.png")
    Image.new("RGBA", (7, 5), (255, 0, 0, 0)).save(folder / "3.png")
    Image.new("P", (7, 5)).save(folder / "4.gif")
    found = kb.extract(folder, "uniform", budget=4, sampling="every", fps=1)
    assert_shown(found, [read_rgb(folder / name) for name in ("1.png", "2.png", "3.png", "4.gif")])


@pytest.mark.data
def test_resized_as_pictures_of_a_training_are(data_root):
    """Bit for bit, shrinking, growing and both, on a thousand photographs of many sizes."""
    root = data_root / "images" / "imagenet_sample"
    features = [Rgb(height=h, width=w) for h, w in ((72, 144), (18, 32), (300, 60), (40, 700), (260, 520))]
    video = kb.FrameFolder(root, fps=1, photographs=True)
    read = read_pass(video, {"every": features})
    assert read.info.n_frames == 1000 and not read.health.problems
    clip = read.clip("every", features)
    for place, file in enumerate(video.files()):
        picture = read_rgb(file)
        for feature in features:
            assert np.array_equal(clip[feature][place], fit(picture, feature.height, feature.width, "stretch"))


@pytest.mark.slow
def test_ten_thousand_small_pictures(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    blank = scene(1)[0]
    for i in range(10_000):
        blank[0, 0] = i % 256
        Image.fromarray(blank).save(folder / f"{i}.png", compress_level=1)
    before = anonymous_mb()  # of tests in the same process
    found = kb.extract(folder, "uniform", budget=5, fps=25)
    assert found.video.n_frames == 10_000 and found.keyframes.cost["peak_mb"] - before < 300
