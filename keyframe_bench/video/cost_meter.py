"""Who asked for which conversion and what it took, so that a cost can be told as if a feature had run alone."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

What = tuple[Any, ...]


class CostMeter:
    """Meter of the conversions of one pass; one that several features share is made once and charged to each."""

    def __init__(self) -> None:
        self.active = ""  # the feature that is computing
        self.converting_s = 0.0  # of conversions inside the ``compute`` that is running; the runner resets it to 0
        self.clock = time.thread_time  # processor time: the decoder works beside this thread on the same cores
        self.made: Counter[What] = Counter()  # how often each conversion was made, by name and size
        self._spent: defaultdict[What, float] = defaultdict(float)  # without the parts
        self._asked: defaultdict[str, Counter[What]] = defaultdict(Counter)
        self._parts: defaultdict[What, set[What]] = defaultdict(set)
        self._open: list[What] = []
        self._inner_s = 0.0

    def ask(self, what: What) -> None:
        """Note that the active feature, or the conversion being made, needs ``what``."""
        if self._open:
            self._parts[self._open[-1]].add(what)
        else:
            self._asked[self.active][what] += 1

    def make(self, what: What, conversion: Callable[[], Any]) -> Any:
        """Return the result of ``conversion``, with its time noted under ``what``."""
        before, self._inner_s = self._inner_s, 0.0
        self._open.append(what)
        start = self.clock()
        try:
            return conversion()
        finally:
            elapsed = self.clock() - start
            self._open.pop()
            self.made[what] += 1
            self._spent[what] += elapsed - self._inner_s
            self._inner_s = before + elapsed
            if not self._open:
                self.converting_s += elapsed
                self._inner_s = 0.0

    def seconds_of(self, feature: str, n_frames: int) -> float:
        """Return what the conversions of ``feature`` would have taken had nobody else asked for them.

        It saw ``n_frames``, and a conversion is made at most once for each.
        """
        charged: Counter[What] = Counter()
        for what, times in self._asked[feature].items():
            self._charge(charged, what, min(times, n_frames))
        return sum(times * self._spent[what] / self.made[what] for what, times in charged.items() if self.made[what])

    def _charge(self, charged: Counter[What], what: What, times: int) -> None:
        charged[what] = max(charged[what], times)
        for part in self._parts[what]:
            self._charge(charged, part, times)
