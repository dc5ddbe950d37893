"""Reading image files: every format, depth and orientation as RGB, damage as one sentence."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from keyframe_bench.video.image_files import UnreadableError, encode_image, fit, read_rgb

# red, green above blue, grey
QUARTERS = np.array([[(200, 0, 0), (0, 180, 0)], [(0, 0, 220), (90, 90, 90)]], np.uint8).repeat(20, 0).repeat(30, 1)


def colours(picture: np.ndarray) -> np.ndarray:
    """The four quarters' middles, int [4, 3]."""
    high, wide = picture.shape[:2]
    places = [(high // 4, wide // 4), (high // 4, 3 * wide // 4), (3 * high // 4, wide // 4), (-high // 4, -wide // 4)]
    return np.array([picture[place] for place in places]).astype(int)


WANTED = colours(QUARTERS)


GRADIENT = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)  # 0 to 235
COLOURED = np.dstack([GRADIENT, 255 - GRADIENT, QUARTERS[..., 2]])
OPACITY = np.tile(np.linspace(0, 255, 60).round().astype(np.uint8), (40, 1))
TURNS = {  # EXIF orientation: what makes a stored image upright
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
    "YCbCr": (Image.fromarray(COLOURED).convert("YCbCr"), COLOURED),
}  # fmt: skip
WRITES = {
    "png": ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"),
    "tiff": ("1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK", "YCbCr"),
    "webp": ("RGB", "RGBA"),
    "jpeg": ("L", "RGB", "CMYK"),
    "bmp": ("1", "L", "P", "RGB"),
    "gif": ("L", "P"),
    "ppm": ("1", "L", "I;16", "RGB"),
}
UPRIGHT_ONLY = ("bmp", "gif", "ppm")  # they cannot say how they are turned


@pytest.mark.parametrize(
    ("suffix", "mode", "orientation"),
    [(s, m, turn) for s, modes in WRITES.items() for m in modes for turn in ([1] if s in UPRIGHT_ONLY else TURNS)],
)
def test_every_kind_depth_and_orientation(tmp_path, suffix, mode, orientation) -> None:
    picture, wanted = KINDS[mode]
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpeg" else {}
    picture.save(tmp_path / f"x.{suffix}", **({} if suffix in UPRIGHT_ONLY else {"exif": exif}), **how)
    found = read_rgb(tmp_path / f"x.{suffix}").astype(float)
    upright = TURNS[orientation](wanted)
    assert found.shape == upright.shape
    difference = np.abs(found - upright)
    assert (difference.mean() if suffix == "jpeg" else difference.max()) <= (
        4 if suffix == "jpeg" else 3 if mode == "YCbCr" else 1.01
    )


def png_bytes(samples: np.ndarray, bits: int, key: tuple[int, ...]) -> bytes:
    """A PNG, grey or RGB by its shape, with a colour that is transparent."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    high, wide = samples.shape[:2]
    header = struct.pack(">IIBBBBB", wide, high, bits, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    ones = samples.reshape(high, -1, 1) >> np.arange(bits)[::-1] & 1
    lines = np.packbits(ones.reshape(high, -1).astype(np.uint8), axis=1)
    data = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    parts = {b"IHDR": header, b"tRNS": struct.pack(f">{len(key)}H", *key), b"IDAT": data, b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts.items())


@pytest.mark.parametrize(
    ("bits", "shape"), [*((b, (4, 16)) for b in (1, 2, 4, 8, 16)), (8, (4, 16, 3)), (16, (4, 16, 3))]
)
def test_a_transparent_colour_of_a_png_shows_white(tmp_path, bits, shape) -> None:
    full = 2**bits - 1
    samples = np.random.default_rng(0).integers(0, full + 1, shape)
    key = tuple(np.atleast_1d(samples[1, 2]).tolist())
    (tmp_path / "x.png").write_bytes(png_bytes(samples, bits, key))
    clear = (samples.reshape(4, 16, -1) == key).all(axis=2)[..., None]
    wanted = np.where(clear, 255, samples.reshape(4, 16, -1) * 255 / full)
    assert np.abs(read_rgb(tmp_path / "x.png") - wanted).max() <= 1


@pytest.mark.parametrize("full", [15, 100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_portable_maps_of_any_depth(tmp_path, full, plain) -> None:
    for kind, shape in ((5, (5, 7, 1)), (6, (5, 7, 3))):
        samples = np.random.default_rng(1).integers(0, full + 1, shape)
        data = samples.astype(">u2" if full > 255 else "u1").tobytes()
        if plain:
            data = " ".join(map(str, samples.ravel())).encode()
        (tmp_path / "x.ppm").write_bytes(f"P{kind - 3 * plain}\n# by hand\n7 5\n{full}\n".encode() + data)
        assert np.abs(read_rgb(tmp_path / "x.ppm") - samples * 255 / full).max() <= 1


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


def test_deep_colour_and_opacity(tmp_path) -> None:
    """16 bits a channel, which Pillow does not write."""
    opacity = np.full((40, 60, 1), 65535)
    opacity[:20] = 0
    deep = np.concatenate([QUARTERS[..., ::-1].astype(np.int64) * 257, opacity], axis=2).astype(np.uint16)
    for channels, clear in ((3, 0), (4, 2)):
        cv2.imwrite(str(tmp_path / "x.png"), deep[..., :channels])
        found = colours(read_rgb(tmp_path / "x.png"))
        assert np.all(found[:clear] == 255) and np.abs(found[clear:] - WANTED[clear:]).max() <= 1


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


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", "preview.jpg"])
def test_damaged_files_are_refused(tmp_path, suffix) -> None:
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(suffix[-4:], noise)[1].tobytes()
    if "preview" in suffix:  # whose end is not taken for that of a picture that is cut off
        preview = cv2.imencode(".jpg", noise[:8, :8])[1].tobytes()
        data = data[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + data[2:]
    path.write_bytes(data)
    assert read_rgb(path).shape == (64, 64, 3)
    for broken, said in ((data[: len(data) - 900], "."), (b"", "empty"), (b"GIF89a nothing", ".")):
        path.write_bytes(broken)
        with pytest.raises(UnreadableError, match=said):
            read_rgb(path)
    with pytest.raises(UnreadableError, match="No such file"):
        read_rgb(tmp_path / "missing.jpg")


def test_resizing() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    covered = picture.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(fit(picture, 20, 30, "stretch") - covered).max() <= 0.76
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


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 12)])
def test_encoded_pictures_keep_colours(suffix, tolerance) -> None:
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:, :32], picture[:, 32:] = (200, 30, 60), (20, 90, 220)
    stored = cv2.imdecode(np.frombuffer(encode_image(picture, suffix), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(stored.astype(int) - picture)[:, np.r_[:24, 40:64]].max() <= tolerance
