"""SHA-256 of many files: see `keyframe_bench.core.hashes`."""

from ...core.hashes import sha256_of_all

__all__ = ["sha256_of_all"]
