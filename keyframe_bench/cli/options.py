"""Commands and their options, declared in ``commands.yaml``: for reading the command line, defaults and help alike."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from typing import Any, Literal, get_args

import yaml

from ..core.errors import UsageError, suggestion

CONFIG_MODULE = "keyframe_bench.conf"


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes
    ----------
    name : str
        As typed, such as "--json", "budget" or "clips.quiet_s". Words in capitals stand for any name, as in
        "grid.EXTRACTOR.PARAMETER"; "clips." stands for all that ``fields`` has.
    value : str
        What a value looks like; empty for a switch.
    help : str
    kind : {"flag", "typed", "whole", "number", "grammar", "config"}
        How it is read: "flag" starts with dashes; "typed" is text that no grammar touches, such as a path; "grammar" is
        one value in Hydra's grammar; "config" is left to Hydra's composition.
    default : object
        None: where `Command.source` has it, else there is none.
    choices, fields : str
        ``module:NAME`` of a ``Literal`` with the values, or of a class whose parameters are options.
    expects : str
        For "whole" and "number": what a value is, to tell when it is not.
    """

    name: str
    value: str = ""
    help: str = ""
    kind: Literal["flag", "typed", "whole", "number", "grammar", "config"] = "config"
    default: Any = None
    choices: str = ""
    fields: str = ""
    expects: str = ""

    @property
    def known(self) -> list[str]:
        """Every value there is, or the files of ``conf/`` that it names; empty where any value may be right."""
        return list(get_args(located(self.choices))) if self.choices else conf_names(self.name)

    def read(self, text: str, word: str) -> Any:
        """Return the value of ``word``, which ends in ``=`` and ``text``, or raise `UsageError`."""
        key = word.removesuffix(f"={text}")
        if self.kind == "grammar":
            from .compose import one_value

            return one_value(word)
        if self.kind in ("whole", "number"):
            try:
                return int(text) if self.kind == "whole" else float(text)
            except ValueError:
                raise UsageError(f"{word} is not {self.expects}") from None
        if not text:
            raise UsageError(f"{key}= is empty; give a value after it, or leave it out")
        return text


PLUGIN = Option("--plugin", "FILE", "A Python file that registers extractors, metrics ...; may be repeated.", "flag")


@dataclass(frozen=True)
class Command:
    """A command and its options.

    Attributes
    ----------
    name, summary : str
    options : tuple of Option
    examples : tuple of str
    takes : str
        Names and paths it takes, in the order in which they are typed, such as "VIDEO".
    source : str
        Where the defaults of options are: ``module:callable``, or a file of ``conf/`` without its suffix.
    config : str
        The configuration that Hydra composes, and checks what is not among ``options`` with; empty: there is none.
    more : str
        The command whose other options it takes too.
    """

    name: str
    summary: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    takes: str = ""
    source: str = ""
    config: str = ""
    more: str = ""

    def option(self, key: str) -> Option | None:
        """Return the option that ``key`` is one of."""
        exact = [option for option in (*self.options, PLUGIN) if key in option.name.split(", ")]
        return next((o for o in (*exact, *self.options) if o in exact or key.startswith(_stem(o.name) or "\0")), None)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Default of every option of ``source`` by name; chosen groups are among them."""
        if ":" in self.source:
            parameters = inspect.signature(located(self.source)).parameters.values()
            return {p.name: p.default for p in parameters if p.default not in (p.empty, None)}
        found = conf(self.source) if self.source else {}
        groups = [entry for entry in found.pop("defaults", ()) if isinstance(entry, dict)]
        return {**{k: v for entry in groups for k, v in entry.items()}, **{k: found[k] for k in found if k != "hydra"}}

    def default(self, name: str) -> Any:
        """Return the default of an option; None if there is none."""
        option = self.option(name)
        return option.default if option is not None and option.default is not None else self.defaults.get(name)

    def refusal(self, key: str, near: Iterable[str] = ()) -> UsageError:
        """Return the error that says that there is no option ``key``; ``near`` are options that may be meant."""
        names = [option.name for option in self.options if option.kind != "flag"]
        if not names:
            return UsageError(f"{self.name} takes no options such as {key}=")
        plain = [f"{name}=" for name in names if "." not in name]
        first = next((f"did you mean {name}=" for name in near), "")
        hint = first or suggestion(f"{key}=", plain, f"choose from {', '.join(names)}")
        return UsageError(f"{f'{self.name} takes no' if _typed_elsewhere(key) else 'unknown option'} {key}=; {hint}")


def _typed_elsewhere(key: str) -> bool:
    """Say whether another command has this option, as plain text."""
    return any(o.kind == "typed" and o.name == key for command in COMMANDS.values() for o in command.options)


def _stem(name: str) -> str:
    """Return what all names start with that ``name`` stands for; empty if it is a name itself."""
    stem = re.split(r"(?<=\.)[A-Z]", name)[0]
    return stem if stem.endswith(".") else ""


def located(place: str) -> Any:
    """Return what ``module:NAME`` is; modules are named below the package."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"..{module}", __package__), name)


def conf(name: str) -> dict[str, Any]:
    """Return a file of the packaged configuration as plain data."""
    return dict(yaml.safe_load((files(CONFIG_MODULE) / f"{name}.yaml").read_text("utf-8")))


def conf_names(group: str) -> list[str]:
    """Return the names in a group of the packaged configuration, sorted."""
    folder = files(CONFIG_MODULE) / group
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir()) if folder.is_dir() else []


def _declared() -> dict[str, Command]:
    text = (files(__package__) / "commands.yaml").read_text("utf-8")
    found = {}
    for name, node in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["commands"].items():
        entries = [one for entry in node.pop("options") for one in (entry if isinstance(entry, list) else [entry])]
        options = [Option(**{"kind": "flag" if entry["name"][0] == "-" else "config", **entry}) for entry in entries]
        found[name] = Command(name, options=tuple(options), **node)
    return found


COMMANDS = _declared()
