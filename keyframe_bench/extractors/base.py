"""The extractor interface, and the one function that runs an extractor and enforces the contract."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.cells import HUMAN
from ..core.clip import Clip
from ..core.errors import ContractError, UsageError
from ..core.feature import Feature
from ..core.keyframes import KeyFrames
from ..core.params import Configurable
from ..core.registry import Registry
from ..selection.peaks import peaks

Self = TypeVar("Self", bound="Extractor")


class Extractor(Configurable, ABC):
    """A selection over features: ``(clip, k) -> key frames``.

    ``__init__`` takes keyword scalars (``bool, int, float, str``, ``Literal``, ``Annotated[..., Range(a, b)]``, each
    with its default), stores them verbatim and does no work. It takes no seed: randomness is ``rng``.

    Attributes
    ----------
    name : str
        Set by `register`.
    version : int
        Bump it when results may change: it is part of the key of every result.
    reference : str
        BibTeX key of the source (`keyframe_bench.references`), or "none".
    supports : frozenset of {"fixed", "free"}
        "fixed": takes k; "free": can decide the number itself.
    budget_rule : str
        One phrase: how k is met.
    may_return_fewer : str
        Empty, or the reason why fewer than k key frames may come back.
    stochastic : bool
        False when the result does not depend on ``rng``: one seed is then enough.
    online : bool
        True when the selection of a prefix is the prefix of the selection.
    privileged : bool
        True only for methods that see the annotation: printed as a ceiling, never ranked.
    draws : int
        Number of independent draws a table row averages.
    expected_failures : dict
        Contract check name to the reason why this class may fail it.
    """

    registry: ClassVar[Registry[Extractor]] = Registry(
        "extractor", "keyframe_bench.extractors", reserved=(HUMAN, "all")
    )
    name: ClassVar[str]
    version: ClassVar[int] = 1
    reference: ClassVar[str] = "none"
    supports: ClassVar[frozenset[str]] = frozenset({"fixed"})
    budget_rule: ClassVar[str] = ""
    may_return_fewer: ClassVar[str] = ""
    stochastic: ClassVar[bool] = True
    online: ClassVar[bool] = False
    privileged: ClassVar[bool] = False
    draws: ClassVar[int] = 1
    expected_failures: ClassVar[dict[str, str]] = {}

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Features that ``select`` reads."""
        return ()

    @property
    def sampling(self) -> str | None:
        """Sampling this method is defined on ("every", "1fps"); None: the run's."""
        return None

    @property
    def label(self) -> str:
        """What a table must say beside the name ("random init"); usually nothing."""
        return ""

    def unavailable(self) -> str | None:
        """Return why this method cannot run here with these parameters, or None."""
        return None

    def must_download(self) -> str | None:
        """Return what would have to be fetched from the network first, or None.

        Such a method runs when it is asked for by name; ``extractors=all`` leaves it out and says this.
        """
        return None

    def prepare(self) -> None:
        """Import what is heavy, before the selection is timed."""

    def fit(self: Self, clips: Sequence[Clip], *, rng: np.random.Generator) -> Self:  # noqa: ARG002 - interface
        """Learn from clips that carry ``.annotation``; the default learns nothing."""
        return self

    @abstractmethod
    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return k key frames of ``clip`` (``k is None``: the method decides), made with ``clip.pick``."""


class ScoreExtractor(Extractor):
    """A number for every frame: subclasses give `score`, the selection is inherited.

    With k, the k highest peaks at least ``min_gap`` sampled frames apart (the gap shrinks when there is no room);
    without, every peak above mean + standard deviation.
    """

    supports = frozenset({"fixed", "free"})
    budget_rule = "the k highest peaks of the score, spread by a minimum gap"
    stochastic = False
    min_gap: ClassVar[int] = 2

    @abstractmethod
    def score(self, clip: Clip) -> NDArray[np.floating]:
        """Return one finite number per sampled frame, float [N]; higher is more of a key frame."""

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the peaks of `score`."""
        scores = np.asarray(self.score(clip), dtype=np.float64)
        if k is None:
            chosen = peaks(scores, len(scores), self.min_gap, fill=False)
            above = chosen[scores[chosen] > scores.mean() + scores.std()]
            chosen = above if above.size else chosen[:1]
        else:
            chosen = peaks(scores, k, self.min_gap)
        return clip.pick(chosen, scores=scores[chosen], frame_scores=scores)


def run_extractor(extractor: Extractor, clip: Clip, k: int | None, *, rng: np.random.Generator) -> KeyFrames:
    """Run ``extractor`` on ``clip`` and check what it returned.

    The annotation is removed unless the extractor is privileged, and only declared features can be read.

    Parameters
    ----------
    extractor : Extractor
    clip : Clip
        Made with the features of ``extractor.needs``.
    k : int or None
        Key frames wanted, at least 1; None lets the method decide.
    rng : numpy.random.Generator

    Returns
    -------
    KeyFrames
        With ``cost["select_s"]``.

    Raises
    ------
    UsageError
        If the extractor does not support this kind of budget.
    ContractError
        If the result breaks the contract.
    """
    wanted = "free" if k is None else "fixed"
    if wanted not in extractor.supports:
        way = "give a budget such as budget=8" if k is None else "use budget=free"
        raise UsageError(f"extractor {extractor.name!r} does not support a {wanted} budget; {way}")
    if len(clip) == 0:
        raise ContractError("a clip without frames has no key frames")
    view = clip.restricted(extractor.needs, annotation=extractor.privileged)
    extractor.prepare()
    start = time.perf_counter()
    result = extractor.select(view, k, rng=rng)
    seconds = time.perf_counter() - start
    if not isinstance(result, KeyFrames):
        raise ContractError(f"extractor {extractor.name!r} returned {type(result).__name__}, not clip.pick(...)")
    _check_result(extractor, clip, k, result)
    return replace(result, cost={**result.cost, "select_s": seconds})


def _check_result(extractor: Extractor, clip: Clip, k: int | None, result: KeyFrames) -> None:
    def broken(what: str) -> ContractError:
        return ContractError(f"extractor {extractor.name!r} on {clip.video.name!r}: {what}")

    frames = result.frames
    if len(frames) == 0:
        raise broken("no key frame; a video with frames has at least one")
    if np.any(np.diff(frames) <= 0):
        raise broken("key frames are not sorted and unique")
    position = np.searchsorted(clip.ordinals, frames)
    if frames[-1] > clip.ordinals[-1] or np.any(clip.ordinals[position] != frames):
        raise broken("key frames outside the sampled frames; make them with clip.pick")
    if not np.array_equal(result.times, clip.times[position]):
        raise broken("times are not those of the frames; make them with clip.pick")
    if k is not None:
        full = min(k, len(clip))
        if len(frames) > full or (len(frames) < full and not extractor.may_return_fewer):
            raise broken(f"{len(frames)} key frames for a budget of {full}")
    for name in ("scores", "frame_scores"):
        values = getattr(result, name)
        if values is not None and not np.all(np.isfinite(values)):
            raise broken(f"{name} are not finite")
