"""Names and texts of strangers, which a grammar, a shell, a page, a terminal or FFmpeg could misread."""

import html
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.core.files import one_line, visible
from keyframe_bench.report.latex import escape as latex
from keyframe_bench.report.markdown import escape as markdown
from keyframe_bench.video.container import open_container
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.packets import scan_packets

NAMES = [
    b'it\'s "quoted".mp4', b"two  spaces.mp4", b"a=b.mp4", b"budget=3.mp4", b"a,b.mp4", b"f(x).mp4", b"[1].mp4",
    b"{a:1}.mp4", b"<script>alert(1)<!--.mp4", b"&amp;.mp4", b"${x}.mp4", b"$(touch x).mp4", b"back\\slash.mp4",
    b"-dash.mp4", b"--plugin.mp4", b"caf\xe9.mp4", "caf\u00e9 \U0001f3ac.mp4".encode(), b"line\nbreak.mp4",
    b"\x1b[31mred.mp4", b"[bold]x[bold].mp4", b"time 12:30.mp4", b"http:x.mp4", b"100%d.mp4", b"*?.mp4", b"~.mp4",
    b"#1.mp4", b" .mp4", "rtl\u202e.mp4".encode(), b"csi\x9b31m.mp4", "line\u2028separator.mp4".encode(),
]  # fmt: skip
FOLDERS = [b"d=1, (x) '${y}' \"z\" \\ <b>\xe9", b"-d"]
STEERING = [
    "\x1b[31m", "\x07", "\x08", "\x7f", "\x9b31m", "\x85", "\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f",
    "\u061c", "\u2028", "\u2029", "\ufeff",
]  # fmt: skip
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Tags(HTMLParser):
    """Which elements a page has, and the text outside script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._skip = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._skip = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        if not self._skip:
            self.text.append(data)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("name", NAMES)
def test_extract(cli, video, here, name):
    """Given as it is, relative, after ``--`` and into the default folder as the first argument."""
    word, out = os.fsdecode(name), here / os.fsdecode(name[:-4] + b"_pixel_distance")
    status, text, err = cli("extract", "--", word)
    assert (status, text) == (2, "") and err.count("\n") == 1 and "no such file" in err
    assert not FORBIDDEN.search(err)
    shutil.copy(video, name)
    for words in (["extract", word, "budget=2"], ["extract", "budget=2", f"out={out}", "--", word]):
        status, text, err = cli(*words)
        assert (status, err) == (0, "") and not FORBIDDEN.search(text)
        record = json.loads((out / "keyframes.json").read_text(encoding="utf-8"))
        assert len(record["frames"]) == 2 and record["video"].encode()  # can be stored anywhere
        shutil.rmtree(out)


def test_bytes_from_a_real_shell(command, video, here):
    for name in (b"caf\xe9.mp4", b"-dash.mp4"):
        shutil.copy(video, name)
        words = ("extract", name, "budget=1", b"out=out of " + name)
        done = command(*words, env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert (done.returncode, done.stderr) == (0, b"")
        assert (here / os.fsdecode(b"out of " + name) / "keyframes.json").exists()


def test_run(cli, video, here, cells):
    """Data set, output, table and report with every name at once."""
    root = FOLDERS[0]
    Path(os.fsdecode(root)).mkdir()
    for name in NAMES:
        shutil.copy(video, root + b"/" + name)
    where, out = os.fsdecode(root), here / os.fsdecode(b"out " + root)
    words = ["run", "dataset=folder", f"dataset.root={where}", "extractors=[uniform]", "budget=2", f"out={out}"]
    status, text, err = cli(*words)
    assert (status, err) == (0, "")
    assert f"scored {len(NAMES)} of {len(NAMES)} videos" in text and "\x1b" not in text
    assert len({record["video"] for record in cells(out).values()}) == len(NAMES)
    page = Tags((out / "report.html").read_text(encoding="utf-8"))
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert sum("type" not in attributes for attributes in scripts) == 1  # what runs; the others are data
    assert {attributes.get("type", "") for attributes in scripts} == {"", "application/json"}
    assert not any("src" in attributes for attributes in scripts)
    assert any("<script>alert(1)<!--.mp4" in text for text in page.text)
    assert any("<b>\\xe9" in text for text in page.text)  # the command, in which the folder is named
    assert html.escape("<script>alert(1)<!--.mp4") in (out / "report.html").read_text(encoding="utf-8")
    assert cli(*words)[1].splitlines()[-1].startswith("0 of")


@pytest.mark.parametrize("folder_name", FOLDERS)
def test_sweep(cli, video, here, folder_name, cells):
    Path(os.fsdecode(folder_name)).mkdir()
    shutil.copy(video, folder_name + b"/${x}, 'y'.mp4")
    out = here / os.fsdecode(b"out " + folder_name)
    words = [f"dataset.root={os.fsdecode(folder_name)}", "extractors=[uniform]", "budget=1,2", f"out={out}"]
    status, _, err = cli("run", "-m", "dataset=folder", *words)
    assert (status, err) == (0, "")
    assert {r["budget"] for r in cells(out).values()} == {"1", "2"}
    assert {p.name for p in here.iterdir()} == {os.fsdecode(folder_name), out.name}


def test_paths_and_patterns_are_taken_as_typed(cli, folder, here, annotate, cells):
    root = here / "a=b, (c) ${d}"
    shutil.copytree(folder, root)
    annotate(root)
    shutil.move(root / "annotations.json", here / "users=2, ${x}.json")
    shutil.copy(folder / "cuts.mp4", root / "f(x), ${y}.mp4")
    words = ["run", "dataset=folder", f"dataset.root={root}", "extractors=[uniform]", "budget=1"]
    status, _, err = cli(*words, f"dataset.annotations={here}/users=2, ${{x}}.json", "out=result")
    assert (status, err) == (0, "")
    assert {"human", "uniform", "random"} == {r["extractor"] for r in cells(here / "result").values()}
    for pattern, expected in (("f(*", {"f(x), ${y}.mp4"}), ("[cs]*", {"cuts.mp4", "static.mp4"})):
        assert cli(*words, f"dataset.pattern={pattern}", f"out=o{len(expected)}")[0] == 0
        assert {r["video"] for r in cells(here / f"o{len(expected)}").values()} == expected


@pytest.mark.parametrize("name", [b"w=1, (x) ${y} 'z'.safetensors", b"-w.safetensors", b"caf\xe9.safetensors"])
def test_weights_are_a_path_as_typed(cli, video, here, name):
    """The message shows the name that was understood: the file is no network, and that is what it says."""
    pytest.importorskip("torch")
    word = os.fsdecode(name)
    for missing, key in ((True, "weights"), (False, "weights"), (False, "extractor.weights")):
        if not missing:
            (here / word).write_bytes(b"no network")
        status, _, err = cli("extract", video, "extractor=embedding_kmeans", f"{key}={word}")
        assert status == 2 and err.count("\n") == 1 and "Traceback" not in err
        assert ("does not exist" in err) == missing
    assert [p.name for p in here.iterdir()] == [word]


# Lists that name other files are not followed.
LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{path}\n#EXT-X-ENDLIST\n",
    "hls by address": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nhttp://127.0.0.1:9/{name}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {name}\n",
    "concat by path": "ffconcat version 1.0\nfile '{path}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "metadata": ";FFMETADATA1\ntitle=x\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    "<Representation><BaseURL>{name}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>',
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused(folder, kind):
    for suffix in ("mp4", "m3u8", "ffconcat", "sdp", "mkv", "txt"):
        path = folder / f"list.{suffix}"
        path.write_text(LISTS[kind].format(path=folder / "cuts.mp4", name="cuts.mp4"))
        for reading in (open_container, VideoReader, scan_packets):
            with pytest.raises(VideoError) as error:
                reading(path)
            assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["p%d.mp4", "p*.mp4", "p[12].mp4", "p{1,2}.mp4", "p%02d.mkv", "p%d.png"])
def test_a_pattern_in_a_name_is_no_pattern(video, tmp_path, name):
    for n in range(4):
        cv2.imwrite(str(tmp_path / f"p{n}.png"), np.full((16, 16, 3), 60 * n, np.uint8))
    for other in ("p1.mp4", "p2.mp4", "p01.mkv"):
        (tmp_path / other).write_bytes(b"other")
    picture = name.endswith("png")
    shutil.copy(tmp_path / "p3.png" if picture else video, tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        assert sum(1 for _ in reader) == (1 if picture else 30)


@pytest.mark.parametrize("show", [visible, one_line, markdown, latex])
def test_what_steers_a_terminal_is_spelled_out_and_writing_stays(show):
    for sign in STEERING:
        text = show(f"a{sign}b")
        assert not FORBIDDEN.search(text)
        assert text.startswith("a") and text.endswith("b") and len(text) > len("ab") + 2
    for text in (
        "caf\u00e9 \U0001f3ac",
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",
        "\u5bb6\u3000\u65cf",
        "a\u00a0b",
    ):
        assert show(text) == text or show in (markdown, latex)


PLUGIN = """
from keyframe_bench import Extractor, register

@register("angry")
class Angry(Extractor):
    reference = "none\\u202e"
    budget_rule = "first\\x1b[2J k"
    needs = ()

    def select(self, clip, k, *, rng):
        raise ValueError("no\\x1b[2J such \\u202e thing")
"""


@pytest.mark.usefixtures("own_registry")
def test_names_and_messages_of_strangers_steer_neither_terminal_nor_page(cli, folder, tmp_path):
    plugin, out = tmp_path / "angry.py", tmp_path / "out"
    plugin.write_text(PLUGIN)
    for sign in STEERING[::8]:
        shutil.copy(folder / "static.mp4", folder / f"v{sign}.mp4")
    (folder / "broken\u202e\x1b[2J.mp4").write_text("no video")
    (folder / "list\u2067\x9b.mp4").write_text(LISTS["concat"].format(name="cuts.mp4"))
    words = ("run", "--plugin", plugin, "dataset=folder", f"dataset.root={folder}", "extractors=[angry]", "budget=2")
    _, text, err = cli(*words, "on_error=warn", f"out={out}")
    files = [p for p in out.iterdir() if p.suffix in (".html", ".md", ".tex", ".txt")]
    shown = {"output": text, "errors": err, **{p.name: p.read_bytes().decode("utf-8") for p in files}}
    for where, what in shown.items():
        found = FORBIDDEN.search(what)
        assert found is None, (where, what[max(0, found.start() - 60) : found.end() + 60])
    assert "\\u202e" in shown["report.html"] and "\\x1b" in shown["report.html"]
    assert "\\u202e" in err and "playlist" in err and "give the video files" in err and "Traceback" not in err
