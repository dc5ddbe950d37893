"""Edited videos with exactly known cuts and dissolves, made from any folder of clips, and simulated annotators.

The folder holds ``all-000.mp4``, ... (or ``train-``, ``test-``), their ``annotations.json``, and ``composed.json``, the
record: of every video the clip and the range in it that each shot shows, and the frames of every dissolve. How videos
are edited says `keyframe_bench.video.compose`, how annotators choose `keyframe_bench.datasets._annotators`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError
from ..core.files import digest
from ..core.registry import Range, register
from ..core.seeding import rng_for
from ..video.compose import COMPOSER_VERSION, FPS, Material, Take, dissolves_of, draw_edit, make_edit, read_material
from ..video.encode import write_h264
from ..video.frame_folder import file_stamp
from ._annotators import ANNOTATORS_VERSION, AnnotatorModel
from ._rendered import Entries, RenderedSet
from .base import VideoItem
from .folder import find_videos


@register("composed")
@dataclass(eq=False)
class Composed(RenderedSet):
    """Videos edited from the clips of a folder on first use, 25 frames per second, H.264.

    A clip should show one shot: a cut inside it is a change of image that the annotation does not know. Clips of any
    size and rate fill the image and are cut centrally; frames are taken by their PTS. Files of equal content count
    once; near-duplicates (two encodings of one scene) are not found: leave one out.

    Parameters
    ----------
    root : str, optional
        Folder for the files, empty or composed by this data set before; by default one in the user's cache
        (``KEYFRAME_BENCH_CACHE``). One folder holds one set: other parameters compose it anew.
    clips : str
        Folder of the source clips, with folders below it.
    exclude : str
        Shell patterns of clips to leave out, separated by ``|``, matched with the path below ``clips``.
    split : {"all", "train", "test"}
        Which clips are used. No clip is in both "test" and "train", whatever the seed: "test" has those with the lowest
        SHA-256 of their bytes.
    test_share : float
        Share of the clips in "test", rounded; at least two clips are on either side.
    n_videos : int
        How many, 1 to 1000.
    seed : int
        Decides edits and annotators.
    duration_s : float
        Seconds each, 2 to 7200; the default is the mean of the 50 videos that the annotators are fitted to.
    n_users : int
        Simulated annotators, 0 to 100.
    users_every_s : float
        Annotators see one frame in so many seconds: 1 as the people of the Open Video set did, 0 for every frame.
    height, width : int
        Pixels, even.
    groups : int
        Into so many parts the clips are dealt, and video i shows clips of part i % groups only: a split that keeps the
        videos of a part together shows no clip on both sides. Every part needs two clips.
    """

    clips: str | None = None
    exclude: str = ""
    split: Literal["all", "train", "test"] = "all"
    test_share: Annotated[float, Range(0, 1)] = 0.3
    n_videos: Annotated[int, Range(1, 1000)] = 20
    seed: Annotated[int, Range(0)] = 0
    duration_s: Annotated[float, Range(2, 7200)] = 100.0
    n_users: Annotated[int, Range(0, 100)] = 5
    users_every_s: Annotated[float, Range(0, 10)] = 1.0
    height: Annotated[int, Range(16, 4096)] = 180
    width: Annotated[int, Range(16, 4096)] = 320
    groups: Annotated[int, Range(1, 1000)] = 1
    _read: dict[Path, Material] = field(default_factory=dict, init=False, repr=False)  # as its file was then

    description = "videos edited from a folder of clips: exact cuts and dissolves, simulated annotators"
    licence = "that of the clips"
    record = "composed.json"

    def videos(self) -> list[VideoItem]:
        """Return the videos, after composing those that are missing.

        Two processes may do so at once: files are renamed into place complete, and equal parameters give equal files.

        Raises
        ------
        UsageError
            If the clips are missing, too few or damaged, or the folder holds files that this data set did not make.
        OutputError
            If the folder cannot be written.
        """
        clips = self._material()
        root, dealt = self._place(clips), self._dealt(clips)
        items, entries, edits = [], Entries(), {}
        for i in range(self.n_videos):
            name, shown = f"{self.split}-{i:03d}.mp4", dealt[i % self.groups]
            rng = rng_for(self.seed, "composed", self.split, i)
            edit = make_edit([clip.n_frames for clip in shown], round(self.duration_s * FPS), rng)
            group = f"clips {i % self.groups + 1} of {self.groups}" if self.groups > 1 else ""
            items.append(VideoItem(name, root / name, self._annotation(name, edit), group))
            entries[name], edits[name] = self._entry(edit, shown), (edit, shown)

        def render(name: str, path: Path) -> None:
            write_h264(path, draw_edit(*edits[name], height=self.height, width=self.width), FPS)

        return self.make(items, entries, render)

    def _dealt(self, clips: Sequence[Material]) -> list[list[Material]]:
        """Return the clips of each group, in order of name; as in the parts of a split, their bytes decide."""
        if len(clips) < 2 * self.groups:
            raise UsageError(
                f"data set 'composed': groups={self.groups} needs at least {2 * self.groups} different clips, two for "
                f"each, and there are {len(clips)}; add clips, or ask for fewer groups"
            )
        ranked = sorted(clips, key=lambda clip: clip.read.info.sha256)
        return [[clip for clip in clips if clip in ranked[i :: self.groups]] for i in range(self.groups)]

    def revision(self) -> str:
        """Return a digest of the used clips' names and bytes, the parameters, and the versions of the models."""
        return self._revision(self._material())

    def _revision(self, clips: Sequence[Material]) -> str:
        without = ["root", "clips", "exclude", *["groups"] * (self.groups == 1)]  # one group: as before there were any
        params = {name: value for name, value in self.params.items() if name not in without}
        used = [[clip.name, clip.read.stamp[0], clip.read.info.sha256] for clip in clips]
        return digest([COMPOSER_VERSION, ANNOTATORS_VERSION, asdict(AnnotatorModel()), params, used])

    def _place(self, clips: Sequence[Material]) -> Path:
        root = self.place("" if self.root else self._revision(clips))
        if self.root and Path(self.clips or "").expanduser().resolve() in (root.resolve(), *root.resolve().parents):
            raise UsageError(
                f"data set 'composed': {self.root!r} lies in the folder of the clips, where its videos would become "
                "clips themselves; give another one with dataset.root=DIR"
            )
        return root

    def _material(self) -> list[Material]:
        """Return the clips of the split, in order of name."""
        for name, size in (("height", self.height), ("width", self.width)):
            if size % 2:
                raise UsageError(f"data set 'composed': {name}={size} is odd; H.264 halves the colour planes")
        found = [self._clip(name, path) for name, path in self._files().items()]
        clips = [*{clip.read.info.sha256: clip for clip in reversed(found)}.values()][::-1]  # the first of equal ones
        need = 2 if self.split == "all" else 4
        if len(clips) < need:
            raise UsageError(
                f"data set 'composed': split={self.split} needs at least {need} different clips, and "
                f"{self.clips!r} has {len(clips)}; add clips"
            )
        if self.split == "all":
            return clips
        n_test = min(max(round(self.test_share * len(clips)), 2), len(clips) - 2)
        ranked = sorted(clips, key=lambda clip: clip.read.info.sha256)
        return sorted(ranked[:n_test] if self.split == "test" else ranked[n_test:], key=lambda clip: clip.name)

    def _clip(self, name: str, path: Path) -> Material:
        """Return a clip, which is read again only when its file has changed: a run with a split lists often."""
        if path not in self._read or self._read[path].read.stamp != file_stamp(path):
            self._read[path] = read_material(name, path)
        return self._read[path]

    def _files(self) -> dict[str, Path]:
        folder = self.folder("clips", "a folder of clips", "give dataset.clips=DIR")
        patterns = [pattern for pattern in self.exclude.split("|") if pattern]
        files = find_videos(folder)
        kept = {name: path for name, path in files.items() if not any(fnmatchcase(name, p) for p in patterns)}
        if not kept:
            why = f"all {len(files)} clips are excluded" if files else "there is no video file"
            raise UsageError(f"data set 'composed': {why} below {self.clips!r}; give dataset.clips=DIR")
        return kept

    def _annotation(self, name: str, edit: Sequence[Take]) -> Annotation:
        shots = np.array([(take.first, take.end) for take in edit], dtype=np.int64)
        rng = rng_for(self.seed, "users", name)
        chosen = AnnotatorModel().choose(
            shots, [take.clip for take in edit], FPS, self.n_users, rng, every_s=self.users_every_s
        )
        users = tuple(UserSummary(f"user{u}", frames=frames) for u, frames in enumerate(chosen, start=1))
        return Annotation(users=users, shots=shots)

    def _entry(self, edit: Sequence[Take], clips: Sequence[Material]) -> dict[str, Any]:
        """Return the record of one video: everything its images depend on."""
        return {
            "composer": COMPOSER_VERSION,
            "height": self.height,
            "width": self.width,
            "fps": FPS,
            "shots": [
                {
                    "frames": [take.first, take.end],
                    "clip": clips[take.clip].name,
                    "clip_sha256": clips[take.clip].read.info.sha256,
                    "clip_s": [take.start / FPS, (take.start + len(take)) / FPS],
                }
                for take in edit
            ],
            "dissolves": [list(span) for span in dissolves_of(edit)],
        }
