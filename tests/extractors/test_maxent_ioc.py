"""MaxEnt IOC: its numbers against brute force, annotators with a known rule, what it refuses."""

import itertools
import json

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.maxent_ioc.policy import (
    Scene,
    action_probabilities,
    decoded,
    highest,
    likelihood_gradient,
    log_sum,
    rewards,
    values,
    visits,
)
from keyframe_bench.training.clips import Clips

GRAY = {"feature": "gray", "height": 3, "width": 4, "dims": 3}
METHOD = Extractor.registry.get("maxent_ioc")


def argmax(logits):
    return int(np.argmax(logits))


def scene_of(n=7, dims=2, seed=0, paths=(), **given):
    rng = rng_for(seed, "scene")
    return Scene(rng.normal(size=(n, dims)), np.cumsum(rng.uniform(0.5, 1.5, n)), paths=paths, **given)


def weights_of(scene, seed=1, scale=0.5):
    return rng_for(seed, "weights").normal(size=scene.n_weights) * scale


def all_paths(scene):
    """Every path of a small scene, with its summed reward, computed pair by pair from the definition."""
    weights = weights_of(scene)
    rows, times, (n, dims) = scene.rows, scene.times, scene.rows.shape
    pair, frame, start, end = np.split(weights, np.cumsum([dims + 2, dims + 3, 2]))
    unit = np.median(np.diff(times))

    def gap(seconds):
        return np.array([np.log(seconds), seconds**2])

    def score(j):
        before = np.linalg.norm(rows[j] - rows[j - 1]) if j else 0
        after = np.linalg.norm(rows[j + 1] - rows[j]) if j < n - 1 else 0
        return frame @ [*rows[j], before, after, 1]

    found = {}
    for k in range(1, n + 1):
        for path in itertools.combinations(range(n), k):
            total = start @ gap(times[path[0]] - times[0] + unit) + end @ gap(times[-1] - times[path[-1]] + unit)
            for i, j in itertools.pairwise(path):
                total += pair @ [*abs(rows[i] - rows[j]), *gap(times[j] - times[i])]
                if times[j] - times[i] > scene.max_gap and j > i + 1:
                    total = -np.inf
            found[path] = total + sum(map(score, path))
    return weights, found


@pytest.mark.parametrize("max_gap", [np.inf, 2.5, 0.1])
def test_best_path_and_probabilities_are_those_of_all_paths(max_gap):
    scene = scene_of(max_gap=max_gap)
    weights, paths = all_paths(scene)
    given = rewards(scene, weights)
    of = values(given)
    z = np.logaddexp.reduce(list(paths.values()))
    assert log_sum(given.start + of) == pytest.approx(z, abs=1e-10)
    selected = [sum(np.exp(r - z) for path, r in paths.items() if i in path) for i in range(len(scene))]
    np.testing.assert_allclose(visits(*action_probabilities(given, of)[:2]), selected, atol=1e-12)
    assert tuple(decoded(given, argmax, highest)) == max(paths, key=paths.get)
    for k in range(1, len(scene) + 1):
        best = max((path for path in paths if len(path) == k), key=paths.get)
        assert tuple(decoded(given, argmax, highest, k)) == best


def test_actions_of_a_state_have_probability_1():
    scene = scene_of(40, 3, max_gap=9.0)
    first, step, last = action_probabilities(given := rewards(scene, weights_of(scene)), values(given))
    assert first.sum() == pytest.approx(1)
    np.testing.assert_allclose(step.sum(axis=1) + last, 1)
    assert scene.width < 39 and step.shape == (40, scene.width)


@pytest.mark.parametrize("max_gap", [np.inf, 4.0])
def test_gradient_is_that_of_finite_differences(max_gap):
    paths = tuple(np.array(path) for path in ([0, 3, 5], [8], range(9), [1, 2]))
    scene = scene_of(9, 3, paths=paths, max_gap=max_gap)
    weights, step = weights_of(scene, scale=0.2), 1e-6
    _, gradient = likelihood_gradient(scene, weights)
    one, other = (
        [likelihood_gradient(scene, weights + sign * step * e)[0] for e in np.eye(len(weights))] for sign in (1, -1)
    )
    np.testing.assert_allclose(gradient, np.subtract(one, other) / (2 * step), atol=1e-6)


def test_pairs_are_the_same_in_small_blocks(monkeypatch):
    scene = scene_of(30, 3, paths=(np.array([2, 9, 20]),))
    weights = weights_of(scene)
    whole = likelihood_gradient(scene, weights)
    monkeypatch.setattr("keyframe_bench.extractors.maxent_ioc.policy._BLOCK", 100)
    parts = likelihood_gradient(scene, weights)
    assert whole[0] == pytest.approx(parts[0])
    np.testing.assert_allclose(whole[1], parts[1])


def test_drawn_paths_have_the_probabilities_of_the_policy():
    scene, rng = scene_of(5), rng_for(0, "draws")
    weights, paths = all_paths(scene)
    given = rewards(scene, weights)

    def draw(logits):
        return int(np.argmax(logits + rng.gumbel(size=len(logits))))

    for k in (None, 2):
        drawn = [tuple(decoded(given, draw, log_sum, k)) for _ in range(4000)]
        wanted = {path: np.exp(r) for path, r in paths.items() if k in (None, len(path))}
        for path, weight in wanted.items():
            assert drawn.count(path) / 4000 == pytest.approx(weight / sum(wanted.values()), abs=0.03)


def clip_of(images, users=(), times=None, name="v"):
    summaries = [kb.UserSummary(str(i), frames=np.array(chosen, dtype=np.int64)) for i, chosen in enumerate(users)]
    clock = np.arange(len(images)) / 2 if times is None else times
    images = np.asarray(images, dtype=np.uint8)
    feature = METHOD.Options.build(GRAY).chosen("feature")
    return kb.clip_from_images(images, (feature,), clock, kb.Annotation(tuple(summaries)), name=name)


def film(seed, shots=6):
    """Shots of 4 to 12 frames, one grey texture each, with noise; and where each begins."""
    rng = rng_for(seed, "film")
    lengths = rng.integers(4, 13, shots)
    pictures = [np.clip(rng.integers(30, 226, (12, 16, 1)) + rng.normal(0, 2, (n, 12, 16, 1)), 0, 255) for n in lengths]
    return np.concatenate(pictures).repeat(3, axis=3).astype(np.uint8), np.cumsum(lengths) - lengths


def flashes(seed):
    """Dark and bright frames in any order; and which are bright."""
    rng = rng_for(seed, "flashes")
    bright = rng.random(40) < 0.2
    bright[rng.integers(40)] = True
    levels = np.where(bright, 200, 60) + rng.integers(-20, 21, 40)
    return levels[:, None, None, None].repeat(12, 1).repeat(16, 2).repeat(3, 3), np.flatnonzero(bright)


def every_fifth(seed):
    images, _ = film(seed)
    return images, np.arange(0, len(images), 5)


def trained(clips, out, **options):
    return kb.fit_clips(METHOD(), clips, out, options={**GRAY, **options})


def f1(found, wanted):
    return 2 * len(np.intersect1d(found, wanted)) / (len(found) + len(wanted))


@pytest.mark.parametrize("rule", [film, flashes, every_fifth], ids=["first of each shot", "bright", "every fifth"])
def test_annotators_with_a_rule_are_imitated_on_unseen_films(rule, tmp_path):
    seen = [clip_of(images, [wanted] * 2) for images, wanted in map(rule, range(8))]
    method = trained(seen, tmp_path)
    by_k, free, by_chance = [], [], []
    for images, wanted in map(rule, range(100, 106)):
        clip, rng = clip_of(images), rng_for(0)
        by_k.append(f1(run_extractor(method, clip, len(wanted), rng=rng).frames, wanted))
        free.append(f1(run_extractor(method, clip, None, rng=rng).frames, wanted))
        by_chance.append(len(wanted) / len(clip))
    assert min(np.mean(by_k), np.mean(free)) > 0.9
    assert np.mean(by_chance) < 0.3


def test_annotators_without_a_rule_are_followed_in_how_many_they_select(tmp_path):
    images, rng = film(0, shots=8)[0], rng_for(0, "users")
    picks = [np.sort(rng.choice(len(images), 8, replace=False)) for _ in range(6)]
    method = trained([clip_of(images, picks)], tmp_path, max_iter=40)
    assert 6 <= len(run_extractor(method, clip_of(images), None, rng=rng_for(0))) <= 10


def test_signs_of_planted_weights_are_learned_from_drawn_paths():
    from scipy.optimize import minimize

    scenes, rng = [scene_of(25, 2, seed) for seed in range(30)], rng_for(0, "planted")
    planted = np.array([1.5, -1.5, 1.0, -0.3, 1.5, -1.5, 1.0, 0.7, -1.0, -1.0, -0.3, 1.0, -0.3])
    for place, scene in enumerate(scenes):
        given = rewards(scene, planted)
        draws = tuple(decoded(given, lambda x: int(np.argmax(x + rng.gumbel(size=len(x)))), log_sum) for _ in range(5))
        scenes[place] = Scene(scene.rows, scene.times, paths=draws)

    def loss(weights):
        found = [likelihood_gradient(scene, weights) for scene in scenes]
        gradient = sum(gradient for _, gradient in found)
        return 0.005 * weights @ weights - sum(value for value, _ in found), 0.01 * weights - gradient

    learned = minimize(loss, np.zeros(len(planted)), jac=True, method="L-BFGS-B", options={"maxiter": 40}).x
    assert np.array_equal(np.sign(learned), np.sign(planted)), learned


def test_annotators_with_nothing_or_everything_and_one_frame(tmp_path):
    images, wanted = film(0)
    clips = [
        clip_of(images, [wanted, [], range(len(images))]),
        clip_of(film(1)[0]),
        clip_of(images[:1], [[0]]),
    ]
    method = trained(clips, tmp_path)
    assert run_extractor(method, clips[2], 3, rng=rng_for(0)).frames.tolist() == [0]
    assert run_extractor(method, clips[2], None, rng=rng_for(0)).frames.tolist() == [0]
    assert len(run_extractor(method, clips[1], len(clips[1]), rng=rng_for(0))) == len(clips[1])
    numbers = method.evaluate(method.learned(), Clips.of(clips))
    assert numbers["likelier"] > 0 and 0.5 < numbers["count_ratio"] < 2


@pytest.mark.parametrize("decode", ["viterbi", "greedy", "sample"])
def test_any_decoding_gives_k_frames_with_probabilities_as_scores(decode, tmp_path):
    images, wanted = film(0)
    method = METHOD(checkpoint=trained([clip_of(images, [wanted])], tmp_path).checkpoint, decode=decode)
    clip = clip_of(film(1)[0])
    drawn = [run_extractor(method, clip, k, rng=rng_for(seed)) for seed in range(4) for k in (1, 5, len(clip))]
    assert [len(found) for found in drawn] == [1, 5, len(clip)] * 4
    assert len({tuple(found.frames) for found in drawn[1::3]}) == (1 if decode != "sample" else 4)
    assert method.stochastic == (decode == "sample")
    scores = drawn[0].frame_scores
    assert np.all((scores >= 0) & (scores <= 1 + 1e-6)) and np.ptp(scores) > 0.1


def test_what_cannot_be_learned_from_is_refused_before_training(tmp_path, monkeypatch):
    images, wanted = film(0)
    with pytest.raises(kb.UsageError, match="no annotator selected a frame of the training part"):
        trained([clip_of(images)], tmp_path)
    with pytest.raises(kb.UsageError, match=r"between two key frames, more than trainer.max_gap_s=1.5; raise it"):
        trained([clip_of(images, [wanted])], tmp_path, max_gap_s=1.5)
    method = trained([clip_of(images, [wanted])], tmp_path, max_gap_s=8)
    monkeypatch.setattr("keyframe_bench.extractors.maxent_ioc.MAX_PAIRS", 100)
    with pytest.raises(kb.UsageError, match=r"'v' has \d+ sampled frames, .* trainer.max_gap_s"):
        run_extractor(method, clip_of(images), 4, rng=rng_for(0))


@pytest.fixture
def counted(own_registry):
    """A feature, registered under this name, and how often it was computed."""
    computed = []

    class Counted(kb.Gray):
        """Small images in grey."""

        def compute(self, frames):
            computed.append(len(frames))
            return super().compute(frames)

    kb.register("counted")(Counted)
    return computed


def test_too_long_videos_are_refused_before_features_are_computed(cli, counted, folder, tmp_path, monkeypatch):
    told = {"users": {"u1": {"frames": [3]}, "u2": {"frames": [14]}}}
    document = {"format": "keyframe_bench/annotations@1", "videos": dict.fromkeys(["cuts.mp4", "mixed.mp4"], told)}
    (folder / "annotations.json").write_text(json.dumps(document))
    data = ("dataset=folder", f"dataset.root={folder}", "cache_gb=0")

    def train(out, *words):
        words = ("extractor=maxent_ioc", "trainer.feature=counted", "split=videos:0.5", *words)
        return cli("train", *data, *words, f"out={tmp_path / out}")

    assert train("short", "trainer.max_iter=2")[0] == 0 and counted
    counted.clear()
    monkeypatch.setattr("keyframe_bench.extractors.maxent_ioc.MAX_PAIRS", 50)  # of 3 s there are 30, of 4 s 56
    status, _, err = train("long", "trainer.max_iter=3")
    assert (status, counted) == (2, []) and "'mixed.mp4' has 8 sampled frames, 56 pairs" in err
    best = tmp_path / "short" / "best.safetensors"
    with pytest.raises(kb.UsageError, match="sample fewer frames"):
        kb.extract(folder / "mixed.mp4", METHOD(checkpoint=str(best)))
    assert counted == []
    words = ("extractors=[uniform,maxent_ioc]", f"grid.maxent_ioc.checkpoint=[{best}]", "budget=2", "leak=allow")
    status, text, err = cli("run", *data, *words, f"out={tmp_path / 'run'}")
    assert counted == [6, 4]  # the other two videos
    assert "56 pairs" in text + err
