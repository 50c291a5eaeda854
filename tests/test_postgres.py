"""What only a store of its own can show: it goes away and comes back, many migrate it at once."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.conftest import CHEAP, ROOT, Served
from tests.postgres import PostgresServer

MIGRATE = "from models.database import connect; from models.migrations import migrate; import sys; \
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
    assert _register(server, "bob").json()["code"] == "OK"
    assert _register(server, "alice").json()["code"] == "new_user_err"
    assert httpx2.get(f"{server.url}/readyz").status_code == 200


def test_two_instances_over_one_store_behave_as_one(store: PostgresServer, serve: Callable[..., Served]) -> None:
    servers = [serve(ROLLBOOK_DATABASE_URL=store.url) for _ in range(2)]
    names = [f"user{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        codes = pool.map(lambda job: _register(*job).json()["code"], [(s, name) for name in names for s in servers])
    assert sorted(codes) == ["OK"] * 20 + ["new_user_err"] * 20


def test_a_store_of_a_newer_version_is_not_served(store: PostgresServer, serve: Callable[..., Served]) -> None:
    serve(ROLLBOOK_DATABASE_URL=store.url).end()
    store.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', now())")
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
