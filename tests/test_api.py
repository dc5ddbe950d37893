"""The library's front door: ``kb.extract`` and ``kb.sweep``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import KeyframeBenchError, OutputError
from keyframe_bench.extractors.uniform import Uniform


def test_extract_says_where_and_when(video):
    seen = []
    found = kb.extract(video, "uniform", budget=3, progress=seen.append)
    assert found.frames.dtype == np.int64 and found.frames.tolist() == [5, 15, 25]
    assert found.times.tolist() == [0.5, 1.5, 2.5]
    assert (found.video.n_frames, found.video.width, found.video.height) == (30, 64, 48)
    assert found.health["decoded_frames"] == 30 and found.health["problems"] == []
    assert (found.extractor, found.params) == ("uniform", {"every_s": 2.0, "phase": "centre"})
    assert [p.shape for p in found.pictures()] == [(48, 64, 3)] * 3
    assert [p.shape for p in found.pictures(width=32)] == [(24, 32, 3)] * 3
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    again = kb.KeyFrames.from_json(record)
    assert again.frames.tolist() == record["frames"] == [5, 15, 25] and again.times.tolist() == [0.5, 1.5, 2.5]
    kb.extract(video, "pixel_distance", progress=seen.append)
    assert seen[-1] == 0.0  # every 32 frames


def test_a_notebook_shows_a_storyboard(video):
    import cv2

    found = kb.extract(video, "uniform", budget=3)
    sheet = cv2.imdecode(np.frombuffer(found._repr_jpeg_(), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[1] > 3 * 120 and sheet.std() > 10


def test_path_may_be_text_and_extractor_an_instance(video):
    named = kb.extract(str(video), "uniform", budget="50%", params={"phase": "start"})
    made = kb.extract(video, Uniform(phase="start"), budget="50%")
    assert named.frames.tolist() == made.frames.tolist() == [0, 10, 20]
    default = kb.extract(kb.demo_video())
    assert len(default.frames) == 8 and default.extractor == "pixel_distance"
    assert default.frames.tolist() == kb.extract(kb.demo_video()).frames.tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"extractor": "unifrm"}, "did you mean uniform"),
        ({"extractor": "oracle"}, "annotations"),
        ({"extractor": "uniform", "params": {"evry_s": 1}}, "did you mean every_s"),
        ({"extractor": "uniform", "params": {"every_s": "fast"}}, "every_s='fast'"),
        ({"extractor": "random", "budget": "free"}, "free budget"),
        ({"budget": 1.5}, "budget=1.5"),
        ({"sampling": "0fps"}, "sampling=0fps"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_wrong_arguments(video, arguments, says):
    with pytest.raises(KeyframeBenchError, match=says):
        kb.extract(video, **arguments)


@pytest.mark.parametrize("path", ["nowhere.mp4", "", ".", "x" * 5000, "null\0byte.mp4"])
def test_wrong_path(path):
    with pytest.raises(kb.VideoError) as caught:
        kb.extract(path)
    assert caught.value.path == path and caught.value.reason


@pytest.fixture
def filled(video, tmp_path):
    """A folder with an earlier extraction and a file of the user's."""
    folder = tmp_path / "result"
    kb.extract(video, "uniform", budget=2).save(folder)
    (folder / "notes.txt").write_text("mine")
    return folder


def test_folder_in_the_way_leaves_all_as_it_was(video, filled, snapshot):
    (filled / "storyboard.jpg").unlink()
    (filled / "storyboard.jpg").mkdir()
    before = snapshot(filled)
    with pytest.raises(OutputError, match="there is a folder of that name"):
        kb.extract(video, "uniform", budget=3).save(filled)
    assert snapshot(filled) == before


def test_video_gone_meanwhile_leaves_all_as_it_was(folder, filled, snapshot, tmp_path):
    found = kb.extract(folder / "cuts.mp4", "uniform", budget=3)
    (folder / "cuts.mp4").unlink()
    before = snapshot(filled)
    with pytest.raises(kb.VideoError, match=r"(?i)no such file"):
        found.save(filled)
    with pytest.raises(kb.VideoError):
        found.save(tmp_path / "new")
    assert snapshot(filled) == before and not (tmp_path / "new").exists()


def test_shorter_video_meanwhile_is_noticed(folder, tmp_path):
    from keyframe_bench.rendering.films import render_video

    found = kb.extract(folder / "cuts.mp4", "uniform", budget=3)
    render_video(folder / "cuts.mp4", "cuts", 9, height=48, width=64, fps=10, duration_s=1)
    with pytest.raises(kb.VideoError, match="the file changed since it was read"):
        found.save(tmp_path / "new")


FULL = """
import resource, sys
import keyframe_bench as kb
found = kb.extract(sys.argv[1], "uniform", budget=3)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    found.save(sys.argv[2])
except kb.KeyframeBenchError as error:
    print(error)
"""


def test_files_that_may_not_grow_leave_all_as_it_was(video, filled, snapshot, tmp_path):
    before = snapshot(filled)
    for target in (filled, tmp_path / "new"):
        program = [sys.executable, "-c", FULL, str(video), str(target)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=True)
        assert done.stdout.startswith(f"cannot write {str(target)!r}: File too large"), done
    assert snapshot(filled) == before and not (tmp_path / "new").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system (RLIMIT_FSIZE is tested above)")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine forbids mounting (RLIMIT_FSIZE is tested above)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_leaves_all_as_it_was(cli, video, small_disk, snapshot):
    """Over an earlier extraction, and into a new folder."""
    out = small_disk / "result"
    assert cli("extract", video, "extractor=uniform", "budget=1", f"out={out}")[0] == 0
    (small_disk / "ballast").write_bytes(bytes(4096 * 8))
    before = snapshot(small_disk)
    for target in (out, small_disk / "new"):
        status, _, err = cli("extract", video, "extractor=uniform", "sampling=every", "budget=30", f"out={target}")
        assert status == 2 and err.count("\n") == 1
        assert f"cannot write {str(target)!r}: No space left on device" in err and "out=PATH" in err
        assert snapshot(small_disk) == before


def test_full_disk_of_a_run(cli, rendered, small_disk, cells):
    """The way out is told, the cells that fitted are whole, and the run goes on when there is room again."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4096 * 10))
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", f"out={small_disk}/out"]
    status, _, err = cli(*words)
    assert status == 2 and "No space left on device; choose another place" in err and err.count("\n") == 1
    assert all(record["status"] == "ok" for record in cells(small_disk / "out").values())
    assert not list(small_disk.rglob(".tmp-*"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert cli(*words)[0] == 0
    assert len(cells(small_disk / "out")) == 3 * 3


def test_sweep_returns_a_row_per_cell(rendered, video):
    table = kb.sweep(rendered, ["pixel_distance"], budget=[2, 4])
    assert set(table["extractor"]) == {"pixel_distance", "random", "uniform"}
    assert len(table) == 3 * 3 * 2 and set(table["status"]) == {"ok"}
    assert table["metric.coverage_gray"].between(0, 1).all()
    one = kb.sweep(video, "uniform", budget=2, seeds=(0, 1), grid={"uniform": {"phase": ["centre", "start"]}})
    assert one["video"].unique().tolist() == ["cuts.mp4"]
    assert (one["extractor"] == "uniform").sum() == (one["extractor"] == "random").sum() == 2


def test_sweep_has_rows_of_picks_made_elsewhere(video, tmp_path):
    document = {"format": "keyframe_bench/picks@1", "unit": "frames from 0", "items": {video.name: [3, 20]}}
    (tmp_path / "picks.json").write_text(json.dumps(document), "utf-8")
    table = kb.sweep([video], ["uniform"], budget=2, external={"mine": tmp_path / "picks.json"})
    assert set(table["extractor"]) == {"random", "uniform", "mine"}


def test_sweep_completes_a_folder_and_tells_equal_names_apart(folder, rendered, tmp_path, numbers):
    kb.sweep([rendered / "cuts.mp4"], ["uniform"], out=tmp_path / "out")
    first = numbers(tmp_path / "out")
    table = kb.sweep([rendered / "cuts.mp4", rendered / "static.mp4"], ["uniform"], out=tmp_path / "out")
    assert set(table["video"]) == {"cuts.mp4", "static.mp4"}
    assert numbers(tmp_path / "out").items() >= first.items()
    table = kb.sweep([rendered / "cuts.mp4", folder / "cuts.mp4", folder / "cuts.mp4"], ["uniform"])
    assert table["video"].nunique() == 2 and (table["extractor"] == "uniform").sum() == 2


@pytest.mark.parametrize(
    ("videos", "arguments", "says"),
    [
        ([], {}, "there are no videos"),
        (["nowhere.mp4"], {}, "no such file"),
        (None, {"extractors": ["unifrm"]}, "did you mean uniform"),
        (None, {"budget": [4, 0]}, "budget=0"),
        (None, {"seeds": []}, "seeds="),
        (None, {"on_error": "maybe"}, "raise, warn, skip"),
        (None, {"grid": {"uniform": {"phase": ["end"]}}}, "phase='end'"),
        (None, {"n_jobs": 0}, "n_jobs=0"),
        (None, {"cache_gb": -1}, "cache_gb=-1"),
        (None, {"external": {"mine": "nowhere.json"}}, "nowhere.json"),
    ],
)
def test_sweep_refuses(video, videos, arguments, says):
    with pytest.raises(KeyframeBenchError, match=says):
        kb.sweep([video] if videos is None else videos, **arguments)


@pytest.mark.data
def test_every_awkward_file_gives_key_frames_or_one_typed_error(data_root):
    """No traceback, no hang, no silent substitution (57 files, one process)."""
    files = sorted(p for p in (data_root / "videos" / "awkward").iterdir() if p.is_file())
    assert len(files) == 57
    refused = {}
    for path in files:
        try:
            found = kb.extract(path, "pixel_distance", budget=4)
        except kb.VideoError as error:
            refused[path.name] = error.reason
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        assert 1 <= len(found.frames) <= 4
        assert np.all(np.diff(found.frames) > 0) and np.all(np.isfinite(found.times))
        health = found.health
        assert health["decoded_frames"] == found.video.n_frames > found.frames[-1]
        assert health.keys() >= {"declared_frames", "gaps", "decode_errors", "truncated_tail", "rotation", "problems"}
        declared = health["declared_frames"]
        if declared and abs(declared - found.video.n_frames) > max(2, 0.05 * declared):
            assert health["problems"], f"{path.name}: {declared} frames declared, {found.video.n_frames} decoded"
        json.dumps(found.to_json(), allow_nan=False)
    assert refused, "an empty file and a text file are among them"
    assert all(refused.values())
    assert "empty.flv" in refused and "WrongFile.mp4" in refused


@pytest.mark.data
@pytest.mark.parametrize("name", ["-video-with-dash-.mp4", "sideways movie.mov", "corrupted.mp4", "empty.flv"])
def test_awkward_files_on_the_command_line(cli, data_root, tmp_path, monkeypatch, name):
    monkeypatch.chdir(data_root / "videos" / "awkward")
    status, _, err = cli("extract", name, "budget=2", f"out={tmp_path}/result")
    if status == 0:
        record = json.loads((tmp_path / "result/keyframes.json").read_text())
        pictures = [Path(tmp_path, "result", image).stat().st_size for image in record["images"]]
        assert len(pictures) == len(record["frames"]) and min(pictures) > 0
    else:
        assert status == 2 and err.count("\n") == 1 and name in err and not list(tmp_path.iterdir())
