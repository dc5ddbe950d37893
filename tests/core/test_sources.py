"""Whatever code of its own a plug-in runs, results are known by its text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import keyframe_bench

ROOT = Path(keyframe_bench.__file__).parents[1]


def method(name: str, base: str = "Extractor") -> str:
    return f'''
from keyframe_bench import Extractor, register

@register("{name}")
class Method({base}):
    """One frame."""
    budget_rule = "one frame"
    may_return_fewer = "always one"
    def select(self, clip, k=None, *, rng):
        return clip.pick([0])
'''


PLUGIN = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import importlib
import json
import numpy
import helper
from parts import *
from parts.inner import something
try:
    import not_installed
except ImportError:
    pass
def later(kind="parts"):
    import lazy
    sys.path.insert(0, str(Path(__file__).parent / "lib"))
    import later_of_test
    importlib.import_module("named")
    exec((Path(__file__).parent / "executed.py").read_text())
    return importlib.import_module(f"chosen.{kind}")
"""
SIMPLE = "x = 1\n"
FILES = {
    "plugin.py": PLUGIN + method("plugin"),
    **{"helper.py": "import deeper\n", "deeper.py": SIMPLE, "lazy.py": "import helper\n", "named.py": SIMPLE},
    **{"executed.py": SIMPLE, "unrelated.py": SIMPLE, "chosen/__init__.py": "", "chosen/one.py": SIMPLE},
    "parts/__init__.py": "from .inner import something\n",
    "parts/inner.py": "from . import sibling\nsomething = 1\n",
    **{"parts/sibling.py": SIMPLE, "lib/later_of_test.py": SIMPLE},
    **{"base.py": method("base"), "child.py": method("child", "Extractor.registry.get('base')")},
    # an editable installation is a package somewhere, and a path that leads there
    "src/editable_of_test/__init__.py": "",
    "src/editable_of_test/method.py": "from .work import x\n" + method("editable"),
    "src/editable_of_test/work.py": "from . import work_of_work\nx = 1\n",
    "src/editable_of_test/work_of_work.py": SIMPLE,
    "site-packages/installed_of_test/__init__.py": "import numpy\nimport library_of_test.inner\nfrom . import method\n",
    "site-packages/installed_of_test/method.py": method("installed"),
    "site-packages/library_of_test/__init__.py": "",
    "site-packages/library_of_test/inner.py": SIMPLE,
}
STALE = {
    **dict.fromkeys(("plugin.py", "helper.py", "deeper.py", "lazy.py", "named.py", "executed.py"), "plugin"),
    **dict.fromkeys(("parts/sibling.py", "chosen/one.py", "lib/later_of_test.py"), "plugin"),
    **{"base.py": "base child", "child.py": "child", "src/editable_of_test/work_of_work.py": "editable"},
    "site-packages/installed_of_test/method.py": "installed",
    **dict.fromkeys(("unrelated.py", "site-packages/library_of_test/inner.py"), ""),
}
# A name that is put together at run time may be that of any module beside the file.
for n, line in enumerate(
    (
        'importlib.import_module("hel" + "per")',
        "[importlib.import_module(file.stem) for file in Path(__file__).parent.glob('hel*.py')]",
        "importlib.util.spec_from_file_location('x', Path(__file__).with_name('hel' + 'per.py'))",
    )
):
    FILES[f"{n}/plugin.py"] = f"import importlib.util\nfrom pathlib import Path\n{method(f'put_{n}')}\n        {line}\n"
    FILES[f"{n}/helper.py"] = SIMPLE
    STALE[f"{n}/helper.py"] = f"put_{n}"
SCRIPT = f"""
import json
from pathlib import Path
from keyframe_bench import Extractor
from keyframe_bench.core import sources
from keyframe_bench.core.registry import load_plugins
load_plugins(["plugin.py", "base.py", "child.py", "0/plugin.py", "1/plugin.py", "2/plugin.py"])
import editable_of_test.method, installed_of_test

def digests():  # as another process would have them
    sources._seen.clear()
    sources.source_digest.cache_clear()
    names = ("plugin", "base", "child", "editable", "installed", "put_0", "put_1", "put_2", "uniform")
    return {{name: sources.source_digest(Extractor.registry.get(name)) for name in names}}

before, stale = digests(), {{}}
for file in map(Path, {list(STALE)!r}):
    text = file.read_text()
    file.write_text(text + "\\ny = 2\\n")
    stale[str(file)] = " ".join(name for name, digest in digests().items() if digest != before[name])
    file.write_text(text)
print(json.dumps([before, stale]))
"""


def run(folder: Path, script: str) -> str:
    """Run a script in a process of its own and return the last line that it printed."""
    paths = [str(ROOT), str(folder / "src"), str(folder / "site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    printed = subprocess.check_output([sys.executable, "-c", script], cwd=folder, env=environment, text=True)
    return printed.strip().splitlines()[-1]


def test_edited_code_makes_stale_and_equal_text_has_one_digest_wherever_it_lies(tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        for name, text in FILES.items():
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / name).write_text(text)
        found.append(json.loads(run(tmp_path / place, SCRIPT)))
    before, stale = found[0]
    assert stale == STALE and found[1] == found[0]
    assert before["uniform"] == "", "classes of the package have versions"
    assert len(set(before.values())) == 9


MEASURED = """
import numpy as np
from keyframe_bench import Feature, ScoreExtractor, register
from keyframe_bench.metrics.base import Column, Metric
import sys
sys.path.insert(0, "")

@register("scores_of_test")
class Scores(Feature):
    def compute(self, frames):
        from rule import chosen
        return np.array([float(frame.ordinal == chosen) for frame in frames])

@register("reads_scores")
class Reads(ScoreExtractor):
    "The frame that scores."
    needs = (Scores(),)
    def score(self, clip):
        return clip[self.needs[0]]

@register("metric_of_test")
class Measured(Metric):
    "What the rule says."
    columns = {"rule_of_test": Column("none", "1", "the rule")}
    def compute(self, keyframes, clip, annotation):
        import rule
        return {"rule_of_test": float(rule.chosen)}
"""
SWEEP = """
import keyframe_bench as kb
from keyframe_bench.core.registry import load_plugins
load_plugins(["measured.py"])
kb.sweep([kb.demo_video()], ["reads_scores"], budget=1, sampling="every", out=OUT, cache_gb=1)
print(1)
"""


def test_features_metrics_and_the_store_follow_a_module_beside_the_plugin(tmp_path: Path) -> None:
    """The module is imported when the work begins, and its features are kept for other folders too."""

    def found(chosen: int, out: str) -> tuple[list[int], float]:
        (tmp_path / "measured.py").write_text(MEASURED)
        (tmp_path / "rule.py").write_text(f"chosen = {chosen}\n")
        run(tmp_path, SWEEP.replace("OUT", repr(out)))
        lines = [json.loads(line) for line in (tmp_path / out / "results.jsonl").read_text().splitlines()]
        (cell,) = [line for line in lines if line["extractor"] == "reads_scores"]
        return cell["keyframes"]["frames"], cell["metrics"]["rule_of_test"]

    assert found(3, "out") == ([3], 3.0)
    assert found(7, "out") == ([7], 7.0)
    assert found(9, "other") == ([9], 9.0)


def test_what_no_file_holds_is_not_taken_for_that_of_another_process(tmp_path: Path) -> None:
    script = method("prompt") + "from keyframe_bench.core.sources import source_digest\nprint(source_digest(Method))"
    assert run(tmp_path, script) != run(tmp_path, script)


@pytest.mark.usefixtures("own_registry")
def test_a_data_set_from_a_plugin_is_recorded_with_its_code(
    tmp_path: Path, cli: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    plugin, out = tmp_path / "mine.py", tmp_path / "out"
    plugin.write_text(
        "from keyframe_bench import register\nfrom keyframe_bench.datasets.folder import Folder\n\n"
        "@register('mine_of_test')\nclass Mine(Folder):\n    'Mine.'\n"
    )
    plain = ("run", "extractors=[uniform]", "budget=2", f"dataset.root={folder}")
    assert cli(*plain, "dataset=mine_of_test", f"out={out}", "--plugin", plugin)[0] == 0
    assert cli(*plain, "dataset=folder", f"out={tmp_path / 'plain'}")[0] == 0
    with_code, without = (json.loads((o / "run.json").read_text())["revision"] for o in (out, tmp_path / "plain"))
    assert with_code.startswith(f"{without} ")
