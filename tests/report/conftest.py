"""A small output folder as a run writes it, with everything that can go wrong in a name."""

import json
import shutil
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from keyframe_bench.core.cells import thumbnails_folder
from keyframe_bench.report.html import render_report
from keyframe_bench.tables import comparison, load_results, load_run

RIGHT_TO_LEFT = "\u202egpj.exe\u2066\udcff ש.mp4"  # turns what follows around; a byte that is no UTF-8
HOSTILE = '"><script>alert(1)</script>.mp4'
COLUMNS = {
    "cus_a": {"direction": "higher", "about": "share of <user> key frames"},
    "total_s": {"direction": "lower", "unit": "s", "about": "seconds | all"},
    "n_keyframes": {"direction": "none", "about": "key frames"},
    "shot_recall": {"direction": "higher", "about": "shots"},
}
METHODS = {
    "random": {"control": True, "draws": 100},
    "uniform": {"control": True},
    "pixel_distance": {"params": {"threshold": "mean"}},
    "pixel_distance ": {"extractor": "pixel_distance", "params": {"threshold": "a|b_&<i>%$#{}"}},
    "coded_frames": {"sampling": "every"},
    "vsumm": {},
    "oracle": {"privileged": True},
    "human": {},
}


def _cell(method, number, video, sha, rng):
    fields = METHODS[method]
    failed = method == "vsumm" and number == 1
    k = 15 if method == "coded_frames" else 4
    frames = np.sort(rng.choice(60, k, replace=False))
    keyframes = {"frames": frames.tolist(), "times": (10 + frames / 2).tolist(), "scores": None, "cost": {}}
    return {
        "format": "keyframe_bench/cell@1", "key": f"{method}-{number}", "status": "failed" if failed else "ok",
        "extractor": method, "params": {}, "reference": "avila2011", "budget_rule": "k <highest> peaks",
        "dataset": "folder", "video": video, "video_sha256": sha, "video_record": sha[::-1], "budget": "4",
        "sampling": "2fps", "seed": 0, "keyframes": None if failed or method == "human" else keyframes,
        "metrics": {} if failed else {"cus_a": float(rng.random()), "total_s": float(rng.random()), "n_keyframes": k},
        "error": {"type": "ValueError", "message": "no <b>clusters</b>"} if failed else None, "finished": "2026-01-01",
    } | fields  # fmt: skip


@pytest.fixture(scope="session")
def table(fake_out):
    return comparison(load_results(fake_out), load_run(fake_out)["columns"])


@pytest.fixture(scope="session")
def wide_table(wide_out):
    return comparison(load_results(wide_out), load_run(wide_out)["columns"])


@pytest.fixture(scope="session")
def fake_out(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    (out / "videos").mkdir()
    rng = np.random.default_rng(0)
    cells = []
    for number, video in enumerate([HOSTILE, "sub/two & 'three'.mp4", "no facts.mp4"]):
        sha = f"{number:x}" * 64
        cells += [_cell(method, number, video, sha, rng) for method in METHODS]
        if number == 2:
            continue  # neither facts nor images were written
        folder = thumbnails_folder(out, sha)
        folder.mkdir(parents=True)
        for frame in range(0, 60, 2):  # every second image is missing
            picture = np.full((18, 32, 3), rng.integers(0, 255, 3), np.uint8)
            cv2.imwrite(str(folder / f"{frame}.jpg"), picture)
        change = {"times": [10 + i / 2 for i in range(60)], "values": rng.random(60).tolist()}
        facts = {"video": video, "sha256": sha, "n_frames": 720, "start_s": 10.0, "duration_s": 30.0, "fps": 24.0}
        health = {"declared_frames": 725, "decoded_frames": 720, "notes": [], "n_gaps": 106}
        facts |= {"width": 640, "height": 360, "health": health}
        facts |= {"change": change, "shots_s": [[10, 20], [20, 40]] if number else None}
        facts |= {"users": [{"name": "<u>1", "times": [11.0, 25.0], "frames": [24, 360]}]}
        (out / "videos" / f"{sha[::-1]}.json").write_text(json.dumps(facts))
    (out / "results.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    run = {"command": "keyframe-bench run '<x>'", "columns": COLUMNS, "n_videos": 4, "seeds": [0]}
    run |= {"skipped": [{"video": "<svg onload=alert(2)>.mp4", "reason": "no video stream"}]}
    run |= {"not_run": [{"extractor": "embedding_kmeans", "reason": "no weights"}], "warnings": ["<w> shared feature"]}
    run |= {"versions": {"python": "3.11"}, "started": "2026-01-01", "budget": "4", "sampling": "2fps"}
    (out / "run.json").write_text(json.dumps(run))
    return out


@pytest.fixture(scope="session")
def wide_out(fake_out, tmp_path_factory):
    """`fake_out` at three budgets; a name that turns text around, a damaged video, a tool with known defects."""
    out = tmp_path_factory.mktemp("wide") / "out"
    shutil.copytree(fake_out, out)
    rng = np.random.default_rng(1)
    cells = []
    for line in (fake_out / "results.jsonl").read_text().splitlines():
        cell = json.loads(line)
        cell["video"] = cell["video"].replace("no facts.mp4", RIGHT_TO_LEFT)
        for number, budget in enumerate(("4", "8", "12")):
            more = {"key": f"{cell['key']}-{budget}", "budget": budget}
            if cell["extractor"] == "vsumm":
                more["known_defects"] = "loses the <last> frame \u202eevil"
            if cell["status"] == "ok":
                n = int(cell["metrics"]["n_keyframes"]) + 4 * number
                more["metrics"] = {"cus_a": float(rng.random()), "shot_recall": float(rng.random()), "n_keyframes": n}
                more["metrics"]["total_s"] = float(10 ** rng.uniform(-3, 0))
            cells.append(cell | more)
    (out / "results.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    damaged = out / "videos" / f"{'1' * 64}.json"
    facts = json.loads(damaged.read_text())
    facts["health"] |= {"truncated_tail": True, "decoded_duration_s": 9.0, "declared_duration_s": 30.0}
    damaged.write_text(json.dumps(facts))
    return out


def _written(out):
    for name, text in render_report(out).items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    return (out / "report.html").as_uri()


@pytest.fixture(scope="session")
def written():
    """Write the report of a folder, and return its address."""
    return _written


@pytest.fixture(scope="session")
def address(wide_out):
    return _written(wide_out)


@pytest.fixture
def late_film():
    """Write a film that begins at 5 s: frame n of its 20 is grey 10 n."""

    def write(path):
        path.parent.mkdir(exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream({".webm": "libvpx", ".mp4": "libx264"}[path.suffix], rate=10)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for n in range(20):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * n, np.uint8), format="rgb24")
                frame.pts, frame.time_base = 50 + n, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def open_page(visit, address):
    """Open a page anew; whatever it complains about, or loads from elsewhere than its folder, fails the test."""

    def open_page(width=1400, of=address, more=(), **options):
        page = visit(of, width, more, **options)
        if options.get("java_script_enabled", True):
            page.locator("#viewer .timeline").wait_for()
        return page

    return open_page
