"""The courier: carries messages out of the outbox, beside the requests that left them there.

Each worker has one. A message is claimed by one courier at a time. What it delivers bears the message's number: a
courier that dies between delivery and its note in the store, and the one that takes over, together write one file; a
receiver of mail or of a webhook can tell by the number what it has.
"""

import logging
from collections.abc import Mapping

from models.db.database import run_unit
from models.outbox import OutboxMessage
from server.jobs.delivery.failure import Rejected, reason
from server.jobs.delivery.transports import Carrier
from server.jobs.periodic import Repeating

log = logging.getLogger("rollbook.courier")


class Courier(Repeating):
    """Delivers what is due, each kind of message by its carrier."""

    pause = 0.5

    def __init__(self, carriers: Mapping[str, Carrier]) -> None:
        super().__init__()
        self.carriers = carriers

    def once(self) -> None:
        """Deliver what is due."""
        self.deliver_due()

    def deliver_due(self) -> int:
        """Deliver what is due, return how many messages went. One that cannot be delivered is due again later."""
        delivered = 0
        while not self.stopping.is_set() and (message := run_unit(OutboxMessage.claim)):
            try:
                self.carriers[message.kind].carry(message)
            except Exception as error:  # the others still go
                self._put_off(message, error)
                continue
            run_unit(message.mark_delivered)
            delivered += 1
        return delivered

    @staticmethod
    def _put_off(message: OutboxMessage, error: Exception) -> None:
        why = reason(error)
        lost = run_unit(lambda: message.put_off(why, for_ever=isinstance(error, Rejected)))
        log.error("message %d cannot be delivered%s: %s", message.id, " and is given up" if lost else "", why)
