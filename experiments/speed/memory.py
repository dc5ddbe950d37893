"""Anonymous memory of ``keyframe-bench`` on long videos: does it grow with the length?

Renders H.264 files of the given lengths into a temporary folder, runs every extractor without a network on each in a
process of its own, and reads that process's RssAnon (what the system cannot drop) while it runs::

    python experiments/speed/memory.py --minutes 3 30
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from keyframe_bench.core.feature import opens_file
from keyframe_bench.core.processes import Finished, run_watched
from keyframe_bench.datasets._annotations import write_annotations
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.rendering.films import render_video

BOUND_MB = 400
_STARTED = "import sys; from keyframe_bench.cli.main import main; sys.exit(main(sys.argv[1:]))"


def measured(arguments: list[str], log: Path) -> Finished:
    """Run ``keyframe-bench`` with ``arguments`` and watch its memory until it ends."""
    with log.open("wb") as output:
        return run_watched([sys.executable, "-c", _STARTED, *arguments], output=output)


def classical() -> list[str]:
    """Names of the extractors that need no network and no training and are not third-party tools."""
    built = [Extractor.registry.build(name) for name in Extractor.registry.names()]
    needs = {method.name: method.needs for method in built if method.unavailable() is None}
    return [name for name, found in needs.items() if not opens_file(found) and not any(f.elsewhere for f in found)]


def run_on(video: Path, folder: Path) -> dict[str, Finished]:
    """Return the usage of ``run`` with all classical extractors and of two single extractions on ``video``."""
    commands = {
        "run, all": [
            *("run", "dataset=folder", f"dataset.root={video.parent}", f"extractors=[{','.join(classical())}]"),
            *("budget=10", "executor=serial", "cache_gb=0", f"out={folder / 'run'}"),
        ],
        "extract ffmpeg_thumbnail": _extract(video, folder, "ffmpeg_thumbnail", "every"),
        "extract vsumm": _extract(video, folder, "vsumm", "every"),
    }
    usages = {}
    for what, arguments in commands.items():
        usages[what] = measured(arguments, folder / "log.txt")
        if usages[what].status:
            raise SystemExit(f"keyframe-bench {what} failed:\n{(folder / 'log.txt').read_text('utf-8')}")
    return usages


def _extract(video: Path, folder: Path, name: str, sampling: str) -> list[str]:
    return ["extract", str(video), f"extractor={name}", "budget=10", f"sampling={sampling}", f"out={folder / name}"]


def main() -> None:
    """Print one line for each length and command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 30])
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=320)
    given = parser.parse_args()
    print(f"{'minutes':>8} {'frames':>7} {'command':28} {'RssAnon MB':>10} {'RssShmem MB':>11} {'seconds':>8}")
    highest = 0.0
    for minutes in given.minutes:
        with tempfile.TemporaryDirectory() as name:
            video = Path(name) / "videos" / "long.mp4"
            size = {"height": given.height, "width": given.width}
            truth = render_video(video, "mixed", seed=0, duration_s=60 * minutes, **size)
            write_annotations(video.parent / "annotations.json", {video.name: truth})
            frames = round(60 * minutes * 25)
            for what, usage in run_on(video, Path(name)).items():
                highest = max(highest, usage.peak_mb)
                memory = f"{usage.peak_mb:>10.0f} {usage.shared_mb:>11.0f}"
                print(f"{minutes:>8g} {frames:>7} {what:28} {memory} {usage.wall_s:>8.1f}", flush=True)
    print(f"highest {highest:.0f} MB: {'within' if highest < BOUND_MB else 'ABOVE'} the bound of {BOUND_MB} MB")
    sys.exit(highest >= BOUND_MB)


if __name__ == "__main__":
    main()
