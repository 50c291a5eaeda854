"""Requests: read, cast and checked as the spec says, and turned into the arguments of a handler."""

import inspect
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from connexion.operations import AbstractOperation
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Receive, Scope

from handlers.exceptions import BadRequest, ContentTooLarge, UnsupportedMediaType
from server.contract.action import ACTION, read_action
from server.contract.validation import Schema, compile_schema, make_cast, merge, properties
from server.settings import Settings

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 100
"""More fields than this in a query or form are refused unread."""


class Query:
    """The query string or form of a request: each name with all its values, in order."""

    def __init__(self, text: str, what: str) -> None:
        self.what = what
        self.values: dict[str, list[str]] = {}
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


def read_query(scope: Scope) -> Query:
    """Parse the query string of a request, once."""
    query: Query | None = scope.get("rollbook.query")
    if query is None:
        query = scope["rollbook.query"] = Query(scope["query_string"].decode("latin-1"), "query parameter")
    return query


class Parameter:
    """One declared parameter: where it is read, how it is cast, what it must be."""

    def __init__(self, declared: dict[str, Any]) -> None:
        schema = merge(declared["schema"])
        self.name: str = declared["name"]
        self.where: str = declared["in"]
        self.required: bool = declared.get("required", False)
        self.first: bool = declared.get("x-repeated") == "first"
        self.default = schema.get("default")
        self.items = schema.get("type") == "array"
        self.cast = make_cast(schema["items"] if self.items else schema)
        self.check = compile_schema(schema)
        self.label = f"{self.where} parameter '{self.name}'"
        self.read = {
            "path": self._from_path,
            "header": self._from_header,
            "cookie": self._from_cookie,
            "query": self._from_query,
        }[self.where]

    def value(self, scope: Scope) -> Any:
        """Return the checked value, or the default where it is absent. Raises BadRequest."""
        value = self.read(scope)
        if value is None:
            if self.required:
                raise BadRequest(f"{self.label}: missing")
            return self.default
        wrong = self.check(value)
        if wrong:
            raise BadRequest(f"{self.label}: {wrong}")
        return value

    def _from_path(self, scope: Scope) -> Any:
        text: str = scope["path_params"][self.name]
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest(f"{self.label}: not UTF-8") from None
        return self.cast(text)

    def _from_header(self, scope: Scope) -> Any:
        text = Headers(scope=scope).get(self.name)
        return None if text is None else self.cast(text)

    def _from_cookie(self, scope: Scope) -> Any:
        text = read_cookie(scope, self.name)
        return None if text is None else self.cast(text)

    def _from_query(self, scope: Scope) -> Any:
        query = read_query(scope)
        if self.items:
            values = query.values.get(self.name)
            return values and [self.cast(value) for value in values]
        text = query.one(self.name, self.first)
        return None if text is None else self.cast(text)


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return the value of a cookie."""
    header = Headers(scope=scope).get("cookie")
    return cookie_parser(header).get(name) if header else None


class Body:
    """The declared body of a request, by media type."""

    def __init__(self, declared: dict[str, Any], settings: Settings) -> None:
        self.limit = settings.max_body_bytes
        self.most_deep = settings.max_json_depth
        self.required: bool = declared.get("required", False)
        self.media = {name.lower(): content["schema"] for name, content in declared["content"].items()}
        self.checks = {name: compile_schema(schema) for name, schema in self.media.items()}
        self.fields = {
            name: {field: make_cast(member) for field, member in properties(schema).items()}
            for name, schema in self.media.items()
        }

    async def value(self, scope: Scope, receive: Receive) -> Any:
        """Read, parse and check the body. Raises BadRequest, ContentTooLarge, UnsupportedMediaType."""
        content_type = Headers(scope=scope).get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        data = await read_body(scope, receive, self.limit)
        if not data and not self.required:
            return None
        if media_type and media_type not in self.checks:
            raise UnsupportedMediaType(f"one of {', '.join(self.checks)} is expected")
        if not data:
            raise BadRequest("body: missing")
        media_type = media_type or next(iter(self.checks))
        value = self._parse_form(data) if media_type == FORM else _parse_json(data, self.most_deep)
        wrong = self.checks[media_type](value)
        if wrong:
            raise BadRequest(f"body: {wrong}")
        return value

    def _parse_form(self, data: bytes) -> dict[str, Any]:
        try:
            form = Query(data.decode("ascii"), "form field")
        except UnicodeDecodeError:
            form = Query(data.decode("utf-8"), "form field")
        casts = self.fields[FORM]
        return {
            name: casts[name](value) if name in casts else value
            for name in form.values
            if (value := form.one(name)) is not None
        }


def _parse_json(data: bytes, most_deep: int) -> Any:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"body: not JSON ({error.msg}, line {error.lineno} column {error.colno})") from None
    # hardly a body has so many brackets that it could be too deep
    if data.count(b"[") + data.count(b"{") > most_deep and _is_deeper(value, most_deep):
        raise BadRequest(f"body: nested more than {most_deep} deep")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Tell whether arrays and objects stand in each other more than so many deep."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is not None and (most == 0 or any(_is_deeper(item, most - 1) for item in inside))


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the body of a request, up to a limit in bytes. Raises ContentTooLarge, BadRequest if cut short."""
    length = Headers(scope=scope).get("content-length", "")
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


async def skip_body(scope: Scope, receive: Receive, limit: int) -> None:
    """Ignore the body that nobody asked for, within the same limit. Raises as `read_body` does."""
    if any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
        await read_body(scope, receive, limit)


class RequestReader:
    """Turns the request of one operation into the arguments of its handler."""

    def __init__(
        self, operation: AbstractOperation, wanted: Mapping[str, inspect.Parameter], settings: Settings
    ) -> None:
        self.parameters = [Parameter(declared) for declared in operation.parameters]
        self.body = Body(operation.request_body, settings) if operation.request_body else None
        self.body_limit = settings.max_body_bytes
        self.action = read_action(operation)
        self.wanted = frozenset(wanted)
        self.wants_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted.values())
        self.secrets = frozenset(_password_names(operation))

    async def arguments(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        """Return the handler's arguments. Raises BadRequest, ContentTooLarge, UnsupportedMediaType."""
        arguments = {parameter.name: parameter.value(scope) for parameter in self.parameters}
        if self.body:
            arguments["body"] = await self.body.value(scope, receive)
        else:
            await skip_body(scope, receive, self.body_limit)
        scope[ACTION] = self.action.of(arguments) if self.action else ""
        if self.action:
            arguments = self.action.choose(arguments)
        return {name: value for name, value in arguments.items() if self.wants_all or name in self.wanted}

    def has_password(self, arguments: dict[str, Any]) -> bool:
        """Tell whether a password came with the request, so that hashing is ahead."""
        if not self.secrets:
            return False
        return any(
            not self.secrets.isdisjoint(value) if isinstance(value, dict) else name in self.secrets
            for name, value in arguments.items()
        )


def _password_names(operation: AbstractOperation) -> set[str]:
    media = operation.request_body.get("content", {}).values()
    members: dict[str, Schema] = {}
    for schema in (content["schema"] for content in media):
        members |= properties(schema)
    for declared in operation.parameters:
        members[declared["name"]] = merge(declared["schema"])
    return {name for name, schema in members.items() if merge(schema).get("format") == "password"}
