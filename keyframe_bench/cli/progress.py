"""Progress: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..core.files import one_line

if TYPE_CHECKING:
    from ..bench.workers import VideoReport
    from ..training.session import EpochReport
    from ..training.session import Progress as Reached

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
        left = f", {_duration((now - self._started) * (1 - share) / done)} left" if done > 0 else ""
        say(f"{text}{left}")


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min" if minutes else "less than a minute"


@contextmanager
def _bar() -> Iterator[Callable[[float | None, str], None] | None]:
    """Yield what shows the share that is done (None: unknown) and a text on the terminal; None where there is none."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as p:
        task = p.add_task("")
        yield lambda share, text: p.update(
            task, completed=share or 0, total=None if share is None else 1, description=escape(one_line(text))
        )


@contextmanager
def video_progress(video: str) -> Iterator[Callable[[float], None] | None]:
    """Show the time reached in the video of this name while it is decoded; on a terminal only."""
    with _bar() as show:
        yield show and (lambda seconds: show(None, f"{video}: {seconds:.0f} s decoded"))


@contextmanager
def share_progress() -> Iterator[Callable[[float, str], None]]:
    """Show the share that is done, 0 to 1, and a text."""
    with _bar() as bar:
        yield bar or MinuteLines()


@contextmanager
def run_progress() -> Iterator[VideoReport]:
    """Show how many videos are done."""
    with share_progress() as show:

        def report(done: int, total: int, video: str, reached: float | None) -> None:
            now = "" if reached is None else f"; {video}, {reached:.0f} s decoded"
            show(done / total, f"{done} of {total} videos done{now}")

        yield report


@contextmanager
def training_progress() -> Iterator[EpochReport]:
    """Show epoch and losses."""
    with share_progress() as show:
        yield epoch_report(show)


def epoch_report(show: Callable[[float, str], None]) -> EpochReport:
    """Return what tells ``show`` the share of the training that is done, with epoch and losses."""

    def report(reached: Reached) -> None:
        done = (reached.epoch - 1 + reached.step / reached.steps) / reached.epochs
        best = "" if reached.best is None else f", best validation {reached.best:.4f}"
        show(done, f"epoch {reached.epoch} of {reached.epochs}, training loss {reached.train_loss:.4f}{best}")

    return report
