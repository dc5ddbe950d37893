"""``keyframe-bench extract``: what is written, what is printed, and what becomes of what was there before."""

import hashlib
import json
import os
import re
import time

import cv2
import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264

PROMISED = {"frames", "times", "scores", "segments", "health", "cost", "versions", "video_sha256"}


def read(out):
    return json.loads((out / "keyframes.json").read_text(encoding="utf-8"))


def picture(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_what_is_written_and_printed(cli, video, tmp_path):
    status, out, err = cli("extract", video, "extractor=uniform", "budget=3", f"out={tmp_path}/result")
    assert (status, err) == (0, "")
    record = read(tmp_path / "result")
    assert record.keys() >= PROMISED
    assert record["frames"] == [5, 15, 25]  # of 0, 5, ..., 25 (2fps) those at or after 0.5, 1.5 and 2.5 s
    assert record["times"] == [0.5, 1.5, 2.5]
    assert record["video_sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert record["health"]["decoded_frames"] == 30 and record["health"]["problems"] == []
    assert record["cost"].keys() >= {"decode_s", "features_s", "select_s"}
    assert record["versions"].keys() >= {"keyframe_bench", "av", "numpy"}
    assert (record["extractor"], record["budget"], record["sampling"], record["seed"]) == ("uniform", "3", "2fps", 0)
    assert {p.name for p in (tmp_path / "result").iterdir()} == {
        "keyframes.json",
        "storyboard.jpg",
        *(f"frame_{n:06d}.jpg" for n in record["frames"]),
    }
    assert "cuts.mp4  64x48, 30 frames, 3.00 s" in out
    assert re.search(r"^1 +5 +0\.500", out, re.MULTILINE) and re.search(r"^3 +25 +2\.500", out, re.MULTILINE)
    assert re.search(r"^uniform: 3 key frames \(budget 3; 6 frames .*2fps\)", out, re.MULTILINE)
    assert f"written to {tmp_path}/result" in out
    assert len(out.splitlines()) == 7
    _, out, _ = cli("extract", video, "extractor=uniform", "budget=20%", f"out={tmp_path}/share")
    assert "uniform: 1 key frame (budget 20% = 1 of the 6 frames at 2fps; 6 frames seen" in out


def test_pictures_are_the_frames_at_full_size_in_their_colours(cli, video, tmp_path):
    cli("extract", video, "extractor=pixel_distance", "budget=3", f"out={tmp_path}")
    with VideoReader(video) as reader:
        whole = {frame.ordinal: frame.full_rgb().copy() for frame in reader}
    for ordinal in read(tmp_path)["frames"]:
        stored = picture(tmp_path / f"frame_{ordinal:06d}.jpg")
        assert stored.shape == (48, 64, 3)
        others = {n: np.abs(stored.astype(int) - other).mean() for n, other in whole.items()}
        assert others[ordinal] < 6 and others[ordinal] <= min(others.values()) + 0.5


def test_red_stays_red(cli, tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    write_h264(tmp_path / "red.mp4", [red] * 5, 10)
    cli("extract", tmp_path / "red.mp4", "extractor=uniform", "budget=1", f"out={tmp_path}/result")
    mean = picture(tmp_path / "result/frame_000000.jpg").mean(axis=(0, 1))
    assert mean[0] > 180 and mean[1] < 40 and mean[2] < 40
    storyboard = picture(tmp_path / "result/storyboard.jpg").reshape(-1, 3)
    assert (np.abs(storyboard - np.array([220, 0, 0])).max(axis=1) < 40).mean() > 0.3


def test_earlier_extraction_is_replaced(cli, video, tmp_path):
    cli("extract", video, "extractor=uniform", "budget=6", f"out={tmp_path}")
    (tmp_path / "frame_of_mine.txt").write_text("mine")
    (tmp_path / "frame_999999.jpg").write_bytes(b"mine too")
    cli("extract", video, "extractor=uniform", "budget=2", f"out={tmp_path}")
    kept = {f"frame_{n:06d}.jpg" for n in read(tmp_path)["frames"]}
    assert len(kept) == 2
    mine = {"frame_of_mine.txt", "frame_999999.jpg"}
    assert {p.name for p in tmp_path.iterdir()} == kept | mine | {"keyframes.json", "storyboard.jpg"}


@pytest.mark.parametrize("text", ["", "[]", '{"images": 3}', '{"images": ["../../x", "/etc/passwd", 7]}'])
def test_damaged_record_of_an_earlier_extraction(cli, video, tmp_path, text):
    (tmp_path / "x").write_text("mine")
    out = tmp_path / "a" / "b"
    out.mkdir(parents=True)
    (out / "keyframes.json").write_text(text)
    assert cli("extract", video, "budget=2", f"out={out}")[0] == 0
    assert len(read(out)["frames"]) == 2 and (tmp_path / "x").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "frames"),
    [
        (["budget=50%"], [5, 15, 25]),  # half of the 6 sampled frames
        (["budget=40/min"], [10, 25]),  # of 3 s
        (["budget=free", "extractor.every_s=1"], [0, 10, 20]),
        (["budget=2", "sampling=every"], [8, 23]),
        (["budget=3", "sampling=every15"], [0, 15]),
        (["budget=2", "extractor.phase=start"], [0, 15]),
    ],
)
def test_budget_sampling_and_parameters(cli, video, tmp_path, words, frames):
    status, _, err = cli("extract", video, "extractor=uniform", *words, f"out={tmp_path}/result")
    assert status == 0, err
    assert read(tmp_path / "result")["frames"] == frames


def test_places(cli, folder, tmp_path, monkeypatch):
    """The default folder is named after the video, paths may be relative, and nothing else is left behind."""
    monkeypatch.chdir(tmp_path)
    assert cli("extract", folder / "cuts.mp4", "budget=1")[0] == 0
    assert cli("extract", "./videos/../videos/cuts.mp4", "budget=1", "out=a/b/c")[0] == 0
    assert read(tmp_path / "cuts_pixel_distance")["frames"] == read(tmp_path / "a/b/c")["frames"]
    assert {p.name for p in tmp_path.iterdir()} == {"videos", "cuts_pixel_distance", "a"}


def test_seed_decides_what_is_drawn(cli, video, tmp_path):
    drawn = []
    for seed, where in ((1, "a"), (1, "b"), (2, "c")):
        words = ["extractor=random", "sampling=every", "budget=8", f"seed={seed}"]
        assert cli("extract", video, *words, f"out={tmp_path}/{where}")[0] == 0
        drawn.append(read(tmp_path / where)["frames"])
    assert drawn[0] == drawn[1] != drawn[2]


def test_same_choice_as_from_python(cli, video, tmp_path):
    cli("extract", video, "extractor=vsumm", "budget=3", f"out={tmp_path}")
    assert read(tmp_path)["frames"] == kb.extract(video, "vsumm", budget=3).frames.tolist()


def test_plugin(cli, video, tmp_path, own_registry):
    plugin = tmp_path / "last.py"
    plugin.write_text(
        "import keyframe_bench as kb\n\n\n@kb.register('last_of_tests')\nclass Last(kb.Extractor):\n"
        "    '''Last frame.'''\n    may_return_fewer = 'one'\n\n    def __init__(self, back: int = 0) -> None:\n"
        "        self.back = back\n\n    def select(self, clip, k=None, *, rng):\n"
        "        return clip.pick([len(clip) - 1 - self.back])\n"
    )
    words = ["extractor=last_of_tests", "extractor.back=1", "sampling=every", f"--plugin={plugin}"]
    status, _, err = cli("extract", video, *words, f"out={tmp_path}/result")
    assert status == 0, err
    assert read(tmp_path / "result")["frames"] == [28]


def test_leftovers_of_a_killed_extraction_are_removed(cli, video, tmp_path):
    old, young = tmp_path / ".tmp-old", tmp_path / ".tmp-young"
    for left in (old, young):
        left.mkdir()
        (left / "frame_000000.jpg").touch()
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    assert cli("extract", video, "budget=1", f"out={tmp_path}")[0] == 0
    assert not old.exists() and young.exists()  # another process may be writing the young one


def test_scores_stand_beside_what_says_whether_they_are_large(cli, video, tmp_path):
    """A key frame's score is that of the frame: the one, and the place among all, that `explain` gives."""
    for method in ("pixel_distance", "ffmpeg_scene"):  # segments; frames by their scores
        options = {"sampling": "every", "budget": 3}
        scores = kb.extract(video, method, **options).keyframes.frame_scores
        words = (f"extractor={method}", *(f"{name}={value}" for name, value in options.items()))
        text = cli("extract", video, *words, f"out={tmp_path}/{method}")[1]
        row = r"^\d+ +(\d+) +[\d.]+ +([-+.\de]+) +\((the highest|above \d+%)\)$"
        shown = re.findall(row, text, re.MULTILINE)
        assert len(shown) == 3
        for frame, score, place in shown:
            found = kb.explain(video, method, frame=int(frame), **options)
            below = sum(other < found.score for other in scores.tolist())
            assert score == f"{found.score:.4g}" and found.above == below / 30
            assert place == ("the highest" if found.score == scores.max() else f"above {100 * below // 30}%")
    scores = kb.extract(video, "pixel_distance", sampling="every").keyframes.frame_scores
    text = cli("extract", video, "extractor=pixel_distance", "sampling=every", "budget=3", f"out={tmp_path}/out")[1]
    half, most = (f"{q:.4g}" for q in np.quantile(scores, (0.5, 0.9)))
    assert f"scores of 30 frames: half below {half}, 90 % below {most}, " in text and "threshold" not in text
    for method in ("uniform", "k_medoids"):  # the number that k_medoids chose by is a share, not a score
        text = cli("extract", video, f"extractor={method}", "budget=3", f"out={tmp_path}/none")[1]
        assert re.search(r"time \(s\)$", text, re.MULTILINE) and re.search(r"^1 +\d+ +[\d.]+$", text, re.MULTILINE)


def test_the_highest_of_many_is_not_above_all(cli, tmp_path):
    shades = [np.full((16, 16, 3), shade, np.uint8) for shade in [20] * 249 + [220]]
    write_h264(tmp_path / "film.mp4", shades, 25)
    words = (tmp_path / "film.mp4", "sampling=every", "budget=2")
    told = (cli("extract", *words, f"out={tmp_path}/out")[1], cli("explain", *words, "frame=249")[1])
    assert re.search(r"^2 +249 .*\(the highest\)$", told[0], re.MULTILINE)
    assert "number 1 of 250, the highest of the frames seen" in told[1]


def test_one_threshold_of_all_frames_is_one_number(cli, video, tmp_path):
    out = cli("extract", video, "budget=free", f"out={tmp_path}/out")[1]
    threshold = kb.extract(video, budget="free").keyframes.thresholds[-1]
    assert f"; threshold {threshold:.4g}\n" in out


def test_a_threshold_that_nothing_exceeds_is_told(cli, video, tmp_path):
    words = ["extractor=ffmpeg_scene", "extractor.threshold=1", "budget=free", f"out={tmp_path}/out"]
    status, out, err = cli("extract", video, *words)
    assert (status, err) == (0, "") and "1 key frame (" in out
    assert "highest 0." in out and "; threshold 1: no score is above it" in out


def test_preset_of_a_paper(cli, video, tmp_path, checkpoint_of):
    """A preset sets parameters, others can still be given, and paths stay out of Hydra's grammar."""
    network = tmp_path / "a=b,(c).safetensors"
    torch = pytest.importorskip("torch", reason="needs keyframe_bench[networks]")
    from keyframe_bench.models.autoencoder import EncoderDecoder
    from keyframe_bench.models.networks import ConvolutionalNetwork

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EncoderDecoder(ConvolutionalNetwork.build("ae_final", {"width": 0.1, "geometry": 0.25}))
    checkpoint_of(network, model)
    words = ["extractor=autoencoder_chen2021", f"extractor.checkpoint={network}", "budget=free", f"out={tmp_path}/out"]
    status, out, err = cli("extract", video, *words, "extractor.min_gap_s=1")
    assert (status, err) == (0, "") and "sampling every" in out
    params = read(tmp_path / "out")["params"]
    assert (params["threshold"], params["rate"], params["min_gap_s"]) == (0.03, "every", 1.0)
    assert params["checkpoint"] == str(network)
