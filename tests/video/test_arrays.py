"""Clips made of images: what tests and notebooks of plug-in authors are built on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.video.arrays import ArrayFrame

LUMA = kb.Gray(height=12, width=16)


def test_features_and_times_are_aligned_with_frames() -> None:
    images = np.stack([np.full((20, 30, 3), level, dtype=np.uint8) for level in (0, 100, 200)])
    clip = kb.clip_from_images(images, [LUMA], times=[1.0, 1.5, 4.0])
    np.testing.assert_allclose(clip[LUMA].mean(axis=(1, 2)), [0, 100, 200], atol=1)
    picked = clip.pick([2, 0])
    assert (picked.frames.tolist(), picked.times.tolist(), clip.video.n_frames) == ([0, 2], [1.0, 4.0], 3)
    with pytest.raises(ValueError, match="read-only"):
        clip[LUMA][0] = 1
    sample = kb.clip_from_images(images[:2], [], ordinals=[3, 10], times=[0.3, 1.0])
    assert (sample.pick([1]).frames.tolist(), sample.video.n_frames) == ([10], 11)
    assert sample.video.duration_s == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"images": np.zeros((2, 8, 8), np.uint8)}, "uint8 RGB"),
        ({"images": np.zeros((2, 8, 8, 3))}, "uint8 RGB"),
        ({"images": []}, "at least one"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8), "times": [1.0, 1.0]}, "increasing"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8), "ordinals": [1]}, "2 increasing"),
    ],
)
def test_what_is_no_clip_is_refused(arguments: dict[str, Any], hint: str) -> None:
    with pytest.raises(kb.UsageError, match=hint):
        kb.clip_from_images(needs=[], **arguments)


def test_planes_are_limited_range_yuv() -> None:
    white = ArrayFrame(np.full((5, 7, 3), 255, dtype=np.uint8))
    luma, blue, red = white.planes()
    assert [p.shape for p in (luma, blue, red)] == [(5, 7), (3, 4), (3, 4)]
    assert (int(luma[0, 0]), int(blue[0, 0]), int(red[0, 0])) == (235, 128, 128)
    assert white.luma(2, 3).tolist() == [[255] * 3] * 2
    red_image = ArrayFrame(np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8))
    assert red_image.rgb(2, 2)[0, 0].tolist() == [255, 0, 0]
    assert red_image.planes()[2][0, 0] > 200  # V is the red difference
