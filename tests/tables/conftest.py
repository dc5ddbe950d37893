"""Results with numbers that can be checked by hand."""

import json

import pytest

from keyframe_bench.tables import comparison, load_results

COLUMNS = {
    "cus_a": {"direction": "higher", "unit": "1", "about": "share matched", "headline": True, "metric": "cus"},
    "total_s": {"direction": "lower", "unit": "s", "about": "seconds", "headline": True, "metric": "cost"},
    "shot_recall": {"direction": "higher", "unit": "1", "about": "shots", "headline": True, "metric": "shots"},
    "cus_p": {"direction": "higher", "unit": "1", "about": "precision", "headline": False, "metric": "cus"},
}


def _cell(extractor, video="a", *, seed=0, status="ok", error=None, params=None, metrics=None, **fields):
    params = params or {}
    cell = {
        "format": "keyframe_bench/cell@1", "status": status, "extractor": extractor, "params": params, "version": 1,
        "label": "", "reference": "none", "budget_rule": "rule", "privileged": extractor == "oracle",
        "control": extractor in ("random", "uniform"), "dataset": "folder", "revision": "r1", "video": video,
        "video_sha256": f"sha-{video}", "budget": "10", "sampling": "2fps", "run_sampling": "2fps", "seed": seed,
        "draws": 1, "metrics": metrics or {}, "error": error, "finished": "2026-01-01T00:00:00",
        "keyframes": {"frames": [0, 5], "times": [0.0, 0.2], "cost": {"select_s": 0.5}} if status == "ok" else None,
    } | fields  # fmt: skip
    identity = [cell[n] for n in ("extractor", "version", "label", "video", "seed", "budget", "sampling", "finished")]
    return {"key": json.dumps([*identity, params])} | cell


@pytest.fixture
def columns():
    return {name: dict(data) for name, data in COLUMNS.items()}


@pytest.fixture
def cell():
    return _cell


@pytest.fixture
def cells_of():
    """Cells of every extractor from its numbers, one a video (v00, v01 ...); None is a failed cell."""

    def cells_of(values, *, column="cus_a", more=None, **fields):
        failed = {"status": "failed", "error": {"type": "E", "message": "m"}}
        return [
            _cell(
                name, f"v{i:02}", **fields, **(failed if v is None else {"metrics": {column: float(v), **(more or {})}})
            )
            for name, numbers in values.items()
            for i, v in enumerate(numbers)
        ]

    return cells_of


@pytest.fixture
def write(tmp_path):
    def write(*cells):
        file = tmp_path / "results.jsonl"
        file.write_text("".join(json.dumps(c) + "\n" for c in cells))
        return file

    return write


@pytest.fixture
def table_of(write, columns):
    """The comparison of cells; columns of other tests by name."""
    return lambda *cells, **more: comparison(load_results(write(*cells)), more or columns)
