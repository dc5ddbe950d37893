"""Other programs read exports back: the same frames, of variable-rate files too, or a note says what is rounded."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.report.exports import Format, timecode

EVERY = get_args(Format)
VFR = [900, 3903, 5000, 11003, 11090, 20000, 45000, 46501, 46502, 60000, 90011, 130000]  # PTS, of 1/90000 s
DATA = (
    *("surveillance/traffic_camera_vfr.mp4", "edited/echo_hereweare.webm", "awkward/no_duration.webm"),
    *("awkward/video_desks.3gp", "awkward/delayed_start.mp4", "awkward/bbb_2500ms.ts", "awkward/video_270.mov"),
    *("awkward/awesome movie.mov", "awkward/sample.flv", "awkward/sample.mp4", "awkward/testvideo-169.avi"),
)


def write_clip(path: Path, pts=tuple(VFR), unit=Fraction(1, 90000), height=48, width=64, code="") -> Path:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1 / unit if code else 30)
        stream.metadata.update({"timecode": code} if code else {})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = unit
        for one in pts:
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (height, width, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = one, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def files_of(result: kb.Extraction, *formats: str) -> dict[str, tuple[bytes, str]]:
    return {file.name: (file.data, file.note) for file in result.exports(*(formats or EVERY))}


def at(result: kb.Extraction, frames: np.ndarray, base: Fraction) -> list[Fraction]:
    """Exact PTS in seconds."""
    return [int(pts) * base for pts in result.source.pts[frames]]


def base_of(path: Path) -> Fraction:
    with av.open(str(path), metadata_errors="replace") as container:
        return container.streams.video[0].time_base


def read_otio(data: bytes, suffix: str, folder: Path, **options):
    otio = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed")
    (folder / f"read{suffix}").write_bytes(data)
    return otio.adapters.read_from_file(str(folder / f"read{suffix}"), **options)


def chapters(data: bytes, tmp_path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Start, end and title, as FFmpeg reads them."""
    (tmp_path / "chapters").write_bytes(data)
    with av.open(str(tmp_path / "chapters"), format="ffmetadata") as container:
        return [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in container.chapters()
        ]


def cues(data: bytes) -> list[tuple[Fraction, Fraction, str]]:
    """Start, end and text of a WebVTT file."""

    def seconds(clock: str) -> Fraction:
        hours, minutes, rest = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(rest)

    head, *blocks = data.decode().strip().split("\n\n")
    assert head == "WEBVTT"
    found = [re.fullmatch(r"(\S+) --> (\S+)\n(.+)", block) for block in blocks]
    return [(seconds(m[1]), seconds(m[2]), m[3]) for m in found]


def rational(text: str) -> Fraction:
    assert re.fullmatch(r"\d+(/\d+)?s", text)
    return Fraction(text[:-1])


def check_round_trip(path: Path, tmp_path: Path) -> None:
    result = kb.extract(path, "uniform", budget=5, sampling="every")
    files, base = files_of(result), base_of(path)
    pts, exact = result.source.pts[result.frames], at(result, result.frames, base_of(path))
    first = int(result.source.pts[0])
    with av.open(str(path), metadata_errors="replace") as container:
        file_start, sound = Fraction(container.start_time, 1_000_000), len(container.streams.audio) > 0

    rows = list(csv.DictReader(io.StringIO(files["keyframes.csv"][0].decode())))
    assert [(int(r["frame"]), int(r["pts"]), Fraction(r["time_base"])) for r in rows] == [
        (frame, p, base) for frame, p in zip(result.frames.tolist(), pts.tolist(), strict=True)
    ]
    assert [float(r["time_s"]) for r in rows] == result.times.tolist()

    clips = list(read_otio(files["keyframes.otio"][0], ".otio", tmp_path).find_clips())
    markers = [marker for clip in clips for marker in clip.markers]
    assert [int(m.marked_range.start_time.value) + first for m in markers] == pts.tolist()
    assert {m.marked_range.start_time.rate for m in markers} == {float(1 / base)}
    assert [m.metadata["keyframe_bench"]["frame"] for m in markers] == result.frames.tolist()
    assert {clip.media_reference.target_url for clip in clips} == {path.absolute().as_uri()}

    found = chapters(files["chapters.ffmetadata"][0], tmp_path)
    starts = [start + file_start for start, _, _ in found]
    assert max(abs(a - b) for a, b in zip(starts, exact, strict=True)) < Fraction(1, 500_000)  # FFmpeg's microseconds
    ticks = {(start / base).denominator for start, _, _ in found}
    assert ticks == {1}  # whole units of the video's own time base

    root = ET.fromstring(files["keyframes.fcpxml"][0])
    assert [rational(m.get("start")) + first * base for m in root.iter("marker")] == exact
    assert (root.find("resources/asset").get("hasAudio") == "1") == sound

    rows = [[int(r[f"segment_{edge}_pts"]) * base for edge in ("start", "end")] for r in rows]
    for (start, end, _), true in zip(cues(files["chapters.vtt"][0]), rows, strict=True):
        assert max(abs(start - true[0]), abs(end - true[1])) <= Fraction(1, 2000)
    assert ("rounded" in files["chapters.vtt"][1]) == any((1000 * t).denominator > 1 for pair in rows for t in pair)
    check_edl(result, files["keyframes.edl"], base, tmp_path)


def check_edl(result: kb.Extraction, file: tuple[bytes, str], base: Fraction, tmp_path: Path) -> None:
    """Timecode is as far from the times as the note says, and events follow one another."""
    pytest.importorskip("otio_cmx3600_adapter", reason="otio-cmx3600-adapter is not installed")
    data, note = file
    stated = re.search(r"timecode at (\S+) frames per second, rounded by at most (\S+) ms", note)
    edges = np.append(result.source.pts, result.source.pts[0])
    first = edges[0]
    rates = [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 50, Fraction(60000, 1001), 60]
    errors = {}
    for rate in rates:  # the reader must be told the rate; without a note, one has no error
        try:
            events = list(read_otio(data, ".edl", tmp_path, rate=float(rate)).find_clips())
        except Exception:  # noqa: BLE001 - the reader refuses timecode of another rate in its own ways
            continue
        starts = [Fraction(round(e.source_range.start_time.value)) / rate for e in events]
        true = [int(p - first) * base for p in edges[result.frames]]
        errors[float(f"{float(rate):.5g}")] = max(abs(a - b) for a, b in zip(starts, true, strict=True))
    if stated:
        assert errors[float(stated[1])] <= Fraction(stated[2]) / 1000 * Fraction(101, 100)
        assert Fraction(stated[2]) / 1000 <= Fraction(1, 45)  # half a frame at 24 per second, and a little
    else:
        assert min(errors.values()) == 0


def test_a_variable_rate_clip_round_trips(tmp_path):
    check_round_trip(write_clip(tmp_path / "vfr.mp4"), tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("name", DATA)
def test_real_files_round_trip(name, data_root, tmp_path):
    check_round_trip(data_root / "videos" / name, tmp_path)


def test_chromium_shows_a_key_frame_at_the_time_of_its_cue(tmp_path, browser, late_film):
    path = late_film(tmp_path / "late.webm")
    result = kb.extract(path, "uniform", budget=3, sampling="every")
    bare = replace(result, keyframes=replace(result.keyframes, segments=None))  # cues begin with their key frame
    track = base64.b64encode(files_of(bare, "webvtt")["chapters.vtt"][0]).decode()
    film = base64.b64encode(path.read_bytes()).decode()
    page = browser.new_page()
    page.set_content(
        f'<video muted src="data:video/webm;base64,{film}">'
        f'<track kind="chapters" default src="data:text/vtt;base64,{track}"></video>'
    )
    shown = page.evaluate(
        """async () => {
            const video = document.querySelector("video"), track = video.textTracks[0];
            track.mode = "hidden";
            const until = async (done) => { while (!done()) await new Promise(go => setTimeout(go, 20)); };
            await until(() => video.readyState >= 2 && track.cues && track.cues.length);
            const canvas = document.createElement("canvas").getContext("2d"), shown = [];
            for (const cue of track.cues) {
                video.currentTime = cue.startTime + 0.001;
                await until(() => !video.seeking && video.readyState >= 2);
                canvas.drawImage(video, 0, 0);
                shown.push([cue.text, canvas.getImageData(9, 9, 1, 1).data[0]]);
            }
            return shown;
        }"""
    )
    page.close()
    assert [text for text, _ in shown] == [f"Key frame {i + 1} (frame {n})" for i, n in enumerate(result.frames)]
    assert [round(level / 10) for _, level in shown] == result.frames.tolist()


def test_segments_are_those_of_the_method_or_last_until_the_next_key_frame(video):
    own = kb.extract(video, "pixel_distance", budget=3)
    rows = list(csv.DictReader(io.StringIO(files_of(own, "csv")["keyframes.csv"][0].decode())))
    segments = [[int(r["segment_first_frame"]), int(r["segment_end_frame"])] for r in rows]
    assert segments == own.keyframes.segments.tolist()
    without = replace(own, keyframes=replace(own.keyframes, segments=None))
    overlapping = replace(own, keyframes=replace(own.keyframes, segments=np.array([[0, 30]] * 3)))
    for result in (without, overlapping):
        rows = list(csv.DictReader(io.StringIO(files_of(result, "csv")["keyframes.csv"][0].decode())))
        ends = [*own.frames.tolist()[1:], own.video.n_frames]
        assert [[int(r["segment_first_frame"]), int(r["segment_end_frame"])] for r in rows] == [
            [frame, end] for frame, end in zip(own.frames.tolist(), ends, strict=True)
        ]


def thumbnail(files: dict[str, tuple[bytes, str]], place: str) -> np.ndarray:
    name, x, y, width, height = re.fullmatch(r"(.+)#xywh=(\d+),(\d+),(\d+),(\d+)", place).groups()
    sheet = cv2.imdecode(np.frombuffer(files[name][0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return sheet[int(y) : int(y) + int(height), int(x) : int(x) + int(width)]


def test_thumbnails_show_the_key_frames_and_leave_no_gap(video):
    result = kb.extract(video, "pixel_distance", budget=3)
    files = files_of(result, "webvtt")
    track = cues(files["thumbnails.vtt"][0])
    assert track[0][0] == 0 and float(track[-1][1]) == pytest.approx(result.video.duration_s)
    assert [a[1] for a in track[:-1]] == [b[0] for b in track[1:]]
    for (_, _, place), picture in zip(track, result.pictures(320), strict=True):
        part = thumbnail(files, place)
        assert part.shape == picture.shape and np.abs(part.astype(int) - picture).mean() < 12


def test_thumbnails_of_a_tall_video_keep_its_shape(tmp_path):
    path = write_clip(tmp_path / "tall.mp4", height=1600, width=160)
    files = files_of(kb.extract(path, "uniform", budget=3, sampling="every"), "webvtt")
    parts = [thumbnail(files, place) for _, _, place in cues(files["thumbnails.vtt"][0])]
    assert [part.shape for part in parts] == [(640, 64, 3)] * 3


NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("rate", "code"), [(Fraction(25), "10:00:00:05"), (NTSC, "00:59:59;20"), (NTSC, "01:00:00:00")]
)
def test_files_for_editors_count_from_the_timecode_of_the_file(rate, code, tmp_path):
    opentime = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed").opentime
    pytest.importorskip("otio_cmx3600_adapter", reason="otio-cmx3600-adapter is not installed")
    path = write_clip(tmp_path / "a.mp4", range(50), 1 / rate, code=code)
    result = kb.extract(path, "uniform", budget=4, sampling="every")
    result = replace(result, keyframes=replace(result.keyframes, segments=None))  # segments begin with key frames
    files = files_of(result, "otio", "edl", "fcpxml")
    assert [note for _, note in files.values()] == ["", "", ""]
    first = round(opentime.from_timecode(code, float(rate)).value)
    times = [(first + frame) / rate for frame in result.frames.tolist()]

    events = list(read_otio(files["keyframes.edl"][0], ".edl", tmp_path, rate=float(rate)).find_clips())
    assert [round(e.source_range.start_time.value) - first for e in events] == result.frames.tolist()
    assert (b"NON-DROP" in files["keyframes.edl"][0]) == (";" not in code)

    def seconds(time) -> Fraction:
        return Fraction(round(time.value)) * base_of(path)

    clips = list(read_otio(files["keyframes.otio"][0], ".otio", tmp_path).find_clips())
    assert [seconds(clip.source_range.start_time) for clip in clips] == times
    assert [seconds(clip.markers[0].marked_range.start_time) for clip in clips] == times
    assert {seconds(clip.media_reference.available_range.start_time) for clip in clips} == {first / rate}

    root = ET.fromstring(files["keyframes.fcpxml"][0])
    asset, clip = root.find("resources/asset"), root.find(".//asset-clip")
    assert rational(asset.get("start")) == rational(clip.get("start")) == first / rate
    assert [rational(marker.get("start")) for marker in clip] == times and clip.get("offset") == "0s"
    assert clip.get("tcFormat") == root.find(".//sequence").get("tcFormat") == ("DF" if ";" in code else "NDF")


@pytest.mark.parametrize(("rate", "code"), [(12, "01:00:00:00"), (25, "23:59:59:00")])
def test_a_timecode_that_cannot_be_counted_from_is_named(rate, code, tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(30), Fraction(1, rate), code=code)
    files = files_of(kb.extract(path, "uniform", budget=2, sampling="every"), "otio", "edl", "fcpxml")
    assert all(f"ignores the file's timecode {code}" in note for _, note in files.values())
    assert ET.fromstring(files["keyframes.fcpxml"][0]).find("resources/asset").get("start") == "0s"


def test_an_edl_has_no_event_of_four_digits(tmp_path, cli):
    path = write_clip(tmp_path / "long.mp4", tuple(range(0, 1001 * 3000, 3000)), height=16, width=16)
    whole = kb.extract(path, "uniform", budget=1000, sampling="every")
    assert len(whole.frames) == 1000 and "keyframes.otio" in files_of(whole, "otio")
    words = ("extract", path, "extractor=uniform", "sampling=every", "export=[csv,edl]", f"out={tmp_path / 'out'}")
    status, _, err = cli(*words, "budget=1000")
    assert status == 2 and "edl" in err and err.count("\n") == 1 and not (tmp_path / "out").exists()
    assert cli(*words, "budget=999")[0] == 0
    assert b"\n999  AX " in (tmp_path / "out" / "keyframes.edl").read_bytes()


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(60000, 1001), Fraction(25), Fraction(24000, 1001)])
def test_timecode_is_that_of_another_implementation(rate):
    opentime = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed").opentime
    for n in [0, 1, 59, 60, *range(1750, 1850), *range(17900, 18100), *range(107800, 108100), 2_500_000]:
        text = timecode(n, rate)
        assert opentime.from_timecode(text, float(rate)).value == n
        assert (";" in text) == (round(float(rate), 2) in (29.97, 59.94))


def test_drop_frame_rates_are_exact(tmp_path):
    path = write_clip(tmp_path / "ntsc.mp4", tuple(range(0, 40 * 1001, 1001)), Fraction(1, 30000))
    files = files_of(kb.extract(path, "uniform", budget=4, sampling="every"), "edl", "fcpxml", "otio")
    assert [note for _, note in files.values()] == ["", "", ""]
    assert b"FCM: DROP FRAME" in files["keyframes.edl"][0] and b"01:00:00;00" in files["keyframes.edl"][0]
    root = ET.fromstring(files["keyframes.fcpxml"][0])
    frame = rational(root.find("resources/format").get("frameDuration"))
    assert frame == Fraction(1001, 30000) and root.find(".//sequence").get("tcFormat") == "DF"
    times = [rational(e.get(key)) for e in root.iter() for key in ("start", "duration", "offset") if e.get(key)]
    assert all((time / frame).denominator == 1 for time in times)


ODD = "q\"u<o>t&e' é 日本\n#50%;=.mp4"


def test_odd_names_and_references(tmp_path, video):
    path = tmp_path / ODD
    path.write_bytes(video.read_bytes())
    files = files_of(kb.extract(path, "uniform", budget=2))
    media = json.loads(files["keyframes.otio"][0])["tracks"]["children"][0]["children"][0]["media_reference"]
    assert media["target_url"] == path.as_uri() and media["target_url"].isascii() and " " not in media["target_url"]
    root = ET.fromstring(files["keyframes.fcpxml"][0])
    assert root.find("resources/asset/media-rep").get("src") == path.as_uri()
    shown = ODD.replace("\n", " ")
    assert root.find(".//asset-clip").get("name") == shown
    assert f"* FROM CLIP NAME: {shown}\n" in files["keyframes.edl"][0].decode()
    (first, _) = csv.DictReader(io.StringIO(files["keyframes.csv"][0].decode()))
    assert first["video"] == shown
    assert len(chapters(files["chapters.ffmetadata"][0], tmp_path)) == 2


def test_fcpxml_keeps_to_the_document_type(video):
    root = ET.fromstring(files_of(kb.extract(video, "pixel_distance", budget=3), "fcpxml")["keyframes.fcpxml"][0])
    inside = {
        "fcpxml": ["resources", "event"], "resources": ["format", "asset"], "asset": ["media-rep"],
        "event": ["project"], "project": ["sequence"], "sequence": ["spine"], "spine": ["asset-clip"],
        "asset-clip": ["marker"] * 3,
    }  # fmt: skip
    required = {
        "format": {"id"}, "asset": {"id"}, "media-rep": {"src"}, "sequence": {"format"}, "asset-clip": {"ref"},
        "marker": {"start", "value"}, "fcpxml": {"version"},
    }  # fmt: skip
    for element in root.iter():
        assert [child.tag for child in element] == inside.get(element.tag, [])
        assert required.get(element.tag, set()) <= element.attrib.keys()
    ids = {element.get("id") for element in root.find("resources")}
    assert {e.get(key) for e in root.iter() for key in ("ref", "format") if e.get(key)} == ids


def test_no_key_frames_give_valid_empty_files(video, tmp_path):
    result = kb.extract(video, "uniform", budget=2)
    nothing = KeyFrames(np.zeros(0, np.int64), np.zeros(0))
    files = files_of(replace(result, keyframes=nothing))
    assert len(files["keyframes.csv"][0].decode().splitlines()) == 1
    assert chapters(files["chapters.ffmetadata"][0], tmp_path) == []
    assert cues(files["chapters.vtt"][0]) == cues(files["thumbnails.vtt"][0]) == []
    assert ET.fromstring(files["keyframes.fcpxml"][0]).find(".//asset-clip") is not None
    assert list(read_otio(files["keyframes.otio"][0], ".otio", tmp_path).find_clips()) == []


def test_a_folder_of_images(tmp_path, cli):
    for n in range(6):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((8, 8, 3), 40 * n, np.uint8))
    files = files_of(kb.extract(tmp_path, "uniform", budget=2, sampling="every", fps=10), "csv", "otio", "edl")
    assert "names no file" in files["keyframes.otio"][1]
    assert [r["time_base"] for r in csv.DictReader(io.StringIO(files["keyframes.csv"][0].decode()))] == ["1/10"] * 2
    status, _, err = cli("extract", tmp_path, "extractor=uniform", "export=[csv,fcpxml]", f"out={tmp_path / 'out'}")
    assert status == 2 and "fcpxml" in err and err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_extract_writes_exports_and_takes_back_earlier_ones(video, tmp_path, cli):
    out = tmp_path / "out"
    words = ("extract", video, "budget=3", f"out={out}")
    status, _, _ = cli(*words, "export=[csv,otio,edl,fcpxml,webvtt]")
    names = {"keyframes.csv", "keyframes.otio", "keyframes.edl", "keyframes.fcpxml", "chapters.vtt", "thumbnails.vtt"}
    assert status == 0 and names <= {path.name for path in out.iterdir()}
    assert cli(*words, "export=ffmetadata")[0] == 0
    left = {path.name for path in out.iterdir() if path.suffix != ".jpg"}
    assert left == {"keyframes.json", "chapters.ffmetadata"} and not (out / "thumbnails_1.jpg").exists()
    status, _, err = cli(*words, "export=[otoi]")
    assert status == 2 and "did you mean otio" in err
