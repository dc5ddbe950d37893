"""Typed parameters read from ``__init__`` signatures: the only place where a default or a range is stated."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .errors import UsageError

_SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class Range:
    """Closed interval a number must lie in, for ``Annotated[float, Range(0, 1)]``; ``None`` leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        # 0 and 0.0 are one range to `typing`, which keeps either: they read alike.
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
        ok = self._convert(value)
        if ok is _REFUSED:
            raise UsageError(f"{owner}: {self.name}={value!r} is not {self.expects}")
        return ok

    def _convert(self, value: Any) -> Any:
        if value is None:
            return None if self.optional else _REFUSED
        if any(value == choice and type(value) is type(choice) for choice in self.choices):
            return value
        if isinstance(value, bool):
            return value if bool in self.types else _REFUSED
        for kind in self.types:
            converted: Any = _REFUSED
            if kind is float and isinstance(value, (int, float)) and abs(value) <= sys.float_info.max:
                converted = float(value) + 0.0  # -0.0 is 0.0
            elif kind is int and isinstance(value, int):
                converted = value
            elif kind is str and isinstance(value, (str, int, float)):
                converted = str(value)
            if converted is not _REFUSED and (kind is str or self.range is None or converted in self.range):
                return converted
        return _REFUSED

    def describe(self) -> dict[str, Any]:
        """Plain data for ``keyframe-bench list --json``."""
        return {"name": self.name, "default": self.default, "expects": self.expects}


_REFUSED = object()


def parameters_of(cls: type) -> dict[str, Parameter]:
    """Return the parameters of ``cls.__init__`` by name, in order.

    Raises
    ------
    TypeError
        If a parameter has no default or an annotation other than scalars, ``Literal``, ``Annotated[..., Range]`` and
        ``None`` unions: the class itself is wrong.
    """
    return dict(_parameters_of(cls))


@functools.cache
def _parameters_of(cls: type) -> dict[str, Parameter]:
    init = inspect.getattr_static(cls, "__init__")
    if init is object.__init__:
        return {}
    signature = inspect.signature(init)
    # A dataclass inherits fields, whose annotations are read where they were written.
    hints = typing.get_type_hints(cls if dataclasses.is_dataclass(cls) else init, include_extras=True)
    found = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{cls.__name__}.__init__ takes *args or **kwargs; name every parameter")
        if parameter.default is parameter.empty:
            raise TypeError(f"{cls.__name__}.__init__: parameter {name} needs a default")
        if name not in hints:
            raise TypeError(f"{cls.__name__}.__init__: parameter {name} needs a type annotation")
        found[name] = _read(cls, name, hints[name], parameter.default)
    return found


def _read(cls: type, name: str, hint: Any, default: Any) -> Parameter:
    optional, allowed, interval = False, None, None
    kinds = []
    for part in _alternatives(hint):
        if isinstance(part, Range):
            interval = part
        elif part is type(None):
            optional = True
        elif get_origin(part) is Literal:
            allowed = get_args(part)
        elif part in _SCALARS:
            kinds.append(part)
        else:
            raise TypeError(f"{cls.__name__}.__init__: {name}: {part} is not a scalar type, Literal or Range")
    return Parameter(name, tuple(kinds), default, optional, allowed or (), interval)


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
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {', '.join(near)}" if near else f"its parameters are {', '.join(known) or 'none'}"
            raise UsageError(f"{owner} has no parameter {name!r}; {hint}")
    return {n: p.check(params[n], owner) if n in params else p.default for n, p in known.items()}


class Configurable:
    """A class whose keyword parameters are stored verbatim and can be read back."""

    @property
    def params(self) -> dict[str, Any]:
        """Current value of every ``__init__`` parameter, by name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.params.items())})"
