"""Tables and pictures of the article of platform.ai."""
