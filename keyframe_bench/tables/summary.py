"""How many videos the numbers are about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .format import one_line

if TYPE_CHECKING:
    import pandas as pd


def coverage_sentence(results: pd.DataFrame, run: Mapping[str, Any], *, limit: int = 10) -> str:
    """Say how many videos were scored and why the others were not.

    Parameters
    ----------
    results : pandas.DataFrame
        Of `load_results`.
    run : mapping
        Of `load_run`: ``n_videos`` (all that were found) and ``skipped`` (video and reason).
    limit : int
        Names listed before "and N more".

    Returns
    -------
    str
        ``scored 48 of 50 videos; 2 skipped: a.mp4 (truncated), b.mp4 (no video stream)``.
    """
    scored = set(results.loc[results["status"] == "ok", "video"])
    skipped = {str(s.get("video", "")): one_line(s.get("reason", "")) for s in run.get("skipped") or ()}
    lost = results[~results["video"].isin(scored) & ~results["video"].isin(list(skipped))]
    failed: dict[str, str] = {}
    facts = ["status", "video", "error_type", "error_message"]
    for status, video, *why in lost[facts].itertuples(index=False):
        (skipped if status == "skipped" else failed).setdefault(str(video), one_line(": ".join(filter(None, why))))
    total = max(int(run.get("n_videos") or 0), len(scored) + len(failed) + len(skipped))
    parts = [f"scored {len(scored)} of {total} video{'s' if total != 1 else ''}"]
    parts += [_listed(what, names, limit) for what, names in (("skipped", skipped), ("failed", failed)) if names]
    open_ = total - len(scored) - len(skipped) - len(failed)
    if open_ > 0:
        parts.append(f"{open_} not run yet")
    return "; ".join(parts)


def trainings_sentence(results: pd.DataFrame) -> str:
    """Say how many trainings the numbers come from, and which failed and why: ``12 trainings; 1 failed: mix, seed 2``.

    Parameters
    ----------
    results : pandas.DataFrame
        Of `load_results`; of the kind ``training``.
    """
    runs = [json.loads(text).get("run", "") for text in results["params"]]  # key frames name the run they are of
    n = len(set(zip(runs, results["seed"], strict=True)))
    failed: dict[str, str] = {}
    facts = ["label", "seed", "error_type", "error_message"]
    for label, seed, *why in results.loc[results["status"] == "failed", facts].itertuples(index=False):
        failed.setdefault(f"{label}, seed {seed}", ": ".join(filter(None, why)))
    parts = [f"{n} training{'s' if n != 1 else ''}"]
    return "; ".join([*parts, *([_listed("failed", failed, 10)] if failed else [])])


def _listed(what: str, names: Mapping[str, str], limit: int) -> str:
    texts = [one_line(f"{name} ({reason})" if reason else name) for name, reason in list(names.items())[:limit]]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{len(names)} {what}: {', '.join(texts)}{more}"
