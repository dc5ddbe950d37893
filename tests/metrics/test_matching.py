import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.core.errors import UsageError
from keyframe_bench.metrics.matching import match, matches_per_user, precision_recall_f

METHODS = ("optimal", "greedy_best", "greedy_user_order")


@st.composite
def problems(draw, most=5):
    """A distance matrix with many ties, and which pairs are allowed."""
    rows, columns = draw(st.integers(0, most)), draw(st.integers(0, most))
    cells = st.lists(st.integers(0, 6), min_size=rows * columns, max_size=rows * columns)
    distance = np.array(draw(cells), dtype=float).reshape(rows, columns)
    return distance, distance <= draw(st.integers(-1, 6))


def brute_force(distance, allowed):
    """Largest number of pairs and their smallest total distance, over all one-to-one assignments."""
    rows, columns = allowed.shape
    if rows > columns:
        return brute_force(distance.T, allowed.T)
    best = (0, 0.0)
    for chosen in itertools.permutations(range(columns), rows):
        pairs = [(r, c) for r, c in enumerate(chosen) if allowed[r, c]]
        best = min(best, (-len(pairs), sum(distance[p] for p in pairs)))
    return -best[0], best[1]


def loops(distance, allowed, method):
    """Plain-loop references of the two greedy rules."""
    rows, columns = allowed.shape
    pairs, used = [], set()
    if method == "greedy_user_order":
        for c in range(columns):
            for r in range(rows):
                if allowed[r, c] and r not in used:
                    pairs.append((r, c))
                    used.add(r)
                    break
        return pairs
    left = {(distance[r, c], c, r) for r in range(rows) for c in range(columns) if allowed[r, c]}
    while left:
        _, c, r = min(left)
        pairs.append((r, c))
        left = {x for x in left if x[1] != c and x[2] != r}
    return pairs


def test_hand_case_where_each_rule_differs():
    #              reference 0, 1, 2
    distance = [[0.0, 0.1, 9.0], [0.2, 9.0, 9.0], [9.0, 0.3, 0.2]]
    allowed = np.array(distance) < 1
    assert match(distance, allowed, "optimal").tolist() == [[1, 0], [0, 1], [2, 2]]
    assert match(distance, allowed, "greedy_best").tolist() == [[0, 0], [2, 2]]
    assert match(distance, allowed, "greedy_user_order").tolist() == [[0, 0], [2, 1]]


def test_more_pairs_win_over_nearer_pairs():
    distance = np.array([[0.0, 1e6], [1e6, 0.0], [5.0, 5.0]])
    allowed = np.array([[True, True], [True, False], [False, False]])
    assert match(distance, allowed).tolist() == [[1, 0], [0, 1]]


@given(problems())
@settings(max_examples=150, deadline=None)
def test_optimal_agrees_with_all_assignments(problem):
    distance, allowed = problem
    pairs = match(distance, allowed)
    count, cost = brute_force(distance, allowed)
    assert len(pairs) == count
    assert distance[pairs[:, 0], pairs[:, 1]].sum() == pytest.approx(cost, abs=1e-6)


@given(problems(most=7), st.sampled_from(METHODS[1:]))
@settings(max_examples=150, deadline=None)
def test_greedy_agrees_with_plain_loops(problem, method):
    distance, allowed = problem
    expected = sorted(loops(distance, allowed, method), key=lambda pair: pair[1])
    assert [tuple(pair) for pair in match(distance, allowed, method)] == expected


@given(problems(most=8))
@settings(max_examples=150, deadline=None)
def test_every_rule_is_one_to_one_and_greedy_finds_at_least_half(problem):
    distance, allowed = problem
    count = {}
    for method in METHODS:
        pairs = match(distance, allowed, method)
        assert allowed[pairs[:, 0], pairs[:, 1]].all()
        assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
        count[method] = len(pairs)
    for method in METHODS[1:]:
        assert count["optimal"] / 2 <= count[method] <= count["optimal"]


@given(problems(most=6), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_optimal_does_not_depend_on_the_order_of_items(problem, random):
    distance, allowed = problem
    rows, columns = list(range(distance.shape[0])), list(range(distance.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = np.ix_(rows, columns)
    assert len(match(distance[shuffled], allowed[shuffled])) == len(match(distance, allowed))


@given(st.lists(problems(most=4), min_size=1, max_size=4), st.sampled_from(METHODS))
@settings(max_examples=150, deadline=None)
def test_all_users_at_once_are_as_one_by_one(users, method):
    rows = min(d.shape[0] for d, _ in users)
    users = [(d[:rows], a[:rows]) for d, a in users]
    distance = np.concatenate([d for d, _ in users], axis=1)
    allowed = np.concatenate([a for _, a in users], axis=1)
    counts = matches_per_user(distance, allowed, [d.shape[1] for d, _ in users], method)
    assert counts.tolist() == [len(match(d, a, method)) for d, a in users]


def test_identical_sets_match_completely():
    distance = np.abs(np.subtract.outer(np.arange(30.0), np.arange(30.0)))
    for method in METHODS:
        assert match(distance, distance == 0, method).tolist() == [[i, i] for i in range(30)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("method", METHODS)
def test_empty_sets_have_no_pairs(shape, method):
    assert match(np.zeros(shape), np.zeros(shape, bool), method).shape == (0, 2)
    assert matches_per_user(np.zeros(shape), np.zeros(shape, bool), [0, shape[1], 0], method).tolist() == [0, 0, 0]


def test_scores_by_hand_and_of_empty_sets():
    precision, recall, f = precision_recall_f([2, 0, 0, 0, 3], [4, 0, 5, 0, 3], [3, 0, 0, 5, 3])
    assert precision.tolist() == [0.5, 1, 0, 0, 1]
    assert recall == pytest.approx([2 / 3, 1, 0, 0, 1])
    assert f == pytest.approx([4 / 7, 1, 0, 0, 1])


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_f_is_the_harmonic_mean(matches, predicted, reference):
    matches = min(matches, predicted, reference)
    p, r, f = (float(x) for x in precision_recall_f(matches, predicted, reference))
    assert 0 <= f <= 1
    assert f == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)


def test_wrong_arguments_are_named():
    with pytest.raises(UsageError, match=r"\(2, 2\) and allowed \(2, 3\)"):
        match(np.zeros((2, 2)), np.zeros((2, 3), bool))
    with pytest.raises(UsageError, match="not finite"):
        match([[np.nan]], [[True]])
    with pytest.raises(UsageError, match="'best' is not one of"):
        match([[0.0]], [[True]], "best")
    with pytest.raises(UsageError, match="'best' is not one of"):
        matches_per_user([[0.0]], [[True]], [1], "best")
    with pytest.raises(UsageError, match="have 3 references, but the matrix has 2"):
        matches_per_user(np.zeros((1, 2)), np.ones((1, 2), bool), [1, 2])


def test_forbidden_pairs_may_be_infinitely_far():
    assert match([[np.inf, 0.5]], [[False, True]]).tolist() == [[0, 1]]
