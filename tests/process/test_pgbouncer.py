"""Behind PgBouncer, Debian's, in both of its modes that fit: the server starts and every contract's journey passes.

pgbouncer#875: start-up options are refused. psycopg#280, pgbouncer#653: prepared statements are not there in the next
of the server's processes. Settings of a session go to whoever comes next.
"""

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients import Annotation, ContractClient, Dbms, Indexy, Signed, Sso
from tests.conftest import CHEAP, ROOT, Served
from tests.postgres import PgBouncer, PostgresServer

pytestmark = [
    pytest.mark.once("starts PostgreSQL itself"),
    pytest.mark.skipif(PgBouncer.program is None, reason="not run here: no pgbouncer (scripts/programs installs it)"),
]
OLD, NEW = "correct horse", "battery staple"


@pytest.fixture
def store() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test alone."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def pooled(store: PostgresServer, mode: str) -> Iterator[str]:
    """Address of PgBouncer before the store, with fewer connections to it than it is asked for."""
    pooler = PgBouncer(store, mode, size=3 if mode == "transaction" else 40)
    yield pooler.url
    pooler.remove()


def _operate(url: str, data: Path, *words: str) -> Any:
    environment = os.environ | CHEAP | {"ROLLBOOK_DATABASE_URL": url, "ROLLBOOK_DATA": str(data)}
    command = [ROOT / "scripts/rollbook", *words, "--json"]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def _walk(contract: ContractClient, name: str) -> None:
    """Register, log in, look, set a new password, log in by it, log out."""
    assert contract.succeeded(contract.register(name, OLD))
    token = contract.enter(name, OLD)
    changed = (
        contract.change_password_of(_id_of(contract, name), OLD, NEW, token)
        if isinstance(contract, Indexy)
        else contract.change_password(token, name, OLD, NEW)
    )
    assert contract.succeeded(changed), changed.text
    assert contract.enter(name, OLD) is None
    token = contract.enter(name, NEW)
    if isinstance(contract, Indexy):
        return
    for _ in range(8):  # more often than psycopg waits before it prepares
        assert contract.is_live(token)
    assert contract.succeeded(contract.log_out(token))
    assert not contract.is_live(token)


def _id_of(contract: Indexy, name: str) -> int:
    found = contract.list_accounts().json()["payload"]["rows"]
    return next(int(one["id"]) for one in found if one["username"] == name)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_every_contract_is_served_through_pgbouncer(pooled: str, serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_DATABASE_URL=pooled, ROLLBOOK_WORKERS="1", ROLLBOOK_RATE_LIMITS="0")
    accesskey = _operate(pooled, server.data, "key", "create", "clients")["accesskey"]
    kinds: list[Callable[[Any], ContractClient]] = [Dbms, Sso, lambda c: Signed(c, accesskey), Annotation, Indexy]
    names = (f"user{number}" for number in itertools.count())

    def walk(kind: Callable[[Any], ContractClient], name: str) -> None:
        with httpx2.Client(base_url=server.url, timeout=60) as client:
            _walk(kind(client), name)

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(walk, kind, next(names)) for kind in kinds * 3]:
            done.result()
    assert "error" not in [json.loads(line).get("level") for line in server.log.splitlines() if line.startswith("{")]
    file = server.data / "accounts.jsonl"
    file.write_text("".join(json.dumps({"username": f"imported{number}"}) + "\n" for number in range(3)))
    for added in (3, 0):  # gathered in a temporary table: discourse#7030, Npgsql.Bulk#64
        done = _operate(pooled, server.data, "account", "import", str(file))
        assert (done["added"], done["there"]) == (added, 3 - added)
    assert len(_operate(pooled, server.data, "account", "list")) == 18
    assert _operate(pooled, server.data, "db", "check") == []
