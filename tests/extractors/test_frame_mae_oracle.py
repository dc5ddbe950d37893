"""frame_mae_oracle: the training of a FrameMAE, its features, and key frames by trying all choices."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
pytest.importorskip("timm", reason="needs keyframe_bench[networks]")
import torch

import keyframe_bench as kb
from keyframe_bench.features.frame_mae import FrameMaeErrors, FrameMaeTokens
from keyframe_bench.features.images import Rgb, RgbJpeg
from keyframe_bench.models.frame_mae_weights import PAIRS, embedded, load_frame_mae
from keyframe_bench.models.frame_masks import pair_errors

FAST: dict[str, Any] = {"epochs": 2, "batch": 4, "threads": 1, "precision": "fp32", "warmup": 1.0}


def method(**params: Any) -> Any:
    return kb.Extractor.registry.build("frame_mae_oracle", params)


def film(n: int = 40, seed: int = 0, height: int = 72, width: int = 96) -> np.ndarray:
    """Coloured blocks, and a bright square that crosses them, uint8 [n, height, width, 3]."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    images = np.stack([blocks.repeat(height // 6, 0).repeat(width // 8, 1)] * n)
    for i, image in enumerate(images):
        image[20:50, 2 * i : 2 * i + 24] = 255
    return images


def trained(out: Path, *clips: np.ndarray, **options: Any) -> Any:
    given = {**FAST, **options}
    needs = method().train_needs(method().Options.build(given))
    shown = [kb.clip_from_images(images, needs, name=str(i)) for i, images in enumerate(clips or (film(),))]
    return kb.fit_clips(method(), shown, out, options=given)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A method that was trained for two epochs."""
    return trained(tmp_path_factory.mktemp("oracle"))


def network_input(images: np.ndarray) -> Any:
    """The middle of the images as the network takes them."""
    shown = kb.clip_from_images(images, [Rgb(height=64, width=64, resize="crop")])
    rows = np.array(shown[Rgb(height=64, width=64, resize="crop")])
    return torch.from_numpy(rows).permute(3, 0, 1, 2)[None].float() / 255


def test_training_lowers_the_loss_and_a_seed_decides_the_weights(tmp_path):
    films = [film(48, seed) for seed in range(4)]
    options = {"epochs": 4, "lr": 3e-3, "target": "pixels"}
    first, again = (trained(tmp_path / name, *films, **options) for name in ("first", "again"))
    history = first.learned().record["history"]
    assert history[-1]["validation_loss"] < 0.7 * history[0]["validation_loss"]
    assert 1e-5 < history[1]["lr"] < 3e-3 and history[-1]["lr"] == pytest.approx(1e-5, rel=1e-3)
    assert first.learned().numbers["weights"] == again.learned().numbers["weights"]


def test_errors_and_tokens_are_those_of_the_network(oracle):
    images = film(40)
    clip = kb.clip_from_images(
        images, [FrameMaeErrors(checkpoint=oracle.checkpoint), FrameMaeTokens(checkpoint=oracle.checkpoint)]
    )
    errors, tokens = (clip[f(checkpoint=oracle.checkpoint)] for f in (FrameMaeErrors, FrameMaeTokens))
    assert errors.shape == (3, 28) and tokens.shape == (3, 48, 8, 4)
    assert clip.windows(FrameMaeErrors(checkpoint=oracle.checkpoint)).tolist() == [[0, 16], [16, 32], [24, 40]]
    model = load_frame_mae(oracle.checkpoint)
    np.testing.assert_allclose(errors[2], pair_errors(model, network_input(images[24:]))[0], atol=1e-5)
    by_all = FrameMaeErrors(checkpoint=oracle.checkpoint, errors="all_frames")
    assert by_all != FrameMaeErrors(checkpoint=oracle.checkpoint)
    assert not np.allclose(kb.clip_from_images(images, [by_all])[by_all], errors)


def test_of_a_video_shorter_than_a_window_the_last_frame_is_repeated(oracle):
    images = film(5)
    clip = kb.clip_from_images(images, oracle.needs)
    repeated = images[np.minimum(np.arange(16), 4)]
    expected = pair_errors(load_frame_mae(oracle.checkpoint), network_input(repeated))
    np.testing.assert_allclose(clip[oracle.needs[0]], expected, atol=1e-5)
    chosen = oracle.select(clip, rng=np.random.default_rng(0)).frames
    pair = PAIRS[int(expected.argmin())]
    assert chosen.tolist() == sorted({min(2 * token + i, 4) for token in pair for i in (0, 1)})


def with_errors(oracle: Any, n: int, errors: np.ndarray) -> kb.Clip:
    clip = kb.clip_from_images(film(n), oracle.needs)
    return replace(clip, columns={oracle.needs[0].key: errors.astype(np.float32)})


def test_key_frames_are_those_of_the_pair_with_the_lowest_error(oracle):
    errors = np.full((3, 28), 0.5)
    for window, (pair, lowest) in enumerate([((1, 6), 0.4), ((0, 7), 0.1), ((2, 3), 0.3)]):
        errors[window, PAIRS.index(pair)] = lowest
    clip, rng = with_errors(oracle, 48, errors), np.random.default_rng(0)
    free = oracle.select(clip, rng=rng)
    assert free.frames.tolist() == [2, 3, 12, 13, 16, 17, 30, 31, 36, 37, 38, 39]
    assert oracle.select(clip, 2, rng=rng).frames.tolist() == [16, 36]  # where the choice matters most
    assert oracle.select(clip, 4, rng=rng).frames.tolist() == [2, 16, 30, 36]
    found = oracle.select(clip, 7, rng=rng)
    assert found.frames.tolist() == [2, 12, 16, 17, 30, 36, 38] and found.scores.argmax() in (2, 3, 4)


def test_a_checkpoint_that_embeds_the_network_gives_the_same_rows_under_the_same_key(oracle, tmp_path):
    tensors, told = embedded(oracle.learned())
    record = {**oracle.learned().record, "extractor": "frame_rs", "options": {}, "numbers": {"frame_mae": told}}
    kb.Checkpoint({**tensors, "own": np.zeros(3)}, record).write(tmp_path / "rs.safetensors")
    first = FrameMaeTokens(checkpoint=oracle.checkpoint)
    second = FrameMaeTokens(checkpoint=str(tmp_path / "rs.safetensors"), trained_by="frame_rs")
    assert first.key == second.key
    rows = [kb.clip_from_images(film(16), [feature])[feature] for feature in (first, second)]
    assert np.array_equal(*rows)


def test_a_training_starts_from_another_of_the_same_size_only(oracle, cli, tmp_path, folder):
    words = ["train", "extractor=frame_mae_oracle", "dataset=folder", f"dataset.root={folder}", "split=videos:0.5"]
    words += [f"init={oracle.checkpoint}", "trainer.epochs=1", "trainer.threads=1", "trainer.batch=4"]
    status, _, said = cli(*words, "trainer.preset=small", f"out={tmp_path / 'small'}")
    assert status and "init does not fit" in said and "preset=small" in said
    (folder / "broken.mp4").write_bytes(b"no video")
    status, out, said = cli(*words, f"out={tmp_path / 'tiny'}")
    assert status == 0, said
    assert "broken.mp4" in out + said and "1 unreadable" in out + said
    checkpoint = tmp_path / "tiny" / "best.safetensors"
    words = ["extract", folder / "mixed.mp4", "extractor=frame_mae_oracle", f"extractor.checkpoint={checkpoint}"]
    status, _, said = cli(*words, "budget=free", f"out={tmp_path / 'frames'}")
    assert status == 0, said


def test_weights_of_another_network_are_refused_before_anything_is_read(tmp_path):
    from safetensors.numpy import save_file

    save_file({"mask_token": np.zeros((1, 1, 48), np.float32)}, tmp_path / "other.safetensors")
    for file, said in ((tmp_path / "other.safetensors", "does not fit preset=tiny"), (tmp_path / "none", "is no file")):
        with pytest.raises(kb.UsageError, match=said):
            method().check_options(method().Options.build({"videomae": str(file)}))


def test_frames_kept_as_jpeg_are_nearly_the_same_in_an_eighth_of_the_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (3, 72, 96, 3), dtype=np.uint8)
    for images, far in ((film(3), 10.0), (noise, 80.0)):
        feature = RgbJpeg(short_side=72)
        rows = kb.clip_from_images(images, [feature])[feature]
        assert rows.shape == (3, 72 * 96 * 3 // 8)
        assert np.abs(RgbJpeg.images(rows).astype(int) - images).mean() < far


def test_a_training_reads_either_kind_of_stored_frames(tmp_path):
    given = {"target": "pixels", "epochs": 1}
    first, second = (trained(tmp_path / kind, film(32), stored=kind, **given) for kind in ("bytes", "jpeg"))
    one, other = (t.learned().record["history"][-1]["validation_loss"] for t in (first, second))
    assert one != other and one == pytest.approx(other, rel=0.05)


def test_a_change_of_size_within_a_video_is_taken_as_its_first_size():
    frames = [np.full((72, 96, 3), 9, np.uint8), np.full((50, 120, 3), 9, np.uint8)]
    for feature in (Rgb(short_side=64), RgbJpeg(short_side=64)):
        rows = kb.clip_from_images(frames, [feature])[feature]
        assert rows.shape == ((2, 64, 85, 3) if isinstance(feature, Rgb) else (2, 64 * 85 * 3 // 8))


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"precision": "bf16"}, {"compile": True}])
def test_mixed_precision_and_a_compiled_network_train_alike(tmp_path, given):
    if given.get("compile") and shutil.which("c++") is None:
        pytest.skip("torch.compile needs a C++ compiler here")
    # Without a least deviation the target of a flat patch is rounding, multiplied by a million.
    first, second = (trained(tmp_path / str(len(m)), film(64), std_floor=0.004, **m) for m in ({}, given))
    one, other = (t.learned().record["history"] for t in (first, second))
    for a, b in zip(one, other, strict=True):
        assert a["validation_loss"] == pytest.approx(b["validation_loss"], rel=1e-2 if "precision" in given else 1e-4)


@pytest.mark.parametrize(("height", "width", "size"), [(72, 96, (36, 48)), (96, 72, (48, 36)), (20, 20, (36, 36))])
def test_stored_images_keep_their_aspect(height, width, size):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    feature = Rgb(short_side=36)
    assert kb.clip_from_images(images, [feature])[feature].shape == (2, *size, 3)
    assert feature.key == "rgb@1(short_side=36)" and Rgb().key == "rgb@1(height=96,width=192,resize=stretch)"
