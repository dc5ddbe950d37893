"""What is stored of a cell, and of a video: their records, and small images of the chosen frames."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

from ..core.annotation import Annotation
from ..core.cells import FORMAT, HUMAN, Cell, choices_path, read_choices
from ..core.clip import Clip, KeyFrames, watched
from ..core.errors import ContractError, KeyframeBenchError
from ..core.feature import opens_file
from ..core.files import canonical_json, digest, locked, make_folder, remove_leftovers, write_over, write_together
from ..core.grammar import Budget
from ..extractors._external import External
from ..extractors.asked import budget_features
from ..extractors.base import Extractor, rank_of
from ..features.change import PixelDifference
from ..metrics.base import Metric
from ..selection.peaks import highest_of_bins
from ..tables.caveats import favour
from ..video.fetch import fetch_frames
from ..video.frame_folder import VideoPath
from ..video.image_files import encode_image, fit_width
from ..video.onepass import Pass
from .failures import message_of
from .provenance import package_versions
from .spec import CONTROLS, Variant

_THUMBNAIL_WIDTH = 240
_CURVE = 160  # points of a stored score curve
_EMPTY: dict[str, Any] = {
    "label": "", "reference": "none", "budget_rule": "", "known_defects": "", "privileged": False, "control": False,
    "k": None, "n_sampled": 0, "n_frames": 0, "draws": 0, "keyframes": None, "metrics": {}, "metric_versions": {},
    "warnings": [], "error": None,
}  # fmt: skip


def cell_record(cell: Cell, status: Literal["ok", "skipped", "failed"], **found: Any) -> dict[str, Any]:
    """Return what is stored of a cell: its identity, what a table says of its method, and what was ``found``."""
    extractor = build_extractor(cell)
    about: dict[str, Any] = {"budget_rule": "as many as each person chose", "privileged": True}
    if extractor is not None:
        names = ("label", "reference", "budget_rule", "known_defects", "privileged")
        about = {name: getattr(extractor, name) for name in names}
        about = {name: value if isinstance(value, bool) else str(value) for name, value in about.items()}
    return {
        **_EMPTY,
        "format": FORMAT,
        **cell.to_json(),
        "control": cell.extractor in CONTROLS,
        "versions": package_versions(),
        "finished": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        **about,
        **({} if cell.training is None else {"trained_on_this_video": cell.seen}),
        "status": status,
        **found,
    }


def failure_line(cell: Cell, error: BaseException) -> str:
    """Return one line that says what failed, and where."""
    return f"{cell.extractor} on {cell.video}: {type(error).__name__}: {message_of(error)}"


def build_extractor(cell: Cell) -> Extractor | None:
    """Return the method of a cell; None for the choices of human annotators."""
    if cell.extractor == HUMAN:
        return None
    if cell.path and cell.extractor not in Extractor.registry.entries():
        external = External.of(cell.extractor, cell.path)
        if external.params != cell.params:
            raise ContractError(f"{cell.path!r} was changed during the run; run the same command again")
        return external
    file = Extractor.registry.get(cell.extractor).file_parameter
    return Variant(cell.extractor, {**cell.params, **({file: cell.path} if file else {})}).build()


def mean_of(values: list[dict[str, Any]]) -> dict[str, float | None]:
    """Mean of each column over draws, None where a metric could not be measured."""
    present = {column: [x for v in values if (x := v[column]) is not None] for column in values[0]}
    return {column: float(np.mean(known)) if known else None for column, known in present.items()}


def shared_features(extractor: Extractor, metrics: Iterable[Metric], budget: Budget) -> list[str]:
    """Return a warning for every feature that ``extractor`` (or the budget) selects on and metrics judge by."""
    found = shared_columns(extractor, metrics, budget)
    return [favour(columns, feature, whose, extractor.name) for (feature, whose), columns in found.items()]


def shared_columns(extractor: Extractor, metrics: Iterable[Metric], budget: Budget) -> dict[tuple[str, str], list[str]]:
    """Return of every feature that ``extractor`` or the budget selects on, with which of them, columns judging by it.

    One column stands for all of a metric, the usual one.
    """
    # What a black box looks at is not known; its needs only find its answer among the frames.
    name = extractor.name
    needs = (*extractor.needs, *(extractor.free_needs if budget.kind == "free" else ()))
    own = {feature.name: name for feature in needs if not opens_file(needs)}
    if budget.needs_support in extractor.supports:
        own = {feature.name: f"{name} at budget={budget}" for feature in budget_features(budget)} | own
    judges: dict[str, list[str]] = defaultdict(list)
    for metric in metrics:
        ranked = [key for key, column in metric.columns.items() if column.direction != "none"]
        usual = [key for key in ranked if metric.columns[key].headline]
        for feature in metric.needs:
            judges[feature.name] += usual[-1:] or ranked[:1]
    return {(feature, whose): judges[feature] for feature, whose in own.items() if judges[feature]}


def choice_record(extractor: Extractor, clip: Clip, found: KeyFrames, k: int | None, read: Pass) -> dict[str, Any]:
    """Return what the report shows of a choice and no table needs.

    ``segments_s`` [K, 2] in seconds; ``frame_scores`` [K], the key frames' own; of methods that choose by scores their
    ``ranks`` [K] among those of all sampled frames, 1 for the highest, and the ``lowest`` that was enough; ``why`` [K],
    sentences of methods that have their own and one draw; ``curve``: ``times``, ``scores`` and ``thresholds`` (one for
    all, or none) of the sampled frames, of many the highest of each bin. What the method does not give is left out.
    """
    about: dict[str, Any] = {}
    positions = np.searchsorted(clip.ordinals, found.frames)
    if found.segments is not None:
        ends = np.append(np.maximum.accumulate(read.times), read.info.start_s + read.info.duration_s)
        about["segments_s"] = ends[found.segments].round(3).tolist()
    scores, limits = found.frame_scores, found.thresholds
    if scores is not None:
        at = highest_of_bins(scores, _CURVE)
        alike = len(set(found.threshold_range or ())) == 1
        kept = [] if limits is None else limits[-1:].tolist() if alike else limits[at].tolist()
        numbers = {"scores": scores[at].tolist(), "thresholds": kept}
        short = {name: [float(f"{value:.5g}") for value in values] for name, values in numbers.items()}
        about["curve"] = {"times": clip.times[at].round(3).tolist(), **short}
        about["frame_scores"] = scores[positions].tolist()
        if extractor.by_score:
            lowest = extractor.lowest_chosen(found)
            about |= {} if lowest is None else {"lowest": float(f"{lowest:.5g}")}
            about["ranks"] = [rank_of(scores, position) for position in positions]
    if type(extractor).why is not Extractor.why and extractor.draws == 1:
        view = clip.restricted(extractor.needs, annotation=False)
        with watched(extractor, view), suppress(Exception):  # what cannot be explained is no failure
            about["why"] = [extractor.why(view, found, int(position), k) for position in positions]
    return about


def write_choices(record: Path, path: VideoPath, out: Path, choices: Mapping[str, Any]) -> None:
    """Write what the report in ``out`` shows of the video with this record: ``choices`` by key, and those of before.

    Curves that are equal, as those of several budgets are, are kept once. ``address``: where the report finds the file,
    relative to it and percent-encoded; "" if it is no single file.
    """
    file = choices_path(record)
    with locked(make_folder(file.parent)):
        earlier = read_choices(record)
        curves, told = dict(earlier.get("curves") or {}), dict(earlier.get("choices") or {})
        for key, choice in choices.items():
            told[key] = dict(choice)
            if "curve" in choice:
                told[key]["curve"] = name = digest(choice["curve"])
                curves[name] = choice["curve"]
        address = quote(os.fsencode(os.path.relpath(path, out))) if isinstance(path, (str, Path)) else ""
        found = {"address": address, "curves": curves, "choices": told}
        write_over({file: canonical_json(found)})


def video_record(read: Pass, sampling: str, annotation: Annotation | None) -> dict[str, Any]:
    """Return what tables and the report need to know about a video."""
    difference = PixelDifference() if read.columns else None  # a video without pixels has none
    clip = read.clip(sampling, filter(None, (difference,)))
    change = np.round(clip[difference].astype(float), 3) if difference else np.zeros(0)
    shots = None
    if annotation is not None and annotation.shots is not None:
        ends = np.append(read.times, read.info.start_s + read.info.duration_s)
        shots = ends[annotation.shots].round(4).tolist()
    users = () if annotation is None else annotation.users
    return {
        "video": read.info.name,
        "sha256": read.info.sha256,
        **{n: getattr(read.info, n) for n in ("n_frames", "start_s", "duration_s", "fps", "width", "height")},
        "health": {**read.health.to_json(), "problems": read.health.problems},
        "change": {"times": clip.times[: len(change)].round(4).tolist(), "values": change.tolist()},
        "shots_s": shots,
        "users": [{"name": u.name, "times": u.times.tolist(), "frames": u.frames.tolist()} for u in users],  # type: ignore[union-attr]  # aligned users have both
    }


def write_thumbnails(path: VideoPath, ordinals: Iterable[int], read: Pass, folder: Path) -> None:
    """Write ``<ordinal>.jpg`` (240 pixels wide, upright) for each frame that has none yet.

    This is the run's second, short pass: it decodes only what leads to the wanted frames.
    """
    missing = [n for n in ordinals if not (folder / f"{n}.jpg").exists()]
    if not missing:
        return
    remove_leftovers(make_folder(folder))
    try:
        files = {
            folder / f"{frame.ordinal}.jpg": encode_image(
                frame.rgb(*fit_width(frame.height, frame.width, _THUMBNAIL_WIDTH)), ".jpg", 82
            )
            for frame in fetch_frames(path, missing, read)
        }
    except KeyframeBenchError:
        return  # the numbers stand; the report draws an empty box
    write_together(files)
