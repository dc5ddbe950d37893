"""The loss of `deep_metric`: its value by plain loops, its gradient by the closed form, and the overflow of exp."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from keyframe_bench.models.metric_loss import MetricLoss  # noqa: E402 - torch must be known to be there


def features(n: int, d: int = 6, scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.tensor(scale * np.random.default_rng(seed).normal(size=(n, d)), requires_grad=True)


def loops(rows: np.ndarray, n_keys: int, softmin: str, tau: float, weight: float) -> float:
    """The loss word for word: one pair after the other."""
    keys, others = rows[:n_keys], rows[n_keys:]
    intra = inter = 0.0
    for f in others:
        d = [sum((a - b) ** 2 for a, b in zip(f, key, strict=True)) for key in keys]
        if softmin == "hard" or (softmin == "inverse_exp" and min(d) < 1 / 80):
            intra += min(d) / len(others)
            continue
        raw = [math.exp(1 / x if softmin == "inverse_exp" else -x / tau) for x in d]
        intra += sum(r * x for r, x in zip(raw, d, strict=True)) / sum(raw) / len(others)
    for j in range(n_keys):
        for k in range(n_keys):
            if j != k:
                inter += 1 / max(sum((keys[j] - keys[k]) ** 2), 1e-6) / (n_keys * (n_keys - 1))
    return intra + weight * inter


def closed_form(rows: np.ndarray, n_keys: int, weight: float) -> np.ndarray:
    """The gradient of the paper's loss as it is written down, without a hard minimum."""
    found = np.zeros_like(rows)
    n_others = len(rows) - n_keys
    for i in range(n_keys, len(rows)):
        away = rows[i] - rows[:n_keys]
        d = (away**2).sum(axis=1)
        w = np.exp(1 / d) / np.exp(1 / d).sum()
        slope = w * (1 + ((w * d).sum() - d) / d**2)
        found[i] += (slope[:, None] * 2 * away).sum(axis=0) / n_others
        found[:n_keys] -= slope[:, None] * 2 * away / n_others
    for j in range(n_keys):
        for k in range(n_keys):
            if j != k:  # every pair stands in the sum twice
                away = rows[j] - rows[k]
                found[j] -= 2 * weight * 2 * away / (away**2).sum() ** 2 / (n_keys * (n_keys - 1))
    return found


@pytest.mark.parametrize("softmin", ["inverse_exp", "neg_exp", "hard"])
@pytest.mark.parametrize("n_keys", [1, 2, 5])
def test_it_is_what_plain_loops_give(softmin, n_keys):
    rows = features(12)
    loss = MetricLoss(softmin=softmin, tau=3.0, inter_weight=0.7)
    assert float(loss(rows, n_keys).detach()) == pytest.approx(
        loops(rows.detach().numpy(), n_keys, softmin, 3.0, 0.7), rel=1e-9
    )
    unit = rows / rows.norm(dim=1, keepdim=True)
    scaled = MetricLoss(softmin=softmin, tau=3.0, inter_weight=0.7, feature_norm="l2")(5 * rows, n_keys)
    assert float(scaled) == pytest.approx(float(loss(unit, n_keys)), rel=1e-9)


@pytest.mark.parametrize("scale", [0.5, 1.0, 10.0])
def test_the_gradient_is_the_closed_form(scale):
    rows = features(20, d=8, scale=scale, seed=3)
    MetricLoss(inter_weight=2.0)(rows, 6).backward()
    expected = closed_form(rows.detach().numpy(), 6, 2.0)
    np.testing.assert_allclose(rows.grad.numpy(), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("options", [{}, {"feature_norm": "l2"}, {"softmin": "neg_exp", "tau": 0.5}])
def test_gradients_agree_with_finite_differences(options):
    loss = MetricLoss(**options)
    assert torch.autograd.gradcheck(lambda rows: loss(rows, 4), features(9), atol=1e-7)


def test_where_exp_would_overflow_the_nearest_key_frame_counts_alone():
    """1 / d up to 1e6, frames equal to key frames, and key frames equal to each other."""
    rows = features(10).detach()
    rows[5] = rows[0] + 1e-3
    rows[6] = rows[1]
    rows[2] = rows[1]
    for dtype in (torch.float64, torch.float32):
        leaf = rows.to(dtype).clone().requires_grad_()
        value = MetricLoss()(leaf, 4)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(leaf.grad).all()
        assert float(value) == pytest.approx(loops(leaf.detach().double().numpy(), 4, "inverse_exp", 1, 1), rel=1e-4)
    pulled = rows[[0, 1, 5]].requires_grad_()
    MetricLoss(inter_weight=0)(pulled, 2).backward()
    torch.testing.assert_close(
        pulled.grad, torch.stack([-2 * (rows[5] - rows[0]), 0 * rows[0], 2 * (rows[5] - rows[0])])
    )


def test_the_two_sides_of_the_hard_minimum_agree():
    """At d = 1/80 the weight of another key frame, 1 away, is exp(-79): nothing jumps."""
    key, other = torch.zeros(1, 2).double(), torch.tensor([[1.0, 0]]).double()
    near = [torch.tensor([[0, (1 / 80 + step) ** 0.5]], dtype=torch.float64) for step in (-1e-9, 1e-9)]
    below, above = (MetricLoss(inter_weight=0)(torch.cat([key, other, frame]), 2) for frame in near)
    assert float(above - below) == pytest.approx(2e-9, rel=1e-3)


def test_the_papers_softmin_is_a_plain_mean_where_distances_are_large():
    """Five key frames at distances spread from 0.3 to 3, then ten and a hundred times as far."""
    d = torch.linspace(0.3, 3, 5).double()
    frames = {scale: torch.cat([torch.diag((scale * d).sqrt()), torch.zeros(1, 5)]) for scale in (1, 10, 100)}
    found = {scale: float(MetricLoss().terms(rows, 5).effective_keys) for scale, rows in frames.items()}
    w = np.exp(1 / d.numpy()) / np.exp(1 / d.numpy()).sum()
    assert found[1] == pytest.approx(np.exp(-(w * np.log(w)).sum())) and found[1] < 3.24
    assert (round(found[10], 2), round(found[100], 2)) == (4.97, 5.0)
    assert float(MetricLoss().terms(frames[100], 5).intra) == pytest.approx(100 * float(d.mean()), rel=1e-2)
    hard, soft = (MetricLoss(softmin=s, tau=10.0).terms(frames[100], 5) for s in ("hard", "neg_exp"))
    assert float(hard.effective_keys) == 1 and float(hard.intra) == pytest.approx(30) and soft.effective_keys < 1.01


@pytest.mark.parametrize(("n", "n_keys"), [(1, 1), (3, 3), (3, 0), (0, 0), (4, 1)])
def test_terms_that_are_not_there_are_zero(n, n_keys):
    rows = features(n)
    terms = MetricLoss().terms(rows, n_keys)
    assert (float(terms.inter) == 0) == (n_keys < 2) and (float(terms.intra) == 0) == (n == n_keys or n_keys == 0)
    (terms.intra + terms.inter).backward()
    assert torch.isfinite(rows.grad).all()
