"""LaTeX of comparisons and of papers' tables: compiled where there is a TeX, with the columns that one asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keyframe_bench.cli.experiments import load_experiment
from keyframe_bench.cli.main import main
from keyframe_bench.report.latex import environment, escape, to_latex
from keyframe_bench.report.outputs import write_outputs
from keyframe_bench.report.tables import rendered
from keyframe_bench.tables.load import read_cells, run_record_of

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
HOSTILE = 'a_b & 50% #1 $x$ {y} ~z ^n \\input{/etc/passwd} <i> "q" `b\' [o] *s -- --- µ±× é ß שלום 漢字 🎬 \u202e'


def committed(name, **more):
    source = RESULTS / f"{name.replace('/', '_')}.jsonl"
    return rendered(load_experiment(name), read_cells(source), run_record_of(source), **more)


def test_any_text_and_hostile_names_compile(wide_out, compiled):
    write_outputs(wide_out)
    ascii_text = "".join(chr(c) for c in range(32, 127))
    cells = [HOSTILE, ascii_text, "[x", "*", ""]
    rows = [[cell, "1"] for cell in cells]
    odd = environment(escape(HOSTILE), HOSTILE, "lr", ["name", "n"], [rows, rows])
    log = compiled(odd, (wide_out / "table.tex").read_text("utf-8"))
    assert "Missing character" not in log


def test_rules_separate_budgets(wide_table):
    table, text = wide_table, to_latex(wide_table)
    at = 1 + table.settings.index("budget")
    blocks = text[text.index(r"\toprule") : text.index(r"\bottomrule")].split("\\midrule\n")[1:]
    budgets = [{re.split(r"(?<!\\)&", line)[at].strip() for line in block.splitlines()} for block in blocks]
    assert len(budgets) == len({row.budget for row in table.rows})
    assert all(len(found) == 1 for found in budgets)
    assert sum(len(block.splitlines()) for block in blocks) == len(table.rows)


def decimals(text):
    return {len(number.partition(".")[2]) for number in re.findall(r"\d+(?:\.\d+)?", text)}


@pytest.mark.parametrize("name", ["main", "chen2021/figure1", "chen2021/table6", "platform_ai/comparison"])
def test_a_value_and_its_interval_have_the_same_decimals(name):
    found = re.findall(r"([\d.$-]+)\}? \{\\scriptsize \[([^\]]+)\]\}", committed(name).latex)
    assert len(found) > 5
    assert all(len(decimals(f"{value} {ends}")) == 1 for value, ends in found)


def test_columns_of_a_committed_table_can_be_chosen():
    page = committed("main", chosen=["srd_db", "cus_f"])
    head = next(line for line in page.latex.splitlines() if line.startswith("method"))
    assert re.findall(r"(srd\\_db|cus\\_f|redundancy\\_gray|total\\_s)", head) == [r"srd\_db", r"cus\_f"]
    assert "redundancy_gray" not in page.markdown.replace("\\", "").partition("warning:")[0]
    page = committed("chen2021/figure1", chosen=["PSNR", "gradient"])
    assert r" & PSNR & gradient \\" in page.latex
    assert "| row | PSNR | gradient |" in page.markdown


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    words = ["dataset=synthetic", f"dataset.root={folder / 'videos'}", "dataset.n_videos=2", "dataset.duration_s=3"]
    run = ["run", *words, "extractors=[uniform,vsumm]", "budget=[2,3]", f"out={folder / 'out'}", "cache_gb=0"]
    return run, folder / "out"


def test_run_writes_the_columns_asked_for_and_the_sources(ran, capsys):
    run, out = ran
    assert main([*run, "columns=[f1_1s,diversity_hue]"]) == 0  # one of them is no headline
    printed = capsys.readouterr().out
    for text in (printed, (out / "table.md").read_text("utf-8"), (out / "table.tex").read_text("utf-8")):
        assert "cus_a" not in text.replace("\\", "")
    head = next(line for line in (out / "table.tex").read_text("utf-8").splitlines() if line.startswith("method"))
    assert re.findall(r"[a-z0-9]+\\_[a-z0-9]+", head) == [r"f1\_1s", r"diversity\_hue"]
    assert "cus_a" in (out / "table.csv").read_text("utf-8")
    assert "{deavila2011vsumm," in (out / "table.bib").read_text("utf-8")
    assert main(run) == 0
    assert "0 of" in capsys.readouterr().out  # columns decide what is shown, not what is computed
    assert "cus" in (out / "table.tex").read_text("utf-8")


@pytest.mark.parametrize("value", ["[f1_7s]", "[]", "3", "{", ""])
def test_a_wrong_column_is_one_sentence_before_anything_runs(ran, value, capsys, tmp_path):
    run, _ = ran
    assert main([*run[:-2], f"out={tmp_path / 'o'}", f"columns={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "columns=" in line
    assert not (tmp_path / "o").exists()


def test_table_command_writes_latex_with_the_columns_asked_for(tmp_path, capsys):
    words = ["table", "chen2021/table6", "--from", str(RESULTS / "chen2021_table6.jsonl"), f"out={tmp_path}"]
    assert main([*words, "columns=['after the last epoch']"]) == 0
    text = (tmp_path / "table6.tex").read_text("utf-8")
    assert r" & after the last epoch \\" in text
    assert "validation loss, paper" not in text
    capsys.readouterr()
    assert main([*words, "columns=[validation los]"]) == 2
    assert "did you mean validation loss" in capsys.readouterr().err
