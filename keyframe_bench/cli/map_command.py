"""``keyframe-bench map``: key frames of videos on a page, alike ones near each other."""

from __future__ import annotations

from collections.abc import Iterator

from ..api import map_videos
from ..core.files import file_name, one_line
from ..report.map import VideoMap
from .commands import Arguments, counted, path_text
from .extract_command import extraction_options
from .progress import share_progress

_FEW = 20  # key frames, below which a map shows little


def run(found: Arguments) -> int:
    """Write the map and print how far it keeps neighbours and the order of time."""
    videos = found.videos()
    name, options = extraction_options(found)
    given = {"feature": found.values["feature"]} if "feature" in found.values else {}
    out = found.get("out") or file_name(f"{videos[0].stem}_map") + ".html"
    with share_progress() as progress:
        result = map_videos(videos, name, out=out, **options, **given, progress=progress)
    print("\n".join(_lines(result)))
    return 0


def _lines(found: VideoMap) -> Iterator[str]:
    for video in found.videos:
        yield f"{one_line(video['name'])}: {counted(video['n'], 'key frame')} by {video['method']}"
        yield from (f"  health: {one_line(problem)}" for problem in video["problems"])
        if video["fallback"]:
            yield f"  a fallback, not a result: {one_line(video['fallback'])}"
    if found.n_keyframes < _FEW:
        make = "makes" if found.n_keyframes == 1 else "make"
        yield f"{counted(found.n_keyframes, 'key frame')} {make} a small map; sampling=every or budget=N gives more"
    if len(found.layouts) == 1:
        yield "fewer than 5 key frames stand in a line, in order of time; t-SNE needs more"
    else:
        each = ", means over the videos" if len(found.videos) > 1 else ""
        yield f"order of time in the layout (0 to 1{each}) and neighbours kept, by the weight of time as a feature:"
        yield f"{'time':>6}  {'|rho| on first axis':>19}  {'R in any direction':>18}  {'trustworthiness':>15}"
        for layout in found.layouts:
            order, gradient = ("-" if one is None else f"{one:.3f}" for one in (layout.order, layout.gradient))
            yield f"{100 * layout.share:4.0f} %  {order:>19}  {gradient:>18}  {layout.kept:>15.3f}"
    beside = f", with full-size frames and previews in {path_text(found.beside)}" if found.beside else ""
    yield f"written to {path_text(found.out)} ({found.size / 1e6:.1f} MB){beside}"
