"""What only a store of its own can show: it goes away and comes back, many migrate it at once."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import peewee
import psycopg
import pytest

from models.account import Account
from models.db.database import connect, database, run_transaction
from models.db.postgres import Postgres
from models.migrations import migrate
from scripts.tools.crash.town import children, postmaster_of
from tests.conftest import CHEAP, ROOT, Served
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once("starts PostgreSQL itself")
MIGRATE = "from models.db.database import connect; from models.migrations import migrate; import sys; \
connect(sys.argv[1]); print(len(migrate()))"


@pytest.fixture
def store() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test alone."""
    server = PostgresServer()
    yield server
    server.remove()


def _register(server: Served, name: str) -> httpx2.Response:
    account = {"username": name, "password": "correct horse"}
    return httpx2.post(f"{server.url}/v1/user", json=account, timeout=30)


def _come_to_terms(server: Served) -> None:
    """Wait until a server has found its store again."""
    while httpx2.get(f"{server.url}/readyz", timeout=30).status_code != 200:
        time.sleep(0.1)


@pytest.mark.process
def test_of_ten_that_start_together_one_migrates(store: PostgresServer) -> None:
    def migrate(_: int) -> int:
        command = [sys.executable, "-c", MIGRATE, store.url]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    with ThreadPoolExecutor(10) as pool:
        applied = list(pool.map(migrate, range(10)))
    assert sorted(applied)[:-1] == [0] * 9
    assert max(applied) > 0


def test_a_store_that_goes_away_is_told_and_one_that_comes_back_is_used(
    store: PostgresServer, serve: Callable[..., Served]
) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=store.url)
    assert _register(server, "alice").status_code == 200
    store.stop("immediate")
    answer = _register(server, "bob")
    assert (answer.status_code, answer.json()["code"]) == (503, "server_err")
    assert "retry-after" in answer.headers
    assert httpx2.get(f"{server.url}/healthz").status_code == 200
    assert httpx2.get(f"{server.url}/readyz").status_code == 503
    store.start()
    _come_to_terms(server)
    assert _register(server, "bob").json()["code"] == "OK"
    assert _register(server, "alice").json()["code"] == "new_user_err"


@pytest.mark.parametrize("how", ["locked", "stopped"])
def test_a_store_that_is_slow_is_not_waited_for_and_is_used_once_it_is_quick(
    store: PostgresServer, serve: Callable[..., Served], how: str
) -> None:
    server = serve(
        ROLLBOOK_DATABASE_URL=store.url, ROLLBOOK_DATABASE_TIMEOUT_SECONDS="1", ROLLBOOK_DATABASE_POOL_SIZE="2"
    )
    _register(server, "alice")
    with ThreadPoolExecutor(12) as pool, _slow(store, how):
        answers = list(pool.map(lambda number: _register(server, f"user{number}"), range(6)))
        answers += pool.map(lambda _: httpx2.get(f"{server.url}/v1/user/1", timeout=30), range(12))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "server_err")] * 18
    assert all("retry-after" in answer.headers for answer in answers)
    _come_to_terms(server)
    assert _register(server, "bob").json()["code"] == "OK"
    assert httpx2.get(f"{server.url}/v1/user/1").json()["data"]["username"] == "alice"


@contextmanager
def _slow(store: PostgresServer, how: str) -> Iterator[None]:
    """Have a store not answer: by a lock on the accounts, or because all its processes stand still."""
    if how == "locked":
        with psycopg.connect(store.url) as connection:
            connection.execute("LOCK TABLE account")
            yield
        return
    postmaster = postmaster_of(store.data)
    processes = [postmaster, *children(postmaster)]
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.process
def test_finding_the_leader_takes_of_the_time_that_the_store_may_take(store: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{store.port}"
        cluster = Postgres(f"postgresql://postgres@{hosts}/rollbook")

        def ask() -> Any:
            with cluster.request_transaction():
                return cluster.execute_sql("SELECT 1")

        with pytest.raises(peewee.OperationalError, match="all the time"):
            cluster.timeout(1, ask)
        cluster.close()
        with pytest.raises(peewee.OperationalError, match="all the time"):
            cluster.timeout(0, ask)
        assert cluster.timeout(60, ask).fetchone() == (1,)
        cluster.close()


def test_a_leader_that_was_demoted_counts_as_away(store: PostgresServer, serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=f"{store.url}?target_session_attrs=read-write")
    _register(server, "alice")
    store.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    while (answer := _register(server, "bob")).json()["code"] == "OK":
        pass  # it was quicker than the new configuration
    assert (answer.status_code, answer.json()["code"]) in [(503, "server_err"), (200, "new_user_err")]
    assert _register(server, "carol").status_code == 503
    store.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    _come_to_terms(server)
    assert _register(server, "carol").json()["code"] == "OK"


def test_sessions_that_the_store_ended_are_opened_anew_unnoticed(
    store: PostgresServer, serve: Callable[..., Served]
) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=store.url)
    for number in range(8):
        store.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        )
        assert _register(server, f"user{number}").json()["code"] == "OK"
        assert httpx2.get(f"{server.url}/v1/user/{number + 1}").json()["code"] == "OK"


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_commit_that_no_standby_confirms_is_not_acknowledged(
    store: PostgresServer, serve: Callable[..., Served], cancelled: bool
) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=store.url, ROLLBOOK_DATABASE_TIMEOUT_SECONDS="2")
    store.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_register, server, "alice")
        while cancelled and not answer.done():
            store.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    assert answer.result().status_code == 503
    store.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    _come_to_terms(server)
    assert _register(server, "bob").json()["code"] == "OK"


@pytest.mark.process
def test_units_that_conflict_are_repeated_until_each_had_its_turn(store: PostgresServer) -> None:
    connect(f"{store.url}?options=-c%20default_transaction_isolation%3Dserializable")
    migrate()
    counter = run_transaction(lambda: Account.register("counter", "correct horse", display_name="0")).id
    tries: list[int] = []

    def count() -> None:
        tries.append(counter)
        database.begin_immediate()  # what is read now must still hold when the transaction ends
        account = Account.by_id(counter)
        account.change(display_name=str(int(account.shown_name) + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run_transaction(count), range(20)))
    assert Account.by_id(counter).shown_name == "20"
    assert len(tries) > 20, "nothing conflicted"
    database.close()


def test_two_instances_over_one_store_behave_as_one(store: PostgresServer, serve: Callable[..., Served]) -> None:
    servers = [serve(ROLLBOOK_DATABASE_URL=store.url) for _ in range(2)]
    names = [f"user{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        codes = pool.map(lambda job: _register(*job).json()["code"], [(s, name) for name in names for s in servers])
    assert sorted(codes) == ["OK"] * 20 + ["new_user_err"] * 20


def test_a_store_of_a_newer_version_is_not_served(store: PostgresServer, serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=store.url)
    assert httpx2.get(f"{server.url}/readyz").status_code == 200
    store.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', now())")
    assert httpx2.get(f"{server.url}/readyz").status_code == 503
    assert httpx2.get(f"{server.url}/healthz").status_code == 200
    server.end()
    ended = subprocess.run(
        [ROOT / "scripts/serve"],
        env=os.environ | CHEAP | {"ROLLBOOK_DATABASE_URL": store.url, "ROLLBOOK_BIND": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "9999_later" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
