"""Whether the audit is whole: the first event that was altered, removed or put in is named."""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import peewee

from models.audit.chain import NOTHING, AuditEvent, AuditHead, store_time
from models.audit.events import Event
from models.audit.lanes import LIFETIME, PendingEvent, SealedEvent

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
    how many were looked at. vouched: how many of them are sealed by a key that the server no longer has. pending: how
    many are not in the chain yet.
    """

    fault: str | None
    row: int | None
    end: Point
    checked: int
    vouched: int
    pending: int


class Tail(NamedTuple):
    """What is not in the chain yet: how many events, and for how many seconds the oldest act has waited."""

    events: int
    seconds: float


class _Broken(Exception):
    def __init__(self, row: int | None, fault: str) -> None:
        super().__init__(fault)
        self.row, self.fault = row, fault


def events(after: int = BEFORE_ALL) -> Iterator[AuditEvent]:
    """Yield the events of the chain in order of id, page by page."""
    return _pages(AuditEvent.select(), after)


def pending() -> Iterator[PendingEvent]:
    """Yield the events that are not in the chain yet, in the order in which they were written."""
    return _pages(PendingEvent.select(), BEFORE_ALL)


def newest(number: int, **wanted: Any) -> Iterator[SealedEvent]:
    """Yield so many of the newest events, the oldest of them first; those that are not in the chain yet come last.

    wanted: account (id), event (kind) and search (a text in address, contract or detail), each None for all.
    """
    chain, waiting = _wanted(AuditEvent, **wanted), _wanted(PendingEvent, **wanted)
    late = min(number, waiting.count())
    for rows, size in ((chain, number - late), (waiting, late)):
        id = rows.model.id
        first = rows.order_by(id.desc()).offset(size - 1).first() if size else None
        if size:
            yield from _pages(rows, first.id - 1 if first else BEFORE_ALL)


def following(after: int, **wanted: Any) -> Iterator[SealedEvent]:
    """Yield the events of the chain after an id, then those that are not in it yet. wanted: as at `newest`."""
    yield from _pages(_wanted(AuditEvent, **wanted), after)
    yield from _pages(_wanted(PendingEvent, **wanted), BEFORE_ALL)


def _wanted(table: Any, account: int | None = None, event: Event | None = None, search: str | None = None) -> Any:
    rows = table.select()
    if account is not None:
        rows = rows.where(table.account == account)
    if event is not None:
        rows = rows.where(table.event == str(event))
    if search:
        texts = (table.address, table.contract, table.detail)
        rows = rows.where(reduce(or_, (text.contains(search) for text in texts)))
    return rows


def _pages(rows: Any, after: int) -> Iterator[Any]:
    id = rows.model.id
    page = list(rows.where(id > after).order_by(id).limit(PAGE))
    while page:
        yield from page
        page = list(rows.where(id > page[-1].id).order_by(id).limit(PAGE))


def tail() -> Tail:
    """Return how much is not in the chain yet."""
    acts = peewee.Case(None, [(~PendingEvent.counting, PendingEvent.arrived)])
    number, oldest = PendingEvent.select(peewee.fn.COUNT(PendingEvent.id), peewee.fn.MIN(acts)).scalar(as_tuple=True)
    return Tail(number, max(0, store_time() - oldest) / 1000 if oldest is not None else 0.0)


def head_faults() -> Iterator[str]:
    """Yield what is wrong with the head by itself, and against what the rest of the store knows."""
    head = AuditHead.find()
    if head is None:
        yield "the head was removed"
        return
    if not head.is_sealed():
        yield "the head was altered, or sealed by a key that the server does not have"
    if newer := head.missed():
        yield f"the head is older than {' '.join(map(str, newer))}: newer events were removed with it"


def verify(
    entries: Iterable[AuditEvent],
    waiting: Iterable[PendingEvent],
    head: AuditHead | None,
    since: Point | None = None,
) -> Finding:
    """Check the chain against itself, the seals, the lanes and the head, all of one moment.

    entries: in order of id; all of them, or those after `since`, an event that is known from outside: the chain must go
    on from it. waiting: what is not in the chain yet, in order of id.
    """
    walk = _Walk(since)
    try:
        walk.begin(head)
        for entry in entries:
            walk.step(entry)
        walk.finish(head)
        for late in waiting:
            walk.wait(late)
    except _Broken as broken:
        return Finding(broken.fault, broken.row, walk.end, walk.checked, walk.vouched, walk.pending)
    return Finding(None, None, walk.end, walk.checked, walk.vouched, walk.pending)


class _Walk:
    """A walk along the chain."""

    def __init__(self, since: Point | None) -> None:
        self.since = since
        self.end = since or Point(0, NOTHING)
        self.from_the_first = False
        self.checked = self.vouched = self.pending = 0
        self.sealed = False
        self.lanes: dict[str, tuple[int, int]] = {}
        """Lane -> number and time of its newest event."""

    def begin(self, head: AuditHead | None) -> None:
        if head is None:
            raise _Broken(None, "the head was removed")
        if self.since is None:
            self.end = Point(head.purged, head.purged_chain)
            self.from_the_first = head.purged == 0
        elif self.since.id < head.purged:
            raise _Broken(None, f"event {self.since.id} was purged: name a newer one")

    def step(self, entry: AuditEvent) -> None:
        if entry.id <= self.end.id:
            raise _Broken(entry.id, "it was put in before the first")
        if entry.id > self.end.id + 1:
            raise _Broken(self.end.id + 1, "it was removed")
        if entry.chain != entry.chained_to(self.end.chain):
            raise _Broken(entry.id, "it was altered, or put in, or one before it was removed")
        if entry.is_chain_sealed():
            self.sealed = True
            if not entry.is_sealed():
                raise _Broken(entry.id, "it was altered or put in before it came into the chain")
        elif self.sealed:
            raise _Broken(entry.id, "it was altered or put in, and the chain after it written anew")
        else:
            self.vouched += 1
        self._follow(entry, entry.id)
        if entry.event == Event.CHAIN_BROKEN:
            raise _Broken(entry.id, "when it was written the head did not fit: look at what is before it")
        self.end = Point(entry.id, entry.chain)
        self.checked += 1
        if self.checked % PAGE == 0:
            self._forget_lanes(entry.created)

    def _follow(self, entry: SealedEvent, row: int | None) -> None:
        """Check that an event is the next of its lane."""
        first = 1 if self.from_the_first else entry.number
        due = self.lanes[entry.lane][0] + 1 if entry.lane in self.lanes else first
        if entry.number > due:
            lost = f"event {due} of its lane" if row else f"event {due} of lane {entry.lane}"
            raise _Broken(row, f"{lost} was removed before it came into the chain")
        if entry.number < due:
            raise _Broken(row, f"event {entry.number} of lane {entry.lane} was put in twice")
        self.lanes[entry.lane] = entry.number, entry.created

    def _forget_lanes(self, now: int) -> None:
        """Forget lanes that came to their end long ago, so that this takes no more room than a few days' events."""
        self.lanes = {lane: at for lane, at in self.lanes.items() if at[1] > now - 2 * LIFETIME}

    def finish(self, head: AuditHead | None) -> None:
        if head is None or not head.is_sealed():
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

    def wait(self, entry: PendingEvent) -> None:
        """Check an event that is not in the chain yet."""
        if not entry.is_sealed():
            which = f"event {entry.number} of lane {entry.lane}, not yet in the chain,"
            raise _Broken(None, f"{which} was altered or put in")
        self._follow(entry, None)
        self.pending += 1
