"""The page, read as a browser's parser reads it."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.report.grid import bodies
from keyframe_bench.report.html import render_report
from keyframe_bench.tables.format import shown
from keyframe_bench.tables.spec import Comparison

HOSTILE = '"><script>alert(1)</script>.mp4'
VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects elements as (tag, attributes, text inside)."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "parents": list(self.stack), **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "text": "", "parents": list(self.stack), **dict(attrs)})

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1]["tag"] == tag, f"</{tag}> closes <{self.stack[-1]['tag']}>"
        self.stack.pop()

    def handle_data(self, data):
        for element in self.stack:
            element["text"] += data

    def all(self, tag, **wanted):
        def fits(element, name, value):
            name = name.rstrip("_").replace("_", "-")
            return name in element and (value is None or value in (element[name] or "").split())

        elements = (e for e in self.elements if e["tag"] == tag)
        return [e for e in elements if all(fits(e, *one) for one in wanted.items())]


@pytest.fixture(scope="module")
def text(fake_out):
    return render_report(fake_out)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.mark.parametrize("which", ["fake_out", "wide_out"])
def test_the_page_is_well_formed_and_loads_and_runs_nothing_but_its_own(which, request):
    text = render_report(request.getfixturevalue(which))
    page = Page(text)
    ids = [e["id"] for e in page.elements if "id" in e]
    assert page.stack == [] and len(ids) == len(set(ids))
    for element in page.elements:
        assert element.get("href", "#").startswith("#"), element  # links lead to sections of the page
        assert not element.keys() & {"src", "xlink:href", "action", "data", "poster", "srcset"}, element
        assert not any(name.startswith("on") for name in element)
    assert set(re.findall(r"url\((\w+):", text)) == {"data"}
    assert not re.search(r"@import|https?://", text)
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.all("meta", content="'none';")[0]["content"]


def test_names_are_shown_as_they_are(page):
    assert HOSTILE in [e["text"] for e in page.all("span", class_="name")]
    assert not page.all("svg", onload=None)
    missing = [e["text"] for e in page.all("li")]
    assert "<svg onload=alert(2)>.mp4: no video stream" in missing
    assert "embedding_kmeans: no weights" in missing
    assert any("vsumm on sub/two & 'three'.mp4: ValueError: no <b>clusters</b>" in m for m in missing)
    assert "<w> shared feature" in missing


def test_the_table_holds_the_numbers_of_the_frame_and_marks_the_best(page, table):
    rows = [e for e in page.all("tr") if any(p.get("id") == "table" for p in e["parents"])][1:]
    assert len(rows) == len(table.frame)
    for row, (_, line) in zip(rows, table.frame.iterrows(), strict=True):
        cells = [e for e in page.all("td") if row in e["parents"]][-len(table.columns) :]
        scales = [table.frame[c.name].abs().max() for c in table.columns]
        for cell, column, scale in zip(cells, table.columns, scales, strict=True):
            assert float(cell["data-sort"]) == line[column.name]
            assert cell["text"].startswith(shown(line[column.name], scale))
    best = sum(value.best for row in table.rows for value in row.values.values())
    assert len(page.all("td", class_="best")) == best > 0


def test_every_method_has_a_lane_on_every_video(page, table):
    videos = page.all("details", class_="video")
    assert len(videos) == 3
    for video in videos:
        lanes = [e["data-lane"] for e in page.all("div", data_lane=None) if video in e["parents"]]
        assert lanes == [row.label for row in table.rows if row.extractor != "human"]  # human has no key frames


def test_marks_and_pictures_lie_where_the_times_are(page, fake_out):
    cells = [json.loads(line) for line in (fake_out / "results.jsonl").read_text().splitlines()]
    lane = page.all("div", data_lane="uniform")[0]
    video = next(p for p in lane["parents"] if p["tag"] == "details")
    name = next(e["text"] for e in page.all("span", class_="name") if video in e["parents"])
    times = next(c for c in cells if c["video"] == name and c["extractor"] == "uniform")["keyframes"]["times"]
    marks = [float(e["style"][5:-1]) for e in page.all("b") if lane in e["parents"]]
    assert marks == pytest.approx([(t - 10) / 30 * 100 for t in times], abs=1e-3)
    boxes = [e for e in page.all("div", class_="th") if lane in e["parents"]]
    sizes = [list(map(float, re.findall(r"([\d.]+)%", box["style"]))) for box in boxes]
    assert len(boxes) == 4
    assert sum(width + gap for width, gap in sizes) <= 100.01
    many = page.all("div", data_lane="coded_frames")[0]
    assert [e for e in page.all("div", class_="wrap") if many in e["parents"]]  # they wrap instead of shrinking
    missing = [e["text"] for e in page.all("div", class_="th") if "no image" in e["text"]]
    assert missing and all(re.search(r"\d:\d\d\.\d", text) for text in missing)


def test_each_picture_is_embedded_once(text, fake_out):
    defined = re.findall(r"\.(v\d+f\d+)\{background-image", text)
    used = re.findall(r'class="pic (v\d+f\d+)"', text)
    assert len(defined) == len(set(defined)) > 0
    assert set(used) == set(defined)
    assert len(used) > len(defined)


def test_failures_health_and_denominators_are_told(page, text):
    assert "scored 3 of 4 videos; 1 skipped" in page.all("header")[0]["text"]
    errors = [e["text"] for e in page.all("div", class_="error")]
    assert errors == ["failed: ValueError: no <b>clusters</b>"]
    assert "the container declares 725 frames, 720 decode" in [e["text"] for e in page.all("li")]


def test_change_curve_and_shots_are_drawn(page):
    videos = {e["text"]: e["parents"][-2] for e in page.all("span", class_="name")}
    shots = videos["sub/two & 'three'.mp4"]
    assert len([e for e in page.all("path") if shots in e["parents"]]) == 2
    assert next(e for e in page.all("line", class_="cut") if shots in e["parents"])["x1"] == "333.3"
    assert not [e for e in page.all("path") if videos["no facts.mp4"] in e["parents"]]


def test_a_sha_that_is_not_one_reads_no_file(fake_out, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"duration_s": 5, "width": 1234, "height": 4321}')
    out = tmp_path / "a" / "out"
    (out / "videos").mkdir(parents=True)
    (out / "run.json").write_text("{}")
    cell = '{"key":"k","status":"ok","extractor":"u","video":"v","video_sha256":"../../../secret"}\n'
    (out / "results.jsonl").write_text(cell)
    assert "1234" not in render_report(out)


def test_a_run_without_any_cell_still_has_a_page(tmp_path):
    with pytest.raises(UsageError, match=r"run\.json"):
        render_report(tmp_path)
    (tmp_path / "run.json").write_text('{"n_videos": 1, "skipped": [{"video": "a", "reason": "empty"}]}')
    (tmp_path / "results.jsonl").write_text("")
    page = Page(render_report(tmp_path))
    assert "scored 0 of 1 video; 1 skipped: a (empty)" in page.all("header")[0]["text"]
    assert page.stack == []


@pytest.fixture(scope="module")
def wide(wide_out):
    return Page(render_report(wide_out))


def _inside(page, tag, **parent):
    ((name, value),) = parent.items()
    return [e for e in page.all(tag) if any(p.get(name.rstrip("_")) == value for p in e["parents"])]


def test_odd_names_stay_text_in_plots_failure_cases_and_health(wide):
    health = [e["text"] for e in _inside(wide, "th", id="health-table") if e.get("scope") == "row"]
    assert HOSTILE in health
    assert "<svg onload=alert(2)>.mp4" in health
    assert any(name.startswith("\\u202egpj.exe\\u2066\\udc") for name in health)  # bytes are spelled out
    links = {e["text"] for e in wide.all("a")}
    assert HOSTILE in links
    names = [e["text"] for e in wide.all("title") if "pixel_distance" in e["text"]]
    assert any("a|b_&<i>%$#{}" in name for name in names)


def test_damaged_and_lost_videos_come_first_with_their_reason(wide):
    rows = [e for e in _inside(wide, "tr", id="health-table") if e.get("class")]
    assert [row["class"] for row in rows] == ["lost", "damaged", "damaged", "unknown"]
    assert "skipped: no video stream" in rows[0]["text"]
    ends = next(row["text"] for row in rows if "sub/two" in row["text"])
    assert "it ends at 9.00 s of 30.00 s declared" in ends
    assert "3 of 24 cells failed or were skipped" in ends
    assert "725720" in ends  # declared, decoded


def test_an_interval_stands_under_every_mean_and_its_meaning_in_the_title(wide, wide_table):
    cells = [e for e in _inside(wide, "td", id="table") if e.get("data-sort") and "title" in e]
    values = [value for row in wide_table.rows for value in row.values.values()]
    assert len(cells) == len(values)
    column = next(c for c in wide_table.columns if c.name == "cus_a")
    value = next(row.values["cus_a"] for row in wide_table.rows)
    scale = max(row.values[column.name].mean for row in wide_table.rows)
    ends = f"{shown(value.low, scale)}–{shown(value.high, scale)}"
    cell = next(c for c in cells if c["data-sort"] == repr(value.mean))
    assert cell["text"].endswith(ends)
    assert f"95 % interval of the mean {ends}" in cell["title"]
    assert "standard deviation" in cell["title"]
    if value.normalised is not None:
        assert f"normalised {value.normalised:.2f} (random 0, oracle 1)" in cell["title"]


def test_a_metric_that_separates_nothing_is_flagged_and_explained(wide, wide_table):
    lost = {s.column for s in wide_table.discriminability if not s.separates}
    assert lost  # the numbers are drawn at random
    flagged = {e["parents"][-2]["text"].split("\xa0")[0] for e in wide.all("span", class_="doubt") if "aria-label" in e}
    assert {name.replace("_", "") for name in lost} == {name.replace("_", "") for name in flagged}
    rows = _inside(wide, "tr", id="discriminability-table")[1:]
    assert len(rows) == len(wide_table.discriminability)
    doubtful = sum(not one.separates for one in wide_table.discriminability)
    assert sum(row.get("class") == "doubtful" for row in rows) == doubtful
    assert rows[0].get("class") == "doubtful"


def test_known_defects_stand_beside_the_row_and_in_the_list(wide):
    tags = wide.all("span", class_="defect")
    assert {tag["title"] for tag in tags} == {"loses the <last> frame \\u202eevil"}
    assert all("vsumm" in tag["parents"][-1]["text"] for tag in tags)
    assert [e for e in wide.all("dd") if "Known defects: loses the <last> frame" in e["text"]]


def test_a_row_that_differs_from_uniform_is_marked(wide_table):
    row = next(r for r in wide_table.rows if r.role == "method" and "cus_a" in r.values)
    uniform = next(r for r in wide_table.rows if r.extractor == "uniform" and r.budget == row.budget)
    numbers = 9, 0.2, 0.1, 0.3, 0.004, 0.02, 1.0
    fact = Comparison("cus_a", row.group, row.label, uniform.group, "uniform", *numbers, "better")
    (_, rows), _ = bodies(replace(wide_table, comparisons=(fact,)))
    at = [column.name for column in wide_table.columns].index("cus_a")
    cells = {one.group: found[at] for one, found in rows}
    marked = cells[row.group]
    assert (marked.mark, marked.verdict) == ("▲", "better than uniform")
    assert "difference 0.200 (0.100–0.300), Wilcoxon p 0.004, Holm 0.020, effect 1.00, 9 videos" in marked.title
    assert cells[uniform.group].mark == ""


def test_the_first_choice_is_one_that_has_something_to_show(wide_out, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text((wide_out / "run.json").read_text())
    cells = [json.loads(line) for line in (wide_out / "results.jsonl").read_text().splitlines()]
    for cell in cells:
        if cell["budget"] == "4":  # as of a data set without annotation
            cell["metrics"].pop("cus_a", None)
    (out / "results.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    page = Page(render_report(out))
    panels = page.all("figure", data_panel="cost") + page.all("div", data_panel="failure-cases")
    seen = [e for e in panels if "hidden" not in e]
    assert [(e["data-column"], e["data-place"]) for e in seen] == [("cus_a", "1")] * 2
    assert [e["value"] for e in page.all("option") if "selected" in e] == ["1"]
