"""Checks of what ``select`` reads and leaves alone, and that it gives key frames at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from ...core.clip import watched
from ...core.errors import ContractError
from ...core.feature import Feature
from ...core.seeding import rng_for
from ..base import Extractor
from .clips import TYPICAL, AnnotationTrap, ReadColumns, clip_of
from .rule import only, require, results, rule, same, select, some_budgets, view_of


@rule(selects=False, trained=True)
def check_needs_are_features(extractor: Extractor) -> None:
    """``needs`` is a tuple of features, the same at every look."""
    needs = extractor.needs
    require(
        isinstance(needs, tuple) and all(isinstance(feature, Feature) for feature in needs),
        "needs is a tuple of features such as (Gray(height=60, width=80),); mind the comma of a single one",
    )
    require(needs == extractor.needs, "needs changes from look to look; it may depend on parameters only")


@rule()
def check_reads_declared_needs(extractor: Extractor) -> None:
    """``select`` reads only features that ``needs`` declares."""
    for k in some_budgets(extractor):
        clip = view_of(extractor, clip_of(extractor, TYPICAL[0]))
        columns = ReadColumns(clip.columns)
        with suppress(Exception):  # only a missing feature breaks this rule
            extractor.select(replace(clip, columns=columns), k, rng=rng_for(0, "check"))
        require(
            not columns.missing,
            f"select reads {', '.join(columns.missing[:1])}, which needs does not declare; add that feature to needs",
        )


@rule()
def check_returns_keyframes(extractor: Extractor) -> None:
    """``select`` returns KeyFrames whose arrays have the documented types and lengths."""
    for clip, _, result in results(extractor):
        n, k = len(clip), len(result.frames)
        wanted: dict[str, tuple[type, tuple[int, ...]]] = {
            "frames": (np.int64, (k,)),
            "times": (np.float64, (k,)),
            "scores": (np.float64, (k,)),
            "segments": (np.int64, (k, 2)),
            "frame_scores": (np.float32, (n,)),
            "thresholds": (np.float32, (n,)),
        }
        for name, (dtype, shape) in wanted.items():
            array = getattr(result, name)
            if array is None and name not in ("frames", "times"):
                continue
            require(
                isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == shape,
                f"{name} must be {dtype.__name__} {list(shape)}; return clip.pick(positions, scores=..., segments=...)",
            )
        require(isinstance(result.fallback, str), f'fallback={result.fallback!r} is no text; give a few words, or ""')


@rule(only(lambda e: not e.privileged, "it is privileged: it may see the annotation"))
def check_reads_no_annotation(extractor: Extractor) -> None:
    """``select`` neither looks at the annotation nor depends on whether there is one."""
    for k in some_budgets(extractor):
        clip = clip_of(extractor, TYPICAL[0])
        trap = AnnotationTrap()
        try:
            with_trap = select(extractor, replace(clip, annotation=trap), k)
        except ContractError:
            if not trap.seen:
                raise
        if trap.seen:
            raise ContractError(
                f"select reads annotation.{trap.seen[0]}, the answer it is judged by; learn from it in fit, "
                "or set privileged = True to be shown as a ceiling that is not ranked"
            )
        without = select(extractor, replace(clip, annotation=None), k)
        require(same(with_trap, without), "select answers otherwise when the clip has an annotation; ignore it")


@rule()
def check_clip_unchanged(extractor: Extractor) -> None:
    """``select`` writes into no array of the clip: all methods share it."""
    for k in some_budgets(extractor):
        view = view_of(extractor, clip_of(extractor, TYPICAL[0]))
        with watched(extractor, view):
            select(extractor, view, k)
