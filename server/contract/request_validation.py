"""Requests: cast and checked as the spec says, and turned into the arguments of a handler."""

from collections.abc import Callable
from typing import Any

import orjson
from connexion.middleware import request_validation as connexion
from connexion.operations import AbstractOperation

from handlers.exceptions import BadRequest, UnsupportedMediaType
from server.contract.action import read_action
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import NOT_PARSED, Query, Request
from server.contract.response import Reply
from server.contract.validation import compile_schema, make_cast, merge, properties
from server.settings import Settings

FORM = "application/x-www-form-urlencoded"


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
        self.key = self.name.lower().encode()
        self.read: Callable[[Request], Any] = {
            "path": self._from_path,
            "header": self._from_header,
            "cookie": self._from_cookie,
            "query": self._from_query,
        }[self.where]

    def value(self, request: Request) -> Any:
        """Return the checked value, or the default where it is absent. Raises BadRequest."""
        value = self.read(request)
        if value is None:
            if self.required:
                raise BadRequest(f"{self.label}: missing")
            return self.default
        wrong = self.check(value)
        if wrong:
            raise BadRequest(f"{self.label}: {wrong}")
        return value

    def _from_path(self, request: Request) -> Any:
        text = request.path_params[self.name]
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise BadRequest(f"{self.label}: not UTF-8") from None
        return self.cast(text)

    def _from_header(self, request: Request) -> Any:
        text = request.header(self.key)
        return None if text is None else self.cast(text)

    def _from_cookie(self, request: Request) -> Any:
        text = request.cookie(self.name)
        return None if text is None else self.cast(text)

    def _from_query(self, request: Request) -> Any:
        if self.items:
            values = request.query.values.get(self.name)
            return values and [self.cast(value) for value in values]
        text = request.query.one(self.name, self.first)
        return None if text is None else self.cast(text)


class Body:
    """The declared body of a request, by media type."""

    def __init__(self, declared: dict[str, Any], settings: Settings) -> None:
        self.most_deep = settings.max_json_depth
        self.required: bool = declared.get("required", False)
        self.media = {name.lower(): content["schema"] for name, content in declared["content"].items()}
        self.usual = next(iter(self.media))
        self.fields = {
            name: {field: make_cast(member) for field, member in properties(schema).items()}
            for name, schema in self.media.items()
        }

    def media_type(self, request: Request) -> str:
        """Return the media type of the body, in lower case: the first that is declared where none is given."""
        return request.media_type or self.usual

    def parse(self, request: Request) -> Any:
        """Return the body, parsed once; None if there is none. Raises BadRequest, UnsupportedMediaType."""
        if request.document is NOT_PARSED:
            data = request.body
            if not data and not self.required:
                request.document = None
                return None
            media_type = self.media_type(request)
            if media_type not in self.media:
                raise UnsupportedMediaType(f"one of {', '.join(self.media)} is expected")
            if not data:
                raise BadRequest("body: missing")
            request.document = self._parse_form(data) if media_type == FORM else _parse_json(data, self.most_deep)
        return request.document

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


class CheckedBody(Body):
    """The same, checked."""

    def __init__(self, declared: dict[str, Any], settings: Settings) -> None:
        super().__init__(declared, settings)
        self.checks = {name: compile_schema(schema) for name, schema in self.media.items()}

    def value(self, request: Request) -> Any:
        """Parse and check the body. Raises BadRequest, UnsupportedMediaType."""
        value = self.parse(request)
        if value is None and not request.body:
            return None
        wrong = self.checks[self.media_type(request)](value)
        if wrong:
            raise BadRequest(f"body: {wrong}")
        return value


class RequestValidationAPI(LayerAPI, connexion.RequestValidationAPI):
    """The requests of one contract."""

    def __init__(self, *args: Any, settings: Settings, **options: Any) -> None:
        self.settings = settings
        super().__init__(*args, **options)

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what turns a request into arguments.

        Overridden: Connexion builds all validators anew for each request.
        """
        step, acts = self.next_step(operation), read_action(operation)
        declared = {(one["in"], one["name"]): one for one in operation.parameters}  # each layer adds the path's again
        parameters = [Parameter(one) for one in declared.values()]
        readers = [(one.name, one.value) for one in parameters]
        if operation.request_body:
            readers.append(("body", CheckedBody(operation.request_body, self.settings).value))

        def validate(request: Request) -> Reply:
            if request.unread:
                raise request.unread
            arguments = {name: value(request) for name, value in readers}
            request.action = ""
            if acts:
                request.action = acts.of(arguments)
                arguments = acts.choose(arguments)
            request.arguments = arguments
            return step(request)

        def validate_nothing(request: Request) -> Reply:
            if request.unread:
                raise request.unread
            request.action = ""
            request.arguments = {}
            return step(request)

        return validate if readers else validate_nothing


class RequestValidationMiddleware(LayerMiddleware, connexion.RequestValidationMiddleware):
    """Checks what was asked for."""

    api_cls = RequestValidationAPI
