"""``keyframe-bench score``, ``run external=`` and ``export``: picks made elsewhere are rows like any other."""

from __future__ import annotations

import json

import pytest

from keyframe_bench.metrics.facts import Cost

FRAMES = {"cuts.mp4": [4, 17, 25], "mixed.mp4": [0, 20, 39]}  # at 10 frames per second


@pytest.fixture
def picks(tmp_path):
    def write(items=FRAMES, unit="frames from 0", file="picks.json", **more):
        document = {"format": "keyframe_bench/picks@1", "name": "mine", "unit": unit, "items": items, **more}
        (tmp_path / file).write_text(json.dumps(document), "utf-8")
        return tmp_path / file

    return write


@pytest.fixture
def score(cli, folder, annotate, tmp_path):
    """Score a file on the annotated folder; cells by extractor and video."""
    annotate(folder)

    def run(file, *words, command="score", out="out"):
        given = [file] if command == "score" else []
        place = ["dataset=folder", f"dataset.root={folder}", f"out={tmp_path / out}"]
        status, text, err = cli(command, *given, *place, *words)
        assert (status, err) == (0, "")
        cells = [json.loads(line) for line in (tmp_path / out / "results.jsonl").read_text("utf-8").splitlines()]
        return {(cell["extractor"], cell["video"]): cell for cell in cells}, text

    return run


def test_a_file_is_a_row_beside_the_controls(score, picks):
    cells, text = score(picks())
    assert {video for _, video in cells} == set(FRAMES)  # static.mp4 is not in the file
    assert {name for name, _ in cells} == {"random", "uniform", "oracle", "human", "mine"}
    for video, frames in FRAMES.items():
        mine, uniform = cells["mine", video], cells["uniform", video]
        assert mine["status"] == "ok" and mine["keyframes"]["frames"] == frames
        assert mine["k"] == uniform["k"] == 3
        assert mine["metrics"].keys() == uniform["metrics"].keys()
        assert {name for name, value in mine["metrics"].items() if value is None} - set(Cost.columns) == {
            name for name, value in uniform["metrics"].items() if value is None
        }
        assert all(mine["metrics"][name] is None for name in Cost.columns)
    assert "mine (from a file)" in text and "covers fewer videos" not in text


def test_picks_at_an_annotated_budget(score, picks, cli, folder):
    """Three shots; two key frames an annotator."""
    file = picks({"cuts.mp4": [4, 17, 25]})
    cells, _ = score(file, "budget=shots")
    assert {cells[name, "cuts.mp4"]["k"] for name in ("mine", "uniform", "random", "oracle")} == {3}
    status, _, err = cli("score", file, "dataset=folder", f"dataset.root={folder}", "budget=users")
    assert status == 2 and "more than the 2 of the budget" in err


@pytest.mark.parametrize(
    ("unit", "number"),
    [
        ("frames from 1", lambda frame: frame + 1),
        ("seconds", lambda frame: frame / 10),
        ("seconds", lambda frame: frame / 10 + 0.04),  # the nearest frame counts
        ("seconds", lambda frame: frame / 10 + 0.0999 * (frame == 39)),  # the last one is shown until the end
    ],
)
def test_times_and_numbers_from_1_are_the_same_frames(score, picks, unit, number):
    written = {video: [number(frame) for frame in reversed(frames)] for video, frames in FRAMES.items()}
    cells, _ = score(picks(written, unit))
    assert {video: cells["mine", video]["keyframes"]["frames"] for video in FRAMES} == FRAMES


def test_the_packages_own_choices_read_back_to_the_same_numbers(score, cli, tmp_path):
    own, _ = score("", "extractors=[uniform,histogram_distance]", "budget=3", command="run")
    status, text, err = cli("export", tmp_path / "out", "format=picks", f"out={tmp_path / 'picks'}")
    assert (status, err) == (0, "") and "random" in text
    assert {file.name for file in (tmp_path / "picks").iterdir()} == {"histogram_distance_3.json", "uniform_3.json"}
    again, _ = score(tmp_path / "picks" / "histogram_distance_3.json", out="again")
    for video in ("cuts.mp4", "mixed.mp4", "static.mp4"):
        first, second = own["histogram_distance", video], again["histogram_distance_3", video]
        assert first["keyframes"]["frames"] == second["keyframes"]["frames"]
        assert all(
            first["metrics"][name] == value for name, value in second["metrics"].items() if name not in Cost.columns
        )


def test_rows_of_a_run_that_differ_in_a_parameter_are_files_of_their_own(score, cli, tmp_path):
    score("", "extractors=[uniform]", "budget=[2,3]", "grid.uniform.phase=[centre,start]", "limit=1", command="run")
    status, _, err = cli("export", tmp_path / "out", "extractor=uniform", f"out={tmp_path / 'picks'}")
    assert (status, err) == (0, "")
    assert {
        file.stem: len(json.loads(file.read_text())["items"]["cuts.mp4"]) for file in (tmp_path / "picks").iterdir()
    } == {f"uniform_{k}_phase={phase}": k for k in (2, 3) for phase in ("centre", "start")}


def test_several_files_are_rows_of_a_run(score, picks):
    one, two = picks(), picks({"cuts.mp4": [1]}, file="fewer.json")
    words = (f"external=[mine={one},fewer={two}]", "extractors=[uniform]", "budget=3")
    cells, text = score("", *words, command="run")
    assert {video for name, video in cells if name == "uniform"} == {"cuts.mp4", "mixed.mp4", "static.mp4"}
    assert {video for name, video in cells if name == "mine"} == set(FRAMES)
    short = cells["fewer", "cuts.mp4"]
    assert short["keyframes"]["frames"] == [1] and short["keyframes"]["shortfall"]
    assert "fewer (from a file) covers fewer videos" in text


def test_results_are_kept_by_what_the_file_says(score, picks, cells, tmp_path):
    score(picks())
    moved = picks(file="elsewhere.json", items=dict(reversed(FRAMES.items())))
    assert "0 of 8 cells computed now" in score(moved)[1]
    _, text = score(picks(FRAMES | {"cuts.mp4": [4, 17, 26]}))
    assert "2 of 8 cells computed now" in text
    mine = [cell for cell in cells(tmp_path / "out").values() if cell["extractor"] == "mine"]
    assert sorted(cell["keyframes"]["frames"][-1] for cell in mine) == [25, 26, 39, 39]
    assert str(tmp_path) not in json.dumps(mine)  # where the file lies is nobody's concern


def test_controls_have_as_many_key_frames_as_the_file_has_of_each_item(score, picks):
    file = picks({"cuts.mp4": [4], "mixed.mp4": [0, 20]})
    cells, _ = score(file)
    for name in ("mine", "random", "uniform"):
        assert [cells[name, video]["k"] for video in FRAMES] == [1, 2]
        assert cells[name, "cuts.mp4"]["budget"] == "picks"
    times = picks({"cuts.mp4": [0.41, 0.42, 1.7], "mixed.mp4": [0.5]}, "seconds", "times.json")
    assert score(times, out="times")[0]["random", "cuts.mp4"]["k"] == 2  # two times of one frame are one key frame
    words = (f"external=mine={file}", "extractors=[uniform]", "budget=picks", "on_error=skip")
    again, _ = score("", *words, command="run", out="run")  # static.mp4 is not in the file
    assert again["uniform", "mixed.mp4"]["keyframes"]["frames"] == cells["uniform", "mixed.mp4"]["keyframes"]["frames"]


def test_beside_another_file_picks_of_differing_number_are_scored_at_a_free_budget(score, picks):
    file, other = picks({"cuts.mp4": [4], "mixed.mp4": [0, 20]}), picks({"cuts.mp4": [1]}, file="other.json")
    cells, _ = score(file, f"external=other={other}")
    assert {cell["budget"] for cell in cells.values()} == {"free"}
    assert [len(cells["mine", video]["keyframes"]["frames"]) for video in FRAMES] == [1, 2]


def test_the_numbers_of_two_files_are_no_budget(cli, picks, folder):
    two = f"external=[one={picks()},two={picks(file='other.json')}]"
    status, _, err = cli("run", "dataset=folder", f"dataset.root={folder}", two, "budget=picks")
    assert status == 2 and "one file of picks" in err


def test_times_that_come_to_one_frame_count_once(score, picks):
    cells, _ = score(picks({"cuts.mp4": [0.41, 0.42, 1.7]}, "seconds"))
    found = cells["mine", "cuts.mp4"]["keyframes"]
    assert found["frames"] == [4, 17] and found["shortfall"]


@pytest.mark.parametrize(
    ("items", "unit", "words", "named"),
    [
        ({"cut.mp4": [1]}, "seconds", (), ["cut.mp4", "did you mean cuts.mp4"]),
        ({"cuts.mp4": [1, 3.2]}, "seconds", (), ["mine", "cuts.mp4", "3.2 s", "0 to 3 s"]),
        ({"cuts.mp4": [1, 30]}, "frames from 0", (), ["mine", "cuts.mp4", "30", "0 to 29"]),
        ({"cut.mp4": [1], "mixed.mp4": [1, 2]}, "seconds", (), ["cut.mp4", "did you mean cuts.mp4"]),
        (FRAMES, "frames from 0", ("budget=2",), ["mine", "cuts.mp4", "are 3", "budget=picks"]),
        (FRAMES, "frames from 0", ("budget=5%", "sampling=every"), ["mine", "cuts.mp4", "are 3", "budget=picks"]),
        (FRAMES, "frames from 0", ("external=vsumm=x.json",), ["vsumm", "another name"]),
        (FRAMES, "frames from 0", ("external=x.json",), ["NAME=FILE"]),
        (FRAMES, "frames from 0", ("external=mine=x.json",), ["mine", "give another"]),
        (FRAMES, "frames from 0", ("external=other=none.json",), ["none.json"]),
        (FRAMES, "frames from 0", ("split=temporal:0.8",), ["split=temporal:0.8"]),
        (FRAMES, "frames from 0", ("budget=inferred",), ["inferred"]),
        (FRAMES, "frames from 0", ("bugdet=3",), ["bugdet"]),
        ({"cuts.mp4": [1, 1]}, "frames from 0", (), ["cuts.mp4", "once"]),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(
    cli, picks, folder, tmp_path, items, unit, words, named
):
    place = (f"dataset.root={folder}", f"out={tmp_path / 'out'}", *words)
    status, text, err = cli("score", picks(items, unit), "dataset=folder", *place)
    assert (status, text, err.count("\n")) == (2, "", 1)
    for word in named:
        assert word in err, err
    assert not (tmp_path / "out").exists()


def test_export_of_what_is_not_there(cli, score, tmp_path):
    score("", "extractors=[uniform]", "limit=1", command="run")
    for words, named in (
        ((), "results of a run"),
        ((tmp_path / "none",), "none"),
        ((tmp_path / "out", "extractor=unifrom"), "uniform"),
        ((tmp_path / "out", "extractor=random"), "no row that can be exported"),
        ((tmp_path / "out", "format=scv"), "did you mean csv"),
    ):
        status, _, err = cli("export", *words)
        assert status == 2 and named in err and err.count("\n") == 1
