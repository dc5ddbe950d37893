"""seqdpp: probabilities, gradients and inference against brute force; planted rules of annotators are learned."""

import json
from itertools import product

import numpy as np
import pytest

from keyframe_bench import Annotation, Clip, Extractor, UsageError, UserSummary, fit_clips
from keyframe_bench.core.clip import VideoInfo
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import run_extractor
from keyframe_bench.extractors.seqdpp.model import Segments, SeqdppOptions, kernels_of, log_probability, start_of
from keyframe_bench.extractors.seqdpp.oracle import oracle_summary
from keyframe_bench.extractors.seqdpp.summary import Summary, log_minors
from keyframe_bench.features.histograms import HueHistogram
from keyframe_bench.metrics.distances import HUE_THRESHOLD, hue_distance
from keyframe_bench.metrics.matching import matches_per_user, precision_recall_f

FEATURE = HueHistogram()
KERNELS = ("linear", "nn", "qd")


def options_of(**given):
    return {"feature": "hue_histogram", "dims": 8, "max_iter": 60, **given}


def clip_of(rows, *users, name="v"):
    """A clip of rows, half a second apart, with the positions that each annotator chose."""
    n = len(rows)
    times = np.arange(n) / 2
    ordinals = 15 * np.arange(n)
    people = tuple(UserSummary(str(i), ordinals[list(u)], times[list(u)]) for i, u in enumerate(users))
    columns = {FEATURE.key: np.asarray(rows, dtype=np.float32)}
    return Clip(VideoInfo(name, 15 * n, 0.0, n / 2), ordinals, times, columns, Annotation(people))


def shots_film(seed):
    """Shots of 4 to 9 frames of random appearance; all annotators choose the first frame of each."""
    rng = rng_for(seed, "shots")
    lengths = rng.integers(4, 10, 10)
    looks = rng.normal(size=(10, 16)).repeat(lengths, axis=0)
    starts = np.cumsum(lengths) - lengths
    return clip_of(looks + 0.05 * rng.normal(size=looks.shape), starts, starts), np.arange(10).repeat(lengths)


def bright_film(seed):
    """Frames of random appearance; annotators choose those with a high first number, one in eight."""
    rng = rng_for(seed, "bright")
    rows = rng.normal(size=(64, 16))
    chosen = np.sort(rng.choice(64, 8, replace=False))
    rows[:, 0] = -1
    rows[chosen, 0] = 2
    return clip_of(rows, chosen, chosen), chosen


def trained(films, tmp_path, **given):
    return fit_clips(
        Extractor.registry.build("seqdpp"), films[:-4], tmp_path, validation=films[-4:], options=options_of(**given)
    )


def summary_of(rows, users):
    """The oracle summary by appearance."""
    return oracle_summary(clip_of(rows, *users), SeqdppOptions.build(options_of(oracle="hue")))


def positions(method, clip, k=None):
    return run_extractor(method, clip, k, rng=rng_for(0)).frames // 15


def segments(seed=0, n=13, length=4, kernel="linear"):
    """Options, a random point near the start, and segments of random rows with random choices."""
    rng = rng_for(seed, kernel)
    options = SeqdppOptions.build(options_of(kernel=kernel, hidden=5, segment=length))
    rows, chosen = 0.7 * rng.normal(size=(n, 3)), rng.random(n) < 0.4
    point = start_of(options, 4)
    return options, point + 0.1 * rng.normal(size=len(point)), Segments.of(rows, length, chosen)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_is_that_of_finite_differences(kernel):
    options, point, parts = segments(kernel=kernel)
    steps = 1e-6 * np.eye(len(point))
    numeric = [(parts.loss(point + e, options)[0] - parts.loss(point - e, options)[0]) / 2e-6 for e in steps]
    assert parts.loss(point, options)[1] == pytest.approx(np.array(numeric), abs=1e-7)


@pytest.mark.parametrize("kernel", KERNELS)
def test_probabilities_of_all_subsets_sum_to_one(kernel):
    options, point, parts = segments(kernel=kernel)
    kernels, _, _ = kernels_of(point, parts.frames, options)
    for t in range(3):  # the last segment is a short one
        total = 0.0
        for subset in product([False, True], repeat=4):
            chosen = parts.chosen.copy()
            chosen[t, 4:] = subset
            total += np.exp(log_probability(kernels, chosen, parts.real[:, 4:])[0][t])
        assert total == pytest.approx(1, abs=1e-12)


def test_log_minors_are_those_of_slogdet():
    half = rng_for(0).normal(size=(6, 6))
    kernel = half @ half.T + 0.1 * np.eye(6)
    for index, value in enumerate(log_minors(kernel, 0.1)):
        kept = [i for i in range(6) if index >> i & 1]
        assert value == pytest.approx(np.linalg.slogdet(kernel[np.ix_(kept, kept)])[1], abs=1e-10)


def brute_force(kernels, real, bias=0.0):
    """The most probable summary from left to right, by a determinant for every subset."""
    n = real.shape[1] // 2
    before, found = np.zeros(n, dtype=bool), []
    for kernel, own in zip(kernels, real[:, n:], strict=True):
        best = -np.inf
        for subset in product([False, True], repeat=int(own.sum())):
            now = np.zeros(n, dtype=bool)
            now[: len(subset)] = subset
            kept = np.flatnonzero(np.concatenate([before, now]))
            value = np.linalg.slogdet(kernel[np.ix_(kept, kept)])[1] + bias * now.sum()
            if value > best + 1e-12:
                best, choice = value, now
        before = choice
        found.append(choice[own])
    return np.concatenate(found)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(3))
def test_inference_is_exact(kernel, seed):
    options, point, parts = segments(seed, kernel=kernel)
    kernels, alpha, _ = kernels_of(point, parts.frames, options)
    summary = Summary(kernels, alpha, parts.real)
    for bias in (-1.0, 0.0, 1.0):
        assert summary.most_probable(bias).tolist() == brute_force(kernels, parts.real, bias).tolist()


@pytest.mark.parametrize("equal", [False, True])
def test_exactly_k_frames(equal):
    options, point, parts = segments(n=23)
    if equal:  # no bias separates equal frames
        parts.frames[..., :-1] = 0
    kernels, alpha, _ = kernels_of(point, parts.frames, options)
    summary = Summary(kernels, alpha, parts.real)
    assert [int(summary.exactly(k).sum()) for k in range(1, 24)] == list(range(1, 24))


def test_frame_scores_are_marginal_probabilities():
    options, point, parts = segments(n=4)
    kernels, alpha, _ = kernels_of(point, parts.frames, options)
    expected = np.zeros(4)
    for subset in product([False, True], repeat=4):
        chosen = np.array([[False] * 4 + list(subset)])
        expected += np.exp(log_probability(kernels, chosen, parts.real[:, 4:])[0][0]) * np.array(subset)
    summary = Summary(kernels, alpha, parts.real)
    assert summary.probabilities(np.zeros(4, dtype=bool)) == pytest.approx(expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_expected_size_is_the_mean_over_all_summaries(kernel):
    options, point, parts = segments(n=8, length=3, kernel=kernel)  # three segments, the last a short one
    kernels, alpha, _ = kernels_of(point, parts.frames, options)
    total = mean = 0.0
    for subset in product([False, True], repeat=8):
        chosen = Segments.of(np.zeros((8, 3)), 3, np.array(subset)).chosen
        probability = np.exp(log_probability(kernels, chosen, parts.real[:, 3:])[0].sum())
        total, mean = total + probability, mean + probability * sum(subset)
    assert total == pytest.approx(1, abs=1e-10)
    assert Summary(kernels, alpha, parts.real).expected_size() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_oracle_summary_by_appearance_is_greedy(seed):
    rng = rng_for(seed, "oracle")
    rows = rng.dirichlet(np.ones(3), 20)[:, [0, 1, 2] + [0] * 13] * ([1] * 3 + [0] * 13)
    users = [np.sort(rng.choice(20, size, replace=False)) for size in (2, 5, 7)]
    near = hue_distance(rows, rows[np.concatenate(users)]) < HUE_THRESHOLD
    f1s, chosen = [0.0], []
    while len(chosen) < 20:  # by a largest matching of every set
        value = {}
        for frame in set(range(20)) - set(chosen):
            matches = matches_per_user(near[[*chosen, frame]], [2, 5, 7])
            value[frame] = precision_recall_f(matches, len(chosen) + 1, [2, 5, 7])[2].mean()
        if max(value.values()) <= f1s[-1] + 1e-12:
            break
        f1s.append(max(value.values()))
        equal = [frame for frame in value if value[frame] > f1s[-1] - 1e-12]
        chosen.append(next(frame for frame in [*np.flatnonzero(summary_of(rows, users)), *equal] if frame in equal))
    assert np.flatnonzero(summary_of(rows, users)).tolist() == sorted(chosen)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("oracle", ["hue", "time"])
def test_one_frame_of_each_shot_is_learned(kernel, oracle, tmp_path):
    films = [shots_film(seed)[0] for seed in range(16)]
    method = trained(films, tmp_path, kernel=kernel, dims=16, oracle=oracle)
    hit, by_chance = [], []
    for seed in range(100, 108):
        clip, shot = shots_film(seed)
        hit.append(len(set(shot[positions(method, clip, 10)])))
        by_chance.append(len(set(shot[rng_for(seed).choice(len(clip), 10, replace=False)])))
    assert np.mean(by_chance) < 7.5
    assert np.mean(hit) > 9


# Without a quality of its own, bright frames are alike to the other two, which choose fewer of a segment.
@pytest.mark.parametrize(("kernel", "least"), [("qd", 0.9), ("linear", 0.5), ("nn", 0.5)])
def test_the_bright_frames_are_learned(kernel, least, tmp_path):
    films = [bright_film(seed)[0] for seed in range(16)]
    method = trained(films, tmp_path, kernel=kernel, dims=16)
    for k in (8, None):
        found = []
        for seed in range(100, 104):
            clip, chosen = bright_film(seed)
            mine = positions(method, clip, k)
            found.append(2 * len(np.intersect1d(mine, chosen)) / (len(mine) + len(chosen)))
        assert np.mean(found) > least  # by chance 1/8


def test_a_free_budget_takes_as_many_frames_as_annotators_do_where_the_most_probable_summary_is_empty(tmp_path):
    def film(seed):
        rng = rng_for(seed, "few")  # nothing tells which 4 of 60 frames annotators choose
        return clip_of(rng.normal(size=(60, 16)), np.sort(rng.choice(60, 4, replace=False)))

    learned = trained([film(seed) for seed in range(16)], tmp_path, oracle="time", tau_s=0)
    paper = Extractor.registry.build("seqdpp", {"checkpoint": learned.checkpoint, "k_rule": "map"})
    found = [run_extractor(learned, film(seed), None, rng=rng_for(0)) for seed in range(100, 106)]
    assert {len(keys) for keys in found} <= {3, 4, 5} and not any(keys.fallback for keys in found)
    assert "empty" in run_extractor(paper, film(100), None, rng=rng_for(0)).fallback


@pytest.mark.parametrize("chosen", [range(30), [4]], ids=["everything", "one frame"])
def test_extreme_annotators(chosen, tmp_path):
    rows = rng_for(1).normal(size=(30, 16))
    clips = [clip_of(rows, chosen, []), clip_of(rows[:1], [0]), clip_of(rows)]
    method = fit_clips(Extractor.registry.build("seqdpp"), clips, tmp_path, options=options_of())
    assert len(positions(method, clip_of(rows), 7)) == 7
    assert len(positions(method, clip_of(rows))) >= 1


@pytest.mark.parametrize(
    ("rows", "chosen", "given", "said"),
    [
        (np.eye(30, 16), [], {}, "no sampled frame"),
        (np.ones((30, 16)), [3], {}, "the same on all"),
        (np.full((30, 16), np.nan), [3], {"oracle": "time"}, "not finite"),
        (np.eye(30, 16), [3], {"segment": 13}, "trainer.segment=13"),
        (np.eye(30, 16), [3], {"feature": "source_file"}, "no row of numbers"),
    ],
)
def test_bad_input(rows, chosen, given, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        fit_clips(Extractor.registry.build("seqdpp"), [clip_of(rows, chosen)], tmp_path, options=options_of(**given))


@pytest.mark.parametrize("name", ["seqdpp", "maxent_ioc"])
def test_rows_that_are_not_finite_are_refused_before_training_and_in_selection(name, tmp_path):
    rows = rng_for(2).normal(size=(30, 16))
    good, bad = clip_of(rows, [3, 9]), clip_of(np.where(rows > 2, np.inf, rows), [3, 9], name="broken")
    given = {"feature": "hue_histogram", "dims": 4, "max_iter": 3, **({"oracle": "time"} if name == "seqdpp" else {})}
    method = fit_clips(Extractor.registry.build(name), [good], tmp_path / "good", options=given)
    for k in (None, 3):
        with pytest.raises(UsageError, match="'broken' that are not finite"):
            positions(method, bad, k)
    for train, validation in ([[bad], [good]], [[good], [bad]]):
        with pytest.raises(UsageError, match="'broken' that are not finite"):
            fit_clips(type(method)(), train, tmp_path / "bad", validation=validation, options=given)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_validation_loss_that_overflows_is_refused_when_it_does(tmp_path):
    rows, method = rng_for(3).normal(size=(30, 16)), Extractor.registry.build("seqdpp")
    parts = [[clip_of(scale * rows, [3, 9])] for scale in (1, 1e6)]
    with pytest.raises(UsageError, match="validation loss is not finite in iteration 1 "):
        fit_clips(method, parts[0], tmp_path, validation=parts[1], options=options_of(kernel="qd", oracle="time"))


@pytest.mark.slow
def test_it_trains_and_is_scored_from_the_command_line(cli, tmp_path):
    run = ("dataset=synthetic", "split=kfold:2", "extractors=[uniform,seqdpp]", "budget=4")
    options = ("trainer.seqdpp.feature=hue_histogram", "trainer.seqdpp.max_iter=5")
    code, out, err = cli("run", *run, *options, f"out={tmp_path / 'run'}")
    assert code == 0, err
    assert "seqdpp" in out


def test_training_reads_two_frames_per_second_by_default(cli, folder, annotate, tmp_path):
    annotate(folder)
    data = ("dataset=folder", f"dataset.root={folder}", "split=temporal:0.5", "trainer.feature=hue_histogram")
    code, _, err = cli("train", "extractor=seqdpp", *data, "trainer.max_iter=2", f"out={tmp_path / 'out'}")
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["data"]["sampling"] == "2fps"


def test_training_stops_without_a_lower_validation_loss(tmp_path):
    films = [shots_film(seed)[0] for seed in range(4)]
    options = options_of(max_iter=60, patience=3, dims=16)
    method = fit_clips(
        Extractor.registry.build("seqdpp"), films[:2], tmp_path, validation=[bright_film(0)[0]], options=options
    )
    history = method.trained_record()["history"]
    losses = [row["validation_loss"] for row in history]
    assert len(history) < 60
    assert 1 + int(np.argmin(losses[1:])) == len(history) - 1 - 3
