"""``keyframe-bench explain``: why one frame of a video was chosen or not."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from ..core.clip import quantiles_told, standing
from ..core.errors import UsageError
from ..core.files import one_line
from ..explanation import Explanation, explain
from ..extractors.asked import COVERAGE
from .commands import Arguments, counted
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
        facts = list(_facts(result))
        print("\n".join([*_head(result), *facts, *([""] if facts else []), *_table(result)]))
    return 0


def _head(found: Explanation) -> list[str]:
    k = "" if found.k is None or str(found.k) == found.budget else f" = {found.k}"
    params = ", ".join(f"{name}={value}" for name, value in found.params.items())
    verdict = "a key frame" if found.chosen else "not a key frame"
    if not found.sampled:
        verdict = f"not seen at sampling {found.sampling}; of the nearest frame that was, {found.judged}:"
    said = [f"{found.why}."] + [f"a fallback, not a result: {one_line(found.fallback)}"] * bool(found.fallback)
    return [
        one_line(found.video),
        f"{found.extractor}{f' ({params})' if params else ''}",
        f"budget {found.budget}{k}: {counted(found.n_keyframes, 'key frame')} of {found.n_sampled} frames seen, "
        f"sampling {found.sampling}",
        "",
        f"frame {found.frame} at {found.time:.3f} s: {verdict}",
        *(line for text in said for line in textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="  ")),
        "",
    ]


def _facts(found: Explanation) -> Iterator[str]:
    """Yield the score, the thresholds that decided, and the segment, or the nearest key frame."""
    if found.score is not None and found.above is not None:
        rank = "" if found.rank is None else f", number {found.rank} of {found.n_sampled}"
        where = standing(found.score, found.above, found.quantiles)
        yield f"  score      {found.score:.4g}{rank}, {where} of the frames seen"
        if found.quantiles:
            yield f"  of all     {quantiles_told(found.quantiles)}"
    if found.threshold is not None:
        knee = ", the knee of the sorted scores" if found.budget == "inferred" else ""
        yield f"  threshold  {found.threshold:.4g}{knee}"
    if found.lowest_chosen is not None:
        what = "be enough for so many key frames" if found.segment is None else "start a segment"
        yield f"  needed     {found.lowest_chosen:.4g}, the lowest score to {what}"
    if found.coverage is not None and found.k is not None:
        fewer = "" if found.coverage_below is None else f", {found.coverage_below:.1%} with {found.k - 1}"
        wanted = f"{found.coverage:.1%} of the frames seen with {found.k}{fewer}; the target is {COVERAGE:.0%}"
        yield f"  coverage   {wanted}"
    if found.segment is not None:
        first, end = found.segment
        holds = f"frames {first} to {end - 1} hold frame {found.frame}; key frame {found.key_frame} stands for them"
        yield f"  segment    {holds}"
    elif found.key_frame != found.judged:
        yield f"  nearest    key frame {found.key_frame}"


def _table(found: Explanation) -> list[str]:
    """Return the neighbours, one a line, their scores as bars with the threshold they had to reach marked."""
    thresholds = [found.lowest_chosen if n.threshold is None else n.threshold for n in found.neighbours]
    highest = max([v or 0 for v in (*thresholds, *(n.score for n in found.neighbours))], default=0)
    scored = found.score is not None
    bars = highest > 0 and scored
    lines = [f"  {'frame':>9} {'time (s)':>10}" + (f" {'score':>9}" if scored else "")]
    for n, threshold in zip(found.neighbours, thresholds, strict=True):
        line = f"  {'>' if n.frame == found.judged else ' '} {n.frame:>7} {n.time:>10.3f}"
        if n.score is not None:
            bar = _bar(n.score / highest, None if threshold is None else threshold / highest) if bars else ""
            line += f" {n.score:>9.4g}  {bar:{_BAR}}"
        marks = ["starts a segment"] * n.starts + ["key frame"] * n.chosen
        lines.append(f"{line}  {', '.join(marks)}".rstrip())
    if bars and any(threshold is not None for threshold in thresholds):
        purpose = " to start a segment" if found.segment is not None and found.rank is not None else ""
        lines.append(f"  (| is the score a frame had to reach{purpose})")
    return lines


def _bar(share: float, threshold: float | None) -> str:
    cells = list("#" * round(share * (_BAR - 1)) + " " * _BAR)[:_BAR]
    if threshold is not None and 0 <= threshold <= 1:
        cells[round(threshold * (_BAR - 1))] = "|"
    return "".join(cells)
