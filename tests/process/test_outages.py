"""The store goes away under a crowd that asks for one thing only, and somebody else holds the embedded store's lock.

coleifer/peewee#2036, RedHatInsights/vulnerability-engine#154: after the database was restarted every query failed until
the process was restarted, too; a crowd that also does something else may heal what this one thing does not.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx2
import pytest

from tests.conftest import Served
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once("starts its stores itself")
INDEXY = "/indexy-api/api/v1/users"
POOL = 3
HASHING = 2
LOGIN = {"username": "alice", "password": "correct horse"}
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid()"
)


@pytest.fixture
def store() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test alone."""
    server = PostgresServer()
    yield server
    server.remove()


def _log_in(url: str, token: str) -> httpx2.Response:
    return httpx2.post(f"{url}/v1/login", json=LOGIN, headers={"token": "default"}, timeout=30)


def _be_refused(url: str, token: str) -> httpx2.Response:
    return httpx2.post(f"{url}/v1/login", json=LOGIN | {"password": "wrong"}, headers={"token": "default"}, timeout=30)


def _check_token(url: str, token: str) -> httpx2.Response:
    return httpx2.get(f"{url}/v1/auth", headers={"token": token}, timeout=30)


def _recover(url: str, token: str) -> httpx2.Response:
    return httpx2.post(f"{url}{INDEXY}/password/mobile/captcha", json={"mobile": "13345587000"}, timeout=30)


def _restart(mode: str) -> Callable[[PostgresServer], None]:
    def restart(store: PostgresServer) -> None:
        store.stop(mode)
        store.start()

    return restart


WAYS: dict[str, Callable[[PostgresServer], None]] = {
    "fast": _restart("fast"),
    "immediate": _restart("immediate"),
    "terminated": lambda store: store.execute(TERMINATE),
}


@pytest.mark.parametrize("ask", [_log_in, _be_refused, _check_token, _recover])
def test_a_crowd_of_one_kind_goes_on_once_the_store_is_back(
    ask: Callable[[str, str], httpx2.Response], store: PostgresServer, serve: Callable[..., Served]
) -> None:
    server = serve(
        ROLLBOOK_DATABASE_URL=store.url,
        ROLLBOOK_DATABASE_POOL_SIZE=str(POOL),
        ROLLBOOK_HASH_CONCURRENCY=str(HASHING),
        ROLLBOOK_WORKERS="1",
    )
    registered = httpx2.post(f"{server.url}/v1/user", json=LOGIN, timeout=30)
    assert registered.json()["code"] == "OK"
    token = _log_in(server.url, "").json()["data"]
    right = {ask(server.url, token).status_code, 429} - {503}
    for how, go_away in WAYS.items():
        stopping = Event()
        seen: list[tuple[float, int]] = []

        def crowd(_: int, stopping: Event = stopping, seen: list[tuple[float, int]] = seen) -> None:
            while not stopping.is_set():
                began = time.monotonic()
                seen.append((began, ask(server.url, token).status_code))

        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(crowd, number) for number in range(6)]
            while len(seen) < 12:
                time.sleep(0.01)
            go_away(store)
            back = time.monotonic()
            while sum(began > back for began, _ in seen) < 60:
                time.sleep(0.01)
            stopping.set()
            for one in running:
                one.result()
        after = [status for began, status in seen if began > back]
        assert after.count(503) <= POOL + 2 * HASHING, how
        assert set(after) <= right | {503}, how
        assert set(after[-20:]) <= right, how
        assert httpx2.get(f"{server.url}/readyz", timeout=30).status_code == 200


def test_nobody_waits_on_the_event_loop_for_a_lock_that_somebody_else_holds(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_WORKERS="1", ROLLBOOK_HASH_CONCURRENCY="2")
    assert httpx2.post(f"{server.url}/v1/user", json=LOGIN, timeout=30).json()["code"] == "OK"
    token = _log_in(server.url, "").json()["data"]
    cookie = httpx2.post(f"{server.url}/user/signin", data={"user_id": "alice", "password": "correct horse"})
    sent = {"cookie": f"sessionid={cookie.cookies['sessionid']}"}
    new_name = {"action": "change_name", "user_name": "new"}
    other = sqlite3.connect(server.store.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(2) as pool:
            change = [
                pool.submit(httpx2.post, f"{server.url}/user/other", json=new_name, headers=sent, timeout=60)
                for _ in range(2)
            ]
            answers = 0
            while not any(one.done() for one in change):
                assert httpx2.get(f"{server.url}/healthz", timeout=60).status_code == 200
                assert httpx2.get(f"{server.url}/readyz", timeout=60).status_code == 200
                assert _check_token(server.url, token).json()["code"] == "OK"
                answers += 1
            assert answers > 5, "others waited with it"
            assert [one.result().status_code for one in change] == [503, 503]
    finally:
        other.execute("ROLLBACK")
        other.close()
    again = httpx2.post(f"{server.url}/user/other", json=new_name, headers=sent, timeout=60)
    assert again.json()["ret"] == 0


HOLD = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
store.execute("ROLLBACK")
"""


def test_a_login_waits_for_the_lock_of_another_process_and_nobody_else_does(serve: Callable[..., Served]) -> None:
    """msupply-foundation/open-msupply#3254: who logged in while something was brought in was refused."""
    server = serve(ROLLBOOK_WORKERS="1", ROLLBOOK_RATE_LIMITS="1")
    assert httpx2.post(f"{server.url}/v1/user", json=LOGIN, timeout=30).json()["code"] == "OK"
    token = _log_in(server.url, "").json()["data"]
    command = [sys.executable, "-c", HOLD, server.store.removeprefix("sqlite:///")]
    with ThreadPoolExecutor(1) as pool:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout
            assert other.stdout.readline() == b"held\n"
            login = pool.submit(_log_in, server.url, "")
            for _ in range(5):
                assert _check_token(server.url, token).json()["code"] == "OK"
            assert not login.done(), "it did not wait for the lock"
        assert login.result().json()["code"] == "OK"
