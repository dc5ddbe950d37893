"""The vocabulary of keyframe_bench: plain data and grammar, no decoder, no network, no configuration system."""
