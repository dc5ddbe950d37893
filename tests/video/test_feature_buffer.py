"""Rows that arrive in batches come back as they were, whether they fitted into memory or went to disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import OutputError
from keyframe_bench.core.memory import anonymous_mb
from keyframe_bench.video import feature_pass
from keyframe_bench.video.feature_pass import FeatureBuffer


def collect(batches: list[np.ndarray]) -> np.ndarray:
    writer = FeatureBuffer()
    for batch in batches:
        writer.append(batch)
    return writer.finish()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (4, 1, 2)])
def test_spilled_rows_are_the_same(monkeypatch: pytest.MonkeyPatch, dtype: type, shape: tuple[int, ...]) -> None:
    rows = (np.random.default_rng(0).random((100, *shape)) * 200).astype(dtype)
    batches = [rows[i : i + 7] for i in range(0, 100, 7)]
    kept = collect(batches)
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 50)
    spilled = collect(batches)
    assert type(spilled) is type(kept) is np.ndarray  # a plain array over the file is not copied by who pickles it
    assert isinstance(spilled.base, np.memmap) and not isinstance(kept.base, np.memmap)
    for found in (kept, spilled):
        assert found.dtype == rows.dtype and np.array_equal(found, rows)
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0


def test_views_and_reversed_batches_are_stored_as_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 1)
    rows = np.arange(60).reshape(10, 6)
    assert np.array_equal(collect([rows[::-1, ::2]]), rows[::-1, ::2])


def test_nothing_is_left_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 100)
    rows = collect([np.ones((50, 4))] * 3)
    assert rows.sum() == 600
    assert list(tmp_path.iterdir()) == []  # it never had a name
    files = Path("/proc/self/fd")
    open_before = len(list(files.iterdir())) if files.exists() else 0
    for _ in range(50):
        collect([np.ones((50, 4))] * 3)
    if open_before:
        assert len(list(files.iterdir())) <= open_before + 2


def test_memory_stays_bounded() -> None:
    if not anonymous_mb():
        pytest.skip("this system does not tell anonymous memory")
    writer = FeatureBuffer()
    batch = np.ones((16, 62_500), dtype=np.float32)  # 4 MB
    before = anonymous_mb()
    for _ in range(40):
        writer.append(batch.copy())
    rows = writer.finish()
    assert anonymous_mb() - before < 40
    assert rows.shape == (640, 62_500) and rows[-1, -1] == 1
    assert feature_pass.SPILL_BYTES <= 10_000_000


def test_no_rows() -> None:
    assert len(collect([])) == 0


def test_an_unusable_temporary_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 10)
    with pytest.raises(OutputError, match="TMPDIR") as caught:
        collect([np.ones(100)])
    assert str(tmp_path / "missing") in str(caught.value)


def test_a_full_disk_is_one_clear_error() -> None:
    """A limit on the file's size stands in for a full disk: writing fails in the middle."""
    pytest.importorskip("resource")
    program = """
import resource, signal
import numpy as np
from keyframe_bench.core.errors import OutputError
from keyframe_bench.video import feature_pass
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
feature_pass.SPILL_BYTES = 300_000
writer = feature_pass.FeatureBuffer()
try:
    for _ in range(100):
        writer.append(np.ones(20_000))
    writer.finish()
except OutputError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert found.stdout.startswith("cannot write ") and "TMPDIR" in found.stdout
    assert found.stdout.count("\n") == 1 and found.stderr == ""
