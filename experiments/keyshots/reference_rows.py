"""Human, random and uniform rows of SumMe and TVSum from their annotations, without the videos.

Every annotator is scored against the others, 100 draws of random scores and evenly spaced units against all, by the
functions of `keyframe_bench.metrics.keyshots`. Segments come from pixels, of which there are none: units of two seconds
stand for them, or segments drawn at random (20 segmentations a video, of exponential lengths of 5 s in the mean, cut
at half seconds). Where the folder of SumMe has ``playing_ball.mp4``, that video is cut by KTS as in a run::

    python experiments/keyshots/reference_rows.py SUMME_DIR TVSUM_DIR

It writes ``reference_rows.json`` beside this file and the table of docs/keyshots.md, which ``--from-json`` does alone.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.cli.table_command import replaced
from keyframe_bench.datasets.base import Dataset, Published
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.keyshots import (
    PERCENT,
    keyshots,
    means,
    rank_correlations,
    ticks,
    timeline_of,
    user_keyshots,
)
from keyframe_bench.video.onepass import read_pass

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "keyshots.md"
SEED, DRAWS, SEGMENTATIONS, MEAN_S = 0, 100, 20, 5.0
UNITS, DRAWN, KTS = "2 s units", "drawn, 5 s", "KTS"
HUMAN, THROUGH, RANDOM, UNIFORM = "human", "human, whole segments", "random", "uniform"
# Otani et al. 2019, with KTS: F mean, F max, tau, rho.
PUBLISHED = {
    ("summe", HUMAN): (0.31, 0.54, None, None),
    ("summe", RANDOM): (0.19, 0.41, None, None),
    ("tvsum", HUMAN): (0.54, 0.78, 0.177, 0.204),
    ("tvsum", RANDOM): (0.57, 0.78, 0.0, 0.0),
}

Starts = NDArray[np.int64]
Pair = tuple[float, float]
Cut = Callable[[NDArray[np.float64], np.random.Generator], list[Starts]]
NUMBERS = ("f", "f_max", "tau", "rho")


def f_of(summaries: NDArray[np.bool_], users: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return F of every summary [S, N] with every user [U, N], float64 [S, U]; both empty agree."""
    shared = summaries.astype(np.float32) @ users.astype(np.float32).T
    total = summaries.sum(axis=1)[:, None] + users.sum(axis=1)
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), 1.0)


def among_others(table: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean over users of the mean and of the maximum over the others, of a table [U, U]."""
    others = table[~np.eye(len(table), dtype=bool)].reshape(len(table), -1)
    return float(others.mean()), float(others.max(axis=1).mean())


def mean_and_best(table: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean over summaries of the mean and of the maximum over users, of a table [S, U]."""
    return float(table.mean()), float(table.max(axis=1).mean())


def random_scores(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for every half second, held until the next, float64 [N]."""
    picks = ticks(times, "2fps", len(times))
    return np.repeat(rng.random(len(picks)), np.diff(picks, append=len(times)))


def drawn_segments(times: NDArray[np.float64], rng: np.random.Generator) -> Starts:
    """Return starts of segments of exponential length, `MEAN_S` in the mean."""
    borders = np.cumsum(rng.exponential(MEAN_S, int(4 * times[-1] / MEAN_S) + 20))
    borders = np.round(2 * borders) / 2
    return np.unique(np.append(0, np.searchsorted(times, borders[borders < times[-1]] - 1e-6)))


def evenly(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 on evenly spaced key frames, one for each unit of two seconds in a summary, else 0, float64 [N]."""
    scores = np.zeros(len(times))
    k = max(1, PERCENT * len(ticks(times, "0.5fps", len(times))) // 100)
    scores[((np.arange(k) + 0.5) * len(times) / k).astype(int)] = 1
    return scores


def agreement(
    importance: NDArray[np.float32], times: NDArray[np.float64], starts: Starts, rng: np.random.Generator, draws: int
) -> dict[str, Pair]:
    """Return F mean and F max of every row, for one video and one segmentation."""
    users = np.array([user_keyshots(scores, starts) for scores in importance])
    through = np.array([keyshots(scores, starts) for scores in importance])
    drawn = np.array([keyshots(random_scores(times, rng), starts) for _ in range(draws)])
    return {
        HUMAN: among_others(f_of(users, users)),
        THROUGH: among_others(f_of(through, users)),
        RANDOM: mean_and_best(f_of(drawn, users)),
        UNIFORM: mean_and_best(f_of(keyshots(evenly(times), starts)[None], users)),
    }


def correlation(
    importance: NDArray[np.float32], times: NDArray[np.float64], units: Starts, rng: np.random.Generator, draws: int
) -> dict[str, Pair]:
    """Return tau and rho of every row, for one video."""
    users = means(importance, units)
    human = [rank_correlations(user, np.delete(users, i, axis=0)) for i, user in enumerate(users)]
    drawn = [rank_correlations(means(random_scores(times, rng), units), users) for _ in range(draws)]
    uniform = [rank_correlations(means(evenly(times), units), users)]
    found = {HUMAN: human, THROUGH: human, RANDOM: drawn, UNIFORM: uniform}
    return {row: tuple(map(float, np.mean(pairs, axis=(0, 2)))) for row, pairs in found.items() if pairs}


def measured(data: str, videos: dict[str, Published], kinds: dict[str, Cut]) -> list[dict[str, object]]:
    """Return a line for every kind of segments and row: means over ``videos``."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for index, (name, about) in enumerate(sorted(videos.items())):
        assert about.annotation is not None and about.fps is not None
        importance = np.array([u.importance for u in about.annotation.users if np.ptp(u.importance) > 0])
        times, rng = np.arange(about.n_frames) / about.fps, np.random.default_rng([SEED, index])
        ranks = correlation(importance, times, ticks(times, "0.5fps", len(times)), rng, DRAWS)
        for kind, cut in kinds.items():
            cuts = list(cut(times, rng))
            f = [agreement(importance, times, starts, rng, DRAWS // len(cuts)) for starts in cuts]
            for row in f[0]:
                found[kind, row].append((*np.mean([pairs[row] for pairs in f], axis=0), *ranks[row]))
        print(f"{data} {name}", flush=True)
    return [
        {"data": data, "segments": kind, "row": row, "videos": len(numbers)}
        | dict(zip(NUMBERS, np.mean(numbers, axis=0).round(3).tolist(), strict=True))
        for (kind, row), numbers in found.items()
    ]


def two_seconds(times: NDArray[np.float64], _: np.random.Generator) -> list[Starts]:
    """Return the one segmentation into units of two seconds."""
    return [ticks(times, "0.5fps", len(times))]


def drawn(times: NDArray[np.float64], rng: np.random.Generator) -> list[Starts]:
    """Return segmentations drawn at random."""
    return [drawn_segments(times, rng) for _ in range(SEGMENTATIONS)]


def of_kts(path: Path) -> list[Starts]:
    """Return the segments of a video as the metric cuts it."""
    needs = Metric.registry.build("keyshot_f").needs
    return [
        timeline_of(read_pass(path, {"every": list(needs)}, sha256="not needed here").clip("every", needs)).segments
    ]


def everything(summe: Path, tvsum: Path) -> dict[str, object]:
    """Return all rows, and how they were made."""
    sets = {}
    for name, root in (("summe", summe), ("tvsum", tvsum)):
        known = Dataset.registry.get(name)(root=str(root)).published()
        sets[name] = {video: about for video, about in known.items() if about.annotation is not None}
    rows = [row for name, videos in sets.items() for row in measured(name, videos, {UNITS: two_seconds, DRAWN: drawn})]
    film = next(iter(sorted(summe.rglob("playing_ball.mp4"))), None)
    lengths = {}
    if film is not None:
        cuts = of_kts(film)
        one = {film.stem: sets["summe"][film.stem]}
        rows += measured(film.stem, one, {KTS: lambda *_: cuts, UNITS: two_seconds})
        lengths = {"kts_segments": len(cuts[0])}
    about = {"seed": SEED, "draws": DRAWS, "segmentations": SEGMENTATIONS, "mean_s": MEAN_S, **lengths}
    return about | {"rows": rows}


def markdown(found: dict[str, object]) -> str:
    """Return the table of the page."""

    def said(value: float | None, digits: int = 3) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    head = ("data", "segments", "row", "videos", "F mean", "F max", "tau", "rho", "published F", "published tau, rho")
    lines = [" | ".join(("", *head, "")).strip(), "| :-- | :-- | :-- |" + " --: |" * (len(head) - 3)]
    for line in found["rows"]:
        *f, tau, rho = PUBLISHED.get((line["data"], line["row"]), (None,) * 4)
        theirs = (" / ".join(said(x, 2) for x in f), ", ".join(said(x) for x in (tau, rho)))
        cells = [line["data"], line["segments"], line["row"], str(line["videos"]), *(said(line[n]) for n in NUMBERS)]
        cells += ["" if "-" in text else text for text in theirs]
        lines.append(" | ".join(("", *cells, "")).strip())
    return "\n".join(lines)


def main() -> None:
    """Measure, or read what was measured, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("summe", type=Path, nargs="?")
    parser.add_argument("tvsum", type=Path, nargs="?")
    parser.add_argument("--from-json", action="store_true", help="only write the table anew")
    given = parser.parse_args()
    kept = HERE / "reference_rows.json"
    if not given.from_json:
        if given.tvsum is None:
            parser.error("give the folders of SumMe and of TVSum, or --from-json")
        kept.write_text(json.dumps(everything(given.summe, given.tvsum), indent=1) + "\n", "utf-8")
    table = markdown(json.loads(kept.read_text("utf-8")))
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), "keyshots", table, str(PAGE)), "utf-8")


if __name__ == "__main__":
    main()
