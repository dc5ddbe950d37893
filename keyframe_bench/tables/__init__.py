"""Tables as pure functions of result files: no video, no network, no data set is needed to make them."""

from .build import comparison
from .caveats import coverage_sentence
from .load import load_results, load_run
from .spec import ColumnSpec, Comparison, Discriminability, Row, Table, Value

__all__ = [
    "ColumnSpec",
    "Comparison",
    "Discriminability",
    "Row",
    "Table",
    "Value",
    "comparison",
    "coverage_sentence",
    "load_results",
    "load_run",
]
