"""Requests and responses held against the spec, by validators that are compiled once.

Connexion builds its validators anew for each request. Here every schema of an operation is compiled at start
(`jsonschema-rs`), values are checked as Python objects without a detour over text, and messages name the field and
what was expected but never the value, which may be a password.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs
import orjson
from connexion.operations import AbstractOperation
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Receive, Scope

from handlers.protocol import Bug, Malformed, TooLarge, UnsupportedMediaType

Schema = dict[str, Any]
Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MOST_FIELDS = 100
"""More fields than this in a query or form are refused unread."""


# --- schemas ---------------------------------------------------------------------------------------------------------


def compile_schema(schema: Schema) -> Check:
    """Compile one schema; a `oneOf` with a discriminator answers for the variant that the value names.

    One variant may lack the discriminator's property: it is meant where the value names none.
    """
    if "discriminator" in schema:
        return _compile_variants(schema)
    validator = jsonschema_rs.Draft4Validator(_as_draft4(schema), mask="the value")
    is_valid, iter_errors = validator.is_valid, validator.iter_errors

    def check(value: Any) -> str | None:
        if is_valid(value):
            return None
        error = next(iter(iter_errors(value)))
        path = ".".join(str(step) for step in error.instance_path)
        return f"{path}: {error.message}" if path else str(error.message)

    return check


def _compile_variants(schema: Schema) -> Check:
    name = schema["discriminator"]["propertyName"]
    named: dict[str, Check] = {}
    nameless: Check | None = None
    for variant in schema["oneOf"]:
        if name in variant.get("properties", {}):
            named |= dict.fromkeys(variant["properties"][name]["enum"], compile_schema(variant))
        else:
            nameless = compile_schema(variant)

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return 'the value is not of type "object"'
        if name not in value:
            return nameless(value) if nameless else f'"{name}" is a required property'
        chosen = value[name]
        variant = named.get(chosen) if isinstance(chosen, str) else None
        if variant is None:
            return f"{name}: one of {', '.join(named)} is expected"
        return variant(value)

    return check


def _as_draft4(node: Any) -> Any:
    """Say OpenAPI's `nullable` in the words of JSON Schema, and drop the names that mean something else there."""
    if isinstance(node, list):
        return [_as_draft4(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_draft4(value) for key, value in node.items() if key not in ("example", "id")}
    if "properties" in node:
        plain["properties"] = {name: _as_draft4(value) for name, value in node["properties"].items()}
    if plain.pop("nullable", False):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def _variants(schema: Schema) -> list[Schema]:
    variants: list[Schema] = schema.get("oneOf", [schema])
    return variants


def _properties(schema: Schema) -> dict[str, Schema]:
    """Return the properties of an object schema, of all its variants together."""
    properties = (item for variant in _variants(schema) for item in variant.get("properties", {}).items())
    return {name: merge(value) for name, value in properties}


def merge(schema: Schema) -> Schema:
    """Return a schema with what its `allOf` says: the way in which OpenAPI 3.0 adds words to a reference."""
    merged = {key: value for part in schema.get("allOf", []) for key, value in merge(part).items()}
    return merged | {key: value for key, value in schema.items() if key != "allOf"}


def _cast(schema: Schema) -> Callable[[str], Any]:
    """Return what turns text into the schema's type; text that is no such thing stays, for the check to refuse."""

    def to_integer(text: str) -> Any:
        digits = text[1:] if text.startswith("-") else text
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text

    def to_boolean(text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)

    def unchanged(text: str) -> str:
        return text

    return {"integer": to_integer, "boolean": to_boolean}.get(merge(schema).get("type", ""), unchanged)


# --- requests --------------------------------------------------------------------------------------------------------


class Query:
    """The query string or form of a request: each name with all its values, in order."""

    def __init__(self, text: str, what: str) -> None:
        self.what = what
        self.values: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except UnicodeDecodeError:
            raise Malformed(f"{what}: not UTF-8") from None
        except ValueError:
            raise Malformed(f"{what}: more than {MOST_FIELDS} fields") from None
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def one(self, name: str, first: bool = False) -> str | None:
        """Return the value of a name. Raises Malformed when it is repeated, unless the first one counts."""
        values = self.values.get(name)
        if values is None:
            return None
        if len(values) > 1 and not first:
            raise Malformed(f"{self.what} '{name}': given more than once")
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
        self.members = {name: _cast(member) for name, member in _properties(schema).items() if self.where == "query"}
        self.cast = _cast(schema["items"] if self.items else schema)
        self.check = compile_schema(schema)
        self.label = f"{self.where} parameter '{self.name}'"
        self.read = {
            "path": self._from_path,
            "header": self._from_header,
            "cookie": self._from_cookie,
            "query": self._whole_query if self.members else self._from_query,
        }[self.where]

    def value(self, scope: Scope) -> Any:
        """Return the checked value, or the default where it is absent. Raises Malformed."""
        value = self.read(scope)
        if value is None:
            if self.required:
                raise Malformed(f"{self.label}: missing")
            return self.default
        wrong = self.check(value)
        if wrong:
            raise Malformed(f"{self.label}: {wrong}")
        return value

    def _from_path(self, scope: Scope) -> Any:
        text: str = scope["path_params"][self.name]
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Malformed(f"{self.label}: not UTF-8") from None
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

    def _whole_query(self, scope: Scope) -> Any:
        """Read an exploded object: each of its properties is a query parameter of its own."""
        query = read_query(scope)
        given = {
            name: cast(text) for name, cast in self.members.items() if (text := query.one(name, self.first)) is not None
        }
        return given or None


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return the value of a cookie."""
    header = Headers(scope=scope).get("cookie")
    return cookie_parser(header).get(name) if header else None


class Body:
    """The declared body of a request, by media type."""

    def __init__(self, declared: dict[str, Any], limit: int) -> None:
        self.limit = limit
        self.required: bool = declared.get("required", False)
        self.media = {name.lower(): content["schema"] for name, content in declared["content"].items()}
        self.checks = {name: compile_schema(schema) for name, schema in self.media.items()}
        self.fields = {
            name: {field: _cast(member) for field, member in _properties(schema).items()}
            for name, schema in self.media.items()
        }

    async def value(self, scope: Scope, receive: Receive) -> Any:
        """Read, parse and check the body. Raises Malformed, TooLarge, UnsupportedMediaType."""
        content_type = Headers(scope=scope).get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        data = await read_body(scope, receive, self.limit)
        if not data and not self.required:
            return None
        if media_type and media_type not in self.checks:
            raise UnsupportedMediaType(f"one of {', '.join(self.checks)} is expected")
        if not data:
            raise Malformed("body: missing")
        media_type = media_type or next(iter(self.checks))
        value = self._parse_form(data) if media_type == FORM else _parse_json(data)
        wrong = self.checks[media_type](value)
        if wrong:
            raise Malformed(f"body: {wrong}")
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


def _parse_json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"body: not JSON ({error.msg}, line {error.lineno} column {error.colno})") from None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the body of a request, up to a limit in bytes. Raises TooLarge."""
    length = Headers(scope=scope).get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(f"at most {limit} bytes are read")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"at most {limit} bytes are read")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


class RequestReader:
    """Turns the request of one operation into the arguments of its handler."""

    def __init__(self, operation: AbstractOperation, wanted: Iterable[str], body_limit: int) -> None:
        self.parameters = [Parameter(declared) for declared in operation.parameters]
        self.body = Body(operation.request_body, body_limit) if operation.request_body else None
        self.body_limit = body_limit
        self.wanted = frozenset(wanted)
        self.secrets = frozenset(_password_names(operation))

    async def arguments(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        """Return the handler's arguments. Raises Malformed, TooLarge, UnsupportedMediaType."""
        arguments = {parameter.name: parameter.value(scope) for parameter in self.parameters}
        if self.body:
            arguments["body"] = await self.body.value(scope, receive)
        else:
            await read_body(scope, receive, self.body_limit)  # ignored, but within the same limit
        return {name: value for name, value in arguments.items() if name in self.wanted}

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
        members |= _properties(schema)
    for declared in operation.parameters:
        members |= {declared["name"]: merge(declared["schema"])} | _properties(declared["schema"])
    return {name for name, schema in members.items() if merge(schema).get("format") == "password"}


# --- responses -------------------------------------------------------------------------------------------------------


class Reply:
    """An answer that fits the spec, ready to be sent."""

    def __init__(self, status: int, headers: dict[str, str], content: Any) -> None:
        self.status = status
        self.headers = headers
        self.content = content


class ResponseWriter:
    """Turns what the handlers of one operation return into answers that the spec declares."""

    def __init__(self, operation: AbstractOperation, checks: bool = True) -> None:
        self.checks: dict[int, dict[str, Check | None]] = {
            int(status): {
                media: _response_check(content) if checks else None
                for media, content in response.get("content", {}).items()
            }
            for status, response in operation._responses.items()
        }

    def reply(self, result: Any, media_type: str | None = None) -> Reply:
        """Check and serialize a body, `(body, status)` or `(body, status, headers)`.

        media_type: where a status declares several; default: the header's, or the first declared. Raises Bug.
        """
        body, status, headers = (*result, None, None)[:3] if isinstance(result, tuple) else (result, None, None)
        status = status or (204 if body is None else 200)
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        media = self.checks.get(status)
        if media is None:
            raise Bug(f"status {status} is not declared")
        if not media:
            if body is not None:
                raise Bug(f"status {status} is declared without a body")
            return Reply(status, headers, b"")
        chosen = headers.get("content-type", media_type or next(iter(media))).partition(";")[0]
        if chosen not in media:
            raise Bug(f"status {status}: {chosen} is not declared")
        headers.setdefault("content-type", chosen)
        check = media[chosen]
        wrong = check(body) if check else None
        if wrong:
            raise Bug(f"status {status}: {wrong}")
        return Reply(status, headers, serialize(body))


def _response_check(content: dict[str, Any]) -> Check | None:
    """Compile the schema of a body; one of bytes has nothing to check."""
    schema = content["schema"]
    return None if schema.get("format") == "binary" else compile_schema(schema)


def serialize(body: Any) -> Any:
    """Return a body as bytes, or the iterator of bytes that is to be streamed."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict | list):
        return orjson.dumps(body)
    return body
