"""One decode serves every feature on every sampling: right rows and windows, made once, honest cost."""

from __future__ import annotations

import gc
import hashlib
import time

import numpy as np
import pytest

from keyframe_bench.core.errors import ContractError, UsageError, VideoError
from keyframe_bench.core.feature import Feature, opens_file
from keyframe_bench.core.grammar import Sampling
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.features.change import MotionEnergy, PixelDifference
from keyframe_bench.features.container import CodedPicture
from keyframe_bench.features.histograms import HueHistogram, PlaneHistogram
from keyframe_bench.features.images import Gray
from keyframe_bench.metrics.base import Metric
from keyframe_bench.video import feature_pass, onepass, prefetch
from keyframe_bench.video.cost_meter import CostMeter
from keyframe_bench.video.frame import Frame
from keyframe_bench.video.onepass import read_pass

NETWORKS = {"deep_cluster", "embedding_kmeans", "frame_rs"}


class Since(Feature):
    """How many frames after the previous sampled one."""

    name = "since_of_test"
    stateful = True
    params = {}  # noqa: RUF012 - none

    def __init__(self) -> None:
        self.last = -1

    def fresh(self):
        return Since()

    def compute(self, frames):
        """Return int64 [B]."""
        ordinals = np.array([self.last, *(frame.ordinal for frame in frames)])
        self.last = int(ordinals[-1])
        return np.diff(ordinals)


def everything(*, metrics):
    """What all extractors without a network (and all metrics) ask for, as the runner collects it."""
    wanted: dict[str, list[Feature]] = {"every": [], "2fps": []}
    for name in Extractor.registry.names():
        if name not in NETWORKS:
            extractor = Extractor.registry.build(name)
            if extractor.unavailable() or opens_file(extractor.needs):  # extractors=all leaves black boxes out
                continue
            wanted.setdefault(extractor.sampling or "2fps", []).extend(extractor.needs)
    if metrics:
        wanted["every"] += [f for name in Metric.registry.names() for f in Metric.registry.build(name).needs]
    return wanted


# ---- rows ---------------------------------------------------------------------------------------


def test_rows_stand_beside_their_frames_on_every_sampling(path, ordinals) -> None:
    samplings = ["every", "every3", "2fps", "7fps"]
    read = read_pass(path, {s: [ordinals(), Since()] for s in samplings})
    for sampling in samplings:
        clip = read.clip(sampling, [ordinals(), Since()])
        keep = Sampling.parse(sampling).keeper()
        expected = [n for n, t in enumerate(read.times) if keep(n, t - read.times[0])]
        assert clip.ordinals.tolist() == clip[ordinals()].tolist() == expected
        assert clip[Since()].tolist() == np.diff([-1, *expected]).tolist()
        assert np.array_equal(clip.times, read.times[expected])


def test_each_frame_is_looked_at_once_for_all_samplings_and_windows(path, ordinals, windows) -> None:
    read_pass(path, {"every3": [ordinals()], "2fps": [ordinals(), ordinals()], "every": [PixelDifference()]})
    grid = {n for n in range(70) if n % 3 == 0} | {0, 13, 25, 38, 50, 63}
    assert ordinals.seen == sorted(grid)  # in order of decoding
    read_pass(path, {"every": [windows(20, 1)]})
    assert windows.seen == list(range(70))


SIZES = [(4, 4), (16, 16), (5, 1), (3, 10), (69, 1), (70, 1)]


@pytest.mark.parametrize(("size", "spill_bytes"), [(1, 8_000_000), (2, 100), (7, 8_000_000), (16, 100), (1000, 100)])
def test_rows_do_not_depend_on_the_batch_and_are_those_of_each_feature_alone(
    monkeypatch, path, windows, size, spill_bytes
) -> None:
    motion = MotionEnergy(6, 8, window=8, hop=2)
    wanted = everything(metrics=True)
    simple = [Gray(3, 4), motion, PixelDifference(), PlaneHistogram()]
    wanted["every"] += [*(windows(*one) for one in SIZES), *simple]
    wanted |= {
        "every3": [windows(4, 4), windows(5, 1), CodedPicture(), HueHistogram()],
        "7fps": [windows(4, 4), motion],
    }
    usual = read_pass(path, wanted)
    monkeypatch.setattr(feature_pass, "BATCH_FRAMES", size)
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", spill_bytes)
    other = read_pass(path, wanted)
    for sampling, features in wanted.items():
        first, second = usual.clip(sampling, features), other.clip(sampling, features)
        for feature in features:
            assert first[feature].dtype == second[feature].dtype and np.array_equal(first[feature], second[feature])
            if feature.window is not None:
                assert len(second[feature]) == len(second.windows(feature)) and not second[feature].flags.writeable
            if isinstance(feature, windows):
                shown = [second.ordinals[a:b].tolist() for a, b in second.windows(feature)]
                assert second[feature].tolist() == shown
    if size == 7:
        for feature in simple:
            alone = read_pass(path, {"every": [feature]}).clip("every", [feature])
            assert np.array_equal(usual.clip("every", [feature])[feature], alone[feature])


def test_one_pass_gives_what_each_feature_gives_alone_on_each_sampling(path) -> None:
    features = [HueHistogram(), CodedPicture()]
    together = read_pass(path, dict.fromkeys(("every", "every4", "3fps", "every3"), features))
    for sampling in together.grids:
        for feature in features:
            alone = read_pass(path, {sampling: [feature]}).clip(sampling, [feature])
            assert np.array_equal(together.clip(sampling, [feature])[feature], alone[feature])


def test_a_short_sampling_is_one_window(path, windows) -> None:
    read = read_pass(path, {"every": [windows(16, 16)], "2fps": [windows(16, 16)]})
    assert read.clip("2fps", [windows(16, 16)])[windows(16, 16)].tolist() == [[0, 13, 25, 38, 50, 63]]
    assert len(read.clip("every", [windows(16, 16)])[windows(16, 16)]) == 5


def test_only_what_was_asked_for_can_be_read(path) -> None:
    read = read_pass(path, {"every": [Gray(2, 2)], "2fps": []})
    assert len(read.clip("2fps")) == 6
    with pytest.raises(KeyError):
        read.clip("every", [Gray(3, 3)])
    with pytest.raises(ContractError, match="not declared"):
        read.clip("every")[Gray(2, 2)]
    with pytest.raises(ValueError, match="read-only"):
        read.clip("every", [Gray(2, 2)])[Gray(2, 2)][0] = 1
    with pytest.raises(UsageError, match="sampling"):
        read_pass(path, {"often": []})


def test_facts_about_the_video(path) -> None:
    reached: list[float] = []
    read = read_pass(path, {"every": [Gray(2, 2)]}, progress=reached.append)
    info = read.info
    assert (info.name, info.n_frames, info.height, info.width) == ("v.mp4", 70, 48, 64)
    assert info.duration_s == pytest.approx(2.8) and info.fps == pytest.approx(25)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_pass(path, {"every": []}, name="mine", sha256="given").info.sha256 == "given"
    assert reached == sorted(reached) and reached[-1] > 0.8 * read.times[-1]


def test_pictures_are_let_go_before_a_long_window_is_whole(path, windows) -> None:
    alive: list[int] = []
    windows.do = lambda _: alive.append(sum(type(thing) is Frame for thing in gc.get_objects()))
    read_pass(path, {"every": [windows(60, 60)]})
    assert 0 < max(alive) <= feature_pass.BATCH_FRAMES + prefetch.CHUNKS * prefetch.CHUNK_FRAMES + 2 < 60


def test_windows_of_packets_need_no_decoding_and_empty_ones_are_refused_before_it(path, windows, monkeypatch) -> None:
    monkeypatch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ContractError, match="hop=0"):
        read_pass(path, {"every": [windows(4, 0)]})
    monkeypatch.setattr(windows, "source", "packets")
    wanted = {"every3": [windows(5, 5), CodedPicture(key_only=True)]}
    clip = read_pass(path, wanted).clip("every3", wanted["every3"])
    assert clip[windows(5, 5)].tolist() == [list(range(n, n + 15, 3)) for n in (0, 15, 30, 45, 57)]


def test_a_plug_in_gets_pictures_of_its_own(path, own_registry, tmp_path) -> None:
    """What it writes into them reaches nobody else."""
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
    assert clip[writes].tolist() == [np.ptp(clip[Gray(3, 4)][a:b]) for a, b in clip.windows(writes)]


# ---- conversions and cost -----------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [False, True])
def test_each_conversion_is_made_once_a_frame_and_none_at_full_size(encode, pictures, monkeypatch, metrics) -> None:
    meter = CostMeter()
    monkeypatch.setattr(feature_pass, "CostMeter", lambda: meter)
    read = read_pass(encode("v.mp4", pictures(80, height=240, width=320)), everything(metrics=metrics))
    n = len(read.times)
    assert max(meter.made.values()) == meter.made[("planes",)] == n
    assert meter.made[("luma", 120, 160)] == len(read.grid("2fps"))
    sampled = n if metrics else len({*read.grid("2fps"), *read.grid("1fps")})
    assert meter.made[("rgb", 60, 80)] == meter.made[("plane", 0, 60, 80)] == sampled
    assert not [what for what in meter.made if what[0] != "planes" and what[-2] * what[-1] > 0.3 * 240 * 320]
    a_frame = sum(count for what, count in meter.made.items() if what[0] == "plane") / n
    assert a_frame < (4.5 if metrics else 0.75)  # Y at 18 x 32 and at 60 x 80, U and V at 60 x 80


class Slow(Feature):
    """One luma conversion a frame."""

    name = "slow_of_test"

    def __init__(self, which: int = 0) -> None:
        self.which = which

    def compute(self, frames):
        """Return float64 [B]."""
        return np.array([frame.luma(5, 5).mean() for frame in frames])


def busy(seconds) -> None:
    """Use processor time: it is what a cost is."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_cost_is_as_if_a_feature_had_run_alone(monkeypatch, path) -> None:
    real = Frame._luma
    monkeypatch.setattr(Frame, "_luma", lambda *a: busy(0.002) or real(*a))
    first, second = Slow(0), Slow(1)
    start, start_cpu = time.perf_counter(), time.process_time()
    read = read_pass(path, {"every": [first, second], "every10": [second]})
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    whole = 70 * 0.002
    for feature in (first, second):
        assert whole < read.cost("every", [feature])["features_s"] < 3 * whole
    assert whole / 10 <= read.cost("every10", [second])["features_s"] < 3 * whole / 10
    assert cpu < 1.5 * whole + 0.5  # the conversion itself was shared
    assert read.cost("every", [])["features_s"] == 0
    assert 0 < read.cost("every", [])["decode_s"] < wall
    both = read.cost("every", [first, second])["features_s"]
    assert both == pytest.approx(sum(read.cost("every", [f])["features_s"] for f in (first, second)))


def test_work_outside_the_thread_is_charged_by_the_clock_and_windows_to_their_sampling(
    path, ordinals, windows, monkeypatch
) -> None:
    monkeypatch.setattr(ordinals, "elsewhere", True)
    ordinals.do = lambda _: time.sleep(0.01)  # for somebody else's work, as for a GPU
    windows.elsewhere, windows.do = False, lambda _: None
    monkeypatch.setattr(windows, "compute_window", lambda self, rows: busy(0.01) or rows)
    read = read_pass(path, {"every": [ordinals(), windows(16, 16), Gray(3, 4)], "2fps": [windows(16, 16)]})
    assert read.cost("every", [ordinals()])["features_s"] > 0.04  # 70 frames, batches of at most 16
    assert 5 * 0.01 <= read.cost("every", [windows(16, 16)])["features_s"] < 9 * 0.01
    assert 0.01 <= read.cost("2fps", [windows(16, 16)])["features_s"] < 0.03  # a window of its own, at the very end
    assert read.cost("every", [Gray(3, 4)])["features_s"] < 0.03


# ---- what goes wrong ----------------------------------------------------------------------------


def test_a_file_that_changes_while_it_is_read_is_refused(path, ordinals) -> None:
    ordinals.do = lambda _: path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(VideoError, match="changed while") as caught:
        read_pass(path, {"every": [ordinals()]})
    assert caught.value.path == str(path)


def test_a_failing_feature_is_not_hidden(path, ordinals) -> None:
    ordinals.do = lambda _: 1 // 0
    with pytest.raises(ZeroDivisionError):
        read_pass(path, {"every": [ordinals()]})


def test_files_without_frames_are_errors_and_one_frame_is_enough(encode, pictures, tmp_path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for features in ([], [Gray(2, 2)]):
        for name in ("text.mp4", "missing.mp4"):
            with pytest.raises(VideoError):
                read_pass(tmp_path / name, {"every": features})
    read = read_pass(encode("v.mp4", pictures(1)), everything(metrics=True))
    assert {s: g.tolist() for s, g in read.grids.items()} == {sampling: [0] for sampling in read.grids}
    assert read.info.duration_s == pytest.approx(0.04)
    assert read.cost("every", [PlaneHistogram()])["features_s"] > 0
