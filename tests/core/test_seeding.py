"""Randomness depends on the seed and the names of its parts, on nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from keyframe_bench.core.seeding import rng_for


def draw(*parts: object) -> list[int]:
    return rng_for(*parts).integers(0, 2**31, 4).tolist()  # type: ignore[arg-type]  # a seed and names


def test_the_same_parts_give_the_same_numbers() -> None:
    assert draw(3, "video", "random", 1) == draw(3, "video", "random", 1)


def test_any_other_part_gives_other_numbers() -> None:
    others = [draw(3, "v", "r", 1), draw(4, "v", "r", 1), draw(3, "w", "r", 1), draw(3, "v", "r", 2), draw(3, "vr", 1)]
    others += [draw(3, "v", "r"), draw(3), draw(3, "r", "v", 1)]
    assert len({tuple(o) for o in others}) == len(others)


def test_another_process_gives_the_same_numbers() -> None:
    program = (
        "from keyframe_bench.core.seeding import rng_for; print(rng_for(7, 'a', 2).integers(0, 2**31, 4).tolist())"
    )
    for hash_seed in ("0", "1"):
        found = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == str(draw(7, "a", 2))


def test_neighbouring_seeds_are_independent() -> None:
    draws = np.array([rng_for(seed, "v").random(200) for seed in range(30)])
    correlations = np.corrcoef(draws)[np.triu_indices(30, 1)]
    assert np.abs(correlations).max() < 0.35
    assert abs(draws.mean() - 0.5) < 0.02
