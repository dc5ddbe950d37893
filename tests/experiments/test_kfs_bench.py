"""The table of KFS-Bench from files of its form, and the official script's figures from the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from keyframe_bench.experiments.kfs_bench.figures import misread
from scipy.stats import gmean

from keyframe_bench import Dataset
from keyframe_bench.datasets._picks import read_picks
from keyframe_bench.datasets.kfs_bench import KFSBench
from keyframe_bench.metrics.scenes import scene_scores
from keyframe_bench.tables.load import load_results

PAGE = Path(__file__).parents[2] / "experiments" / "kfs_bench" / "README.md"
# Of the official script, with the last decimals that it prints: UKSS, KFR, SHR.
OFFICIAL = {
    "uniform, 32": (0.1000, 0.1254, 0.5563),
    "uniform, 64": (0.1361, 0.1251, 0.6567),
    "AKS, 32": (0.1840, 0.1971, 0.6979),
    "AKS, 64": (0.2222, 0.1752, 0.7708),
    "the authors', 64": (0.2691, 0.1796, 0.8207),
    "AKS, 64, read as index / int(fps)": (0.1733, 0.1727, 0.6972),
}


def put(root, **picks):
    """Six questions on videos of 100 s, whose one scene begins at 40 s, and files of picks."""
    names = [f"v{i}_0" for i in range(6)]
    lines = [f"{name},0,1,0:40,0:44" for name in names]
    (root / "lvb_anno.csv").write_text("\n".join(["id,segment_id,scene_id,start,end", *lines, ""]))
    (root / "lvb_durations.json").write_text(json.dumps(dict.fromkeys(names, 100.0)))
    given = {file: [41.0, 42.0] for file in ("aks_32", "aks_64", "kfs_authors_64")} | picks
    for file, times in given.items():
        (root / f"{file}.json").write_text(json.dumps([{"id": n, "frame_timestamps": times} for n in names]))
    (root / "aks_64_frame_indices.json").write_text(json.dumps({name: [29 * 41, 29 * 46] for name in names}))


def test_the_table_is_made_without_videos(tmp_path, cli):
    put(tmp_path, aks_32=[41.0, 60.0])
    words = ("table", "kfs_bench/picks", f"dataset.root={tmp_path}")
    status, said, err = cli(*words, f"out={tmp_path / 'out'}")
    assert (status, err) == (0, "")
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in said.splitlines() if line[:2] == "| "}
    for row, value in {"the authors', 64": 1.0, "AKS, 32": 0.5, "AKS, 64, read as index / int(fps)": 0.5}.items():
        assert rows[row][2].startswith(f"{value ** (1 / 3):.2f} ")  # 41 and 46 s of the last
    (tmp_path / "aks_32.json").write_text('[{"id": "v1_0", "frame_timestamps": []}]')
    status, _, err = cli(*words, f"out={tmp_path / 'again'}")
    assert status == 2 and "AKS at 32" in err and "v0_0" in err
    (tmp_path / "aks_32.json").unlink()
    status, _, err = cli(*words, f"out={tmp_path / 'again'}")
    assert status == 2 and "aks_32.json" in err


@pytest.mark.data
def test_a_published_file_is_scored_as_it_is(data_root, cli, tmp_path):
    root = data_root / "kfs_bench"
    file = root / "picks" / "aks_32.json"
    status, said, err = cli("score", file, "dataset=kfs_bench", f"dataset.root={root}", "limit=40", f"out={tmp_path}")
    assert (status, err) == (0, "") and "the videos are not at hand" in said
    scenes = {
        name: about.annotation.scenes for name, about in KFSBench(str(root)).published().items() if about.annotation
    }
    times, found = read_picks(file).items, load_results(tmp_path)
    mine = found[found["extractor"] == "aks_32"].set_index("video")
    assert len(mine) == 40
    for name, row in mine.iterrows():
        for column, value in scene_scores(times[name], scenes[name]).items() if name in scenes else ():
            assert row[f"metric.{column}"] == pytest.approx(value), (name, column)


@pytest.mark.data
def test_the_figures_of_the_official_script_and_of_the_page(data_root):
    root = data_root / "kfs_bench"
    every = Dataset.registry.build("kfs_bench", {"root": str(root)}).published()
    known = {name: about for name, about in every.items() if about.annotation is not None}
    files = {"AKS, 32": "aks_32", "AKS, 64": "aks_64", "the authors', 64": "kfs_authors_64"}
    picks = {row: read_picks(root / "picks" / f"{file}.json").items for row, file in files.items()}
    for k in (32, 64):
        middles = (np.arange(k) + 0.5) / k
        picks[f"uniform, {k}"] = {name: about.duration_s * middles for name, about in known.items()}
    picks["AKS, 64, read as index / int(fps)"] = misread(root / "picks" / "aks_64_frame_indices.json")
    text = PAGE.read_text("utf-8")
    for row, times in picks.items():
        scores = [scene_scores(times[name], about.annotation.scenes) for name, about in known.items()]
        columns = {name: np.array([one[name] for one in scores]) for name in scores[0]}
        found = (gmean(columns["ukss"]), columns["key_frame_rate"].mean(), columns["scene_hit_rate"].mean())
        assert tuple(round(float(value), 4) for value in found) == OFFICIAL[row], row
        printed = re.findall(r"(\d\.\d+) \\\[", text.partition(f"| {row} |")[2].partition("\n")[0])
        found = (*found, columns["scene_recall"].mean(), columns["scene_similarity"].mean())
        assert printed[:5] == [f"{value:.3f}" for value in found], row
