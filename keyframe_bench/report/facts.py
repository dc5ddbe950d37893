"""Facts about a video in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..tables.format import clock
from ..video.health import Health


def facts_of(video: Mapping[str, Any]) -> list[str]:
    """Return duration, size, rate, frames and shots of ``videos/<sha256>.json``, those that are known."""
    found = []
    if video.get("duration_s"):
        found.append(clock(float(video["duration_s"])))
    if video.get("width") and video.get("height"):
        found.append(f"{video['width']} \N{MULTIPLICATION SIGN} {video['height']}")
    if video.get("fps"):
        found.append(f"{float(video['fps']):.5g} fps")
    if video.get("n_frames"):
        found.append(f"{int(video['n_frames'])} frames")
    if video.get("shots_s"):
        found.append(f"{len(video['shots_s'])} shots")
    return found


def problems_of(health: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know about a damaged or unusual file."""
    names = {field.name for field in fields(Health)}
    return list(Health(**{k: v for k, v in health.items() if k in names and v is not None}).problems)


def record_of(health: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the whole health record as (name, value) texts."""
    return [(str(name).replace("_", " "), _plain(value)) for name, value in health.items() if name != "notes"]


def _plain(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(" + ".join(map(_plain, v)) if isinstance(v, list) else _plain(v) for v in value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
