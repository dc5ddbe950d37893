"""Markdown, LaTeX and terminal tables, and the files of a run."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console

from keyframe_bench.report.latex import to_latex
from keyframe_bench.report.markdown import to_markdown
from keyframe_bench.report.outputs import print_comparison, write_outputs
from keyframe_bench.report.terminal import terminal_table, to_text
from keyframe_bench.tables import comparison, load_results, load_run


def test_markdown_has_one_cell_a_column_in_every_row(table):
    text = to_markdown(table, sentence="scored 3 of 4 videos")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(table.rows) + 2
    counts = {len(re.split(r"(?<!\\)\|", row)) for row in rows}  # an escaped | is no border
    assert counts == {1 + 2 + len(table.settings) + len(table.columns) + 1}
    assert r"a\|b\_&amp;\<i\>%\$\#{}" in text
    assert "scored 3 of 4 videos." in text
    assert text.count("**") // 2 == 1 + sum(v.best for row in table.rows for v in row.values.values())


def test_latex_is_a_table_with_nothing_left_to_interpret(table):
    text = to_latex(table, sentence="scored\n3")
    body = text[text.index(r"\begin{tabular}") :]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == len(table.rows) + 1
    assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {2 + len(table.settings) + len(table.columns)}
    assert r"a\textbar{}b\_\&\textless{}i\textgreater{}\%\$\#\{\}" in body
    assert all(line.startswith("%") for line in text[: text.index(r"\begin{table}")].splitlines())
    for part in (r"\toprule", r"\bottomrule", r"\caption{folder", r"\label{tab:folder"):
        assert text.count(part) == 1
    assert text.count(r"\midrule") == 3  # below the head; controls, methods, ceilings


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_table_fits_and_is_plain_ascii(table, width):
    text = to_text(table, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii()
    assert "oracle [ceiling]" in text
    assert "cus_a ^" in text


def cells_of(line):
    """Cells of a line by their columns, which are two characters apart or more."""
    return re.split(r"\s{2,}", line.strip())


def test_means_carry_their_intervals_with_the_same_decimals(table):
    value = next(row for row in table.rows if row.extractor == "uniform").values["cus_a"]
    (line,) = (line for line in to_markdown(table).splitlines() if line.startswith("| uniform"))
    assert f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}] |" in line.replace("**", "")
    assert line.endswith("| 4.00 |")  # always four key frames: no interval to see
    (line,) = (line for line in to_latex(table).splitlines() if line.startswith("uniform"))
    assert f"{value.mean:.3f}" in line and rf"{{\scriptsize [{value.low:.3f}, {value.high:.3f}]}}" in line


def test_the_terminal_has_means_in_one_line_and_intervals_below(table):
    value = next(row for row in table.rows if row.extractor == "uniform").values["cus_a"]
    lines = to_text(table, width=120).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("uniform [control]"))
    assert f"{value.mean:.3f}" in lines[at]
    assert f"{value.low:.2f} {value.high:.2f}".replace("0.", ".") in cells_of(lines[at + 1])
    heads = lines.index(next(line for line in lines if set(line) == {"-"}))
    assert lines[heads - 1].startswith("method")  # heads end on one line
    colour = Console(file=io.StringIO(), width=120, force_terminal=True)
    colour.print(terminal_table(table))
    assert f"\x1b[2m{value.low:.2f} ".replace("0.", ".") in colour.file.getvalue()
    assert "oracle [ceiling]" in re.sub(r"\x1b\[[0-9;]*m", "", colour.file.getvalue())  # names are no markup


def test_one_video_has_no_second_lines_and_no_brackets(fake_out, tmp_path):
    lines = (fake_out / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text("".join(line for line in lines if "no facts" in line))
    single = comparison(load_results(tmp_path), load_run(fake_out)["columns"])
    assert not re.search(r"\d [\[{]", to_markdown(single))
    assert "scriptsize" not in to_latex(single)
    assert not re.search(r"\.\d\d \.\d\d", to_text(single))
    assert "intervals" not in to_markdown(single)


def test_a_run_leaves_all_files_and_prints_the_denominator(fake_out, table, capsys):
    found = write_outputs(fake_out)
    files = found.files
    assert [f.name for f in files[:4]] == [f"table.{form}" for form in ("md", "csv", "tex", "bib")]
    assert [f.name for f in files[4:]] == ["stats.csv", "report.html"]
    assert all(f.stat().st_size > 50 for f in files)
    print_comparison(found)
    printed = capsys.readouterr().out
    assert "scored 3 of 4 videos; 1 skipped: <svg onload=alert(2)>.mp4 (no video stream)" in printed
    assert "\x1b" not in printed
    frame = pd.read_csv(fake_out / "stats.csv", keep_default_na=False)
    assert len(frame) == len(table.comparisons) > 0
    first = table.comparisons[0]
    assert frame.loc[0, ["column", "label", "rival_label", "verdict"]].tolist() == [
        *(first.column, first.label, first.rival_label, first.verdict)
    ]
    assert frame.loc[0, "p_holm"] == pytest.approx(first.p_holm)
    assert "group" not in frame.columns


def test_columns_that_do_not_fit_are_announced(table):
    text = to_text(table, width=60)
    (line,) = (line for line in text.splitlines() if "only in the table files:" in line)
    assert "cus_a" in line
    assert "keyframes" in text.split("---")[0]  # facts and costs stay
    assert "total_s" not in line
