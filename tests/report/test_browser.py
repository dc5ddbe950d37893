"""The page in a real Chromium: it opens alone, filters, sorts, saves and fits screens."""

import csv
import io
import json
import re

import pytest

HOSTILE = '"><script>alert(1)</script>.mp4'


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


def test_a_filter_that_nothing_fits_says_so_everywhere(open_page):
    page = open_page()
    assert page.locator("#table th[data-setting=budget]:visible").count() == 0  # one is seen, and chosen above
    page.locator("[data-filter=method]").fill("no such method")
    for place in ("#table", "#viewer"):
        assert "No row fits" in page.locator(place).inner_text()
    assert page.locator("[data-panel]:visible").count() == 0
    assert page.locator("[data-kind] .empty:visible").count() == page.locator("div[data-kind]").count() > 2
    page.locator("[data-filter=method]").fill("")
    page.select_option("[data-filter=budget]", "")
    assert page.locator("#table th[data-setting=budget]:visible").count() == 1


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
    notes = [line for line in tex.splitlines() if line.startswith("%")]
    assert notes and all("vsumm" in line for line in notes if "random" in line)
    assert len(re.findall(r"^vsumm.* \\\\$", tex, re.M)) == 3 and "uniform &" not in tex
    assert not re.search(r"\\midrule\n\\(midrule|bottomrule)", tex)
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 1


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
    assert contrast() < -120
    assert page.locator(".choose:visible, nav:visible").count() == 0
    assert page.locator("svg.plot:visible").count() == 2
    page.emulate_media(media="screen")
    page.select_option("#theme", "")
    page.emulate_media(media="print", color_scheme="dark")
    assert contrast() < -120
