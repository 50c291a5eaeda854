"""The audit: what happened that concerns security, in order, each event tied to the one before.

An event is written in the transaction of the act that it records, as its last statements. Its `chain` is the SHA-256 of
the chain of the event before it and of all that it says; its `seal` is the HMAC of that under the server's secret key.
So whoever can write to the store, but does not have the key, can neither change nor remove nor add an event unseen. The
chain itself needs no key, so that the key can be rotated: events whose key is long gone are vouched for by the ones
that follow.

The head, one row, says where the chain begins (what is older was purged) and ends, under a seal of its own: cutting off
the newest events shows. What no store can show by itself is that all of it was replaced by an older copy: whoever wants
to know notes what `verify` says of the end, elsewhere.
"""

import hashlib
import hmac
import logging
from enum import StrEnum
from functools import partial
from typing import Any

import orjson
import peewee

from models import clock, settings
from models.actor import current
from models.db.cached_query import CachedQuery, CachedStatement
from models.db.database import Model, database

log = logging.getLogger("rollbook.audit")

HEAD = 1
"""Id of the one head."""
NOTHING = ""
"""What the first event is chained to."""


class Event(StrEnum):
    """What can happen."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # names an event
    PASSWORD_REFUSED = "password_refused"  # noqa: S105  # names an event
    CONTACT_CHANGED = "contact_changed"
    RECOVERY_ASKED = "recovery_asked"
    RECOVERY_REFUSED = "recovery_refused"
    RECOVERED = "recovered"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_DELETED = "account_deleted"
    KEY_MADE = "key_made"
    KEY_REVOKED = "key_revoked"
    IMPORTED = "imported"
    EXPORTED = "exported"
    CHAIN_BROKEN = "chain_broken"
    """Written by the next event where the head was found to be gone, changed, or sealed by a key that nobody has."""


DETAILS: dict[Event, frozenset[str]] = {
    Event.REGISTERED: frozenset({"admin"}),
    Event.LOGIN_REFUSED: frozenset({"reason"}),
    Event.SESSION_ENDED: frozenset({"session", "sessions"}),
    Event.CONTACT_CHANGED: frozenset({"fields"}),
    Event.RECOVERY_ASKED: frozenset({"channel"}),
    Event.RECOVERY_REFUSED: frozenset({"channel"}),
    Event.RECOVERED: frozenset({"channel"}),
    Event.KEY_MADE: frozenset({"accessid", "given"}),
    Event.KEY_REVOKED: frozenset({"accessid"}),
    Event.IMPORTED: frozenset({"what", "id", "rows"}),
    Event.EXPORTED: frozenset({"what", "id", "rows"}),
}
"""What may be told of an event beside who, where and when. Never a secret, a name that was typed, or an address."""


class AuditEvent(Model):
    """One event. Accounts are told by id, which is never given again; so the event outlives its account."""

    id = peewee.BigIntegerField(primary_key=True)
    """Counts from 1 without a gap."""
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
    chain = peewee.CharField(max_length=64)
    seal = peewee.CharField(max_length=64)

    class Meta:
        legacy_table_names = False
        indexes = ((("account", "id"), False),)

    def chained_to(self, before: str) -> str:
        """Return what the chain must be here when it was `before` at the event before."""
        said = [self.id, self.created, self.event, self.account, self.actor, self.contract, self.address, self.detail]
        return hashlib.sha256(before.encode() + b"\n" + orjson.dumps(said)).hexdigest()

    def is_sealed(self) -> bool:
        """Tell whether a key of the server sealed it."""
        return _fits(self.seal, _sealed_event(self.chain))


class AuditHead(Model):
    """Where the chain begins and ends. One row, which is also the lock that puts the events in order."""

    id = peewee.IntegerField(primary_key=True)
    purged = peewee.BigIntegerField()
    """Id of the newest event that was purged, 0 if none was; and what its chain was."""
    purged_chain = peewee.CharField(max_length=64)
    last = peewee.BigIntegerField()
    """Id of the newest event, and its chain."""
    last_chain = peewee.CharField(max_length=64)
    seal = peewee.CharField(max_length=64)

    class Meta:
        legacy_table_names = False

    @classmethod
    def lock(cls) -> "AuditHead | None":
        """Return the head, which nobody else changes until this transaction ends."""
        return LOCK.first(HEAD)

    def is_sealed(self) -> bool:
        """Tell whether a key of the server sealed it."""
        return _fits(self.seal, self._said())

    def store(self) -> None:
        """Seal and write what it says now."""
        self.seal = _sign(settings.current.secret_keys[0], self._said())
        values = [self.purged, self.purged_chain, self.last, self.last_chain, self.seal]
        if not STORE.execute(*values, HEAD).rowcount:
            AuditHead.insert(self.__data__ | {"id": HEAD}).execute()

    def _said(self) -> bytes:
        return f"audit head\n{self.purged}\n{self.purged_chain}\n{self.last}\n{self.last_chain}".encode()


def note(event: Event, account: int | None = None, **detail: Any) -> None:
    """Record an event at the end of the unit of work in hand; it is kept or undone with it."""
    _record(event, account, detail, also_if_refused=False)


def note_refusal(event: Event, account: int | None = None, **detail: Any) -> None:
    """Record that something is refused; where the refusal undoes the unit in hand, in a transaction of its own."""
    _record(event, account, detail, also_if_refused=True)


def _record(event: Event, account: int | None, detail: dict[str, Any], also_if_refused: bool) -> None:
    unknown = detail.keys() - DETAILS.get(event, frozenset())
    if unknown:
        raise ValueError(f"{event}: {min(unknown)} may not be told")
    contract, address, actor = current.get()()
    told = orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()
    said = {"account": account, "actor": actor, "contract": contract, "address": address, "detail": told}
    database.before_commit(partial(_append, event, said), also_if_refused)


def _append(event: Event, said: dict[str, Any]) -> None:
    head = AuditHead.lock()
    if head is None or not head.is_sealed():
        head = _begin_anew(head)
    while not _write(head, event, said):  # somebody put a row where ours belongs
        head = _begin_anew(head)


def _begin_anew(found: AuditHead | None) -> AuditHead:
    """Return a head that goes on after the newest event, and leave a mark in the chain unless it is a new store's."""
    newest = AuditEvent.select().order_by(AuditEvent.id.desc()).first()
    head = AuditHead(purged=0, purged_chain=NOTHING, last=0, last_chain=NOTHING)
    if found is not None:
        head.purged, head.purged_chain = found.purged, found.purged_chain
        head.last, head.last_chain = found.purged, found.purged_chain
    if newest is not None:
        head.last, head.last_chain = newest.id, newest.chain
    if newest is not None or found is not None:
        log.error("audit: the head of the chain does not fit; `rollbook audit verify` tells more")
        nobody = dict.fromkeys(("account", "actor", "contract", "address"))
        _write(head, Event.CHAIN_BROKEN, {**nobody, "detail": "{}"})
    return head


def _write(head: AuditHead, event: Event, said: dict[str, Any]) -> bool:
    """Put an event behind the last one; tell whether its place was free."""
    entry = AuditEvent(id=head.last + 1, created=clock.now(), event=str(event), **said)
    entry.chain = entry.chained_to(head.last_chain)
    entry.seal = _sign(settings.current.secret_keys[0], _sealed_event(entry.chain))
    written = APPEND.execute(*(entry.__data__[name] for name in COLUMNS)).rowcount
    if written:
        head.last, head.last_chain = entry.id, entry.chain
        head.store()
    return bool(written)


def purge(batch: int) -> int:
    """Forget up to a batch of the oldest events, those that are older than the rules keep them; return how many."""
    kept = settings.current.audit_retention_seconds
    if not kept:
        return 0
    too_old = clock.now() - kept
    oldest = list(AuditEvent.select().order_by(AuditEvent.id).limit(batch))
    young = next((place for place, entry in enumerate(oldest) if entry.created > too_old), len(oldest))
    if not young:
        return 0
    database.begin_immediate()
    head = AuditHead.lock()
    newest = oldest[young - 1]
    if head is None or not head.is_sealed():
        return 0  # who broke the chain does not get the traces cleared away
    if newest.id <= head.purged:
        return 0  # another cleanup was faster
    AuditEvent.delete().where(AuditEvent.id <= newest.id).execute()
    head.purged, head.purged_chain = newest.id, newest.chain
    head.store()
    return young


def _sealed_event(chain: str) -> bytes:
    return f"audit event\n{chain}".encode()


def _sign(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, hashlib.sha256).hex()


def _fits(seal: str, message: bytes) -> bool:
    told = seal.encode()
    return any(hmac.compare_digest(_sign(key, message).encode(), told) for key in settings.current.secret_keys)


COLUMNS: list[str] = AuditEvent._meta.sorted_field_names
APPEND = CachedStatement(lambda: AuditEvent.insert(dict.fromkeys(COLUMNS, 0)).on_conflict_ignore())
LOCK = CachedQuery(
    AuditHead, lambda: AuditHead.update(last=AuditHead.last).where(AuditHead.id == 0).returning(AuditHead)
)
STORE = CachedStatement(
    lambda: AuditHead.update(purged=0, purged_chain="", last=0, last_chain="", seal="").where(AuditHead.id == 0)
)
