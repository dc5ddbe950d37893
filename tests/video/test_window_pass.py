"""Features over windows in a pass: each frame looked at once, whatever the batches, kept in the store, charged."""

from __future__ import annotations

import gc
import time
from typing import ClassVar

import numpy as np
import pytest

from keyframe_bench.core.errors import ContractError
from keyframe_bench.core.feature import Feature
from keyframe_bench.features.change import MotionEnergy, PixelDifference
from keyframe_bench.features.container import CodedPicture
from keyframe_bench.features.pictures import Gray
from keyframe_bench.video import feature_pass, onepass, prefetch
from keyframe_bench.video.frame import Frame
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.stored_pass import read_stored_pass


class Ordinals(Feature):
    """The ordinals of a window's frames."""

    name = "ordinals_of_window_test"
    seen: ClassVar[list[int]] = []
    slow_s: ClassVar[float] = 0.0

    def __init__(self, window: int = 4, hop: int = 4) -> None:
        self.window = window
        self.hop = hop

    def compute(self, frames):
        """Return int64 [B]."""
        type(self).seen.extend(frame.ordinal for frame in frames)
        return np.array([frame.ordinal for frame in frames])

    def compute_window(self, rows):
        """Return int64 [window]."""
        end = time.thread_time() + self.slow_s
        while time.thread_time() < end:  # a cost is processor time
            pass
        return rows


class Packets(Ordinals):
    """The same, which packets are enough for."""

    name = "packets_of_window_test"
    source = "packets"


@pytest.fixture(autouse=True)
def _clean():
    Ordinals.seen, Ordinals.slow_s = [], 0.0
    yield
    Ordinals.slow_s = 0.0


SIZES = [(4, 4), (16, 16), (5, 1), (3, 10), (69, 1), (70, 1)]
WANTED: dict[str, list[Feature]] = {
    "every": [*(Ordinals(*size) for size in SIZES), Gray(3, 4), MotionEnergy(6, 8, window=8, hop=2)],
    "every3": [Ordinals(4, 4), Ordinals(5, 1), Gray(3, 4), PixelDifference()],
    "7fps": [Ordinals(4, 4), MotionEnergy(6, 8, window=8, hop=2)],
}


def assert_windows(read, wanted) -> None:
    for sampling, features in wanted.items():
        clip = read.clip(sampling, features)
        for feature in features:
            assert len(clip[feature]) == len(clip.windows(feature)) and not clip[feature].flags.writeable
            if isinstance(feature, Ordinals):
                assert clip[feature].tolist() == [clip.ordinals[a:b].tolist() for a, b in clip.windows(feature)]


def assert_equal(first, second, wanted) -> None:
    for sampling, features in wanted.items():
        a, b = first.clip(sampling, features), second.clip(sampling, features)
        for feature in features:
            assert (a[feature].dtype, a[feature].tobytes()) == (b[feature].dtype, b[feature].tobytes())
            assert a.windows(feature).tolist() == b.windows(feature).tolist()


def test_windows_are_of_the_frames_of_their_sampling(path) -> None:
    assert_windows(read_pass(path, WANTED), WANTED)


def test_a_short_sampling_is_one_window(path) -> None:
    read = read_pass(path, {"every": [Ordinals(16, 16)], "2fps": [Ordinals(16, 16)]})
    assert read.clip("2fps", [Ordinals(16, 16)])[Ordinals(16, 16)].tolist() == [[0, 13, 25, 38, 50, 63]]
    assert len(read.clip("every", [Ordinals(16, 16)])[Ordinals(16, 16)]) == 5


def test_each_frame_is_looked_at_once_for_all_windows_that_hold_it(path) -> None:
    read_pass(path, {"every": [Ordinals(20, 1)]})
    assert Ordinals.seen == list(range(70))


@pytest.mark.parametrize("size", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize("spill_bytes", [feature_pass.SPILL_BYTES, 100])
def test_rows_do_not_depend_on_batches(monkeypatch, path, size, spill_bytes) -> None:
    usual = read_pass(path, WANTED)
    monkeypatch.setattr(feature_pass, "BATCH_FRAMES", size)
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", spill_bytes)
    other = read_pass(path, WANTED)
    assert_equal(usual, other, WANTED)
    assert_windows(other, WANTED)


def test_pictures_are_let_go_before_a_long_window_is_whole(path) -> None:
    alive: list[int] = []

    class Held(Ordinals):
        name = "held_of_window_test"

        def compute(self, frames):
            alive.append(sum(type(thing) is Frame for thing in gc.get_objects()))
            return super().compute(frames)

    read_pass(path, {"every": [Held(60, 60)]})
    assert 0 < max(alive) <= feature_pass.BATCH_FRAMES + prefetch.CHUNKS * prefetch.CHUNK_FRAMES + 2 < 60


def test_windows_of_packets_need_no_decoding(path, monkeypatch) -> None:
    monkeypatch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))
    wanted: dict[str, list[Feature]] = {"every3": [Packets(5, 5), CodedPicture(key_only=True)]}
    assert_windows(read_pass(path, wanted), wanted)


def test_the_cost_of_windows_is_charged(path) -> None:
    Ordinals.slow_s = 0.01
    read = read_pass(path, {"every": [Ordinals(16, 16), Gray(3, 4)], "2fps": [Ordinals(16, 16)]})
    assert 5 * 0.01 <= read.cost("every", [Ordinals(16, 16)])["features_s"] < 9 * 0.01
    assert 0.01 <= read.cost("2fps", [Ordinals(16, 16)])["features_s"] < 0.03  # a window of its own, at the very end
    assert read.cost("every", [Gray(3, 4)])["features_s"] < 0.03


def test_stored_rows_are_read_back(path, store, monkeypatch) -> None:
    first = read_stored_pass(path, WANTED, store)
    assert_equal(read_pass(path, WANTED), first, WANTED)
    with monkeypatch.context() as patch:
        patch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))
        second = read_stored_pass(path, WANTED, store)
    assert_equal(first, second, WANTED)
    assert_windows(second, WANTED)
    for sampling, features in WANTED.items():
        for feature in features:
            assert first.cost(sampling, [feature]) == pytest.approx(second.cost(sampling, [feature]))
    assert store.problems == []


def test_rows_of_every_frame_serve_no_other_sampling(path, store) -> None:
    read_stored_pass(path, {"every": [Ordinals(4, 4)]}, store)
    wanted: dict[str, list[Feature]] = {"every2": [Ordinals(4, 4)], "every": [Ordinals(4, 2)]}
    Ordinals.seen = []
    assert_windows(read_stored_pass(path, wanted, store), wanted)
    assert sorted(Ordinals.seen) == sorted([*range(70), *range(0, 70, 2)])


def test_an_empty_window_is_refused_before_decoding(path, monkeypatch) -> None:
    monkeypatch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ContractError, match="hop=0"):
        read_pass(path, {"every": [Ordinals(4, 0)]})


def test_a_plug_in_gets_pictures_of_its_own(path, own_registry, tmp_path) -> None:
    """What it writes into them reaches nobody else."""
    from keyframe_bench.core.registry import load_plugins

    file = tmp_path / "writes.py"
    file.write_text(
        "import keyframe_bench as kb\nimport numpy as np\n\n"
        "@kb.register('writes_of_window_test')\nclass Writes(kb.Feature):\n    window, hop = 4, 2\n"
        "    def compute(self, frames):\n        rows = np.stack([f.luma(3, 4) for f in frames])\n"
        "        for frame in frames:\n            frame.luma(3, 4)[:] = 0\n        return rows\n"
        "    def compute_window(self, rows):\n        rows -= rows.min()\n        return rows.max()\n"
    )
    load_plugins([str(file)])
    writes = Feature.registry.build("writes_of_window_test")
    wanted: dict[str, list[Feature]] = {"every": [writes, Gray(3, 4)]}
    clip = read_pass(path, wanted).clip("every", wanted["every"])
    assert clip[Gray(3, 4)].max() > 0
    expected = [np.ptp(clip[Gray(3, 4)][a:b]) for a, b in clip.windows(writes)]
    assert clip[writes].tolist() == expected
