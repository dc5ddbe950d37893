"""The errors a user can meet. Each message is one sentence that names the thing and the way out."""

from __future__ import annotations

from pathlib import Path


class KeyframeBenchError(Exception):
    """Base of every error that is the input's fault, not the program's: the command line prints it, exit status 2."""


class UsageError(KeyframeBenchError, ValueError):
    """A wrong option, name, type or range."""


class UnavailableError(KeyframeBenchError):
    """Something asked for by name cannot run here (a package or weights are missing); the message says what to do."""


class ContractError(KeyframeBenchError):
    """An extractor, feature or metric returned what its interface forbids."""


class VideoError(KeyframeBenchError):
    """A file gives no frames.

    Parameters
    ----------
    path : str or Path
        The file, as the user named it.
    reason : str
        Why, in a few words.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read video {self.path!r}: {self.reason}"


class OutputError(KeyframeBenchError):
    """A file or folder cannot be written.

    Parameters
    ----------
    path : str or Path
        What was to be written.
    reason : str
        Why it was not.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write {self.path!r}: {self.reason}; choose another folder with out=DIR or make room"
