"""What the parser reads at once, it reads as gunicorn does byte by byte; what gunicorn refuses, it refuses.

The requests are those by which servers were smuggled past their proxies: gunicorn#2799, #3036, #3195 (CVE-2024-1135,
CVE-2024-6827), llhttp and aiohttp (GHSA-gfw2-4jvh-wgfg), Puma (GHSA-c2f4-cvqm-65w2).
"""

from collections.abc import Callable
from typing import Any

import pytest
from gunicorn.asgi.parser import PythonProtocol
from hypothesis import given
from hypothesis import strategies as st

from server.connection.parser import Parser

LIMITS = {"limit_request_line": 300, "limit_request_fields": 5, "limit_request_field_size": 200}

GET = b"GET /v1/auth?a=b HTTP/1.1\r\nHost: localhost\r\n"
REQUESTS = [
    b"GET / HTTP/1.1\r\n\r\n",
    GET + b"\r\n",
    GET + b"token:  x \t\r\n\r\n",
    GET + b"token:\r\n\r\n",
    GET + b"A: b: c\r\n\r\n",
    GET + b"a: \xe5\xbc\xa0\r\n\r\n",
    GET + b"a_b: c\r\n\r\n",
    GET + b"a: b\r\na: c\r\n\r\n",
    GET + b"Host: other\r\n\r\n",
    GET + b"Content-Type: a\r\nContent-Type: b\r\n\r\n",
    GET + b"Connection: close\r\n\r\n",
    GET + b"Connection: keep-alive\r\n\r\n",
    GET + b"Content-Length: 2\r\n\r\nab",
    GET + b"Content-Length: 0\r\n\r\n",
    GET + b"content-length: 2\r\nContent-Length: 3\r\n\r\nabc",
    GET + b"Content-Length: +2\r\n\r\nab",
    GET + b"Content-Length : 2\r\n\r\nab",
    GET + b"Content_Length: 2\r\n\r\nab",
    GET + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    GET + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    GET + b"Transfer-Encoding: xchunked\r\n\r\n",
    GET + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    GET + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    GET + b"Expect: 100-continue\r\n\r\n",
    GET + b"a: b\r\n c\r\n\r\n",
    GET + b"a: b\nc: d\r\n\r\n",
    GET + b"a: b\rc: d\r\n\r\n",
    GET + b"a: b\x00\r\n\r\n",
    GET + b"a: b\x7f\r\n\r\n",
    GET + b"a b: c\r\n\r\n",
    GET + b"a\x00: c\r\n\r\n",
    GET + b"no colon\r\n\r\n",
    GET + b": empty\r\n\r\n",
    GET + b"\r\n" + GET + b"\r\n",
    GET + b"\r\nrest",
    GET + b"a: " + b"b" * 250 + b"\r\n\r\n",
    GET + b"a: b\r\nb: c\r\nc: d\r\nd: e\r\n\r\n",
    GET + b"a: b\r\nb: c\r\nc: d\r\nd: e\r\ne: f\r\n\r\n",
    b"\r\n" + GET + b"\r\n",
    b"GET /" + b"a" * 400 + b" HTTP/1.1\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n",
    b"GET /a b HTTP/1.1\r\n\r\n",
    b"GET /a#b HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"HEAD / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\n\r\nContent-Length: 2\r\n\r\n",
    b"BREW / HTTP/1.1\r\n\r\n",
]


def read(parser: Callable[..., Any], data: bytes, size: int) -> Any:
    """Return all that a parser made of what came in pieces of a size, or by which error it refused it."""
    heard: list[Any] = []
    body: list[bytes] = []
    one = parser(
        on_headers_complete=lambda: bool(heard.append("headers")),
        on_body=body.append,
        on_message_complete=lambda: heard.append("message"),
        **LIMITS,
    )
    try:
        for start in range(0, len(data), size):
            one.feed(data[start : start + size])
    except Exception as error:
        return type(error)
    known = "method", "path", "http_version", "content_length", "is_chunked", "should_keep_alive", "is_complete"
    kept = {name: getattr(one, name) for name in known} if heard else {}
    return kept, heard and one.headers, heard, b"".join(body), one.remaining()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("request_", REQUESTS)
def test_it_reads_as_gunicorn_does(request_: bytes, size: int) -> None:
    assert read(Parser, request_, size) == read(PythonProtocol, request_, size)


@given(st.sampled_from(REQUESTS), st.integers(0, 120), st.binary(max_size=3), st.integers(0, 3), st.integers(1, 200))
def test_it_does_wherever_a_request_is_spoilt(base: bytes, place: int, more: bytes, less: int, size: int) -> None:
    spoilt = base[:place] + more + base[place + less :]
    line = spoilt.partition(b"\r\n")[0] or spoilt[2:].partition(b"\r\n")[0]
    if line.isascii() and b"://" not in line:  # beyond that it is meant to be more generous
        assert read(Parser, spoilt, size) == read(PythonProtocol, spoilt, size)


def test_it_reads_the_next_request_on_a_connection() -> None:
    heard: list[str] = []
    parser = Parser(on_headers_complete=lambda: False, on_message_complete=lambda: heard.append("message"), **LIMITS)
    for _ in range(3):
        parser.feed(GET + b"token: x\r\n\r\n")
        assert parser.is_complete
        assert parser.headers == [(b"host", b"localhost"), (b"token", b"x")]
        parser.reset()
        assert not parser.is_complete
    assert heard == ["message"] * 3
