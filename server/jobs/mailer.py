"""The mailer: carries messages out of the outbox, beside the requests that left them there.

Each worker has one. A message is claimed by one mailer at a time. What it delivers bears the message's number: a
mailer that dies between delivery and its note in the store, and the one that takes over, together write one file; a
receiver of mail or of a webhook can tell by the number what it has.
"""

import logging
from collections.abc import Mapping

from models.db.database import run_transaction
from models.outbox import OutboxMessage
from server.jobs.delivery.failure import PermanentFailure, reason
from server.jobs.delivery.transports import Transport
from server.jobs.periodic import PeriodicTask

log = logging.getLogger("rollbook.mailer")


class Mailer(PeriodicTask):
    """Delivers what is due, each kind of message by its carrier."""

    interval = 0.5

    def __init__(self, transports: Mapping[str, Transport]) -> None:
        super().__init__()
        self.transports = transports

    def run(self) -> None:
        """Deliver what is due."""
        self.deliver_due()

    def deliver_due(self) -> int:
        """Deliver what is due, return how many messages went. One that cannot be delivered is due again later."""
        delivered = 0
        while not self.stopping.is_set() and (message := self._claim()):
            try:
                self.transports[message.kind].send(message)
            except Exception as error:  # the others still go
                self._put_off(message, error)
                continue
            run_transaction(message.mark_delivered)
            delivered += 1
        return delivered

    def _claim(self) -> OutboxMessage | None:
        return run_transaction(lambda: OutboxMessage.claim(self.transports.keys()))

    @staticmethod
    def _put_off(message: OutboxMessage, error: Exception) -> None:
        why = reason(error)
        lost = run_transaction(lambda: message.put_off(why, for_ever=isinstance(error, PermanentFailure)))
        log.error("message %d cannot be delivered%s: %s", message.id, " and is given up" if lost else "", why)
