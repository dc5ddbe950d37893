"""Sources of training data, one a file; found by the registry."""
