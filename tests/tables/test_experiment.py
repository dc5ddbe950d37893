"""A malformed file of a table is refused with one sentence that names the place."""

from __future__ import annotations

import copy

import pytest
import yaml

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables.experiment import parse_experiment

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
GONE = object()


def changed(place, value):
    """GOOD with one place, such as ``rows.0.where``, replaced, added or (GONE) taken away."""
    data = copy.deepcopy(yaml.safe_load(GOOD))
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
    assert [len(experiment.runs_at(scale)) for scale in ("smoke", "cpu")] == [1, 2]
    assert (len(experiment.rows), len(experiment.columns), len(experiment.claims)) == (3, 3, 2)


@pytest.mark.parametrize("data", [None, [], "title: t", 3])
def test_a_file_that_is_no_mapping_is_refused(data):
    with pytest.raises(UsageError, match="table mine: the file is not a mapping with title, scales and runs"):
        parse_experiment("mine", data)


FILE = [
    ("colums", [], "there is no field 'colums'; did you mean columns"),
    ("zzz", 1, "there is no field 'zzz'; there are title, source"),
    ("title", GONE, "field 'title' is missing"),
    ("title", 2024, "title 2024 is not text; put it in quotes"),
    ("title", " ", "title is blank"),
    ("source", 3, "source 3 is not text"),
    ("about", ["a"], "about ['a'] is not text"),
    ("notes", None, "notes is empty"),
    ("notes", "n", "notes 'n' is not a list"),
    ("notes", [{"a": 1}], "notes 1 {'a': 1} is not text"),
    ("kind", "plot", "kind 'plot' is unknown; there are comparison, training"),
    ("kind", ["comparison"], "kind ['comparison'] is unknown"),
    ("kind", "table", "kind 'table' is unknown"),
    ("headline", ["q"], "headline is not read beside rows"),
    ("rows", GONE, "columns is not read without rows"),
    ("extractor", "uniform", "extractor is not read for kind comparison"),
    ("data_sets", {}, "data_sets is not read for kind comparison"),
    ("records", {"make": "convergence"}, "scale cpu has 2 runs, but records are made of one"),
    ("records", "convergence", "records: 'convergence' is not a mapping with make"),
    ("records", {"draw": "convergence"}, "records: {'draw': 'convergence'} is not a mapping with make"),
    ("records", {"make": "convergense"}, "records: unknown figure 'convergense'; did you mean convergence"),
    ("records", {"make": "convergence", "panel": []}, "records: there is no field 'panel'; did you mean panels"),
    ("figure", {"make": "convergence"}, "figure: {'make': 'convergence'} is not a mapping with draw"),
    ("figure", {"draw": "nothing_like_it"}, "figure: unknown figure 'nothing_like_it'"),
    ("figure", {"draw": ["convergence"]}, "figure: unknown figure ['convergence']"),
    ("figure", {"draw": "convergence", "panels": [{"name": "x"}]}, "figure: panel 1: field 'run' is missing"),
    ("figure", {"draw": "convergence", "panels": [{"run": "a", "name": 3}]}, "figure: panel 1: name 3 is not text"),
]
SCALES = [
    ("scales", {}, "scales {} is not a mapping of names"),
    ("scales", ["cpu"], "scales ['cpu'] is not a mapping of names"),
    ("scales.cpu", "synthetic", "scale cpu: 'synthetic' is not a mapping of options"),
    ("scales.1", {}, "the name of scale 1 is not text"),
    ("scales.smoke.seed", [0], "scale smoke: there is no option 'seed'; did you mean seeds"),
    ("scales.smoke.budget", 8, "scale smoke: there is no option 'budget'"),
    ("scales.cpu.dataset", GONE, "scale cpu: option 'dataset' is missing"),
    ("scales.cpu.dataset", "synthetic", "scale cpu: dataset 'synthetic' is not a mapping with a name"),
    ("scales.cpu.dataset.name", 5, "scale cpu: dataset: name 5 is not text"),
    ("scales.cpu.dataset.root", ["x"], "scale cpu: dataset: root ['x'] is not a number, text"),
    ("scales.smoke.seeds", 0, "scale smoke: seeds 0 is not a list of whole numbers"),
    ("scales.smoke.seeds", [0, True], "scale smoke: seeds [0, True]"),
    ("scales.smoke.seeds", [-1], "scale smoke: seeds [-1]"),
    ("scales.smoke.limit", 0, "scale smoke: limit 0 is not a number of videos"),
    ("scales.paper", {"dataset": {"name": "d"}, "sampling": "often"}, "scale paper: sampling=often"),
]
RUNS = [
    ("runs", GONE, "field 'runs' is missing"),
    ("runs", ["x"], "runs: entry 1, 'x', is not a mapping"),
    ("runs", [], "scale smoke has no run"),
    ("runs.1.scales", ["cpu"], "scale smoke has no run"),
    ("runs.0.scales", ["gpu"], "run 1: scale 'gpu' is unknown; did you mean cpu"),
    ("runs.0.scales", "cpu", "run 1: scales 'cpu' is not a list"),
    ("runs.0.scales", [], "run 1: scales is empty"),
    ("runs.0.extractors", GONE, "run 1: option 'extractors' is missing"),
    ("runs.1.extractors", "uniform", "run 2: extractors 'uniform' is not all or a list"),
    ("runs.1.extractors", [], "run 2: extractors [] is not all or a list"),
    ("runs.1.extractors", [True], "run 2: extractors [True] is not all or a list"),
    ("runs.1.budget", GONE, "run 2: option 'budget' is missing"),
    ("runs.1.budget", "lots", "run 2: budget=lots is not a positive budget"),
    ("runs.0.budget", [4, {}], "run 1: budget={} is not a positive budget"),
    ("runs.0.budget", [], "run 1: budget is empty"),
    ("runs.0.sampling", 2, "run 1: sampling=2 is not a sampling"),
    ("runs.0.budgets", 4, "run 1: there is no option 'budgets'; did you mean budget"),
    ("runs.0.grid", ["x"], "run 1: grid ['x'] is not a mapping"),
    ("runs.0.grid.spectral", 3, "run 1: grid: spectral: 3 is not a mapping of parameters"),
    ("runs.0.grid.spectral.s", {"a": 1}, "run 1: grid: spectral: s {'a': 1} is not a number"),
    ("runs.1.grid.unifrom", {"a": 1}, "run 2: grid: 'unifrom' is none of the run's extractors; did you mean uniform"),
    ("runs.1.on_error", "stop", "run 2: on_error 'stop' is unknown; there are raise, warn, skip"),
    ("runs.1.executor", "loky", "run 2: executor 'loky' is not a mapping with a name"),
]
ROWS = [
    ("rows", {"name": "one"}, "rows {'name': 'one'} is not a list"),
    ("rows.0.were", {}, "row 1 ('one'): there is no field 'were'; did you mean where"),
    ("rows.0.name", GONE, "row 1: a row has either a name or each: method"),
    ("rows.0.name", 3, "row 1: name 3 is not text"),
    ("rows.2.name", "all", "row 3 ('all'): a row has either a name or each: method"),
    ("rows.2.each", "extractor", "row 3: each 'extractor' is not method"),
    ("rows.2.note", "n", "row 3: note is not read with each: method"),
    ("rows.0.note", 4, "row 1 ('one'): note 4 is not text"),
    ("rows.0.paper", 4, "row 1 ('one'): paper 4 is not a mapping"),
    ("rows.0.paper.frame", 4, "row 1 ('one'): paper: there is no column 'frame'; did you mean frames"),
    ("rows.0.paper.rule", 4, "row 1 ('one'): paper: column 'rule' is a fact"),
    ("rows.0.paper.frames", "4", "row 1 ('one'): paper: frames '4' is not a number"),
    ("rows.0.paper.frames", float("nan"), "row 1 ('one'): paper: frames nan is not a number"),
    ("rows.0.paper.frames", 10**400, "is not a number"),
    ("rows.1.measures.growht", {"empty": True}, "row 2 ('two'): measures: there is no column 'growht'; did you mean"),
    ("rows.1.measures.growth", {"empty": False}, "measures: growth: empty False is not true"),
    ("rows.1.measures.growth", "q", "row 2 ('two'): measures: growth: 'q' is not a mapping"),
    ("rows.1.measures.frames.name", "x", "measures: frames: there is no field 'name'"),
    ("rows.1.measures.frames.mean", "q", "measures: frames: has mean and sum; give exactly one of"),
    ("rows.0.where", None, "row 1 ('one'): where is empty"),
    ("rows.0.where", ["uniform"], "row 1 ('one'): where: ['uniform'] is not a mapping of fields"),
    ("rows.0.where.extracter", "x", "row 1 ('one'): where: there is no field 'extracter'; did you mean extractor"),
    ("rows.0.where.extractor", {"a": 1}, "where: extractor {'a': 1} is not text or a number"),
    ("rows.0.where.label", True, "where: label True is not text or a number"),
    ("rows.0.where.budget", [], "where: budget is an empty list"),
    ("rows.0.where.budget", "fre", "where: budget=fre is not a positive budget"),
    ("rows.0.where.run_sampling", ["2fps", "2 fps"], "where: sampling=2 fps is not a sampling"),
    ("rows.0.where.params", {"a": []}, "where: params: a is an empty list"),
    ("rows.0.where.k", [4, "8"], "where: k '8' is not a whole number"),
    ("rows.2.where.control", "no", "row 3: where: control 'no' is not true or false"),
    ("rows.0.where.params", "a=1", "where: params: 'a=1' is not a mapping of parameters"),
    ("rows.0.where.params", {"a": {}}, "where: params: a {} is not a number, text"),
    ("rows.0.where.params", {1: 2}, "where: params: the name of parameter 1 is not text"),
]
COLUMNS = [
    ("columns.0", "frames", "columns: entry 1, 'frames', is not a mapping"),
    ("columns.0.name", GONE, "column 1: field 'name' is missing"),
    ("columns.1.name", "frames", "column 2 ('frames'): another column has this name"),
    ("columns.0.sum", GONE, "column 1 ('frames'): names no measure; give exactly one of mean, sum"),
    ("columns.0.sum", ["q"], "column 1 ('frames'): sum ['q'] is not text"),
    ("columns.0.maen", "q", "column 1 ('frames'): there is no field 'maen'; did you mean mean"),
    ("columns.0.mean", "q", "column 1 ('frames'): has mean and sum; give exactly one"),
    ("columns.0.fact", "label", "column 1 ('frames'): a column has a fact or a measure, and sum is of a measure"),
    ("columns.2.over", ["k"], "column 3 ('rule'): a column has a fact or a measure, and over is of a measure"),
    ("columns.2.where", {"q": 4}, "column 3 ('rule'): where: there is no field 'q'"),
    ("columns.2.fact", "budgetrule", "column 3 ('rule'): fact 'budgetrule' is unknown; did you mean budget_rule"),
    ("columns.2.fact", ["label"], "column 3 ('rule'): fact ['label'] is unknown"),
    ("columns.1.over", "run_sampling", "column 2 ('growth'): over 'run_sampling' is not a list"),
    ("columns.1.over", ["sample"], "column 2 ('growth'): over 'sample' is unknown; did you mean sampling"),
    ("columns.1.slope", ["q"], "column 2 ('growth'): slope ['q'] is not the names of two numbers [y, x]"),
    ("columns.1.slope", ["q", 2], "column 2 ('growth'): slope: 2 is not text"),
    ("columns.0.about", 1, "column 1 ('frames'): about 1 is not text"),
]
CLAIMS = [
    ("claims.0.measure", GONE, "claim 1 ('more'): field 'measure' is missing"),
    ("claims.0.claim", None, "claim 1: claim is empty"),
    ("claims.0.expected", 1, "claim 1 ('more'): there is no field 'expected'; did you mean expect"),
    ("claims.0.measure", "q", "claim 1 ('more'): measure: 'q' is not a mapping of fields such as mean"),
    ("claims.0.measure", {}, "claim 1 ('more'): measure: names no measure; give exactly one of"),
    ("claims.0.measure.over", ["k"], "claim 1 ('more'): measure: there is no field 'over'"),
    ("claims.0.measure.mean", 5, "claim 1 ('more'): measure: mean 5 is not text"),
    ("claims.1.measure.ratio", [{"value": "q"}], "claim 2 ('larger'): measure: ratio [{'value': 'q'}] is not two"),
    ("claims.1.measure.ratio", "q", "claim 2 ('larger'): measure: ratio 'q' is not two entries"),
    ("claims.1.measure.ratio.0", "q", "measure: ratio, first entry: 'q' is not a mapping"),
    ("claims.1.measure.ratio.1", {}, "measure: ratio, second entry: field 'value' is missing"),
    ("claims.1.measure.ratio.1.vale", 1, "measure: ratio, second entry: there is no field 'vale'; did you mean value"),
    ("claims.1.measure.ratio.0.where.seeds", 0, "ratio, first entry: where: there is no field 'seeds'; did you mean"),
    ("claims.1.measure.where.seed", 0.5, "claim 2 ('larger'): measure: where: seed 0.5 is not a whole number"),
    ("claims.0.expect", 3, "claim 1 ('more'): expect 3 is not above: x, below: x or between"),
    ("claims.0.expect", {"above": 0, "below": 1}, "claim 1 ('more'): expect {'above': 0, 'below': 1} is not above: x"),
    ("claims.0.expect", {"abvoe": 0}, "claim 1 ('more'): expect: there is no field 'abvoe'; did you mean above"),
    ("claims.0.expect", {"above": "1e3"}, "claim 1 ('more'): expect: above '1e3' is not a number"),
    ("claims.0.expect", {"below": True}, "claim 1 ('more'): expect: below True is not a number"),
    ("claims.1.expect.between", [2, 1], "claim 2 ('larger'): expect: between [2, 1] is not two numbers [low, high]"),
    ("claims.1.expect.between", [1, 2, 3], "expect: between [1, 2, 3] is not two numbers"),
    ("claims.1.expect.between", [1, "2"], "expect: between [1, '2'] is not two numbers"),
    ("claims.1.expect.between", 2, "expect: between 2 is not two numbers"),
    ("claims.0.paper", [1], "claim 1 ('more'): paper [1] is neither a number nor text"),
    ("claims.0.note", 1, "claim 1 ('more'): note 1 is not text"),
]


@pytest.mark.parametrize(("place", "value", "what"), [*FILE, *SCALES, *RUNS, *ROWS, *COLUMNS, *CLAIMS])
def test_a_mistake_is_one_sentence_that_names_its_place(place, value, what):
    with pytest.raises(UsageError) as error:
        parse_experiment("mine", changed(place, value))
    sentence = str(error.value)
    assert sentence.startswith("table mine: ")
    assert what in sentence
    assert "\n" not in sentence


def test_a_headline_is_a_list_of_texts():
    data = {**changed("rows", GONE), "headline": ["q", 3]}
    del data["columns"]
    with pytest.raises(UsageError, match=r"table mine: headline 2 3 is not text"):
        parse_experiment("mine", data)
    assert parse_experiment("mine", {**data, "headline": ["q"]}).headline == ("q",)
