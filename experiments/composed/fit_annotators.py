"""Fit the simulated annotators of the data set `composed` to the people of the Open Video set (VSUMM).

Every simulated video has the length of a real one and an edit list of the composer, from clips of 10 s. Real and
simulated users are compared by leave-one-out F within 0.5, 1, 2 and 5 s and by how many frames they take; the sum of
the squared differences, in units of the tolerances below, is minimised::

    python experiments/composed/fit_annotators.py VSUMM_DIR [--check] [--hold NAME=VALUE ...]

``--check`` only compares the defaults of the package with the real users. ``--hold`` sets a parameter that is not
fitted (``merge`` and ``by_length``: nobody marked the shots of the real videos, so these numbers hardly tell of them).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.datasets._annotators import AnnotatorModel
from keyframe_bench.metrics.temporal import TOLERANCES, Temporal
from keyframe_bench.video.compose import FPS, Take, make_edit

TAUS = tuple(TOLERANCES.values())
N_CLIPS, CLIP_S = 26, 10.0
OVP_FPS = 30.0
# name: (lowest, highest) of what is fitted
BOUNDS = {
    "include": (-3.0, 6.0),
    "salience": (0.0, 8.0),
    "generosity": (0.0, 2.0),
    "density": (0.0, 4.0),
    "jitter_s": (0.2, 2.0),
    "vague": (0.0, 1.0),
    "second_per_s": (0.0, 0.3),
    "spurious_per_min": (0.0, 3.0),
}
ROWS = (*(f"F {tau:g} s" for tau in TAUS), "frames/min", "sd of videos", "sd of users")
TOLERATED = np.array([0.01, 0.01, 0.01, 0.01, 0.1, 0.2, 0.1])

Users = list[NDArray[np.float64]]  # times in seconds, one array a user


def read_users(folder: Path) -> dict[int, Users]:
    """Return the times of the key frames of each user, by video: 1-based frame numbers at 30 frames per second."""
    found = {}
    for file in sorted((folder / "open_video_user_frames").glob("v*.csv")):
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        numbers = [sorted({int(n) for n in line.split(",") if n.strip()}) for line in lines]
        found[int(file.stem[1:])] = [(np.array(n) - 1) / OVP_FPS for n in numbers]
    if not found:
        raise SystemExit(f"there is no open_video_user_frames/v*.csv in {folder}")
    return found


def read_durations(folder: Path) -> dict[int, float]:
    """Return the listed durations, in seconds; the list's numbers of frames contradict them for some videos (v65)."""
    text = (folder / "video_list.md").read_text()
    rows = re.findall(r"^\[v(\d+)\].*?\| *(\d+):(\d+) *\|", text, flags=re.MULTILINE)
    return {int(video): 60.0 * int(minutes) + int(seconds) for video, minutes, seconds in rows}


def leave_one_out(users: Users) -> NDArray[np.float64]:
    """Return F at each tolerance as the row `human` of a run has it: each user against the others."""
    frames = [np.arange(len(times)) for times in users]
    annotation = Annotation(users=tuple(UserSummary(str(u), frames[u], times) for u, times in enumerate(users)))
    clip = Clip(VideoInfo("none", 1), np.zeros(1, dtype=np.int64), np.zeros(1), {})  # the metric looks at times only
    rows = []
    for u, times in enumerate(users):
        found = Temporal().compute(KeyFrames(frames[u], times), clip, annotation.without_user(u))
        rows.append([found[f"f1_{suffix}"] for suffix in TOLERANCES])
    return np.mean(rows, axis=0)


def fast_leave_one_out(videos: Sequence[Users]) -> NDArray[np.float64]:
    """Return what `leave_one_out` gives, float64 [videos, taus], all pairs of users at once.

    On a line, taking the earliest pair that fits gives a largest matching, so two pointers are enough.
    """
    pairs = [(v, i, j) for v, users in enumerate(videos) for i in range(len(users)) for j in range(i)]
    flat = [(videos[v][i], videos[v][j]) for v, i, j in pairs]
    width = max(len(times) for both in flat for times in both) + 1
    a, b = (
        np.array([np.pad(both[s], (0, width - len(both[s])), constant_values=1e9) for both in flat]) for s in (0, 1)
    )
    n_a, n_b = (np.array([len(both[s]) for both in flat]) for s in (0, 1))
    rows = np.arange(len(flat))
    scores = np.zeros((len(videos), len(TAUS)))
    owner = np.array([v for v, _, _ in pairs])
    for t, tau in enumerate(TAUS):
        at, to, found = np.zeros_like(n_a), np.zeros_like(n_a), np.zeros_like(n_a)
        while (live := (at < n_a) & (to < n_b)).any():
            gap = np.rint((a[rows, at] - b[rows, to]) * 1e6) / 1e6
            hit = live & (np.abs(gap) <= tau)
            found += hit
            at += hit | (live & (gap < -tau))
            to += hit | (live & (gap > tau))
        f = 2 * found / np.maximum(n_a + n_b, 1)
        scores[:, t] = np.bincount(owner, f) / np.bincount(owner)
    return scores


def describe(videos: Sequence[Users], durations: Sequence[float]) -> NDArray[np.float64]:
    """Return per video F at each tolerance, mean and standard deviation over users of frames/min [videos, 6]."""
    rates = np.array([[60 * len(u) / s for u in users] for users, s in zip(videos, durations, strict=True)])
    return np.column_stack([fast_leave_one_out(videos), rates.mean(axis=1), rates.std(axis=1, ddof=1)])


def summarise(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers that are fitted, in the order of `ROWS`, from what `describe` gives."""
    mean = table.mean(axis=0)
    return np.array([*mean[:5], table[:, 4].std(ddof=1), mean[5]])


def make_edits(durations: Iterable[float], repeats: int, first: int = 0) -> list[tuple[Take, ...]]:
    """Return edit lists of the composer with these durations, seeds ``first`` to ``first + repeats - 1``."""
    lengths = [round(CLIP_S * FPS)] * N_CLIPS
    return [
        make_edit(lengths, round(seconds * FPS), rng_for(repeat, "fit", i))
        for repeat in range(first, first + repeats)
        for i, seconds in enumerate(durations)
    ]


def simulate(
    model: AnnotatorModel, edits: Sequence[tuple[Take, ...]], every_s: float = 1.0, seed: int = 0
) -> list[Users]:
    """Return five users' times for every edit list; with equal seeds only the parameters make a difference."""
    videos = []
    for i, edit in enumerate(edits):
        shots, clips = [(t.first, t.end) for t in edit], [t.clip for t in edit]
        users = model.choose(shots, clips, FPS, 5, rng_for(seed, "users", i), every_s=every_s)
        videos.append([frames / FPS for frames in users])
    return videos


def fit(
    start: AnnotatorModel, real: NDArray[np.float64], durations: Sequence[float], repeats: int, rounds: int
) -> AnnotatorModel:
    """Return the fitted model: differential evolution around ``start``, then Nelder-Mead; common random numbers."""
    from scipy.optimize import differential_evolution, minimize

    edits = make_edits(durations, repeats)
    lengths = [*durations] * repeats
    ranges = [*BOUNDS.values()]

    def model(values: NDArray[np.float64]) -> AnnotatorModel:
        return replace(start, **{name: float(v) for name, v in zip(BOUNDS, values, strict=True)})

    def misfit(values: NDArray[np.float64]) -> float:
        found = summarise(describe(simulate(model(values), edits), lengths))
        return float((((found - real) / TOLERATED) ** 2).sum())

    first = np.array([getattr(start, name) for name in BOUNDS])
    if rounds:
        best = differential_evolution(misfit, ranges, x0=first, seed=0, maxiter=rounds, popsize=5, polish=False)
        print(f"misfit {best.fun:.2f} after {best.nfev} evaluations of differential evolution")
        first = best.x
    best = minimize(misfit, first, method="Nelder-Mead", bounds=ranges, options={"maxfev": 300, "adaptive": True})
    print(f"misfit {best.fun:.2f} after {best.nfev} evaluations of Nelder-Mead")
    return model(best.x)


def report(model: AnnotatorModel, real: NDArray[np.float64], durations: Sequence[float], repeats: int = 20) -> None:
    """Print real and simulated numbers, with what resampling the real videos gives."""
    edits, lengths = make_edits(durations, repeats, first=1000), [*durations] * repeats  # the fit does not see these
    rng = np.random.default_rng(0)
    draws = [summarise(real[rng.integers(len(real), size=len(real))]) for _ in range(2000)]
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    sampled = summarise(describe(simulate(model, edits, 1.0, seed=1), lengths))
    every = summarise(describe(simulate(model, edits, 0.0, seed=1), lengths))
    print("| | real | 95 % interval | simulated, 1 frame/s | difference | simulated, every frame |")
    print("|---|---|---|---|---|---|")
    for n, name in enumerate(ROWS):
        r = summarise(real)[n]
        ends = f"{low[n]:.3f} to {high[n]:.3f}"
        print(f"| {name} | {r:.3f} | {ends} | {sampled[n]:.3f} | {sampled[n] - r:+.3f} | {every[n]:.3f} |")


def main() -> None:
    """Read, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="the folder with open_video_user_frames/ and video_list.md")
    parser.add_argument("--check", action="store_true", help="fit nothing, compare the package's defaults")
    parser.add_argument("--repeats", type=int, default=4, help="simulated videos for each real one")
    parser.add_argument("--rounds", type=int, default=40, help="generations of differential evolution; 0 for none")
    parser.add_argument("--hold", nargs="*", default=[], metavar="NAME=VALUE", help="parameters that are not fitted")
    arguments = parser.parse_args()
    held = {name: float(value) for name, _, value in (text.partition("=") for text in arguments.hold)}
    users, listed = read_users(arguments.folder), read_durations(arguments.folder)
    durations = [listed[v] for v in users]
    real = describe([*users.values()], durations)
    exact = np.array([leave_one_out(u) for u in users.values()])
    assert np.allclose(real[:, : len(TAUS)], exact), "the fast matching is not the benchmark's"
    model = AnnotatorModel(**held)
    if not arguments.check:
        model = fit(model, summarise(real), durations, arguments.repeats, arguments.rounds)
        print(model)
    report(model, real, durations)


if __name__ == "__main__":
    main()
