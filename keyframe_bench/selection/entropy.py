"""Shannon entropy of grey histograms, of frames and of clusters of frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ClusterEntropy = Literal["pooled", "mean_frame"]


def entropy_bits(counts: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """Return the Shannon entropy of every histogram, in bits.

    Parameters
    ----------
    counts : number [N, bins]
        Counts or shares, at least 0, with a sum above 0 in every row.

    Returns
    -------
    float64 [N]
        0 if all pixels share a bin, log2(bins) if they are spread evenly.

    Examples
    --------
    >>> import numpy as np
    >>> entropy_bits(np.array([[4, 0, 0, 0], [2, 2, 0, 0], [1, 1, 1, 1]])).tolist()
    [0.0, 1.0, 2.0]
    """
    rows = np.asarray(counts, dtype=np.float64)
    shares = rows / rows.sum(axis=1, keepdims=True)
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    # A sum of terms that are at most 0; abs also turns -0.0 into 0.0.
    entropy: NDArray[np.float64] = np.abs((shares * logs).sum(axis=1))
    return entropy


def cluster_entropies(
    counts: NDArray[np.number[Any]], labels: NDArray[np.integer[Any]], rule: ClusterEntropy
) -> NDArray[np.float64]:
    """Return the entropy of every cluster of frames, in bits.

    Parameters
    ----------
    counts : number [N, bins]
        A histogram per frame, all with the same sum.
    labels : int [N]
        Cluster of each frame: 0 to C-1, none empty.
    rule : {"pooled", "mean_frame"}
        Entropy of the histogram of all the cluster's pixels, or mean of its frames' entropies (never larger).

    Returns
    -------
    float64 [C]
    """
    if rule == "mean_frame":
        sums = np.bincount(labels, weights=entropy_bits(counts))
        return np.asarray(sums / np.bincount(labels), dtype=np.float64)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(int(labels.max()) + 1))
    return entropy_bits(np.add.reduceat(np.asarray(counts, dtype=np.float64)[order], starts, axis=0))
