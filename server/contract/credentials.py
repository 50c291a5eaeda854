"""Where a credential stands in a request: security schemes as OpenAPI has them, each read to its bare value.

apiKey: in query, header or cookie. http: `Authorization: <scheme> <credential>`, whatever the scheme is called.
x-also-in: body: an old client may put the key of a query into the body; the query wins.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from connexion.utils import get_function_from_name

from handlers.exceptions import ProtocolError, Unauthorized
from server.contract.request import Request

Credential = tuple[str, ...]
"""One text; of the scheme `basic` two, username and password."""
Read = Callable[[Request], Credential | None]
"""Returns a credential; None where it is not there."""

FUNCTIONS = {
    "apiKey": "x-apikeyInfoFunc",
    "basic": "x-basicInfoFunc",
    "bearer": "x-bearerInfoFunc",
    "http": "x-httpInfoFunc",
}
"""Kind of scheme -> the word that names its function: Connexion's own, and one for all other schemes of HTTP."""


def kind(scheme: dict[str, Any]) -> str:
    """Return the kind of a scheme. Raises ValueError for one that is not served."""
    match scheme:
        case {"type": "apiKey", "name": str(), "in": "query" | "header" | "cookie"}:
            return "apiKey"
        case {"type": "http", "scheme": str(name)}:
            return name.lower() if name.lower() in FUNCTIONS else "http"
    raise ValueError("apiKey with name and in (query, header, cookie), or http with scheme, is expected")


def find_function(scheme: dict[str, Any]) -> Callable[..., Any]:
    """Return the function that knows the credentials of a scheme. Raises ValueError where there is none."""
    word = FUNCTIONS[kind(scheme)]
    if scheme.get("x-also-in", "body") != "body" or ("x-also-in" in scheme and scheme.get("in") != "query"):
        raise ValueError("x-also-in: body is expected, beside in: query")
    name = scheme.get(word)
    if not isinstance(name, str):
        raise ValueError(
            f"{word} is missing: the function that knows a credential, such as handlers.<contract>.find_session"
        )
    try:
        function: Callable[..., Any] = get_function_from_name(name)
    except (ImportError, AttributeError, ValueError):
        raise ValueError(f"{word}: there is no function {name}") from None
    return function


def reader(scheme: dict[str, Any]) -> Read:
    """Return what takes a credential from a request; a repeated one is refused, unless the first counts.

    Raises Unauthorized where there is one that cannot be read.
    """
    if kind(scheme) != "apiKey":
        return _basic if kind(scheme) == "basic" else _http(scheme["scheme"].lower())
    name: str = scheme["name"]
    key = name.lower().encode()
    first = scheme.get("x-repeated") == "first"
    reads: dict[str, Callable[[Request], str | None]] = {
        "query": lambda request: request.query.one(name, first),
        "header": lambda request: request.header(key),
        "cookie": lambda request: request.cookie(name),
    }
    read = reads[scheme["in"]]

    def take(request: Request) -> Credential | None:
        value = read(request)
        return None if value is None else (value,)

    def take_also_in_body(request: Request) -> Credential | None:
        value = read(request)
        if not value:
            value = _in_body(name, request) or value
        return None if value is None else (value,)

    return take_also_in_body if "x-also-in" in scheme else take


def _in_body(name: str, request: Request) -> str | None:
    """Take a credential out of the body. Left there, it is a member that the operation does not know."""
    try:
        document = request.document
    except ProtocolError:
        return None  # it will be refused, in its turn
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def _http(wanted: str) -> Read:
    def read(request: Request) -> Credential | None:
        scheme, _, credential = (request.header(b"authorization") or "").strip().partition(" ")
        if scheme.lower() != wanted:
            return None
        if not credential:
            raise Unauthorized
        return (credential.strip(),)

    return read


def _basic(request: Request) -> Credential | None:
    found = _http("basic")(request)
    if found is None:
        return None
    try:
        decoded = b64decode(found[0] + "=" * (-len(found[0]) % 4), validate=True)
    except binascii.Error:
        raise Unauthorized("Basic: not base64") from None
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")  # what clients wrote before RFC 7617
    username, colon, password = text.partition(":")
    if not colon:
        raise Unauthorized("Basic: username:password is expected")
    return username, password
