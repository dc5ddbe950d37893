"""Rows of a feature while they arrive: in memory while small, in an unnamed temporary file when large."""

from __future__ import annotations

import os
import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ContractError, OutputError

SPILL_BYTES = 8_000_000


class ColumnWriter:
    """Collect batches of rows with bounded anonymous memory.

    Parameters
    ----------
    name : str
        For messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._batches: list[NDArray[Any]] = []
        self._held = 0
        self._rows = 0
        self._shape: tuple[int, ...] | None = None
        self._dtype: np.dtype[Any] | None = None
        self._file: IO[bytes] | None = None

    def append(self, rows: NDArray[Any], expected: int) -> None:
        """Add a batch [expected, ...]; `ContractError` when shape or type differ from the rows before."""
        rows = np.asarray(rows)
        if len(rows) != expected:
            raise ContractError(f"feature {self.name} gave {len(rows)} rows for {expected} frames")
        if self._dtype is None:
            self._shape, self._dtype = rows.shape[1:], rows.dtype
        if rows.shape[1:] != self._shape or rows.dtype != self._dtype:
            raise ContractError(f"feature {self.name} changed its row from {self._shape} {self._dtype}")
        self._batches.append(np.ascontiguousarray(rows))
        self._held += rows.nbytes
        self._rows += expected
        if self._held > SPILL_BYTES:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="keyframe_bench-")  # noqa: SIM115 - closed in finish
            for batch in self._batches:
                self._file.write(batch.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise _disk_error(error) from error
        self._batches, self._held = [], 0

    def finish(self) -> NDArray[Any]:
        """Return all rows, array [N, ...], read-only; memory-mapped when they were spilled."""
        if self._file is None:
            if not self._batches:
                return np.zeros((0,), dtype=np.float32)
            rows = np.concatenate(self._batches)
        else:
            self._spill()
            shape = (self._rows, *(self._shape or ()))
            try:
                self._file.flush()
                # "c": who writes all the same gets pages of his own, where "r" would end the process.
                rows = np.memmap(self._file, dtype=self._dtype, mode="c", shape=shape)  # type: ignore[call-overload]  # the stubs want a dtype that is not None
                self._file.close()
            except OSError as error:
                raise _disk_error(error) from error
        rows = rows.view(np.ndarray)  # a plain array: pickling a memmap, to see whether it was written to, copies it
        rows.flags.writeable = False
        self._batches = []
        return rows


def _disk_error(error: OSError) -> OutputError:
    reason = f"{error.strerror or error} (features are kept there while they are large; TMPDIR names another folder)"
    return OutputError(tempfile.tempdir or os.environ.get("TMPDIR", "/tmp"), reason)
