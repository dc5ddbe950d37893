"""What a table says by itself about controls: beaten by none, below random, and what a network adds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from keyframe_bench.tables import comparison, load_results, stats

NETWORK = {"params": {"space": "network"}}
PLAIN = {"params": {"space": "input"}, "label": "no network"}


@pytest.fixture
def table_of(write, columns):
    return lambda *cells: comparison(load_results(write(*cells)), columns)


def cells_of(cell, extractor, numbers, **fields):
    seconds = fields.pop("total_s", 1.0)
    return [
        cell(extractor, f"v{i:02}", metrics={"cus_a": float(x), "total_s": seconds}, **fields)
        for i, x in enumerate(numbers)
    ]


def note_of(table, start):
    return next((note for note in table.notes if note.startswith(start)), "")


BASE = np.linspace(0.3, 0.6, 10)


def network(cell, gain, **more):
    return [
        *cells_of(cell, "net", BASE + gain, total_s=60.0, **NETWORK, **more),
        *cells_of(cell, "net", BASE, total_s=1.0, **PLAIN, **more),
    ]


@pytest.mark.parametrize(("gain", "word"), [(0.1, "better"), (-0.1, "worse"), (0.0, "differs in no column")])
def test_a_table_says_what_the_network_adds_and_costs(table_of, cell, gain, word):
    table = table_of(*network(cell, gain), *cells_of(cell, "uniform", BASE - 0.05))
    note = note_of(table, "what the network adds")
    assert word in note
    assert "60.0 times the total_s" in note
    mine = [
        c
        for c in table.comparisons
        if (c.label, c.rival_label) == ("net (space=network)", "net (space=input, no network)")
    ]
    assert mine[0].difference == pytest.approx(gain)
    if gain:
        assert mine[0].p_holm == pytest.approx(scipy.stats.wilcoxon(np.full(10, gain), method="exact").pvalue)
        assert mine[0].p_holm == stats.smallest_p(10)  # a family of its own: one pair, whatever else is in the table


def test_every_budget_has_its_own_note_and_few_videos_say_so(table_of, cell):
    cells = [c for budget in ("5", "10") for c in network(cell, 0.1, budget=budget)]
    few = [c for c in cells if c["video"] < "v04"]
    notes = [note for note in table_of(*few).notes if note.startswith("what the network adds")]
    assert len(notes) == 2
    assert all("significance is impossible with n = 4 videos" in note for note in notes)
    assert "budget 5" in notes[0] and "budget 10" in notes[1]


def test_without_such_a_row_nothing_is_said_of_networks(table_of, cell):
    table = table_of(*cells_of(cell, "net", BASE, **NETWORK), *cells_of(cell, "uniform", BASE))
    assert not note_of(table, "what the network adds")


def test_who_is_below_random_is_named_with_the_columns(table_of, cell):
    numbers = {"random": 0.0, "good": 0.1, "bad": -0.1}
    cells = [c for name, gain in numbers.items() for c in cells_of(cell, name, BASE + gain)]
    note = note_of(table_of(*cells), "on average worse than random")
    assert "bad in cus_a" in note
    assert "good" not in note
    assert "total_s" not in note  # a cost is no merit


def test_below_random_is_told_within_one_budget(table_of, cell):
    cells = [
        *cells_of(cell, "random", BASE, budget="5"),
        *cells_of(cell, "random", BASE + 0.2, budget="10"),
        *cells_of(cell, "vsumm", BASE + 0.1, budget="5"),
        *cells_of(cell, "vsumm", BASE + 0.1, budget="10"),
    ]
    assert note_of(table_of(*cells), "on average worse") == "on average worse than random at budget 10: vsumm in cus_a"


@pytest.mark.parametrize(("lead", "said"), [(0.0, True), (-0.1, True), (0.1, False)])
def test_a_tie_with_a_control_is_no_lead(table_of, cell, lead, said):
    table = table_of(*cells_of(cell, "uniform", BASE), *cells_of(cell, "vsumm", BASE + lead))
    assert (note_of(table, "no method beats a control") == "no method beats a control in cus_a (uniform)") is said
