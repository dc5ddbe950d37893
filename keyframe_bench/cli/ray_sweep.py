"""What Hydra's Ray launcher needs and does not do itself: a cluster that exists, and the sweep's folder in its jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.types import Override, Quote, QuotedString

from ..bench.cluster import connected
from ..core.errors import UnavailableError


@contextmanager
def ray_ready(overrides: Sequence[Override], folder: Path) -> Iterator[list[str]]:
    """Join a cluster if ``overrides`` choose Hydra's Ray launcher, and yield what it must be told besides.

    Left alone, the launcher starts a cluster: it cannot join one, since it asks for an object store of its own.
    Who gives it options of its own, ``hydra.launcher.ray.init...``, decides that himself.

    Parameters
    ----------
    overrides : list of Override
        Of the sweep.
    folder : Path
        Hydra's folder. Jobs of other launchers find it in the environment, which Ray's workers do not inherit.

    Raises
    ------
    UnavailableError
        See `connected`; or the launcher is not installed.
    """
    chosen = [override.value() for override in overrides if override.key_or_group == "hydra/launcher"]
    if "ray" not in chosen:
        yield []
        return
    if find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_ray_launcher") is None:
        raise UnavailableError(
            "hydra/launcher=ray needs hydra-ray-launcher, which is not installed: "
            "pip install --no-deps hydra-ray-launcher (it asks for a cloudpickle that is too old for joblib)"
        )
    told = [f"hydra.sweep.dir={QuotedString(_plain(str(folder.absolute())), Quote.single).with_quotes()}"]
    if any(str(override.key_or_group).startswith("hydra.launcher.ray.init") for override in overrides):
        yield told
        return
    with connected("auto"):
        yield told


def _plain(text: str) -> str:
    """Return ``text`` so that OmegaConf finds no interpolation in it."""
    return text.replace("${", r"\${")
