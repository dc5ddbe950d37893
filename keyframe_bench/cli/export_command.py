"""``keyframe-bench export``: what the methods of a run chose, as files that other tools, and `score`, read."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np

from ..api import Extraction
from ..core.cells import HUMAN, read_choices
from ..core.clip import KeyFrames
from ..core.errors import UsageError, VideoError, suggestion
from ..core.files import file_name, one_line, write_together
from ..core.grammar import EVERY
from ..datasets._picks import Picks, picks_text
from ..datasets.base import Dataset
from ..report.exports import Exported, Format, checked
from ..tables.load import read_cells, run_record_of
from ..video.frame_folder import sha256_of_video
from ..video.onepass import read_pass
from .commands import COMMANDS, Arguments, counted, listed, path_text, read
from .compose import configured, named

Form = Literal["picks", Format]


def run(found: Arguments) -> int:
    """Write the files of every row; print how many."""
    if not found.positional:
        raise UsageError(f"export needs the results of a run: {found.command.examples[0]}")
    forms = listed(found.get("format"))
    if not forms:
        raise UsageError(f"format=[] names no format; {suggestion('', get_args(Form))}")
    formats = checked([form for form in forms if form != "picks"], known=get_args(Form))
    source, folder = found.positional[0], Path(found.get("out"))
    chosen = [cell for cell in read_cells(source).values() if cell["status"] == "ok" and cell["extractor"] != HUMAN]
    names, only = sorted({cell["extractor"] for cell in chosen}), found.get("extractor")
    if only is not None and only not in names:
        raise UsageError(f"{source!r} has no row of {only!r}; {suggestion(only, names)}")
    chosen = [cell for cell in chosen if only in (None, cell["extractor"])]
    rows = _rows([c for c in chosen if c["draws"] == 1])
    if not rows:
        raise UsageError(
            f"{source!r} has no row that can be exported; give the out= folder of a run with other methods"
        )
    drawn = sorted({cell["extractor"] for cell in chosen if cell["draws"] > 1})
    told = [f"left out: {name}, whose numbers are means over many draws, of which one is kept" for name in drawn]
    n_files = 0
    if formats:  # first: it may refuse
        records = (Path(source) if Path(source).is_dir() else Path(source).parent) / "videos"
        n_files, notes = _write_exports(rows, _videos(found, source), records, formats, folder)
        told += notes
    if "picks" in forms:
        write_together({folder / f"{file_name(name)}.json": _picks(name, cells) for name, cells in rows.items()})
        n_files += len(rows)
    print("\n".join([*told, f"{counted(n_files, 'file')} written to {path_text(folder)}"]))
    return 0


def _picks(name: str, cells: Mapping[str, Mapping[str, Any]]) -> str:
    frames = {video: np.array(cell["keyframes"]["frames"], dtype=np.int64) for video, cell in cells.items()}
    return picks_text(Picks(name, "frames", frames))


def _write_exports(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
    videos: Mapping[str, Any],
    records: Path,
    formats: Sequence[Format],
    out: Path,
) -> tuple[int, list[str]]:
    """Write ``out/ROW/VIDEO/`` of every row and video, each video read once; return the number of files, and notes."""
    n_files, left_out, notes = 0, list[str](), defaultdict[str, list[str]](list)
    for video in dict.fromkeys(video for cells in rows.values() for video in cells):
        its = {row: cells[video] for row, cells in rows.items() if video in cells}
        try:  # all rows of a video, or none
            files = _exports_of(video, its, videos.get(video), records, formats)
        except (UsageError, VideoError) as error:  # no file, or a format that this video does not fit
            left_out.append(f"{one_line(video)}: {error}")
            continue
        write_together({out / place: file.data for place, file in files.items()})
        n_files += len(files)
        for file in files.values():
            notes[file.name] += [f"{one_line(video)}: {file.note}"] * bool(file.note)
    if not n_files:
        raise UsageError(f"nothing can be exported: {left_out[0]}")
    lines = [f"left out: {reason}" for reason in left_out]
    counts = {name: f" ({len(told)} files have such a note)" if len(told) > 1 else "" for name, told in notes.items()}
    return n_files, lines + [f"{name} of {told[0]}{counts[name]}" for name, told in notes.items() if told]


def _exports_of(
    video: str, cells: Mapping[str, Mapping[str, Any]], path: Any, records: Path, formats: Sequence[Format]
) -> dict[Path, Exported]:
    """Return the files of a video's rows by their place, in folders called as the item; `UsageError`, `VideoError`."""
    below = PurePosixPath(video)
    if below.is_absolute() or ".." in below.parts:
        raise UsageError("this name leads out of the folder of the files")
    if path is None or sha256_of_video(path) != next(iter(cells.values()))["video_sha256"]:
        raise UsageError("its file is not there, or has other bytes; see dataset.root=")
    read, files = read_pass(path, {EVERY: ()}, name=video), dict[Path, Exported]()
    for row, cell in cells.items():
        told = ("extractor", "params", "budget", "k", "sampling", "run_sampling", "label", "seed")
        about: dict[str, Any] = {name: cell[name] for name in told}
        frames = KeyFrames.from_json(cell["keyframes"])
        choices = read_choices(records / f"{cell.get('video_record')}.json").get("choices", {})
        own = choices.get(cell["key"], {}).get("frame_scores", ())
        if len(own) == len(frames):  # kept by runs from some version on
            frames = replace(frames, frame_scores=np.array(own, np.float32), scored=frames.frames)
        chosen = Extraction(path, frames, source=read, **about)
        folder = Path(file_name(row), *map(file_name, below.parts))
        files |= {folder / file.name: file for file in chosen.exports(*formats)}
    return files


def _videos(found: Arguments, source: str) -> dict[str, Any]:
    """Return the videos of a run by their names: the data set of its command, or at ``dataset.root``."""
    _, _, line = str(run_record_of(Path(source)).get("command", "")).partition("keyframe-bench ")
    name, *words = shlex.split(line) or [""]
    root = found.get("dataset.root")
    if name in COMMANDS and COMMANDS[name].config == "run":
        dataset, params = named(configured(read(COMMANDS[name], words))["dataset"])
    elif root is None:
        raise UsageError(f"{source!r} does not say where its videos are; give dataset.root=DIR")
    else:
        dataset, params = "folder", {}
    items = Dataset.registry.build(dataset, params | ({} if root is None else {"root": root})).videos()
    return {item.id: item.path for item in items}


def _rows(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the cells of every row by item; rows are called by method, budget, and what else tells them apart."""
    values: dict[Any, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    told = [(cell, (cell["extractor"], cell["budget"]), _settings(cell)) for cell in cells]
    for _, about, settings in told:
        for name, value in settings.items():
            values[about][name].add(value)
    rows: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for cell, about, settings in told:
        apart = [f"{name}={value}" for name, value in settings.items() if len(values[about][name]) > 1]
        rows["_".join([*about, *apart]).replace("/", "-")][cell["video"]] = cell
    return rows


def _settings(cell: Mapping[str, Any]) -> dict[str, str]:
    training = (cell.get("training") or {}).get("options") or {}
    numbers = {name: cell.get(name) for name in ("version", "sampling", "seed", "training_seed", "split")}
    return {name: str(value) for name, value in {**cell["params"], **training, **numbers}.items()}
