"""Photographs for training: every kind of file, a split that stays, damage that is told, honest names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.training import kept_pictures
from keyframe_bench.training.data import TrainingData
from keyframe_bench.training.sources._image_files import UnreadableError, fit, read_rgb
from keyframe_bench.training.sources.image_folder import looks_like_caltech_256

QUARTERS = np.zeros((40, 60, 3), np.uint8)  # RGB: red, green above blue, grey
QUARTERS[:20, :30], QUARTERS[:20, 30:], QUARTERS[20:, :30], QUARTERS[20:, 30:] = (
    (200, 0, 0),
    (0, 180, 0),
    (0, 0, 220),
    (90, 90, 90),
)


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


def colours(picture: np.ndarray) -> np.ndarray:
    """The four quarters' middles, int [4, 3]."""
    high, wide = picture.shape[:2]
    places = [(high // 4, wide // 4), (high // 4, 3 * wide // 4), (3 * high // 4, wide // 4), (-high // 4, -wide // 4)]
    return np.array([picture[place] for place in places]).astype(int)


WANTED = colours(QUARTERS)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm", ".JPG"])
def test_formats_give_rgb(tmp_path, suffix) -> None:
    path = tmp_path / f"x{suffix}"
    cv2.imwrite(str(path), QUARTERS[..., ::-1])
    assert np.abs(colours(read_rgb(path)) - WANTED).max() <= 6


def test_grey_alpha_and_16_bits(tmp_path) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), QUARTERS[..., 0])
    assert read_rgb(grey).shape == (40, 60, 3)
    assert np.array_equal(read_rgb(grey)[..., 2], QUARTERS[..., 0])
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), QUARTERS[..., ::-1].astype(np.uint16) * 257)
    assert np.abs(colours(read_rgb(deep)) - WANTED).max() <= 1
    for name, full in (("alpha.png", 255), ("deep alpha.png", 65535)):
        opacity = np.full((40, 60, 1), full)
        opacity[:20] = 0
        kind = np.uint8 if full == 255 else np.uint16
        clear = np.concatenate([QUARTERS[..., ::-1].astype(np.int64) * (full // 255), opacity], axis=2).astype(kind)
        cv2.imwrite(str(tmp_path / name), clear)
        found = colours(read_rgb(tmp_path / name))
        assert np.all(found[:2] == 255) and np.abs(found[2:] - WANTED[2:]).max() <= 1


def test_orientation_cmyk_palette_and_animation(tmp_path) -> None:
    image = pytest.importorskip("PIL.Image")
    upright = image.fromarray(QUARTERS)
    turned = image.fromarray(np.rot90(QUARTERS).copy())
    exif = image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    upright.convert("P", palette=image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    other = image.fromarray(255 - QUARTERS)
    upright.save(tmp_path / "moving.gif", save_all=True, append_images=[other])
    for name in ("turned.jpg", "cmyk.jpg", "palette.png", "moving.gif"):
        found = read_rgb(tmp_path / name)
        assert found.shape == (40, 60, 3), name
        assert np.abs(colours(found) - WANTED).max() <= 8, name


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp"])
def test_damaged_files_are_refused(tmp_path, suffix) -> None:
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if suffix == ".gif":
        path.write_bytes(b"GIF89a nothing")
    else:
        cv2.imwrite(str(path), noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableError):
        read_rgb(path)
    path.write_bytes(b"")
    with pytest.raises(UnreadableError, match="empty"):
        read_rgb(path)
    with pytest.raises(UnreadableError, match="No such file"):
        read_rgb(tmp_path / "missing.jpg")


def test_a_preview_is_not_taken_for_the_end_of_a_cut_off_picture(tmp_path) -> None:
    _, preview = cv2.imencode(".jpg", QUARTERS[:8, :8])
    _, whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    thumbnail = preview.tobytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = whole.tobytes()[:2] + segment + whole.tobytes()[2:]
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "half.jpg").write_bytes(data[: len(data) - 900])
    assert read_rgb(tmp_path / "whole.jpg").shape == (64, 64, 3)
    with pytest.raises(UnreadableError, match="ends early"):
        read_rgb(tmp_path / "half.jpg")


def test_resizing() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    halved = fit(picture, 20, 30, "stretch")
    assert (
        np.abs(halved - picture.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))).max() <= 0.76
    )  # the mean of what is covered
    mixed = fit(picture, 80, 30, "stretch")  # one axis grows, one shrinks
    columns = picture.reshape(40, 30, 2, 3).mean(axis=2)
    assert np.abs(mixed[::2].astype(float) - columns)[1:-1].mean() < np.abs(np.diff(columns, axis=0)).mean() / 3
    boxed = fit(np.full((40, 40, 3), 200, np.uint8), 20, 60, "letterbox")
    assert boxed.shape == (20, 60, 3)
    assert np.all(boxed[:, 20:40] == 200) and np.all(boxed[:, :20] == 0) and np.all(boxed[:, 40:] == 0)
    cropped = fit(QUARTERS, 40, 20, "crop")  # the middle third
    assert np.array_equal(cropped, QUARTERS[:, 20:40])
    thin = fit(np.full((1, 5000, 3), 9, np.uint8), 24, 48, "letterbox")
    assert thin.shape == (24, 48, 3) and thin.max() == 9


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


def test_copies_of_training_pictures_are_not_validated_on(tmp_path) -> None:
    many(tmp_path, 40)
    for path in list((tmp_path / "class 0").iterdir()):
        for i in range(4):
            (tmp_path / f"class 0/copy{i}-{path.name}").write_bytes(path.read_bytes())
    found = photographs(root=tmp_path).pictures(8, 12)
    train = {picture.tobytes() for picture in found.train}
    assert train.isdisjoint(picture.tobytes() for picture in found.validation)
    assert found.facts["validation_copies_of_train"] > 0


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
    monkeypatch.setattr(cv2, "imdecode", None)
    again = photographs(root=tmp_path).pictures(8, 12)
    assert np.array_equal(first.train, again.train) and first.facts == again.facts
    with pytest.raises(TypeError):
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
    assert entries == 2 and size > 12 * 8 * 12 * 3
    monkeypatch.setattr(kept_pictures, "LIMIT_BYTES", size)
    photographs(root=tmp_path / "in").pictures(8, 8)  # one more than there is room for
    assert kept_pictures.usage()[1] == 2
    assert kept_pictures.clear()[1] == 2 and kept_pictures.usage() == (0, 0)
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
    _, data = cv2.imencode(".jpg", QUARTERS)
    for name in files:
        path = tmp_path / "cars" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data.tobytes() + name.encode())
    found = photographs(root=tmp_path / "cars").pictures(4, 8)
    assert found.name == "part of Caltech 256"
    assert found.facts["classes"] == 257


@pytest.mark.data
def test_real_photographs(data_root) -> None:
    source = photographs(root=data_root / "images" / "imagenet_sample", limit=40, limit_validation=10)
    found = source.pictures(48, 96)
    assert (len(found.train), len(found.validation)) == (40, 10)
    assert found.name == "imagenet_sample" and found.facts["unreadable"] == 0
    assert 80 < found.train.mean() < 150
