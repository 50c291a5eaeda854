"""What pages of the sites that the operator names may send and read (CORS)."""

from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import cors as starlette
from starlette.types import ASGIApp, Receive, Scope, Send

ALLOWED: dict[str, Any] = {
    "allow_credentials": True,
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["Authorization", "Content-MD5", "Content-Type", "token", "X-Request-ID"],
    "expose_headers": ["Content-Disposition", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
}


class CORSMiddleware(starlette.CORSMiddleware):
    """Answers browsers that ask whether a page of a named site may call.

    Overridden: Starlette refuses a site that is not named itself, in three words. The layers below say which setting
    would let it in, as they do where none is named.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, allow_origins=origins, **ALLOWED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what a browser asks before it."""
        if scope["type"] != "http" or self.is_allowed_origin(Headers(scope=scope).get("origin", "")):
            await super().__call__(scope, receive, send)
        else:
            await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))
