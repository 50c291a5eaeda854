"""Steps that build the store, one file each, applied in order and once."""

from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from models.audit import chain
from models.db.database import database, timeout, transaction
from models.errors import StoreForeign, StoreTooNew
from models.settings import DAY

FOLDER = Path(__file__).parent
HISTORY = "schema_migration"
"""The table that says which steps a store has; one without it, and with others, is none of ours."""
FIRST = "0001_directory"
"""The step that makes a store."""
AS_LONG_AS_IT_TAKES = DAY
"""Seconds: a step over millions of rows is no request."""


def _runner() -> Any:
    return Runner(database.obj, directory=str(FOLDER), table_name=HISTORY)


def migrate() -> list[str]:
    """Apply the steps that the store lacks, all or none; return their names.

    Of many that start together one migrates, the others wait and find nothing to do. Raises StoreForeign, StoreTooNew.
    """
    check_ours()
    return timeout(AS_LONG_AS_IT_TAKES, _migrate)


def _migrate() -> list[str]:
    with transaction():
        database.begin_immediate(alone=True)
        runner = _runner()
        unknown = [step.name for step in runner.status() if step.path is None]
        if unknown:
            raise StoreTooNew(f"the store has been migrated by a newer version: {unknown[0]}")
        applied: list[str] = runner.up()
        if FIRST in applied:
            chain.begin()
    return applied


def check_ours() -> None:
    """Raise StoreForeign where the store is somebody else's; one that is empty is anybody's."""
    tables = database.tables()
    if tables and HISTORY not in tables:
        raise StoreForeign(f"not a store of Rollbook: it has the table {tables[0]}, and none named {HISTORY}")


def fits() -> bool:
    """Tell whether the store answers and has exactly the steps of this version."""
    return not differences()


def differences() -> list[str]:
    """Return the names of the steps that the store lacks, and of those that this version does not know."""
    return [step.name for step in _runner().status() if not (step.applied and step.path)]


def status() -> list[tuple[str, bool]]:
    """Return each step's name and whether the store has it."""
    return [(step.name, bool(step.applied)) for step in _runner().status()]
