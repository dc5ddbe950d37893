"""A budget shared among windows of frames, each with key frames of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def frames_of_tokens(windows: ArrayLike, tokens: ArrayLike) -> NDArray[np.int64]:
    """Return the positions of the frames that tokens of two frames each cover, int64 [W, 2 n].

    Parameters
    ----------
    windows : int [W, 2]
        Positions that each window covers, half-open; in one that is too short the last frame is repeated.
    tokens : int [W, n]
        Tokens chosen in each window. All of their first frames come before the second ones.

    Examples
    --------
    >>> frames_of_tokens([[0, 16], [16, 19]], [[1, 6], [0, 7]]).tolist()
    [[2, 12, 3, 13], [16, 18, 17, 18]]
    """
    spans, first = np.asarray(windows, dtype=np.int64), 2 * np.asarray(tokens, dtype=np.int64)
    frames = spans[:, :1] + np.concatenate([first, first + 1], axis=1)
    found: NDArray[np.int64] = np.minimum(frames, spans[:, 1:] - 1)
    return found


def tokens_in(windows: ArrayLike, tokens: ArrayLike) -> NDArray[np.bool_]:
    """Return whether all of some ``tokens`` [n, m] lie in a window, not in its repeated last frame, bool [W, n].

    Examples
    --------
    >>> tokens_in([[0, 16], [16, 19]], [[0, 1], [1, 6]]).tolist()
    [[True, True], [True, False]]
    """
    spans = np.asarray(windows, dtype=np.int64)
    last: NDArray[np.int64] = 2 * np.asarray(tokens, dtype=np.int64).max(axis=1)  # [n], first frame of the last token
    return np.asarray(last[None] < (spans[:, 1:] - spans[:, :1]))


def shared_out(candidates: ArrayLike, ranks: ArrayLike, k: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return at most ``k`` of the candidates of all windows, without repetition, in the order in which they are taken.

    First the first candidate of each window, from the window of the highest rank on, then the second ones, and so on;
    of equal ranks the earlier window comes first. Without ``k`` all of them.

    Parameters
    ----------
    candidates : int [W, n]
        Positions in each window, most wanted first.
    ranks : float [W]
    k : int or None

    Returns
    -------
    positions, owners : int64 [K]
        What is taken, and of which window.

    Examples
    --------
    >>> positions, owners = shared_out([[2, 12], [20, 30], [40, 50]], [0.5, 0.1, 0.7], 4)
    >>> positions.tolist(), owners.tolist()
    ([40, 2, 20, 50], [2, 0, 1, 2])
    """
    order = np.argsort(-np.asarray(ranks, dtype=np.float64), kind="stable")
    queue = np.asarray(candidates, dtype=np.int64)[order].T.reshape(-1)
    first = np.sort(np.unique(queue, return_index=True)[1])[:k]
    return queue[first], order[first % len(order)]
