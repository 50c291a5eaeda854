"""The server as a process: started by its script, stopped by a signal."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT, Served


@pytest.mark.once("the store is a file of the data folder")
def test_a_first_start_makes_a_private_store_and_says_where_it_serves(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = serve(ROLLBOOK_SECRET_KEY="")
    assert f"{server.url}/docs" in server.log
    for stem in ("dbms", "sso", "signed", "annotation", "indexy"):
        assert f"{server.url}/docs/{stem}" in server.log
    data = tmp_path / "data"
    assert data.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in data.iterdir() if file.is_file()}
    assert {"rollbook.sqlite3", "secret_key"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_what_was_acknowledged_is_there_after_a_second_start(serve: Callable[..., Served]) -> None:
    first = serve()
    account = {"username": "alice", "password": "correct horse", "email": "alice@example.com"}
    assert httpx2.post(f"{first.url}/user", json=account).status_code == 201
    token = httpx2.get(f"{first.url}/login", params={"username": "alice", "password": "correct horse"}).json()["token"]
    assert first.end(signal.SIGKILL) != 0
    second = serve()
    assert httpx2.get(f"{second.url}/user/alice", params={"token": token}).json()["username"] == "alice"


def test_sigterm_finishes_the_request_in_hand(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_ARGON2_TIME_COST="60", ROLLBOOK_ARGON2_MEMORY_KIB="65536")
    account = {"username": "alice", "password": "correct horse"}
    with ThreadPoolExecutor() as pool, httpx2.Client(base_url=server.url, timeout=60) as kept:
        assert "connection" not in kept.get("/healthz").headers
        slow = pool.submit(kept.post, "/v1/user", json=account)
        time.sleep(1)
        assert not slow.done()
        server.process.send_signal(signal.SIGTERM)
        assert slow.result().json() == {"code": "OK", "message": "用户创建成功", "data": None}
        assert slow.result().headers["connection"] == "close"  # the next request would be lost
    assert server.end() == 0


FOR_EVER = str(3600)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_waits_for_nobody_who_has_nothing_in_hand(serve: Callable[..., Served], workers: str) -> None:
    """Silent, idle and half-asking clients keep no pod (gunicorn#1236, #2317); whoever asks meanwhile is answered."""
    names = ("KEEPALIVE", "REQUEST", "SHUTDOWN")
    server = serve(ROLLBOOK_WORKERS=workers, **{f"ROLLBOOK_{name}_SECONDS": FOR_EVER for name in names})
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with ExitStack() as stack:
        silent, half, idle, busy = (stack.enter_context(socket.create_connection(address)) for _ in range(4))
        half.sendall(health)
        for connection in (idle, busy):
            connection.sendall(health + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # the workers have heard of it
        busy.sendall(health + b"\r\n")
        assert b"connection: close" in busy.recv(4096).lower()
        assert server.process.wait(60) == 0
        for connection in (silent, half, idle, busy):
            assert connection.recv(4096) == b""


def test_a_form_that_was_cut_short_changes_nothing(serve: Callable[..., Served]) -> None:
    server = serve()
    form = "user_id=alice&user_name=Alice&password=correct"
    head = f"POST /user/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(form) + 6}\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}".encode())
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        assert not connection.recv(1).startswith(b"2")
    for password in ("correct", "correct horse"):
        answer = httpx2.get(f"{server.url}/login", params={"username": "alice", "password": password})
        assert answer.status_code == 401


def test_two_workers_share_the_directory(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_WORKERS="2")
    with ThreadPoolExecutor(16) as pool:
        names = [f"user{number}" for number in range(40)]
        statuses = pool.map(lambda name: _register(server, name), names * 2)
    assert sorted(statuses) == [201] * 40 + [409] * 40


def _register(server: Served, name: str) -> int:
    account = {"username": name, "password": "correct horse", "email": f"{name}@example.com"}
    status: int = httpx2.post(f"{server.url}/user", json=account).status_code
    return status


def test_the_log_shows_no_url(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_LOG_LEVEL="debug")
    httpx2.get(f"{server.url}/login", params={"username": "alice", "password": "a secret in a URL"})
    server.end()
    assert "secret" not in server.log


@pytest.mark.parametrize(("name", "value"), [("ROLLBOOK_WORKERS", "none"), ("ROLLBOOK_BIND", "nowhere")])
def test_a_wrong_setting_ends_with_one_line_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    ended = subprocess.run(
        [ROOT / "scripts/serve"],
        env={"PATH": "/usr/bin:/bin", "ROLLBOOK_DATA": str(tmp_path), name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith(f"rollbook: {name}: ")
    assert "Traceback" not in ended.stderr


def test_a_wrong_spec_ends_with_one_line_that_names_file_and_place(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "openapi: 3.0.3\ninfo: {title: One, version: '1'}\nservers: [{url: /one}]\npaths:\n  /act:\n    post:\n"
        "      {operationId: act, security: [], x-guarded: owner, responses: {'204': {description: Done.}}}\n"
    )
    (tmp_path / "one.py").write_text("def act(): ...\ndef fail(error): ...\n")
    ended = subprocess.run(
        [ROOT / "scripts/serve"],
        env={
            "PATH": "/usr/bin:/bin",
            "ROLLBOOK_DATA": str(tmp_path / "data"),
            "ROLLBOOK_CONTRACTS": str(tmp_path),
            "ROLLBOOK_BIND": "127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    told = "rollbook: one.yaml: /paths/~1act/post/x-guarded: owner: one parameter"
    assert ended.stderr.splitlines()[-1].startswith(told)
    assert "Traceback" not in ended.stderr
