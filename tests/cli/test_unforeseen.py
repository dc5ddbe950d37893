"""Whatever goes wrong is one sentence: status 2 for bad input, 1 and a log for what nobody foresaw."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.files import file_name
from keyframe_bench.datasets._annotations import read_annotations

DIGITS = "9" * 5000
VALUES = [
    "", "nan", "-1", "1e24", "1e400", "9" * 25, "9" * 401, DIGITS, "[]", "{}", "{a:1}", "a=b", "'", "null", "${x}",
    "x" * 300, "[" * 3000 + "]" * 3000, "{a:" * 800 + "1" + "}" * 800, "[" * 300 + "]" * 300, "１２", "*",
    "/dev/null/x",
]  # fmt: skip
COMMANDS = {
    "extract VIDEO extractor=pixel_distance out=OUT": (
        "budget sampling seed extractor extractor.factor clips clips.quiet_s weights bogus"
    ),
    "explain VIDEO extractor=pixel_distance": "frame time budget",
    "run dataset=folder dataset.root=VIDEOS extractors=[uniform] out=OUT --dry-run": (
        "dataset dataset.root extractors grid.pixel_distance.factor budget seeds limit on_error "
        "cache_gb executor executor.n_jobs"
    ),
    "train extractor=autoencoder dataset=folder dataset.root=none": (
        "trainer.network trainer.width trainer.loss dataset dataset.root trainer trainer.epochs init seed"
    ),
    "table main --from RESULTS": "scale dataset seeds",
    "perf --from RESULTS": "repeats",
}
WORDS = [
    "VALUE", "extract VALUE extractor=uniform", "results diff VALUE VALUE", "results diff a b --tolerance VALUE",
    "table VALUE", "table main --from VALUE", "check VALUE", "list --plugin VALUE", "check --plugin VALUE",
    "cache VALUE", "perf --from VALUE", "new VALUE=",
]  # fmt: skip


@pytest.mark.parametrize("line", [*COMMANDS, *WORDS])
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_hostile_values_are_one_sentence(cli, rendered, tmp_path, monkeypatch, line, every):
    """With ``every`` third value, each option meets others than the one before it."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    names = {"VIDEO": rendered / "static.mp4", "VIDEOS": rendered, "RESULTS": "none.jsonl", "OUT": tmp_path / "out"}
    words = [re.sub("VIDEOS?|RESULTS|OUT", lambda found: str(names[found[0]]), word) for word in line.split()]
    for number, option in enumerate(COMMANDS.get(line, "").split() or [None]):
        for value in VALUES[number % every :: every if option else 1]:
            given = [word.replace("VALUE", value) for word in words]
            given += [] if option is None else [f"{option}={value}"]
            status, _, err = cli(*given)
            assert status in (0, 1, 2) and "Traceback" not in err and len(err) < 2500, given
            assert status == 0 or not err or err.count("keyframe-bench: error: ") <= 1, given
            assert status != 1 or "the traceback is in" in err, given


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no disk that is always full")
@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["extract", "VIDEO", "extractor=uniform", "out=x"]])
def test_a_full_disk_behind_the_output_is_told(rendered, tmp_path, words):
    environment = {**os.environ, "KEYFRAME_BENCH_CACHE": str(tmp_path / "cache")}
    words = [str(rendered / "static.mp4") if word == "VIDEO" else word for word in words]
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
    with open("/dev/full", "wb") as disk:
        done = subprocess.run(program, stdout=disk, stderr=subprocess.PIPE, check=False, cwd=tmp_path, env=environment)
    err = done.stderr.decode()
    assert done.returncode == 1 and err.count("\n") == 1 and "No space left" in err
    (log,) = (tmp_path / "cache" / "logs").iterdir()
    assert str(log) in err and "Traceback" in log.read_text()


def test_the_log_never_fails_itself(cli, monkeypatch, tmp_path):
    """A cache that cannot be written, then nothing at all."""
    from keyframe_bench.cli import cache_command

    def broken(_):
        raise RuntimeError("nobody \udcff foresaw\nthis")

    monkeypatch.setattr(cache_command, "run", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "file"))
    status, _, err = cli("cache")
    assert status == 1 and err.count("\n") == 1 and "RuntimeError: nobody" in err
    (log,) = tmp_path.glob("error-*.log")
    assert str(log) in err and "in broken" in log.read_text()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    status, _, err = cli("cache")
    assert status == 1 and err.count("\n") == 1 and "could not be written" in err


def test_a_plug_in_that_ends_the_program_outside_of_a_run(cli, rendered, tmp_path, own_registry, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "ends.py").write_text(
        "import sys\nimport keyframe_bench as kb\n\n\n@kb.register('ends_of_tests')\nclass Ends(kb.Extractor):\n"
        "    reference = 'none'\n    budget_rule = 'none'\n\n    def select(self, clip, k=None, *, rng):\n"
        "        sys.exit(0)\n"
    )
    words = [f"--plugin={tmp_path}/ends.py", f"out={tmp_path}/out"]
    status, _, err = cli("extract", rendered / "static.mp4", "extractor=ends_of_tests", *words)
    assert status == 1 and err.count("\n") == 1 and "sys.exit(0)" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["n" * 251, "é" * 125 + "n"])
def test_a_name_of_255_bytes_gets_a_shorter_folder(cli, rendered, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    video = tmp_path / f"{name}.mp4"
    video.write_bytes((rendered / "static.mp4").read_bytes())
    assert len(os.fsencode(video.name)) == 255
    assert cli("extract", video.name, "extractor=uniform", "budget=2")[0] == 0
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert len(json.loads((folder / "keyframes.json").read_text())["frames"]) == 2
    names = [file_name("x" * 250 + end) for end in ("a", "b")]
    assert names[0] != names[1] and max(map(len, names)) <= 200 and file_name("as it is") == "as it is"


def test_annotation_files_that_are_hostile(tmp_path):
    """A duplicate key among 60,000 is found in linear time, a time must be a number, and a pipe stops nobody."""
    file, start = tmp_path / "a.json", '{"format": "keyframe_bench/annotations@1", "videos": '
    lines = ",".join(f'"{n}.mp4": {{"users": {{}}}}' for n in [*range(60_000), 59_999])
    file.write_text(f"{start}{{{lines}}}}}")
    begun = time.process_time()
    with pytest.raises(UsageError, match=r"'59999.mp4' appears twice"):
        read_annotations(file)
    assert time.process_time() - begun < 3
    for time_s in ("9" * 401, DIGITS, "1e300", "1e400"):
        file.write_text(f'{start}{{"a.mp4": {{"users": {{"anna": {{"times": [{time_s}]}}}}}}}}}}')
        with pytest.raises(UsageError):
            read_annotations(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UsageError, match="not a regular file"):
        read_annotations(file)


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{a: " * 3000, f"rows: {DIGITS}", "a: 1\n" * 3])
def test_a_table_that_is_no_yaml(cli, tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    status, out, err = cli("table", tmp_path / "mine.yaml")
    assert (status, out, err.count("\n")) == (2, "", 1) and "table mine" in err
