"""Webhooks that are signed as Standard Webhooks has it (HMAC-SHA256 over id, time and body)."""

import base64
import binascii
import ssl
from datetime import UTC, datetime
from urllib.parse import SplitResult

import httpx
import orjson
import standardwebhooks

from models import clock
from models.audit.chain import AuditEvent
from models.outbox import OutboxMessage
from server.jobs.delivery.address import LOOPBACK, split

PATIENCE = 10
"""Seconds that connecting and each piece of an answer may take."""
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)


class RefusedByReceiver(Exception):
    """Raised when the receiver answers with anything but success; `errno` is its status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.errno = status


class Webhook:
    """Posts; `webhook-id` stays the same however often something is tried, so the receiver can tell."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.signer = standardwebhooks.Webhook(read_secret(secret))
        self.client = httpx.Client(timeout=PATIENCE, verify=ssl.create_default_context())

    def post(self, id: str, body: bytes) -> None:
        """Post a body of JSON. Raises RefusedByReceiver."""
        headers = {"content-type": "application/json", **self._signed(id, body)}
        # the answer's body is not read: it says nothing, and may have no end
        with self.client.stream("POST", self.url, content=body, headers=headers) as response:
            if not response.is_success:
                raise RefusedByReceiver(response.status_code)

    def _signed(self, id: str, body: bytes) -> dict[str, str]:
        now = datetime.fromtimestamp(clock.now(), UTC)
        signature = self.signer.sign(id, now, body.decode())
        return {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


class SmsWebhook(Webhook):
    """Posts short messages."""

    def send(self, message: OutboxMessage) -> None:
        """Post a short message. Raises RefusedByReceiver."""
        told = {"to": message.recipient, "text": message.text}
        body = {"type": "sms", "timestamp": _written(message.created), "data": told}
        self.post(f"msg_{message.created}_{message.id}", orjson.dumps(body))


class EventWebhook(Webhook):
    """Posts events of the audit."""

    def send(self, message: OutboxMessage) -> None:
        """Post an event. Raises RefusedByReceiver."""
        self.post(message.subject, message.body.encode())


def post_events(events: list[AuditEvent]) -> None:
    """Leave events that have come into the chain for the mailer that posts them."""
    OutboxMessage.post_events((event.account, _id(event), _event(event)) for event in events)


def _id(event: AuditEvent) -> str:
    """Return the id of an event: its number, and what tells it from that of a store that was put back."""
    return f"evt_{event.id}_{event.chain[:16]}"


def _event(event: AuditEvent) -> str:
    said = {name: event.__data__[name] for name in ("id", "event", "account", "actor", "contract", "address", "count")}
    data = {**said, "detail": orjson.loads(event.detail)}
    body = {"type": f"audit.{event.event}", "timestamp": _written(event.created), "data": data}
    return orjson.dumps(body).decode()


def _written(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def read_url(url: str) -> SplitResult:
    """Read the address of a receiver. Raises ValueError unless codes and addresses may be sent there."""
    expected = "https://... is expected (http:// on loopback only)"
    parts = split(url, expected)
    if not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ValueError(expected)
    return parts


def read_secret(secret: str) -> bytes:
    """Return the key that a secret stands for. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError("whsec_ and the base64 of 24 to 64 bytes is expected")
    return key
