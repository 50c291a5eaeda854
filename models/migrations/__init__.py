"""Steps that build the store, one file each, applied in order and once."""

from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from models.database import database

FOLDER = Path(__file__).parent


def _runner() -> Any:
    return Runner(database.obj, directory=str(FOLDER), table_name="schema_migration")


def migrate() -> list[str]:
    """Apply the steps that the store lacks; return their names."""
    applied: list[str] = _runner().up()
    return applied


def status() -> list[tuple[str, bool]]:
    """Return each step's name and whether the store has it."""
    return [(step.name, bool(step.applied)) for step in _runner().status()]
