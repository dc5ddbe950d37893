"""Randomness depends on the seed and the names of its parts, on nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from keyframe_bench.core.seeding import rng_for


def draw(*parts: object) -> list[int]:
    return rng_for(*parts).integers(0, 2**31, 4).tolist()  # type: ignore[arg-type]  # a seed and names


def test_any_other_part_gives_other_numbers() -> None:
    others = [(3, "v", "r", 1), (4, "v", "r", 1), (3, "w", "r", 1), (3, "v", "r", 2), (3, "vr", 1), (3, "r", "v", 1)]
    others += [(3, "v", "r"), (3,)]
    assert len({tuple(draw(*parts)) for parts in others}) == len(others)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_gives_the_same_numbers(hash_seed: str) -> None:
    draws = "from keyframe_bench.core.seeding import rng_for; print(rng_for(7, 'a', 2).integers(0, 2**31, 4).tolist())"
    found = subprocess.check_output([sys.executable, "-c", draws], env={"PYTHONHASHSEED": hash_seed}, text=True)
    assert found.strip() == str(draw(7, "a", 2))


def test_neighbouring_seeds_are_independent() -> None:
    draws = np.array([rng_for(seed, "v").random(200) for seed in range(30)])
    assert np.abs(np.corrcoef(draws)[np.triu_indices(30, 1)]).max() < 0.35
    assert abs(draws.mean() - 0.5) < 0.02
