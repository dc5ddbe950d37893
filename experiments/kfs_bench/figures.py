"""Numbers of published picks on KFS-Bench, beside chance and even spacing: no pixels are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.record_table import VideoTable
from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.files import digest
from keyframe_bench.core.registry import register
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.datasets._picks import read_picks
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.datasets.kfs_bench import KFSBench
from keyframe_bench.metrics.base import Column
from keyframe_bench.metrics.scenes import Scenes, scene_scores
from keyframe_bench.tables.figure import Figure

DRAWS = 100
VERSION = 1
"""Bump it when these numbers may change."""

Times = NDArray[np.float64]


@register("kfs_bench/picks")
class Picks(Figure):
    """The scores of picks in files below the root of ``kfs_bench``, and of random and evenly spaced times.

    ``budgets`` are those of the latter. ``files`` has a row's label and its file; ``index_over_int_fps`` the same for
    files of frame numbers that are read as index / int(fps).
    """

    columns = {  # noqa: RUF012 - never changed
        **Scenes.columns,
        "missed": Column("lower", "1", "1 where no key frame lies in a scene of the question"),
        "ukss_hit": Column("higher", "1", "UKSS of the other questions"),
    }
    options = ("budgets", "files", "index_over_int_fps")

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a cell for each row and question that is annotated."""
        data = table.spec.dataset
        if not isinstance(data, KFSBench):
            raise UsageError(f"table kfs_bench/picks is of data set kfs_bench, not {data.name!r}; leave out dataset=")
        known = {name: about for name, about in data.published().items() if about.annotation is not None}
        table.items = [VideoItem(name, Path(about.video), about.annotation) for name, about in known.items()]
        table.items = table.items[: table.spec.limit]
        picks: dict[str, Mapping[str, Times]] = {
            **{label: read_picks(_file(data, file)).items for label, file in settings["files"].items()},
            **{label: misread(_file(data, file)) for label, file in settings["index_over_int_fps"].items()},
        }
        for item in table.items:
            seconds = known[item.id].duration_s
            if not seconds:
                raise UsageError(f"question {item.id!r} has no duration; add it to lvb_durations.json")
            for k in settings["budgets"]:
                yield record(item, f"uniform at {k}", seconds * (np.arange(k) + 0.5) / k)
                for seed in table.spec.seeds:
                    drawn = rng_for(seed, item.id, f"random at {k}").uniform(0, seconds, (DRAWS, k))
                    yield record(item, f"random at {k}", drawn, seed)
            for label, times in picks.items():
                if item.id not in times:
                    raise UsageError(f"the picks of {label!r} have none for question {item.id!r}; give the whole file")
                yield record(item, label, times[item.id])


def record(item: VideoItem, label: str, times: Times, seed: int = 0) -> dict[str, Any]:
    """Return the cell of one row and question: of key frames at ``times`` [n], or the mean over draws [D, n].

    That of the UKSS is geometric, as over questions.
    """
    assert item.annotation is not None and item.annotation.scenes
    scores = scene_scores(np.atleast_2d(times), item.annotation.scenes)
    hit, ukss = scores["key_frame_rate"] > 0, np.log(scores["ukss"])
    found: dict[str, float | None] = {name: float(values.mean()) for name, values in scores.items()}
    found |= {"ukss": float(np.exp(ukss.mean())), "missed": float(1 - hit.mean())}
    found["ukss_hit"] = float(np.exp(ukss[hit].mean())) if hit.any() else None
    return {
        "format": FORMAT,
        "key": digest([VERSION, item.id, label, seed]),
        "status": "ok",
        "extractor": label.partition(" at ")[0],
        "label": label,
        "control": label.startswith(("uniform", "random")),
        "dataset": "kfs_bench",
        "video": item.id,
        "budget": str(times.shape[-1]),
        "seed": seed,
        "draws": len(hit),
        "metrics": found,
    }


def misread(path: Path) -> dict[str, Times]:
    """Return the seconds that index / int(fps) gives for ``{id: [frame, ...]}``.

    AKS looks at every int(fps)-th frame, so int(fps) is the greatest common divisor of its frame numbers. Where the
    video has 29.97 frames per second, 29 makes every time 3.3 % too late.
    """
    entries = json.loads(path.read_bytes())
    return {name: np.array(frames) / max(np.gcd.reduce(frames), 1) for name, frames in entries.items()}


def _file(data: KFSBench, name: str) -> Path:
    found = data.annotation_files(name)
    if not found:
        raise UsageError(f"there is no {name} below {data.root!r}; the page of kfs_bench says how it is made")
    return found[0]
