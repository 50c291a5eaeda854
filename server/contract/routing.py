"""Which operation a path means."""

import logging
import re
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import unquote

from connexion.middleware import routing as connexion
from connexion.middleware.abstract import ROUTING_CONTEXT, AbstractRoutingAPI
from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.exceptions import HeadersTooLarge, MethodNotAllowed, UriTooLong
from server.connection.forwarded import refuse_forwarded
from server.contract.request import REQUEST, Request
from server.contract.spec_error import SpecError, pointer
from server.settings import Settings

PARAMETER = re.compile(r"\{(\w+)\}")
PREFLIGHT = "ROLLBOOK_CORS_ORIGINS names the sites whose pages may call."
log = logging.getLogger("rollbook.routing")
NOWHERE: dict[str, Any] = {"api_base_path": None, "operation_id": None}


class Route(NamedTuple):
    """An operation at its place. context: what Connexion's layers read from the scope. names: of path parameters."""

    contract: str
    operation: str
    path: str
    names: tuple[str, ...]
    context: dict[str, Any]


Methods = dict[str, Route]


class RoutingAPI(AbstractRoutingAPI[AbstractOperation]):
    """The routes of one contract, entered into the shared table."""

    def __init__(self, *args: Any, contract: str, table: "RoutingMiddleware", **options: Any) -> None:
        self.contract = contract
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
        context = {"api_base_path": self.base_path, "operation_id": operation.operation_id}
        whole, function = self.base_path + path, operation.operation_id.rpartition(".")[2]
        route = Route(self.contract, function, whole, tuple(PARAMETER.findall(whole)), context)
        self.table.add(method.upper(), route)


class RoutingMiddleware(connexion.RoutingMiddleware):
    """Finds the operation and leaves its name in the scope, where Connexion's layers look for it.

    Overridden: Connexion asks one router per spec in turn, so that the order of mounting would decide between
    `/user/{id_or_username}` of one contract and `/user/other` of another (connexion#1542, #2108). Here
    a concrete path wins over a template whatever the order, a wrong method is told all that its path allows, and two
    specs that claim one path and method end the start.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app)
        self.refuses_forwarded = settings.refuses_forwarded
        self.most_url = settings.max_url_bytes
        self.most_headers = settings.max_headers
        self.most_head = settings.max_header_bytes
        self.claims: list[tuple[str, str, str]] = []
        """Method, beginning of the path, and the contract that tells of what no operation answers."""
        self.concrete: dict[str, Methods] = {}
        self.templates: dict[re.Pattern[str], Methods] = {}

    def add_api(self, specification: Specification, *, name: str = "", **options: Any) -> None:
        """Enter the routes of the contract with this stem."""
        known = {key: options[key] for key in ("base_path", "resolver", "uri_parser_class")}
        RoutingAPI(specification, contract=name, table=self, **known)
        for claim in specification.get("x-claims", []):
            self.claims.append((claim["method"].upper(), claim["below"], name))

    def add(self, method: str, route: Route) -> None:
        """Enter one route, with a slash at its end and without. Raises SpecError where another has its place."""
        methods: Methods
        path = route.path.rstrip("/")
        if route.names:
            parts = PARAMETER.split(path)[::2]
            pattern = re.compile("([^/]+)".join(map(re.escape, parts)) + "/?")
            methods = self.templates.setdefault(pattern, {})
        else:
            methods = self.concrete.setdefault(path, {})
            self.concrete[f"{path}/"] = methods
        if method == "GET":
            methods.setdefault("HEAD", route)
        other = methods.setdefault(method, route)
        if other is not route:
            places = " and ".join(f"{one.contract}.{one.operation}" for one in (other, route))
            place = pointer("paths", route.path.removeprefix(route.context["api_base_path"]), method.lower())
            raise SpecError(route.contract, place, f"claimed twice, by {places}")

    def match(self, scope: Scope) -> tuple[Methods, tuple[str, ...]]:
        """Return the methods of a path, none where it is not known, and the values of its parameters."""
        found = self.concrete.get(scope["path"])
        if found:
            return found, ()
        raw = scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or scope["path"]
        for pattern, methods in self.templates.items():
            matched = pattern.fullmatch(raw)
            if matched:
                # bytes that are not UTF-8 stay to be seen, so that the operation refuses them in its own words
                return methods, tuple(unquote(value, errors="surrogateescape") for value in matched.groups())
        return {}, ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a request. Raises ServiceUnavailable, MethodNotAllowed, UriTooLong, HeadersTooLarge."""
        if scope["type"] == "http":
            request: Request = scope[REQUEST]
            methods, values = self.match(scope)
            route = methods.get(scope["method"])
            if methods:
                request.contract = (route or next(iter(methods.values()))).contract
            if route is None:
                request.contract = self._claimant(scope) or request.contract
            if self.refuses_forwarded:
                refuse_forwarded(request.headers)
            self._measure(scope)
            context = NOWHERE
            if methods and route is None:
                raise _not_allowed(scope, request, sorted(methods))
            if route:
                request.operation, request.path, context = route.operation, route.path, route.context
                if values:
                    request.path_params = dict(zip(route.names, values, strict=True))
            scope.setdefault("extensions", {})[ROUTING_CONTEXT] = context
        await self.app(scope, receive, send)

    def _claimant(self, scope: Scope) -> str | None:
        """Return the contract that claims what no operation answers."""
        method, path = scope["method"], scope["path"]
        claimed = (stem for known, below, stem in self.claims if known == method and path.startswith(below))
        return next(claimed, None)

    def _measure(self, scope: Scope) -> None:
        """Refuse what is too large, in the words of the contract whose path it is."""
        if len(scope.get("query_string", b"")) + len(scope.get("raw_path", b"")) > self.most_url:
            raise UriTooLong
        headers = scope["headers"]
        if len(headers) > self.most_headers or sum(map(len, chain.from_iterable(headers))) > self.most_head:
            raise HeadersTooLarge


def _not_allowed(scope: Scope, request: Request, allow: list[str]) -> MethodNotAllowed:
    """Refuse a method; a browser that asks for another site's page is told by which setting that may be let in."""
    if scope["method"] != "OPTIONS" or request.header(b"access-control-request-method") is None:
        return MethodNotAllowed(allow)
    log.warning("preflight refused: %s", PREFLIGHT)
    return MethodNotAllowed(allow, PREFLIGHT)
