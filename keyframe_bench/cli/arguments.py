"""Splitting the command line: flags, paths that no grammar may touch, and overrides for Hydra."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..core.errors import UsageError
from ..core.files import printable
from ..tables.format import one_line

if TYPE_CHECKING:
    from ..video.frame_folder import Video

_OVERRIDE = re.compile(r"[+~]{0,2}([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)
# Values that are paths: taken as they stand, so names with "=", ",", "(" or quotes work.
_PATHS = re.compile(r"out|weights|trainings|extractor\.weights|dataset\.(root|annotations|clips)")


@dataclass
class Arguments:
    """One command's arguments.

    Attributes
    ----------
    positional : list of str
        Paths and names.
    switches : set of str
        Flags without a value, such as "--json".
    plugins : list of str
        Values of ``--plugin``.
    values : dict
        Flags with a value, such as "--from", as typed.
    paths : dict
        ``out``, ``weights``, ``dataset.root``, a ``split`` that is a file ... as typed.
    overrides : list of str
        Everything else, for Hydra.
    """

    positional: list[str] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)
    plugins: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    def set(self, key: str, value: str, word: str) -> None:
        """Keep ``word``, which is ``key=value``, as a path or for Hydra."""
        if not _PATHS.fullmatch(key) and not (key == "split" and value.endswith(".json")):
            self.overrides.append(word)
        elif value:
            self.paths[key] = value
        else:
            raise UsageError(f"{word} is empty; give a path after it, or leave it out")

    def pop_columns(self, known: Sequence[str]) -> list[str]:
        """Take ``columns=[a,b]`` out of the overrides and return its names; `UsageError` unless they are ``known``."""
        given = [word for word in self.overrides if word.startswith("columns=")]
        self.overrides = [word for word in self.overrides if word not in given]
        if not given:
            return []
        try:
            value = yaml.safe_load(given[-1].partition("=")[2])
        except yaml.YAMLError:
            value = None
        names = [str(name) for name in (value if isinstance(value, list) else [value] if value else [])]
        wrong = next((name for name in names or [""] if name not in known), None)
        if wrong is not None:
            near = difflib.get_close_matches(wrong, known, n=3) or known
            raise UsageError(f"{given[-1]}: there is no column {wrong!r}; there are {', '.join(near)}")
        return list(dict.fromkeys(names))

    def pop_video(self, example: str) -> Video:
        """Take the video, and ``fps=`` and ``times=`` of a folder of pictures, out of the arguments.

        Parameters
        ----------
        example : str
            The command as it may be typed, such as "extract VIDEO extractor=uniform".

        Raises
        ------
        UsageError
            If there is no video, or an option is wrong.
        """
        from ..video.frame_folder import as_video

        if not self.positional:
            hint = " (a name with = in it must be that of an existing file)" if self.overrides else ""
            raise UsageError(f"{example.partition(' ')[0]} needs a video{hint}: keyframe-bench {example}")
        given: dict[str, Any] = {}
        for name in ("fps", "times"):
            for word in [word for word in self.overrides if word.partition("=")[0] == name]:
                self.overrides.remove(word)
                given[name] = word.partition("=")[2]
        if "fps" in given:
            try:
                given["fps"] = float(given["fps"])
            except ValueError:
                raise UsageError(f"fps={given['fps']} is not a number of pictures per second") from None
        return as_video(self.positional[0], **given)

    def refuse_options(self, command: str) -> None:
        """Raise `UsageError` if there is any ``key=value``, for a command that takes none."""
        for key in (*self.paths, *self.overrides):
            raise UsageError(f"{command} takes no options such as {key.partition('=')[0]}=")


def split(
    arguments: Sequence[str], *, switches: Sequence[str] = (), valued: Sequence[str] = (), n_positional: int = 0
) -> Arguments:
    """Sort ``arguments`` of one command.

    Parameters
    ----------
    arguments : list of str
        Without the program and the command.
    switches : list of str
        Flags the command knows, such as "--json".
    valued : list of str
        Flags with a value that it knows, such as "--from", to be followed by it or by ``=`` and it.
    n_positional : int
        How many names or paths it takes. An argument that is an existing path is one of them, whatever it looks like;
        after ``--`` everything is.

    Raises
    ------
    UsageError
        Unknown flag, too many names, or an argument that is neither.
    """
    found = Arguments()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        room = len(found.positional) < n_positional
        if word == "--":
            found.positional += rest
            break
        if word in switches:
            found.switches.add(word)
        elif word.partition("=")[0] == "--plugin":
            found.plugins.append(_value(word, rest, "the path of a Python file"))
        elif word.partition("=")[0] in valued:
            found.values[word.partition("=")[0]] = _value(word, rest, "a value")
        elif room and _exists(word):
            found.positional.append(word)
        elif match := _OVERRIDE.fullmatch(word):
            found.set(match[1], match[2], word)
        elif word.startswith("-") and len(word) > 1:
            known = ", ".join([*switches, *(f"{flag} VALUE" for flag in valued), "--plugin FILE"])
            raise UsageError(
                f"unknown option {word!r}; this command knows {known} (a file of that name: put -- before it)"
            )
        elif room:
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
