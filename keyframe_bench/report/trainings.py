"""Tables of trainings: what was trained on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tables.paper import PaperTable
from ..training.defects import defects
from .markdown import escape


def training_provenance(table: PaperTable, run: Mapping[str, Any]) -> list[str]:
    """Return what stands for the paper's data, at which scale, and what the brackets are, as Markdown lines."""
    if table.unit == "exact":
        return ["- counted from the layer table of the code: exact, the same at every scale; nothing is trained"]
    lines = [f"- data: {escape(data_sentence(run))}; {escape(table.coverage)}"]
    videos = run.get("sources") or [(run.get("keyframes") or {}).get("video")]  # as earlier versions wrote it
    if known := ", ".join(str(video) for video in videos if video):
        lines.append(f"- key frames are of {escape(known)}")
    scale = _settings("scale " + str(run["scale"]), run.get("network")) if run.get("scale") else ""
    parts = [scale, _settings("", run.get("trainer")), _seeds(run.get("seeds")), _duration(run)]
    if known := "; ".join(part for part in parts if part):
        lines.append(f"- {escape(known)}")
    brackets = "brackets: 95 % interval of Student's t over seeds, differences and ratios paired by seed"
    lines.append(f"- {brackets} (ratios by their logarithms)")
    return lines


def data_sentence(run: Mapping[str, Any]) -> str:
    """Say what was used for each of the paper's data sets, and what of it could not be read.

    ``photos in place of Caltech 256 (100 images for training, 25 for validation; 1 unreadable: a.jpg: truncated)``.
    """
    parts = []
    for about in (run.get("data") or {}).values():
        name, paper = str(about.get("name", "")), str(about.get("paper", ""))
        used = name if about.get("itself") else f"{name} in place of {paper}"
        counts = [about.get("train"), about.get("validation")]
        told = []
        if all(isinstance(count, int) for count in counts):
            told = [f"{counts[0]} images for training, {counts[1]} for validation"]
        told += defects(about.get("facts") or {})
        parts.append(f"{used} ({'; '.join(told)})" if told else used)
    return "; ".join(parts) or "not recorded"


def _settings(name: str, params: Mapping[str, Any] | None) -> str:
    texts = [f"{key.replace('_', ' ')} {value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool)
             else f"{key.replace('_', ' ')} {value}" for key, value in (params or {}).items()]  # fmt: skip
    return ": ".join(part for part in (name, ", ".join(texts)) if part)


def _seeds(seeds: Sequence[int] | None) -> str:
    return f"seeds {', '.join(map(str, seeds))}" if seeds else ""


def _duration(run: Mapping[str, Any]) -> str:
    trained, machine = run.get("trained_s"), str(run.get("machine") or "")
    if not isinstance(trained, (int, float)):
        return machine
    where = f" on {machine}" if machine else ""
    speeds = [f"{speed:.0f}" for speed in run.get("images_per_s") or ()]
    quick = f", {' to '.join(dict.fromkeys(speeds))} training images/s" if speeds else ""
    return f"{run.get('n_trainings', 0)} trainings of {trained:.0f} s in all{where}{quick}"
