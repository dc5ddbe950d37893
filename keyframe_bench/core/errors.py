"""The errors a user can meet. Each message is one sentence that names the problem and the way out."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike


class KeyframeBenchError(Exception):
    """Base of all errors caused by the input; the command line prints the message and exits with status 2."""


class UsageError(KeyframeBenchError, ValueError):
    """A wrong option, name, type or range."""


class UnavailableError(KeyframeBenchError):
    """Something cannot run here because a package or weights are missing; the message says what to do."""


class ContractError(KeyframeBenchError):
    """An extractor, feature or metric violates its interface."""


class OutOfMemoryError(KeyframeBenchError, MemoryError):
    """Out of memory: says nothing about the input, and no partial result is returned."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)

    def __str__(self) -> str:
        told = f" ({self.args[0]})" if self.args[0] else ""
        return (
            f"there is not enough memory{told}; close other programs, use fewer workers, or raise the limit (ulimit -v)"
        )


class RowsWrittenError(ContractError):
    """A plug-in, named first in the message, modified shared data, which must be read again for the others."""


class _FileError(KeyframeBenchError):
    """Base of errors about a file or folder.

    ``path``: the file, as the user named it; ``reason``: why, in a few words.
    """

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(str(path), reason)
        self.path, self.reason = str(path), reason


class VideoError(_FileError):
    """A file, or a folder of images, gives no frames."""

    def __str__(self) -> str:
        return f"cannot read video {self.path!r}: {self.reason}"


_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


class OutputError(_FileError):
    """A file or folder cannot be written; instead of ``reason`` stands the error that says it."""

    def __init__(self, path: str | PathLike[str], reason: str | BaseException) -> None:
        if isinstance(reason, (FileExistsError, NotADirectoryError)):
            reason = "a part of this path is a file, not a folder"
        super().__init__(path, reason if isinstance(reason, str) else os_reason(reason))

    def __str__(self) -> str:
        room = " or make room" if self.reason.startswith(_FULL) else ""
        return f"cannot write {self.path!r}: {self.reason}; choose another place with out=PATH{room}"


def os_reason(error: BaseException) -> str:
    """Return why a file cannot be used: the words of the system, which come without its name, else the error's."""
    return getattr(error, "strerror", None) or str(error)


def suggestion(word: object, known: Collection[str], otherwise: str = "") -> str:
    """Return the hint for an unknown ``word``: the nearest of the ``known``, else ``otherwise``, else all of them."""
    near = difflib.get_close_matches(str(word), list(known), n=3)
    if near:
        return f"did you mean {', '.join(near)}"
    return otherwise or (f"choose from {', '.join(known)}" if known else "there are none")


# Messages of libraries without an error class for it: the loader, CPython's threads, OpenCV, C++, PyTorch.
_NO_MEMORY = (
    *("failed to map segment", "cannot allocate memory", "can't start new thread"),
    *("insufficient memory", "bad_alloc", "not enough memory"),
)
_TLS = "static tls block"  # of the loader, which has no room there whatever the machine has


def raise_out_of_memory(error: BaseException) -> None:
    """Raise `OutOfMemoryError` if ``error`` or one of its causes means that memory ran out."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OutOfMemoryError):
            raise cause
        text = str(cause).lower()
        told = not isinstance(cause, KeyframeBenchError) and _TLS not in text and any(t in text for t in _NO_MEMORY)
        if told or isinstance(cause, MemoryError) or getattr(cause, "errno", None) == errno.ENOMEM:
            raise OutOfMemoryError(" ".join(str(cause).split())[:200]) from error
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Turn any error that means out of memory into `OutOfMemoryError`; context manager and decorator."""
    try:
        yield
    except Exception as error:
        raise_out_of_memory(error)
        raise
