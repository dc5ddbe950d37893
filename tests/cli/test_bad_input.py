"""Whatever is wrong with a command: one sentence that says so, exit status 2, and nothing is written."""

import ctypes
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

# The sentence names the option and the value, and the way out.
NAMED = {
    "extract VIDEO": (
        "budget=0 budget=-1 budget=1.5 budget=abc budget=null budget=true budget=nan budget=0% budget=101% "
        "budget=0/min budget=[4,8] budget={a:1} budget=4,8 budget=[1, budget=${x} sampling=0fps sampling=-1fps "
        "sampling=every0 sampling=5 sampling=[2fps] seed=-1 seed=1.5 seed=abc seed=[1] seed=null seed=true extractor= "
        "extractor=[uniform] extractor=null extractor={a:1} extractor=uniform,random extractor.name=random "
        "extractor.threshold=median extractor.factor=abc extractor.factor=-1 extractor.factor=true extractor.level=256 "
        "extractor.window_s=nan extractor.window_s=[1] extractor.factor.x=1 weights=nowhere.safetensors +foo=1 ++foo=1 "
        "+budget=8 ~budget a.b.c=1 extractor@x=uniform --foo -m --json other.mp4 dataset.root=x --plugin key==x =x "
        "out= clips=maybe clips.quiet_s=-3 clips.quiet_s=soon clips.quiet_s=1,2 clips.quiet_s= fps=fast "
        "budget=shots budget=users"
    ),
    "explain VIDEO frame=3": "frame=abc frame=1.5 frame= frame=-1 budget=none budget=users out=x rate=2",
    "explain VIDEO": "time=soon time=inf",
    "run dataset=folder dataset.root=VIDEOS out=result": (
        "extractors=[] extractors=null extractors=[1] extractors={a:1} extractors=[uniform, "
        "extractors=uniform,vsumm budget=0 budget=[4,0] budget=[] budget=[[4]] budget=4,8 seeds=[-1] seeds=[] "
        "seeds=abc seeds=[1.5] seeds=[true] seeds={a:1} sampling=0fps on_error=maybe on_error=null executor=null "
        "executor.n_jobs=0 executor.n_jobs=two executor.threads=0 executor.name=loky dataset=null dataset.foo=1 "
        "dataset.name=synthetic dataset.pattern=*.nothing dataset.annotations=nowhere.json dataset.root= "
        "dataset.root=nowhere dataset.root=${x} dataset.fps=-1 cache_gb=-1 cache_gb=inf cache_gb=many "
        "cache_gb=null cache_gb=true cache_gb=[1] cache_gb=1e300 grid.pixel_distance.fctor=[1] "
        "grid.pixel_distance.factor=[] grid.pixel_distance.factor=[1,abc] grid.pixel_distance.factor={a:1} "
        "grid.pixel_distance.factor=[1, grid.pixel_distance.factor.x=1 grid.pixel_distance=1 grid=1 "
        "weights=nowhere.safetensors extractor.weights=x extractor=uniform extractor.threshold=mean key==x foo=1 "
        "hydra/launcher=joblib clip.mp4 --foo budget=[4,shots] budget=users"
    ),
    "run -m dataset=folder dataset.root=VIDEOS out=result": (  # told before the first job starts
        "budget=4,0 budget=range(0,3) budget=[1, seeds=0,-1 grid.pixel_distance.factor=1,abc "
        "grid.pixel_distance.fctor=1,2 foo=1,2 on_error=maybe hydra.sweep.foo=1 --dry-run"
    ),
    "list": "budget=8 --foo",
    "cache": "clean out=x --all cache_gb=1",
    "check uniform": "vsumm extractor.every_s=-1 out=x",
    "new my_method": "budget=8",
    "results diff VIDEOS": "--tolerance --verbose budget=8",
    "perf VIDEO": (
        "repeats=0 repeats=2 repeats=3.5 repeats=abc repeats=3,4 extractors=[] extractors=[1] budget=0 sampling=0fps "
        "seeds=[0] out=here +repeats=3 --peer --into=page.md budget=shots"
    ),
    "train extractor=autoencoder dataset=folder dataset.root=VIDEO dataset.camera=true out=result": (
        "trainer.geometry=0.33 trainer.loss=[l2,mix] trainer.resize=squash dataset.m=2 dataset.root= trainer=fast "
        "trainer.epochs=0 logger=tensorboard logger.mode=offline seed=-1 seed=1,2 split=randomly split=kfold:3 "
        "split=/missing.json fold=1 fold=x sampling=often limit=0 limit=some limit_validation=-3 cache_gb=-1 "
        "cache_gb=1e300 split_seed=-1 grid.uniform.phase=1 weights=x init= init=/missing.safetensors "
        "hydra.verbose=true extractor.checkpoint=x"
    ),
    "table platform_ai/counts": "scale=huge budget=3 --from",
}
WAY_OUT = re.compile(
    r"; | is not (a|an|one|all|grid|text|true)\b|[A-Z]{4}|give one value|several values need|such as|needs |leave |"
    r"cannot (be )?read|run takes|for sweeps"
)
# What it says besides.
SAID = [
    ("extract VIDEO extractor=pixl_distance", "did you mean pixel_distance"),
    ("extract VIDEO extractor.treshold=mean", "did you mean threshold"),
    ("extract VIDEO extractor=oracle", "annotations"),
    ("extract VIDEO bugdet=8", "did you mean budget="),
    ("extract VIDEO checkpoint=x", "did you mean extractor.checkpoint="),
    ("extract VIDEO hydra.run.dir=x", "run -m"),
    ("extract VIDEO --plugin=nowhere.py", "'nowhere.py' does not exist"),
    ("extract VIDEO clips.quiet=3", "did you mean quiet_s"),
    ("extract", "needs a video"),
    ("extract no=such.mp4", "must be that of an existing file"),
    (f"extract {'x' * 5000}.mp4", "cannot read video"),
    ("extract VIDEO fps=25", "cuts.mp4' is a file"),
    ("explain VIDEO frame=3 time=1", "needs one frame"),
    ("explain VIDEO", "needs one frame"),
    ("explain VIDEO frame=30", "its last frame is 29"),
    ("explain VIDEO frame=3 extractor=uniform budget=inferred", "inferred budget"),
    ("run RUN extractors=[oracle]", "has none"),
    ("run RUN extractors=", "unknown extractor ''"),
    ("run RUN budget=free extractors=[random]", "free budget"),
    ("run RUN executor=slurm", "choose from loky, ray, serial"),
    ("run RUN executor.n_jobs=2", "add executor=loky"),
    ("run RUN executor=loky executor.n_jobs=null", "executor.n_jobs=None"),
    ("run RUN executor.foo=1", "it has n_jobs"),
    ("run RUN executor=loky executor.address=auto", "'address'"),
    ("run RUN executor=ray executor.address=''", "executor.address=''"),
    ("run RUN executor=ray executor.address=nowhere", "ray start --head"),
    ("run RUN dataset=foldr", "did you mean folder"),
    ("run RUN dataset.fps=5", "leave them out"),
    ("run RUN grid.pixl_distance.factor=[1]", "did you mean pixel_distance"),
    ("run RUN extractors=[uniform] grid.pixel_distance.factor=[1]", "not among extractors=uniform"),
    ("run RUN extractors=[uniform] weights=x", "none of uniform has weights"),
    ("run RUN extractors=[embedding_kmeans] weights=nowhere.safetensors", "does not exist"),
    ("run RUN -m extractors=uniform,pixl_distance", "did you mean pixel_distance"),
    ("run RUN -m hydra/launcher=nothing", "choose from basic, joblib"),
    ("run dataset=folder out=result", "needs the folder"),
    ("run RUN extractor=uniform", "did you mean extractors="),
    ("run RUN --budget 5", "write budget=5\n"),
    ("run RUN --out=there", "write out=there\n"),
    ("run RUN --columns budget=4", "write columns=VALUE\n"),
    ("run RUN --dryrun", "did you mean --dry-run\n"),
    ("extract VIDEO --extractors vsumm", "did you mean extractor=\n"),
    ("frobnicate", "commands are list, extract, explain"),
    ("extrct VIDEO", "did you mean extract, export\n"),
    ("list unifrm", "did you mean uniform"),
    ("list uniform vsumm", "'vsumm'"),
    ("check", "needs a name"),
    ("new", "needs a name"),
    ("perf", "needs a video"),
    ("perf VIDEO extractors=[oracle]", "annotations"),
    ("perf VIDEO extractors=[katna]", "--peers"),
    ("perf VIDEO extractors=[uniform] weights=random", "has weights"),
    ("perf VIDEO extractors=[uniform] extractor.checkpoint=x", "none of the extractors learns"),
    ("perf VIDEOS", "it is a folder"),
    ("results", "results diff A B"),
    ("results difference a b", "diff"),
    ("results diff a", "two results"),
    ("results diff a missing", "cannot read"),
    ("results diff VIDEOS VIDEOS --tolerance=-1", "--tolerance '-1'"),
    ("table platform_ai/count", "did you mean platform_ai/counts"),
    ("table chen2021/_data", "unknown table"),
    ("table platform_ai/counts --from VIDEOS", "results.jsonl"),
    ("table platform_ai/counts --from x scale=cpu", "leave out scale="),
    ("table platform_ai/counts limt=2", "did you mean limit="),
    ("table platform_ai/counts data.films=x", "takes no data.films="),
    ("table missing.yaml", "cannot read 'missing.yaml'"),
    ("train", "extractor=NAME"),
    ("train extractor=vsumm", "'vsumm' does not learn; those that do are autoencoder"),
    ("train extractor=autoencoder trainer.network=ae_finel", "unknown network 'ae_finel'"),
    ("train extractor=autoencoder trainer.widht=1", "did you mean width"),
    ("train extractor=autoencoder sed=1", "did you mean seed="),
    ("train extractor=autoencoder epochs=1", "did you mean trainer.epochs="),
    ("train network=p1_1 data=images", "did you mean trainer.network="),
]


@pytest.fixture
def refused(cli, tmp_path, monkeypatch, snapshot, rendered):
    """Run a command that must be refused, in an empty working folder, and return its sentence."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    names = {"VIDEO": [rendered / "cuts.mp4"], "VIDEOS": [rendered], "CLIPS": [f"dataset.root={rendered}"]}
    names["RUN"] = ["dataset=folder", f"dataset.root={rendered}", "out=result"]

    def run(line, *more):
        before = snapshot(tmp_path)
        words = [part for word in line.split(" ") for part in names.get(word, [word])]
        words = [
            str(w).replace("=VIDEOS", f"={rendered}").replace("=VIDEO", f"={rendered / 'cuts.mp4'}") for w in words
        ]
        status, out, err = cli(*words, *more)
        assert (status, out) == (2, ""), err
        assert err.startswith("keyframe-bench: error: ") and err.endswith("\n")
        assert err.count("\n") == 1 and "Traceback" not in err
        assert snapshot(tmp_path) == before, "something was written"
        return err

    return run


@pytest.mark.parametrize(("line", "word"), [(line, word) for line, words in NAMED.items() for word in words.split(" ")])
def test_the_sentence_names_option_value_and_way_out(refused, line, word):
    """Of a list the wrong item is enough, of a file its name, and an option that does not exist needs no value."""
    key, _, value = word.partition("=")
    error = refused(f"{line} {word}")
    plain = re.sub(r"[\s'\"+]", "", error).lower().replace("none", "null")
    value = value.lower().replace("none", "null")
    items = [item for item in (value, *re.findall(r"[^][(){},:$+]+", value)) if item in plain]
    unknown = re.search("has no (option|parameter)|decides|Could not override", error)
    assert key.lstrip("+~").partition("@")[0].rpartition(".")[2] in error or (items and Path(value).suffix)
    assert items or unknown or not value
    assert WAY_OUT.search(error)


@pytest.mark.parametrize(("line", "says"), SAID)
def test_what_is_wrong_is_told(refused, line, says):
    assert says in refused(line)


def test_unreadable_videos(refused, tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to("nowhere.mp4")
    cases = {
        "none.mp4": "no such file",
        "link.mp4": "no such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "no video container",
        "pipe.mp4": "not a regular file",
        "here": "it is a folder; use keyframe-bench run dataset=folder dataset.root=DIR",
    }
    for name, reason in cases.items():
        path = tmp_path / name
        message = refused("extract", path)
        assert f"cannot read video {str(path)!r}" in message and reason in message
    assert "the file is empty" in refused("perf", tmp_path / "empty.mp4")


@pytest.mark.parametrize("line", ["extract VIDEO", "run RUN extractors=[uniform]"])
def test_output_that_cannot_be_a_folder(refused, tmp_path, line):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/dev/null", "/proc/nowhere"):
        error = refused(line, f"out={out}")
        assert f"cannot write {str(out)!r}" in error and "make room" not in error
        assert out == "/proc/nowhere" or "is a file, not a folder" in error


def _as_an_ordinary_user():
    """Take away from root what ignores permissions; for others nothing is to be done."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP, in force after exec
                raise OSError(ctypes.get_errno(), "prctl")


def test_without_permission(command, snapshot, tmp_path, folder):
    """Folders that cannot be written, and a video that cannot be read."""
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "mine.txt").write_text("mine")
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = snapshot(locked)
    run = ("run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]")
    for words, out in ((("extract", folder / "cuts.mp4"), locked), (run, locked / "new")):
        done = command(*words, f"out={out}", preexec_fn=_as_an_ordinary_user)
        err = done.stderr.decode()
        assert (done.returncode, err.count("\n")) == (2, 1), err
        assert f"cannot write {str(out)!r}: Permission denied" in err
    assert snapshot(locked) == before
    locked.chmod(stat.S_IRWXU)
    (folder / "static.mp4").chmod(0)
    done = command("extract", folder / "static.mp4", preexec_fn=_as_an_ordinary_user)
    assert done.returncode == 2 and b"Permission denied" in done.stderr and done.stderr.count(b"\n") == 1
    done = command(*run, f"out={folder}/out", preexec_fn=_as_an_ordinary_user)
    assert done.returncode == 0, done.stderr
    assert "scored 2 of 3 videos; 1 skipped: static.mp4 (Permission denied)" in done.stdout.decode()


BAD_PLUGINS = {
    "syntax.py": ("def broken(:\n", "SyntaxError"),
    "imports.py": ("import a_package_nobody_has\n", "No module named 'a_package_nobody_has'"),
    "exits.py": ("raise SystemExit(0)\n", "SystemExit"),
    "signature.py": (
        "import keyframe_bench as kb\n\n@kb.register('of_tests')\nclass A(kb.Extractor):\n"
        "    def __init__(self, size): self.size = size\n    def select(self, clip, k=None, *, rng): ...\n",
        "parameter size needs a",
    ),
    "notes.txt": ("no Python", "its name must end in .py"),
}


@pytest.mark.parametrize("name", BAD_PLUGINS)
@pytest.mark.parametrize("line", ["list", "extract VIDEO"])
def test_bad_plugin(refused, own_registry, tmp_path, line, name):
    text, says = BAD_PLUGINS[name]
    (tmp_path / name).write_text(text)
    message = refused(line, "--plugin", tmp_path / name)
    assert says in message and name in message
    assert "does not exist" in refused("list", "--plugin", tmp_path)


def test_bad_data_sets(refused, folder, tmp_path):
    run = ("dataset=folder", f"dataset.root={folder}", "out=result")
    unknown = json.dumps({"format": "keyframe_bench/annotations@1", "videos": {"cut.mp4": {}}})
    for text, says in (("{", "not valid JSON"), (unknown, "did you mean cuts.mp4")):
        (folder / "annotations.json").write_text(text)
        assert says in refused("run", *run)
    (tmp_path / "empty").mkdir()
    assert "there is no video below" in refused("run", "dataset=folder", f"dataset.root={tmp_path}/empty", "out=result")


def test_perf_says_before_minutes_of_measuring_that_a_file_cannot_be_written(refused, tmp_path):
    (tmp_path / "page.md").write_text("no markers", "utf-8")
    assert "<!-- perf cuts -->" in refused("perf VIDEO --into", tmp_path / "page.md")
    assert "it is a folder" in refused("perf VIDEO --save", tmp_path)


def test_the_reader_of_the_output_may_go_away(tmp_path):
    """``keyframe-bench list | head -1`` ends quietly."""
    program = [sys.executable, "-m", "keyframe_bench.cli.main", "list", "--json"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
