"""The simulated annotators: what the stated model promises, and that they agree with each other as real people do."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.datasets._annotators import AnnotatorModel

FPS = 25
PLAIN = AnnotatorModel(merge=0, include=0, by_length=1, salience=0, generosity=0, density=0, vague=0, second_per_s=0,
                   spurious_per_min=0)  # fmt: skip


def spans(*seconds):
    ends = np.cumsum([round(s * FPS) for s in seconds])
    return np.column_stack([np.concatenate([[0], ends[:-1]]), ends])


def choose(model, shots, clips=None, n_users=2000, seed=0, **more):
    clips = range(len(shots)) if clips is None else clips
    return model.choose(shots, list(clips), FPS, n_users, np.random.default_rng(seed), **more)


def share_with(users, shot):
    return np.mean([np.any((u >= shot[0]) & (u < shot[1])) for u in users])


def test_inclusion_is_logistic_in_the_logarithm_of_the_length():
    shots = spans(2, 4, 8, 16, 40)
    users = choose(replace(PLAIN, include=-0.5, by_length=1.5), shots, n_users=20000)
    lengths = np.array([2, 4, 8, 16, 40])
    expected = 1 / (1 + np.exp(0.5 - 1.5 * np.log(lengths / 4)))
    found = [share_with(users, shot) for shot in shots]
    nobody = np.prod(1 - expected)  # then the longest shot is taken
    assert np.allclose(found, expected + nobody * (lengths == 40), atol=0.015)
    assert np.all(np.diff(found) > 0)


def test_frames_lie_around_the_middle_and_inside_the_shot():
    shots = spans(1, 12, 1)
    users = choose(replace(PLAIN, include=50, jitter_s=2.0), shots, n_users=20000)
    frames = np.stack(users)  # everybody takes each shot once
    assert frames.shape == (20000, 3)
    assert np.all((frames >= shots[:, 0]) & (frames < shots[:, 1]))
    distance = np.abs(frames[:, 1] - shots[1].mean()) / FPS
    inside = 1 - np.exp(-6 / 2.0)
    for seconds in (0.5, 1, 2, 4):
        assert np.mean(distance < seconds) == pytest.approx((1 - np.exp(-seconds / 2.0)) / inside, abs=0.02)
    assert np.mean(frames[:, 1]) / FPS == pytest.approx(7, abs=0.1)


def test_vague_users_choose_anywhere_in_the_shot():
    (frames,) = np.stack(choose(replace(PLAIN, include=50, vague=1.0), spans(10), n_users=5000)).T
    assert np.histogram(frames, bins=5, range=(0, 250))[0] == pytest.approx(np.full(5, 1000), abs=120)


def test_shots_of_one_clip_are_represented_once():
    shots, clips = spans(3, 5, 6, 4, 4), [7, 8, 7, 9, 7]
    users = choose(replace(PLAIN, include=50, merge=1.0), shots, clips)
    assert {tuple(np.searchsorted(shots[:, 1], u, side="right")) for u in users} == {(1, 2, 3)}  # 2: the longest of 7
    apart = choose(replace(PLAIN, include=50, merge=0.0), shots, clips)
    assert all(len(u) == 5 for u in apart)
    sizes = np.array([len(u) for u in choose(replace(PLAIN, include=50, merge=0.6), shots, clips, n_users=20000)])
    # each of the two returns is merged with probability 0.6
    assert [np.mean(sizes == n) for n in (3, 4, 5)] == pytest.approx([0.36, 0.48, 0.16], abs=0.02)


def test_spurious_frames_are_a_poisson_number_per_minute_anywhere():
    shots = spans(*[60] * 4)
    users = choose(replace(PLAIN, include=-50, spurious_per_min=2.0), shots, n_users=5000)
    assert np.mean([len(u) for u in users]) == pytest.approx(8.0, abs=0.15)
    assert np.histogram(np.concatenate(users), bins=4, range=(0, 6000))[0] / 5000 == pytest.approx([2] * 4, abs=0.12)


def test_long_shots_may_give_two_frames():
    users = choose(replace(PLAIN, include=50, second_per_s=0.1), spans(4, 14), n_users=20000)
    second = 1 - np.exp(-0.1 * 10)
    assert np.mean([len(u) for u in users]) == pytest.approx(2 + second, abs=0.02)
    assert all(np.sum(u < 100) == 1 for u in users)


def test_salience_makes_people_agree_and_generosity_makes_them_differ():
    shots = spans(*[4] * 30)

    def agreement(model):
        rates = []
        for seed in range(200):
            a, b = (set(u // 100) for u in choose(model, shots, n_users=2, seed=seed))
            rates.append(2 * len(a & b) / (len(a) + len(b)))
        return np.mean(rates)

    assert agreement(replace(PLAIN, salience=4.0)) > agreement(PLAIN) + 0.2
    plain = np.std([len(u) for u in choose(PLAIN, shots)])
    assert np.std([len(u) for u in choose(replace(PLAIN, generosity=2.0), shots)]) > 2 * plain


def test_nobody_gives_an_empty_summary():
    shots = spans(2, 6, 3)
    assert all(u.tolist() == [125] for u in choose(replace(PLAIN, include=-50), shots))


def test_one_frame_a_second_is_all_that_people_of_the_open_video_set_saw():
    shots = spans(7.3, 3.1, 9.06, 0.52)
    users = choose(AnnotatorModel(), shots, every_s=1.0)
    frames = np.concatenate(users)
    assert np.all(frames % FPS == 0) and frames.min() >= 0 and frames.max() < shots[-1, 1]
    exact = choose(AnnotatorModel(), shots)  # the same choices, before rounding
    for rough, fine in zip(users, exact, strict=True):
        assert np.abs(rough[:, None] - fine[None]).min(axis=0).max() <= FPS
        assert len(rough) <= len(fine)


def test_the_same_seed_gives_the_same_people():
    shots, clips = spans(3, 8, 2, 6), [0, 1, 0, 2]

    def lists(seed):
        return [u.tolist() for u in choose(AnnotatorModel(), shots, clips, n_users=5, seed=seed)]

    assert lists(3) == lists(3) != lists(4)
    assert choose(AnnotatorModel(), shots, clips, n_users=0) == []
    for frames in choose(AnnotatorModel(), shots, clips, n_users=50):
        assert frames.dtype == np.int64 and np.all(np.diff(frames) > 0)
        assert frames[0] >= 0 and frames[-1] < shots[-1, 1]


@pytest.fixture(scope="module")
def fitting():
    file = Path(__file__).parents[2] / "experiments" / "composed" / "fit_annotators.py"
    spec = importlib.util.spec_from_file_location("fit_annotators", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_fast_matching_of_the_fit_is_the_benchmarks(fitting):
    rng = np.random.default_rng(0)
    videos = [[np.unique(rng.integers(0, 60, rng.integers(1, 15))).astype(float) for _ in range(4)] for _ in range(30)]
    exact = [fitting.leave_one_out(users) for users in videos]
    assert np.allclose(fitting.fast_leave_one_out(videos), exact)


@pytest.mark.data
def test_they_agree_as_the_people_of_the_open_video_set_do(fitting, data_root):
    users, listed = fitting.read_users(data_root / "vsumm"), fitting.read_durations(data_root / "vsumm")
    assert len(users) == 50 and listed[65] == 91  # the list's number of frames of v65 is that of v64
    seconds = [listed[v] for v in users]
    real = fitting.summarise(fitting.describe([*users.values()], seconds))
    assert real[:4] == pytest.approx([0.216, 0.433, 0.572, 0.738], abs=0.001)
    edits = fitting.make_edits(seconds, 4)
    simulated = fitting.simulate(AnnotatorModel(), edits, every_s=1.0, seed=5)
    found = fitting.summarise(fitting.describe(simulated, seconds * 4))
    assert np.abs(found - real)[:4].max() < 0.03
    assert found[4] == pytest.approx(real[4], rel=0.1)  # frames a minute
    assert found[5:] == pytest.approx(real[5:], rel=0.25)  # how videos and users differ in that
