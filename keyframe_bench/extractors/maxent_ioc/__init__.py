"""MaxEnt IOC: a policy of selecting frames one after another, learned from annotators (Lin and others 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import UsageError
from ...core.feature import Feature
from ...core.registry import Range, register
from ...metrics.base import Column
from ...training.clips import Clips
from ...training.options import TrainerOptions
from ...training.session import Session
from .._learned_rows import RowLearner, RowOptions, minimised, projected, projection
from .policy import (
    Scene,
    Vector,
    action_probabilities,
    decoded,
    highest,
    likelihood_gradient,
    log_likelihood,
    log_sum,
    rewards,
    values,
    visits,
)

MAX_PAIRS = 25_000_000
"""Pairs of frames of one video that are weighed: 200 MB for each of the few numbers that a pair has."""


@dataclass(frozen=True, kw_only=True)
class MaxentIocOptions(RowOptions):
    """Options of a training: those of `RowOptions`, with fewer iterations, and of the reward.

    Parameters
    ----------
    l2 : float
        Weight of half the squared length of the reward's weights, beside the summed log-likelihood.
    max_gap_s : float
        Longest gap from one key frame to the next, in seconds: bounds time and memory; 0 allows any.
    """

    l2: Annotated[float, Range(0)] = 1e-2
    max_gap_s: Annotated[float, Range(0)] = 0.0
    max_iter: Annotated[int, Range(1)] = 150


@register("maxent_ioc")
class MaxentIoc(RowLearner):
    """A path through the frames of a video under a reward that makes annotators' own paths likely.

    The state is the frame that was selected last, the action is to select a later one, or to end. The reward is linear
    in how far the two frames are apart in each component and in time, and in what the next frame looks like. Its
    weights maximise the likelihood of what annotators selected under the policy of maximum entropy.

    Parameters
    ----------
    checkpoint : str
        The path of ``best.safetensors``, which ``keyframe-bench train extractor=maxent_ioc`` writes.
    decode : {"viterbi", "sample", "greedy"}
        The path of highest reward, one drawn from the policy, or one that takes the likeliest action at each frame.

    Notes
    -----
    Source: Lin and others 2015, section 3.2, who give state, action, likelihood and features (Fisher vectors of dense
    SIFT); Ziebart et al. 2008. The rest is ours: what a reward looks at (`Scene.described`, `Scene.pairs`) and the
    path of highest reward. With a fixed budget k the path is the best, or drawn, or followed, among those of exactly k
    frames. With a free budget k is what the policy expects, rounded, and a drawn path ends by itself. The best path of
    any length would be a short one: how certain it is that something is selected counts for nothing there, since each
    of the frames beside each other that might be is unlikely. ``frame_scores`` are the probabilities that the policy
    selects a frame, whatever the budget.

    All N (N - 1) / 2 pairs of a video's frames are weighed, described in blocks of 1 MB. A video of more than
    25,000,000 pairs within ``max_gap_s`` (5,000 frames where any gap is allowed) is refused before its features are
    computed. How likely a frame is selected depends on how many there are: train with the ``sampling`` of the runs to
    come.
    """

    reference = "ziebart2008maxent"
    supports = frozenset({"fixed", "free"})
    budget_rule = "the best path of exactly k frames"
    Options = MaxentIocOptions
    tiny: ClassVar[Mapping[str, Any]] = {"feature": "gray", "height": 6, "width": 8, "dims": 4, "max_iter": 20}
    numbers: ClassVar[Mapping[str, Column]] = {
        "log_likelihood": Column("higher", "nat", "mean log-likelihood of an annotator's step", headline=True),
        "likelier": Column("higher", "nat", "by how much that is more than under a policy without a reward"),
        "count_ratio": Column("none", "1", "key frames that the policy expects, of those that an annotator selects"),
    }

    def __init__(self, checkpoint: str = "", decode: Literal["viterbi", "sample", "greedy"] = "viterbi") -> None:
        self.checkpoint = checkpoint
        self.decode = decode

    @property
    def stochastic(self) -> bool:  # type: ignore[override]  # depends on a parameter here
        """True where the path is drawn."""
        return self.decode == "sample"

    def check_length(self, options: TrainerOptions, name: str, times: Vector) -> None:
        """Refuse a clip of too many pairs."""
        assert isinstance(options, MaxentIocOptions)
        _require_few_pairs(name, Scene(np.zeros((len(times), 0)), times, options.max_gap_s or np.inf))

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Maximise the likelihood of the annotators' paths less the penalty, by L-BFGS."""
        options = cast(MaxentIocOptions, session.options)
        feature = options.chosen("feature")
        clips = [clip for clip in train if clip.choices()]
        gaps = [gap for clip in clips for path in clip.choices() for gap in np.diff(clip.times[path])]
        numbers = {"gap_s": float(np.median(gaps)) if gaps else 1.0}
        tensors = projection(clips, feature, options.dims) if clips else {}
        seen = _annotated(clips, feature, tensors, options, numbers, "training")
        held_out = _annotated(validation, feature, tensors, options, numbers, "validation")

        def loss(weights: Vector) -> tuple[float, Vector]:
            found = [likelihood_gradient(scene, weights) for scene in seen]
            penalised = options.l2 / 2 * float(weights @ weights) - sum(likelihood for likelihood, _ in found)
            gradient = options.l2 * weights - np.sum([gradient for _, gradient in found], axis=0)
            return penalised / _n_steps(seen), gradient / _n_steps(seen)

        def judge(weights: Vector) -> float:
            return -sum(_judged(scene, weights)[0] for scene in held_out) / _n_steps(held_out)

        best, last = minimised(loss, np.zeros(seen[0].n_weights), session, judge)
        kept: dict[str, Any] = {"history": session.history, **numbers}
        session.last = session.checkpoint({**tensors, "weights": last}, chosen="last", **kept)
        return session.checkpoint({**tensors, "weights": best}, chosen="best_val", **kept)

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return how likely the annotators' steps are, and how many key frames the policy expects."""
        options, weights = self.Options.build(checkpoint.options), checkpoint.tensors["weights"]
        scenes = _annotated(clips, options.chosen("feature"), checkpoint.tensors, options, checkpoint.numbers)
        judged = [_judged(scene, weights) for scene in scenes]
        found = sum(likelihood for likelihood, _ in judged) / _n_steps(scenes)
        without = sum(_judged(scene, 0 * weights)[0] for scene in scenes) / _n_steps(scenes)
        expected = sum(len(scene.paths) * visited.sum() for scene, (_, visited) in zip(scenes, judged, strict=True))
        selected = sum(len(path) for scene in scenes for path in scene.paths)
        return {"log_likelihood": found, "likelier": found - without, "count_ratio": float(expected / selected)}

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return the frames of a path; their scores are the probabilities that the policy selects them."""
        learned = self.learned()
        scene = _scene(clip, self.needs[0], learned.tensors, self.trained_options(), learned.numbers)
        given = rewards(scene, learned.tensors["weights"])

        def choose(logits: Vector) -> int:
            # The highest after adding this noise is a draw from the softmax.
            return int(np.argmax(logits + rng.gumbel(size=len(logits)) if self.decode == "sample" else logits))

        likely = visits(*action_probabilities(given, values(given))[:2])
        if k is None and self.decode != "sample":
            k = max(1, round(float(likely.sum())))
        count = None if k is None else min(k, len(clip))
        found = decoded(given, choose, highest if self.decode == "viterbi" else log_sum, count)
        return clip.pick(found, scores=likely[found], frame_scores=likely)


def _judged(scene: Scene, weights: Vector) -> tuple[float, Vector]:
    """Return the log-likelihood of the annotators' paths, and the probability of each frame to be selected."""
    given = rewards(scene, weights)
    of = values(given)
    return log_likelihood(scene, given, of), visits(*action_probabilities(given, of)[:2])


def _n_steps(scenes: Sequence[Scene]) -> int:
    """Return the actions of all annotators: a frame each, and END."""
    return sum(len(path) + 1 for scene in scenes for path in scene.paths)


def _annotated(
    clips: Iterable[Clip],
    feature: Feature,
    tensors: Mapping[str, NDArray[Any]],
    options: MaxentIocOptions,
    numbers: Mapping[str, Any],
    part: str = "evaluated",
) -> list[Scene]:
    """Return the scenes of those clips in which annotators selected something; at least one."""
    found = [_scene(c, feature, tensors, options, numbers, c.choices()) for c in clips if c.choices()]
    if not found:
        raise UsageError(f"no annotator selected a frame of the {part} part; give another split, or other annotations")
    return found


def _require_few_pairs(name: str, scene: Scene) -> None:
    if (pairs := len(scene) * scene.width) > MAX_PAIRS:
        raise UsageError(
            f"{name!r} has {len(scene):,} sampled frames, {pairs:,} pairs for maxent_ioc, which weighs {MAX_PAIRS:,} "
            "at most; sample fewer frames per second, or train with a lower trainer.max_gap_s"
        )


def _scene(
    clip: Clip,
    feature: Feature,
    tensors: Mapping[str, NDArray[Any]],
    options: MaxentIocOptions,
    numbers: Mapping[str, Any],
    paths: Sequence[NDArray[np.int64]] = (),
) -> Scene:
    """Return what the process knows of a clip; `UsageError` where that is too much, or no path of an annotator."""
    unit, longest = numbers["gap_s"], options.max_gap_s or np.inf
    scene = Scene(projected(clip, feature, tensors), clip.times / unit, longest / unit, tuple(paths))
    _require_few_pairs(clip.video.name, scene)
    possible = scene.possible()
    for path in paths:
        steps = np.diff(path) - 1
        if (steps >= scene.width).any() or not possible[path[:-1], steps].all():
            gap = np.diff(clip.times[path]).max()
            raise UsageError(
                f"an annotator of {clip.video.name!r} leaves {gap:.4g} s between two key frames, more than "
                f"trainer.max_gap_s={options.max_gap_s:g}; raise it"
            )
    return scene
