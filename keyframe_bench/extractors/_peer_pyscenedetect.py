"""Run by the peers' interpreter, alone: PySceneDetect's scenes of a video as seconds."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Read the question from the command line and write ``answer.json``."""
    # Absent from this package's own environment.
    from scenedetect import (  # type: ignore[import-not-found]
        AdaptiveDetector,
        ContentDetector,
        HashDetector,
        HistogramDetector,
        SceneManager,
        open_video,
    )

    question = json.loads(sys.argv[1])
    kind, axis = {
        "adaptive": (AdaptiveDetector, "adaptive_threshold"),
        "content": (ContentDetector, "threshold"),
        "hash": (HashDetector, "threshold"),
        "hist": (HistogramDetector, "threshold"),
    }[question["detector"]]
    threshold = question["threshold"]
    detector = kind() if threshold is None else kind(**{axis: threshold})
    video = open_video(question["video"], backend="opencv")
    manager = SceneManager()
    manager.add_detector(detector)
    n_read = manager.detect_scenes(video)
    scenes = manager.get_scene_list(start_in_scene=True)
    answer = {"n_read": n_read, "scenes_s": [[start.seconds, end.seconds] for start, end in scenes]}
    Path("answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
