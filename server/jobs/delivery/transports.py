"""Who carries which kind of message."""

import logging
from typing import Protocol

from models.outbox import OutboxMessage
from server.jobs.delivery.files import Files
from server.jobs.delivery.smtp import Smtp
from server.jobs.delivery.webhook import EventWebhook, SmsWebhook
from server.settings import Settings


class Transport(Protocol):
    """Takes a message to its recipient."""

    def send(self, message: OutboxMessage) -> None:
        """Deliver a message. Raises PermanentFailure where trying again is of no use, anything else where it may be."""


def transports(settings: Settings) -> dict[str, Transport]:
    """Return who carries each kind of message: files, where nothing else is set."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every address, which may hold a secret
    files = Files(settings.data / "outbox", settings.mail_from)
    webhook = settings.sms_webhook_url
    return {
        "mail": Smtp(settings.smtp_url, settings.mail_from) if settings.smtp_url else files,
        "sms": SmsWebhook(webhook, settings.sms_webhook_secret) if webhook else files,
    }


def event_transports(settings: Settings) -> dict[str, Transport]:
    """Return who carries events, where somebody is to be told them."""
    url = settings.event_webhook_url
    return {"event": EventWebhook(url, settings.event_webhook_secret)} if url else {}
