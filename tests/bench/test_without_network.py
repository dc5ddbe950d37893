"""A method with a network gets a row without it in every run, whoever asks for it and how."""

from __future__ import annotations

import pytest

from keyframe_bench.bench.spec import RunSpec, variants
from keyframe_bench.core.cells import NO_NETWORK
from keyframe_bench.datasets.base import Dataset


def spaces(tmp_path, extractors, grid=None):
    data = Dataset.registry.build("synthetic", {"root": str(tmp_path)})
    spec = RunSpec(data, tmp_path / "o", extractors, ["3"], "2fps", [0], "raise", grid=grid or {})
    found = [v for v in variants(spec)[0] if v.name == "autoencoder"]
    assert {v.params["distance_space"] == "input" for v in found if v.build().label == NO_NETWORK} <= {True}
    return [(v.params["distance_space"], v.params["threshold"]) for v in found]


@pytest.mark.parametrize(
    ("extractors", "grid", "expected"),
    [
        (["autoencoder"], {}, [("reconstruction", "auto"), ("input", "auto")]),
        ("all", {}, [("reconstruction", "auto"), ("input", "auto")]),
        (["autoencoder"], {"distance_space": ["input"]}, [("input", "auto")]),
        (
            ["autoencoder"],
            {"distance_space": ["reconstruction", "input", "cross"]},
            [("reconstruction", "auto"), ("input", "auto"), ("cross", "auto")],
        ),
        (
            ["autoencoder"],
            {"threshold": [0.03, "auto"]},
            [("reconstruction", 0.03), ("reconstruction", "auto"), ("input", 0.03), ("input", "auto")],
        ),
        (["uniform"], {}, []),
    ],
)
def test_the_row_without_the_network_stands_beside_the_others_once(tmp_path, extractors, grid, expected):
    pytest.importorskip("torch")
    assert spaces(tmp_path, extractors, {"autoencoder": grid} if grid else {}) == expected


def test_what_cannot_run_is_told_once(tmp_path, monkeypatch):
    from keyframe_bench.extractors.autoencoder import Autoencoder

    monkeypatch.setattr(Autoencoder, "unavailable", lambda _: "no torch")
    data = Dataset.registry.build("synthetic", {"root": str(tmp_path)})
    found, left_out = variants(RunSpec(data, tmp_path / "o", "all", ["3"], "2fps", [0], "raise"))
    assert "autoencoder" not in {v.name for v in found}
    assert [n.reason for n in left_out if n.extractor == "autoencoder"] == ["no torch"]
