"""What the tables of this folder draw and measure besides their runs, by name."""

from . import reconstruction

__all__ = ["reconstruction"]
