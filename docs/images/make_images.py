"""Make the images of README and docs: a storyboard, a report and a map, of rendered videos. Usage: ``make images``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from keyframe_bench.cli.main import main

HERE = Path(__file__).parent
OUT = Path("outputs/images")
MAPPED = ("000-cuts", "001-dissolves", "007-mixed")
METHODS = "extractors=[pixel_distance,spectral,vsumm]"


def make() -> None:
    """Run the commands and photograph the pages in Chromium."""
    videos = OUT / "videos"
    commands = (
        ["run", "dataset=synthetic", f"dataset.root={videos}", METHODS, "budget=6", f"out={OUT}/run"],
        ["map", *(f"{videos}/{name}.mp4" for name in MAPPED), "extractor=uniform", "budget=40", f"out={OUT}/map.html"],
        ["extract", f"{videos}/000-cuts.mp4", "extractor=pixel_distance", "budget=5", f"out={OUT}/story"],
    )
    for command in commands:
        if main(command):
            sys.exit(1)
    shutil.copyfile(OUT / "story" / "storyboard.jpg", HERE / "storyboard.jpg")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page(
            viewport={"width": 1320, "height": 720}
        )
        page.goto((OUT / "run" / "report.html").resolve().as_uri())
        page.locator("#viewer .timeline").wait_for()
        page.screenshot(path=HERE / "report.jpg", type="jpeg", quality=80)
        page.set_viewport_size({"width": 1320, "height": 1400})  # else the navigation lies over it
        page.select_option("#video", "0")
        page.locator("#viewer .name", has_text="000").wait_for()
        page.locator("#viewer").screenshot(path=HERE / "timeline.jpg", type="jpeg", quality=80)
        page.set_viewport_size({"width": 1320, "height": 720})
        page.goto((OUT / "map.html").resolve().as_uri())
        page.locator("#lines").check()
        page.locator("#map").press("Home")
        page.wait_for_timeout(1000)  # until its preview plays
        page.screenshot(path=HERE / "map.jpg", type="jpeg", quality=80)


if __name__ == "__main__":
    make()
