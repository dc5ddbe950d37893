"""Deep clustering of the frames of one video: clusters of what a network sees are what it is trained to tell apart."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.seeding import rng_for
from .backbones import load_backbone
from .computing import one_thread

SIDE = 64  # of the small network's input, in pixels
SMALL = "small"
_ROWS = 64  # that are embedded together
_CROP = 0.5  # least side of a random crop, of the image's


Clustered = Callable[[NDArray[np.float32], int, np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class DeepClustering:
    """How the network of one video is trained; see `keyframe_bench.features.deep_clustering.DeepClusterEmbedding`."""

    backbone: str
    weights: str
    classes: int
    epochs: int
    batch: int
    lr: float
    seed: int

    def embedded(self, images: NDArray[np.uint8], clustered: Clustered) -> NDArray[np.float32]:
        """Train on ``images``, uint8 [N, H, W, 3], and return what the network sees in them, float32 [N, D].

        ``clustered``: from features [N, D] and a number of classes to the class of each, 0 to C - 1, none empty.
        Raises `UsageError` if the features are not finite.
        """
        with one_thread(), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = self._network()
            descent = self._descent(network)
            for epoch in range(self.epochs):
                rng = rng_for(self.seed, "clusters", epoch)
                labels = clustered(self._features(network, images), self.classes, rng)
                if not labels.any():
                    break  # one class: there is nothing to tell apart
                self._train(network, descent, images, labels, epoch)
            return self._features(network, images)

    def _features(self, network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        device = next(network.parameters()).device
        with torch.inference_mode():
            parts = [network(torch.tensor(images[i : i + _ROWS]).to(device)) for i in range(0, len(images), _ROWS)]
            found = np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)
        if not np.isfinite(found).all():
            raise UsageError(f"deep clustering of a video diverged; try an lr lower than {self.lr:g}")
        return found

    def _network(self) -> nn.Sequential:
        """Return images, uint8 [B, H, W, 3], to features [B, D], as it is before the training."""
        if self.backbone == SMALL:
            return nn.Sequential(
                _Normalised(torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 0.25)), small_network()
            )
        found = load_backbone(self.backbone, self.weights, "pool", None, None)
        body = copy.deepcopy(found.module).requires_grad_(True).eval()  # statistics of batch normalisation stay
        return nn.Sequential(_Normalised(found.mean, found.std), body, nn.Flatten()).to(found.device)

    def _descent(self, module: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(module.parameters(), lr=self.lr, momentum=0.9, weight_decay=1e-5)

    def _train(
        self,
        network: nn.Module,
        descent: torch.optim.Optimizer,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        epoch: int,
    ) -> None:
        """Train for one epoch with a new head: clusters have other numbers each time."""
        rng, device = rng_for(self.seed, "epoch", epoch), next(network.parameters()).device
        with torch.no_grad():
            width = network(torch.tensor(images[:1]).to(device)).shape[1]
        head = nn.Linear(width, int(labels.max()) + 1).to(device)
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)
        optimizers = (descent, self._descent(head))
        order = uniform_over_classes(labels, rng)
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            batch = torch.from_numpy(cropped(images[rows], rng)).to(device)  # [B, H, W, 3]
            loss = nn.functional.cross_entropy(head(network(batch)), torch.from_numpy(labels[rows]).to(device))
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch types no `backward`
            for optimizer in optimizers:
                optimizer.step()


class _Normalised(nn.Module):
    """Images, uint8 [B, H, W, 3], to float [B, 3, H, W], normalised by channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        return (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std  # [B, 3, H, W]


def small_network() -> nn.Sequential:
    """Return a network of 0.24 million numbers, with initial weights: [B, 3, 64, 64] to features [B, 128]."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, padding=1), nn.GroupNorm(8, outputs), nn.ReLU()]  # [B, C, H/2, W/2]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # [B, 128, 4, 4] -> [B, 128]


def uniform_over_classes(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return N positions in random order, every class as often as any other (up to one), members drawn at random."""
    n_classes = int(labels.max()) + 1
    classes = rng.permutation(np.resize(rng.permutation(n_classes), len(labels)))
    starts, sizes = np.searchsorted(np.sort(labels), np.arange(n_classes)), np.bincount(labels)
    by_class = np.argsort(labels, kind="stable")
    return np.asarray(by_class[starts[classes] + rng.integers(sizes[classes])])


def cropped(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return random crops of images [B, H, W, 3], half of them mirrored, at the images' size (nearest pixels)."""
    n, height, width = images.shape[:3]
    scale = rng.uniform(_CROP, 1, (n, 1))
    y, x = (
        (rng.random((n, 1)) * (1 - scale) + scale * np.arange(m) / m) * m for m in (height, width)
    )  # [B, H], [B, W]
    x = np.where(rng.random((n, 1)) < 0.5, x[:, ::-1], x)
    where = np.arange(n)[:, None, None], y.astype(np.int64)[:, :, None], x.astype(np.int64)[:, None, :]
    return np.asarray(images[where])
