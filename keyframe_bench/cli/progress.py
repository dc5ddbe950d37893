"""Progress: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..bench.workers import Report
from ..core.files import one_line

LINE_EVERY_S = 60.0


def say(text: str) -> None:
    """Tell on standard error what is being done."""
    print(f"keyframe-bench: {one_line(text)}", file=sys.stderr, flush=True)


class MinuteLines:
    """Prints to stderr how far a long work is, a line a minute: for logs of what runs on no terminal."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self._begun = self._last = math.inf

    def __call__(self, share: float, text: str) -> None:
        """Print ``text`` if the time for it has come, with the time left by the ``share`` that is done (0 to 1)."""
        now = time.monotonic()
        if share < self._last:  # another work: some of it may have been done by an earlier process
            self._started, self._begun = now, share
        self._last = share
        if now - self._told < LINE_EVERY_S:
            return
        self._told = now
        done = share - self._begun
        about = f", about {_duration((now - self._started) * (1 - share) / done)} left" if done > 0 else ""
        say(f"{text}{about}")


def _reached(video: str, seconds: float | None) -> str:
    return "" if seconds is None else f"; {video}, {seconds:.0f} s decoded"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min" if rest else "less than a minute"


@contextmanager
def video_progress(video: str) -> Iterator[Callable[[float], None] | None]:
    """Show the time reached in the video of this name while it is decoded."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("")
        name = escape(one_line(video))
        yield lambda seconds: bar.update(task, description=f"{name}: {seconds:.0f} s decoded")


@contextmanager
def run_progress() -> Iterator[Report | None]:
    """Show how many videos are done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        tell = MinuteLines()
        yield lambda done, total, video, reached: tell(
            done / total, f"{done} of {total} videos done{_reached(video, reached)}"
        )
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("videos", total=None)

        def report(done: int, total: int, video: str, reached: float | None) -> None:
            text = escape(one_line(video)) + ("" if reached is None else f" {reached:.0f} s")
            bar.update(task, completed=done, total=total, description=text)

        yield report
