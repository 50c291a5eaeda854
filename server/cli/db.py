"""The store itself: what it is built of, whether it is sound, kept in a file and put back."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from models import migrations
from models.account import Account
from models.audit.events import Event, note
from models.db.database import database, store, transaction
from models.transfer import database_copy, integrity
from server.cli import backup as backups
from server.cli import output
from server.cli.failure import Refused
from server.cli.output import AsJson
from server.cli.progress import progress
from server.cli.store import connected, current
from server.cli.values import HERE

File = Annotated[Path, typer.Argument(metavar="FILE", help="Named from where you stand.")]

app = typer.Typer(help="Keep the store, put it back, examine it, bring it up to date.", rich_markup_mode=None)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Apply the migrations that the store lacks, and print their names.

    The server does so at start, and so does every command that needs the newest schema.
    """
    with connected(creates=True):
        applied = migrations.migrate()
    output.say({"applied": applied}, as_json, *(applied or ["the store is up to date"]))


@app.command()
def status(as_json: AsJson = False) -> None:
    """List all migrations, and whether the store has them; apply none."""
    with connected():
        steps: list[dict[str, Any]] = [{"name": name, "applied": applied} for name, applied in migrations.status()]
    output.say_all(steps, as_json, ("name", "applied"))


@app.command()
def backup(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the whole store, as of one moment, into one file; servers go on serving.

    The file of an embedded store is an SQLite database; that of PostgreSQL is a pg_dump archive, for which pg_dump must
    be on PATH. The server's secret key is not in it, and is needed with it: keep ROLLBOOK_SECRET_KEY, or the file
    secret_key of the data folder, elsewhere.

    \b
    Example:
      rollbook db backup /backup/rollbook-$(date +%F)
    """
    with connected(), progress("Copying") as report:
        backups.save(HERE / file, force, report)
        if database.table_exists("audit_head"):  # a store of an earlier version is backed up as it is
            _record(Event.EXPORTED)
    written = HERE / file
    output.say({"file": str(written), "bytes": written.stat().st_size}, as_json, str(written))


@app.command()
def restore(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a store that has accounts.")] = False,
    end_sessions: Annotated[
        bool, typer.Option("--end-sessions", help="Leave out sessions and recovery codes: all log in anew.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the store back as it is in a backup, whole or not at all; stop the servers first.

    The file is examined before anything is changed: whether it is whole, of no newer version, and sound. One of an
    older version is brought up to date. What happened since the backup is gone; passwords and sessions are those of
    the backup, so a session that was ended since then lives again, unless --end-sessions is given.

    \b
    Example:
      rollbook db restore /backup/rollbook-2026-01-31
    """
    with connected(creates=True), progress("Restoring") as report:
        if not force and database.table_exists("account") and Account.select(Account.id).limit(1).first():
            raise Refused("the store has accounts (--force replaces it)")
        backups.put_back(HERE / file, end_sessions, report)
        _record(Event.IMPORTED)
        accounts = Account.count()
    output.say({"file": str(HERE / file), "accounts": accounts}, as_json, f"{accounts} accounts are back")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Examine the store as of one moment, and list what does not hold; change nothing.

    Looked at are the engine's own complaints, the schema, references to rows that are gone, and what Rollbook keeps
    true: friendships go both ways, owners are members, counts count, names match their keys, hashes are of a known
    form, the audit has its head. Whether each of its events is whole is told by `audit verify`. The exit code is 1 if
    there is any finding.
    """
    with connected(), progress("Examining") as report, database.snapshot():
        found = [finding._asdict() for finding in integrity.findings(report)]
        if not migrations.differences():
            found += [finding._asdict() for finding in integrity.audit_findings()]
    if found or as_json:
        output.say_all(found, as_json, ("what", "rows", "examples"))
    else:
        print("the store is sound")
    if found:
        raise typer.Exit(1)


@app.command()
def copy(
    to: Annotated[str, typer.Option(metavar="URL", help="Address of an empty store, without a password.")],
    as_json: AsJson = False,
) -> None:
    """Copy the whole store into an empty one, of another engine too, and print how many rows each table has.

    Every row keeps its id, sessions go on, and new ids go on from where they were. The copy is read again and examined
    before it stays; whatever is wrong, the target stays empty. Stop the servers first: what they write meanwhile is not
    copied. Then start them with ROLLBOOK_DATABASE_URL set to the new address and the same ROLLBOOK_SECRET_KEY.
    A password of PostgreSQL is read from PGPASSWORD or ~/.pgpass.

    \b
    Example:
      rollbook db copy --to postgresql://rollbook@db.example.com/rollbook
    """
    try:
        if urlsplit(to).password:
            raise Refused("--to: others can see a command line: give the password by PGPASSWORD or ~/.pgpass")
    except ValueError as error:
        raise Refused(f"--to: {error}") from None
    with current(), progress("Copying") as report:
        try:
            target = store(to)  # which makes a file: only now
        except ValueError as error:
            raise Refused(f"--to: {error}") from None
        rows = database_copy.copy_to(target, report)
    output.say(rows, as_json)


def _record(event: Event) -> None:
    with transaction():
        note(event, what="store")
