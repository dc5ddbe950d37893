"""Trainings on the tiny clips: of what the checks of `fit` judge, and of methods that have not learned yet."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, watched
from ...core.errors import ContractError, UnavailableError
from ...training.options import ModuleOptions, TrainerOptions
from ..base import Extractor
from ..in_memory import fit_in_memory
from ..trainable import Trainable
from .clips import TYPICAL, ReadColumns, clip_with

_ONE_EPOCH = {"epochs": 1, "threads": 1, "precision": "fp32"}


class Trial(NamedTuple):
    """What a training on the first typical clip, with the second for validation, came to."""

    missing: list[str]  # keys of features that were read and not declared
    # The best checkpoint; or what `fit` raised, or what is wrong with what it returned
    result: Checkpoint | ContractError

    @property
    def error(self) -> ContractError | None:
        """Why there is no checkpoint."""
        return self.result if isinstance(self.result, ContractError) else None

    @property
    def checkpoint(self) -> Checkpoint:
        """The best checkpoint; raises `error` where there is none."""
        if isinstance(self.result, ContractError):
            raise self.result
        return self.result


def tiny_options(method: Trainable) -> TrainerOptions:
    """Return the options of these trainings: one epoch, and what the class says in ``tiny``."""
    epochs = _ONE_EPOCH if issubclass(method.Options, ModuleOptions) else {}
    options = method.Options.build({**epochs, **method.tiny})
    if (stage := method.first_stage(options)) is None:
        return options
    first = cast(Trainable, ready(Extractor.registry.build(stage.extractor)))
    return method.Options.build({**options.params, stage.option: first.checkpoint})


def trial_clips(method: Trainable) -> list[Clip]:
    """Return fresh clips for training and validation, with annotations."""
    return [clip_with(tuple(method.train_needs(tiny_options(method))), kind) for kind in TYPICAL]


def trial(method: Trainable, *, seed: int = 0, again: int = 0) -> Trial:
    """Return a training, run only once per process for equal arguments; ``again`` asks for another one."""
    params = {name: value for name, value in method.params.items() if name != "checkpoint"}
    return _trial(type(method), json.dumps(params), seed, again)


@lru_cache(maxsize=64)
def _trial(cls: type[Trainable], params: str, seed: int, again: int) -> Trial:  # noqa: ARG001 - it makes another one
    method = cls(**json.loads(params))
    clips = [replace(clip, columns=ReadColumns(clip.columns)) for clip in trial_clips(method)]
    result: Checkpoint | ContractError
    try:
        with watched(method, clips[0], own=True), watched(method, clips[1], own=True):
            result, _ = fit_in_memory(method, clips[:1], clips[1:], _folder(), tiny_options(method).params, seed)
    except UnavailableError:
        raise
    except ContractError as error:
        result = error
    except Exception as error:  # noqa: BLE001 - whatever the class raises is what the checks tell
        result = ContractError(f"fit raises {type(error).__name__}: {error} (the clips of the checks, seed {seed})")
    return Trial([key for clip in clips for key in cast(ReadColumns, clip.columns).missing], result)


@lru_cache(maxsize=1)
def _folders() -> str:
    path = tempfile.mkdtemp(prefix="keyframe_bench-checks-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _folder() -> Path:
    """Return a new folder, which vanishes with the process."""
    return Path(tempfile.mkdtemp(dir=_folders()))


def with_checkpoint(method: Trainable, checkpoint: Checkpoint) -> Any:
    """Return the method with this checkpoint, which is written into a folder of its own."""
    path = _folder() / "best.safetensors"
    checkpoint.write(path)
    return type(method)(**{**method.params, "checkpoint": str(path)})


def ready(extractor: Extractor) -> Extractor:
    """Return the extractor; one that has not learned yet is trained on the clips of the checks."""
    return _ready(type(extractor), json.dumps(extractor.params)) if untrained(extractor) else extractor


@lru_cache(maxsize=64)
def _ready(cls: type[Any], params: str) -> Extractor:
    method = cls(**json.loads(params))
    made: Extractor = with_checkpoint(method, trial(method).checkpoint)
    return made


def untrained(extractor: Extractor) -> bool:
    """Whether it learns, and has no checkpoint yet."""
    return isinstance(extractor, Trainable) and not getattr(extractor, "checkpoint", None)
