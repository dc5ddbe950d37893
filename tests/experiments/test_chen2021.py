"""Every table and figure of Chen et al. 2021 at scale=smoke, and what their files must agree on."""

from __future__ import annotations

import json
import time

import pytest

from keyframe_bench.cli.experiments import load_experiment, names_of_experiments
from keyframe_bench.cli.main import main
from keyframe_bench.models.autoencoder_layers import Network

pytest.importorskip("pytorch_lightning", reason="training needs pytorch-lightning")

NAMES = [name for name in names_of_experiments() if name.startswith("chen2021/")]
TRAINED = [name for name in NAMES if load_experiment(name).kind == "training"]
DRAWN = [name for name in NAMES if load_experiment(name).figure]
LIMIT_S = 10.0  # of processor time: other tests may run beside


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """Import what takes seconds once."""
    import pytorch_lightning  # noqa: F401

    import keyframe_bench.training.fit  # noqa: F401


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("chen2021")


@pytest.fixture(scope="module")
def made(folder):
    """Make a table at scale=smoke, once; all of them share their trainings."""
    known = {}

    def make(name):
        if name not in known:
            out = folder / name.rpartition("/")[2]
            words = [] if name not in TRAINED else [f"trainings={folder / 'trainings'}"]
            started = time.process_time()
            status = main(["table", name, "scale=smoke", f"out={out}", *words])
            known[name] = status, out, time.process_time() - started
        return known[name]

    return make


def trainings(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in (folder / "trainings").glob("*/training.json")}


def test_there_are_all_tables_and_figures():
    tables = [f"table{i}" for i in range(1, 7)]
    figures = ["figure1", "figure2", "figure3", "figure4a", "figure4b"]
    assert {f"chen2021/{name}" for name in tables + figures} == set(NAMES)
    assert all(set(load_experiment(name).scales) == {"smoke", "cpu", "paper"} for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_table_runs_at_smoke_scale(name, made):
    status, out, seconds = made(name)
    experiment = load_experiment(name)
    text = (out / f"{out.name}.md").read_text("utf-8").replace("\\", "")
    assert status == 0
    assert seconds < LIMIT_S
    assert experiment.title in text
    assert f"keyframe-bench table {name} scale=smoke" in text
    assert "not measured in these results" not in text
    assert "{chen2021autoencoder," in (out / f"{out.name}.bib").read_text("utf-8")
    if experiment.claims:
        verdicts = json.loads((out / f"{out.name}.verdicts.json").read_text("utf-8"))
        assert len(verdicts) == len(experiment.claims)
        assert all(v["verdict"] == ("undecided" if name in TRAINED else "holds") for v in verdicts)  # one seed
    if name in TRAINED:
        assert "rendered" in text
        assert " in place of " in text
        assert "0 failed" not in text


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn(name, made):
    _, out, _ = made(name)
    assert (out / f"{out.name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", TRAINED)
def test_from_small_results_the_same_table_is_made(name, made, tmp_path, capsys):
    _, out, _ = made(name)
    saved = tmp_path / "saved.jsonl"
    capsys.readouterr()
    assert main(["table", name, "--from", str(out), "--save", str(saved)]) == 0
    whole = capsys.readouterr().out
    assert main(["table", name, "--from", str(saved), f"out={tmp_path / 'again'}"]) == 0
    assert capsys.readouterr().out.startswith(whole)
    assert saved.stat().st_size < 60_000
    assert "pictures" not in saved.read_text("utf-8").replace("pictures for", "")
    assert main(["results", "diff", str(out), str(saved)]) == 0


def test_tables_share_their_trainings(made, folder):
    made("chen2021/table5")
    made("chen2021/table6")
    before = trainings(folder)
    for name in ("chen2021/figure4a", "chen2021/figure4b"):
        made(name)
    assert trainings(folder) == before


def test_the_same_command_again_trains_and_evaluates_nothing(made, folder, monkeypatch, capsys):
    _, out, _ = made("chen2021/figure4a")
    before = trainings(folder), (out / "figure4a.md").read_text("utf-8")

    def evaluated(*_args, **_more):
        raise AssertionError("evaluated again")

    monkeypatch.setattr("keyframe_bench.bench.trainings.evaluated", evaluated)
    words = [f"out={out}", f"trainings={folder / 'trainings'}"]
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 0
    table = [line for line in before[1].splitlines() if line.startswith("|")]
    assert trainings(folder) == before[0]
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")] == table


def test_a_training_that_fails_is_a_row_and_so_is_what_begins_from_it(folder, made, monkeypatch, capsys, tmp_path):
    import keyframe_bench.training.fit as module

    made("chen2021/figure4a")
    fit = module.fit

    def failing(spec, **more):
        if spec.data.params["kind"] == "scenes":
            raise RuntimeError("no luck")
        return fit(spec, **more)

    monkeypatch.setattr(module, "fit", failing)
    words = [f"out={tmp_path / 'out'}", f"trainings={folder / 'trainings'}"]
    capsys.readouterr()
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 1
    page = capsys.readouterr()
    assert "failed: generic, seed 0: RuntimeError: no luck" in page.err
    assert "it begins from generic, whose training failed" in page.err
    assert "3 trainings; 2 failed" in page.out
    rows = [line for line in page.out.splitlines() if line.startswith(("| no pre-training", "| pre-training"))]
    assert [" - |" in row for row in rows] == [False, True]
    cells = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()]
    assert sorted(cell["status"] for cell in cells) == ["failed", "failed", "ok"]
    monkeypatch.setattr(module, "fit", fit)
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 0  # what failed is tried again


def settings(name, scale):
    """Everything a training depends on, by what it is called."""
    experiment = load_experiment(name)
    options = experiment.scale(scale)
    found = {}
    for run in experiment.runs_at(scale):
        network = Network.build(run["network"], {**options.get("network", {}), **run.get("params", {})})
        data = (run["data"], (options.get("data") or {}).get(run["data"]))
        loss = {"kind": "mix", **run.get("loss", {})}
        found[run["name"]] = network.params, loss, data, options.get("trainer"), run.get("init"), options["seeds"]
    return found


@pytest.mark.parametrize("scale", ["smoke", "cpu", "paper"])
def test_runs_of_one_name_are_one_training_in_all_tables(scale):
    known = settings("chen2021/table6", scale)
    for name in ("table5", "figure4a", "figure4b"):
        mine = settings(f"chen2021/{name}", scale)
        assert {run: known[run] for run in mine} == mine
    assert settings("chen2021/figure1", scale)["mix"] == settings("chen2021/figure2", scale)["ae_test_01"]


@pytest.mark.parametrize("name", TRAINED)
def test_three_seeds_decide_beyond_smoke_scale(name):
    experiment = load_experiment(name)
    assert all(len(experiment.scale(scale)["seeds"]) >= 3 for scale in ("cpu", "paper"))
    full = settings(name, "paper").values()
    assert all(params["width"] == params["geometry"] == 1 for params, *_ in full)


MISSING = "needs Caltech 256: give data.caltech256=PATH"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["chen2021/figure1"], MISSING),
        (["chen2021/figure1", "scale=paper"], MISSING),
        (["chen2021/figure1"], "256_ObjectCategories"),
        (["chen2021/figure1"], "data.caltech256=rendered takes rendered pictures in its place"),
        (["chen2021/table5", "data.caltech256=rendered"], "needs Cam A: give data.cam_a=PATH"),
        (["chen2021/table4", "data.cam_a=nowhere.mp4"], "'nowhere.mp4' does not exist"),
        (["chen2021/table4", "data.cam_d=x"], "data.cam_d= is none of the data sets of the paper"),
        (["chen2021/figure4b", "data.caltech256=rendered", "data.cam_a=nowhere.mp4"], "nowhere.mp4"),
        (["chen2021/table4", "dataset=folder"], "have no option dataset="),
        (["chen2021/table4", "training=x"], "did you mean trainings="),
        (["chen2021/table4", "data.cam_a="], "data.cam_a"),
        (["chen2021/table4", "scale=smoke", "seeds=[a]"], "seeds=[a] is not a list of whole numbers"),
        (["chen2021/table4", "scale=smoke", "trainer.epoch=3"], "did you mean epochs"),
        (["chen2021/table4", "scale=smoke", "trainer.epochs=0"], "trainer: epochs=0 is not a whole number at least 1"),
        (["chen2021/table1", "seeds=0"], "is counted from code and takes no seeds="),
        (["chen2021/table4", "scale=huge"], "has no scale=huge; it has smoke, cpu, paper"),
    ],
)
def test_bad_input_is_one_sentence_and_trains_nothing(words, what, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert what in lines[0]
    assert not (tmp_path / "outputs" / "trainings").exists()


def test_a_set_that_is_handed_over_is_named_in_the_caption(tmp_path, folder, capsys):
    """Its own name where it is the paper's, the substitute's beside the paper's elsewhere."""
    from keyframe_bench.video.surveillance import render_camera

    render_camera(tmp_path / "corridor.mp4", "a", 1, height=48, width=96, fps=10, duration_s=4)
    words = ["table", "chen2021/table4", "scale=smoke", f"trainings={folder / 'trainings'}"]
    assert main([*words, f"data.cam_a={tmp_path / 'corridor.mp4'}", f"out={tmp_path / 'o'}"]) == 0
    page = capsys.readouterr().out.replace("\\", "")
    assert "corridor.mp4 in place of Cam A (8 pictures for training, 4 for validation)" in page
    (tmp_path / "corridor.mp4").rename(tmp_path / "Cam_A.mp4")
    assert main([*words, f"data.cam_a={tmp_path / 'Cam_A.mp4'}", f"out={tmp_path / 'p'}"]) == 0
    page = capsys.readouterr().out.replace("\\", "")
    assert "data: Cam_A.mp4 (8 pictures" in page
