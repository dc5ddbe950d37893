"""The commands and the Python of the README and the guides run as they are written, on small rendered videos."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from keyframe_bench.bench import provenance

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/index.md", *(f"docs/guides/{path.name}" for path in sorted(ROOT.glob("docs/guides/*.md"))))
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What a reader may have at full size, and a test may not.
SMALL = {"dataset=synthetic": ["dataset.n_videos=3", "dataset.duration_s=4"]}


PICKS = (("anna", 5), ("anna", 32), ("ben", 6), ("ben", 50))


@pytest.fixture(scope="module")
def reader(rendered, annotate, tmp_path_factory):
    """The folder of a reader: film.mp4, camera.mp4, frames/, videos/ with annotations, lectures/ with picks.csv."""
    import cv2

    from keyframe_bench.rendering.films import render_video

    folder = tmp_path_factory.mktemp("reader")
    annotate(Path(shutil.copytree(rendered, folder / "videos")))
    (folder / "lectures").mkdir()
    for n in range(6):
        film = folder / "lectures" / f"lecture{n}.mp4"
        render_video(film, "cuts", n, height=48, width=64, fps=10, duration_s=6)
    picks = "".join(f"lecture{n}.mp4,{user},{frame}\n" for n in range(6) for user, frame in PICKS)
    (folder / "picks.csv").write_text(f"video,user,frame\n{picks}")
    shutil.copy(rendered / "cuts.mp4", folder / "film.mp4")
    render_video(folder / "camera.mp4", "camera", 0, height=48, width=64, fps=10, duration_s=4)
    (folder / "frames").mkdir()
    film = cv2.VideoCapture(str(folder / "film.mp4"))
    for i in range(20):
        cv2.imwrite(str(folder / "frames" / f"{i}.png"), film.read()[1])
    return folder


def commands(block: str) -> list[str]:
    """Split a block into its commands, continued lines joined."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES)
def test_page_runs_as_written(page, reader, cli, own_registry, monkeypatch):
    monkeypatch.chdir(reader)
    # Results of a checkout with changes, as a developer's may be, are not valid.
    monkeypatch.setattr(provenance, "source_commit", lambda: "0123456789ab")
    for language, block in BLOCK.findall((ROOT / page).read_text("utf-8")):
        if language == "python":
            exec(compile(block, page, "exec"), {"__name__": page})
            continue
        for command in commands(block):
            program, *words = shlex.split(command, comments=True)
            if program != "keyframe-bench":
                subprocess.run(command, shell=True, check=True)
                continue
            small = [option for name, options in SMALL.items() if name in words for option in options]
            # `new` refuses to write over a file, and several pages begin with it.
            if words[0] == "new":
                for file in reader.glob(f"*{words[1]}.py"):
                    file.unlink()
            status, _, err = cli(*words, *small)
            assert status == 0, f"{command}\n{err}"
