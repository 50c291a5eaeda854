"""Messages as files in a folder, for a house without a way out: mail as `<id>.eml`, short messages as `<id>.json`."""

import os
from pathlib import Path

import orjson

from models.outbox import OutboxMessage
from server.jobs.delivery.mail import as_mail


class Files:
    """Writes each message once, under its number, whoever tries how often."""

    def __init__(self, folder: Path, sender: str) -> None:
        self.folder = folder
        self.sender = sender

    def send(self, message: OutboxMessage) -> None:
        """Write a message."""
        if message.kind == "mail":
            self._write(f"{message.id}.eml", as_mail(message, self.sender, "8bit").as_bytes())
        else:
            told = {"to": message.recipient, "text": message.text}
            self._write(f"{message.id}.json", orjson.dumps(told))

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
