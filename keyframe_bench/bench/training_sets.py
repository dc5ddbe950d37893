"""The paper's data sets of a table of trainings: the user's own, or pictures rendered in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.files import printable
from ..training.data import Pictures, TrainingData
from ..training.paper_sets import PAPER_SETS
from ..training.sources._image_files import find_images
from ..training.sources.image_folder import looks_like_caltech_256

RENDERED = "rendered"
"""What ``data.NAME=`` takes instead of a path."""

# Of every data set: the source that reads the user's files, and what is rendered in its place.
_SOURCES: Mapping[str, tuple[str, str]] = {
    "caltech256": ("image_folder", "scenes"),
    "cam_a": ("camera", "camera_a"),
    "cam_b": ("camera", "camera_b"),
    "cam_c": ("camera", "camera_c"),
}
# Options of a scale by their names in the source that renders; others have no meaning there.
_RENDERED_NAMES: Mapping[str, str] = {"limit": "n", "limit_validation": "n_validation", "split": "split"}


@dataclass(frozen=True)
class TrainingTable:
    """A table of trainings at one scale: what its YAML file says (`keyframe_bench.tables.training_checks`).

    Attributes
    ----------
    name, source : str
        Of the table; BibTeX key of the paper.
    scale : str
    settings : mapping
        Of the scale: ``network``, ``trainer``, ``data``, ``seeds``, ``missing``.
    runs : list of mapping
        Of the scale.
    figure, keyframes : mapping
        May be empty.
    """

    name: str
    source: str
    scale: str
    settings: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    figure: Mapping[str, Any] = field(default_factory=dict)
    keyframes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSet:
    """One of the paper's data sets, as it is had here.

    Attributes
    ----------
    slot : str
        As the table calls it: ``cam_a``, or a variant such as ``cam_a_random``.
    of : str
        The paper's data set: ``cam_a``.
    source : TrainingData
    path : str
        As the user gave it; empty for rendered pictures.
    """

    slot: str
    of: str
    source: TrainingData
    path: str = ""

    @property
    def paper(self) -> str:
        """The name in the paper; of a variant with what sets it apart."""
        split = self.source.params.get("split")
        return PAPER_SETS[self.of] if self.slot == self.of else f"{PAPER_SETS[self.of]}, {split} split"

    @property
    def is_camera(self) -> bool:
        """Whether it is the frames of a fixed camera."""
        return _SOURCES[self.of][0] == "camera"

    @property
    def name(self) -> str:
        """What it is called in captions, without reading it."""
        if not self.path:
            return f"rendered {self.source.params['kind'].replace('_', ' ')}"
        return printable(Path(self.path).expanduser().resolve().name)

    def about(self, pictures: Pictures) -> dict[str, Any]:
        """Return what a caption says of it, as plain data."""
        return {
            "paper": self.paper,
            "name": pictures.name,
            "itself": self._is_the_papers(pictures),
            "rendered": not self.path,
            "train": len(pictures.train),
            "validation": len(pictures.validation),
            "digest": pictures.digest,
            "facts": pictures.facts,
        }

    def _is_the_papers(self, pictures: Pictures) -> bool:
        """Whether it is the paper's data set: Caltech 256 by its layout, not by the folder's name.

        The cameras are private: what is given for one is in its place, whatever the file is called.
        """
        if self.is_camera or not self.path or pictures.name != self.paper:
            return False
        return looks_like_caltech_256(find_images(Path(self.path).expanduser()))


def training_sets(table: TrainingTable, given: Mapping[str, str]) -> dict[str, TrainingSet]:
    """Return the data sets that a table needs, by name.

    Parameters
    ----------
    table : TrainingTable
    given : mapping
        Name to a path, or to ``rendered``.

    Raises
    ------
    UsageError
        For a name that the paper has not, and for a data set that is missing, with the layout that is expected.
    """
    needed = list(dict.fromkeys(slot for run in table.runs for slot in slots_of(run)))
    needed += [slot for slot in [table.keyframes.get("video")] if slot and slot not in needed]
    for name in given:
        if name not in PAPER_SETS:
            raise UsageError(f"data.{name}= is none of the data sets of the paper; there are {', '.join(PAPER_SETS)}")
    found = {}
    for slot in needed:
        params = dict((table.settings.get("data") or {}).get(slot, {}))
        of = str(params.pop("of", slot))
        path = given.get(of, table.settings.get("missing", ""))
        if not path:
            layout = TrainingData.registry.get(_SOURCES[of][0]).layout
            raise UsageError(
                f"table {table.name} scale={table.scale} needs {PAPER_SETS[of]}: give data.{of}=PATH, {layout}; "
                f"data.{of}={RENDERED} takes rendered pictures in its place"
            )
        source = _rendered(of, params) if path == RENDERED else _given(of, path, params)
        found[slot] = TrainingSet(slot, of, source, "" if path == RENDERED else path)
    return found


def slots_of(run: Mapping[str, Any]) -> list[str]:
    """Return the data sets of a run: what it is trained on, then what it is evaluated on besides."""
    return list(dict.fromkeys([run["data"], *run.get("evaluate", [])]))


def _given(of: str, path: str, params: Mapping[str, Any]) -> TrainingData:
    return TrainingData.registry.build(_SOURCES[of][0], {**params, "root": path})


def _rendered(of: str, params: Mapping[str, Any]) -> TrainingData:
    mine = {_RENDERED_NAMES[name]: value for name, value in params.items() if name in _RENDERED_NAMES}
    return TrainingData.registry.build("rendered", {**mine, "kind": _SOURCES[of][1]})
