"""Tables in the pages of the repository are those that the committed results give."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from keyframe_bench.bench.execute import metric_columns
from keyframe_bench.cli.experiments import load_experiment, names_of_experiments
from keyframe_bench.cli.table_command import replaced
from keyframe_bench.report.perf import perf_markdown
from keyframe_bench.report.tables import rendered
from keyframe_bench.tables.load import read_cells, run_record_of

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
PAGES = {
    **dict.fromkeys(("main", "curves"), "docs/results.md"),
    "peers": "docs/results.md",
    "surveillance": "docs/results.md",
    "backbones": "experiments/backbones.md",
    "strips": "experiments/strips.md",
    "platform_ai/counts": "experiments/platform_ai/README.md",
    "platform_ai/comparison": "experiments/platform_ai/README.md",
    "platform_ai/change_graph": "experiments/platform_ai/README.md",
    "platform_ai/labelling": "experiments/platform_ai/README.md",
    **{
        f"lin2015/{name}": "experiments/lin2015/README.md"
        for name in ("table_cus", "learning", "figure7", "figure8", "figure9", "figure10")
    },
    **{f"framers/{name}": "experiments/framers/README.md" for name in ("table1", "figure3", "table_reconstruction")},
    **{f"chen2021/table{i}": "experiments/chen2021/README.md" for i in range(1, 7)},
    **{f"chen2021/figure{i}": "experiments/chen2021/README.md" for i in ("1", "2", "3", "4a", "4b")},
}


MEASURED = [name for name in names_of_experiments() if (RESULTS / f"{name.replace('/', '_')}.jsonl").is_file()]
DRAWN = {
    *("curves", "platform_ai/labelling", "lin2015/figure7"),
    *("chen2021/figure3", "chen2021/figure4a", "chen2021/figure4b"),
}


@functools.cache
def committed(name):
    source = RESULTS / f"{name.replace('/', '_')}.jsonl"
    record = run_record_of(source)
    run = record | {"columns": record.get("columns") or metric_columns()}
    return record, rendered(load_experiment(name), read_cells(source), run)


@pytest.mark.parametrize("name", MEASURED)
def test_every_table_is_latex(name, compiled):
    _, page = committed(name)
    both = bool(page.verdicts) and bool(load_experiment(name).rows)
    assert page.latex.count(r"\label{tab:" + name.replace("/", "-").replace("_", "-")) == 1 + both
    compiled(page.latex)


@pytest.mark.parametrize("name", PAGES)
def test_the_table_in_the_page_is_not_stale_and_says_how_it_was_made(name):
    record, found = committed(name)
    page = ROOT / PAGES[name]
    text = page.read_text("utf-8")
    assert replaced(text, name, found.markdown, str(page)) == text, "stale: run `make tables`"
    assert bool(found.pictures) == (name in DRAWN)  # curves are kept, images are not
    assert record["command"].startswith(f"keyframe-bench table {name}") and record["commit"]
    assert "/root" not in record["command"] and "/work" not in record["command"]


def test_the_numbers_of_a_column_have_the_same_decimals():
    lines = (ROOT / PAGES["platform_ai/counts"]).read_text("utf-8").partition("<!-- table platform_ai/counts -->")[2]
    head, _, *rows = [line.split(" | ") for line in lines.partition("| claim")[0].splitlines() if line[:1] == "|"]
    numbers = [row[head.index("times the baseline")].split(" ")[0] for row in rows]
    assert {"1.00", "4.00"} < set(numbers) and {len(n.partition(".")[2]) for n in numbers if n != "-"} == {2}


@pytest.mark.parametrize("film", ["film480p", "film1080p", "one_by_one_person"])
def test_the_measured_speed_in_the_page_is_not_stale(film):
    page = "experiments/speed/README.md"
    record = json.loads((ROOT / "experiments" / "speed" / f"{film}.json").read_text("utf-8"))
    text = (ROOT / page).read_text("utf-8")
    assert replaced(text, film, perf_markdown(record), page, "perf") == text, "stale: run `make tables`"
    assert record["command"].startswith(f"keyframe-bench perf {film}.mp4 --")
    assert record["commit"] and not record["commit"].endswith("+")
    assert record["failures"] == []


def test_who_returns_fewer_key_frames_is_not_ranked_where_that_helps():
    """The people's row has no budget; it must not hide that."""
    text = (ROOT / "docs" / "results.md").read_text("utf-8").replace("\\", "")
    assert "fewer key frames alone lower redundancy_gray: not ranked there are vsumm (" in text


def test_the_real_cuts_of_the_readme_are_those_of_their_table():
    """Every row of the README by name, its numbers at the budgets in the head."""
    cut = [line for line in (ROOT / PAGES["strips"]).read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [line.strip("| ").replace("**", "").replace("\\", "").split(" | ") for line in cut]
    head = next(row for row in cells if row[0] == "method")
    measured = {(row[0], row[1]): row for row in cells if len(row) == len(head)}
    part = (ROOT / "README.md").read_text("utf-8").partition("<!-- strips -->")[2].partition("<!-- /strips -->")[0]
    top, _, *rows = [line.strip("| ").split(" | ") for line in part.strip().splitlines()]
    assert len(rows) > 5
    for name, *numbers in rows:
        for column, number in zip(top[1:], numbers, strict=True):
            metric, _, budget = column.partition(" at ")
            found = measured[name, budget][[word.split(" ")[0] for word in head].index(metric)]
            assert found.split(" ")[0] == number, (name, column)
