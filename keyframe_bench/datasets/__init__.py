"""One file per data set: where its videos are and what people say about them."""
