"""The edge between Python and the shell: exceptions become messages on standard error and exit codes."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Literal

from ytterby.errors import EstimationError, InputError, YtterbyError

__all__ = ["EXIT_BROKEN", "EXIT_DONE", "EXIT_SOME_FAILED", "EXIT_WRONG_INPUT", "Boundary"]

EXIT_DONE = 0
EXIT_SOME_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_BROKEN = 3


class Boundary:
    """Context in which a command runs: what leaves it is an exit code and one clear message, never a traceback.

    With ``debug`` everything passes through untouched.
    """

    def __init__(self, *, debug: bool = False) -> None:
        self.debug = debug

    def __enter__(self) -> Boundary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if error is None or self.debug or isinstance(error, (SystemExit, GeneratorExit)):
            return False
        if isinstance(error, KeyboardInterrupt):
            _say("interrupted; nothing half-written is left behind")
            sys.exit(130)
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has gone (head, less): not a fault.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_DONE)
        if isinstance(error, (InputError, EstimationError)):
            _say(f"error: {error}")
            sys.exit(EXIT_WRONG_INPUT)
        if isinstance(error, OSError):
            _say(
                f"error: {error.filename or 'file system'}: {error.strerror or error}. What to do: check the path and its rights"
            )
            sys.exit(EXIT_WRONG_INPUT)
        what = str(error) if isinstance(error, YtterbyError) else f"{type(error).__name__}: {error}"
        _say(f"error: something of ours broke: {what}. What to do: run again with --debug and report what it prints")
        sys.exit(EXIT_BROKEN)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
