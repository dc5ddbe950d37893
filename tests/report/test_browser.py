"""The page in a real Chromium: it opens alone, filters, sorts, compares, enlarges, plays, saves and fits screens."""

import csv
import io
import json
import math
import re
import shutil

import pytest

from keyframe_bench.report import html
from keyframe_bench.report.html import render_report

HOSTILE = '"><script>alert(1)</script>.mp4'


def written(out):
    for name, text in render_report(out).items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    return (out / "report.html").as_uri()


@pytest.fixture(scope="module")
def address(wide_out):
    return written(wide_out)


@pytest.fixture(scope="module")
def beside_address(wide_out, tmp_path_factory):
    """The same results, as of so many videos that their data lie beside the page."""
    out = tmp_path_factory.mktemp("beside") / "out"
    shutil.copytree(wide_out, out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "INSIDE_BYTES", 0)
        return written(out)


@pytest.fixture(scope="module")
def run_address(rendered, tmp_path_factory):
    """A real run of two budgets; one film is gone when its report is written."""
    from keyframe_bench.cli.main import main

    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(rendered, folder / "films")
    shutil.move(folder / "films" / "cuts.mp4", folder / "films" / "cuts #1 <b>.mp4")
    words = ["dataset=folder", f"dataset.root={folder}/films", "extractors=[pixel_distance,vsumm]", "budget=[2,free]"]
    assert main(["run", *words, f"out={folder}/out"]) == 0
    (folder / "films" / "static.mp4").unlink()
    return written(folder / "out")


@pytest.fixture
def open_page(browser, address):
    """Open a page anew; whatever it complains about, or loads from elsewhere than its folder, fails the test."""
    complaints, asked, contexts, own = [], [], [], []

    def open_page(width=1400, of=address, more=(), **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **options)
        contexts.append(context)
        own.extend([of, *more])
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(of)
        if options.get("java_script_enabled", True):
            page.locator("#viewer .timeline").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    elsewhere = {url.split("#")[0] for url in asked if not url.startswith(("data:", "blob:", *own))}
    assert elsewhere == set()


def _column(page, index, role=""):
    return page.eval_on_selector_all(
        "#table tbody tr[data-row]",
        "(rows, [i, role]) => rows.filter(r => r.className.includes(role)).map(r => r.cells[i].dataset.sort)",
        [index, role],
    )


def _shown(page, name):
    """What the rows of the table that are seen say of a setting."""
    return page.eval_on_selector_all(
        "#table tbody tr[data-row]", "(rows, name) => rows.map(r => page.rows[r.dataset.row][name])", name
    )


def _saved(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_text("utf-8")


def test_it_opens_alone_and_scripts_in_names_do_not_run(open_page):
    page = open_page()
    assert page.locator("#video option").all_inner_texts()[0] == HOSTILE
    page.select_option("#video", label=HOSTILE)
    assert page.locator("#viewer .name").inner_text() == HOSTILE
    assert "<u>1 (annotation)" in page.locator("#viewer .truth").first.inner_text()
    assert page.evaluate("document.scripts.length") == 5  # of the page, of three videos, and what runs
    assert page.locator("nav a").count() >= 7
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    assert page.locator("#telling .th").first.bounding_box()["y"] < 700
    ticks = page.locator("#viewer .axis i")  # 30 s from 10 s on
    assert ticks.all_inner_texts() == ["0:10", "0:15", "0:20", "0:25", "0:30", "0:35"]
    lefts = [float(re.search(r"left:([\d.]+)%", tick.get_attribute("style"))[1]) for tick in ticks.all()]
    assert lefts == pytest.approx([i * 100 / 6 for i in range(6)], abs=1e-2)


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


def test_one_budget_is_seen_at_a_time_and_filters_and_groups_work(open_page, wide_table):
    page = open_page()
    rows = wide_table.rows
    n_at_4 = sum(row.budget in ("4", "") for row in rows)
    assert set(_shown(page, "budget")) <= {"4", ""} and len(_shown(page, "budget")) == n_at_4
    lanes = page.locator("#viewer [data-lane]").count()
    page.select_option("[data-filter=budget]", "")
    assert len(_shown(page, "budget")) == len(rows)
    assert page.locator("#viewer [data-lane]").count() > lanes
    heads = [text for text in page.locator("#table tr.group").all_inner_texts() if text.strip()]
    assert [head.split()[-1] for head in heads] == ["4", "8", "12"]
    page.select_option("#group", "method")
    names = [row.extractor for row in rows]
    assert _shown(page, "extractor") == sorted(names, key=list(dict.fromkeys(names)).index)
    page.select_option("[data-filter=sampling]", "every")
    assert set(_shown(page, "extractor")) == {"coded_frames"}
    page.select_option("[data-filter=sampling]", "")
    page.locator("[data-filter=method]").fill("unif vsu")
    assert set(_shown(page, "extractor")) == {"uniform", "vsumm"}
    assert page.locator("#count").inner_text() == f"6 of {len(rows)} rows"
    assert page.locator("svg.plot:visible .point:visible").count() == 2
    page.select_option("#group", "")
    assert page.locator("#table tr.group").count() == 0


def test_a_click_on_a_heading_sorts_what_is_seen_and_ceilings_stay_below(open_page):
    page = open_page()
    before = _column(page, 0)
    ceilings = set(_column(page, 0, "ceiling"))
    head = page.locator("#table th", has_text="total_s")
    index = head.evaluate("h => h.cellIndex")
    for act, order in (
        (lambda button: button.click(), "ascending"),
        (lambda button: button.press("Enter"), "descending"),
    ):
        act(head.locator("button"))
        numbers = [float(text) for role in ("control", "method") for text in _column(page, index, role) if text]
        seen = [float(text) for text in _column(page, index)[: len(numbers)]]
        assert head.get_attribute("aria-sort") == order
        assert seen == sorted(numbers, reverse=order == "descending")
        assert _column(page, 0) != before and sorted(_column(page, 0)) == sorted(before)
    assert set(_column(page, 0)[-len(ceilings) :]) == ceilings
    page.locator("#table th", has_text="method").locator("button").click()
    names = [name.lower() for name in _column(page, 0)[: -len(ceilings)]]
    assert names == sorted(names)


def test_the_downloads_are_the_rows_that_are_seen(open_page, wide_table):
    page = open_page()
    page.select_option("[data-filter=budget]", "")
    whole = _saved(page, "Download CSV")
    assert sorted(whole.splitlines()) == sorted(wide_table.to_csv().splitlines())
    page.locator("[data-filter=method]").fill("vsumm")
    head = page.locator("#table th", has_text="total_s")
    head.locator("button").click()
    lines = list(csv.DictReader(io.StringIO(_saved(page, "Download CSV"))))
    assert {line["extractor"] for line in lines} == {"vsumm"} and len(lines) == 3
    index = head.evaluate("h => h.cellIndex")
    assert [line["total_s"] for line in lines] == _column(page, index)
    tex = _saved(page, "Download LaTeX")
    assert len(re.findall(r"^vsumm.* \\\\$", tex, re.M)) == 3 and "uniform &" not in tex
    assert not re.search(r"\\midrule\n\\(midrule|bottomrule)", tex)
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 1


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


def test_a_click_enlarges_a_frame_and_keys_go_on(open_page, run_address):
    page = open_page(of=run_address)
    page.select_option("#video", label="mixed.mp4")
    lane = page.locator("#viewer [data-lane=pixel_distance]")
    lane.locator(".th").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert page.evaluate("document.querySelector('#frame img').naturalWidth") > 0
    first = dialog.inner_text()
    assert "key frame 1 of 2" in first and "stands for" in first and "the k-1 largest differences" in first
    page.keyboard.press("ArrowRight")
    second = dialog.inner_text()
    assert "key frame 2 of 2" in second and "s after the key frame before" in second
    assert re.search(r"score\s+[\d.]+, number \d+ of 8 sampled frames", second)  # 4 s at 2 a second
    page.keyboard.press("ArrowRight")
    assert dialog.inner_text() == second  # it is the last
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert page.locator("#frame-name").inner_text() == "uniform, mixed.mp4"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert lane.locator(".th").first.evaluate("b => b === document.activeElement")


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
    assert "does not lie" in page.locator("#no-film").inner_text()


def test_two_methods_side_by_side_with_their_scores_and_thresholds(open_page, run_address):
    page = open_page(of=run_address)
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


def test_the_cost_plot_has_a_point_per_row_where_its_numbers_are(open_page, wide_table):
    page = open_page()
    rows = [row for row in wide_table.rows if row.budget == "4" and "cus_a" in row.values]
    plot = page.locator('[data-panel=cost][data-column=cus_a][data-place="0"]')
    assert plot.is_visible()
    assert plot.locator(".point").count() == sum(row.role != "ceiling" for row in rows)
    assert plot.locator(".level").count() == sum(row.role == "ceiling" for row in rows)
    assert plot.locator(".point .ends").count() == plot.locator(".point").count()
    xs = {}
    for row in rows:
        if row.role == "control":
            point = plot.locator(".point", has_text=f"{row.label}: cus_a")
            assert point.locator("text").text_content() == row.label
            box = point.locator("rect").evaluate("r => [r.x.baseVal.value, r.y.baseVal.value]")
            xs[row.label] = (*box, math.log10(row.values["total_s"].mean), row.values["cus_a"].mean)
    a, b = xs["random"], xs["uniform"]
    assert (a[0] < b[0]) == (a[2] < b[2])
    assert (a[1] > b[1]) == (a[3] < b[3])  # y grows downwards


def test_names_in_the_plots_do_not_cover_one_another(open_page):
    for width in (800, 1400):
        page = open_page(width)
        for plot in page.locator("svg.plot:visible").all():
            boxes = plot.locator("text.no").evaluate_all(
                "all => all.map(t => t.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
            )
            assert len(boxes) >= 6
            for i, a in enumerate(boxes):
                for b in boxes[:i]:
                    across = min(a[2], b[2]) - max(a[0], b[0])
                    down = min(a[3], b[3]) - max(a[1], b[1])
                    assert across <= 1 or down <= 4, (width, a, b)  # line boxes are higher than letters


def test_the_selects_switch_metric_and_budget_everywhere_and_each_row_is_a_line(open_page, wide_table):
    page = open_page()
    for column, place in (("shot_recall", "12"), ("cus_a", "8")):
        page.select_option("#choose-column", column)
        page.select_option("[data-filter=budget]", place)
        for kind in ("cost", "budget", "failure-cases"):
            seen = page.locator(f"[data-panel={kind}]:visible")
            assert seen.count() == 1
            assert seen.get_attribute("data-column") == column
            assert kind == "budget" or f"budget {place}" in seen.inner_text()
    assert page.locator(".empty:visible").count() == 0
    plot = page.locator("[data-panel=budget]:visible")
    page.select_option("[data-filter=budget]", "")
    rows = [row for row in wide_table.rows if "cus_a" in row.values]
    assert plot.locator(".series").count() == len({row.label for row in rows})
    assert plot.locator(".series circle").count() == len(rows)
    assert plot.locator(".band").count() == 1
    dash = plot.locator(".series.ceiling .run").first.evaluate("p => getComputedStyle(p).strokeDasharray")
    assert dash != "none"


def test_pointing_at_a_row_marks_it_in_both_plots_and_a_failure_case_leads_to_its_video(open_page):
    page = open_page()
    page.locator(".point:visible", has_text="uniform").locator("text").hover()
    assert page.locator("svg.plot:visible .hot").count() == 2
    page.locator("h1").hover()
    assert page.locator(".hot").count() == 0
    link = page.locator('[data-panel=failure-cases]:visible a[href="#video-2"]').first
    name = link.inner_text()
    for _ in "12":  # also a second time, when the address is that of the video already
        link.click()
        page.locator("#viewer .name", has_text=name).wait_for()
        assert 0 <= page.evaluate("document.getElementById('storyboards').getBoundingClientRect().top") < 200
        page.select_option("#video", "0")


def test_the_keyboard_reaches_every_control(open_page):
    page = open_page()
    page.evaluate("document.body.focus()")
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const e = document.activeElement;
              return e.id || e.dataset.filter ||
                (e.closest("#viewer, #telling, nav, thead")?.tagName ?? "") + e.tagName;
            }"""
        )
        reached.add(place)
        if place == "choose-column":
            break
    wanted = {"budget", "sampling", "method", "theme", "group", "csv", "tex", "previous", "video", "next"}
    wanted |= {"compare-a", "compare-b", "choose-column", "NAVA", "THEADBUTTON", "DIVBUTTON"}
    assert wanted <= reached


@pytest.mark.parametrize("width", [400, 800, 1400])
@pytest.mark.parametrize("script", [True, False])
def test_nothing_is_wider_than_the_screen(open_page, width, script):
    page = open_page(width, java_script_enabled=script)
    for more in page.locator("details > summary:visible").all():
        more.click()
    client = page.context.new_cdp_session(page)
    assert client.send("Page.getLayoutMetrics")["cssContentSize"]["width"] <= width
    if script:  # what is cut off says so
        for box in page.locator(".scroll:visible").all():
            cut, hint = box.evaluate(
                "b => [b.scrollWidth > b.clientWidth + 1, b.previousElementSibling?.className === 'hint']"
            )
            assert cut == hint


def test_thumbnails_keep_their_time_line_at_800_pixels(open_page):
    page = open_page(800)
    boxes = page.locator("#telling .lane.control .th").evaluate_all("all => all.map(b => b.getBoundingClientRect().x)")
    marks = page.locator("#telling .lane.control .bar b").evaluate_all(
        "all => all.map(b => b.getBoundingClientRect().x)"
    )
    assert len(boxes) == len(marks) == 4 and boxes == sorted(boxes)
    assert page.locator("#telling .lane.control .links:visible").count() == 1
    assert max(abs(a - b) for a, b in zip(boxes, marks, strict=True)) < 400


def test_without_script_tables_and_plots_are_there_and_no_dead_control(open_page, wide_table):
    page = open_page(java_script_enabled=False)
    assert page.locator("#table tbody tr:visible").count() == len(wide_table.rows)
    for kind in ("cost", "budget", "failure-cases"):
        assert page.locator(f"[data-panel={kind}]:visible").count() == 1
    assert page.locator("select:visible, button:visible:not(thead button), input:visible").count() == 0
    assert page.locator("#health-table tbody tr:visible").count() == 4
    assert "JavaScript" in page.locator("noscript").first.inner_text()


def _lightness(page, selector, what):
    colour = page.evaluate("([s, w]) => getComputedStyle(document.querySelector(s))[w]", [selector, what])
    return sum(json.loads("[" + re.sub(r"[^\d,.]", "", colour) + "]")[:3]) / 3


def test_the_theme_follows_the_system_or_the_reader_and_print_is_light(open_page):
    page = open_page(color_scheme="dark")

    def contrast():
        return _lightness(page, ".point .no", "fill") - _lightness(page, ".plots", "backgroundColor")

    assert contrast() > 120
    page.select_option("#theme", "light")
    assert contrast() < -120
    page.reload()
    assert contrast() < -120  # it is remembered
    page.select_option("#theme", "dark")
    assert contrast() > 120
    page.emulate_media(media="print")
    assert page.locator(".choose:visible, nav:visible").count() == 0
    assert page.locator("svg.plot:visible").count() == 2
    page.emulate_media(media="screen")
    page.select_option("#theme", "")
    page.emulate_media(media="print", color_scheme="dark")
    assert contrast() < -120
