"""A store moves to another engine and back: ids, sessions, projects, keys and the audit come along."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import Result

from models import TABLES, account_field
from models.access_key import AccessKey
from models.account import Account
from models.account_block import AccountBlock
from models.account_field import AccountField
from models.audit.chain import AuditHead, sequence
from models.audit.verification import events, pending, verify
from models.db.database import connect, database, transaction
from models.departure import delete_account
from models.friendship import FriendApplication, Friendship
from models.known_address import KnownAddress
from models.outbox import Notice
from models.project import Project
from models.rate_counter import RateCounter
from models.recovery import RecoveryCode
from models.session import Session
from models.transfer import database_copy
from server.settings import Settings
from tests.postgres import PostgresServer
from tests.server.test_cli import SAN_GUO, refusal

pytestmark = pytest.mark.once("goes from one engine to the other and back")
Operate = Callable[..., Result]
NUMBERS = count()


@pytest.fixture
def elsewhere(postgres: PostgresServer) -> str:
    """Address of an empty database."""
    name = f"elsewhere{next(NUMBERS)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return postgres.url.removesuffix("rollbook") + name


@pytest.fixture
def full(settings: Settings, register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a store that has something in every table, and once had an account more."""
    alice, bob, carol = register("alice", mobile="13393922111"), register("bob", admin=True), register("三娘")
    with transaction():
        FriendApplication.send(alice, bob)
        FriendApplication.accept(alice, bob)
        FriendApplication.send(carol, bob)
        project = Project.import_graph("三国", alice, *SAN_GUO)
        project.invite(alice, bob)
    with transaction():
        Session.open(alice, "dbms", "a secret")
        AccessKey.create("Openapiuser", "given")
        AccessKey.create("openapiuser")
        RecoveryCode.send_code("13393922111", lambda code: Notice("", code))
        KnownAddress.note(alice.id, "192.0.2.1")
        RateCounter.add({"a limit": 600})
    monkeypatch.setitem(account_field.declared, "dbms", {"bio": 9})
    with transaction():
        AccountField.put(alice, "dbms", {"bio": "三国"})
        AccountBlock.purge(1)
    sequence(batch=1)
    with transaction():
        delete_account(register("dave"))
    return settings


@contextmanager
def at(url: str) -> Iterator[None]:
    """Use another store, inside."""
    usual = database.obj
    connect(url)
    try:
        yield
    finally:
        database.close()
        database.initialize(usual)


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the directory holds."""
    return {table._meta.table_name: list(database.read(table)) for table in TABLES}


def move(operate: Operate, settings: Settings, to: str, **given: str) -> Result:
    """Copy the store, and connect to the old one again."""
    result = operate("db", "copy", "--to", to, "--json", **given)
    connect(settings.database_url)
    return result


def test_all_goes_to_postgresql_and_back(operate: Operate, full: Settings, elsewhere: str, tmp_path: Path) -> None:
    before = rows()
    assert all(before.values())
    there = move(operate, full, elsewhere)
    assert there.exit_code == 0, there.stderr
    assert json.loads(there.stdout) == {name: len(table) for name, table in before.items()}
    with at(elsewhere):
        assert rows() == before
        assert Session.find("dbms", "a secret").account.username == "alice"
        (bob,) = Friendship.friends_of(Account.by_id(1))
        assert (bob.id, bob.admin) == (2, True)
        assert AccessKey.find("Openapiuser").accesskey == "given"
        assert verify(events(), pending(), AuditHead.find()).fault is None
    back = f"sqlite:///{tmp_path}/back.sqlite3"
    assert move(operate, full, back, ROLLBOOK_DATABASE_URL=elsewhere).exit_code == 0
    with at(back):
        assert rows() == before
    assert rows() == before


def test_numbers_go_on_from_where_they_were(
    operate: Operate, full: Settings, elsewhere: str, register: Callable[..., Account]
) -> None:
    move(operate, full, elsewhere)
    with at(elsewhere):
        assert register("eve").id == 5  # 4 was dave's
        with transaction():
            assert Project.import_graph("水浒", Account.by_id(2), *SAN_GUO).id == 2
            assert Session.open(Account.by_id(2), "dbms", "another").id == 2
    assert operate("db", "check", ROLLBOOK_DATABASE_URL=elsewhere).stdout == "the store is sound\n"


def test_a_store_in_use_is_not_written_over(operate: Operate, full: Settings, elsewhere: str) -> None:
    assert move(operate, full, elsewhere).exit_code == 0
    again = refusal(move(operate, full, elsewhere))
    assert again == "the store that another is to be copied into is not empty"
    assert refusal(move(operate, full, full.database_url)) == again
    with at(elsewhere):
        assert Account.count() == 3


def test_what_does_not_arrive_whole_leaves_the_target_empty(
    operate: Operate, full: Settings, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute_sql("DELETE FROM friendship WHERE account_id = 1")
    assert refusal(move(operate, full, elsewhere)) == "friendship: one-sided"
    passing = database_copy._Print.passing
    monkeypatch.setattr(database_copy._Print, "passing", lambda *call: list(passing(*call))[:-1])
    assert refusal(move(operate, full, elsewhere)) == "account is not what was sent"
    with at(elsewhere):
        assert not any(table for name, table in rows().items() if name != "audit_head")


def test_an_address_that_cannot_be_used_is_refused(operate: Operate, settings: Settings) -> None:
    told = refusal(move(operate, settings, "postgresql://rollbook:hunter2@127.0.0.1/rollbook"))
    assert "PGPASSWORD" in told
    assert "hunter2" not in told
    assert refusal(move(operate, settings, "mysql://127.0.0.1/rollbook")) == "--to: no store for the scheme 'mysql'"
