"""Run by the peers' interpreter, alone: Katna's images of a video as small grey ones."""

import json
import sys
from pathlib import Path
from typing import Any


class _Keep:
    """The writer that Katna hands its images to."""

    def __init__(self) -> None:
        self.pictures: list[Any] = []

    def write(self, path: str, pictures: list[Any]) -> None:  # noqa: ARG002 - Katna's interface
        """Keep the images, BGR, in Katna's order."""
        self.pictures = list(pictures)


def main() -> None:
    """Read the question from the command line; write ``answer.json`` and ``pictures.npy``, uint8 [K, height, width]."""
    import cv2
    import numpy as np
    from Katna.video import Video  # type: ignore[import-not-found]  # absent from this package's own environment

    question = json.loads(sys.argv[1])
    writer = _Keep()
    Video().extract_video_keyframes(no_of_frames=question["k"], file_path=question["video"], writer=writer)
    height, width = question["height"], question["width"]
    small = np.empty((len(writer.pictures), height, width), dtype=np.uint8)
    for row, picture in zip(small, writer.pictures, strict=True):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        row[:] = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    np.save("pictures.npy", small)
    Path("answer.json").write_text(json.dumps({"n_pictures": len(small)}), encoding="utf-8")


if __name__ == "__main__":  # its worker processes may import this file again
    main()
