"""The extractor interface, and the one function that runs an extractor and enforces the contract."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.cells import HUMAN
from ..core.clip import Clip, KeyFrames, watched
from ..core.errors import ContractError, UsageError
from ..core.feature import Feature
from ..core.files import remembered_sha256
from ..core.registry import Configurable, Registry
from ..selection.peaks import knee_threshold, peaks

NOTHING_ABOVE = "nothing above the threshold"
"""`KeyFrames.fallback` of a method that compares with a threshold."""


class Knee(NamedTuple):
    """What an inferred k is counted from: the threshold at the knee of the sorted scores, and how many lie above it."""

    threshold: float
    n_above: int


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
    supports : frozenset of {"fixed", "free", "inferred"}
        "fixed": takes k; "free": can decide the number itself; "inferred": k can be read off its frame scores.
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
    timed : bool
        False where the selection was made elsewhere: columns of cost stay empty.
    by_score : bool
        True when the frames of highest ``frame_scores`` are chosen, or start the segments.
    known_defects : str
        Empty, or what is known to be wrong with a tool that is run as it is: printed beside its row.
    without_network : dict
        Parameters that leave out the network of a method that has one. A run makes that row beside every other of the
        method; its `label` is `keyframe_bench.core.cells.NO_NETWORK`.
    draws : int
        Number of independent draws a table row averages.
    file_parameter : str
        Empty, or the parameter that is the path of a file. Results are kept by the content of the file (`key_params`).
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
    timed: ClassVar[bool] = True
    by_score: ClassVar[bool] = False
    known_defects: ClassVar[str] = ""
    without_network: ClassVar[dict[str, object]] = {}
    draws: ClassVar[int] = 1
    file_parameter: ClassVar[str] = ""
    expected_failures: ClassVar[dict[str, str]] = {}

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Features that ``select`` reads."""
        return ()

    @property
    def free_needs(self) -> tuple[Feature, ...]:
        """Features that it reads besides where no k is given."""
        return ()

    @property
    def depends_on(self) -> tuple[str, ...]:
        """What the selection depends on beside code, parameters and features, as text: results are kept by it too.

        The code is a plug-in's files and all modules of its own that they import. Whatever else is read at run time (a
        file of numbers, an environment variable, another method) belongs here, with its content or a hash of it.
        """
        return ()

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The parameters as keys and tables tell them: a hash of `file_parameter`'s file stands in for its path."""
        own = self.file_parameter
        return {**self.params, own: remembered_sha256(self.params[own])[:12]} if own else self.params

    @property
    def sampling(self) -> str | None:
        """Sampling this method is defined on ("every", "1fps"); None: the run's."""
        return None

    @property
    def label(self) -> str:
        """What a table must say beside the name ("random init"); usually nothing."""
        return ""

    def give_file(self, file: str) -> str:
        """Return how the command line names the file of `file_parameter`, for messages."""
        return f"give extractor.{self.file_parameter}={file}, in a run grid.{self.name}.{self.file_parameter}={file}"

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

    @abstractmethod
    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return k key frames of ``clip`` (``k is None``: the method decides), made with ``clip.pick``."""

    def infer_k(self, clip: Clip, *, rng: np.random.Generator) -> int:
        """Return k for ``budget=inferred``: how many scores lie above the `knee` of the sorted ones, at least 1."""
        return max(1, self.knee(clip, rng=rng).n_above)

    def knee(self, clip: Clip, *, rng: np.random.Generator) -> Knee:
        """Return the knee of the sorted frame scores, and how many scores that may be chosen lie above it."""
        scores = self.select(clip, 1, rng=rng).frame_scores
        if scores is None:
            raise ContractError(f"extractor {self.name!r} supports an inferred budget but gives no frame_scores")
        threshold = knee_threshold(scores)
        return Knee(threshold, int((scores > threshold).sum()))

    def lowest_chosen(self, result: KeyFrames) -> float | None:
        """Return the smallest frame score that was enough to be chosen; None where scores do not decide."""
        return float(result.scores.min()) if self.by_score and result.scores is not None else None

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:
        """Say in one sentence why the sampled frame at ``position`` was chosen or not.

        Parameters
        ----------
        clip : Clip
            What `select` saw.
        result : KeyFrames
            What it returned.
        position : int
            Index into the sampled frames.
        k : int or None
            The budget it was given.
        """
        frame, time = int(clip.ordinals[position]), float(clip.times[position])
        if frame in result.frames:
            said = f"chosen, as key frame {int(np.searchsorted(result.frames, frame)) + 1} of {len(result)}"
        else:
            nearest = int(np.abs(result.times - time).argmin())
            gap = abs(float(result.times[nearest]) - time)
            said = f"not chosen; the nearest key frame is {result.frames[nearest]}, {gap:.2f} s away"
        score = None if result.frame_scores is None else f"{result.frame_scores[position]:.4g}"
        if self.by_score and result.frame_scores is not None:
            return f"{said}; its score {score} is number {rank_of(result.frame_scores, position)} of {len(clip)}"
        rule = (type(self).__doc__ or "").strip().partition("\n")[0] if k is None else self.budget_rule
        known = f"its score {score} alone decides nothing" if score else f"{self.name} gives single frames no score"
        return f"{said}; {known}, its rule is: {rule.rstrip('.')}"


def rank_of(scores: NDArray[np.floating], position: int) -> int:
    """Return 1 for the highest of ``scores``, N for the lowest; the earlier of equals comes first."""
    value = scores[position]
    return 1 + int((scores > value).sum()) + int((scores[:position] == value).sum())


class ScoreExtractor(Extractor):
    """A number for every frame: subclasses give `score`, the selection is inherited.

    With k, the k highest peaks at least ``min_gap`` sampled frames apart (the gap shrinks when there is no room);
    without, every peak above `free_threshold`, or the highest score where none is. An inferred k is the number of peaks
    above the knee of the sorted scores.
    """

    supports = frozenset({"fixed", "free", "inferred"})
    budget_rule = "the k highest peaks of the score, spread by a minimum gap"
    stochastic = False
    by_score = True
    min_gap: ClassVar[int] = 2

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if callable(vars(cls).get("level")):
            raise UsageError(f"{cls.__name__} defines `level`, which is called `free_threshold` now; rename it")

    @abstractmethod
    def score(self, clip: Clip) -> NDArray[np.floating]:
        """Return one finite number per sampled frame, float [N]; higher is more of a key frame."""

    def _scores(self, clip: Clip) -> NDArray[np.float64]:
        scores = np.asarray(self.score(clip), dtype=np.float64)
        if scores.shape != (len(clip),):
            gave = f"an array of shape {scores.shape}" if scores.ndim else "a scalar"
            raise ContractError(
                f"score of extractor {self.name!r} gave {gave}, not one number per sampled frame ({len(clip)})"
            )
        return scores

    def free_threshold(self, scores: NDArray[np.float64]) -> float:
        """Return what a score must exceed when there is no k: mean + standard deviation of all."""
        return float(scores.mean() + scores.std())

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the peaks of `score`."""
        scores = self._scores(clip)
        thresholds, fallback = None, ""
        if k is None:
            chosen = peaks(scores, len(scores), self.min_gap, fill=False)
            threshold = self.free_threshold(scores)
            above = chosen[scores[chosen] > threshold]
            chosen, fallback = (above, "") if above.size else (chosen[:1], NOTHING_ABOVE)
            thresholds = np.full(len(scores), threshold)
        else:
            chosen = peaks(scores, k, self.min_gap)
        return clip.pick(chosen, scores=scores[chosen], frame_scores=scores, thresholds=thresholds, fallback=fallback)

    def knee(self, clip: Clip, *, rng: np.random.Generator) -> Knee:  # noqa: ARG002
        """Return the knee of the sorted scores, and how many peaks lie above it."""
        scores = self._scores(clip)
        found, threshold = peaks(scores, len(scores), self.min_gap, fill=False), knee_threshold(scores)
        return Knee(threshold, int((scores[found] > threshold).sum()))

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:
        """Compare the score with the threshold, with the lowest chosen one, and with higher ones nearby."""
        known = result.frame_scores  # those of a heavy method are not computed again
        scores = self._scores(clip) if known is None else known.astype(np.float64)
        chosen = np.searchsorted(clip.ordinals, result.frames)
        score, rank = scores[position], f"number {rank_of(scores, position)} of {len(scores)}"
        near = chosen[(np.abs(chosen - position) < self.min_gap) & (scores[chosen] >= score)]
        apart = f"key frames stay {self.min_gap} sampled frames apart"
        beside = f" and {apart}" if self.min_gap > 1 else ""
        threshold = self.free_threshold(scores) if k is None else scores[chosen].min()
        if position in chosen:
            if k is not None:
                return f"chosen: its score {score:.4g}, {rank}, is among the {len(chosen)} highest{beside}"
            if score > threshold:
                return f"chosen: its score {score:.4g} is above the threshold {threshold:.4g}{beside}"
            return f"chosen: no score is above the threshold {threshold:.4g}, and its score {score:.4g} is the highest"
        if near.size and (score > threshold or (k is not None and score == threshold)):
            return f"not chosen: frame {clip.ordinals[near[0]]} beside it scores {scores[near[0]]:.4g}, and {apart}"
        if k is None:
            return f"not chosen: its score {score:.4g}, {rank}, is not above the threshold {threshold:.4g}"
        lowest = f"the lowest of the {len(chosen)} chosen is {threshold:.4g}"
        return f"not chosen: its score {score:.4g} is {rank}, and {lowest}"


def run_extractor(extractor: Extractor, clip: Clip, k: int | None, *, rng: np.random.Generator) -> KeyFrames:
    """Run ``extractor`` on ``clip`` and check what it returned.

    The annotation is removed unless the extractor is privileged, and only declared features can be read.

    Parameters
    ----------
    extractor : Extractor
    clip : Clip
        Made with the features of ``extractor.needs``, and without k of ``extractor.free_needs``.
    k : int or None
        Key frames wanted, at least 1; None lets the method decide.
    rng : numpy.random.Generator

    Returns
    -------
    KeyFrames
        With ``cost["select_s"]``, and marked where they are a fallback or fewer than ``k``.

    Raises
    ------
    UsageError
        If the extractor does not support this kind of budget.
    ContractError
        If the result breaks the contract, or an array of the clip was written to (`RowsWrittenError`).
    """
    wanted = "free" if k is None else "fixed"
    if wanted not in extractor.supports:
        way = "give a budget such as budget=8" if k is None else "use budget=free"
        raise UsageError(f"extractor {extractor.name!r} does not support a {wanted} budget; {way}")
    if len(clip) == 0:
        raise ContractError("a clip without frames has no key frames")
    needs = (*extractor.needs, *(extractor.free_needs if k is None else ()))
    view = clip.restricted(needs, annotation=extractor.privileged)
    extractor.prepare()
    with watched(extractor, view):
        start = time.perf_counter()
        result = extractor.select(view, k, rng=rng)
        seconds = time.perf_counter() - start
    if not isinstance(result, KeyFrames):
        raise ContractError(f"extractor {extractor.name!r} returned {type(result).__name__}, not clip.pick(...)")
    check_result(extractor, clip, k, result)
    fallback, shortfall = result.fallback, ""
    if k is None and not fallback and result.frame_scores is not None and result.thresholds is not None:
        fallback = NOTHING_ABOVE if np.all(result.frame_scores < result.thresholds) else ""
    if k is not None and len(result) < k:
        all_of_them = len(result) == len(clip)
        shortfall = "there are no more sampled frames" if all_of_them else extractor.may_return_fewer
    cost = {**result.cost, "select_s": seconds}
    return replace(result, cost=cost, fallback=fallback, shortfall=shortfall)


def check_result(extractor: Extractor, clip: Clip, k: int | None, result: KeyFrames, *, count: bool = True) -> None:
    """Raise `ContractError` unless ``result`` is what ``select`` may return for ``clip`` and ``k``.

    Without ``count`` any number of key frames will do, as long as there is one.
    """

    def broken(what: str) -> ContractError:
        name, about = f"extractor {extractor.name!r}", f"(clip: {clip.video.name}, {len(clip)} frames; k={k})"
        return ContractError(f"{name}: {what} {about}")

    frames = result.frames
    if len(frames) == 0:
        raise broken(
            "no key frame; give at least one, with clip.pick(..., fallback=reason) where the rule chooses none"
        )
    wrong = frames[1:] <= frames[:-1]
    if wrong.any():
        before, after = frames[wrong.argmax() :][:2]
        raise broken(f"key frames are not sorted and unique ({after} comes after {before}); make them with clip.pick")
    position = np.searchsorted(clip.ordinals, frames)
    if frames[-1] > clip.ordinals[-1] or (clip.ordinals[position] != frames).any():
        raise broken("key frames outside the sampled frames; make them with clip.pick")
    if not np.array_equal(result.times, clip.times[position]):
        raise broken("times are not those of the frames; make them with clip.pick")
    if k is not None and count:
        full = min(k, len(clip))
        found = f"{len(frames)} key frame{'s' if len(frames) > 1 else ''} for a budget of {k}"
        if len(frames) > full:
            raise broken(f"{found}; return no more than {full}")
        if len(frames) < full and not extractor.may_return_fewer:
            again = ", ".join(f"frame {frame}" for frame in result.repeated[:5])
            twice = f", as {again} was picked more than once" if again else ""
            raise broken(f"{found}{twice}; return {full}, or say in may_return_fewer why there are fewer")
    for name in ("scores", "frame_scores", "thresholds"):
        values = getattr(result, name)
        if values is not None and not np.all(np.isfinite(values)):
            raise broken(f"{name} are not finite")
    if not isinstance(result.fallback, str):
        raise broken(f"fallback={result.fallback!r} is no text; give the reason in a few words")
