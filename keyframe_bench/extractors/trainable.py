"""The interface of extractors that learn."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from numbers import Real
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoint import Checkpoint, checkpoint_file, checkpoint_id, read_checkpoint, read_record, why_missing
from ..core.errors import ContractError, KeyframeBenchError, UsageError
from ..core.feature import Feature
from ..core.sources import source_digest
from ..metrics.base import Column
from ..training.clips import Clips
from ..training.options import TrainerOptions
from ..training.session import Session
from .base import Extractor

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Stage(NamedTuple):
    """A training that comes before another one, on the same data; see `Trainable.first_stage`."""

    option: str  # of the later training, which names its checkpoint
    extractor: str  # the method that is trained first
    options: Mapping[str, Any]


class Trainable(Extractor):
    """An extractor that learns: ``fit`` makes a `Checkpoint` of clips, ``select`` works with it.

    A subclass takes a parameter ``checkpoint: str`` whose default is "" (not trained) or "bundled". What shapes weights
    is an option of the training (`Options`) and is read back from the checkpoint; other parameters of the extractor may
    change afterwards. Before it has learned, with ``checkpoint=""``, its ``supports``, ``sampling``, ``label`` and
    ``train_needs`` must work too: a run is planned with them.

    Attributes
    ----------
    checkpoint : str
        "bundled", the path of a file that ``keyframe-bench train`` wrote, or "".
    supervision : {"none", "users"}
        "users": learns from what human annotators chose; such a checkpoint is never scored on a video that it has seen.
    warm_start : bool
        Whether `fit` can start from a checkpoint, ``session.init``: what ``init=`` of a training names.
    seeded : bool
        False when `fit` gives the same for every seed: one training is then enough.
    Options : type
        What `fit` can be told; see `TrainerOptions`.
    tiny : mapping
        Options with which the contract checks train it, in seconds.
    numbers : mapping
        Name to `Column`: what `evaluate` returns, and ``history`` has.
    """

    checkpoint: str
    supervision: ClassVar[Literal["none", "users"]] = "none"
    file_parameter: ClassVar[str] = "checkpoint"
    warm_start: ClassVar[bool] = False
    seeded: ClassVar[bool] = True
    Options: ClassVar[type[TrainerOptions]] = TrainerOptions
    tiny: ClassVar[Mapping[str, Any]] = {}
    numbers: ClassVar[Mapping[str, Column]] = {}

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:  # noqa: ARG002 - interface
        """Return the features that `fit` and `evaluate` read; by default those of `select`."""
        return self.needs

    def check_options(self, options: TrainerOptions) -> None:
        """Raise where it could not learn with these options, or a package is missing: before any data is read."""

    def check_length(self, options: TrainerOptions, name: str, times: NDArray[np.float64]) -> None:
        """Raise `UsageError` where a clip is too long for it, before features are computed.

        Parameters
        ----------
        options : TrainerOptions
            Of the training.
        name : str
            Of the video.
        times : float64 [N]
            PTS of the sampled frames, in seconds.
        """

    @abstractmethod
    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Learn from ``train`` and return ``session.checkpoint(...)``.

        Clips have an ``annotation`` only where `supervision` is "users", and then key frames that people chose.
        ``validation`` may choose among epochs or values; it is no test data. Where there is a last epoch that is not
        the best, its checkpoint goes into ``session.last``.
        """

    def first_stage(self, options: TrainerOptions) -> Stage | None:  # noqa: ARG002 - interface
        """Return the training that must come first with these options, None where there is none.

        Its checkpoint is what `train_needs` and `fit` read with the option set; they are not called without it. It is
        trained once, with seed 0, for all seeds. What was learned is kept in the later checkpoint, with its
        ``trained_on``: `train_needs` of a trained instance reads it there.
        """
        return None

    def described(self, options: TrainerOptions) -> str:  # noqa: ARG002 - interface
        """Return in one line what is trained with these options, for tables; by default nothing."""
        return ""

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return what the trained method is judged by on ``clips``: `numbers`, all finite; by default nothing."""
        return {}

    def reconstructions(self, checkpoint: Checkpoint, clips: Clips, n: int) -> Pair | None:  # noqa: ARG002 - interface
        """Return at most ``n`` images of ``clips`` and what the trained method makes of them, uint8 [m, H, W, 3] each.

        They are shown beside each other where a training is shown; None where it reconstructs no images.
        """
        return None

    def learned(self) -> Checkpoint:
        """Return what the checkpoint of this instance holds; a process reads a file once.

        Raises
        ------
        UsageError
            If it is damaged, or of another method, version or feature.
        UnavailableError
            If there is none.
        """
        self.trained_record()
        path = checkpoint_file(self.checkpoint, self.name)
        return _read(str(path), self.name, checkpoint_id(self.checkpoint, self.name))

    def trained_record(self) -> Mapping[str, Any]:
        """Return the record of the checkpoint, without reading its tensors; errors as `learned`."""
        path = checkpoint_file(self.checkpoint, self.name)
        return _checked_record(
            type(self), json.dumps(self.params), str(path), checkpoint_id(self.checkpoint, self.name)
        )

    @property
    def other_code(self) -> bool:
        """Whether the code of a plug-in was edited after the training: what was learned may mean something else now."""
        code = self.trained_record().get("code")
        return code is not None and code != source_digest(type(self))

    def trained_options(self) -> Any:
        """Return the options it was trained with."""
        return self.Options.build(self.trained_record()["options"])

    def has_seen(self, sha256: str, start_s: float | None = None) -> bool:
        """Say whether training, or what chose its epoch, looked at the video with this hash (at ``start_s`` or later).

        Errors as `learned`.
        """
        return saw(self.trained_record(), sha256, start_s)

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The parameters without the checkpoint, of which a cell has fields of its own."""
        return {name: value for name, value in self.params.items() if name != self.file_parameter}

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The content of the checkpoint, wherever it lies."""
        return (f"checkpoint={checkpoint_id(self.checkpoint, self.name)}",)

    def unavailable(self) -> str | None:
        """Return why there is no usable checkpoint, or None."""
        reason = why_missing(self.checkpoint, self.name, self.give_file("DIR/best.safetensors"))
        if reason is not None:
            return reason
        try:
            self.trained_record()
        except KeyframeBenchError as error:
            return str(error)
        return None

    def must_download(self) -> str | None:
        """Return what a feature that it reads would have to fetch first, or None."""
        return None if self.unavailable() else next(filter(None, map(to_fetch, self.needs)), None)


def to_fetch(feature: Feature) -> str | None:
    """Return what a feature would have to fetch from the network first, or None."""
    found: str | None = getattr(feature, "must_download", lambda: None)()
    return found


def fitted(method: Trainable, train: Clips, validation: Clips, session: Session) -> tuple[Checkpoint, Checkpoint]:
    """Train, and return the checkpoints of the best and of the last epoch: the same where there are no epochs.

    Raises
    ------
    ContractError
        If `Trainable.fit` returns something else, or what cannot be kept; and whatever it raises.
    """
    best = method.fit(train, validation, session)
    last = best if session.last is None else session.last
    for made in (best, last):
        if not isinstance(made, Checkpoint):
            returned = "nothing" if made is None else type(made).__name__
            raise ContractError(f"fit of {method.name!r} returns {returned}; return session.checkpoint(tensors)")
        if made.problem:
            raise ContractError(f"fit of {method.name!r} returns a checkpoint that cannot be kept: {made.problem}")
    return best, last


def evaluated(method: Trainable, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
    """Return what `Trainable.evaluate` gives; `ContractError` unless it is each of `numbers`, finite, and no other."""
    found, names = method.evaluate(checkpoint, clips), method.numbers.keys()
    if (
        not isinstance(found, Mapping)
        or found.keys() != names
        or not all(isinstance(value, Real) and math.isfinite(value) for value in found.values())
    ):
        raise ContractError(
            f"evaluate of {method.name!r} returns {str(found)[:200]}; return a finite number for each of its numbers: "
            + (", ".join(names) or "none")
        )
    return {name: float(value) for name, value in found.items()}


def saw(record: Mapping[str, Any], sha256: str, start_s: float | None = None) -> bool:
    """Say whether the training of a record looked at a video; see `Trainable.has_seen`."""
    mine = [part for part in record["trained_on"] if part.get("sha256") == sha256]
    return any(start_s is None or float(part["end_s"]) >= start_s for part in mine)


def about_method(method: Trainable, options: TrainerOptions) -> dict[str, Any]:
    """Return what the record of a checkpoint says of the method that made it."""
    return {
        "extractor": method.name,
        "version": method.version,
        "options": options.params,
        "features": [feature.key for feature in method.train_needs(options)],
        "supervision": method.supervision,
        **({"code": code} if (code := source_digest(type(method))) else {}),
    }


@lru_cache(maxsize=64)
def _checked_record(method: type[Trainable], params: str, path: str, identity: str) -> Mapping[str, Any]:  # noqa: ARG001 - a changed file is read again
    """Return the record of a checkpoint that ``method`` with these parameters, as JSON, can work with."""
    record, name, named = read_record(path, method.name), method.name, f"checkpoint={path!r}"
    if record["version"] != method.version:
        raise UsageError(
            f"{named} was trained by version {record['version']} of {name}, this is version {method.version}; "
            f"train it again: keyframe-bench train extractor={name} ..."
        )
    try:
        needs = method(**json.loads(params)).train_needs(method.Options.build(record["options"]))
    except KeyframeBenchError as error:
        raise UsageError(
            f"{named} was trained with what this installation does not have ({error}); a plug-in needs --plugin FILE "
            "here too"
        ) from error
    needed = [feature.key for feature in needs]
    if record["features"] != needed and not any(map(to_fetch, needs)):  # weights to be fetched have no hash yet
        raise UsageError(
            f"{named} was trained on {', '.join(record['features']) or 'no feature'}, and {name} reads "
            f"{', '.join(needed) or 'none'} now; give it the parameters that it was trained with, or train it again"
        )
    return record


@lru_cache(maxsize=4)
def _read(path: str, method: str, identity: str) -> Checkpoint:  # noqa: ARG001 - a changed file is read again
    return read_checkpoint(path, method)
