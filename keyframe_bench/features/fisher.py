"""Fisher vectors of dense SIFT, and the vocabularies they are computed with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checkpoint import checkpoint_file, read_tensors, write_tensors
from ..core.errors import UnavailableError, UsageError, os_reason
from ..core.feature import Feature, FrameView
from ..core.files import remembered_sha256
from ..core.registry import Range, register

Floats = NDArray[np.float32]

PATCH = 24  # pixels, 4 x 4 cells of 6
_SIZE = 4.0  # of an OpenCV keypoint whose cells are 1.5 times as wide
_LENGTH = 512.0  # of OpenCV's descriptors
_FORMAT = "keyframe_bench/fisher_vocabulary@1"
_WAY_OUT = "give vocabulary=bundled, or a file that keyframe_bench.features.fisher.Vocabulary.write wrote"


@register("fisher")
class Fisher(Feature):
    """Improved Fisher vector of the grey image: how its SIFT descriptors depart from a Gaussian mixture.

    SIFT descriptors (OpenCV) of upright patches of 24 x 24 pixels on a grid are reduced by PCA; the row holds the
    gradients of their mean log likelihood by the means and by the standard deviations of the mixture, each divided by
    the square root of its Fisher information. Patches without any gradient are left out; an image of only such has a
    row of zeros.

    Parameters
    ----------
    height, width : int
        Size in pixels to which the upright image is resized without keeping its aspect ratio.
    step : int
        Pixels from one patch to the next.
    vocabulary : str
        PCA and mixture: "bundled" (64 dimensions, 64 Gaussians, fitted on rendered images), or the path of a
        safetensors file, see `fit_vocabulary`.
    power : float
        Every number z becomes sign(z) |z|^power; 1 leaves it.
    unit : bool
        Whether rows are then divided by their Euclidean length.

    Notes
    -----
    Source: Perronnin, Sanchez and Mensink 2010, section 2 and 3, without spatial pyramid. Lin et al. 2015, section
    3.2, use 8192 dimensions and give no other number; that is 2 x 64 x 64.
    """

    elsewhere = True
    summary = "float32 [2 K d]: gradients by K means of d dimensions, then by K standard deviations; length 1 or 0"

    def __init__(
        self,
        *,
        height: Annotated[int, Range(PATCH, 4320)] = 240,
        width: Annotated[int, Range(PATCH, 7680)] = 320,
        step: Annotated[int, Range(1)] = 8,
        vocabulary: str = "bundled",
        power: Annotated[float, Range(0, 1)] = 0.5,
        unit: bool = True,
    ) -> None:
        self.height, self.width, self.step, self.vocabulary = height, width, step, vocabulary
        self.power, self.unit = power, unit

    @property
    def key_params(self) -> dict[str, Any]:
        """The sha256 of the vocabulary stands in for where it lies."""
        return self.params | {"vocabulary": _sha256(self.vocabulary)}

    def unavailable(self) -> str | None:
        """Return why the vocabulary cannot be read, or None."""
        try:
            Vocabulary.read(self.vocabulary)
        except (UsageError, UnavailableError) as error:
            return str(error)
        return None

    def prepare(self) -> None:
        """Read the vocabulary."""
        Vocabulary.read(self.vocabulary)

    def compute(self, frames: Sequence[FrameView]) -> Floats:
        """Return float32 [B, 2 K d]."""
        words = Vocabulary.read(self.vocabulary)
        images = (frame.luma(self.height, self.width) for frame in frames)
        rows = np.stack([words.fisher_vector(dense_sift(image, self.step)) for image in images])
        rows = np.sign(rows) * np.abs(rows) ** np.float32(self.power)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1) if self.unit else rows, dtype=np.float32)


def dense_sift(image: NDArray[np.uint8], step: int) -> Floats:
    """Return the SIFT descriptors of patches on a grid, float32 [T, 128] of length 1; without those of no gradient.

    Parameters
    ----------
    image : uint8 [H, W]
        Grey levels, at least 24 x 24.
    step : int
        Pixels between the centres of patches; all patches lie inside the image.
    """
    import cv2

    rows, columns = (np.arange(PATCH // 2, size - PATCH // 2 + 1, step, dtype=float) for size in image.shape)
    points = [cv2.KeyPoint(x, y, _SIZE, 0.0) for y in rows for x in columns]  # angle 0: upright
    _, found = cv2.SIFT.create(nOctaveLayers=1).compute(image, points)
    return np.asarray(found[found.any(axis=1)] / _LENGTH, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """PCA of SIFT descriptors, and a mixture of K Gaussians with diagonal covariances; all float32.

    Attributes
    ----------
    mean : [128]
        Of the descriptors.
    axes : [128, d]
        Principal axes.
    weights : [K]
        Of the Gaussians, sum 1.
    means, variances : [K, d]
    """

    mean: Floats
    axes: Floats
    weights: Floats
    means: Floats
    variances: Floats

    @classmethod
    def read(cls, vocabulary: str) -> Vocabulary:
        """Return the bundled one, or that of a file; a process reads a file once.

        Raises
        ------
        UsageError
            If the file is damaged, or no vocabulary.
        UnavailableError
            If there is none.
        """
        return _read(vocabulary, _sha256(vocabulary))

    def write(self, path: str | Path) -> None:
        """Write it as a safetensors file, atomically."""
        write_tensors(Path(path), asdict(self), {"format": _FORMAT})

    @property
    def problem(self) -> str:
        """What is wrong with the tensors; empty if nothing is."""
        words, dims = (*self.means.shape, 0, 0)[:2]
        shapes = {"mean": (128,), "axes": (128, dims), "weights": (words,), "means": (words, dims)}
        for name, tensor in asdict(self).items():
            shape = shapes.get(name, (words, dims))
            if tensor.dtype != np.float32 or tensor.shape != shape or 0 in shape:
                return f"its tensor {name!r} is {tensor.dtype} {list(tensor.shape)}, not float32 {list(shape)}"
            if not np.isfinite(tensor).all():
                return f"its tensor {name!r} has numbers that are not finite"
        if min(self.weights.min(), self.variances.min()) <= 0 or abs(float(self.weights.sum()) - 1) > 1e-3:
            return "its weights and variances are not positive, or the weights do not sum to 1"
        return ""

    def fisher_vector(self, descriptors: ArrayLike) -> Floats:
        """Return the normalised gradients of the mean log likelihood of descriptors [T, 128], float32 [2 K d].

        By the means: sum_t g_tk (x_t - m_k) / s_k / (T sqrt(w_k)); by the standard deviations:
        sum_t g_tk ((x_t - m_k)^2 / s_k^2 - 1) / (T sqrt(2 w_k)), with the posteriors g. Zeros without descriptors.
        """
        x = (np.asarray(descriptors, np.float32) - self.mean) @ self.axes  # [T, d]
        w, m, v = self.weights[:, None], self.means, self.variances
        constant = np.log(self.weights) - 0.5 * (np.log(2 * np.pi * v) + m * m / v).sum(axis=1)
        squares = x * x
        logs = constant + x @ (m / v).T - squares @ (0.5 / v).T  # [T, K]
        posterior = np.exp(logs - logs.max(axis=1, keepdims=True))
        posterior /= max(1, len(x)) * posterior.sum(axis=1, keepdims=True)
        share, first, second = posterior.sum(axis=0)[:, None], posterior.T @ x, posterior.T @ squares
        by_mean = (first - share * m) / np.sqrt(w * v)
        by_deviation = (second - 2 * m * first + share * (m * m - v)) / (v * np.sqrt(2 * w))
        return np.concatenate([by_mean.ravel(), by_deviation.ravel()]).astype(np.float32)


def fit_vocabulary(
    images: Iterable[NDArray[np.uint8]],
    *,
    words: int = 64,
    dims: int = 64,
    step: int = 8,
    n: int = 100_000,
    seed: int = 0,
) -> Vocabulary:
    """Fit PCA and the mixture by scikit-learn on descriptors drawn from images.

    Parameters
    ----------
    images : iterable of uint8 [H, W]
        Grey levels, of the size at which the feature looks at frames.
    words, dims : int
        Gaussians, and principal components, at most 128.
    step : int
        See `dense_sift`.
    n : int
        Descriptors to fit on at most, an even draw.
    seed : int
        Of the draw and of the start of the mixture.

    Raises
    ------
    UsageError
        If there are fewer than ten descriptors a Gaussian.

    Notes
    -----
    The bundled vocabulary is made by::

        import cv2
        from keyframe_bench.datasets.rendered import scene_pictures
        from keyframe_bench.features.fisher import fit_vocabulary

        grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in scene_pictures(0, "train", 500))
        images = (cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA) for image in grey)
        fit_vocabulary(images).write("keyframe_bench/bundled/fisher.safetensors")
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(seed)
    found = np.concatenate([np.zeros((0, 128), np.float32), *(dense_sift(image, step) for image in images)])
    if len(found) < 10 * words:
        raise UsageError(f"{len(found)} SIFT descriptors are too few for {words} Gaussians; give more images")
    found = found[np.sort(rng.permutation(len(found))[:n])].astype(np.float64)
    pca = PCA(dims, svd_solver="full").fit(found)
    mixture = GaussianMixture(words, covariance_type="diag", random_state=seed, max_iter=200)
    mixture.fit(pca.transform(found))
    made = (pca.mean_, pca.components_.T, mixture.weights_, mixture.means_, mixture.covariances_)
    return Vocabulary(*(np.asarray(tensor, dtype=np.float32) for tensor in made))


def _sha256(vocabulary: str) -> str:
    path = checkpoint_file(vocabulary, Fisher.name, "vocabulary")
    try:
        return remembered_sha256(path)
    except OSError as error:
        raise UnavailableError(f"vocabulary={str(path)!r} cannot be read ({os_reason(error)}); {_WAY_OUT}") from error


@lru_cache(maxsize=4)
def _read(vocabulary: str, sha256: str) -> Vocabulary:  # noqa: ARG001 - a changed file is read again
    path = checkpoint_file(vocabulary, Fisher.name, "vocabulary")
    tensors, metadata = read_tensors(path, "vocabulary", _WAY_OUT, framework="numpy")
    named = f"vocabulary={str(path)!r}"
    if metadata.get("format") != _FORMAT or tensors.keys() != Vocabulary.__dataclass_fields__.keys():
        raise UsageError(f"{named} is no vocabulary of this version ({_FORMAT}); {_WAY_OUT}")
    found = Vocabulary(**tensors)
    if found.problem:
        raise UsageError(f"{named}: {found.problem}; {_WAY_OUT}")
    return found
