"""The site builds without a warning, and what is found by the registry is in its reference."""

from __future__ import annotations

import ast
import csv
import functools
import html
import json
import os
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import keyframe_bench as kb
from keyframe_bench.report.markdown import leaderboard_markdown
from keyframe_bench.tables.leaderboard import Leaderboard, Section, Standing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


def test_generated_tables_and_figures_are_in_the_site(site):
    assert "pixel_distance" in (site / "results.html").read_text("utf-8")
    for paper in ("chen2021", "platform_ai"):
        page = (site / "experiments" / paper / "index.html").read_text("utf-8")
        figures = re.findall(r'src="([^":]+\.png)"', page)
        assert figures and all((site / "experiments" / paper / name).is_file() for name in figures)
    assert not [path for path in site.rglob("*") if path.suffix in {".py", ".yaml", ".jsonl"}]


def test_notebooks_are_pages_with_their_outputs_and_links(site):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        assert 'src="data:image/' in page and ".ipynb" not in page
    assert 'href="notebooks/01_quickstart.html"' in (site / "index.html").read_text("utf-8")


@pytest.mark.parametrize("kind", ["Dataset", "Extractor", "Feature", "Metric", "Loss"])
def test_everything_registered_is_in_the_reference(site, kind):
    text = "".join(path.read_text("utf-8") for path in (site / "reference").rglob("*.html"))
    registry = getattr(kb, kind).registry
    classes = [registry.get(name) for name in registry.names()]
    own = [f"{cls.__module__}.{cls.__qualname__}" for cls in classes if cls.__module__.startswith("keyframe_bench.")]
    assert own
    assert [name for name in own if f'id="{name}"' not in text] == []


def test_every_extractor_has_a_page_that_the_gallery_links(site):
    gallery = (site / "reference" / "extractors.html").read_text("utf-8")
    for name in kb.Extractor.registry.names():
        assert f'href="extractors/{name}.html"' in gallery
        page = (site / "reference" / "extractors" / f"{name}.html").read_text("utf-8")
        pictures = re.findall(r'src="(\d+\.jpg)"', page)
        assert all((site / "reference" / "extractors" / picture).is_file() for picture in pictures)
        method = kb.Extractor.registry.build(name)
        learns, text = hasattr(method, "fit"), re.sub("<[^>]+>", "", page)
        ready = (method.unavailable() or method.must_download()) is None
        assert bool(pictures) == (ready or learns or method.file_parameter == "scores"), name
        assert pictures or "Not drawn here: " in page
        assert (f"keyframe-bench train extractor={name} " in text) == learns
        # The training of which it is drawn, where nothing comes with the package.
        assert (f"keyframe-bench train extractor={name} dataset=synthetic " in text) == (learns and not ready), name
        assert "no feature of the frames" not in text or name in {"uniform", "random", "scored_frames", "oracle"}, name


def test_choices_on_the_pages_have_the_defaults_of_the_methods(site):
    found = 0
    for name in kb.Extractor.registry.names():
        method = kb.Extractor.registry.build(name)
        page = (site / "reference" / "extractors" / f"{name}.html").read_text("utf-8")
        text = html.unescape(re.sub("<[^>]+>", "", page))
        for parameter, default in method.params.items():
            told = re.search(rf"\s{parameter}\s*\(\s*\([^)]*\),\s*default:\s*('.*?'|\".*?\")\s*\)", text)
            assert told is None or ast.literal_eval(told[1]) == default, (name, parameter)
            found += told is not None
    assert found > 20


def test_the_page_of_an_extractor_shows_its_picks_and_score(site):
    page = (site / "reference" / "extractors" / "pixel_distance.html").read_text("utf-8")
    found = kb.extract(kb.demo_video(), "pixel_distance", budget=6)
    own = re.findall(r'src="(\d+)\.jpg"', page)[:6]
    assert [int(ordinal) for ordinal in own] == found.frames.tolist()
    (points,) = re.findall(r'class="score" points="([^"]+)"', page)
    scores = [-float(point.partition(",")[2]) for point in points.split()]
    assert len(scores) == len(found.keyframes.frame_scores)
    assert max(range(len(scores)), key=scores.__getitem__) == found.keyframes.frame_scores.argmax()
    assert f">{found.keyframes.frame_scores.max():.3g}</text>" in page  # the scale of the curve
    assert "ms (<a" in page  # what it costs, of the leaderboard


@pytest.mark.parametrize("width", [1400, 800])
@pytest.mark.parametrize("page", ["extractors", "extractors/autoencoder", "extractors/katna"])
def test_pages_of_extractors_fit_the_screen(site, browser, width, page):
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto((site / "reference" / f"{page}.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    broken = "images => images.filter(image => image.complete && !image.naturalWidth).length"
    assert tab.locator(".strip img").evaluate_all(broken) == 0
    tab.close()


def test_every_decision_is_listed():
    index = (ROOT / "docs" / "decisions" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"\]\((.+?)\.md\)", index))
    assert listed == {path.stem for path in ROOT.glob("docs/decisions/*.md")} - {"index"}


HOSTILE = "<script>alert(1)</script>"


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each."""

    def log_message(self, *_):
        pass


@pytest.fixture
def leaderboard_page(site, visit):
    """The leaderboard in a browser, with a section whose methods have hostile names; complaints fail the test."""
    markdown = pytest.importorskip("markdown")
    rows = [
        Standing(f"{HOSTILE} {i}", "method", (HOSTILE,), (), beaten, beaten, beaten, 0.0, 0.0, 0.0, cost, {})
        for i, (beaten, cost) in enumerate([(0.09, None), (0.1, 2.0), (0.5, 10.0)])
    ]
    more = markdown.markdown(
        leaderboard_markdown(Leaderboard((), (Section((), tuple(rows)),), (HOSTILE,))), extensions=["tables"]
    )
    page = (site / "leaderboard.html").read_text("utf-8")
    (site / "hostile.html").write_text(
        page.replace('<script src="leaderboard.js"', f'{more}<script src="leaderboard.js"')
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    yield visit(f"{address}hostile.html", beside=[address])
    server.shutdown()


def cells(table, column):
    return [cell.strip() for cell in table.locator(f"tbody td:nth-child({column})").all_inner_texts()]


def test_the_leaderboard_sorts_by_click_and_keyboard(leaderboard_page):
    table = leaderboard_page.locator("article table").first
    head, before = table.locator("th").nth(1), cells(table, 2)
    numbers = [int(cell.split("\xa0")[0]) for cell in before]
    assert len(before) > 5 and numbers == sorted(numbers)
    mark = "button => getComputedStyle(button, '::after').content.trim()"
    neutral = head.get_by_role("button").evaluate(mark)
    head.click(position={"x": 3, "y": 3})  # far from the words
    assert head.get_attribute("aria-sort") == "ascending"
    assert len({neutral, head.get_by_role("button").evaluate(mark), "none"}) == 3
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [int(cell.split("\xa0")[0]) for cell in cells(table, 2)] == numbers[::-1]
    name = table.locator("th").first
    leaderboard_page.keyboard.press("Shift+Tab")
    assert name.get_by_role("button").evaluate("button => button === document.activeElement")
    leaderboard_page.keyboard.press("Enter")
    assert name.get_attribute("aria-sort") == "ascending" and head.get_attribute("aria-sort") is None
    assert cells(table, 1) == sorted(cells(table, 1), key=str.casefold)


def test_hostile_names_stay_text_and_empty_cells_come_last(leaderboard_page):
    table = leaderboard_page.locator("article table", has_text=HOSTILE)
    assert all(cell.startswith(HOSTILE) for cell in cells(table, 1)) and len(cells(table, 1)) == 3
    button = table.locator("th").nth(3).get_by_role("button")
    for expected in (["2.00", "10.00", ""], ["10.00", "2.00", ""]):
        button.click()
        assert cells(table, 4) == expected


@pytest.mark.parametrize("width", [1400, 800])
def test_the_leaderboard_fits_the_screen(leaderboard_page, width):
    leaderboard_page.set_viewport_size({"width": width, "height": 900})
    assert leaderboard_page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_leaderboard_can_be_downloaded(site):
    page = (site / "leaderboard.html").read_text("utf-8")
    data = json.loads((site / "leaderboard.json").read_text("utf-8"))
    assert 'href="leaderboard.json"' in page and 'href="leaderboard.csv"' in page
    with open(site / "leaderboard.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(len(section["rows"]) for section in data["sections"]) > 20
    assert all(source in page for board in data["boards"] for source in board["sources"])
