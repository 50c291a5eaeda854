"""Backups: one file that holds the whole store as of one moment, and the way back."""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import peewee
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import models
from models import migrations
from models.db.database import database, instead, store
from models.db.transaction import Sqlite
from models.errors import StoreTooNew
from models.recovery import RecoveryCode
from models.session import Session
from models.transfer import integrity
from server.cli.failure import Refused

Report = Callable[[int], None]

PAGES = 1_024
"""Pages of SQLite that are copied between two reports."""
TABLES = [*(table._meta.table_name for table in models.TABLES), "schema_migration"]
LIVING = (Session, RecoveryCode)
"""What may be left out of a restored store."""
FOREIGN = ("TRIGGER", "EVENT TRIGGER", "RULE", "VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE", "EXTENSION")
"""What a backup of PostgreSQL has none of: it would run, with the operator's rights, as it is put back or later."""
PLACES = "/usr/lib/postgresql/*/bin"
"""Where Debian keeps the programs of each PostgreSQL."""


def save(file: Path, replace: bool, report: Report) -> None:
    """Write the store into a file, whole or not at all, while others use it.

    report: called with the number of pages that were just copied (SQLite).
    Raises Refused if the file is there and may not be replaced.
    """
    if os.path.lexists(file) and not replace:
        raise Refused(f"{file}: is there already (--force replaces it)")
    with TemporaryDirectory(dir=file.parent, prefix=".backup-") as unfinished:
        copy = Path(unfinished, file.name)
        copy.touch(mode=0o600)
        if isinstance(database.obj, Sqlite):
            _save_sqlite(copy, report)
        else:
            _save_postgres(copy)
        with copy.open("rb") as written:
            os.fsync(written.fileno())
        copy.replace(file)


def put_back(file: Path, end_sessions: bool, report: Report) -> None:
    """Put the store back as it is in a file, whole or not at all.

    end_sessions: leave out who is logged in, and the codes that are under way.
    Raises Refused if the file is broken, or of a newer version.
    """
    with file.open("rb"):
        pass  # whether it can be read is told before anything else
    if isinstance(database.obj, Sqlite):
        _put_back_sqlite(file, end_sessions, report)
    else:
        _put_back_postgres(file, end_sessions)


# --- SQLite ----------------------------------------------------------------------------------------------------------


def _save_sqlite(copy: Path, report: Report) -> None:
    with database.snapshot(), closing(sqlite3.connect(copy)) as target:
        database.execute_sql("SELECT COUNT(*) FROM sqlite_master").fetchone()  # the moment that is copied
        _copy_pages(database.connection(), target, report)
        target.execute("PRAGMA journal_mode = delete")  # one file, without others beside it


def _put_back_sqlite(file: Path, end_sessions: bool, report: Report) -> None:
    """Examine and migrate a copy first, then let it take the place of the store in one transaction."""
    folder = Path(database.obj.database).parent
    with TemporaryDirectory(dir=folder, prefix=".restore-") as unfinished:
        copy = Path(unfinished, "store.sqlite3")
        shutil.copy(file, copy)
        copy.chmod(0o600)
        with instead(store(f"sqlite:///{copy.resolve()}")):
            try:
                _examine(file)
            except peewee.DatabaseError as error:
                raise Refused(f"{file}: {str(error).splitlines()[0]}") from None
            for table in LIVING if end_sessions else ():
                table.delete().execute()
            database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(copy)) as source:
            _copy_pages(source, database.connection(), report)


def _examine(file: Path) -> None:
    """Bring a copy up to date, and look for what does not hold. Raises Refused."""
    if not database.table_exists("schema_migration"):
        raise Refused(f"{file}: not a backup of a Rollbook store")
    foreign = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name"
    for kind, name in database.execute_sql(foreign).fetchall():  # before a write, which would set it off
        raise Refused(f"{file}: has a {kind} that is none of Rollbook's: {name}")
    try:
        migrations.migrate()
    except StoreTooNew as error:
        raise Refused(f"{file}: {error}") from None
    for finding in integrity.findings():
        raise Refused(f"{file}: {finding.what}")


def _copy_pages(source: Any, target: Any, report: Report) -> None:
    """Copy a database over another; the source must stand still, or be in a transaction."""
    left: int | None = None

    def tell(status: int, remaining: int, total: int) -> None:
        nonlocal left
        report((total if left is None else left) - remaining)
        left = remaining

    source.backup(target, pages=PAGES, progress=tell)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def _save_postgres(copy: Path) -> None:
    tables = [f"--table={name}" for name in TABLES if database.table_exists(name)]
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", *tables, f"--file={copy}", _address())


def _put_back_postgres(file: Path, end_sessions: bool) -> None:
    _refuse_newer(file)
    with TemporaryDirectory(prefix="rollbook-restore-") as folder:
        script = Path(folder, "restore.sql")
        _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
        there = ", ".join(f'"{name}"' for name in TABLES if database.table_exists(name))
        before = Path(folder, "before.sql")
        before.write_text(f"DROP TABLE IF EXISTS {there} CASCADE;\n" if there else "")
        after = Path(folder, "after.sql")
        gone = LIVING if end_sessions else ()
        # names of our own tables
        lines = ["RESET search_path", *(f'DELETE FROM "{table._meta.table_name}"' for table in gone)]  # noqa: S608  # above
        after.write_text("".join(f"{line};\n" for line in lines))
        once = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run("psql", *once, f"--file={before}", f"--file={script}", f"--file={after}", _address())
    migrations.migrate()


def _refuse_newer(file: Path) -> None:
    """Read the whole file, and the names of the steps that it was migrated by. Raises Refused."""
    known = {name for name, _ in migrations.status()}
    try:
        _run("pg_restore", "--file=/dev/null", str(file))
        content = _run("pg_restore", "--list", str(file))
        listed = _run("pg_restore", "--data-only", "--table=schema_migration", "--file=-", str(file))
    except Refused as error:
        raise Refused(f"{file}: {error}") from None
    rows = listed.partition("FROM stdin;\n")[2].partition("\n\\.")[0].splitlines()
    steps = {row.split("\t")[1] for row in rows}
    if not steps:
        raise Refused(f"{file}: not a backup of a Rollbook store")
    for kind in FOREIGN:
        if re.search(rf"^\d+; \d+ \d+ {kind} ", content, re.MULTILINE):
            raise Refused(f"{file}: has a {kind.lower()} that is none of Rollbook's")
    if steps - known:
        raise Refused(f"{file}: the store has been migrated by a newer version: {min(steps - known)}")


def _address() -> str:
    """Return the address of the store without its password, which others could see among the arguments."""
    parts: dict[str, Any] = conninfo_to_dict(database.obj.database)
    parts.pop("password", None)
    return f"--dbname={make_conninfo(**parts)}"


def _run(program: str, *arguments: str) -> str:
    """Run a program of PostgreSQL; return what it prints. Raises Refused with its own words."""
    password = conninfo_to_dict(database.obj.database).get("password")
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {}), "LC_ALL": "C"}
    ran = subprocess.run(  # noqa: S603  # a program of PostgreSQL, without a shell
        [_find(program), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        words = ran.stderr.strip().splitlines() or [f"ended with {ran.returncode}"]
        raise Refused(f"{words[0].removeprefix(f'{program}: ').removeprefix('error: ')}")
    return ran.stdout


def _find(program: str) -> str:
    """Return a program that is not older than the server, from PATH or from where systems keep it. Raises Refused."""
    wanted = database.connection().pgconn.server_version // 10_000
    path = os.environ.get("PATH", "").split(os.pathsep)
    for folder in [*path, *sorted(glob(PLACES), reverse=True)]:
        found = shutil.which(program, path=folder)
        if found and _version(found) >= wanted:
            return found
    raise Refused(f"{program} of PostgreSQL {wanted} or newer is needed, on PATH")


def _version(program: str) -> int:
    # a program of PostgreSQL, without a shell
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603  # above
    return int(told.split(")")[1].split()[0].split(".")[0].removesuffix("devel"))
