"""Parameters are read from signatures: types, choices, ranges and defaults are stated once and checked everywhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.registry import Configurable, Range, check_params, parameters_of


class Method(Configurable):
    def __init__(
        self,
        threshold: Annotated[float, Range(0, 1)] = 0.5,
        count: Annotated[int, Range(1, None)] | Literal["auto"] = "auto",
        mode: Literal["mean", "max"] = "mean",
        window: Annotated[int | None, Range(2, 9)] = None,
        flag: bool = False,
        name: str = "x",
        *,
        low: Annotated[float, Range(None, 0.0)] = -1.0,
    ) -> None:
        self.threshold, self.count, self.mode, self.window = threshold, count, mode, window
        self.flag, self.name, self.low = flag, name, low


def checked(**params: Any) -> dict[str, Any]:
    return check_params(Method, params, "extractor 'method'")


def test_defaults_are_those_of_the_signature() -> None:
    assert checked() == Method().params
    assert list(Method().params) == ["threshold", "count", "mode", "window", "flag", "name", "low"]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        *(
            ("threshold", 1, 1.0),
            ("threshold", 0.0, 0.0),
            ("count", 7, 7),
            ("mode", "max", "max"),
            ("flag", True, True),
        ),
        *(("window", None, None), ("window", 9, 9), ("name", 12, "12"), ("name", "", ""), ("low", -3, -3.0)),
    ],
)
def test_right_values_are_stored_in_the_declared_type(name: str, value: Any, stored: Any) -> None:
    found = checked(**{name: value})[name]
    assert found == stored and type(found) is type(stored)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *(("threshold", value, "a number between 0 and 1") for value in (1.01, "0.5", True, np.nan, np.inf, None)),
        *(("count", 0, "at least 1"), ("count", 2.0, "whole number"), ("mode", "median", "one of mean, max")),
        *(("mode", None, "one of"), ("window", 1, "between 2 and 9"), ("window", "none", "or null")),
        *(("flag", 1, "true or false"), ("flag", "true", "true or false"), ("low", 0.1, "at most 0")),
        *(("name", ["a"], "text"), ("name", None, "text")),
    ],
)
def test_wrong_values_are_told_with_what_is_expected(name: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        checked(**{name: value})
    text = str(caught.value)
    assert "extractor 'method'" in text and name in text and repr(value) in text and "\n" not in text


def test_unknown_parameters_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean threshold"):
        checked(treshold=0.1)
    with pytest.raises(UsageError, match="choose from threshold, count"):
        checked(zzz=1)


def test_what_the_declarations_mean_in_words() -> None:
    assert parameters_of(Method)["window"].expects == "a whole number between 2 and 9 or null"
    assert parameters_of(Method)["flag"].describe() == {"name": "flag", "default": False, "expects": "true or false"}
    assert repr(Method(0.25)).startswith("Method(threshold=0.25, count='auto', mode='mean', window=None")


def star(self: object, *args: int) -> None: ...
def no_default(self: object, a: int) -> None: ...
def no_hint(self, a=1): ...  # type: ignore[no-untyped-def]  # that is the point
def container(self: object, a: list[int] | None = None) -> None: ...


@pytest.mark.parametrize("init", [star, no_default, no_hint, container])
def test_signatures_that_are_no_parameters_are_the_classes_fault(init: Any) -> None:
    with pytest.raises(TypeError, match=init.__name__):
        parameters_of(type(init.__name__, (), {"__init__": init}))


def test_no_parameters_at_all() -> None:
    assert parameters_of(Configurable) == {} == Configurable().params
    with pytest.raises(UsageError, match="there are none"):
        check_params(Configurable, {"a": 1}, "metric 'plain'")
