"""Simulated annotators: key frames that a stated model of people chooses from an edit list, never from images.

The annotators see the shots, which clip each shows, and the frame rate. In a video with shots of length ``L_s`` seconds
user ``u`` goes through these steps (sigma is the logistic function, N the normal distribution):

1. **Merging.** Of every shot that returns to a clip shown before, the user finds with probability ``merge`` that it
   shows nothing new. Such shots and the first shot of the clip are one group, and only its longest shot (of equal ones
   the first) can be chosen.
2. **Inclusion.** Each shot that is left is chosen with probability

       sigma(include + by_length * ln(L_s / 4) + salience * a_s + generosity * b_u + density * c)

   where ``a_s`` (how interesting the shot is to everybody), ``b_u`` (how much the user takes) and ``c`` (how much
   everybody takes from this video) are independent N(0, 1).
3. **Timing.** With probability ``vague`` the frame lies anywhere in the shot, else at ``(first + end) / 2`` plus a
   Laplace deviate of scale ``jitter_s`` seconds, truncated to the shot.
4. **Second frame.** A chosen shot gives another frame, anywhere in it, with probability
   ``1 - exp(-second_per_s * max(L_s - 4, 0))``.
5. **Spurious frames.** A Poisson number, ``spurious_per_min`` per minute of video, anywhere.

A user without any frame takes the middle of the longest shot: nobody gave an empty summary.

With ``every_s`` above 0 a user sees one frame in so many seconds only, as the people of the Open Video set did (one a
second), and each choice becomes the nearest of those.

The defaults are fitted to the key frames of 250 people on 50 Open Video films (de Avila et al. 2011). Nobody marked
their shots, so ``merge`` and ``by_length`` are assumed, not fitted. Simulated minus real, at one frame a second, on
1000 edit lists that the fit did not see: F of one user against another -0.015, +0.007, +0.006, -0.007 within 0.5, 1, 2
and 5 s; +0.09 frames a minute. ``experiments/composed`` holds the fit and says what it does not determine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

ANNOTATORS_VERSION = 1  # bump it when the same edit list may give other key frames

_TYPICAL_S = 4.0


@dataclass(frozen=True)
class AnnotatorModel:
    """Parameters of the model; the defaults are what the fit gave, rounded."""

    merge: float = 0.7
    include: float = 0.36
    by_length: float = 1.0
    salience: float = 5.2
    generosity: float = 1.57
    density: float = 2.96
    jitter_s: float = 0.23
    vague: float = 0.63
    second_per_s: float = 0.047
    spurious_per_min: float = 0.064

    def choose(
        self,
        shots: ArrayLike,
        clips: ArrayLike,
        fps: float,
        n_users: int,
        rng: np.random.Generator,
        *,
        every_s: float = 0.0,
    ) -> list[NDArray[np.int64]]:
        """Return the ordinals that each user chose, sorted, at least one.

        Parameters
        ----------
        shots : int [S, 2]
            Half-open ranges of ordinals, at least one, without gaps.
        clips : int [S]
            Which clip each shot shows.
        fps : float
            Frames per second.
        n_users : int
        rng : numpy.random.Generator
            The same state gives the same choices.
        every_s : float
            Seconds between the frames that users see; 0 for every frame.

        Returns
        -------
        list of int64 [K]
            One array a user.
        """
        spans, source = np.asarray(shots, dtype=np.float64), np.asarray(clips)
        seconds = (spans[:, 1] - spans[:, 0]) / fps
        shape = n_users, len(spans)
        candidates = self._candidates(source, seconds, rng.random(shape))
        effects = (
            self.salience * rng.standard_normal(len(spans))
            + self.generosity * rng.standard_normal((n_users, 1))
            + self.density * rng.standard_normal()
        )
        logit = self.include + self.by_length * np.log(seconds / _TYPICAL_S) + effects
        chosen = candidates & (rng.random(shape) < 1 / (1 + np.exp(-logit)))
        anywhere = spans[:, 0] + (spans[:, 1] - spans[:, 0]) * rng.random(shape)
        middles = spans.mean(axis=1) + fps * self._deviates(seconds, rng.random(shape))
        middles = np.where(rng.random(shape) < self.vague, anywhere, middles)
        again = chosen & (rng.random(shape) < -np.expm1(-self.second_per_s * np.maximum(seconds - _TYPICAL_S, 0)))
        others = spans[:, 0] + (spans[:, 1] - spans[:, 0]) * rng.random(shape)
        n_spurious = rng.poisson(self.spurious_per_min * seconds.sum() / 60, size=n_users)
        result = []
        for user in range(n_users):
            stray = rng.uniform(spans[0, 0], spans[-1, 1], size=n_spurious[user])
            frames = np.concatenate([middles[user, chosen[user]], others[user, again[user]], stray])
            if not len(frames):
                frames = spans[np.argmax(seconds)].mean(keepdims=True)
            result.append(_seen(np.floor(frames), spans, fps * every_s))
        return result

    def _candidates(
        self, clips: NDArray[np.int64], seconds: NDArray[np.float64], draws: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return which shots each user may choose after merging, bool [users, S]."""
        _, first, group = np.unique(clips, return_index=True, return_inverse=True)
        returns = first[group] != np.arange(len(clips))
        merged = returns & (draws < self.merge)
        merged[:, first] = True  # the first shot of a clip is what the others are merged with
        same = clips[:, None] == clips[None]
        rank = np.argsort(np.argsort(-seconds, kind="stable"))
        better = same & (rank[None] < rank[:, None])  # [shot, a shot of the same clip that goes before it]
        return cast(NDArray[np.bool_], ~merged | ~(merged[:, None, :] & better).any(axis=2))

    def _deviates(self, seconds: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Laplace deviates truncated to half of each shot on either side, seconds, from uniform draws."""
        inside = -np.expm1(-seconds / 2 / self.jitter_s)  # share of the distribution within the shot
        sign = np.where(draws < 0.5, -1.0, 1.0)
        return cast(NDArray[np.float64], -sign * self.jitter_s * np.log1p(-np.abs(2 * draws - 1) * inside))


def _seen(frames: NDArray[np.float64], spans: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    last = spans[-1, 1] - 1
    if step > 0:
        frames = np.rint(np.minimum(np.rint(frames / step), np.floor(last / step)) * step)
    return np.unique(np.clip(frames, spans[0, 0], last).astype(np.int64))
