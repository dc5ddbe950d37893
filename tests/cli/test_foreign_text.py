"""Texts of strangers: lists that name other files are not followed, and no character steers a terminal or a page."""

import re
import shutil

import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.core.files import one_line, visible
from keyframe_bench.report.latex import escape as latex
from keyframe_bench.report.markdown import escape as markdown
from keyframe_bench.video.container import open_container
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.packets import scan_packets

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
SUFFIXES = ["mp4", "m3u8", "ffconcat", "sdp", "mkv", "txt"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused(folder, kind, suffix):
    path = folder / f"list.{suffix}"
    path.write_text(LISTS[kind].format(path=folder / "cuts.mp4", name="cuts.mp4"))
    for reading in (open_container, VideoReader, scan_packets):
        with pytest.raises(VideoError) as error:
            reading(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_the_command_says_what_to_give_instead(cli, folder, tmp_path, kind):
    path = folder / "film.m3u8"
    path.write_text(LISTS[kind].format(path=folder / "cuts.mp4", name="cuts.mp4"))
    status, out, err = cli("extract", path, "extractor=uniform", "budget=2", f"out={tmp_path / 'out'}")
    assert status == 2 and not out and err.count("\n") == 1
    assert "playlist" in err and "give the video files" in err
    assert not (tmp_path / "out" / "keyframes.json").exists()


def test_a_list_with_the_name_of_a_video_is_a_skipped_video(cli, folder, tmp_path):
    (folder / "list.mp4").write_text(LISTS["concat"].format(name="cuts.mp4"))
    out = tmp_path / "out"
    words = ("run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "budget=2")
    _, _, err = cli(*words, "on_error=warn", f"out={out}")
    assert "list.mp4" in err and "playlist" in err and "Traceback" not in err
    assert "list.mp4" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["p%d.mp4", "p*.mp4", "p[12].mp4", "p{1,2}.mp4", "p%02d.mkv"])
def test_a_pattern_in_a_name_is_no_pattern(video, tmp_path, name):
    for other in ("p1.mp4", "p2.mp4", "p01.mkv"):
        (tmp_path / other).write_bytes(b"other")
    shutil.copy(video, tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        assert sum(1 for _ in reader) == 30


def test_pictures_with_numbers_are_not_found_by_a_pattern(tmp_path):
    cv2 = pytest.importorskip("cv2")
    np = pytest.importorskip("numpy")
    for n in range(4):
        cv2.imwrite(str(tmp_path / f"p{n}.png"), np.full((16, 16, 3), 60 * n, np.uint8))
    shutil.copy(tmp_path / "p3.png", tmp_path / "p%d.png")
    with VideoReader(tmp_path / "p%d.png") as reader:
        assert sum(1 for _ in reader) == 1


# Characters.

STEERING = [
    "\x1b[31m", "\x07", "\x08", "\x7f", "\x9b31m", "\x85", "\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f",
    "\u061c", "\u2028", "\u2029", "\ufeff",
]  # fmt: skip
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.mark.parametrize("sign", STEERING)
@pytest.mark.parametrize("show", [visible, one_line, markdown, latex])
def test_what_steers_is_spelled_out_and_seen(sign, show):
    text = show(f"a{sign}b")
    assert not FORBIDDEN.search(text)
    assert text.startswith("a") and text.endswith("b") and len(text) > len("ab") + 2


@pytest.mark.parametrize(
    "text",
    ["caf\u00e9 \U0001f3ac", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "\u5bb6\u3000\u65cf", "a\u00a0b"],
)
def test_writing_stays_as_it_is(text):
    assert visible(text) == text and one_line(text) == text


@pytest.fixture
def foreign(folder):
    """A folder whose videos, and one broken file, have names that steer a terminal."""
    for n, sign in enumerate(STEERING):
        target = folder / f"v{n}{sign}.mp4"
        if n % 8 == 0:
            shutil.copy(folder / "static.mp4", target)
    (folder / "broken\u202e\x1b[2J.mp4").write_text("no video")
    (folder / "list\u2067\x9b.mp4").write_text(LISTS["concat"].format(name="cuts.mp4"))
    return folder


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
def test_names_and_messages_of_strangers_steer_neither_terminal_nor_page(cli, foreign, tmp_path):
    plugin = tmp_path / "angry.py"
    plugin.write_text(PLUGIN)
    out = tmp_path / "out"
    _, text, err = cli(
        "run", "--plugin", plugin, "dataset=folder", f"dataset.root={foreign}", "extractors=[angry]", "budget=2",
        "on_error=warn", f"out={out}",
    )  # fmt: skip
    shown = {"output": text, "errors": err}
    shown |= {
        p.name: p.read_bytes().decode("utf-8") for p in out.iterdir() if p.suffix in (".html", ".md", ".tex", ".txt")
    }
    assert "report.html" in shown
    for where, what in shown.items():
        found = FORBIDDEN.search(what)
        assert found is None, (where, what[max(0, found.start() - 60) : found.end() + 60])
    assert "\\u202e" in shown["report.html"] and "\\x1b" in shown["report.html"]
    assert "\\u202e" in err


@pytest.mark.parametrize("sign", ["\x1b[31m", "\u202e", "\x9b31m", "\u2028"])
def test_extract_shows_a_steering_name_spelled_out(cli, video, tmp_path, sign):
    path = tmp_path / f"a{sign}b.mp4"
    shutil.copy(video, path)
    for words in (("extract", path, "extractor=uniform", "budget=2"), ("extract", tmp_path / f"no{sign}.mp4")):
        _, out, err = cli(*words, f"out={tmp_path / f'o{sign}'}")
        assert not FORBIDDEN.search(out + err)
        assert sign.encode("unicode_escape").decode() in out + err
    assert (tmp_path / f"o{sign}" / "keyframes.json").is_file()
