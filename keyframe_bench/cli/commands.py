"""Commands and their options, declared in ``commands.yaml``: for reading the command line, defaults and help alike."""

from __future__ import annotations

import inspect
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import yaml

from ..core.errors import UsageError, suggestion
from ..core.files import one_line, printable

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from ..video.frame_folder import Video

CONFIG_MODULE = "keyframe_bench.conf"
_MOST_BRACKETS = 100  # of lists in an option
_OVERRIDE = re.compile(r"([+~]{0,2})([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """One option of a command."""

    # As typed, such as "--json", "budget" or "clips.quiet_s". Words in capitals stand for any name, as in
    # "grid.EXTRACTOR.PARAMETER"; "clips." stands for all that ``fields`` has.
    name: str
    value: str = ""  # what a value looks like; empty for a switch
    help: str = ""
    # How it is read: "flag" starts with dashes; "typed" is text that no grammar touches, such as a path; "grammar" is
    # one value in Hydra's grammar; "config" is left to Hydra's composition
    kind: Literal["flag", "typed", "whole", "number", "grammar", "config"] = "config"
    default: Any = None  # none: where `Command.source` has it, else there is none
    choices: str = ""  # ``module:NAME`` of a ``Literal`` with the values, or of a class whose parameters are options
    fields: str = ""

    @property
    def known(self) -> list[str]:
        """Every value there is, or the files of ``conf/`` that it names; empty where any value may be right."""
        return list(get_args(located(self.choices))) if self.choices else conf_names(self.name)

    def read(self, text: str, word: str) -> Any:
        """Return the value of ``word``, which ends in ``=`` and ``text``, or raise `UsageError`."""
        if self.kind == "grammar":
            return one_value(word)
        if self.kind in ("whole", "number"):
            try:
                return int(text) if self.kind == "whole" else float(text)
            except ValueError:
                raise UsageError(f"{word} is not a {'whole ' * (self.kind == 'whole')}number") from None
        if not text:
            raise UsageError(f"{word} is empty; give a value after it, or leave it out")
        return text


PLUGIN = Option("--plugin", "FILE", "A Python file that registers extractors, metrics ...; may be repeated.", "flag")


@dataclass(frozen=True)
class Command:
    """A command and its options."""

    name: str
    summary: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    # Names and paths it takes, in the order in which they are typed, such as "VIDEO"; "..." at the end: and any more
    takes: str = ""
    # Where the defaults of options are: ``module:callable``, or a file of ``conf/`` without its suffix
    source: str = ""
    # The configuration that Hydra composes, and checks what is not among ``options`` with; empty: there is none
    config: str = ""
    more: str = ""  # the command whose other options it takes too

    def option(self, key: str) -> Option | None:
        """Return the option that ``key`` is one of."""
        options = (*self.options, PLUGIN)
        exact = (option for option in options if key in option.name.split(", "))
        below = (option for option in options if _stem(option.name) and key.startswith(_stem(option.name)))
        return next(exact, None) or next(below, None)

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
        likely = next((f"did you mean {name}=" for name in near), "")
        plain = [f"{name}=" for name in names if "." not in name]
        hint = likely or suggestion(
            f"{key}=", plain, f"choose from {', '.join(names)}" if names else "it takes no NAME=VALUE"
        )
        return UsageError(f"{self.name} has no option {key}=; {hint}")


@dataclass
class Arguments:
    """One command's arguments."""

    command: Command
    words: Sequence[str]  # all of it, as typed
    positional: list[str] = field(default_factory=list)  # paths and names
    plugins: list[str] = field(default_factory=list)  # values of ``--plugin``
    values: dict[str, Any] = field(default_factory=dict)  # options by name, read; True for a switch
    overrides: list[str] = field(default_factory=list)  # everything else, for Hydra

    @property
    def line(self) -> str:
        """The command as it can be typed again."""
        return printable(shlex.join(["keyframe-bench", self.command.name, *self.words]))

    def get(self, name: str) -> Any:
        """Return the value of an option, or its default."""
        return self.values[name] if name in self.values else self.command.default(name)

    def columns(self, known: Sequence[str]) -> list[str]:
        """Return the names in ``columns=``; `UsageError` unless they are ``known``."""
        if "columns" not in self.values:
            return []
        given = self.values["columns"]
        try:
            value = yaml.safe_load(given)
        except yaml.YAMLError:
            value = given
        names = [str(name) for name in (value if isinstance(value, list) else [value])]
        for name in names or [""]:
            if name not in known:
                raise UsageError(f"columns={given}: there is no column {name!r}; {suggestion(name, known)}")
        return list(dict.fromkeys(names))

    def video(self) -> Video:
        """Return the video, which may be a folder of images with ``fps=`` and ``times=``; `UsageError` if none."""
        return self.videos()[0]

    def videos(self) -> list[Video]:
        """Return all videos, at least one, as `video` does."""
        from ..video.frame_folder import as_video

        if not self.positional:
            hint = " (a name with = in it must be that of an existing file)" if self.overrides else ""
            raise UsageError(f"{self.command.name} needs a video{hint}: {self.command.examples[0]}")
        options = {k: self.values[k] for k in ("fps", "times") if k in self.values}
        return [as_video(path, **options) for path in self.positional]

    def add(self, word: str, sign: str, key: str, text: str) -> None:
        """Take ``word``, which is ``key=text`` after a ``sign`` of Hydra's grammar."""
        option = self.command.option(key)
        if option is None and self.command.more:
            option = COMMANDS[self.command.more].option(key)
        if option is None and not self.command.config:
            raise self.command.refusal(key)
        # The path of a published split may hold what means something to Hydra.
        if option is None or (option.kind == "config" and not (key == "split" and text.endswith(".json"))):
            self.overrides.append(word)
        elif sign:
            raise UsageError(f"{word}: options are changed by {key}=VALUE only")
        else:
            self.values[key] = option.read(text, word)


def read(command: Command, words: Sequence[str]) -> Arguments:
    """Sort the words after a command.

    A word that is an existing path is one of the paths that the command takes, whatever it looks like; after ``--``
    every word is. Raises `UsageError` for an option that there is not, a wrong value, too many names, or what is
    neither.
    """
    found, rest = Arguments(command, words), list(words)
    n_positional = math.inf if command.takes.endswith("...") else len(command.takes.split())

    def following(word: str) -> str:
        if "=" in word:
            return word.partition("=")[2]
        if not rest:
            raise UsageError(f"{word} needs a value after it")
        return rest.pop(0)

    while rest:
        word = rest.pop(0)
        room = len(found.positional) < n_positional
        name, equals, _ = word.partition("=")
        flag = command.option(name) if name.startswith("-") else None
        if word == "--":
            found.positional += rest
            break
        if flag is PLUGIN:
            found.plugins.append(following(word))
        elif flag is not None and flag.value:
            found.values[name] = following(word)
        elif flag is not None and not equals:
            found.values[flag.name.partition(",")[0]] = True
        elif room and _exists(word):
            found.positional.append(word)
        elif match := _OVERRIDE.fullmatch(word):
            found.add(word, *match.groups())
        elif word.startswith("-") and len(word) > 1:
            raise UsageError(f"unknown option {word!r}; {_hint(command, word, rest)}")
        elif room or not any(option.kind != "flag" for option in command.options):
            found.positional.append(word)
        else:
            raise UsageError(f"argument {word!r} is not key=value; for instance budget=8")
    if len(found.positional) > n_positional:
        raise UsageError(f"argument {found.positional[int(n_positional)]!r} is one too many")
    return found


def _hint(command: Command, word: str, rest: Sequence[str]) -> str:
    """Return what may be meant by ``word``, a flag that the command does not have, before the words of ``rest``."""
    name, equals, text = word.lstrip("-").partition("=")
    if command.option(name) is not None:
        value = text if equals else next((one for one in rest[:1] if one[:1] != "-" and "=" not in one), "VALUE")
        return f"write {printable(shlex.quote(f'{name}={value}'))}"
    flags = [option for option in (*command.options, PLUGIN) if option.kind == "flag"]
    known = [name for option in flags for name in option.name.split(", ")]
    known += [f"{option.name}=" for option in command.options if option.kind != "flag" and "." not in option.name]
    told = ", ".join(f"{option.name} {option.value}".strip() for option in flags)
    return suggestion(word.partition("=")[0], known, f"this command has {told} (put -- before a file of that name)")


def parse(overrides: Sequence[str | None]) -> list[Override]:
    """Parse overrides with Hydra's grammar."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, parsed = OverridesParser.create(), []
    for line in map(str, overrides):
        try:
            if line.count("[") + line.count("{") > _MOST_BRACKETS:
                raise ValueError("it has too many brackets")  # the grammar takes minutes, or recurses without end
            parsed.append(parser.parse_override(line))
        except (HydraException, ValueError) as error:  # ValueError: a number of thousands of digits
            key = line.partition("=")[0]
            raise UsageError(
                f"{line} has a value that Hydra's grammar cannot read; put quotes around it, {key}=\"'...'\""
            ) from error
    return parsed


def one_value(word: str) -> Any:
    """Return the value of ``key=value`` in Hydra's grammar, for an option that no configuration has."""
    override = parse([word])[0]
    if override.is_sweep_override():
        raise UsageError(f"{word}: give one value; several values need brackets, {override.get_key_element()}='[a,b]'")
    return override.value()


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as the only item of one."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def path_text(path: str | Path) -> str:
    """Return ``path`` as one would type it in a shell; what a terminal cannot show is spelled out."""
    text = printable(shlex.quote(str(path)))
    return text if text.isprintable() else one_line(text)


def counted(n: int, noun: str) -> str:
    """Return "1 frame", "2 frames"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


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


def _stem(name: str) -> str:
    """Return what all names start with that ``name`` stands for; empty if it is a name itself."""
    stem = re.split(r"(?<=\.)[A-Z]", name)[0]
    return stem if stem.endswith(".") else ""


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False


def _declared() -> dict[str, Command]:
    text = (files(__package__) / "commands.yaml").read_text("utf-8")
    found = {}
    for name, node in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["commands"].items():
        entries = [one for entry in node.pop("options") for one in (entry if isinstance(entry, list) else [entry])]
        options = [Option(**{"kind": "flag" if entry["name"][0] == "-" else "config", **entry}) for entry in entries]
        found[name] = Command(name, options=tuple(options), **node)
    return found


COMMANDS = _declared()
