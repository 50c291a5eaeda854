"""The chain: all events in one order, each tied to the one before.

A sequencer puts what the lanes hold behind the newest event, a batch in one transaction. Any instance may do it, at any
time: of two at once one writes the head, which only who saw its latest seal can do, and the other's work is undone.

An event's `chain` is the SHA-256 of the chain of the event before it and of all that it says, its seal included; its
`chain_seal` is the HMAC of that. The chain itself needs no key, so that the key can be rotated: events whose key is
long gone are vouched for by the ones that follow.

The head, one row, is there from the making of the store. It says where the chain begins (what is older was purged) and
ends, under a seal of its own: cutting off the newest events shows. It also says which accounts and sessions there were:
a newer one whose event does not wait for the chain shows that the audit was put back as it was before.
"""

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import peewee

from models import clock, settings
from models.account import Account
from models.audit import lanes, seals
from models.audit.events import Event
from models.audit.lanes import RESTING_SECONDS, SAID, Lane, PendingEvent, SealedEvent
from models.db.database import Model, database, run_transaction
from models.session import Session

log = logging.getLogger("rollbook.audit")

HEAD = 1
"""Id of the one head."""
NOTHING = ""
"""What the first event is chained to."""
BATCH = 1_000
"""Events that are put into the chain at a time."""
PAGE = 100
"""Rows that are written by one statement."""


class AuditEvent(SealedEvent):
    """An event in the chain. It outlives its account."""

    id = peewee.BigIntegerField(primary_key=True)
    """Counts from 1 without a gap."""
    chain = peewee.CharField(max_length=64)
    chain_seal = peewee.CharField(max_length=64)

    class Meta:
        legacy_table_names = False
        indexes = ((("account", "id"), False),)

    def chained_to(self, before: str) -> str:
        """Return what the chain must be here when it was `before` at the event before."""
        return hashlib.sha256(before.encode() + b"\n" + orjson.dumps([self.id, *self.said(), self.seal])).hexdigest()

    def is_chain_sealed(self) -> bool:
        """Tell whether a key of the server sealed the chain up to here."""
        return seals.fits(self.chain_seal, _sealed_chain(self.chain))


class AuditHead(Model):
    """Where the chain begins and ends. One row."""

    id = peewee.IntegerField(primary_key=True)
    purged = peewee.BigIntegerField()
    """Id of the newest event that was purged, 0 if none was; and what its chain was."""
    purged_chain = peewee.CharField(max_length=64)
    last = peewee.BigIntegerField()
    """Id of the newest event, and its chain."""
    last_chain = peewee.CharField(max_length=64)
    accounts = peewee.BigIntegerField(default=0)
    sessions = peewee.BigIntegerField(default=0)
    """Ids of the newest account and session that there were when the head was written."""
    seal = peewee.CharField(max_length=64)

    class Meta:
        legacy_table_names = False

    @classmethod
    def find(cls) -> "AuditHead | None":
        """Return the head."""
        found: AuditHead | None = cls.get_or_none(cls.id == HEAD)
        return found

    def is_sealed(self) -> bool:
        """Tell whether a key of the server sealed it."""
        return seals.fits(self.seal, self._said())

    def store(self) -> None:
        """Seal and write what it says now, in place of what was read. Raises Overtaken if somebody was faster."""
        database.begin_immediate()
        seen = self.seal
        self.accounts, self.sessions = _newest(Account), _newest(Session)
        self.seal = seals.sign(self._said())
        values = {name: value for name, value in self.__data__.items() if name != "id"}
        if not AuditHead.update(**values).where(AuditHead.id == HEAD, AuditHead.seal == seen).execute():
            raise Overtaken

    def missed(self) -> tuple[str, int] | None:
        """Return the table and id of an account or session that came after the head, and whose event is gone.

        Who registers or logs in leaves an event in the same transaction, which waits until a newer head is written. So
        there is none, unless the audit was put back as it was before. To be read as of one moment with the head.
        """
        waiting = PendingEvent.select(PendingEvent.account).where(PendingEvent.account.is_null(False))
        imports = PendingEvent.select().where(PendingEvent.event == str(Event.IMPORTED))
        for table, account, newest in ((Account, Account.id, self.accounts), (Session, Session.account, self.sessions)):
            found = table.select(table.id).where(table.id > newest, account.not_in(waiting)).order_by(table.id).first()
            if found and not imports.exists():  # one event stands for all accounts of an import
                return table._meta.table_name, found.id
        return None

    def _said(self) -> bytes:
        said = [self.purged, self.purged_chain, self.last, self.last_chain, self.accounts, self.sessions]
        return b"audit head\n" + orjson.dumps(said)


def _newest(table: Any) -> int:
    return table.select(peewee.fn.MAX(table.id)).scalar() or 0


class Overtaken(Exception):
    """Raised when somebody else has written the head meanwhile."""


def begin() -> None:
    """Give a store that was just made its head."""
    database.begin_immediate()
    head = AuditHead(purged=0, purged_chain=NOTHING, last=0, last_chain=NOTHING)
    head.seal = seals.sign(head._said())
    AuditHead.insert(head.__data__ | {"id": HEAD}).on_conflict_ignore().execute()
    lanes.forget()


Tell = Callable[[list[AuditEvent]], None]
"""Is told in the same transaction what has just come into the chain, in order."""


def sequence(batch: int = BATCH, tell: Tell | None = None) -> int:
    """Put up to a batch of committed events into the chain, in a unit of work of its own; return how many."""
    try:
        return run_transaction(partial(_sequence, batch, tell))
    except Overtaken:
        return 0


def _sequence(batch: int, tell: Tell | None) -> int:
    newest = AuditEvent.select().order_by(AuditEvent.id.desc()).first()
    head = AuditHead.find()  # after the newest event, which it cannot be behind; before what is still to come
    entries = list(_due().order_by(PendingEvent.id).limit(batch))
    if not entries:
        return 0
    marks: list[SealedEvent] = []
    # where others have written a newer head meanwhile, `missed` is wrong, but then nothing of this is kept
    if head is None or not head.is_sealed() or (newest and newest.id > head.last) or head.missed():
        head, marks = _begin_anew(head, newest)
    rows = []
    for entry in [*marks, *entries]:
        # sealed as its place in the chain is: a key that is retired later would leave a seal that nobody knows
        seal = seals.renew(entry.seal, entry.sealed_text())
        row = AuditEvent(id=head.last + 1, seal=seal, **{name: entry.__data__[name] for name in SAID})
        row.chain = row.chained_to(head.last_chain)
        row.chain_seal = seals.sign(_sealed_chain(row.chain))
        head.last, head.last_chain = row.id, row.chain
        rows.append(row)
    head.store()  # the first that is written: who is faster is waited for here, with nothing else held
    if marks:
        log.error("audit: the head of the chain does not fit; `rollbook audit verify` tells more")
    for page in peewee.chunked(rows, PAGE):
        AuditEvent.insert_many([row.__data__ for row in page]).execute()
    if tell:
        tell(rows)
    taken = PendingEvent.delete().where(PendingEvent.id.in_([entry.id for entry in entries]))
    if set(taken.returning(PendingEvent.seal).tuples().execute()) != {(entry.seal,) for entry in entries}:
        raise Overtaken  # a refusal was counted on at the last moment
    return len(entries)


def _due() -> Any:
    """Return the query for what may go into the chain: each lane in order, refusals once nobody counts on in them."""
    rested = store_time() - RESTING_SECONDS * 1000
    earlier = PendingEvent.alias()
    waits = earlier.select(peewee.Value(1)).where(
        earlier.lane == PendingEvent.lane, earlier.number < PendingEvent.number, earlier.arrived > rested
    )
    at_rest = (PendingEvent.arrived <= rested) & ~peewee.fn.EXISTS(waits)
    return PendingEvent.select().where(~PendingEvent.counting | at_rest)


def _begin_anew(found: AuditHead | None, newest: AuditEvent | None) -> tuple[AuditHead, list[SealedEvent]]:
    """Return a head that goes on after the newest event, and the mark that is left in the chain."""
    if found is None:
        begin()
    head = found or AuditHead.get_by_id(HEAD)
    head.last, head.last_chain = (newest.id, newest.chain) if newest else (head.purged, head.purged_chain)
    nobody = dict.fromkeys(("account", "actor", "contract", "address"))
    mark = SealedEvent(
        lane=Lane(None).id, number=1, created=clock.now(), event=str(Event.CHAIN_BROKEN), detail="{}", count=1, **nobody
    )
    mark.seal = seals.sign(mark.sealed_text())
    return head, [mark]


def purge(batch: int) -> int:
    """Forget up to a batch of the oldest events, those that are older than the rules keep them; return how many."""
    kept = settings.current.audit_retention_seconds
    if not kept:
        return 0
    too_old = min(clock.now(), store_time() // 1000) - kept  # a clock that jumped ahead must not empty the audit
    oldest = list(AuditEvent.select().order_by(AuditEvent.id).limit(batch))
    young = next((place for place, entry in enumerate(oldest) if entry.created > too_old), len(oldest))
    if not young:
        return 0
    head = AuditHead.find()
    newest = oldest[young - 1]
    if head is None or not head.is_sealed():
        return 0  # who broke the chain does not get the traces cleared away
    if newest.id <= head.purged:
        return 0  # another cleanup was faster
    head.purged, head.purged_chain = newest.id, newest.chain
    try:
        head.store()
    except Overtaken:
        return 0  # the next cleanup does it
    AuditEvent.delete().where(AuditEvent.id <= newest.id).execute()
    return young


def store_time() -> int:
    """Return the time in milliseconds by the store's clock, which is the same for all instances."""
    return int(database.execute_sql(f"SELECT {database.clock}").fetchone()[0])


def _sealed_chain(chain: str) -> bytes:
    return f"audit chain\n{chain}".encode()
