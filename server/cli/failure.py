"""Failures: one line on stderr, an exit code, and nothing else."""

import os
import re
import sys
from collections.abc import Callable
from io import TextIOWrapper
from traceback import extract_tb
from typing import Any

import peewee
import typer
from typer.core import TyperGroup

from models.db.database import reason
from models.errors import DirectoryError
from server.cli.output import printable
from server.settings import SettingError

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended."""


PIPE_CLOSED = 141
"""What a shell expects of a program that wrote into a pipe that nobody reads."""
EXTRA_ARGUMENTS = re.compile(r"(?<=argument\(s\)) \(.*\)", re.DOTALL)
"""What the parser adds about arguments too many: their values, one of which may be a password."""


class Refused(Exception):
    """Raised when a command cannot be carried out; the text says why."""


class OneLine(TyperGroup):
    """The whole command: whatever goes wrong inside is told in one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run what is asked for; end without a word when nobody reads on, as `head` does not."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be flushed goes nowhere
            sys.exit(PIPE_CLOSED)
        return result

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command and exit."""
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # names may be Chinese whatever the locale says
        options |= {"prog_name": "rollbook", "standalone_mode": False}
        try:
            code = super().main(*args, **options) or 0
        except Exception as error:  # the last door: what passes it would be a traceback
            self._end(_words(error), getattr(error, "exit_code", 1))
        if code == INTERRUPTED:
            self._end("interrupted, nothing was changed", code)
        sys.exit(code)

    @staticmethod
    def _end(words: str, code: int) -> None:
        print(f"rollbook: {printable(words)}", file=sys.stderr)
        sys.exit(code)


def _words(error: Exception) -> str:
    """Say what happened, without values that may be secret."""
    for kind, words in WORDS.items():
        if isinstance(error, kind):
            return words(error)
    place = extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__} in {place.filename}, line {place.lineno}"


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    told = EXTRA_ARGUMENTS.sub("", error.format_message().strip())
    return f"{told}{hint}"


def _refusal(error: Any) -> str:
    """Return why the directory refuses: the text, or else the docstring, which says when it is raised."""
    told = (type(error).__doc__ or type(error).__name__).strip()
    return str(error) or told.removeprefix("Raised when ").rstrip(".")


def _outside(error: Any) -> str:
    reason = error.strerror or type(error).__name__
    return f"{reason}: {error.filename}" if error.filename else reason


WORDS: dict[type[Exception], Callable[[Any], str]] = {
    Refused: str,
    SettingError: str,
    DirectoryError: _refusal,
    typer.TyperException: _usage,
    typer.Abort: lambda error: "aborted, nothing was changed",
    UnicodeError: lambda error: "a value is not UTF-8 text",
    OSError: _outside,
    peewee.DatabaseError: lambda error: f"store: {reason(error)}",
    peewee.InterfaceError: lambda error: f"store: {reason(error)}",
}
"""Failure -> how its line is worded; every other failure is a bug of ours."""
