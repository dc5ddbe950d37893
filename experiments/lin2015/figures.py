"""What the tables of this folder draw and measure besides their runs, by name."""

from . import feature_layout, loss_curve, storyboards

__all__ = ["feature_layout", "loss_curve", "storyboards"]
