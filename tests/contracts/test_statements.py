"""What a login, a registration and a token check cost the store: statements, commits, and no SQL written at run time.

BEGIN and COMMIT are counted, with all limits and the audit. Whoever adds a statement changes a number here.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import argon2
import peewee
import psycopg
import pytest
from starlette.testclient import TestClient

from models import settings
from models.account import Account
from models.db.database import database
from models.db.transaction import Sqlite
from models.known_address import KnownAddress
from models.session import Session
from tests.clients import ContractClient, Dbms, Indexy, open_clients

PASSWORD = "correct horse"
STEMS = ("dbms", "sso", "signed", "annotation", "indexy")
LOGIN = {"dbms": 9, "sso": 9, "signed": 9 + 3, "annotation": 9, "indexy": 9}
"""The look-up, three for the counts before the hash, five for the act. The access key is looked up, and read again."""
REGISTER = {"dbms": 13, "sso": 9, "signed": 11 + 2, "annotation": 11, "indexy": 9}
"""signed and annotation open a session, too; dbms looks for the address, and posts and counts a message. All note the
place."""
CHECK = {"dbms": 1, "sso": 1, "signed": 4 + 2, "annotation": 1, "indexy": 1}
"""signed has none but an update of nothing, which is counted."""


class Cost:
    """What was done in a stretch of a test: statements as the driver sends them, and calls that write SQL."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.written = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many statements there were, and how many of them committed something."""
        return len(self.statements), self.statements.count("COMMIT")


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"ROLLBOOK_RATE_LIMITS": "1"}


@pytest.fixture
def cost(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """`with cost() as counted:` counts what the store is sent meanwhile."""
    counting: list[Cost] = []

    def note(statement: str) -> None:
        for one in counting:
            one.statements.append(statement)

    def write(self: Any, obj: Any) -> Any:
        for one in counting:
            one.written += 1
        return write_sql(self, obj)

    write_sql = peewee.Context.sql
    monkeypatch.setattr(peewee.Context, "sql", write)
    _listen(monkeypatch, note)
    database.close()  # whoever connects from here on is heard

    @contextmanager
    def count() -> Iterator[Cost]:
        counting.append(Cost())
        yield counting[-1]
        counting.pop()

    yield count
    database.close()


def _listen(monkeypatch: pytest.MonkeyPatch, note: Callable[[str], None]) -> None:
    """Have every statement told that a driver sends."""
    if isinstance(database.obj, Sqlite):
        connect = Sqlite._connect

        def connect_and_listen(self: Any) -> Any:
            connection = connect(self)
            connection.set_trace_callback(note)
            return connection

        monkeypatch.setattr(Sqlite, "_connect", connect_and_listen)
        return
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit

    def execute_and_note(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        note(str(query))
        return execute(self, query, *args, **options)

    def commit_and_note(self: Any) -> None:
        note("COMMIT")
        commit(self)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute_and_note)
    monkeypatch.setattr(psycopg.Connection, "commit", commit_and_note)


def check(one: ContractClient, token: str) -> bool:
    """Tell whether a token is accepted, by an operation that does as little as there is."""
    answer = one.find(2, token) if isinstance(one, Indexy) else one.use(token)
    return one.succeeded(answer)


@pytest.mark.parametrize("policy", ["documented", "guarded"])
@pytest.mark.parametrize("stem", STEMS)
def test_so_many_statements_and_no_more(
    client: TestClient, cost: Callable[[], Any], stem: str, policy: str, engine: str
) -> None:
    one = open_clients(client)[stem]
    for name in ("first", "second"):
        assert one.succeeded(one.register(name, PASSWORD))
        assert check(one, one.enter(name, PASSWORD)) or name == "first"
    with cost() as login:
        token = one.enter("second", PASSWORD)
    with cost() as register:
        assert one.succeeded(one.register("third", PASSWORD))
    with cost() as checked:
        assert check(one, token)
    assert [login.written, register.written, checked.written] == [0, 0, 0]
    assert login.counts == (LOGIN[stem], 2)
    wanted = REGISTER[stem]
    if stem == "dbms":  # PostgreSQL locks the address; under guarded another's is not told, so not looked for
        wanted += (engine == "postgresql") - (policy == "guarded")
    assert register.counts == (wanted, 2)
    assert checked.counts == (CHECK[stem], 1 if stem == "signed" else 0)


def _from_elsewhere(account: Account) -> None:
    KnownAddress.delete().execute()


def _has_most_sessions(account: Account) -> None:
    settings.apply(replace(settings.current, max_sessions=1))


def _has_outdated_hash(account: Account) -> None:
    hashed = argon2.PasswordHasher(2, 16, 1).hash(PASSWORD)
    Account.update(password_hash=hashed).where(Account.id == account.id).execute()


def _has_lost_its_sessions(account: Account) -> None:
    Session.delete().execute()


NUMBERS = itertools.count(1000)
PATHS: dict[str, tuple[Callable[[Account], None], Callable[[ContractClient, str], Any]]] = {
    "wrong password": (lambda account: None, lambda one, token: one.log_in("alice", "wrong guess")),
    "unknown name": (lambda account: None, lambda one, token: one.log_in("nobody", "wrong guess")),
    "from elsewhere": (_from_elsewhere, lambda one, token: one.log_in("alice", PASSWORD)),
    "most sessions": (_has_most_sessions, lambda one, token: one.log_in("alice", PASSWORD)),
    "outdated hash": (_has_outdated_hash, lambda one, token: one.log_in("alice", PASSWORD)),
    "taken username": (lambda account: None, lambda one, token: one.register("alice", PASSWORD)),
    "dead token": (_has_lost_its_sessions, check),
    "bound number": (lambda account: None, lambda one, token: one.register(f"1338000{next(NUMBERS)}", PASSWORD)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stem", STEMS)
def test_no_sql_is_written_at_run_time(client: TestClient, cost: Callable[[], Any], stem: str, path: str) -> None:
    one = open_clients(client)[stem]
    one.register("alice", PASSWORD)
    account = Account.by_username("alice")
    prepare, ask = PATHS[path]
    for _ in range(3):  # written once: where it is done the first time, or counted the second time
        token = one.enter("alice", PASSWORD)
        with database.atomic():
            prepare(account)
        with cost() as counted:
            ask(one, token)
    assert counted.statements
    assert counted.written == 0


def test_a_token_is_exchanged_by_two_statements(client: TestClient, cost: Callable[[], Any]) -> None:
    one = open_clients(client)["dbms"]
    assert isinstance(one, Dbms)
    one.register("alice", PASSWORD)
    token = one.check_login("alice", one.enter("alice", PASSWORD)).json()["token"]
    with cost() as counted:
        assert one.check_login("alice", token).json()["token"]
    assert counted.written == 0
    assert counted.counts[1] == 1
