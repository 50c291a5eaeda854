"""The unit of work: when its transaction begins, what is kept, what is undone.

Reads run in autocommit until a verb that is about to write begins the transaction: `database.begin_immediate()`. So a
handler that only reads opens none, and a password, which is hashed before, never while the write lock is held.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import local
from typing import Any, Protocol, TypeVar

import peewee

from models import clock
from models.db.maintenance import AS_PEEWEE, SqliteMaintenance
from models.errors import DirectoryError

Result = TypeVar("Result")

WRITES = (peewee.Insert, peewee.Update, peewee.Delete)
CONNECTION_ERRORS = (peewee.OperationalError, peewee.InterfaceError)


class NotBegun(Exception):
    """Raised where something is to be written in a unit whose transaction no verb has begun."""


class OutsideUnit(Exception):
    """Raised where a request reaches for the store past `run_transaction`: nothing there heals a connection."""


class RunAgain(Exception):
    """Raised by a unit's work that somebody was faster than: it is undone, and `run_transaction` does it anew."""


class Credential(Protocol):
    """What a caller was let in by: a session, an access key."""

    def reread(self) -> None:
        """Look again whether it is good, and keep it so until the transaction ends. Raises what its look-up raises."""


class State(local):
    """What a store knows of the unit that a thread is in."""

    unit: "Unit | None" = None
    durable = True
    serving = False
    """What is in hand is a request, whose every statement stands in a unit."""
    at_once = False
    """Nobody may be waited for here, since others wait for this thread."""
    commit_sent = False
    """The commit was sent: whatever is heard after that, it may have happened."""
    away = False
    """The store could not be reached, or let the unit wait for too long."""
    remaining_seconds: float | None = None
    """Seconds that the store may still take of the work at hand; None: each statement has its own."""


class Unit:
    """The context of one unit of work, and what is known of it. A class, since every request enters one.

    A unit may stand in another that has not begun its transaction yet.
    """

    credentials: tuple[Credential, ...] = ()
    """What the unit's work relies on."""
    read: dict[Any, Any] | None = None
    """What the unit has read before its transaction began."""
    last: list[tuple[Callable[[], Any], bool]] | None = None
    """What is to be done last, and whether also where the unit is refused."""

    def __init__(self, store: Any, durable: bool) -> None:
        self.store = store
        self.durable = durable

    def __enter__(self) -> None:
        state = self.store._transaction
        self.outer = state.unit
        if self.outer is not None and self.store.in_transaction():
            raise RuntimeError("a unit of work in another whose transaction has begun")
        state.unit = self
        if not self.durable:
            self.outer_durable, state.durable = state.durable, False
            self.store._swap()
        if state.commit_sent or state.away:
            state.commit_sent = state.away = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        state = self.store._transaction
        if error is None and self.last is None and not state.away and not self.store.in_transaction() and self.durable:
            state.unit = self.outer  # it only read, as most do: 1 µs
            return
        try:
            if isinstance(error, CONNECTION_ERRORS):
                self.store._abandon(error)
            else:
                self._finish(error)
        finally:
            if not self.durable:
                self.store._swap()
                state.durable = self.outer_durable
            state.unit = self.outer
        state.commit_sent = False

    def _finish(self, error: BaseException | None) -> None:
        refused = isinstance(error, DirectoryError)
        keep = error is None or (isinstance(error, DirectoryError) and error.keeps_changes)
        last = self.last or []
        try:
            if not keep:
                self.store._finish(commit=False)
                last = [(work, True) for work, also in last if also and refused]
            if last:
                self.store._start()
            acknowledge = [work() for work, _ in last]
            if keep or last:
                self.store._finish(commit=True)
                for then in filter(callable, acknowledge):
                    then()
        except CONNECTION_ERRORS as lost:
            self.store._abandon(lost)
            raise
        except BaseException:
            self.store._finish(commit=False)
            raise


class UnitOfWork:
    """Mixin that lets a database begin a transaction at the first write of a unit of work."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._transaction = State()
        super().__init__(*args, **options)

    def request_transaction(self, durable: bool = True) -> Unit:
        """Return the context that commits what is written inside when it ends well, and else undoes it.

        durable: what is committed survives a power cut.
        """
        return Unit(self, durable)

    def _swap(self) -> None:
        """Change over to what stores what need not be durable, or back."""

    def timeout(self, seconds: float, work: Callable[[], Result]) -> Result:
        """Do a request's work, of which the store may take so many seconds, however many statements that are.

        Raises OutsideUnit for a statement that stands in no unit.
        """
        state = self._transaction
        before = state.remaining_seconds, state.serving
        state.remaining_seconds, state.serving = seconds, True
        try:
            return work()
        finally:
            state.remaining_seconds, state.serving = before

    def at_once(self, work: Callable[[], Result]) -> Result:
        """Do a request's work without waiting for others: where they are in the way, it fails, and `is_busy` tells.

        Raises OutsideUnit for a statement that stands in no unit.
        """
        state = self._transaction
        before = state.at_once, state.serving
        state.at_once = state.serving = True
        try:
            return work()
        finally:
            state.at_once, state.serving = before

    def is_busy(self, error: BaseException) -> bool:
        """Tell whether an error means that others have the lock, and only that."""
        return False

    def begin_immediate(self: Any, alone: bool = False, holding: Iterable[Any] = ()) -> None:
        """Begin the unit's transaction, if it has not begun: said by every verb before it writes, after it hashed.

        The credentials that the unit relies on are read again: who has lost them meanwhile changes nothing.
        alone: what is read from here on nobody else changes who says so too, until the unit ends. holding: the accounts
        of which the unit reads what it then changes: who else holds one of them waits.
        Outside a unit each statement stands for itself. Raises what `Credential.reread` raises.
        """
        unit = self._transaction.unit
        begins = unit is not None and not self.in_transaction()
        self._start(alone)
        self.lock(*holding)  # before the credentials, which hold accounts too: all in one order
        if begins:
            for credential in unit.credentials:
                credential.reread()

    def rely_on(self: Any, credential: Credential) -> None:
        """Do what the unit does only if a credential that was found good is still good when the transaction begins.

        Said by the look-ups of credentials. Where one was looked up in a unit before, whoever runs the unit says so.
        """
        unit = self._transaction.unit
        if self.in_transaction():
            credential.reread()
        elif unit is not None:
            unit.credentials += (credential,)

    def read_once(self: Any, key: Any, read: Callable[[], Result]) -> Result:
        """Return what is read; in a unit, until its transaction begins, what was read the first time under this key.

        For what is read again, or compared, by whoever writes.
        """
        unit = self._transaction.unit
        if unit is None or self.in_transaction():
            return read()
        if unit.read is None:
            unit.read = {}
        if key not in unit.read:
            unit.read[key] = read()
        found: Result = unit.read[key]
        return found

    def check_begun(self: Any) -> None:
        """Raise NotBegun in a unit whose transaction has not begun: what is written there could not be undone."""
        if self._transaction.unit is not None and not self.in_transaction():
            raise NotBegun

    def before_commit(self: Any, work: Callable[[], Any], also_if_refused: bool = False) -> None:
        """Do this work right before the unit commits, so that a lock that it takes is held only for a moment.

        work: may return a function that is called once the commit was acknowledged.
        also_if_refused: do it also where the directory refuses and the unit is undone, in a transaction of its own.
        Outside a unit it is done at once.
        """
        unit = self._transaction.unit
        if unit is None:
            with self.atomic():
                acknowledge = work()
            if callable(acknowledge):
                acknowledge()
        elif unit.last is None:
            unit.last = [(work, also_if_refused)]
        else:
            unit.last.append((work, also_if_refused))

    def lock(self, *rows: Any) -> None:
        """Wait for others that are about to change rows of a table; nobody else does before the unit ends."""

    def lock_names(self, *names: str) -> None:
        """Wait for others that are about to take one of these names, of which there is no row yet."""

    def for_delete(self, query: Any) -> Any:
        """Return a query whose rows nobody else changes or refers to before the unit ends."""
        return query

    def for_share(self, query: Any) -> Any:
        """Return a query whose rows nobody else changes before the unit ends; its transaction must have begun."""
        return query

    def may_be_repeated(self, error: Exception) -> bool:
        """Tell whether the unit that ended in this error did nothing, and may do better when it is run again."""
        return False

    def execute_sql(self: Any, sql: str, params: Any = None) -> Any:
        """Execute one statement. Raises OutsideUnit; outside of units a connection that failed is given up at once."""
        state = self._transaction
        if state.unit is None and state.serving:
            raise OutsideUnit
        try:
            # as Peewee does, without its five calls for logs and hooks that are not used here: 1 µs of 5
            with AS_PEEWEE:
                cursor = (self._state.conn or self.connection()).cursor()
                cursor.execute(sql, params or ())
            return cursor
        except CONNECTION_ERRORS as error:
            if state.unit is None and not self.in_transaction():
                self._abandon(error)
            raise

    def execute(self, query: Any, **options: Any) -> Any:
        """Execute a query; one that writes, only where the unit's transaction has begun. Raises NotBegun."""
        if isinstance(query, WRITES):
            self.check_begun()
        base: Any = super()  # a Peewee database
        return base.execute(query, **options)

    def begin(self, *args: Any, **options: Any) -> None:
        """Begin a transaction, as `atomic` does. Raises NotBegun in a unit, which begins its own."""
        self.check_begun()
        base: Any = super()  # a Peewee database
        base.begin(*args, **options)

    def _start(self: Any, alone: bool = False) -> None:
        """Begin the unit's transaction, if it has not begun."""
        state = self._transaction
        unit = state.unit
        if unit is None or self.in_transaction():
            return
        state.unit = None  # what begins it passes `begin`
        try:
            self.session_start()
        finally:
            state.unit = unit

    def _finish(self: Any, commit: bool) -> None:
        if not self.in_transaction():
            return
        if commit:
            self._transaction.commit_sent = True
            self.session_commit()
        else:
            self.session_rollback()

    def _abandon(self: Any, error: BaseException) -> None:
        """Roll back; close a connection that may be of no more use, so that the next unit opens a new one."""
        if not self._is_spoilt(error):
            with suppress(*CONNECTION_ERRORS):
                self._finish(commit=False)
                return
        with suppress(Exception):
            self._state.conn.close()
        self._state.reset()

    def _is_spoilt(self: Any, error: BaseException) -> bool:
        """Tell whether a connection is to be given up after this error."""
        return self._transaction.commit_sent or not self.is_connection_usable()


class OtherConnection(local):
    """A second connection of a thread."""

    conn: Any = None


UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""Codes of errors that a write meets where there is no room or no right for it."""


class Sqlite(UnitOfWork, SqliteMaintenance, peewee.SqliteDatabase):
    """The embedded default."""

    clock = "rollbook_clock()"
    """The store's time in milliseconds, as an expression."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._other = OtherConnection()
        super().__init__(*args, **options)
        self.register_function(clock.milliseconds, "rollbook_clock", 0)

    refuses_writes = False
    """The last write failed, for want of room or since the file is read-only."""

    def _abandon(self: Any, error: BaseException) -> None:
        """Roll back; note whether the file cannot be written."""
        self.refuses_writes |= _code(error) in UNWRITABLE
        super()._abandon(error)

    def _connect(self) -> Any:
        base: Any = super()  # a Peewee database
        connection = base._connect()
        if not self._transaction.durable:
            connection.execute("PRAGMA synchronous = normal")
        if self._transaction.at_once:
            connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def _swap(self: Any) -> None:
        """Change over to the thread's connection that does not wait for the disk, or back.

        The next lasting commit takes with it what was written there.
        """
        self._state.conn, self._other.conn = self._other.conn, self._state.conn
        self._state.closed = self._state.conn is None

    def close(self) -> Any:
        """Close the connections of this thread."""
        if self._other.conn is not None:
            self._other.conn.close()
            self._other.conn = None
        base: Any = super()  # a Peewee database
        return base.close()

    def is_busy(self, error: BaseException) -> bool:
        """Tell whether an error means that others have the lock, and only that."""
        return _code(error) == sqlite3.SQLITE_BUSY

    def by_code_points(self, text: Any) -> Any:
        """Return a text column as it is ordered by code points."""
        return text


def _code(error: BaseException) -> int:
    """Return SQLite's primary code of an error; 0 where it is another's."""
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
