"""Files appear whole or not at all; names and hashes are the same everywhere."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keyframe_bench.core.errors import OutputError
from keyframe_bench.core.files import (
    canonical_json,
    digest,
    make_folder,
    remove_leftovers,
    sha256_of_file,
    write_atomic,
    write_together,
)


def test_writing_replaces_and_makes_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "naïve 'file'.json"
    write_atomic(file, "first é")
    write_atomic(file, b"second")
    assert file.read_bytes() == b"second"
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    mask = os.umask(0)
    os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~mask


def test_what_is_written_is_on_the_disk_before_its_name_and_the_name_after(tmp_path: Path, monkeypatch) -> None:
    done, fsync, replace = [], os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def named(*paths: str) -> None:
        done.append("name")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", named)
    write_atomic(tmp_path / "cell.json", "seven b")
    assert done == ["7 bytes", "name", "folder"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cell.json"
    write_atomic(file, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_atomic(file, "new")
    assert caught.value.path == str(file) and "make room" in str(caught.value)
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["cell.json"]


def test_text_that_cannot_be_encoded_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_together({tmp_path / "first.json": "whole", tmp_path / "second.json": "a lone \ud800"})
    assert not list(tmp_path.iterdir())


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "x.json", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError) as caught:
            write_atomic(target, "data")
        assert str(target) in str(caught.value) and "out=PATH" in str(caught.value)
    with pytest.raises(OutputError, match="cannot write"):
        make_folder(tmp_path / "file")
    assert make_folder(tmp_path / "new" / "folder").is_dir()


def test_a_killed_writer_leaves_no_half_file(tmp_path: Path) -> None:
    """Killed again and again while it rewrites one file: what is there is always whole."""
    program = """
import sys
from pathlib import Path
from keyframe_bench.core.files import write_atomic
print("ready", flush=True)
n = 0
while True:
    n += 1
    write_atomic(Path(sys.argv[1]), f"{n} " * 100_000 + "end")
"""
    file = tmp_path / "cell.json"
    for turn in range(4):
        process = subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.03 + 0.01 * turn)
        process.kill()
        process.communicate()
        if file.exists():
            words = file.read_text().split(" ")
            assert words[-1] == "end" and len(set(words[:-1])) == 1 and len(words) == 100_001


def test_leftovers_of_killed_writers_are_removed_when_they_are_old(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".tmp-old", ".tmp-young", "cell.json"))
    for file in (old, young, other):
        file.write_text("x")
    for file in (old, other):
        os.utime(file, (time.time() - 7200, time.time() - 7200))
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-young", "cell.json"]


def test_equal_values_give_equal_text_and_hashes(tmp_path: Path) -> None:
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 2.5})
    assert len(digest(None)) == 20
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    assert sha256_of_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()
