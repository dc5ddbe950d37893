"""The probability of a summary: kernels with their gradients, and segments (Gong et al. 2014, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.registry import Range
from .._learned_rows import RowOptions, Vector

Mask = NDArray[np.bool_]
_ALPHA = 1e-6  # at least this on the diagonal: every kernel is positive definite


@dataclass(frozen=True, kw_only=True)
class SeqdppOptions(RowOptions):
    """Options of a training: the kernel, the segments and the oracle summary.

    Parameters
    ----------
    kernel : {"linear", "nn", "qd"}
        L of the frames x, whose last element is a constant 1; alpha is learned and at least 1e-6:

        * ``linear``: X W'W X' + alpha I, W square;
        * ``nn``: Z Z' + alpha I with Z = sigmoid(X W') V';
        * ``qd``: q_i q_j s_ij + alpha I, quality q_i = exp(theta'x_i) and similarity
          s_ij = exp(-gamma |x_i - x_j|^2).
    hidden : int
        Units of ``nn``: rows of W and of V.
    segment : int
        Sampled frames of a segment, at most 12: all subsets of a segment are looked at.
    oracle : {"hue", "time"}
        When a frame agrees with one that an annotator chose, in the oracle summary: their hue histograms are alike, as
        in the metric ``cus``, or they lie within ``tau_s``.
    tau_s : float
        In seconds.
    """

    kernel: Literal["linear", "nn", "qd"] = "linear"
    hidden: Annotated[int, Range(1)] = 50
    segment: Annotated[int, Range(1)] = 10
    oracle: Literal["hue", "time"] = "hue"
    tau_s: Annotated[float, Range(0)] = 1.0


@dataclass(frozen=True, eq=False)
class Segments:
    """T segments of n frames, each with the n frames before it in front; videos may follow one another.

    Attributes
    ----------
    frames : float64 [T, 2 n, d + 1]
        Projected rows and a constant 1; zeros where there is no frame.
    real, chosen : bool [T, 2 n]
        Where there is a frame, and where it is of the oracle summary.
    """

    frames: NDArray[np.float64]
    real: Mask
    chosen: Mask

    @classmethod
    def of(cls, rows: Vector, n: int, chosen: Mask | None = None) -> Segments:
        """Return the segments of one video, rows [N, d]."""
        x = np.pad(rows, [(0, 0), (0, 1)], constant_values=1.0)

        def paired(values: NDArray[Any]) -> NDArray[Any]:
            padding = [(n, -len(values) % n), *[(0, 0)] * (values.ndim - 1)]
            blocks = np.pad(values, padding).reshape(-1, n, *values.shape[1:])
            return np.concatenate([blocks[:-1], blocks[1:]], axis=1)

        real = np.ones(len(x), dtype=bool)
        return cls(paired(x), paired(real), paired(real if chosen is None else chosen))

    @classmethod
    def joined(cls, parts: Sequence[Segments]) -> Segments:
        """Return the segments of several videos as one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("frames", "real", "chosen")))

    def loss(self, parameters: Vector, options: SeqdppOptions) -> tuple[float, Vector]:
        """Return the mean over segments of -log P(Y_t | Y_t-1), in nat, and its gradient."""
        kernels, _, backward = kernels_of(parameters, self.frames, options)
        n, t = self.real.shape[1] // 2, len(self.real)
        log_p, gradient = log_probability(kernels, self.chosen, self.real[:, n:], gradient=True)
        return -float(log_p.mean()), -backward(gradient) / t


def log_probability(
    kernels: NDArray[np.float64], chosen: Mask, own: Mask, *, gradient: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log P(Y_t | Y_t-1) of T segments, [T], and its gradient by the kernels if asked for, [T, 2 n, 2 n].

    ``chosen`` [T, 2 n] is Y_t-1 and Y_t, ``own`` [T, n] the frames of the segment.
    """
    n = own.shape[1]
    among = np.concatenate([chosen[:, :n], own], axis=1)
    unit = np.zeros(among.shape)
    unit[:, n:] = own
    upper, lower = masked(kernels, chosen), masked(kernels, among, unit)
    log_p = np.linalg.slogdet(upper)[1] - np.linalg.slogdet(lower)[1]
    if not gradient:
        return log_p, kernels
    return log_p, _block(chosen) * np.linalg.inv(upper) - _block(among) * np.linalg.inv(lower)


def _block(mask: Mask) -> Mask:
    """Return the pairs [T, m, m] of what is in a mask [T, m]."""
    return mask[:, :, None] & mask[:, None, :]


def masked(kernels: NDArray[np.float64], mask: Mask, extra: Any = 0.0) -> NDArray[np.float64]:
    """Return kernels [T, m, m] plus ``extra`` on the diagonal; outside of a mask [T, m] the identity matrix."""
    found: NDArray[np.float64] = np.where(_block(mask), kernels, 0.0)
    found += (extra + ~mask)[:, :, None] * np.eye(mask.shape[1])
    return found


# Kernels of frames x [T, m, d], from one vector of parameters whose last element is the logarithm of alpha.


def start_of(options: SeqdppOptions, d: int) -> Vector:
    """Return parameters to start from: a linear kernel that is the dot product; all of it fixed."""
    weights: list[NDArray[np.float64]]
    if options.kernel == "linear":
        weights = [np.eye(d)]
    elif options.kernel == "qd":
        weights = [np.zeros(d), np.zeros(1)]
    else:
        rng, hidden = np.random.default_rng(0), options.hidden
        weights = [2 * rng.standard_normal((hidden, d)), rng.standard_normal((hidden, hidden)) / hidden]
    return np.concatenate([*(w.ravel() for w in weights), [np.log(0.1)]])


def kernels_of(
    parameters: Vector, x: NDArray[np.float64], options: SeqdppOptions
) -> tuple[NDArray[np.float64], float, Callable[[NDArray[np.float64]], Vector]]:
    """Return L [T, m, m], alpha, and what turns a gradient by L into one by the parameters."""
    of = {"linear": _linear, "nn": _nn, "qd": _qd}[options.kernel]
    kernels, backward = of(parameters[:-1], x)
    own = float(np.exp(parameters[-1]))
    kernels += (_ALPHA + own) * np.eye(x.shape[1])

    def both(gradient: NDArray[np.float64]) -> Vector:
        return np.append(backward(gradient), own * np.trace(gradient, axis1=1, axis2=2).sum())

    return kernels, _ALPHA + own, both


_Made = tuple[NDArray[np.float64], Callable[[NDArray[np.float64]], Vector]]


def _outer(of: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over frames of outer products, [p, d] of [T, m, p] and [T, m, d]."""
    return of.reshape(-1, of.shape[-1]).T @ x.reshape(-1, x.shape[-1])


def _linear(parameters: Vector, x: NDArray[np.float64]) -> _Made:
    b = x @ parameters.reshape(-1, x.shape[-1]).T  # [T, m, p]
    return b @ b.swapaxes(1, 2), lambda g: _outer(2 * g @ b, x).ravel()


def _nn(parameters: Vector, x: NDArray[np.float64]) -> _Made:
    d = x.shape[-1]
    hidden = int(np.rint((np.sqrt(d * d + 4 * len(parameters)) - d) / 2))  # hidden (d + hidden) parameters
    w, v = parameters[: hidden * d].reshape(hidden, d), parameters[hidden * d :].reshape(hidden, hidden)
    h = 0.5 + 0.5 * np.tanh(0.5 * (x @ w.T))  # sigmoid without overflow, [T, m, hidden]
    z = h @ v.T  # [T, m, hidden]

    def backward(g: NDArray[np.float64]) -> Vector:
        dz = 2 * g @ z
        return np.concatenate([_outer(dz @ v * h * (1 - h), x).ravel(), _outer(dz, h).ravel()])

    return z @ z.swapaxes(1, 2), backward


def _qd(parameters: Vector, x: NDArray[np.float64]) -> _Made:
    q, gamma = np.exp(x @ parameters[:-1]), np.exp(parameters[-1])  # [T, m]
    squares = np.square(x).sum(axis=2)
    apart = np.maximum(squares[:, :, None] + squares[:, None, :] - 2 * x @ x.swapaxes(1, 2), 0.0)
    kernels = q[:, :, None] * q[:, None, :] * np.exp(-gamma * apart)

    def backward(g: NDArray[np.float64]) -> Vector:
        gl = g * kernels
        return np.append(2 * np.einsum("tm,tmd->d", gl.sum(axis=2), x), -gamma * (gl * apart).sum())

    return kernels.copy(), backward
