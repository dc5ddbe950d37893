"""Accuracy after n labels: frames of each method are labelled in rounds, and a classifier learns them (D19)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.record_table import VideoTable
from keyframe_bench.bench.spec import variants
from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.clip import Clip, KeyFrames
from keyframe_bench.core.errors import UsageError, suggestion
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.files import digest
from keyframe_bench.core.grammar import Budget
from keyframe_bench.core.registry import register
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.extractors.asked import Asked, unsupported
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.metrics.base import Column
from keyframe_bench.report.drawing import COLOURS, new_figure, png_bytes
from keyframe_bench.selection.spacing import nearest_times
from keyframe_bench.tables import schema as s
from keyframe_bench.tables.figure import Figure
from keyframe_bench.tables.stats import bootstrap_interval
from keyframe_bench.video.onepass import read_pass

from .labels import of_one_video, refuse_unknown, shown_labels

ORDERS = ("margin", "random")
_FOLDS, _DIMENSIONS = 5, 64
_HELD, _GAP_S = 0.3, 1.0  # of each clip that several videos show: share that is tested on; between this and the rest
_TEXTS = ("name", "extractor", "as_many_as")
_POOL = s.fields(
    {**dict.fromkeys(_TEXTS, s.text), "budget": s.parsed(Budget.parse), "params": s.parameters},
    ["name", "extractor"],
    one=("budget", "as_many_as"),
)
_OPTIONS: dict[str, s.Check] = {
    "pools": s.listed(_POOL, 1),
    **dict.fromkeys(("rounds", "batch", "early"), s.positive),
    "reached": s.is_a(lambda value: s.is_number(value) and 0 < value <= 1, "a share above 0, at most 1, such as 0.8"),
}


@register("platform_ai/labelling")
class Labelling(Figure):
    """Accuracy of a classifier on held-out videos after every round of labelling, for the frames of each method.

    Every pool of ``pools`` is what an ``extractor`` at a ``budget``, or with as many frames of each video as a pool
    above it (``as_many_as``), chooses of the training videos. A frame that a method with a sampling of its own chooses
    between the sampled frames stands for the one nearest in time, which is in the pool once. ``rounds`` times ``batch``
    frames of a pool are labelled: drawn at random, or those of which the classifier is least certain (its two largest
    probabilities differ least). The classifier is a logistic regression on the feature of the run's extractor. It is
    tested on the sampled frames of the held-out videos, the same for all pools. ``reached`` is the accuracy whose
    labels are counted, ``early`` the number of labels that is few. There is no number after more labels than a pool has
    frames, and none of the labels where the accuracy is never reached.
    """

    options = tuple(_OPTIONS)
    columns = {  # noqa: RUF012 - never changed
        "frames": Column("none", "1", "frames of the video that the method chose"),
        "early": Column("higher", "1", "accuracy after a few labels"),
        "final": Column("higher", "1", "accuracy after the last round"),
        "area": Column("higher", "1", "mean accuracy over the rounds"),
        "labels": Column("lower", "1", "labels until the accuracy is reached"),
        "classes": Column("higher", "1", "share of the video's classes among the first few labels"),
        "diversity": Column("higher", "1", "mean of 1 - cos over pairs of the video's chosen frames"),
    }

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Raise `UsageError` where a pool, or a number, is wrong."""
        s.require(settings, self.options if "make" in settings else (), at)
        for option in self.options:
            if option in settings:
                _OPTIONS[option](settings[option], f"{at}: {option}")
        names = [pool["name"] for pool in settings.get("pools", [])]
        for i, pool in enumerate(settings.get("pools", [])):
            place, other = f"{at}: pools {i + 1} ({s.quoted(names[i])})", pool.get("as_many_as")
            if names[i] in names[:i]:
                raise s.wrong(place, "a pool above has this name; give it another")
            if other is not None and other not in names[:i]:
                below = other in names[i + 1 :]
                way = "put that pool above this one" if below else "name one, or give a budget"
                way = suggestion(other, () if below else names[:i], way)
                raise s.wrong(place, f"as_many_as: no pool above is named {s.quoted(other)}; {way}")

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a cell for every pool and order of labelling of every held-out video."""
        sees = next(v for v in variants(table.spec)[0] if v.name in table.spec.named).build().needs[0]
        asked = _asked(settings["pools"], table.spec.sampling)
        refuse_unknown(table.items)  # before any video is decoded
        videos = [v["video"] for v in table.each(lambda item: [{"video": _read(item, table, settings, asked, sees)}])]
        if len(videos) < 2:
            raise UsageError(f"labelling needs two or more videos that can be read, and there are {len(videos)}")
        if lone := of_one_video(video.labels for video in videos):
            names = ", ".join(lone[:5]) + ", ..." * (len(lone) > 5)
            classes = f"{len(lone)} class{'es' * (len(lone) > 1)} ({names})"
            table.say(f"labelling: in one video only, so that no training video helps to recognise it: {classes}")
        seeds, folds = table.spec.seeds, _folds(videos, table.spec.split_seed)
        tested: set[str] = set()
        for number, held_out in enumerate(folds):
            table.say(f"labelling: part {number + 1} of {len(folds)}")
            cells = list(_part(videos, held_out, settings, seeds, number, table.spec.dataset.name))
            tested |= {cell["video"] for cell in cells}
            yield from cells
        for video in videos:
            why = "its frames lie too near labelled ones" if video.labelled.any() else "no frame of it is labelled"
            table.skipped += [] if video.item.id in tested else [{"video": video.item.id, "reason": why}]

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return accuracy against labels, a panel an order, with intervals over videos."""
        return _drawn(cells) if any(cell.get("history") for cell in cells) else None


@dataclass(frozen=True, eq=False)
class _Video:
    """Sampled frames of a video: what the classifier sees, what they show, which of them each pool holds."""

    item: VideoItem
    sha256: str
    sampling: str
    rows: NDArray[np.float32]  # [N, D]
    labels: NDArray[np.object_]  # [N], text, "" where there is none
    moments: NDArray[np.float64]  # [N], seconds in the clip that is shown; NaN where no other video shows it
    clear: NDArray[np.bool_]  # [N], shows one class only
    methods: dict[str, Extractor]
    chosen: dict[str, list[NDArray[np.int64]]]  # by pool, for each seed

    @property
    def labelled(self) -> NDArray[np.bool_]:
        return np.asarray(self.labels != "", dtype=bool)


def _asked(pools: Sequence[Mapping[str, Any]], sampling: str) -> dict[str, Asked]:
    """Return what the method of each pool is asked for; `UsageError` where it takes no such budget."""
    asked = {}
    for pool in pools:
        method = Extractor.registry.build(pool["extractor"], pool.get("params", {}))
        one = Asked.of(method, pool.get("budget", 1), sampling)  # as many as another pool: a number that videos give
        if reason := unsupported(method, one.budget):
            raise UsageError(f"pool {pool['name']!r}, extractor {method.name!r}, budget={one.budget}: {reason}")
        asked[pool["name"]] = one
    return asked


def _read(
    item: VideoItem, table: VideoTable, settings: Mapping[str, Any], asked: Mapping[str, Asked], sees: Feature
) -> _Video:
    sampling, seeds = table.spec.sampling, table.spec.seeds
    requests: dict[str, list[Feature]] = {sampling: [sees]}
    for one in asked.values():
        for own, features in one.requests.items():
            requests.setdefault(own, []).extend(features)
    read = read_pass(item.path, requests, name=item.id)
    clip = read.clip(sampling, (sees,))
    chosen: dict[str, list[NDArray[np.int64]]] = {}
    for pool in settings["pools"]:
        one, others = asked[pool["name"]], chosen.get(pool.get("as_many_as", ""))
        budgets: list[int | Budget] = [len(other) for other in others or ()] or [one.budget] * len(seeds)
        answers = [Asked.of(one.extractor, k, sampling).answer(read, n)[0] for k, n in zip(budgets, seeds, strict=True)]
        chosen[pool["name"]] = [positions(clip, found) for found in answers]
    rows = np.asarray(clip[sees], dtype=np.float32).reshape(len(clip), -1)
    labels = shown_labels(item, clip, table.say)
    methods = {name: one.extractor for name, one in asked.items()}
    return _Video(item, read.info.sha256, sampling, rows, *labels, methods, chosen)


def positions(clip: Clip, found: KeyFrames) -> NDArray[np.int64]:
    """Return where key frames are among the sampled frames, int64 [K], increasing, each once.

    One that is not among them becomes the sampled frame nearest in time, the earlier of two equally near.
    """
    there = np.searchsorted(clip.ordinals, found.frames).clip(max=len(clip) - 1)
    sampled = clip.ordinals[there] == found.frames
    return np.unique(np.where(sampled, there, nearest_times(clip.times, found.times)))


def _folds(videos: Sequence[_Video], seed: int) -> list[list[int]]:
    """Return the held-out videos of each part; every video is held out once, and classes are spread over the parts."""
    from sklearn.model_selection import StratifiedGroupKFold

    whose = np.repeat(np.arange(len(videos)), [video.labelled.sum() for video in videos])
    labels = np.concatenate([video.labels[video.labelled] for video in videos]).astype(str)
    if len(set(labels)) == 1:
        raise UsageError(f"every labelled frame shows {str(labels[0])!r}; labelling needs two or more classes")
    least = min(_FOLDS, len(np.unique(whose)), np.unique(labels, return_counts=True)[1].min(initial=_FOLDS))
    if least < 2:
        raise UsageError("labelling needs two or more labelled videos, and two or more frames of every class")
    split = StratifiedGroupKFold(int(least), shuffle=True, random_state=seed).split(labels, labels, whose)
    return [np.unique(whose[test]).tolist() for _, test in split]


def divided(videos: Sequence[_Video], held_out: Sequence[int], rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Return which frames of each video may be labelled, or, of a held-out video, are tested on.

    Where several videos show parts of one clip, one end of it is tested on and the rest is labelled, with a gap between
    them: no classifier has seen a moment that it is tested on.
    """
    use = [v.labelled & (v.clear | (i not in held_out)) for i, v in enumerate(videos)]
    spans: dict[str, list[float]] = {}
    for video in videos:
        for label, moment in zip(video.labels, video.moments, strict=True):
            if np.isfinite(moment):
                spans.setdefault(label, []).append(moment)
    for label, moments in sorted(spans.items()):
        low, high, at_start = min(moments), max(moments), rng.random() < 0.5
        edge = low + _HELD * (high - low) if at_start else high - _HELD * (high - low)
        for i, video in enumerate(videos):
            past = (edge - video.moments if at_start else video.moments - edge) * (1 if i in held_out else -1)
            use[i] &= (video.labels != label) | (past > (0 if i in held_out else _GAP_S))
    return use


def _part(
    videos: Sequence[_Video],
    held_out: Sequence[int],
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    number: int,
    dataset: str,
) -> Iterator[dict[str, Any]]:
    """Yield the cells of the held-out videos of one part, means over the seeds."""
    use = divided(videos, held_out, rng_for(0, "labelling", number))
    trains = [i for i in range(len(videos)) if i not in held_out]
    tests = [i for i in held_out if use[i].any()]
    if not tests:
        return
    if not any(use[i].any() for i in trains):
        raise UsageError(f"no frame of other videos than {videos[held_out[0]].item.id!r} is labelled; label more")
    project = _projection(np.concatenate([videos[i].rows[use[i]] for i in trains]))
    rows = [project(video.rows) for video in videos]
    rounds = [settings["batch"] * (i + 1) for i in range(settings["rounds"])]
    seen = np.concatenate([rows[i][use[i]] for i in tests])
    truth = np.concatenate([videos[i].labels[use[i]] for i in tests]).astype(str)
    ends = np.cumsum([use[i].sum() for i in tests])[:-1]
    for pool in settings["pools"]:
        name, ns = pool["name"], range(len(seeds))
        drawn = [[(i, p[use[i][p]]) for i in trains for p in [videos[i].chosen[name][n]]] for n in ns]
        least = min(sum(len(p) for _, p in picked) for picked in drawn)
        if not least:
            raise UsageError(f"pool {name!r} holds no labelled frame to train on; label longer ranges")
        sizes = sorted({min(size, least) for size in rounds})
        for order in ORDERS:
            curves, classes = np.zeros((len(tests), len(sizes))), np.zeros(len(tests))
            for seed, picked in zip(seeds, drawn, strict=True):
                points = np.concatenate([rows[i][p] for i, p in picked])
                labels = np.concatenate([videos[i].labels[p] for i, p in picked]).astype(str)
                rng = rng_for(seed, "labelling", number, "order")
                right, first = _learned(points, labels, seen, truth, sizes, order, rng, settings["early"])
                curves += [part.mean(axis=1) / len(seeds) for part in np.split(right, ends, axis=1)]
                classes += [np.isin(np.unique(t), first).mean() / len(seeds) for t in np.split(truth, ends)]
            for i, curve, share in zip(tests, curves, classes, strict=True):
                yield _cell(videos[i], pool, order, sizes, curve, share, settings, len(seeds), dataset)


def _projection(rows: NDArray[np.float32]) -> Any:
    """Return the map onto the principal components of ``rows`` [N, D], scaled to a mean square of 1."""
    from sklearn.decomposition import PCA

    found = PCA(min(_DIMENSIONS, *rows.shape), svd_solver="full").fit(rows)
    size = float(np.sqrt(np.square(found.transform(rows)).mean())) or 1.0
    return lambda those: found.transform(those) / size


def _learned(
    points: NDArray[Any],
    labels: NDArray[Any],
    seen: NDArray[Any],
    truth: NDArray[Any],
    sizes: Sequence[int],
    order: str,
    rng: np.random.Generator,
    early: int,
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which of ``seen`` [T, D] are classified as ``truth`` after every round [R, T], and the first labels."""
    line = rng.permutation(len(points))
    done, right, chances = line[:0], [], np.ones((len(points), 2))
    for size in sizes:
        rest = line[~np.isin(line, done)]
        margins = np.ptp(np.sort(chances[rest], axis=1)[:, -2:], axis=1)
        done = np.concatenate([done, rest[np.argsort(margins, kind="stable")][: size - len(done)]])
        names, told = _classified(points[done], labels[done], points, seen)
        chances = told if order == "margin" else chances  # equal margins leave the random order
        right.append(names == truth)
    return np.array(right), labels[done[:early]]


def _classified(
    points: NDArray[Any], labels: NDArray[Any], pool: NDArray[Any], seen: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the labels of ``seen`` and the probabilities [P, classes] of ``pool`` after learning ``points``."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return np.full(len(seen), labels[0]), np.ones((len(pool), 2)) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # after a few labels most classes have one
        model = LogisticRegression(max_iter=200).fit(points, labels)
    return model.predict(seen), model.predict_proba(pool)


def _cell(
    video: _Video,
    pool: Mapping[str, Any],
    order: str,
    sizes: Sequence[int],
    curve: NDArray[np.float64],
    classes: float,
    settings: Mapping[str, Any],
    draws: int,
    dataset: str,
) -> dict[str, Any]:
    name, method = pool["name"], video.methods[pool["name"]]
    full = sizes[-1] == settings["rounds"] * settings["batch"]  # else the pool has fewer frames
    metrics = {
        "frames": float(np.mean([len(one) for one in video.chosen[name]])),
        "early": float(np.interp(settings["early"], sizes, curve)) if settings["early"] <= sizes[-1] else None,
        "final": float(curve[-1]) if full else None,
        "area": float(curve.mean()) if full else None,
        "labels": labels_until(settings["reached"], sizes, curve),
        "classes": float(classes) if settings["early"] <= sizes[-1] else None,
        "diversity": float(np.mean([diversity(video.rows[one]) for one in video.chosen[name]])),
    }
    return {
        **{"format": FORMAT, "status": "ok", "dataset": dataset, "video": video.item.id, "draws": draws, "seed": 0},
        **{"video_sha256": video.sha256, "n_sampled": len(video.rows), "label": name, "metrics": metrics},
        **{"extractor": method.name, "params": {**method.params, "order": order}, "reference": method.reference},
        **{"budget": "free", "sampling": video.sampling, "run_sampling": video.sampling},
        "history": [{"labels": n, "accuracy": round(float(a), 4)} for n, a in zip(sizes, curve, strict=True)],
        "key": digest([video.item.id, video.sha256, name, method.params, order, video.sampling]),
    }


def labels_until(reached: float, sizes: Sequence[int], curve: NDArray[np.float64]) -> float | None:
    """Return after how many labels the accuracy is ``reached``, interpolated; None where it never is."""
    first = int(np.argmax(curve >= reached))
    part = slice(max(first - 1, 0), first + 1)
    return float(np.interp(reached, curve[part], sizes[part])) if curve[first] >= reached else None


def diversity(rows: NDArray[np.float32]) -> float:
    """Return the mean of 1 - cos over pairs of rows [K, D]; 0 for fewer than two."""
    n, units = len(rows), rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return float(1 - (np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else 0.0


def _drawn(cells: Sequence[Mapping[str, Any]]) -> bytes:
    page = new_figure(height=4.8, width=12.5)
    names = dict.fromkeys(str(cell["label"]) for cell in cells)
    looks = ((colour, style) for style in itertools.cycle(("-", "--", ":", "-.")) for colour in ("black", *COLOURS))
    lines = dict(zip(names, looks, strict=False))  # looks have no end
    panels = page.subplots(1, len(ORDERS), sharey=True)
    for panel, order in zip(panels, ORDERS, strict=True):
        for name, (colour, style) in lines.items():
            mine = [cell["history"] for cell in cells if (cell["label"], cell["params"]["order"]) == (name, order)]
            curves = [np.array([[step["labels"], step["accuracy"]] for step in history]).T for history in mine]
            labels = min((curve[0] for curve in curves), key=max)  # the others have these too: a curve ends with a pool
            values = np.array([np.interp(labels, *curve) for curve in curves])
            panel.plot(labels, values.mean(axis=0), color=colour, linestyle=style, linewidth=1.6, label=name)
            panel.fill_between(labels, *zip(*map(bootstrap_interval, values.T), strict=True), color=colour, alpha=0.1)
        panel.set_title({"margin": "the least certain frames next", "random": "frames in random order"}[order])
        panel.set_xlabel("labelled frames")
        panel.grid(visible=True, color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy on frames of held-out videos")
    page.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return png_bytes(page)
