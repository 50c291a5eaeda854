"""From one store into another, of another engine too: every row with its id, and the numbers that come next."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import peewee

from models import TABLES, migrations
from models.audit.chain import AuditHead
from models.db.database import database, instead, transaction
from models.errors import StoreInUse, StoreUnsound
from models.transfer import integrity


def copy_to(target: Any, report: Callable[[int], None] = lambda rows: None) -> dict[str, int]:
    """Copy all of the directory's store, as of one moment, into an empty one, or nothing; return the rows by table.

    The copy is read again and examined before it stays. The directory goes on with the store that it had.
    report: called with the number of rows that were just copied.
    Raises StoreInUse where the target has rows, StoreUnsound where the copy does not hold what must hold.
    """
    source = database.obj
    with source.snapshot(), instead(target), target.patience():
        migrations.migrate()
        with transaction():
            database.begin_immediate(alone=True)
            if any(table.select().exists() for table in TABLES if table is not AuditHead):
                raise StoreInUse
            AuditHead.delete().execute()  # that of the new store
            rows = {table._meta.table_name: _copy(table, source, target, report) for table in TABLES}
            for finding in integrity.findings():
                raise StoreUnsound(finding.what)
            return rows


def _copy(table: Any, source: Any, target: Any, report: Callable[[int], None]) -> int:
    """Copy a table, and read it again."""
    sent, there = _Print(), _Print()
    target.load(table, sent.passing(source.read(table), report))
    if isinstance(table._meta.primary_key, peewee.BigAutoField):
        target.set_sequence(table, source.last_number(table))
    for _ in there.passing(target.read(table), lambda rows: None):
        pass
    if (sent.rows, sent.digest()) != (there.rows, there.digest()):
        raise StoreUnsound(f"{table._meta.table_name} is not what was sent")
    return sent.rows


class _Print:
    """The number of rows that passed, and a digest of all that they said."""

    def __init__(self) -> None:
        self.rows = 0
        self._said = hashlib.sha256()

    def passing(self, rows: Iterator[tuple[Any, ...]], report: Callable[[int], None]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, and take note of them."""
        for row in rows:
            self.rows += 1
            self._said.update(repr(row).encode("utf-8", "surrogatepass"))
            report(1)
            yield row

    def digest(self) -> str:
        """Return the digest."""
        return self._said.hexdigest()
