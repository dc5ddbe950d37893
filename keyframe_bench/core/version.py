"""Versions stated once."""

VERSION = "0.1.0"

PASS_VERSION = 1
"""Part of every cell's key: bump it when decoding, sampling or the conversions of frames may change results."""
