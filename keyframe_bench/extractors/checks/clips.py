"""The tiny clips on which the checks try an extractor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.annotation import Annotation, UserSummary
from ...core.clip import Clip, read_only
from ...core.errors import ContractError
from ...core.feature import Feature
from ...core.seeding import rng_for
from ...video.arrays import clip_from_images
from ..base import Extractor

_HEIGHT, _WIDTH = 48, 64
_START_S = 1.48  # a PTS that does not begin at 0, as in many real files
_FPS = 25.0


def _scenes() -> NDArray[np.uint8]:
    """Four scenes of 7, 4, 8 and 5 frames: coloured stripes with noise and a moving square."""
    rng = rng_for(0, "scenes")
    pictures = []
    for scene, length in enumerate((7, 4, 8, 5)):
        background = rng.integers(0, 256, (1, 8, 3)).repeat(_HEIGHT, 0).repeat(_WIDTH // 8, 1)
        for step in range(length):
            picture = background + rng.normal(0, 6, background.shape)
            picture[10 : 10 + 12, 3 * step + 2 * scene : 3 * step + 2 * scene + 12] = 255 - 40 * scene
            pictures.append(picture)
    return np.clip(pictures, 0, 255).astype(np.uint8)


def _pan() -> NDArray[np.uint8]:
    """17 frames of a slow pan over one textured panorama."""
    panorama = rng_for(0, "pan").integers(0, 256, (_HEIGHT // 4, _WIDTH // 2, 3), dtype=np.uint8)
    panorama = panorama.repeat(4, 0).repeat(4, 1)
    return np.stack([panorama[:, 2 * step : 2 * step + _WIDTH] for step in range(17)])


_PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "four scenes": _scenes,
    "a slow pan": _pan,
    "one frame": lambda: _scenes()[:1],
    "two frames": lambda: _scenes()[6:8],
    "a static image": lambda: _scenes()[:1].repeat(12, 0),
    "a black image": lambda: np.zeros((12, _HEIGHT, _WIDTH, 3), dtype=np.uint8),
}
TYPICAL = ("four scenes", "a slow pan")
EXTREME = ("one frame", "two frames", "a static image", "a black image", "constant features")


def clip_of(extractor: Extractor, kind: str) -> Clip:
    """Return a fresh copy of the clip ``kind`` as the runner would show it to ``extractor``, read-only."""
    needs = (*extractor.needs, *extractor.free_needs)
    clip = clip_with(needs, kind, every_frame=str(extractor.sampling or "").startswith("every"))
    return clip if extractor.privileged else replace(clip, annotation=None)


def clip_with(needs: tuple[Feature, ...], kind: str, *, every_frame: bool = False) -> Clip:
    """Return a fresh copy of the clip ``kind`` with these features, read-only, with its annotation."""
    cached = _clip(kind, needs, every_frame)
    columns = {key: rows.copy() for key, rows in cached.columns.items()}
    ordinals, times = cached.ordinals.copy(), cached.times.copy()
    read_only([*columns.values(), ordinals, times])
    return replace(cached, ordinals=ordinals, times=times, columns=columns)


@lru_cache(maxsize=64)  # features of networks are slow: one computation serves all checks
def _clip(kind: str, needs: tuple[Feature, ...], every_frame: bool) -> Clip:
    if kind == "constant features":
        clip = _clip("a slow pan", needs, every_frame)
        columns = {k: np.repeat(rows[:2][-1:], len(rows), axis=0) for k, rows in clip.columns.items()}
        return replace(clip, video=replace(clip.video, name=kind), columns=columns)
    pictures = _PICTURES[kind]()
    n = len(pictures)
    # Two frames per second of a 25 fps video: ordinals are not positions, and times are not ordinal / fps.
    ordinals = np.arange(n) if every_frame else np.ceil(np.arange(n) * 12.5).astype(np.int64)
    times = _START_S + ordinals / _FPS
    chosen = np.unique(ordinals[[0, n // 3, (2 * n) // 3]])
    users = tuple(UserSummary(str(len(f)), f, times[np.searchsorted(ordinals, f)]) for f in (chosen, chosen[:1]))
    shots = np.array([[0, int(ordinals[-1]) + 1]], dtype=np.int64)
    return clip_from_images(pictures, needs, times, Annotation(users, shots), ordinals=ordinals, name=kind)


class ReadColumns(dict[str, NDArray[Any]]):
    """Columns that note which keys were asked for and are missing, even when the error is caught."""

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(columns)
        self.missing: list[str] = []

    def __missing__(self, key: str) -> NDArray[Any]:
        self.missing.append(key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if not found:
            self.missing.append(str(key))
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Return the rows of ``key`` or ``default``; a missing key is noted."""
        return super().get(key, default) if key in self else default


class AnnotationTrap(Annotation):
    """An annotation that refuses every look inside."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("users", "shots", "events"):
            raise ContractError(
                f"annotation.{name} is the answer the method is judged by; learn from it in fit, "
                "or set privileged = True to be shown as a ceiling that is not ranked"
            )
        return super().__getattribute__(name)
