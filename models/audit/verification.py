"""Whether the audit is whole: the first event that was altered, removed or put in is named."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from models.audit.events import HEAD, NOTHING, AuditEvent, AuditHead, Event

BEFORE_ALL = -(2**63)
PAGE = 1_000
"""Events that are read at a time."""


class Point(NamedTuple):
    """A place in the chain: the id of an event, and its chain. Whoever notes it elsewhere can ask for it later."""

    id: int
    chain: str


class Finding(NamedTuple):
    """What a check came to.

    fault: what is wrong, None where nothing is; row: the first event that it concerns. end: the newest event. checked:
    how many were looked at. vouched: how many of them are sealed by a key that the server no longer has.
    """

    fault: str | None
    row: int | None
    end: Point
    checked: int
    vouched: int


class _Broken(Exception):
    def __init__(self, row: int | None, fault: str) -> None:
        super().__init__(fault)
        self.row, self.fault = row, fault


def events(after: int = BEFORE_ALL) -> Iterator[AuditEvent]:
    """Yield the events in order of id, page by page."""
    page = list(AuditEvent.select().where(AuditEvent.id > after).order_by(AuditEvent.id).limit(PAGE))
    while page:
        yield from page
        page = list(AuditEvent.select().where(AuditEvent.id > page[-1].id).order_by(AuditEvent.id).limit(PAGE))


def newest(number: int, account: int | None = None, event: Event | None = None) -> list[AuditEvent]:
    """Return so many of the newest events, the oldest of them first: all, an account's, those of a kind."""
    found = AuditEvent.select()
    if account is not None:
        found = found.where(AuditEvent.account == account)
    if event is not None:
        found = found.where(AuditEvent.event == str(event))
    return list(found.order_by(AuditEvent.id.desc()).limit(number))[::-1]


def head() -> AuditHead | None:
    """Return the head."""
    found: AuditHead | None = AuditHead.get_or_none(AuditHead.id == HEAD)
    return found


def verify(entries: Iterable[AuditEvent], head: AuditHead | None, since: Point | None = None) -> Finding:
    """Check the chain against itself, the seals and the head, all of one moment.

    entries: in order of id; all of them, or those after `since`, an event that is known from outside: the chain must go
    on from it.
    """
    walk = _Walk(since)
    try:
        walk.begin(head)
        for entry in entries:
            walk.step(entry)
        walk.finish(head)
    except _Broken as broken:
        return Finding(broken.fault, broken.row, walk.end, walk.checked, walk.vouched)
    return Finding(None, None, walk.end, walk.checked, walk.vouched)


class _Walk:
    """A walk along the chain."""

    def __init__(self, since: Point | None) -> None:
        self.since = since
        self.end = since or Point(0, NOTHING)
        self.checked = 0
        self.vouched = 0
        self.sealed = False

    def begin(self, head: AuditHead | None) -> None:
        if head is None:
            return
        if self.since is None:
            self.end = Point(head.purged, head.purged_chain)
        elif self.since.id < head.purged:
            raise _Broken(None, f"event {self.since.id} was purged: name a newer one")

    def step(self, entry: AuditEvent) -> None:
        if entry.id <= self.end.id:
            raise _Broken(entry.id, "it was put in before the first")
        if entry.id > self.end.id + 1:
            raise _Broken(self.end.id + 1, "it was removed")
        if entry.chain != entry.chained_to(self.end.chain):
            raise _Broken(entry.id, "it was altered, or put in, or one before it was removed")
        if entry.is_sealed():
            self.sealed = True
        elif self.sealed:
            raise _Broken(entry.id, "it was altered or put in, and the chain after it written anew")
        else:
            self.vouched += 1
        if entry.event == Event.CHAIN_BROKEN:
            raise _Broken(entry.id, "when it was written the head did not fit: look at what is before it")
        self.end = Point(entry.id, entry.chain)
        self.checked += 1

    def finish(self, head: AuditHead | None) -> None:
        if head is None:
            if self.checked or self.since:
                raise _Broken(None, "the head was removed")
            return
        if not head.is_sealed():
            raise _Broken(None, "the head was altered, or sealed by a key that the server does not have")
        if self.end.id < head.last:
            raise _Broken(self.end.id + 1, "it was removed")
        if self.end.id > head.last:
            raise _Broken(head.last + 1, "it was put in behind the last")
        if self.end.chain != head.last_chain:
            raise _Broken(self.end.id, "it was altered")
        if self.checked and not self.sealed:
            raise _Broken(
                self.end.id - self.checked + 1, "neither it nor any after it is sealed by a key of the server"
            )
