"""Where failures become the contract's own words."""

import logging
import traceback
from typing import Any

import peewee
from connexion.exceptions import ProblemException
from connexion.middleware import exceptions as connexion
from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers import exceptions
from models.errors import DirectoryError
from server.contract.executors import Executors
from server.contract.request import REQUEST, Request
from server.contract.response import Reply, encode, labelled, send_reply, serialize
from server.contract.response_validation import ResponseWriter, Writers
from server.specs import Contract

NOBODYS = {"X-Content-Type-Options": "nosniff"}
"""Headers of a failure at a path that belongs to no contract."""

log = logging.getLogger("rollbook.errors")

STATUSES: dict[int, type[exceptions.ProtocolError]] = {
    400: exceptions.BadRequest,
    401: exceptions.Unauthorized,
    403: exceptions.Forbidden,
    404: exceptions.NotFound,
    413: exceptions.ContentTooLarge,
    415: exceptions.UnsupportedMediaType,
}


class ExceptionMiddleware(connexion.ExceptionMiddleware):
    """Answers every failure in the words of the contract that the path belongs to: by its function `fail`.

    Overridden: Connexion's handlers know neither contract nor operation, and Starlette makes two objects and a function
    for each request that may fail.
    """

    def __init__(self, app: ASGIApp, contracts: list[Contract], writers: Writers, executors: Executors) -> None:
        super().__init__(app)
        self.contracts = {contract.stem: contract for contract in contracts}
        self.writers = writers
        self.executors = executors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer for what it raises, unless its answer has begun."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            request: Request | None = scope.get(REQUEST)
            if request is None or request.status is not None:
                raise
            await send_reply(self.reply(error, request), scope, send, self.executors.iterate)

    def reply(self, error: Exception, request: Request) -> Reply:
        """Say a failure in the words of its contract; one that the spec does not declare is a bug."""
        if isinstance(error, exceptions.InternalServerError):
            request.breach = error.detail
        error = to_problem(error)
        if isinstance(error, exceptions.TooManyRequests):
            request.limit = error.limit
        contract = self._contract(request)
        route = request.scope.get("extensions", {}).get(ROUTING_CONTEXT, {})
        try:
            return _say(error, contract, self.writers.get(route.get("operation_id")))
        except exceptions.InternalServerError as bug:
            request.breach = bug.detail
            log.error("%s %s: undeclared failure: %s", request.scope["method"], request.scope["path"], bug.detail)
            return _say(exceptions.InternalServerError(), contract, None)

    def _contract(self, request: Request) -> Contract | None:
        if request.contract is None:
            path = request.scope["path"]
            under = (stem for stem, c in self.contracts.items() if c.base_path and path.startswith(f"{c.base_path}/"))
            request.contract = next(under, None)
        return self.contracts.get(request.contract or "")


def _say(error: Exception, contract: Contract | None, writer: ResponseWriter | None) -> Reply:
    fail = contract.fail if contract else _fail_as_problem
    media_type = contract.failure_media_type if contract else "application/problem+json"
    body, status = fail(error)
    headers = getattr(error, "headers", {})
    if status == 401 and contract:
        headers = headers | {"WWW-Authenticate": contract.challenge}
    if writer:
        return writer.reply((body, status, headers), media_type)
    common, charset = (contract.headers, contract.charset) if contract else (NOBODYS, "")
    return Reply(status, encode({"content-type": labelled(media_type, charset), **headers, **common}), serialize(body))


def _fail_as_problem(error: Exception) -> tuple[dict[str, Any], int]:
    """Say a failure at a path of no contract as problem details (RFC 9457)."""
    known = error if isinstance(error, exceptions.ProtocolError) else exceptions.InternalServerError()
    return {"type": "about:blank", "title": known.title, "status": known.status, "detail": known.detail}, known.status


def to_problem(error: Exception) -> Exception:
    """Name a failure of the libraries in the project's own terms; whatever is left is a bug."""
    match error:
        case exceptions.InternalServerError():
            log.error("bug: %s", error.detail)
            known: Exception = error
        case DirectoryError() | exceptions.ProtocolError():
            known = error
        case HTTPException(status_code=405):
            known = exceptions.MethodNotAllowed((error.headers or {}).get("Allow", "GET").split(", "))
        case ProblemException(status=status) | HTTPException(status_code=status) if status in STATUSES:
            known = STATUSES[status]()
        case UnicodeDecodeError():
            known = exceptions.BadRequest(exceptions.Fault("", "not-utf-8"))
        case peewee.OperationalError() | peewee.InterfaceError():
            log.error("store: %s", type(error).__name__)
            known = exceptions.ServiceUnavailable()
        case _:
            # the message of an unforeseen exception may quote a secret, its trace does not
            log.error("bug: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            known = exceptions.InternalServerError()
    return known
