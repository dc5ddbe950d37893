"""The page, read as a browser's parser reads it."""

import base64
import hashlib
import json
import re
import shutil
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.report import html
from keyframe_bench.report.grid import table_rows
from keyframe_bench.report.html import render_report
from keyframe_bench.report.outputs import write_outputs
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


def rendered_page(out):
    """The page of results so few that nothing lies beside it."""
    (text,) = render_report(out).values()
    return text


def data_of(page):
    """What the script knows of the table, and of every video."""
    blocks = [e for e in page.all("script") if e.get("type") == "application/json"]
    return json.loads(blocks[0]["text"]), [json.loads(e["text"]) for e in blocks[1:]]


@pytest.fixture(scope="module")
def text(fake_out):
    return rendered_page(fake_out)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.mark.parametrize("which", ["fake_out", "wide_out"])
def test_the_page_is_well_formed_and_loads_and_runs_nothing_but_its_own(which, request):
    text = rendered_page(request.getfixturevalue(which))
    page = Page(text)
    ids = [e["id"] for e in page.elements if "id" in e]
    assert page.stack == [] and len(ids) == len(set(ids))
    for element in page.elements:
        assert element.get("href", "#").startswith("#"), element  # links lead to sections of the page
        assert not element.keys() & {"src", "xlink:href", "action", "data", "poster", "srcset"}, element
        assert not any(name.startswith("on") for name in element)
    assert not re.search(r"@import|url\(", text)
    assert set(re.findall(r"https?://[^\"\s]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    (script,) = [e for e in page.all("script") if "type" not in e]
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    policy = page.all("meta", content="'none';")[0]["content"].split("; ")
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy and "img-src data:" in policy


def test_names_are_shown_as_they_are(page):
    assert HOSTILE in [name for (name,) in data_of(page)[0]["videos"]]
    assert HOSTILE in [e["text"] for e in page.all("a")]
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
    known, videos = data_of(page)
    assert len(videos) == 3
    for video in videos:
        labels = [known["rows"][lane["row"]]["label"] for lane in video["lanes"]]
        assert labels == [row.label for row in table.rows if row.extractor != "human"]  # human has no key frames


def _lane(page, method, name=HOSTILE):
    known, videos = data_of(page)
    video = next(video for video in videos if video["name"] == name)
    number = next(i for i, row in enumerate(known["rows"]) if row["extractor"] == method)
    return video, next(lane for lane in video["lanes"] if lane["row"] == number)


def test_marks_and_pictures_lie_where_the_times_are(page, fake_out):
    cells = [json.loads(line) for line in (fake_out / "results.jsonl").read_text().splitlines()]
    own = next(c for c in cells if c["video"] == HOSTILE and c["extractor"] == "uniform")["keyframes"]
    video, lane = _lane(page, "uniform")
    assert (lane["frames"], lane["times"]) == (own["frames"], own["times"])
    assert (video["start"], video["duration"]) == (10, 30)
    centres = [left + lane["width"] / 2 for left in lane["lefts"]]
    assert len(centres) == 4 and all(b - a >= lane["width"] - 0.01 for a, b in pairwise(centres))
    assert lane["lefts"][0] >= 0 and lane["lefts"][-1] + lane["width"] <= 100.01
    alone = [abs(c - (t - 10) / 30 * 100) for c, t in zip(centres, own["times"], strict=True)]
    assert min(alone) < 1
    assert "width" not in _lane(page, "coded_frames")[1]  # many wrap instead of shrinking


def test_each_picture_is_embedded_once(page, fake_out):
    for video in data_of(page)[1]:
        used = {str(frame) for lane in video["lanes"] for frame in lane.get("frames", ())}
        there = {file.stem for file in (fake_out / video["thumbs"]).glob("*.jpg")} if video["thumbs"] else set()
        assert set(video["images"]) == used & there  # a JSON object has a name once
        for frame, data in dict(video["images"] or {}).items():
            assert base64.b64decode(data) == (fake_out / video["thumbs"] / f"{frame}.jpg").read_bytes()


def test_many_videos_are_files_of_their_own_that_hold_nothing_of_the_others(fake_out, monkeypatch):
    inside = rendered_page(fake_out)
    monkeypatch.setattr(html, "INSIDE_BYTES", 1000)
    files = render_report(fake_out)
    page = Page(files.pop("report.html"))
    known, videos = data_of(page)
    assert videos == [] and [file for _, file in known["videos"]] == list(files)
    for i, text in enumerate(files.values()):
        number, data = re.fullmatch(r"kb\((\d+),(.*)\)\n", text, re.DOTALL).groups()
        assert int(number) == i and "<" not in data
        video, embedded = json.loads(data), data_of(Page(inside))[1][i]
        assert sorted(map(str, video.pop("images"))) == sorted(embedded.pop("images"))
        assert video == embedded
    policy = page.all("meta", content="'none';")[0]["content"]
    assert "http" not in policy and "*" not in policy and "'unsafe-inline'" not in policy.partition("script-src")[2]


def test_files_of_a_former_report_are_removed(fake_out, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(fake_out, out)
    monkeypatch.setattr(html, "INSIDE_BYTES", 1000)
    (out / "report").mkdir()
    (out / "report" / "mine.txt").write_text("not of a report")
    write_outputs(out)
    before = {file.name for file in (out / "report").glob("*.js")}
    assert len(before) == 3
    lines = (out / "results.jsonl").read_text().splitlines()
    (out / "results.jsonl").write_text("".join(line + "\n" for line in lines if "no facts" not in line))
    write_outputs(out)
    after = {file.name for file in (out / "report").glob("*.js")}
    assert len(after) == 2 and not before <= after
    monkeypatch.undo()
    write_outputs(out)
    assert [file.name for file in (out / "report").iterdir()] == ["mine.txt"]


def test_the_telling_video_is_the_one_where_methods_differ_most(page, table, fake_out):
    cells = [json.loads(line) for line in (fake_out / "results.jsonl").read_text().splitlines()]
    found = {}
    for cell in cells:
        if cell["extractor"] not in ("oracle", "human", "vsumm"):  # vsumm failed on a video
            name = cell["extractor"] + json.dumps(cell["params"])
            found.setdefault(cell["video"], {})[name] = cell["metrics"]["cus_a"]
    spread = {video: statistics.stdev(values.values()) for video, values in found.items()}
    known = data_of(page)[0]
    telling = max(spread, key=spread.get)
    assert known["videos"][known["glance"]["video"]] == [telling]
    labels = [known["rows"][i]["extractor"] for i in known["glance"]["rows"]]
    assert "uniform" in labels and 2 <= len(labels) <= 3
    best = max(found[telling], key=lambda name: sum(values[name] for values in found.values()))
    here = found[telling]
    far = max(here, key=lambda name: abs(here[name] - here[best]))
    assert best.startswith(labels[0]) and far.startswith(labels[-1])
    assert f"{here[best]:.3f}" in known["glance"]["why"] and f"{here[far]:.3f}" in known["glance"]["why"]


def test_where_all_methods_are_alike_none_is_called_best(cli, rendered, tmp_path):
    (tmp_path / "films").mkdir()
    shutil.copy(rendered / "static.mp4", tmp_path / "films")
    words = ("run", "dataset=folder", f"dataset.root={tmp_path}/films", "extractors=[uniform]", "budget=2")
    assert cli(*words, f"out={tmp_path}/out")[0] == 0
    known = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "out" / "report.html").read_text())[1])
    assert len(known["glance"]["rows"]) == 2 and "best" not in known["glance"]["why"]


def test_failures_health_and_denominators_are_told(page):
    assert "Scored 3 of 4 videos; 1 skipped" in page.all("header")[0]["text"]
    videos = data_of(page)[1]
    errors = [lane["error"] for video in videos for lane in video["lanes"] if "error" in lane]
    assert errors == ["failed: ValueError: no <b>clusters</b>"]
    assert "the container declares 725 frames, 720 decode" in videos[0]["problems"]
    assert any(e["text"] == "106" for e in _inside(page, "td", id="health-table"))


def test_change_curve_shots_and_users_are_those_of_the_record(page, fake_out):
    videos = {video["name"]: video for video in data_of(page)[1]}
    record = json.loads((fake_out / "videos" / f"{'1' * 64}.json").read_text())
    shots = videos["sub/two & 'three'.mp4"]
    assert shots["change"] == record["change"] and shots["shots"] == [[10, 20], [20, 40]]
    assert shots["users"] == [["<u>1", [11.0, 25.0]]]
    assert videos["no facts.mp4"]["change"] == {"times": [], "values": []}


def test_a_long_curve_keeps_its_peak(fake_out, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(fake_out, out)
    path = out / "videos" / f"{'0' * 64}.json"
    values = [0.0] * 100_000
    values[54_321] = 7.0
    change = {"times": [i / 10 for i in range(len(values))], "values": values}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"change": change}))
    kept = data_of(Page(rendered_page(out)))[1][0]["change"]
    assert len(kept["times"]) == len(kept["values"]) < 1000
    assert kept["times"][kept["values"].index(7.0)] == 5432.1


@pytest.mark.parametrize(
    "address", ["../x.mp4", "https://x.org/x.mp4", "//x.org/x.mp4", "/x.mp4", "a b.mp4", "gone.mp4"]
)
def test_only_a_file_that_lies_there_is_a_film(fake_out, tmp_path, address):
    out = tmp_path / "here" / "out"
    shutil.copytree(fake_out, out)
    (tmp_path / "here" / "x.mp4").write_bytes(b"film")
    (out / "choices").mkdir()
    path = out / "choices" / f"{'0' * 64}.json"
    path.write_text(json.dumps({"address": address, "curves": {}, "choices": {}}))
    film = data_of(Page(rendered_page(out)))[1][0]["film"]
    assert film == ("../x.mp4" if address == "../x.mp4" else "")


def test_a_sha_that_is_not_one_reads_no_file(fake_out, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"duration_s": 5, "width": 1234, "height": 4321}')
    out = tmp_path / "a" / "out"
    (out / "videos").mkdir(parents=True)
    (out / "run.json").write_text("{}")
    cell = '{"key":"k","status":"ok","extractor":"u","video":"v","video_sha256":"../../../secret"}\n'
    (out / "results.jsonl").write_text(cell)
    assert "1234 " not in rendered_page(out)


def test_a_run_without_any_cell_still_has_a_page(tmp_path):
    with pytest.raises(UsageError, match=r"run\.json"):
        render_report(tmp_path)
    (tmp_path / "run.json").write_text('{"n_videos": 1, "skipped": [{"video": "a", "reason": "empty"}]}')
    (tmp_path / "results.jsonl").write_text("")
    page = Page(rendered_page(tmp_path))
    assert "Scored 0 of 1 video; 1 skipped: a (empty)" in page.all("header")[0]["text"]
    assert page.stack == []


@pytest.fixture(scope="module")
def wide(wide_out):
    return Page(rendered_page(wide_out))


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
    rows = table_rows(replace(wide_table, comparisons=(fact,)))
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
    page = Page(rendered_page(out))
    panels = page.all("figure", data_panel="cost") + page.all("div", data_panel="failure-cases")
    seen = [e for e in panels if "hidden" not in e]
    assert [(e["data-column"], e["data-place"]) for e in seen] == [("cus_a", "1")] * 2
    known = data_of(page)[0]
    assert known["places"][known["start"]] == ["folder", "8"]  # which the script chooses
