"""The notebooks' committed outputs; `make test` also runs each of them, with nbmake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat comes with keyframe_bench[dev]")

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Of the machine on which they were made: a folder, a host, an address of an object, a time of day, a progress bar.
PRIVATE = re.compile(
    r"/(?:tmp|home|root|work|Users|var|opt|usr)/|\bat 0x[0-9a-f]+|\b\d\d:\d\d:\d\d\b|\d:\d\d:\d\d|\x1b\["
)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_there_and_could_be_anybodys(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert all(sum(output.output_type == "stream" for output in cell.outputs) <= 1 for cell in cells), "printed in one"
    assert [output for output in outputs if {"image/png", "image/jpeg"} & set(output.get("data", ()))]
    for output in outputs:
        data = output.get("data", {})
        texts = [output.get("text", ""), *(data[kind] for kind in data if not kind.startswith("image/"))]
        assert not PRIVATE.search("\n".join(texts))
    assert path.stat().st_size < 500_000


def test_each_notebook_is_named_where_people_look_for_it():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert len(NOTEBOOKS) == 6
    for path in NOTEBOOKS:
        assert path.stem in index


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    notebook = nbformat.read(path, as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)", prose):
        assert (path.parent / target).exists()
    for page in re.findall(r"`(docs/[^`]+\.md)`", prose):
        assert (ROOT / page).exists()
