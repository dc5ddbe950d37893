"""The map in a real Chromium: thumbnails, previews, full size, time, lasso, labels, files; by pointer and keys."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.report import map as map_module

HOSTILE = '"><script>alert(1)<|script>.mp4'  # no file name may hold a slash
BOX = """i => {
  const [x, y, w, h] = box(i), r = map.getBoundingClientRect();
  return [r.x + x + w / 2, r.y + y + h / 2];
}"""


@pytest.fixture(scope="module")
def films(rendered, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for source, name in (("cuts.mp4", HOSTILE), ("mixed.mp4", "mixed.mp4")):
        shutil.copy(rendered / source, folder / name)
    return folder


@pytest.fixture(scope="module")
def one(films):
    return kb.map_videos([films / HOSTILE], "uniform", out=films / "one.html", budget=12, sampling="every")


@pytest.fixture(scope="module")
def two(films):
    paths = [films / HOSTILE, films / "mixed.mp4"]
    return kb.map_videos(paths, "uniform", out=films / "two.html", budget=10, sampling="every")


@pytest.fixture
def open_map(visit):
    """Open a map; whatever it complains about, or loads from elsewhere than itself and ``beside``, fails the test."""

    def open_map(found, width=1400, **options):
        page = visit(found.out.as_uri(), width, [f"{found.beside.as_uri()}/"] if found.beside else [], **options)
        until(page, "!!document.documentElement.dataset.ready")
        return page

    return open_map


def centre(page, i):
    return page.evaluate(BOX, i)


def pixels(page, x, y, width, height):
    import cv2

    shot = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)


def drawn(page):
    return pixels(page, *page.locator("#map").bounding_box().values())


def saved(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_text("utf-8")


def until(page, test):
    """Wait until an expression is true; Playwright's own way is `eval`, which the page forbids."""
    for _ in range(200):
        if page.evaluate(test):
            return
        page.wait_for_timeout(40)
    raise AssertionError(test)


def playing(page):
    page.locator("#media video.on").wait_for()
    until(page, "!document.querySelector('#media video.on').paused")
    return page.evaluate("document.querySelector('#media video.on').currentTime")


def test_thumbnails_are_drawn_where_they_lie_and_scripts_in_names_do_not_run(open_map, one):
    page = open_map(one)
    assert HOSTILE in page.locator("h1").inner_text()
    for i in (0, 11):
        x, y = centre(page, i)
        assert len(np.unique(pixels(page, x - 15, y - 10, 30, 20))) > 5
    assert page.evaluate("document.scripts.length") == 2


def test_hover_plays_the_part_of_the_video_and_says_its_time(open_map, one):
    page = open_map(one)
    i = 5
    page.mouse.move(*centre(page, i))
    assert page.locator("#hover").is_visible()
    first, last = page.evaluate("i => data.previews[i]", i)
    seen = {playing(page)}
    for _ in range(20):
        page.wait_for_timeout(60)
        seen.add(page.evaluate("document.querySelector('#media video.on').currentTime"))
    assert len(seen) > 3 and min(seen) >= first - 0.01 and max(seen) <= last + 0.1
    frame, time = page.evaluate("i => [data.frames[i], data.times[i]]", i)
    told = page.locator("#told").inner_text()
    assert f"frame {frame};" in told and f"{time:.2f}" in told
    page.mouse.move(3, 3)
    assert page.locator("#hover").is_hidden()


def test_a_click_opens_the_frame_at_full_size_and_arrows_go_on(open_map, one):
    page = open_map(one)
    page.mouse.click(*centre(page, 4))
    image = page.locator("#picture")
    image.evaluate("image => image.decode()")
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [64, 48]
    before = page.locator("#caption").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#caption").inner_text() != before
    page.keyboard.press("Escape")
    assert page.locator("#full").is_hidden()


def test_a_lasso_chooses_labels_and_saves(open_map, two):
    page = open_map(two)
    page.get_by_role("button", name="lasso").click()
    places = [centre(page, i) for i in range(20)]
    edge = [max(p[0] for p in places) + 60, max(p[1] for p in places) + 60]
    low = [min(p[0] for p in places) - 60, min(p[1] for p in places) - 60]
    middle = sorted(p[0] for p in places)[8] + 0.5
    corners = [(low[0], low[1]), (middle, low[1]), (middle, edge[1]), (low[0], edge[1])]
    box = page.locator("#map").bounding_box()
    inside = [(max(x, box["x"] + 1), min(max(y, box["y"] + 1), box["y"] + box["height"] - 1)) for x, y in corners]
    page.mouse.move(*inside[0])
    page.mouse.down()
    for x, y in inside[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    expected = {i for i, (x, _) in enumerate(places) if x <= middle}
    assert set(page.evaluate("[...chosen]")) == expected and len(expected) == 9
    page.get_by_label("label of the selected frames").fill('sitting, "left"')
    page.get_by_role("button", name="label them").click()
    told = json.loads(saved(page, "save JSON"))["frames"]
    assert {one["label"] for one in told} == {'sitting, "left"'} and len(told) == 9
    rows = list(csv.DictReader(saved(page, "save CSV").splitlines()))
    assert [(r["video"], int(r["frame"]), r["label"]) for r in rows] == [
        (one["video"], one["frame"], one["label"]) for one in told
    ]
    assert {one["video"] for one in told} <= {HOSTILE, "mixed.mp4"} and all(len(r["video_sha256"]) == 64 for r in told)


def test_the_keyboard_reaches_everything(open_map, two):
    page = open_map(two)
    reached = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    enabled = page.eval_on_selector_all(
        "main button:enabled:not([hidden]), main input, summary, #map", "all => all.map(e => e.id || e.tagName)"
    )
    assert set(enabled) <= reached and {"map", "time", "lines", "lasso", "view", "SUMMARY"} <= reached
    page.locator("#map").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "frame" in page.locator("#told").inner_text() and page.locator("#hover").is_visible()
    playing(page)
    page.keyboard.press(" ")
    assert page.evaluate("[...chosen]") == [1]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator("#full").is_visible()
    page.keyboard.press("Escape")
    for key, larger in (("+", True), ("-", False)):
        zoom = page.evaluate("view.zoom")
        page.keyboard.press(key)
        assert (page.evaluate("view.zoom") > zoom) == larger
    page.keyboard.press("0")
    page.locator("#view").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("chosen.size") == 20


def test_time_moves_the_frames_and_lines_are_off_until_asked_for(open_map, one):
    page = open_map(one)
    before = centre(page, 0), drawn(page)
    page.locator("#lines").check()
    page.wait_for_timeout(100)
    assert not np.array_equal(drawn(page), before[1])
    page.locator("#time").focus()
    page.keyboard.press("End")
    until(page, "document.documentElement.dataset.layout === '4'")
    xs = [centre(page, i)[0] for i in range(12)]
    assert centre(page, 0) != before[0] and "75 %" in page.locator("#time-is").inner_text()
    assert abs(np.corrcoef(np.argsort(np.argsort(xs)), range(12))[0, 1]) > 0.5


def test_dragging_moves_and_the_wheel_zooms_about_the_pointer(open_map, one):
    page = open_map(one)
    x, y = centre(page, 3)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(50)
    assert page.evaluate("view.zoom") > 1.5
    assert centre(page, 3) == pytest.approx([x, y], abs=1.5)
    page.mouse.down()
    page.mouse.move(x + 80, y + 30, steps=3)
    page.mouse.up()
    assert centre(page, 3) == pytest.approx([x + 80, y + 30], abs=6)
    page.get_by_role("button", name="fit").click()
    assert page.evaluate("view.zoom") == 1


def in_view(page):
    return page.evaluate("Array.from({length: n}, (_, i) => i).filter(seen)")


@pytest.mark.parametrize(("frames", "by"), [(2, "wheel"), (12, "button")])
def test_zooming_in_ends_at_frames_apart_from_each_other(open_map, one, films, frames, by):
    out = {"out": films / "far.html", "sampling": "every"}
    page = open_map(one if frames == 12 else kb.map_videos([films / HOSTILE], "uniform", budget=2, **out))
    page.mouse.move(700, 400)
    zoom = 0
    for _ in range(30):
        if by == "wheel":
            page.mouse.wheel(0, -200)
        else:
            page.get_by_role("button", name="zoom in").click()
        page.wait_for_timeout(20)
        assert in_view(page) and page.locator("#lost").is_hidden()
    near, zoom = in_view(page)[0], page.evaluate("view.zoom")
    boxes = [page.evaluate("i => box(i)", i) for i in range(frames)]
    x, y, w, h = boxes.pop(near)
    assert all(a >= x + w or a + c <= x or b >= y + h or b + d <= y for a, b, c, d in boxes)
    assert w < 500 and zoom < 200
    page.get_by_role("button", name="zoom out").click()
    assert page.evaluate("view.zoom") < zoom and in_view(page)


def test_where_no_frame_is_a_button_leads_back(open_map, one):
    page = open_map(one)
    lost = page.get_by_role("button", name="no frame here")
    for back in (
        lost.click,
        lambda: (page.locator("#map").focus(), page.keyboard.press("Tab"), page.keyboard.press("Enter")),
    ):
        assert lost.is_hidden()
        page.locator("#map").focus()
        for _ in range(40):
            page.keyboard.press("Shift+ArrowLeft")
        lost.wait_for()
        assert not in_view(page)
        back()
        lost.wait_for(state="hidden")
        assert len(in_view(page)) == 12
        assert page.evaluate("document.activeElement.id") == "map"
    for key in ("+", "-"):  # zooming leads back too
        page.evaluate("pan(9000, 0)")
        lost.wait_for()
        page.keyboard.press(key)
        lost.wait_for(state="hidden")
        page.keyboard.press("0")


def test_small_pictures_are_not_hidden_by_times_and_borders(open_map, two):
    page = open_map(two)
    border = page.evaluate("[theme.c0, theme.c1].map((one) => one.match(/\\w\\w/g).map((part) => parseInt(part, 16)))")
    count = "zoom => { let n = 0; base.fillText = () => n++; view.zoom = zoom; draw(); return n; }"
    for zoom, times, borders in ((1, 20, True), (0.4, 0, True), (0.05, 0, False)):
        assert page.evaluate(count, zoom) == times
        page.wait_for_timeout(50)
        shown = drawn(page).astype(int)
        coloured = [(np.abs(shown - colour[::-1]).max(axis=2) < 12).any() for colour in border]
        assert all(coloured) if borders else not any(coloured)


def test_two_fingers_zoom_about_what_is_between_them(open_map, one):
    page = open_map(one, has_touch=True)
    x, y = centre(page, 3)
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *points):
        points = [{"x": px, "y": py, "id": k} for k, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (x - 20, y), (x + 20, y))
    for far in (30, 45, 60):
        fingers("touchMove", (x - far, y), (x + far, y))
    fingers("touchMove", (x - 60 + 40, y + 10), (x + 60 + 40, y + 10))
    fingers("touchEnd")
    until(page, "view.zoom > 2.9 && touches.size === 0")
    assert page.evaluate("view.zoom") == pytest.approx(3, abs=0.01)
    assert centre(page, 3) == pytest.approx([x + 40, y + 10], abs=1.5)
    assert page.locator("#full").is_hidden()


@pytest.mark.slow
def test_the_moving_image_of_a_thousand_frames_lies_where_they_are_drawn(open_map, films):
    """While more than 800 thumbnails move, their last image does; it must look as what is drawn afterwards."""
    paths = [shutil.copy(films / "mixed.mp4", films / f"{k}.mp4") for k in range(24)]
    found = kb.map_videos(paths, "uniform", out=films / "many.html", budget=40, sampling="every")
    assert found.n_keyframes > 800
    page = open_map(found)
    page.evaluate("() => { window.setTimeout = () => 0; pan(30, 12); }")  # what follows the move is not drawn yet
    moving = drawn(page)
    page.evaluate("draw()")
    assert np.abs(drawn(page)[80:-80, 80:-80].astype(int) - moving[80:-80, 80:-80]).mean() < 3
    page.evaluate("() => { pan(-30, -12); draw(); zoom(1.1); }")
    moving = drawn(page)
    page.evaluate("draw()")
    after = drawn(page)
    near = np.abs(after[80:-80, 80:-80].astype(int) - moving[80:-80, 80:-80]).mean()
    assert near < np.abs(after[80:-80, 80:-80].astype(int) - np.roll(moving, 12, axis=1)[80:-80, 80:-80]).mean() / 1.5


@pytest.mark.parametrize("width", [500, 800, 1400])
def test_it_fits_the_screen_in_light_and_dark(open_map, two, width):
    for scheme in ("light", "dark"):
        page = open_map(two, width, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper = np.median(drawn(page))
        assert (paper > 128) == (scheme == "light")


def test_the_theme_is_chosen_and_kept(open_map, two):
    page = open_map(two, color_scheme="light")
    for theme, light in (("dark", False), ("light", True), ("system", True), ("dark", False)):
        page.get_by_label("theme").select_option(theme)
        page.wait_for_timeout(100)
        assert (np.median(drawn(page)) > 128) == light
    page.reload()
    until(page, "!!document.documentElement.dataset.ready")
    assert np.median(drawn(page)) < 128


def test_what_is_too_much_for_the_page_lies_beside_it_and_is_replaced(open_map, films, monkeypatch):
    monkeypatch.setattr(map_module, "INSIDE_BYTES", 1000)
    out = films / "large é.html"
    found = kb.map_videos([films / "mixed.mp4"], "uniform", out=out, budget=6)
    assert found.beside == films / "large é_files" and found.size == out.stat().st_size
    page = open_map(found)
    page.mouse.move(*centre(page, 2))
    playing(page)
    page.mouse.click(*centre(page, 2))
    page.locator("#picture").evaluate("image => image.decode()")
    page.close()
    again = kb.map_videos([films / "mixed.mp4"], "uniform", out=out, budget=3)
    assert len(list(again.beside.glob("*.jpg"))) == 3
    monkeypatch.undo()
    assert kb.map_videos([films / "mixed.mp4"], "uniform", out=out, budget=3).beside is None
    assert not found.beside.exists()


def test_times_near_zero_have_no_sign(open_map, one):
    shown = open_map(one).evaluate("[clock(-0.004, 2), clock(-0.006, 2), clock(61.5)]")
    assert shown == ["0:00.00", "-0:00.01", "1:01.5"]


@pytest.mark.parametrize("budget", [1, 2, 4, 5])
def test_few_key_frames(open_map, films, budget):
    found = kb.map_videos([films / "mixed.mp4"], "uniform", out=films / "few.html", budget=budget)
    assert len(found.layouts) == (5 if budget == 5 else 1) and found.n_keyframes == budget
    page = open_map(found)
    page.locator("#map").focus()
    page.keyboard.press("End")
    assert page.locator("#hover").is_visible()
    xs = [centre(page, i)[0] for i in range(budget)]
    edges = page.locator("#map").bounding_box()
    assert all(edges["x"] + 80 < x < edges["x"] + edges["width"] - 80 for x in xs)
    if budget < 5:
        assert xs == sorted(set(xs)) and page.locator("#time").count() == 0


def test_a_map_without_a_key_frame(open_map, tmp_path):
    found = map_module.write_map([], tmp_path / "none.html", feature="gray", seed=0)
    page = open_map(found)
    assert "0 key frames" in page.locator("h1").inner_text()
    page.locator("#map").focus()
    for key in ("End", "Enter", " ", "ArrowUp"):
        page.keyboard.press(key)
    assert page.get_by_role("button", name="save CSV").is_disabled()
