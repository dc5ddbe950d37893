"""The data sets of Chen et al. 2021 by the names that the command line gives them."""

from __future__ import annotations

from collections.abc import Mapping

PAPER_SETS: Mapping[str, str] = {
    "caltech256": "Caltech 256",
    "cam_a": "Cam A",
    "cam_b": "Cam B",
    "cam_c": "Cam C",
}
"""``data.cam_a=`` on the command line and ``cam_a`` in a YAML file, to the name in the paper."""
