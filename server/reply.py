"""An answer on its way out."""

import asyncio
from collections.abc import Iterator

from starlette.types import Scope, Send

from server.validation import Reply


async def send_reply(reply: Reply, scope: Scope, send: Send) -> None:
    """Send an answer; an iterator of bytes is sent piece by piece as it is read."""
    streamed = isinstance(reply.content, Iterator)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    if scope["scheme"] == "https":
        headers = [(n, v + b"; Secure" if n == b"set-cookie" else v) for n, v in headers]
    if not streamed and reply.status != 204:
        headers.append((b"content-length", str(len(reply.content)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if streamed:
        for part in reply.content:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)  # a client that reads fast never makes send wait: others get their turn here
    bodiless = streamed or scope["method"] == "HEAD"
    await send({"type": "http.response.body", "body": b"" if bodiless else reply.content})
