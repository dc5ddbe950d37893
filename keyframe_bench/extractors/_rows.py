"""What methods share that select among the rows of any feature."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.errors import UsageError
from ..core.feature import Feature
from ..core.grammar import with_options
from ..core.registry import Range
from ..selection.clustering import SquaredDistances, filled
from .base import Extractor

# The defaults of all: a feature that needs no network, and by which no metric judges; as many dimensions as options of
# a training have, in which 10,000 frames take a second or two.
FEATURE, DIMS = "color_histogram", 64
Dims = Annotated[int, Range(0)]
Rows = NDArray[np.float32]


class RowSelector(Extractor):
    """A selection among the frames' rows of one feature.

    Where the rule runs out of frames that differ from the chosen ones, the middles of the longest stretches without a
    key frame are added until there are k. A key frame's score is the share of the frames whose nearest key frame it is.

    Parameters
    ----------
    feature : str
        Any registered feature with a row of numbers per frame, with its parameters after a question mark: ``gray``,
        ``hue_histogram?bins=32``, ``embedding?layer=logits``.
    dims : int
        Principal components to which rows are reduced, after they are centred; 0 keeps them.
    """

    stochastic = False

    def __init__(self, feature: str = FEATURE, dims: Dims = DIMS) -> None:
        self.feature = feature
        self.dims = dims

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The feature."""
        return (feature_named(self.feature),)

    @property
    def label(self) -> str:
        """Say so when the feature is of a network that was never trained."""
        return "random init" if getattr(self.needs[0], "weights", "") == "random" else ""

    def unavailable(self) -> str | None:
        """Return why the feature cannot be computed here, or None."""
        return getattr(self.needs[0], "unavailable", lambda: None)()

    def must_download(self) -> str | None:
        """Return what the feature would have to fetch first, or None."""
        return getattr(self.needs[0], "must_download", lambda: None)()

    def prepare(self) -> None:
        """Import scikit-learn."""
        import sklearn.decomposition  # noqa: F401 - importing it takes a second that is not selection

    def points(self, rows: Rows) -> Rows:
        """Return rows [N, D] centred, divided, all by one number, so that their mean squared length is 1, and reduced.

        Two rows are then sqrt(2) apart in the quadratic mean. Rows that are all the same give zeros.
        """
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred: Rows = rows - mean
        length = float(np.sqrt(np.einsum("ij,ij->i", centred, centred).mean(dtype=np.float64)))
        if not length > 1e-6 * float(np.linalg.norm(mean)):
            return np.zeros_like(centred[:, :1])
        centred /= np.float32(length)
        if not 0 < self.dims < min(rows.shape):
            return centred
        from sklearn.decomposition import PCA

        return np.asarray(PCA(self.dims, random_state=0).fit_transform(centred), dtype=np.float32)

    @abstractmethod
    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:
        """Return distinct positions of what `points` gave, float32 [N, D]: at least one, and at most k <= N."""

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return the key frames in order of time."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

        rows = flat_rows(clip, self.needs[0], "feature")
        wanted = k and min(k, len(rows))
        # One thread: sums of several come in any order, and a last bit may decide between frames.
        with threadpool_limits(limits=1, user_api="blas"):
            points = self.points(rows)
            found = np.sort(np.asarray(self.chosen(points, wanted, rng=rng), dtype=np.int64))
            found = filled(found, wanted or 1, len(rows))
            nearest = SquaredDistances(points)(found).argmin(axis=0)
        return clip.pick(found, scores=np.bincount(nearest, minlength=len(found)) / len(rows))


def feature_named(text: str) -> Feature:
    """Return the feature ``NAME?option=value&option=value``; `UsageError` if it has no row of numbers per frame."""
    feature: Feature = Feature.registry.build(*with_options(text))
    require_rows(feature, "feature")
    return feature


def require_rows(feature: Feature, option: str) -> None:
    """Refuse a feature without a row of measurements per frame; ``option`` is what it was chosen by."""
    if feature.source == "file" or feature.window is not None or feature.opaque:
        raise UsageError(
            f"{option}={feature.name} has no row of numbers per frame that tells frames apart; choose another, "
            "such as hue_histogram"
        )


def flat_rows(clip: Clip, feature: Feature, option: str) -> Rows:
    """Return the rows of a feature as vectors, a new array [N, D]; `UsageError` if they are not finite."""
    rows = np.array(clip[feature], dtype=np.float32).reshape(len(clip), -1)
    if not np.isfinite(rows).all():
        raise UsageError(
            f"feature {feature.key} has rows of {clip.video.name!r} that are not finite; choose another {option}"
        )
    return rows
