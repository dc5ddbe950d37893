"""``keyframe-bench list``: what there is, quickly, what is broken with its reason, and one name in full."""

import json
import re
import subprocess
import sys

import pytest

# The keys that the documentation promises.
EXTRACTOR_KEYS = {"name", "available", "reason", "reference", "supports", "budget_rule", "needs", "parameters"}
EXTRACTORS = {
    *("coded_frames", "embedding_kmeans", "ffmpeg_thumbnail", "histogram_distance", "oracle", "pixel_distance"),
    *("random", "uniform", "vsumm"),
}
HEAVY = ("torch", "torchvision", "timm", "cv2", "av", "sklearn", "scipy", "pandas", "hydra")
PLUGIN = '''
from dataclasses import dataclass
import keyframe_bench as kb


@kb.register("cus")
class Cus(kb.Extractor):
    """First frame.

    Of these:

    * one that is
      long;
    * another.
    """

    def select(self, clip, k=None, *, rng):
        return clip.pick([0])


@kb.register("raising_of_tests")
class Raising(Cus):
    """Broken."""

    @property
    def needs(self):
        raise RuntimeError('no such sensor')


@dataclass(frozen=True, kw_only=True)
class Options(kb.TrainerOptions):
    order: int = 3


@kb.register("learned_of_tests")
class Learned(kb.Trainable):
    """Reads off its checkpoint what it needs."""

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
'''


@pytest.fixture
def listed(cli):
    status, out, err = cli("list", "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_json_has_the_promised_keys(listed):
    kinds = ("features", "metrics", "datasets", "training_data", "networks", "losses")
    assert listed.keys() >= {"extractors", *kinds}
    for data in listed["training_data"]:
        assert data.keys() >= {"description", "layout", "usual_split"} and data["layout"]
    for extractor in listed["extractors"]:
        assert extractor.keys() >= EXTRACTOR_KEYS
        assert set(extractor["supports"]) <= {"fixed", "free", "inferred"}
        assert isinstance(extractor["available"], bool)
        assert (extractor["reason"] is None) == extractor["available"]
        for parameter in extractor["parameters"]:
            assert parameter.keys() >= {"name", "default", "expects"}
    for entry in (entry for kind in kinds for entry in listed[kind]):
        assert entry.keys() >= {"name", "available", "reason", "about", "parameters"}


def test_everything_is_listed(cli, listed):
    by_name = {e["name"]: e for e in listed["extractors"]}
    assert by_name.keys() >= EXTRACTORS
    assert by_name["uniform"]["needs"] == [] and by_name["vsumm"]["needs"]
    assert [p["name"] for p in by_name["uniform"]["parameters"]] == ["every_s", "phase"]
    assert {d["name"] for d in listed["datasets"]} >= {"folder", "synthetic", "image_folder", "rendered"}
    assert {m["name"] for m in listed["metrics"]} >= {"cus", "temporal", "cost"}
    status, out, err = cli("list")
    assert (status, err) == (0, "")
    for kind, rows in listed.items():
        assert f"{kind}:" in out or kind == "training_data"
        assert all(row["name"] in out for row in rows)


@pytest.mark.parametrize(
    "calls", ["main(['list', '--json'])", "main(['run', '--help']); main(['train', '--help'])", "import keyframe_bench"]
)
def test_nothing_heavy_is_imported(calls):
    """What makes it quick: no network package, no decoder, no data frame, no configuration system."""
    start = "from keyframe_bench.cli.main import main; " if "main" in calls else ""
    code = f"import sys; {start}{calls}; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr.strip() == "[]"


def test_plugins_are_listed_and_one_that_is_broken_with_its_reason(cli, listed, tmp_path, own_registry):
    plugin = tmp_path / "listed_of_tests.py"
    plugin.write_text(PLUGIN)
    status, out, _ = cli("list", "--json", "--plugin", plugin)
    assert status == 0
    found = {e["name"]: e for e in json.loads(out)["extractors"]}
    assert found["cus"]["available"] and found["cus"]["about"] == "First frame."
    assert found["cus"]["details"].split("\n") == ["Of these:", "* one that is long;", "* another."]
    broken = found["raising_of_tests"]
    assert broken["available"] is False and broken["reason"] == "RuntimeError: no such sensor"
    assert all(entry.keys() == broken.keys() >= EXTRACTOR_KEYS for entry in found.values())
    mine, others = found["learned_of_tests"], found["autoencoder"]
    assert not mine["available"] and "it is not trained" in mine["reason"]
    for option in ("extractor.checkpoint=", "grid.learned_of_tests.checkpoint="):  # of extract, and of run
        assert f" {option}" in mine["reason"]
    assert (mine["learns"], mine["supervision"], mine["needs"]) == (True, "users", [])
    assert [(p["name"], p["default"]) for p in mine["trainer"]] == [("order", 3)]
    assert others["learns"] and others["supervision"] == "none"
    assert {p["name"] for p in others["trainer"]} >= {"epochs", "network", "width", "loss", "alpha"}
    assert found["uniform"]["learns"] is False and found["uniform"]["trainer"] == []
    text = cli("list", "--plugin", plugin)[1]
    assert "learns from human annotators" in text and "trainer.order=3" in text
    several = json.loads(cli("list", "cus", "--json", "--plugin", plugin)[1])
    assert several.keys() == {"extractors", "metrics"}


def test_one_name_is_listed_whole(cli):
    status, text, err = cli("list", "pixel_distance")
    assert (status, err) == (0, "") and text.startswith("pixel_distance (extractor)\n")
    told = ("factor=1.0  (a number of at least 0)", "Raise it for fewer", "fixed, free", "pixel_difference", "@online{")
    assert all(words in text for words in told)
    text = cli("list", "autoencoder")[1]
    assert "trainer.epochs=40" in text and "trainer.alpha=0.025" in text and "psnr in dB" in text


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("cus", "metrics", "columns"),
        ("f1_1s", "metrics", "columns"),  # a number of the metric temporal
        ("folder", "datasets", "layout"),
        ("gray", "features", "summary"),
        ("ae_final", "networks", "trained_numbers"),
        ("mix", "losses", "parameters"),
    ],
)
def test_every_kind_can_be_listed_by_name(cli, name, kind, key):
    found = json.loads(cli("list", name, "--json")[1])
    assert found.keys() == {kind} and len(found[kind]) == 1 and found[kind][0][key]
    assert found[kind][0]["name"] in cli("list", name)[1]


def test_a_line_of_the_list_stands_alone(cli, listed):
    """No codes of a document that users do not have, and nothing that leans on the line above."""
    about = {row["name"]: row["about"] for rows in listed.values() for row in rows}
    assert not [name for name, text in about.items() if re.match("The same|As |Like ", text)]
    told = "".join(cli("list", name)[1] for name in ("pixel_distance", "cus_gray", "hue_histogram", "events"))
    assert not re.search(r"\b[AC]\d+\w?\b", "".join(about.values()) + told)
