"""``--help`` of every command, from the declaration that also parses it; the same as a page of the documentation."""

import re
from pathlib import Path

import pytest
import yaml

from keyframe_bench.cli.commands import COMMANDS
from keyframe_bench.cli.help import markdown

ROOT = Path(__file__).parents[2]
# What is promised: an option of each kind, and where its default comes from.
PROMISED = {
    "list": "--json",
    "extract": "extractor extractor.PARAMETER budget sampling fps clips clips.quiet_s out",
    "explain": "frame time extractor --json",
    "map": "extractor extractor.PARAMETER feature budget sampling seed fps out",
    "compress": "checkpoint statistics limit extractor budget out --json",
    "run": (
        "dataset dataset.root dataset.annotations extractors budget seeds weights limit cache_gb "
        "external grid.EXTRACTOR.PARAMETER executor executor.n_jobs executor.threads executor.address split split_seed "
        "trainer.EXTRACTOR.OPTION trainings leak on_error columns out --dry-run -m"
    ),
    "score": "dataset dataset.root budget out columns OPTION",
    "export": "extractor format out",
    "train": "extractor trainer trainer.epochs trainer.lr init logger limit_validation fold -m",
    "table": "scale data.NAME trainings columns --from --save --into",
    "results": "out --tolerance --json",
    "perf": "extractors repeats --peers --from --markdown",
    "cache": "--json",
    "check": "extractor.PARAMETER",
    "new": "--learned --in-tree",
}


def test_the_overview_has_a_line_for_every_command(cli):
    status, text, err = cli("--help")
    assert (status, err) == (0, "")
    assert re.findall(r"^  (\w+) +\w", text, re.M) == list(COMMANDS) == list(PROMISED)
    assert len(text.splitlines()) < 25
    assert cli() == (2, text, "")


@pytest.mark.parametrize("name", PROMISED)
def test_a_command_has_a_page_of_its_own(cli, name):
    status, text, err = cli(name, "--help")
    assert (status, err) == (0, "") and text.startswith(f"usage: keyframe-bench {name}")
    told = {word for line in re.findall(r"^  (\S.*)", text, re.M) for word in re.findall(r"^[\w./-]+", line)}
    assert told >= {*PROMISED[name].split(), "--plugin"}
    assert text.partition("examples:")[2].count("keyframe-bench") == (3 if name == "results" else 2)  # one of each
    assert cli(name, "-h", "anything") == (0, text, "")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("extract", r"budget=8\|15%\|4/min\S*  \(default: 8\)"),  # of a signature
        ("extract", r"clips.quiet_s=NUMBER  \(default: 10.0\)\n.*Seconds without a key frame"),  # of a class
        ("run", r"budget=\S+  \(default: 10\)"),  # of conf/run.yaml
        ("run", r"on_error=raise\|warn\|skip  \(default: warn\)"),  # choices of a Literal
        ("run", r"executor.n_jobs=N  \(default: .*loky: 2"),  # of conf/executor
        ("train", r"trainer=default\|smoke  \(default: default\)"),
        ("train", r"trainer.epochs=N  \(default: 40\)"),
        ("perf", r"repeats=N  \(default: 3\)"),
    ],
)
def test_defaults_and_choices_are_read_from_where_they_are(cli, name, line):
    assert re.search(line, cli(name, "--help")[1])


@pytest.mark.parametrize("word", ["diff", "leaderboard", "validate"])
def test_help_of_results_has_an_example_of_each(cli, word):
    assert f"keyframe-bench results {word} " in cli("results", word, "--help")[1].partition("examples:")[2]


@pytest.mark.parametrize("name", ["run", "train"])
def test_what_the_configuration_has_is_declared(name):
    given = yaml.safe_load((ROOT / "conf" / f"{name}.yaml").read_text())
    groups = {key for entry in given.pop("defaults") if isinstance(entry, dict) for key in entry}
    names = {option.name.partition(".")[0] for option in COMMANDS[name].options}
    assert (groups | given.keys()) - names <= {"hydra"}


def test_the_examples_are_commands():
    """Each is refused for its file at most, never for an option."""
    for command in COMMANDS.values():
        for example in command.examples:
            words = example.split()
            assert words[:2] == ["keyframe-bench", command.name]
            for word in words[2:]:
                named = "=" in word or word.startswith("-")
                assert not named or command.option(word.partition("=")[0]) is not None, example


def test_the_page_of_the_documentation_is_current():
    page = ROOT / "docs" / "reference" / "commands.md"
    assert page.read_text("utf-8") == markdown(), "run: python -m keyframe_bench.cli.help > docs/reference/commands.md"


def test_what_a_newcomer_needs_comes_first(cli):
    told = re.findall(r"^  (\w+)=", cli("run", "--help")[1], re.M)
    assert told[:4] == ["dataset", "extractors", "budget", "out"]
