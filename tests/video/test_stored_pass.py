"""A pass with a store gives what a pass gives, and decodes only for what no pass before has kept."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.features.change import PixelDifference
from keyframe_bench.features.container import CodedPicture, SourceFile
from keyframe_bench.features.histograms import HueHistogram, PlaneHistogram
from keyframe_bench.features.pictures import Gray
from keyframe_bench.video import feature_pass, fingerprint, onepass
from keyframe_bench.video.frame_folder import file_stamp
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.stored_pass import read_stored_pass

KEYS = CodedPicture(key_only=True)


class Counted(Feature):
    """The frame's ordinal; notes which frames it was given."""

    name = "counted_of_test"
    seen: ClassVar[list[int]] = []

    def compute(self, frames):
        """Return int64 [B]."""
        type(self).seen.extend(frame.ordinal for frame in frames)
        return np.array([frame.ordinal for frame in frames])


class SinceLast(Counted):
    """The same, but one that looks back."""

    name = "since_of_test"
    stateful = True
    seen: ClassVar[list[int]] = []


@pytest.fixture(autouse=True)
def _clean() -> None:
    Counted.seen, SinceLast.seen = [], []


@pytest.fixture
def undecoded(monkeypatch):
    """From the call on, whoever decodes or demuxes fails the test."""

    def forbid() -> None:
        for name in ("open_video", "scan_packets"):
            monkeypatch.setattr(onepass, name, lambda *_: pytest.fail("the file was read"))

    return forbid


def assert_same(first, second, wanted, *, costs=True) -> None:
    """Equal to the last bit; with ``costs`` also in what it took."""
    assert second.info == first.info and second.health == first.health
    assert (second.seekable, second.stamp, second.path) == (first.seekable, first.stamp, first.path)
    for name in ("times", "pts", "keys", "checksums"):
        a, b = getattr(first, name), getattr(second, name)
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
    assert first.grids.keys() == second.grids.keys()
    for sampling, features in wanted.items():
        a, b = first.clip(sampling, features), second.clip(sampling, features)
        assert a.ordinals.tobytes() == b.ordinals.tobytes() and a.times.tobytes() == b.times.tobytes()
        for feature in features:
            x, y = a[feature], b[feature]
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
            assert not y.flags.writeable
            if costs:
                assert first.cost(sampling, [feature]) == pytest.approx(second.cost(sampling, [feature]))


WANTED = {
    "every": [HueHistogram(), PixelDifference(), PlaneHistogram()],
    "2fps": [HueHistogram(), PixelDifference(), Gray(4, 6), CodedPicture(), SourceFile(tool="t")],
    "every3": [Gray(4, 6), KEYS],
}


@pytest.mark.parametrize("spill_bytes", [feature_pass.SPILL_BYTES, 1000])
def test_second_pass_is_the_first_one_without_decoding(path, store, undecoded, monkeypatch, spill_bytes) -> None:
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", spill_bytes)
    plain = read_pass(path, WANTED)
    first = read_stored_pass(path, WANTED, store)
    assert_same(plain, first, WANTED, costs=False)
    undecoded()
    reached = []
    second = read_stored_pass(path, WANTED, store, progress=reached.append)
    assert_same(first, second, WANTED)
    assert second.cost("2fps", [HueHistogram()])["decode_s"] > 0 and second.peak_mb >= first.peak_mb > 0
    assert reached == [float(first.times[-1])]
    assert store.problems == []


def test_only_what_is_missing_is_computed(path, store, undecoded) -> None:
    read_stored_pass(path, {"every3": [Counted()], "2fps": [SinceLast()]}, store)
    assert Counted.seen == list(range(0, 70, 3)) and len(SinceLast.seen) == 6
    Counted.seen, SinceLast.seen = [], []
    wanted = {"every3": [Counted(), SinceLast()], "2fps": [SinceLast()]}
    found = read_stored_pass(path, wanted, store)
    assert Counted.seen == [] and SinceLast.seen == list(range(0, 70, 3)), "a feature that looks back has its sampling"
    assert_same(read_pass(path, wanted), found, wanted, costs=False)
    undecoded()
    assert_same(found, read_stored_pass(path, wanted, store), wanted)


def test_rows_of_every_frame_serve_every_sampling(path, store, undecoded) -> None:
    first = read_stored_pass(path, {"every": [Gray(4, 6)], "5fps": [Gray(4, 6)]}, store)
    undecoded()
    for sampling in ("every2", "5fps", "0.5fps"):
        second = read_stored_pass(path, {sampling: [Gray(4, 6)]}, store)
        rows = second.clip(sampling, [Gray(4, 6)])[Gray(4, 6)]
        assert np.array_equal(rows, first.clip("every", [Gray(4, 6)])[Gray(4, 6)][second.grid(sampling)])
        share = len(rows) / 70
        whole = first.cost("every", [Gray(4, 6)])["features_s"]
        assert second.cost(sampling, [Gray(4, 6)])["features_s"] == pytest.approx(share * whole)


def test_rows_of_two_samplings_do_not_serve_a_third(path, store) -> None:
    read_stored_pass(path, {"every3": [Counted()], "every5": [Counted()]}, store)
    Counted.seen = []
    wanted = {"every2": [Counted()]}
    found = read_stored_pass(path, wanted, store)
    assert Counted.seen == list(range(0, 70, 2)) == found.clip("every2", [Counted()])[Counted()].tolist()


def test_a_pass_over_packets_is_no_decode(path, store, undecoded) -> None:
    scanned = read_stored_pass(path, {"2fps": [KEYS]}, store)
    decoded = read_stored_pass(path, {"2fps": [KEYS, Gray(4, 6)]}, store)
    assert scanned.health.from_packets and not decoded.health.from_packets
    undecoded()
    again = read_stored_pass(path, {"2fps": [KEYS, Gray(4, 6)]}, store)
    assert_same(decoded, again, {"2fps": [KEYS, Gray(4, 6)]}, costs=False)
    assert again.decode_s == decoded.decode_s
    assert_same(scanned, read_stored_pass(path, {"2fps": [KEYS]}, store), {"2fps": [KEYS]})


def test_only_packets_missing_after_a_decode(path, store) -> None:
    """The missing part alone would need no decoding: the frames, and their cost, stay those of the decode."""
    first = read_stored_pass(path, {"every": [Gray(4, 6)]}, store)
    wanted = {"every": [Gray(4, 6), KEYS]}
    found = read_stored_pass(path, wanted, store)
    assert found.decode_s == first.decode_s and not found.health.from_packets
    assert_same(read_pass(path, wanted), found, wanted, costs=False)


def test_grid_alone_and_file_alone(path, store, undecoded) -> None:
    wanted = {"2fps": [], "every": [SourceFile(tool="t")]}
    first = read_stored_pass(path, wanted, store)
    assert_same(read_pass(path, wanted), first, wanted, costs=False)
    undecoded()
    assert_same(first, read_stored_pass(path, wanted, store), wanted)


def test_name_path_and_stamp_are_those_of_now(path, store, undecoded, tmp_path) -> None:
    wanted = {"2fps": [SourceFile(tool="t"), Gray(4, 6)]}
    read_stored_pass(path, wanted, store, name="then")
    undecoded()
    moved = Path(shutil.copy(path, tmp_path / "moved.mp4"))
    found = read_stored_pass(moved, wanted, store)
    assert (found.info.name, found.path, found.stamp) == ("moved.mp4", str(moved), file_stamp(moved))
    assert set(found.clip("2fps", wanted["2fps"])[wanted["2fps"][0]]) == {str(moved)}
    assert read_stored_pass(moved, wanted, store, name="now").info.name == "now"


def test_changed_file_is_not_served(path, store, encode, pictures) -> None:
    first = read_stored_pass(path, {"every": [Gray(4, 6)]}, store)
    encode("v.mp4", pictures(60, seed=1))
    found = read_stored_pass(path, {"every": [Gray(4, 6)]}, store)
    assert found.info.n_frames == 60 and found.info.sha256 != first.info.sha256
    assert_same(read_pass(path, {"every": [Gray(4, 6)]}), found, {"every": [Gray(4, 6)]}, costs=False)


def test_nothing_is_kept_under_the_hash_of_another_file(path, store) -> None:
    """A run hashes its videos when it plans; a file may change before its turn comes."""
    with pytest.raises(VideoError, match="changed since its hash was taken"):
        read_stored_pass(path, {"every": [Gray(4, 6)]}, store, sha256="0" * 64)
    assert store.usage().entries == 0


def test_probe_leaves_the_store_alone(path, store) -> None:
    assert read_stored_pass(path, {"every": [Gray(4, 6)]}, store, limit=10).info.n_frames == 10
    assert not store.folder.exists()
    whole = read_stored_pass(path, {"every": [Gray(4, 6)]}, store)
    assert whole.info.n_frames == 70
    assert read_stored_pass(path, {"every": [Counted()]}, store, limit=10).info.n_frames == 10
    assert len(Counted.seen) == 10


def test_unreadable_file_is_the_same_error(tmp_path, store) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    for name in ("broken.mp4", "gone.mp4"):
        messages = []
        for read in (read_pass, lambda *a: read_stored_pass(*a, store)):
            with pytest.raises(VideoError) as caught:
                read(tmp_path / name, {"every": [Gray(4, 6)]})
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize("victim", ["rows.npy", "ordinals.npy", "times.npy", "entry.json"])
def test_damaged_entries_are_computed_anew(path, store, victim) -> None:
    first = read_stored_pass(path, WANTED, store)
    n_entries = store.usage().entries
    for file in store.folder.glob(f"*/{victim}"):
        file.write_bytes(file.read_bytes()[:-5])
    assert_same(first, read_stored_pass(path, WANTED, store), WANTED, costs=False)
    assert store.usage().entries == n_entries


# ---- what made the rows -------------------------------------------------------------------------

PLUGIN = """
import numpy as np
from keyframe_bench import Feature, register

@register("edited_feature")
class Edited(Feature):
    def compute(self, frames):
        return np.full(len(frames), VALUE)
"""


@pytest.mark.usefixtures("own_registry")
def test_edited_plugin_is_computed_anew(path, store, tmp_path) -> None:
    """The class keeps its name, parameters and version; only the text of its file changes."""
    from keyframe_bench.core import registry

    file = tmp_path / "plugin.py"
    found = []
    for value in (1, 2, 1):
        file.write_text(PLUGIN.replace("VALUE", str(value)))
        registry._loaded_plugins.clear()  # as a new process would
        Feature.registry._entries.pop("edited_feature", None)
        load_plugins([str(file)])
        feature = Feature.registry.build("edited_feature")
        found.append(int(read_stored_pass(path, {"2fps": [feature]}, store).clip("2fps", [feature])[feature][0]))
    assert found == [1, 2, 1]
    assert store.usage().entries == 1 + 2, "the pass, and two texts of the plug-in"


def test_what_a_notebook_defines_is_not_kept(path, store) -> None:
    cell = types.ModuleType("cell_of_test")
    sys.modules["cell_of_test"] = cell
    try:
        for value in (1, 2):
            rows = lambda self, frames, value=value: np.full(len(frames), value)  # noqa: E731
            kind = type("InACell", (Feature,), {"name": "cell", "compute": rows, "__module__": "cell_of_test"})
            found = read_stored_pass(path, {"2fps": [kind(), Gray(4, 6)]}, store).clip("2fps", [kind()])
            assert found[kind()][0] == value
    finally:
        del sys.modules["cell_of_test"]
    assert store.usage().entries == 2, "the pass and the grey images"


def test_rows_depend_on_the_code_of_the_package(monkeypatch, tmp_path) -> None:
    for part in fingerprint._PARTS:
        (tmp_path / part / "inner").mkdir(parents=True)
        (tmp_path / part / "inner" / "code.py").write_text("x = 1")
        (tmp_path / part / "inner" / "__pycache__").mkdir()
    monkeypatch.setattr(fingerprint, "files", lambda _: tmp_path)
    assert fingerprint.package_fingerprint.__wrapped__() is None, (
        "edited after the package was loaded: not the code that runs"
    )
    monkeypatch.setattr(fingerprint, "LOADED_NS", 1 << 63)
    fresh = fingerprint.package_fingerprint.__wrapped__
    before = fresh()
    (tmp_path / "video" / "inner" / "__pycache__" / "code.py").write_text("compiled")
    assert fresh() == before
    for part in fingerprint._PARTS:
        (tmp_path / part / "inner" / "code.py").write_text("x = 2")
        assert fresh() != before
        before = fresh()
    monkeypatch.setattr(fingerprint, "version", lambda name: "99" if name == "av" else "1")
    assert fresh() != before


def test_code_that_was_edited_while_it_runs_keeps_nothing(monkeypatch, path, store) -> None:
    monkeypatch.setattr(fingerprint, "LOADED_NS", 0)
    fingerprint.package_fingerprint.cache_clear()
    try:
        read_stored_pass(path, {"2fps": [Gray(4, 6)]}, store)
    finally:
        fingerprint.package_fingerprint.cache_clear()
    assert store.usage().entries == 0


AWKWARD = [
    "corrupted.mp4",  # packets that do not decode
    "delayed_start.mp4",
    "no_duration.webm",
    "bbb_2500ms.ts",  # starts in the middle
    "h264_10bits.mp4",
    "sample.3gp",
    "video_270.mov",  # turned
]


@pytest.mark.data
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_real_files(data_root, store, undecoded, name) -> None:
    video = data_root / "videos" / "awkward" / name
    plain, first = read_pass(video, WANTED), read_stored_pass(video, WANTED, store)
    assert_same(plain, first, WANTED, costs=False)
    undecoded()
    assert_same(first, read_stored_pass(video, WANTED, store), WANTED)
