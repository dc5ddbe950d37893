"""The page in a real Chromium: it opens alone, sorts, switches, shows its images and fits every screen."""

import json
import math

import pytest

from keyframe_bench.report.html import render_report


@pytest.fixture(scope="module")
def address(wide_out):
    file = wide_out / "page.html"
    file.write_text(render_report(wide_out), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Open the page anew; whatever it complains about or asks for fails the test."""
    complaints, asked, contexts = [], [], []

    def open_page(width=1400, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} == {address}


def _column(page, index, body="ranked"):
    sort_keys = "(rows, i) => rows.map(r => r.cells[i].dataset.sort)"
    return page.eval_on_selector_all(f"#table tbody.{body} tr", sort_keys, index)


def test_it_opens_alone_scripts_in_names_do_not_run_and_details_open_and_close(open_page):
    page = open_page()
    assert '"><script>alert(1)</script>.mp4' in page.locator("details.video .name").all_inner_texts()
    assert page.locator("#table tbody tr").count() == 24
    state = "all => all.map(d => d.open)"
    assert page.eval_on_selector_all("details.video", state) == [True, False, False]
    page.locator("details.video > summary").nth(1).click()
    assert page.eval_on_selector_all("details.video", state) == [True, True, False]
    assert page.locator("details.video").nth(1).locator(".lane").first.is_visible()
    page.get_by_role("button", name="close all").click()
    assert page.eval_on_selector_all("details.video", state) == [False] * 3


def test_a_click_on_a_heading_sorts_and_ceilings_stay_apart(open_page):
    page = open_page()
    before = _column(page, 0)
    ceilings = set(_column(page, 0, "ceilings"))
    head = page.locator("#table th", has_text="total_s")
    index = head.evaluate("h => h.cellIndex")
    for act, order in (
        (lambda button: button.click(), "ascending"),
        (lambda button: button.press("Enter"), "descending"),
    ):
        act(head.locator("button"))
        numbers = [float(text) for text in _column(page, index) if text]
        assert head.get_attribute("aria-sort") == order
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert _column(page, 0) != before and sorted(_column(page, 0)) == sorted(before)
    assert set(_column(page, 0, "ceilings")) == ceilings
    page.locator("#table th", has_text="method").locator("button").click()
    assert [name.lower() for name in _column(page, 0)] == sorted(name.lower() for name in before)


def test_every_picture_on_screen_is_painted(open_page):
    page = open_page()
    page.get_by_role("button", name="open all").click()
    found = page.evaluate(
        """async () => {
          const seen = {painted: 0, blank: 0, broken: []};
          for (const pic of document.querySelectorAll("details.video[open] .pic")) {
            const box = pic.getBoundingClientRect(), url = getComputedStyle(pic).backgroundImage;
            if (pic.classList.contains("none")) { seen.blank += 1; continue; }
            const image = new Image();
            image.src = url.slice(5, -2);
            await image.decode().catch(() => {});
            if (image.naturalWidth > 0 && image.naturalHeight > 0 && box.width > 8 && box.height > 8) seen.painted += 1;
            else seen.broken.push(pic.className);
          }
          return seen;
        }"""
    )
    assert found["broken"] == []
    assert found["painted"] > 50
    assert found["blank"] > 0  # frames without an image are boxes that say so


def test_the_cost_plot_has_a_point_per_row_where_its_numbers_are(open_page, wide_table):
    page = open_page()
    rows = [row for row in wide_table.rows if row.budget == "4" and "cus_a" in row.values]
    plot = page.locator('[data-panel=cost][data-column=cus_a][data-place="0"]')
    assert plot.is_visible()
    assert plot.locator(".point").count() == sum(row.role != "ceiling" for row in rows)
    assert plot.locator(".level").count() == sum(row.role == "ceiling" for row in rows)
    assert plot.locator(".point .ends").count() == plot.locator(".point").count()
    number = page.locator(".legend li", has_text="uniform").get_attribute("data-n")
    xs = {}
    for row in rows:
        if row.role == "control":
            point = plot.locator(".point", has_text=f"{row.label}: cus_a")
            box = point.locator("rect").evaluate("r => [r.x.baseVal.value, r.y.baseVal.value]")
            xs[row.label] = (*box, math.log10(row.values["total_s"].mean), row.values["cus_a"].mean)
    a, b = xs["random"], xs["uniform"]
    assert (a[0] < b[0]) == (a[2] < b[2])
    assert (a[1] > b[1]) == (a[3] < b[3])  # y grows downwards
    assert plot.locator(f'.point[data-n="{number}"] title').text_content().startswith("uniform: cus_a")


def test_numbers_in_the_plots_do_not_cover_one_another(open_page):
    for width in (400, 1400):
        page = open_page(width)
        for plot in page.locator("svg.plot:visible").all():
            boxes = plot.locator("text.no").evaluate_all(
                "all => all.map(t => t.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
            )
            assert len(boxes) >= 8
            for i, a in enumerate(boxes):
                for b in boxes[:i]:
                    across = min(a[2], b[2]) - max(a[0], b[0])
                    down = min(a[3], b[3]) - max(a[1], b[1])
                    assert across <= 1 or down <= 4, (width, a, b)  # line boxes are higher than digits


def test_the_selects_switch_metric_and_budget_everywhere_and_each_row_is_a_line(open_page, wide_table):
    page = open_page()
    for column, place in (("shot_recall", "2"), ("cus_a", "1")):
        page.select_option("#choose-column", column)
        page.select_option("#choose-place", place)
        for kind in ("cost", "budget", "failure-cases"):
            seen = page.locator(f"[data-panel={kind}]:visible")
            assert seen.count() == 1
            assert seen.get_attribute("data-column") == column
            assert place in seen.get_attribute("data-place").split()
    assert page.locator(".empty:visible").count() == 0
    plot = page.locator("[data-panel=budget]:visible")
    rows = [row for row in wide_table.rows if "cus_a" in row.values]
    assert plot.locator(".series").count() == len({row.label for row in rows})
    assert plot.locator(".series circle").count() == len(rows)
    assert plot.locator(".band").count() == 1
    dash = plot.locator(".series.ceiling .run").first.evaluate("p => getComputedStyle(p).strokeDasharray")
    assert dash != "none"


def test_the_legend_marks_a_row_in_both_plots_and_a_failure_case_leads_to_its_section(open_page):
    page = open_page()
    page.locator(".legend li").nth(2).hover()
    assert page.locator("svg.plot:visible .hot").count() == 2
    page.locator("h1").hover()
    assert page.locator(".hot").count() == 0
    link = page.locator('[data-panel=failure-cases]:visible a[href="#video-2"]').first
    link.click()
    page.wait_for_function("document.getElementById('video-2').open")
    assert page.evaluate("document.getElementById('video-2').getBoundingClientRect().top") < 800


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("script", [True, False])
def test_nothing_is_wider_than_the_screen(open_page, width, script):
    page = open_page(width, java_script_enabled=script)
    if script:
        page.get_by_role("button", name="open all").click()
    for more in page.locator("details.video[open] details.more > summary").all():
        more.click()
    client = page.context.new_cdp_session(page)
    assert client.send("Page.getLayoutMetrics")["cssContentSize"]["width"] <= width


def test_without_script_everything_is_there_and_no_dead_control(open_page, wide_table):
    page = open_page(java_script_enabled=False)
    assert page.locator("#table tbody tr:visible").count() == len(wide_table.rows)
    for kind in ("cost", "budget", "failure-cases"):
        assert page.locator(f"[data-panel={kind}]:visible").count() == 1
    assert page.locator("select:visible, .tools button:visible").count() == 0
    assert page.locator("#health-table tbody tr:visible").count() == 4
    assert page.locator("details.video[open] .pic:visible").count() > 0
    page.locator("details.video > summary").nth(1).click()
    assert page.locator("details.video").nth(1).locator(".lane").first.is_visible()


def test_dark_mode_and_print_keep_the_plots_readable(open_page):
    page = open_page(color_scheme="dark")
    ink, card = page.evaluate(
        """() => [getComputedStyle(document.querySelector(".point .no")).fill,
                  getComputedStyle(document.querySelector(".plots")).backgroundColor]"""
    )
    light = [sum(json.loads("[" + colour[4:-1] + "]")) / 3 for colour in (ink, card)]
    assert light[0] - light[1] > 120
    page.emulate_media(media="print")
    assert page.locator(".choose:visible").count() == 0
    assert page.locator("svg.plot:visible").count() == 2
