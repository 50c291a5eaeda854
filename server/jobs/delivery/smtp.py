"""Mail by SMTP: encrypted, to a server whose certificate is checked, with a name and a password where one is given."""

import smtplib
import ssl
from contextlib import suppress
from email.utils import parseaddr
from time import monotonic
from urllib.parse import SplitResult, unquote

from models.outbox import OutboxMessage
from server.jobs.delivery.address import LOOPBACK, split
from server.jobs.delivery.failure import PermanentFailure
from server.jobs.delivery.mail import as_mail

PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
"""`smtps` is encrypted from the first byte, `smtp` by STARTTLS or not at all, `smtp+plain` for a relay beside us."""
PATIENCE = 10
"""Seconds that each answer may take."""
GREETING = 20
"""Seconds that all may take before the mail is sent: with four more answers that stays within the mailer's claim."""


class Smtp:
    """Hands each mail to one server, over a connection of its own."""

    def __init__(self, url: str, sender: str) -> None:
        self.parts = read_url(url)
        self.sender = sender
        self.trust = ssl.create_default_context()

    def send(self, message: OutboxMessage) -> None:
        """Send a mail. Raises PermanentFailure for what the server will never take."""
        began = monotonic()
        server = self._connect()
        try:
            if monotonic() - began > GREETING:
                raise TimeoutError
            mail = as_mail(message, self.sender, "base64")
            server.send_message(mail, parseaddr(self.sender)[1], [message.recipient])
        except smtplib.SMTPRecipientsRefused as error:
            raise _graded(*error.recipients[message.recipient]) from None
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            raise _graded(error.smtp_code, b"") from None
        except smtplib.SMTPNotSupportedError:
            raise PermanentFailure("the server does not know addresses beyond ASCII") from None
        finally:
            with suppress(OSError, smtplib.SMTPException):  # it has the mail, or an error is on its way already
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        scheme, host = self.parts.scheme, str(self.parts.hostname)
        port = self.parts.port or PORTS[scheme]
        server: smtplib.SMTP
        if scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=self.trust)
        else:
            server = smtplib.SMTP(host, port, timeout=PATIENCE)
        try:
            if scheme == "smtp":
                server.starttls(context=self.trust)
            if self.parts.username:
                server.login(unquote(self.parts.username), unquote(self.parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def read_url(url: str) -> SplitResult:
    """Read the address of a server. Raises ValueError, without telling the password."""
    expected = "smtps://, smtp:// or smtp+plain:// with user:password@host:port is expected"
    parts = split(url, expected)
    if parts.scheme not in PORTS or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(expected)
    if parts.scheme == "smtp+plain" and (parts.hostname not in LOOPBACK or parts.username):
        raise ValueError("smtp+plain:// is for a relay on loopback, without user and password")
    return parts


def _graded(code: int, said: bytes) -> Exception:
    """Return what an answer means: 5 for ever, 4 for now. What was said may quote the mail, so it goes no further."""
    return PermanentFailure(f"refused with {code}") if 500 <= code < 600 else smtplib.SMTPResponseException(code, b"")
