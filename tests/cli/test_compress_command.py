"""``keyframe-bench compress``: a video from its key frames alone."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.video.decode import VideoReader

pytest.importorskip("timm", reason="FrameMAE is made of its blocks")

LIMIT = 70  # frames: five windows, the last one short


@pytest.fixture(scope="module")
def film():
    return kb.demo_video()


def images(path):
    with VideoReader(path) as reader:
        return np.stack([frame.full_rgb() for frame in reader])


@pytest.fixture(scope="module")
def compressed(film, tmp_path_factory):
    out = tmp_path_factory.mktemp("compressed")
    return kb.compress(film, out=out, limit=LIMIT), out


def test_a_quarter_is_kept_and_every_frame_is_shown(compressed):
    found, out = compressed
    assert found.n_frames == LIMIT and 2 <= found.n_kept - 4 * (LIMIT // 16) <= 4
    assert len(images(out / "kept.mp4")) == found.n_kept
    for name in ("reconstructed.mp4", "h264.mp4"):
        assert images(out / name).shape == (LIMIT, found.height, found.width, 3)
    assert cv2.imread(str(out / "strip.png")).shape[1] == 8 * found.width


def test_each_way_is_compared_at_the_bytes_it_takes(compressed):
    found, out = compressed
    told = json.loads((out / "compress.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(found.to_json()))
    ways = {way["name"]: way for way in told["ways"]}
    assert len(ways) == 5
    kept, coded = (out / "kept.mp4").stat().st_size, (out / "h264.mp4").stat().st_size
    assert 0.8 * kept < coded <= kept < told["whole_size"]
    assert {way["size"] for way in ways.values()} >= {kept, coded}
    for name, way in ways.items():
        assert way["ratio"] == way["size"] / told["whole_size"]
        assert 0 < way["psnr_db"] <= way["all_psnr_db"] + 0.5 and -1 <= way["ssim"] <= 1, name


def test_the_numbers_are_those_of_the_files(compressed, film):
    """OpenCV's PSNR of the H.264, which is compared as it was written."""
    found, out = compressed
    from keyframe_bench.video.fetch import fetch_frames

    read = found.extraction.source
    seen = read.grid(found.extraction.sampling)[:LIMIT].tolist()
    shown = np.stack([frame.rgb(found.height, found.width) for frame in fetch_frames(film, seen, read)])
    coded = next(way for way in found.ways if "H.264" in way.name)
    assert coded.all_psnr_db == pytest.approx(
        cv2.PSNR(shown.reshape(-1, 3), images(out / "h264.mp4").reshape(-1, 3)), abs=1e-6
    )


def test_any_method_chooses_what_is_kept_and_the_same_command_gives_the_same(cli, film, tmp_path):
    words = (
        "compress",
        film,
        "extractor=uniform",
        "budget=5",
        "sampling=every",
        "limit=48",
        "--json",
    )
    found = []
    for name in ("a", "b"):
        status, said, err = cli(*words, f"out={tmp_path / name}")
        assert status == 0, err
        found.append(json.loads(said))
        del found[-1]["key_frames"]["cost"]
    assert found[0] == found[1] and found[0]["n_kept"] >= 6
    assert (tmp_path / "a" / "reconstructed.mp4").read_bytes() == (tmp_path / "b" / "reconstructed.mp4").read_bytes()


@pytest.mark.slow
def test_statistics_of_the_frames_left_out_flatter_a_network_with_normalised_patches(cli, film, tmp_path):
    pytest.importorskip("pytorch_lightning", reason="training needs pytorch-lightning")
    words = ["dataset=synthetic", "dataset.n_videos=2", "dataset.duration_s=4", "split=videos:0.5", "trainer.epochs=1"]
    mae = ["trainer.mae_epochs=1", "trainer.mae_batch=4", f"out={tmp_path / 't'}"]
    assert cli("train", "extractor=frame_rs", *words, *mae)[0] == 0
    found = [
        kb.compress(
            film, out=tmp_path / name, checkpoint=str(tmp_path / "t" / "best.safetensors"), statistics=name, limit=48
        )
        for name in ("blended", "target")
    ]
    blended, target = (one.ways[0].psnr_db for one in found)
    assert target > blended  # it learned next to nothing, and is told the mean of every patch


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("statistics=mean",), "statistics"),
        (("statistics=target",), "mae_target=normalised"),
        (("limit=0",), "limit"),
        (("checkpoint=nowhere.safetensors",), "nowhere.safetensors"),
        (("extractor=uniform", "sampling=every", "budget=100%"), "budget"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(cli, film, tmp_path, words, named):
    out = tmp_path / "out"
    status, _, err = cli("compress", film, *words, f"out={out}")
    assert status == 2 and named in err and len(err.strip().splitlines()) == 1
    assert not out.exists()
