"""Answers: held against the spec, serialized, sent."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
from connexion.operations import AbstractOperation
from starlette.types import Scope, Send

from handlers.exceptions import InternalServerError
from server.contract.validation import Check, compile_schema

Encoded = list[tuple[bytes, bytes]]
"""Headers as ASGI has them."""


class Reply:
    """An answer that fits the spec, ready to be sent. common: the headers of all answers of its contract."""

    def __init__(self, status: int, headers: dict[str, str], content: Any, common: Encoded) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.common = common

    def add(self, headers: dict[str, str]) -> None:
        """Add headers beside those that there are, even of the same name."""
        self.common = [*self.common, *encode(headers)]


class ResponseWriter:
    """Turns what the handlers of one operation return into answers that the spec declares."""

    def __init__(self, operation: AbstractOperation, checks: bool, common: dict[str, str]) -> None:
        self.common = encode(common)
        self.checks: dict[int, dict[str, Check | None]] = {
            int(status): {
                media: _response_check(content) if checks else None
                for media, content in response.get("content", {}).items()
            }
            for status, response in operation._responses.items()
        }

    def reply(self, result: Any, media_type: str | None = None) -> Reply:
        """Check and serialize a body, `(body, status)` or `(body, status, headers)`.

        media_type: where a status declares several; default: the header's, or the first declared.
        Raises InternalServerError.
        """
        body, status, headers = (*result, None, None)[:3] if isinstance(result, tuple) else (result, None, None)
        status = status or (204 if body is None else 200)
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        media = self.checks.get(status)
        if media is None:
            raise InternalServerError(f"status {status} is not declared")
        if not media:
            if body is not None:
                raise InternalServerError(f"status {status} is declared without a body")
            return Reply(status, headers, b"", self.common)
        chosen = headers.get("content-type", media_type or next(iter(media))).partition(";")[0]
        if chosen not in media:
            raise InternalServerError(f"status {status}: {chosen} is not declared")
        headers.setdefault("content-type", chosen)
        check = media[chosen]
        wrong = check(body) if check else None
        if wrong:
            raise InternalServerError(f"status {status}: {wrong}")
        return Reply(status, headers, serialize(body), self.common)


def _response_check(content: dict[str, Any]) -> Check | None:
    """Compile the schema of a body; one of bytes has nothing to check."""
    schema = content["schema"]
    return None if schema.get("format") == "binary" else compile_schema(schema)


def encode(headers: dict[str, str]) -> Encoded:
    """Return headers as ASGI has them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def serialize(body: Any) -> Any:
    """Return a body as bytes, or the iterator of bytes that is to be streamed."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict | list):
        return orjson.dumps(body)
    return body


Pieces = Callable[[Iterator[bytes]], AsyncIterator[bytes]]
"""Reads an iterator of bytes where the store wants it to be read."""


async def send_reply(reply: Reply, scope: Scope, send: Send, pieces: Pieces | None = None) -> None:
    """Send an answer; an iterator of bytes is sent piece by piece as it is read."""
    streamed = isinstance(reply.content, Iterator)
    headers = encode(reply.headers) + reply.common
    if scope["scheme"] == "https":
        headers = [(n, v + b"; Secure" if n == b"set-cookie" else v) for n, v in headers]
    if not streamed and reply.status != 204:
        headers.append((b"content-length", str(len(reply.content)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if streamed and pieces:
        async for part in pieces(reply.content):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    bodiless = streamed or scope["method"] == "HEAD"
    await send({"type": "http.response.body", "body": b"" if bodiless else reply.content})
