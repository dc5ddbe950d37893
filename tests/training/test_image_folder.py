"""Photographs for training: a split that stays, copies and look-alikes on one side, damage that is told."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets.image_folder import looks_like_caltech_256
from keyframe_bench.features.images import Rgb
from keyframe_bench.training.defects import defects
from keyframe_bench.training.reading import read_parts
from keyframe_bench.video.image_files import fit, read_rgb

Sides = tuple[np.ndarray, np.ndarray, dict[str, Any]]


@pytest.fixture
def read(data, pictures) -> Callable[..., Sides]:
    """Return the images that train, those held out, and the facts."""

    def read_folder(root: Path, height: int = 8, width: int = 12, **given: Any) -> Sides:
        resize = given.pop("resize", "stretch")
        return pictures(data("image_folder", root, **given), height, width, resize)

    return read_folder


def put(root: Path, *names: str, seed: int = 0) -> list[Path]:
    """Write small images, each another."""
    rng = np.random.default_rng(seed)
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (24, 16)))
    return paths


def many(root: Path, n: int = 60, classes: int = 3) -> None:
    put(root, *(f"class {i % classes}/{i:03d}.png" for i in range(n)))


def as_set(pictures: np.ndarray) -> set[bytes]:
    return {picture.tobytes() for picture in pictures}


def numbers_of(root: Path, pictures: np.ndarray) -> list[int]:
    """Which files these are, read at their own size."""
    known = {read_rgb(path).tobytes(): int(path.stem) for path in root.rglob("*.png")}
    return [known[picture.tobytes()] for picture in pictures]


def test_the_split_is_that_of_every_version_before(tmp_path, read) -> None:
    """The numbers are those of the first implementation: by a hash of the names, in the order that a limit takes."""
    many(tmp_path)
    train, validation, facts = read(tmp_path, 16, 24)
    assert facts["mirrored"] and (facts["name"], facts["frames"], facts["videos"]) == (tmp_path.name, 60, 3)
    assert len(train) + len(validation) == 60 and train.dtype == np.uint8 and defects(facts) == []
    assert numbers_of(tmp_path, validation) == [13, 17, 24, 58, 11, 27, 46, 30, 44, 43, 9, 1, 52, 28]
    assert numbers_of(tmp_path, train)[:9] == [6, 56, 10, 51, 23, 22, 12, 4, 47]
    train, validation, _ = read(tmp_path, 16, 24, split_seed=7)
    wanted = [18, 19, 14, 15, 25, 23, 3, 40, 11, 6, 34, 8, 39, 28, 17, 12, 20]
    assert numbers_of(tmp_path, validation) == wanted
    assert numbers_of(tmp_path, train)[:9] == [53, 57, 16, 44, 36, 10, 1, 35, 48]


@pytest.mark.parametrize("resize", ["letterbox", "crop"])
def test_images_are_those_that_fit_gives_and_are_decoded_once(tmp_path, read, monkeypatch, resize) -> None:
    many(tmp_path, 12)
    wanted = {fit(read_rgb(path), 8, 24, resize).tobytes() for path in tmp_path.rglob("*.png")}
    train, validation, _ = read(tmp_path, 8, 24, resize=resize)
    assert as_set(train) | as_set(validation) == wanted and len(wanted) == 12
    monkeypatch.setattr("keyframe_bench.video.folder_reader.read_rgb", None)
    train, validation, _ = read(tmp_path, 8, 24, resize=resize, split_seed=3)
    assert as_set(train) | as_set(validation) == wanted
    with pytest.raises(TypeError):
        read(tmp_path, 8, 14, resize=resize)


@pytest.mark.parametrize("split", ["videos:0.5", "temporal:0.5"])
def test_copies_of_pictures_that_train_are_not_held_out(tmp_path, read, split) -> None:
    first = put(tmp_path, *(f"x/{i}.png" for i in range(3)), "y/3.png")
    for path in first[1:3]:
        shutil.copy(path, tmp_path / "y")
        shutil.copy(path, tmp_path / "x" / f"1{path.name}")
    train, validation, facts = read(tmp_path, split=split)
    assert len(validation) and not as_set(train) & as_set(validation)
    assert facts["copies"] == len(facts["copies_names"]) > 0 and " is " in facts["copies_names"][0]
    assert "equal to others and left out" in defects(facts)[0]


def test_many_small_folders_keep_no_file_open(tmp_path, data) -> None:
    """There may be more folders than a process may open files."""
    put(tmp_path, *(f"{kind}/{i}.png" for kind in range(30) for i in range(2)))
    features = Rgb(height=8, width=12), Rgb(height=4, width=6)
    before = len(list(Path("/proc/self/fd").iterdir()))
    parts = read_parts(data("image_folder", tmp_path, split="frames:0.5"), features, lambda _: None)
    told, clips = parts.trained_on(), [*parts.train, *parts.validation]
    assert {one["video"] for one in told} == {str(i) for i in range(30)}
    assert all(len(one["sha256"]) == 64 for one in told)
    assert len(clips) >= 30 and sum(len(clip[features[1]]) for clip in clips) == 60
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 10


def test_a_later_part_that_is_held_out_altogether_is_not_divided(tmp_path, read) -> None:
    many(tmp_path, 30)
    train, validation, _ = read(tmp_path, 16, 24, until={f"class {i}": 5 for i in range(3)})
    assert sorted(numbers_of(tmp_path, np.concatenate([train, validation]))) == list(range(15))


def test_adding_pictures_moves_none_of_those_that_were_there(tmp_path, read) -> None:
    many(tmp_path)
    first = read(tmp_path)
    put(tmp_path, *(f"new/{i}.jpg" for i in range(30)), seed=5)
    second = read(tmp_path)
    assert as_set(first[0]) <= as_set(second[0]) and as_set(first[1]) <= as_set(second[1])


def test_limits_are_nested_spread_and_reproducible(tmp_path, read) -> None:
    put(tmp_path, *(f"large/{i:03d}.png" for i in range(90)), *(f"small/{i:03d}.png" for i in range(10)))
    few, validation, _ = read(tmp_path, limit=8, limit_validation=2)
    more = read(tmp_path, limit=16, limit_validation=2)[0]
    assert (len(few), len(validation), len(more)) == (8, 2, 16)
    assert np.array_equal(few, more[:8])
    small = {fit(read_rgb(path), 8, 12, "stretch").tobytes() for path in (tmp_path / "small").iterdir()}
    assert sum(picture.tobytes() in small for picture in few) == 4  # half of them, though a tenth of the files


def saved_again(path: Path, to: Path, **options) -> None:
    """Write the same pixels into another file."""
    with Image.open(path) as picture:
        picture.save(to, **options)


@pytest.mark.parametrize("kind", ["bytes", "container", "comment"])
def test_pictures_stored_twice_leave_the_split_as_it_was(tmp_path, read, kind) -> None:
    many(tmp_path / "once", 60)
    shutil.copytree(tmp_path / "once", tmp_path / "twice")
    for path in [*(tmp_path / "twice").rglob("*.png")]:
        copy, comment = path.with_name(f"{path.stem}_.png"), PngInfo()
        comment.add_text("Comment", "another file")
        if kind == "bytes":
            shutil.copy(path, copy)
        else:
            saved_again(path, copy.with_suffix(".tiff") if kind == "container" else copy, pnginfo=comment)
    once, twice = (read(tmp_path / name) for name in ("once", "twice"))
    assert np.array_equal(once[0], twice[0]) and np.array_equal(once[1], twice[1])
    assert as_set(once[0]).isdisjoint(as_set(once[1])) and len(as_set(once[0]) | as_set(once[1])) == 60
    assert (once[2]["copies"], twice[2]["copies"]) == (0, 60)
    assert any("left out" in text and "is class 0/000.png" in text for text in defects(twice[2]))


def test_pictures_coded_anew_or_made_smaller_go_where_the_first_one_goes(tmp_path, read) -> None:
    many(tmp_path, 60)
    groups = []
    for path in [*tmp_path.rglob("*.png")]:
        again, smaller = path.with_suffix(".jpg"), path.with_name(f"{path.stem} small.png")
        with Image.open(path) as picture:
            picture.save(again, quality=85, subsampling=0)
            picture.resize((12, 8), Image.Resampling.BOX).save(smaller)
        groups.append({fit(read_rgb(name), 8, 12, "stretch").tobytes() for name in (path, again, smaller)})
    train, validation, facts = read(tmp_path)
    assert all(group <= as_set(train) or group <= as_set(validation) for group in groups)
    assert facts["alike"] + facts["copies"] == 120
    assert 0.05 < len(validation) / (len(train) + len(validation)) < 0.4
    assert any("look like" in text for text in defects(facts))


def test_the_split_is_the_same_at_every_size(tmp_path, read) -> None:
    many(tmp_path, 60)
    for path in [*tmp_path.rglob("*.png")]:
        pixels = np.array(Image.open(path))
        pixels[::2, ::2] ^= 1  # another image at full size, the same at the smallest
        Image.fromarray(pixels).save(path.with_suffix(".bmp"))
    small, large = (read(tmp_path, *size)[1] for size in ((2, 4), (16, 24)))
    assert len(small) == len(large) > 2
    shrunk = np.array([fit(picture, 2, 4, "stretch") for picture in large])
    assert np.abs(shrunk.astype(int) - small).max() <= 1


def test_frames_of_a_still_camera_train_all_the_same(tmp_path, read) -> None:
    rng = np.random.default_rng(0)
    still = np.array(Image.open(put(tmp_path / "still", "a.png")[0])).astype(int)
    for i in range(30):
        noisy = np.clip(still + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "still" / f"{i:02d}.png")
    train, validation, _ = read(tmp_path / "still")
    assert len(train) > 15 and len(validation) >= 1
    put(tmp_path / "still", "other.png", "third.png", seed=5)
    train, validation, _ = read(tmp_path / "still")
    assert len(train) > 30 and len(validation) >= 1


def test_the_identity_is_that_of_content_and_options(tmp_path, data, training) -> None:
    def key(root: Path = tmp_path / "a", trainer: dict[str, Any] | None = None, **given: Any) -> str:
        return training(data=data("image_folder", root, **given), trainer=trainer or {}).key

    for name in ("a", "b"):
        many(tmp_path / name, 10)
    first = key()
    assert key(tmp_path / "b") == first  # neither the place nor the time counts
    for change in ({"limit": 3}, {"split_seed": 1}, {"split": "frames:0.7"}, {"limit_validation": 3}):
        assert key(**change) != first
    assert key(trainer={"resize": "crop"}) != first
    path = tmp_path / "a/class 0/000.png"
    other = bytearray(path.read_bytes())
    other[-20] ^= 1
    path.write_bytes(bytes(other))  # the same size
    assert key() != first
    (tmp_path / "b/class 0/000.png").unlink()
    assert key(tmp_path / "b") != first


def test_missing_and_empty_folders_tell_the_layout(tmp_path, read) -> None:
    for root, said in ((None, "root=DIR"), (tmp_path / "nowhere", "does not exist"), (tmp_path, "no image")):
        with pytest.raises(UsageError, match=said) as error:
            read(root)
        assert "001.ak47" in str(error.value)
    put(tmp_path, "only.jpg")
    with pytest.raises(UsageError, match="at least two"):
        read(tmp_path)
    saved_again(tmp_path / "only.jpg", tmp_path / "same.bmp")
    with pytest.raises(UsageError, match="all the same"):
        read(tmp_path)
    put(tmp_path, "second.jpg", seed=2)
    train, validation, _ = read(tmp_path)
    assert (len(train), len(validation)) == (1, 1)
    for name in ("only.jpg", "second.jpg", "same.bmp"):
        (tmp_path / name).write_bytes(b"damaged " + name.encode())
    with pytest.raises(UsageError, match="none of it can be decoded"):
        read(tmp_path)


def test_only_the_real_set_is_called_caltech_256(tmp_path, read) -> None:
    names = [f"{i:03d}.thing" for i in range(2, 256)]
    folders = ["001.ak47", *names, "256.toad", "257.clutter"]
    files = [f"{folder}/{folder[:3]}_0001.jpg" for folder in folders]
    assert looks_like_caltech_256([f"256_ObjectCategories/{name}" for name in files])
    assert looks_like_caltech_256(files[:-1])  # without clutter
    assert not looks_like_caltech_256(files[1:])
    assert not looks_like_caltech_256([name.replace("ak47", "cat") for name in files])
    put(tmp_path / "cars", *files)
    _, _, facts = read(tmp_path / "cars", 4, 8)
    assert facts["name"] == "part of Caltech 256" and facts["videos"] == 257


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 900 million pixels."""
    rows = zlib.compress(b"\0" * 30_001)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    coded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


def test_odd_files_are_counted_named_and_silent(tmp_path, read, capfd) -> None:
    put(tmp_path, *(f"{seed}.png" for seed in range(6)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("jpg", "png", "bmp", "webp", "tiff", "ppm", "gif"):
        how = {"compression": "tiff_lzw"} if suffix == "tiff" else {}
        Image.fromarray(noise).save(tmp_path / f"half.{suffix}", **how)
        whole = (tmp_path / f"half.{suffix}").read_bytes()
        (tmp_path / f"half.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bomb.png").write_bytes(bomb())
    (tmp_path / "bomb.pgm").write_bytes(b"P5\n60000 60000\n255\n" + b"\0" * 100)
    (tmp_path / "script.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "wrong.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    n = len(list(tmp_path.iterdir())) - 6
    (tmp_path / "notes.txt").write_text("not looked at")
    train, validation, facts = read(tmp_path)
    assert len(train) + len(validation) == 6 == facts["frames"] and len(read(tmp_path, limit=3)[0]) == 3
    (told,) = defects(facts)
    assert told.startswith(f"1 with problems: .: {n} ") and "bomb.pgm (" in told and "and " in told
    assert capfd.readouterr() == ("", "")


@pytest.mark.data
def test_real_photographs(data_root, read) -> None:
    root = data_root / "images" / "imagenet_sample"
    train, validation, facts = read(root, 48, 96, limit=40, limit_validation=10)
    assert (len(train), len(validation)) == (40, 10)
    assert facts["name"] == "imagenet_sample" and "problems" not in facts
    assert 80 < train.mean() < 150
