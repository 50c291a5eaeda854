"""gunicorn's ASGI worker, with what it lacks against clients that only want to hold on: it waits for nobody for ever.

One look a second at all connections ends those that have owed something for too long: a whole request from its first
byte on, or that an answer is read. It costs a request no timer of its own.
"""

import asyncio
import os
import re
import resource
import signal
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from gunicorn.asgi import protocol
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from server.connection.allowed_hosts import allowed_hosts
from server.connection.client_ip import client_scheme
from server.connection.exchange import Exchange
from server.connection.parser import Parser
from server.connection.public_url import strip_path
from server.contract.response import serialize

LOOK_SECONDS = 1.0
OTHER_FILES = 256
"""What a worker may have open besides connections."""
MOST_REST = 64 * 1024 * 1024
"""Bytes of a request that are read and thrown away after its answer."""
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

DETAILS = {
    421: "This server does not answer to the name in Host: ROLLBOOK_PUBLIC_URL says to which name it answers.",
}
"""Status -> what the operator can do about it."""
PROBLEM = {
    "Content-Type": "application/problem+json",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
HOST = re.compile(rb"([\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?", re.ASCII)


class Connection(ASGIProtocol):
    """A connection that knows since when its client owes something.

    asking: since when a request has begun and not ended. unread: since when an answer waits to be read.
    come: bytes that came since the request began. met: its host was looked at; a browser keeps connections apart by it.
    rest: how many bytes more are read and thrown away, once the answer is there before the whole request was.
    """

    asking: float | None = None
    unread: float | None = None
    come = 0
    met = False
    rest: int | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or turn it away where there are too many."""
        if self.worker.nr_conns >= self.worker.most_connections:
            self._conn_lost_handled = self._closed = True
            transport.write(FULL)
            transport.close()
            return
        super().connection_made(transport)
        self.asking = self.worker.loop.time()
        self.worker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note when a request begins; its end clears that."""
        if self.rest is not None:
            self.rest -= len(data)
            if self.rest < 0:
                self.cut_off()
            return
        if self._closed:
            return
        if self.asking is None:
            self.asking = self.worker.loop.time()
            self.come = 0
        self.come += len(data)
        super().data_received(data)
        if self.come > self.worker.most_before_body and self._current_request is None and not self._closed:
            self._send_error_response(431, "")
            self._close_transport()

    def _on_headers_complete(self) -> bool:
        skip: bool = super()._on_headers_complete()
        request = self._current_request
        host = dict(request.headers_bytes).get(b"host")
        if host is None and request.version >= (1, 1):
            return self._refuse(400)  # RFC 9112 section 3.2
        named: bytes | None = self._callback_parser.host
        if named is not None:
            host = named
            request.headers_bytes = [
                *((name, _) for name, _ in request.headers_bytes if name != b"host"),
                (b"host", host),
            ]
        if host is not None and not HOST.fullmatch(host):
            return self._refuse(400)
        if not self.met:
            self.met = True
            if host is not None and not self.worker.is_own_host(host.decode("latin-1")):
                self.log.warning("421: %s", DETAILS[421])
                return self._refuse(421)
        return skip

    def _refuse(self, status: int) -> bool:
        """Refuse a request of which nothing more is read."""
        self._send_error_response(status, "")
        self._close_transport()
        return False

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Any:
        """Tell the application of scheme and path as the client means them, not as the proxy has them."""
        scope = super()._build_http_scope(request, sockname, peername)
        if self.worker.proxies:
            scope["scheme"] = client_scheme(scope, self.worker.proxies)
        if self.worker.public_path:
            strip_path(scope, self.worker.public_path)
        return scope

    def _on_message_complete(self) -> None:
        self.asking = None
        super()._on_message_complete()

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        self.unread = self.worker.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self.unread = None
        super().resume_writing()

    @property
    def is_in_hand(self) -> bool:
        """Tell whether there is a request to answer, or an answer to be read."""
        return self._current_request is not None or self.unread is not None or bool(self._finishing_calls)

    def is_late(self, latest: float) -> bool:
        """Tell whether the client has owed something since before then."""
        return any(since is not None and since < latest for since in (self.asking, self.unread))

    def cut_off(self) -> None:
        """End the connection, whatever is under way."""
        self.transport.abort()

    def dismiss(self) -> None:
        """End the connection as if it had been idle for long enough; half a request has no answer to wait for."""
        self.asking = None
        self._keepalive_timeout()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        """Say `Connection: close` also where the request has not come in whole.

        gunicorn keeps a connection of HTTP/1.0 that asks for it, but does not say so; and it takes `close, TE` for a
        word that it does not know.
        """
        if self.asking is not None or request.version < (1, 1):
            return True
        if request._connection is not None:  # the first such field, as gunicorn noted it
            options = b",".join(value for name, value in request.headers_bytes if name == b"connection").lower()
            if b"close" in [option.strip() for option in options.split(b",")]:
                return True
        return bool(super()._will_close(request, response_requires_close))

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        """Answer a request; tell whether another may follow.

        Here and now: gunicorn makes a task of each, since an application may go on working after its answer.
        """
        exchange = Exchange(self, request)
        try:
            scope = self._build_http_scope(request, sockname, peername)
            await self.app(scope, self._body_receiver.receive, exchange.send)
        except asyncio.CancelledError:  # the client has gone
            return False
        except Exception:
            if not exchange.is_done:
                self.log.exception("Error in ASGI application")
        if not exchange.status and not self._closed:
            self._send_error_response(500, "")
        return exchange.keeps_connection

    def _close_transport(self) -> None:
        """Close; a client that is still sending is listened to first, or it would see a broken pipe and no answer."""
        if self._closed:
            return
        if self.unread is None:
            self.unread = self.worker.loop.time()  # a connection that closes stays until the client has read all
        if self.asking is None or not self.come:
            super()._close_transport()
            return
        self._closed = True
        self.rest = MOST_REST
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._resume_reading()

    def _handle_h1c_exception(self, exc: Exception) -> bool:
        """Refuse what the parser stumbled over, such as a Content-Length of more digits than Python reads."""
        self._send_error_response(400, "")
        self._close_transport()
        return True

    def _is_websocket_upgrade(self, request: Any) -> bool:
        """Read every request as what it is without an upgrade: no contract speaks anything but HTTP."""
        return False

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        """Refuse what cannot be read as a request: as problem details, and without a word of what it was."""
        phrase = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": phrase, "status": status}
        body = serialize(problem | ({"detail": DETAILS[status]} if status in DETAILS else {}))
        headers = {**PROBLEM, **dict(extra_headers), "Date": formatdate(usegmt=True), "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        bodiless = self._current_request is not None and self._current_request.method == "HEAD"
        self._safe_write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + (b"" if bodiless else body))


ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def hold_signals() -> None:
    """Keep what ends a worker, from its fork until it listens: the master's handlers, which it inherits, swallow it.

    Else a worker that is told to end as it starts never hears of it, and the master waits until its patience is over.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ENDS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS),
    )


class Worker(gasgi.ASGIWorker):
    """The worker, with limits on its connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        settings = self.app.settings
        self.most_connections: int = settings.max_connections
        self.patience: int = settings.request_seconds
        self.most_before_body: int = 2 * (settings.max_url_bytes + settings.max_header_bytes)
        self.connections: set[Connection] = set()
        self.is_own_host = allowed_hosts(settings)
        self.proxies = settings.trusted_networks
        self.public_path = settings.public_path

    def init_process(self) -> None:
        """Begin to work, with as many files open as connections may need."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = self.most_connections + OTHER_FILES
        if soft != resource.RLIM_INFINITY and soft < needed:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
            )
        super().init_process()

    async def _serve(self) -> None:
        gasgi.ASGIProtocol = Connection  # the worker takes its protocol from there and nowhere else
        protocol.PythonProtocol = Parser  # and the protocol its parser
        self._look()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)  # the loop runs: before, it would not hear of one either
        await super()._serve()

    async def _shutdown(self) -> None:
        """Take no more connections, and wait for those alone on which something is in hand.

        For up to a second since SIGTERM each answer has ended its connection; who is silent still has none to come.
        """
        for server in self.servers:
            server.close()
        for connection in [one for one in self.connections if not one.is_in_hand]:
            connection.dismiss()
        await super()._shutdown()

    def _look(self) -> None:
        """End the connections of those who have owed something for too long; look again in a second."""
        latest = self.loop.time() - self.patience
        for connection in [one for one in self.connections if one.is_late(latest)]:
            connection.cut_off()
        self.loop.call_later(LOOK_SECONDS, self._look)
