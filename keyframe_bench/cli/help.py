"""What ``--help`` prints, and the same as a page of the documentation: ``python -m keyframe_bench.cli.help``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from ..core.registry import Parameter, documented, parameters_of
from .commands import COMMANDS, PLUGIN, Command, Option, conf, conf_names, located

_ABOUT = "Compare key-frame extractors: one decode of a video, the same features and metrics for every method."
_STATUS = (
    "Options are NAME=VALUE; a list needs brackets, as in budget='[5,10]'. Exit status: 0 if all went well; 1 if a "
    "cell, a training or a check failed, or results differ; 2, with one sentence, if the command is wrong or lacks "
    "something."
)


def overview() -> str:
    """Return one line for every command."""
    commands = "\n".join(f"  {command.name:8} {command.summary}" for command in COMMANDS.values())
    more = textwrap.fill(f"All options of a command: keyframe-bench COMMAND --help. {_STATUS}", 100)
    return f"usage: keyframe-bench COMMAND ...\n\n{_ABOUT}\n\n{commands}\n\n{more}"


def page(command: Command) -> str:
    """Return what a command does, its options and examples."""
    lines = [f"usage: {_usage(command)}", "", command.summary, ""]
    for option, default in options_of(command):
        lines += [f"  {_typed(option)}{f'  (default: {default})' if default else ''}"]
        lines += textwrap.wrap(option.help, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "", "examples:", *(f"  {example}" for example in command.examples)])


def markdown() -> str:
    """Return the pages of all commands as one Markdown page."""
    parts = ["# Commands", "<!-- Written by `python -m keyframe_bench.cli.help`. -->", _ABOUT, _STATUS]
    for command in COMMANDS.values():
        rows = [
            "| " + " | ".join(text.replace("|", r"\|") for text in (f"`{_typed(option)}`", default, option.help)) + " |"
            for option, default in options_of(command)
        ]
        code = "\n".join(["```bash", *command.examples, "```"])
        parts += [f"## {command.name}", f"`{_usage(command)}`", command.summary]
        parts += ["\n".join(["| option | default | meaning |", "|---|---|---|", *rows]), code]
    return "\n\n".join(parts) + "\n"


def options_of(command: Command) -> Iterator[tuple[Option, str]]:
    """Yield every option of a command with its default as text, empty where there is none."""
    for option in (*command.options, PLUGIN):
        if option.fields:
            cls = located(option.fields)
            about = documented(cls)
            for p in parameters_of(cls).values():
                text = f"{about.get(p.name, '')} {'' if p.range is None else f'({p.range})'}".strip()
                yield Option(f"{option.name}{p.name}", _value_of(p), text), shown(p.default)
        else:
            yield option, _default(command, option)


def _default(command: Command, option: Option) -> str:
    group, _, name = option.name.partition(".")
    if default := shown(command.default(option.name)):
        return default
    choices = {choice: conf(f"{group}/{choice}") for choice in conf_names(group)} if name else {}
    return ", ".join(f"{choice}: {shown(node[name], 'null')}" for choice, node in choices.items() if name in node)


def shown(value: Any, none: str = "") -> str:
    """Return a default as it would be typed."""
    if value is None or value == {}:
        return none
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _typed(option: Option) -> str:
    value = option.value or "|".join(option.known)
    return option.name if not value else f"{option.name}{' ' if option.kind == 'flag' else '='}{value}"


def _value_of(parameter: Parameter) -> str:
    """Return what a value of a parameter looks like."""
    names = {bool: "true|false", int: "N", float: "NUMBER", str: "TEXT"}
    kinds = [names[kind] for kind in parameter.types]
    return "|".join([*kinds, *map(str, parameter.choices), *(["null"] if parameter.optional else [])])


def _usage(command: Command) -> str:
    words = ["keyframe-bench", command.name, command.takes]
    return " ".join([*filter(None, words), "[OPTION ...]"])


if __name__ == "__main__":
    print(markdown(), end="")
