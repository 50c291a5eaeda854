"""What an operator does with a whole store, for each engine: load, read as of one moment, number, examine."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import peewee

from models.settings import DAY

PIECE = 2_000
"""Rows that are fetched at a time."""
PAGES = 16
"""A registration writes 12 pages to SQLite's log, now and then 15: a disk with room for fewer takes no writes."""
HINDRANCE = """
SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby takes no writes'
            WHEN current_setting('transaction_read_only')::boolean THEN 'it was made read-only' END
"""
AS_PEEWEE: Any = vars(peewee)["__exception_wrapper__"]
"""Context that turns errors of a driver into Peewee's, as they come from everything that goes through it."""


class Maintenance:
    """Mixin of both engines; `self` is a Peewee database."""

    def read(self: Any, table: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table in order of its key, column by column as the model declares them."""
        fields, key = table._meta.sorted_fields, table._meta.primary_key
        place = fields.index(key)
        ordered = self.by_code_points(key) if isinstance(key, peewee.CharField) else key
        rows = table.select(*fields).order_by(ordered).limit(PIECE).tuples()
        page = list(rows.execute(self))
        while page:
            yield from page
            page = list(rows.where(ordered > page[-1][place]).execute(self))


def _into(table: Any) -> str:
    """Return the name of a table and those of its columns, in the order of `read`."""
    names = ", ".join(f'"{field.column_name}"' for field in table._meta.sorted_fields)
    return f'"{table._meta.table_name}" ({names})'


class SqliteMaintenance(Maintenance):
    """Maintenance of the embedded store."""

    @contextmanager
    def patience(self: Any) -> Iterator[None]:
        """Let the store take as long as it needs inside; it has no limit but for the lock of others."""
        yield

    @contextmanager
    def one_connection(self: Any) -> Iterator[None]:
        """Stay with one connection inside, so that what is temporary is there; a thread has one only."""
        yield

    @contextmanager
    def snapshot(self: Any) -> Iterator[None]:
        """Read what is inside as of one moment; others may write meanwhile."""
        self.execute_sql("BEGIN")
        try:
            yield
        finally:
            self.execute_sql("ROLLBACK")

    def tables(self: Any) -> list[str]:
        """Return the names of all tables, by a connection that changes nothing, not even how the file is kept."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        with (
            AS_PEEWEE,
            closing(sqlite3.connect(f"{Path(self.database).absolute().as_uri()}?mode=ro", uri=True)) as file,
        ):
            return [name for (name,) in file.execute(query)]

    def is_writable(self: Any) -> bool:
        """Tell whether the store can be written; that others are writing means that it can.

        After a write that failed, some are tried: the disk may have room again. Else nothing is written.
        """
        try:
            for _ in range(PAGES if self.refuses_writes else 0):
                self.execute_sql("BEGIN IMMEDIATE")
                self.execute_sql("PRAGMA user_version = 0")
                self.execute_sql("COMMIT")
            self.execute_sql("BEGIN IMMEDIATE")
            self.execute_sql("ROLLBACK")
        except peewee.OperationalError as error:
            connection = self.connection()
            if connection.in_transaction:
                connection.rollback()
            return bool(self.is_busy(error))
        self.refuses_writes = False
        return True

    def load(self: Any, table: Any, rows: Iterable[Sequence[Any]]) -> None:
        """Write whole rows, as `read` yields them."""
        self.check_begun()
        connection = self.connection()
        alone = not connection.in_transaction
        marks = ", ".join("?" * len(table._meta.sorted_fields))
        with AS_PEEWEE:
            if alone:
                connection.execute("BEGIN")
            try:
                # names of our own tables and columns
                connection.executemany(f"INSERT INTO {_into(table)} VALUES ({marks})", rows)  # noqa: S608  # ours
            except BaseException:
                if alone:
                    connection.rollback()
                raise
            if alone:
                connection.commit()

    def last_number(self: Any, table: Any) -> int:
        """Return the highest number that a table ever gave, as far as the store remembers it."""
        name = table._meta.table_name
        kept = self.execute_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
        return int(kept[0]) if kept else int(table.select(peewee.fn.MAX(table.id)).scalar(self) or 0)

    def set_sequence(self: Any, table: Any, last: int) -> None:
        """Give numbers beyond this one from now on. A table whose numbers may come back goes by its rows instead."""
        name = table._meta.table_name
        made = self.execute_sql("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        if "AUTOINCREMENT" not in made:
            return
        self.execute_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        self.execute_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))

    def image(self: Any) -> bytes:
        """Return the whole store, as it is at one moment."""
        with AS_PEEWEE, closing(sqlite3.connect(":memory:")) as whole:
            self.connection().backup(whole)
            return whole.serialize()

    def put_image(self: Any, image: bytes) -> None:
        """Put a whole store in the place of this one, for all connections; none may be in a transaction."""
        no_wal = image[:18] + b"\x01\x01" + image[20:]  # a store in memory has no write-ahead log, and would not open
        with AS_PEEWEE, closing(sqlite3.connect(":memory:")) as whole:
            whole.deserialize(no_wal)
            whole.backup(self.connection())

    def complaints(self: Any) -> Iterator[str]:
        """Yield what the engine itself finds wrong with its files."""
        for (line,) in self.execute_sql("PRAGMA integrity_check").fetchall():
            if line != "ok":
                yield str(line)


class PostgresMaintenance(Maintenance):
    """Maintenance of a store of its own."""

    @contextmanager
    def patience(self: Any) -> Iterator[None]:
        """Let the store take as long as it needs inside, up to a day."""
        self._transaction.remaining_seconds = float(DAY)
        try:
            yield
        finally:
            self._transaction.remaining_seconds = None

    @contextmanager
    def one_connection(self: Any) -> Iterator[None]:
        """Stay with one of the server's processes, behind a pooler too: in a transaction, which a unit inside ends."""
        self.session_start()
        try:
            yield
        finally:
            if self.in_transaction():
                self.session_rollback()

    @contextmanager
    def snapshot(self: Any) -> Iterator[None]:
        """Read what is inside as of one moment; others may write meanwhile."""
        self.execute_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.execute_sql("SET LOCAL statement_timeout = 0")
        try:
            yield
        finally:
            self.execute_sql("ROLLBACK")

    def tables(self: Any) -> list[str]:
        """Return the names of all tables of the schema that new ones would go into, but for those of extensions."""
        return [name for (name,) in self.execute_sql(TABLES).fetchall()]

    def is_writable(self: Any) -> bool:
        """Tell whether the store takes writes."""
        return self.hindrance() is None

    def hindrance(self: Any) -> str | None:
        """Return why the store takes no writes, None where it does."""
        found: str | None = self.execute_sql(HINDRANCE).fetchone()[0]
        return found

    def load(self: Any, table: Any, rows: Iterable[Sequence[Any]]) -> None:
        """Write whole rows, as `read` yields them."""
        self.check_begun()
        with (
            AS_PEEWEE,
            self.connection().cursor() as cursor,
            cursor.copy(f"COPY {_into(table)} FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def last_number(self: Any, table: Any) -> int:
        """Return the highest number that a table ever gave."""
        # a sequence of our own
        last, given = self.execute_sql(f"SELECT last_value, is_called FROM {self._sequence(table)}").fetchone()  # noqa: S608  # ours
        return int(last) if given else 0

    def set_sequence(self: Any, table: Any, last: int) -> None:
        """Give numbers beyond this one from now on."""
        self.execute_sql("SELECT setval(%s, %s, %s)", (self._sequence(table), max(last, 1), last > 0))

    def complaints(self: Any) -> Iterator[str]:
        """Yield what the engine itself finds wrong: indexes and constraints that do not hold, broken checksums."""
        for statement, words in COMPLAINTS.items():
            for (name,) in self.execute_sql(statement).fetchall():
                yield f"{words}: {name}"

    def _sequence(self: Any, table: Any) -> str:
        name = table._meta.table_name
        return str(self.execute_sql("SELECT pg_get_serial_sequence(%s, 'id')", (f'"{name}"',)).fetchone()[0])


TABLES = """
    SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    ) ORDER BY relname
"""
COMPLAINTS = {
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid": "the index is not valid",
    "SELECT conname::text FROM pg_constraint WHERE NOT convalidated": "the constraint was never validated",
    "SELECT datname::text FROM pg_stat_database WHERE datname = current_database() AND checksum_failures > 0": (
        "pages failed their checksum in the database"
    ),
}
