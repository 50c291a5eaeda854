"""The outbox: messages to people, written with the change that causes them, delivered afterwards."""

from typing import Any, NamedTuple, Self

import peewee

from models import clock
from models.database import Model, delete_some
from models.rules import DAY, MINUTE
from models.secret import unseal

CLAIM_SECONDS = MINUTE
"""Who claims a message and is not done after this time is taken for dead; the message may be claimed again."""

KEPT_SECONDS = 7 * DAY
"""A delivered message stays this long, without its text, for an operator to see that it went."""


class Notice(NamedTuple):
    """What a message says."""

    subject: str
    body: str


class OutboxMessage(Model):
    """A message of a kind that the courier can carry: `mail` or `sms`. Times are Unix seconds."""

    id = peewee.BigAutoField()
    kind = peewee.CharField(max_length=8)
    recipient = peewee.CharField(max_length=254)
    subject = peewee.CharField(max_length=128)
    body = peewee.TextField()
    """Holds secrets under their seal; empty once the message is delivered."""
    created = peewee.BigIntegerField()
    due = peewee.BigIntegerField()
    """When the message may be claimed. A claim moves it ahead, so that nobody else claims meanwhile."""
    attempts = peewee.IntegerField(default=0)
    delivered = peewee.BigIntegerField(null=True)

    class Meta:
        indexes = ((("delivered", "due"), False),)

    @property
    def text(self) -> str:
        """Return what its recipient is to read."""
        return unseal(self.body)

    @classmethod
    def post(cls, kind: str, recipient: str, notice: Notice) -> None:
        """Leave a message for the courier; a secret in it must be under its seal."""
        now = clock.now()
        cls.create(kind=kind, recipient=recipient, created=now, due=now, **notice._asdict())

    @classmethod
    def post_to_nobody(cls, kind: str) -> None:
        """Do the work of `post` for somebody who does not exist, so that time does not tell."""
        now = clock.now()
        cls.create(kind=kind, recipient="", subject="", body="", created=now, due=now, delivered=now)

    @classmethod
    def claim(cls) -> Self | None:
        """Take the oldest message that is due, for 60 seconds and for this courier alone."""
        now = clock.now()
        waiting = cls.delivered.is_null() & (cls.due <= now)
        # read to the end first: SQLite refuses to write beside a half-read query once others have written
        for message in list(cls.select().where(waiting).order_by(cls.id).limit(10)):
            claimed = cls.update(due=now + CLAIM_SECONDS, attempts=cls.attempts + 1)
            if claimed.where(waiting, cls.id == message.id).execute():
                return message
        return None

    @classmethod
    def depths(cls) -> dict[str, int]:
        """Count the messages that wait, by kind."""
        number = peewee.fn.COUNT(cls.id)
        waiting: Any = cls.select(cls.kind, number).where(cls.delivered.is_null()).group_by(cls.kind).tuples()
        return {"mail": 0, "sms": 0, **dict(waiting)}

    def mark_delivered(self) -> None:
        """Remember that the message went, and forget what it said."""
        OutboxMessage.update(delivered=clock.now(), body="").where(OutboxMessage.id == self.id).execute()

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of messages that were delivered some time ago; return how many."""
        # the newest row stays: SQLite would give its number again, and with it the name of a delivered file
        newest = cls.select(peewee.fn.MAX(cls.id))
        return delete_some(cls, (cls.delivered <= clock.now() - KEPT_SECONDS) & (cls.id < newest), batch)
