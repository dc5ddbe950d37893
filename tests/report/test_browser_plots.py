"""The plots in a real Chromium: what is drawn where, and what the choices of a reader change."""

import math


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
    front = page.locator("[data-panel=cost]:visible .front")
    assert front.is_visible()
    steps = page.locator("[data-panel=cost]:visible .point.on .no").all_text_contents()
    page.locator("[data-filter=method]").fill(steps[0])
    assert front.is_visible() == (len(steps) == 1)  # it has no steps of rows that are hidden
    page.locator("[data-filter=method]").fill("")
    link = page.locator('[data-panel=failure-cases]:visible a[href="#video-2"]').first
    name = link.inner_text()
    for _ in "12":  # also a second time, when the address is that of the video already
        link.click()
        page.locator("#viewer .name", has_text=name).wait_for()
        assert 0 <= page.evaluate("document.getElementById('storyboards').getBoundingClientRect().top") < 200
        page.select_option("#video", "0")
