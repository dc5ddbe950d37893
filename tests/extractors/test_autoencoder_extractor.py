"""Key frames by a trained auto-encoder; the networks here are tiny and untrained, but for the tests on real videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from keyframe_bench.core.clip import Clip, KeyFrames
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.autoencoder import Autoencoder
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.checks import run_check
from keyframe_bench.extractors.checks.rule import CHECKS
from keyframe_bench.models.losses import MixLoss
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.video.arrays import clip_from_images

PICTURES = ("reconstruction", "input", "cross")
CODES = ("feature_mix", "feature_l1", "feature_l2", "feature_cos")
SPACES = (*PICTURES, *CODES)
SLOW = ("reconstruction", "input", "cross", "feature_mix")  # what is particular to them has quick tests as well
HEIGHT, WIDTH = 24, 48
# Between the noise of the images below and what happens in them.
LEVELS = {"reconstruction": 0.007, "input": 0.013, "cross": 0.2, "feature_mix": 0.02}
LEVELS |= {"feature_l1": 0.07, "feature_l2": 0.1, "feature_cos": 0.01}


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory, checkpoint_of: Callable[..., str]) -> Callable[..., str]:
    """Write an untrained network of a quarter of ae_final's size with these numbers."""
    from keyframe_bench.models.autoencoder import EncoderDecoder

    folder = tmp_path_factory.mktemp("checkpoints")

    def write(name: str, numbers: dict[str, Any]) -> str:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            model = EncoderDecoder(ConvolutionalNetwork.build("ae_final", {"width": 0.05, "geometry": 0.25})).train()
            for _ in range(60):  # so that its normalisation fits images and codes have a range
                model(torch.rand(4, 3, HEIGHT // 4, WIDTH // 4).repeat_interleave(4, 2).repeat_interleave(4, 3))
        return checkpoint_of(folder / name, model.eval(), **numbers)

    return write


@pytest.fixture(scope="module")
def checkpoint(save: Callable[..., str]) -> str:
    """One with thresholds for the images of this file."""
    return save("tiny.safetensors", {"thresholds": LEVELS, "code_low": [-2.0] * 8, "code_high": [2.0] * 8})


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """A room with sensor noise; a bright block enters at frame 8, moves on, leaves at 20; the light changes at 28."""
    rng = rng_for(0, "room")
    room = rng.integers(40, 200, (12, 24, 3)).repeat(4, 0).repeat(4, 1)
    frames = []
    for t in range(34):
        picture = room + rng.normal(0, 1.5, room.shape)
        if 8 <= t < 20:
            picture[16:40, 5 * (t - 8) : 5 * (t - 8) + 20] = (250, 30, 60)
        frames.append(picture * (0.6 if t >= 28 else 1.0))
    return np.clip(frames, 0, 255).astype(np.uint8)


def clip_of(extractor: Extractor, images: np.ndarray) -> Clip:
    return clip_from_images(images, extractor.needs, 1.48 + np.arange(len(images)) / 10)


def run(extractor: Extractor, images: np.ndarray, k: int | None = None) -> KeyFrames:
    return run_extractor(extractor, clip_of(extractor, images), k, rng=rng_for(0))


def plain_distance(extractor: Autoencoder, clip: Clip) -> Callable[[int, int], float]:
    """One pair at a time, by the definitions."""
    rows = [np.asarray(clip[feature]) for feature in extractor.needs]
    space = extractor.distance_space
    if space in PICTURES:
        as_input = [torch.from_numpy(r.copy()).permute(0, 3, 1, 2).float() / 255 for r in rows]
        return lambda t, r: float(MixLoss()(as_input[0][t : t + 1], as_input[-1][r : r + 1]))
    codes = rows[0].astype(np.float64)
    if space == "feature_mix":
        scaled = torch.from_numpy(np.clip((codes + 2) / 4, 0, 1))
        return lambda t, r: float(MixLoss()(scaled[t : t + 1], scaled[r : r + 1]))
    if space == "feature_cos":
        return lambda t, r: float(
            1 - (codes[t] * codes[r]).sum() / np.sqrt((codes[t] ** 2).sum() * (codes[r] ** 2).sum())
        )
    power = 1 if space == "feature_l1" else 2
    return lambda t, r: float((np.abs(codes[t] - codes[r]) ** power).mean() ** (1 / power))


@pytest.mark.parametrize("space", SPACES)
def test_rule_word_for_word_in_every_space(checkpoint: str, images: np.ndarray, space: Any) -> None:
    extractor = Autoencoder(checkpoint=checkpoint, distance_space=space)
    clip = clip_of(extractor, images)
    distance, threshold = plain_distance(extractor, clip), extractor.free_threshold()
    reference, chosen, scores = 0, [0], [0.0]
    for t in range(1, len(images)):
        scores.append(distance(t, reference))
        if scores[-1] > threshold:
            reference = t
            chosen.append(t)
    found = run_extractor(extractor, clip, None, rng=rng_for(0))
    assert found.frames.tolist() == chosen
    assert found.frame_scores == pytest.approx(scores, abs=2e-5)
    assert found.scores == pytest.approx(np.array(scores)[chosen], abs=2e-5)
    assert found.thresholds is not None and set(found.thresholds.tolist()) == {np.float32(threshold)}
    assert {8, 28} <= set(chosen) and len(chosen) < len(images)  # what happens is found, and not everything is


@pytest.mark.parametrize("space", [pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW)) for s in SPACES])
def test_contract_in_every_space(checkpoint: str, space: Any) -> None:
    extractor = Autoencoder(checkpoint=checkpoint, distance_space=space)
    names = set(CHECKS) - (set() if space == "reconstruction" else {"same_answer_elsewhere"})  # that one takes seconds
    verdicts = [run_check(name, extractor) for name in sorted(names)]
    assert [v for v in verdicts if v.status not in ("passed", "not applicable")] == []
    applied = {v.name for v in verdicts if v.status == "passed"}
    assert {"online_prefix", "budget_met", "free_budget", "segments_cover", "reads_declared_needs"} <= applied


def test_a_threshold_sweep_needs_nothing_else(checkpoint: str) -> None:
    """The features are those of the checkpoint and the space: no threshold, gap or budget is in their key."""
    for space in SPACES:
        kinds = {
            Autoencoder(checkpoint=checkpoint, distance_space=space, **options).needs  # type: ignore[arg-type]
            for options in ({}, {"threshold": 0.5}, {"threshold": 0.1, "min_gap_s": 2.0, "emit_first": False})
        }
        assert len(kinds) == 1
    assert Autoencoder(checkpoint=checkpoint).sampling is None
    assert Autoencoder(checkpoint=checkpoint, rate="every").sampling == "every"
    (picture,) = Autoencoder(checkpoint=checkpoint, distance_space="input").needs
    assert (picture.params["height"], picture.params["width"]) == (HEIGHT, WIDTH)


def test_threshold_that_selects_nothing_gives_the_first_frame_and_says_so(checkpoint: str, images: np.ndarray) -> None:
    for emit_first in (True, False):
        extractor = Autoencoder(checkpoint=checkpoint, threshold=0.9, emit_first=emit_first)
        clip = clip_of(extractor, images)
        found = run_extractor(extractor, clip, None, rng=rng_for(0))
        assert found.frames.tolist() == [0]
        assert found.frame_scores is not None and found.frame_scores.max() > 0
        said = extractor.why(clip, found, 0, None)
        assert "threshold 0.9" in said and "a lower threshold gives more" in said
        assert f"frame {int(found.frame_scores.argmax())}" in said


def test_first_frame_may_be_the_reference_only(checkpoint: str, images: np.ndarray) -> None:
    whole = run(Autoencoder(checkpoint=checkpoint), images)
    extractor = Autoencoder(checkpoint=checkpoint, emit_first=False)
    found = run(extractor, images)
    assert found.frames.tolist() == whole.frames.tolist()[1:]
    assert np.array_equal(found.frame_scores, whole.frame_scores)
    assert found.segments is not None and found.segments[0, 0] == 0
    assert not extractor.online and Autoencoder(checkpoint=checkpoint).online
    assert len(run(extractor, images, 3)) == 3 and 0 not in run(extractor, images, 3).frames


def test_key_frames_keep_their_distance_in_time(checkpoint: str, images: np.ndarray) -> None:
    extractor = Autoencoder(checkpoint=checkpoint, threshold=0.0, min_gap_s=0.5)
    clip = clip_of(extractor, images)
    found = run_extractor(extractor, clip, None, rng=rng_for(0))
    assert found.frames.tolist() == list(range(0, 34, 5))  # at 10 frames per second, and nothing equals anything
    assert "min_gap_s" in extractor.why(clip, found, 7, None)
    assert np.diff(run(extractor, images, 4).times).min() >= 0.5 - 1e-9


@pytest.mark.parametrize("space", ["reconstruction", "input", "feature_l2"])
def test_any_number_of_key_frames(checkpoint: str, images: np.ndarray, space: Any) -> None:
    extractor = Autoencoder(checkpoint=checkpoint, distance_space=space)
    clip = clip_of(extractor, images)
    for k in (1, 2, 3, 5, 12, 30):
        found = run_extractor(extractor, clip, k, rng=rng_for(0))
        assert len(found) == k and found.frames[0] == 0
        assert found.segments is not None and found.segments[0, 0] == 0 and found.segments[-1, 1] == len(images)
        for position in range(len(images)):
            said = extractor.why(clip, found, position, k)
            assert said.startswith("chosen") == (position in found.frames), said
    assert run(extractor, images, 2).frames[1] >= 8  # never one of the still frames before anything happens


def test_equal_frames_are_fewer_key_frames_than_wanted(checkpoint: str, images: np.ndarray) -> None:
    still = images[:1].repeat(9, 0)
    for space in set(SPACES) - {"cross"}:  # where a frame is always at some distance to what the network makes of it
        found = run(Autoencoder(checkpoint=checkpoint, distance_space=space), still, 4)  # type: ignore[arg-type]
        assert found.frames.tolist() == [0]
        assert found.frame_scores is not None and not found.frame_scores.any()


def test_a_checkpoint_without_calibration_says_what_to_give(save: Callable[..., str], images: np.ndarray) -> None:
    path = save("plain.safetensors", {"thresholds": {"input": float(np.float32(0.02)), "cross": "high"}})
    for space in ("reconstruction", "cross"):
        extractor = Autoencoder(checkpoint=path, distance_space=space)  # type: ignore[arg-type]
        reason = extractor.unavailable()
        assert reason is not None and "no calibrated threshold" in reason and "threshold=NUMBER" in reason
        with pytest.raises(UsageError, match="threshold=NUMBER"):
            run(extractor, images)
    assert Autoencoder(checkpoint=path, threshold=0.03).unavailable() is None
    assert Autoencoder(checkpoint=path, distance_space="input").free_threshold() == pytest.approx(0.02)
    with pytest.raises(UsageError, match="feature_mix needs the range of all 8 channels"):
        run(Autoencoder(checkpoint=path, distance_space="feature_mix", threshold=0.03), images)
    missing = Autoencoder(checkpoint="no/such.safetensors").unavailable()
    assert missing is not None and "no/such.safetensors" in missing


def test_wrong_parameters_are_refused() -> None:
    for params in ({"threshold": "high"}, {"threshold": -0.1}, {"min_gap_s": -1}, {"distance_space": "pixels"}):
        with pytest.raises(UsageError, match=next(iter(params))):
            Extractor.registry.build("autoencoder", params)
    assert Extractor.registry.build("autoencoder", {"threshold": 0.03}).params["threshold"] == 0.03


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("video", ["one_by_one_person.mp4", "vtest.avi", "traffic_camera.mp4"])
def test_bundled_checkpoint_on_real_cameras(data_root: Path, video: str) -> None:
    """Labelled events are found and not everything is; bf16 moves distances by less than anyone would set apart."""
    from keyframe_bench.video.onepass import read_pass

    assert Autoencoder().unavailable() is None
    found = {}
    for precision in ("fp32", "bf16"):
        extractor = Autoencoder(precision=precision)  # type: ignore[arg-type]
        done = read_pass(data_root / "videos" / "surveillance" / video, {"every2": extractor.needs})
        clip = done.clip("every2", extractor.needs)
        found[precision] = run_extractor(extractor, clip, None, rng=rng_for(0))
    exact, fast = found["fp32"], found["bf16"]
    assert 3 <= len(exact) <= len(clip) // 4
    if video == "traffic_camera.mp4":
        for start, end in ((10, 149), (359, 491), (543, 576)):
            assert ((exact.frames >= start) & (exact.frames < end)).any()
    n = min(len(exact), len(fast))
    apart = np.flatnonzero(exact.frames[:n] != fast.frames[:n])  # references differ from there on
    until = int(np.searchsorted(clip.ordinals, exact.frames[apart[0]])) if apart.size else len(clip)
    assert exact.frame_scores is not None and fast.frame_scores is not None
    assert np.abs(exact.frame_scores - fast.frame_scores)[:until].max() < 0.02 * extractor.free_threshold()
    assert abs(len(exact) - len(fast)) <= max(2, len(exact) // 10)
