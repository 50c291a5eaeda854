"""Every statement that the whole suite made the server run finds its rows by an index."""

import re

import pytest

from models.database import connect, database
from models.migrations import migrate

SORTED = "username|photo|display_name|job|school|introduct|mobile|email"
EXCEPTIONS = {
    rf'ORDER BY "t1"\."({SORTED})"': "a list in an order other than id is sorted; only the guarded policy's admins ask",
    r'^SELECT "t1"\."accessid".* FROM "access_key" AS "t1" ORDER BY': "the operator lists all keys, which are few",
    r'FROM "account_block"': "a thousandth of the accounts, read instead of counting them",
    r'FROM "project" AS "t1" ORDER BY': "the operator lists all projects",
    r"^(PRAGMA|SAVEPOINT|RELEASE|ROLLBACK|CREATE|DROP|ALTER)|schema_migration|sqlite_master": "not of the server",
}
"""Statements that may read a whole table, each with its reason."""


def _is_exception(statement: str) -> bool:
    return any(re.search(pattern, statement) for pattern in EXCEPTIONS)


@pytest.fixture
def plan(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A migrated store to explain statements on."""
    connect(f"sqlite:///{tmp_path_factory.mktemp('plans')}/plans.sqlite3")
    migrate()


@pytest.mark.usefixtures("plan")
def test_every_statement_uses_an_index(statements: set[str], request: pytest.FixtureRequest) -> None:
    if len(request.session.items) < 100:
        pytest.skip("only a run of the whole suite sees every statement")
    checked = [statement for statement in statements if not _is_exception(statement)]
    assert len(checked) > 40
    scans = []
    for statement in sorted(checked):
        values = (1,) * statement.count("?")
        steps = [row[3] for row in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()]
        scans += [(step, statement) for step in steps if step.startswith("SCAN") and "CONSTANT ROW" not in step]
    database.close()
    assert scans == []
