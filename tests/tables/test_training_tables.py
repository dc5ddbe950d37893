"""Tables of trainings: numbers over seeds, exact numbers, the grammar of their files."""

from __future__ import annotations

import json
import math

import keyframe_bench.experiments.chen2021.figures  # noqa: F401 - registers
import numpy as np
import pytest
from scipy import stats

from keyframe_bench.report.paper import paper_markdown
from keyframe_bench.tables.experiment import exported, parse_experiment
from keyframe_bench.tables.load import cells_frame
from keyframe_bench.tables.measure import estimate
from keyframe_bench.tables.paper import paper_table
from keyframe_bench.tables.verdict import judge

from .conftest import cell as make

INF = math.inf
FIRST = [0.010, 0.012, 0.009]
SECOND = [0.004, 0.006, 0.003]


def cell(label, seed, *, unit="seed", status="ok", **metrics):
    about = {"label": label, "params": {"run": label}, "dataset": "cam_a", "unit": unit, "status": status, "budget": ""}
    about |= {"structure": "96*192: conv", "reference": "chen2021autoencoder", "sampling": "", "run_sampling": ""}
    about["error"] = {"type": "X", "message": "why"} if status == "failed" else None
    return make("ae_final", f"seed {seed}", seed=seed, metrics=metrics, **about)


def stored(*cells):
    return {c["key"]: c for c in cells}


def runs(n=3, unit="seed"):
    losses = {"a": FIRST[:n], "b": SECOND[:n]}
    return stored(*(cell(name, s, unit=unit, loss=x) for name, found in losses.items() for s, x in enumerate(found)))


def of(label):
    return {"value": "loss", "where": {"label": label}}


def t_interval(values):
    values = np.asarray(values)
    return stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))


def test_numbers_over_seeds_are_paired_and_have_students_interval():
    cells = cells_frame(runs())
    mean = estimate(cells, {"mean": "loss", "where": {"label": "a"}})
    assert (mean.n, mean.unit) == (3, "seed")
    difference, logs = np.subtract(FIRST, SECOND), np.log(np.divide(FIRST, SECOND))
    apart = estimate(cells, {"difference": [of("a"), of("b")]})
    for found, values in ((mean, np.asarray(FIRST)), (apart, difference)):
        assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *t_interval(values)))
    assert apart.high - apart.low < 0.2 * np.ptp(t_interval(FIRST))  # the seeds' own spread is not in it
    ratio, back = (estimate(cells, {"ratio": pair}) for pair in ([of("a"), of("b")], [of("b"), of("a")]))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx(tuple(np.exp([logs.mean(), *t_interval(logs)])))
    assert back.high == pytest.approx(1 / ratio.low)  # it is geometric
    nothing = cells_frame(stored(cell("a", 0, loss=0.1), cell("b", 0, loss=0.0)))
    assert estimate(nothing, {"ratio": [of("a"), of("b")]}) is None


def test_three_seeds_are_needed_for_a_verdict_and_what_is_exact_needs_none():
    words = [judge(estimate(cells_frame(runs(n)), {"difference": [of("a"), of("b")]}), 0.0, INF) for n in (1, 2, 3)]
    assert [word for word, _ in words] == ["undecided", "undecided", "holds"]
    assert words[1][1] == "2 seeds are too few for an interval to be trusted"
    found = estimate(cells_frame(runs(1, unit="exact")), {"ratio": [of("a"), of("b")]})
    assert found.low == found.value == found.high == pytest.approx(2.5)
    assert (judge(found, 1.0, INF), judge(found, 3.0, INF)) == (("holds", ""), ("fails", ""))


def pictures_of(*numbers):
    """Sharpness and colour error of a, b and c, one list of pairs a seed."""
    named = ((seed, *one) for seed, pairs in enumerate(numbers) for one in zip("abc", pairs, strict=True))
    return cells_frame(stored(*(cell(label, seed, sharp=sharp, error=error) for seed, label, (sharp, error) in named)))


LEAD = {"among": [{"label": "a"}, {"label": "b"}, {"label": "c"}], "highest": ["sharp"], "lowest": ["error"]}


def test_the_best_overall_is_ahead_in_mean_rank():
    ahead = [(0.8, 2.0), (0.9, 5.0), (0.1, 4.0)]  # ranks: 2, 1; 1, 3; 3, 2
    tied = [(0.8, 2.0), (0.9, 2.0), (0.1, 9.0)]  # 2, 1.5; 1, 1.5; 3, 3
    found = estimate(pictures_of(ahead, ahead, tied), {"lead": LEAD})
    leads = [0.5, 0.5, -0.5]
    assert (found.value, found.n) == (pytest.approx(np.mean(leads)), 3)
    assert (found.low, found.high) == pytest.approx(t_interval(leads))
    assert judge(estimate(pictures_of(ahead, ahead, ahead), {"lead": LEAD}), 0.0, INF) == ("holds", "")
    assert estimate(pictures_of(ahead), {"lead": {**LEAD, "lowest": ["sharp"]}}).value == pytest.approx(0)
    others = {**LEAD, "among": [{"label": "a"}, {"label": "absent"}]}
    assert estimate(pictures_of(ahead), {"lead": others}) is None


SET = {"paper": "p", "dataset": {"name": "folder"}, "split": "temporal:0.8", "rendered": {"name": "rendered"}}
TABLE = {
    "title": "t", "kind": "training", "extractor": "autoencoder", "data_sets": {"cam_a": SET},
    "scales": {"smoke": {"seeds": [0]}}, "runs": [{"name": "a", "data": "cam_a"}],
    "rows": [
        {"name": "one", "where": {"label": "a", "dataset": "cam_a"}, "paper": {"loss": 0.0024, "network": "printed"}},
        {"name": "two", "where": {"label": "b"}},
    ],
    "columns": [{"name": "loss", "mean": "loss"}, {"name": "network", "fact": "structure"}],
    "claims": [{"claim": "less", "measure": {"ratio": [of("a"), of("b")]}, "expect": {"above": 1}}],
}  # fmt: skip


def page(cells, record=None, table=TABLE):
    experiment, run = parse_experiment("mine", table), {"table": "mine", "command": "c", **(record or {})}
    return paper_markdown(paper_table(experiment, cells_frame(cells), run), run).replace("\\", "")


def test_losses_are_shown_with_three_digits_and_beside_the_papers_and_failures_are_named():
    text = page(runs() | stored(cell("b", 7, status="failed")))
    assert "| one | 0.0024 | 0.0103 [0.0065, 0.0141] | 4.31 | printed | 96*192: conv |" in text
    assert "over seeds" in text
    assert "bootstrap" not in text
    assert "**holds**" in text
    assert "7 trainings; 1 failed: b, seed 7 (X: why)" in text


def test_the_caption_says_what_stands_in_for_what():
    used = {
        "caltech256": {"paper": "Caltech 256", "name": "photos", "itself": False, "train": 100, "validation": 25},
        "cam_a": {"paper": "Cam A", "name": "Cam A", "itself": True, "train": 6, "validation": 2},
    }
    options = {"scale": "cpu", "network": {"width": 0.25}, "trainer": {"epochs": 10}, "seeds": [0]}
    text = page(runs(), {"data": used, **options})
    assert "photos in place of Caltech 256 (100 images for training, 25 for validation); Cam A (6 images" in text
    assert "scale cpu: width 0.25; epochs 10; seeds 0" in text


def test_the_caption_counts_and_names_what_cannot_be_read():
    photos = {"unreadable": 5, "unreadable_names": [f"{n}.jpg: truncated" for n in range(5)]}
    videos = {"unreadable": {"b.mp4": "no frame"}, "problems": {"a.mp4": ["it is truncated", "times step back"]}}
    used = {
        "caltech256": {"paper": "Caltech 256", "name": "photos", "train": 100, "validation": 25, "facts": photos},
        "cam_a": {"paper": "Cam A", "name": "hall", "train": 6, "validation": 2, "facts": videos},
        "cam_b": {"paper": "Cam B", "name": "door", "train": 6, "validation": 2, "facts": {"unreadable": 0}},
    }
    text = page(runs(), {"data": used, "keyframes": {"video": "hall/a.mp4"}})
    named = "0.jpg: truncated, 1.jpg: truncated, 2.jpg: truncated"
    assert f"25 for validation; 5 unreadable: {named} and 2 more); hall" in text
    assert "1 unreadable: b.mp4: no frame; 1 with problems: a.mp4: it is truncated, times step back)" in text
    assert "door in place of Cam B (6 images for training, 2 for validation)" in text
    assert "key frames are of hall/a.mp4" in text


def test_small_files_keep_curves_and_leave_pictures_out():
    cells = runs()
    for one in cells.values():
        one |= {"history": [{"epoch": 0, "loss": 0.5}], "pictures": {"input": ["x"]}, "timeline": {"clips": []}}
        one["metrics"] |= {"psnr": 20.0}
    experiment = parse_experiment("mine", TABLE)
    kept = [json.loads(line) for line in exported(cells, experiment).splitlines()]
    assert all(one["history"] and one["unit"] == "seed" and "timeline" in one for one in kept)
    assert not any("pictures" in one or "psnr" in one["metrics"] for one in kept)
    again = {one["key"]: one for one in kept}
    assert page(again) == page(cells)


def test_a_structure_stands_beside_what_the_paper_prints():
    data = {
        "title": "t", "kind": "training", "scales": {"smoke": {}}, "runs": [],
        "records": {"make": "chen2021/structure", "networks": ["ae_test_01"]},
        "rows": [{"name": "layer", "where": {"label": "layer 1"}, "paper": {"ours": "3*3 conv-8"}}],
        "columns": [
            {"name": "ours", "fact": "structure", "where": {"extractor": "ae_test_01"}},
            {"name": "n", "mean": "params"},
        ],
    }  # fmt: skip
    text = page(stored(cell("layer 1", 0, unit="exact", params=232) | {"extractor": "ae_test_01"}), {}, data)
    assert "| row | ours, paper | ours | n |" in text
    assert "| layer | 3*3 conv-8 | 96*192: conv | 232 |" in text
    assert "nothing is trained" in text
