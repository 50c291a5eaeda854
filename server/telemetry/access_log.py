"""What the operator sees of each request: an id, a line of the log, and, where they are asked for, metrics and a trace.

The door calls `begin` and `end` for every request, so both are short. Nothing that a client sent is told but its own
request id, if that is harmless, and the name of its action, once that was found to be one of the contract's.
"""

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from time import perf_counter, time
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.types import Scope

from server.contract.action import ACTION
from server.contract.routing import CONTRACT
from server.settings import Settings
from server.telemetry.logs import REQUEST_ID, Line, line_renderer, write

LIMIT = "rollbook.limit"
"""Key of the ASGI scope: the name of the limit that a request has hit."""

HEADER = b"x-request-id"
MOMENT = 0.05
"""Seconds; a worker that is killed takes the lines of so long with it."""
MOST_TOGETHER = 64
HARMLESS = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:-]{0,63}")


Listener = Callable[[Line, Scope, float], None]
"""Is told of every request besides: metrics, traces. Gets the line, to which it may add, and the seconds it took."""


class AccessLog:
    """Tells of every request. One per process.

    A request that ends is only put down; those of a moment are told of together, since that takes less of them.
    """

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        self.render = line_renderer() if settings.request_log else None
        self.failures_only = settings.log_level in ("warning", "error")
        self.listeners = listeners
        self._ended: list[tuple[Any, ...]] = []
        self._is_due = False
        self._number_anew()
        os.register_at_fork(after_in_child=self._number_anew)

    def _number_anew(self) -> None:
        """Begin a series of ids that no other process has."""
        self._series = secrets.token_hex(6)
        self._numbers = count(1)

    def begin(self, scope: Scope) -> bytes:
        """Return the id of a request: the client's own if it is short and harmless, else a new one."""
        for name, value in scope["headers"]:
            if name == HEADER and HARMLESS.fullmatch(value):
                given: bytes = value
                REQUEST_ID.set(given.decode())
                return given
        made = f"{self._series}-{next(self._numbers)}"
        REQUEST_ID.set(made)
        return made.encode()

    def end(self, scope: Scope, status: int | None, begun: float) -> None:
        """Put down a request that has ended.

        status: None where the answer never began. begun: by `perf_counter`.
        """
        failed = status is None or status >= 500
        if not self.listeners and (not self.render or (self.failures_only and not failed)):
            return
        extensions = scope.get("extensions", {})
        route = extensions.get(ROUTING_CONTEXT) or {}
        self._ended.append(
            (
                time(),
                perf_counter() - begun,
                REQUEST_ID.get(),
                scope.get(CONTRACT),
                route.get("name") or getattr(scope.get("endpoint"), "__name__", None),
                action(scope),
                status,
                getattr(extensions.get("connexion_context", {}).get("user"), "account_id", None),
                scope.get(LIMIT),
                scope if self.listeners else None,
            )
        )
        if status in (None, 500) or len(self._ended) >= MOST_TOGETHER:  # a 503 comes in floods
            self.flush()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(MOMENT, self._tell_in_time)

    def _tell_in_time(self) -> None:
        self._is_due = False
        self.flush()

    def flush(self) -> None:
        """Tell of all requests that were put down."""
        ended, self._ended = self._ended, []
        written = []
        for at, seconds, request_id, contract, operation, action, status, account, limit, scope in ended:
            failed = status is None or status >= 500
            line: Line = {
                "time": datetime.fromtimestamp(at, UTC),
                "level": "error" if failed else "info",
                "logger": "rollbook.requests",
                "request_id": request_id,
                "contract": contract,
                "operation": operation,
                "action": action,
                "status": status,
                "duration_ms": round(seconds * 1_000, 2),
                "account": account,
            }
            if limit:
                line["limit"] = limit
            for listener in self.listeners:
                listener(line, scope, seconds)
            if self.render and (failed or not self.failures_only):
                written.append(self.render(line))
        write(written)


def action(scope: Scope) -> str | None:
    """Return the action that was asked for; None if there is none."""
    return scope.get(ACTION) or None
