"""Grammar of the budget (how many key frames), of the sampling (which frames a method sees) and of splits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

if TYPE_CHECKING:
    from .annotation import Annotation

_BUDGET_HELP = (
    "use a whole number of key frames from 1 (8), a share of the frames (15%), so many per minute (4/min), as many as "
    "there are annotated shots (shots), as annotators chose on average (users) or as one file of picks has (picks), "
    "inferred, inferred-coverage, or free for the method's own rule"
)
_LARGEST = 1e9
_NUMBERS = {"count": r"(\d+)", "share": r"(\d+(?:\.\d+)?)%", "per_minute": r"(\d+(?:\.\d+)?)/min"}
_ANNOTATED = {"shots": "annotated shots", "users": "annotators with key frames", "picks": "picks made elsewhere"}
_WORDS = ("free", "inferred", "inferred-coverage")
_SAMPLING_HELP = "use every, every3 (every third frame) or 2fps"
_SPLIT_HELP = "use temporal:0.8, videos:0.8, frames:0.8, kfold:5, given, or the path of a FILE.json"
_MOST_FOLDS = 1000


@dataclass(frozen=True)
class Budget:
    """How many key frames a method may return.

    "shots" and "users" are known of annotated videos alone, "picks" beside one file of picks (`Annotation.counts`): a
    method is told the number, not the annotation. "free" leaves the number to the method's own rule. The inferred
    budgets find k on the video's frames and then ask for k key frames: "inferred" at the knee of the sorted scores,
    "inferred-coverage" as the smallest k whose key frames look like at least 95 % of the sampled frames
    (`keyframe_bench.selection.peaks`).

    Examples
    --------
    >>> Budget.parse("15%").resolve(n_sampled=200, duration_s=100.0)
    30
    >>> Budget.parse("4/min").resolve(n_sampled=200, duration_s=90.0)
    6
    >>> Budget.parse("free").resolve(n_sampled=200, duration_s=90.0) is None
    True
    """

    kind: Literal["count", "share", "per_minute", "shots", "users", "picks", "free", "inferred", "inferred-coverage"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str | int | Budget) -> Budget:
        """Read ``8``, ``15%``, ``4/min`` or a word, such as ``shots`` or ``free``; else raise `UsageError`."""
        if isinstance(text, Budget):
            return text
        word = str(text).strip()
        if word in _WORDS or word in _ANNOTATED:
            return cls(word)  # type: ignore[arg-type]  # one of the kinds
        for kind, pattern in _NUMBERS.items():
            match = re.fullmatch(pattern, word)
            if match and 0 < float(match[1]) <= (100 if kind == "share" else _LARGEST):
                return cls(kind, float(match[1]))  # type: ignore[arg-type]
        raise UsageError(f"budget={word} is not a budget; {_BUDGET_HELP}")

    def resolve(self, n_sampled: int, duration_s: float, annotation: Annotation | None = None) -> int | None:
        """Return k for a clip of ``n_sampled`` frames and ``duration_s`` seconds, at least 1.

        None for "free", and for the inferred budgets, which need the frames themselves. Raises `UsageError` where
        "shots" and "users" are not annotated.
        """
        if self.kind in _WORDS:
            return None
        if self.kind in _ANNOTATED:
            self.check(annotation, "the video")
            assert annotation is not None  # as checked
            return annotation.counts[self.kind]
        share, rate = self.value / 100 * n_sampled, self.value * duration_s / 60
        wanted = {"count": self.value, "share": share, "per_minute": rate}[self.kind]
        return max(1, math.floor(min(wanted, _LARGEST) + 0.5))

    def fits(self, annotation: Annotation | None) -> bool:
        """Say whether there is what the budget counts: always, unless that is annotated."""
        return self.kind not in _ANNOTATED or (annotation is not None and annotation.counts[self.kind] > 0)

    def check(self, annotation: Annotation | None, what: str) -> None:
        """Raise `UsageError` unless the annotation of ``what`` has what the budget counts."""
        if not self.fits(annotation):
            if self.kind == "picks":
                raise UsageError(f"budget=picks: no file has picks of {what}; give a number, such as budget=8")
            raise UsageError(
                f"budget={self}: {what} has no {_ANNOTATED[self.kind]}; give a number, such as budget=8, or run on a "
                "data set that has them"
            )

    def __str__(self) -> str:
        number = _plain(self.value)
        return {"count": number, "share": f"{number}%", "per_minute": f"{number}/min"}.get(self.kind, self.kind)

    @property
    def needs_support(self) -> Literal["fixed", "free", "inferred"]:
        """What an extractor must name in ``supports`` to take this budget."""
        if self.kind == "free":
            return "free"
        return "inferred" if self.kind in _WORDS else "fixed"


@dataclass(frozen=True)
class Sampling:
    """Which decoded frames a method sees.

    Examples
    --------
    >>> keep = Sampling.parse("2fps").keeper()
    >>> [n for n in range(60) if keep(n, n / 25)]
    [0, 13, 25, 38, 50]
    >>> keep = Sampling.parse("every3").keeper()
    >>> [n for n in range(8) if keep(n, n / 25)]
    [0, 3, 6]
    """

    kind: Literal["every", "fps"]
    value: float = 1.0

    @classmethod
    def parse(cls, text: str | Sampling) -> Sampling:
        """Read ``every``, ``every3`` or ``2fps``; anything else raises `UsageError`."""
        if isinstance(text, Sampling):
            return text
        word = str(text).strip()
        match = re.fullmatch(r"every(?P<every>\d*)|(?P<fps>\d+(?:\.\d+)?)fps", word)
        value = float(match["fps"] or match["every"] or 1) if match else 0.0
        if match and 0 < value <= _LARGEST:
            return cls("every" if match["fps"] is None else "fps", value)
        raise UsageError(f"sampling={word} is not a sampling; {_SAMPLING_HELP}")

    def keeper(self) -> Callable[[int, float], bool]:
        """Return a fresh test ``(ordinal, seconds since the first frame) -> keep``, to be asked in decode order.

        At ``r`` frames per second the frame kept for tick t is the first whose time is >= t / r: the grid is tied
        to time, so it does not drift at 29.97 frames per second and copes with variable rate.
        """
        if self.kind == "every":
            step = int(self.value)
            return lambda ordinal, _: ordinal % step == 0
        last = -1

        def keep(_: int, seconds: float) -> bool:
            nonlocal last
            tick = math.floor(seconds * self.value + 1e-6)
            # Reordered stamps wobble by frames; a step back of more than a tick means that the stamp before was wrong,
            # or that the clock starts anew: the grid goes on from here instead of waiting for ever.
            if last - 1 <= tick <= last:
                return False
            last = tick
            return True

        return keep

    def ordinals(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return which of all frames `keeper` keeps, int64 [K]; ``seconds`` since the first frame, float64 [N]."""
        if self.kind == "every":
            return np.arange(0, len(seconds), int(self.value))
        ticks = np.floor(seconds * self.value + 1e-6)
        if (ticks[1:] >= ticks[:-1]).all():
            return np.flatnonzero(np.diff(ticks, prepend=-1))
        keep = self.keeper()  # stamps that go back
        return np.flatnonzero([keep(n, s) for n, s in enumerate(seconds.tolist())])

    def __str__(self) -> str:
        if self.kind == "fps":
            return f"{_plain(self.value)}fps"
        return "every" if self.value == 1 else f"every{_plain(self.value)}"


def _plain(value: float) -> str:
    """Return all digits and no exponent: the text is part of a result's key."""
    return format(Decimal(repr(value)).normalize(), "f")


EVERY = Sampling("every")


def with_options(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of ``NAME?option=value&option=value``; `UsageError` shows the grammar.

    Examples
    --------
    >>> with_options("hue_histogram?bins=32")
    ('hue_histogram', {'bins': 32})
    """
    name, mark, query = text.partition("?")
    pairs = [part.partition("=") for part in query.split("&")] if mark else []
    if not name or not all(key and value for key, _, value in pairs):
        raise UsageError(f"{text!r} is not in the form NAME or NAME?option=value&option=value")
    return name, {key: _typed(value) for key, _, value in pairs}


def _typed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


@dataclass(frozen=True)
class Split:
    """How a data set is divided into training and held-out data.

    Attributes
    ----------
    kind : {"temporal", "videos", "frames", "kfold", "given", "file"}
        * ``temporal``: the earlier frames of each video (of each group) train.
        * ``videos``: whole videos (groups) do.
        * ``frames``: random frames. Leaks for videos, where nearly every held-out frame has a training neighbour;
          the usual split of photographs.
        * ``kfold``: whole videos (groups), each held out in one of the folds.
        * ``given``: the data set's own division.
        * ``file``: from a JSON file (`keyframe_bench.training.splits`).
    value : float
        Share that trains, or the number of folds.
    path : str

    Examples
    --------
    >>> Split.parse("kfold:5")
    Split(kind='kfold', value=5.0, path='')
    >>> str(Split.parse("temporal:0.80"))
    'temporal:0.8'
    """

    kind: Literal["temporal", "videos", "frames", "kfold", "given", "file"]
    value: float = 0.0
    path: str = ""

    @classmethod
    def parse(cls, text: str | Split) -> Split:
        """Read a split; `UsageError` shows the grammar."""
        if isinstance(text, Split):
            return text
        word = str(text).strip()
        if word.endswith(".json"):
            return cls("file", path=word)
        if word == "given":
            return cls("given")
        share = re.fullmatch(r"(temporal|videos|frames):(0?\.\d+)", word)
        if share and 0 < float(share[2]) < 1:
            return cls(share[1], float(share[2]))  # type: ignore[arg-type]  # one of the kinds
        folds = re.fullmatch(r"kfold:(\d{1,4})", word)
        if folds and 2 <= int(folds[1]) <= _MOST_FOLDS:
            return cls("kfold", float(folds[1]))
        raise UsageError(f"split={word} is not a split; {_SPLIT_HELP}")

    def __str__(self) -> str:
        if self.kind == "kfold":
            return f"kfold:{self.value:.0f}"
        return {"given": "given", "file": self.path}.get(self.kind, f"{self.kind}:{self.value:.15g}")

    @property
    def by_frames(self) -> bool:
        """Whether frames of one video may lie on both sides."""
        return self.kind in ("temporal", "frames")

    @property
    def drawn(self) -> bool:
        """Whether ``split_seed`` decides what goes where."""
        return self.kind in ("frames", "videos", "kfold")

    @property
    def n_folds(self) -> int:
        """Number of folds; a file has its own."""
        return int(self.value) if self.kind == "kfold" else 1
