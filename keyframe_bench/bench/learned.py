"""What the methods of a run have learned: trained on each fold's training videos, or read from a given checkpoint."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..core.cells import Cell
from ..core.checkpoint import checkpoint_file, checkpoint_id, read_record, shown_file
from ..core.errors import OutputError, UsageError, VideoError
from ..core.files import canonical_json, digest, file_name, make_folder, read_file, write_atomic
from ..core.grammar import Split
from ..datasets.base import VideoItem
from ..extractors.trainable import Trainable, saw
from ..training.data import TrainingData
from ..training.folder import TrainingFolder
from ..training.pictures import curves
from ..training.reading import Say
from ..training.splits import Fold, folds_of, grouped, n_training, refuse_parted, split_document, split_name
from ..video.image_files import encode_image
from ..video.onepass import read_pass
from .failures import UntrainedError, described, raise_interrupt, raise_plain
from .spec import RunSpec, Variant
from .train import Training, after_first_stage, finished, train

INNER = 0.8
"""Share of what an outer fold trains on that trains; the rest chooses the epoch."""


@dataclass(frozen=True)
class Division:
    """How a run divides its data set."""

    split: Split
    name: str  # as rows call it; of a file its name and what it holds, not where it is
    folds: tuple[Fold, ...]
    # Where a part of each video is scored: id to the first ordinal of that part, and its PTS in seconds
    starts: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    # Id to the number of decoded frames, where there are ``starts``
    ends: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)  # id to why a video cannot be divided

    @property
    def digest(self) -> str:
        """Hash of which videos train in which fold, and up to which frame."""
        scored = {name: start for name, (start, _) in self.starts.items()}
        return digest([split_document(self.folds), scored])[:12]

    @property
    def document(self) -> dict[str, Any]:
        """What ``split.json`` holds: of whole videos what ``split=FILE.json`` reads again."""
        if self.starts:
            return {"split": self.name, "scored_from_frame": {name: start for name, (start, _) in self.starts.items()}}
        return {"split": self.name, **split_document(self.folds)}

    @property
    def tested(self) -> frozenset[str]:
        """Ids of the videos that are scored."""
        return frozenset(name for fold in self.folds for name in fold.test)

    def folds_testing(self, video: str) -> list[int]:
        """Return the numbers of the folds in which a video is held out."""
        return [number for number, fold in enumerate(self.folds) if video in fold.test]

    def part(self, video: str) -> tuple[int, int] | None:
        """Return the half-open range of the ordinals that are scored; None for all."""
        return (self.starts[video][0], self.ends[video]) if self.starts else None


def divide(spec: RunSpec, split: Split, items: Sequence[VideoItem], hashes: Sequence[str]) -> Division:
    """Return how the split of ``spec`` divides its videos; copies of a file, and the videos of a group, stay together.

    Raises `UsageError` if a side would be empty, or a file does not fit the data set; `VideoError` if frames must be
    counted, a file has none, and ``on_error=raise``.
    """
    held = grouped(items, hashes)
    if split.kind == "temporal":
        return _by_time(split, held, hashes, strict=spec.on_error == "raise")
    folds = tuple(folds_of(split, held, spec.split_seed))
    refuse_parted(split, folds, held)
    name = split_name(split, folds)
    if spec.split_seed and split.drawn:
        name = f"{split} (split_seed {spec.split_seed})"
    return Division(split, name, folds)


def _by_time(split: Split, items: Sequence[VideoItem], hashes: Sequence[str], *, strict: bool) -> Division:
    """Divide each group in time, as if its videos were one; copies of a file are one video of it."""
    times, unreadable = {}, {}
    groups: dict[str, dict[str, list[str]]] = {}
    for item, sha256 in zip(items, hashes, strict=True):
        try:
            times[item.id] = read_pass(item.path, {"every": ()}, name=item.id, sha256=sha256).times
        except VideoError as error:
            if strict:
                raise
            unreadable[item.id] = error.reason
            continue
        groups.setdefault(item.group, {}).setdefault(sha256 or item.id, []).append(item.id)
    starts: dict[str, tuple[int, float]] = {}
    trained: set[str] = set()
    for files in groups.values():
        total = sum(len(times[copies[0]]) for copies in files.values())
        left = n_training(total, split.value) if total > 1 else total
        for copies in files.values():
            n = len(times[copies[0]])
            if left > 0:
                trained.update(copies)
            if left < n:
                start = max(left, 0)
                starts |= {name: (start, float(times[name][start])) for name in copies}
            left -= n
    if not starts:
        raise UsageError(f"split={split}: no video has two frames, so that nothing is left to score")
    fold = Fold(*(tuple(item.id for item in items if item.id in side) for side in (trained, starts)))
    ends = {name: len(found) for name, found in times.items()}
    return Division(split, str(split), (fold,), starts, ends, unreadable)


@dataclass(frozen=True)
class Learned:
    """What a method has learned, as cells name it."""

    path: str = ""  # of the checkpoint; empty where there is none
    sha256: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)  # of the checkpoint
    options: Mapping[str, Any] = field(default_factory=dict)  # of the training
    seed: int | None = None
    fold: int | None = None
    untrained: str = ""  # why there is no checkpoint
    edited: bool = False  # `Trainable.other_code`

    def fields(self, division: Division | None) -> dict[str, Any]:
        """Return the fields of a `Cell` that say so."""
        split = str(self.record.get("split", "")) if division is None else division.name
        split = Path(split).name if division is None and split.endswith(".json") else split
        training: dict[str, Any] = {"options": dict(self.options)}
        if self.record:
            data = self.record.get("data", {})
            origin = {"data": data.get("name"), "init": self.record.get("init")}
            if division is not None:
                origin["inner"] = self.record["split"]
            else:
                origin |= {name: data.get(name) for name in _OF_DATA}
            origin["code"] = "edited since" if self.edited else None
            training |= {"chosen": self.record["chosen"], **{k: v for k, v in origin.items() if v is not None}}
        return {
            "checkpoint": self.sha256,
            "path": self.path,
            "untrained": self.untrained,
            "training": training,
            "training_seed": self.seed,
            "split": split,
            "fold": self.fold,
            "division": None if division is None else division.digest,
        }

    def has_seen(self, sha256: str, start_s: float | None) -> bool | None:
        """Say whether training has looked at what is scored of a video; None where there was no training.

        Of one that learned from annotators any part of the video counts.
        """
        if self.sha256 is None:
            return None
        return saw(self.record, sha256, None if self.record["supervision"] == "users" else start_s)


_SHOWN = ("extractor", "options", "split", "chosen", "history")
_OF_DATA = ("sampling", "limit", "limit_validation", "split_seed", "data_digest")
"""Facts of training data that distinguish given checkpoints of one data set."""


def given(method: Trainable) -> Learned:
    """Return what the checkpoint holds that ``method`` was given."""
    record = method.trained_record()
    options = method.trained_options().identity
    seed = int(record["seed"]) if method.seeded else None
    sha256, edited = checkpoint_id(method.checkpoint, method.name), method.other_code
    return Learned(method.checkpoint, sha256, record, options, seed, record.get("fold"), edited=edited)


def leak_of(spec: RunSpec, variant: Variant, shas: Mapping[str, str]) -> UsageError | None:
    """Return the error of a method that learned from human annotators of a video that it is scored on.

    ``variant`` has a checkpoint, or options of the run's own training; ``shas`` are the scored videos' sha256 by id.
    """
    method = variant.build()
    if spec.leak == "allow" or not isinstance(method, Trainable):
        return None
    if variant.options is not None:
        if method.supervision != "users" or not spec.in_time:
            return None
        return UsageError(
            f"split={spec.split} would score {variant.name!r}, which learns from human annotators, on videos that "
            "it was trained on; use split=kfold:5 or videos:0.8, or leak=allow, which labels the row"
        )
    users = method.trained_record()["supervision"] == "users"
    known = [name for name, sha256 in shas.items() if users and method.has_seen(sha256)]
    if not known:
        return None
    others = f" and {len(known) - 1} more of these videos" if len(known) > 1 else ""
    return UsageError(
        f"{variant.name!r} learned from what human annotators chose on {known[0]!r}{others}, and is not scored on "
        "what it was trained on: give split=kfold:5 instead of a checkpoint, or leak=allow, which labels the row"
    )


def learn(
    spec: RunSpec, variants: Sequence[Variant], division: Division, *, only_found: bool = False, say: Say
) -> dict[int, list[Learned]]:
    """Train every method that learns on each fold's training videos, once per seed, or find what was trained before.

    Of the ``variants`` those with options of a training are looked at; with ``only_found`` nothing is trained.

    The numbers of the variants lead to what these have learned, of every fold and seed; where a training fails, and
    ``on_error`` is not "raise", it says why.
    """
    data = cache(partial(_training_data, spec, division))  # of one fold once: it knows hashes and listed videos
    asked: dict[str, Callable[..., Learned]] = {}
    of_variant: dict[int, list[str]] = {}
    for number, variant in enumerate(variants):
        method = variant.build()
        if variant.options is None or not isinstance(method, Trainable):
            continue
        sampling = method.sampling or spec.sampling
        for fold, seed in itertools.product(range(len(division.folds)), spec.seeds if method.seeded else (None,)):
            # Settings of the extractor itself share a training.
            key = digest([variant.name, variant.options.identity, fold, seed, sampling])
            read = partial(data, fold, sampling, method.supervision == "users")
            asked.setdefault(key, partial(_learned, spec, variant, read, fold, len(division.folds), seed))
            of_variant.setdefault(number, []).append(key)
    found: dict[str, Learned] = {}
    for i, (key, ask) in enumerate(asked.items(), start=1):
        found[key] = ask(None if only_found else lambda label, i=i: say(f"training {i} of {len(asked)}: {label}"))
    return {n: [_usable(spec, variants[n], found[key]) for key in keys] for n, keys in of_variant.items()}


def _learned(
    spec: RunSpec,
    variant: Variant,
    data: Callable[[], TrainingData],
    fold: int,
    n_folds: int,
    seed: int | None,
    begun: Say | None,
) -> Learned:
    """Train, or find what was trained; ``begun`` is called with its name before, and without it nothing is trained."""
    name, options = variant.name, variant.options
    assert options is not None
    label = f"{name}, fold {fold + 1} of {n_folds}" + ("" if seed is None else f", seed {seed}")
    learned = partial(Learned, options=options.identity, seed=seed, fold=fold)
    try:
        asked = Training(extractor=name, options=options, data=data(), out=spec.trainings, seed=seed or 0)
        training = after_first_stage(asked, spec.trainings, only_found=begun is None, say=begun or (lambda _: None))
        if training is None:
            return learned(untrained=f"{label}: what it builds on is not trained yet")
        training = replace(training, out=spec.trainings / file_name(training.label))
        trained = finished(training)
        if trained is None and begun is not None:
            begun(label)
            trained = train(training)
        if trained is None:
            return learned(untrained=f"{label}: it is not trained yet")
        path = str(trained.best)
        return learned(path, checkpoint_id(path, name), read_record(path, name))
    except OutputError:
        raise
    except BaseException as error:  # noqa: BLE001 - a training that fails is a failed row; the others go on
        raise_interrupt(error)
        if spec.on_error == "raise":
            raise_plain(error)
        return learned(untrained=f"training of {label} failed: {described(error)}")


def keep_shown(out: Path, cells: Iterable[Cell]) -> None:
    """Keep beside the results of ``out`` what the report shows of the checkpoints of cells; `OutputError`.

    Of each its record, without the lists of videos, and what `bench.train` has drawn, as base64.
    """
    for sha256, cell in {cell.checkpoint: cell for cell in cells if cell.checkpoint}.items():
        file = shown_file(out, sha256)
        if file.is_file():
            continue
        record, path = read_record(cell.path, cell.extractor), checkpoint_file(cell.path, cell.extractor)
        folder, picture = TrainingFolder(path.parent), curves(record["history"])
        shown = {"curves": "" if picture is None else b64encode(encode_image(picture, ".png")).decode()}
        with suppress(OSError):  # older trainings have none
            strip = read_file(folder.strip) if path == folder.best else b""
            shown["reconstructions"] = b64encode(strip).decode()
        make_folder(file.parent)
        write_atomic(file, canonical_json({name: record.get(name) for name in _SHOWN} | shown))


def _usable(spec: RunSpec, variant: Variant, one: Learned) -> Learned:
    """Return what a method has learned; why not, where its own parameters need other features than were trained on."""
    reason = variant.with_checkpoint(one.path).build().unavailable() if one.path else None
    if reason is None:
        return one
    if spec.on_error == "raise":
        raise UntrainedError(reason)
    return Learned(options=one.options, seed=one.seed, fold=one.fold, untrained=reason)


def _training_data(spec: RunSpec, division: Division, fold: int, sampling: str, annotated: bool) -> TrainingData:
    """Return what a fold trains on; an inner part of it chooses the epoch."""
    ids, starts = division.folds[fold].train, division.starts
    until = {name: starts[name][0] if name in starts else division.ends[name] for name in ids} if starts else None
    data = TrainingData(
        dataset=spec.dataset,
        split=Split("videos", INNER),
        sampling=sampling,
        only=ids,
        annotated=annotated,
        until=until,
        cache_gb=spec.cache_gb,
    )
    alone = len({item.group for item in data.items}) < 2
    return replace(data, split=Split("temporal", INNER)) if alone or starts else data
