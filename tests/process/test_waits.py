"""Fifty clients act on fifty accounts: PostgreSQL itself tells whether one waited for another's lock."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from server.cli.__main__ import app as rollbook
from tests.concurrent_clients import Client, Crowd, fresh, gather
from tests.conftest import CHEAP, Served
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once("PostgreSQL alone has locks of rows")
CLIENTS = 50
STEMS = ("dbms", "sso", "annotation", "indexy")
"""Not `signed`: who shares an access key shares one count, by the contract's own limit."""
PASSWORD, ANOTHER = "correct horse", "another horse"
WAITS = re.compile(r"process \d+ still waiting for (.*?) after [\d.]+ ms.*?STATEMENT:\s+(.*?)\n", re.DOTALL)
ELSEWHERE = re.compile(r'extension of relation|UPDATE "audit_head"|UPDATE "outbox_message"')
"""A table that grows is locked for that moment; the sequencers and mailers of two workers meet. No request waits."""


@pytest.fixture(scope="module")
def slow() -> Iterator[PostgresServer]:
    """A PostgreSQL whose commits take 20 ms, and which logs whoever waits for a lock for a millisecond."""
    told = "-c log_lock_waits=on -c deadlock_timeout=1ms -c log_min_messages=log"
    server = PostgresServer(f"{told} -c commit_delay=20000 -c commit_siblings=0 -c fsync=on")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def crowd(slow: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """Fifty clients of a server, each behind the proxy with an address of its own; limits are counted."""
    environment = {
        "ROLLBOOK_DATABASE_URL": slow.url,
        "ROLLBOOK_WORKERS": "2",
        "ROLLBOOK_HASH_CONCURRENCY": "8",
        "ROLLBOOK_HASH_DEADLINE_SECONDS": "60",
        "ROLLBOOK_HASH_QUEUE": "100",
        "ROLLBOOK_DATABASE_TIMEOUT_SECONDS": "60",
        "ROLLBOOK_RATE_LIMITS": "1",
        "ROLLBOOK_TRUSTED_PROXIES": "127.0.0.1",
        "ROLLBOOK_POLICY": "documented",
    }
    data = tmp_path_factory.mktemp("waits") / "data"
    served = Served(data, environment)
    made = CliRunner(env={**CHEAP, **environment, "ROLLBOOK_DATA": str(data)}).invoke(
        rollbook, ["key", "create", "clients", "--json"]
    )
    with gather(served.url, CLIENTS, json.loads(made.stdout)["accesskey"]) as crowd:
        for number, client in enumerate(crowd.clients, 1):
            client.dbms.client.headers["X-Forwarded-For"] = f"192.0.2.{number}"
        yield crowd
    served.end()


@pytest.fixture
def waits(slow: PostgresServer) -> Iterator[list[tuple[str, str]]]:
    """Gets who waited for whom in the end: the lock, and the statement that wanted it."""
    log = slow.data / "log"
    before = log.stat().st_size
    found: list[tuple[str, str]] = []
    yield found
    with log.open() as lines:
        lines.seek(before)
        found += [wait for wait in WAITS.findall(lines.read()) if not ELSEWHERE.search(" ".join(wait))]
    assert found == []


def test_a_wait_is_seen(slow: PostgresServer, crowd: Crowd) -> None:
    """Or else the tests below could not fail."""
    log = slow.data / "log"
    before = log.stat().st_size
    (name,) = fresh("alice")
    crowd.one.dbms.register(name, PASSWORD)
    with psycopg.connect(slow.url) as holder:
        holder.execute("SELECT 1 FROM account FOR NO KEY UPDATE")
        crowd.at_once([lambda c: c.annotation.log_in(name, "wrong")])
        with psycopg.connect(slow.url) as waiter, pytest.raises(psycopg.errors.LockNotAvailable):
            waiter.execute("SET lock_timeout = 100")
            waiter.execute("UPDATE account SET school = 'x'")
    time.sleep(0.1)
    with log.open() as lines:
        lines.seek(before)
        assert WAITS.findall(lines.read()) != []


class Person:
    """One of fifty, with an account, a friend to be, and what is known of them."""

    def __init__(self, number: int, names: list[str]) -> None:
        self.stem = STEMS[number % len(STEMS)]
        self.name, self.other = names[number], names[number ^ 1]
        self.session: Any = None


@pytest.fixture(scope="module")
def people() -> list[Person]:
    """Fifty people, of whom two and two know each other."""
    names = [fresh("person")[0] for _ in range(CLIENTS)]
    return [Person(number, names) for number in range(CLIENTS)]


def register(c: Client, who: Person) -> Any:
    """Make an account, with an address."""
    return c.indexy.create(username=who.name, password=PASSWORD, email=f"{who.name}@example.com")


def log_in(c: Client, who: Person) -> Any:
    """Log in through one of the five, and keep the session of annotation."""
    answer = c.annotation.log_in(who.name, PASSWORD)
    who.session = c.annotation.credential(answer)
    return c.by(who.stem).log_in(who.name, PASSWORD)


OPERATIONS: dict[str, Callable[[Client, Person], Any]] = {
    "register": register,
    "log in": log_in,
    "refused login": lambda c, who: c.by(who.stem).log_in(who.name, "wrong"),
    "refused login, nobody's name": lambda c, who: c.by(who.stem).log_in(f"not-{who.name}", "wrong"),
    "token check": lambda c, who: c.annotation.use(who.session),
    "change of name": lambda c, who: c.annotation.change_name(who.session, who.name[::-1]),
    "apply": lambda c, who: (
        c.annotation.act(who.session, "friend_apply", id=who.other)
        if who.name < who.other
        else c.annotation.use(who.session)
    ),
    "accept": lambda c, who: (
        c.annotation.act(who.session, "friend_apply_accept", id=who.other)
        if who.name > who.other
        else c.annotation.use(who.session)
    ),
    "recovery asked": lambda c, who: c.indexy.request_link(f"{who.name}@example.com"),
    "recovery refused": lambda c, who: c.indexy.recover_by_link("a" * 32, ANOTHER),
    "new password": lambda c, who: c.annotation.change_password(who.session, who.name, PASSWORD, ANOTHER),
    "log out": lambda c, who: c.annotation.log_out(who.session),
}
"""What everybody does at once, in this order."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_waits_for_anybody(
    crowd: Crowd, people: list[Person], waits: list[tuple[str, str]], operation: str
) -> None:
    act = OPERATIONS[operation]
    answers = crowd.at_once([lambda c, who=who: act(c, who) for who in people])
    refused = "refused" in operation
    assert [answer.text for answer in answers if answer.status_code >= 400 and not refused] == []


def test_the_events_of_all_of_them_are_one_whole_chain(crowd: Crowd, slow: PostgresServer, tmp_path: Path) -> None:
    environment = {**CHEAP, "ROLLBOOK_DATA": str(tmp_path), "ROLLBOOK_DATABASE_URL": slow.url}
    for words in (["db", "check"], ["audit", "verify"]):
        checked = CliRunner(env=environment).invoke(rollbook, words)
        assert checked.exit_code == 0, checked.output
