"""The command line: the only place that knows Hydra, and the only one that prints."""
