"""``keyframe-bench extract ... clips=true``: files, record, what is printed, and what becomes of an earlier one's."""

import json
import re

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import OutputError
from keyframe_bench.selection.key_clips import ClipRules
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264

FPS, N = 10, 300


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """A fixed view for 30 s: a square appears at 4 s and at 17 s and walks for a second."""
    rng = np.random.default_rng(0)
    room = np.repeat(np.repeat(rng.integers(60, 200, (12, 16, 3), dtype=np.uint8), 4, axis=0), 4, axis=1)

    def picture(n):
        shown = room.copy()
        for start in (40, 170):
            if start <= n < start + 10:
                shown[10:34, 4 * (n - start) : 4 * (n - start) + 24] = 255
        return shown

    path = tmp_path_factory.mktemp("camera") / "camera.mp4"
    write_h264(path, (picture(n) for n in range(N)), FPS)
    return path


RULES = ["clips.quiet_s=2", "clips.pre_roll_s=0.5", "clips.snap_s=0"]

PLUGIN = """
import keyframe_bench as kb
from keyframe_bench.features.change import PixelDifference


@kb.register("changes_of_tests")
class Changes(kb.Extractor):
    '''Frames that differ from the one before.'''

    supports, needs = frozenset({"free"}), (PixelDifference(),)

    def select(self, clip, k=None, *, rng):
        return clip.pick([n for n, change in enumerate(clip[self.needs[0]]) if change > 1] or [0])
"""


@pytest.fixture
def extract(cli, camera, tmp_path, own_registry):
    """Key frames where the camera's image changes, written to ``tmp_path/out``."""
    plugin = tmp_path / "changes.py"
    plugin.write_text(PLUGIN)
    how = ["extractor=changes_of_tests", "budget=free", "sampling=5fps", f"--plugin={plugin}", f"out={tmp_path}/out"]
    return lambda *words: cli("extract", camera, *how, *words)


def read(out):
    return json.loads((out / "clips.json").read_text("utf-8"))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_written(extract, camera, tmp_path):
    status, out, err = extract("clips=true", *RULES)
    assert (status, err) == (0, "")
    record, keyframes = read(tmp_path / "out"), json.loads((tmp_path / "out/keyframes.json").read_text("utf-8"))
    assert record["n_clips"] == len(record["clips"]) == 2
    assert record["rules"] == ClipRules(quiet_s=2, pre_roll_s=0.5, snap_s=0).params
    assert record["video"] == "camera.mp4" and record["video_sha256"] == keyframes["video_sha256"]
    for clip, event in zip(record["clips"], (40, 170), strict=True):
        first, end = clip["frames"]
        keys = [n for n in keyframes["frames"] if first <= n < end]
        assert clip["keyframes"] == keys and keys
        assert event - 10 <= first < event + 10 <= end <= event + 40
        assert (clip["start_s"], clip["end_s"]) == pytest.approx((keys[0] / FPS - 0.5, keys[-1] / FPS + 2))
        with VideoReader(tmp_path / "out" / clip["file"]) as reader:
            assert sum(1 for _ in reader) == end - first
        assert clip["bytes"] == (tmp_path / "out" / clip["file"]).stat().st_size
        assert clip["copied"] is False and clip["reason"]
        line = next(line for line in out.splitlines() if line.startswith(clip["file"]))
        assert f"{clip['start_s']:.2f} to {clip['end_s']:.2f} s, frames {first} to {end - 1}, " in line
        assert line.endswith(f"encoded again: {clip['reason']}")
    assert record["saved_s"] == pytest.approx(sum(clip["end_s"] - clip["start_s"] for clip in record["clips"]))
    assert record["saved_duration_ratio"] == pytest.approx(record["saved_s"] / 30)
    assert record["bytes"] == sum(clip["bytes"] for clip in record["clips"])
    assert record["byte_ratio"] == record["bytes"] / record["video_bytes"]
    assert camera.stat().st_size - 10_000 < record["video_bytes"] < camera.stat().st_size
    kept, share = f"{record['saved_s']:.2f}", f"{100 * record['saved_duration_ratio']:.1f}"
    assert re.search(
        rf"^key clips: 2, {kept} s kept = {share} % of the duration, .* % of the video's bytes$", out, re.M
    )


def test_they_are_the_clips_that_python_gives(extract, camera, tmp_path):
    extract("clips.quiet_s=2")
    found = kb.extract(camera, "changes_of_tests", budget="free", sampling="5fps")
    clips = found.clips(ClipRules(quiet_s=2, snap_s=0))
    wide = [clip["frames"] for clip in read(tmp_path / "out")["clips"]]
    assert len(clips) == 2
    assert all(a <= first and end <= b for (first, end), (a, b) in zip(clips.frames.tolist(), wide, strict=True))
    assert found.clips().frames.tolist() == found.clips(ClipRules()).frames.tolist()
    found.save(tmp_path / "python", clips=ClipRules(quiet_s=2))
    assert read(tmp_path / "python") == read(tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "written"),
    [([], False), (["clips=false"], False), (["clips=false", "clips.quiet_s=3"], False), (["clips.quiet_s=3"], True)],
)
def test_clips_are_written_when_they_are_asked_for(extract, tmp_path, words, written):
    status, out, _ = extract(*words)
    assert status == 0
    assert (tmp_path / "out/clips.json").exists() == (tmp_path / "out/clips").exists() == written
    assert ("key clips: " in out) == written


def test_clips_of_an_earlier_extraction_make_way(extract, tmp_path):
    out = tmp_path / "out"
    extract("clips=true", *RULES)
    (out / "clips" / "mine.mp4").write_text("mine")
    assert {"clips.json", "clips/clip_001.mp4", "clips/clip_002.mp4"} < set(names(out))
    extract("clips=true", "clips.merge_s=60")
    assert [name for name in names(out) if "clip" in name] == [
        "clips", "clips.json", "clips/clip_001.mp4", "clips/mine.mp4"
    ]  # fmt: skip
    extract()
    assert [name for name in names(out) if "clip" in name] == ["clips", "clips/mine.mp4"]
    (out / "clips" / "mine.mp4").unlink()
    extract("clips=true")
    extract()
    assert not [name for name in names(out) if "clip" in name]


@pytest.mark.parametrize("text", ["", "[]", '{"clips": 3}', '{"clips": [{"file": "../x"}], "rules": 1}', '{"mine": 1}'])
def test_a_record_that_is_damaged_or_not_ours(extract, tmp_path, text):
    out = tmp_path / "out"
    (out / "clips").mkdir(parents=True)
    (out / "clips" / "clip_007.mp4").write_text("mine")
    (tmp_path / "x").write_text("mine")
    (out / "clips.json").write_text(text)
    assert extract()[0] == 0
    assert (out / "clips" / "clip_007.mp4").exists() and (tmp_path / "x").exists()
    assert (out / "clips.json").exists() == ("rules" not in text)
    assert extract("clips=true")[0] == 0
    assert read(out)["n_clips"] == 2


def test_no_key_frame_no_clip(cli, camera, tmp_path):
    words = ["extractor=uniform", "extractor.phase=start", "budget=1", "clips=true"]
    status, out, _ = cli("extract", camera, *words, f"out={tmp_path}/out")
    assert status == 0 and "key clips: 0, 0.00 s kept = 0.0 % of the duration" in out
    assert read(tmp_path / "out")["clips"] == [] and not (tmp_path / "out/clips").exists()


def test_what_is_in_the_way_leaves_all_as_it_was(camera, tmp_path, snapshot):
    found = kb.extract(camera, "uniform", budget=2)
    found.save(tmp_path / "out", clips=ClipRules(quiet_s=1))
    for name in ("clips/clip_001.mp4", "clips.json"):
        (tmp_path / "out" / name).unlink()
        (tmp_path / "out" / name).mkdir()
        before = snapshot(tmp_path / "out")
        with pytest.raises(OutputError, match="there is a folder of that name"):
            found.save(tmp_path / "out", clips=ClipRules(quiet_s=1))
        assert snapshot(tmp_path / "out") == before
        (tmp_path / "out" / name).rmdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/clips").write_text("mine")
    with pytest.raises(OutputError, match=r"new/clips.*there is a file of that name"):
        found.save(tmp_path / "new", clips=ClipRules(quiet_s=1))
    assert names(tmp_path / "new") == ["clips"]


def test_a_full_disk_leaves_all_as_it_was(extract, tmp_path, snapshot, monkeypatch):
    """What becomes of the files themselves is tested in tests/video/test_clips.py."""
    extract("clips=true")
    before = snapshot(tmp_path / "out")

    def full(path, spans, folder, read, *, snap_s):
        raise OutputError(folder, "No space left on device")

    monkeypatch.setattr("keyframe_bench.report.key_clips.write_clips", full)
    status, _, err = extract("clips=true", "clips.quiet_s=1")
    assert status == 2 and f"cannot write '{tmp_path}/out/clips': No space left on device" in err
    assert snapshot(tmp_path / "out") == before


@pytest.mark.data
def test_a_surveillance_video(cli, data_root, tmp_path):
    path = data_root / "videos" / "surveillance" / "one_by_one_person.mp4"
    status, out, _ = cli(
        "extract", path, "extractor=pixel_distance", "budget=free", "clips=true", f"out={tmp_path}/out"
    )
    assert status == 0 and "key clips: " in out
    record = read(tmp_path / "out")
    assert 0 < record["saved_duration_ratio"] <= 1 and 0 < record["byte_ratio"] < 1.5


def test_clips_ask_for_every_key_frame_unless_there_is_a_budget(cli, camera, tmp_path):
    for words, told in (([], "(budget free;"), (["budget=2"], "(budget 2;")):
        status, out, err = cli(
            "extract", camera, "extractor=pixel_distance", "clips=true", *words, f"out={tmp_path}/out"
        )
        assert (status, err) == (0, "") and told in out
