"""Sizes of FrameMAE, and where its weights come from: checkpoints, those built on top of one, VideoMAE's files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoint import (
    Checkpoint,
    checkpoint_file,
    checkpoint_id,
    read_checkpoint,
    read_record,
    read_tensors,
    why_missing,
)
from ..core.errors import UsageError
from .weights import load_strictly, missing_package

if TYPE_CHECKING:
    from .frame_mae import FrameMAE

TrainedBy = Literal["frame_mae_oracle", "frame_rs"]
Positions = Literal["flattened", "separable"]
METHOD: TrainedBy = "frame_mae_oracle"
"""The extractor that trains a FrameMAE; checkpoints of ``frame_rs`` embed one."""

N_FRAMES = 16  # of a clip
N_TOKENS = 8  # in time: a patch covers two frames
PAIRS = tuple(combinations(range(N_TOKENS), 2))
"""The 28 choices of 2 of 8 tokens; the place in it is the class of a selector."""
UNIFORM = (2, 5)
"""The evenly spaced pair, tokens 3 and 6 of 8."""

_PREFIX = "frame_mae."  # of tensors in a checkpoint that embeds a FrameMAE


@dataclass(frozen=True)
class Size:
    """Sizes of a network: the image's side and the patch's in pixels, widths, blocks and attention heads."""

    side: int
    patch: int
    dim: int
    depth: int
    heads: int
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int

    @property
    def stored_side(self) -> int:
        """Shorter side in pixels of the images that clips are cut from: somewhat larger, so that a crop loses less."""
        return self.side * 9 // 8

    @property
    def n_patches(self) -> int:
        """Patches of a frame, S."""
        return (self.side // self.patch) ** 2

    @property
    def patch_values(self) -> int:
        """Numbers of a patch of two frames, P."""
        return 2 * self.patch**2 * 3

    @property
    def n_params(self) -> int:
        """Trained numbers."""
        stacks = ((self.dim, self.depth), (self.decoder_dim, self.decoder_depth))
        blocks = sum(depth * (12 * dim**2 + 12 * dim) + 2 * dim for dim, depth in stacks)
        patches = self.patch_values * (self.dim + self.decoder_dim + 1) + self.dim
        return blocks + patches + self.dim * self.decoder_dim + self.decoder_dim


PRESETS: Mapping[str, Size] = {
    "base": Size(224, 16, 768, 12, 12, 384, 4, 6),  # of VideoMAE, as small
    "small": Size(224, 16, 384, 12, 6, 192, 4, 3),
    "tiny": Size(64, 8, 96, 4, 4, 48, 2, 3),
}


def weights_id(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return what identifies trained weights, whatever file they lie in: a sha256."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tensor.shape} ".encode())
        found.update(np.ascontiguousarray(tensor).data)
    return found.hexdigest()


@lru_cache(maxsize=16)
def _told(checkpoint: str, method: str, option: str, identity: str) -> Mapping[str, Any]:  # noqa: ARG001 - a changed file is read again
    return told(read_record(checkpoint, method, option), checkpoint, option)


def told(record: Mapping[str, Any], checkpoint: str = "", option: str = "checkpoint") -> Mapping[str, Any]:
    """Return what a record says of its FrameMAE: ``options`` of its training, ``weights`` (`weights_id`).

    Raises `UsageError` if the training was not finished.
    """
    if record["extractor"] == METHOD:
        found = {"options": record["options"], "weights": record["numbers"].get("weights")}
    else:
        found = dict(record["numbers"].get("frame_mae") or {})
    if not found.get("weights"):
        raise UsageError(
            f"{option}={checkpoint!r} holds no finished FrameMAE; run the command that trains it again to resume it"
        )
    return found


def frame_mae_told(checkpoint: str, method: TrainedBy = METHOD, option: str = "checkpoint") -> Mapping[str, Any]:
    """Return `told` of a checkpoint's file, which messages call ``option``; no tensor is read.

    Errors as `read_record` and `told`.
    """
    identity = checkpoint_id(checkpoint, method, option)
    return _told(str(checkpoint_file(checkpoint, method, option)), method, option, identity)


def why_unavailable(checkpoint: str, method: TrainedBy = METHOD) -> str | None:
    """Return why the FrameMAE of a checkpoint cannot be used here, or None; quick, nothing heavy is imported."""
    return missing_package("torch", "timm", "safetensors") or why_missing(checkpoint, method)


def embedded(checkpoint: Checkpoint) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return what a checkpoint built on top of a FrameMAE keeps of it.

    Returns
    -------
    tensors : dict
        To be kept among its own.
    told : dict
        To be kept as ``numbers["frame_mae"]``.
    """
    tensors = {_PREFIX + name: tensor for name, tensor in frame_mae_tensors(checkpoint).items()}
    return tensors, dict(told(checkpoint.record))


def frame_mae_tensors(checkpoint: Checkpoint) -> dict[str, NDArray[Any]]:
    """Return the tensors of a FrameMAE from its own checkpoint, or from one that embeds it."""
    if checkpoint.record["extractor"] == METHOD:
        return dict(checkpoint.tensors)
    own = checkpoint.tensors.items()
    return {name.removeprefix(_PREFIX): tensor for name, tensor in own if name.startswith(_PREFIX)}


def positions_of(options: Mapping[str, Any]) -> Positions:
    """Return the kind of positions that the options of a training mean; those of an older version had but one."""
    asked = options.get("positions", "flattened")
    if asked == "auto":
        return "separable" if options["preset"] == "tiny" else "flattened"
    return "separable" if asked == "separable" else "flattened"


def built(options: Mapping[str, Any]) -> FrameMAE:
    """Return a FrameMAE with initial weights, drawn from torch's own generator, as the options of a training say."""
    from .frame_mae import FrameMAE

    normalised = options["target"] == "normalised"
    return FrameMAE(
        PRESETS[options["preset"]],
        normalised=normalised,
        std_floor=options["std_floor"],
        positions=positions_of(options),
    )


def frame_mae_of(
    checkpoint: Checkpoint, option: str = "checkpoint", options: Mapping[str, Any] | None = None
) -> FrameMAE:
    """Return the FrameMAE of a checkpoint, or the one that it embeds, on the CPU in evaluation mode.

    ``option`` is what messages call it; ``options``: of another training, which starts from it. Raises `UsageError` if
    its tensors do not fit the network that the options name.
    """
    import torch

    options = options or told(checkpoint.record)["options"]
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        model = built(options)
    state = {name: torch.from_numpy(np.array(t, np.float32)) for name, t in frame_mae_tensors(checkpoint).items()}
    load_strictly(
        model, state, f"{option} does not fit a FrameMAE of preset={options['preset']}", "give another checkpoint"
    )
    return model.eval()


def load_frame_mae(checkpoint: str, method: TrainedBy = METHOD) -> FrameMAE:
    """Return the FrameMAE of a checkpoint's file, on the best device; a process keeps the two used last."""
    return _load(str(checkpoint_file(checkpoint, method)), method, checkpoint_id(checkpoint, method))


@lru_cache(maxsize=2)
def _load(checkpoint: str, method: str, identity: str) -> FrameMAE:  # noqa: ARG001 - a changed file is loaded again
    import torch

    model = frame_mae_of(read_checkpoint(checkpoint, method)).requires_grad_(False)
    return model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


_OF_TRANSFORMERS = {  # parts of names of Hugging Face's transformers, in the order in which they are replaced
    "videomae.embeddings.patch_embeddings.projection": "encoder.patch_embed.proj",
    "videomae.encoder.layer": "encoder.blocks",
    "videomae.layernorm": "encoder.norm",
    "decoder.decoder_layers": "decoder.blocks",
    "attention.output.dense": "attn.proj",
    "attention.attention": "attn",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}


def load_videomae(model: FrameMAE, path: str | Path, preset: str) -> None:
    """Put the weights of a pre-trained VideoMAE into ``model``.

    ``path``: a safetensors file with the authors' names, which are those of the network here (what their ``.pth`` holds
    under "model"), or with those of Hugging Face's transformers (``VideoMAEForPreTraining``). Raises `UsageError` if it
    is pickled, damaged, or of another size than ``preset``.
    """
    way_out = f"give VideoMAE's pre-training checkpoint of the size {preset}, or another trainer.preset"
    tensors, _ = read_tensors(path, "trainer.videomae", way_out, framework="pt")
    if any(name.startswith("videomae.") for name in tensors):
        tensors = _renamed(tensors)
    load_strictly(model, tensors, f"trainer.videomae={str(path)!r} does not fit preset={preset}", way_out)


def _renamed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors of transformers under the authors' names: theirs has query, key and value in one matrix."""
    import torch

    found = {}
    for theirs, tensor in tensors.items():
        name = theirs
        for part, own in _OF_TRANSFORMERS.items():
            name = name.replace(part, own)
        found[name] = tensor
    for name in [name for name in found if name.endswith("attn.query.weight")]:
        block = name.removesuffix("query.weight")
        parts = [found.pop(f"{block}{part}.weight", None) for part in ("query", "key", "value")]
        found[f"{block}qkv.weight"] = torch.cat([part for part in parts if part is not None])
    return found
