"""Versions."""

VERSION = "0.1.0"

PASS_VERSION = 2
"""Part of the key of every cell and of every training on videos.

Bump it when decoding, sampling or the conversions of frames may change results.
"""
