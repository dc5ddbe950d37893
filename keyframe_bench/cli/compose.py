"""Configuration with Hydra: groups made from signatures, errors as one sentence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..core.errors import UnavailableError, UsageError
from ..core.params import parameters_of
from ..core.registry import Registry
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from .options import COMMANDS, CONFIG_MODULE, conf, conf_names

GROUPS: dict[str, Registry[Any]] = {
    "extractor": Extractor.registry,
    "dataset": Dataset.registry,
}
# What Hydra and OmegaConf raise for a wrong value; some versions let a ValueError through.
_ERRORS = (HydraException, OmegaConfBaseException, ValueError)
_MOST_BRACKETS = 100  # of lists in an option


def store_groups() -> None:
    """Put a node ``{name, **parameters}`` for every class, and the options of `extract`, into the store.

    All defaults come from signatures.
    """
    store = ConfigStore.instance()
    for group, registry in GROUPS.items():
        for name in registry.names():
            defaults = {p.name: p.default for p in parameters_of(registry.get(name)).values()}
            store.store(group=group, name=name, node={"name": name, **defaults})
    for name in ("extract", "explain"):
        given = dict(COMMANDS[name].defaults)
        store.store(name=name, node={"defaults": ["_self_", {"extractor": given.pop("extractor")}], **given})


@contextmanager
def hydra_ready() -> Iterator[None]:
    """Open Hydra on the packaged configuration with every group known; its errors become one sentence.

    Raises
    ------
    UsageError
    """
    store_groups()
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        try:
            yield
        except _ERRORS as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(_sentence(error)) from error


def composed(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Return configuration ``name`` with ``overrides`` as plain data.

    Raises
    ------
    UsageError
        For a syntax error, an unknown key, group option or parameter; one sentence.
    """
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override():
            raise UsageError(
                f"{override.input_line}: several values need brackets, {override.get_key_element()}='[a,b]', "
                f"or -m to sweep over them"
            )
    with hydra_ready():
        return _plain(name, parsed)


def jobs_of(name: str, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Return the configuration of every job that sweeping ``overrides`` means, as Hydra's own sweeper would run them.

    Options of Hydra itself and sweeps that only other sweepers understand (intervals) are left out.
    """
    axes = [
        [f"{o.get_key_element()}={v}" for v in o.sweep_string_iterator()] if o.is_discrete_sweep() else [o.input_line]
        for o in parse(overrides)
        if not _is_hydras(o) and (o.is_discrete_sweep() or not o.is_sweep_override())
    ]
    with hydra_ready():
        return [_plain(name, parse(lines)) for lines in itertools.product(*axes)]


def _plain(name: str, parsed: Sequence[Override]) -> dict[str, Any]:
    config = compose(name, [adapted(override, name) for override in parsed])
    return dict(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]  # a mapping at the top


def parse(overrides: Sequence[str | None]) -> list[Override]:
    """Parse overrides with Hydra's grammar."""
    parser, parsed = OverridesParser.create(), []
    for line in overrides:
        try:
            if str(line).count("[") + str(line).count("{") > _MOST_BRACKETS:
                raise ValueError("it has too many brackets")  # the grammar takes minutes, or recurses without end
            parsed.append(parser.parse_override(str(line)))
        except (HydraException, ValueError) as error:  # ValueError: a number of thousands of digits
            key = str(line).partition("=")[0]
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


def adapted(override: Override, config: str, *, sweep: bool = False) -> str:
    """Return the override in the form Hydra needs, after checking names: its own messages do not say what there is.

    Parameters
    ----------
    override : Override
    config : {"extract", "explain", "run", "train"}
    sweep : bool
        Whether it may have several values, and options of Hydra itself make sense.
    """
    line, key = str(override.input_line), str(override.key_or_group)
    if _is_hydras(override):
        if not sweep:
            command = "train" if config == "train" else "run"
            raise UsageError(f"{line}: options of Hydra are for sweeps, keyframe-bench {command} -m")
        return line
    if override.package is not None or override.is_delete() or override.is_add():
        raise UsageError(f"{line}: options are changed by {key}=VALUE only")
    line = line.lstrip("+")
    group, _, parameter = key.partition(".")
    groups = _GROUPS_OF[config]
    if key in groups:
        _check_choice(override, key)
    elif config == "train" and group == "extractor":
        raise UsageError(f"{line}: what a training can be told is trainer.OPTION=VALUE")
    elif config != "train" and group == "grid":
        check_grid_key(key)
        return f"++{line}"
    elif config == "run" and group == "trainer":
        check_trainer_key(key)
        return f"++{line}"
    elif group in groups:
        if parameter == "name":
            raise UsageError(f"{line}: choose it with {group}=NAME")
        return f"++{line}"  # the class's own check knows the parameters
    elif config == "run" and group == "extractor":
        raise UsageError(
            f"{line}: run takes extractors='[a,b]' or all, weights=FILE, and parameters as "
            "grid.<extractor>.<parameter>=..."
        )
    else:
        _check_option(key, config)
    return line


_GROUPS_OF = {
    "extract": ("extractor",),
    "explain": ("extractor",),
    "run": ("dataset", "executor"),
    "train": ("extractor", "dataset", "trainer", "logger"),
}


def _is_hydras(override: Override) -> bool:
    return str(override.key_or_group).split(".")[0].split("/")[0] == "hydra"


def _check_choice(override: Override, group: str) -> None:
    if override.is_sweep_override():
        return  # each value is checked as a job of its own
    name = override.value()
    if not isinstance(name, str):
        raise UsageError(f"{override.input_line}: {group} is one name, such as {group}={_known(group)[0]}")
    if group in GROUPS:
        GROUPS[group].get(_class_of(group, name))
    elif name not in _known(group):
        raise UsageError(f"unknown {group} {name!r}; known are {', '.join(_known(group))}")


def _class_of(group: str, name: str) -> str:
    """Return the class that a choice stands for: itself, or that of a paper's preset, ``conf/<group>/<name>.yaml``."""
    return str(conf(f"{group}/{name}")["defaults"][0]) if name in conf_names(group) else name


def _known(group: str) -> list[str]:
    options = (command.option(group) for command in COMMANDS.values())
    return GROUPS[group].names() if group in GROUPS else next(option.known for option in options if option)


def _check_option(key: str, config: str) -> None:
    option = COMMANDS[config].option(key)
    if option is None or "." in option.name:
        raise COMMANDS[config].refusal(key, _groups_with(key, config))


def _groups_with(parameter: str, config: str) -> list[str]:
    """Return ``<group>.<parameter>`` for the groups of a command of which a class has the parameter."""
    groups = [group for group in _GROUPS_OF[config] if any(parameter in parameters_of(c) for c in _classes(group))]
    return [f"{group}.{parameter}" for group in groups]


def _classes(group: str) -> list[type]:
    if group in GROUPS:
        return [GROUPS[group].get(name) for name in GROUPS[group].names()]
    if group == "trainer":
        methods = (Extractor.registry.get(name) for name in Extractor.registry.names())
        return [method.Options for method in methods if issubclass(method, Trainable)]
    return []


def check_grid_key(key: str) -> None:
    """Raise `UsageError` unless ``key`` is ``grid.<extractor>.<parameter>``."""
    parts = key.split(".")
    if len(parts) != 3:
        raise UsageError(f"{key}= is not grid.<extractor>.<parameter>=[values]")
    known = parameters_of(Extractor.registry.get(parts[1]))
    if parts[2] not in known:
        raise UsageError(f"{key}: {parts[1]} has no parameter {parts[2]!r}; it has {', '.join(known) or 'none'}")


def check_trainer_key(key: str) -> None:
    """Raise `UsageError` unless ``key`` is ``trainer.<extractor>.<option>``; which options exist is looked at later."""
    parts = key.split(".")
    if len(parts) != 3:
        raise UsageError(f"{key}= is not trainer.<extractor>.<option>=[values]")
    Extractor.registry.get(parts[1])


def built_params(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a node ``{name, **params}``."""
    return str(node["name"]), {k: v for k, v in node.items() if k != "name"}


def text_parameters(group: str, overrides: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take out overrides of parameters that are plain text: their values are not Hydra's grammar.

    Returns
    -------
    tuple
        Option to value as typed, and the overrides that are left.
    """
    registry = GROUPS[group]
    chosen = next((o.partition("=")[2] for o in overrides if o.startswith(f"{group}=")), None)
    try:
        known = parameters_of(registry.get(_class_of(group, chosen))) if chosen else {}
    except (UsageError, UnavailableError):  # composing will say so
        known = {}
    taken, left = {}, []
    for line in overrides:
        key, _, value = line.partition("=")
        name = key.removeprefix(f"{group}.")
        parameter = known.get(name) if name != key else None
        if parameter is not None and parameter.types == (str,) and not parameter.choices and value != "null":
            taken[key] = value
        else:
            left.append(line)
    return taken, left


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__).rstrip(".")
    if isinstance(error, MissingConfigException) and error.options:
        return f"{text}; there are {', '.join(error.options)}"
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text
