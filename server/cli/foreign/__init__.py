"""Systems that people leave, by name; one module for each, and one list."""

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import typer

from server.cli.failure import Refused
from server.cli.foreign import django, firebase, keycloak, kratos, pocketbase, supabase
from server.cli.foreign.options import Options
from server.cli.foreign.person import Given
from server.cli.foreign.source import Source
from server.cli.foreign.table import Table
from server.cli.foreign.usernames import Usernames


class System(Protocol):
    """A module of this folder."""

    WHAT: str

    def fits(self, source: Source) -> bool:
        """Tell whether the file looks like it."""

    def read(self, source: Source, options: Options) -> Iterator[Given]:
        """Yield its people as accounts."""


SYSTEMS: dict[str, Any] = {
    "kratos": kratos,
    "keycloak": keycloak,
    "django": django,
    "supabase": supabase,
    "pocketbase": pocketbase,
    "firebase": firebase,
    "beego": Table("beego: its table user, from a database, a dump or CSV", "user"),
    "egg": Table("egg: its table users, from a database, a dump or CSV", "users"),
    "csv": Table("CSV or TSV with a line of names"),
}
"""In the order in which a file is recognized: those that say least of themselves come last."""


def one_of(systems: Collection[str]) -> Callable[[str | None], str | None]:
    """Return what lets the names of these systems pass, and refuses others."""

    def callback(name: str | None) -> str | None:
        if name is not None and name not in systems:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(systems)}")
        return name

    return callback


def entries(file: Path, name: str, options: Options) -> Iterator[tuple[int, Given]]:
    """Return the accounts of a file that another system left, each with its place. Raises Refused for another's file.

    Usernames are made before the first is yielded: the directory is asked for them, and a store that takes rows in
    answers nothing else.
    """
    source, system = Source(file), SYSTEMS[name]
    if not system.fits(source):
        raise Refused(f"{file}: does not look like {name}{_guess(source)}")

    def people() -> Iterator[tuple[int, Given]]:
        for number, given in enumerate(_people(system, source, options), 1):
            yield number, given | _ids(name, given.get("foreign_id"), options)

    usernames = Usernames(given for _, given in people())
    made = {number: usernames.make(given) for number, given in people() if "username" not in given}
    return ((number, given | made.get(number, {})) for number, given in people())


def _ids(name: str, foreign_id: str | None, options: Options) -> dict[str, Any]:
    """Return the id of another system as it is kept, and as our own where that is asked. Raises Refused."""
    if foreign_id is None:
        return {}
    if not options.keeps_ids:
        return {"foreign_id": f"{name}:{foreign_id}"}
    if not foreign_id.isdecimal():
        raise Refused(f"--keep-ids: {name} has ids that are no numbers")
    return {"foreign_id": f"{name}:{foreign_id}", "id": int(foreign_id)}


def _people(system: System, source: Source, options: Options) -> Iterator[Given]:
    """Yield the people of a file. Raises Refused for a record that is not as the system writes it."""
    number = 0
    try:
        for given in system.read(source, options):
            yield given
            number += 1
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{source.file}: record {number + 1} is of another form ({type(error).__name__})") from None


def _guess(source: Source) -> str:
    """Say what the file looks like instead."""
    found = next((other for other, system in SYSTEMS.items() if system.fits(source)), None)
    if found:
        return f", but like {found}: --from {found}"
    tables = ", ".join(sorted(source.tables)[:5])
    seen = f"tables {tables}" if tables else ", ".join(sorted(chain(source.keys))[:5])
    return f", nor like any system that is known; in it are {seen or 'no records'}"
