"""Starts on stores that are none, or not ours, and a disk that fills: one line that names the cause, and no half store.

pocketbase#4405, gitea#21622, uptime-kuma#1397: a full disk left servers that had to be restarted, or a broken file.
"""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scripts.tools import contract_coverage
from scripts.tools.crash.town import children
from tests.conftest import CHEAP, ROOT, Served
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once("makes its stores itself")
MOST_OF_A_FILE = 524_288
"""Bytes: more than a store needs that was just made, and its log."""
LOGIN = {"username": "alice", "password": "correct horse"}


def start(data: Path, **environment: str) -> str:
    """Start a server that must not come up, and return the one line that it says."""
    variables = {"ROLLBOOK_DATA": str(data), "ROLLBOOK_BIND": "127.0.0.1:1", **environment}
    ended = subprocess.run(
        [ROOT / "scripts/serve"], env=os.environ | CHEAP | variables, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a disk of its own, of two megabytes."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    mounted = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", data]
    if os.getuid() or not mount or not unmount or subprocess.run(mounted, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield data
    subprocess.run([unmount, "--lazy", data], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def fill(data: Path) -> Path:
    """Leave no room on a disk."""
    ballast = data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def test_a_file_that_is_no_store_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "rollbook.sqlite3"
    content = b"no database, but long enough to look at" * 100
    file.write_bytes(content)
    assert start(tmp_path) == "rollbook: ROLLBOOK_DATABASE_URL: file is not a database"
    assert file.read_bytes() == content


def test_a_corrupt_store_is_told(tmp_path: Path, serve: Callable[..., Served]) -> None:
    server = serve()
    server.end()
    file = server.data / "rollbook.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert start(server.data) == "rollbook: ROLLBOOK_DATABASE_URL: database disk image is malformed"


def test_the_store_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "rollbook.sqlite3"
    with closing(sqlite3.connect(file)) as store:
        store.execute("CREATE TABLE auth_user (id INTEGER)")
    before = file.read_bytes()
    told = "rollbook: not a store of Rollbook: it has the table auth_user, and none named schema_migration"
    assert start(tmp_path) == told
    for words in (["account", "list"], ["db", "migrate"], ["db", "check"], ["account", "create", "alice"]):
        ended = subprocess.run(
            [ROOT / "scripts/rollbook", *words],
            env=os.environ | {"ROLLBOOK_DATA": str(tmp_path)}, input="correct horse", capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (1, f"{told}\n"), words
    assert file.read_bytes() == before
    assert not (tmp_path / "rollbook.sqlite3-wal").exists()


def test_the_database_of_another_program_is_refused_and_extensions_are_none(postgres: PostgresServer) -> None:
    environment = {"ROLLBOOK_DATABASE_URL": postgres.create("foreign_tables")}
    psql: Any = postgres.programs / "psql"
    made = "CREATE TABLE django_site (id int); CREATE SCHEMA other"
    subprocess.run([psql, environment["ROLLBOOK_DATABASE_URL"], "-qc", made], check=True)
    told = "rollbook: not a store of Rollbook: it has the table django_site, and none named schema_migration"
    assert start(postgres.folder / "none", **environment) == told


def test_a_store_that_may_not_be_written_is_told(full: Path) -> None:
    Served(full, {}).end()
    mount = str(shutil.which("mount"))
    subprocess.run([mount, "-o", "remount,ro", full], check=True)
    assert start(full).startswith("rollbook: ROLLBOOK_DATABASE_URL: Read-only file system: ")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert start(tmp_path / "file" / "data") == f"rollbook: ROLLBOOK_DATA: Not a directory: {tmp_path}/file/data"
    url = f"sqlite:///{tmp_path}/file/rollbook.sqlite3"
    line = start(tmp_path, ROLLBOOK_DATABASE_URL=url)
    assert line == f"rollbook: ROLLBOOK_DATABASE_URL: File exists: {tmp_path}/file"


def test_a_start_on_a_full_disk_is_told_and_leaves_nothing_half_made(full: Path) -> None:
    ballast = fill(full)
    assert start(full, ROLLBOOK_SECRET_KEY="").startswith("rollbook: ROLLBOOK_DATA: No space left on device")
    for room in (0, 16_384, 65_536):
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - room)
        told = r"rollbook: ROLLBOOK_DATABASE_URL: (database or disk is full|disk I/O error: \d+ bytes are free .*)"
        assert re.fullmatch(told, start(full))
    ballast.unlink()
    server = Served(full, {})
    assert httpx2.post(f"{server.url}/v1/user", json=LOGIN, timeout=30).json()["code"] == "OK"
    server.end()


@contextmanager
def no_room_on_disk(server: Served) -> Iterator[None]:
    """Leave no room on the disk of a server, inside."""
    ballast = fill(server.data)
    yield
    ballast.unlink()


@contextmanager
def no_room_in_files(server: Served) -> Iterator[None]:
    """Let no file of a server grow any more, inside: a limit that needs no mount, and fails in other words."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in children(server.process.pid)}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (MOST_OF_A_FILE, hard))
    yield
    for pid, usual in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize(
    ("folder", "no_room"), [("full", no_room_on_disk), ("small", no_room_in_files)], ids=["disk", "files"]
)
def test_while_there_is_no_room_reads_go_on_and_writes_are_told_to_come_again(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    no_room: Callable[[Served], AbstractContextManager[None]],
) -> None:
    monkeypatch.delenv(contract_coverage.FILE)  # that file is larger than any of the server's may become
    server = Served(request.getfixturevalue(folder), {"ROLLBOOK_WORKERS": "1"})
    request.addfinalizer(server.end)
    register = f"{server.url}/v1/user"
    assert httpx2.post(register, json=LOGIN, timeout=30).json()["code"] == "OK"
    login = httpx2.post(f"{server.url}/v1/login", json=LOGIN, headers={"token": "default"}, timeout=30)
    token = {"token": login.json()["data"]}
    assert httpx2.get(f"{server.url}/readyz", timeout=30).status_code == 200
    with no_room(server):
        codes = []
        for number in range(200):
            answer = httpx2.post(register, json=LOGIN | {"username": f"user{number}"}, timeout=30)
            codes.append(answer.status_code)
            if answer.status_code == 503:
                break
        assert codes[-1] == 503
        assert "retry-after" in answer.headers
        assert {"code", "message"} <= answer.json().keys()
        problem = httpx2.post(
            f"{server.url}/user", json={**LOGIN, "username": "b", "email": "b@example.com"}, timeout=30
        )
        assert (problem.status_code, problem.headers["content-type"]) == (503, "application/problem+json")
        assert httpx2.get(f"{server.url}/v1/auth", headers=token, timeout=30).json()["code"] == "OK"
        assert httpx2.get(f"{server.url}/readyz", timeout=30).status_code == 503
        assert httpx2.get(f"{server.url}/healthz", timeout=30).status_code == 200
    assert httpx2.get(f"{server.url}/readyz", timeout=30).status_code == 200
    assert httpx2.post(register, json=LOGIN | {"username": "carol"}, timeout=30).json()["code"] == "OK"
    assert "Traceback" not in server.log
    assert server.end() == 0
