"""``keyframe-bench``: dispatch, and errors as one sentence: exit status 2, or 1 where nobody foresaw them."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ..core.errors import KeyframeBenchError, OutOfMemoryError, UsageError, memory_errors_named, suggestion
from ..core.files import cache_folder, one_line, write_atomic
from ..core.processes import address_limit, garbage_kept
from ..core.registry import load_plugins
from ..core.version import VERSION
from .commands import COMMANDS, Arguments, read
from .help import overview, page

_LIGHT = ("list", "results", "cache", "new")
# What NumPy, OpenCV, PyAV and SciPy take in; with less, some of them crash or hang while they are imported.
_LIBRARIES_BYTES = 1_200_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Threads of OpenMP that wait for others sleep: spinning ones slow a busy machine down by a factor of ten. Torch
    # reads it when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name need not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    atexit.register(gc.freeze)  # else Python searches all that is left for garbage, several times
    try:
        status = _dispatch(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is reported here, not when Python ends
        return status
    except KeyframeBenchError as error:
        _tell(f"error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:
        _tell("stopped; what is finished is kept: run the same command again to resume")
        return 130
    except BaseException as error:  # noqa: BLE001 - a plug-in may raise what ends a program too
        if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
            _silence()  # the reader of our output (head, less) has gone; rich makes a SystemExit of it
            return 0
        _tell(f"error: {_unforeseen(error)}")
        _silence()
        return 1


def _dispatch(arguments: list[str]) -> int:
    name, *rest = arguments or ["help"]
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0 if arguments else 2
    if name == "--version":
        print(VERSION)
        return 0
    if name not in COMMANDS:
        hint = suggestion(name, COMMANDS, f"commands are {', '.join(COMMANDS)}")
        raise UsageError(f"unknown command {name!r}; {hint}")
    if "--" not in rest and {"-h", "--help"} & set(rest):
        print(page(COMMANDS[name]))
        return 0
    if name not in _LIGHT and address_limit() < _LIBRARIES_BYTES:
        raise OutOfMemoryError("this command needs more than 1.2 GB of address space")
    with memory_errors_named():
        with garbage_kept():
            command: Callable[[Arguments], int] = import_module(f".{name}_command", __package__).run
        found = read(COMMANDS[name], rest)
        if name != "check":  # it finds out itself what a file registers
            load_plugins(found.plugins)
        return command(found)


def _tell(text: str) -> None:
    """Print a sentence on standard error; one of thousands of characters (what was typed may be long) is shortened."""
    with suppress(OSError):  # there is nowhere else to say that this is full too
        print(f"keyframe-bench: {_shortened(text, 2000)}", file=sys.stderr)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]} ... {text[-length // 2 :]}"


def _silence() -> None:
    """Drop what is waiting to be printed: Python would try again at its end, and fail with a status of its own."""
    with suppress(AttributeError, OSError, ValueError):  # there is no such stream, or it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unforeseen(error: BaseException) -> str:
    """Return a sentence about an error that is no `KeyframeBenchError`; its traceback goes into a file, named there."""
    from ..bench.failures import described

    text = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    said = _shortened(one_line(described(error)), 700)
    places: list[Callable[[], Path]] = [lambda: cache_folder() / "logs", lambda: Path(tempfile.gettempdir())]
    for place in places:
        with suppress(KeyframeBenchError, OSError):
            file = place() / name
            write_atomic(file, text)
            return f"{said}; the traceback is in {str(file)!r}"
    return f"{said}; the traceback could not be written to any file"


if __name__ == "__main__":
    sys.exit(main())
