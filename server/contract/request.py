"""A request: what came in, parsed when somebody asks for it, and what the layers found out of it."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser
from starlette.types import Receive, Scope

from handlers.exceptions import BadRequest, ContentTooLarge, Fault

MOST_FIELDS = 100
"""More fields than this in a query or form are refused unread."""
NOT_PARSED = object()
REQUEST = "rollbook.request"
"""Key of the ASGI scope."""


NOT_ASCII = re.compile("[\x80-\xff]")


class Query:
    """The query string or form of a request: each name with all its values, in order.

    text: bytes as Latin-1; those beyond ASCII are read as if they were percent-encoded.
    """

    def __init__(self, text: str, charset: str = "utf-8") -> None:
        self.values: dict[str, list[str]] = {}
        if not text:
            return
        if not text.isascii():
            text = NOT_ASCII.sub(lambda found: f"%{ord(found[0]):02X}", text)
        try:
            pairs = parse_qsl(
                text, keep_blank_values=True, encoding=charset, errors="strict", max_num_fields=MOST_FIELDS
            )
        except UnicodeDecodeError:
            raise BadRequest(Fault("", "not-utf-8")) from None
        except ValueError:
            raise BadRequest(Fault("", "many-fields", MOST_FIELDS)) from None
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def one(self, name: str, first: bool = False) -> str | None:
        """Return the value of a name. Raises BadRequest when it is repeated, unless the first one counts."""
        values = self.values.get(name)
        if values is None:
            return None
        if len(values) > 1 and not first:
            raise BadRequest(Fault(name, "repeated"))
        return values[0]


class Request:
    """One request, made where it comes in and known to all layers.

    The attributes are what the layers add, in the order in which they do.
    """

    id = ""
    status: int | None = None
    """Of the answer, once it has begun."""
    contract: str | None = None
    """Stem of the contract that the path belongs to."""
    operation: str | None = None
    """Name of the function that the path and the method mean."""
    path: str | None = None
    """The path as the spec has it."""
    path_params: Mapping[str, str] = {}
    body = b""
    unread: Exception | None = None
    """Why the body was not read."""
    parse: Callable[["Request"], Any] | None = None
    """Parses the body, where the operation reads one."""
    user: Any = None
    """The session of the caller, if it has one."""
    credential: str | None = None
    """What the client sent by which it was known; of `basic` the username."""
    client: Any = None
    """The access key that the request is signed with, if any."""
    known: tuple[int, str] | None = None
    """Id of an account that the client was logged in to, and what it is known by, where a credential tells."""
    refused: Exception | None = None
    """Why a credential was not accepted, where the operation can do without."""
    arguments: Mapping[str, Any] | None = None
    """What the request asks for, once that was found to fit the spec."""
    members: Mapping[str, Any] | None = None
    """The members of its body among them, in the schema's types."""
    action: str | None = None
    """The act among them; empty where there is none, None until the request was found to fit."""
    limit: str | None = None
    """Name of the limit that was exceeded."""
    breach: str | None = None
    """In what the answer would have broken the spec, had it been sent."""
    counted: Any = None
    """Under which limits the request was counted."""

    _document: Any = NOT_PARSED
    _query: Query | None = None
    _cookies: dict[str, str] | None = None

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        # of a repeated header the first counts
        self.headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    def header(self, name: bytes) -> str | None:
        """Return the value of a header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def document(self) -> Any:
        """Return the body, parsed; None if there is none. Raises BadRequest, UnsupportedMediaType."""
        if self._document is NOT_PARSED:
            self._document = self.parse(self) if self.parse and self.body else None
        return self._document

    @property
    def query(self) -> Query:
        """Return the query. Raises BadRequest."""
        if self._query is None:
            self._query = Query(self.scope["query_string"].decode("latin-1"))
        return self._query

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie."""
        if self._cookies is None:
            sent = [value for header, value in self.scope["headers"] if header == b"cookie"]  # several are one
            self._cookies = cookie_parser(b"; ".join(sent).decode("latin-1")) if sent else {}
        return self._cookies.get(name)

    @property
    def has_body(self) -> bool:
        """Tell whether a body was announced."""
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers


async def read_body(request: Request, receive: Receive, limit: int) -> bytes:
    """Read the body of a request, up to a limit in bytes. Raises ContentTooLarge, BadRequest if cut short."""
    headers = request.headers
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise ContentTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(Fault("", "cut-short"))  # what came is not what was to come
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise ContentTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
