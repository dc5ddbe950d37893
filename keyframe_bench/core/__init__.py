"""The vocabulary of keyframe_bench: plain data and grammar, no decoder, no network, no configuration system."""

import time

LOADED_NS = time.time_ns()  # no other module of the package was read before this one
