"""Fixtures every test may use."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: more threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
ARGUMENTS = ["--no-sandbox", "--disable-gpu"] if getattr(os, "geteuid", lambda: 1)() == 0 else ["--disable-gpu"]

# On a busy machine an example may take any time.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure() -> None:
    """Take Ctrl-C as usual: a shell that runs tests in the background has it ignored, by their programs too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.fsync = lambda _: None  # no test cuts the power; waiting for the disk is a good part of the time of many


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data named by $KEYFRAME_BENCH_DATA; the test is skipped, with that reason, without it."""
    root = os.environ.get("KEYFRAME_BENCH_DATA")
    if not root:
        pytest.skip("KEYFRAME_BENCH_DATA is not set (it names a folder of real videos)")
    return Path(root).resolve()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Render demo videos into a folder of this test run, not into the user's cache."""
    os.environ["KEYFRAME_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three small rendered videos, 2 to 4 s of 64 x 48 at 10 frames per second; not to be changed."""
    from keyframe_bench.rendering.films import render_video

    folder = tmp_path_factory.mktemp("rendered")
    for seed, (kind, seconds) in enumerate({"cuts": 3, "mixed": 4, "static": 2}.items()):
        render_video(folder / f"{kind}.mp4", kind, seed, height=48, width=64, fps=10, duration_s=seconds)
    return folder


@pytest.fixture
def video(rendered: Path) -> Path:
    """One small video: 30 frames, three shots."""
    return rendered / "cuts.mp4"


@pytest.fixture
def folder(rendered: Path, tmp_path: Path) -> Path:
    """An own copy of the three small videos."""
    return Path(shutil.copytree(rendered, tmp_path / "videos"))


@pytest.fixture(scope="session")
def annotate() -> Callable[..., None]:
    """Write ``annotations.json`` into a folder: two people who chose key frames of cuts.mp4."""

    def write(folder: Path, anna: tuple[int, ...] = (7, 18), ben: tuple[int, ...] = (5, 26)) -> None:
        users = {"anna": {"frames": list(anna)}, "ben": {"frames": list(ben)}}
        videos = {"cuts.mp4": {"shots": [[0, 14], [14, 23], [23, 30]], "users": users}}
        document = {"format": "keyframe_bench/annotations@1", "videos": videos}
        (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")

    return write


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Forget the plug-ins that a test registers in this process."""
    from keyframe_bench.core import registry
    from keyframe_bench.core.feature import Feature
    from keyframe_bench.datasets.base import Dataset
    from keyframe_bench.extractors.base import Extractor
    from keyframe_bench.metrics.base import Metric
    from keyframe_bench.models.base import Loss, Network
    from keyframe_bench.tables.figure import Figure

    kinds: list[Any] = [kind.registry for kind in (Dataset, Extractor, Feature, Figure, Loss, Metric, Network)]
    before = [kind.entries() for kind in kinds]
    files = dict(registry._loaded_plugins)
    yield
    for kind, entries in zip(kinds, before, strict=True):
        # A paper's figures are registered once, by the first table that asks for them: they stay.
        figures = {name: entry for name, entry in kind._entries.items() if ".experiments." in entry.origin}
        kind._entries = entries | figures
    registry._loaded_plugins.clear()
    registry._loaded_plugins.update(files)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window; the test is skipped, with the reason, where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    reason = "Playwright is not installed (pip install keyframe_bench[dev])"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a new window; its complaints, and what it loads from elsewhere than ``beside``, are failures.

    Other options are those of a Playwright context.
    """
    complaints: list[str] = []
    asked: list[str] = []
    own = ["data:", "blob:"]
    contexts = []

    def visit(address: str, width: int = 1400, beside: Sequence[str] = (), **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **options)
        contexts.append(context)
        own.extend([address, *beside])
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(tuple(own))] == []


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., str]:
    """Return the log of pdflatex over tables; booktabs is the only package. Without a TeX the test is skipped."""

    def run(*tables: str) -> str:
        if (tex := shutil.which("pdflatex")) is None:
            pytest.skip("pdflatex is not installed")
        text = "\n".join(tables)
        page = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{text}\n\\end{{document}}\n"
        (tmp_path / "page.tex").write_text(page, "utf-8")
        command = [tex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
        options: Any = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": 60}
        done = subprocess.run(command, cwd=tmp_path, check=False, **options)
        assert done.returncode == 0, done.stdout[-2000:]
        assert (tmp_path / "page.pdf").stat().st_size > 1000
        return done.stdout

    return run


@pytest.fixture
def usual_picture(own_registry: None) -> type:
    """A method that learns the mean image and draws nothing, registered under this name."""
    import numpy as np

    import keyframe_bench as kb

    @kb.register("usual_picture")
    class Usual(kb.ScoreExtractor, kb.Trainable):
        """Frames unlike the mean image."""

        reference = "none"
        budget_rule = "the k furthest"
        seeded = False

        def __init__(self, checkpoint: str = "") -> None:
            self.checkpoint = checkpoint

        @property
        def needs(self) -> tuple[kb.Feature, ...]:
            return (kb.Gray(height=2, width=2),)

        def fit(self, train: kb.Clips, validation: kb.Clips, session: kb.Session) -> kb.Checkpoint:
            return session.checkpoint({"usual": train.rows(self.needs[0])[:].mean(axis=0)})

        def score(self, clip: kb.Clip) -> Any:
            return np.abs(clip[self.needs[0]] - self.learned().tensors["usual"]).sum(axis=(1, 2))

    return Usual


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: exit status, standard output, standard error."""
    from keyframe_bench.cli.main import main

    monkeypatch.setattr("keyframe_bench.cli.progress.LINE_EVERY_S", math.inf)  # the lines of slow machines

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command line in a process of its own, as a user does; output as bytes."""

    def run(*arguments: object, cwd: Path | None = None, **more: Any) -> subprocess.CompletedProcess[bytes]:
        words = [a if isinstance(a, bytes) else str(a) for a in arguments]
        program = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
        return subprocess.run(program, cwd=cwd, capture_output=True, timeout=300, check=False, **more)

    return run


@pytest.fixture(scope="session")
def cells() -> Callable[[Path], dict[str, dict[str, Any]]]:
    """Read every cell of an output folder by key; a file that is no cell fails the test."""

    def read(out: Path) -> dict[str, dict[str, Any]]:
        found = {}
        for file in sorted((out / "cells").glob("*.json")):
            record = json.loads(file.read_text(encoding="utf-8"))
            assert record["key"] == file.stem
            found[file.stem] = record
        return found

    return read


@pytest.fixture(scope="session")
def numbers(cells: Callable[[Path], dict[str, dict[str, Any]]]) -> Callable[[Path], dict[str, Any]]:
    """Everything in the cells of a folder but when and how fast they were computed."""
    from keyframe_bench.metrics.facts import Cost

    def strip(record: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in record.items() if name not in ("finished", "versions")}
        if kept["keyframes"] is not None:
            kept["keyframes"] = {name: value for name, value in kept["keyframes"].items() if name != "cost"}
        kept["metrics"] = {name: value for name, value in kept["metrics"].items() if name not in Cost.columns}
        return kept

    return lambda out: {key: strip(record) for key, record in cells(out).items()}


@pytest.fixture(scope="session")
def checkpoint_of() -> Callable[..., str]:
    """Write the weights of an auto-encoder as a checkpoint, with the ``numbers`` that go with them; return its path."""

    def write(path: Path, model: Any, **numbers: Any) -> str:
        from keyframe_bench.core.checkpoint import BUNDLED, Checkpoint, read_record
        from keyframe_bench.extractors.autoencoder import Autoencoder

        own = {"network" if name == "name" else name: value for name, value in model.network.params.items()}
        options = Autoencoder.Options.build(own)
        features = [feature.key for feature in Autoencoder().train_needs(options)]
        tensors = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
        own = {"options": options.params, "features": features, "numbers": numbers}
        record = read_record(BUNDLED, "autoencoder") | own
        Checkpoint(tensors, record).write(path)
        return str(path)

    return write


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes | None]]:
    """Every file below a folder with its bytes, and every folder with None."""

    def take(folder: Path) -> dict[str, bytes | None]:
        if not folder.exists():
            return {}
        paths = sorted(folder.rglob("*"))
        return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}

    return take
