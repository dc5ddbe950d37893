"""How fast a map of many key frames opens and answers in a Chromium without a window, printed.

Renders a film, maps every second frame of it, and opens the page: time from the navigation to the first paint, and
until every thumbnail is drawn; from a move of the pointer to the next image with the card of the frame under it, and
until its preview is shown; one drawing of the whole map, and of what is left of it after zooming in::

    python experiments/speed/map.py --frames 5000
    python experiments/speed/map.py --page MAP.html     # of a map that there is
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keyframe_bench as kb
from keyframe_bench.rendering.films import render_video

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOVERS = 40
# A frame in view, and where it is. What is shown after an event is on the screen at the frame after the next.
PLACE = """k => {
  const r = map.getBoundingClientRect(), shown = Array.from({length: n}, (_, i) => i).filter(seen);
  const i = shown[(k * 997) % shown.length], [x, y] = place(i);
  return [r.x + x, r.y + y];
}"""
LISTEN = """() => {
  window.answers = []; window.previews = [];
  map.addEventListener("pointermove", (event) => {
    if (document.getElementById("hover").hidden) return;
    const began = event.timeStamp, turn = playing;
    requestAnimationFrame(() => requestAnimationFrame((now) => answers.push(now - began)));
    const look = () => {
      if (turn !== playing) return;
      if (document.querySelector("#media video.on")) previews.push(performance.now() - began);
      else setTimeout(look, 2);
    };
    look();
  });
}"""
DRAW = """() => Array.from({length: 10}, () => {
  const began = performance.now();
  draw();
  base.getImageData(0, 0, 1, 1);  // until it is drawn
  return performance.now() - began;
})"""
MOVE = DRAW.replace("draw();", "pan(k % 2 ? 9 : -9, 4);").replace("() => {", "(_, k) => {")


def made(folder: Path, frames: int) -> Path:
    """Return the page of a map of so many key frames of a rendered film."""
    film = folder / "film.mp4"
    render_video(film, "mixed", 0, height=90, width=160, fps=25, duration_s=2 * frames / 25)
    began = time.perf_counter()
    found = kb.map_videos([film], "uniform", out=folder / "map.html", budget=frames, sampling="every")
    beside = "in the page" if found.beside is None else "beside it"
    print(f"map of {found.n_keyframes} key frames: {time.perf_counter() - began:.0f} s, {found.size / 1e6:.1f} MB")
    print(f"full-size frames and previews: {beside}")
    return found.out


def measured(browser: Any, page: Path) -> dict[str, list[float]]:
    """Return milliseconds by what they were measured of."""
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.goto(page.as_uri())
    while not tab.evaluate("document.documentElement.dataset.ready"):
        tab.wait_for_timeout(20)
    found = {
        "first paint": [tab.evaluate("performance.getEntriesByType('paint')[0].startTime")],
        "all thumbnails drawn": [float(tab.evaluate("document.documentElement.dataset.ready"))],
        "drawing, whole map": tab.evaluate(DRAW),
        "moving, whole map": tab.evaluate(MOVE),
    }
    tab.evaluate(LISTEN)
    for k in range(HOVERS):
        tab.mouse.move(*tab.evaluate(PLACE, k))
        tab.wait_for_timeout(300)
    found |= {"hover, card": tab.evaluate("answers"), "hover, preview": tab.evaluate("previews")}
    tab.evaluate("zoom(8)")
    found["drawing, zoomed in"] = tab.evaluate(DRAW)
    tab.close()
    return found


def main() -> None:
    """Print medians, and the worst, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page = (asked.page or made(Path(scratch), asked.frames)).absolute()
        arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        rounds = [measured(browser, page) for _ in range(asked.rounds)]
        for name in rounds[0]:
            values = [value for one in rounds for value in one[name]]
            print(f"{name:22} median {statistics.median(values):7.1f} ms, worst {max(values):7.1f} ms, n={len(values)}")
        browser.close()


if __name__ == "__main__":
    main()
