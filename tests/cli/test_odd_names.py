"""Names of videos, folders and files of weights that a grammar, a shell, a page or a terminal could misread."""

import html
import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

NAMES = [
    b'it\'s "quoted".mp4',
    b"two  spaces.mp4",
    b"a=b.mp4",
    b"budget=3.mp4",
    b"a,b.mp4",
    b"f(x).mp4",
    b"[1].mp4",
    b"{a:1}.mp4",
    b"<script>alert(1)<!--.mp4",
    b"&amp;.mp4",
    b"${x}.mp4",
    b"$(touch x).mp4",
    b"back\\slash.mp4",
    b"-dash.mp4",
    b"--plugin.mp4",
    b"caf\xe9.mp4",  # not UTF-8
    "caf\u00e9 \U0001f3ac.mp4".encode(),
    b"line\nbreak.mp4",
    b"\x1b[31mred.mp4",
    b"[bold]x[bold].mp4",
    b"time 12:30.mp4",
    b"http:x.mp4",
    b"100%d.mp4",
    b"*?.mp4",
    b"~.mp4",
    b"#1.mp4",
    b" .mp4",
]
FOLDERS = [b"d=1, (x) '${y}' \"z\" \\ <b>\xe9", b"-d", b"a,b"]


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
    """Given as it is, relative, as the first argument or after ``--``."""
    word = os.fsdecode(name)
    shutil.copy(video, name)
    for words in (["extract", word, "budget=2", "out=result"], ["extract", "budget=2", "out=result", "--", word]):
        status, out, err = cli(*words)
        assert (status, err) == (0, "")
        record = json.loads((here / "result" / "keyframes.json").read_text(encoding="utf-8"))
        assert len(record["frames"]) == 2
        assert record["video"].encode()  # can be stored anywhere
        assert "\x1b" not in out
        shutil.rmtree("result")


@pytest.mark.parametrize("name", NAMES[::3])
def test_default_output_folder(cli, video, here, name):
    shutil.copy(video, name)
    assert cli("extract", os.fsdecode(name), "budget=1")[0] == 0
    assert (here / os.fsdecode(name[:-4] + b"_pixel_distance") / "keyframes.json").exists()


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"${x}, 'y'.mp4", b"-dash.mp4"])
def test_bytes_from_a_real_shell(command, video, here, name):
    shutil.copy(video, name)
    done = command("extract", name, "budget=1", b"out=out of " + name, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / os.fsdecode(b"out of " + name) / "keyframes.json").exists()


def test_missing_file_of_an_odd_name(cli, here):
    for name in NAMES[::4]:
        status, out, err = cli("extract", "--", os.fsdecode(name))
        assert (status, out) == (2, "") and err.count("\n") == 1 and "no such file" in err


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
    assert len(scripts) == 1 and "src" not in scripts[0]
    assert any("<script>alert(1)<!--.mp4" in text for text in page.text)
    assert any("<b>\\xe9" in text for text in page.text)  # the command, in which the folder is named
    assert html.escape("<script>alert(1)<!--.mp4") in (out / "report.html").read_text(encoding="utf-8")
    assert cli(*words)[1].splitlines()[-1].startswith("0 of")


def test_annotations_of_an_odd_root(cli, folder, here, annotate, cells):
    root = here / "a=b, (c) ${d}"
    shutil.copytree(folder, root)
    annotate(root)
    shutil.move(root / "annotations.json", here / "users=2, ${x}.json")
    words = [f"dataset.root={root}", f"dataset.annotations={here}/users=2, ${{x}}.json", "extractors=[uniform]"]
    status, _, err = cli("run", "dataset=folder", *words, "out=result")
    assert (status, err) == (0, "")
    assert {"human", "uniform", "random"} == {r["extractor"] for r in cells(here / "result").values()}


def test_pattern_is_taken_as_typed(cli, folder, here, cells):
    shutil.copy(folder / "cuts.mp4", folder / "f(x), ${y}.mp4")
    words = [f"dataset.root={folder}", "extractors=[uniform]", "budget=1"]
    for pattern, expected in (("f(*", {"f(x), ${y}.mp4"}), ("[cs]*", {"cuts.mp4", "static.mp4"})):
        assert cli("run", "dataset=folder", *words, f"dataset.pattern={pattern}", f"out=o{len(expected)}")[0] == 0
        assert {r["video"] for r in cells(here / f"o{len(expected)}").values()} == expected


@pytest.mark.parametrize("name", [b"w=1, (x) ${y} 'z'.safetensors", b"-w.safetensors", b"caf\xe9.safetensors"])
@pytest.mark.parametrize("key", ["weights", "extractor.weights"])
def test_weights_are_a_path_as_typed(cli, video, here, name, key):
    """The message shows the name that was understood: the file is no network, and that is what it says."""
    pytest.importorskip("torch")
    word = os.fsdecode(name)
    status, _, err = cli("extract", video, "extractor=embedding_kmeans", f"{key}={word}")
    assert status == 2 and "does not exist" in err and err.count("\n") == 1
    (here / word).write_bytes(b"no network")
    status, _, err = cli("extract", video, "extractor=embedding_kmeans", f"{key}={word}")
    assert status == 2 and "does not exist" not in err and err.count("\n") == 1 and "Traceback" not in err
    assert [p.name for p in here.iterdir()] == [word]


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
