"""Checkpoints: what is written comes back, and what is no checkpoint is refused in a sentence and never run."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyframe_bench.core.checkpoint import BUNDLED, Checkpoint, checkpoint_id, read_checkpoint, read_record, why_missing
from keyframe_bench.core.errors import UnavailableError, UsageError

RECORD: dict[str, Any] = {
    **{"extractor": "mine", "version": 2, "options": {"c": 0.5}, "features": ["gray@1()"], "supervision": "users"},
    **{"trained_on": [{"video": "a.mp4", "sha256": "00", "start_s": 0.0, "end_s": 3.0, "part": "train"}]},
    **{"split": "videos:0.8", "chosen": "only", "history": [], "numbers": {"level": 0.1}, "seed": 3, "versions": {}},
}
TENSORS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(7), "t": np.eye(3)[::-1]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "small, odd=name.safetensors"
    Checkpoint(TENSORS, RECORD).write(path)
    return path


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """Write the checkpoint with other metadata."""

    def write(**metadata: str | None) -> Path:
        from safetensors.numpy import save_file

        told = {"format": "keyframe_bench/checkpoint@1", "record": json.dumps(RECORD)} | metadata
        path = tmp_path / "changed.safetensors"
        save_file({"x": np.zeros(2)}, path, {k: v for k, v in told.items() if v is not None})
        return path

    return write


def test_what_is_written_comes_back_and_equal_ones_are_equal_files(file: Path, tmp_path: Path) -> None:
    found = read_checkpoint(file, "mine")
    assert found.record == RECORD == read_record(str(file), "mine") and found.numbers == {"level": 0.1}
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found.tensors[name], tensor, strict=True)
    Checkpoint(dict(reversed(TENSORS.items())), dict(reversed(RECORD.items()))).write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def refused(path: Path, message: str, option: str = "checkpoint") -> None:
    """Both ways to read a checkpoint refuse it in one sentence that names it."""
    for read in (read_record, read_checkpoint):
        with pytest.raises(UsageError, match=message) as caught:
            read(path, "mine", option)
        text = str(caught.value)
        assert "\n" not in text and len(text) < 500 and text.startswith(f"{option}={str(path)!r}")


def test_pickles_are_refused_and_never_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    trace = tmp_path / "was-run"
    pickles = {
        "plain.pkl": lambda path: path.write_bytes(pickle.dumps(Trap(trace))),
        "zip.pt": lambda path: torch.save({"x": Trap(trace)}, path),
        "old.pt": lambda path: torch.save({"x": Trap(trace)}, path, _use_new_zipfile_serialization=False),
    }
    for name, write in pickles.items():
        write(tmp_path / name)
        refused(tmp_path / name, "is a pickled checkpoint, which could run code when loaded")
    assert not trace.exists()
    torch.load(tmp_path / "zip.pt", weights_only=False)
    assert trace.exists()  # the trap works


@pytest.mark.parametrize("first", [0x80, 0x50])
def test_a_file_may_begin_with_the_bytes_of_a_pickle(changed: Callable[..., Path], first: int) -> None:
    """A safetensors file begins with the length of its header, which may be any multiple of 8."""
    paths = (changed(record=json.dumps({**RECORD, "note": "x" * n})) for n in range(0, 512, 2))
    assert read_record(next(path for path in paths if path.read_bytes()[0] == first), "mine")["seed"] == 3


def test_files_cut_anywhere_are_refused(file: Path, tmp_path: Path) -> None:
    raw = file.read_bytes()
    header = 8 + struct.unpack("<Q", raw[:8])[0]
    cut = tmp_path / "cut.safetensors"
    cuts = (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(raw) // 2, len(raw) - 1)
    for data in (*(raw[:length] for length in cuts), raw + b"x", struct.pack("<Q", 2**63) + raw[8:]):
        cut.write_bytes(data)
        refused(cut, "complete safetensors file")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "cannot be read", option="init")
    refused(tmp_path, "cannot be read")
    for missing, said in ((tmp_path / "none", "does not exist"), (tmp_path, "is a folder"), ("", "not trained")):
        told = why_missing(missing, "mine") or ""
        assert said in told and "keyframe-bench train extractor=mine" in told
    with pytest.raises(UnavailableError, match="does not exist"):
        checkpoint_id(tmp_path / "none", "mine")


def test_odd_names_are_names(file: Path, tmp_path: Path) -> None:
    odd = tmp_path / "c\u00e9, [1]={x}.bin"
    odd.write_bytes(file.read_bytes())
    assert read_record(odd, "mine") == RECORD and checkpoint_id(odd, "mine") == checkpoint_id(file, "mine")
    try:
        bytes_only = tmp_path / os.fsdecode(b"caf\xe9")
        bytes_only.write_bytes(file.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    refused(bytes_only, "a name that is not UTF-8, which safetensors does not open; rename it")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        *(
            ({"format": None}, "is not a keyframe_bench checkpoint"),
            ({"record": None}, "is not a keyframe_bench checkpoint"),
            ({"format": "pt"}, "'pt'"),
        ),
        *(({"record": text}, "has a damaged record") for text in ('{"a": 1', "[1]", "[" * 100_000)),
        ({"record": json.dumps({**RECORD, "options": 3})}, "options is not of type dict"),
        ({"record": json.dumps({**RECORD, "extractor": "theirs"})}, "is a checkpoint of extractor 'theirs', not of"),
    ],
)
def test_other_files_are_refused(changed: Callable[..., Path], metadata: dict[str, str | None], message: str) -> None:
    refused(changed(**metadata), message)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    Checkpoint({"a": np.zeros(2), "b": np.array([1, np.nan])}, RECORD).write(tmp_path / "nan")
    with pytest.raises(UsageError, match="not finite, first in b"):
        read_checkpoint(tmp_path / "nan", "mine")


def test_what_is_not_bundled_is_said() -> None:
    assert "no checkpoint of 'mine' is in this installation" in (why_missing(BUNDLED, "mine") or "")
    with pytest.raises(UnavailableError, match="no checkpoint of 'mine'"):
        read_record(BUNDLED, "mine")
    assert why_missing(BUNDLED, "autoencoder") is None
