"""Figures that any table can name."""
