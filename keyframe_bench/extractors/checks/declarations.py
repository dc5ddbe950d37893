"""Checks of what the class says about itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ...core.errors import ContractError, UsageError
from ...core.registry import Parameter, parameters_of
from ..base import Extractor, ScoreExtractor
from .rule import CHECKS, require, rule


@rule(selects=False)
def check_parameters_declared(extractor: Extractor) -> None:
    """Every parameter of ``__init__`` is an annotated scalar with an immutable default that its own type accepts."""
    cls = type(extractor)
    try:
        parameters = parameters_of(cls)
    except TypeError as error:
        raise ContractError(f"{error}; allowed are bool, int, float, str, Literal and Annotated[..., Range]") from error
    for name, parameter in parameters.items():
        require(name not in ("seed", "rng", "random_state"), f"{name} is no parameter: use the rng given to select")
        try:
            parameter.check(parameter.default, cls.__name__)
        except UsageError as error:
            raise ContractError(f"the default is refused by its own declaration: {error}") from error


@rule(selects=False)
def check_parameters_stored(extractor: Extractor) -> None:
    """``__init__`` stores each parameter verbatim under its own name, whatever allowed value it gets."""
    cls = type(extractor)
    for name, parameter in parameters_of(cls).items():
        for value in _values(parameter):
            call = f"__init__({name}={value!r})"
            try:
                stored = getattr(cls(**{name: value}), name, "nothing")
            except Exception as error:
                raise ContractError(
                    f"{call} raises {type(error).__name__}: {error}; it must only store, so do the work in select and "
                    "say in unavailable() what is missing"
                ) from error
            kept = type(stored) is type(value) and stored == value
            require(kept, f"{call} stores {stored!r}; write self.{name} = {name}")


def _values(parameter: Parameter) -> Iterator[Any]:
    """Yield allowed values of a parameter: default, choices, ends of the range, something else of its type."""
    yield parameter.default
    if parameter.optional:
        yield None
    span = parameter.range
    ends = [end for end in (span.low, span.high) if end is not None] if span else []
    others: dict[type, Sequence[Any]] = {bool: (True, False), str: ("no such value",)}
    for kind in () if parameter.choices else parameter.types:
        yield from others.get(kind) or map(kind, ends or (1, 7))
    yield from parameter.choices or ()


@rule(selects=False)
def check_init_does_no_work(extractor: Extractor) -> None:
    """``__init__`` sets nothing but the parameters: no loading, no derived values."""
    cls = type(extractor)
    extra = sorted(set(vars(cls(**extractor.params))) - set(parameters_of(cls)))
    require(not extra, f"__init__ also sets {', '.join(extra)}; compute it in select, in needs or in a property")


@rule(selects=False)
def check_described(extractor: Extractor) -> None:
    """Every class says what it selects (its docstring), its source, and in one phrase how k is met."""
    cls, how = type(extractor), extractor.budget_rule
    require((cls.__dict__.get("__doc__") or "").strip(), f"write a docstring for class {cls.__name__}: what it selects")
    own = [c for c in cls.__mro__ if issubclass(c, Extractor) and c not in (Extractor, ScoreExtractor)]
    source = next((c.__dict__["reference"] for c in own if "reference" in c.__dict__), None)
    require(
        isinstance(source, str) and source.strip(),
        'set reference = "<BibTeX key of the article>", or reference = "none" when there is none',
    )
    require(isinstance(how, str) and how.strip() and "\n" not in how, 'set budget_rule = "<one phrase: how k is met>"')


@rule(selects=False)
def check_declarations_valid(extractor: Extractor) -> None:
    """``supports``, ``version``, ``draws``, the flags and ``expected_failures`` are what the interface names."""
    supports = extractor.supports
    require(
        isinstance(supports, frozenset) and supports and supports <= {"fixed", "free", "inferred"},
        'supports is a frozenset with "fixed" (takes k), "free" (decides itself), "inferred" (k from its scores)',
    )
    require(
        "inferred" not in supports or "fixed" in supports,
        'supports has "inferred" without "fixed"; an inferred number is asked for as a fixed one',
    )
    for name in ("version", "draws"):
        value = getattr(extractor, name)
        require(type(value) is int and value >= 1, f"{name} is a whole number of at least 1")
    for name in ("stochastic", "online", "privileged"):
        require(isinstance(getattr(extractor, name), bool), f"{name} is True or False")
    require(isinstance(extractor.may_return_fewer, str), 'may_return_fewer is the reason as text, or ""')
    for name, reason in extractor.expected_failures.items():
        require(name in CHECKS, f"expected_failures names {name!r}, which is none of the checks: {', '.join(CHECKS)}")
        require(isinstance(reason, str) and reason.strip(), f"expected_failures[{name!r}] must give the reason")


_HEAVY = frozenset({"jax", "lightning", "pandas", "sklearn", "tensorflow", "timm", "torch", "torchvision"})


@rule(selects=False)
def check_imports_light(extractor: Extractor) -> None:
    """The file imports at its top nothing that takes long to load: every command waits for it."""
    module = sys.modules.get(type(extractor).__module__)
    heavy = sorted(_HEAVY.intersection(_imported(module, set()))) if module is not None else []
    require(
        not heavy,
        f"{getattr(module, '__file__', None)} imports {', '.join(heavy)} at its top, for which every command waits; "
        "import inside the functions that use it",
    )


def _imported(module: ModuleType, seen: set[str]) -> Iterator[str]:
    """Yield the packages that ``module``, and modules beside it that it imports, have names of."""
    folder = str(Path(module.__file__ or "").parent)
    # What a function of a package imports from its own folder becomes an attribute of it, too.
    values = [v for name, v in vars(module).items() if getattr(v, "__name__", "") != f"{module.__name__}.{name}"]
    names = {v.__name__ if isinstance(v, ModuleType) else str(getattr(v, "__module__", "")) for v in values}
    for name in sorted(names - seen):
        seen.add(name)
        yield name.partition(".")[0]
        inner = sys.modules.get(name)
        if inner is not None and str(getattr(inner, "__file__", "")).startswith(folder):
            yield from _imported(inner, seen)
