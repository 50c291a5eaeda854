"""Lanes: where an act leaves its event, in its own transaction, without waiting for anybody.

Each connection to the store has a lane of its own, in which its events count 1, 2, 3, each under a seal that says lane
and number. The count goes on only once the commit was acknowledged. Where that is not known, or a transaction was
undone after its event was written, the lane ends and another begins: so a number that is missing was taken out.

A connection counts refusals in a second lane: the same refusal of the same account to the same address within a minute
is one event that says how often. Only the connection itself writes it, and the chain takes it when it is at rest.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import local
from time import monotonic
from typing import Any

import orjson
import peewee

from models import clock
from models.audit import seals
from models.db.cached_query import CachedStatement
from models.db.database import Model, database

LIFETIME = 86_400
"""Seconds after which a connection begins a new lane: who verifies need not remember a lane for longer."""
COUNTING_SECONDS = 60
"""For so long the same refusals are one event."""
RESTING_SECONDS = 75
"""Seconds by the store's clock after which nobody counts on in an event, so that it may go into the chain."""
MANY = 1_000
"""So many refusals that are counted at once are looked through for those whose minute is over."""


class SealedEvent(Model):
    """What an event says, wherever it stands. Accounts are told by id, which is never given again."""

    lane = peewee.CharField(max_length=16)
    number = peewee.BigIntegerField()
    """Its place in the lane."""
    created = peewee.BigIntegerField()
    event = peewee.CharField(max_length=32)
    account = peewee.BigIntegerField(null=True)
    """Whom it concerns."""
    actor = peewee.BigIntegerField(null=True)
    """Who did it, where a session says so; an administrator's act has two different accounts."""
    contract = peewee.CharField(max_length=16, null=True)
    """Through which contract; `operator` for the operator's command."""
    address = peewee.CharField(max_length=64, null=True)
    detail = peewee.CharField(max_length=512)
    """A JSON object with the members that `DETAILS` allows."""
    count = peewee.IntegerField()
    """How often it happened: refusals within a minute are one event."""
    seal = peewee.CharField(max_length=64)

    def said(self) -> list[Any]:
        """Return all that is sealed."""
        return [self.__data__[name] for name in SAID]

    def sealed_text(self) -> bytes:
        """Return what the seal stands on."""
        return b"audit event\n" + orjson.dumps(self.said())

    def is_sealed(self) -> bool:
        """Tell whether a key of the server sealed it."""
        return seals.fits(self.seal, self.sealed_text())


SAID = ("lane", "number", "created", "event", "account", "actor", "contract", "address", "detail", "count")


class PendingEvent(SealedEvent):
    """An event that was committed and is not in the chain yet."""

    id = peewee.BigAutoField()
    """In the order in which they were written, not in that in which they were committed."""
    counting = peewee.BooleanField()
    """Whether its connection may count on in it."""
    arrived = peewee.BigIntegerField()
    """When it was written, in milliseconds by the store's clock."""

    class Meta:
        legacy_table_names = False
        indexes = ((("lane", "number"), True),)


@dataclass(eq=False)
class _Counted:
    """A refusal that is counted: its event, and when it began."""

    event: PendingEvent
    began: float


@dataclass(eq=False)
class Lane:
    """A lane that is written to."""

    connection: Any
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    last: int = 0
    """Number of the newest event."""
    began: float = field(default_factory=monotonic)
    in_doubt: bool = False
    """Something was written, and its commit is not acknowledged."""
    counted: dict[tuple[Any, ...], _Counted] = field(default_factory=dict)

    def acknowledge(self) -> None:
        """Go on from what was written: it is known to be committed."""
        self.in_doubt = False

    def expired_counts(self) -> None:
        """Forget the refusals whose minute is over, now and then."""
        if len(self.counted) > MANY:
            since = monotonic() - COUNTING_SECONDS
            self.counted = {key: counted for key, counted in self.counted.items() if counted.began > since}


class _Lanes(local):
    acts: Lane | None = None
    refusals: Lane | None = None


_lanes = _Lanes()


def forget() -> None:
    """Begin all lanes of this process anew: they belong to another store."""
    global _lanes  # noqa: PLW0603  # those of all threads at once
    _lanes = _Lanes()


def end_doubtful() -> None:
    """End this thread's lanes if it is not known whether what was last written there was committed.

    Called while a unit of work goes on, whose own events are written at its end.
    """
    if _lanes.acts and _lanes.acts.in_doubt:
        _lanes.acts = None
    if _lanes.refusals and _lanes.refusals.in_doubt:
        _lanes.refusals = None


def append(values: dict[str, Any]) -> Callable[[], None]:
    """Write an event into the connection's lane; return what is to be called once the commit is acknowledged."""
    lane = _lanes.acts = _current(_lanes.acts)
    _insert(lane, values, counting=False)
    return lane.acknowledge


def count(values: dict[str, Any]) -> Callable[[], None]:
    """Count a refusal in the connection's lane of refusals, and return the same."""
    lane = _lanes.refusals = _current(_lanes.refusals)
    key = tuple(values.values())
    counted = lane.counted.get(key)
    if counted is None or monotonic() - counted.began >= COUNTING_SECONDS or not _count_on(lane, counted.event):
        lane.expired_counts()
        lane.counted[key] = _Counted(_insert(lane, values, counting=True), monotonic())
    return lane.acknowledge


def _current(lane: Lane | None) -> Lane:
    connection = database.connection()
    if lane is None or lane.connection is not connection or monotonic() - lane.began >= LIFETIME:
        lane = Lane(connection)
    return lane


def _insert(lane: Lane, values: dict[str, Any], counting: bool) -> PendingEvent:
    lane.in_doubt = True
    lane.last += 1
    entry = PendingEvent(lane=lane.id, number=lane.last, created=clock.now(), count=1, counting=counting, **values)
    entry.seal = seals.sign(entry.sealed_text())
    INSERT.execute(*(entry.__data__[name] for name in WRITTEN))
    return entry


def _count_on(lane: Lane, entry: PendingEvent) -> bool:
    """Count once more; tell whether the event was still there."""
    lane.in_doubt = True
    entry.count += 1
    entry.seal = seals.sign(entry.sealed_text())
    return bool(COUNT_ON.execute(entry.count, entry.seal, entry.lane, entry.number).rowcount)


WRITTEN = [name for name in PendingEvent._meta.sorted_field_names if name not in ("id", "arrived")]


def _insert_statement() -> Any:
    values: dict[str, Any] = dict.fromkeys(WRITTEN, 0)
    return PendingEvent.insert(values | {"arrived": peewee.SQL(database.clock)})


INSERT = CachedStatement(_insert_statement)
COUNT_ON = CachedStatement(
    lambda: PendingEvent.update(count=0, seal="").where(PendingEvent.lane == "", PendingEvent.number == 0)
)


def waits_under_an_older_key() -> bool:
    """Tell whether an event that is not in the chain yet was sealed by another key than the first."""
    return any(seals.renew(entry.seal, entry.sealed_text()) != entry.seal for entry in PendingEvent.select())
