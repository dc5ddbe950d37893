"""Key frames and key clips of a fixed camera by the networks of a table: figure 4 (key frames) of Chen et al. 2021."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.train import Trained
from keyframe_bench.bench.training_table import TrainingTable
from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.core.errors import OutputError, UnavailableError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.files import canonical_json
from keyframe_bench.core.registry import check_params, register
from keyframe_bench.core.version import PASS_VERSION
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.metrics.distances import GRAY
from keyframe_bench.report.drawing import encoded_frames
from keyframe_bench.selection.key_clips import ClipRules, KeyClips, key_clips
from keyframe_bench.tables import schema
from keyframe_bench.tables.figure import Figure
from keyframe_bench.video.clips import write_clips
from keyframe_bench.video.onepass import Pass, read_pass

from .camera_video import FilmedVideo, busy_frames, filmed_video, spans_of
from .key_clip_numbers import COLUMNS, clip_numbers, evenly_spaced_frames, neighbour_distances, some, time_line
from .key_clips_figure import key_clips_png

VERSION = 3
"""Bump it when the records of the same key frames may change."""

_EVERY = "every"
_SHOWN = 12  # key frames in the montage
_WIDTH = 256


@register("chen2021/key_clips")
class KeyClipsOfCamera(Figure):
    """Key frames and key clips of a camera's video by the networks of one run, and by controls.

    ``run`` names the run, ``data`` the camera, ``params`` are parameters of the extractor (a mapping, or a list of
    them; a list of values is a row each), ``clips`` the rules of the clips. The first is drawn; the control has as many
    frames as that, evenly spaced.
    """

    columns = COLUMNS
    options = ("run", "data", "params", "clips")

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Check parameters and rules."""
        schema.one_or_more(schema.parameters)(settings.get("params", {}), f"{at}: params")
        limits = schema.is_a(lambda value: value is None or schema.is_number(value), "a number")
        schema.named(limits)(settings.get("clips", {}), f"{at}: clips")

    def cells(self, table: TrainingTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a cell for every plan and seed, where the run is trained at this scale."""
        run = next((run for run in table.runs if run.name == settings["run"]), None)
        if run is None:
            return
        plans = keyframes_plans(settings, filmed_video(table.sets[settings["data"]]))
        for seed in table.seeds:
            trained, about = table.trained(run.name, seed), table.about(run, seed)
            if isinstance(trained, Trained):
                yield from self._cells(table, plans, trained, about)

    def _cells(
        self, table: TrainingTable, plans: Sequence[KeyframesPlan], trained: Trained, about: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        reading = Reading(plans, trained)
        for plan in plans:
            try:
                record = partial(plan.record, reading, about)
                yield table.kept(plan.identity(trained), plan.about(about), record)
            except (OutputError, UnavailableError):
                raise
            except Exception as error:  # noqa: BLE001 - a failing row is recorded; the others go on
                yield table.failed(plan.about(about), error, COLUMNS)

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002
        """Return montage, curve and time line; see `Figure.draw`."""
        return key_clips_png(cells)


@dataclass(frozen=True)
class KeyframesPlan:
    """What is chosen from which video with which network.

    Attributes
    ----------
    run : str
        Whose best checkpoints are used.
    data : str
        Data set that the video is of.
    video : FilmedVideo
    params : dict
        Of the extractor ``autoencoder``.
    rules : ClipRules
    drawn : bool
        Whether the record holds what the figure shows: curve and images.
    spread : bool
        The control: as many frames as the method chooses, evenly spaced, and the clips of those.
    """

    run: str
    data: str
    video: FilmedVideo
    params: Mapping[str, Any]
    rules: ClipRules
    drawn: bool = True
    spread: bool = False

    def method(self, trained: Trained) -> Extractor:
        """Return the extractor with the network of a training."""
        return Extractor.registry.build("autoencoder", {**self.params, "checkpoint": str(trained.best)})

    def asked(self, trained: Trained) -> Asked:
        """Return the same with the budget that the method decides itself, on every frame where it says nothing else."""
        return Asked.of(self.method(trained), "free", _EVERY)

    def identity(self, trained: Trained) -> Any:
        """Return what the record depends on, as plain data; the features' keys hold that of the network."""
        method = self.method(trained)
        features = [*(feature.key for feature in (*method.needs, GRAY)), *method.depends_on]
        events = None if self.video.events is None else self.video.events.tolist()
        return [
            *("keyframes", VERSION, PASS_VERSION, self.run, self.data),
            *(method.name, method.version, features, dict(self.params)),
            *(self.rules.params, self.video.name, self.video.sha256, events, self.drawn, self.spread),
        ]

    def about(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the record says of itself beside what is known of the training."""
        params = {**about["params"], **self.params}
        return {
            **about,
            "label": "evenly spread" if self.spread else "key frames",
            "params": params,
            "dataset": self.data,
            "source": self.video.name,
        }

    def record(self, reading: Reading, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cell of one training: numbers of its key frames and clips, and what is drawn of them.

        Raises
        ------
        VideoError
            If the file gives no frames.
        UsageError
            If an annotated event lies outside the video.
        """
        asked, read = self.asked(reading.trained), reading.read
        method, clip = asked.extractor, asked.clip(read)
        found = reading.chosen(self)
        if self.spread:
            found = evenly_spaced_frames(len(found), read.times)
        clips = key_clips(found.frames, read.times, clip.video.duration_s, self.rules)
        known = self.video.annotation(read.times)
        events = reading.moving if known is None or known.events is None else known.events
        metrics = clip_numbers(found, clip, clips, reading.busy, events)
        metrics["saved_byte_ratio"] = reading.byte_ratio(clips, self.rules.snap_s)
        if not self.spread and self.params["distance_space"] in ("reconstruction", "input"):
            metrics["distance_next"] = float(np.median(neighbour_distances(clip[method.needs[0]])))
        record = {
            **self.about(about),
            "n_frames": len(read.times),
            "n_sampled": len(clip),
            "keyframes": {"frames": found.frames.tolist(), "cost": dict(found.cost)},
            "metrics": metrics,
        }
        if self.drawn:
            events_are = "something moves" if known is None else "events"
            record["timeline"] = {**time_line(found, clip, read, clips, events), "events_are": events_are}
            record["pictures"] = self._pictures(found, read)
        return record

    def _pictures(self, found: KeyFrames, read: Pass) -> dict[str, Any]:
        frames = some(found.frames, _SHOWN)
        return {
            "keyframes": encoded_frames(self.video.path, frames.tolist(), read, _WIDTH),
            "times": [round(float(time), 2) for time in read.times[frames] - read.times[0]],
        }


class Reading:
    """One pass over a video, for all plans with the network of one training; nothing is read before it is needed.

    Parameters
    ----------
    plans : sequence of KeyframesPlan
        Of one video.
    trained : Trained
    """

    def __init__(self, plans: Sequence[KeyframesPlan], trained: Trained) -> None:
        self.plans = plans
        self.trained = trained
        self._bytes: dict[Any, float] = {}
        self._chosen: dict[str, KeyFrames] = {}

    @cached_property
    def read(self) -> Pass:
        """Every feature that a plan needs, and small grey images of every frame."""
        requests: dict[str, list[Feature]] = {_EVERY: [GRAY]}
        for plan in self.plans:
            asked = plan.asked(self.trained)
            requests.setdefault(asked.sampling, []).extend(asked.features)
        video = self.plans[0].video
        return read_pass(video.path, requests, name=video.name, sha256=video.sha256)

    @cached_property
    def busy(self) -> NDArray[np.bool_]:
        """In which frames [N] something moves."""
        return busy_frames(self.read.clip(_EVERY, (GRAY,))[GRAY], self.read.times)

    @cached_property
    def moving(self) -> NDArray[np.int64]:
        """What moves, as events [E, 2]: where nobody has annotated them."""
        return spans_of(self.busy, self.read.times)

    def chosen(self, plan: KeyframesPlan) -> KeyFrames:
        """Return the key frames of a plan's method; its control asks for them too."""
        key = canonical_json(plan.params)
        if key not in self._chosen:
            self._chosen[key], _ = plan.asked(self.trained).answer(self.read, 0)
        return self._chosen[key]

    def byte_ratio(self, clips: KeyClips, snap_s: float) -> float:
        """Return the bytes of the clips, written as files, over those of the video's own packets."""
        spans = tuple((int(first), int(end)) for first, end in clips.frames)
        if (spans, snap_s) not in self._bytes:  # several plans often keep the same
            with tempfile.TemporaryDirectory() as folder:
                path = self.plans[0].video.path
                files, video_bytes = write_clips(path, spans, Path(folder), self.read, snap_s=snap_s)
            self._bytes[spans, snap_s] = sum(file.bytes for file in files) / video_bytes if video_bytes else 0.0
        return self._bytes[spans, snap_s]


def keyframes_plans(asked: Mapping[str, Any], video: FilmedVideo) -> list[KeyframesPlan]:
    """Return a plan for every combination of listed parameters, and the control of the first, which is drawn.

    Raises
    ------
    UsageError
        If a parameter is wrong.
    """
    rules = ClipRules(**check_params(ClipRules, asked.get("clips") or {}, "clips"))
    plans: list[KeyframesPlan] = []
    for given in settings_of(asked.get("params") or {}):
        method = Extractor.registry.build("autoencoder", given)
        params = {name: value for name, value in method.params.items() if name != "checkpoint"}
        plans.append(KeyframesPlan(asked["run"], asked["data"], video, params, rules, drawn=not plans))
    return [*plans, replace(plans[0], drawn=False, spread=True)]


def settings_of(params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every combination of parameters that are lists, of each mapping in turn.

    >>> settings_of([{"a": 1, "b": [2, 3]}, {"a": 4}])
    [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 4}]
    """
    found = []
    for given in [params] if isinstance(params, Mapping) else params:
        axes = [value if isinstance(value, list) else [value] for value in given.values()]
        found += [dict(zip(given, values, strict=True)) for values in itertools.product(*axes)]
    return found
