"""``keyframe-bench explain``: why one frame of a video was chosen or not."""

from __future__ import annotations

import json
import textwrap

from ..core.errors import UsageError
from ..explanation import Explanation, Neighbour, explain
from ..extractors._inferred import COVERAGE
from ..tables.format import one_line
from .arguments import Arguments
from .extract_command import extraction_options
from .progress import video_progress

_BAR = 32


def run(found: Arguments) -> int:
    """Extract as ``extract`` does, and explain one frame."""
    video = found.video()
    place = {name: found.values[name] for name in ("frame", "time") if name in found.values}
    if len(place) != 1:
        raise UsageError("explain needs one frame: frame=N, counted from 0, or time=SECONDS")
    name, options = extraction_options(found)
    with video_progress(video.name) as progress:
        result = explain(video, name, **place, **options, progress=progress)
    if "--json" in found.values:
        print(json.dumps(result.to_json(), indent=1, allow_nan=False))
    else:
        print("\n".join(explanation_lines(result)))
    return 0


def explanation_lines(found: Explanation) -> list[str]:
    """Return what is printed."""
    k = "" if found.k is None or str(found.k) == found.budget else f" = {found.k}"
    params = ", ".join(f"{name}={value}" for name, value in found.params.items())
    lines = [
        one_line(found.video),
        f"{found.extractor}{f' ({params})' if params else ''}",
        f"budget {found.budget}{k}: {found.n_keyframes} key frame{'' if found.n_keyframes == 1 else 's'} "
        f"of {found.n_sampled} frames seen, "
        f"sampling {found.sampling}",
        "",
        f"frame {found.frame} at {found.time:.3f} s: {_verdict(found)}",
        *textwrap.wrap(f"{found.why}.", 100, initial_indent="  ", subsequent_indent="  "),
        "",
    ]
    facts = [*_levels(found), *_places(found)]
    return [*lines, *facts, *([""] if facts else []), *_table(found)]


def _levels(found: Explanation) -> list[str]:
    """Return the score, and the levels that decided."""
    lines = []
    if found.score is not None:
        rank = "" if found.rank is None else f", number {found.rank} of {found.n_sampled}"
        lines.append(f"  score      {found.score:.4g}{rank}")
    if found.threshold is not None:
        knee = ", the knee of the sorted scores" if found.budget == "inferred" else ""
        lines.append(f"  threshold  {found.threshold:.4g}{knee}")
    if found.lowest_chosen is not None:
        lines.append(f"  needed     {found.lowest_chosen:.4g}, the lowest score that was enough for so many key frames")
    if found.coverage is not None and found.k is not None:
        fewer = "" if found.coverage_below is None else f", {found.coverage_below:.1%} with {found.k - 1}"
        lines.append(
            f"  coverage   {found.coverage:.1%} of the frames seen with {found.k}{fewer}; wanted are {COVERAGE:.0%}"
        )
    return lines


def _places(found: Explanation) -> list[str]:
    """Return the segment that the frame lies in, or the key frame nearest to it."""
    if found.segment is not None:
        return [
            f"  segment    frames {found.segment[0]} to {found.segment[1] - 1} hold frame {found.frame}; "
            f"key frame {found.key_frame} stands for them"
        ]
    return [f"  nearest    key frame {found.key_frame}"] if found.key_frame != found.judged else []


def _verdict(found: Explanation) -> str:
    if found.sampled:
        return "a key frame" if found.chosen else "not a key frame"
    return f"not seen at sampling {found.sampling}; of the nearest frame that was, {found.judged}:"


def _table(found: Explanation) -> list[str]:
    """Return the neighbours, one a line, their scores as bars with the level they had to reach marked."""
    levels = [found.lowest_chosen if n.threshold is None else n.threshold for n in found.neighbours]
    highest = max([v for n, level in zip(found.neighbours, levels, strict=True) for v in (n.score, level) if v] or [0])
    bars = highest > 0 and found.score is not None
    lines = [f"  {'frame':>9} {'time (s)':>10}" + (f" {'score':>9}  {'':{_BAR}}" if found.score is not None else "")]
    for n, level in zip(found.neighbours, levels, strict=True):
        line = f"  {'>' if n.frame == found.judged else ' '} {n.frame:>7} {n.time:>10.3f}"
        if n.score is not None:
            bar = _bar(n.score / highest, None if level is None else level / highest) if bars else ""
            line += f" {n.score:>9.4g}  {bar:{_BAR}}"
        lines.append(f"{line}  {_marks(n)}".rstrip())
    if bars and any(level is not None for level in levels):
        lines.append("  (| is the level a score had to reach)")
    return [line.rstrip() for line in lines]


def _bar(share: float, level: float | None) -> str:
    cells = list("#" * round(share * (_BAR - 1)) + " " * _BAR)[:_BAR]
    if level is not None and 0 <= level <= 1:
        cells[round(level * (_BAR - 1))] = "|"
    return "".join(cells)


def _marks(n: Neighbour) -> str:
    return ", ".join(word for word, is_so in (("starts a segment", n.starts), ("key frame", n.chosen)) if is_so)
