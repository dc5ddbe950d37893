"""A report of very many videos: the page stays small and opens at once, what is shown of a video comes when opened."""

import hashlib
import json
import time

import cv2
import numpy as np
import pytest

from keyframe_bench.core.cells import thumbnails_folder
from keyframe_bench.report.outputs import write_outputs

METHODS = ("random", "uniform", *(f"method_{i}" for i in range(10)))
COLUMNS = {
    "coverage": {"direction": "higher", "about": "share of frames that look like a key frame"},
    "redundancy": {"direction": "lower", "about": "likeness of key frames"},
    "total_s": {"direction": "lower", "unit": "s", "about": "seconds"},
    "n_keyframes": {"direction": "none", "about": "key frames"},
}


def made(out, n_videos):
    """Write the folder of a run: 12 methods, 6 key frames each, scores of 160 frames; all videos look alike."""
    rng = np.random.default_rng(0)
    (out / "videos").mkdir(parents=True)
    (out / "choices").mkdir()
    pictures = out / "pictures"
    pictures.mkdir()
    for frame in range(0, 240):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (135, 240, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(pictures / f"{frame}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    (out / "thumbs").mkdir()
    times = np.linspace(0, 119, 160).round(3).tolist()
    curves = {f"{i:020x}": np.round(rng.random(160), 4).tolist() for i in range(len(METHODS))}
    with open(out / "results.jsonl", "w") as file:
        for number in range(n_videos):
            name = f"class_{number % 7}/video_{number:05d}.mp4"
            sha = hashlib.sha256(name.encode()).hexdigest()
            thumbnails_folder(out, sha).symlink_to(pictures)
            choices = {}
            for i, method in enumerate(METHODS):
                frames = np.sort(rng.choice(240, 6, replace=False)).tolist()
                key, chosen = f"{number:x}-{method}", [frame / 2 for frame in frames]
                kept = {"frames": frames, "times": chosen, "scores": rng.random(6).round(4).tolist(), "cost": {}}
                metrics = {
                    "coverage": rng.random(),
                    "redundancy": rng.random(),
                    "total_s": rng.random(),
                    "n_keyframes": 6,
                }
                cell = {
                    "key": key,
                    "status": "ok",
                    "extractor": method,
                    "dataset": "many",
                    "video": name,
                    "budget": "6",
                }
                cell |= {"control": i < 2, "video_sha256": sha, "video_record": sha, "sampling": "2fps", "seed": 0}
                cell |= {"n_sampled": 240, "keyframes": kept, "metrics": metrics, "finished": "2026-01-01"}
                file.write(json.dumps(cell) + "\n")
                spans = [[time, time + 1] for time in chosen]
                choices[key] = {"curve": f"{i:020x}", "ranks": frames, "segments_s": spans, "lowest": 0.5}
                choices[key]["frame_scores"] = [0.5] * len(frames)
            record = {"video": name, "sha256": sha, "n_frames": 3000, "start_s": 0.0, "duration_s": 120.0, "fps": 25.0}
            record |= {
                "width": 640,
                "height": 360,
                "users": [],
                "change": {"times": times, "values": curves[f"{0:020x}"]},
            }
            record |= {"health": {"declared_frames": 3000, "decoded_frames": 3000, "notes": []}}
            scored = {of: {"times": times, "scores": values, "thresholds": [0.5]} for of, values in curves.items()}
            (out / "videos" / f"{sha}.json").write_text(json.dumps(record))
            shown = {"address": f"films/{number}.mp4", "curves": scored, "choices": choices}
            (out / "choices" / f"{sha}.json").write_text(json.dumps(shown))
    run = {"command": "keyframe-bench run", "columns": COLUMNS, "n_videos": n_videos, "seeds": [0]}
    (out / "run.json").write_text(json.dumps(run))
    return out


def opened(browser, out):
    """Open the report; return the seconds until the pictures of its first video are painted, and the page."""
    page = browser.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    start = time.perf_counter()
    page.goto((out / "report.html").as_uri(), wait_until="commit")
    page.locator("#viewer img.pic").first.wait_for()
    page.evaluate("document.querySelector('#telling img.pic').decode()")
    seconds = time.perf_counter() - start
    page.select_option("#video", str(page.locator("#video option").count() - 1))
    page.locator("#viewer .name", has_text=page.locator("#video option").last.inner_text()).wait_for()
    page.locator("#viewer .lane .th").first.click()
    assert "sampled frames" in page.locator("dialog").inner_text()
    assert problems == []
    page.close()
    return seconds


def test_the_page_grows_little_with_every_video_and_each_has_its_file(browser, tmp_path):
    sizes = {}
    for n in (30, 60):
        out = made(tmp_path / str(n), n)
        write_outputs(out)
        sizes[n] = (out / "report.html").stat().st_size
        files = [file.stat().st_size for file in (out / "report").iterdir()]
        assert len(files) == n and max(files) < 100_000
    a_video = (sizes[60] - sizes[30]) / 30
    assert sizes[60] + 1940 * a_video < 5e6
    assert opened(browser, tmp_path / "60") < 5  # on a busy machine


@pytest.mark.slow
def test_of_2000_videos_and_12_methods_the_page_is_below_5_mb_and_opens_within_2_s(browser, tmp_path):
    out = made(tmp_path / "out", 2000)
    start = time.perf_counter()
    write_outputs(out)
    written = time.perf_counter() - start
    size = (out / "report.html").stat().st_size
    files = [file.stat().st_size for file in (out / "report").iterdir()]
    seconds = [opened(browser, out) for _ in range(3)]
    told = f"{size} bytes, opened in {seconds} s; {sum(files)} bytes beside; written in {written:.1f} s"
    assert size < 5e6 and len(files) == 2000, told
    assert min(seconds) < 2, told
