"""Photographs for training: a split that stays, damage that is told, honest names."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from keyframe_bench.training.data import TrainingData, defects
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from keyframe_bench.core.errors import UsageError
from keyframe_bench.training import kept_pictures
from keyframe_bench.training.sources._image_files import fit, read_rgb
from keyframe_bench.training.sources.image_folder import looks_like_caltech_256


def photographs(**params):
    return TrainingData.registry.build("image_folder", {k: str(v) if k == "root" else v for k, v in params.items()})


def put(root: Path, *names: str, seed: int = 0) -> list[Path]:
    """Write small pictures, each another."""
    rng = np.random.default_rng(seed)
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (24, 16)))
    return paths


def many(root: Path, n: int = 60, classes: int = 3) -> None:
    put(root, *(f"class {i % classes}/{i:03d}.png" for i in range(n)))


def test_split_counts_and_order(tmp_path) -> None:
    many(tmp_path, 300)
    found = photographs(root=tmp_path).pictures(8, 12)
    n_validation = len(found.validation)
    assert len(found.train) + n_validation == 300
    assert 0.13 < n_validation / 300 < 0.27
    assert found.train.dtype == np.uint8 and found.train.shape[1:] == (8, 12, 3)
    assert found.flip and found.name == tmp_path.name
    assert found.facts["files"] == 300 and found.facts["classes"] == 3 and found.facts["unreadable"] == 0
    other = photographs(root=tmp_path, seed=1).pictures(8, 12)
    assert {p.tobytes() for p in other.validation} != {p.tobytes() for p in found.validation}


def test_adding_pictures_moves_none_of_those_that_were_there(tmp_path) -> None:
    many(tmp_path, 60)
    before = photographs(root=tmp_path)
    first = before.pictures(8, 12)
    put(tmp_path, *(f"new/{i}.jpg" for i in range(30)), seed=5)
    after = photographs(root=tmp_path)
    second = after.pictures(8, 12)
    assert {p.tobytes() for p in first.train} <= {p.tobytes() for p in second.train}
    assert {p.tobytes() for p in first.validation} <= {p.tobytes() for p in second.validation}
    assert first.digest != second.digest


def test_limits_are_nested_spread_and_reproducible(tmp_path) -> None:
    put(tmp_path, *(f"large/{i:03d}.png" for i in range(90)), *(f"small/{i:03d}.png" for i in range(10)))
    source = photographs(root=tmp_path, limit=8, limit_validation=2)
    few, more = source.pictures(8, 12), photographs(root=tmp_path, limit=16, limit_validation=2).pictures(8, 12)
    assert (len(few.train), len(few.validation), len(more.train)) == (8, 2, 16)
    assert np.array_equal(few.train, more.train[:8])
    small = {fit(read_rgb(path), 8, 12, "stretch").tobytes() for path in (tmp_path / "small").iterdir()}
    assert sum(picture.tobytes() in small for picture in few.train) == 4  # half of them, though a tenth of the files


def test_damage_is_counted_and_named_and_replaced(tmp_path) -> None:
    many(tmp_path, 60)
    for name in ("class 0/000.png", "class 1/001.png"):
        (tmp_path / name).write_bytes(b"no picture " + name.encode())
    (tmp_path / "notes.txt").write_text("not looked at")
    found = photographs(root=tmp_path).pictures(8, 12)
    assert len(found.train) + len(found.validation) == 58
    assert found.facts["unreadable"] == 2
    assert {str(text).split(":")[0] for text in found.facts["unreadable_names"]} == {
        "class 0/000.png",
        "class 1/001.png",
    }
    for i in range(3, 60):
        if i % 4:
            (tmp_path / f"class {i % 3}/{i:03d}.png").write_bytes(b"no picture %d" % i)
    assert len(photographs(root=tmp_path, limit=5).pictures(8, 12).train) == 5


def saved_again(path: Path, to: Path, **options) -> None:
    """Write the same pixels into another file."""
    with Image.open(path) as picture:
        picture.save(to, **options)


@pytest.mark.parametrize("kind", ["bytes", "container", "comment"])
def test_equal_pictures_are_on_one_side_whatever_their_files_are(tmp_path, kind) -> None:
    many(tmp_path, 40)
    for path in [*(tmp_path / "class 0").iterdir()]:
        copy = tmp_path / f"class 1/copy of {path.name}"
        comment = PngInfo()
        comment.add_text("Comment", "another file")
        if kind == "bytes":
            copy.write_bytes(path.read_bytes())
        elif kind == "container":
            saved_again(path, copy.with_suffix(".bmp"))
        else:
            saved_again(path, copy, pnginfo=comment)
    found = photographs(root=tmp_path).pictures(8, 12)
    train, validation = ([p.tobytes() for p in part] for part in (found.train, found.validation))
    assert set(train).isdisjoint(validation)
    assert len({*train, *validation}) == len(train) + len(validation) == 40
    assert found.facts["copies"] == 14
    assert any("left out" in text and "copy of 000" in text for text in defects(found.facts))


def test_pictures_stored_twice_leave_the_split_as_it_was(tmp_path) -> None:
    many(tmp_path / "once", 60)
    shutil.copytree(tmp_path / "once", tmp_path / "twice")
    for path in [*(tmp_path / "twice").rglob("*.png")]:
        saved_again(path, path.with_name(f"{path.stem}_.tiff"))
    once, twice = (photographs(root=tmp_path / name).pictures(8, 12) for name in ("once", "twice"))
    assert np.array_equal(once.train, twice.train) and np.array_equal(once.validation, twice.validation)
    assert (once.facts["copies"], twice.facts["copies"]) == (0, 60)


def test_one_picture_stored_often_is_not_enough(tmp_path) -> None:
    for path in put(tmp_path, "a.png"):
        saved_again(path, tmp_path / "b.bmp")
    with pytest.raises(UsageError, match="all the same"):
        photographs(root=tmp_path).pictures(8, 12)


def test_pictures_coded_anew_or_made_smaller_go_where_the_first_one_goes(tmp_path) -> None:
    many(tmp_path, 60)
    groups = []
    for path in [*tmp_path.rglob("*.png")]:
        again, smaller = path.with_suffix(".jpg"), path.with_name(f"{path.stem} small.png")
        with Image.open(path) as picture:
            picture.save(again, quality=85, subsampling=0)
            picture.resize((12, 8), Image.Resampling.BOX).save(smaller)
        groups.append({fit(read_rgb(name), 8, 12, "stretch").tobytes() for name in (path, again, smaller)})
    found = photographs(root=tmp_path).pictures(8, 12)
    train, validation = ({p.tobytes() for p in part} for part in (found.train, found.validation))
    assert all(group <= train or group <= validation for group in groups)
    assert found.facts["alike"] + found.facts["copies"] == 120
    assert 0.05 < len(found.validation) / (len(found.train) + len(found.validation)) < 0.4
    assert any("look like" in text for text in defects(found.facts))


def test_the_split_is_the_same_at_every_size(tmp_path) -> None:
    many(tmp_path, 60)
    for path in [*tmp_path.rglob("*.png")]:
        pixels = np.array(Image.open(path))
        pixels[::2, ::2] ^= 1  # another picture at full size, the same at the smallest
        Image.fromarray(pixels).save(path.with_suffix(".bmp"))
    small, large = (photographs(root=tmp_path).pictures(*size) for size in ((2, 4), (16, 24)))
    assert small.facts["validation"] == large.facts["validation"] > 2
    shrunk = np.array([fit(picture, 2, 4, "stretch") for picture in large.validation])
    assert np.abs(shrunk.astype(int) - small.validation).max() <= 1


def test_frames_of_a_still_camera_train_all_the_same(tmp_path) -> None:
    rng = np.random.default_rng(0)
    still = np.array(Image.open(put(tmp_path / "still", "a.png")[0])).astype(int)
    for i in range(30):
        noisy = np.clip(still + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "still" / f"{i:02d}.png")
    found = photographs(root=tmp_path / "still").pictures(8, 12)
    assert len(found.train) > 15 and len(found.validation) >= 1
    put(tmp_path / "still", "other.png", "third.png", seed=5)
    found = photographs(root=tmp_path / "still").pictures(8, 12)
    assert len(found.train) > 30 and len(found.validation) >= 1


def test_the_digest_is_that_of_content_and_options(tmp_path, monkeypatch) -> None:
    many(tmp_path, 10)
    source = photographs(root=tmp_path)
    first = source.digest()
    copy = tmp_path / "elsewhere"
    many(copy, 10)
    assert photographs(root=copy).digest() == first  # neither the place nor the time counts
    path = tmp_path / "class 0/000.png"
    old = path.read_bytes()
    (tmp_path / "elsewhere/class 0/000.png").unlink()
    assert photographs(root=copy).digest() != first
    other = bytearray(old)
    other[-20] ^= 1
    path.write_bytes(bytes(other))  # the same size
    assert source.digest() != first
    for change in ({"limit": 3}, {"seed": 1}, {"resize": "crop"}, {"validation_share": 0.3}, {"limit_validation": 3}):
        assert photographs(root=copy, **change).digest() != photographs(root=copy).digest()


def test_the_second_time_nothing_is_decoded(tmp_path, monkeypatch) -> None:
    many(tmp_path, 12)
    first = photographs(root=tmp_path).pictures(8, 12)
    monkeypatch.setattr(Image, "open", None)
    again = photographs(root=tmp_path).pictures(8, 12)
    assert np.array_equal(first.train, again.train) and first.facts == again.facts
    with pytest.raises(UsageError):
        photographs(root=tmp_path).pictures(8, 14)


def test_a_torn_entry_is_made_again(tmp_path) -> None:
    many(tmp_path, 12)
    first = photographs(root=tmp_path).pictures(10, 12)
    wanted = np.array(first.train)
    entries = [p for p in kept_pictures.pictures_folder().iterdir() if p.name.isalnum()]
    newest = max(entries, key=lambda path: path.stat().st_mtime_ns)
    rows = newest / "pictures.npy"
    rows.write_bytes(rows.read_bytes()[:-100])
    assert np.array_equal(photographs(root=tmp_path).pictures(10, 12).train, wanted)


def test_what_is_kept_can_be_told_and_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    many(tmp_path / "in", 12)
    found = photographs(root=tmp_path / "in").pictures(8, 12)
    photographs(root=tmp_path / "in").pictures(4, 6)
    size, entries = kept_pictures.usage()
    assert entries == 3 and size > 12 * 8 * 12 * 3  # two sizes, and the very small ones that are compared
    monkeypatch.setattr(kept_pictures, "LIMIT_BYTES", size)
    photographs(root=tmp_path / "in").pictures(8, 8)  # one more than there is room for
    assert kept_pictures.usage()[1] == 3
    assert kept_pictures.clear()[1] == 3 and kept_pictures.usage() == (0, 0)
    assert found.train.mean() > 0  # mapped pictures stay readable


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch) -> None:
    many(tmp_path / "in", 12)
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    found = photographs(root=tmp_path / "in").pictures(8, 12)
    assert len(found.train) + len(found.validation) == 12
    assert "cache" in str(found.facts["not_kept"])


def test_missing_and_empty_folders_tell_the_layout(tmp_path) -> None:
    for root, said in ((None, "root=DIR"), (tmp_path / "nowhere", "does not exist"), (tmp_path, "no picture")):
        source = photographs() if root is None else photographs(root=root)
        for call in (source.digest, lambda s=source: s.pictures(8, 12)):
            with pytest.raises(UsageError, match=said) as error:
                call()
            assert "001.ak47" in str(error.value)
    put(tmp_path, "only.jpg")
    with pytest.raises(UsageError, match=r"only one picture, 'only.jpg'"):
        photographs(root=tmp_path).pictures(8, 12)
    put(tmp_path, "second.jpg", seed=2)
    found = photographs(root=tmp_path).pictures(8, 12)
    assert (len(found.train), len(found.validation)) == (1, 1)
    for name in ("only.jpg", "second.jpg"):
        (tmp_path / name).write_bytes(b"damaged " + name.encode())
    with pytest.raises(UsageError, match="can be read"):
        photographs(root=tmp_path).pictures(8, 12)


def test_only_the_real_set_is_called_caltech_256(tmp_path) -> None:
    names = [f"{i:03d}.thing" for i in range(2, 256)]
    folders = ["001.ak47", *names, "256.toad", "257.clutter"]
    files = [f"{folder}/{folder[:3]}_0001.jpg" for folder in folders]
    assert looks_like_caltech_256(files)
    assert looks_like_caltech_256([f"256_ObjectCategories/{name}" for name in files])
    assert looks_like_caltech_256(files[:-1])  # without clutter
    assert not looks_like_caltech_256(files[1:])
    assert not looks_like_caltech_256([name.replace("ak47", "cat") for name in files])
    put(tmp_path / "cars", *files)
    found = photographs(root=tmp_path / "cars").pictures(4, 8)
    assert found.name == "part of Caltech 256"
    assert found.facts["classes"] == 257


def test_a_decompression_bomb_is_counted_and_named(tmp_path) -> None:
    many(tmp_path, 12)
    rows = zlib.compress(b"\0" * 30_001)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    coded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(coded))
    found = photographs(root=tmp_path).pictures(8, 12)
    assert found.facts["unreadable"] == 1 and "bomb.png" in str(found.facts["unreadable_names"])


@pytest.mark.data
def test_real_photographs(data_root) -> None:
    source = photographs(root=data_root / "images" / "imagenet_sample", limit=40, limit_validation=10)
    found = source.pictures(48, 96)
    assert (len(found.train), len(found.validation)) == (40, 10)
    assert found.name == "imagenet_sample" and found.facts["unreadable"] == 0
    assert 80 < found.train.mean() < 150
