"""The courier: carries messages out of the outbox, beside the requests that left them there.

Each worker has one. A message is claimed by one courier at a time. What it delivers bears the message's number, so that
a courier that dies between delivery and its note in the store, and the one that takes over, together deliver once.
"""

import logging
import os
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate
from pathlib import Path

import orjson

from models.database import unit_of_work
from models.outbox import OutboxMessage
from server.background import Repeating

SENDER = "rollbook@localhost"

log = logging.getLogger("rollbook.courier")


class Courier(Repeating):
    """Delivers what is due as files into a folder: mail as `<id>.eml`, short messages as `<id>.json`."""

    pause = 0.5

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def once(self) -> None:
        """Deliver what is due."""
        self.deliver_due()

    def deliver_due(self) -> int:
        """Deliver what is due, return how many messages went. One that cannot be delivered is due again in a minute."""
        delivered = 0
        while not self.stopping.is_set() and (message := _claim()):
            try:
                name, content = FORMATS[message.kind](message)
                self._write(name, content)
            except Exception as error:  # the others still go
                log.error("message %d cannot be delivered: %s", message.id, type(error).__name__)
                continue
            with unit_of_work():
                message.mark_delivered()
            delivered += 1
        return delivered

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that is there as a whole or not at all, and survives a power cut."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self.folder / f".{name}.part"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / name)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _claim() -> OutboxMessage | None:
    with unit_of_work():
        return OutboxMessage.claim()


def _as_mail(message: OutboxMessage) -> tuple[str, bytes]:
    mail = EmailMessage(policy=SMTP if message.recipient.isascii() else SMTPUTF8)
    mail["From"] = SENDER
    mail["To"] = message.recipient
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(message.created)
    mail["Message-ID"] = f"<{message.id}.{message.created}.{SENDER}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="8bit")
    return f"{message.id}.eml", mail.as_bytes()


def _as_short_message(message: OutboxMessage) -> tuple[str, bytes]:
    return f"{message.id}.json", orjson.dumps({"to": message.recipient, "text": message.text})


FORMATS: dict[str, Callable[[OutboxMessage], tuple[str, bytes]]] = {
    "mail": _as_mail,
    "sms": _as_short_message,
}
"""Kind of message -> name and content of its file."""
