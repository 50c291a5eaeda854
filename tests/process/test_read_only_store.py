"""A PostgreSQL that takes no writes: a start ends in one line, and a server that runs is not ready until it takes them.

patroni#1235, cloudnative-pg#1254: after a switchover, writes went for minutes to the old leader, by then a standby.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.conftest import CHEAP, ROOT, Served
from tests.postgres import PostgresServer, StandbyServer

pytestmark = pytest.mark.once("starts PostgreSQL itself")
LOGIN = {"username": "alice", "password": "correct horse"}
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid()"
)
SAID = "rollbook: ROLLBOOK_DATABASE_URL: "
READ_ONLY = "ALTER DATABASE rollbook SET default_transaction_read_only = on"


@pytest.fixture
def store() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test alone."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def standby(store: PostgresServer) -> Iterator[StandbyServer]:
    """One that follows it."""
    server = StandbyServer(store)
    yield server
    server.remove()


def refusal(url: str, data: Path) -> str:
    """Start a server that must not come up, and return the one line that it says."""
    environment = os.environ | CHEAP | {"ROLLBOOK_DATABASE_URL": url, "ROLLBOOK_DATA": str(data)}
    environment["ROLLBOOK_BIND"] = "127.0.0.1:1"
    ended = subprocess.run(
        [ROOT / "scripts/serve"], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def is_ready(server: Served) -> bool:
    return httpx2.get(f"{server.url}/readyz", timeout=30).status_code == 200


def register(server: Served, name: str) -> int:
    """Register, and return the status."""
    answer = httpx2.post(f"{server.url}/v1/user", json=LOGIN | {"username": name}, timeout=30)
    assert answer.status_code == 503 or answer.json()["code"] == "OK"
    return answer.status_code


def test_a_database_that_was_made_read_only_is_told(
    store: PostgresServer, serve: Callable[..., Served], tmp_path: Path
) -> None:
    store.execute(READ_ONLY)
    assert refusal(store.url, tmp_path) == f"{SAID}it was made read-only"  # with no table yet
    store.execute("ALTER DATABASE rollbook RESET default_transaction_read_only")
    server = serve(ROLLBOOK_DATABASE_URL=store.url)
    assert register(server, "alice") == 200
    store.execute(READ_ONLY)
    register(server, "bob")  # goes on in a session of before, or not
    store.execute(END_SESSIONS)
    assert not is_ready(server)
    assert register(server, "carol") == 503
    assert not is_ready(server)
    assert httpx2.get(f"{server.url}/healthz").status_code == 200
    assert refusal(store.url, tmp_path) == f"{SAID}it was made read-only"
    store.execute("ALTER DATABASE rollbook RESET default_transaction_read_only", END_SESSIONS)
    assert is_ready(server)
    assert register(server, "carol") == 200
    assert "Traceback" not in server.log
    assert server.end() == 0


def test_a_standby_is_told_and_a_server_that_is_left_with_one_is_not_ready(
    store: PostgresServer, standby: StandbyServer, serve: Callable[..., Served], tmp_path: Path
) -> None:
    assert refusal(standby.url, tmp_path) == f"{SAID}a standby takes no writes"
    both = f"postgresql://postgres@127.0.0.1:{store.port},127.0.0.1:{standby.port}/rollbook"
    server = serve(ROLLBOOK_DATABASE_URL=both)
    assert register(server, "alice") == 200
    assert is_ready(server)
    assert refusal(standby.url, tmp_path) == f"{SAID}a standby takes no writes"
    store.stop("immediate")
    assert not is_ready(server)
    assert register(server, "bob") == 503
    assert not is_ready(server)
    with closing(psycopg.connect(standby.url, autocommit=True)) as connection:
        connection.execute("SELECT pg_promote()")
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")
    while not is_ready(server):
        pass
    assert register(server, "bob") == 200
    assert "Traceback" not in server.log
    assert server.end() == 0
