"""A user's own table of trainings: a plug-in that learns, a plug-in figure, own data; mistakes are one sentence."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import yaml

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

import numpy as np

import keyframe_bench as kb

GRAY = kb.Gray(height=6, width=8)


@dataclass(frozen=True, kw_only=True)
class LevelOptions(kb.TrainerOptions):
    """Options.

    Parameters
    ----------
    factor : float
    """

    factor: Annotated[float, kb.Range(0)] = 1.0


@kb.register("level_of_tests")
class Level(kb.Trainable):
    """The frames whose grey level is nearest to one that was learned."""

    reference = "none"
    budget_rule = "the k nearest"
    stochastic = False
    needs = (GRAY,)
    Options = LevelOptions
    numbers = {"error": kb.Column("lower", "1", "distance of the mean grey level")}

    def __init__(self, *, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    def fit(self, train, validation, session):
        level = train.rows(GRAY)[:].mean() * session.options.factor + session.rng("level").random()
        return session.checkpoint({"level": np.array([level])})

    def evaluate(self, checkpoint, clips):
        return {"error": abs(float(clips.rows(GRAY)[:].mean() - checkpoint.tensors["level"][0]))}

    def select(self, clip, k=None, *, rng):
        distance = np.abs(clip[GRAY].mean(axis=(1, 2)) - self.learned().tensors["level"][0])
        return clip.pick(np.sort(np.argsort(distance)[:k]))


@kb.register("levels_of_tests")
class Levels(kb.Figure):
    """What was learned."""

    columns = {"level": kb.Column("none", "1", "grey level")}
    options = ("panels", "colour")

    def check(self, settings, at):
        if settings.get("colour", "red") != "red":
            raise kb.UsageError(f"{at}: colour {settings['colour']!r} is not red")

    def cells(self, table, settings):
        for seed in table.seeds:
            about = {**table.about(table.runs[0], seed), "label": "learned", "dataset": "films"}
            level = float(self.learned(table.trained("plain", seed).best))
            yield table.kept(["levels_of_tests", level], about, lambda: {**about, "metrics": {"level": level}})

    def learned(self, path):
        from safetensors.numpy import load_file

        return load_file(path)["level"][0]

    def stored(self, checkpoint, clips, settings):
        return {"pictures": [float(checkpoint.tensors["level"][0])]}

    def draw(self, cells, settings):
        levels = [cell["pictures"][0] for cell in cells if cell.get("pictures")]
        return b"\\x89PNG" + bytes(map(round, levels)) if levels else None
'''
TABLE = """
title: Learned levels
kind: training
extractor: level_of_tests
data_sets:
  films: {paper: their films, dataset: {name: folder}, split: "frames:0.5", rendered: {name: rendered, kind: camera_a}}
scales:
  smoke: {data: {films: {limit: 12, limit_validation: 6}}, seeds: [0, 1, 2]}
  toy: {data: {films: {limit: 12, limit_validation: 6}}, seeds: [0, 1, 2], missing: rendered}
runs:
  - {name: plain, data: films}
  - {name: half, options: {factor: 0.5}, data: films}
records: {make: levels_of_tests}
figure: {draw: levels_of_tests, panels: [{run: plain, name: as it is}, {run: half, name: half}]}
rows:
  - {name: all of it, where: {label: plain}, paper: {error: 3}}
  - {name: half of it, where: {label: half}}
  - {name: learned, where: {label: learned}}
columns: [{name: error, mean: error}, {name: level, mean: level}]
claims:
  - claim: half is further away
    measure: {difference: [{value: error, where: {label: half}}, {value: error, where: {label: plain}}]}
    expect: {above: 0}
"""


@pytest.fixture
def table(cli, tmp_path, own_registry, rendered):
    """Run ``keyframe-bench table`` on a file with the plug-in; parts of the file may be replaced."""
    plugin = tmp_path / "level_of_tests.py"
    plugin.write_text(PLUGIN)
    file = tmp_path / "mine.yaml"

    def run(*words, plugins=(f"--plugin={plugin}",), films=rendered, scale="smoke", **replaced):
        data = copy.deepcopy(yaml.safe_load(TABLE)) | replaced
        file.write_text(yaml.safe_dump(data), "utf-8")
        given = [f"data.films={films}"] if films else []
        where = [f"out={tmp_path / 'out'}", f"trainings={tmp_path / 'trainings'}"]
        return cli("table", file, *plugins, f"scale={scale}", *given, *where, *words)

    return run


def trained(tmp_path):
    return {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "trainings").glob("*/training.json")}


def test_an_own_table_trains_evaluates_measures_and_draws(table, cli, tmp_path, rendered):
    status, page, err = table()
    assert (status, "error" in err) == (0, False)
    page = page.replace("\\", "")
    assert "| all of it | 3 |" in page and "| learned |" in page and "| half is further away |" in page
    assert "**holds**" in page
    assert f"{rendered.name} in place of their films" in page
    assert "(12 images for training, 6 for validation; 1 with problems: static.mp4" in page
    assert len(trained(tmp_path)) == 6  # two runs, three seeds
    assert (tmp_path / "out" / "mine.png").read_bytes().startswith(b"\x89PNG")
    cells = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [cell["label"] for cell in cells] == ["plain"] * 3 + ["half"] * 3 + ["learned"] * 3
    assert [bool(cell.get("pictures")) for cell in cells] == [True, False, False, True, False, False, *[False] * 3]
    plain = [cell["metrics"]["error"] for cell in cells[:3]]
    assert len(set(plain)) == 3 and max(plain) < min(cell["metrics"]["error"] for cell in cells[3:6])

    before = trained(tmp_path)
    status, again, _ = table()
    assert status == 0 and trained(tmp_path) == before
    same = [line for line in again.replace("\\", "").splitlines() if line.startswith("|")]
    assert same == [line for line in page.splitlines() if line.startswith("|")]

    saved = tmp_path / "saved.jsonl"
    plugin = f"--plugin={tmp_path / 'level_of_tests.py'}"
    assert cli("table", tmp_path / "mine.yaml", plugin, "--from", tmp_path / "out", "--save", saved)[0] == 0
    status, small, _ = cli("table", tmp_path / "mine.yaml", plugin, "--from", saved)
    assert status == 0 and small == again.partition("written:")[0]
    assert "pictures" not in saved.read_text()


def test_what_is_missing_is_rendered_where_the_scale_says_so(table, tmp_path):
    status, page, _ = table(films=None, scale="toy")
    assert status == 0
    assert "rendered camera A in place of their films" in page
    assert "(12 images for training, 6 for validation)" in page
    assert (tmp_path / "out" / "mine.md").is_file()


def test_data_sets_may_lie_in_a_file_beside(table, cli, tmp_path, video):
    shared = yaml.safe_dump(yaml.safe_load(TABLE)["data_sets"])
    (tmp_path / "_mine.yaml").write_text(shared, "utf-8")
    assert table("seeds=0", data_sets="_mine.yaml")[0] == 0
    best = next((tmp_path / "trainings").glob("*/best.safetensors"))
    words = ["extractor=level_of_tests", f"extractor.checkpoint={best}", "budget=2", f"out={tmp_path / 'frames'}"]
    status, _, err = cli("extract", video, f"--plugin={tmp_path / 'level_of_tests.py'}", *words)
    assert (status, err) == (0, "")
    status, _, err = table(data_sets="none.yaml")
    assert status == 2 and err.count("\n") == 1 and "none.yaml" in err


def test_without_the_plugin_one_sentence_says_so(cli, tmp_path):
    """Code is never loaded because it lies beside a YAML file."""
    (tmp_path / "mine.yaml").write_text(TABLE, "utf-8")
    (tmp_path / "figures.py").write_text("raise SystemExit('loaded')", "utf-8")
    status, _, err = cli("table", tmp_path / "mine.yaml", "scale=toy", f"out={tmp_path / 'out'}")
    assert status == 2 and err.count("\n") == 1
    assert "unknown figure 'levels_of_tests'" in err and "--plugin" in err
    data = yaml.safe_load(TABLE)
    del data["figure"], data["records"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data), "utf-8")
    status, _, err = cli("table", tmp_path / "mine.yaml", "scale=toy", f"out={tmp_path / 'out'}")
    assert status == 2 and err.count("\n") == 1
    assert "unknown extractor 'level_of_tests'" in err and "--plugin" in err


RUN = {"name": "plain", "data": "films"}
SET = {"paper": "p", "dataset": {"name": "folder"}, "split": "frames:0.5", "rendered": {"name": "rendered"}}


HALF = {**RUN, "name": "half"}
FIGURE = {"draw": "levels_of_tests"}


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ({"extractor": "uniform"}, "'uniform' does not learn; those that do are"),
        ({"runs": [RUN, {**HALF, "options": {"facter": 1}}], "figure": FIGURE}, "run half: trainer has no option"),
        ({"runs": [RUN, {**HALF, "options": {"factor": -1}}], "figure": FIGURE}, "run half: "),
        ({"figure": {"draw": "levels_of_test"}}, "did you mean levels_of_tests"),
        ({"figure": {**FIGURE, "colour": "blue"}}, "figure: colour 'blue' is not red"),
        ({"figure": {**FIGURE, "color": "red"}}, "'color'; did you mean col"),
        ({"records": {"make": "nothing"}}, "records: make: unknown figure 'nothing'"),
        ({"data_sets": {"films": {**SET, "split": "frames"}}}, "data_sets: films: split: split=frames"),
        ({"data_sets": {"films": {**SET, "dataset": {"name": "foldr"}}}}, "did you mean folder"),
        ({"data_sets": {"films": {**SET, "dataset": {"name": "folder", "rot": 1}}}}, "'rot'; did you mean root"),
        (["trainer.facter=1"], "did you mean factor"),
        (["trainer.factor=x"], "factor"),
        (["data.film=x"], "data.film= is none of the data sets of table mine; there are films"),
        (["seeds=-1"], "seeds=-1 is not a list of whole numbers"),
        (["limit=3"], "have no option limit="),
        ({"films": None}, "needs their films: give data.films=PATH"),
        ({"films": "nowhere"}, "nowhere"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:40],
)
def test_a_mistake_is_one_sentence_and_trains_nothing(table, tmp_path, replaced, told):
    status, _, err = table(**replaced) if isinstance(replaced, dict) else table(*replaced)
    assert status == 2 and err.count("\n") == 1 and told in err and "Traceback" not in err
    assert not (tmp_path / "trainings").exists()


def test_too_few_frames_are_one_sentence(table, tmp_path, rendered):
    (tmp_path / "one").mkdir()
    shutil.copy(rendered / "cuts.mp4", tmp_path / "one" / "a.mp4")
    sets = {"films": {**SET, "split": "videos:0.5"}}
    status, _, err = table(films=tmp_path / "one", data_sets=sets)
    errors = [line for line in err.splitlines() if "error:" in line]
    assert status == 2 and len(errors) == 1 and "videos:0.5" in errors[0]


def test_a_method_that_learns_from_annotators_has_a_table(table, tmp_path, folder, annotate):
    """Its numbers need annotations, and only annotated videos are read."""
    file = tmp_path / "level_of_tests.py"
    learns = PLUGIN.replace('    reference = "none"', '    reference = "none"\n    supervision = "users"', 1)
    file.write_text(
        learns.replace('return {"error": abs(', 'return {"error": sum(c.chosen(0.1).sum() for c in clips) + abs(')
    )
    annotate(folder)
    status, _, err = table("seeds=0", films=folder, figure={"draw": "levels_of_tests"})
    assert (status, "failed" in err) == (0, False), err
    record = json.loads((tmp_path / "out" / "run.json").read_text())["data"]["films"]["facts"]
    assert record["videos"] == 1 and record["unannotated"] == 2


@pytest.mark.parametrize(
    ("body", "said"), [("raise ValueError('no ink')", "level_of_tests.py', line"), ("return 'text'", "draw gave str")]
)
def test_a_figure_that_fails_costs_no_table(table, tmp_path, body, said):
    file, start = tmp_path / "level_of_tests.py", "    def draw(self, cells, settings):\n"
    file.write_text(PLUGIN.replace(start, f"{start}        {body}\n"))
    status, page, err = table("seeds=0", "--save", tmp_path / "saved.jsonl")
    assert status == 1 and "failed: figure levels_of_tests: " in err and said in err
    assert (
        "Learned levels" in page and (tmp_path / "out" / "mine.md").is_file() and (tmp_path / "saved.jsonl").is_file()
    )
