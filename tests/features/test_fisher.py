"""Fisher vectors against a plain loop and the gradient of scikit-learn's mixture; vocabularies and bad files."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from keyframe_bench import Extractor, Feature, UsageError
from keyframe_bench.core.errors import UnavailableError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.features.fisher import Vocabulary, dense_sift, fit_vocabulary
from keyframe_bench.video.arrays import ArrayFrame


def image_of(seed, height=60, width=80, sigma=2):
    """A smooth random grey image, uint8."""
    noise = rng_for(seed, "image").normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def frames_of(*images):
    return [ArrayFrame(np.repeat(image[..., None], 3, axis=2)) for image in images]


def feature(**given):
    return Feature.registry.build("fisher", given)


@pytest.fixture(scope="module")
def small():
    """Five Gaussians of eight dimensions."""
    return fit_vocabulary((image_of(seed) for seed in range(40)), words=5, dims=8)


def by_loop(vocabulary, descriptors):
    """The definition, one descriptor and one Gaussian at a time, in double precision."""
    mean, axes, w, m, v = (getattr(vocabulary, name).astype(float) for name in Vocabulary.__dataclass_fields__)
    means, deviations = np.zeros(m.shape), np.zeros(m.shape)
    for descriptor in descriptors.astype(float):
        x = (descriptor - mean) @ axes
        densities = [
            w[k] * np.prod(np.exp(-((x - m[k]) ** 2) / (2 * v[k])) / np.sqrt(2 * np.pi * v[k])) for k in range(5)
        ]
        for k in range(5):
            share = densities[k] / sum(densities) / len(descriptors)
            means[k] += share * (x - m[k]) / np.sqrt(v[k]) / np.sqrt(w[k])
            deviations[k] += share * ((x - m[k]) ** 2 / v[k] - 1) / np.sqrt(2 * w[k])
    return np.concatenate([means.ravel(), deviations.ravel()])


def test_it_agrees_with_a_plain_loop(small):
    descriptors = dense_sift(image_of(100), 4)
    assert small.fisher_vector(descriptors) == pytest.approx(by_loop(small, descriptors), abs=2e-5)


def test_it_is_the_gradient_of_the_likelihood(small):
    from sklearn.mixture import GaussianMixture

    descriptors = dense_sift(image_of(101), 4)
    x = (descriptors.astype(float) - small.mean) @ small.axes.astype(float)
    weights, means, deviations = (
        small.weights.astype(float),
        small.means.astype(float),
        np.sqrt(small.variances.astype(float)),
    )

    def score(m, s):
        mixture = GaussianMixture(5, covariance_type="diag")
        mixture.weights_, mixture.means_, mixture.precisions_cholesky_ = weights, m, 1 / s
        return mixture.score(x)

    found = small.fisher_vector(descriptors).reshape(2, 5, 8)
    for k in range(5):
        for d in range(8):
            step = np.zeros((5, 8))
            step[k, d] = 1e-5
            by_mean = (score(means + step, deviations) - score(means - step, deviations)) / 2e-5
            by_deviation = (score(means, deviations + step) - score(means, deviations - step)) / 2e-5
            scale = deviations[k, d] / np.sqrt(weights[k])
            assert found[:, k, d] == pytest.approx([by_mean * scale, by_deviation * scale / np.sqrt(2)], abs=1e-4)


def test_bundled_rows_have_the_papers_size_and_length_one():
    rows = feature().compute(frames_of(image_of(1, 120, 160), image_of(2, 120, 160)))
    assert rows.shape == (2, 8192)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert feature().compute(frames_of(image_of(2, 120, 160)))[0].tolist() == rows[1].tolist()


def test_power_and_unit_length_are_options():
    frames = frames_of(image_of(3))
    plain = feature(power=1, unit=False).compute(frames)[0]
    rooted = np.sign(plain) * np.sqrt(np.abs(plain))
    assert feature().compute(frames)[0] == pytest.approx(rooted / np.linalg.norm(rooted), abs=1e-6)


def test_similar_images_have_similar_rows():
    image, other = image_of(4, 240, 320), image_of(5, 240, 320, sigma=6)
    rows = feature().compute(frames_of(image, np.roll(image, 3, axis=1), other))
    assert rows[0] @ rows[1] > 0.1 + rows[0] @ rows[2]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_images_have_rows_of_zeros(level):
    rows = feature().compute(frames_of(np.full((60, 80), level, np.uint8), image_of(1)))
    assert not rows[0].any()
    assert np.isfinite(rows).all()
    assert rows[1].any()


def test_a_vocabulary_of_ones_own(small, tmp_path):
    path = tmp_path / "own.safetensors"
    small.write(path)
    own = feature(vocabulary=str(path), step=4)
    rows = own.compute(frames_of(image_of(6)))
    assert rows.shape == (1, 80)
    assert own.key != feature(step=4).key
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(path.read_bytes())
    assert feature(vocabulary=str(copy), step=4).key == own.key
    assert own.unavailable() is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"means": np.zeros((5, 7), np.float32)}, "'axes'"),
        ({"weights": np.full(5, 0.3, np.float32)}, "sum to 1"),
        ({"variances": np.zeros((5, 8), np.float32)}, "not positive"),
        ({"mean": np.full(128, np.nan, np.float32)}, "not finite"),
        ({"mean": np.zeros(128)}, "float64"),
    ],
)
def test_a_wrong_vocabulary_is_refused(small, tmp_path, change, said):
    path = tmp_path / "wrong.safetensors"
    replace(small, **change).write(path)
    method = feature(vocabulary=str(path))
    assert said in method.unavailable()
    with pytest.raises(UsageError, match=said):
        method.prepare()


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("no tensors")
    with pytest.raises(UsageError, match="safetensors"):
        feature(vocabulary=str(text)).prepare()
    from keyframe_bench.core.checkpoint import checkpoint_file

    with pytest.raises(UsageError, match="no vocabulary"):
        feature(vocabulary=str(checkpoint_file("bundled", "autoencoder"))).prepare()
    with pytest.raises(UnavailableError, match="missing"):
        _ = feature(vocabulary=str(tmp_path / "missing")).key
    assert "missing" in feature(vocabulary=str(tmp_path / "missing")).unavailable()


def test_too_few_images_for_a_vocabulary():
    with pytest.raises(UsageError, match="give more images"):
        fit_vocabulary([image_of(0)])


def test_methods_learn_from_it_by_name():
    method = Extractor.registry.build("seqdpp")
    options = method.Options.build({"feature": "fisher", "step": 16})
    assert feature(step=16) in method.train_needs(options)
    missing = method.Options.build({"feature": "fisher", "vocabulary": "nowhere.safetensors"})
    with pytest.raises(UnavailableError, match="nowhere"):
        method.check_options(missing)


@pytest.mark.slow
def test_five_frames_per_second_on_one_thread():
    frames = frames_of(*(image_of(seed, 240, 320) for seed in range(10)))
    method, before = feature(), cv2.getNumThreads()
    method.prepare()
    cv2.setNumThreads(1)
    try:
        method.compute(frames[:1])
        start = time.process_time()
        method.compute(frames)
        assert len(frames) / (time.process_time() - start) > 5
    finally:
        cv2.setNumThreads(before)
