"""A Markov decision process over sampled frames: rewards, the maximum-entropy policy, its likelihood, its paths.

The state is the frame that was selected last, the action is to select a later one, or to end; a path goes from START
over at least one frame to END. The probability of a path grows with the exponential of its summed rewards (Ziebart et
al. 2008), which are linear in what is known of an action.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Path = NDArray[np.int64]
N_GAP = 2  # numbers that describe a gap in time
N_SCORE = 3  # numbers that describe a frame beside its row
_BLOCK = 1 << 17  # numbers that describe pairs, in memory at once: 1 MB, which a core's cache holds


@dataclass(frozen=True, eq=False)
class Scene:
    """What the process knows of one video.

    Attributes
    ----------
    rows : float64 [N, P]
        A description of every frame.
    times : float64 [N]
        In units of the training's median gap, increasing.
    max_gap : float
        Longest gap from one selected frame to the next, in these units; the next frame can always be selected.
    paths : tuple of int64 [K]
        What each annotator selected, increasing, K at least 1.
    """

    rows: Vector
    times: Vector
    max_gap: float = np.inf
    paths: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """How many frames after a frame can be the next one, at most, G; at least 1."""
        inside = np.searchsorted(self.times, self.times + self.max_gap, side="right") - np.arange(len(self)) - 1
        return max(1, int(inside.max()))

    @property
    def n_weights(self) -> int:
        """How many weights the reward has: of pairs, of frames, of the gaps at START and at END."""
        return 2 * int(self.rows.shape[1]) + N_SCORE + 3 * N_GAP

    def described(self) -> tuple[Vector, Vector, Vector]:
        """Return what describes a frame, [N, P + 3], and the gaps before it at START and after it at END, [N, 2].

        A frame is its row, how far that is from the row before and from the row after, and a constant: what it costs
        to select any. One at END would change nothing, since every path ends once.
        """
        change = np.linalg.norm(np.diff(self.rows, axis=0), axis=1)
        beside = [np.append(0, change), np.append(change, 0), np.ones(len(self))]
        step = float(np.median(np.diff(self.times))) if len(self) > 1 else 1.0
        start, end = self.times - self.times[0] + step, self.times[-1] - self.times + step
        return np.column_stack([self.rows, *beside]), _gaps(start).T, _gaps(end).T

    def pairs(self) -> Iterator[tuple[slice, Vector]]:
        """Yield blocks of frames i, and what describes their pairs with the n frames after each, [P + 2, b, n].

        |row of i - row of j|, and the gap; what lies beyond the end of the video is to be left out. The next block
        overwrites this one.
        """
        width, n = self.width, len(self)
        columns = np.pad(self.rows.T, ((0, 0), (0, width)))  # [P, N + G]
        clock = np.pad(self.times, (0, width), mode="edge")
        after, later = (sliding_window_view(x[..., 1:], width, axis=-1) for x in (columns, clock))
        memory, high = np.empty(max(_BLOCK, width * (len(columns) + N_GAP))), len(columns) + N_GAP
        first = 0
        while first < n:
            count = max(1, min(width, n - 1 - first))
            block = slice(first, min(n, first + max(1, _BLOCK // (count * high))))
            shape = high, block.stop - first, count
            found = memory[: math.prod(shape)].reshape(shape)
            np.subtract(after[:, block, :count], columns[:, block, None], out=found[:-N_GAP])
            np.abs(found[:-N_GAP], out=found[:-N_GAP])
            found[-N_GAP:] = _gaps(later[block, :count] - self.times[block, None])
            yield block, found
            first = block.stop

    def possible(self) -> NDArray[np.bool_]:
        """Return whether each of the G frames after a frame can be the next one, bool [N, G]."""
        later = following(self.times, self.width)
        near = (later - self.times[:, None] <= self.max_gap) | (np.arange(self.width) == 0)
        return np.asarray(np.isfinite(later) & near)


class Rewards(NamedTuple):
    """The reward of every action.

    Attributes
    ----------
    start, end : float64 [N]
        From START to a frame, and from there to END.
    step : float64 [N, G]
        From frame i to frame i + 1 + g; minus infinity where that is not possible.
    """

    start: Vector
    step: Vector
    end: Vector


def _gaps(gap: Vector) -> Vector:
    """Return what describes gaps in time [...]: logarithm and square, [2, ...]; all gaps of a path have one sum."""
    return np.stack([np.log(np.maximum(gap, 1e-6)), np.square(gap)])


def following(values: Vector, width: int) -> Vector:
    """Return what the ``width`` frames after each frame have, a view [N, G]; minus infinity beyond the end."""
    return sliding_window_view(np.append(values[1:], np.full(width, -np.inf)), width)


def log_sum(values: Vector) -> Vector:
    """Return the logarithm of the summed exponentials along the last axis; minus infinity of nothing else."""
    top = values.max(axis=-1, keepdims=True)
    top[~np.isfinite(top)] = 0
    with np.errstate(divide="ignore"):
        found: Vector = np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0]
    return found


def highest(values: Vector) -> Vector:
    """Return the maximum along the last axis."""
    found: Vector = values.max(axis=-1)
    return found


Reduce = Callable[[Vector], Vector]
"""`log_sum`: what follows counts by its probability; `highest`: the best that follows counts."""


def rewards(scene: Scene, weights: Vector) -> Rewards:
    """Return the rewards under ``weights`` [2 P + 9]."""
    pair, frame, start, end = _split(scene, weights)
    frames, at_start, at_end = scene.described()
    scores = frames @ frame
    step = np.full((len(scene), scene.width), -np.inf)
    for block, described in scene.pairs():
        step[block, : described.shape[2]] = np.tensordot(pair, described, 1)
    step = np.where(scene.possible(), step + following(scores, scene.width), -np.inf)
    return Rewards(scores + at_start @ start, step, at_end @ end)


def _split(scene: Scene, weights: Vector) -> list[Vector]:
    n = scene.rows.shape[1]
    return np.split(weights, np.cumsum([n + N_GAP, n + N_SCORE, N_GAP]))


def values(given: Rewards, reduce: Reduce = log_sum) -> Vector:
    """Return the value of every frame as the last selected one, [N]: what a path from there can still gain.

    Soft value iteration: one backward pass, since time goes one way.
    """
    n, width = given.step.shape
    found = np.full(n + 1, -np.inf)
    for i in range(n - 1, -1, -1):
        ahead = min(width, n - 1 - i)
        options = np.empty(ahead + 1)
        np.add(given.step[i, :ahead], found[i + 1 : i + 1 + ahead], out=options[:ahead])
        options[ahead] = given.end[i]
        found[i] = reduce(options)
    return found[:n]


def counted_values(given: Rewards, k: int, reduce: Reduce = log_sum) -> list[Vector]:
    """Return the values [N] with exactly 0, 1 ... k - 1 more frames to select; minus infinity where they cannot be."""
    found = [given.end]
    for _ in range(k - 1):
        found.append(reduce(given.step + following(found[-1], given.step.shape[1])))
    return found


def action_probabilities(given: Rewards, of: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the probabilities of actions under the soft ``of``: `values` from START [N], of steps [N, G], of END [N].

    Those of START sum to 1, and so do those of each frame's steps and its END.
    """
    step = np.exp(given.step + following(of, given.step.shape[1]) - of[:, None])
    return np.exp(given.start + of - log_sum(given.start + of)), step, np.exp(given.end - of)


def visits(first: Vector, step: Vector) -> Vector:
    """Return the probability that each frame is selected, [N], under a policy: one forward pass."""
    found, (n, width) = first.copy(), step.shape
    for i in range(n - 1):
        ahead = min(width, n - 1 - i)
        found[i + 1 : i + 1 + ahead] += found[i] * step[i, :ahead]
    return found


def log_likelihood(scene: Scene, given: Rewards, of: Vector) -> float:
    """Return the log-likelihood of the annotators' paths under the policy of the soft ``of``: `values`."""
    total = -len(scene.paths) * float(log_sum(given.start + of))
    for path in scene.paths:
        total += float(given.start[path[0]] + given.step[path[:-1], np.diff(path) - 1].sum() + given.end[path[-1]])
    return total


def likelihood_gradient(scene: Scene, weights: Vector) -> tuple[float, Vector]:
    """Return the log-likelihood and its gradient: what describes the annotators' actions less what the policy's do."""
    given = rewards(scene, weights)
    of = values(given)
    first, step, last = action_probabilities(given, of)
    frames = visits(first, step)
    last *= frames
    step *= frames[:, None]
    for actions in (first, frames, last, step):
        np.multiply(actions, -len(scene.paths), out=actions)
    for path in scene.paths:
        first[path[0]] += 1
        frames[path] += 1
        last[path[-1]] += 1
        step[path[:-1], np.diff(path) - 1] += 1
    pair = np.zeros(scene.rows.shape[1] + N_GAP)
    for block, described in scene.pairs():
        pair += np.tensordot(described, step[block, : described.shape[2]], 2)
    by_frame, at_start, at_end = scene.described()
    gradient = np.concatenate([pair, frames @ by_frame, first @ at_start, last @ at_end])
    return log_likelihood(scene, given, of), gradient


def decoded(given: Rewards, choose: Callable[[Vector], int], reduce: Reduce, k: int | None = None) -> Path:
    """Return a path: ``choose`` gives the action, by its reward with the value of what follows.

    Parameters
    ----------
    given : Rewards
    choose : callable
        From the logits of actions, some minus infinity, to the number of one.
    reduce : callable
        `highest` for the path of highest reward, `log_sum` for the policy's probabilities.
    k : int, optional
        Frames to select, 1 to N; without, the process decides.
    """
    n, width = given.step.shape
    left = [values(given, reduce)] if k is None else counted_values(given, k, reduce)
    found = [choose(given.start + left[-1])]
    while k is None or len(found) < k:
        now = found[-1]
        ahead = min(width, n - 1 - now)
        logits = given.step[now, :ahead] + left[-1 if k is None else k - 1 - len(found)][now + 1 : now + 1 + ahead]
        action = choose(logits if k is not None else np.append(logits, given.end[now]))
        if action == ahead:
            break
        found.append(now + 1 + action)
    return np.array(found, dtype=np.int64)
