"""How well a FrameMAE reconstructs videos from the frames that each method keeps: figure 3 of Fu et al. 2023."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.cell_records import build_extractor
from keyframe_bench.bench.record_table import VideoTable, row_of
from keyframe_bench.compression import psnr, qualities, strip
from keyframe_bench.core.cells import Cell
from keyframe_bench.core.clip import Clip
from keyframe_bench.core.registry import register
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.frame_rs.learning import regrets
from keyframe_bench.features.frame_mae import FrameMaeErrors
from keyframe_bench.metrics.base import Column
from keyframe_bench.models.frame_filling import by_blending, by_network, size_of
from keyframe_bench.models.frame_mae_weights import N_FRAMES, PAIRS, UNIFORM, load_frame_mae
from keyframe_bench.tables.figure import Figure
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.image_files import encode_image
from keyframe_bench.video.onepass import Pass, read_pass

from .kinds import kind_of

METHOD = "frame_rs"
EVEN = {"uniform pair": UNIFORM, "outer pair": (1, 6)}
RIVALS = {"VSUMM": "vsumm", "pixel distance": "pixel_distance"}
_PLACES = {pair: place for place, pair in enumerate(PAIRS)}
_MOST_WINDOWS = 16  # of a video whose images are compared, evenly taken

Pairs = NDArray[np.int64]  # [W], places in `PAIRS`


@register("framers/reconstruction")
class Reconstruction(Figure):
    """Errors of the frames left out, for the pair of tokens that each method keeps of every window of 16 frames.

    The network is the one that the selector was trained on. Methods that choose frames are asked for as many in each
    window as name two tokens. The first video is drawn.
    """

    columns = {  # noqa: RUF012 - never changed
        "error": Column("lower", "1", "mean squared error of the masked tokens, in units of the network's target"),
        "regret": Column("lower", "1", "error above the best pair's, over the mean of all pairs above the best's"),
        "psnr_network": Column("higher", "dB", "PSNR of the frames left out, as the network makes them"),
        "psnr_blend": Column("higher", "dB", "PSNR of the frames left out, as blends of those kept around them"),
        "ms_per_window": Column("lower", "ms", "features and selection, decoding apart"),
    }

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - interface
        """Yield a cell for every method and training seed, of each video that is scored."""
        table.items = [item for item in table.items if item.id in table.planned]
        drawn = table.items[0].id if table.items else ""
        yield from table.each(lambda item: _compared(item, table.planned[item.id], drawn=item.id == drawn))

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return the strip; small files hold nothing to draw."""
        found = next((cell["strip"] for cell in cells if cell.get("strip")), None)
        return None if found is None else base64.b64decode(found)


def _compared(item: VideoItem, cells: Sequence[Cell], *, drawn: bool) -> list[dict[str, Any]]:
    """Return the cells of one video; none where it has no whole window."""
    records: list[dict[str, Any]] = []
    passes: dict[tuple[str, ...], Pass] = {}  # seeds of a selector share a FrameMAE, and so what is read
    known: dict[tuple[str, bytes], dict[str, float]] = {}  # quality of images by the pairs that are kept
    for number, cell in enumerate(c for c in cells if c.extractor == METHOD and not c.untrained):
        method: Any = build_extractor(cell)
        rivals = {name: Extractor.registry.build(rival) for name, rival in RIVALS.items()}
        errors = _errors_of(cell, method)
        needs = [errors, *method.needs, *(need for rival in rivals.values() for need in rival.needs)]
        key = (cell.sampling, *(need.key for need in needs))
        if key not in passes:
            passes[key] = read_pass(item.path, {cell.sampling: needs}, name=item.id)
        read = passes[key]
        clip = read.clip(cell.sampling, needs)
        windows = [w for w in clip.windows(errors).tolist() if w[0] % N_FRAMES == 0 and w[1] - w[0] == N_FRAMES]
        if not windows:
            continue
        table = clip[errors][: len(windows)].astype(np.float64)
        chosen = _choices(cell, method, rivals, read, clip, windows, table)
        records += [_record(item, cell, name, table, pairs, ms) for name, (pairs, ms) in chosen.items()]
        mine, pairs = records[-len(chosen) :], {name: pairs for name, (pairs, _) in chosen.items()}
        _add_images(mine, cell, read, clip, pairs, known, errors.key, drawn=drawn and number == 0)
    return records


def _errors_of(cell: Cell, method: Any) -> FrameMaeErrors:
    """Return the errors of all pairs, of the windows as the selector sees them."""
    looks = {name: method.needs[0].params[name] for name in ("resize", "precision")}
    return FrameMaeErrors(checkpoint=cell.path, trained_by=METHOD, **looks)


def _choices(
    cell: Cell,
    method: Any,
    rivals: Mapping[str, Extractor],
    read: Pass,
    clip: Clip,
    windows: list[list[int]],
    table: NDArray[np.float64],
) -> dict[str, tuple[Pairs, float]]:
    """Return the pair that each method keeps of every window, and what it took, ms a window."""
    n = len(windows)
    parts = [np.arange(*window) for window in windows]
    rng = rng_for(cell.seed, read.info.sha256, "reconstruction")

    def timed(needs: Sequence[Any], choose: Callable[[], Pairs]) -> tuple[Pairs, float]:
        start = time.perf_counter()
        found = choose()
        spent = time.perf_counter() - start + read.cost(cell.sampling, needs)["features_s"]
        return found, 1000 * spent / n

    method.prepare()
    found = {"selector": timed(method.needs, partial(_pairs_of, method, clip, parts, rng))}
    found |= {name: (np.full(n, _PLACES[pair]), 0.0) for name, pair in EVEN.items()}
    found["random pair"] = rng.integers(len(PAIRS), size=n), 0.0
    for name, rival in rivals.items():
        found[name] = timed(rival.needs, partial(_pairs_of, rival, clip, parts, rng))
    found["oracle"] = timed([_errors_of(cell, method)], lambda: table.argmin(axis=1))
    return found


def _pairs_of(method: Extractor, clip: Clip, parts: Sequence[NDArray[np.int64]], rng: np.random.Generator) -> Pairs:
    """Return the pair that a method's key frames name in every window: the first two tokens that it takes."""
    found = []
    for part in parts:
        window = clip.taken(part).restricted(method.needs, annotation=False)
        tokens: list[int] = []
        for k in range(2, N_FRAMES + 1):
            keyframes = method.select(window, k, rng=rng)
            places = np.searchsorted(window.ordinals, keyframes.frames)
            tokens = list(dict.fromkeys((places // 2).tolist()))
            if len(tokens) >= 2 or len(keyframes) < k:
                break
        tokens += [token for token in UNIFORM if token not in tokens]
        first, second = sorted(tokens[:2])
        found.append(_PLACES[first, second])
    return np.array(found, dtype=np.int64)


def _record(
    item: VideoItem, cell: Cell, name: str, table: NDArray[np.float64], pairs: Pairs, ms: float
) -> dict[str, Any]:
    errors = table[np.arange(len(table)), pairs]  # [W]
    metrics = {"error": float(errors.mean()), "regret": float(regrets(table, pairs).mean()), "ms_per_window": ms}
    about = {"kept by": name, "kind": kind_of(item.id)}
    return row_of(cell, item, name, about, n_sampled=len(table) * N_FRAMES, metrics=metrics)


def _add_images(
    records: Sequence[dict[str, Any]],
    cell: Cell,
    read: Pass,
    clip: Clip,
    chosen: Mapping[str, Pairs],
    known: dict[tuple[str, bytes], dict[str, float]],
    network: str,
    *,
    drawn: bool,
) -> None:
    """Add what the images of the frames that are left out look like, and to the first record the strip.

    What is ``known`` of the same pairs and ``network`` is not made again.
    """
    model = load_frame_mae(cell.path, METHOD)
    n = len(next(iter(chosen.values())))
    some = np.unique(np.linspace(0, n - 1, min(n, _MOST_WINDOWS)).round().astype(int))
    frames = (some[:, None] * N_FRAMES + np.arange(N_FRAMES)).reshape(-1)
    size = size_of(read.info.height, read.info.width, model.size.side)
    images = np.stack([frame.rgb(*size) for frame in fetch_frames(read.path, clip.ordinals[frames].tolist(), read)])
    for record, pairs in zip(records, chosen.values(), strict=True):
        key = (network, pairs[some].tobytes())
        if key not in known:
            kept = _kept(pairs[some])
            made = {"network": by_network(model, images, kept), "blend": by_blending(images, kept)}
            known[key] = {f"psnr_{way}": psnr(qualities(images, shown)[0][~kept]) for way, shown in made.items()}
        record["metrics"] |= known[key]
    if drawn:
        first, even = (_kept(chosen[name][some]) for name in ("selector", "uniform pair"))
        rows = {"network": by_network(model, images, first), "linear blend": by_blending(images, first)}
        rows["network, from a uniform pair"] = by_network(model, images, even)
        records[0]["strip"] = base64.b64encode(encode_image(strip(images, first, rows), ".png")).decode("ascii")


def _kept(pairs: Pairs) -> NDArray[np.bool_]:
    """Return which frames are kept, [W * 16], of the pairs of W windows."""
    tokens = np.zeros((len(pairs), N_FRAMES // 2), dtype=bool)
    tokens[np.arange(len(pairs))[:, None], np.array(PAIRS)[pairs]] = True
    return np.repeat(tokens.reshape(-1), 2)
