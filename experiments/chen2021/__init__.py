"""Tables and figures of Chen et al. 2021."""
