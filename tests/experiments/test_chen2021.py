"""Every table and figure of Chen et al. 2021 at scale=smoke, and what their files must agree on."""

from __future__ import annotations

import json
from pathlib import Path

import keyframe_bench.experiments.chen2021
import numpy as np
import pytest
import yaml

from keyframe_bench.bench.training_sets import training_sets
from keyframe_bench.bench.training_table import TableOptions, run_trainings
from keyframe_bench.cli.experiments import load_experiment, names_of_experiments
from keyframe_bench.cli.main import main
from keyframe_bench.core.errors import UsageError
from keyframe_bench.extractors.autoencoder import Autoencoder
from keyframe_bench.tables.experiment import parse_experiment

pytest.importorskip("pytorch_lightning", reason="training needs pytorch-lightning")

NAMES = [name for name in names_of_experiments() if name.startswith("chen2021/")]
TRAINED = [name for name in NAMES if load_experiment(name).runs]
ALWAYS = {"table1", "table5", "figure3", "figure4a", "figure4b"}  # one of each kind


def heavy(names):
    """Return names as parameters of which ``make test`` tries one of each kind."""
    return [pytest.param(n, marks=() if n.removeprefix("chen2021/") in ALWAYS else pytest.mark.slow) for n in names]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("chen2021")


@pytest.fixture(scope="module")
def made(folder):
    """Make a table at scale=smoke, once; all of them share their trainings, and one cache of rows."""
    known = {}

    def make(name):
        if name not in known:
            out = folder / name.rpartition("/")[2]
            words = [] if name not in TRAINED else [f"trainings={folder / 'trainings'}", "trainer.threads=1"]
            known[name] = main(["table", name, "scale=smoke", f"out={out}", *words]), out
        return known[name]

    return make


def trainings(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in (folder / "trainings").glob("*/training.json")}


def test_there_are_all_tables_and_figures():
    names = {*(f"table{i}" for i in range(1, 7)), "figure1", "figure2", "figure3", "figure4a", "figure4b"}
    assert {f"chen2021/{name}" for name in names} == set(NAMES)
    assert all(set(load_experiment(name).scales) == {"smoke", "cpu", "paper"} for name in NAMES)


@pytest.mark.parametrize("name", heavy(NAMES))
def test_every_table_runs_at_smoke_scale_and_is_the_same_from_small_results(name, made, tmp_path, capsys):
    status, out = made(name)
    experiment = load_experiment(name)
    text = (out / f"{out.name}.md").read_text("utf-8").replace("\\", "")
    assert status == 0
    assert experiment.title in text
    assert f"keyframe-bench table {name} scale=smoke" in text
    assert "not measured in these results" not in text
    assert "{chen2021autoencoder," in (out / f"{out.name}.bib").read_text("utf-8")
    if experiment.claims:
        verdicts = json.loads((out / f"{out.name}.verdicts.json").read_text("utf-8"))
        assert len(verdicts) == len(experiment.claims)
        assert all(v["verdict"] == ("undecided" if name in TRAINED else "holds") for v in verdicts)  # one seed
    if name in TRAINED:
        assert "rendered" in text and " in place of " in text and " failed" not in text
    if experiment.figure:
        assert (out / f"{out.name}.png").read_bytes().startswith(b"\x89PNG")
    if name not in TRAINED:
        return
    saved = tmp_path / "saved.jsonl"
    capsys.readouterr()
    assert main(["table", name, "--from", str(out), "--save", str(saved)]) == 0
    whole = capsys.readouterr().out
    assert main(["table", name, "--from", str(saved), f"out={tmp_path / 'again'}"]) == 0
    assert capsys.readouterr().out.startswith(whole)
    assert saved.stat().st_size < 60_000
    assert "pictures" not in saved.read_text("utf-8").replace("images for", "")
    assert main(["results", "diff", str(out), str(saved)]) == 0


def test_tables_share_trainings_and_the_same_command_again_trains_and_evaluates_nothing(
    made, folder, monkeypatch, capsys
):
    made("chen2021/table5")
    before = trainings(folder)
    _, out = made("chen2021/figure4a")
    made("chen2021/figure4b")
    assert trainings(folder) == before
    before = trainings(folder), (out / "figure4a.md").read_text("utf-8")

    def again(*_args, **_more):
        raise AssertionError("computed again")

    for name in ("fit", "evaluate"):
        monkeypatch.setattr(Autoencoder, name, again)
    capsys.readouterr()
    words = [f"out={out}", f"trainings={folder / 'trainings'}"]
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 0
    table = [line for line in before[1].splitlines() if line.startswith("|")]
    assert trainings(folder) == before[0]
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")] == table


def test_a_training_that_fails_is_a_row_and_so_is_what_begins_from_it(folder, made, monkeypatch, capsys, tmp_path):
    import keyframe_bench.bench.training_table as module

    made("chen2021/figure4a")
    train = module.train

    def failing(training, **more):
        if training.data.dataset.params["kind"] == "scenes":
            raise RuntimeError("no luck")
        return train(training, **more)

    monkeypatch.setattr(module, "train", failing)
    words = [f"out={tmp_path / 'out'}", f"trainings={folder / 'trainings'}"]
    capsys.readouterr()
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 1
    page = capsys.readouterr()
    assert "failed: generic, seed 0: RuntimeError: no luck" in page.err
    assert "it starts from generic, whose training failed" in page.err
    assert "3 trainings; 2 failed" in page.out
    rows = [line for line in page.out.splitlines() if line.startswith(("| no pre-training", "| pre-training"))]
    assert [" - |" in row for row in rows] == [False, True]
    cells = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()]
    assert sorted(cell["status"] for cell in cells) == ["failed", "failed", "ok"]
    monkeypatch.setattr(module, "train", train)
    assert main(["table", "chen2021/figure4a", "scale=smoke", *words]) == 0  # what failed is tried again


def settings(name, scale):
    """Everything a training depends on, by what it is called."""
    experiment = load_experiment(name)
    options = experiment.scale(scale)
    found = {}
    for run in experiment.runs_at(scale):
        trainer = Autoencoder.Options.build({**options.get("trainer", {}), **run["options"]})
        data = (run["data"], (options.get("data") or {}).get(run["data"]))
        found[run["name"]] = trainer.identity, data, run.get("init"), options["seeds"]
    return found


def test_runs_of_one_name_are_one_training_in_all_tables_and_three_seeds_decide():
    for scale in ("smoke", "cpu", "paper"):
        known = settings("chen2021/table6", scale)
        for name in ("table5", "figure4a", "figure4b"):
            mine = settings(f"chen2021/{name}", scale)
            assert {run: known[run] for run in mine} == mine
        assert settings("chen2021/figure1", scale)["mix"] == settings("chen2021/figure2", scale)["ae_test_01"]
    for name in TRAINED:
        assert all(len(load_experiment(name).scale(scale)["seeds"]) >= 3 for scale in ("cpu", "paper"))
        assert all(options["width"] == options["geometry"] == 1 for options, *_ in settings(name, "paper").values())


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["chen2021/figure1", "scale=paper"], "data.caltech256=rendered takes rendered images in its place"),
        (["chen2021/table5", "data.caltech256=rendered"], "needs Cam A: give data.cam_a=PATH"),
        (["chen2021/table4", "training=x"], "did you mean trainings="),
        (["chen2021/table4", "scale=smoke", "trainer.epochs=0"], "epochs=0 is not a whole number of at least 1"),
        (["chen2021/table1", "seeds=0"], "trains nothing and takes no seeds="),
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


def camera_video(path, seed=1):
    from keyframe_bench.rendering.cameras import Camera
    from keyframe_bench.video.encode import write_h264

    write_h264(path, Camera("a", seed, n_frames=40).pictures((48, 96)), fps=10)


def of_few_runs(name, runs, folder):
    """A copy of a table's file with some of its runs, and their data sets in it."""
    packaged = Path(keyframe_bench.experiments.chen2021.__file__).parent
    data = yaml.safe_load((packaged / f"{name}.yaml").read_text("utf-8"))
    data["data_sets"] = yaml.safe_load((packaged / data["data_sets"]).read_text("utf-8"))
    data["runs"] = [run for run in data["runs"] if run["name"] in runs]
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return str(file)


def test_a_set_that_is_handed_over_is_named_in_the_caption(tmp_path, folder, capsys):
    """Beside the paper's, whatever its file is called: the paper's cameras are private."""
    table = of_few_runs("table4", ["p2_1", "leak"], tmp_path)
    words = ["table", table, "scale=smoke", f"trainings={folder / 'trainings'}", "trainer.threads=1"]
    camera_video(tmp_path / "Cam_A.mp4")
    assert main([*words, f"data.cam_a={tmp_path / 'Cam_A.mp4'}", f"out={tmp_path / 'o'}"]) == 0
    page = capsys.readouterr().out.replace("\\", "")
    assert "Cam_A.mp4 in place of Cam A (8 images for training, 4 for validation)" in page
    assert "Cam_A.mp4 in place of Cam A, frames:0.8 split (8 images for training, 4 for validation)" in page
    assert "| P2_1, frames split at random |" in page


def test_caltech_256_is_known_by_its_layout_and_not_by_its_name(tmp_path, monkeypatch):
    from keyframe_bench.training.clips import Clips
    from keyframe_bench.training.reading import Parts

    experiment = load_experiment("chen2021/figure1")
    clips = Clips(lambda _: None, np.zeros((1, 2), np.int64))

    monkeypatch.setattr("keyframe_bench.datasets.image_folder._CALTECH_PICTURES", 257)  # of 30,607

    def itself(root, n):
        for i in range(1, n + 1):
            name = {1: "001.ak47", 256: "256.toad"}.get(i, f"{i:03}.things")
            (root / name).mkdir(parents=True)
            (root / name / f"{i:03}_0001.jpg").write_bytes(b"")
        (one,) = training_sets(experiment, "paper", ["caltech256"], {"caltech256": str(root)}).values()
        return one.facts(Parts(clips, clips))["itself"]

    assert itself(tmp_path / "256_ObjectCategories", 257)
    assert not itself(tmp_path / "Caltech 256", 3)


def cells_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]


def test_key_frames_are_of_the_first_video_of_a_folder_that_can_be_read(tmp_path, folder, capsys):
    """In natural order, as the training data takes them; its annotated events are those of annotations.json."""
    cam = tmp_path / "cam"
    camera_video(cam / "day_2.mp4")
    camera_video(cam / "day_10.mp4", seed=2)
    (cam / "day_1.mp4").write_bytes(b"no video")
    entry = {"format": "keyframe_bench/annotations@1", "videos": {"day_2.mp4": {"events": [[3, 9]]}}}
    (cam / "annotations.json").write_text(json.dumps(entry))
    words = ["table", "chen2021/figure4b", "scale=smoke", "data.caltech256=rendered", f"data.cam_a={cam}"]
    words += [f"trainings={folder / 'trainings'}", "trainer.threads=1", f"out={tmp_path / 'out'}"]
    assert main(words) == 0
    page = capsys.readouterr().out.replace("\\", "")
    assert "cam in place of Cam A (24 images for training, 12 for validation; 1 unreadable: day_1.mp4:" in page
    assert "key frames are of cam/day_2.mp4" in page
    first, *others = [cell for cell in cells_of(tmp_path / "out") if cell["label"] == "key frames"]
    assert first["source"] == "cam/day_2.mp4"
    assert first["timeline"]["events"] == [[pytest.approx(0.3), pytest.approx(0.9)]]
    assert not any("timeline" in cell for cell in others)  # one is drawn
    assert len({cell["params"]["distance_space"] for cell in [first, *others]}) == 7
    (control,) = [cell for cell in cells_of(tmp_path / "out") if cell["label"] == "evenly spread"]
    assert control["metrics"]["n_keyframes"] == first["metrics"]["n_keyframes"]
    assert control["metrics"]["distance_busy"] is None and "timeline" not in control
    thresholds = {cell["params"]["distance_space"]: cell["params"]["threshold"] for cell in [first, *others]}
    assert (thresholds["reconstruction"], thresholds["feature_cos"]) == (0.03, "auto")

    entry["videos"]["day_2.mp4"]["events"] = [[3, 99]]  # of 40 frames: no key frames, but the training's numbers stay
    (cam / "annotations.json").write_text(json.dumps(entry))
    assert main(words) == 1
    page = capsys.readouterr()
    assert "failed: key frames, seed 0: UsageError: annotation of 'cam/day_2.mp4'" in page.err
    said = "2 trainings; 2 failed: key frames, seed 0 (UsageError: annotation of 'cam/day_2.mp4'"
    assert said in page.out.replace("\\", "")
    status = {(cell["label"], cell["status"]) for cell in cells_of(tmp_path / "out")}
    labels = {("generic", "ok"), ("own_a", "ok"), ("key frames", "failed"), ("evenly spread", "failed")}
    assert status == labels


def test_losses_of_the_record_and_of_the_table_are_one_quantity(tmp_path, folder):
    """Also where training itself is in bf16."""
    words = [f"trainings={folder / 'trainings'}", f"out={tmp_path}", "trainer.precision=bf16"]
    assert main(["table", of_few_runs("table4", ["p2_1"], tmp_path), "scale=smoke", *words]) == 0
    for cell in cells_of(tmp_path):
        assert cell["metrics"]["validation_loss"] == pytest.approx(cell["metrics"]["loss"], rel=1e-5)


def table_with(**records):
    """A table with one training on images, and key frames of a camera by its network."""
    data = yaml.safe_load(Path(of_few_runs("figure4b", ["generic"], records.pop("folder"))).read_text("utf-8"))
    data |= {"records": {"make": "chen2021/key_clips", "run": "generic", **records}}
    data |= {"rows": [], "columns": [], "claims": []}
    return parse_experiment("mine", data)


@pytest.mark.slow
def test_key_frames_of_a_camera_that_no_run_uses(tmp_path, folder):
    options = TableOptions(trainings=folder / "trainings")
    asked = {"folder": tmp_path, "params": {"threshold": 0.03, "rate": "every"}}
    summary = run_trainings(table_with(data="cam_b", **asked), "smoke", tmp_path, options)
    assert summary.failures == []
    assert [cell["label"] for cell in cells_of(tmp_path)] == ["generic", "key frames", "evenly spread"]
    assert set(json.loads((tmp_path / "run.json").read_text("utf-8"))["data"]) == {"caltech256", "cam_b"}
    with pytest.raises(UsageError, match="records: data 'caltech256' is no camera"):
        run_trainings(table_with(data="caltech256", **asked), "smoke", tmp_path, options)


def test_what_key_frames_depend_on_is_in_their_key(tmp_path, folder, made, monkeypatch):
    from dataclasses import replace

    from keyframe_bench.experiments.chen2021.camera_video import filmed_video
    from keyframe_bench.experiments.chen2021.key_clips import keyframes_plans

    from keyframe_bench.bench.train import Trained
    from keyframe_bench.features.autoencoder import Reconstruction
    from keyframe_bench.features.images import Gray

    made("chen2021/figure4b")
    table = table_with(folder=tmp_path, data="cam_a", params={"threshold": 0.03})
    video = filmed_video(training_sets(table, "smoke", ["cam_a"], {})["cam_a"])
    plan, control = keyframes_plans(table.records, video)
    checkpoint = next((folder / "trainings").glob("*/best.safetensors"))
    trained = Trained(checkpoint, checkpoint, {})
    assert control == replace(plan, drawn=False, spread=True)
    keys = [plan.identity(trained)]
    for cls in (Autoencoder, Gray, Reconstruction):
        with monkeypatch.context() as patched:
            patched.setattr(cls, "version", cls.version + 1)
            keys.append(plan.identity(trained))
    with monkeypatch.context() as patched:  # frames are converted otherwise
        patched.setattr("keyframe_bench.experiments.chen2021.key_clips.PASS_VERSION", -1)
        keys.append(plan.identity(trained))
    keys.append(replace(plan, spread=True).identity(trained))
    free = replace(plan, params={**plan.params, "distance_space": "input", "threshold": "auto"})
    for level in (0.01, 0.02):  # the frames themselves: no feature of the checkpoint is read, but its threshold is
        with monkeypatch.context() as patched:
            patched.setattr(Autoencoder, "free_threshold", lambda _, level=level: level)
            keys.append(free.identity(trained))
    keys += [
        replace(plan, video=replace(plan.video, events=events)).identity(trained)
        for events in (None, np.array([[0, 2]]))
    ]
    assert len({json.dumps(key) for key in keys}) == len(keys)
    assert json.dumps(plan.identity(trained)) == json.dumps(keys[0])


def committed_verdicts(name):
    from keyframe_bench.tables.load import load_results
    from keyframe_bench.tables.verdict import verdicts

    results = Path(__file__).parents[2] / "experiments" / "results" / f"{name.replace('/', '_')}.jsonl"
    return {v.claim: v for v in verdicts(load_experiment(name), load_results(results))}


def test_what_a_control_passes_too_is_no_merit_and_what_is_sharper_is_so_by_both_measures():
    found = committed_verdicts("chen2021/figure4b")
    (kept,) = (v for claim, v in found.items() if claim.startswith("what happens is retained"))
    assert kept.verdict == "not tested"
    assert "evenly spread" in kept.note and "without the network" in kept.note
    assert all(v.controls for v in found.values())  # each of them is one that a control could pass
    sharp = {claim: v for claim, v in committed_verdicts("chen2021/figure1").items() if "sharp" in claim}
    assert len(sharp) == 7 and all(len(v.also) == 1 for v in sharp.values())
    (mix,) = (v for claim, v in sharp.items() if claim.startswith("Mix is sharper than MS-SSIM"))
    assert mix.verdict == "undecided"


def test_the_leak_is_measured_with_every_network_of_table_4():
    experiment = load_experiment("chen2021/table4")
    expected = {(f"p2_{i}", data) for i in (1, 2, 3) for data in ("cam_a", "cam_a_random")}
    for scale in ("smoke", "cpu", "paper"):
        assert {(run["options"]["network"], run["data"]) for run in experiment.runs_at(scale)} == expected
    assert sum("random split" in claim["claim"] for claim in experiment.claims) == 3


def test_table_5_compares_networks_with_as_many_steps():
    """Those that begin from the generalized network have had more: the paper's comparison stands beside."""
    experiment = load_experiment("chen2021/table5")
    inits = {run["name"]: run.get("init") for run in experiment.runs}
    for claim in experiment.claims:
        carried, printed = ([part["where"]["label"] for part in measure["ratio"]]
                            for measure in (claim["measure"], claim["beside"]["as printed"]))  # fmt: skip
        assert [inits[name] for name in carried] == [None, None]
        assert [inits[name] for name in printed] == [None, "generic"]
