"""What lies in a run's folder is believed only where it is what its name says; all else is named and computed again."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from datetime import datetime

import pytest

from keyframe_bench.core.files import claimed


def words(root, out, *more):
    common = ["run", "dataset=folder", f"dataset.root={root}", "extractors=[pixel_distance]"]
    return [*common, "budget=[2,3]", f"out={out}", *more]


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


def replaced(text):
    return lambda file: file.write_bytes(text if isinstance(text, bytes) else text.encode())


def instead(make):
    def damage(file):
        file.unlink()
        make(file)

    return damage


def added(text):
    return lambda file: file.write_text(file.read_text().rstrip()[:-1] + "," + text + "}")


FILES = {
    "empty": replaced(""),
    "half": lambda file: file.write_text(file.read_text()[:200]),
    "no object": replaced("[1]"),
    "deep": added('"notes": ' + "[" * 100_000 + "]" * 100_000),
    "less deep": added('"notes": ' + "[" * 400 + "]" * 400),
    "no text": replaced(b"\xff\xfe\x00"),
    "pipe": instead(os.mkfifo),
    "folder": instead(os.mkdir),
    "loop": instead(lambda file: file.symlink_to(file)),
    "link to a folder": instead(lambda file: file.symlink_to(file.parent)),
}
FIELDS = {
    "future format": changed(format="keyframe_bench/cell@2"),
    "list for a name": changed(video=["cuts.mp4"]),
    "text for a number": changed(version="1"),
    "truth for a number": changed(seed=False),
    "not finite": added('"metrics": {"srd_db": NaN}'),
    "too large": added('"metrics": {"srd_db": 1e999}'),
    "too many digits": added('"metrics": {"srd_db": ' + "9" * 5000 + "}"),
    "unknown status": changed(status="done"),
    "another identity": changed(budget="7"),
    "unsorted": changed(keyframes__frames=[3, 2]),
}
MORE = {
    "no metrics": changed(metrics=None),
    "no versions": changed(metric_versions=[]),
    "no time": changed(finished=None),
    "frames": changed(keyframes__frames="12"),
    "scores": changed(keyframes__scores=[1.0]),
    "half a character": changed(label="\ud800"),
    "negative frame": changed(keyframes__frames=[-1, 2]),
    "cost": changed(keyframes__cost={"total_s": "long"}),
    "huge": lambda file: os.truncate(file, 1 << 33),
    "another cell": lambda file: file.write_text((file.parent.parent / "kept.json").read_text()),
}


@pytest.mark.parametrize("kinds", [FILES, FIELDS, MORE], ids=["files", "fields", "more"])
def test_what_is_no_cell_is_named_once_and_computed_again(cli, rendered, out, numbers, kinds):
    before, files = numbers(out), sorted((out / "cells").glob("*.json"))
    shutil.copy(files[-1], out / "kept.json")
    damaged = dict(zip(kinds, files, strict=False))
    for name, file in damaged.items():
        kinds[name](file)
    status, text, err = cli(*words(rendered, out))
    assert status == 0 and f"{len(kinds)} of {len(files)} cells computed now" in text
    for name, file in damaged.items():
        assert err.count(str(file)) == 1, name
    assert err.count("counts as missing") == err.count("\n") == len(kinds)
    for file in (out / "cells").glob("*.moved-*"):
        file.rmdir()
    assert numbers(out) == before
    status, text, err = cli(*words(rendered, out))
    assert (status, err) == (0, "") and f"0 of {len(files)} cells computed now" in text


def test_a_plan_counts_what_a_run_would_compute(cli, rendered, out):
    FIELDS["future format"](min((out / "cells").glob("*.json")))
    assert "18 cells, 1 missing" in cli(*words(rendered, out), "--dry-run")[1]


def test_fields_of_other_versions_are_kept(cli, rendered, out):
    file = min((out / "cells").glob("*.json"))
    changed(shortfall={"wanted": 3, "why": ["few"]}, fallback="none", keyframes__fallback="none")(file)
    status, text, err = cli(*words(rendered, out))
    assert (status, err) == (0, "") and "0 of 18 cells computed now" in text
    assert '"shortfall":{"' in (out / "results.jsonl").read_text()


@pytest.mark.parametrize("kind", ["empty", "folder", "pipe", "foreign", "wrong"])
def test_records_of_videos_are_repaired(cli, rendered, out, kind):
    file, other = sorted((out / "videos").glob("*.json"))[:2]
    before = json.loads(file.read_text())
    foreign = {"foreign": lambda f: f.write_text(other.read_text()), "wrong": changed(change__times=None)}
    (FILES | foreign)[kind](file)
    status, _, err = cli(*words(rendered, out))
    assert status == 0 and err.count(str(file)) == 1
    assert json.loads(file.read_text()) == before
    assert cli(*words(rendered, out))[::2] == (0, "")


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


def test_what_one_process_claims_no_other_can_until_it_is_killed(tmp_path):
    text = (
        "import sys, time; from pathlib import Path; from keyframe_bench.core.files import claimed\n"
        "with claimed(Path(sys.argv[1]), ['a', 'b']) as mine:\n    print(mine, flush=True); time.sleep(600)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", text, tmp_path / "claims"], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "['a', 'b']\n"
    with claimed(tmp_path / "claims", ["b", "c"]) as mine:
        assert mine == ["c"]
    other.kill()
    with claimed(tmp_path / "claims", ["b", "a"], wait=True) as mine:
        assert mine == ["a", "b"]
    other.communicate()
