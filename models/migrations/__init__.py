"""Steps that build the store, one file each, applied in order and once."""

from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from models.audit import chain
from models.db.database import database, timeout, transaction
from models.settings import DAY

FOLDER = Path(__file__).parent
FIRST = "0001_directory"
"""The step that makes a store."""
AS_LONG_AS_IT_TAKES = DAY
"""Seconds: a step over millions of rows is no request."""


def _runner() -> Any:
    return Runner(database.obj, directory=str(FOLDER), table_name="schema_migration")


class StoreTooNew(Exception):
    """Raised when the store has steps that this version does not know; the text names the first."""


def migrate() -> list[str]:
    """Apply the steps that the store lacks, all or none; return their names.

    Of many that start together one migrates, the others wait and find nothing to do. Raises StoreTooNew.
    """
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


def fits() -> bool:
    """Tell whether the store answers and has exactly the steps of this version."""
    return not differences()


def differences() -> list[str]:
    """Return the names of the steps that the store lacks, and of those that this version does not know."""
    return [step.name for step in _runner().status() if not (step.applied and step.path)]


def status() -> list[tuple[str, bool]]:
    """Return each step's name and whether the store has it."""
    return [(step.name, bool(step.applied)) for step in _runner().status()]
