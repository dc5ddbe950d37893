"""The data sets of a table of trainings: the user's own, or what is rendered in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import UsageError
from ..core.grammar import Split
from ..datasets.base import Dataset
from ..tables.experiment import Experiment
from ..training.data import TrainingData
from ..training.reading import Parts

RENDERED = "rendered"
"""What ``data.NAME=`` takes instead of a path."""

# Options of a scale by their names in the data set that renders; others have no meaning there.
_RENDERED_NAMES: Mapping[str, str] = {"limit": "n", "limit_validation": "n_validation"}
_OF_TRAINING = ("limit", "limit_validation", "sampling", "split_seed")


@dataclass(frozen=True)
class TrainingSet:
    """One of a table's data sets, as it is had here."""

    name: str  # as the table calls it: ``cam_a``, or a variant such as ``cam_a_random``
    of: str  # the data set that a variant is of, else ``name``
    about: Mapping[str, Any]  # what the table's file says of it: ``paper`` (what the paper calls it), ``public`` ...
    data: TrainingData
    path: str = ""  # as the user gave it; empty for what is rendered

    @property
    def paper(self) -> str:
        """The name in the paper; of a variant with what sets it apart."""
        name = str(self.about["paper"])
        return name if self.name == self.of else f"{name}, {self.data.split} split"

    @property
    def caption(self) -> str:
        """What it is called in captions."""
        return self.data.dataset.caption

    def facts(self, parts: Parts) -> dict[str, Any]:
        """Return what a caption says of it, as plain data."""
        return {
            "paper": self.paper,
            "name": self.caption,
            "itself": bool(self.path) and bool(self.about.get("public")) and self.caption == self.about["paper"],
            "rendered": not self.path,
            "train": parts.train.n_frames,
            "validation": parts.validation.n_frames,
            "facts": parts.facts,
        }


def training_sets(
    experiment: Experiment,
    scale: str,
    needed: Sequence[str],
    given: Mapping[str, str],
    *,
    annotated: bool = False,
) -> dict[str, TrainingSet]:
    """Return the data sets ``needed`` by a table at a scale, by name; ``given`` has a path, or ``rendered``, by name.

    Raises `UsageError` for a name that the table does not have, and for a data set that is missing, with the layout
    that is expected.
    """
    for name in given:
        if name not in experiment.data_sets:
            known = ", ".join(experiment.data_sets)
            raise UsageError(f"data.{name}= is none of the data sets of table {experiment.name}; there are {known}")
    sets = {name: _training_set(experiment, scale, name, given) for name in needed}
    sets = {name: replace(one, data=replace(one.data, annotated=annotated)) for name, one in sets.items()}
    for one in sets.values():
        if one.path:
            _ = one.data.items  # a path that leads nowhere is reported before other sets are rendered or decoded
    return sets


def _training_set(experiment: Experiment, scale: str, name: str, given: Mapping[str, str]) -> TrainingSet:
    settings = experiment.scale(scale)
    params = dict((settings.get("data") or {}).get(name, {}))
    of = str(params.pop("of", name))
    about = experiment.data_sets[of]
    path = given.get(of, str(settings.get("missing", "")))
    if not path:
        layout = Dataset.registry.get(about["dataset"]["name"]).layout
        raise UsageError(
            f"table {experiment.name} scale={scale} needs {about['paper']}: give data.{of}=PATH, {layout}; "
            f"data.{of}={RENDERED} takes rendered images in its place"
        )
    split = Split.parse(params.pop("split", about["split"]))
    if path == RENDERED:
        return TrainingSet(name, of, about, _rendered(about["rendered"], params, split))
    options = {key: params.pop(key) for key in _OF_TRAINING if key in params}
    dataset = _built(about["dataset"], {**params, "root": path})
    return TrainingSet(name, of, about, TrainingData(dataset=dataset, split=split, **options), path)


def _rendered(node: Mapping[str, Any], params: Mapping[str, Any], split: Split) -> TrainingData:
    """Return what is rendered: as many images as are wanted, divided as the data set's own kind allows."""
    mine = {_RENDERED_NAMES[name]: value for name, value in params.items() if name in _RENDERED_NAMES}
    dataset = _built(node, mine)
    usual = Split.parse(dataset.usual_split)
    if split.kind == "frames" and usual.kind == "temporal":
        usual = Split("frames", usual.value)
    return TrainingData(dataset=dataset, split=usual)


def _built(node: Mapping[str, Any], params: Mapping[str, Any]) -> Dataset:
    options = {key: value for key, value in node.items() if key != "name"}
    return Dataset.registry.build(node["name"], {**options, **params})
