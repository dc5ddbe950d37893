"""What the tables of this folder draw and measure besides their runs, by name."""

from . import kinds, reconstruction

__all__ = ["kinds", "reconstruction"]
