"""The store: one database handle, one base class, one unit of work.

Reads run in autocommit. The first write of a unit of work begins its transaction, so a handler that only reads opens
none, and a password is never hashed while the write lock is held.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlsplit

import peewee

from models.errors import DirectoryError

READS = ("SELECT", "WITH", "EXPLAIN", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK")


class UnitOfWork:
    """Mixin that lets a database begin a transaction at the first write of a unit of work."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._unit = local()
        super().__init__(*args, **options)

    @contextmanager
    def unit_of_work(self) -> Iterator[None]:
        """Commit what is written inside when it ends well, else undo it."""
        self._unit.active = True
        try:
            yield
        except BaseException as error:
            keep = isinstance(error, DirectoryError) and error.keeps_changes
            self._finish(commit=keep)
            raise
        else:
            self._finish(commit=True)
        finally:
            self._unit.active = False

    def begin_now(self: Any) -> None:
        """Begin the unit's transaction before its first write, for a verb that must read what it then changes."""
        if getattr(self._unit, "active", False) and not self.in_transaction():
            self._unit.active = False  # what begins the transaction passes here again
            try:
                self.session_start()
            finally:
                self._unit.active = True

    def execute_sql(self: Any, sql: str, params: Any = None) -> Any:
        """Execute one statement, inside the unit's transaction if it writes."""
        if not sql.lstrip("( ").startswith(READS):
            self.begin_now()
        return super().execute_sql(sql, params)  # type: ignore[misc]  # the mixin's base is a Peewee database

    def transaction_depth(self: Any) -> int:
        """Count open transactions; `atomic()` asks this and so becomes a savepoint of the unit."""
        self.begin_now()
        depth: int = super().transaction_depth()  # type: ignore[misc]  # the mixin's base is a Peewee database
        return depth

    def _finish(self: Any, commit: bool) -> None:
        if not self.in_transaction():
            return
        if commit:
            self.session_commit()
        else:
            self.session_rollback()


class Sqlite(UnitOfWork, peewee.SqliteDatabase):
    """The embedded default."""


database = peewee.DatabaseProxy()


class Model(peewee.Model):
    """Base of all tables."""

    class Meta:
        database = database
        legacy_table_names = False


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
}


def connect(url: str) -> None:
    """Point the directory at a store; connections open lazily, one per thread.

    url: `sqlite:///relative.sqlite3` or `sqlite:////absolute.sqlite3`.
    Raises ValueError for a scheme that is not served.
    """
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise ValueError(f"no store for the scheme {parts.scheme!r}")
    path = Path(parts.path.removeprefix("/"))  # sqlite:////etc is absolute, sqlite:///etc is not
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    database.initialize(Sqlite(str(path), pragmas=PRAGMAS, lock_type="IMMEDIATE"))


def unit_of_work() -> Any:
    """Return the context in which one request changes the store, or does not."""
    return database.unit_of_work()
