"""Trainings of a fraction of a second, and what they read: a film of blocks, photographs, a camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyframe_bench.bench.train import Training, trainable
from keyframe_bench.core.grammar import Split
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.features.images import Rgb
from keyframe_bench.training.data import TrainingData
from keyframe_bench.training.reading import read_parts
from keyframe_bench.video.encode import write_h264, write_lossless

N_TRAIN, N_VALIDATION = 10, 3
HEIGHT, WIDTH = 24, 48  # of the images, and of the input of the network: nothing is resized
SMALL: dict[str, Any] = {"width": 0.125, "geometry": 0.25, "loss": "l2", "epochs": 2, "batch": 4, "lr": 0.01}
SMALL |= {"precision": "fp32", "threads": 1}
PARTS = "temporal:0.77"  # 10 of 13 frames


@pytest.fixture(scope="session")
def blocks() -> Callable[..., np.ndarray]:
    """Return coloured blocks, uint8 [n, 24, 48, 3]; each seed gives others."""

    def make(n: int = N_TRAIN + N_VALIDATION, seed: int = 0) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (n, 3, 6, 3), dtype=np.uint8)
        return coarse.repeat(HEIGHT // 3, axis=1).repeat(WIDTH // 6, axis=2)

    return make


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory, blocks: Callable[..., np.ndarray]) -> Path:
    """A lossless video of blocks; not to be changed."""
    path = tmp_path_factory.mktemp("film") / "blocks.mov"
    write_lossless(path, blocks(), 10)
    return path


@pytest.fixture(scope="session")
def data() -> Callable[..., TrainingData]:
    """Return the data of a training; what `TrainingData` does not know is a parameter of the data set."""

    def make(dataset: str, root: object = None, split: str | None = None, **given: Any) -> TrainingData:
        known = {name: given.pop(name) for name in list(given) if name in TrainingData.__dataclass_fields__}
        made = Dataset.registry.build(dataset, {**({} if root is None else {"root": str(root)}), **given})
        return TrainingData(dataset=made, split=Split.parse(split or made.usual_split), **known)

    return make


@pytest.fixture(scope="session")
def pictures() -> Callable[..., tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Read data, and return the images that train, those that are held out, and the facts."""

    def read(found: TrainingData, height: int = 12, width: int = 24, resize: Any = "stretch") -> Any:
        feature = Rgb(height=height, width=width, resize=resize)
        parts = read_parts(found, (feature,), lambda _: None)
        return parts.train.rows(feature)[:], parts.validation.rows(feature)[:], parts.facts

    return read


@pytest.fixture
def training(film: Path, tmp_path: Path, data: Callable[..., TrainingData]) -> Callable[..., Training]:
    """Return a training, by default of an auto-encoder on 10 + 3 blocks: two epochs of three steps, half a second."""

    def make(out: str = "out", *, extractor: str = "autoencoder", **changed: Any) -> Training:
        read = changed.pop("data", None) or data("folder", film, PARTS, camera=True)
        trainer = {**(SMALL if extractor == "autoencoder" else {}), **changed.pop("trainer", {})}
        options = trainable(extractor).Options.build(trainer)
        return Training(extractor=extractor, options=options, data=read, out=tmp_path / out, **changed)

    return make


@pytest.fixture(scope="session")
def shade() -> Callable[..., Path]:
    """Write a video whose frame ``i`` is as bright as ``first + i``; `shown` tells which frames these are."""

    def write(path: Path, n: int, *, first: int = 0, height: int = 48, width: int = 64, fps: float = 25) -> Path:
        ramp = np.linspace(0, 40, width)[None, :, None]
        frames = [np.broadcast_to(2 * (first + i) + ramp, (height, width, 3)).astype(np.uint8) for i in range(n)]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_h264(path, frames, fps)
        return path

    return write


@pytest.fixture(scope="session")
def shown() -> Callable[[np.ndarray], list[int]]:
    """Return which frames of `shade` these are, by their brightness."""
    return lambda rows: [round((float(picture.mean()) - 20) / 2) for picture in rows]
