"""Rows of picks made elsewhere: do they fit the data set, its videos and the budgets? Before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..core.annotation import Annotation
from ..core.errors import UsageError, VideoError, suggestion
from ..core.grammar import Budget
from ..datasets.base import VideoItem
from ..extractors._external import External
from ..extractors.asked import Asked
from ..video.frame_folder import Timeline
from ..video.onepass import read_pass
from .spec import RunSpec, Variant

_EACH = Budget("picks")


def external(spec: RunSpec, chosen: Sequence[Variant]) -> list[External]:
    """Return the rows of picks; `UsageError` where their numbers are the budget and there is not one file of them."""
    found = [method for variant in chosen if isinstance(method := variant.build(), External)]
    if _EACH in spec.budgets and len(found) != 1:
        raise UsageError(
            f"budget=picks takes the numbers of one file of picks, and here are {len(found)}; give one, as in "
            "external=NAME=FILE, or budget=free"
        )
    return found


def timelines(spec: RunSpec, files: Sequence[External]) -> list[VideoItem]:
    """Return the items of which durations alone are known, each with a frame at every time that a file names."""
    for method in files:
        if method.picks.unit != "seconds":
            raise UsageError(
                f"picks {method.picks.name!r} are numbers of frames, and the videos of data set {spec.dataset.name!r} "
                'are not at hand; write times, "unit": "seconds"'
            )
    found = []
    for item in spec.dataset.timelines():
        assert isinstance(item.path, Timeline)
        also = {float(time) for method in files for time in method.picks.items.get(item.id, ())}
        found.append(replace(item, path=replace(item.path, also=tuple(sorted(also)))))
    return found


def check_items(spec: RunSpec, files: Sequence[External], items: Sequence[VideoItem]) -> None:
    """Raise `UsageError` where a file has picks of videos that the data set does not have."""
    known = {item.id for item in items}
    for method in files:
        if unknown := [name for name in method.picks.items if name not in known]:
            raise UsageError(
                f"picks file {method.file!r}: data set {spec.dataset.name!r} has no {unknown[0]!r}; "
                f"{suggestion(unknown[0], known, f'it has {min(known)!r} and the like')}"
            )


def counted(spec: RunSpec, files: Sequence[External], item: VideoItem, sha256: str) -> VideoItem:
    """Return the item, with the number of key frames that the only file has of it where that is the budget.

    Raises `UsageError` where picks do not fit the video, or a budget. Two picks of one frame are one key frame.
    """
    mine = [method for method in files if item.id in method.picks.items]
    if not mine or not sha256:
        return item
    every = {sampling: () for one in mine for sampling in Asked.of(one, "free", spec.sampling).requests}
    with suppress(VideoError):  # the run says so, as on_error has it
        read = read_pass(item.path, every, name=item.id, sha256=sha256)
        if _EACH in spec.budgets:
            keyframes, _ = Asked.of(mine[0], "free", spec.sampling).answer(read, 0)
            item = replace(item, annotation=replace(item.annotation or Annotation(), n_picks=len(keyframes)))
        try:
            annotation = item.annotation and item.annotation.aligned(read.times, item.id)
        except UsageError:  # the run says so too
            return item
        for method in mine:
            for budget in spec.budgets:
                Asked.of(method, budget, spec.sampling).answer(read, 0, annotation)
    return item
