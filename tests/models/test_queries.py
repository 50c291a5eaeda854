"""Every statement that the whole suite made the server run finds its rows by an index."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.db.database import connect, database
from models.migrations import migrate

SORTED = "username|photo|display_name|job|school|introduct|mobile|email"
EXCEPTIONS = {
    rf'ORDER BY \(?"t1"\."({SORTED})"': "a list in an order other than id is sorted; only admins ask under guarded",
    r'^SELECT "t1"\."accessid".* FROM "access_key" AS "t1" ORDER BY': "the operator lists all keys, which are few",
    r'FROM "audit_event" AS "t1" ORDER BY "t1"\."id"( DESC)? LIMIT': "the log's first or last entry",
    r'FROM "outbox_message" AS "t1" ORDER BY "t1"\."id" DESC LIMIT': "the operator lists the newest messages",
    r'"pending_event"': "what was written in the last second, and refusals of the last minute",
    r'FROM "account_block(_change)?"': "a thousandth of the accounts, read instead of counting them",
    r'FROM "project" AS "t1" ORDER BY': "the operator lists all projects",
    r"^(PRAGMA|SAVEPOINT|RELEASE|ROLLBACK|CREATE|DROP|ALTER)|schema_migration|sqlite_master": "not of the server",
}
"""Statements that may read a whole table, each with its reason."""

NO_TABLE = re.compile(r"SCAN (CONSTANT ROW|\d+ CONSTANT ROWS|nobody)")
"""Steps of SQLite that read no table; `nobody` is who is found where there is no account."""


def _is_exception(statement: str) -> bool:
    return any(re.search(pattern, statement) for pattern in EXCEPTIONS)


@pytest.fixture
def plan(engine: str, new_store: Callable[[], dict[str, str]], tmp_path: Path) -> Iterator[None]:
    """A migrated store to explain statements on."""
    connect(new_store().get("ROLLBOOK_DATABASE_URL", f"sqlite:///{tmp_path}/plans.sqlite3"))
    migrate()
    if engine == "postgresql":
        database.execute_sql("SET enable_seqscan = off")
    yield
    database.close()


def _scans_of_sqlite(statement: str) -> list[str]:
    values = (1,) * statement.count("?")
    steps = [row[3] for row in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()]
    return [step for step in steps if step.startswith("SCAN") and not NO_TABLE.fullmatch(step)]


def _scans_of_postgresql(statement: str) -> list[str]:
    """Return the steps that read a whole table, or a whole index, however the planner tries to avoid it.

    The tables are empty: it takes the order of an index for as good as a condition, unless it may only use conditions.
    """
    numbers = itertools.count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", statement)
    ways = []
    for plain_index_scans in ("on", "off"):
        for scan in ("indexscan", "indexonlyscan"):
            database.execute_sql(f"SET enable_{scan} = {plain_index_scans}")
        (plans,) = database.execute_sql(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered}").fetchone()
        ways.append([_words(step) for plan in plans for step, above in _steps(plan["Plan"]) if _reads_all(step, above)])
    return min(ways, key=len)


def _steps(step: dict[str, Any], above: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each step with the kind of the one above it."""
    yield step, above
    for inner in step.get("Plans", ()):
        yield from _steps(inner, step["Node Type"])


def _reads_all(step: dict[str, Any], above: str) -> bool:
    """Tell whether a step reads all rows; the first ones in the order of an index are found by it."""
    kind = step["Node Type"]
    is_first = above == "Limit" and "Filter" not in step
    return kind == "Seq Scan" or (kind.startswith("Index") and "Index Cond" not in step and not is_first)


def _words(step: dict[str, Any]) -> str:
    return f"{step['Node Type']} {step.get('Relation Name', '')} {step.get('Index Name', '')}"


SCANS = {"sqlite": _scans_of_sqlite, "postgresql": _scans_of_postgresql}


@pytest.mark.looks_back
@pytest.mark.usefixtures("plan")
def test_every_statement_uses_an_index(engine: str, evidence: Path) -> None:
    statements = {
        json.loads(line) for file in evidence.glob("statements.*") for line in file.read_text("utf-8").splitlines()
    }
    checked = [statement for statement in statements if not _is_exception(statement)]
    assert len(checked) > 40
    scans = [(step, statement) for statement in sorted(checked) for step in SCANS[engine](statement)]
    assert scans == []
