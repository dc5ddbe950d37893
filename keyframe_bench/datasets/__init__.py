"""One file per data set: where its videos and their annotations are."""
