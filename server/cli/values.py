"""What an operator types, held against the value types of `specs/common.yaml`."""

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer
import yaml

from server.cli.failure import Refused
from server.contract.validation import compile_schema
from server.specs import FOLDER, Loader

HERE = os.environ.get("INVOKED_FROM", "")
"""Folder in which the operator stands; `scripts/rollbook` leaves it."""
LONGEST_NAME = 300
"""Characters of whatever names an account."""
LONGEST_INPUT = 2_048
"""Bytes of stdin that are read as a secret: more than any secret has."""


@cache
def schema(type_name: str) -> dict[str, Any]:
    """Return a value type."""
    common = yaml.load((FOLDER / "common.yaml").read_text("utf-8"), Loader)  # noqa: S506  # a safe one
    found: dict[str, Any] = common["components"]["schemas"][type_name]
    return found


@cache
def checker(type_name: str) -> Callable[[Any], str | None]:
    """Compile a value type; what does not match its pattern is told in the type's own words."""
    type = schema(type_name)
    in_limits = compile_schema({name: value for name, value in type.items() if name != "pattern"})
    in_form = compile_schema(type)

    def check(value: Any) -> str | None:
        try:
            fault = in_limits(value)
            if fault is None and in_form(value):
                return f"not of the right form. {type['description']} Example: {type['example']}"
        except UnicodeError:
            return "not UTF-8 text"
        return str(fault) if fault else None

    return check


def valid(type_name: str) -> Callable[[Any], Any]:
    """Return what lets a value of this type pass, and refuses others by the name of their option."""

    def callback(value: Any) -> Any:
        wrong = None if value is None else checker(type_name)(value)
        if wrong:
            raise typer.BadParameter(wrong)
        return value

    return callback


def printable_name(text: str | None) -> str | None:
    """Let pass what may name an account. Raises BadParameter."""
    if text is not None and not (0 < len(text) <= LONGEST_NAME and text.isprintable()):
        raise typer.BadParameter("names no account")
    return text


def read_password(from_stdin: bool) -> str:
    """Return the password from stdin, or ask for it twice on the terminal. Raises Refused."""
    if from_stdin:
        password = read_stdin()
    else:
        _need_terminal("--password-stdin")
        password = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    wrong = checker("Password")(password)
    if wrong:
        raise Refused(f"password: {wrong}")
    return password


def confirm(question: str) -> None:
    """Go on only if the answer is yes. Raises typer.Abort, Refused."""
    _need_terminal("--yes")
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise typer.Abort


def read_stdin() -> str:
    """Read a secret from stdin; one newline at its end is not part of it. Raises Refused."""
    data = sys.stdin.buffer.read(LONGEST_INPUT).removesuffix(b"\n")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("stdin: not UTF-8 text") from None


def _need_terminal(instead: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"no terminal to ask on: use {instead}")


Username = Annotated[str, typer.Argument(metavar="USERNAME", callback=valid("Username"), help="Login name.")]
Named = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT", callback=printable_name, help="Id, username, e-mail address, mobile number or foreign id."
    ),
]
NamedOption = Annotated[
    str | None,
    typer.Option(
        "--account", metavar="ACCOUNT", callback=printable_name, help="Only what concerns this account, however named."
    ),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin, without its last newline.")
]
