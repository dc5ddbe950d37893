"""What published data sets share: videos found by name below a folder, annotations there or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from ..core.annotation import annotation_json
from ..core.errors import UsageError, os_reason
from ..core.files import digest
from ..core.registry import Range
from ..video.frame_folder import FrameFolder, Video
from .base import Dataset, Published, VideoItem
from .folder import find_frame_folders, find_videos


@dataclass(eq=False)
class PublishedSet(Dataset):
    """Videos that others published, with what human annotators said of them; those that are not there are left out.

    Parameters
    ----------
    root : str
        Folder of the videos, as published or in any other layout: a video is the file, or the folder of its frames,
        whose name is the video's (files before folders, then the first by path).
    annotations : str, optional
        File or folder of the annotations, if they are not below the root.
    fps : float, optional
        Of folders of frames, which must hold every frame: frames per second. Default: what the data set says, else 25.

    Notes
    -----
    Copies of one film differ by a few frames at the end, from encoder to encoder and where a download was cut.
    Numbers of frames may therefore differ by 1 %, a second in 100, about as near as people place key frames; beyond it
    the video is another cut, and its annotation an error.
    """

    root: str | None = None
    annotations: str | None = None
    fps: Annotated[float, Range(1e-6, 1e6)] | None = None

    tolerance: ClassVar[float] = 0.01

    def videos(self) -> list[VideoItem]:
        """Return the videos that are there.

        Raises
        ------
        UsageError
            If there is none, ``annotations`` are of none of them, or a file of these is damaged; with layout and page.
        """
        root, listed = self._root(), self.published()
        there: dict[str, Video] = {}
        for path in find_videos(root).values():
            there.setdefault(path.stem, path)
        for path in find_frame_folders(root).values():
            there.setdefault(path.name, FrameFolder(path, self.fps or listed.get(path.name, Published()).fps))
        found = []
        for name in sorted(name for name, about in listed.items() if (about.video or name) in there):
            about = listed[name]
            known = about.annotation
            notes = known and replace(known, tolerance=self.tolerance, n_frames=about.n_frames)
            found.append(VideoItem(name, there[about.video or name], notes, group=about.video, part=about.part))
        if not found:
            what = f"none of its {len(listed)} videos is below {self.root!r}"
            raise UsageError(f"data set {self.name!r}: {what}; {self._way_out}")
        if self.annotations and not any(item.annotation or item.part for item in found):
            what = f"annotations={self.annotations!r} hold those of none of its videos"
            raise UsageError(f"data set {self.name!r}: {what}; {self._way_out}")
        return found

    def revision(self) -> str:
        """Return a digest of the videos' names and annotations."""
        return digest([[item.id, item.part, annotation_json(item.annotation)] for item in self.videos()])

    @property
    def caption(self) -> str:
        """What a table calls the data: its name, and how much of it is there."""
        n, of = len(self.videos()), len(self.published())
        return self.name if n == of else f"{n} of the {of} videos of {self.name}"

    def annotation_files(self, pattern: str) -> list[Path]:
        """Return what matches below the place of the annotations, sorted; or that file, if it does."""
        if not self.annotations:
            return sorted(self._root().rglob(pattern))
        place = Path(self.annotations).expanduser()
        if not place.exists():
            raise UsageError(f"data set {self.name!r}: annotations={self.annotations!r} do not exist; {self._way_out}")
        return [place] * place.match(pattern) if place.is_file() else sorted(place.rglob(pattern))

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turn every error of an annotation file into a `UsageError` that names it."""
        try:
            yield
        except (UsageError, MemoryError):
            raise
        except Exception as error:  # damaged files break SciPy and HDF5 in many ways
            reason = os_reason(error) or type(error).__name__
            if isinstance(error, AttributeError | LookupError | TypeError):  # whose words are about code
                reason = f"its content is not laid out as expected ({reason})"
            raise UsageError(f"annotation file {str(path)!r} cannot be read: {reason}; {self._way_out}") from error

    def _root(self) -> Path:
        return self.folder("root", "the folder of its videos", self._way_out)

    @property
    def _way_out(self) -> str:
        return f"give dataset.root=DIR with {self.layout}; get it at {self.page}"
