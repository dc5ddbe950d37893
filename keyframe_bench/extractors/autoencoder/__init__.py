"""Key frames of a fixed camera by a trained auto-encoder (Chen et al. 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from ...core.cells import NO_NETWORK
from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import KeyframeBenchError, UsageError
from ...core.feature import Feature
from ...core.registry import Range, register
from ...features.autoencoder import AutoencoderCode, Reconstruction
from ...features.images import Rgb
from ...models.checkpoint import network_of, unfinished
from ...selection.reference import Distances, ReferenceRule, earliest_after
from ...training.clips import Clips
from ...training.fit_module import require_lightning
from ...training.options import TrainerOptions
from ...training.session import Session
from ..base import NOTHING_ABOVE
from ..trainable import Pair, Trainable
from .evaluation import COLUMNS
from .options import AutoencoderOptions

if TYPE_CHECKING:
    from ...models.frame_distance import Space

_PAPER_THRESHOLD = 0.03


@register("autoencoder")
class Autoencoder(Trainable):
    """Frames that differ by more than a threshold from the latest key frame, as a trained auto-encoder sees them.

    The first frame is the first reference. Each later one is compared with the latest reference; one further away than
    ``threshold`` is a key frame and becomes the reference.

    Parameters
    ----------
    checkpoint : str
        "bundled" (an ``ae_final`` that ships in the package), or the path of a safetensors file that
        ``keyframe-bench train`` wrote.
    distance_space : {"reconstruction", "input", "feature_mix", "feature_l1", "feature_l2", "feature_cos", "cross"}
        What is compared (the paper says "between the current frame and the latest key frame", and elsewhere that
        features are compared):

        * ``reconstruction``: the mix loss between what the network leaves of the two frames;
        * ``input``: the mix loss between the frames themselves, made as small as the network's input: does the network
          help?
        * ``cross``: the mix loss between the frame and what the network leaves of the reference;
        * ``feature_mix``: the mix loss between the codes, laid out as images with values in 0 to 1;
        * ``feature_l1``, ``feature_l2``, ``feature_cos``: mean absolute difference, root of the mean squared one, and 1
          minus the cosine, of the codes.
    threshold : float or "auto"
        "auto" is the value that belongs to the checkpoint and the space: it was calibrated on images without an event
        when the network was trained. The paper's 0.03 has a meaning for ``reconstruction``, ``input`` and ``cross``
        only. With a fixed budget it is searched, and a number is where the search begins.
    min_gap_s : float
        Seconds that a key frame stays the reference at least.
    emit_first : bool
        Whether the first frame is a key frame, or only what later ones are compared with.
    rate : {"run", "every"}
        Sampling: that of the run, or every frame, as in the paper. A frame costs some 50 ms of one core, as much as
        decoding 40 frames.
    precision : {"fp32", "bf16"}
        Of the network, see `keyframe_bench.models.encoding`.

    Notes
    -----
    Source: Chen et al. 2021, section 3.5. ``frame_scores`` are the distances to the latest reference before a frame.
    A threshold that nothing exceeds gives the first frame alone, whatever ``emit_first`` is.

    With a fixed budget k, the threshold is searched for which the rule gives k key frames; the number can jump over k,
    and then the k key frames of the largest distances are kept of the least too many that were found.
    """

    reference = "chen2021autoencoder"
    supports = frozenset({"fixed", "free"})
    budget_rule = "the threshold is searched; where it can only give more than k, the k largest distances are kept"
    may_return_fewer = "frames that equal the latest key frame, or follow it within min_gap_s, are never key frames"
    stochastic = False
    without_network: ClassVar[dict[str, object]] = {"distance_space": "input"}
    warm_start = True
    Options = AutoencoderOptions
    tiny: ClassVar[dict[str, object]] = {"width": 0.125, "geometry": 0.25}
    numbers = COLUMNS

    def __init__(
        self,
        *,
        checkpoint: str = "bundled",
        distance_space: Literal[
            "reconstruction", "input", "feature_mix", "feature_l1", "feature_l2", "feature_cos", "cross"
        ] = "reconstruction",
        threshold: Annotated[float, Range(0)] | Literal["auto"] = "auto",
        min_gap_s: Annotated[float, Range(0)] = 0.0,
        emit_first: bool = True,
        rate: Literal["run", "every"] = "run",
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self.checkpoint = checkpoint
        self.distance_space = distance_space
        self.threshold = threshold
        self.min_gap_s = min_gap_s
        self.emit_first = emit_first
        self.rate = rate
        self.precision = precision

    @property
    def online(self) -> bool:  # type: ignore[override]  # depends on a parameter here
        """True, unless the first frame is left out: at least one frame must come back before another is known."""
        return self.emit_first

    @property
    def needs(self) -> tuple[Feature, ...]:
        """What the network makes of a frame, or its input, according to ``distance_space``."""
        if self.distance_space in ("input", "cross"):
            network = network_of(self.trained_record())
            pictures = Rgb(height=network.input_height, width=network.input_width)
            return (pictures,) if self.distance_space == "input" else (pictures, self._reconstruction)
        return (self._reconstruction if self.distance_space == "reconstruction" else self._code,)

    @property
    def label(self) -> str:
        """Say so when the network is left out."""
        return NO_NETWORK if self.distance_space == "input" else ""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The calibrated threshold: the checkpoint holds it, and ``distance_space=input`` reads no feature of that."""
        return (f"threshold={self.free_threshold()!r}",) if self.threshold == "auto" else ()

    @property
    def _reconstruction(self) -> Reconstruction:
        return Reconstruction(checkpoint=self.checkpoint, precision=self.precision)

    @property
    def _code(self) -> AutoencoderCode:
        return AutoencoderCode(checkpoint=self.checkpoint, precision=self.precision)

    @property
    def sampling(self) -> str | None:
        """Every frame if ``rate`` says so, else that of the run."""
        return None if self.rate == "run" else self.rate

    def unavailable(self) -> str | None:
        """Return what is missing: a package, the checkpoint, or its calibrated threshold."""
        try:
            if (missing := self._code.unavailable()) is None:
                self.free_threshold()
            return missing
        except KeyframeBenchError as error:
            return str(error)

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return the network's input, and the images at the size at which networks are compared."""
        assert isinstance(options, AutoencoderOptions)
        return tuple(dict.fromkeys((options.pictures, options.common_pictures)))

    def check_options(self, options: TrainerOptions) -> None:
        """Try a network and a loss of plug-ins on two images."""
        assert isinstance(options, AutoencoderOptions)
        require_lightning()
        from ...models.contract import check_parts

        check_parts(options.built_network, options.built_loss)

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Train the network to reproduce images, and calibrate a threshold for every distance space."""
        from .learning import fit_autoencoder

        return fit_autoencoder(train, validation, session)

    def described(self, options: TrainerOptions) -> str:
        """Return the network: input size, then kernel and channels of every layer, where it is made of layers."""
        assert isinstance(options, AutoencoderOptions)
        network = options.built_network
        layers = ", ".join(str(layer).rpartition(",")[0] for layer in getattr(network, "layers", ()))
        return f"{network.input_height}*{network.input_width}: {layers}" if layers else network.name

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return losses, sharpness and colour of the reconstructions."""
        from .evaluation import evaluate_checkpoint

        return evaluate_checkpoint(checkpoint, clips)

    def reconstructions(self, checkpoint: Checkpoint, clips: Clips, n: int) -> Pair:
        """Return evenly spaced images, of the network's size, and what it leaves of them."""
        from .evaluation import reconstructions

        return reconstructions(checkpoint, clips, n)

    def prepare(self) -> None:
        """Import torch."""
        from ...models import frame_distance  # noqa: F401 - importing it takes seconds that are not selection

    def free_threshold(self) -> float:
        """Return the threshold of a free budget, as a number.

        Raises `UsageError` if it is "auto", and the checkpoint has none for this space.
        """
        if self.threshold != "auto":
            return self.threshold
        record = self.trained_record()
        calibrated = record["numbers"].get("thresholds")
        value = calibrated.get(self.distance_space) if isinstance(calibrated, dict) else None
        if not isinstance(value, float | int) or not math.isfinite(value) or value < 0:
            raise UsageError(
                f"checkpoint={self.checkpoint!r} has no calibrated threshold for distance_space={self.distance_space}; "
                + (f"{reason}, or " if (reason := unfinished(record)) else "")
                + f"give threshold=NUMBER ({_PAPER_THRESHOLD} is the paper's, for reconstruction and input)"
            )
        return float(value)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the references; ``scores``: their distances to the one before; ``segments``: up to the next."""
        rule = ReferenceRule(len(clip), self._distances(clip), earliest_after(clip.times, self.min_gap_s))
        if k is None:
            chain = rule.chain(self.free_threshold())
            chosen = chain.positions[0 if self.emit_first else 1 :]
        else:
            start = self.threshold if self.threshold != "auto" else 0.0
            chain = rule.chain_of(k if self.emit_first else k + 1, start or _PAPER_THRESHOLD)
            chosen = chain.strongest(k, keep_first=self.emit_first)
        alone = len(chain.positions) == 1 and (k is None or chosen.size == 0)
        if chosen.size == 0:
            chosen = chain.positions[:1]
        borders = np.append(chosen, len(clip))
        borders[0] = 0
        return clip.pick(
            chosen,
            scores=chain.distances[chosen],
            segments=np.stack([borders[:-1], borders[1:]], axis=1),
            frame_scores=chain.distances,
            thresholds=np.full(len(clip), chain.threshold),
            fallback=NOTHING_ABOVE if alone else "",
        )

    def _distances(self, clip: Clip) -> Distances:
        from ...models.frame_distance import code_distances, picture_distances

        space: Space = self.distance_space
        if space in ("reconstruction", "input", "cross"):
            return picture_distances(clip[self.needs[0]], clip[self.needs[-1]])
        numbers = self.trained_record()["numbers"] if space == "feature_mix" else {}
        return code_distances(clip[self._code], space, numbers.get("code_low", ()), numbers.get("code_high", ()))

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:
        """Compare the distance to the latest reference with the threshold."""
        assert result.frame_scores is not None and result.thresholds is not None
        score, threshold = float(result.frame_scores[position]), float(result.thresholds[position])
        found = "" if k is None else f" that was found for k={k}"
        said = f"its distance {score:.4g} to the latest reference before it is"
        above, chosen = f"{said} above the threshold {threshold:.4g}{found}", clip.ordinals[position] in result.frames
        if position == 0 and chosen:
            return self._why_first(clip, result)
        if position == 0:
            return "not chosen: the first frame is only what later ones are compared with (emit_first=false)"
        if chosen:
            return f"chosen: {above}"
        if score <= threshold:
            return f"not chosen: {said} not above the threshold {threshold:.4g}{found}"
        gap = clip.times[position] - result.times[np.searchsorted(result.frames, clip.ordinals[position]) - 1]
        if k is None or 0 <= gap < self.min_gap_s:
            return f"not chosen: {above}, but it follows within min_gap_s"
        return f"not chosen: {above}, but so are those of more than {k} frames, and only the largest are kept"

    def _why_first(self, clip: Clip, result: KeyFrames) -> str:
        assert result.frame_scores is not None and result.thresholds is not None
        said = "chosen: the first frame is the first reference"
        if len(result) > 1:
            return said
        furthest = int(result.frame_scores.argmax())
        return (
            f"{said}, and nothing differs from it by more than the threshold {float(result.thresholds[0]):.4g}: the "
            f"furthest, frame {clip.ordinals[furthest]}, by {result.frame_scores[furthest]:.4g}; a lower threshold "
            "gives more key frames"
        )
