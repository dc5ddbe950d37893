"""The health of every video in one table: damaged files first, and those that gave no result with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..tables.format import one_line
from .view import VideoView

if TYPE_CHECKING:
    import pandas as pd

State = Literal["lost", "damaged", "unusual", "sound", "unknown"]
_ORDER: tuple[State, ...] = ("lost", "damaged", "unusual", "unknown", "sound")
_DAMAGE = ("decode_errors", "corrupt_frames", "truncated_tail", "missing_pts", "non_monotonic_pts")
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class HealthRow:
    """One video; ``index`` is its section on the page, None if it has none."""

    name: str
    index: int | None
    state: State
    declared: str
    decoded: str
    rate: str
    variable: str
    gaps: str
    rotation: str
    problems: tuple[str, ...]


def health_rows(
    views: Sequence[VideoView], cells: pd.DataFrame, skipped: Sequence[Mapping[str, Any]]
) -> list[HealthRow]:
    """Return a line per video: first those without any result, then damaged, unusual and sound ones, by name.

    Parameters
    ----------
    views : sequence of VideoView
    cells : pandas.DataFrame
        Of `tables.load_results`, without repetitions.
    skipped : sequence of mapping
        ``video`` and ``reason``, of ``run.json``.
    """
    reasons = {str(item.get("video", "")): one_line(item.get("reason", "")) for item in skipped}
    parts = dict(list(cells[["video", "status", "error_type", "error_message"]].groupby("video", sort=False)))
    rows = [_row(view, _lost(view, parts[view.name], reasons)) for view in views]
    seen = {view.name for view in views}
    rows += [_unread(name, reason) for name, reason in reasons.items() if name not in seen]
    return sorted(rows, key=lambda row: (_ORDER.index(row.state), row.name))


def _lost(view: VideoView, part: pd.DataFrame, reasons: Mapping[str, str]) -> list[str]:
    """Why a video with the cells ``part`` gave no result, or not all; empty if it gave all."""
    bad = part[part["status"] != "ok"]
    texts = [reasons[view.name]] if view.name in reasons else []
    if len(bad) and len(bad) == len(part) and not texts:
        first = bad.iloc[0]
        reason = ": ".join(text for text in (first["error_type"], first["error_message"]) if text)
        texts = [f"{first['status']}: {one_line(reason) or 'no reason was recorded'}"]
    elif len(bad) and len(bad) < len(part):
        texts.append(f"{len(bad)} of {len(part)} cells failed or were skipped")
    return texts


def _row(view: VideoView, lost: list[str]) -> HealthRow:
    health = view.record
    if view.n_results == 0:
        state: State = "lost"
    elif not health:
        state = "unknown"
    elif any(health.get(name) for name in _DAMAGE) or _holes(health) or _differs(health):
        state = "damaged"
    else:
        state = "unusual" if view.problems else "sound"
    return HealthRow(
        name=view.name,
        index=view.index,
        state=state,
        declared=_count(health.get("declared_frames"), "not stated" if health else _NONE),
        decoded=_count(health.get("decoded_frames"), _NONE),
        rate=view.rate or _NONE,
        variable=("yes" if health.get("variable_rate") else "no") if health else _NONE,
        gaps=str(len(health.get("gaps") or ())) if health else _NONE,
        rotation=f"{health.get('rotation') or 0}\N{DEGREE SIGN}" if health else _NONE,
        problems=(*lost, *view.problems, *(() if health else ("no health record was written",))),
    )


def _holes(health: Mapping[str, Any]) -> bool:
    """Gaps in a steady stream; where the rate varies they are how the file was made."""
    return bool(health.get("gaps")) and not health.get("variable_rate")


def _differs(health: Mapping[str, Any]) -> bool:
    decoded = health.get("decoded_frames") or 0
    return health.get("declared_frames") not in (None, decoded, decoded + (health.get("empty_packets") or 0))


def _unread(name: str, reason: str) -> HealthRow:
    return HealthRow(name, None, "lost", *(_NONE,) * 6, (f"skipped: {reason or 'no reason was recorded'}",))


def _count(value: Any, missing: str) -> str:
    return missing if value is None else str(value)
