"""What the tables of this folder draw and measure besides their runs, by name."""

from . import key_clips, reconstructions, structure

__all__ = ["key_clips", "reconstructions", "structure"]
