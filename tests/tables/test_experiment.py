"""A malformed file of a table is refused with one sentence that names the place."""

from __future__ import annotations

import copy
import json

import keyframe_bench.experiments.chen2021.figures  # noqa: F401 - registers
import pytest
import yaml

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables.experiment import exported, parse_experiment

GOOD = """
title: t
source: platformai
about: a
scales:
  smoke: {dataset: {name: synthetic, root: null, n_videos: 2}, seeds: [0], limit: 2}
  cpu: {dataset: {name: synthetic}, sampling: every3}
runs:
  - {extractors: all, budget: [4, 15%], sampling: 2fps, grid: {spectral: {s: [1, null]}}, scales: [cpu], limit: null}
  - {extractors: [uniform], budget: free, grid: {uniform: {a: 1}}, on_error: skip, executor: {name: loky, n_jobs: 2}}
  - {extractors: [all, uniform], budget: 3, grid: {spectral: {s: 1}}, scales: [cpu]}
rows:
  - {name: one, where: {extractor: uniform, k: [4, 8], params: {a: [1], b: null}}, paper: {frames: 4}, note: n}
  - {name: two, measures: {frames: {sum: n_sampled, where: {budget: 4}, over: [k]}, growth: {empty: true}}}
  - {each: method, where: {control: false, budget: [8, 15% of 2fps], sampling: every}}
columns:
  - {name: frames, about: of all, sum: n_keyframes}
  - {name: growth, slope: [select_s, n_sampled], where: {budget: 8}, over: [run_sampling]}
  - {name: rule, fact: budget_rule}
claims:
  - {claim: more, measure: {mean: q}, expect: {above: 0}, paper: 0.7, note: n}
  - claim: larger
    measure: {ratio: [{value: q, where: {extractor: a}}, {value: q}], where: {seed: 0}}
    expect: {between: [1, 2.5]}
    paper: about two
notes: [n]
"""
TRAININGS = """
title: t
source: chen2021autoencoder
kind: training
extractor: autoencoder
data_sets:
  caltech256:
    {paper: Caltech 256, public: true, dataset: {name: image_folder}, split: "frames:0.8", rendered: {name: rendered}}
  cam_a: &camera
    paper: Cam A
    dataset: {name: folder, camera: true}
    split: temporal:0.8
    rendered: {name: rendered, kind: camera_a}
  cam_b: *camera
scales:
  smoke: {trainer: {epochs: 1, width: 0.1}, data: {cam_a: {limit: 4}}, seeds: [0], missing: rendered}
  paper: {seeds: [0, 1, 2]}
runs:
  - {name: a, data: caltech256, evaluate: [cam_a]}
  - name: b
    options: {network: ae_final, width: 0.5, loss: l2}
    data: cam_a
    init: a
    against: a
    scales: [smoke]
figure: {draw: convergence, panels: [{run: a, name: first}]}
records: {make: chen2021/key_clips, run: b, data: cam_a, params: {threshold: [0.03, 0.1]}, clips: {quiet_s: 5}}
rows:
  - {name: one, where: {label: a, dataset: cam_a}, paper: {loss: 0.0024, network: printed}}
  - {name: two, where: {label: b}}
columns: [{name: loss, mean: loss}, {name: network, fact: structure}]
claims:
  - claim: less
    measure: {ratio: [{value: loss, where: {label: a}}, {value: loss, where: {label: b}}]}
    expect: {above: 1}
"""
PICTURES = {"draw": "chen2021/reconstructions", "panels": [{"run": "a", "name": "first"}], "data": "caltech256"}
GONE = object()


def changed(place, value, good=GOOD):
    """GOOD with one place, such as ``rows.0.where``, replaced, added or (GONE) taken away."""
    data = copy.deepcopy(yaml.safe_load(good))
    *path, last = [int(word) if word.isdecimal() else word for word in place.split(".")]
    part = data
    for word in path:
        part = part[word]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    return data


def test_every_form_of_the_grammar_is_read():
    experiment = parse_experiment("mine", yaml.safe_load(GOOD))
    assert [len(experiment.runs_at(scale)) for scale in ("smoke", "cpu")] == [1, 3]
    assert (len(experiment.rows), len(experiment.columns), len(experiment.claims)) == (3, 3, 2)
    experiment = parse_experiment("mine", yaml.safe_load(TRAININGS))
    assert [len(experiment.runs_at(scale)) for scale in ("smoke", "paper")] == [2, 1]
    assert experiment.records["run"] == "b" and list(experiment.data_sets) == ["caltech256", "cam_a", "cam_b"]
    assert parse_experiment("mine", changed("figure", {**PICTURES, "number": 4}, TRAININGS)).figure["number"] == 4


def places(part, at=()):
    """Every place in a file, such as ``rows.0.where``."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield ".".join(map(str, (*at, key)))
        yield from places(value, (*at, key))


def refused(place, value, good=GOOD):
    """The sentence, which names the last word of the place."""
    with pytest.raises(UsageError, match=r"^table mine: .") as error:
        parse_experiment("mine", changed(place, value, good) if place else value)
    sentence = str(error.value)
    name = ["", *(word for word in place.split(".") if not word.isdecimal())][-1].removesuffix("s")
    assert name in sentence and "\n" not in sentence, (place, value, sentence)
    return sentence


@pytest.mark.parametrize("good", [GOOD, TRAININGS], ids=["comparison", "training"])
def test_what_no_field_can_hold_is_refused_everywhere(good):
    for value in (None, [], "title: t", 3):
        assert "is not a mapping of fields such as title" in refused("", value)
    for place in places(yaml.safe_load(good)):
        if place != "kind":  # which decides what the other fields are
            refused(place, {"zzz": [{}]}, good)


# By place: values, each of which is refused with a sentence that has the last word of the place.
MISTAKES = {
    "colums": [[]],
    "title": [GONE, None, 2024, " "],
    "notes": [None, "n"],
    **{key: [["q"]] for key in ("headline", "curves")},
    "extractor": ["uniform"],
    "data_sets": [{}],
    "records": [{"make": "convergence"}, "convergence", {"draw": "convergence"}, {"make": "convergense"}],
    "figure": [
        *({"make": "convergence"}, {"draw": "nothing_like_it"}, {"draw": ["convergence"]}),
        {"draw": "convergence", "panel": []},
        *({"draw": "convergence", "panels": [one]} for one in ([], {"name": "x"}, {"run": "a", "name": 3})),
    ],
    "scales": [{}, {1: {}}],
    "scales.smoke.seed": [[0]],
    "scales.cpu.dataset": [GONE, {"name": "d", "root": ["x"]}],
    "scales.cpu.dataset.name": [5, GONE],
    "scales.smoke.seeds": [[0, True], [-1], []],
    "scales.smoke.limit": [0],
    "scales.cpu.sampling": ["often"],
    "runs": [GONE, []],
    "runs.1.scales": [["cpu"]],
    "runs.0.scales": [["gpu"], []],
    "runs.1.extractors": [GONE, "uniform", [], [True]],
    "runs.1.budget": [GONE, "lots", [4, {}], []],
    "runs.1.grid.unifrom": [{"a": 1}],
    "runs.1.on_error": ["stop"],
    "rows": [{"name": "one"}],
    "rows.0.name": [GONE],
    "rows.2.name": ["all"],
    "rows.2.each": ["extractor"],
    "rows.2.note": ["n"],
    "rows.0.paper.frame": [4],
    "rows.0.paper.rule": [4],
    "rows.0.paper.frames": ["4", float("nan"), 10**400],
    "rows.1.measures.growht": [{"empty": True}],
    "rows.1.measures.growth": ["q", {"empty": False}],
    "rows.1.measures.rule": [{"empty": True}],
    "rows.1.measures.frames.mean": ["q"],
    "rows.0.where": [None],
    "rows.0.where.extracter": ["x"],
    "rows.0.where.label": [True],
    "rows.0.where.budget": [[], "fre"],
    "rows.0.where.run_sampling": [["2fps", "2 fps"]],
    "rows.0.where.params": ["a=1", {"a": []}, {"a": {}}, {1: 2}],
    "rows.0.where.k": [[4, "8"]],
    "rows.2.where.control": ["no"],
    "columns": [GONE],
    "columns.0.name": [GONE, "growth"],
    "columns.0.sum": [GONE],
    "columns.0.mean": ["q"],
    "columns.0.geometric": ["q"],
    "columns.0.fact": ["label"],
    "columns.2.over": [["k"]],
    "columns.2.where": [{"q": 4}],
    "columns.2.fact": ["budgetrule"],
    "columns.1.over": ["run_sampling", ["sample"]],
    "columns.1.slope": [["q"], ["q", 2]],
    "claims.0.measure": [GONE, {}, {"all": []}, {"all": [{"means": "q"}]}, {"all": [{"mean": "q"}], "where": {}}],
    "claims.0.controls": [{"spread": {"extractor": "uniform"}}],
    "claims.0.beside": [{"printed": "q"}, {1: {"mean": "q"}}, {"geometric": {"geometric": 5}}],
    "claims.1.measure.ratio": [[{"value": "q"}]],
    "claims.1.measure.ratio.1.value": [GONE, ["a", "b", "c"]],
    "claims.1.measure.where.seed": [0.5],
    "claims.0.expect": [{"above": 0, "below": 1}, {"abvoe": 0}],
    "claims.0.expect.above": ["1e3", True],
    "claims.1.expect.between": [[2, 1], [1, 2, 3], [1, "2"]],
}


OF_TRAININGS = {
    "extractor": [GONE],
    "headline": [["loss"]],
    "scales.paper.seeds": [GONE],
    "scales.smoke.dataset": [{"name": "x"}],
    "scales.smoke.missing": ["skip"],
    "scales.smoke.data": [
        *({"cam_d": {}}, {"mine": {"of": "cam_d"}}),
        *({"cam_a": {"of": "cam_b"}}, {"cam_a": {"split": "random"}}),
    ],
    "scales.smoke.trainer": [{"epochs": []}],
    "data_sets.cam_a.paper": [GONE],
    "data_sets.cam_a.split": ["later"],
    "data_sets.cam_a.dataset": [{"camera": True}],
    "runs.0.scales": [["smoke"], ["gpu"]],
    "runs.0.data": [GONE, "cam"],
    "runs.1.name": ["a"],
    "runs.1.init": ["c", "b"],
    "runs.1.against": ["c"],
    "runs.0.evaluate": ["cam_a", ["cam_c"]],
    "figure.draw": ["curves"],
    "figure.panels.0.run": ["z"],
    "figure": [{**PICTURES, "number": 0}, {**PICTURES, "number": 2.5}, {**PICTURES, "data": "cam"}],
    "records.make": ["clips"],
    "records.params": [[{"threshold": []}]],
    "records.run": ["z"],
    "records.data": ["cam"],
    "claims.0.measure": [{"lead": {"among": [{"label": one} for one in of], "lowest": low}}
                         for of, low in (("a", ["loss"]), ("ab", []))],
    "kind": ["comparison"],
    "rows.0.paper.network": [3],
    "columns.1.over": [["label"]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("good", "place"), [*((GOOD, place) for place in MISTAKES), *((TRAININGS, place) for place in OF_TRAININGS)]
)
def test_a_mistake_is_one_sentence_that_names_its_place(good, place):
    for value in (MISTAKES if good is GOOD else OF_TRAININGS)[place]:
        refused(place, value, good)


SENTENCES = [  # one of each kind
    ("colums", [], "table mine: there is no field 'colums'; did you mean columns"),
    ("title", GONE, "table mine: field 'title' is missing"),
    ("notes", None, "table mine: notes is empty; give it a value or leave it out"),
    ("runs.1.on_error", "stop", "table mine: runs 2: on_error: 'stop' is unknown; choose from raise, warn, skip"),
    ("rows.0.where.k", [4, "8"], "table mine: rows 1 ('one'): where: k 2: '8' is not a whole number"),
    ("rows.0.paper.frame", 4, "table mine: rows 1: column: 'frame' is unknown; did you mean frames"),
    ("columns.1.slope", ["q"], "columns 2 ('growth'): slope: ['q'] is not a list of 2 entries"),
    ("claims.0.expect", {}, "expect: it has none of above, below, between; give exactly one"),
    ("title", " ", "table mine: title: is blank; write a text"),
    ("scales.cpu.dataset.name", GONE, "table mine: scales: cpu: dataset: field 'name' is missing"),
    ("runs.1.extractors", "uniform", "extractors: 'uniform' is not all or a list of names such as [uniform, vsumm]"),
    ("records.run", "z", "table mine: records: run: 'z' is unknown; choose from a, b"),
    ("figure.panels.0.run", "z", "table mine: figure: run: 'z' is unknown"),
    ("extractor", GONE, "table mine: field 'extractor' is missing"),
]


@pytest.mark.parametrize(("place", "value", "sentence"), SENTENCES)
def test_the_sentence_names_the_way_out(place, value, sentence):
    assert sentence in refused(place, value, TRAININGS if place in OF_TRAININGS else GOOD)


def test_a_headline_is_read_without_rows():
    data = {**changed("rows", GONE), "headline": ["q"]}
    del data["columns"]
    assert parse_experiment("mine", {**data, "curves": ["q"]}).headline == ("q",)
    with pytest.raises(UsageError, match="curves, of the headline: 'p' is unknown"):
        parse_experiment("mine", {**data, "curves": ["p"]})


def test_small_results_have_what_the_table_shows():
    cell = {"key": "a", "budget_rule": "the best", "keyframes": {"frames": [1], "cost": {"select_s": 0.123456789012}}}
    plain = {name: value for name, value in yaml.safe_load(GOOD).items() if name not in ("rows", "columns", "claims")}
    of_areas = {**plain, "headline": ["q"], "curves": ["q"]}
    for data, rule, cost in ((yaml.safe_load(GOOD), True, True), (plain, False, True), (of_areas, False, False)):
        small = json.loads(exported({"a": cell}, parse_experiment("mine", data)))
        assert ("budget_rule" in small) == rule
        assert small["keyframes"] == {"frames": [1], "cost": {"select_s": 0.123456789} if cost else {}}


def test_a_table_without_trainings_needs_records_and_no_extractor():
    data = {"title": "t", "kind": "training", "scales": {"cpu": {}}, "runs": []}
    with pytest.raises(UsageError, match="table mine: scale cpu has no run"):
        parse_experiment("mine", data)
    records = {"make": "chen2021/structure", "networks": ["ae_final"]}
    assert parse_experiment("mine", {**data, "records": records}).extractor == ""
