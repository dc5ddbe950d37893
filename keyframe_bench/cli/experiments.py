"""The tables that come with the package, and a user's own: YAML files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..core.errors import UsageError, suggestion
from ..tables.experiment import Experiment, parse_experiment
from ..tables.load import read_text

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # Python 3.11

EXPERIMENTS = "keyframe_bench.experiments"


def names_of_experiments() -> list[str]:
    """Return the names of the packaged tables, ``<source>/<table>`` or ``<table>``, sorted."""
    return sorted(_below(files(EXPERIMENTS), ""))


def _below(folder: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml") and not entry.name.startswith("_"):
            found.append(prefix + entry.name.removesuffix(".yaml"))
    return found


def load_experiment(name: str) -> Experiment:
    """Return a packaged table by name, or that of a YAML file by its path.

    Raises `UsageError` for an unknown name (with the nearest ones) or a file that is not a table.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        return _parsed(path.stem, read_text(path), lambda other: read_text(path.parent / other))
    known = names_of_experiments()
    if name not in known:
        hint = f"{suggestion(name, known)} (`keyframe-bench table` lists all), or give a .yaml file"
        raise UsageError(f"unknown table {name!r}; {hint}")
    folder = files(EXPERIMENTS).joinpath(*name.split("/")[:-1])
    if (folder / "figures.py").is_file():  # a paper's own figures: code of the package, as its tables are
        import_module(".".join([EXPERIMENTS, *name.split("/")[:-1], "figures"]))
    text = (folder / f"{name.rpartition('/')[2]}.yaml").read_text("utf-8")
    return _parsed(name, text, lambda other: (folder / other).read_text("utf-8"))


class _Loader(yaml.SafeLoader):
    """Refuses a key that appears twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = [key for key, count in Counter(map(str, keys)).items() if count > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} appears twice in the mapping of line {node.start_mark.line + 1}")
        return dict(super().construct_mapping(node, deep=deep))


def _parsed(name: str, text: str, beside: Callable[[str], str]) -> Experiment:
    """Return the table of a file; ``beside`` reads another in the same folder, where tables may share data sets."""
    data = _loaded(name, text)
    if isinstance(data, dict) and isinstance(shared := data.get("data_sets"), str):
        try:
            data["data_sets"] = _loaded(shared, beside(shared))
        except OSError as error:
            raise UsageError(f"table {name}: data_sets {shared!r} cannot be read ({error.strerror})") from error
    return parse_experiment(name, data)


def _loaded(name: str, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        raise UsageError(f"table {name}: not YAML: {' '.join(str(error).split())}") from None
