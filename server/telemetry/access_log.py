"""What the operator sees of each request: an id, a line of the log, and, where they are asked for, metrics and a trace.

`begin` and `end` are called for every request, so both are short. Nothing that a client sent is logged but its own
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

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.contract.request import REQUEST, Request
from server.settings import Settings
from server.telemetry.logs import REQUEST_ID, Line, line_renderer, write

HEADER = b"x-request-id"
MOMENT = 0.05
"""Seconds; a worker that is killed takes the lines of so long with it."""
MOST_TOGETHER = 64
HARMLESS = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:-]{0,63}")


Listener = Callable[[Line, Request, float], None]
"""Is told of every request besides: metrics, traces. Gets the line, to which it may add, and the seconds it took."""


class AccessLog:
    """Logs every request. One per process.

    A request that ends is only noted; those of a moment are logged together, since that takes less of them.
    """

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        self.render = line_renderer() if settings.request_log else None
        self.failures_only = settings.log_level in ("warning", "error")
        self.listeners = listeners
        self._ended: list[tuple[float, float, Request]] = []
        self._is_due = False
        self._number_anew()
        os.register_at_fork(after_in_child=self._number_anew)

    def _number_anew(self) -> None:
        """Begin a series of ids that no other process has."""
        self._series = secrets.token_hex(6).encode()
        self._numbers = count(1)

    def begin(self, request: Request) -> bytes:
        """Return the id of a request: the client's own if it is short and harmless, else a new one."""
        given = request.headers.get(HEADER)
        request_id = given if given and HARMLESS.fullmatch(given) else b"%s-%d" % (self._series, next(self._numbers))
        request.id = request_id.decode()
        REQUEST_ID.set(request.id)
        return request_id

    def end(self, request: Request, begun: float) -> None:
        """Note a request that has ended. begun: by `perf_counter`."""
        status = request.status
        failed = status is None or status >= 500
        if not self.listeners and (not self.render or (self.failures_only and not failed)):
            return
        self._ended.append((time(), perf_counter() - begun, request))
        if status in (None, 500) or len(self._ended) >= MOST_TOGETHER:  # a 503 comes in floods
            self.flush()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(MOMENT, self._tell_in_time)

    def _tell_in_time(self) -> None:
        self._is_due = False
        self.flush()

    def flush(self) -> None:
        """Log all requests that were noted."""
        ended, self._ended = self._ended, []
        written = []
        for at, seconds, request in ended:
            status = request.status
            failed = status is None or status >= 500
            line: Line = {
                "time": datetime.fromtimestamp(at, UTC),
                "level": "error" if failed else "info",
                "logger": "rollbook.requests",
                "request_id": request.id,
                "contract": request.contract,
                "operation": request.operation or getattr(request.scope.get("endpoint"), "__name__", None),
                "action": request.action or None,
                "status": status,
                "duration_ms": int(seconds * 100_000) / 100,  # `round` takes as long as all else of a line
                "account": getattr(request.user, "account_id", None),
            }
            if request.limit:
                line["limit"] = request.limit
            for listener in self.listeners:
                listener(line, request, seconds)
            if self.render and (failed or not self.failures_only):
                written.append(self.render(line))
        write(written)


class AccessLogMiddleware:
    """The outermost layer: every request passes here, so this is where it gets its id and is logged."""

    def __init__(self, app: ASGIApp, access_log: AccessLog) -> None:
        self.app = app
        self.access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer carries its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = perf_counter()
        request = scope[REQUEST] = Request(scope)
        request_id = self.access_log.begin(request)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"].append((HEADER, request_id))
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            del scope[REQUEST]  # each knows the other: only the garbage collector would find them, later
            self.access_log.end(request, begun)
