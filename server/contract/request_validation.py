"""Requests: cast and checked as the spec says, and turned into the arguments of a handler."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from connexion.middleware import request_validation as connexion
from connexion.operations import AbstractOperation

from handlers.exceptions import BadRequest, Fault
from models.errors import AccountNotFound
from server.contract.action import Action, read_action
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.members import Member, Members
from server.contract.request import Request
from server.contract.response import Reply
from server.contract.validation import compile_schema, merge


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
        self.member = Member(schema["items"] if self.items else schema)
        self.is_number = self.where == "path" and schema.get("type") == "integer"
        self.check = compile_schema(schema)
        self.key = self.name.lower().encode()
        self.read: Callable[[Request], Any] = {
            "path": self._from_path,
            "header": lambda request: request.header(self.key),
            "cookie": lambda request: request.cookie(self.name),
            "query": self._from_query,
        }[self.where]

    def value(self, request: Request) -> Any:
        """Return the checked value, or the default where it is absent or blank.

        Raises BadRequest; AccountNotFound where the path has something else than the number of an account.
        """
        given = self.read(request)
        value: Any
        if self.items:
            value = [self.member.cast(text) for text in given or () if text] or None
        else:
            value = None if given is None else self.member.cast(given)
        if value is None or (value == "" and not self.member.may_be_blank):
            if self.required:
                raise BadRequest(Fault(self.name, "missing"))
            return self.default
        fault = self.check(value)
        if fault:
            if self.is_number:
                raise AccountNotFound
            raise BadRequest(fault._replace(field=self.name))
        return value

    def _from_path(self, request: Request) -> str:
        text = request.path_params[self.name]
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise BadRequest(Fault(self.name, "encoding")) from None
        return text

    def _from_query(self, request: Request) -> Any:
        if self.items:
            return request.query.values.get(self.name)
        return request.query.one(self.name, self.first)


class Body:
    """The declared body of a request. The media types of one operation say the same of it."""

    def __init__(self, declared: dict[str, Any], action: Action | None) -> None:
        self.required: bool = declared.get("required", False)
        self.members = Members(next(iter(declared["content"].values()))["schema"], action)

    def value(self, request: Request) -> dict[str, Any] | None:
        """Return the checked members. Raises BadRequest, UnsupportedMediaType."""
        if not request.body:
            if self.required:
                self.members.read({})  # tells what is missing, where something is
            return None
        return self.members.read(request.document)


def _take_query_as_body(request: Request) -> None:
    """Read a query that is a JSON object as the body: what jQuery makes of `data` that is a text, with GET."""
    query: bytes = request.scope["query_string"]
    if not request.body and query[:3].upper().startswith((b"{", b"%7B")):
        text = unquote_to_bytes(query)
        request.body = text[: text.rfind(b"}") + 1]  # it may add `&_=` and a time


class RequestValidationAPI(LayerAPI, connexion.RequestValidationAPI):
    """The requests of one contract."""

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what turns a request into arguments.

        Overridden: Connexion builds all validators anew for each request.
        """
        step = self.next_step(operation)
        action = read_action(operation)
        declared = {(one["in"], one["name"]): one for one in operation.parameters}  # each layer adds the path's again
        parameters = [Parameter(one) for one in declared.values()]
        readers: list[tuple[str, Callable[[Request], Any]]] = [(one.name, one.value) for one in parameters]
        if operation.request_body:
            readers.append(("body", Body(operation.request_body, action).value))
        query_as_body = action is not None and action.in_body and action.in_query

        def validate(request: Request) -> Reply:
            if request.unread:
                raise request.unread
            if query_as_body:
                _take_query_as_body(request)
            arguments = {name: value(request) for name, value in readers}
            request.members = arguments.get("body")
            request.action = ""
            if action:
                request.action = action.of(arguments)
                arguments = action.choose(arguments)
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
