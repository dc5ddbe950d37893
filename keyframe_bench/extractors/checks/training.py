"""Trainings on the tiny clips: of what the checks of `fit` judge, and of methods that have not learned yet."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, watched
from ...core.errors import ContractError, RowsWrittenError, UnavailableError
from ...training.options import NetworkOptions, TrainerOptions
from ..base import Extractor
from ..in_memory import fit_in_memory
from ..trainable import Trainable
from .clips import TYPICAL, ReadColumns, clip_with

_ONE_EPOCH = {"epochs": 1, "threads": 1, "precision": "fp32"}


@dataclass(frozen=True)
class Trial:
    """What a training on the first typical clip, with the second for validation, came to.

    Attributes
    ----------
    method : Trainable
        Before it has learned.
    missing : tuple of str
        Keys of features that were read and not declared.
    written : str
        Which shared arrays were written into, as a sentence.
    error : str
        What `fit` raised.
    best, last : Checkpoint or None
        None where there is none.
    """

    method: Trainable
    missing: tuple[str, ...] = ()
    written: str = ""
    error: str = ""
    best: Checkpoint | None = None
    last: Checkpoint | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The best checkpoint; `ContractError` says why there is none."""
        if self.best is None:
            raise ContractError(self.error or self.written)
        return self.best


def tiny_options(method: Trainable) -> TrainerOptions:
    """Return the options of these trainings: one epoch, and what the class says in ``tiny``."""
    epochs = _ONE_EPOCH if issubclass(method.Options, NetworkOptions) else {}
    return method.Options.build({**epochs, **method.tiny})


def trial_clips(method: Trainable) -> list[Clip]:
    """Return fresh clips for training and validation, with annotations."""
    return [clip_with(tuple(method.train_needs(tiny_options(method))), kind) for kind in TYPICAL]


def trial(method: Trainable, *, seed: int = 0, again: int = 0) -> Trial:
    """Return a training, made only once in a process for equal arguments; ``again`` asks for others."""
    params = {name: value for name, value in method.params.items() if name != "checkpoint"}
    return _trial(type(method), json.dumps(params), seed, again)


@lru_cache(maxsize=64)
def _trial(cls: type[Trainable], params: str, seed: int, again: int) -> Trial:  # noqa: ARG001 - it makes another one
    method = cls(**json.loads(params))
    clips = trial_clips(method)
    columns = [ReadColumns(clip.columns) for clip in clips]
    train, validation = (replace(clip, columns=read) for clip, read in zip(clips, columns, strict=True))
    found: dict[str, Any] = {}
    try:
        with watched(method, train), watched(method, validation):
            best, last = fit_in_memory(method, [train], [validation], _folder(), tiny_options(method).params, seed)
            found = {"best": best, "last": last}
    except RowsWrittenError as error:
        found = {"written": str(error)}
    except UnavailableError:
        raise
    except ContractError as error:
        found = {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever the class raises is what the checks tell
        found = {"error": f"fit raises {type(error).__name__}: {error} (the clips of the checks, seed {seed})"}
    return Trial(method, tuple(key for read in columns for key in read.missing), **found)


@lru_cache(maxsize=1)
def _folders() -> str:
    path = tempfile.mkdtemp(prefix="keyframe_bench-checks-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _folder() -> Path:
    """Return a new folder, which vanishes with the process."""
    return Path(tempfile.mkdtemp(dir=_folders()))


def with_checkpoint(method: Trainable, checkpoint: Checkpoint) -> Trainable:
    """Return the method with this checkpoint, which is written into a folder of its own."""
    path = _folder() / "best.safetensors"
    try:
        checkpoint.write(path)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"the checkpoint cannot be written ({error}); give session.checkpoint arrays, and plain data for the rest"
        ) from error
    return type(method)(**{**method.params, "checkpoint": str(path)})


def ready(extractor: Extractor) -> Extractor:
    """Return the extractor; one that has not learned yet, as a training on the clips of the checks leaves it."""
    if not untrained(extractor):
        return extractor
    assert isinstance(extractor, Trainable)
    return _ready(type(extractor), json.dumps(extractor.params))


@lru_cache(maxsize=64)
def _ready(cls: type[Trainable], params: str) -> Trainable:
    method = cls(**json.loads(params))
    return with_checkpoint(method, trial(method).checkpoint)


def untrained(extractor: Extractor) -> bool:
    """Whether it learns, and has no checkpoint yet."""
    return isinstance(extractor, Trainable) and not getattr(extractor, "checkpoint", None)
