"""Reading result files into a frame with one line a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cells import parse_cell
from ..core.errors import UsageError, os_reason
from ..core.files import canonical_json, parse_json, read_file

if TYPE_CHECKING:
    import pandas as pd

# What must be equal for two cells to be averaged into one row.
_GROUP = ("dataset", "extractor", "version", "label", "budget", "sampling")
# Fields of a cell that keep their names, and what stands for one that is missing.
_FACTS: dict[str, Any] = {
    **dict.fromkeys(("key", "status", "extractor", "video", "sampling", "k", "n_sampled", "n_frames")),
    **dict.fromkeys(("fold", "training_seed", "trained_on_this_video")),
    **dict.fromkeys(("label", "reference", "budget_rule", "known_defects", "dataset", "revision", "video_sha256"), ""),
    **dict.fromkeys(("video_record", "budget", "run_sampling", "finished", "structure", "split"), ""),
    **{"unit": "video", "version": 1, "privileged": False, "control": False, "seed": 0, "draws": 1},
}


def load_results(path: str | Path) -> pd.DataFrame:
    """Read the results of a run into a table: a row per extractor, parameters, video, budget and seed.

    Parameters
    ----------
    path : str or Path
        The ``out=`` folder of the run, or its ``results.jsonl``.

    Returns
    -------
    pandas.DataFrame
        In the file's order; of several lines with one key the last counts. The cell's own fields keep their names
        (``extractor``, ``video``, ``budget``, ``seed``, ``status`` ...), ``params`` is canonical JSON, ``n_keyframes``
        the number of key frames returned, ``error_type`` and ``error_message`` text. Numbers are ``metric.<name>`` and
        ``cost.<name>``, NaN where not measurable. ``video_id`` tells videos apart: the name in the data set, of videos
        of equal bytes the first one's. ``training`` is canonical JSON of what tells trainings apart but their seeds:
        ``trainer.<option>`` and the like. ``group`` tells the rows of a table apart, ``fallback`` and ``shortfall`` are
        reasons (`KeyFrames`) or "".

    Raises
    ------
    UsageError
        The file cannot be read, or a line is not a cell; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> import keyframe_bench as kb
    >>> with tempfile.TemporaryDirectory() as out:
    ...     _ = kb.sweep(kb.demo_video(), ["pixel_distance"], budget=4, out=out)
    ...     results = kb.load_results(out)
    >>> results.query("extractor == 'pixel_distance'")[["status", "n_keyframes"]].values.tolist()
    [['ok', 4]]
    >>> results.groupby("extractor")["metric.represent_hue"].mean().idxmax()
    'uniform'
    """
    return cells_frame(read_cells(path))


def read_cells(path: str | Path, known: Mapping[str, dict[str, Any]] = {}) -> dict[str, dict[str, Any]]:
    """Return the cells of a ``results.jsonl`` (or of the folder that holds it) by key; errors as in `load_results`.

    ``known`` are lines that were parsed before.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "results.jsonl"
    cells: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            try:
                cell = known.get(line) or parse_cell(line)
            except ValueError as error:
                raise UsageError(
                    f"line {number} of {str(file)!r} cannot be used: {error}; run the same command again to rewrite it"
                ) from None
            cells.pop(cell["key"], None)
            cells[cell["key"]] = cell
    return cells


def cells_frame(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the frame that `load_results` describes, from cells as they are stored."""
    import pandas as pd

    lines = [_flat(cell) for cell in cells.values()]
    _count_copies_once(lines)
    fixed = [*_FACTS, "params", "n_keyframes", "fallback", "shortfall"]
    fixed += ["error_type", "error_message", "video_id", "group", "training", "chosen", "inner", "learned_from"]
    numbers = sorted({name for line in lines for name in line} - set(fixed))
    frame = pd.DataFrame(lines, columns=[*fixed, *numbers])
    return frame.astype(dict.fromkeys(numbers, "float64")).copy()  # of one piece: adding a column gives no warning


def latest(results: pd.DataFrame) -> pd.DataFrame:
    """Return the cells without repetitions: of one group, video, seed and training the one finished last."""
    ordered = results.sort_values("finished", kind="stable")
    return ordered.drop_duplicates(["group", "video", "seed", "fold", "training_seed"], keep="last").sort_index()


def at_budget(group: str, budget: str) -> str:
    """Return a ``group`` of `load_results` with another budget."""
    names = parse_json(group)
    names[_GROUP.index("budget")] = budget
    return canonical_json(names)


def per_video(cells: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return the mean of number ``name`` over seeds and copies of each video by (group, video_id), where there is one.

    A metric's number comes first; without one, the cost of that name (``decode_s`` ...).
    """
    source = f"metric.{name}" if f"metric.{name}" in cells else f"cost.{name}"
    ok = cells[cells["status"] == "ok"]
    if source not in ok:
        ok = ok.assign(**{source: float("nan")})
    return ok.groupby(["group", "video_id"], sort=False)[source].mean().dropna()


def load_run(out: str | Path) -> dict[str, Any]:
    """Read ``run.json`` of an output folder; `UsageError` if it is missing or is not a JSON object."""
    return read_object(Path(out) / "run.json")


def run_record_of(source: Path) -> dict[str, Any]:
    """Return the record of the run whose results are ``source`` (a folder, or a file), {} when there is none beside."""
    beside = source / "run.json" if source.is_dir() else source.with_suffix(".run.json")
    if source.name == "results.jsonl":
        beside = source.with_name("run.json")
    return read_object(beside) if beside.is_file() else {}


def read_object(file: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; `UsageError` names the file and what is wrong with it."""
    text = read_text(file)
    try:
        data = parse_json(text)
    except ValueError as error:
        raise UsageError(f"{str(file)!r}: {error}; run the same command again to rewrite it") from None
    if not isinstance(data, dict):
        raise UsageError(f"{str(file)!r} does not hold a JSON object; run the same command again to rewrite it")
    return data


def read_text(file: Path) -> str:
    """Read UTF-8 text; `UsageError` names the file and the reason."""
    try:
        return read_file(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else os_reason(error)
        raise UsageError(f"cannot read {str(file)!r}: {reason}") from None


def _flat(cell: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: default if cell.get(name) is None else cell[name] for name, default in _FACTS.items()}
    flat["sampling"] = flat["sampling"] or flat["run_sampling"]
    budget = str(flat["budget"])
    # A share of the run's frames: of other frames it is another budget.
    flat["budget"] = f"{budget} of {flat['run_sampling']}" if budget.endswith("%") else budget
    flat["params"] = canonical_json(cell.get("params") or {})
    keyframes = cell.get("keyframes") or {}
    error = cell.get("error") or {}
    n = flat["n_keyframes"] = len(keyframes.get("frames") or ()) if keyframes else None
    short = n is not None and isinstance(flat["k"], int) and n < flat["k"]  # older cells give no reason
    flat["fallback"] = str(keyframes.get("fallback") or "")
    flat["shortfall"] = str(keyframes.get("shortfall") or ("no reason was recorded" if short else ""))
    flat["error_type"] = str(error.get("type") or "")
    flat["error_message"] = str(error.get("message") or error.get("reason") or "")
    if cell.get("part"):  # numbers of a part and of whole videos are never compared
        flat["dataset"] = f"{flat['dataset']}, later part ({flat['split']})"
    flat |= _training_facts(cell)
    learned = [flat["training"], flat["split"]] if flat["training"] else []
    flat["group"] = canonical_json([*(flat[name] for name in _GROUP), flat["params"], *learned])
    flat["training"] = canonical_json(flat["training"])
    for prefix, numbers in (("metric", cell.get("metrics")), ("cost", keyframes.get("cost"))):
        for name, value in (numbers or {}).items():
            flat[f"{prefix}.{name}"] = None if value is None else float(value)
    return flat


def _training_facts(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of `load_results` says of training: `training` (what tells rows apart), ``chosen``, ``inner``.

    Of a method that the run trained, data and the choice of the epoch are the same in all rows, and unknown where its
    training failed: its options alone tell rows apart.
    """
    told = dict(cell.get("training") or {})
    named = {f"trainer.{name}": value for name, value in (told.pop("options", None) or {}).items()}
    by_run = cell.get("division") is not None
    return {
        "training": named if by_run else named | told,
        "chosen": str(told.get("chosen") or ""),
        "inner": str(told.get("inner") or ""),
        "learned_from": str(told.get("data") or ""),
        "edited": "code" in told,
    }


def _count_copies_once(lines: Sequence[dict[str, Any]]) -> None:
    """Add ``video_id``: the name, or the first name of the same bytes, as they were when a cell was last computed."""
    bytes_of: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, str], str] = {}
    for line in sorted(lines, key=lambda line: str(line["finished"])):
        bytes_of[line["dataset"], line["video"]] = line["video_sha256"] or line["video"]
    for (dataset, video), digest in sorted(bytes_of.items()):
        first.setdefault((dataset, digest), video)
    for line in lines:
        line["video_id"] = first[line["dataset"], bytes_of[line["dataset"], line["video"]]]
