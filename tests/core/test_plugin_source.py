"""The text of a plug-in file is part of what its results are known by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from keyframe_bench import Extractor
from keyframe_bench.core.registry import source_digest

PLUGIN = """
from keyframe_bench import Extractor, register

@register("edited_plugin")
class Edited(Extractor):
    \"\"\"One frame.\"\"\"
    budget_rule = "one frame"
    may_return_fewer = "always one"
    def select(self, clip, k=None, *, rng):
        return clip.pick([POSITION])
"""


def run(folder: Path, position: int) -> list[int]:
    """Run the plug-in on a demo video in a process of its own and return the frames in the results."""
    (folder / "plugin.py").write_text(PLUGIN.replace("POSITION", str(position)))
    code = (
        "import sys, keyframe_bench as kb; from keyframe_bench.core.registry import load_plugins;"
        "load_plugins(['plugin.py']); kb.sweep([kb.demo_video()], ['edited_plugin'], budget=1, out='out')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    lines = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    (cell,) = [line for line in lines if line["extractor"] == "edited_plugin"]
    return cell["keyframes"]["frames"]


def test_an_edited_plugin_is_computed_again(tmp_path: Path) -> None:
    first = run(tmp_path, 0)
    assert run(tmp_path, 3) != first
    assert run(tmp_path, 0) == first


def test_classes_of_the_package_have_versions_instead() -> None:
    assert source_digest(Extractor.registry.get("uniform")) == ""
