"""One piece of work in a process of its own, timed from the inside: ``python -m keyframe_bench.bench.perf_work``.

Imports and preparation come first, so that what is timed is opening the file, decoding, features and selection. The
question is one JSON object as the only argument; the answer is written to the file that it names.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import KeyframeBenchError
from ..core.feature import Feature
from ..core.files import write_atomic
from ..core.registry import load_plugins
from ..core.seeding import rng_for
from ..extractors.asked import Asked
from ..extractors.base import Extractor
from ..video import baseline_decode
from ..video.frame_folder import Video, as_video, sha256_of_video
from ..video.onepass import read_pass

Parts = dict[str, float]


def main() -> int:
    """Answer the question in the first argument; return 1 when the work failed, with the reason in the answer."""
    question = json.loads(sys.argv[1])
    try:
        answer = timed(prepared(question))
    except KeyframeBenchError as error:
        answer = {"error": str(error)}
    write_atomic(Path(question["answer"]), json.dumps(answer))
    return 1 if "error" in answer else 0


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """Return wall clock and processor seconds of ``work``, its parts, and what it had to import while it was timed."""
    known = set(sys.modules)
    cpu, start = time.process_time(), time.perf_counter()
    parts = work()
    seconds = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    parts = parts if isinstance(parts, dict) else {}
    return {**seconds, "parts": parts, "imported": sorted(set(sys.modules) - known)}


def prepared(question: Mapping[str, Any]) -> Callable[[], Any]:
    """Return the work that ``question`` describes, with everything heavy imported and loaded.

    ``work`` is "decode", "nokey", "hash", "filter" (with ``filter`` and ``arguments``) or "extract" (with
    ``extractors``, each a name, parameters and budget; ``sampling``; ``metrics``, whether to compute what metrics need
    too; ``limit``, frames or null). Of "extract" the seconds of the pass and of the selections are told apart.
    """
    load_plugins(question["plugins"])
    video = as_video(question["video"], question.get("fps"), question.get("times"))
    if question["work"] == "extract":
        return _extraction(video, question)
    works: dict[str, Callable[[], Any]] = {
        "decode": lambda: baseline_decode.decoded(video),
        "nokey": lambda: baseline_decode.key_frames(video),
        "filter": lambda: baseline_decode.filtered(video, question["filter"], question["arguments"]),
        "hash": lambda: sha256_of_video(video),
    }
    return works[question["work"]]


def _extraction(video: Video, question: Mapping[str, Any]) -> Callable[[], Parts]:
    """Prepare what `keyframe_bench.extract` does, for all methods in one pass; the hash of the file is left out."""
    import cv2  # noqa: F401 - features import it when they first compute
    import numpy.ma  # noqa: F401 - and NumPy this for its first median

    sampling = question["sampling"]
    methods = [
        Asked.of(Extractor.registry.build(name, params), budget, sampling)
        for name, params, budget in question["extractors"]
    ]
    rng_for(0)  # making the first one imports modules
    requests: dict[str, list[Feature]] = defaultdict(list, {sampling: []})
    if question["metrics"]:
        from .run import requests_of_any_run

        requests = requests_of_any_run(sampling)
    for method in methods:
        method.extractor.prepare()
        requests[method.sampling] += method.features
    for feature in {feature for features in requests.values() for feature in features}:
        feature.prepare()

    def work() -> Parts:
        start = time.perf_counter()
        read = read_pass(video, requests, sha256="not part of the work", limit=question["limit"])
        pass_s, start = time.perf_counter() - start, time.perf_counter()
        for method in methods:
            method.answer(read, 0)
        return {"pass_s": pass_s, "select_s": time.perf_counter() - start}

    return work


if __name__ == "__main__":
    sys.exit(main())
