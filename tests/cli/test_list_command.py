"""``keyframe-bench list``: what there is, quickly, and what is broken with its reason."""

import json
import subprocess
import sys

import pytest

# The keys that the documentation promises.
EXTRACTOR_KEYS = {"name", "available", "reason", "reference", "supports", "budget_rule", "needs", "parameters"}
EXTRACTORS = {
    "coded_frames",
    "embedding_kmeans",
    "ffmpeg_thumbnail",
    "histogram_distance",
    "oracle",
    "pixel_distance",
    "random",
    "uniform",
    "vsumm",
}


@pytest.fixture
def listed(cli):
    status, out, err = cli("list", "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_json_has_the_promised_keys(listed):
    assert listed.keys() >= {"extractors", "features", "metrics", "datasets", "training_data", "networks", "losses"}
    for data in listed["training_data"]:
        assert data.keys() >= {"description", "layout", "usual_split"} and data["layout"]
    for extractor in listed["extractors"]:
        assert extractor.keys() >= EXTRACTOR_KEYS
        assert set(extractor["supports"]) <= {"fixed", "free", "inferred"}
        assert isinstance(extractor["available"], bool)
        assert (extractor["reason"] is None) == extractor["available"]
        for parameter in extractor["parameters"]:
            assert parameter.keys() >= {"name", "default", "expects"}
    for kind in ("features", "metrics", "datasets", "training_data", "networks", "losses"):
        for entry in listed[kind]:
            assert entry.keys() >= {"name", "available", "reason", "about", "parameters"}


def test_every_method_is_listed_with_what_it_needs(listed):
    by_name = {e["name"]: e for e in listed["extractors"]}
    assert by_name.keys() >= EXTRACTORS
    assert by_name["uniform"]["needs"] == []
    assert by_name["vsumm"]["needs"]
    assert [p["name"] for p in by_name["uniform"]["parameters"]] == ["every_s", "phase"]
    assert {d["name"] for d in listed["datasets"]} >= {"folder", "synthetic", "image_folder", "rendered"}
    assert {m["name"] for m in listed["metrics"]} >= {"cus", "temporal", "cost"}


def test_text_names_everything(cli, listed):
    status, out, err = cli("list")
    assert (status, err) == (0, "")
    for kind, rows in listed.items():
        assert f"{kind}:" in out or kind == "training_data"
        for row in rows:
            assert row["name"] in out


def test_nothing_heavy_is_imported():
    """What makes it quick: no network package, no decoder, no data frame, no configuration system."""
    code = (
        "import sys; from keyframe_bench.cli.main import main; main(['list', '--json']); "
        "print([m for m in ('torch', 'torchvision', 'timm', 'cv2', 'av', 'sklearn', 'scipy', 'pandas', 'hydra') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["extractors"]


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, keyframe_bench; print(sorted(m for m in ('torch', 'numpy', 'av', 'cv2') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "[]"


def test_plugin_is_listed(cli, tmp_path, own_registry):
    plugin = tmp_path / "listed_of_tests.py"
    plugin.write_text(
        "import keyframe_bench as kb\n\n\n@kb.register('listed_of_tests')\nclass Listed(kb.Extractor):\n"
        "    '''First frame.'''\n\n    def select(self, clip, k=None, *, rng):\n        return clip.pick([0])\n"
    )
    status, out, _ = cli("list", "--json", "--plugin", plugin)
    assert status == 0
    entry = next(e for e in json.loads(out)["extractors"] if e["name"] == "listed_of_tests")
    assert entry["available"] and entry["about"] == "First frame."


def test_broken_entry_stays_listed_with_its_reason(cli, tmp_path, own_registry):
    """One extractor whose class raises must not take the list away."""
    plugin = tmp_path / "raising_of_tests.py"
    plugin.write_text(
        "import keyframe_bench as kb\n\n\n@kb.register('raising_of_tests')\nclass Raising(kb.Extractor):\n"
        "    '''Broken.'''\n    reference = 'none'\n\n    @property\n    def needs(self):\n"
        "        raise RuntimeError('no such sensor')\n\n"
        "    def select(self, clip, k=None, *, rng):\n        return clip.pick([0])\n"
    )
    status, out, _ = cli("list", "--json", "--plugin", plugin)
    assert status == 0
    entries = {e["name"]: e for e in json.loads(out)["extractors"]}
    assert entries["raising_of_tests"]["available"] is False
    assert entries["raising_of_tests"]["reason"] == "RuntimeError: no such sensor"
    assert entries["raising_of_tests"].keys() >= EXTRACTOR_KEYS
    assert entries["uniform"]["available"] is True


LEARNED = """
from dataclasses import dataclass
import keyframe_bench as kb


@dataclass(frozen=True, kw_only=True)
class Options(kb.TrainerOptions):
    order: int = 3


@kb.register("learned_of_tests")
class Learned(kb.Trainable):
    '''Reads off its checkpoint what it needs.'''

    supervision = "users"
    Options = Options

    def __init__(self, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    @property
    def needs(self):
        return (kb.Gray(height=self.learned().options["order"]),)

    def fit(self, train, validation, session):
        return session.checkpoint({})

    def select(self, clip, k=None, *, rng):
        return clip.pick([0])
"""


def test_what_learns_is_listed_with_its_supervision_and_options(cli, listed, tmp_path, own_registry):
    plugin = tmp_path / "learned_of_tests.py"
    plugin.write_text(LEARNED)
    status, out, _ = cli("list", "--json", "--plugin", plugin)
    found = {e["name"]: e for e in json.loads(out)["extractors"]}
    mine, others = found["learned_of_tests"], found["autoencoder"]
    assert status == 0 and not mine["available"] and "it is not trained" in mine["reason"]
    assert (mine["learns"], mine["supervision"], mine["needs"]) == (True, "users", [])
    assert [(p["name"], p["default"]) for p in mine["trainer"]] == [("order", 3)]
    assert others["learns"] and others["supervision"] == "none"
    assert {p["name"] for p in others["trainer"]} >= {"epochs", "network", "width", "loss", "alpha"}
    assert found["uniform"]["learns"] is False and found["uniform"]["trainer"] == []
    text = cli("list", "--plugin", plugin)[1]
    assert "learns from human annotators" in text and "trainer.order=3" in text
