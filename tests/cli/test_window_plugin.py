"""A plug-in file whose method reads a feature over windows, from the check to rows of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.checks import clips, run_check, run_checks
from keyframe_bench.video import onepass
from keyframe_bench.video.onepass import read_pass

Cli = Callable[..., tuple[int, str, str]]

PLUGIN = '''
from typing import Annotated
import numpy as np
import keyframe_bench as kb
from keyframe_bench.features.change import MotionEnergy
from keyframe_bench.metrics.base import Column


@kb.register("spread_of_test")
class Spread(kb.Feature):
    """How much the mean grey level of a window's frames varies."""

    summary = "float64 [] per window, standard deviation of mean grey levels"

    def __init__(self, window: Annotated[int, kb.Range(1, 1000)] = 4, hop: Annotated[int, kb.Range(1, 1000)] = 2):
        self.window = window
        self.hop = hop

    def compute(self, frames):
        return np.array([frame.luma(12, 16).mean() for frame in frames])

    def compute_window(self, rows):
        return rows.std()


@kb.register("calm_of_test")
class Calm(kb.Extractor):
    """The middle frames of the windows in which least happens."""

    reference = "none"
    budget_rule = "the middle of the k calmest windows, then any frames in order"
    stochastic = False

    def __init__(self, window: Annotated[int, kb.Range(2, 1000)] = 4, hop: Annotated[int, kb.Range(1, 1000)] = 2):
        self.window = window
        self.hop = hop

    @property
    def needs(self):
        return Spread(self.window, self.hop), MotionEnergy(12, 16, window=self.window, hop=self.hop)

    def select(self, clip, k=None, *, rng):
        spread, motion = self.needs
        assert len(clip[spread]) == len(clip[motion]) == len(clip.windows(motion))
        middles = clip.windows(motion).sum(axis=1) // 2
        order = middles[np.argsort(clip[spread] + clip[motion], kind="stable")]
        return clip.pick(list(dict.fromkeys([*order.tolist(), *range(len(clip))]))[:k])


@kb.register("after_motion_of_test")
class AfterMotion(kb.Extractor):
    """The last frame of every window in which more happens than in the first; the first frame where there is none."""

    reference = "none"
    budget_rule = "as many as there are"
    supports = frozenset({"free"})
    stochastic = False
    online = True

    @property
    def needs(self):
        return (MotionEnergy(12, 16, window=3, hop=3),)

    def select(self, clip, k=None, *, rng):
        (motion,) = self.needs
        energy = clip[motion]
        return clip.pick([0, *(clip.windows(motion)[energy > energy[:1].sum(), 1] - 1)])


@kb.register("met_of_test")
class Met(kb.Metric):
    """Share of all frames that lie in windows with a key frame."""

    columns = {"met_of_test": Column("none", "1", "share of frames in windows with a key frame")}
    needs = (MotionEnergy(12, 16, window=7, hop=7),)

    def compute(self, keyframes, clip, annotation):
        windows = clip.windows(self.needs[0])
        assert len(windows) == len(clip[self.needs[0]]) == -(-len(clip) // 7)
        met = [w for w in windows.tolist() if any(w[0] <= f < w[1] for f in keyframes.frames)]
        return {"met_of_test": len({frame for w in met for frame in range(*w)}) / len(clip)}
'''


@pytest.fixture
def plugin(tmp_path: Path, own_registry: None) -> Path:
    """The file, not loaded yet; what the checks keep of classes of the same names is forgotten."""
    clips._clip.cache_clear()
    file = tmp_path / "calm.py"
    file.write_text(PLUGIN)
    return file


def chosen(path: Path, window: int, hop: int, k: int) -> list[int]:
    """What `Calm` should choose at 2fps, from the grey images alone."""
    clip = read_pass(path, {"2fps": [kb.Gray(12, 16)]}).clip("2fps", [kb.Gray(12, 16)])
    grey, n = clip[kb.Gray(12, 16)].astype(float), len(clip)
    calm = []
    starts = [start for start in range(0, n, hop) if start + window <= n]
    covered = starts[-1] + window if starts else 0
    if covered < n and len(starts) * hop < n:
        starts.append(max(0, n - window))
    for start in starts:
        part = grey[start : start + window]
        motion = np.mean([np.abs(b - a).mean() for a, b in pairwise(part)] or [0])
        calm.append((part.mean(axis=(1, 2)).std() + motion, (start + min(start + window, n)) // 2))
    order = [middle for _, middle in sorted(calm, key=lambda pair: pair[0])]
    return sorted(clip.ordinals[list(dict.fromkeys([*order, *range(n)]))[:k]].tolist())


@pytest.mark.parametrize(("window", "hop"), [(4, 2), (3, 3), (2, 4), (100, 1)])
def test_extract(cli: Cli, plugin: Path, video: Path, tmp_path: Path, window: int, hop: int) -> None:
    given = ("extractor=calm_of_test", f"extractor.window={window}", f"extractor.hop={hop}", "budget=3")
    status, _, err = cli("extract", video, *given, f"out={tmp_path}/out", "--plugin", plugin)
    assert (status, err) == (0, "")
    record = json.loads((tmp_path / "out" / "keyframes.json").read_text())
    assert record["frames"] == chosen(video, window, hop, 3)


def test_every_rule_is_kept(cli: Cli, plugin: Path) -> None:
    status, out, err = cli("check", "--plugin", plugin)
    assert (status, err) == (0, ""), out
    assert "calm_of_test: reads_declared_needs: passed" in out
    assert "after_motion_of_test: online_prefix: passed" in out


@pytest.mark.parametrize(("window", "hop"), [(2, 1), (2, 7), (16, 16), (1000, 1000)])
def test_every_rule_is_kept_at_any_size(plugin: Path, window: int, hop: int) -> None:
    load_plugins([str(plugin)])
    calm = Extractor.registry.build("calm_of_test", {"window": window, "hop": hop})
    assert [v for v in run_checks(calm) if v.status == "failed"] == []
    for kind in (*clips.TYPICAL, *clips.EXTREME):
        clip = clips.clip_of(calm, kind)
        assert {len(clip[feature]) for feature in calm.needs} == {len(calm.needs[0].windows(len(clip)))}


def test_looking_ahead_and_writing_into_rows_are_still_found(plugin: Path, video: Path) -> None:
    load_plugins([str(plugin)])
    calm = Extractor.registry.build("calm_of_test")
    calm.online = True  # type: ignore[misc]
    verdict = run_check("online_prefix", calm)
    assert verdict.status == "failed" and "looking ahead" in verdict.message, verdict
    writes = "clip[spread].setflags(write=True); clip[spread][:] = 1; "
    other = plugin.with_name("writes.py")
    other.write_text(PLUGIN.replace("middles = ", f"{writes}middles = ").replace("_of_test", "_writes"))
    load_plugins([str(other)])
    verdict = run_check("clip_unchanged", Extractor.registry.build("calm_writes"))
    assert verdict.status == "failed" and "spread_writes" in verdict.message
    with pytest.raises(kb.KeyframeBenchError, match="writes into rows of spread_writes"):
        kb.extract(video, "calm_writes", budget=2)


def test_run_twice_decodes_once(
    cli: Cli, plugin: Path, rendered: Path, tmp_path: Path, numbers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with two sizes of windows at once, and on another sampling; only missing rows are decoded for."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[calm_of_test,pixel_distance]"]
    words += ["grid.calm_of_test.window=[4,16]", "budget=3", "--plugin", plugin]
    assert cli(*words, "cache_gb=0", f"out={tmp_path}/plain")[0] == 0
    assert cli(*words, "cache_gb=1", f"out={tmp_path}/first")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(onepass, "open_video", lambda *_: pytest.fail("it was decoded"))
        status, _, err = cli(*words, "cache_gb=1", f"out={tmp_path}/second")
        assert status == 0, err
    found = numbers(tmp_path / "second")
    assert found == numbers(tmp_path / "first") == numbers(tmp_path / "plain")
    mine = [record for record in found.values() if record["extractor"] == "calm_of_test"]
    assert {(r["params"]["window"], r["status"]) for r in mine} == {(4, "ok"), (16, "ok")}
    for record in mine:
        frames = record["keyframes"]["frames"]
        assert frames == chosen(rendered / record["video"], record["params"]["window"], 2, 3)
        assert 7 / record["n_frames"] <= record["metrics"]["met_of_test"] <= 1
    assert cli(*words, "cache_gb=1", "sampling=every2", f"out={tmp_path}/third")[0] == 0


def test_a_row_for_the_window_from_compute_is_told(cli: Cli, plugin: Path, video: Path) -> None:
    plugin.write_text(PLUGIN.replace("return np.array([frame.luma(12, 16).mean() for frame in frames])", "return [1]"))
    status, _, err = cli("extract", video, "extractor=calm_of_test", "--plugin", plugin)
    assert status == 2
    assert "spread_of_test" in err and "1 rows for" in err and str(plugin) in err and err.count("\n") == 1
