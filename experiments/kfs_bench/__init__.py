"""KFS-Bench (Li et al. 2026): picks made elsewhere, scored from the published annotations."""
