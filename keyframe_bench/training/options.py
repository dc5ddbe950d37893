"""The options of a training: typed fields of a dataclass, and the parameters of what they choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from ..core.errors import UsageError, suggestion
from ..core.registry import Configurable, Range, Registry, check_params, parameters_of

Self = TypeVar("Self", bound="TrainerOptions")


@dataclass(frozen=True, kw_only=True)
class TrainerOptions(Configurable):
    """Base of the options of a `Trainable`, the ``trainer.NAME=VALUE`` of the command line.

    A subclass is a frozen dataclass of keyword fields, typed like the parameters of an extractor, each with its
    default. It is made by `build`.

    Attributes
    ----------
    choices : mapping
        Field to the registry that its value is a name of: the parameters of the chosen class are options too.
    without_effect : frozenset of str
        Options on which the result does not depend.
    """

    choices: ClassVar[Mapping[str, Registry[Any]]] = {}
    without_effect: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def build(cls: type[Self], given: Mapping[str, Any] | None = None) -> Self:
        """Return checked options; those that are not given have their defaults.

        Raises `UsageError` for an unknown option, with the nearest, or a wrong value; if two have one name;
        `UnavailableError` if a chosen class cannot be imported.
        """
        given, own = dict(given or {}), parameters_of(cls)
        fields = check_params(cls, {name: given.pop(name) for name in own if name in given}, "trainer")
        chosen, taken = {}, dict.fromkeys(own, "of the training itself")
        for field, registry in cls.choices.items():
            whose = f"of {field}={fields[field]}"
            known = parameters_of(registry.get(fields[field]))
            for name in known:
                if name in taken:
                    raise UsageError(f"trainer.{name} is an option {taken[name]} and {whose}: rename it in one of them")
            taken |= dict.fromkeys(known, whose)
            chosen[field] = registry.build(fields[field], {name: given.pop(name) for name in known if name in given})
        if given:
            name = next(iter(given))
            raise UsageError(f"trainer has no option {name!r}; {suggestion(name, sorted(taken))}")
        made = cls(**fields)
        object.__setattr__(made, "_chosen", chosen)
        return made

    def chosen(self, field: str) -> Any:
        """Return the instance that ``field`` of `choices` names, with its parameters."""
        return self._chosen[field]  # type: ignore[attr-defined]  # of `build`

    @property
    def all_chosen(self) -> tuple[Any, ...]:
        """What the fields of `choices` name."""
        return tuple(self.chosen(field) for field in self.choices)

    @property
    def params(self) -> dict[str, Any]:
        """Every option by name, with the parameters of what is chosen."""
        own = super().params
        for one in getattr(self, "_chosen", {}).values():
            own = {**{name: getattr(one, name) for name in parameters_of(type(one))}, **own}
        return own

    @property
    def summary(self) -> str:
        """What ``train`` says of what is chosen, such as the size of a network; empty: nothing."""
        return ""

    @property
    def identity(self) -> dict[str, Any]:
        """Those on which the result depends."""
        return {name: value for name, value in self.params.items() if name not in self.without_effect}


@dataclass(frozen=True, kw_only=True)
class ModuleOptions(TrainerOptions):
    """What `keyframe_bench.training.fit_module.fit_module` must know, whatever the optimiser.

    Parameters
    ----------
    epochs : int
        Passes over the rows that train.
    batch : int
        Rows of a step.
    lr : float
        Learning rate at the first step.
    precision : {"auto", "fp32", "bf16"}
        "auto": bf16 where the machine has it in hardware, else fp32.
    patience : int
        Epochs without a better validation loss after which training stops; 0 never stops early.
    threads : int or None
        Of torch; None: one where a step is too small for more to help, else torch's own choice.
    """

    without_effect: ClassVar[frozenset[str]] = frozenset({"threads"})

    epochs: Annotated[int, Range(1)] = 40
    batch: Annotated[int, Range(1)] = 16
    lr: Annotated[float, Range(0)] = 1e-3
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    patience: Annotated[int, Range(0)] = 0
    threads: Annotated[int, Range(1)] | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(ModuleOptions):
    """`ModuleOptions`, and those of the optimiser that a `LossModule` has by itself: Adam, half a cosine.

    Parameters
    ----------
    lr_end : float
        Learning rate at the last step; from ``lr`` to it half a cosine.
    channels_last : bool
        Layout of tensors in memory.
    """

    lr_end: Annotated[float, Range(0)] = 1e-5
    channels_last: bool = True
