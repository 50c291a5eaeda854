"""A store that refuses is told in one line, in its own words, without the password: at start and by every command.

cloudfoundry/app-autoscaler-release#228, reorg/pg_repack#285, duckdb/duckdb-postgres#368: the address was told with it.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CHEAP, ROOT
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once("starts PostgreSQL itself")
PASSWORD, WRITTEN = "S3cret/!pw", "S3cret%2F!pw"  # as it is, and as a URL writes it
PROGRAMS = {
    "start": ["server"],
    "db status": ["server.cli", "db", "status"],
    "account list": ["server.cli", "account", "list"],
    "account create": ["server.cli", "account", "create", "alice", "--password-stdin"],
}
REFUSALS = {
    "role": ("postgresql://nobody:{pw}@127.0.0.1:{port}/rollbook", 'role "nobody" does not exist'),
    "database": ("postgresql://walled:right@127.0.0.1:{port}/nowhere?password=right", '"nowhere" does not exist'),
    "password": ("postgresql://walled:{pw}@127.0.0.1:{port}/rollbook", "password authentication failed"),
    "named password": ("postgresql://walled@127.0.0.1:{port}/rollbook?password={pw}", "password authentication failed"),
    "parameter": ("postgresql://walled:{pw}@127.0.0.1:{port}/rollbook?sslmode=often", "sslmode"),
    "unknown parameter": ("postgresql://walled:{pw}@127.0.0.1:{port}/rollbook?modus=often", "modus"),
    "unquoted password": ("postgresql://walled:S3cret%zz@127.0.0.1:{port}/rollbook", "percent-encoded"),
    "no port": ("postgresql://walled:{pw}@127.0.0.1:{closed}/rollbook", "Connection refused"),
}
"""What is wrong -> address, and what must be said of it."""


@pytest.fixture(scope="module")
def store() -> Iterator[PostgresServer]:
    """A PostgreSQL server that asks one role for a password."""
    server = PostgresServer()
    server.execute("CREATE ROLE walled LOGIN PASSWORD 'right'")
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all walled 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    server.execute("SELECT pg_reload_conf()")
    yield server
    server.remove()


@pytest.fixture
def run(store: PostgresServer, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program against an address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]

    def start(program: list[str], url: str) -> subprocess.CompletedProcess[str]:
        address = url.format(port=store.port, pw=WRITTEN, closed=closed)
        environment = os.environ | CHEAP | {"ROLLBOOK_DATABASE_URL": address, "ROLLBOOK_DATA": str(tmp_path)}
        command = [sys.executable, "-m", *program]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            input="correct horse",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return start


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_store_that_refuses_is_told_in_one_line_without_the_password(
    run: Callable[..., subprocess.CompletedProcess[str]], wrong: str, program: str
) -> None:
    url, words = REFUSALS[wrong]
    done = run(PROGRAMS[program], url)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (1, "", 1), done.stderr
    assert lines[0].startswith("rollbook: ")
    assert words in lines[0]
    for secret in (PASSWORD, WRITTEN, "S3cret", "right"):
        assert secret not in done.stderr


def test_the_right_password_is_let_in(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run(["server.cli", "db", "status"], "postgresql://walled:right@127.0.0.1:{port}/postgres")
    assert "password" not in done.stderr
    assert (done.returncode, done.stderr) == (0, "")
