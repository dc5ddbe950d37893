"""Checkpoints that ship with the package, one for each method that has one."""
