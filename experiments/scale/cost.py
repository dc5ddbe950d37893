"""What an hour of video costs with each extractor on one core, and how many machines many hours need.

Every case runs in a process of its own, with one decoder thread and one thread in every library: that is what each of
the N workers of a machine with N cores does. Imports are not timed. Rounds are interleaved, medians are kept::

    python experiments/scale/cost.py film480p.mp4 film1080p.mp4 \
        --save experiments/scale/cost.json --into experiments/scale/README.md
    python experiments/scale/cost.py --from experiments/scale/cost.json --cores 64 --days 7
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from cost_tables import Wish, render
from efficiency import decode, efficiencies
from record import HERE, Record, answer, at_least_one, finish, in_child, one_sentence, parser_of, positive

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.perf_cases import DECODE, ONE_PASS, extraction_question, facts_of, methods_of, uses_network
from keyframe_bench.bench.perf_work import prepared, timed
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.rendering.films import render_video
from keyframe_bench.tables.load import read_object
from keyframe_bench.video.decode import set_decoder_threads
from keyframe_bench.video.store import features_folder

BUDGET, SAMPLING, CACHE_GB = "10", "2fps", 10.0
HASH = "sha256 of the file, which every run adds"
RUN = "`keyframe-bench run`: all classical, with metrics, thumbnails and cells"
LEAST = "`keyframe-bench run` of the controls alone: what metrics and thumbnails cost at least"


def questions(video: Path, methods: list[Asked]) -> dict[str, Record]:
    """Return what is asked of `perf_work`, by row."""
    asked: dict[str, Record] = {DECODE: {"work": "decode"}, HASH: {"work": "hash"}}
    asked |= {method.extractor.name: extraction_question([method]) for method in methods}
    asked[ONE_PASS] = extraction_question([method for method in methods if not uses_network(method)])
    return {name: {**question, "video": str(video), "plugins": []} for name, question in asked.items()}


def time_question(question: Record) -> Record:
    """Return CPU and wall seconds of one piece of work; plain decoding of `perf_work` would use every core."""
    if question["work"] == "decode":
        return timed(lambda: {"frames": decode(Path(question["video"]))})
    return timed(prepared(question))


def time_run(task: Record) -> Record:
    """Return CPU and wall seconds of a whole run over a folder of one video, and what it leaves on the disk."""
    out = Path(task["out"])

    def spec(root: str, name: str) -> RunSpec:
        dataset = Dataset.registry.build("folder", {"root": root})
        common = (task["extractors"], [BUDGET], SAMPLING, (0,), "raise")
        return RunSpec(dataset, out / name, *common, cache_gb=CACHE_GB, threads=1)

    run_benchmark(spec(task["small"], "warm"))
    kept = bytes_in(features_folder())
    cpu, start = time.process_time(), time.perf_counter()
    summary = run_benchmark(spec(task["root"], "run"))
    seconds = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    disk = {name: bytes_in(out / "run" / name) for name in ("cells", "thumbs", "videos")}
    disk["results"] = (out / "run" / "results.jsonl").stat().st_size
    disk["features"] = bytes_in(features_folder()) - kept
    files = sum(1 for file in (out / "run").rglob("*") if file.is_file())
    return {**seconds, "disk": disk, "files": files, "cells": summary.n_cells}


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure(given: argparse.Namespace) -> Record:
    """Return the record: medians of every case on every video."""
    methods, not_run = methods_of("all", BUDGET, SAMPLING, None if given.no_networks else "random")
    methods = [method for method in methods if not (given.no_networks and uses_network(method))]
    with tempfile.TemporaryDirectory() as name:
        small = Path(name) / "small" / "tiny.mp4"
        render_video(small, "cuts", seed=1, height=48, width=64, fps=10, duration_s=3)
        videos = [measure_video(video.absolute(), methods, small.parent, given.rounds) for video in given.videos]
    return {
        "budget": BUDGET, "sampling": SAMPLING, "rounds": given.rounds, "videos": videos,
        "networks": [m.extractor.name for m in methods if uses_network(m)], "not_run": [vars(n) for n in not_run],
    }  # fmt: skip


def measure_video(video: Path, methods: list[Asked], small: Path, rounds: int) -> Record:
    """Return the rows of one video."""
    asked = questions(video, methods)
    found: dict[str, list[Record]] = {name: [] for name in (*asked, LEAST, RUN)}
    for turn in range(rounds):
        for case, question in asked.items():
            found[case].append(in_child(__file__, {"question": question}))
        for case, names in {
            LEAST: ["uniform"],
            RUN: [m.extractor.name for m in methods if not uses_network(m)],
        }.items():
            with tempfile.TemporaryDirectory() as name:
                root = Path(name) / "videos"
                root.mkdir()
                shutil.copy(video, root)
                task = {"root": str(root), "small": str(small), "out": str(Path(name) / "out"), "extractors": names}
                found[case].append(in_child(__file__, task, KEYFRAME_BENCH_CACHE=str(Path(name) / "cache")))
        print(f"{video.name}, round {turn + 1} of {rounds}", flush=True)
    rows = [
        {"name": name, **{n: statistics.median(o[n] for o in once) for n in ("wall_s", "cpu_s", "peak_mb")}}
        for name, once in found.items()
    ]
    run = {name: found[RUN][-1][name] for name in ("disk", "files", "cells")}
    return {"name": video.name, "bytes": video.stat().st_size, **asdict(facts_of(video)), "rows": rows, "run": run}


def wish_of(given: argparse.Namespace) -> Wish:
    """Return what the options ask for, with the measured efficiency where none is given."""
    efficiency, origin = given.efficiency, "as given"
    if efficiency is None:
        file = HERE / "efficiency.json"
        if not file.is_file():
            raise SystemExit("cost.py: there is no efficiency.json; run efficiency.py --save, or give --efficiency")
        record = read_object(file)
        efficiency = statistics.median(efficiencies(record, "run"))
        origin = f"measured with {record['workers']} workers by `efficiency.py`"
    return Wish(given.hours, given.minutes, given.cores, given.days, efficiency, origin)


def main() -> None:
    """Measure unless a record is given; print the tables. With ``--task``: take one timing."""
    parser = parser_of(__doc__)
    parser.add_argument("videos", type=Path, nargs="*", help="video files, one row of tables each")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="medians are over so many")
    parser.add_argument("--no-networks", action="store_true", help="leave out extractors with a network")
    parser.add_argument("--hours", type=positive, default=1e6, help="hours of video")
    parser.add_argument("--cores", type=at_least_one, default=16, help="of a machine")
    parser.add_argument("--days", type=positive, default=30.0, help="in which the hours shall be done")
    parser.add_argument("--minutes", type=positive, default=10.0, help="length of one of the videos, for the disk")
    parser.add_argument("--efficiency", type=positive, help="default: as measured by efficiency.py")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task is None:
        if not given.videos and given.source is None:
            parser.error("give videos, or --from RECORD")
        wish = wish_of(given)
        finish(given, "cost", lambda: measure(given), lambda record: render(record, wish))
        return
    import cv2

    set_decoder_threads(1)
    cv2.setNumThreads(1)
    answer(given.task, time_question(given.task["question"]) if "question" in given.task else time_run(given.task))


if __name__ == "__main__":
    one_sentence(main)()
