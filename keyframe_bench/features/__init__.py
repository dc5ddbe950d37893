"""Features, one file per family."""
