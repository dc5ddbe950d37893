"""Whatever is wrong with a command: one sentence that says so, exit status 2, and nothing is written."""

import ctypes
import json
import os
import stat
import subprocess
import sys

import pytest

VIDEO_CASES = [
    # budget
    ("budget=0", "budget=0 is not a positive budget"),
    ("budget=-1", "budget=-1 is not a positive budget"),
    ("budget=1.5", "budget=1.5"),
    ("budget=abc", "budget=abc"),
    ("budget=", "8"),
    ("budget=null", "budget=None"),
    ("budget=true", "budget=True"),
    ("budget=nan", "budget=nan"),
    ("budget=0%", "budget=0%"),
    ("budget=101%", "budget=101%"),
    ("budget=0/min", "budget=0/min"),
    ("budget=[4,8]", "budget=[4, 8]"),
    ("budget={a:1}", "budget={'a': 1}"),
    ("budget=4,8", "several values"),
    ("budget=" + "9" * 400, "budget="),
    # sampling
    ("sampling=0fps", "sampling=0fps is not a sampling"),
    ("sampling=-1fps", "sampling=-1fps"),
    ("sampling=every0", "sampling=every0"),
    ("sampling=5", "sampling=5"),
    ("sampling=" + "9" * 400 + "fps", "sampling="),
    ("sampling=[2fps]", "sampling="),
    # seed
    ("seed=-1", "seed=-1 is not a whole number"),
    ("seed=1.5", "seed=1.5"),
    ("seed=abc", "seed='abc'"),
    ("seed=[1]", "seed=[1]"),
    ("seed=null", "seed=None"),
    ("seed=true", "seed=True"),
    # extractor and its parameters
    ("extractor=pixl_distance", "did you mean pixel_distance"),
    ("extractor=", "unknown extractor ''"),
    ("extractor=[uniform]", "extractor is one name"),
    ("extractor=null", "extractor is one name"),
    ("extractor={a:1}", "extractor is one name"),
    ("extractor=uniform,random", "several values"),
    ("extractor.name=random", "extractor=NAME"),
    ("extractor.treshold=mean", "did you mean threshold"),
    ("extractor.threshold=median", "one of mean"),
    ("extractor.factor=abc", "factor='abc' is not a number"),
    ("extractor.factor=-1", "factor=-1"),
    ("extractor.factor=true", "factor=True"),
    ("extractor.level=256", "between 0 and 255"),
    ("extractor.window_s=nan", "window_s=nan"),
    ("extractor.window_s=[1]", "window_s=[1]"),
    ("extractor.factor.x=1", "factor"),
    ("extractor=oracle", "annotations"),
    ("weights=nowhere.safetensors", "no parameter 'weights'"),
    # options and flags
    ("bugdet=8", "did you mean budget="),
    ("checkpoint=x", "did you mean extractor.checkpoint="),
    ("+foo=1", "foo"),
    ("++foo=1", "unknown option foo="),
    ("+budget=8", "budget=VALUE"),
    ("~budget", "'~budget'"),
    ("a.b.c=1", "unknown option a.b.c="),
    ("extractor@x=uniform", "extractor"),
    ("--foo", "unknown option '--foo'"),
    ("-m", "unknown option '-m'"),
    ("--json", "unknown option '--json'"),
    ("other.mp4", "'other.mp4' is not key=value"),
    ("dataset.root=x", "extract takes no dataset.root="),
    ("hydra.run.dir=x", "keyframe-bench run -m"),
    ("--plugin", "--plugin needs the path"),
    ("--plugin=nowhere.py", "'nowhere.py' does not exist"),
    # Hydra's grammar
    ("budget=[1,", "budget=[1, has a value"),
    ("key==x", "key==x has a value"),
    ("=x", "'=x' is not key=value"),
    ("budget=${x}", "budget: Interpolation key 'x' not found"),
    # out
    ("out=", "out= is empty"),
]

RUN_CASES = [
    ("extractors=[]", "extractors=[] is empty"),
    ("extractors=pixl_distance", "did you mean pixel_distance"),
    ("extractors=[uniform,pixl_distance]", "did you mean pixel_distance"),
    ("extractors=", "unknown extractor ''"),
    ("extractors=null", "extractors=None"),
    ("extractors=[1]", "extractors=[1]"),
    ("extractors={a:1}", "extractors={'a': 1}"),
    ("extractors=[uniform,", "extractors=[uniform,"),
    ("extractors=uniform,vsumm", "brackets"),
    ("extractors=[oracle]", "has none"),
    ("budget=0", "budget=0"),
    ("budget=[4,0]", "budget=0"),
    ("budget=[]", "budget=[] is empty"),
    ("budget=[[4]]", "budget=[4]"),
    ("budget=4,8", "brackets"),
    ("budget=free extractors=[random]", "free budget"),
    ("seeds=[-1]", "seeds=-1"),
    ("seeds=[]", "seeds=[] is empty"),
    ("seeds=abc", "seeds='abc'"),
    ("seeds=[1.5]", "seeds=1.5"),
    ("seeds=[true]", "seeds=True"),
    ("seeds={a:1}", "seeds={a:1}"),
    ("sampling=0fps", "sampling=0fps"),
    ("on_error=maybe", "raise, warn, skip"),
    ("on_error=null", "raise, warn, skip"),
    ("executor=slurm", "known are loky, ray, serial"),
    ("executor=null", "executor is one name"),
    ("executor.n_jobs=0", "executor.n_jobs=0"),
    ("executor.n_jobs=two", "executor.n_jobs='two'"),
    ("executor.n_jobs=2", "add executor=loky"),
    ("executor=loky executor.n_jobs=-1", "executor.n_jobs=-1"),
    ("executor=loky executor.n_jobs=null", "executor.n_jobs=None"),
    ("executor.threads=0", "executor.threads=0"),
    ("executor.foo=1", "it has n_jobs"),
    ("executor=loky executor.address=auto", "executor=loky has no option 'address'"),
    ("executor=ray executor.address=''", "executor.address=''"),
    ("executor=ray executor.address=nowhere", "ray start --head"),
    ("executor.name=loky", "executor=NAME"),
    ("dataset=foldr", "did you mean folder"),
    ("dataset=null", "dataset is one name"),
    ("dataset.foo=1", "no parameter 'foo'"),
    ("dataset.name=synthetic", "dataset=NAME"),
    ("dataset.pattern=*.nothing", "matches pattern"),
    ("dataset.annotations=nowhere.json", "'nowhere.json' cannot be read"),
    ("dataset.root=", "dataset.root= is empty"),
    ("dataset.root=nowhere", "'nowhere' does not exist"),
    ("dataset.root=${x}", "'${x}' does not exist"),
    ("grid.pixl_distance.factor=[1]", "did you mean pixel_distance"),
    ("grid.pixel_distance.fctor=[1]", "no parameter 'fctor'"),
    ("grid.pixel_distance.factor=[]", "is empty"),
    ("grid.pixel_distance.factor=[1,abc]", "factor='abc'"),
    ("grid.pixel_distance.factor={a:1}", "factor={'a': 1}"),
    ("grid.pixel_distance.factor=[1,", "grid.pixel_distance.factor=[1,"),
    ("grid.pixel_distance.factor.x=1", "grid.<extractor>.<parameter>"),
    ("grid.pixel_distance=1", "grid.<extractor>.<parameter>"),
    ("grid=1", "grid.<extractor>.<parameter>"),
    ("extractors=[uniform] grid.pixel_distance.factor=[1]", "not among extractors=uniform"),
    ("extractors=[uniform] weights=x", "none of uniform has weights"),
    ("extractors=[embedding_kmeans] weights=nowhere.safetensors", "'nowhere.safetensors' does not exist"),
    ("weights=nowhere.safetensors", "'nowhere.safetensors' does not exist"),
    ("extractor.weights=x", "weights=FILE"),
    ("extractor=uniform", "extractors='[a,b]'"),
    ("extractor.threshold=mean", "grid.<extractor>.<parameter>"),
    ("key==x", "key==x"),
    ("foo=1", "unknown option foo="),
    ("hydra/launcher=joblib", "run -m"),
    ("clip.mp4", "'clip.mp4' is not key=value"),
    ("--foo", "unknown option '--foo'"),
    ("--dry-run -m", "leave out -m"),
    ("--dry-run budget=0", "budget=0"),
    # sweeps: told before the first job starts
    ("-m budget=4,0", "budget=0"),
    ("-m budget=range(0,3)", "budget=0"),
    ("-m budget=[1,", "budget=[1,"),
    ("-m seeds=0,-1", "seeds=-1"),
    ("-m extractors=uniform,pixl_distance", "did you mean pixel_distance"),
    ("-m grid.pixel_distance.factor=1,abc", "factor='abc'"),
    ("-m grid.pixel_distance.fctor=1,2", "no parameter 'fctor'"),
    ("-m dataset=foldr,folder", "did you mean folder"),
    ("-m executor=slurm,loky", "known are loky, ray, serial"),
    ("-m foo=1,2", "unknown option foo="),
    ("-m on_error=maybe budget=4,8", "raise, warn, skip"),
    ("-m hydra/launcher=nothing", "there are basic, joblib"),
    ("-m hydra.sweep.foo=1", "hydra.sweep.foo"),
]

OTHER_CASES = [
    ("frobnicate", "commands are list, extract, explain"),
    ("--frobnicate", "commands are"),
    ("list budget=8", "list takes no options"),
    ("list unifrm", "did you mean uniform"),
    ("list uniform vsumm", "'vsumm'"),
    ("list --foo", "--json"),
    ("extract", "extract needs a video"),
    ("extract budget=8", "extract needs a video"),
    ("extract no=such.mp4", "must be that of an existing file"),
    ("check", "check needs a name"),
    ("check unifrm", "did you mean uniform"),
    ("check uniform vsumm", "'vsumm'"),
    ("check uniform extractor.every_s=-1", "every_s=-1"),
    ("check uniform extractor.evry_s=1", "did you mean every_s"),
    ("check uniform out=x", "check takes no out="),
    ("check --plugin nowhere.py", "'nowhere.py' does not exist"),
    ("new", "new needs a name"),
    ("new 1abc", "'1abc' cannot name"),
    ("new uniform", "exists already"),
    ("new numpy", "importable module"),
    ("new my_method budget=8", "new takes no options such as budget="),
]


@pytest.fixture
def refused(cli, tmp_path, monkeypatch, snapshot):
    """Run a command that must be refused, in an empty working folder, and return its sentence."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*arguments):
        before = snapshot(tmp_path)
        status, out, err = cli(*arguments)
        assert (status, out) == (2, ""), err
        assert err.startswith("keyframe-bench: error: ") and err.endswith("\n")
        assert err.count("\n") == 1 and "Traceback" not in err
        assert snapshot(tmp_path) == before, "something was written"
        return err

    return run


@pytest.mark.parametrize(("arguments", "says"), VIDEO_CASES)
def test_extract_refuses(refused, video, arguments, says):
    assert says in refused("extract", video, *arguments.split(" "))


@pytest.mark.parametrize(("arguments", "says"), RUN_CASES)
def test_run_refuses(refused, rendered, arguments, says):
    words = arguments.split(" ")
    start = [] if any(w.startswith("dataset=") for w in words) else ["dataset=folder"]
    assert says in refused("run", *start, f"dataset.root={rendered}", "out=result", *words)


@pytest.mark.parametrize(("arguments", "says"), OTHER_CASES)
def test_other_commands_refuse(refused, arguments, says):
    assert says in refused(*arguments.split(" "))


def test_version(cli):
    import keyframe_bench

    assert cli("--version") == (0, f"{keyframe_bench.__version__}\n", "")


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


def test_video_name_longer_than_the_system_allows(refused):
    assert "cannot read video" in refused("extract", "x" * 5000 + ".mp4")


@pytest.mark.parametrize("command", ["extract", "run"])
@pytest.mark.parametrize("place", ["file", "file/below", "/dev/null", "/proc/nowhere"])
def test_output_that_cannot_be_a_folder(refused, tmp_path, video, rendered, command, place):
    (tmp_path / "file").write_text("mine")
    out = place if place.startswith("/") else tmp_path / place
    words = [video] if command == "extract" else ["dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]"]
    assert f"cannot write {str(out)!r}" in refused(command, *words, f"out={out}")


def _as_an_ordinary_user():
    """Take away from root what ignores permissions; for others nothing is to be done."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP, in force after exec
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def locked(tmp_path):
    """A folder without write permission."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield folder
    folder.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("kind", ["extract", "run"])
def test_folder_without_permission(command, snapshot, locked, video, rendered, kind):
    words = [video] if kind == "extract" else ["dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]"]
    before = snapshot(locked)
    for out in (locked, locked / "new"):
        done = command(kind, *words, f"out={out}", preexec_fn=_as_an_ordinary_user)
        err = done.stderr.decode()
        assert (done.returncode, err.count("\n")) == (2, 1), err
        assert f"cannot write {str(out)!r}: Permission denied" in err
    assert snapshot(locked) == before


def test_files_without_permission(command, folder):
    secret = folder / "static.mp4"
    secret.chmod(0)
    done = command("extract", secret, preexec_fn=_as_an_ordinary_user)
    assert done.returncode == 2 and b"Permission denied" in done.stderr and done.stderr.count(b"\n") == 1
    words = ("run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", f"out={folder}/out")
    done = command(*words, preexec_fn=_as_an_ordinary_user)
    assert done.returncode == 0, done.stderr
    assert "scored 2 of 3 videos; 1 skipped: static.mp4 (Permission denied)" in done.stdout.decode()


BAD_PLUGINS = {
    "syntax.py": ("def broken(:\n", "SyntaxError"),
    "imports.py": ("import a_package_nobody_has\n", "No module named 'a_package_nobody_has'"),
    "exits.py": ("raise SystemExit(0)\n", "SystemExit"),
    "signature.py": (
        "import keyframe_bench as kb\n\n@kb.register('of_tests')\nclass A(kb.Extractor):\n"
        "    def __init__(self, size): self.size = size\n    def select(self, clip, k=None, *, rng): ...\n",
        "parameter size needs a default",
    ),
    "taken.py": (
        "import keyframe_bench as kb\n\n@kb.register('uniform')\nclass A(kb.Extractor):\n"
        "    def select(self, clip, k=None, *, rng): ...\n",
        "'uniform' is registered twice",
    ),
    "notes.txt": ("no Python", "its name must end in .py"),
}


@pytest.mark.parametrize("name", BAD_PLUGINS)
@pytest.mark.parametrize("kind", ["list", "extract"])
def test_bad_plugin(refused, own_registry, tmp_path, video, name, kind):
    text, says = BAD_PLUGINS[name]
    (tmp_path / name).write_text(text)
    message = refused(kind, *([video] if kind == "extract" else []), "--plugin", tmp_path / name)
    assert says in message and name in message


def test_plugin_folder(refused, tmp_path):
    assert "does not exist" in refused("list", "--plugin", tmp_path)


BAD_ANNOTATIONS = {
    "not JSON": ("{", "not valid JSON"),
    "unknown video": (
        json.dumps({"format": "keyframe_bench/annotations@1", "videos": {"cut.mp4": {}}}),
        "did you mean 'cuts.mp4'",
    ),
}


@pytest.mark.parametrize("case", BAD_ANNOTATIONS)
def test_bad_annotation_file(refused, folder, tmp_path, case):
    text, says = BAD_ANNOTATIONS[case]
    (folder / "annotations.json").write_text(text)
    assert says in refused("run", "dataset=folder", f"dataset.root={folder}", "out=result")


def test_empty_data_set(refused, tmp_path):
    (tmp_path / "notes.txt").touch()
    assert "there is no video below" in refused("run", "dataset=folder", f"dataset.root={tmp_path}", "out=result")
    assert "needs the folder" in refused("run", "dataset=folder", "out=result")


def test_errors_stay_one_line_for_any_name(refused, tmp_path, video):
    """A name with a line break or an escape sequence cannot forge a second line or colour the terminal."""
    message = refused("extract", tmp_path / "a\nkeyframe-bench: done\x1b[31m.mp4")
    assert "\x1b" not in message


@pytest.mark.parametrize("words", [["list"], ["extract"]])
def test_reader_of_the_output_may_go_away(video, tmp_path, words):
    """``keyframe-bench list | head -1`` ends quietly."""
    more = [str(video), f"out={tmp_path}/out"] if words == ["extract"] else []
    program = [sys.executable, "-m", "keyframe_bench.cli.main", *words, *more]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_no_stray_folders_after_all(tmp_path, monkeypatch, cli, video):
    """Hydra's own outputs/ and multirun/ folders are off."""
    monkeypatch.chdir(tmp_path)
    assert cli("extract", video, "out=result")[0] == 0
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
