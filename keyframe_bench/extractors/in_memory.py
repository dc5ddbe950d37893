"""Training on clips in memory, for tests, notebooks and the contract checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.annotation import annotation_json
from ..core.checkpoint import Checkpoint
from ..core.clip import Clip
from ..core.files import canonical_json, make_folder
from ..core.version import VERSION
from ..training.clips import Clips
from ..training.folder import TrainingFolder
from ..training.session import Session
from .trainable import Trainable, about_method, fitted

AnyTrainable = TypeVar("AnyTrainable", bound=Trainable)


def fit_clips(
    method: AnyTrainable,
    train: Sequence[Clip],
    out: str | Path,
    *,
    validation: Sequence[Clip] = (),
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> AnyTrainable:
    """Train a method on clips in memory and return it with the checkpoint, ``out/best.safetensors``.

    Parameters
    ----------
    method : Trainable
        With the parameters that the trained one shall have.
    train, validation : sequence of Clip
        With the features of its ``train_needs``, and annotations if it learns from them. Without clips for validation
        those that train are used. Clips of images in memory have no ``video.sha256``: nothing can tell later that the
        method was trained on a file.
    out : str or Path
    options : mapping, optional
        The ``trainer.NAME=VALUE`` of the command line.
    seed : int

    Raises
    ------
    UsageError, UnavailableError, OutputError
        As of the method; for a wrong option.
    ContractError
        If ``fit`` returns something else.
    """
    best, _ = fit_in_memory(method, train, validation or train, Path(out), options or {}, seed)
    path = TrainingFolder(Path(out)).best
    best.write(path)
    return type(method)(**{**method.params, "checkpoint": str(path)})


def as_trained(method: Trainable, clips: Sequence[Clip]) -> Sequence[Clip]:
    """Return clips as a training shows them: without annotations unless the method learns from these."""
    return clips if method.supervision == "users" else [replace(clip, annotation=None) for clip in clips]


def fit_in_memory(
    method: Trainable,
    train: Sequence[Clip],
    validation: Sequence[Clip],
    out: Path,
    options: Mapping[str, Any],
    seed: int,
) -> tuple[Checkpoint, Checkpoint]:
    """Return the best and the last checkpoint of a training on clips in memory; errors as `fit_clips`."""
    from ..training.reading import Parts

    train, validation = as_trained(method, train), as_trained(method, validation)
    built, parts = method.Options.build(options), Parts(Clips.of(train), Clips.of(validation))
    about = {
        **about_method(method, built),
        "trained_on": parts.trained_on(),
        "split": "in memory",
        "data": {"data_digest": _digest(train, validation)},
        "seed": seed,
        "versions": {"keyframe_bench": VERSION},
    }
    folder = TrainingFolder(make_folder(out))
    folder.state.unlink(missing_ok=True)  # of other clips, perhaps
    session = Session(options=built, seed=seed, folder=folder, about=about)
    made = fitted(method, parts.train, parts.validation, session)
    folder.state.unlink(missing_ok=True)
    return made


def _digest(*parts: Sequence[Clip]) -> str:
    """Return a hash of clips, by which checkpoints of different ones are told apart."""
    found = hashlib.sha256()
    for part in parts:
        found.update(f"{len(part)} ".encode())
        for clip in part:
            for rows in (clip.times, *clip.columns.values()):
                found.update(np.ascontiguousarray(rows).data)
            found.update(canonical_json(annotation_json(clip.annotation)).encode())
    return found.hexdigest()[:8]
