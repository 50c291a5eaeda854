"""How connections begin and end: what clients of every age rely on."""

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from server.connection import worker
from tests.conftest import Served

pytestmark = pytest.mark.once("what connections are like is not a matter of the store")
CLOSE = b"Connection: close\r\n\r\n"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server as it comes."""
    served = Served(tmp_path_factory.mktemp("worker") / "data", {})
    yield served
    served.end()


def exchange(server: Served, *parts: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back until the server closes."""
    where = urlsplit(server.url)
    answer = b""
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        while received := connection.recv(65_536):
            answer += received
    return answer


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/user", "/nowhere"])
def test_a_client_that_sends_five_megabytes_in_one_go_reads_its_answer(
    server: Served, path: str, chunked: bool
) -> None:
    """psf/requests#2422, true-async/server#287: the peer saw a broken pipe and never the 413."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    body = b"x" * 5 * MEGABYTE
    connection.request("POST", path, iter([body]) if chunked else body, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == (413 if path == "/v1/user" else 404)
    assert answer.headers["Connection"] == "close"  # capnproto/capnproto#2831: or the next request is lost
    assert json.loads(answer.read())
    connection.close()


def test_what_comes_after_the_answer_is_read_within_limits(server: Served) -> None:
    head = b"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
    with pytest.raises(ConnectionError):
        exchange(server, head, *[b"x" * MEGABYTE] * (worker.MOST_REST // MEGABYTE + 20))


@pytest.mark.parametrize("length", ["9" * 40, "9" * 5000, "-1", "1_0", "0x10", "+5", "5, 6"])
def test_an_absurd_content_length_is_answered(server: Served, length: str) -> None:
    """Python reads no number of more than 4300 digits: that was a traceback in the log and no answer."""
    answer = exchange(server, f"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"413")
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close, TE\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: TE\r\nConnection: Close\r\n\r\n",
    ],
)
def test_a_connection_that_ends_says_so_and_ends(server: Served, request_head: bytes) -> None:
    """ab and old PHP ask with HTTP/1.0 and `Keep-Alive`; RFC 9110 section 7.6.1 has a list in Connection."""
    answer = exchange(server, request_head)
    assert answer.startswith(b"HTTP/1.")
    assert b"200 OK" in answer
    assert b"\r\nconnection: close\r\n" in answer.lower()


@pytest.mark.parametrize("name", ["张三", "一二三四五六七八", "x\u0085x", "é"])  # UTF-8 of 五 and 六 holds 0x85
def test_chinese_as_typed_in_a_url_is_read_as_if_it_were_encoded(server: Served, name: str) -> None:
    """PHP's curl and the shell send a URL as it stands; gunicorn refuses what is not ASCII (RFC 9112 section 3.2)."""
    for raw in (name, quote(name)):
        answer = exchange(
            server, f"GET /login?username={raw}&password={raw} HTTP/1.1\r\nHost: localhost\r\n".encode() + CLOSE
        )
        assert answer.split()[1] == (b"400" if "\u0085" in name else b"401"), answer
        answer = exchange(server, f"GET /user/{raw}/x HTTP/1.1\r\nHost: localhost\r\n".encode() + CLOSE)
        assert answer.split()[1] == b"404"
    assert exchange(server, b"GET /login?username=\xff HTTP/1.1\r\nHost: localhost\r\n" + CLOSE).split()[1] == b"400"


@pytest.mark.parametrize("line", [b"HEAD / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"NONSENSE\r\n\r\n"])
def test_what_cannot_be_read_is_answered(server: Served, line: bytes) -> None:
    head, _, body = exchange(server, line).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"421")
    assert bool(body) is not line.startswith(b"HEAD")  # RFC 9110 section 9.3.2
