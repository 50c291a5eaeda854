"""Which operation a path means.

Connexion mounts one Starlette router per spec and asks them in turn, so the order of mounting would decide between
`/user/{id_or_username}` of one contract and `/user/other` of another. Here all specs share one table: a concrete path
wins over a template whatever the order, and a wrong method is told all methods that its path allows.
"""

import re
from typing import Any
from urllib.parse import unquote

from connexion.middleware.abstract import ROUTING_CONTEXT, AbstractRoutingAPI, SpecMiddleware
from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.exceptions import HeadersTooLarge, MethodNotAllowed, UriTooLong
from server.connection.forwarded import refuse_forwarded
from server.settings import Settings

CONTRACT = "rollbook.contract"
"""Key of the ASGI scope: the stem of the contract that a path belongs to."""

Methods = dict[str, dict[str, Any]]
"""HTTP method -> what Connexion's middlewares read from the scope."""


class SpecRoutes(AbstractRoutingAPI[AbstractOperation]):
    """The routes of one spec, entered into the shared table."""

    def __init__(self, *args: Any, table: "RouteTable", **options: Any) -> None:
        self.table = table
        super().__init__(*args, **options)

    def make_operation(self, operation: AbstractOperation) -> AbstractOperation:
        """Keep Connexion's own operation."""
        return operation

    @staticmethod
    def _framework_path_and_name(operation: AbstractOperation, path: str) -> tuple[str, str]:
        return path, operation.operation_id

    def _add_operation_internal(
        self, method: str, path: str, operation: AbstractOperation, name: str | None = None
    ) -> None:
        route = {
            "api_base_path": self.base_path,
            "operation_id": operation.operation_id,
            "name": operation.operation_id.rpartition(".")[2],
            "path": self.base_path + path,
        }
        self.table.add(method.upper(), route["path"], route)


class RouteTable(SpecMiddleware):
    """Finds the operation and leaves its name in the scope, where Connexion's middlewares look for it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.refuses_forwarded = settings.refuses_forwarded
        self.most_url = settings.max_url_bytes
        self.most_headers = settings.max_headers
        self.most_head = settings.max_header_bytes
        self.concrete: dict[str, tuple[str, Methods]] = {}
        self.templates: list[tuple[re.Pattern[str], str, Methods]] = []
        self._stem = ""

    def add_api(self, specification: Specification, *, name: str = "", **options: Any) -> SpecRoutes:
        """Enter the routes of the contract with this stem."""
        self._stem = name
        known = {key: options[key] for key in ("base_path", "resolver", "uri_parser_class")}
        return SpecRoutes(specification, table=self, **known)

    def add(self, method: str, path: str, route: dict[str, Any]) -> None:
        """Enter one route."""
        if "{" not in path:
            self.concrete.setdefault(path, (self._stem, {}))[1][method] = route
            return
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        for known, _, methods in self.templates:
            if known == pattern:
                methods[method] = route
                return
        self.templates.append((pattern, self._stem, {method: route}))

    def match(self, scope: Scope) -> tuple[str, Methods, dict[str, str]] | None:
        """Return the contract, the methods and the path parameters of a path that is known."""
        found = self.concrete.get(scope["path"])
        if found:
            return *found, {}
        raw = scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or scope["path"]
        for pattern, stem, methods in self.templates:
            matched = pattern.fullmatch(raw)
            if matched:
                values = matched.groupdict().items()
                # bytes that are not UTF-8 stay to be seen, so that the operation refuses them in its own words
                return stem, methods, {name: unquote(value, errors="surrogateescape") for name, value in values}
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a request. Raises ServiceUnavailable, MethodNotAllowed, UriTooLong, HeadersTooLarge."""
        if scope["type"] == "http":
            route: dict[str, Any] = {"api_base_path": None, "operation_id": None}
            matched = self.match(scope)
            if matched:
                scope[CONTRACT], methods, scope["path_params"] = matched
            if self.refuses_forwarded:
                refuse_forwarded(scope)
            self._measure(scope)
            if matched:
                if scope["method"] not in methods:
                    raise MethodNotAllowed(allow=sorted(methods))
                route = methods[scope["method"]]
            scope.setdefault("extensions", {})[ROUTING_CONTEXT] = route
        await self.app(scope, receive, send)

    def _measure(self, scope: Scope) -> None:
        """Refuse what is too large, in the words of the contract whose path it is."""
        if len(scope.get("query_string", b"")) + len(scope.get("raw_path", b"")) > self.most_url:
            raise UriTooLong
        size = 0
        headers = scope.get("headers", ())
        for name, value in headers:
            size += len(name) + len(value)
        if size > self.most_head or len(headers) > self.most_headers:
            raise HeadersTooLarge
