"""The store: one database handle, one base class, one unit of work.

Reads run in autocommit. The first write of a unit of work begins its transaction, so a handler that only reads opens
none, and a password is never hashed while the write lock is held.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import local
from time import sleep
from typing import Any, TypeVar
from urllib.parse import urlsplit

import peewee

from models.errors import DirectoryError

Result = TypeVar("Result")

READS = ("SELECT", "WITH", "EXPLAIN", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK")
LOST = (peewee.OperationalError, peewee.InterfaceError)
CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a serialization failure and of a deadlock: the same work may succeed when it is done again."""
ONE_AT_A_TIME = 8_262
"""Number of the advisory lock of PostgreSQL that stands for SQLite's one writer."""
TRIES = 20
PAUSE_SECONDS = 0.002
"""Before the second try; each later one waits as much longer."""


class Unit:
    """The context of one unit of work. A class, since every request enters two of them."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __enter__(self) -> None:
        state = self.store._unit
        state.active = True
        state.wrote = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            if isinstance(error, LOST):
                self.store._abandon()
            else:
                keep = error is None or (isinstance(error, DirectoryError) and error.keeps_changes)
                self.store._finish(commit=keep)
        finally:
            self.store._unit.active = False


class UnitOfWork:
    """Mixin that lets a database begin a transaction at the first write of a unit of work."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._unit = local()
        super().__init__(*args, **options)

    def unit_of_work(self) -> "Unit":
        """Return the context that commits what is written inside when it ends well, and else undoes it."""
        return Unit(self)

    def begin_now(self) -> None:
        """Begin the unit's transaction before its first write, for a verb that must read what it then changes.

        Of the units that do so, one runs at a time.
        """
        self._begin()

    def _begin(self: Any) -> None:
        if getattr(self._unit, "active", False) and not self.in_transaction():
            self._unit.active = False  # what begins the transaction passes here again
            self._unit.wrote = True
            try:
                self.session_start()
            finally:
                self._unit.active = True

    def execute_sql(self: Any, sql: str, params: Any = None) -> Any:
        """Execute one statement, inside the unit's transaction if it writes."""
        if not sql.lstrip("( ").startswith(READS):
            self._begin()
        return super().execute_sql(sql, params)  # type: ignore[misc]  # the mixin's base is a Peewee database

    def transaction_depth(self: Any) -> int:
        """Count open transactions; `atomic()` asks this and so becomes a savepoint of the unit."""
        self._begin()
        depth: int = super().transaction_depth()  # type: ignore[misc]  # the mixin's base is a Peewee database
        return depth

    def may_be_repeated(self: Any, error: Exception) -> bool:
        """Tell whether the unit that ended in this error did nothing, and may do better when it is run again."""
        conflict = getattr(error.args[0] if error.args else None, "sqlstate", None) in CONFLICTS
        return conflict or (self.is_closed() and not self._unit.wrote)

    def _abandon(self: Any) -> None:
        """Roll back; close a connection that is of no more use, so that the next unit opens a new one."""
        with suppress(*LOST):
            self._finish(commit=False)
        if not self.is_connection_usable():
            with suppress(Exception):
                self._state.conn.close()
            self._state.reset()

    def _finish(self: Any, commit: bool) -> None:
        if not self.in_transaction():
            return
        if commit:
            self.session_commit()
        else:
            self.session_rollback()


class Sqlite(UnitOfWork, peewee.SqliteDatabase):
    """The embedded default."""

    def by_code_points(self, text: Any) -> Any:
        """Return a text column as it is ordered by code points."""
        return text


class Postgres(UnitOfWork, peewee.PostgresqlDatabase):
    """A store of its own, for several instances."""

    def begin_now(self) -> None:
        """Begin the unit's transaction; wait for other units that read what they then change."""
        self._begin()
        self.execute_sql("SELECT pg_advisory_xact_lock(%s)", (ONE_AT_A_TIME,))

    def by_code_points(self, text: Any) -> Any:
        """Return a text column as it is ordered by code points, whatever the order of the database is."""
        return peewee.Expression(text, "COLLATE", peewee.SQL('"C"'))


database = peewee.DatabaseProxy()


class Model(peewee.Model):
    """Base of all tables."""

    class Meta:
        database = database
        legacy_table_names = False


class LastingId(peewee.BigAutoField):
    """A number that is never given again, not even when the newest row is gone: SQLite must be told, others know."""

    def ddl(self, ctx: Any) -> Any:
        """Return the definition of the column."""
        column = super().ddl(ctx)
        numbers_again = self.ddl_datatype(ctx).sql == "INTEGER"
        return peewee.NodeList((column, peewee.SQL("AUTOINCREMENT"))) if numbers_again else column


def delete_some(table: Any, condition: Any, batch: int) -> int:
    """Delete at most a batch of the rows of a table that meet a condition; return how many."""
    some = table.select(table.id).where(condition).limit(batch)
    deleted: int = table.delete().where(table.id.in_(some)).execute()
    return deleted


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # an acknowledged write survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 5_000,
    "cache_size": -16_384,
    "mmap_size": 268_435_456,  # reads of a store that fits need no system call
}


POSTGRES_OPTIONS = {
    "prefer_psycopg3": True,
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "tcp_user_timeout": 5_000,
    "options": "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=60000",
}
"""However the store fails, a request knows within seconds."""


def connect(url: str) -> None:
    """Point the directory at a store; connections open lazily, one per thread.

    url: `sqlite:///relative.sqlite3`, `sqlite:////absolute.sqlite3`, or `postgresql://...` as libpq knows it.
    Raises ValueError for a scheme that is not served.
    """
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        if isinstance(database.obj, Postgres) and database.obj.database == url:
            return  # its connections are as good as new ones
        database.initialize(Postgres(url, **POSTGRES_OPTIONS))
    elif parts.scheme == "sqlite":
        path = Path(parts.path.removeprefix("/"))  # sqlite:////etc is absolute, sqlite:///etc is not
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        database.initialize(Sqlite(str(path), pragmas=PRAGMAS, lock_type="IMMEDIATE"))
    else:
        raise ValueError(f"no store for the scheme {parts.scheme!r}")


def unit_of_work() -> Any:
    """Return the context in which one request changes the store, or does not."""
    return database.unit_of_work()


def run_unit(work: Callable[[], Result]) -> Result:
    """Run work as one unit; run it again where another unit was faster, or a connection turned out to be dead."""
    for tried in range(1, TRIES + 1):
        try:
            with unit_of_work():
                return work()
        except LOST as error:
            if tried == TRIES or not database.may_be_repeated(error):
                raise
            sleep(PAUSE_SECONDS * tried)
    raise AssertionError("unreachable")
