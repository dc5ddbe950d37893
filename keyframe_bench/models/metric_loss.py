"""A loss of features that are to be clustered: frames near a chosen one, chosen ones apart (Lin et al. 2015)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Softmin = Literal["inverse_exp", "neg_exp", "hard"]
FeatureNorm = Literal["none", "l2"]

EPS = 1e-6  # squared distances count as at least this
D_HARD = 1 / 80  # below it exp(1 / d) nears the largest 32-bit float


class MetricTerms(NamedTuple):
    """What `MetricLoss` is made of."""

    intra: Tensor  # mean distance of frames to their key frames, and mean inverse distance between key frames
    inter: Tensor
    # Mean of exp(H(w)) over the frames, H the entropy of their softmin weights in nat: 1 where each belongs to one key
    # frame, the number of key frames where the softmin is a plain mean. 0 without frames. No gradient.
    effective_keys: Tensor


class MetricLoss(nn.Module):
    """Softmin distance of other frames to key frames, and ``inter_weight`` times the inverse distance between these.

    With ``d`` the squared Euclidean distance, S the other frames and S* the key frames::

        intra = 1 / |S|  sum_{i in S} sum_{j in S*} w_ij d_ij
        inter = 1 / (|S*| (|S*| - 1))  sum_{j in S*} sum_{k in S*, k != j} 1 / d_jk

    Parameters
    ----------
    softmin : {"inverse_exp", "neg_exp", "hard"}
        ``w_ij`` is the softmax over j of 1 / d_ij (the paper), of -d_ij / tau, or 1 for the nearest key frame. The
        paper's is flat where distances are much above 1: then ``intra`` is the mean distance to all key frames.
    tau : float
        Of "neg_exp", above 0.
    inter_weight : float
        The paper's lambda.
    feature_norm : {"none", "l2"}
        "l2": features are divided by their length first, so that ``d`` lies in 0 to 4.

    Notes
    -----
    Source: Lin et al. 2015, equations 1 to 4. A frame that is nearer than 1/80 to a key frame takes the nearest one
    alone, where 1 / d nears the overflow of exp (section 2.4). Distances count as at least 1e-6. ``inter`` is 0 with
    fewer than two key frames, ``intra`` without other frames or without key frames.
    """

    def __init__(
        self,
        *,
        softmin: Softmin = "inverse_exp",
        tau: float = 1.0,
        inter_weight: float = 1.0,
        feature_norm: FeatureNorm = "none",
    ) -> None:
        super().__init__()
        self.softmin, self.tau = softmin, tau
        self.inter_weight, self.feature_norm = inter_weight, feature_norm

    def forward(self, features: Tensor, n_keys: int) -> Tensor:
        """Return the loss of features [B, D], those of the ``n_keys`` key frames first; a scalar."""
        terms = self.terms(features, n_keys)
        return terms.intra + self.inter_weight * terms.inter

    def terms(self, features: Tensor, n_keys: int) -> MetricTerms:
        """Return the parts of the loss of features [B, D], those of the key frames first."""
        rows = features.double()  # [B, D]; see squared_distances
        if self.feature_norm == "l2":
            rows = nn.functional.normalize(rows, dim=1)  # [B, D]
        keys, others = rows[:n_keys], rows[n_keys:]  # [K, D], [S, D]
        intra = inter = effective = rows.new_zeros(()) + 0 * rows.sum()  # a gradient of 0 where there is no term
        if len(keys) and len(others):
            distances = squared_distances(others, keys)  # [S, K]
            weights = self.weights(distances)  # [S, K]
            intra = (weights * distances).sum(dim=1).mean()
            effective = torch.special.entr(weights.detach()).sum(dim=1).exp().mean()
        if len(keys) > 1:
            pairs = squared_distances(keys, keys)[~torch.eye(len(keys), dtype=torch.bool, device=keys.device)]
            inter = (1 / pairs.clamp(min=EPS)).mean()  # of K (K - 1) pairs
        return MetricTerms(intra, inter, effective.detach())

    def weights(self, distances: Tensor) -> Tensor:
        """Return the softmin weights of squared distances [S, K], each row summing to 1."""
        nearest = distances.min(dim=1, keepdim=True)
        one = torch.zeros_like(distances).scatter_(1, nearest.indices, 1.0)  # [S, K], no gradient
        if self.softmin == "hard":
            return one
        if self.softmin == "neg_exp":
            return torch.softmax(-distances / self.tau, dim=1)
        # Rows of the hard minimum get weights that stay finite: theirs would be multiplied by 0, and inf * 0 is NaN.
        soft = torch.softmax(1 / distances.clamp(min=D_HARD), dim=1)
        return torch.where(nearest.values < D_HARD, one, soft)


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared Euclidean distances of rows [N, D] and [M, D], [N, M]; give float64.

    |a|^2 + |b|^2 - 2 a b loses what is 16 digits below |a|^2 then, far less than `EPS`, and is a matrix product:
    differences of all pairs would fill [N, M, D].
    """
    lengths = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)  # [N, M]
    return torch.addmm(lengths, first, second.T, alpha=-2).clamp(min=0)  # [N, M]
