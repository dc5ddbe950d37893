"""Cells: planned, computed one video at a time, written atomically, completed by running again."""
