"""Real receivers on this machine: a mail server, and a server for webhooks."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = "rollbook", "p@ss word/of the mail server"


class MailServer:
    """Keeps what it gets; what it answers can be set.

    mails: those that it took. credentials: names and passwords that it was told. answers: to RCPT or DATA, each once.
    """

    def __init__(self, trust: ssl.SSLContext | None, implicit: bool, login: bool) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.credentials: list[tuple[str, str]] = []
        self.answers: dict[str, list[str]] = {"RCPT": [], "DATA": [], "QUIT": []}
        self.greeted = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        options: dict[str, Any] = {"authenticator": self._authenticate, "auth_required": login} if login else {}
        if trust and implicit:
            options |= {"ssl_context": trust, "auth_require_tls": False}  # it does not know that it is inside TLS
        elif trust:
            options |= {"tls_context": trust, "require_starttls": True}
        else:
            options |= {"auth_require_tls": False}
        self.controller = Controller(self, hostname="localhost", port=self.port, enable_SMTPUTF8=True, **options)

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        told = (data.login.decode(), data.password.decode())
        self.credentials.append(told)
        return AuthResult(success=told == (USER, PASSWORD), handled=False)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.greeted += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.answers["RCPT"]:
            return self.answers["RCPT"].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers["DATA"]:
            return self.answers["DATA"].pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        return self.answers["QUIT"].pop(0) if self.answers["QUIT"] else "221 Bye"


@contextmanager
def serving_mail(trust: ssl.SSLContext | None, implicit: bool = False, login: bool = True) -> Iterator[MailServer]:
    """Run a mail server: `implicit` TLS or else STARTTLS where there is a certificate, none where there is none."""
    server = MailServer(trust, implicit, login)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
        server.controller.start()
        try:
            yield server
        finally:
            server.controller.stop()


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it. statuses: answers, each once; afterwards 204. before_answer: is done before each."""

    daemon_threads = True

    def __init__(self, trust: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.endless = False
        self.scheme = "https" if trust else "http"
        if trust:
            self.socket = trust.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        """Return where to post."""
        return f"{self.scheme}://localhost:{self.server_address[1]}/hook?key=of-the-gateway"

    def handle_error(self, request: Any, client_ip: Any) -> None:
        """Say nothing of clients that hang up."""


class _Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.server.before_answer()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        while self.server.endless:
            self.wfile.write(b"more")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving_hook(trust: ssl.SSLContext | None) -> Iterator[Receiver]:
    """Run a receiver of webhooks."""
    receiver = Receiver(trust)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.endless = False
        receiver.shutdown()
        receiver.server_close()
        thread.join()
