"""One file per method; nothing is imported until the registry looks."""
