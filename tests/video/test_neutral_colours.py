"""Grey stays grey: no matrix, range, level or format may give it a hue."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from av.video.format import VideoFormat

import keyframe_bench as kb
from keyframe_bench.features.hue_histogram import HueHistogram
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.frame import Frame, rgb_matrix

LEVELS = np.arange(256)
UNSPECIFIED, LIMITED, FULL = 0, 1, 2  # AVColorRange
SPACES = range(18)  # AVColorSpace: those with a matrix of their own, and those read as BT.601
GREY_OF_LIMITED = np.clip(np.rint((LEVELS - 16) * 255 / 219), 0, 255)


def coded(pix_fmt: str, *samples: np.ndarray, space: int = 2, span: int = UNSPECIFIED) -> Frame:
    """Return a frame whose planes hold these samples [H, W], or one row of them on every line."""
    height, width = (16, samples[0].shape[-1]) if samples[0].ndim == 1 else samples[0].shape
    raw = av.VideoFrame(width, height, pix_fmt)
    raw.colorspace, raw.color_range = space, span
    big = raw.format.is_big_endian
    word = np.dtype(np.uint8 if raw.format.components[0].bits == 8 else ">u2" if big else "<u2")
    for plane, sample in zip(raw.planes, samples, strict=False):
        lines = np.zeros((plane.height, plane.line_size // word.itemsize), dtype=word)
        lines[:, : plane.width] = (
            sample[..., : plane.height, : plane.width] if sample.ndim == 2 else sample[: plane.width]
        )
        plane.update(lines.tobytes())
    return Frame(raw, 0, 0.0)


def grey(pix_fmt: str, **tags: int) -> Frame:
    """Return all levels from left to right, without colour; of more than 8 bits those that mean the 8-bit levels."""
    layout = VideoFormat(pix_fmt, 16, 16)
    bits = layout.components[0].bits
    scaled = layout.is_rgb or tags.get("span") == FULL or (pix_fmt.startswith("gray") and tags.get("span") != LIMITED)
    level = np.rint(LEVELS * (2**bits - 1) / 255) if scaled else LEVELS * 2 ** (bits - 8)
    neutral = level if layout.is_rgb else np.full(256, 2 ** (bits - 1))
    return coded(pix_fmt, level, neutral, neutral, level, **tags)


def assert_grey(frame: Frame, expected: np.ndarray) -> None:
    luma, picture = frame.luma(16, 256), frame.full_rgb()
    assert np.array_equal(luma, np.broadcast_to(expected, luma.shape))
    assert np.array_equal(picture, np.repeat(luma[..., None], 3, axis=2))
    small = frame.rgb(5, 100)
    assert np.array_equal(small, np.repeat(frame.luma(5, 100)[..., None], 3, axis=2))


@pytest.mark.parametrize("span", [UNSPECIFIED, LIMITED, FULL])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p", "yuv411p", "yuv420p10le", "yuv422p12be", "yuv444p16le"])
def test_every_level_of_grey_under_every_matrix(pix_fmt: str, span: int) -> None:
    for space in SPACES:
        assert_grey(grey(pix_fmt, space=space, span=span), LEVELS if span == FULL else GREY_OF_LIMITED)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray9le", "gray10le", "gray10be", "gray12le", "gray16le"])
def test_every_level_of_grey_formats(pix_fmt: str) -> None:
    assert_grey(grey(pix_fmt), LEVELS)
    assert_grey(grey(pix_fmt, span=FULL), LEVELS)
    assert_grey(grey(pix_fmt, span=LIMITED), GREY_OF_LIMITED)


@pytest.mark.parametrize("pix_fmt", ["ya8", "ya16le", "ya16be"])
def test_every_level_of_grey_with_transparency(pix_fmt: str) -> None:
    for span, expected in ((UNSPECIFIED, LEVELS), (FULL, LEVELS), (LIMITED, GREY_OF_LIMITED)):
        raw = av.VideoFrame(256, 16, pix_fmt)
        raw.color_range = span
        level = LEVELS if pix_fmt == "ya8" else LEVELS * (256 if span == LIMITED else 257)
        word = np.dtype({"ya8": "u1", "ya16le": "<u2", "ya16be": ">u2"}[pix_fmt])
        lines = np.zeros((16, raw.planes[0].line_size // word.itemsize), dtype=word)
        lines[:, :512:2] = level
        lines[:, 1:512:2] = LEVELS[::-1]  # alpha, which is not looked at
        raw.planes[0].update(lines.tobytes())
        assert_grey(Frame(raw, 0, 0.0), expected)


PLANAR_RGB = [f"{name}{bits}{end}" for name in ("gbrp", "gbrap") for bits in (10, 12, 14, 16) for end in ("le", "be")]


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrap", "gbrp9le", *PLANAR_RGB])
def test_every_level_of_grey_in_planar_rgb(pix_fmt: str) -> None:
    assert_grey(grey(pix_fmt), LEVELS)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "0rgb", "bgr0"])
def test_every_level_of_grey_in_packed_rgb(pix_fmt: str) -> None:
    picture = np.broadcast_to(LEVELS.astype(np.uint8)[:, None], (16, 256, 3))
    raw = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format=pix_fmt)
    assert_grey(Frame(raw, 0, 0.0), LEVELS)


def filled(pix_fmt: str, words: np.ndarray) -> Frame:
    """Return a frame whose planes hold these words on every line."""
    raw = av.VideoFrame(256, 16, pix_fmt)
    for plane in raw.planes:
        lines = np.zeros((16, plane.line_size), dtype=np.uint8)
        lines[:, : words.nbytes] = np.ascontiguousarray(words).view(np.uint8)
        plane.update(lines.tobytes())
    return Frame(raw, 0, 0.0)


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("name", ["rgb48", "bgr48", "rgba64", "bgra64"])
def test_every_level_of_grey_in_16_bits_a_sample(name: str, order: str) -> None:
    samples = np.repeat(LEVELS * 257, 4 if "64" in name else 3)
    assert_grey(filled(name + order, samples.astype("<u2" if order == "le" else ">u2")), LEVELS)


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize(
    ("name", "shifts", "bits"),
    [("rgb444", (0, 4, 8), 4), ("bgr555", (0, 5, 10), 5), ("rgb555", (0, 5, 10), 5), ("x2rgb10", (0, 10, 20), 10)],
)
def test_every_level_of_grey_in_fields_of_a_word(name: str, shifts: tuple[int, ...], bits: int, order: str) -> None:
    most = 2**bits - 1
    levels = np.rint(LEVELS * most / 255).astype(np.int64)
    word = ("<" if order == "le" else ">") + ("u4" if bits == 10 else "u2")
    frame = filled(name + order, sum(levels << shift for shift in shifts).astype(word))
    assert_grey(frame, np.rint(levels * 255 / most))


@pytest.mark.parametrize(("name", "start"), [("rgb565le", 11), ("bgr565be", 0)])
def test_fields_of_a_word_keep_their_colours(name: str, start: int) -> None:
    levels = np.arange(256) % 32
    found = filled(name, (levels << start).astype("<u2" if name.endswith("le") else ">u2")).full_rgb()
    assert np.array_equal(found[0, :, 0], np.rint(levels * 255 / 31)) and not found[..., 1:].any()


@pytest.mark.parametrize("pix_fmt", ["gbrpf32le", "gbrapf32be", "grayf32le"])
def test_every_level_of_grey_in_floats(pix_fmt: str) -> None:
    assert_grey(filled(pix_fmt, (LEVELS / 255).astype("<f4" if pix_fmt.endswith("le") else ">f4")), LEVELS)


@pytest.mark.parametrize("span", [LIMITED, FULL])
@pytest.mark.parametrize("space", [1, 4, 5, 7, 9])
def test_colours_are_within_a_level_of_the_exact_product(space: int, span: int) -> None:
    steps = np.append(LEVELS[::5], [16, 127, 128, 129, 235, 254])
    y, cb, cr = (axis.reshape(len(steps), -1) for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    matrix = rgb_matrix(space, span == FULL)
    exact = np.stack([y, cb, cr, np.ones_like(y)], axis=-1) @ matrix.T
    found = coded("yuv444p", y, cb, cr, space=space, span=span).full_rgb()
    assert np.abs(found - np.clip(np.rint(exact), 0, 255)).max() <= 1


def test_large_pictures_are_converted_as_small_ones() -> None:
    """Large pictures are converted in parts: no part may be left out or shifted."""
    y, cb, cr = np.random.default_rng(0).integers(0, 256, (3, 301, 1000))
    whole = coded("yuv444p", y, cb, cr).full_rgb()
    for top in range(0, 301, 43):
        part = slice(top, top + 43)
        assert np.array_equal(whole[part], coded("yuv444p", y[part], cb[part], cr[part]).full_rgb())


@pytest.mark.parametrize(
    ("pix_fmt", "span"), [("yuv444p10le", LIMITED), ("yuv444p10le", FULL), ("gbrp12be", 0), ("yuv420p16le", LIMITED)]
)
def test_deep_planes_are_rounded(pix_fmt: str, span: int) -> None:
    bits = VideoFormat(pix_fmt, 16, 16).components[0].bits
    samples = np.random.default_rng(1).integers(0, 2**bits, (3, 16, 64))
    planes = coded(pix_fmt, *samples, span=span).planes()
    is_rgb = pix_fmt.startswith("gbr")
    scale = 255 / (2**bits - 1) if is_rgb or span == FULL else 2.0 ** (8 - bits)
    for index, plane in enumerate(planes):
        middle = 128 - scale * 2 ** (bits - 1) if index and not is_rgb else 0
        deep = samples[(2, 0, 1)[index] if is_rgb else index, : plane.shape[0], : plane.shape[1]]
        assert np.abs(plane - np.clip(deep * scale + middle, 0, 255)).max() <= 0.5 + 1e-4


def test_black_and_white_films_have_no_hue(tmp_path, encode) -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    films = [np.repeat(np.roll(ramp, int(rng.integers(128)))[None, :, None], 48, 0).repeat(3, 2) for _ in range(4)]
    for name, space in (("bt601.mp4", 5), ("bt709.mp4", 1), ("bt2020.mp4", 9)):
        path = encode(name, films, colorspace=space, color_range=LIMITED)
        with VideoReader(path) as reader:
            histograms = HueHistogram().compute(list(reader))
        assert histograms[:, 0].tolist() == [1.0] * 4, name


def test_saved_pictures_of_black_and_white_films_are_grey(tmp_path, encode) -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 2, dtype=np.uint8)[:, None], (48, 128, 3))
    path = encode("v.mp4", [ramp] * 4, colorspace=1, color_range=LIMITED)
    result = kb.extract(path, "uniform", budget=2)
    for image in result.pictures():
        assert (image == image[..., :1]).all()


@pytest.mark.data
def test_chaplin_is_black_and_white(data_root) -> None:
    with VideoReader(data_root / "videos" / "edited" / "chaplin.mp4") as reader:
        for frame in reader:
            assert HueHistogram().compute([frame])[0, 0] == 1.0


@pytest.mark.data
def test_hues_are_those_of_the_exact_product(data_root) -> None:
    """Colours off by a level move a pixel near grey into another bin, but never what the whole picture looks like."""
    feature, worst = HueHistogram(), 0.0
    with VideoReader(data_root / "videos" / "edited" / "fades.mp4") as reader:
        for frame in reader:
            planes = [cv2.resize(p, (80, 60), interpolation=cv2.INTER_AREA).astype(float) for p in frame.planes()]
            matrix = rgb_matrix(int(frame.raw.colorspace), full_range=False)
            exact = np.stack([*planes, np.ones((60, 80))], axis=-1) @ matrix.T
            neutral = (planes[1] == 128) & (planes[2] == 128)
            found = frame.rgb(60, 80)
            assert np.ptp(found[neutral], axis=1).max(initial=0) == 0
            worst = max(worst, float(np.abs(found - np.clip(np.rint(exact), 0, 255)).max()))
            assert feature.compute([frame])[0, 0] >= neutral.mean() - 1e-6
    assert worst <= 1
