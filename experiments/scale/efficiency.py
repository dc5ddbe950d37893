"""How well two workers use two cores: the same run with one worker and with two, each decoding with one thread.

Every round times both, and plain decoding by one and by two processes, which is what the machine itself can do: two of
its cores may share a memory bus, or be two threads of one. Efficiency is T(1) / (n T(n)), over rounds the median::

    python experiments/scale/efficiency.py --save experiments/scale/efficiency.json --into experiments/scale/README.md
    python experiments/scale/efficiency.py --root DIR

Each timing is taken in a process of its own. Its workers first compute small videos, so that they have imported
everything; what that took longer than a second time is the workers' start, told on its own and added in "as a whole".
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from record import (
    Record,
    answer,
    at_least_one,
    classical,
    finish,
    in_child,
    markdown_table,
    measured_on,
    one_sentence,
    parser_of,
    positive,
    unique_copies,
)

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.plan import StoredCells, make_plan
from keyframe_bench.bench.results import collect_results
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.rendering.films import render_video
from keyframe_bench.video.decode import VideoReader, set_decoder_threads

N_SMALL = 4
CASES = {"run": "`keyframe-bench run`", "decode": "decoding alone, by processes of its own"}


def decode(path: Path) -> int:
    """Decode a file with one thread and look at no image; return the number of frames."""
    set_decoder_threads(1)
    with VideoReader(path) as reader:
        return sum(1 for _ in reader)


def spec_of(task: Record, root: str, out: Path) -> RunSpec:
    """Return the run that is timed."""
    dataset = Dataset.registry.build("folder", {"root": root})
    n = task["n"]
    common = (task["extractors"], ["8"], "2fps", (0,), "raise")
    return RunSpec(dataset, out, *common, backend="loky" if n > 1 else "serial", n_jobs=n, threads=1)


def time_run(task: Record, out: Path) -> Record:
    """Return seconds of the run by workers that have imported everything, of their start, and of the serial parts."""
    cold, _ = clocked(lambda: run_benchmark(spec_of(task, task["small"], out / "cold")))
    warm, _ = clocked(lambda: run_benchmark(spec_of(task, task["small"], out / "warm")))
    spec = spec_of(task, task["root"], out / "run")
    used, others = cpu_seconds(), others_seconds()
    seconds, summary = clocked(lambda: run_benchmark(spec))
    used, others = cpu_seconds() - used, others_seconds() - others
    plan_s, plan = clocked(lambda: make_plan(spec))
    collect_s, _ = clocked(lambda: collect_results(StoredCells(spec.out), plan.scope()))
    assert summary.n_computed == summary.n_cells, summary
    return {"s": seconds, "start_s": max(0.0, cold - warm), "cpu_s": used, "others_s": others,
            "plan_s": plan_s, "collect_s": collect_s}  # fmt: skip


def time_decoding(task: Record) -> Record:
    """Return seconds of decoding all files by so many processes that have imported everything."""
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=task["n"], batch_size=1)
    pool(delayed(decode)(path) for path in sorted(Path(task["small"]).iterdir()))
    files = sorted(path for path in Path(task["root"]).rglob("*") if path.is_file())
    used, others = cpu_seconds(), others_seconds()
    seconds, _ = clocked(lambda: pool(delayed(decode)(path) for path in files))
    return {"s": seconds, "cpu_s": cpu_seconds() - used, "others_s": others_seconds() - others}


def clocked(work: Callable[[], object]) -> tuple[float, object]:
    """Return the seconds of ``work``, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its children so far; of this process only where /proc is missing."""
    total = time.process_time()
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text("ascii").rpartition(")")[2].split()
        except (OSError, ValueError):  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def others_seconds() -> float:
    """Return the CPU seconds that the machine spent on anything but this process and its children; 0 without /proc."""
    try:
        fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, stolen = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK") - cpu_seconds()


def measure(given: argparse.Namespace) -> Record:
    """Return the record: seconds of every case, number of workers and round."""
    with tempfile.TemporaryDirectory() as name:
        root, small = Path(name) / "videos", Path(name) / "small"
        render(given, Path(name), small)
        if given.root is not None:
            root = given.root.absolute()
        else:
            unique_copies(sorted((Path(name) / "sources").iterdir()), root, given.videos)
        videos = Dataset.registry.build("folder", {"root": str(root)}).videos()
        task = {"root": str(root), "small": str(small), "extractors": given.extractors or classical()}
        found: dict[str, dict[int, list[Record]]] = {case: {1: [], given.workers: []} for case in CASES}
        for turn in range(given.rounds):
            for case, timings in found.items():
                for n in timings if turn % 2 == 0 else reversed(timings):
                    timings[n].append(in_child(__file__, task | {"case": case, "n": n}))
                    print(f"round {turn + 1}, {case}, {n} workers: {json.dumps(timings[n][-1])}", flush=True)
        megabytes = sum(Path(video.path).stat().st_size for video in videos) / 1e6
    return {
        "videos": len(videos), "megabytes": megabytes, "source": "rendered" if given.root is None else given.root.name,
        "size": [] if given.root is not None else [given.height, given.width, given.seconds],
        "extractors": task["extractors"], "workers": given.workers, "timings": found,
    }  # fmt: skip


def render(given: argparse.Namespace, folder: Path, small: Path) -> None:
    """Render the small videos that workers start on, and those that are measured unless a folder is given."""
    tiny = folder / "tiny.mp4"
    render_video(tiny, "cuts", seed=0, height=48, width=64, fps=10, duration_s=3)
    unique_copies([tiny], small, N_SMALL)
    if given.root is None:
        size = {"height": given.height, "width": given.width, "duration_s": given.seconds}
        for seed, kind in enumerate(("cuts", "dissolves", "pans", "noise")):
            render_video(folder / "sources" / f"{kind}.mp4", kind, seed, **size)


def efficiencies(record: Record, case: str, *, start: bool = False, of: str = "s") -> list[float]:
    """Return T(1) / (n T(n)) of every round; with ``start`` the start of the workers belongs to both."""
    n = record["workers"]
    one, many = (record["timings"][case][str(k)] for k in (1, n))

    def total(timing: Record) -> float:
        return timing[of] + (timing["start_s"] if start else 0.0)

    share = n if of == "s" else 1  # CPU seconds are already summed over workers
    return [total(a) / (share * total(b)) for a, b in zip(one, many, strict=True)]


def table(record: Record) -> str:
    """Return the table, with what was measured beside it."""
    n = record["workers"]

    def row(name: str, case: str, *, start: bool = False) -> list[str]:
        one, many = (
            statistics.median(t["s"] + (t["start_s"] if start else 0.0) for t in record["timings"][case][str(k)])
            for k in (1, n)
        )
        found = efficiencies(record, case, start=start)
        spread = f"{min(found):.2f} to {max(found):.2f}"
        return [name, f"{one:.1f} s", f"{many:.1f} s", f"**{statistics.median(found):.2f}**", spread]

    head = ["case", "1 worker", f"{n} workers", "efficiency", "lowest to highest round"]
    rows = [row(CASES["run"], "run"), row("the same, as a whole: with the workers' start", "run", start=True)]
    rows.append(row(CASES["decode"], "decode"))
    size = record["size"]
    what = f"{size[1]} x {size[0]}, {size[2]:g} s each, rendered" if size else f"of the folder {record['source']}"
    many = record["timings"]["run"][str(n)]
    middle = {name: statistics.median(t[name] for t in many) for name in ("plan_s", "collect_s", "start_s")}
    cpu = statistics.median(efficiencies(record, "run", of="cpu_s"))
    rounds = zip(efficiencies(record, "run"), record["timings"]["run"]["1"], many, strict=True)
    others = ", ".join(f"{e:.2f} ({a['others_s'] / a['s']:.1f}, {b['others_s'] / b['s']:.1f})" for e, a, b in rounds)
    facts = (
        f"{record['videos']} videos ({what}, {record['megabytes']:.0f} MB), {len(record['extractors'])} extractors and "
        f"all metrics, {len(many)} rounds, medians. Serial parts within the run of {n} workers: planning "
        f"{middle['plan_s']:.2f} s, collecting {middle['collect_s']:.2f} s; before it, the workers' start "
        f"{middle['start_s']:.1f} s. CPU seconds of one worker over those of {n}: {cpu:.2f} (below 1: each "
        f"worker is slowed down by the others). Every round, and how many cores other programs took while one and {n} "
        f"workers were timed: {others}."
    )
    return "\n\n".join([markdown_table(head, rows), facts, measured_on(record)])


def main() -> None:
    """Measure unless a record is given; print the table. With ``--task``: take one timing."""
    parser = parser_of(__doc__)
    parser.add_argument("--root", type=Path, help="folder of at least 20 videos instead of rendered ones")
    parser.add_argument("--videos", type=at_least_one, default=24, help="how many are rendered")
    parser.add_argument("--seconds", type=positive, default=10.0, help="length of a rendered video")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--workers", type=at_least_one, default=2, help="worker processes, a core each")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="medians are over so many")
    parser.add_argument("--extractors", nargs="+", help="default: all without a network")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task is None:
        finish(given, "efficiency", lambda: json.loads(json.dumps(measure(given))), table)
        return
    with tempfile.TemporaryDirectory() as out:
        case = given.task["case"]
        answer(given.task, time_run(given.task, Path(out)) if case == "run" else time_decoding(given.task))


if __name__ == "__main__":
    one_sentence(main)()
