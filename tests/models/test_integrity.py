"""What does not hold in a store is found and named."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from models.account import Account
from models.account_block import AccountBlock
from models.db.database import connect, database, transaction
from models.friendship import FriendApplication
from models.outbox import Notice, OutboxMessage
from models.project import Project
from models.session import Session
from server.settings import Settings
from tests.conftest import STORE
from tests.server.test_cli import SAN_GUO

Operate = Callable[..., Result]

UNFOLDED = "account: username_key is not that of the username"
ROOT_PAGE = "SELECT rootpage FROM sqlite_master WHERE name = 'friendship_account_id_friend_id'"
LAX = {"sqlite": "PRAGMA foreign_keys = 0", "postgresql": "SET session_replication_role = replica"}
"""What lets rows refer to rows that are not there."""


@pytest.fixture(autouse=True)
def _two_friends(settings: Settings, register: Callable[..., Account]) -> None:
    alice, bob = register("alice", email="Alice@example.com"), register("bob")
    with transaction():
        FriendApplication.send(alice, bob)
        FriendApplication.accept(alice, bob)
        Project.import_graph("三国", alice, *SAN_GUO)
        Project.import_graph("水浒", bob, *SAN_GUO)
        Session.open(alice, "dbms", "a secret")
        AccountBlock.purge(10)
        OutboxMessage.post("sms", "13393922111", Notice("", "123456"))
        database.begin_immediate()


def found(operate: Operate, settings: Settings) -> dict[str, tuple[int, list[object]]]:
    """Run the check and return what it finds."""
    result = operate("db", "check", "--json")
    connect(settings.database_url)
    findings = {row["what"]: (row["rows"], row["examples"]) for row in json.loads(result.stdout)}
    assert result.exit_code == (1 if findings else 0)
    return findings


def test_a_store_in_use_is_sound(operate: Operate, settings: Settings) -> None:
    assert found(operate, settings) == {}


@pytest.mark.parametrize(
    ("statement", "what", "rows", "examples"),
    [
        ("DELETE FROM friendship WHERE account_id = 2", "friendship: one-sided", 1, [1]),
        ("DELETE FROM member WHERE account_id = 2", "project: its owner is no member", 1, [2]),
        ("UPDATE member SET project_id = 9 WHERE account_id = 2", "member: project is not there", 1, [2]),
        ("UPDATE session SET account_id = 9", "session: account is not there", 1, [1]),
        ("UPDATE relation SET target_id = 99 WHERE id < 3", "relation: target is not there", 2, [1, 2]),
        ("UPDATE relation SET target_id = 4 WHERE id = 1", "relation: target belongs to another project", 1, [1]),
        ("UPDATE account_block SET accounts = 3", "account_block: another number of accounts than there are", 1, [0]),
        ("DELETE FROM account_block", "account_block: another number of accounts than there are", 1, [0]),
        (
            "UPDATE account SET username = 'Bobby' WHERE id = 2",
            "account: username_key is not that of the username",
            1,
            [2],
        ),
        ("UPDATE account SET email = NULL", "account: email_key is not that of the e-mail address", 1, [1]),
        (
            "UPDATE account SET username = 'Signin', username_key = 'signin' WHERE id = 1",
            "account: the username cannot stand in a path",
            1,
            [1],
        ),
        ("UPDATE account SET password_hash = 'plain'", "account: the password hash is of no known form", 2, [1, 2]),
        ("UPDATE outbox_message SET delivered = 1", "outbox_message: delivered, and kept its text", 1, [1]),
    ],
)
def test_what_does_not_hold_is_named(
    operate: Operate, settings: Settings, statement: str, what: str, rows: int, examples: list[int]
) -> None:
    database.execute_sql(LAX[STORE])
    database.execute_sql(statement)
    number, keys = found(operate, settings)[what]
    assert (number, sorted(keys)) == (rows, examples)


@pytest.mark.once("PostgreSQL refuses such a text")
def test_a_text_that_its_column_should_not_hold_is_named(operate: Operate, settings: Settings) -> None:
    database.execute_sql("UPDATE account SET job = ? WHERE id = 2", ("x" * 129,))
    assert found(operate, settings) == {"account: job is longer than 128 characters": (1, [2])}


def test_a_number_that_would_be_given_again_is_named(operate: Operate, settings: Settings) -> None:
    database.set_sequence(Account, 1)
    assert found(operate, settings) == {"account: the next number is given already": (1, [2])}


def test_another_schema_is_named_and_nothing_else_is_looked_at(operate: Operate, settings: Settings) -> None:
    database.execute_sql("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2026-01-01')")
    try:
        assert found(operate, settings) == {"the schema is not that of this version": (1, ["9999_later"])}
    finally:
        database.execute_sql("DELETE FROM schema_migration WHERE name = '9999_later'")


@pytest.mark.once("damages a file of SQLite")
def test_a_damaged_file_is_told(operate: Operate, settings: Settings) -> None:
    (page,) = database.execute_sql(ROOT_PAGE).fetchone()
    (size,) = database.execute_sql("PRAGMA page_size").fetchone()
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with open(settings.database_url.removeprefix("sqlite:///"), "r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\x00\x00")  # the index has no rows
    result = operate("db", "check")
    assert result.exit_code == 1
    assert "the engine complains: " in result.stdout


def test_findings_are_a_table_for_people(operate: Operate) -> None:
    database.execute_sql("DELETE FROM friendship WHERE account_id = 2")
    result = operate("db", "check")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].split() == ["friendship:", "one-sided", "1", "[1]"]
