"""A pass with a store gives what a pass gives, and decodes only for what no pass before has kept."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core import registry
from keyframe_bench.core.errors import VideoError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.features.change import MotionEnergy, PixelDifference
from keyframe_bench.features.container import CodedPicture, SourceFile
from keyframe_bench.features.histograms import HueHistogram, PlaneHistogram
from keyframe_bench.features.images import Gray
from keyframe_bench.video import feature_pass, fingerprint, onepass
from keyframe_bench.video.frame_folder import file_stamp
from keyframe_bench.video.onepass import read_pass

KEYS, GRAY, FILE = CodedPicture(key_only=True), Gray(4, 6), SourceFile(tool="t")


@pytest.fixture
def undecoded(monkeypatch):
    """From the call on, whoever decodes or demuxes fails the test."""

    def forbid() -> None:
        for name in ("open_video", "trusted_packets"):
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
            assert feature.window is None or a.windows(feature).tolist() == b.windows(feature).tolist()
            if costs:
                assert first.cost(sampling, [feature]) == pytest.approx(second.cost(sampling, [feature]))


MOTION = MotionEnergy(6, 8, window=8, hop=2)
WANTED = {
    "every": [HueHistogram(), PixelDifference(), PlaneHistogram(), MOTION],
    "2fps": [HueHistogram(), PixelDifference(), GRAY, CodedPicture(), FILE],
    "every3": [GRAY, KEYS, MOTION],
}


@pytest.mark.parametrize("spill_bytes", [feature_pass.SPILL_BYTES, 1000])
def test_second_pass_is_the_first_one_without_decoding(path, store, undecoded, monkeypatch, spill_bytes) -> None:
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", spill_bytes)
    plain = read_pass(path, WANTED)
    first = read_pass(path, WANTED, store=store)
    assert_same(plain, first, WANTED, costs=False)
    undecoded()
    reached = []
    second = read_pass(path, WANTED, store=store, progress=reached.append)
    assert_same(first, second, WANTED)
    assert second.cost("2fps", [HueHistogram()])["decode_s"] > 0 and second.peak_mb >= first.peak_mb > 0
    assert reached == [float(first.times[-1])]
    assert store.problems == []


THIRDS, TWOS = list(range(0, 70, 3)), list(range(0, 70, 2))
# What two passes ask for, "o" ordinals, "s" of a feature that looks back, "w" over windows; what the second computes.
SECOND = {
    "missing features": ({"every3": "o", "2fps": "s"}, {"every3": "os", "2fps": "s"}, THIRDS),
    "a third sampling": ({"every3": "o", "every5": "o"}, {"every2": "o"}, TWOS),
    "every frame serves": ({"every": "o"}, {"every2": "o", "5fps": "o"}, []),
    "but no windows": ({"every": "w"}, {"every2": "w"}, TWOS),
}


@pytest.mark.parametrize("case", SECOND)
def test_only_what_is_missing_is_computed(path, store, undecoded, ordinals, windows, case) -> None:
    back = type("Back", (ordinals,), {"name": "back_of_test", "stateful": True, "seen": [], "__module__": __name__})
    kinds = {"o": ordinals, "s": back, "w": windows}
    before, wanted, missing = SECOND[case]
    before, wanted = ({s: [kinds[one]() for one in of] for s, of in asked.items()} for asked in (before, wanted))
    read_pass(path, before, store=store)
    plain = read_pass(path, wanted)
    for kind in kinds.values():
        kind.seen = []
    if not missing:
        undecoded()
    found = read_pass(path, wanted, store=store)
    assert [n for kind in kinds.values() for n in kind.seen] == missing
    assert_same(plain, found, wanted, costs=False)
    undecoded()
    assert_same(found, read_pass(path, wanted, store=store), wanted)


def test_costs_of_a_sampling_are_its_share(path, store) -> None:
    first = read_pass(path, {"every": [GRAY], "5fps": [GRAY]}, store=store)
    for sampling in ("every2", "5fps", "0.5fps"):
        second = read_pass(path, {sampling: [GRAY]}, store=store)
        share = len(second.grid(sampling)) / 70 * first.cost("every", [GRAY])["features_s"]
        assert second.cost(sampling, [GRAY])["features_s"] == pytest.approx(share)


def test_a_pass_over_packets_is_no_decode(path, store, undecoded) -> None:
    grey = read_pass(path, {"2fps": [GRAY]}, store=store)
    wanted = {"2fps": [KEYS, GRAY]}
    decoded = read_pass(path, wanted, store=store)  # what is missing alone would need no decoding
    scanned = read_pass(path, {"2fps": [KEYS]}, store=store)
    assert decoded.decode_s == grey.decode_s and scanned.health.from_packets and not decoded.health.from_packets
    assert_same(read_pass(path, wanted), decoded, wanted, costs=False)
    undecoded()
    assert_same(decoded, read_pass(path, wanted, store=store), wanted)
    again = read_pass(path, {"2fps": [KEYS]}, store=store)
    assert_same(scanned, again, {"2fps": [KEYS]}, costs=False)
    assert again.decode_s == scanned.decode_s


def test_grid_alone_and_name_path_and_stamp_are_those_of_now(path, store, undecoded, tmp_path) -> None:
    wanted = {"2fps": [], "every": [FILE]}
    first = read_pass(path, wanted, store=store, name="then")
    assert_same(read_pass(path, wanted, name="then"), first, wanted, costs=False)
    undecoded()
    moved = Path(shutil.copy(path, tmp_path / "moved.mp4"))
    found = read_pass(moved, wanted, store=store)
    assert (found.info.name, found.path, found.stamp) == ("moved.mp4", str(moved), file_stamp(moved))
    assert set(found.clip("every", [FILE])[FILE]) == {str(moved)}
    assert read_pass(moved, wanted, store=store, name="now").info.name == "now"


def test_changed_and_unreadable_files_are_not_served(path, store, encode, pictures, tmp_path) -> None:
    """A run hashes its videos when it plans; a file may change before its turn comes."""
    with pytest.raises(VideoError, match="changed since its hash was taken"):
        read_pass(path, {"every": [GRAY]}, store=store, sha256="0" * 64)
    assert store.usage().entries == 0
    first = read_pass(path, {"every": [GRAY]}, store=store)
    encode("v.mp4", pictures(60, seed=1))
    found = read_pass(path, {"every": [GRAY]}, store=store)
    assert found.info.n_frames == 60 and found.info.sha256 != first.info.sha256
    assert_same(read_pass(path, {"every": [GRAY]}), found, {"every": [GRAY]}, costs=False)
    (tmp_path / "broken.mp4").write_text("no video")
    for name in ("broken.mp4", "gone.mp4"):
        messages = set()
        for given in (None, store):
            with pytest.raises(VideoError) as caught:
                read_pass(tmp_path / name, {"every": [GRAY]}, store=given)
            messages.add(str(caught.value))
        assert len(messages) == 1


def test_probe_leaves_the_store_alone(path, store, ordinals) -> None:
    assert read_pass(path, {"every": [GRAY]}, store=store, limit=10).info.n_frames == 10
    assert not store.folder.exists()
    assert read_pass(path, {"every": [GRAY]}, store=store).info.n_frames == 70
    assert read_pass(path, {"every": [ordinals()]}, store=store, limit=10).info.n_frames == len(ordinals.seen) == 10


@pytest.mark.parametrize("victim", ["rows.npy", "ordinals.npy", "times.npy", "entry.json"])
def test_damaged_entries_are_computed_anew(path, store, victim) -> None:
    first = read_pass(path, WANTED, store=store)
    n_entries = store.usage().entries
    for file in store.folder.glob(f"*/{victim}"):
        file.write_bytes(file.read_bytes()[:-5])
    assert_same(first, read_pass(path, WANTED, store=store), WANTED, costs=False)
    assert store.usage().entries == n_entries


def test_a_damaged_record_is_computed_anew(path, store) -> None:
    first = read_pass(path, WANTED, store=store)
    for record in store.folder.glob("*/entry.json"):
        record.write_text(record.read_text().replace('"seekable"', '"seekabel"').replace('"seconds"', '"secondz"'))
    assert_same(first, read_pass(path, WANTED, store=store), WANTED, costs=False)


# ---- what made the rows -------------------------------------------------------------------------


@pytest.mark.usefixtures("own_registry")
def test_edited_plugin_is_computed_anew(path, store, tmp_path) -> None:
    """The class keeps its name, parameters and version; only the text of its file changes."""
    file, found = tmp_path / "plugin.py", []
    for value in (1, 2, 1):
        file.write_text(
            "import numpy as np\nfrom keyframe_bench import Feature, register\n\n"
            "@register('edited_feature')\nclass Edited(Feature):\n"
            f"    def compute(self, frames):\n        return np.full(len(frames), {value})\n"
        )
        registry._loaded_plugins.clear()  # as a new process would
        Feature.registry._entries.pop("edited_feature", None)
        load_plugins([str(file)])
        feature = Feature.registry.build("edited_feature")
        found.append(int(read_pass(path, {"2fps": [feature]}, store=store).clip("2fps", [feature])[feature][0]))
    assert found == [1, 2, 1]
    assert store.usage().entries == 1 + 2, "the pass, and two texts of the plug-in"


def test_what_a_notebook_defines_is_not_kept(path, store, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cell_of_test", types.ModuleType("cell_of_test"))
    for value in (1, 2):
        rows = lambda self, frames, value=value: np.full(len(frames), value)  # noqa: E731
        kind = type("InACell", (Feature,), {"name": "cell", "compute": rows, "__module__": "cell_of_test"})
        found = read_pass(path, {"2fps": [kind(), GRAY]}, store=store).clip("2fps", [kind()])
        assert found[kind()][0] == value
    assert store.usage().entries == 2, "the pass and the grey images"


def test_rows_depend_on_the_code_of_the_package(monkeypatch, tmp_path) -> None:
    for part in fingerprint._PARTS:
        (tmp_path / part / "inner").mkdir(parents=True)
        (tmp_path / part / "inner" / "code.py").write_text("x = 1")
    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path)
    fresh = fingerprint.package_fingerprint.__wrapped__
    assert fresh() is None, "edited after the package was loaded: not the code that runs"
    monkeypatch.setattr(fingerprint, "LOADED_NS", 1 << 63)
    before = [fresh()]
    for part in fingerprint._PARTS:
        (tmp_path / part / "inner" / "code.py").write_text("x = 2")
        before.append(fresh())
    monkeypatch.setattr(fingerprint, "version", lambda name: "99" if name == "av" else "1")
    assert len({*before, fresh()}) == len(before) + 1
    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path / "archive.zip" / "keyframe_bench")
    assert fresh() is None, "the code in an archive is not read"


def test_code_that_was_edited_while_it_runs_keeps_nothing(monkeypatch, path, store) -> None:
    monkeypatch.setattr(onepass, "package_fingerprint", lambda: None)
    read_pass(path, {"2fps": [GRAY]}, store=store)
    assert store.usage().entries == 0


# Packets that do not decode, a start in the middle, turned images, and other oddities.
AWKWARD = [
    "corrupted.mp4", "delayed_start.mp4", "no_duration.webm", "bbb_2500ms.ts", "h264_10bits.mp4", "sample.3gp",
    "video_270.mov",
]  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_real_files(data_root, store, undecoded, name) -> None:
    video = data_root / "videos" / "awkward" / name
    plain, first = read_pass(video, WANTED), read_pass(video, WANTED, store=store)
    assert_same(plain, first, WANTED, costs=False)
    undecoded()
    assert_same(first, read_pass(video, WANTED, store=store), WANTED)
