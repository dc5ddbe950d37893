"""Progress on a terminal; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..bench.workers import Report


@contextmanager
def video_progress(video: str) -> Iterator[Callable[[float], None] | None]:
    """Show the time reached in one video while it is decoded."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("")
        name = escape(Path(video).name)
        yield lambda seconds: bar.update(task, description=f"{name}: {seconds:.0f} s decoded")


@contextmanager
def run_progress() -> Iterator[Report | None]:
    """Show how many videos are done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("videos", total=None)

        def report(done: int, total: int, video: str, reached: float) -> None:
            bar.update(task, completed=done, total=total, description=f"{escape(video)} {reached:.0f} s")

        yield report
