"""Answers: encoded, sent."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
from starlette.types import Scope, Send

Encoded = list[tuple[bytes, bytes]]
"""Headers as ASGI has them."""
Pieces = Callable[[Iterator[bytes]], AsyncIterator[bytes]]
"""Reads an iterator of bytes where the store wants it to be read."""


class Reply:
    """An answer, ready to be sent. headers: all but the length of the content, and not to be changed."""

    __slots__ = ("content", "headers", "status")

    def __init__(self, status: int, headers: Encoded, content: Any) -> None:
        self.status = status
        self.headers = headers
        self.content = content

    def add(self, headers: dict[str, str]) -> None:
        """Add headers before those that there are, even of the same name: many clients keep the last cookie only."""
        self.headers = [*encode(headers), *self.headers]


def encode(headers: dict[str, str]) -> Encoded:
    """Return headers as ASGI has them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def labelled(media_type: str, charset: str) -> str:
    """Return the value of Content-Type; of texts but JSON the handlers say it themselves."""
    return f"{media_type}; charset={charset}" if charset and media_type.endswith("json") else media_type


def serialize(body: Any) -> Any:
    """Return a body as bytes, or the iterator of bytes that is to be streamed."""
    if isinstance(body, dict | list):
        return orjson.dumps(body)
    if isinstance(body, str):
        return body.encode()
    return body


async def send_reply(reply: Reply, scope: Scope, send: Send, pieces: Pieces) -> None:
    """Send an answer; an iterator of bytes is sent piece by piece as it is read."""
    content = reply.content
    headers = list(reply.headers)
    if scope["scheme"] == "https":
        headers = [(n, v + b"; Secure" if n == b"set-cookie" else v) for n, v in headers]
    start = {"type": "http.response.start", "status": reply.status, "headers": headers}
    if type(content) is not bytes:
        await send(start)
        if scope["method"] != "HEAD":
            async for part in pieces(content):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        content = b""
    else:
        if reply.status != 204:
            headers.append((b"content-length", b"%d" % len(content)))
        await send(start)
        if scope["method"] == "HEAD":
            content = b""
    await send({"type": "http.response.body", "body": content})
