"""Hydra configuration of keyframe_bench, shipped with the package."""
