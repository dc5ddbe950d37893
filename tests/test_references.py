"""Every method and metric names its source, and the source is in the BibTeX file."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from keyframe_bench import Dataset, Extractor, Metric
from keyframe_bench.report.bibliography import bibliography

KEYS = set(re.findall(r"@\w+\{([^,\s]+),", files("keyframe_bench").joinpath("references.bib").read_text("utf-8")))


@pytest.mark.parametrize("base", [Extractor, Metric, Dataset])
def test_references_are_in_the_bibtex_file(base: type[Extractor] | type[Metric] | type[Dataset]) -> None:
    named = {name: base.registry.get(name).reference for name in base.registry.names()}
    assert named
    assert {n: r for n, r in named.items() if r != "none" and r not in KEYS} == {}


def test_every_entry_is_closed_before_the_next_begins() -> None:
    entries = {key: bibliography([key]) for key in KEYS}
    assert {
        k for k, e in entries.items() if e.count("\n@") or not e.startswith("@") or e.count("{") != e.count("}")
    } == set()
