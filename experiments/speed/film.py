"""A film to measure speed on: clips of a folder cut together, as one H.264 file of any size and length.

python experiments/speed/film.py CLIPS film480p.mp4 --height 480 --width 854 --frames 3000
python experiments/speed/film.py CLIPS film1080p.mp4 --height 1080 --width 1920 --frames 1000
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keyframe_bench.core.errors import KeyframeBenchError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.video.compose import FPS, draw_edit, make_edit, read_material
from keyframe_bench.video.encode import write_h264


def main() -> None:
    """Compose the film and print what it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", help="folder of videos")
    parser.add_argument("film", type=Path)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    material = []
    for item in Dataset.registry.build("folder", {"root": given.clips}).videos():
        try:
            material.append(read_material(item.id, item.path))
        except KeyframeBenchError as error:
            print(f"left out: {error}")
    edit = make_edit([clip.n_frames for clip in material], given.frames, rng_for(given.seed, "film"))
    write_h264(given.film, draw_edit(edit, material, height=given.height, width=given.width), FPS)
    print(f"{given.film}: {given.frames} frames of {given.width} x {given.height}, {len(edit)} shots")


if __name__ == "__main__":
    try:
        main()
    except KeyframeBenchError as error:
        sys.exit(f"film.py: error: {error}")
