"""What lies in a run's folder is believed only where it is what its name says; all else is named and computed again."""

import json
import os
import textwrap
from datetime import datetime

import pytest


def words(root, out, *more):
    given = ["run", "dataset=folder", f"dataset.root={root}", "extractors=[pixel_distance]", "budget=[2,3]"]
    return [*given, f"out={out}", *more]


@pytest.fixture
def out(cli, rendered, tmp_path):
    """A finished run of 3 videos, 3 methods and 2 budgets."""
    assert cli(*words(rendered, tmp_path / "out"))[0] == 0
    return tmp_path / "out"


def changed(**fields):
    def damage(file):
        record = json.loads(file.read_text())
        for name, value in fields.items():
            place = record
            *path, last = name.split("__")
            for part in path:
                place = place[part]
            place[last] = value
        file.write_text(json.dumps(record))

    return damage


def instead(make):
    def damage(file):
        file.unlink()
        make(file)

    return damage


def added(text):
    return lambda file: file.write_text(file.read_text().rstrip()[:-1] + "," + text + "}")


KINDS = {
    "half": lambda file: file.write_text(file.read_text()[:200]),
    "huge": lambda file: os.truncate(file, 1 << 33),
    "pipe": instead(os.mkfifo),
    "link to a folder": instead(lambda file: file.symlink_to(file.parent)),
    "too large": added('"metrics": {"srd_db": 1e999}'),
    "truth for a number": changed(seed=False),
    "no metrics": changed(metrics=None),
    "half a character": changed(label="\ud800"),
    "negative frame": changed(keyframes__frames=[-1, 2]),
    "text for a cost": changed(keyframes__cost={"total_s": "long"}),
}


def test_what_is_no_cell_is_named_once_and_computed_again(cli, rendered, out, numbers):
    before, files = numbers(out), sorted((out / "cells").glob("*.json"))
    damaged = dict(zip(KINDS, files, strict=False))
    for name, file in damaged.items():
        KINDS[name](file)
    status, text, err = cli(*words(rendered, out))
    assert status == 0 and f"{len(KINDS)} of {len(files)} cells computed now" in text
    for name, file in damaged.items():
        assert err.count(str(file)) == 1, name
    assert err.count("counts as missing") == err.count("\n") == len(KINDS)
    assert numbers(out) == before
    status, text, err = cli(*words(rendered, out))
    assert (status, err) == (0, "") and f"0 of {len(files)} cells computed now" in text


def test_a_cell_that_lacks_a_part_is_computed_again(cli, rendered, out, numbers):
    before, (one, other, *_) = numbers(out), sorted((out / "cells").glob("*.json"))
    for file, place, name in ((one, "metrics", "coverage_gray"), (other, "", "warnings")):
        cell = json.loads(file.read_text())
        del (cell[place] if place else cell)[name]
        file.write_text(json.dumps(cell))
    status, text, err = cli(*words(rendered, out))
    assert status == 0 and "2 of " in text and f"{str(one)!r} has no coverage_gray" in err and str(other) in err
    assert numbers(out) == before


def test_a_plan_counts_what_a_run_would_compute(cli, rendered, out):
    KINDS["half"](min((out / "cells").glob("*.json")))
    assert "18 cells, 1 missing" in cli(*words(rendered, out), "--dry-run")[1]


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", ".lock", ".claims", "table.md"])
def test_a_pipe_in_the_folder_stops_nobody(cli, rendered, out, name):
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    assert cli(*words(rendered, out))[0] == 0


def test_rows_that_are_lost_while_a_run_goes_on_are_an_error(cli, rendered, tmp_path, own_registry):
    (tmp_path / "loses.py").write_text(
        textwrap.dedent(f"""
        import shutil
        import keyframe_bench as kb

        @kb.register("loses")
        class Loses(kb.Extractor):
            reference = "none"
            budget_rule = "the first"

            def select(self, clip, k=None, *, rng):
                if clip.video.name == "static.mp4":
                    shutil.rmtree({str(tmp_path / "out")!r})
                return clip.pick(range(min(k, len(clip))))
        """)
    )
    more = ["extractors=[loses]", f"--plugin={tmp_path}/loses.py"]
    status, text, err = cli(*words(rendered, tmp_path / "out", *more))
    assert status == 1 and "12 of 18 cells are not in" in err, (text, err)


def test_a_record_tells_when_a_run_began_and_ended(rendered, tmp_path, cli):
    before = datetime.now().astimezone()
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(2.5)\n")
    assert cli(*words(rendered, tmp_path / "out", f"--plugin={tmp_path}/slow.py"))[0] == 0
    assert cli(*words(rendered, tmp_path / "out"))[0] == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    started, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
    assert (started - before).total_seconds() >= 0 and started <= ended
    page = (tmp_path / "out" / "report.html").read_text()
    assert record["started"] in page and record["ended"] in page
