"""One decode serves every feature on every sampling: right rows, made once, honest cost."""

from __future__ import annotations

import hashlib
import time
from typing import ClassVar

import numpy as np
import pytest

from keyframe_bench.core.errors import ContractError, UsageError, VideoError
from keyframe_bench.core.feature import Feature, opens_file
from keyframe_bench.core.grammar import Sampling
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.features.change import PixelDifference
from keyframe_bench.features.container import CodedPicture
from keyframe_bench.features.histograms import HueHistogram, PlaneHistogram
from keyframe_bench.features.pictures import Gray
from keyframe_bench.metrics.base import Metric
from keyframe_bench.video import feature_pass
from keyframe_bench.video.cost_meter import CostMeter
from keyframe_bench.video.frame import Frame
from keyframe_bench.video.onepass import read_pass

NETWORKS = {"embedding_kmeans"}


class Ordinal(Feature):
    """The frame's ordinal; notes what it was given."""

    name = "ordinal_of_test"
    seen: ClassVar[list[list[int]]] = []
    do = None

    def compute(self, frames):
        """Return int64 [B]."""
        type(self).seen.append([frame.ordinal for frame in frames])
        if type(self).do is not None:
            type(self).do(frames)
        return np.array([frame.ordinal for frame in frames])


class Since(Feature):
    """How many frames after the previous sampled one."""

    name = "since_of_test"
    stateful = True

    def __init__(self) -> None:
        self.last = -1

    def fresh(self):
        return Since()

    @property
    def params(self):
        return {}

    def compute(self, frames):
        """Return int64 [B]."""
        ordinals = np.array([self.last, *(frame.ordinal for frame in frames)])
        self.last = int(ordinals[-1])
        return np.diff(ordinals)


@pytest.fixture(autouse=True)
def _clean():
    Ordinal.seen, Ordinal.do = [], None
    yield
    Ordinal.do = None


@pytest.fixture
def meters(monkeypatch):
    """The books of the passes made in the test."""
    made: list[CostMeter] = []

    class Kept(CostMeter):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(feature_pass, "CostMeter", Kept)
    return made


def everything(*, metrics):
    """What all extractors without a network (and all metrics) ask for, as the runner collects it."""
    wanted: dict[str, list[Feature]] = {"every": [], "2fps": []}
    for name in Extractor.registry.names():
        if name not in NETWORKS:
            extractor = Extractor.registry.build(name)
            if opens_file(extractor.needs):  # extractors=all leaves black boxes out
                continue
            wanted.setdefault(extractor.sampling or "2fps", []).extend(extractor.needs)
    if metrics:
        wanted["every"] += [f for name in Metric.registry.names() for f in Metric.registry.build(name).needs]
    return wanted


# ---- rows ---------------------------------------------------------------------------------------


def test_rows_stand_beside_their_frames_on_every_sampling(path) -> None:
    samplings = ["every", "every3", "2fps", "7fps"]
    read = read_pass(path, {s: [Ordinal(), Since()] for s in samplings})
    for sampling in samplings:
        clip = read.clip(sampling, [Ordinal(), Since()])
        keep = Sampling.parse(sampling).keeper()
        expected = [n for n, t in enumerate(read.times) if keep(n, t - read.times[0])]
        assert clip.ordinals.tolist() == expected
        assert clip[Ordinal()].tolist() == expected
        assert clip[Since()].tolist() == np.diff([-1, *expected]).tolist()
        assert np.array_equal(clip.times, read.times[expected])


def test_stateless_features_are_computed_once_for_all_samplings(path) -> None:
    read_pass(path, {"every3": [Ordinal()], "2fps": [Ordinal(), Ordinal()], "every": [PixelDifference()]})
    seen = [n for batch in Ordinal.seen for n in batch]
    grid = {n for n in range(70) if n % 3 == 0} | {0, 13, 25, 38, 50, 63}
    assert seen == sorted(grid)  # once each, in order of decoding


def test_a_pass_gives_what_each_feature_alone_gives(path) -> None:
    features = [Gray(12, 16), HueHistogram(), PixelDifference(), PlaneHistogram(), CodedPicture()]
    together = read_pass(path, dict.fromkeys(("every", "every4", "3fps"), features))
    for sampling in ("every", "every4", "3fps"):
        for feature in features:
            alone = read_pass(path, {sampling: [feature]}).clip(sampling, [feature])
            assert np.array_equal(together.clip(sampling, [feature])[feature], alone[feature])


@pytest.mark.parametrize("size", [1, 2, 5, 16, 1000])
def test_rows_do_not_depend_on_the_batch(monkeypatch, path, size) -> None:
    wanted = everything(metrics=True)
    usual = read_pass(path, wanted)
    monkeypatch.setattr(feature_pass, "BATCH_FRAMES", size)
    other = read_pass(path, wanted)
    for sampling, features in wanted.items():
        for feature in features:
            assert np.array_equal(usual.clip(sampling, [feature])[feature], other.clip(sampling, [feature])[feature])


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
    info = read_pass(path, {"every": [Gray(2, 2)]}).info
    assert (info.name, info.n_frames, info.height, info.width) == ("v.mp4", 70, 48, 64)
    assert info.duration_s == pytest.approx(2.8) and info.fps == pytest.approx(25)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_pass(path, {"every": []}, name="mine", sha256="given").info.sha256 == "given"


def test_progress_reaches_the_end(path) -> None:
    reached: list[float] = []
    read = read_pass(path, {"every": [Gray(2, 2)]}, progress=reached.append)
    assert reached == sorted(reached) and reached[-1] > 0.8 * read.times[-1]


# ---- conversions and cost -----------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [False, True])
def test_each_conversion_is_made_once_a_frame_and_none_at_full_size(encode, pictures, meters, metrics) -> None:
    path = encode("v.mp4", pictures(80, height=240, width=320))
    read = read_pass(path, everything(metrics=metrics))
    (book,) = meters
    n = len(read.times)
    assert max(book.made.values()) == n
    grids = {str(s): len(g) for s, g in read.grids.items()}
    assert book.made[("luma", 120, 160)] == grids["2fps"]
    assert book.made[("planes",)] == n
    sampled = n if metrics else len({*read.grid("2fps"), *read.grid("1fps")})
    assert book.made[("rgb", 60, 80)] == book.made[("plane", 0, 60, 80)] == sampled
    full = [what for what in book.made if what[0] != "planes" and what[-2] * what[-1] > 0.3 * 240 * 320]
    assert full == []
    a_frame = sum(count for what, count in book.made.items() if what[0] == "plane") / n
    assert a_frame < (4.5 if metrics else 0.75)  # Y at 18 x 32 and at 60 x 80, U and V at 60 x 80


class Slow(Feature):
    """One luma conversion a frame."""

    name = "slow_of_test"

    def __init__(self, which: int = 0) -> None:
        self.which = which

    def compute(self, frames):
        """Return float64 [B]."""
        return np.array([frame.luma(5, 5).mean() for frame in frames])


def test_cost_is_as_if_a_feature_had_run_alone(monkeypatch, path) -> None:
    real = Frame._luma

    def slow_luma(self, height, width):
        end = time.thread_time() + 0.002
        while time.thread_time() < end:  # a cost is processor time
            pass
        return real(self, height, width)

    monkeypatch.setattr(Frame, "_luma", slow_luma)
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


class Elsewhere(Feature):
    """Waits for somebody else's work, as for a GPU."""

    name = "elsewhere_of_test"
    elsewhere = True

    def compute(self, frames):
        """Return int64 [B]."""
        time.sleep(0.01)
        return np.array([frame.ordinal for frame in frames])


def test_work_outside_the_thread_is_charged_by_the_clock(path) -> None:
    read = read_pass(path, {"every": [Elsewhere(), Ordinal()]})
    assert read.cost("every", [Elsewhere()])["features_s"] > 0.04  # 70 frames, batches of at most 16
    assert read.cost("every", [Ordinal()])["features_s"] < 0.04


# ---- what goes wrong ----------------------------------------------------------------------------


def test_a_file_that_changes_while_it_is_read_is_refused(path) -> None:
    def touch(_) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    Ordinal.do = touch
    with pytest.raises(VideoError, match="changed while") as caught:
        read_pass(path, {"every": [Ordinal()]})
    assert caught.value.path == str(path)


def test_a_failing_feature_is_not_hidden(path) -> None:
    def fail(_) -> None:
        raise ZeroDivisionError

    Ordinal.do = fail
    with pytest.raises(ZeroDivisionError):
        read_pass(path, {"every": [Ordinal()]})


def test_files_without_frames_are_errors(tmp_path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for features in ([], [Gray(2, 2)]):
        for name in ("text.mp4", "missing.mp4"):
            with pytest.raises(VideoError):
                read_pass(tmp_path / name, {"every": features})


def test_one_frame(encode, pictures) -> None:
    path = encode("v.mp4", pictures(1))
    read = read_pass(path, everything(metrics=True))
    assert {s: g.tolist() for s, g in read.grids.items()} == {sampling: [0] for sampling in read.grids}
    assert read.info.duration_s == pytest.approx(0.04)
    assert read.cost("every", [PlaneHistogram()])["features_s"] > 0
