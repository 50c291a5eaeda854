"""The outbox as an inbox: messages to people as they would have read them. Nothing leaves a sandbox."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from models.identifiers import contact_key
from models.keys import wrapped
from models.outbox import OutboxMessage
from server.sandbox.errors import NoSuchMessage

LINK = re.compile(r"https?://\S+")


def read(to: str | None, kind: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """Return up to so many messages, the newest first. to, kind: those alone. after: only those with a greater id."""
    return list(islice(_find(to, kind, after), limit))


def latest(to: str | None, kind: str | None, after: int) -> dict[str, Any]:
    """Return the newest message. Raises NoSuchMessage."""
    found = next(_find(to, kind, after), None)
    if found is None:
        raise NoSuchMessage
    return found


def _find(to: str | None, kind: str | None, after: int) -> Iterator[dict[str, Any]]:
    wanted = contact_key(to) if to is not None else None
    for message in OutboxMessage.waiting(after):
        if kind in (None, message.kind) and wanted in (None, contact_key(message.recipient)):
            text = message.text
            yield {
                "id": message.id,
                "kind": message.kind,
                "to": message.recipient,
                "subject": message.subject,
                "text": text,
                "sent": message.created,
                "codes": wrapped(message.body),
                "links": LINK.findall(text),
            }
