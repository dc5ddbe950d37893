"""Reading picture files for training: every format, depth and orientation as RGB, damage as one sentence."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from keyframe_bench.training.sources._image_files import UnreadableError, fit, read_rgb

QUARTERS = np.zeros((40, 60, 3), np.uint8)  # RGB: red, green above blue, grey
QUARTERS[:20, :30], QUARTERS[:20, 30:], QUARTERS[20:, :30], QUARTERS[20:, 30:] = (
    (200, 0, 0),
    (0, 180, 0),
    (0, 0, 220),
    (90, 90, 90),
)


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


def stored(mode: str) -> Image.Image:
    """Return the quarters as a picture of one of Pillow's modes, half of it transparent where the mode allows it."""
    whole = Image.fromarray(QUARTERS)
    if mode in ("RGBA", "LA", "PA"):
        whole = whole.convert("L" if mode == "LA" else "RGB")
        whole.putalpha(Image.fromarray(OPACITY))
        return whole
    if mode == "I;16":
        return Image.fromarray(np.asarray(whole.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(whole, *profiles, outputMode="LAB")
    return whole.convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else whole.convert(mode)


OPACITY = np.full((40, 60), 255, np.uint8)
OPACITY[:, :30] = 128
MATRIX = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "tiff": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "webp": ("RGB", "RGBA"),
    "bmp": ("1", "L", "P", "RGB"),
    "gif": ("L", "P"),
    "ppm": ("1", "L", "RGB", "I;16"),
}


TURNED = ("png", "tiff", "jpg", "webp")  # formats that can say so


@pytest.mark.parametrize(
    ("suffix", "mode", "orientation"),
    [(s, m, turn) for s, modes in MATRIX.items() for m in modes for turn in ((1, 3, 6, 8) if s in TURNED else (1,))],
)
def test_every_format_and_depth_upright_and_before_white(tmp_path, suffix, mode, orientation) -> None:
    picture, exif = stored(mode), Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    tags = {"exif": exif} if orientation > 1 else {}
    picture.save(tmp_path / f"x.{suffix}", **lossless, **tags)
    grey = mode in ("1", "L", "LA", "I;16")
    expected = np.asarray(
        Image.fromarray(QUARTERS).convert("1" if mode == "1" else "L" if grey else "RGB").convert("RGB")
    )
    if mode.endswith("A"):
        share = OPACITY[..., None] / 255
        expected = expected * share + 255 * (1 - share)
    if orientation > 1:  # how often it is turned counter-clockwise to be upright
        expected = np.rot90(expected, {3: 2, 6: 3, 8: 1}[orientation])
    found = read_rgb(tmp_path / f"x.{suffix}")
    assert found.dtype == np.uint8 and found.shape == expected.shape
    inner = np.abs(colours(found) - colours(expected))
    assert inner.max() <= (25 if mode == "LAB" else 8 if suffix == "jpg" or mode in ("CMYK", "YCbCr") else 1)


def test_transparent_levels_and_ten_bits(tmp_path) -> None:
    ramp = np.arange(240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(ramp).save(tmp_path / "key.png", transparency=7)
    deep = ramp.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep key.png", transparency=7 * 257)
    expected = np.where(ramp == 7, 255, ramp)
    for name in ("key.png", "deep key.png"):
        assert np.array_equal(read_rgb(tmp_path / name), np.repeat(expected[..., None], 3, axis=2)), name
    levels = np.linspace(0, 1023, 240).astype(">u2").reshape(12, 20)
    (tmp_path / "ten.pgm").write_bytes(b"P5 20 12 1023\n" + levels.tobytes())
    assert np.abs(read_rgb(tmp_path / "ten.pgm") - levels[..., None] * (255 / 1023)).max() <= 0.51


def test_colours_before_the_background_are_not_darkened_twice(tmp_path) -> None:
    """A TIFF whose colours are already multiplied by their opacity says so; white shines through once."""
    alpha = OPACITY[..., None] / 255
    multiplied = np.concatenate([QUARTERS * alpha, OPACITY[..., None]], axis=2).round().astype(np.uint8)
    coded = io.BytesIO()
    Image.fromarray(multiplied).save(coded, "tiff")
    entry = struct.pack("<HHI", 338, 3, 1)  # ExtraSamples, of which Pillow writes 2 only: colours as they are
    assert entry + b"\2" in coded.getvalue()
    (tmp_path / "x.tiff").write_bytes(coded.getvalue().replace(entry + b"\2", entry + b"\1"))
    expected = QUARTERS * alpha + 255 * (1 - alpha)
    assert np.abs(colours(read_rgb(tmp_path / "x.tiff")) - colours(expected)).max() <= 2


def test_bytes_after_the_end_the_first_of_several_and_silence(tmp_path, capfd) -> None:
    upright = Image.fromarray(QUARTERS)
    upright.save(tmp_path / "x.png")
    with open(tmp_path / "x.png", "ab") as file:
        file.write(b"bytes of another program" * 9)
    upright.save(tmp_path / "x.gif", save_all=True, append_images=[Image.fromarray(255 - QUARTERS)])
    for name in ("x.png", "x.gif"):
        assert np.abs(colours(read_rgb(tmp_path / name)) - WANTED).max() <= 1
    (tmp_path / "x.tiff").write_bytes(b"II*\0\x08\0\0\0\x01\0" + b"\xff" * 30)
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tiff")
    for name, said in (("x.tiff", "."), ("float.tiff", "whole numbers")):
        with pytest.raises(UnreadableError, match=said):
            read_rgb(tmp_path / name)
    assert capfd.readouterr() == ("", "")


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
    with pytest.raises(UnreadableError, match="truncated"):
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
