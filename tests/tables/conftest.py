"""Results with numbers that can be checked by hand."""

import json

import pytest

from keyframe_bench.tables import comparison
from keyframe_bench.tables.load import cells_frame

FAILED = {"status": "failed", "error": {"type": "ValueError", "message": "too\nshort"}}
COLUMNS = {
    "cus_a": {"direction": "higher", "unit": "1", "about": "share matched", "headline": True, "metric": "cus"},
    "total_s": {"direction": "lower", "unit": "s", "about": "seconds", "headline": True, "metric": "cost"},
    "shot_recall": {"direction": "higher", "unit": "1", "about": "shots", "headline": True, "metric": "shots"},
    "cus_p": {"direction": "higher", "unit": "1", "about": "precision", "headline": False, "metric": "cus"},
}


def cell(extractor, video="a", *, seed=0, params=None, metrics=None, **fields):
    """A cell as it is stored."""
    found = {
        "format": "keyframe_bench/cell@1", "status": "ok", "extractor": extractor, "params": params or {}, "version": 1,
        "label": "", "reference": "none", "budget_rule": "rule", "privileged": extractor == "oracle",
        "control": extractor in ("random", "uniform"), "dataset": "folder", "revision": "r1", "video": video,
        "video_sha256": f"sha-{video}", "budget": "10", "sampling": "2fps", "run_sampling": "2fps", "seed": seed,
        "draws": 1, "metrics": metrics or {}, "error": None, "finished": "2026-01-01T00:00:00",
        "keyframes": {"frames": [0, 5], "times": [0.0, 0.2], "cost": {"select_s": 0.5}},
    } | fields  # fmt: skip
    if found["status"] != "ok":
        found["keyframes"] = None
    names = ("extractor", "version", "label", "dataset", "video", "seed", "budget", "sampling", "finished", "params")
    return {"key": json.dumps([*(found[name] for name in names), found.get("n_sampled")])} | found


def measured(video, extractor, *, k=None, n_sampled=100, sampling="2fps", cost=None, seed=0, params=None, **metrics):
    """A cell of 1000 frames with numbers by name."""
    frames = list(range(int(metrics.get("n_keyframes", 1))))
    about = {"budget": str(k or "free"), "k": k, "n_sampled": n_sampled, "n_frames": 1000, "sampling": sampling}
    about["keyframes"] = {"frames": frames, "cost": cost or {}}
    return cell(extractor, video, seed=seed, params=params, metrics=metrics, run_sampling=sampling, **about)


def cells_of(values, *, column="cus_a", more=None, **fields):
    """Cells of every extractor from its numbers, one a video (v00, v01 ...); None is a failed cell."""
    return [
        cell(name, f"v{i:02}", **fields, **(FAILED if v is None else {"metrics": {column: float(v), **(more or {})}}))
        for name, numbers in values.items()
        for i, v in enumerate(numbers)
    ]


def frame(*cells):
    return cells_frame({c["key"]: c for c in cells})


def table_of(*cells, **columns):
    """The comparison of cells; other columns than the usual ones by name."""
    return comparison(frame(*cells), columns or COLUMNS)


def values_of(values, **fields):
    """The comparison of cells as `cells_of` makes them."""
    return table_of(*cells_of(values, **fields))


def notes(table, *words):
    """The notes that have all the words."""
    return [note for note in table.notes if all(word in note for word in words)]


@pytest.fixture
def write(tmp_path):
    def write(*cells):
        file = tmp_path / "results.jsonl"
        file.write_text("".join(json.dumps(c) + "\n" for c in cells))
        return file

    return write
