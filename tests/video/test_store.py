"""Entries of the feature store: whole or absent, never changed, never more than the limit, whoever else writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import KeyframeBenchError
from keyframe_bench.video import store as module
from keyframe_bench.video.store import EntryKey, FeatureStore, StoredEntry, Usage

GB = 10**9
KEY = EntryKey("a" * 64, "gray@1(height=2,width=2)", "every", "code")
NAMES = ("rows", "ordinals")


@pytest.fixture(autouse=True)
def _looks_every_time(monkeypatch) -> None:
    """Forget how full a folder of another test was."""
    monkeypatch.setattr(module, "_room", {})


@pytest.fixture
def folder(store):
    return store.folder


def entry(value=7, n=5):
    rows = np.full((n, 2, 2), value, dtype=np.uint8)
    return StoredEntry({"rows": rows, "ordinals": np.arange(n)}, {"seconds": 0.1 + 0.2, "peak_mb": 3.0})


def of(number):
    """The key of another video."""
    return EntryKey(f"{number:064x}", KEY.what, KEY.coverage, KEY.fingerprint)


def test_entry_comes_back_bit_for_bit_and_large_arrays_are_mapped(store, folder) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40_000, 3)).astype(np.float32)
    store.save({KEY: StoredEntry({"rows": rows, "ordinals": np.arange(40)}, {"seconds": 0.1 + 0.2})})
    found = FeatureStore(folder, GB).load(KEY, NAMES)
    assert store.problems == []
    assert found.arrays["rows"].dtype == np.float32 and found.arrays["rows"].tobytes() == rows.tobytes()
    assert type(found.arrays["rows"]) is np.ndarray and isinstance(found.arrays["rows"].base, np.memmap)
    assert found.facts == {"seconds": 0.1 + 0.2}
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["rows"][0] = 0
    told = json.loads((folder / KEY.name / "entry.json").read_text())
    assert (told["what"], told["video"], told["coverage"]) == (KEY.what, KEY.video, "every") and told["created"]
    assert store.usage() == Usage(sum(f.stat().st_size for f in folder.glob("*/*")), 1, 1)


@pytest.mark.parametrize("other", ["video", "what", "coverage", "fingerprint"])
def test_everything_it_depends_on_is_part_of_the_name(store, other) -> None:
    store.save({KEY: entry()})
    assert store.load(KEY, NAMES) is not None
    assert store.load(EntryKey(**{**vars(KEY), other: "another"}), NAMES) is None


def test_entry_is_never_changed_and_outlives_its_removal_for_who_reads_it(store, folder) -> None:
    """Two processes that computed the same: the second one's is dropped."""
    store.save({KEY: entry(7, n=100_000)})
    store.save({KEY: entry(8, n=100_000)})
    found = store.load(KEY, NAMES)
    assert sorted(p.name for p in folder.iterdir()) == sorted([KEY.name, ".lock"])
    assert store.clear().entries == 1 and (found.arrays["rows"] == 7).all()


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(**changes):
    return lambda rows, record: record.write_text(json.dumps(json.loads(record.read_text()) | changes))


def with_trap(rows, record) -> None:
    """Put what leaves a mark where it is unpickled under a right checksum."""
    np.save(rows, np.array([Trap(rows.parent.parent / "sprung")] * 5, dtype=object), allow_pickle=True)
    told = json.loads(record.read_text())
    told["crc32"]["rows"] = zlib.crc32(rows.read_bytes())
    record.write_text(json.dumps(told))


def a_file(rows, record) -> None:
    shutil.rmtree(rows.parent)
    rows.parent.write_text("mine")


DAMAGE = {
    "truncated": lambda rows, _: os.truncate(rows, rows.stat().st_size - 3),
    "empty": lambda rows, _: rows.write_bytes(b""),
    "zeros, as a machine without power leaves it": lambda rows, _: rows.write_bytes(bytes(rows.stat().st_size)),
    "one bit": lambda rows, _: rows.write_bytes(rows.read_bytes()[:-1] + bytes([rows.read_bytes()[-1] ^ 1])),
    "no rows": lambda rows, _: rows.unlink(),
    "no record": lambda _, record: record.unlink(),
    "torn record": lambda _, record: record.write_bytes(record.read_bytes()[:50]),
    "no text": lambda _, record: record.write_bytes(b"\xff\xfe"),
    "a list": lambda _, record: record.write_text("[]"),
    "other facts": rewritten(facts={"seconds": 0.3, "peak_mb": 4.0}),
    "another video's": rewritten(video="b" * 64),
    "another format": rewritten(format="keyframe_bench/feature@0"),
    "a file": a_file,
    "object array": with_trap,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_entry_is_absent_and_makes_room_for_a_sound_one(store, folder, how) -> None:
    store.save({KEY: entry(7)})
    DAMAGE[how](folder / KEY.name / "rows.npy", folder / KEY.name / "entry.json")
    assert store.load(KEY, NAMES) is None
    assert not (folder / KEY.name).exists() and not (folder / "sprung").exists()
    store.save({KEY: entry(8)})
    assert store.load(KEY, NAMES).arrays["rows"][0, 0, 0] == 8 and store.problems == []


def test_arrays_that_cannot_be_mapped_are_left_out(store) -> None:
    for rows in (np.array([{}, {}], dtype=object), np.zeros((2, 0))):
        store.save({KEY: StoredEntry({"rows": rows, "ordinals": np.arange(2)}, {})})
        assert store.load(KEY, NAMES) is None and store.problems == []


# ---- limit --------------------------------------------------------------------------------------


def test_limit_removes_what_was_not_used_for_longest(folder) -> None:
    size = 100_000
    store = FeatureStore(folder, 4 * size + 20_000)  # four entries and what describes them
    for number in range(4):
        store.save({of(number): entry(number, size // 12)})  # 4 bytes of rows and 8 of ordinals a frame
        os.utime(folder / of(number).name, (number, number))
    assert store.usage().entries == 4
    assert store.load(of(0), NAMES) is not None  # now 1 is the oldest
    store.save({of(4): entry(4, size // 12)})
    left = [number for number in range(5) if store.load(of(number), NAMES) is not None]
    assert left in ([0, 3, 4], [0, 2, 3, 4]) and 1 not in left
    assert store.usage().bytes <= store.limit_bytes
    assert store.problems == []


def test_what_one_call_writes_stays(folder) -> None:
    store = FeatureStore(folder, 130_000)
    store.save({of(0): entry(n=5000)})
    store.save({of(number): entry(n=5000) for number in (1, 2)})  # 120 kB, and what describes them
    assert [store.load(of(number), NAMES) is not None for number in range(3)] == [False, True, True]


def test_what_cannot_be_kept_is_told(folder, store, tmp_path, monkeypatch) -> None:
    small = FeatureStore(folder, 10_000)
    small.save({KEY: entry(n=100)})
    small.save({of(1): entry(n=5000)})
    assert small.load(KEY, NAMES) is not None and small.load(of(1), NAMES) is None
    (tmp_path / "file").touch()
    nowhere = FeatureStore(tmp_path / "file" / "features", GB)
    assert nowhere.load(KEY, NAMES) is None
    nowhere.save({KEY: entry()})
    assert nowhere.clear() == Usage(0, 0, 0)
    monkeypatch.setattr(module, "RESERVE_BYTES", 10**18)  # results go before features
    store.save({of(2): entry()})
    assert store.load(of(2), NAMES) is None
    for kept, said in (
        (small, ("cache_gb=1e-05",)),
        (nowhere, (str(nowhere.folder), "Not a directory", "KEYFRAME_BENCH_CACHE")),
        (store, ("nearly full", "cache_gb=0")),
    ):
        (problem,) = kept.problems
        assert all(words in problem for words in said)


def test_read_only_folder_is_read(store, folder) -> None:
    store.save({KEY: entry()})
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write into a read-only folder")
        other = FeatureStore(folder, GB)
        assert other.load(KEY, NAMES) is not None
        other.save({of(1): entry()})
        assert "Permission denied" in other.problems[0]
        with pytest.raises(KeyframeBenchError, match="cannot clear"):
            other.clear()
    finally:
        folder.chmod(0o755)


def test_clear_removes_entries_only(store, folder) -> None:
    assert store.clear() == store.usage() == Usage(0, 0, 0) and not folder.exists()
    store.save({of(number): entry() for number in range(3)})
    (folder / "notes.txt").touch()
    (folder / ".tmp-young").touch()
    before = store.usage()
    assert store.clear() == before and before.entries == before.videos == 3
    assert store.usage() == Usage(0, 0, 0)
    assert {p.name for p in folder.iterdir()} == {".lock", "notes.txt", ".tmp-young"}


WRITER = """
import sys
from pathlib import Path
import numpy as np
from keyframe_bench.video.store import StoredEntry, EntryKey, FeatureStore

store = FeatureStore(Path(sys.argv[1]), 200_000)
found = 0
for turn in range(3):
    for number in range(40):
        key = EntryKey(f"{number:064x}", "what", "every", "code")
        entry = store.load(key, ("rows",))
        if entry is None:
            store.save({key: StoredEntry({"rows": np.full(2000, number)}, {})})
        else:
            found += 1
            assert (entry.arrays["rows"] == number).all()
assert store.problems == [], store.problems
print(found)
"""


def test_two_processes_at_once(folder) -> None:
    """Both write and trim the same folder: what is read is sound, what is left is within the limit."""
    program = [sys.executable, "-c", WRITER, str(folder)]
    running = [subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    store = FeatureStore(folder, 200_000)
    usage = store.usage()
    assert 0 < usage.entries < 40 and usage.bytes <= 200_000 + 2 * 17_000
    assert [p.name for p in folder.iterdir() if p.name.startswith(".tmp-")] == []
    for number in range(40):
        found = store.load(EntryKey(f"{number:064x}", "what", "every", "code"), ("rows",))
        assert found is None or (found.arrays["rows"] == number).all()
