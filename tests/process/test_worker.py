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


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://127.0.0.1:8000/v1/auth/", b"200"),
        (b"HTTPS://localhost/v1/auth?x=http://evil.example/", b"200"),
        (b"http://localhost/user/TestUser?token=1", b"401"),
        (b"http://localhost", b"307"),
        (b"http://localhost?a=b", b"307"),
        (b"http://evil.example/v1/auth", b"421"),
        (b"http://user:secret@localhost/v1/auth", b"400"),
        (b"http:///v1/auth", b"404"),
        (b"ftp://localhost/v1/auth", b"404"),
    ],
)
def test_a_whole_url_in_the_request_line_is_read_as_its_path(server: Served, target: bytes, status: bytes) -> None:
    """cpython#132741, zoxy-io/zoxy#233: a JVM with `http.proxyHost` and old caches send it; RFC 9112 section 3.2.2."""
    answer = exchange(server, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + CLOSE)
    assert answer.split()[1] == status, answer


def test_the_host_of_the_url_counts_and_not_the_header(server: Served) -> None:
    """RFC 9112 section 3.2.2; whether a page is of the same site is told by it."""
    head = b"POST http://localhost/user/signin HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n"
    for origin, status in ((b"http://localhost", b"200"), (b"http://evil.example", b"403")):
        assert exchange(server, head + b"Origin: " + origin + b"\r\n" + CLOSE).split()[1] == status


@pytest.mark.parametrize(
    "host",
    [b"", *(b"Host: %s\r\n" % name for name in (b"local host", b"localhost/", b"localhost:x", b"[::1", b"a@b@"))],
)
@pytest.mark.parametrize("target", [b"/v1/auth", b"http://localhost/v1/auth"])
def test_who_names_no_host_is_refused(server: Served, host: bytes, target: bytes) -> None:
    """nodejs/node#39033, golang/go#13624: HTTP/1.1 demands the header (RFC 9112 section 3.2), HTTP/1.0 does not."""
    head = b"GET " + target + b" HTTP/1.%d\r\n" + host + CLOSE
    is_named = target != b"/v1/auth" and host
    assert exchange(server, head.replace(b"%d", b"1")).split()[1] == (b"200" if is_named else b"400")
    assert exchange(server, head.replace(b"%d", b"0")).split()[1] == (b"400" if host and not is_named else b"200")
    first = b"GET /v1/auth HTTP/1.1\r\nHost: localhost\r\n\r\n"
    if not host:
        assert b" 400 " in exchange(server, first + head.replace(b"%d", b"1"))


@pytest.mark.parametrize("line", [b"HEAD / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"NONSENSE\r\n\r\n"])
def test_what_cannot_be_read_is_answered(server: Served, line: bytes) -> None:
    head, _, body = exchange(server, line).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"421")
    assert bool(body) is not line.startswith(b"HEAD")  # RFC 9110 section 9.3.2
    assert b"\r\nDate: " in head  # section 6.6.1
