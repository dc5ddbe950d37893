"""What `keyframe-bench perf` measured, as Markdown, which a terminal shows too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .markdown import escape, line_of
from .paper import number

Record = Mapping[str, Any]
_HEADS = ("", "wall s", "x decode", "lowest to highest", "CPU x decode", "process s", "peak MB", "ours / it")
_SHORT_S = 0.1  # below it opening the file and starting threads is no small part
_LEGEND = (
    "wall s: the work alone, from opening the file to the selection; of programs the whole process",
    "x decode: wall s over that of plain decoding in the same round; CPU x decode: the same of processor seconds",
    "process s, peak MB: the whole process; memory is anonymous, sampled, summed over its descendants",
    "ours / it: our method for the same job over this row, by wall s within one library, by process s against programs",
    "metrics: what they and the report look at is computed in the same pass, as run does; sha256: extract and run read "
    "the file once more for it",
)


def perf_markdown(record: Record) -> str:
    """Return the rows, what grows how, and where the numbers come from."""
    lines = [f"**{escape(_title(record))}**", "", line_of(_HEADS), line_of([":--", *["--:"] * (len(_HEADS) - 1)])]
    lines += [line_of([escape(text) for text in row]) for row in _rows(record)]
    lines += ["", *(f"- {escape(sentence)}" for sentence in (*_sentences(record), *_LEGEND))]
    if record.get("command"):
        lines.append(f"- command: `{str(record['command']).replace('`', '')}`")
    return "\n".join([*lines, f"- {escape(_made(record))}"]) + "\n"


def _title(record: Record) -> str:
    return (
        f"{record['video']}: {record['width']} x {record['height']}, {record['codec']}, {record['frames']} frames in "
        f"{number(record['duration_s'])} s, {number(record['key_frame_distance'])} frames from key frame to key frame; "
        f"medians of {record['repeats']} rounds"
    )


def _rows(record: Record) -> Iterator[list[str]]:
    for row in (record["decode"], *record["rows"]):
        if row["error"]:
            yield [row["name"], *["failed"], *["-"] * (len(_HEADS) - 2)]
            continue
        spread = f"{_ratio(row['ratio_low'])} to {_ratio(row['ratio_high'])}"
        again = "" if row["repeats"] == record["repeats"] else f" (measured {_times(row['repeats'])})"
        yield [
            row["name"] + again,
            number(row["wall_s"]),
            _ratio(row["ratio"]),
            spread,
            _ratio(row["cpu_ratio"]),
            number(row["process_s"]),
            number(row["peak_mb"]),
            f"{_ratio(row['to_peer'])} {row['like']}" if row["to_peer"] is not None else "",
        ]


def _sentences(record: Record) -> Iterator[str]:
    one = record["one_pass"]
    if one is not None and not one["error"]:
        yield (
            f"one pass: {', '.join(one['extractors'])}; features alone {_ratio(one['pass_ratio'])} x decode, "
            f"selections {number(one['select_s'])} s"
        )
    length = record["length"]
    if "slope" in length:
        short = " (too short a video: starting up counts)" if length["points"][0]["wall_s"] < _SHORT_S else ""
        points = ", ".join(f"{p['size']} frames {number(p['wall_s'])} s" for p in length["points"])
        power = _spread(length, "slope") + short
        yield f"length: seconds of the one pass grow with the frames to the power {power}; {points}"
    several = record["extractors"]
    if "slope" in several:
        points = ", ".join(_together(point) for point in several["points"])
        yield (
            f"extractors in one pass: {points}; all take {_spread(several, 'all_to_one')} times as long as "
            f"{several['points'][0]['extractors'][0]} alone"
        )
    for failed in record["failures"]:
        yield f"failed: {failed['name']}: {failed['reason']}"
    for left_out in record["not_run"]:
        yield f"not run: {left_out['name']}: {left_out['reason']}"


def _together(point: Record) -> str:
    alone = "" if point["alone_s"] is None or point["size"] == 1 else f" (one by one {number(point['alone_s'])} s)"
    return f"{point['size']} {number(point['wall_s'])} s{alone}"


def _made(record: Record) -> str:
    load = " to ".join(f"{value:.1f}" for value in record["load"])
    facts = [
        f"sampling {record['sampling']}, budget {record['budget']}",
        f"{record['cores']} cores, load {load}",
        str(record["started"]),
        *([f"commit {record['commit']}"] if record["commit"] else []),
        *(f"{name} {version}" for name, version in record["versions"].items()),
    ]
    return ", ".join(facts)


def _spread(found: Record, name: str) -> str:
    return f"{_ratio(found[name])} ({_ratio(found[f'{name}_low'])} to {_ratio(found[f'{name}_high'])})"


def _ratio(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value >= 0.1 or value <= 0 else f"{value:.3f}"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
