"""A request: what came in, parsed when somebody asks for it, and what the layers found out of it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser
from starlette.types import Receive, Scope

from handlers.exceptions import BadRequest, ContentTooLarge

MOST_FIELDS = 100
"""More fields than this in a query or form are refused unread."""
NOT_PARSED = object()
REQUEST = "rollbook.request"
"""Key of the ASGI scope."""


class Query:
    """The query string or form of a request: each name with all its values, in order."""

    def __init__(self, text: str, what: str) -> None:
        self.what = what
        self.values: dict[str, list[str]] = {}
        if not text:
            return
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except UnicodeDecodeError:
            raise BadRequest(f"{what}: not UTF-8") from None
        except ValueError:
            raise BadRequest(f"{what}: more than {MOST_FIELDS} fields") from None
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def one(self, name: str, first: bool = False) -> str | None:
        """Return the value of a name. Raises BadRequest when it is repeated, unless the first one counts."""
        values = self.values.get(name)
        if values is None:
            return None
        if len(values) > 1 and not first:
            raise BadRequest(f"{self.what} '{name}': given more than once")
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
    document: Any = NOT_PARSED
    """The body, parsed."""
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
    action: str | None = None
    """The act among them; empty where there is none, None until the request was found to fit."""
    limit: str | None = None
    """Name of the limit that was exceeded."""
    breach: str | None = None
    """In what the answer would have broken the spec, had it been sent."""
    counted: Any = None
    """Under which limits the request was counted."""

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
    def media_type(self) -> str:
        """Return the media type of the body, in lower case; empty where none is given."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    @property
    def query(self) -> Query:
        """Return the query. Raises BadRequest."""
        if self._query is None:
            self._query = Query(self.scope["query_string"].decode("latin-1"), "query parameter")
        return self._query

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie."""
        if self._cookies is None:
            header = self.header(b"cookie")
            self._cookies = cookie_parser(header) if header else {}
        return self._cookies.get(name)

    @property
    def has_body(self) -> bool:
        """Tell whether a body was announced."""
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers


async def read_body(request: Request, receive: Receive, limit: int) -> bytes:
    """Read the body of a request, up to a limit in bytes. Raises ContentTooLarge, BadRequest if cut short."""
    length = request.headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise ContentTooLarge(f"at most {limit} bytes are read")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("body: cut short")  # what came is not what was to come
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise ContentTooLarge(f"at most {limit} bytes are read")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
