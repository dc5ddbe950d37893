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
    from .api import Extraction, extract, map_videos
    from .comparison import sweep
    from .compression import Compression, compress
    from .core.annotation import Annotation, UserSummary
    from .core.checkpoint import Checkpoint
    from .core.clip import Clip, KeyFrames, VideoInfo
    from .core.errors import KeyframeBenchError, OutOfMemoryError, UnavailableError, UsageError, VideoError
    from .core.feature import Feature, FrameView
    from .core.registry import Range, load_plugins, register
    from .datasets.base import Dataset
    from .explanation import Explanation, explain
    from .extractors.base import Extractor, ScoreExtractor
    from .extractors.checks import CHECKS, run_checks
    from .extractors.in_memory import fit_clips
    from .extractors.trainable import Trainable
    from .features.histograms import HueHistogram
    from .features.images import Gray
    from .metrics.base import Column, Metric
    from .models.base import Loss, Network
    from .rendering.films import demo_annotation, demo_video
    from .report.map import VideoMap
    from .report.storyboard import storyboard
    from .selection.key_clips import ClipRules
    from .tables.figure import Figure
    from .tables.load import load_results
    from .training.clips import Clips
    from .training.options import NetworkOptions, TrainerOptions
    from .training.session import Session
    from .video.arrays import clip_from_images
    from .video.frame_folder import FrameFolder

__version__ = VERSION

# Imported on first use, so that `import keyframe_bench` costs nothing.
_NAMES = {
    ".api": "Extraction extract map_videos",
    ".comparison": "sweep",
    ".compression": "Compression compress",
    ".core.annotation": "Annotation UserSummary",
    ".core.checkpoint": "Checkpoint",
    ".core.clip": "Clip KeyFrames VideoInfo",
    ".core.errors": "KeyframeBenchError OutOfMemoryError UnavailableError UsageError VideoError",
    ".core.feature": "Feature FrameView",
    ".core.registry": "Range load_plugins register",
    ".datasets.base": "Dataset",
    ".explanation": "Explanation explain",
    ".extractors.base": "Extractor ScoreExtractor",
    ".extractors.checks": "CHECKS run_checks",
    ".extractors.in_memory": "fit_clips",
    ".extractors.trainable": "Trainable",
    ".features.histograms": "HueHistogram",
    ".features.images": "Gray",
    ".metrics.base": "Column Metric",
    ".models.base": "Loss Network",
    ".rendering.films": "demo_annotation demo_video",
    ".report.map": "VideoMap",
    ".report.storyboard": "storyboard",
    ".selection.key_clips": "ClipRules",
    ".tables.figure": "Figure",
    ".tables.load": "load_results",
    ".training.clips": "Clips",
    ".training.options": "NetworkOptions TrainerOptions",
    ".training.session": "Session",
    ".video.arrays": "clip_from_images",
    ".video.frame_folder": "FrameFolder",
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [*sorted(_WHERE), "__version__"]  # noqa: PLE0604 - names of the table above


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'keyframe_bench' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
