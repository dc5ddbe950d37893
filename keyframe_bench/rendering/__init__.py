"""Drawn films and cameras whose contents are exactly known, for tests, demos and data sets."""
