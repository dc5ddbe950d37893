"""Configuration with Hydra: groups made from signatures, errors as one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..api import extract
from ..core.errors import UnavailableError, UsageError
from ..core.params import check_params, parameters_of
from ..core.registry import Registry
from ..datasets.base import Dataset
from ..extractors.base import Extractor

CONFIG_MODULE = "keyframe_bench.conf"
GROUPS: dict[str, Registry[Any]] = {"extractor": Extractor.registry, "dataset": Dataset.registry}


def store_groups() -> None:
    """Put a node ``{name, **parameters}`` for every registered class, and the options of `extract`, into Hydra's store.

    All defaults come from signatures.
    """
    store = ConfigStore.instance()
    for group, registry in GROUPS.items():
        for name in registry.names():
            defaults = {p.name: p.default for p in parameters_of(registry.get(name)).values()}
            store.store(group=group, name=name, node={"name": name, **defaults})
    given = {n: p.default for n, p in inspect.signature(extract).parameters.items() if p.default not in (p.empty, None)}
    store.store(name="extract", node={"defaults": ["_self_", {"extractor": given.pop("extractor")}], **given})


@contextmanager
def hydra_ready() -> Any:
    """Open Hydra on the packaged configuration with every group known."""
    store_groups()
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        yield


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
        try:
            config = compose(name, [ready for override in parsed for ready in adapted(override, name)])
            return dict(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]  # a mapping at the top
        except (HydraException, OmegaConfBaseException) as error:
            raise UsageError(_sentence(error)) from error


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides with Hydra's grammar."""
    try:
        return list(OverridesParser.create().parse_overrides(list(overrides)))
    except HydraException as error:
        raise UsageError(f"{_sentence(error)} (quote the value for Hydra: key=\"'value'\")") from error


def adapted(override: Override, config: str) -> list[str]:
    """Return the override in the form Hydra needs, checking names that deserve a better message than Hydra's."""
    line, key = str(override.input_line), str(override.key_or_group)
    if key in GROUPS and isinstance(override.value(), str):
        GROUPS[key].get(str(override.value()))
    elif config == "run" and (key == "extractor" or key.startswith("extractor.")):
        raise UsageError(
            f"{line}: run takes extractors='[a,b]' or all, and parameters as grid.<extractor>.<parameter>=..."
        )
    elif key.startswith("grid."):
        check_grid_key(key)
        return [f"++{line.lstrip('+')}"]
    return [line]


def check_grid_key(key: str) -> None:
    """Raise `UsageError` unless ``key`` is ``grid.<extractor>.<parameter>``."""
    parts = key.split(".")
    if len(parts) != 3:
        raise UsageError(f"{key} is not grid.<extractor>.<parameter>")
    check_params(Extractor.registry.get(parts[1]), {}, parts[1])
    known = parameters_of(Extractor.registry.get(parts[1]))
    if parts[2] not in known:
        raise UsageError(f"{key}: {parts[1]} has no parameter {parts[2]!r}; it has {', '.join(known) or 'none'}")


def built_params(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a node ``{name, **params}``."""
    if not isinstance(node, Mapping) or not isinstance(node.get("name"), str):
        raise UsageError(f"{node!r} is not a name with parameters")
    return str(node["name"]), {k: v for k, v in node.items() if k != "name"}


def text_parameters(group: str, overrides: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take out overrides of parameters that are plain text: their values are not Hydra's grammar.

    Returns
    -------
    tuple
        Parameter name to value as typed, and the overrides that are left.
    """
    registry = GROUPS[group]
    chosen = next((o.partition("=")[2] for o in overrides if o.startswith(f"{group}=")), None)
    try:
        known = parameters_of(registry.get(chosen)) if chosen else {}
    except (UsageError, UnavailableError):  # composing will say so
        known = {}
    taken, left = {}, []
    for line in overrides:
        key, _, value = line.partition("=")
        name = key.removeprefix(f"{group}.")
        parameter = known.get(name) if name != key else None
        if parameter is not None and parameter.types == (str,) and not parameter.choices and value != "null":
            taken[name] = value
        else:
            left.append(line)
    return taken, left


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if "is not in struct" in str(error):
        key = text.split("'")[1] if "'" in text else text
        return f"unknown option {key}; keyframe-bench list shows each method's parameters, --help the others"
    return text.rstrip(".")
