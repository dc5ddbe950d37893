"""``keyframe-bench compress``: a video from its key frames alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..compression import Compression, compress
from ..core.files import file_name, one_line
from ..models.frame_mae_weights import N_FRAMES
from .commands import Arguments, counted, path_text
from .extract_command import extraction_options
from .progress import video_progress


def run(found: Arguments) -> int:
    """Compress, write and print."""
    video = found.video()
    name, options = extraction_options(found)
    given = {key: found.values[key] for key in ("checkpoint", "statistics", "limit") if key in found.values}
    out = found.get("out") or file_name(f"{video.stem}_compressed")
    with video_progress(video.name) as progress:
        result = compress(video, name, out=out, **options, **given, progress=progress)
    if "--json" in found.values:
        print(json.dumps(result.to_json(), indent=1, allow_nan=False))
    else:
        print("\n".join([*_lines(result), f"written to {path_text(out)}"]))
    return 0


def _lines(found: Compression) -> Iterator[str]:
    """Yield what was kept, and one line for each way to reconstruct the rest."""
    n, extraction = found.n_frames, found.extraction
    chosen = counted(len(extraction.frames), "key frame")
    yield (
        f"{one_line(extraction.video.name)}: {chosen} by {extraction.extractor} (budget {extraction.budget}, sampling "
        f"{extraction.sampling}); {found.n_kept} of {n} frames are kept, in twos and at least two in every window of "
        f"{N_FRAMES}, at {found.width}x{found.height}"
    )
    if len(extraction.source.grid(extraction.sampling)) > n:
        yield f"  the first {counted(n, 'frame')} of a longer video; limit=N takes more"
    if found.statistics == "target":
        yield "  mean and contrast of patches are those of the frames left out, which a decoder would not have"
    if extraction.keyframes.fallback:
        yield f"  a fallback, not a result: {one_line(extraction.keyframes.fallback)}"
    width = max(len(way.name) for way in found.ways)
    yield f"{'':<{width}}  frames left out      all frames           bytes  of {found.whole_size} as H.264"
    for way in found.ways:
        yield (
            f"{way.name:<{width}}  {way.psnr_db:5.2f} dB, SSIM {way.ssim:5.3f}  {way.all_psnr_db:5.2f} dB, "
            f"SSIM {way.all_ssim:5.3f}  {way.size:>6}  {100 * way.size / found.whole_size:.1f} %"
        )
