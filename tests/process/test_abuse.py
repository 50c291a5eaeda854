"""What is too large, too many or too slow is refused, in the words of the contract where there is one."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import httpx2
import pytest
from gunicorn.config import Config
from starlette.testclient import TestClient

from server.connection.allowed_hosts import allowed_hosts
from server.connection.worker import Connection
from server.settings import Settings
from tests.conftest import Served

ROOTS = {"dbms": "/logout", "sso": "/v1/auth", "signed": "/openapi/user", "annotation": "/user/other"}
ROOTS["indexy"] = "/indexy-api/api/v1/users"
DEFAULT = Settings()
SECONDS = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], dict[str, str]]) -> Iterator[Served]:
    """A server with little patience and room for few."""
    folder = tmp_path_factory.mktemp("abuse")
    few = {"ROLLBOOK_REQUEST_SECONDS": str(SECONDS), "ROLLBOOK_MAX_CONNECTIONS": "20"}
    served = Served(folder / "data", few | new_store())
    yield served
    served.end()


def connect(server: Served) -> socket.socket:
    """Open a connection."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def is_ended(connection: socket.socket) -> bool:
    """Tell whether the server has ended a connection, within a time that no test needs to know."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("stem", ROOTS)
@pytest.mark.parametrize(
    ("status", "query", "headers"),
    [
        (414, "x=" + "y" * DEFAULT.max_url_bytes, {}),
        (431, "", {f"x-{number}": "y" for number in range(DEFAULT.max_headers)}),
        (431, "", {"x": "y" * DEFAULT.max_header_bytes}),
    ],
    ids=["url", "many headers", "large headers"],
)
def test_a_url_and_headers_beyond_the_limit_are_refused_in_the_words_of_the_contract(
    client: TestClient, server: Served, stem: str, status: int, query: str, headers: dict[str, str]
) -> None:
    for answer in (
        client.get(f"{ROOTS[stem]}?{query}", headers=headers),
        httpx2.get(f"{server.url}{ROOTS[stem]}?{query}", headers=headers),
    ):
        assert answer.status_code == status
        said = answer.json()
        said_otherwise = {"dbms": "status", "sso": "code", "signed": "errno", "annotation": "ret", "indexy": "success"}
        expected = {"dbms": status, "sso": "request_param_err", "signed": status, "annotation": -status}
        assert said[said_otherwise[stem]] == expected.get(stem, False)


@pytest.mark.parametrize(
    ("limit", "query", "headers"),
    [
        ("max_url_bytes", "x=" + "y" * (DEFAULT.max_url_bytes - 20), {}),
        ("max_headers", "", {f"x-{number}": "y" for number in range(DEFAULT.max_headers - 20)}),
        ("max_header_bytes", "", {"x": "y" * (DEFAULT.max_header_bytes - 1000)}),
    ],
)
def test_what_is_just_within_the_limit_is_read(
    client: TestClient, server: Served, limit: str, query: str, headers: dict[str, str]
) -> None:
    assert client.get(f"/logout?{query}", headers=headers).status_code == 401
    assert httpx2.get(f"{server.url}/logout?{query}", headers=headers).status_code == 401


def test_what_is_far_beyond_the_limit_is_refused_before_it_is_read(server: Served) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /logout?x=" + b"y" * (3 * DEFAULT.max_url_bytes))
        assert connection.recv(100).startswith(b"HTTP/1.1 414 ")
    with connect(server) as connection:
        connection.sendall(b"GET /logout HTTP/1.1\r\nX: " + b"y" * (3 * DEFAULT.max_header_bytes))
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_headers_that_never_end_are_refused_though_each_is_small(server: Served) -> None:
    one = b"X: " + b"y" * 1000 + b"\r\n"
    with connect(server) as connection:
        connection.sendall(b"GET /logout HTTP/1.1\r\n" + one * (2 * DEFAULT.max_headers))
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
    with connect(server) as connection:
        larger = b"X: " + b"y" * (DEFAULT.max_header_bytes - 100) + b"\r\n"
        connection.sendall(b"GET /logout HTTP/1.1\r\n" + larger * 5)
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /login?password=secret nonsense HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nsecret header: x\r\n\r\n", 400),
        (b"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: secret\r\n\r\n", 501),
    ],
    ids=["line", "header", "coding"],
)
def test_what_is_no_request_is_refused_as_problem_details_without_a_word_of_it(
    server: Served, sent: bytes, status: int
) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        head, _, body = b"".join(iter(lambda: connection.recv(10_000), b"")).partition(b"\r\n\r\n")
    assert f"HTTP/1.1 {status} ".encode() in head
    assert b"Content-Type: application/problem+json" in head
    assert [head.count(name) for name in (b"\r\nContent-Type: ", b"\r\nContent-Length: ")] == [1, 1]
    assert json.loads(body)["status"] == status
    assert b"secret" not in head + body
    assert "secret" not in server.log


def test_nobody_gets_a_websocket(server: Served) -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert httpx2.get(f"{server.url}/v1/auth", headers=upgrade | key).json()["code"] == "token_err"


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_that_is_nested_too_deep_is_refused(client: TestClient, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    def nested(depth: int) -> httpx2.Response:
        body = opening * depth + "1" + closing * depth
        return client.post("/user", content=body, headers={"content-type": "application/json"})

    too_deep = "The body is nested too deep."
    assert nested(DEFAULT.max_json_depth + 1).json()["detail"] == too_deep
    assert nested(DEFAULT.max_json_depth).json()["detail"] != too_deep
    for depth in (1_000, 100_000):
        assert nested(depth).status_code == 400


def test_many_brackets_are_not_deep(client: TestClient) -> None:
    body = {"username": "[" * 40, "password": "{" * 40, "email": "a@example.com"}
    assert client.post("/user", content=json.dumps(body), headers={"content-type": "application/json"}).is_success


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nX-Slow: ",
        b"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        b"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
    ids=["nothing", "headers", "body", "chunks"],
)
def test_a_client_that_never_ends_its_request_is_cut_off(server: Served, sent: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        assert is_ended(connection)


def test_a_client_that_drips_is_cut_off_all_the_same(server: Served) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        with pytest.raises(ConnectionError):
            for _ in range(600):
                connection.sendall(b"x")
                time.sleep(0.05)


def test_a_client_that_does_not_read_is_cut_off(server: Served) -> None:
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /docs/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        with pytest.raises(ConnectionError):
            for _ in range(600):
                connection.sendall(b" ")
                time.sleep(0.05)


def test_a_client_that_does_not_read_the_last_of_its_answers_is_cut_off_too() -> None:
    now = 100.0
    transport = MagicMock()
    worker = MagicMock(nr_conns=0, most_connections=1, connections=set(), cfg=Config())
    worker.loop.time = lambda: now
    connection = Connection(worker)
    connection.transport = transport
    connection._close_transport()
    assert transport.close.called
    assert not connection.is_late(now)
    assert connection.is_late(now + 1)


def test_a_client_that_keeps_asking_is_not_cut_off(server: Served) -> None:
    with httpx2.Client(base_url=server.url) as client:
        began = time.monotonic()
        while time.monotonic() < began + 2 * SECONDS:
            assert client.get("/healthz").status_code == 200
            time.sleep(0.1)


def test_more_connections_than_there_is_room_for_are_turned_away_and_room_comes_again(server: Served) -> None:
    held = [connect(server) for _ in range(20)]
    with connect(server) as one_more:
        assert one_more.recv(1000).startswith(b"HTTP/1.1 503 ")
        assert is_ended(one_more)
    for connection in held:
        connection.close()
    answers: list[Any] = []
    for _ in range(100):
        try:
            answers.append(httpx2.get(f"{server.url}/healthz").status_code)
        except httpx2.TransportError:
            answers.append(None)
        if answers[-1] == 200:
            break
        time.sleep(0.05)
    assert answers[-1] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_a_name_that_is_not_this_servers_finds_nobody_on_loopback(server: Served, host: str) -> None:
    users = f"{server.url}/indexy-api/api/v1/users"
    answer = httpx2.get(users, headers={"host": host})
    detail = "This server does not answer to the name in Host: ROLLBOOK_PUBLIC_URL says to which name it answers."
    problem = {"type": "about:blank", "title": "Misdirected Request", "status": 421, "detail": detail}
    assert (answer.status_code, answer.json()) == (421, problem)
    assert detail in server.log
    assert httpx2.head(users, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "[::1]:80", "localhost", "LocalHost:8000", "a.localhost"])
def test_addresses_and_localhost_are_this_server(server: Served, host: str) -> None:
    assert httpx2.get(f"{server.url}/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("policy", "bind", "host", "own"),
    [
        ("documented", "127.0.0.1:8000", "accounts.example.com", True),
        ("documented", "127.0.0.1:8000", "evil.example", False),
        ("guarded", "127.0.0.1:8000", "evil.example", True),
        ("documented", "0.0.0.0:8000", "evil.example", True),
    ],
)
def test_only_a_server_that_loopback_protects_asks_for_its_name(policy: str, bind: str, host: str, own: bool) -> None:
    settings = Settings(policy=policy, bind=bind, public_url="https://accounts.example.com")
    assert allowed_hosts(settings)(host) is own
