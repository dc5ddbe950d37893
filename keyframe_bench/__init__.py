"""keyframe_bench: every key-frame extractor behind one interface, compared on one decode.

>>> import keyframe_bench as kb
>>> result = kb.extract(kb.demo_video(), "pixel_distance", budget=4)
>>> len(result.frames)
4
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core.version import VERSION

if TYPE_CHECKING:
    from .api import Extraction, extract
    from .comparison import sweep
    from .core.annotation import Annotation, UserSummary
    from .core.checkpoint import Checkpoint
    from .core.clip import Clip, KeyFrames, VideoInfo
    from .core.errors import KeyframeBenchError, OutOfMemoryError, UnavailableError, UsageError, VideoError
    from .core.feature import Feature
    from .core.registry import Range, register
    from .datasets.base import Dataset
    from .explanation import Explanation, explain
    from .extractors.base import Extractor, ScoreExtractor
    from .extractors.checks import run_checks
    from .extractors.in_memory import fit_clips
    from .extractors.trainable import Trainable
    from .features.histograms import HueHistogram
    from .features.pictures import Gray
    from .metrics.base import Column, Metric
    from .models.base import Loss, Network
    from .rendering.films import demo_annotation, demo_video
    from .report.storyboard import storyboard
    from .selection.key_clips import ClipRules
    from .tables.figure import Figure
    from .training.clips import Clips
    from .training.options import NetworkOptions, TrainerOptions
    from .training.session import Session
    from .video.arrays import clip_from_images
    from .video.frame_folder import FrameFolder

__version__ = VERSION

# Name to module: imported on first use, so that `import keyframe_bench` costs nothing.
_WHERE = {
    "Annotation": ".core.annotation",
    "Checkpoint": ".core.checkpoint",
    "Clip": ".core.clip",
    "ClipRules": ".selection.key_clips",
    "Clips": ".training.clips",
    "Column": ".metrics.base",
    "Dataset": ".datasets.base",
    "Explanation": ".explanation",
    "Extraction": ".api",
    "Extractor": ".extractors.base",
    "Feature": ".core.feature",
    "Figure": ".tables.figure",
    "Gray": ".features.pictures",
    "FrameFolder": ".video.frame_folder",
    "HueHistogram": ".features.histograms",
    "KeyFrames": ".core.clip",
    "KeyframeBenchError": ".core.errors",
    "Loss": ".models.base",
    "Metric": ".metrics.base",
    "Network": ".models.base",
    "NetworkOptions": ".training.options",
    "OutOfMemoryError": ".core.errors",
    "Range": ".core.registry",
    "ScoreExtractor": ".extractors.base",
    "Session": ".training.session",
    "Trainable": ".extractors.trainable",
    "TrainerOptions": ".training.options",
    "UnavailableError": ".core.errors",
    "UsageError": ".core.errors",
    "UserSummary": ".core.annotation",
    "VideoError": ".core.errors",
    "VideoInfo": ".core.clip",
    "clip_from_images": ".video.arrays",
    "demo_annotation": ".rendering.films",
    "demo_video": ".rendering.films",
    "explain": ".explanation",
    "extract": ".api",
    "fit_clips": ".extractors.in_memory",
    "register": ".core.registry",
    "run_checks": ".extractors.checks",
    "storyboard": ".report.storyboard",
    "sweep": ".comparison",
}

__all__ = [*sorted(_WHERE), "__version__"]  # noqa: PLE0604 - names of the table above


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'keyframe_bench' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
