"""One command's arguments: flags, options that it reads itself, and overrides for Hydra."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..core.errors import UsageError, suggestion
from ..core.files import one_line, printable
from .options import COMMANDS, PLUGIN, Command

if TYPE_CHECKING:
    from ..video.frame_folder import Video

_OVERRIDE = re.compile(r"([+~]{0,2})([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)


@dataclass
class Arguments:
    """One command's arguments.

    Attributes
    ----------
    command : Command
    words : sequence of str
        All of it, as typed.
    positional : list of str
        Paths and names.
    plugins : list of str
        Values of ``--plugin``.
    values : dict
        Options by name, read; True for a switch.
    overrides : list of str
        Everything else, for Hydra.
    """

    command: Command
    words: Sequence[str]
    positional: list[str] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The command as it can be typed again."""
        return printable(shlex.join(["keyframe-bench", self.command.name, *self.words]))

    def get(self, name: str) -> Any:
        """Return the value of an option, or its default."""
        return self.values[name] if name in self.values else self.command.default(name)

    def below(self, stem: str) -> dict[str, Any]:
        """Return the values of options that start with ``stem``, without it."""
        return {key.removeprefix(stem): value for key, value in self.values.items() if key.startswith(stem)}

    def columns(self, known: Sequence[str]) -> list[str]:
        """Return the names in ``columns=``; `UsageError` unless they are ``known``."""
        if "columns" not in self.values:
            return []
        try:
            value = yaml.safe_load(self.values["columns"])
        except yaml.YAMLError:
            value = None
        names = [str(name) for name in (value if isinstance(value, list) else [value] if value else [])]
        wrong = next((name for name in names or [""] if name not in known), None)
        if wrong is not None:
            given = self.values["columns"]
            raise UsageError(f"columns={given}: there is no column {wrong!r}; {suggestion(wrong, known)}")
        return list(dict.fromkeys(names))

    def video(self) -> Video:
        """Return the video, which may be a folder of pictures with ``fps=`` and ``times=``; `UsageError` if none."""
        from ..video.frame_folder import as_video

        if not self.positional:
            hint = " (a name with = in it must be that of an existing file)" if self.overrides else ""
            raise UsageError(f"{self.command.name} needs a video{hint}: {self.command.examples[0]}")
        return as_video(self.positional[0], **{k: self.values[k] for k in ("fps", "times") if k in self.values})

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
    every word is.

    Raises
    ------
    UsageError
        For an option that there is not, a wrong value, too many names, or what is neither.
    """
    found, rest, n_positional = Arguments(command, words), list(words), len(command.takes.split())
    while rest:
        word = rest.pop(0)
        room = len(found.positional) < n_positional
        if word == "--":
            found.positional += rest
            break
        name, equals, _ = word.partition("=")
        flag = command.option(name) if name.startswith("-") else None
        if flag is PLUGIN:
            found.plugins.append(_value(word, rest, "the path of a Python file"))
        elif flag is not None and flag.value:
            found.values[name] = _value(word, rest, "a value")
        elif flag is not None and not equals:
            found.values[flag.name.partition(",")[0]] = True
        elif room and _exists(word):
            found.positional.append(word)
        elif match := _OVERRIDE.fullmatch(word):
            found.add(word, *match.groups())
        elif word.startswith("-") and len(word) > 1:
            flags = [f"{o.name} {o.value}".strip() for o in (*command.options, PLUGIN) if o.kind == "flag"]
            hint = f"this command knows {', '.join(flags)} (a file of that name: put -- before it)"
            raise UsageError(f"unknown option {word!r}; {hint}")
        elif room or not any(option.kind != "flag" for option in command.options):
            found.positional.append(word)
        else:
            raise UsageError(f"argument {word!r} is not key=value; for instance budget=8")
    if len(found.positional) > n_positional:
        raise UsageError(f"argument {found.positional[n_positional]!r} is one too many")
    return found


def path_text(path: str | Path) -> str:
    """Return ``path`` as one would type it in a shell; what a terminal cannot show is spelled out."""
    text = printable(shlex.quote(str(path)))
    return text if text.isprintable() else one_line(text)


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False


def _value(word: str, rest: list[str], what: str) -> str:
    if "=" in word:
        return word.partition("=")[2]
    if not rest:
        raise UsageError(f"{word} needs {what} after it")
    return rest.pop(0)
