"""Where failures become the contract's own words."""

import logging
import traceback
from time import perf_counter

import peewee
from connexion.exceptions import ProblemException
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers import exceptions
from handlers.dbms import fail as fail_as_problem
from models.errors import DirectoryError
from server.contract.operation import Operation, OperationMiddleware
from server.contract.response import Reply, encode, send_reply, serialize
from server.contract.routing import CONTRACT
from server.specs import Contract
from server.telemetry.access_log import HEADER, LIMIT, AccessLog

BREACH = "rollbook.breach"
"""Key of the ASGI scope: in what the answer would have broken the spec, had it been sent."""

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


class ExceptionMiddleware:
    """Outermost middleware: answers every failure in the words of the contract that the path belongs to.

    Every request passes here, so this is where it gets its id and is observed.
    """

    def __init__(
        self, app: ASGIApp, contracts: list[Contract], operations: OperationMiddleware, access_log: AccessLog
    ) -> None:
        self.app = app
        self.access_log = access_log
        self.contracts = {contract.stem: contract for contract in contracts}
        self.operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer for what it raises, unless its answer has begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = perf_counter()
        status: int | None = None
        request_id = self.access_log.begin(scope)

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((HEADER, request_id))
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if status is not None:
                raise
            await send_reply(self.reply(error, scope), scope, send_and_note)
        finally:
            self.access_log.end(scope, status, begun)

    def reply(self, error: Exception, scope: Scope) -> Reply:
        """Say a failure in the words of its contract; one that the spec does not declare is a bug."""
        if isinstance(error, exceptions.InternalServerError):
            scope[BREACH] = error.detail
        error = to_problem(error)
        if isinstance(error, exceptions.TooManyRequests):
            scope[LIMIT] = error.limit
        contract = self._contract(scope)
        operation = self.operations.find(scope)
        try:
            return _say(error, contract, operation)
        except exceptions.InternalServerError as bug:
            scope[BREACH] = bug.detail
            log.error("%s %s: undeclared failure: %s", scope["method"], scope["path"], bug.detail)
            return _say(exceptions.InternalServerError(), contract, None)

    def _contract(self, scope: Scope) -> Contract | None:
        if CONTRACT not in scope:
            path = scope["path"]
            under = (stem for stem, c in self.contracts.items() if c.base_path and path.startswith(f"{c.base_path}/"))
            scope[CONTRACT] = next(under, None)
        return self.contracts.get(scope[CONTRACT])


def _say(error: Exception, contract: Contract | None, operation: Operation | None) -> Reply:
    fail = contract.fail if contract else fail_as_problem
    media_type = contract.failure_media_type if contract else "application/problem+json"
    body, status = fail(error)
    headers = getattr(error, "headers", {})
    if operation:
        reply: Reply = operation.response.reply((body, status, headers), media_type)
        return reply
    common = contract.headers if contract else NOBODYS
    return Reply(status, {"content-type": media_type, **headers}, serialize(body), encode(common))


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
            known = exceptions.BadRequest("The request is not UTF-8.")
        case peewee.OperationalError() | peewee.InterfaceError():
            log.error("store: %s", type(error).__name__)
            known = exceptions.ServiceUnavailable()
        case _:
            # the message of an unforeseen exception may quote a secret, its trace does not
            log.error("bug: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            known = exceptions.InternalServerError()
    return known
