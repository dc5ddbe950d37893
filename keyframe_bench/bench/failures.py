"""Errors of methods, features and metrics as rows: what is recorded of them, and what is let out instead."""

from __future__ import annotations

import traceback
from typing import NoReturn

from ..core.errors import ContractError, KeyframeBenchError
from ..core.registry import plugin_files

_LONGEST_MESSAGE, _LONGEST_TRACEBACK = 4000, 20_000  # characters


class WorkerDiedError(KeyframeBenchError):
    """The process that computed a video is gone."""


class UntrainedError(KeyframeBenchError):
    """There is no checkpoint, since its training failed."""


def raise_interrupt(error: BaseException) -> None:
    """Raise `KeyboardInterrupt` if that is what ``error`` comes from.

    Ctrl-C while a compiled module is imported becomes an ImportError, and the module is broken for this process.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        cause = cause.__cause__ or cause.__context__


def raise_plain(error: BaseException) -> NoReturn:
    """Raise ``error``; what ends a program (`SystemExit`) as a `ContractError`, since it is not the method's to end."""
    if isinstance(error, Exception):
        raise error
    raise ContractError(f"{type(error).__name__}: {message_of(error)}") from error


def message_of(error: BaseException) -> str:
    """Return what an error says, whatever its class makes of that."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    try:
        return _kept(str(error), _LONGEST_MESSAGE)
    except Exception as second:  # noqa: BLE001 - a class of a plug-in may do anything
        return f"its message cannot be shown: {type(second).__name__}"


def described(error: BaseException) -> str:
    """Return what an error says; of others than the package's own also the class, and where in a plug-in it arose."""
    if isinstance(error, KeyframeBenchError):
        return message_of(error)
    lines = [line for line in traceback.extract_tb(error.__traceback__) if line.filename in plugin_files()]
    where = f" in plug-in file {lines[-1].filename!r}, line {lines[-1].lineno}" if lines else ""
    return f"{type(error).__name__}{where}: {message_of(error)}"


def _kept(text: str, most: int) -> str:
    """Return text that a cell can hold: its halves without what is between them, and no halves of characters."""
    text = text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return text.encode(errors="backslashreplace").decode()


def error_record(error: BaseException) -> dict[str, str]:
    """Return type, message and traceback of an error, as a failed cell tells them."""
    own = isinstance(error, KeyframeBenchError)
    text = "" if own else _kept("".join(traceback.format_exception(error)), _LONGEST_TRACEBACK)
    return {"type": type(error).__name__, "message": message_of(error), "traceback": text}
