"""The selector of key frames for a FrameMAE: what it learns, what its checkpoint holds, what it selects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.extractors.frame_mae_oracle import FrameMaeOracle
from keyframe_bench.extractors.frame_rs import FrameRs, ranks
from keyframe_bench.extractors.frame_rs.learning import judged
from keyframe_bench.features.frame_mae import FrameMaeTokens
from keyframe_bench.models.frame_mae_weights import PAIRS

QUICK = {"lr": 0.02, "momentum": 0.9, "epochs": 10, "threads": 1, "dropout": 0.0}


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 24, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def frame_mae(tmp_path_factory) -> Any:
    """The path of a FrameMAE's checkpoint, after one epoch on noise."""

    def make(seed: int = 0) -> str:
        out, method = tmp_path_factory.mktemp("mae"), FrameMaeOracle()
        needs = method.train_needs(method.Options.build({}))
        options = {"epochs": 1, "batch": 4, "threads": 1}
        return str(
            kb.fit_clips(
                method, [kb.clip_from_images(pictures(32), needs)], out=out, options=options, seed=seed
            ).checkpoint
        )

    return make


def planted(frame_mae: str, n_clips: int, seed: int, n_windows: int = 20) -> list[Clip]:
    """Clips whose best pair shows in one number of the tokens of each window; 28 classes, all about as frequent."""
    errors, tokens = FrameRs().train_needs(FrameRs.Options.build({"frame_mae": frame_mae}))
    rng, clips = np.random.default_rng(seed), []
    for i in range(n_clips):
        best = rng.integers(len(PAIRS), size=n_windows)
        rows = rng.normal(0, 1, (n_windows, 48, 8, 4)).astype(np.float32)
        for w, pair in enumerate(np.array(PAIRS)[best]):
            rows[w, 3, pair] += 6
        wrong = 1 + rng.random((n_windows, len(PAIRS))).astype(np.float32)
        wrong[np.arange(n_windows), best] = 0.5
        n = 16 * n_windows
        columns = {errors.key: wrong, tokens.key: rows}
        spans = {feature.key: feature.windows(n) for feature in (errors, tokens)}
        info = VideoInfo(f"clip {seed} {i}", n, 0.0, n / 12.5)
        clips.append(Clip(info, np.arange(n) * 2, np.arange(n) / 12.5, columns, spans=spans))
    return clips


@pytest.fixture(scope="module")
def trained(frame_mae, tmp_path_factory) -> tuple[FrameRs, str]:
    """A selector that has learned the planted pairs, and the checkpoint of its FrameMAE."""
    mae, out = frame_mae(), tmp_path_factory.mktemp("selector")
    train, validation = planted(mae, 40, seed=1), planted(mae, 5, seed=2)
    return kb.fit_clips(FrameRs(), train, out, validation=validation, options={"frame_mae": mae, **QUICK}), mae


def test_planted_pairs_are_learned(trained) -> None:
    method, mae = trained
    found = method.evaluate(method.learned(), kb.Clips.of(planted(mae, 20, seed=3)))
    assert found["top1"] > 0.8 and found["top5"] > 0.95 and found["regret"] < 0.25
    assert found["majority_top1"] < 0.1 and 0.8 < found["pair_2_5_regret"] < 1.2
    assert found["train_top1"] >= found["top1"] - 0.05 and found["cross_entropy"] < 1
    history = method.trained_record()["history"]
    assert history[-1]["step_top1"] > history[1]["step_top1"] > 1 / 28


def test_the_frames_of_the_planted_pair_are_chosen(trained, run) -> None:
    method, mae = trained
    (clip,) = planted(mae, 1, seed=4, n_windows=6)
    errors, _ = method.train_needs(method.trained_options())
    best = np.array(PAIRS)[clip[errors].argmin(axis=1)]
    chosen = [16 * w + 2 * token + half for w, pair in enumerate(best) for token in pair for half in (0, 1)]
    free = run(method, clip)
    assert len(np.intersect1d(free.frames, 2 * np.array(chosen))) >= 20  # 24, but for a window or so
    assert run(method, clip, 24).frames.tolist() == free.frames.tolist()
    assert set(run(method, clip, 6).frames // 32) == set(range(6))  # one of each window
    assert set(run(method, clip, 3).frames // 64) == set(range(3))  # one of each third
    assert set(run(method, clip, 6).frames) <= set(free.frames)


def test_every_budget_is_met(trained, run) -> None:
    method, _ = trained
    for n in (1, 5, 16, 23, 40):
        clip = kb.clip_from_images(pictures(n), method.needs)
        for k in (1, 2, 4, 7, n - 1, n, n + 3):
            assert len(run(method, clip, k)) == min(k, n) if k else True
        assert 1 <= len(run(method, clip)) <= 4 * len(clip[method.needs[0]])
    assert len(run(method, clip.prefix(9), 3)) == 3  # no whole window
    assert run(method, clip.prefix(9)).fallback


def test_of_a_short_video_no_repeated_frame_is_chosen(trained, run) -> None:
    method, _ = trained
    for n in (3, 5, 9):
        assert 3 <= len(run(method, kb.clip_from_images(pictures(n), method.needs))) <= 4


def test_the_checkpoint_holds_the_first_stage(frame_mae, tmp_path) -> None:
    mae = frame_mae(5)
    clips = [kb.clip_from_images(pictures(33), FrameRs().train_needs(FrameRs.Options.build({"frame_mae": mae})))]
    method = kb.fit_clips(FrameRs(), clips, out=tmp_path, options={"frame_mae": mae, "epochs": 1, "threads": 1})
    seen = [part["video"] for part in read_checkpoint(mae, "frame_mae_oracle").record["trained_on"]]
    key = FrameMaeTokens(checkpoint=mae).key
    before = method.select(clips[0], 5, rng=np.random.default_rng(0)).frames
    Path(mae).unlink()
    again = FrameRs(checkpoint=method.checkpoint)
    assert again.unavailable() is None and again.needs[0].key == key
    clip = kb.clip_from_images(pictures(33), again.needs)
    assert again.select(clip, 5, rng=np.random.default_rng(0)).frames.tolist() == before.tolist()
    assert set(seen) <= {part["video"] for part in again.trained_record()["trained_on"]}


def test_labels_of_another_frame_mae_are_refused(trained, frame_mae) -> None:
    method, _ = trained
    with pytest.raises(UsageError, match="another FrameMAE"):
        method.evaluate(method.learned(), kb.Clips.of(planted(frame_mae(7), 1, seed=0)))


def test_what_cannot_be_learned_from_is_told(frame_mae, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"trainer\.frame_mae="):
        kb.fit_clips(FrameRs(), [kb.clip_from_images(pictures(2), ())], out=tmp_path)
    with pytest.raises((UsageError, UnavailableError), match="does not exist"):
        kb.fit_clips(
            FrameRs(), [kb.clip_from_images(pictures(2), ())], out=tmp_path, options={"frame_mae": "no.safetensors"}
        )
    mae = frame_mae()
    needs = FrameRs().train_needs(FrameRs.Options.build({"frame_mae": mae}))
    part = kb.clip_from_images(pictures(20), needs).prefix(9)
    with pytest.raises(UsageError, match="no whole window"):
        kb.fit_clips(FrameRs(), [part], out=tmp_path, options={"frame_mae": mae})


def test_judged_as_one_would_by_hand() -> None:
    rng = np.random.default_rng(0)
    scores, errors = rng.random((40, 28)), rng.random((40, 28)).astype(np.float32)
    errors[3] = 0.5  # all alike: nothing is lost
    top1 = top5 = regret = 0.0
    for mine, wrong in zip(scores, errors.astype(float), strict=True):
        best, ranked = int(wrong.argmin()), sorted(range(28), key=lambda c: -mine[c])
        top1, top5 = top1 + (ranked[0] == best), top5 + (best in ranked[:5])
        spread = wrong.mean() - wrong.min()
        regret += (wrong[ranked[0]] - wrong.min()) / spread if spread > 0 else 0
    found = judged(scores, errors)
    assert found == pytest.approx({"top1": top1 / 40, "top5": top5 / 40, "regret": regret / 40})
    assert judged(-errors, errors)["regret"] == 0


def test_turns_left_over_are_spread() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.3])
    assert np.argsort(-ranks(confidence, 2))[:2].tolist() == [0, 5]
    assert np.argsort(-ranks(confidence, 9))[:3].tolist() == [0, 2, 5]
    assert ranks(confidence, 6).tolist() == confidence.tolist()


def test_both_stages_are_trained_on_the_same_side(cli, folder, tmp_path) -> None:
    out, trainings = tmp_path / "out", tmp_path / "trainings"
    options = ["trainer.frame_rs.epochs=1", "trainer.frame_rs.mae_epochs=1", "trainer.frame_rs.threads=1"]
    words = ["run", "dataset=folder", f"dataset.root={folder}", "split=kfold:3", "extractors=[frame_rs]", "budget=4"]
    status, _, errors = cli(*words, *options, f"out={out}", f"trainings={trainings}", "seeds=[0,1]")
    assert status == 0, errors
    first, second = (sorted(trainings.glob(f"{name}-*/best.safetensors")) for name in ("frame_mae_oracle", "frame_rs"))
    assert (len(first), len(second)) == (3, 6)  # one FrameMAE for both seeds
    seen = [{part["video"] for part in read_checkpoint(p, "frame_mae_oracle").record["trained_on"]} for p in first]
    assert sorted(map(len, seen)) == [2, 2, 2]  # of three films, one is scored
    for path in second:
        assert {part["video"] for part in read_checkpoint(path, "frame_rs").record["trained_on"]} in seen


def test_the_bundled_network_is_small_and_makes_frames_of_a_film_that_it_has_not_seen(tmp_path, cli) -> None:
    """Its labels must say something: the choice of frames matters, and the best choice is good."""
    from keyframe_bench.core.checkpoint import checkpoint_file
    from keyframe_bench.rendering.films import render_video
    from keyframe_bench.video.onepass import read_pass

    assert checkpoint_file("bundled", "frame_rs").stat().st_size <= 6_000_000
    render_video(film := tmp_path / "pan.mp4", "pans", 991, height=120, width=160, fps=25, duration_s=8)
    method = FrameRs()
    assert method.unavailable() is None
    errors, _ = method.train_needs(method.trained_options())
    read = read_pass(film, {"every2": [errors]})
    found = read.clip("every2", [errors])[errors]  # [W, 28], mean squared errors of pixels
    assert found.shape == (7, 28)  # the last window overlaps
    assert found.min(axis=1).mean() < 0.8 * found.mean()
    assert found.min(axis=1).mean() < 0.03
    status, said, err = cli("extract", film, "extractor=frame_rs", "budget=6", f"out={tmp_path / 'found'}")
    assert status == 0 and "6 key frames" in said, err
