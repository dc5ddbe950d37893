"""The health of every video in one table: damaged files first, and those that gave no result with the reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..tables.format import one_line
from .view import VideoView

if TYPE_CHECKING:
    import pandas as pd

_ORDER = ("lost", "damaged", "unusual", "unknown", "sound")
_DAMAGE = ("decode_errors", "corrupt_frames", "truncated_tail", "missing_pts", "non_monotonic_pts")
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class HealthRow:
    """One video."""

    name: str
    index: int | None  # of its section on the page, None if it has none
    state: str
    texts: list[str]  # frames declared and decoded, rate, variable rate, gaps, rotation
    problems: list[str]


def health_rows(
    views: Sequence[VideoView], cells: pd.DataFrame, skipped: Sequence[Mapping[str, Any]]
) -> list[HealthRow]:
    """Return a line per video: first those without any result, then damaged, unusual and sound ones, by name.

    ``cells`` are those of `tables.load_results` without repetitions; ``skipped`` has ``video`` and ``reason``.
    """
    reasons = {str(item.get("video", "")): one_line(item.get("reason", "")) for item in skipped}
    parts: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)  # plain data, as in `video_views`
    for cell in cells[["video", "status", "error_type", "error_message"]].to_dict("records"):
        parts[cell["video"]].append(cell)
    rows: list[HealthRow] = []
    for view in views:
        problems = [*_lost(view, parts[view.name], reasons), *view.problems]
        problems += [] if view.health else ["no health record was written"]
        state = state_of(view.health, view.problems) if view.n_results else "lost"
        rows.append(HealthRow(view.name, view.index, state, _texts(view), problems))
    for name in reasons.keys() - {view.name for view in views}:
        problems = [f"skipped: {reasons[name] or 'no reason was recorded'}"]
        rows.append(HealthRow(name, None, "lost", [_NONE] * 6, problems))
    return sorted(rows, key=lambda row: (_ORDER.index(row.state), row.name))


def _lost(view: VideoView, part: Sequence[Mapping[Any, Any]], reasons: Mapping[str, str]) -> list[str]:
    """Why a video with the cells ``part`` gave no result, or not all; empty if it gave all."""
    bad = [cell for cell in part if cell["status"] != "ok"]
    texts = [reasons[view.name]] if view.name in reasons else []
    if bad and len(bad) == len(part) and not texts:
        first = bad[0]
        reason = ": ".join(text for text in (first["error_type"], first["error_message"]) if text)
        texts = [f"{first['status']}: {one_line(reason) or 'no reason was recorded'}"]
    elif bad and len(bad) < len(part):
        texts.append(f"{len(bad)} of {len(part)} cells failed or were skipped")
    return texts


def state_of(health: Mapping[str, Any], problems: Sequence[str]) -> str:
    """Return "damaged", "unusual" or "sound" by a health record, and "unknown" without one.

    Gaps are damage in a steady stream; where the rate varies they are how the file was made.
    """
    decoded = health.get("decoded_frames") or 0
    differs = health.get("declared_frames") not in (None, decoded, decoded + (health.get("empty_packets") or 0))
    holes = health.get("gaps") and not health.get("variable_rate")
    if differs or holes or any(health.get(name) for name in _DAMAGE):
        return "damaged"
    return ("unusual" if problems else "sound") if health else "unknown"


def _texts(view: VideoView) -> list[str]:
    health, rate = view.health, view.rate or _NONE
    if not health:
        return [_NONE, _NONE, rate, _NONE, _NONE, _NONE]
    declared, decoded = health.get("declared_frames"), health.get("decoded_frames")
    frames = ["not stated" if declared is None else str(declared), _NONE if decoded is None else str(decoded)]
    variable = "yes" if health.get("variable_rate") else "no"
    gaps = health.get("n_gaps")
    return [
        *frames,
        rate,
        variable,
        str(len(health.get("gaps") or ()) if gaps is None else gaps),
        f"{health.get('rotation') or 0}\N{DEGREE SIGN}",
    ]
