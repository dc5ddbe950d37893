"""Spectral clustering and the entropy of clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.spectral import Spectral
from keyframe_bench.metrics.base import Metric

LENGTHS = (30, 20, 40, 25)
RICHNESS = (4, 200, 16, 64)  # grey levels of each shot: bits 2, 7.6, 4, 6


def clip_of(extractor: Extractor, lengths: tuple[int, ...] = LENGTHS, richness: tuple[int, ...] = RICHNESS) -> Clip:
    """Shots whose colours scatter a little around one mixture each, and that have so many grey levels."""
    rng = np.random.default_rng(0)
    shot = np.repeat(np.arange(len(lengths)), lengths)
    colors = rng.random((len(lengths), 216))[shot] + 0.2 * rng.random((len(shot), 216))
    grays = np.stack([np.bincount(rng.integers(0, richness[s], 4800), minlength=256) for s in shot])
    values = dict(
        zip(("color_histogram", "gray_histogram"), (colors / colors.sum(axis=1)[:, None], grays), strict=True)
    )
    n = len(shot)
    columns = {feature.key: values[feature.name] for feature in extractor.needs}
    return Clip(VideoInfo("v", 12 * n, 0.0, n / 2), np.arange(n) * 12, np.arange(n) / 2, columns)


def run(k: int | None, seed: int = 0, **params: Any) -> KeyFrames:
    extractor = Spectral(**params)
    return run_extractor(extractor, clip_of(extractor), k, rng=rng_for(seed))


def shots_of(found: KeyFrames) -> list[int]:
    return np.searchsorted(np.cumsum(LENGTHS), found.frames // 12, side="right").tolist()


@pytest.mark.parametrize("seed", range(3))
def test_each_shot_gives_its_medoid_and_scores_are_the_entropies_of_the_shots(seed: int) -> None:
    found = run(4, seed)
    assert shots_of(found) == [0, 1, 2, 3]
    clip, (colors, grays) = clip_of(Spectral()), Spectral().needs
    borders = np.cumsum(LENGTHS)[:-1]
    apart = [cdist(rows, rows, "sqeuclidean").sum(axis=1) for rows in np.split(np.sqrt(clip[colors]), borders)]
    assert (found.frames // 12).tolist() == [start + a.argmin() for start, a in zip([0, *borders], apart, strict=True)]
    expected = [entropy(part.sum(axis=0), base=2) for part in np.split(clip[grays], borders)]
    assert found.scores == pytest.approx(expected)
    assert found.frame_scores == pytest.approx(np.repeat(expected, LENGTHS), rel=1e-6)


@pytest.mark.parametrize(
    ("k", "params", "shots"),
    [
        (None, {}, [0, 1, 2, 3]),
        (2, {"clusters": "eigengap"}, [1, 3]),  # of more clusters than the budget those of highest entropy
        (3, {"clusters": "eigengap"}, [1, 2, 3]),
        (None, {"mode": "max_entropy_cluster"}, [1] * 20),  # the article word for word: all of the richest cluster
        (4, {"mode": "max_entropy_cluster"}, [1] * 4),
        (25, {"mode": "max_entropy_cluster"}, [1] * 20 + [3] * 5),
    ],
)
def test_which_shots_are_chosen(k: int | None, params: dict[str, Any], shots: list[int]) -> None:
    assert shots_of(run(k, **params)) == shots
    assert len(run(9, clusters="eigengap")) == 9 and len(run(None, kmax=3)) <= 3


@pytest.mark.parametrize("mode", ["ranked", "max_entropy_cluster"])
@pytest.mark.parametrize("clusters", ["budget", "eigengap"])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_exactly_the_budget_whatever_the_video(mode: Any, clusters: Any, n: int) -> None:
    extractor = Spectral(mode=mode, clusters=clusters)
    moving = clip_of(extractor, (n,), (9,))
    still = replace(moving, columns={key: rows[:1].repeat(n, axis=0) for key, rows in moving.columns.items()})
    for clip in (moving, still):
        for k in (1, 2, 5, 99):
            assert len(run_extractor(extractor, clip, k, rng=rng_for(0))) == min(k, n)
        assert 1 <= len(run_extractor(extractor, clip, None, rng=rng_for(0))) <= n


def test_with_a_budget_the_frames_nearest_to_the_mean_are_chosen() -> None:
    found = run(4, mode="max_entropy_cluster")
    extractor = Spectral()
    rows = np.sqrt(clip_of(extractor)[extractor.needs[0]][30:50])
    nearest = np.argsort(np.linalg.norm(rows - rows.mean(axis=0), axis=1))[:4]
    assert (found.frames // 12).tolist() == sorted(30 + nearest)


def test_pooled_entropy_sees_change_inside_a_shot_and_the_mean_of_frames_does_not() -> None:
    """Shot 0 flickers between black and white, shot 1 is evenly grey in two levels."""
    for rule, first in (("pooled", 1.0), ("mean_frame", 0.0)):
        extractor = Spectral(entropy=rule)  # type: ignore[arg-type]  # parametrised
        clip = clip_of(extractor, (20, 20), (1, 1))
        grays = np.zeros((40, 256), dtype=np.int32)
        grays[np.arange(20), 255 * (np.arange(20) % 2)] = 100
        grays[20:, [9, 10]] = [80, 20]
        clip.columns[extractor.needs[1].key][:] = grays
        found = run_extractor(extractor, clip, 2, rng=rng_for(0))
        assert found.scores == pytest.approx([first, entropy([80, 20], base=2)])


def told(frame: int, k: int | None, **params: Any) -> str:
    extractor = Spectral(**params)
    clip = clip_of(extractor)
    found = run_extractor(extractor, clip, k, rng=rng_for(0))
    assert extractor.lowest_chosen(found) is None
    return extractor.why(clip, found, frame, k)


def test_why_names_the_medoid_and_the_rank_of_the_cluster() -> None:
    shot_1, shot_3 = (run(2, clusters="eigengap").frames // 12).tolist()
    highest = "the cluster's entropy of 7.643 bits is number 1 of 4"
    assert told(shot_1, 2, clusters="eigengap") == f"chosen: it is the medoid of its cluster; {highest}"
    other = 30 if shot_1 != 30 else 31
    assert told(other, 2, clusters="eigengap") == (
        f"not chosen: frame {12 * shot_1}, the medoid of its cluster, stands for it; {highest}"
    )
    said = told(60, 2, clusters="eigengap")
    assert said.startswith("not chosen: its cluster is not among the 2 of highest entropy; ")
    assert said.endswith("the cluster's entropy of 4 bits is number 3 of 4")
    assert f"frame {12 * shot_3}, the medoid" in told(90 if shot_3 != 90 else 91, 2, clusters="eigengap")


def test_why_in_the_mode_of_one_cluster() -> None:
    mode = {"mode": "max_entropy_cluster"}
    assert told(30, None, **mode).startswith("chosen, as is all of its cluster; ")
    assert told(0, None, **mode).startswith("not chosen: one cluster is taken, not its own; ")
    assert told(0, 4, **mode).startswith("not chosen: clusters of higher entropy have frames enough; ")
    taken = set((run(4, **mode).frames // 12).tolist())
    for frame in range(30, 50):
        said = told(frame, 4, **mode)
        place = int(said.partition("it is number ")[2].partition(";")[0])
        assert "of the 20 frames of its cluster the nearest 4 to the mean became key frames" in said
        assert said.startswith("chosen") == (frame in taken) == (place <= 4)


def test_why_says_when_clusters_cannot_be_told_apart_or_are_too_few() -> None:
    extractor = Spectral()
    clip = clip_of(extractor, (20, 20), (1, 1))  # both shots have 0 bits
    found = run_extractor(extractor, clip, 2, rng=rng_for(0))
    said = [extractor.why(clip, found, position, 2) for position in range(40)]
    for position in range(40):
        assert said[position].startswith("chosen") == (12 * position in found.frames)
    assert sum("several clusters have the entropy of its own" in words for words in said) >= 37
    still = Clip(
        clip.video, clip.ordinals, clip.times, {key: rows[:1].repeat(40, 0) for key, rows in clip.columns.items()}
    )
    found = run_extractor(extractor, still, 3, rng=rng_for(0))
    said = [extractor.why(still, found, position, 3) for position in found.frames // 12]
    assert said[0].startswith("chosen: it is the medoid")
    assert all("chosen beside the medoids: there are fewer clusters than key frames" in words for words in said[1:])


def test_no_metric_judges_by_what_it_selects_on() -> None:
    judged = {feature.name for name in Metric.registry.names() for feature in Metric.registry.build(name).needs}
    assert judged and judged.isdisjoint(feature.name for feature in Spectral().needs)
