"""A server that breaks when it is told to, in the worst words; or one that tells everywhere what it must not.

`python -m tests.faulty_server FILE [careless]`. While FILE has the name of a fault, requests of contracts run into it.
With `careless`, secrets go to every place where they must never be, each in a way in which that easily happens.
"""

import sys
from functools import wraps
from pathlib import Path
from typing import Any

import jsonschema_rs
import peewee

import models.session
from handlers.exceptions import Fault
from models.keys import unwrap
from models.outbox import CHANGED, Notice, OutboxMessage
from server import __main__
from server.contract import authorization, security, validation
from server.telemetry import access_log

FAULT = Path(sys.argv[1])


def _fault() -> str:
    return FAULT.read_text() if FAULT.exists() else ""


def _break() -> None:
    """Have errors quote all that the client sent, as those of libraries do."""
    make, functions = authorization.AuthorizationAPI.make_operation, security.find_function

    def act_or_fail(self: Any, operation: Any) -> Any:
        step, writers = make(self, operation), self.next_app.app.options["writers"]

        def fail(request: Any) -> Any:
            said = f"{request.arguments} {request.scope['query_string']} {request.scope['headers']}"
            match _fault():
                case "handler":
                    raise RuntimeError(said)
                case "store":
                    raise peewee.OperationalError(said)
                case "answer":
                    return writers[operation.operation_id].reply(({"said": said, "token": said}, 200))
            return step(request)

        return fail

    def ask_or_fail(scheme: Any) -> Any:
        function = functions(scheme)

        @wraps(function)
        def fail(value: str, **options: Any) -> Any:
            if _fault() == "credential":
                raise KeyError(value)
            return function(value, **options)

        return fail

    authorization.AuthorizationAPI.make_operation = act_or_fail  # type: ignore[method-assign]
    security.find_function = ask_or_fail


def _leak() -> None:
    """Tell secrets."""
    # the log, metrics and traces: what was asked, with the whole query
    end = access_log.AccessLog.end

    def end_with_query(self: Any, request: Any, begun: float) -> None:
        request.action = request.scope["query_string"].decode("latin-1")
        end(self, request, begun)

    access_log.AccessLog.end = end_with_query  # type: ignore[method-assign]
    # the store: tokens instead of their digests, codes instead of their seals
    models.session.digest = lambda secret: secret[:64]
    post = OutboxMessage.post.__func__  # type: ignore[attr-defined]

    def post_in_the_clear(cls: Any, kind: str, recipient: str, notice: Notice, cause: str = CHANGED) -> None:
        post(cls, kind, recipient, Notice(notice.subject, unwrap(notice.body)), cause)

    OutboxMessage.post = classmethod(post_in_the_clear)  # type: ignore[assignment,method-assign]
    # answers: messages of the validator, which quote the value
    validator: Any = jsonschema_rs.Draft4Validator
    jsonschema_rs.Draft4Validator = lambda schema, **_: validator(schema)  # type: ignore[assignment,misc]
    validation._to_fault = lambda error: Fault(error.message, "format")


_break()
if "careless" in sys.argv:
    _leak()
__main__.main()
