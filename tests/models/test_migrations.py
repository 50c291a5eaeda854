"""Migrations build exactly what the models describe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import models
from models.access_key import AccessKey
from models.account import Account
from models.db.database import PRAGMAS, connect, database
from models.db.transaction import Sqlite
from models.migrations import migrate, status


def _schema(db: Any) -> dict[str, Any]:
    """Return tables with their columns, foreign keys, indexes, checks and numbering, whatever the order."""
    schema = {}
    for table in set(db.get_tables()) - {"schema_migration", "sqlite_sequence"}:
        columns = {(c.name, c.data_type, c.null, c.primary_key, c.default) for c in db.get_columns(table)}
        indexes = {(tuple(i.columns), i.unique) for i in db.get_indexes(table)}
        keys = {(row[2], row[3], row[4], row[6]) for row in db.execute_sql(f"PRAGMA foreign_key_list({table})")}
        sql = db.execute_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()[0]
        schema[table] = (columns, indexes, keys, sql.count("CHECK"), sql.count("AUTOINCREMENT"))
    return schema


@pytest.mark.once("reads how SQLite describes a table")
def test_migrations_build_exactly_the_models(migrated: Path, tmp_path: Path) -> None:
    from_models = Sqlite(str(tmp_path / "models.sqlite3"), pragmas=PRAGMAS)
    with from_models.bind_ctx(models.TABLES):
        from_models.create_tables(models.TABLES)
    from_migrations = Sqlite(str(migrated), pragmas=PRAGMAS)
    try:
        assert _schema(from_migrations) == _schema(from_models)
    finally:
        from_models.close()
        from_migrations.close()


@pytest.mark.usefixtures("settings")
def test_migrating_again_changes_nothing() -> None:
    assert migrate() == []
    assert all(applied for _, applied in status())


def test_a_new_store_has_every_migration_pending(new_store: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    connect(new_store().get("ROLLBOOK_DATABASE_URL", f"sqlite:///{tmp_path}/new.sqlite3"))
    assert not any(applied for _, applied in status())
    assert migrate() == [name for name, _ in status()]
    database.close()


@pytest.mark.requirement("ASVS 6.3.2")
@pytest.mark.usefixtures("settings")
def test_a_new_store_has_no_account_and_no_key() -> None:
    assert Account.select().count() == AccessKey.select().count() == 0
