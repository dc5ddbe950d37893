"""Whether a file of results that someone sends can stand beside the others: every problem, with its line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..core.cells import HUMAN, IDENTITY, PLACE, parse_cell
from ..core.errors import UsageError
from ..core.files import canonical_json, one_line
from ..core.grammar import Budget
from .boards import COSTS
from .caveats import BOUND, BOUNDED, listed
from .load import cells_frame
from .quality import DECIDED
from .ranking import BASELINE, FLOOR

Cell = Mapping[str, Any]

ENOUGH_DRAWS = 100
_MAX_BYTES = 20_000_000
_NEEDED = ("dataset", "video_sha256", "budget", "sampling", "version", "n_frames", "params")
_AGAIN = "run the same command again, and send its results as they are"
# An absolute path of any system where a word begins; a slash inside a word (4/min, ../videos) begins none.
_PATH = re.compile(r"""(?:^|[\s=:,'"\[(])(~?/[\w.~-]+/[^\s'",\\]*|[A-Za-z]:\\\\[^\s'"]*|file://[^\s'"]*)""")
_KEY = re.compile(r"[0-9a-f]{20}")
_ROUNDED = 1e-5  # small files once kept six digits


class Problem(NamedTuple):
    """What is wrong, and what to do; ``line`` counts from 1, 0 stands for the record of the run."""

    line: int
    text: str


def is_comparison(run: Mapping[str, Any]) -> bool:
    """Say whether results are of methods at a budget, which can stand on a board."""
    return bool(run.get("budget"))


def remarks_of(text: str, run: Mapping[str, Any]) -> str:
    """Return what must be said of a file without problems; empty if there is nothing."""
    if not is_comparison(run):
        return "no comparison of methods, so it stands on no board"
    cells = [parse_cell(line) for line in text.split("\n") if line.strip()]
    n = sum(not cell.keys() >= set(IDENTITY) for cell in cells)
    why = "as these cells lack part of what a key is the hash of (`table --save` once left it out)"
    return f"{n} of {len(cells)} keys are not checked, {why}" if n else ""


def problems_of(
    text: str, run: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]], datasets: Collection[str]
) -> list[Problem]:
    """Return what is wrong with a file of results; of results that are no comparison, form and record alone.

    Rows and controls are checked where each line is right by itself, as a wrong one cannot be put into its row.

    ``text``: of the file; ``run``: its record, {} if there is none; ``columns``, ``datasets``: those that there are, of
    the first with direction, unit and sign.
    """
    if len(text) > _MAX_BYTES:
        advice = "`keyframe-bench table NAME --from DIR --save FILE.jsonl` keeps what a table needs"
        return [Problem(0, f"it has {len(text) / 1e6:.0f} MB, more than {_MAX_BYTES / 1e6:.0f}; {advice}")]
    found = list(_of_record(run, columns, datasets))
    declared = {name: {**about, **columns.get(name, {})} for name, about in _columns(run).items()}
    named = [*datasets, str(run.get("dataset"))]  # that of the record has been looked at
    cells: dict[int, Cell] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        found += [Problem(number, said) for said in _paths(line)]
        try:
            cell = parse_cell(line)
        except ValueError as error:
            found.append(Problem(number, f"{one_line(error)}; {_AGAIN}"))
            continue
        names = [cell["key"], *([canonical_json([cell.get(name) for name in PLACE])] if is_comparison(run) else [])]
        if first := {lines.setdefault(name, number) for name in names} - {number}:
            found.append(Problem(number, f"it has the key or is about what line {min(first)} is; leave one out"))
        cells[number] = cell
        if is_comparison(run):
            found += [Problem(number, said) for said in _of_cell(cell, declared, named)]
    if not text.strip():
        found.append(Problem(0, "it holds no cells; send results.jsonl of a run that has finished"))
    if cells and is_comparison(run):
        found += _of_videos(cells)
        if not any(problem.line for problem in found):
            found += [*_of_rows(cells), *_of_leaks(cells, run)]
    return sorted(found)


def _of_record(
    run: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]], datasets: Collection[str]
) -> Iterator[Problem]:
    if not run:
        yield Problem(0, "it has no record of its run; send run.json of the out= folder too, as FILE.run.json")
        return
    if run.get("format") != "keyframe_bench/run@1":
        yield Problem(0, f"its record has format {run.get('format')!r}, not keyframe_bench/run@1; {_AGAIN}")
    if not str(run.get("command") or "").startswith("keyframe-bench "):
        yield Problem(0, f"its record has no command that can be typed again; {_AGAIN}")
    versions = run.get("versions")
    if not isinstance(versions, Mapping) or not versions.get("keyframe_bench"):
        yield Problem(0, f"its record does not say with which version of keyframe_bench it was made; {_AGAIN}")
    commit = run.get("commit")
    if not isinstance(commit, str) or commit.endswith("+"):
        yield Problem(0, "it was made by a checkout with changes of its own; commit them, or undo them, and run again")
    if run.get("dataset") not in (None, *datasets):
        yield Problem(0, f"its {_not_shared(run['dataset'], datasets)}")
    for name, about in _columns(run).items():
        usual = columns.get(name, {}) if is_comparison(run) else {}
        for part in ("direction", "unit"):
            if usual.get(part) not in (None, about.get(part)):
                yield Problem(0, f"its record has {part} {about.get(part)!r} for {name}, not {usual[part]!r}; {_AGAIN}")
    for said in _paths(canonical_json(run)):
        yield Problem(0, f"record: {said}")


def _columns(run: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = run.get("columns")
    return {k: v for k, v in found.items() if isinstance(v, Mapping)} if isinstance(found, Mapping) else {}


def _paths(text: str) -> list[str]:
    found = dict.fromkeys(_PATH.findall(text))
    return [
        f"it names a path of your machine, {one_line(path)!r}; use paths relative to the folder you work in"
        for path in found
    ]


def _not_shared(dataset: Any, datasets: Collection[str]) -> str:
    names = sorted(name for name in datasets if name != dataset)
    return f"data set {dataset!r} is not part of keyframe_bench; use one that is: {listed(names, 99)}"


def _of_cell(cell: Cell, columns: Mapping[str, Mapping[str, Any]], datasets: Collection[str]) -> Iterator[str]:
    if missing := [name for name in _NEEDED if cell.get(name) is None]:
        if cell["status"] != "skipped":
            yield f"it has no {', '.join(missing)}; {_AGAIN}"
        return
    if not _KEY.fullmatch(cell["key"]):
        yield f"its key {one_line(cell['key'])!r} is not 20 hex digits; {_AGAIN}"
    if cell["dataset"] not in datasets:
        yield _not_shared(cell["dataset"], datasets)
    if cell["status"] == "ok":
        yield from list(_of_numbers(cell, columns)) or _of_cost(cell)
    try:
        budget = Budget.parse(cell["budget"])
    except UsageError as error:
        yield str(error)
        return
    if cell["extractor"] != HUMAN and cell["status"] == "ok":
        yield from _of_frames(cell, budget)


def _of_frames(cell: Cell, budget: Budget) -> Iterator[str]:
    frames = (cell.get("keyframes") or {}).get("frames")
    if frames is None:
        yield f"it has no key frames; {_AGAIN}"
        return
    k = cell.get("k")
    if k is None and budget.needs_support == "fixed":
        yield f"it has no k, the number of key frames that budget {budget} comes to; {_AGAIN}"
    elif k is not None and len(frames) > k:
        yield f"it has {len(frames)} key frames, more than k = {k}; choose at most as many as the budget allows"
    elif k is not None and budget.kind == "count" and k > budget.value:
        yield f"its k = {k} is more than budget {budget}; {_AGAIN}"
    if frames and frames[-1] >= cell["n_frames"]:
        yield f"key frame {frames[-1]} is none of a video with frames 0 to {cell['n_frames'] - 1}; count from 0"
    told = (cell.get("metrics") or {}).get("n_keyframes")
    if told is not None and cell.get("draws", 1) == 1 and 0 <= told != len(frames):
        yield f"n_keyframes is {told:g}, but it has {len(frames)} key frames; {_AGAIN}"


def _of_numbers(cell: Cell, columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    metrics = cell.get("metrics") or {}
    if lost := [name for name in columns if name not in metrics]:
        yield f"it has no {listed(lost)}, which the record lists; {_AGAIN}"
    for name, value in metrics.items():
        about = columns.get(name)
        if about is None:
            yield f"its number {one_line(name)!r} is no column of the record; {_AGAIN}"
        elif value is not None:
            high = 1.0 if about.get("unit") == "1" and about.get("direction") == "higher" else math.inf
            low = -high if about.get("signed") else 0.0
            if name in BOUNDED and metrics.get(BOUND) is not None:
                high = min(high, metrics[BOUND])
            if not low - _ROUNDED <= value <= high + _ROUNDED:
                allowed = "0 or more" if high == math.inf else f"between {low:g} and {high:g}"
                yield f"{name} = {value:g} is not {allowed}; {_AGAIN}"


def _of_cost(cell: Cell) -> Iterator[str]:
    """Check that times are 0 or more, and ``total_s`` their sum; of several draws one has its cost here."""
    cost, metrics = (cell.get("keyframes") or {}).get("cost") or {}, cell.get("metrics") or {}
    if below := [f"{name} = {value:g}" for name, value in cost.items() if value is not None and value < 0]:
        yield f"its cost {listed(below)} is not 0 or more; {_AGAIN}"
        return
    total = metrics.get("total_s")
    for times, draws in ((metrics, 1), (cost, cell.get("draws", 1))):
        parts: list[Any] = [times.get(name) for name in COSTS]
        if total is None or None in parts:
            continue
        least, most = (sum(parts), sum(parts)) if draws == 1 else (sum(parts[:2]), math.inf)  # choosing takes each
        if not least * (1 - _ROUNDED) <= total + 1e-9 <= most * (1 + _ROUNDED) + 2e-9:
            yield f"total_s = {total:g} is not the sum of {', '.join(COSTS)}, {sum(parts):g}; {_AGAIN}"
            return


def _of_videos(cells: Mapping[int, Cell]) -> Iterator[Problem]:
    """Check that one name is one video."""
    seen: dict[tuple[str, str], Counter[str]] = {}
    named = {
        n: (cell["dataset"], cell["video"], cell["video_sha256"])
        for n, cell in cells.items()
        if cell.get("dataset") and cell.get("video_sha256")
    }
    for dataset, video, sha in named.values():
        seen.setdefault((dataset, video), Counter())[sha] += 1
    for number, (dataset, video, sha) in named.items():
        if sha != seen[dataset, video].most_common(1)[0][0]:
            yield Problem(number, f"its video_sha256 is not that of most lines about {video}; {_AGAIN}")


def _of_rows(cells: Mapping[int, Cell]) -> Iterator[Problem]:
    """Check that all rows are about the same videos, and that the controls are among them."""
    frame = cells_frame({str(number): cell for number, cell in cells.items()}).set_axis(list(cells), axis=0)
    frame = frame[(frame["extractor"] != HUMAN) & (frame["status"] != "skipped")]
    for (dataset, budget), place in frame.groupby(["dataset", "budget"], sort=False):
        at, every = f"on {dataset} at budget {budget}", set(place["video"])
        for name, rows in place[~place["privileged"].astype(bool)].groupby("extractor", sort=False):
            lost = min((every - set(row["video"]) for _, row in rows.groupby("group")), key=len)
            if lost:  # of a sweep one setting must have all of them
                said = f"{name} {at} has no cell of {listed(sorted(lost), 3)}; all methods need the same videos"
                yield Problem(int(rows.index.min()), f"{said}: {_AGAIN}")
        if str(budget).startswith(DECIDED):
            continue
        if absent := [name for name in (FLOOR, BASELINE) if name not in set(place["extractor"])]:
            yield Problem(0, f"{at} there is no {' and no '.join(absent)}; run them beside your method")
        drawn = place[(place["extractor"] == FLOOR) & (place["status"] == "ok") & (place["draws"] < ENOUGH_DRAWS)]
        for line, draws in drawn["draws"].items():
            yield Problem(int(str(line)), f"{FLOOR} is the mean of {draws} draws, not of {ENOUGH_DRAWS}; {_AGAIN}")


def _of_leaks(cells: Mapping[int, Cell], run: Mapping[str, Any]) -> Iterator[Problem]:
    allowed = "leak=allow" in f"{run.get('command')} {run.get('earlier_commands')}"
    if allowed and not any(cell.get("trained_on_this_video") for cell in cells.values()):
        yield Problem(0, "it was run with leak=allow, but no row is labelled as trained on its videos; leave that out")
