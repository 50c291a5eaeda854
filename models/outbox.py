"""The outbox: messages to people, written with the change that causes them, delivered afterwards."""

import secrets
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

import peewee

from models import clock, settings
from models.db.cached_query import CachedInsert
from models.db.database import Model, database, delete_some
from models.identifiers import contact_key
from models.keys import renew_wrapped, unwrap
from models.rate_counter import RateCounter
from models.secret import digest
from models.settings import DAY, HOUR, MINUTE

CLAIM_SECONDS = MINUTE
"""Who claims a message and is not done after this time is taken for dead; the message may be claimed again."""

KEPT_SECONDS = 7 * DAY
"""A delivered message stays this long, without its text, for an operator to see that it went; one that was given up
stays as long, to be tried again."""
FIRST_PAUSE = 5
"""Seconds after which a message is tried a second time; each later pause is twice as long."""
LONGEST_PAUSE = HOUR
EVENTS_AT_ONCE = 100
"""Events that are written, or looked at, by one statement."""
EVENTS_LOOKED_AT = 1_000
"""Of so many of the oldest that wait, the next one is looked for."""
NEVER = 2**62
"""When a message is due that was given up."""


MESSAGES, EVENTS = ("mail", "sms"), ("event",)
"""Kinds: what is told to people, and what of the audit is told to a program."""
ASKED, CLAIMED, CHANGED = "asked", "claimed", "changed"
"""Why a message is sent: somebody asked for it, somebody showed the address, or the account itself was changed. Each
counts apart, so that what strangers can cause uses up no word about a change. How many may be asked for, the contracts
say; the others follow from acts of all contracts, and of the operator's command, and the settings say how many."""


class Notice(NamedTuple):
    """What a message says."""

    subject: str
    body: str


class OutboxMessage(Model):
    """A message of a kind that a mailer can carry: `mail`, `sms`, `event`. Times are Unix seconds."""

    id = peewee.BigAutoField()
    kind = peewee.CharField(max_length=8)
    recipient = peewee.CharField(max_length=254)
    subject = peewee.CharField(max_length=128)
    body = peewee.TextField()
    """Holds secrets encrypted; empty once the message is delivered."""
    created = peewee.BigIntegerField()
    due = peewee.BigIntegerField()
    """When the message may be claimed. A claim moves it ahead, so that nobody else claims meanwhile."""
    attempts = peewee.IntegerField(default=0)
    delivered = peewee.BigIntegerField(null=True)
    failed = peewee.BigIntegerField(null=True)
    """When it was given up."""
    error = peewee.CharField(max_length=128, null=True)
    """Why it could not be delivered the last time."""

    class Meta:
        indexes = ((("delivered", "due"), False), (("kind", "delivered", "id"), False))

    @property
    def text(self) -> str:
        """Return what its recipient is to read."""
        return unwrap(self.body)

    @classmethod
    def post(cls, kind: str, recipient: str, notice: Notice, cause: str = CHANGED) -> None:
        """Leave a message for the mailer, unless its recipient had too many; a secret in it must be encrypted."""
        database.begin_immediate()
        if cause != ASKED and not _has_room(recipient, cause):
            cls.post_to_nobody(kind)
            return
        now = clock.now()
        INSERT.create(kind=kind, recipient=recipient, created=now, due=now, **notice._asdict())

    @classmethod
    def post_to_nobody(cls, kind: str, counted: str | None = None) -> None:
        """Do the work of `post` for somebody who does not exist, so that time does not tell.

        counted: the address, where messages to one that exists are counted; it uses up nothing of anybody's.
        """
        database.begin_immediate()
        if counted:
            RateCounter.add({_counter(counted, "nobody"): DAY})
        now = clock.now()
        INSERT.create(kind=kind, recipient="", subject="", body="", created=now, due=now, delivered=now)

    @classmethod
    def post_events(cls, events: Iterable[tuple[int | None, str, str]]) -> None:
        """Leave events for the mailer that carries them, in order: each with its account, its id, and what it says."""
        now = clock.now()
        same = {"kind": EVENTS[0], "created": now, "due": now}
        rows = [
            {"recipient": f"account {account}" if account else "no account", "subject": id, "body": body, **same}
            for account, id, body in events
        ]
        for page in peewee.chunked(rows, EVENTS_AT_ONCE):
            cls.insert_many(page).execute()

    @classmethod
    def renew(cls) -> int:
        """Encrypt what waits by the server's first key; return how many messages there were."""
        waiting = list(cls.select().where(cls.delivered.is_null()))
        for message in waiting:
            cls.update(body=renew_wrapped(message.body)).where(cls.id == message.id).execute()
        return len(waiting)

    @classmethod
    def claim(cls, kinds: Iterable[str] = MESSAGES) -> Self | None:
        """Take the oldest message of some kinds that is due, for 60 seconds and for this mailer alone.

        Events of one account go one after the other; one that was given up keeps no other.
        """
        now = clock.now()
        waiting = cls.delivered.is_null() & (cls.due <= now)
        of_kinds = cls.id.in_(cls._free_events(now)) if tuple(kinds) == EVENTS else cls.kind.in_(tuple(kinds))
        # read to the end first: SQLite refuses to write beside a half-read query once others have written
        for message in list(cls.select().where(waiting, of_kinds).order_by(cls.id).limit(10)):
            database.begin_immediate()
            claimed = cls.update(due=now + CLAIM_SECONDS, attempts=cls.attempts + 1)
            if claimed.where(waiting, cls.id == message.id).execute():
                message.attempts += 1
                return message
        return None

    @classmethod
    def _free_events(cls, now: int) -> list[int]:
        """Return the ids of events that are due and wait for no other one: of the oldest, so that many cost no more."""
        unsent = (cls.kind == EVENTS[0]) & cls.delivered.is_null() & cls.failed.is_null()
        oldest: Any = cls.select(cls.id, cls.recipient, cls.due).where(unsent).order_by(cls.id).limit(EVENTS_LOOKED_AT)
        first: dict[str, tuple[int, int]] = {}
        for id, recipient, due in oldest.tuples():
            first.setdefault(recipient, (id, due))
        return [id for id, due in first.values() if due <= now][:EVENTS_AT_ONCE]

    @classmethod
    def waiting(cls, after: int = 0) -> Iterator[Self]:
        """Yield the messages to somebody that were not delivered, the newest first. after: those with a greater id."""
        yield from cls.select().where(cls.delivered.is_null(), cls.id > after).order_by(cls.id.desc())

    @classmethod
    def depths(cls) -> dict[str, int]:
        """Count the messages that wait to be delivered, by kind; those given up wait no more."""
        return cls._count(cls.delivered.is_null() & cls.failed.is_null())

    @classmethod
    def given_up(cls) -> dict[str, int]:
        """Count the messages that were given up, by kind."""
        return cls._count(cls.delivered.is_null() & (cls.due == NEVER))

    @classmethod
    def _count(cls, which: Any) -> dict[str, int]:
        found: Any = cls.select(cls.kind, peewee.fn.COUNT(cls.id)).where(which).group_by(cls.kind).tuples()
        return {"mail": 0, "sms": 0, **dict(found)}

    def mark_delivered(self) -> None:
        """Remember that the message went, and forget what it said."""
        database.begin_immediate()
        gone = {"delivered": clock.now(), "body": "", "failed": None, "error": None}
        OutboxMessage.update(**gone).where(OutboxMessage.id == self.id).execute()

    def put_off(self, why: str, for_ever: bool) -> bool:
        """Let a message that could not be delivered be due again later; tell whether it is given up instead.

        It is after as many tries as the rules allow, or at once where another one is of no use.
        """
        database.begin_immediate()
        lost = for_ever or self.attempts >= settings.current.delivery_max_attempts
        when = {"due": NEVER, "failed": clock.now()} if lost else {"due": clock.now() + _pause(self.attempts)}
        mine = (OutboxMessage.id == self.id) & (OutboxMessage.attempts == self.attempts)  # not claimed again meanwhile
        OutboxMessage.update(error=why, **when).where(mine, OutboxMessage.delivered.is_null()).execute()
        return lost

    @classmethod
    def retry(cls, ids: Iterable[int] | None = None) -> int:
        """Let messages that were given up be due now, with all their tries: those of these numbers, or all.

        Returns how many there were.
        """
        database.begin_immediate()
        given_up = cls.failed.is_null(False)
        if ids is not None:
            given_up &= cls.id.in_(list(ids))
        again: int = cls.update(due=clock.now(), failed=None, attempts=0).where(given_up).execute()
        return again

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of messages that were delivered or given up some time ago; return how many."""
        # the newest row stays: SQLite would give its number again, and with it the name of a delivered file
        newest = cls.select(peewee.fn.MAX(cls.id))
        old = clock.now() - KEPT_SECONDS
        gone: int = delete_some(cls, (cls.delivered <= old) & (cls.id < newest), batch)
        lost = cls.delivered.is_null() & (cls.due == NEVER) & (cls.failed <= old)
        lost_too: int = delete_some(cls, lost & (cls.id < newest), batch)
        return gone + lost_too


def _has_room(recipient: str, cause: str) -> bool:
    """Count a message to a recipient, whoever caused it; tell whether it may still be sent today."""
    most = settings.current.max_claim_messages if cause == CLAIMED else settings.current.max_change_messages
    key = _counter(recipient, cause)
    return RateCounter.add({key: DAY})[key][0] <= most


def _counter(recipient: str, cause: str) -> str:
    return f"message/{cause}/{digest(contact_key(recipient))}"


def _pause(attempts: int) -> int:
    """Return the seconds before the next try; by chance up to half as long, so that not all come back at once."""
    longest: int = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
    return longest - secrets.randbelow(longest // 2 + 1)


INSERT = CachedInsert(OutboxMessage)
