"""Storyboards in a real Chromium: every picture is painted; a frame is enlarged, its segment plays, methods compare."""

import re
import shutil

import cv2
import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.report import html

HOSTILE = '"><script>alert(1)</script>.mp4'


@pytest.fixture(scope="module")
def beside_address(wide_out, written, tmp_path_factory):
    """The same results, as of so many videos that their data lie beside the page."""
    out = tmp_path_factory.mktemp("beside") / "out"
    shutil.copytree(wide_out, out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "INSIDE_BYTES", 0)
        return written(out)


@pytest.fixture(scope="module")
def run_address(rendered, written, tmp_path_factory):
    """A real run of two budgets; one film is gone when its report is written."""
    from keyframe_bench.cli.main import main

    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(rendered, folder / "films")
    shutil.move(folder / "films" / "cuts.mp4", folder / "films" / "cuts #1 <b>.mp4")
    words = ["dataset=folder", f"dataset.root={folder}/films", "extractors=[pixel_distance,vsumm]", "budget=[2,free]"]
    assert main(["run", *words, f"out={folder}/out"]) == 0
    (folder / "films" / "static.mp4").unlink()
    return written(folder / "out")


def _all_painted(page):
    found = page.evaluate(
        """async () => {
          const seen = {painted: 0, blank: document.querySelectorAll(".pic.none").length, broken: []};
          for (const pic of document.querySelectorAll("img.pic")) {
            await pic.decode().catch(() => {});
            const box = pic.getBoundingClientRect();
            if (pic.naturalWidth > 0 && box.width > 8 && box.height > 8) seen.painted += 1;
            else seen.broken.push(pic.src.slice(0, 80));
          }
          return seen;
        }"""
    )
    assert found["broken"] == []
    assert found["painted"] > 20
    assert found["blank"] > 0  # frames without an image are boxes that say so


def test_every_picture_on_screen_is_painted(open_page):
    page = open_page()
    page.select_option("[data-filter=budget]", "")
    page.select_option("#video", label=HOSTILE)
    _all_painted(page)


def test_many_videos_lie_beside_and_load_when_they_are_opened(open_page, beside_address):
    folder = beside_address.rpartition("/")[0]
    page = open_page(of=beside_address, more=(f"{folder}/report/", f"{folder}/thumbs/"))
    assert page.evaluate("document.querySelectorAll('head script').length") == 1  # one video is seen
    for name in page.locator("#video option").all_inner_texts():
        page.select_option("#video", label=name)
        page.locator("#viewer .name", has_text=name).wait_for()
        assert page.locator("#viewer .name").inner_text() == name
    assert page.evaluate("document.querySelectorAll('head script').length") == 3
    page.select_option("#video", label=HOSTILE)
    page.locator("#viewer img.pic").first.wait_for()
    _all_painted(page)


def _film_stands(page, width, time):
    """Wait until the film shows the moment in place of the small picture."""
    for _ in range(100):
        seen = page.evaluate("[film.hidden, document.querySelector('#frame img').hidden, film.videoWidth]")
        if seen == [False, True, width]:
            break
        page.wait_for_timeout(50)
    assert seen == [False, True, width]
    assert page.evaluate("film.currentTime") == pytest.approx(time, abs=0.01) and page.evaluate("film.paused")


@pytest.mark.parametrize("method", ["pixel_distance", "vsumm"])
def test_what_is_said_of_a_frame_is_what_explain_says(open_page, run_address, method):
    films = run_address.rpartition("/out/")[0] + "/films/"
    page = open_page(of=run_address, more=(films,))
    page.select_option("#video", label="mixed.mp4")
    for thumb in page.locator(f"#viewer [data-lane={method}] .th").all():
        thumb.click()
        facts = dict(zip(*[page.locator(f"#frame {tag}").all_inner_texts() for tag in ("dt", "dd")], strict=True))
        frame = page.evaluate("at.lane.frames[at.k]")
        found = kb.explain(films.removeprefix("file://") + "mixed.mp4", method, frame=frame, budget=2)
        assert found.chosen
        if found.score is None:
            assert "score" not in facts and "chosen by" in facts
        else:
            score, place = facts["score"].split(", number ")
            assert float(score) == pytest.approx(found.score, rel=1e-3)
            assert place.split()[:3] == [str(found.rank), "of", str(found.n_sampled)]
            assert facts["why"] == found.why
        page.keyboard.press("Escape")


def test_a_click_enlarges_a_frame_and_keys_go_on(open_page, run_address):
    films = run_address.rpartition("/out/")[0] + "/films/"
    page = open_page(of=run_address, more=(films,))
    page.select_option("#video", label="mixed.mp4")
    lane = page.locator("#viewer [data-lane=pixel_distance]")
    lane.locator(".th").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert page.evaluate("document.querySelector('#frame img').naturalWidth") > 0
    first = dialog.inner_text()
    assert "At budget " in page.evaluate("page.glance.why")
    assert "that was enough" not in first  # it opens the video, whatever it scores
    assert "key frame 1 of 2" in first and "stands for" in first and "the k-1 largest differences" in first
    page.keyboard.press("ArrowRight")
    second = dialog.inner_text()
    assert "key frame 2 of 2" in second and "s after the key frame before" in second
    assert re.search(r"score\s+[\d.]+, number \d+ of 8 sampled frames", second)  # 4 s at 2 a second
    _film_stands(page, 64, page.evaluate("at.lane.times[at.k]"))
    page.keyboard.press("ArrowRight")
    assert dialog.inner_text() == second  # it is the last
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert page.locator("#frame-name").inner_text() == "uniform, mixed.mp4"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert lane.locator(".th").first.evaluate("b => b === document.activeElement")


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_of_a_film_that_begins_late_the_key_frame_itself_is_shown(open_page, late_film, cli, tmp_path, suffix):
    film = late_film(tmp_path / "films" / f"late{suffix}")
    words = ["dataset=folder", f"dataset.root={film.parent}", "extractors=[uniform]", "budget=3", "sampling=every"]
    assert cli("run", *words, f"out={tmp_path}/out")[0] == 0
    page = open_page(of=(tmp_path / "out" / "report.html").as_uri(), more=(f"{film.parent.as_uri()}/",))
    page.locator("#viewer [data-lane=uniform] .th").first.click()
    for ordinal, time in zip(*page.evaluate("[at.lane.frames, at.lane.times]"), strict=True):
        _film_stands(page, 64, time)
        coded = np.frombuffer(page.locator("#frame video").screenshot(), np.uint8)
        grey = np.median(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        assert grey == pytest.approx(10 * ordinal, abs=5)
        page.keyboard.press("ArrowRight")


def test_its_segment_plays_where_the_film_lies_and_else_it_says_so(open_page, run_address):
    films = run_address.rpartition("/out/")[0] + "/films/"
    page = open_page(of=run_address, more=(films,))
    page.select_option("#video", label="cuts #1 <b>.mp4")
    page.locator("#viewer [data-lane=pixel_distance] .th").nth(1).click()
    start, end = page.evaluate("part(at)")
    page.get_by_role("button", name="play its segment").click()
    for _ in range(100):  # Playwright's own waiting is `eval`, which the page forbids
        now = page.evaluate("[film.currentTime, film.paused, film.videoWidth]")
        if now[0] > start and now[1]:
            break
        page.wait_for_timeout(50)
    assert end <= now[0] < end + 0.6 and now[2] == 64  # it ends with the segment
    page.keyboard.press("Escape")
    page.select_option("#video", label="static.mp4")
    page.locator("#viewer .th").first.click()
    assert not page.get_by_role("button", name="play its segment").is_visible()
    assert "no longer there" in page.locator("#no-film").inner_text()
    assert page.locator("#frame .stage img").bounding_box()["width"] <= 480


def test_two_methods_side_by_side_with_their_scores_and_thresholds(open_page, run_address):
    page = open_page(of=run_address, more=(run_address.rpartition("/out/")[0] + "/films/",))
    page.select_option("#video", label="mixed.mp4")
    options = page.locator("#compare-a option").all_inner_texts()
    pair = [
        next(o for o in options if o.startswith(start)) for start in ("pixel_distance, budget free", "vsumm, budget 2")
    ]
    page.select_option("#compare-a", label=pair[0])
    page.select_option("#compare-b", label=pair[1])
    lanes = page.locator("#viewer [data-lane]")
    assert [lane.get_attribute("data-lane") for lane in lanes.all()] == ["pixel_distance", "vsumm"]
    assert page.locator("#viewer .axis").count() == 1
    curve = page.locator("#viewer .curve.own")
    assert curve.count() == 1 and "its threshold" in curve.inner_text()
    assert len(curve.locator(".path").get_attribute("d").split("L")) == 8
    assert curve.locator(".limit").count() == 1
    assert curve.locator(".at").count() == lanes.first.locator(".th").count()
    assert "no score curve" in lanes.nth(1).inner_text()
    lanes.first.locator(".th").last.click()
    told = page.locator("dialog").inner_text()
    assert "the threshold is" in told and "largest differences" not in told  # that is its rule for k key frames


def test_thumbnails_keep_their_time_line_at_800_pixels(open_page):
    page = open_page(800)
    boxes = page.locator("#telling [data-lane=uniform] .th").evaluate_all(
        "all => all.map(b => b.getBoundingClientRect().x)"
    )
    marks = page.locator("#telling [data-lane=uniform] .bar b").evaluate_all(
        "all => all.map(b => b.getBoundingClientRect().x)"
    )
    assert len(boxes) == len(marks) == 4 and boxes == sorted(boxes)
    assert page.locator("#telling [data-lane=uniform] .links:visible").count() == 1
    assert max(abs(a - b) for a, b in zip(boxes, marks, strict=True)) < 400
