"""deep_metric: what it learns from annotators, and what it does before it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
import keyframe_bench as kb
from keyframe_bench.bench.cell_records import shared_features
from keyframe_bench.core.grammar import Budget
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.metrics.base import Metric
from keyframe_bench.training.clips import Clips

SMALL: dict[str, Any] = {"backbone": "timm:test_resnet.r160_in1k", "weights": "random", "threads": 1}
SHOTS, LENGTH, LIGHTS = 6, 8, 3  # of a video; frames of a shot; lights that come and go within every shot


def method(**params: Any) -> Any:
    return Extractor.registry.build("deep_metric", params)


def clip_of(rows: np.ndarray, *users: Any, **options: Any) -> kb.Clip:
    """A clip of what enters the last two layers, two frames a second, with what each user chose."""
    n, (feature,) = len(rows), method().train_needs(method().Options.build({**SMALL, **options}))
    chosen = tuple(kb.UserSummary(str(i), np.array(f), np.array(f) / 2) for i, f in enumerate(users))
    info = kb.VideoInfo("video", n, 0.0, n / 2)
    columns = {feature.key: np.asarray(rows, dtype=np.float32)}
    return kb.Clip(info, np.arange(n), np.arange(n) / 2, columns, kb.Annotation(chosen))


def lit(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [48, 96] of shots that differ in 16 numbers, under lights that differ more in 16 others; their lights."""
    rng = np.random.default_rng(seed)
    rows, lights = np.zeros((SHOTS * LENGTH, 96)), rng.integers(LIGHTS, size=(SHOTS, LENGTH))
    lights[:, rng.integers(LENGTH)] = 0
    rows[:, :16] = rng.normal(size=(SHOTS, 16)).repeat(LENGTH, axis=0)
    rows[:, 16:32] = 3 * rng.normal(size=(LIGHTS, 16))[lights.reshape(-1)]
    return rows + 0.1 * rng.normal(size=rows.shape), lights


def shots_found(found: kb.KeyFrames) -> float:
    return len(np.unique(found.frames // LENGTH)) / SHOTS


def picked(trained: Any, rows: np.ndarray) -> kb.KeyFrames:
    """What is selected by learned features alone: a fixed budget reads nothing else."""
    return trained.select(replace(clip_of(rows), annotation=None), SHOTS, rng=np.random.default_rng(0))


def test_annotators_who_take_the_brightest_frame_of_each_shot_are_imitated(tmp_path):
    """What all key frames share and other frames do not is forgotten: the light; then k-means finds the shots."""
    train = []
    for seed in range(10):
        rows, lights = lit(seed)
        brightest = np.arange(SHOTS) * LENGTH + (lights == 0).argmax(axis=1)
        train.append(clip_of(rows, brightest))
    options = {**SMALL, "epochs": 12, "lr": 0.3, "lr_decay": 0.9, "feature_norm": "l2"}
    trained, untrained = (
        kb.fit_clips(method(), train, tmp_path / f"{lr}", options={**options, "lr": lr}) for lr in (options["lr"], 0.0)
    )
    unseen = [lit(seed)[0] for seed in range(1000, 1030)]  # not those that the options were chosen on
    ours, before = (np.mean([shots_found(picked(one, rows)) for rows in unseen]) for one in (trained, untrained))
    random = 1 - (1 - 1 / SHOTS) ** SHOTS  # 0.67
    assert ours > 0.9 and before < random + 0.15
    purity, raw = (one.evaluate(one.learned(), Clips.of(train))["purity"] for one in (trained, untrained))
    assert purity > raw


def images(n: int = 16, seed: int = 0) -> np.ndarray:
    """Four scenes of coloured blocks with a little noise, uint8 [n, 48, 64, 3]."""
    rng = np.random.default_rng(seed)
    scenes = rng.integers(0, 256, (4, 3, 4, 3)).repeat(16, 1).repeat(16, 2).repeat(n // 4, 0)
    return np.clip(scenes + rng.normal(0, 6, scenes.shape), 0, 255).astype(np.uint8)


def shown(needs: Any, **options: Any) -> kb.Clip:
    """The clip of `images` with some features, of whose scenes someone chose the first frames."""
    times = np.arange(16) / 2
    users = (kb.UserSummary("someone", np.arange(0, 16, 4)), kb.UserSummary("nobody", np.arange(0)))
    return kb.clip_from_images(images(), needs, times, kb.Annotation(users), **options)


def trained_on_images(out: Any, **options: Any) -> tuple[Any, kb.Clip]:
    options = {**SMALL, "epochs": 2, **options}
    clip = shown(method().train_needs(method().Options.build(options)))
    return kb.fit_clips(method(), [clip], out, options=options), clip


@pytest.mark.parametrize("trunk", ["frozen", "tuned"])
def test_untrained_it_is_embedding_kmeans_with_logits(tmp_path, trunk):
    trained, _ = trained_on_images(tmp_path, lr=0.0, trunk=trunk)
    known = Extractor.registry.build("embedding_kmeans", {n: SMALL[n] for n in ("backbone", "weights")})
    known.layer = "logits"
    clip = shown((*trained.needs, *known.needs))
    ours, theirs = (one.select(clip, 5, rng=np.random.default_rng(3)) for one in (trained, known))
    assert ours.frames.tolist() == theirs.frames.tolist() and ours.scores.tolist() == theirs.scores.tolist()


def test_a_tuned_trunk_learns_a_hundredth_as_fast_and_keeps_its_statistics(tmp_path):
    """One step of plain descent moves a weight by its learning rate times its gradient."""
    import torch

    from keyframe_bench.models.metric_loss import MetricLoss
    from keyframe_bench.models.metric_network import pretrained

    still = {"epochs": 1, "lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0, "inter_weight": 0.0}
    trained, clip = trained_on_images(tmp_path, trunk="tuned", **still)
    options = trained.trained_options()
    network = pretrained(options.params)
    order = np.r_[0:16:4, np.setdiff1d(np.arange(16), np.arange(0, 16, 4))]
    MetricLoss(inter_weight=0.0)(network(torch.from_numpy(clip[options.input][order])), 4).backward()
    tensors = trained.learned().tensors
    assert tensors.keys() == network.state_dict().keys()
    for name, weight in network.named_parameters():
        step = -1e-3 * (1 if name.startswith("last.") else 0.01) * weight.grad
        moved = torch.from_numpy(tensors[name]) - weight.detach()
        torch.testing.assert_close(moved, step, rtol=1e-2, atol=1e-6 * max(1, float(weight.detach().abs().max())))
    for name, value in network.named_buffers():
        if name in tensors:
            np.testing.assert_array_equal(tensors[name], value)
    assert any(
        np.any(tensors[n] != w.detach().numpy()) for n, w in network.named_parameters() if n.startswith("trunk.")
    )
    (feature, *_), rows = trained.needs, shown(trained.needs)
    assert feature.name == "metric_embedding" and rows[feature].shape == (16, 1000)


def test_the_history_tells_the_learning_rates_and_how_flat_the_softmin_is(tmp_path):
    trained, _ = trained_on_images(tmp_path, epochs=3, lr=1e-7)
    start, *epochs = trained.learned().record["history"]
    assert [row["lr"] for row in epochs] == pytest.approx([1e-7, 1e-7 / 3, 1e-7 / 9])
    assert all(1 <= row["effective_keys"] <= 4 for row in epochs) and "effective_keys" not in start
    again, _ = trained_on_images(tmp_path / "again", epochs=3, lr=1e-7)
    other = kb.fit_clips(
        method(), [shown(again.needs[:1])], tmp_path / "o", options=again.trained_options().params, seed=1
    )
    same = [again.learned().tensors, other.learned().tensors]
    equal = [all(np.array_equal(ours[n], t) for n, t in trained.learned().tensors.items()) for ours in same]
    assert equal == [True, True]  # one batch of 16 frames: nothing to shuffle


def test_the_number_of_key_frames_of_a_free_budget(tmp_path):
    trained, _ = trained_on_images(tmp_path)
    vsumm = Extractor.registry.build("vsumm")
    clip = replace(shown((*trained.needs, *vsumm.needs)), annotation=None)
    seconds = kb.clip_from_images(images()[::2], vsumm.needs, np.arange(8.0))
    rng = np.random.default_rng(0)
    assert len(trained.select(clip, rng=rng)) == vsumm.estimated_k(seconds) > 1
    usual = method(checkpoint=trained.checkpoint, k_rule="user_mean")
    assert trained.learned().numbers["keys_per_min"] == pytest.approx(4 / (8 / 60))
    assert len(usual.needs) == 1 and len(usual.select(clip, rng=rng)) == 4
    assert len(usual.select(clip.taken(np.arange(2)), rng=rng)) == 1


def test_the_histograms_of_vsumm_are_read_for_a_free_budget_alone(tmp_path):
    trained, _ = trained_on_images(tmp_path)
    read = {
        budget: [feature.name for feature in Asked.of(trained, budget, "2fps").features] for budget in ("4", "free")
    }
    assert read == {"4": ["embedding"], "free": ["embedding", "hue_histogram", "gray_std"]}
    assert len(run_extractor(trained, shown(trained.needs), 4, rng=np.random.default_rng(0))) == 4
    cus = [Metric.registry.build("cus")]
    assert shared_features(trained, cus, Budget.parse("4")) == []
    assert "hue_histogram" in shared_features(trained, cus, Budget.parse("free"))[0]


def test_a_free_budget_of_a_clip_that_begins_late(tmp_path):
    """13/30 + 2 is more than 73/30 in floating point: what VSUMM looks at ends with the clip all the same."""
    trained, _ = trained_on_images(tmp_path)
    late = kb.clip_from_images(
        images(64)[:61], (*trained.needs, *Extractor.registry.get("vsumm").needs), np.arange(13, 74) / 30
    )
    assert len(trained.select(late, rng=np.random.default_rng(0))) == 3  # of three seconds, as many scenes


def test_weights_that_are_to_be_fetched_are_fetched_before_a_training_is_named(tmp_path, monkeypatch):
    """Or the same command would not find it again: their hash is part of its key."""
    from keyframe_bench.bench.train import Training
    from keyframe_bench.core.grammar import Split
    from keyframe_bench.datasets.base import Dataset
    from keyframe_bench.features.embedding import Embedding
    from keyframe_bench.training.data import TrainingData

    trained, _ = trained_on_images(tmp_path)
    assert trained.must_download() is None and method().must_download() is None
    fetched: list[str] = []
    monkeypatch.setattr(Embedding, "must_download", lambda feature: None if fetched else f"{feature.weights} to fetch")
    monkeypatch.setattr(Embedding, "prepare", lambda feature: fetched.append(feature.layer))
    assert trained.must_download() == "random to fetch"
    data = TrainingData(dataset=Dataset.registry.build("synthetic", {"n_videos": 2}), split=Split.parse("videos:0.5"))
    assert Training(extractor="deep_metric", options=method().Options.build(SMALL), data=data, out=tmp_path).key
    assert fetched == ["pool"]


def test_choices_that_teach_nothing_are_left_out_or_refused(tmp_path):
    rows, _ = lit(0)
    everything, nothing = np.arange(len(rows)), np.arange(0)
    fit = lambda *clips, **given: kb.fit_clips(method(), clips, tmp_path, options={**SMALL, "epochs": 1, **given})  # noqa: E731
    with pytest.raises(kb.UsageError, match=r"chose 48 of the 48 .*'video'.* trainer\.batch=48"):
        fit(clip_of(rows, everything), batch=48)
    all_chosen = fit(clip_of(rows, everything, nothing), lr=0.0)
    numbers = all_chosen.evaluate(all_chosen.learned(), Clips.of([clip_of(rows, everything)]))
    assert numbers["intra"] == numbers["effective_keys"] == 0 and numbers["loss"] == numbers["inter"] > 0
    for clip in (clip_of(rows, nothing), clip_of(rows[:1], [0])):
        with pytest.raises(kb.UsageError, match=r"no annotator's key frames .* training part"):
            fit(clip)
    one = fit(clip_of(rows, [5], nothing), clip_of(rows[:1], [0]), lr=0.0)
    numbers = one.evaluate(one.learned(), Clips.of([clip_of(rows, [5])]))
    assert numbers["inter"] == 0 and numbers["effective_keys"] == 1 and numbers["purity"] == 1
    part = replace(clip_of(rows, [5, 40]), annotation=clip_of(rows, [5, 40]).annotation.within(0, 20)).taken(
        np.arange(20)
    )
    assert [keys.tolist() for keys in part.choices()] == [[5]]


def test_a_network_whose_last_layers_are_not_known_is_refused_before_anything_is_read():
    options = method().Options.build({"backbone": "torchvision:mobilenet_v3_small", "weights": "random"})
    with pytest.raises(kb.UsageError, match="no fully connected classifier of its pooled features"):
        method().check_options(options)


@pytest.mark.parametrize(("backbone", "layer", "relu"), [("alexnet", "fc6", True), ("squeezenet1_1", "logits", False)])
def test_the_last_two_layers_of_other_families(backbone, layer, relu):
    """AlexNet's own (20,878,312 weights); SqueezeNet, whose classifier is a convolution, gets two."""
    from keyframe_bench.features.embedding import Embedding
    from keyframe_bench.models.metric_network import pretrained
    from keyframe_bench.video.arrays import ArrayFrame

    options = method().Options.build({"backbone": f"torchvision:{backbone}", "weights": "random"})
    frames = [ArrayFrame(image) for image in images()[::8]]
    network = pretrained(options.params)
    assert options.input.layer == layer and network.relu == relu
    assert sum(weight.numel() for weight in network.parameters()) == (20_878_312 if relu else 2_002_000)
    logits = Embedding(backbone=options.backbone, weights="random", layer="logits").compute(frames)
    np.testing.assert_allclose(network.embedded(options.input.compute(frames)), logits, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_ends_like_one_that_was_not(folder, annotate, tmp_path):
    """Batches of two annotators, of which the seed and the epoch decide the order."""
    from keyframe_bench.bench.train import Training, train
    from keyframe_bench.core.grammar import Split
    from keyframe_bench.datasets.base import Dataset
    from keyframe_bench.training.data import TrainingData

    annotate(folder)
    data = TrainingData(
        dataset=Dataset.registry.build("folder", {"root": str(folder)}), split=Split.parse("temporal:0.77")
    )
    options = method().Options.build({**SMALL, "epochs": 3, "batch": 8, "lr": 1e-4, "lr_decay": 0.5})

    def stop(reached: Any) -> None:
        if (reached.epoch, reached.step) == (3, 2):
            raise KeyboardInterrupt

    whole, other, stopped = (
        Training(extractor="deep_metric", options=options, data=data, out=tmp_path / name, seed=seed)
        for name, seed in (("whole", 0), ("other", 1), ("stopped", 0))
    )
    with pytest.raises(KeyboardInterrupt):
        train(stopped, report=stop)
    weights = [train(one).last.read_bytes() for one in (whole, stopped, other)]
    assert weights[0] == weights[1] != weights[2] and train(stopped).epochs_now == 0
