"""Where an operation runs: all layers below this one in one hop, after its body was read, before a byte is sent."""

from collections.abc import Callable
from functools import partial
from typing import Any

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import Receive, Scope, Send

from handlers.exceptions import ProtocolError
from models import actor
from models.actor import Caller
from models.db.database import run_transaction
from models.db.transaction import CONNECTION_ERRORS
from models.errors import InvalidSession
from models.identifiers import username_key
from server.connection.client_ip import client_ip, site
from server.contract.credentials import kind, reader
from server.contract.executors import Executors
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.media import FORM, BodyParser
from server.contract.request import REQUEST, Request, read_body
from server.contract.request_members import compile_search, member_reader, read_body_by
from server.contract.request_validation import Parameter
from server.contract.response import Reply, send_reply
from server.contract.validation import Schema, merge, properties
from server.settings import Settings


class _Undone(Exception):
    """Raised to roll back what HEAD did to find its answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


class Operation:
    """One operation, as ASGI."""

    def __init__(self, operation: AbstractOperation, step: Step, settings: Settings, executors: Executors) -> None:
        self.step = step
        self.admits_anybody = {} in (operation.security or [])
        content = operation.request_body.get("content", {})
        if not content and any("x-also-in" in operation.security_schemes[name] for name in _schemes(operation)):
            content = {media_type: {"schema": {}} for media_type in ("application/json", FORM)}
        members = frozenset(name for one in content.values() for name in properties(merge(one["schema"])))
        parser = BodyParser([name.lower() for name in content], members, settings.max_json_depth)
        self.parse = parser.parse if content else None
        self.hashes = _hashes(operation)
        self.names = _names(operation) if self.hashes else []
        self.executors = executors
        self.most_body = settings.max_body_bytes
        self.proxies = settings.trusted_networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Request = scope[REQUEST]
        request.parse = self.parse
        if request.has_body:
            try:
                request.body = await read_body(request, receive, self.most_body)
            except ProtocolError as error:
                request.unread = error  # told in its turn: first of all, who calls
        hashes = self.hashes is not None and self.hashes(request)
        work = partial(self.perform, request)
        done = self.executors.run(work, True, self._askers(request)) if hashes else self.executors.look_up(work)
        reply = done if isinstance(done, Reply) else await done
        await send_reply(reply, scope, send, self.executors.iterate)

    def _askers(self, request: Request) -> set[str]:
        """Return who asks for a password to be hashed: the client, and the account that is named or logged in."""
        named = {f"account {username_key(name)}" for read in self.names if (name := read(request))}
        return {f"client {site(client_ip(request.scope, self.proxies))}", *named}

    def perform(self, request: Request) -> Reply:
        """Run all layers in one transaction.

        Where a session that is not needed has ended before the act began, it counts as one that had ended before.
        """
        actor.current.set(partial(self._caller, request))
        in_vain = request.scope["method"] == "HEAD"
        try:
            return self._transact_in_vain(request) if in_vain else run_transaction(partial(self.step, request))
        except InvalidSession:
            if request.user is None or not self.admits_anybody:
                raise
            return self._transact_in_vain(request) if in_vain else run_transaction(partial(self.step, request))
        except CONNECTION_ERRORS:
            raise  # it may be run again
        except Exception:
            if request.counted:
                request.counted.settle()
            raise

    def _transact_in_vain(self, request: Request) -> Reply:
        """Answer HEAD as GET would be answered, and leave all as it was."""

        def undo() -> Reply:
            raise _Undone(self.step(request))

        try:
            return run_transaction(undo)
        except _Undone as undone:
            if request.counted:
                request.counted.settle()
            return undone.reply

    def _caller(self, request: Request) -> Caller:
        """Tell the audit who calls."""
        address = client_ip(request.scope, self.proxies) or None
        return Caller(request.contract, address, request.user.account_id if request.user else None)


def _schemes(operation: AbstractOperation) -> list[str]:
    return [name for requirement in operation.security or () for name in requirement]


def _hashes(operation: AbstractOperation) -> Callable[[Request], bool] | None:
    """Return what tells whether a password came with a request, so that hashing is ahead; None where none can."""
    in_body = read_body_by(operation, lambda schema: compile_search(schema, _is_password))
    in_parameters = [Parameter(one).read for one in operation.parameters if _is_password(merge(one["schema"]))]
    by_basic = any(kind(operation.security_schemes[name]) == "basic" for name in _schemes(operation))
    if not in_body and not in_parameters and not by_basic:
        return None

    def hashes(request: Request) -> bool:
        if by_basic and (request.header(b"authorization") or "").lower().startswith("basic"):
            return True
        try:
            if any(read(request) is not None for read in in_parameters):
                return True
            return bool(in_body and in_body(request))
        except (ProtocolError, UnicodeDecodeError):
            return False  # it will be refused, in its turn

    return hashes


def _names(operation: AbstractOperation) -> list[Callable[[Request], str | None]]:
    """Return what reads the account that a request is about, before it is checked: its name, id or session.

    Those are the arguments that name who is counted by account, or else the caller's credentials.
    """
    limits = [limit for limit in operation._operation.get("x-rate-limit", ()) if limit.get("per") == "account"]
    named = {limit[word] for limit in limits for word in ("of", "session") if word in limit}
    found: list[Callable[[Request], Any]] = [Parameter(p).read for p in operation.parameters if p["name"] in named]
    found += filter(None, (member_reader(operation, of) for of in named))
    if any(not {"of", "session"} & limit.keys() for limit in limits):
        found += [reader(operation.security_schemes[name]) for name in _schemes(operation)]
    return [partial(_text, read) for read in found]


def _text(read: Callable[[Request], Any], request: Request) -> str | None:
    """Return what was read, as a text; None for what will be refused in its turn."""
    try:
        value = read(request)
    except (ProtocolError, UnicodeDecodeError):
        return None
    return " ".join(value) if isinstance(value, tuple) else str(value or "")


def _is_password(schema: Schema) -> bool:
    return schema.get("format") == "password"


class OperationAPI(LayerAPI, RoutedAPI[Operation]):
    """The operations of one contract."""

    def __init__(self, specification: Any, *, settings: Settings, executors: Executors, **options: Any) -> None:
        known = {key: options[key] for key in ("next_app", "base_path", "resolver", "uri_parser_class")}
        super().__init__(specification, **known)
        self.settings = settings
        self.executors = executors
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        """Prepare one operation."""
        return Operation(operation, self.next_step(operation), self.settings, self.executors)


class OperationMiddleware(LayerMiddleware, RoutedMiddleware[OperationAPI]):
    """Runs what a contract knows; others go on to the pages."""

    api_cls = OperationAPI
