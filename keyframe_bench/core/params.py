"""Typed parameters read from ``__init__`` signatures, the only place that states defaults and ranges."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .errors import UsageError, suggestion

# Accepted Python types of each scalar type; booleans are no numbers here.
_FITS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str, int, float)}


@dataclass(frozen=True)
class Range:
    """Closed interval a number must lie in, for ``Annotated[float, Range(0, 1)]``; ``None`` leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        # `typing` caches Range(0) and Range(0.0) as one: print both the same way.
        low, high = (int(x) if x is not None and float(x).is_integer() else x for x in (self.low, self.high))
        if high is None:
            return f"at least {low}"
        if low is None:
            return f"at most {high}"
        return f"between {low} and {high}"


@dataclass(frozen=True)
class Parameter:
    """One keyword of a class: its scalar types, choices, range and default."""

    name: str
    types: tuple[type, ...]
    default: Any = inspect.Parameter.empty
    optional: bool = False
    choices: tuple[Any, ...] = ()
    range: Range | None = None

    @property
    def expects(self) -> str:
        """What a value must be, in words."""
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        text = " or ".join(names[t] for t in self.types)
        if text and self.range is not None:
            text += f" {self.range}"
        choices = "one of " + ", ".join(map(str, self.choices)) if self.choices else ""
        return " or ".join(filter(None, [text, choices, "null" if self.optional else ""]))

    def check(self, value: Any, owner: str) -> Any:
        """Return ``value`` in the declared type, or raise `UsageError` naming owner, parameter and expectation."""
        if (value is None and self.optional) or any(value == c and type(value) is type(c) for c in self.choices):
            return value
        for kind in self.types:
            fits = isinstance(value, _FITS[kind]) and isinstance(value, bool) == (kind is bool)
            if fits and kind in (bool, str):
                return kind(value)
            if fits and (kind is int or abs(value) <= sys.float_info.max) and (not self.range or value in self.range):
                return value if kind is int else float(value) + 0.0  # -0.0 is 0.0
        raise UsageError(f"{owner}: {self.name}={value!r} is not {self.expects}")

    def describe(self) -> dict[str, Any]:
        """Plain data for ``keyframe-bench list --json``."""
        return {"name": self.name, "default": self.default, "expects": self.expects}


def parameters_of(cls: type) -> dict[str, Parameter]:
    """Return the parameters of ``cls.__init__`` by name, in order.

    Raises
    ------
    TypeError
        If a parameter has no default, or an annotation other than scalars, ``Literal``, ``Annotated[..., Range]`` and
        ``None`` unions.
    """
    return dict(_parameters_of(cls))


@functools.cache
def _parameters_of(cls: type) -> dict[str, Parameter]:
    init = inspect.getattr_static(cls, "__init__")
    if init is object.__init__:
        return {}
    signature = inspect.signature(init)
    # A dataclass inherits fields, whose annotations resolve in the module of their class.
    hints = typing.get_type_hints(cls if dataclasses.is_dataclass(cls) else init, include_extras=True)
    found = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{cls.__name__}.__init__ takes *args or **kwargs; name every parameter")
        if parameter.default is parameter.empty or name not in hints:
            raise TypeError(f"{cls.__name__}.__init__: parameter {name} needs a type annotation and a default")
        parts = list(_alternatives(hints[name]))
        interval = next((part for part in parts if isinstance(part, Range)), None)
        choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
        kinds = tuple(part for part in parts if part in _FITS)
        wrong = [p for p in parts if not (p in kinds or p in (interval, type(None)) or get_origin(p) is Literal)]
        if wrong:
            raise TypeError(f"{cls.__name__}.__init__: {name}: {wrong[0]} is not a scalar type, Literal or Range")
        found[name] = Parameter(name, kinds, parameter.default, type(None) in parts, tuple(choices), interval)
    return found


def _alternatives(hint: Any) -> Iterator[Any]:
    """Yield what a hint allows, and its `Range`; unions and ``Annotated`` nest (3.10 adds ``Optional`` by itself)."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        yield from _alternatives(inner)
        yield from (extra for extra in extras if isinstance(extra, Range))
    elif get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    else:
        yield hint


def documented(cls: type) -> dict[str, str]:
    """Return what the docstrings of ``cls`` and of its bases say of each parameter, as plain text.

    Examples
    --------
    >>> class Shift(Configurable):
    ...     '''Moves frames.
    ...
    ...     Parameters
    ...     ----------
    ...     x, y : int
    ...         Pixels, ``x`` to the right.
    ...     '''
    >>> documented(Shift)["y"]
    'Pixels, x to the right.'
    """
    found: dict[str, str] = {}
    for doc in (inspect.cleandoc(base.__doc__ or "") for base in reversed(cls.__mro__)):
        section = re.search(r"^Parameters\n-+\n(.*?)(?=^[A-Z]\w+\n---|\Z)", doc, re.M | re.S)
        for names, text in re.findall(r"^(\w[^:\n]*)(?: :.*)?\n((?: .*\n?|\n)*)", section[1] if section else "", re.M):
            plain = re.sub(r"\bNone\b", "null", text.replace("``", ""))  # as typed on the command line
            found |= dict.fromkeys(names.split(", "), " ".join(plain.split()))
    return found


def check_params(cls: type, params: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return ``params`` checked and completed with the defaults of ``cls``; `UsageError` names the first wrong one."""
    known = parameters_of(cls)
    for name in params:
        if name not in known:
            raise UsageError(f"{owner} has no parameter {name!r}; {suggestion(name, known)}")
    return {n: p.check(params[n], owner) if n in params else p.default for n, p in known.items()}


class Configurable:
    """A class whose keyword parameters are stored verbatim and can be read back."""

    @property
    def params(self) -> dict[str, Any]:
        """Current value of every ``__init__`` parameter, by name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.params.items())})"
