"""Spectral clustering against scikit-learn and dense eigenvectors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.sparse.csgraph import laplacian as laplacian_of
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_circles
from sklearn.metrics import adjusted_rand_score

from keyframe_bench.selection.spectral import eigengap, neighbour_graph, smallest_eigenvectors, spectral_labels


def shots(lengths: tuple[int, ...], spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(lengths)), lengths)
    centres = rng.normal(0, 1, (len(lengths), 12))
    return centres[truth] + rng.normal(0, spread, (len(truth), 12)), truth


def labels(rows: np.ndarray, least: int, most: int | None = None, seed: int = 0, n_neighbors: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return spectral_labels(rows, least, least if most is None else most, rng=rng, n_neighbors=n_neighbors, n_init=10)


@pytest.mark.parametrize("lengths", [(20, 30, 25), (12, 40, 8, 15, 60), (300, 500)])
def test_shots_are_found_and_scikit_learn_finds_the_same(lengths: tuple[int, ...]) -> None:
    rows, truth = shots(lengths)
    found = labels(rows, len(lengths))
    model = SpectralClustering(len(lengths), affinity="precomputed", random_state=0)
    theirs = model.fit(neighbour_graph(rows, 5).toarray()).labels_
    assert found.tolist() == truth.tolist()  # numbered by first appearance
    assert adjusted_rand_score(theirs, found) == 1.0


def test_rings_that_k_means_cannot_tell_apart_are_found() -> None:
    rows, truth = make_circles(400, noise=0.03, factor=0.4, random_state=0)
    assert adjusted_rand_score(truth, labels(rows, 2, n_neighbors=10)) == 1.0


def test_a_dense_and_a_scattered_cluster_need_rows_of_length_one() -> None:
    """Eigenvectors are long where degrees are high: without the normalisation k-means splits by degree."""
    truth = np.repeat([0, 1], [60, 12])
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(size=(72, 2))
        rows = 4 * np.eye(2)[truth] + noise * np.array([0.05, 1.0])[truth][:, None]
        assert adjusted_rand_score(truth, labels(rows, 2)) == 1.0


@pytest.mark.parametrize("n_shots", [2, 3, 7])
def test_the_eigengap_counts_the_shots(n_shots: int) -> None:
    rows, truth = shots((25,) * n_shots)
    found = labels(rows, 2, most=12)
    assert found.max() + 1 == n_shots
    assert adjusted_rand_score(truth, found) == 1.0
    assert labels(rows, 9, most=12).max() + 1 == 9  # but never fewer than asked for


def test_fewer_clusters_than_pieces_merge_whole_shots() -> None:
    """The k-NN graph of 14 shots falls into 14 pieces; k-means on fewer eigenvectors would then be arbitrary."""
    rows, truth = shots((30,) * 14)
    found = labels(rows, 5)
    assert found.max() == 4
    assert all(len(set(found[truth == shot])) == 1 for shot in range(14))


@pytest.mark.parametrize(
    "rows", [shots((40,) * 5)[0], np.random.default_rng(0).normal(size=(200, 6)), np.ones((30, 2))]
)
def test_the_graph_is_sparse_symmetric_and_connected(rows: np.ndarray) -> None:
    graph = neighbour_graph(rows, 5)
    assert graph.nnz <= 2 * (5 * len(rows) + len(rows))
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().max() == 0
    assert graph.data.min() >= 1e-6 and graph.data.max() <= 1
    assert connected_components(graph)[0] == 1


def test_affinities_by_hand() -> None:
    """Distances 1, 2, 4, 1, 3, 2 of 0, 1, 2 (its neighbour is 1), 4: median 2, so a distance d weighs exp(-d^2 / 8)."""
    graph = neighbour_graph(np.array([[0.0], [1.0], [2.0], [4.0]]), 1).toarray()
    assert graph[0, 1] == graph[1, 0] == pytest.approx(np.exp(-1 / 8))
    assert graph[2, 3] == graph[3, 2] == pytest.approx(np.exp(-4 / 8))
    assert graph[0, 2] == graph[0, 3] == graph[1, 3] == 0


@pytest.mark.parametrize("kind", ["shots", "walk", "noise"])
def test_sparse_eigenvectors_are_those_of_the_dense_laplacian(kind: str) -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(900, 8))
    rows = {"shots": shots((60,) * 15)[0], "walk": steps.cumsum(axis=0), "noise": steps}[kind]
    graph = neighbour_graph(rows, 5)
    values, vectors = np.linalg.eigh(laplacian_of(graph, normed=True).toarray())
    found_values, found = smallest_eigenvectors(graph, 16)
    assert found_values == pytest.approx(values[:16], abs=1e-9)
    # Spans, where the next eigenvalue is apart: no copy of a nearly repeated one is missing.
    cut = int(np.diff(values[:17]).argmax()) + 1
    overlap = np.linalg.svd(found[:, :cut].T @ vectors[:, :cut], compute_uv=False)
    assert overlap == pytest.approx(1.0, abs=1e-6)
    assert found[np.abs(found).argmax(axis=0), np.arange(16)].min() > 0


@pytest.mark.parametrize(
    ("values", "most", "k"),
    [
        ([0.0, 0.9, 1.0, 1.05], 3, 2),  # k = 1 is not a choice
        *(([0.0, 0.0, 0.0, 0.5, 0.5], 4, 3), ([0.0, 0.25, 0.5, 0.75, 1.0], 4, 2)),  # of equals the smaller
        ([0.0, 0.1, 0.2, 0.3, 0.9], 3, 2),  # the step after 4 is out of reach
        *(([0.0], 4, 1), ([0.0, 2.0], 4, 2)),
    ],
)
def test_the_largest_step_counts_and_ties_go_to_fewer(values: list[float], most: int, k: int) -> None:
    assert eigengap(np.array(values), most=most) == k


def test_still_pictures_are_one_cluster_each() -> None:
    rows = np.repeat(np.eye(3), [40, 25, 35], axis=0)
    for least in (3, 5):
        assert labels(rows, least).tolist() == np.repeat([0, 1, 2], [40, 25, 35]).tolist()
    two = labels(rows, 2)
    assert two.max() == 1 and len(set(two[:40])) == len(set(two[40:65])) == len(set(two[65:])) == 1
    assert labels(np.ones((9, 4)), 2, most=5).tolist() == [0] * 9


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1e-17, 1.0, 1.0 + 1e-16, 5.0, -3e8]), min_size=1, max_size=14),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 20),
)
def test_any_rows_give_clusters_and_no_warning(values: list[float], least: int, most: int, n_neighbors: int) -> None:
    rows = np.repeat(np.array(values)[:, None], 3, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = labels(rows, least, most, n_neighbors=n_neighbors)
    assert len(found) == len(rows)
    assert set(found) == set(range(found.max() + 1))
    assert found.max() + 1 <= max(least, most, 2)
