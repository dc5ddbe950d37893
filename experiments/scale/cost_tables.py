"""From what `cost.py` measured to core-hours, machines and disk: arithmetic and Markdown only."""

from __future__ import annotations

import math
from dataclasses import dataclass

from record import Record, markdown_table, measured_on

# What a run leaves on the disk; the second says whether it grows with the length of the video.
DISK = {
    "cells": ("cells", False),
    "results": ("`results.jsonl`, the cells again", False),
    "thumbs": ("thumbnails", False),
    "videos": ("record of the video", True),
    "features": ("features kept for the next run, where `cache_gb` has room", True),
}


@dataclass(frozen=True)
class Wish:
    """What is to be computed, and with what.

    Attributes
    ----------
    hours : float
        Of video.
    minutes : float
        Length of one video.
    cores : int
        Of a machine, one worker each.
    days : float
        In which it shall be done.
    efficiency : float
        Share of its work alone that a core does when all cores work.
    origin : str
        Where that number comes from.
    """

    hours: float
    minutes: float
    cores: int
    days: float
    efficiency: float
    origin: str


def core_hours(cpu_s: float, duration_s: float, hours: float) -> float:
    """Return the hours of one core that ``hours`` of video need, when ``duration_s`` seconds of it need ``cpu_s``."""
    return cpu_s / duration_s * hours


def machines(core_hours: float, wish: Wish) -> int:
    """Return how many machines do so many core-hours in time."""
    return math.ceil(core_hours / (24 * wish.days * wish.cores * wish.efficiency))


def render(record: Record, wish: Wish) -> str:
    """Return the tables: cost of every video, and disk."""
    parts = [_video_table(video, wish) for video in record["videos"]]
    facts = (
        f"Machines: of {wish.cores} cores with a worker on each, for {wish.hours:,.0f} hours of video in {wish.days:g} "
        f"days, at an efficiency of {wish.efficiency:.2f} ({wish.origin}). That is an extrapolation: many cores that "
        f"share a memory bus may do worse. It starts from CPU seconds; starts of workers, planning and reports come on "
        f"top. MB is the highest anonymous memory of the process: times the number of workers for a machine. "
        f"Budget {record['budget']}, sampling {record['sampling']}, medians of {record['rounds']} rounds."
    )
    if record["networks"]:
        facts += f" {', '.join(record['networks'])}: on the CPU, with random weights, which cost the same."
    return "\n\n".join([*parts, facts, _disk_table(record["videos"][0], wish), measured_on(record)])


def _video_table(video: Record, wish: Wish) -> str:
    """Return what every case costs on one video, the cheapest first."""
    head = ["on one core", "CPU s per hour", "wall s per hour", "core-hours", "machines", "MB"]
    rows = []
    for row in sorted(video["rows"], key=lambda row: row["cpu_s"]):
        wanted = core_hours(row["cpu_s"], video["duration_s"], wish.hours)
        cpu, wall = (f"{3600 * row[name] / video['duration_s']:,.1f}" for name in ("cpu_s", "wall_s"))
        memory = f"{row['peak_mb']:.0f}"
        rows.append([row["name"], cpu, wall, f"{wanted:,.0f}", f"{machines(wanted, wish):,}", memory])
    per_second = video["bytes"] / video["duration_s"]
    what = (
        f"**{video['width']} x {video['height']}**, {video['codec']}, {video['frames']} frames in "
        f"{video['duration_s']:.0f} s ({8e-6 * per_second:.1f} Mbit/s, {3.6e-6 * per_second:.2f} GB per hour); "
        f"core-hours and machines for {wish.hours:,.0f} hours:"
    )
    return f"{what}\n\n{markdown_table(head, rows)}"


def _disk_table(video: Record, wish: Wish) -> str:
    """Return what a run of all classical extractors leaves on the disk."""
    run, hours = video["run"], video["duration_s"] / 3600
    n_videos = wish.hours * 60 / wish.minutes
    rows = []
    for name, (about, grows) in DISK.items():
        size = run["disk"][name]
        total = size / hours * wish.hours if grows else size * n_videos
        per_hour = f"{size / hours / 1e6:,.1f} MB" if grows else ""
        rows.append([about, f"{size / 1000:,.0f} kB", per_hour, f"{total / 1e12:,.2f} TB"])
    head = ["on the disk", "this video", "per hour", f"{wish.hours:,.0f} hours"]
    what = (
        f"Left by a run of all classical extractors: of the first video ({run['cells']} cells, {run['files']} files), "
        f"and of videos of {wish.minutes:g} minutes: {n_videos:,.0f} videos, {n_videos * run['cells']:,.0f} cells:"
    )
    return f"{what}\n\n{markdown_table(head, rows)}"
