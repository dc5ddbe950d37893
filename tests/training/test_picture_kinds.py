"""What pictures look like, whatever kind of file they lie in, and that odd files are told in one line each."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from keyframe_bench.training.data import TrainingData
from PIL import Image

from keyframe_bench.training.sources._image_files import UnreadableError, read_rgb

QUARTERS = np.zeros((40, 60, 3), np.uint8)
QUARTERS[:20, :30], QUARTERS[:20, 30:], QUARTERS[20:, :30], QUARTERS[20:, 30:] = (
    (200, 0, 0),
    (0, 180, 0),
    (0, 0, 220),
    (90, 90, 90),
)


def photographs(**params):
    return TrainingData.registry.build("image_folder", {k: str(v) if k == "root" else v for k, v in params.items()})


def put_pixels(path: Path, pixels: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def coarse(seed: int, high: int = 48, wide: int = 96) -> np.ndarray:
    """A picture of a few large patches, which coding does not change much; each seed another."""
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.array(Image.fromarray(patches).resize((wide, high), Image.Resampling.BICUBIC))


GRADIENT = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)  # 0 to 235
COLOURED = np.dstack([GRADIENT, 255 - GRADIENT, QUARTERS[..., 2]])
OPACITY = np.tile(np.linspace(0, 255, 60).round().astype(np.uint8), (40, 1))
TURNS = {  # EXIF orientation: what makes a stored picture upright
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p, -1), 7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: np.rot90,
}  # fmt: skip


def before_white(colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = opacity[..., None] / 255
    return colour * share + 255 * (1 - share)


def grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


KINDS = {  # mode: what Pillow saves, and what it looks like
    "1": (Image.fromarray(GRADIENT > 100), grey_to_rgb((GRADIENT > 100) * 255)),
    "L": (Image.fromarray(GRADIENT), grey_to_rgb(GRADIENT)),
    "LA": (Image.merge("LA", [Image.fromarray(GRADIENT), Image.fromarray(OPACITY)]),
           before_white(grey_to_rgb(GRADIENT), OPACITY)),
    "I;16": (Image.fromarray(GRADIENT.astype(np.uint16) * 257), grey_to_rgb(GRADIENT)),
    "P": (Image.fromarray(COLOURED).quantize(60), np.array(Image.fromarray(COLOURED).quantize(60).convert("RGB"))),
    "RGB": (Image.fromarray(COLOURED), COLOURED),
    "RGBA": (Image.fromarray(np.dstack([COLOURED, OPACITY])), before_white(COLOURED, OPACITY)),
    "CMYK": (Image.fromarray(COLOURED).convert("CMYK"), COLOURED),
}  # fmt: skip
WRITES = {
    "png": ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"),
    "tiff": ("1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK"),
    "webp": ("RGB", "RGBA"),
    "jpeg": ("L", "RGB", "CMYK"),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in WRITES.items() for mode in modes])
def test_every_kind_depth_and_orientation(tmp_path, suffix, mode, orientation) -> None:
    picture, wanted = KINDS[mode]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / f"x.{suffix}", exif=exif, **({"lossless": True} if suffix == "webp" else {"quality": 95}))
    found = read_rgb(tmp_path / f"x.{suffix}").astype(float)
    upright = TURNS[orientation](wanted)
    assert found.shape == upright.shape
    difference = np.abs(found - upright)
    assert (difference.mean() if suffix == "jpeg" else difference.max()) <= (4 if suffix == "jpeg" else 1.01)


def png_bytes(samples: np.ndarray, bits: int, key: tuple[int, ...]) -> bytes:
    """A PNG, grey or RGB by its shape, with a colour that is transparent."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    high, wide = samples.shape[:2]
    rows = (format(int(v), f"0{bits}b") for v in samples.reshape(-1))
    text = "".join(rows)
    per_row = len(text) // high
    lines = [int(text[i * per_row : (i + 1) * per_row], 2).to_bytes(per_row // 8, "big") for i in range(high)]
    header = struct.pack(">IIBBBBB", wide, high, bits, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    transparent = struct.pack(f">{len(key)}H", *key)
    chunks = ((b"IHDR", header), (b"tRNS", transparent), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_a_png_shows_white(tmp_path, bits, channels) -> None:
    if channels == 3 and bits < 8:
        pytest.skip("PNG has no such pictures")
    full = 2**bits - 1
    shape = (4, 16) if channels == 1 else (4, 16, 3)
    samples = np.random.default_rng(0).integers(0, full + 1, shape)
    key = tuple(np.atleast_1d(samples[1, 2]).tolist())
    (tmp_path / "x.png").write_bytes(png_bytes(samples, bits, key))
    levels = samples * 255 / full
    colour = grey_to_rgb(levels) if channels == 1 else levels
    clear = samples == key[0] if channels == 1 else (samples == key).all(axis=2)
    assert np.abs(read_rgb(tmp_path / "x.png") - np.where(clear[..., None], 255, colour)).max() <= 1


@pytest.mark.parametrize("full", [15, 100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_portable_maps_of_any_depth(tmp_path, full, plain) -> None:
    for name, shape in (("x.pgm", (5, 7)), ("x.ppm", (5, 7, 3))):
        samples = np.random.default_rng(1).integers(0, full + 1, shape)
        kind = {("x.pgm", False): 5, ("x.ppm", False): 6, ("x.pgm", True): 2, ("x.ppm", True): 3}[name, plain]
        data = " ".join(map(str, samples.reshape(-1))).encode() if plain else samples.astype(
            ">u2" if full > 255 else "u1").tobytes()  # fmt: skip
        (tmp_path / name).write_bytes(f"P{kind}\n# by hand\n7 5\n{full}\n".encode() + data)
        wanted = samples * 255 / full
        found = read_rgb(tmp_path / name)
        assert np.abs(found - (grey_to_rgb(wanted) if wanted.ndim == 2 else wanted)).max() <= 1


def test_kinds_of_tiff(tmp_path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path, deep = tmp_path / "x.tif", GRADIENT.astype(np.uint16) * 257
    covered = (COLOURED * (OPACITY[..., None] / 255)).round().astype(np.uint8)
    seen = before_white(COLOURED, OPACITY)
    for pixels, options, wanted in (
        (np.dstack([COLOURED, OPACITY]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, seen),
        (np.dstack([covered, OPACITY]), {"photometric": "rgb", "extrasamples": ["assocalpha"]}, seen),
        (np.dstack([COLOURED, OPACITY]), {"photometric": "rgb", "extrasamples": ["unspecified"]}, COLOURED),
        (deep, {"photometric": "miniswhite"}, grey_to_rgb(255 - GRADIENT)),
        (deep, {"byteorder": ">"}, grey_to_rgb(GRADIENT)),
        (COLOURED.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}, COLOURED),
        (COLOURED.astype(np.uint16) * 257, {"photometric": "rgb"}, COLOURED),
    ):
        tifffile.imwrite(path, pixels, **options)
        assert np.abs(read_rgb(path) - wanted).max() <= 2.01, options
    for pixels in (deep.astype(np.float32), deep.astype(np.uint32), np.stack([deep] * 3)):
        tifffile.imwrite(
            path, pixels, **({"photometric": "rgb", "planarconfig": "separate"} if pixels.ndim > 2 else {})
        )
        with pytest.raises(UnreadableError, match="bits"):
            read_rgb(path)


def test_lab_becomes_srgb(tmp_path) -> None:
    convert = pytest.importorskip("skimage.color").lab2rgb
    lab = np.array([[[60, 0, 0], [50, 40, 30], [70, -30, 20], [40, 10, -40], [100, 0, 0], [0, 0, 0]]], float)
    stored = np.dstack([lab[..., 0] * 2.55, lab[..., 1], lab[..., 2]]).round().astype(np.int64) & 255
    stored = stored.astype(np.uint8)
    Image.frombytes("LAB", (6, 1), stored.tobytes()).save(tmp_path / "x.tif")
    assert np.abs(read_rgb(tmp_path / "x.tif") - convert(lab) * 255).max() <= 17  # its white is adapted otherwise
    grey = read_rgb(tmp_path / "x.tif")[0, 0].astype(int)
    assert np.ptp(grey) <= 2 and abs(grey.mean() - 145) <= 2  # L* 60


def test_what_stands_after_the_end_of_a_png_does_not_matter(tmp_path) -> None:
    put_pixels(tmp_path / "x.png", COLOURED)
    with (tmp_path / "x.png").open("ab") as file:
        file.write(b"\0" * 5000)
    assert np.array_equal(read_rgb(tmp_path / "x.png"), COLOURED)


def test_odd_files_are_counted_named_and_silent(tmp_path, capfd) -> None:
    for seed in range(6):
        put_pixels(tmp_path / f"{seed}.png", coarse(seed))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("jpg", "png", "bmp", "webp", "tiff", "ppm", "gif"):
        put_pixels(tmp_path / f"half.{suffix}", noise, **({"compression": "tiff_lzw"} if suffix == "tiff" else {}))
        whole = (tmp_path / f"half.{suffix}").read_bytes()
        (tmp_path / f"half.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bomb.png").write_bytes(
        png_bytes(np.zeros((1, 8), int), 8, (0,)).replace(
            b"IHDR\0\0\0\x08\0\0\0\x01", b"IHDR" + struct.pack(">II", 60_000, 60_000)
        )
    )
    (tmp_path / "bomb.pgm").write_bytes(b"P5\n60000 60000\n255\n" + b"\0" * 100)
    (tmp_path / "script.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "wrong.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    n = len(list(tmp_path.iterdir())) - 6
    facts = photographs(root=tmp_path).pictures(8, 12).facts
    assert facts["unreadable"] == n and facts["train"] + facts["validation"] == 6
    assert facts["unreadable_names"][0].startswith("bomb.pgm: ")
    assert capfd.readouterr() == ("", "")
