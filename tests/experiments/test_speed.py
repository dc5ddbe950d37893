"""The scripts of experiments/speed run, and what they promise of time and memory holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keyframe_bench.core.processes import anonymous_mb
from keyframe_bench.metrics.base import Metric

SPEED = Path(__file__).parents[2] / "experiments" / "speed"


def printed(name: str, *arguments: object) -> str:
    """What a script prints."""
    command = [sys.executable, str(SPEED / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_memory_is_bounded_and_does_not_grow_with_the_length() -> None:
    if not anonymous_mb():
        pytest.skip("this system does not tell anonymous memory")
    rows = re.findall(r"^ +(\d+) +\d+ (.{28}) +(\d+) +(\d+)", printed("memory", "--minutes", 4, 8), flags=re.MULTILINE)
    peaks = {(int(minutes), command.strip()): int(peak) for minutes, command, peak, _ in rows}
    assert len(peaks) == 6 and max(peaks.values()) < 400
    # From 6000 frames, more than any metric keeps, to 12000: nothing may be kept for every frame.
    assert [one for one in peaks if one[0] == 8 and peaks[one] - peaks[4, one[1]] >= 30] == []


@pytest.mark.slow
def test_encoding_is_timed_beside_the_matrix_rate(tmp_path: Path) -> None:
    words = ["--network", "p1_4", "--precisions", "fp32", "--threads", 1, "--clock", "cpu", "--batches", 1]
    words += ["--ways", "folded, channels last", "--rounds", 1, "--seconds", 0.01, "--save", tmp_path / "found.json"]
    share = re.search(r"encoding in use, fp32, 1 threads: (\d+)%", printed("encoding", *words))
    assert share is not None and int(share[1]) > 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert {row["way"] for row in found["rows"]} == {"folded, channels last", "in use"}
    assert all(row["shares"][0] > 0 for row in found["rows"])
    assert found["matrix"]["fp32 1"] and found["machine"]["cores"]


@pytest.mark.slow
def test_labels_of_a_frame_mae_are_five_times_as_fast_as_the_authors_way(tmp_path: Path) -> None:
    from keyframe_bench.rendering.films import render_video

    render_video(tmp_path / "film.mp4", "mixed", 0, height=480, width=640, fps=25, duration_s=2)
    out = printed("frame_mae", tmp_path / "film.mp4", "--threads", 1, "--clock", "cpu", "--rounds", 3)
    labels, arithmetic = re.findall(r"([\d.]+) x", out)
    assert float(labels) >= 5 and float(arithmetic) >= 1
    assert float(re.search(r"largest difference of an error (\S+)", out)[1]) <= 1e-5  # type: ignore[index]  # no match fails too
    seconds = [float(s) for s in re.findall(r"GMAC +([\d.]+) +[\d.]+ s", out)]
    assert len(seconds) == 4 and seconds == sorted(seconds) and seconds[0] < 0.4 * seconds[3]  # a tenth is visible


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["--width", 0.05, "--geometry", 0.25, "--batch", 2, "--rounds", 1], float("inf")),
        (["--rounds", 3, "--threads", 1], 1),  # mix costs no more than the network; more threads would wait for others
    ],
)
def test_losses_are_timed_beside_the_network(words: list[object], most: float) -> None:
    out = printed("losses", *words)
    assert {"l2", "ssim", "mix, pyramid", "mix of prepared frames"} <= set(re.findall(r"^(\S.*?)  +\d", out, re.M))
    found = {name: float(x) for name, x in re.findall(r"^mix / network, (\S+): ([\d.]+),", out, flags=re.MULTILINE)}
    assert "fp32" in found and max(found.values()) < most


@pytest.mark.slow
def test_a_map_is_timed_in_a_browser() -> None:
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install keyframe_bench[dev])")
    if not shutil.which("chromium"):
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    out = printed("map", "--frames", 60, "--rounds", 1)
    rows = {
        name: (float(ms), int(n)) for name, ms, n in re.findall(r"^(\S.*?) +median +([\d.]+) ms.*n=(\d+)$", out, re.M)
    }
    shown = ("first paint", "all thumbnails drawn", "hover, card", "hover, preview")
    assert all(rows[name][0] > 0 for name in shown) and rows["hover, preview"][1] > 20


def metric_timings(*arguments: object) -> dict[str, float]:
    rows = re.findall(r"^(\w+) +([\d.]+) ms", printed("metrics", *arguments), flags=re.MULTILINE)
    return {name: float(ms) for name, ms in rows}


def test_every_metric_is_timed() -> None:
    assert set(metric_timings("--frames", 300, "--repeats", 1)) == set(Metric.registry.names())


@pytest.mark.slow
def test_twenty_users_and_3000_frames_take_at_most_5_ms_per_metric() -> None:
    rounds = [metric_timings("--repeats", 15) for _ in range(3)]  # the quietest: other programs must not fail it
    assert {name: ms for name in rounds[0] if (ms := min(r[name] for r in rounds)) > 5} == {}


def selections(*arguments: object) -> tuple[dict[tuple[str, int], float], list[float]]:
    """Median seconds by (case, frames), and the slopes."""
    out = printed("selection", *arguments)
    rows = re.findall(r"^(\S+ .*?) +(\d+) +([\d.]+) +[\d.]+ +[\d.]+$", out, flags=re.MULTILINE)
    return {(case, int(n)): float(s) for case, n, s in rows}, [float(x) for x in re.findall(r"power (\S+)$", out, re.M)]


def test_selections_are_timed_by_size(video: Path) -> None:
    seconds, slopes = selections(video, "--frames", 10, 20, 9999, "--repeats", 1)
    assert {n for case, n in seconds if case == "spectral budget=8"} == {10, 20, 30}
    assert ("differential_evolution fitness=ssim budget=free", 6) in seconds
    assert len(slopes) == 2


@pytest.mark.slow
def test_three_minutes_evolve_in_5_s_and_5000_frames_are_clustered_in_10_s() -> None:
    seconds, slopes = selections()
    assert seconds["differential_evolution fitness=ssim budget=8", 360] < 5
    assert seconds["spectral budget=8", 5000] < 10
    assert max(slopes) < 2  # all pairs of frames, and eigenvectors of a full matrix, would be 2 to 3
