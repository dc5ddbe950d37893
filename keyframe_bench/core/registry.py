"""Registries of named classes, and their typed parameters, read from ``__init__`` signatures."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import shlex
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from .errors import OutOfMemoryError, UnavailableError, UsageError, raise_out_of_memory, suggestion
from .sources import forget, source_digest

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
            text += f" {self.range}".replace(" at ", " of at ")
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

    Raises `TypeError` if a parameter has no default, or an annotation other than scalars, ``Literal``, ``Annotated[...,
    Range]`` and ``None`` unions.
    """
    return dict(_parameters_of(cls))


@functools.cache
def _parameters_of(cls: type) -> dict[str, Parameter]:
    init = inspect.getattr_static(cls, "__init__")
    if init is object.__init__:
        return {}
    signature = inspect.signature(init)
    # A dataclass inherits fields, whose annotations resolve in the module of their class.
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    hints = typing.get_type_hints(owner if "__dataclass_params__" in vars(owner) else init, include_extras=True)
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


T = TypeVar("T")
_Columns = Callable[[type[Any]], Iterable[str]]


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered class, or the reason why its module could not be imported."""

    name: str
    cls: type[T] | None
    origin: str
    error: str | None = None


class Registry(Generic[T]):
    """Names to classes. Discovery happens at the first look-up, never at import.

    Parameters
    ----------
    kind : str
        What is registered, in the singular, for messages ("extractor").
    package : str
        Package whose modules (names without a leading underscore) are imported on discovery, or a single module.
    reserved : iterable of str
        Names that no class may take.
    columns : callable
        Maps a class to further names that must be unique (the columns of a metric).
    """

    def __init__(self, kind: str, package: str, reserved: Iterable[str] = (), columns: _Columns = lambda _: ()) -> None:
        self.kind, self.package, self.columns, self.reserved = kind, package, columns, frozenset(reserved)
        self._entries: dict[str, Entry[T]] = {}
        self._points: list[EntryPoint] | None = None  # still to be loaded; None before the first look-up

    def add(self, name: str, cls: type[T]) -> None:
        """Register ``cls`` under ``name``; a name or column that another class has raises `UsageError`.

        Built-in and installed classes take precedence, whatever the import order.
        """
        if name in self.reserved:
            raise UsageError(f"{self.kind} name {name!r} is reserved in results; choose another")
        origin = cls.__module__
        if not origin.startswith(f"{self.package.partition('.')[0]}."):
            self.discover(origin.partition(".")[0])
        for other in self._entries.values():
            if other.cls is None or other.cls is cls:
                continue
            if other.name == name:
                raise UsageError(
                    f"{self.kind} name {name!r} is registered twice, by {other.origin} and by {origin}; rename one"
                )
            if both := {*self.columns(cls)} & {*self.columns(other.cls)}:
                raise UsageError(
                    f"{self.kind} {name!r} of {origin} has the column {min(both)!r}, which {self.kind} {other.name!r} "
                    f"of {other.origin} has already; rename it"
                )
        self._entries[name] = Entry(name, cls, origin)

    def discover(self, importing: str = "") -> None:
        """Import the package's modules and the entry points of group ``package``, once.

        Entry points of ``importing``, a package still being imported, wait for the next look-up.
        """
        if self._points is None:
            self._points = list(entry_points(group=self.package))
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                if not module.name.startswith("_"):
                    path = f"{self.package}.{module.name}"
                    self._attempt(module.name, path, partial(importlib.import_module, path))
        points, self._points, waiting = self._points, [], []
        for point in points:
            if re.split(r"[.:]", point.value)[0] == importing:
                waiting.append(point)
            else:
                self._attempt(point.name, point.value, point.load)
        self._points += waiting

    def _attempt(self, name: str, origin: str, load: Callable[[], Any]) -> None:
        try:
            load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plug-in must stay listed with its reason
            raise_out_of_memory(error)
            key = f"{name} ({origin})" if name in self._entries else name  # list a second owner of a name too
            self._entries[key] = Entry(key, None, origin, f"{type(error).__name__}: {error}")

    def entries(self) -> dict[str, Entry[T]]:
        """Every entry by name, sorted; entries that failed to import have ``cls = None``."""
        self.discover()
        return dict(sorted(self._entries.items()))

    def names(self) -> list[str]:
        """Names that can be built, sorted."""
        return [name for name, entry in self.entries().items() if entry.cls is not None]

    def get(self, name: str) -> type[T]:
        """Return the class of ``name``; unknown names raise `UsageError` with the nearest, broken ones their reason."""
        self.discover()
        entry = self._entries.get(name) if isinstance(name, str) else None
        if entry is None:
            hint = f"{suggestion(name, sorted(self._entries))} (a plug-in file needs --plugin FILE)"
            raise UsageError(f"unknown {self.kind} {name!r}; {hint}")
        if entry.cls is None:
            raise UnavailableError(f"{self.kind} {name!r} cannot be loaded: {entry.error}")
        return entry.cls

    def owner(self, name: str) -> type[T] | None:
        """Return the class that has taken ``name`` so far, or None."""
        entry = self._entries.get(name)
        return None if entry is None else entry.cls

    def build(self, name: str, params: Mapping[str, Any] | None = None) -> T:
        """Return an instance of ``name`` with checked parameters (one message for command line, Python and YAML)."""
        cls = self.get(name)
        return cls(**check_params(cls, params or {}, f"{self.kind} {name!r}"))


def register(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: register an extractor, feature, metric, data set, network or loss under ``name``.

    The base class decides the registry.

    Examples
    --------
    >>> import keyframe_bench as kb
    >>> @kb.register("first_frame")
    ... class FirstFrame(kb.Extractor):
    ...     '''The first sampled frame, whatever the budget.'''
    ...     reference = "none"
    ...     budget_rule = "always one frame"
    ...     may_return_fewer = "it is one frame by definition"
    ...     def select(self, clip, k=None, *, rng):
    ...         return clip.pick([0])
    """

    def decorate(cls: type[T]) -> type[T]:
        registry = getattr(cls, "registry", None)
        if not isinstance(registry, Registry):
            raise TypeError(
                f"{cls.__name__} is not an Extractor, Feature, Metric, Dataset, Network or Loss; derive from one"
            )
        with contextlib.suppress(NameError):  # an annotation may use a name that the file defines further down
            parameters_of(cls)  # report an invalid signature in the file that has it
        before = vars(cls).get("name")
        if before != name and before in registry._entries and registry._entries[before].cls is cls:
            raise UsageError(
                f"{registry.kind} {before!r} is registered already and cannot be {name!r} too; derive from it"
            )
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise UsageError(f"{registry.kind} {name!r}: class {cls.__name__} does not define {', '.join(missing)}")
        version = getattr(cls, "version", 1)
        if not isinstance(version, int) or isinstance(version, bool):
            raise UsageError(f"version={version!r} of {registry.kind} {name!r} is not a whole number")
        cls.name = name  # type: ignore[attr-defined]  # every registered base declares `name`
        registry.add(name, cls)
        source_digest(cls)  # type: ignore[arg-type]  # now, while the files still are what was imported
        return cls

    return decorate


_loaded_plugins: dict[Path, str] = {}


def load_plugins(files: Iterable[str]) -> None:
    """Import plug-in files, each once, under a module name of their own; a file that fails raises `UsageError`."""
    for file in files:
        path = Path(file).resolve()
        if path in _loaded_plugins:
            continue
        if not path.is_file():
            raise UsageError(f"plug-in file {str(file)!r} does not exist; give the path of a Python file")
        stem = re.sub(r"\W", "_", path.stem)  # a dot would make it a module of a package
        name = "_".join(["keyframe_bench_plugin", stem, hashlib.sha256(str(path).encode()).hexdigest()[:8]])
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"plug-in file {str(file)!r} is not a Python file (its name must end in .py)")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # pickle looks its classes up here
        forget(path)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            if isinstance(error, UsageError):
                raise UsageError(f"plug-in file {str(file)!r}: {error}") from error
            if isinstance(error, MemoryError):
                raise OutOfMemoryError(f"importing plug-in file {str(file)!r}") from error
            said = f"plug-in file {str(file)!r} fails on import: {type(error).__name__}: {error}"
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and any((path.parent / f"{missing}{end}").exists() for end in ("", ".py")):
                said += f"; what lies beside it is found with PYTHONPATH={shlex.quote(str(path.parent))}"
            raise UsageError(said) from error
        _loaded_plugins[path] = name


def plugin_files() -> list[str]:
    """Paths of the plug-in files loaded so far, for worker processes."""
    return [str(path) for path in _loaded_plugins]
