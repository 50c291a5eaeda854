"""What each contract says to each failure, asked of the code itself."""

import inspect
import re
from typing import Any

from handlers import exceptions
from models import errors
from scripts.tools.docs.contracts import Reader
from scripts.tools.docs.markdown import code, table

Kind = type[Exception]

SAMPLES: dict[Kind, tuple[Any, ...]] = {
    exceptions.MethodNotAllowed: (["GET", "PUT"],),
    exceptions.TooManyRequests: (60, "address", 30, 60),
}
"""What a failure is made with, where it is not made with nothing."""


def write(readers: dict[str, Reader]) -> str:
    """Return the tables: which status where, then each contract in its own words."""
    protocols, refusals = _kinds(exceptions.ProtocolError), _kinds(errors.DirectoryError)
    parts = [
        "## Which status where {#statuses}",
        _overview("Protocol", protocols, readers),
        _overview("Directory", refusals, readers),
    ]
    for reader in readers.values():
        parts += [f"## {reader.stem} {{#{reader.stem}}}", _own(reader, [*protocols, *refusals])]
    return "\n\n".join(parts)


def _kinds(base: Kind) -> list[Kind]:
    """Return what is raised, in the order of the source; bases that are never raised by themselves are left out."""
    members = inspect.getmembers(inspect.getmodule(base), inspect.isclass)
    found = [kind for _, kind in members if issubclass(kind, base) and kind is not base]
    raised = [kind for kind in found if not kind.__name__.startswith("_") and "Base of" not in (kind.__doc__ or "")]
    return sorted(raised, key=lambda kind: inspect.getsourcelines(kind)[1])


def _overview(what: str, kinds: list[Kind], readers: dict[str, Reader]) -> str:
    rows = []
    for kind in kinds:
        said = [_say(reader, kind) for reader in readers.values()]
        if any(said):
            rows.append([_when(kind), *(f"{words[1]}" if words else "" for words in said)])
    return table([what, *readers], rows)


def _own(reader: Reader, kinds: list[Kind]) -> str:
    rows = [(_when(kind), str(said[1]), code(said[0])) for kind in kinds if (said := _say(reader, kind))]
    return table(["When", "Status", "Body"], rows)


def _when(kind: Kind) -> str:
    """Return when it is raised, from its docstring."""
    line = (inspect.getdoc(kind) or "").partition("\n")[0]
    text = re.split("; |[.](?: |$)", line.removeprefix("Raised when "))[0]
    return text[:1].upper() + text[1:]


def _say(reader: Reader, kind: Kind) -> tuple[Any, int] | None:
    """Return body and status, or None where the contract has no words of its own for it."""
    said = _ask(reader, _make(kind))
    catches_all = () if kind is exceptions.InternalServerError else (errors.DirectoryError(), Exception())
    return None if any(said == _ask(reader, error) for error in catches_all) else said


def _ask(reader: Reader, error: Exception) -> tuple[Any, int] | None:
    try:
        return reader.contract.fail(error)
    except exceptions.InternalServerError:
        return None


def _make(kind: Kind) -> Exception:
    return kind(*SAMPLES.get(kind, ()))
