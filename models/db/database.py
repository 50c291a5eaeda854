"""The store: one database handle, one base class, one way to point it at a store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from time import sleep
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import peewee

from models.db.postgres import Postgres
from models.db.transaction import CONNECTION_ERRORS, RunAgain, Sqlite

Result = TypeVar("Result")

TRIES = 20
PAUSE_SECONDS = 0.002
"""Before the second try; each later one waits as much longer."""

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
    database.begin_immediate()
    key = table._meta.primary_key
    some = table.select(key).where(condition).limit(batch)
    deleted: int = table.delete().where(key.in_(some)).execute()
    return deleted


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # an acknowledged write survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 5_000,
    "cache_size": -16_384,
    "mmap_size": 268_435_456,  # reads of a store that fits need no system call
}


def connect(url: str) -> None:
    """Point the directory at a store; connections open lazily, one per thread.

    url: as `store` takes it. Raises ValueError for a scheme that is not served.
    """
    if isinstance(database.obj, Postgres) and database.obj.database == url:
        return  # its connections are as good as new ones
    database.initialize(store(url))


def store(url: str) -> Any:
    """Return a store; an embedded one is made where it is missing.

    url: `sqlite:///relative.sqlite3`, `sqlite:////absolute.sqlite3`, or `postgresql://...` as libpq knows it.
    Raises ValueError for a scheme that is not served.
    """
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        return Postgres(url)
    if parts.scheme == "sqlite":
        path = Path(parts.path.removeprefix("/"))  # sqlite:////etc is absolute, sqlite:///etc is not
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return Sqlite(str(path), pragmas=PRAGMAS, lock_type="IMMEDIATE")
    raise ValueError(f"no store for the scheme {parts.scheme!r}")


def reason(error: BaseException) -> str:
    """Return in one line why the store refused, in its own words, without the password that the address may have."""
    said = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
    for password in _passwords(str(database.obj.database)):
        said = said.replace(password, "...")
    if said == "disk I/O error":  # what SQLite also says where there is no room beside its file
        said += f": {disk_usage(Path(database.obj.database).parent).free} bytes are free on the disk"
    return said.removeprefix("connection failed: ")


def _passwords(url: str) -> set[str]:
    """Return the ways in which an address may write its password; libpq quotes what it cannot read."""
    written = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    named = parse_qs(url.partition("?")[2]).get("password", [])
    return {way for part in (written, *named) if part for way in (part, unquote(part))}


@contextmanager
def instead(other: Any) -> Iterator[None]:
    """Point the directory at another store, inside."""
    usual = database.obj
    database.initialize(other)
    try:
        yield
    finally:
        other.close()
        database.initialize(usual)


def transaction(durable: bool = True) -> Any:
    """Return the context in which one request changes the store, or does not.

    durable: what it commits survives a power cut.
    """
    return database.obj.request_transaction(durable)


def timeout(seconds: float, work: Callable[[], Result]) -> Result:
    """Do a request's work, of which the store may take so many seconds, however many statements that are."""
    result: Result = database.obj.timeout(seconds, work)
    return result


def at_once(work: Callable[[], Result]) -> Result:
    """Do a request's work without waiting for others; where they are in the way, it fails, and `is_busy` tells."""
    result: Result = database.obj.at_once(work)
    return result


def run_transaction(work: Callable[[], Result], durable: bool = True) -> Result:
    """Run work as one unit; run it again where another unit was faster, or a connection turned out to be dead.

    durable: what it commits survives a power cut. Every access of a request goes this way.
    """
    for tried in range(1, TRIES + 1):
        try:
            with transaction(durable):
                return work()
        except (*CONNECTION_ERRORS, RunAgain) as error:
            if tried == TRIES or not (isinstance(error, RunAgain) or database.may_be_repeated(error)):
                raise
            sleep(PAUSE_SECONDS * tried)
    raise AssertionError("unreachable")
