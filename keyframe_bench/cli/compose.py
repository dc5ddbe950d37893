"""Configuration with Hydra: groups made from signatures, errors as one sentence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..core.errors import UnavailableError, UsageError, suggestion
from ..core.registry import Registry, parameters_of
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from .commands import COMMANDS, CONFIG_MODULE, Arguments, conf, conf_names, parse

_REGISTRIES: dict[str, Registry[Any]] = {"extractor": Extractor.registry, "dataset": Dataset.registry}
_GROUPS = {
    "extract": ("extractor",),
    "explain": ("extractor",),
    "map": ("extractor",),
    "compress": ("extractor",),
    "run": ("dataset", "executor", "logger"),
    "train": ("extractor", "dataset", "trainer", "logger"),
}
_stored: dict[tuple[str, str], type] = {}  # what Hydra's store holds
# What Hydra and OmegaConf raise for a wrong value; some versions let a ValueError through.
_ERRORS = (HydraException, OmegaConfBaseException, ValueError)
_NOT_HERE = {
    ("train", "extractor"): "the options of a training are trainer.OPTION=VALUE",
    ("run", "extractor"): (
        "did you mean extractors=, such as extractors='[a,b]' or all? run takes weights=FILE, and parameters as "
        "grid.EXTRACTOR.PARAMETER=..."
    ),
}


def configured(found: Arguments, name: str = "") -> dict[str, Any]:
    """Return the configuration of a command, or the one called ``name``, with all that was typed.

    Raises `UsageError` for a syntax error, an unknown key, group option or parameter; one sentence.
    """
    found = with_texts(found, name)
    return merged(composed(name or found.command.config, found.overrides), found.values)


def merged(config: dict[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Put options that no grammar touches into a composed configuration: ``out``, ``dataset.root`` and the like."""
    for key, value in typed.items():
        group, dot, parameter = key.partition(".")
        if key == "weights" and "extractor" in config:
            config["extractor"]["weights"] = value
        elif not dot:
            config[key] = value
        elif isinstance(config.get(group), dict):
            config[group][parameter] = value
    return config


def composed(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Return configuration ``name`` with ``overrides``, none of several values, as plain data."""
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override():
            raise UsageError(
                f"{override.input_line}: several values need brackets, {override.get_key_element()}='[a,b]', "
                f"or -m to sweep over them"
            )
    with hydra_ready():
        return _plain(name, parsed)


def jobs_of(found: Arguments) -> list[dict[str, Any]]:
    """Return the configuration of every job of a sweep, as Hydra's own sweeper would run them.

    Options of Hydra itself and sweeps that only other sweepers understand (intervals) are left out.
    """
    found = with_texts(found)
    axes = [
        [f"{o.get_key_element()}={v}" for v in o.sweep_string_iterator()] if o.is_discrete_sweep() else [o.input_line]
        for o in parse(found.overrides)
        if not _is_hydras(o) and (o.is_discrete_sweep() or not o.is_sweep_override())
    ]
    with hydra_ready():
        jobs = [_plain(found.command.name, parse(lines)) for lines in itertools.product(*axes)]
    return [merged(job, found.values) for job in jobs]


def _plain(name: str, parsed: Sequence[Override]) -> dict[str, Any]:
    return plain(compose(name, [adapted(override, name) for override in parsed]))


def plain(config: Any) -> dict[str, Any]:
    """Return a composed configuration as plain data; `UsageError` for an option that a file of ``conf/`` lacks."""
    node = dict(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]  # a mapping at the top
    for group in {"executor", "logger"} & node.keys():
        known = conf(f"{group}/{node[group]['name']}")
        if unknown := next((key for key in node[group] if key not in known), None):
            there = ", ".join(key for key in known if key != "name") or "none"
            raise UsageError(f"{group}={known['name']} has no option {unknown!r}; it has {there}")
    return node


@contextmanager
def hydra_ready() -> Iterator[None]:
    """Open Hydra on the packaged configuration and on every registered class; its errors become one sentence."""
    store = ConfigStore.instance()
    vars(store)["__deepcopy__"] = lambda _: store  # Hydra copies it for each command, and only reads the copy
    for group, registry in _REGISTRIES.items():
        for name in registry.names():
            if _stored.get((group, name)) is not (cls := registry.get(name)):
                defaults = {p.name: p.default for p in parameters_of(cls).values()}
                store.store(group=group, name=name, node={"name": name, **defaults})
                _stored[group, name] = cls
    for name in ("extract", "explain", "map", "compress"):
        given = dict(COMMANDS[name].defaults)
        store.store(name=name, node={"defaults": ["_self_", {"extractor": given.pop("extractor")}], **given})
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        try:
            yield
        except UsageError:
            raise
        except _ERRORS as error:
            raise UsageError(_sentence(error)) from error


def adapted(override: Override, config: str, *, sweep: bool = False) -> str:
    """Return the override in the form Hydra needs, after checking names: its own messages do not say what there is.

    ``sweep``: whether it may have several values, and options of Hydra itself make sense.
    """
    line, key = str(override.input_line), str(override.key_or_group)
    group, _, parameter = key.partition(".")
    if _is_hydras(override):
        if not sweep:
            command = "train" if config == "train" else "run"
            raise UsageError(f"{line}: options of Hydra are for sweeps, keyframe-bench {command} -m")
        return line
    if override.package is not None or override.is_delete() or override.is_add():
        raise UsageError(f"{line}: options are changed by {key}=VALUE only")
    line = line.lstrip("+")
    if key in _GROUPS[config]:
        _check_choice(override, key)
        return line
    if (config, group) in _NOT_HERE:
        raise UsageError(f"{line}: {_NOT_HERE[config, group]}")
    if config == "run" and group in ("grid", "trainer"):
        parts = key.split(".")
        if len(parts) != 3:
            raise UsageError(
                f"{line} is not {group}.<extractor>.<{'parameter' if group == 'grid' else 'option'}>=[...]"
            )
        Extractor.registry.get(parts[1])
    elif group not in _GROUPS[config]:
        option = COMMANDS[config].option(key)
        if option is None or "." in option.name:
            raise COMMANDS[config].refusal(key, _groups_with(key.rpartition(".")[2], config))
        return line
    elif parameter == "name":
        raise UsageError(f"{line}: choose it with {group}=NAME")
    return f"++{line}"  # the class's own check knows the parameters


def _is_hydras(override: Override) -> bool:
    return str(override.key_or_group).split(".")[0].split("/")[0] == "hydra"


def _check_choice(override: Override, group: str) -> None:
    if override.is_sweep_override():
        return  # each value is checked as a job of its own
    name, registry = override.value(), _REGISTRIES.get(group)
    known = conf_names(group) if registry is None else registry.names()
    if not isinstance(name, str):
        raise UsageError(f"{override.input_line}: {group} is one name, such as {group}={known[0]}")
    if registry is not None:
        _class_of(group, name)
    elif name not in known:
        raise UsageError(f"unknown {group} {name!r}; {suggestion(name, known)}")


def _class_of(group: str, name: str) -> type:
    """Return the class that a choice stands for: its own, or that of a paper's preset, ``conf/<group>/<name>.yaml``."""
    own = conf(f"{group}/{name}")["defaults"][0] if name in conf_names(group) else name
    return _REGISTRIES[group].get(own)


def _groups_with(parameter: str, config: str) -> list[str]:
    """Return ``<group>.<parameter>`` for the groups of a command of which a class has the parameter."""
    classes = {group: [registry.get(n) for n in registry.names()] for group, registry in _REGISTRIES.items()}
    classes["trainer"] = [cls.Options for cls in classes["extractor"] if issubclass(cls, Trainable)]
    groups = [group for group in _GROUPS[config] if (config, group) not in _NOT_HERE]
    known = [group for group in groups if any(parameter in parameters_of(c) for c in classes.get(group, ()))]
    return [f"{group}.{parameter}" for group in known]


def named(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a node ``{name, **params}``."""
    return str(node["name"]), {k: v for k, v in node.items() if k != "name"}


def with_texts(found: Arguments, name: str = "") -> Arguments:
    """Return the arguments with parameters of chosen classes that are plain text as values: no grammar touches them.

    ``name`` is the configuration, if it is not the command's.
    """
    command, known = name or found.command.config, set[str]()
    for group in _REGISTRIES.keys() & set(_GROUPS[command]):
        chosen = next((o.partition("=")[2] for o in found.overrides if o.startswith(f"{group}=")), "")
        try:
            parameters = parameters_of(_class_of(group, chosen)).values()
        except (UsageError, UnavailableError):  # composing will say so
            continue
        known |= {f"{group}.{p.name}" for p in parameters if p.types == (str,) and not p.choices}
    taken, left = {}, []
    for line in found.overrides:
        key, _, value = line.partition("=")
        if key in known and value != "null" and (command, key.partition(".")[0]) not in _NOT_HERE:
            taken[key] = value
        else:
            left.append(line)
    return replace(found, values={**found.values, **taken}, overrides=left)


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__).rstrip(".")
    if isinstance(error, MissingConfigException) and error.options:
        return f"{text}; {suggestion('', error.options)}"
    key = getattr(error, "full_key", None)
    return f"{f'{key}: ' if key else ''}{text}; --help lists the options and their values"
