"""Tables and images of the article of platform.ai."""
