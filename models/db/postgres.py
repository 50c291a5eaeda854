"""PostgreSQL: a store of its own, for several instances, which may be slow, away, or another machine than before."""

from threading import Lock
from time import monotonic
from typing import Any

import peewee
import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

from models import settings
from models.db.maintenance import AS_PEEWEE, PostgresMaintenance
from models.db.transaction import State, UnitOfWork

CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a serialization failure and of a deadlock: the same work may succeed when it is done again."""
READ_ONLY = ("25006", "25P03")
"""SQLSTATEs of a leader that was demoted, and of a session that it has ended meanwhile."""
GONE = (None, *READ_ONLY, "57P01", "57P02")
"""SQLSTATEs under which a connection dies: nothing was heard, demoted, shut down, a crash next door."""
ONE_AT_A_TIME = 8_262
"""Number of the advisory lock that stands for SQLite's one writer."""
CONNECT_SECONDS = 2
"""For each host of the address; libpq knows no shorter time."""
IDLE_SECONDS = 60
"""For so long a transaction may be open between two statements."""
PREPARE_THRESHOLD = 5
"""So often is a statement run before it is prepared."""
SLACK_SECONDS = 1
"""The server ends a slow statement by itself; one that does not is not waited for much longer."""
OPTIONS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5_000,
}
"""However a host fails, it is known within seconds."""


class Connection(psycopg.Connection[Any]):
    """A connection that waits for its server no longer than the work at hand may take.

    Limits that the server keeps do not help where it stands still: its kernel goes on acknowledging what is sent.
    """

    unit: State

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer. Raises OperationalError when time is up."""
        left = self.unit.remaining_seconds
        most = settings.current.database_timeout_seconds + SLACK_SECONDS if left is None else left
        began = monotonic()
        try:
            if most <= 0:
                raise psycopg.OperationalError("the store has taken all the time that it may")
            return super().wait(gen, interval, most)
        except psycopg.Error:
            if monotonic() - began >= most:
                self.unit.away = True
            raise
        finally:
            if left is not None:
                self.unit.remaining_seconds = left - (monotonic() - began)


class Postgres(UnitOfWork, PostgresMaintenance, peewee.PostgresqlDatabase):
    """A server, or several of which one leads."""

    clock = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    """The store's time in milliseconds, as an expression."""
    _state: Any

    def __init__(self, url: str) -> None:
        self._is_away = False
        self._probing = Lock()
        super().__init__(url, prefer_psycopg3=True)

    def by_code_points(self, text: Any) -> Any:
        """Return a text column as it is ordered by code points, whatever the order of the database is."""
        return peewee.Expression(text, "COLLATE", peewee.SQL('"C"'))

    def begin(self, isolation_level: Any = None) -> None:
        """Begin a transaction, with its limits: a pooler may give the next one another of the server's processes."""
        self.check_begun()
        left = self._transaction.remaining_seconds
        seconds = settings.current.database_timeout_seconds if left is None else max(left, 0.001)
        limits: dict[str, object] = {
            "statement_timeout": int(seconds * 1000),
            "idle_in_transaction_session_timeout": int(max(seconds, IDLE_SECONDS) * 1000),
        }
        if not self._transaction.durable:
            limits["synchronous_commit"] = "off"
        settle = "".join(f"; SET LOCAL {name} = {value}" for name, value in limits.items())
        store: Any = self
        with AS_PEEWEE:
            store.cursor().execute(f"BEGIN{settle}")  # one message

    def _start(self, alone: bool = False) -> None:
        """Begin the unit's transaction, if it has not begun; alone: wait for the others that are to be alone."""
        super()._start()
        if not alone:
            return
        if hindrance := self.hindrance():  # or the first statement would be refused, in words that tell no cause
            self._transaction.away = True
            raise peewee.OperationalError(hindrance)
        self.execute_sql("SELECT pg_advisory_xact_lock(%s)", (ONE_AT_A_TIME,))

    def lock(self, *rows: Any) -> None:
        """Wait for others that are about to change rows of a table; nobody else does before the unit ends."""
        if not rows:
            return
        table = rows[0]._meta.table_name
        # a table of our own; rows that refer to it may come meanwhile; in one order, lest two wait for each other
        held = f'SELECT 1 FROM "{table}" WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE'  # noqa: S608  # our own name
        self.execute_sql(held, ([row.id for row in rows],))

    def lock_names(self, *names: str) -> None:
        """Wait for others that are about to take one of these names, of which there is no row yet."""
        for name in sorted(set(filter(None, names))):
            self.execute_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))

    def for_delete(self, query: Any) -> Any:
        """Return a query whose rows nobody else changes or refers to before the unit ends."""
        return query.for_update("FOR UPDATE")

    def for_share(self, query: Any) -> Any:
        """Return a query whose rows nobody else changes before the unit ends."""
        return query.for_update("FOR SHARE")

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Execute one statement; a leader that was demoted counts as away."""
        try:
            base: Any = super()  # a Peewee database
            return base.execute_sql(sql, params)
        except peewee.InternalError as error:
            if _sqlstate(error) in READ_ONLY:
                raise peewee.OperationalError(getattr(error, "orig", None), *error.args) from None
            raise

    def may_be_repeated(self, error: BaseException) -> bool:
        """Tell whether the unit that ended in this error did nothing, and may do better when it is run again."""
        state = _sqlstate(error)
        return state in CONFLICTS or (
            state in GONE and not self._transaction.commit_sent and not self._transaction.away
        )

    def _connect(self) -> Connection:
        """Open a connection; while the store is known to be away, one at a time tries, and others are told at once."""
        probes = self._is_away
        if probes and not self._probing.acquire(blocking=False):
            self._transaction.away = True
            raise psycopg.OperationalError("the store was away a moment ago")
        try:
            return self._open()
        finally:
            if probes:
                self._probing.release()

    def _open(self) -> Connection:
        if self._transaction.remaining_seconds is not None and self._transaction.remaining_seconds <= 0:
            self._transaction.away = True
            raise psycopg.OperationalError("the store has taken all the time that it may")
        began = monotonic()
        try:
            connection = Connection.connect(self.database, **OPTIONS)
            connection.unit = self._transaction
            connection.autocommit = True
            connection.prepare_threshold = PREPARE_THRESHOLD if _is_direct(connection) else None
        except psycopg.Error:
            self._is_away = True
            self._transaction.away = True
            raise
        finally:
            if self._transaction.remaining_seconds is not None:
                self._transaction.remaining_seconds -= monotonic() - began
        self._is_away = False
        connection.add_notice_handler(self._hear)
        return connection

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        """Take a commit that a standby has not confirmed for one that may be lost."""
        if self._transaction.commit_sent and notice.severity_nonlocalized == "WARNING":
            self._transaction.away = True

    def _finish(self, commit: bool) -> None:
        """End the transaction.

        Raises OperationalError unless the commit is known to be safe, InternalError if a statement had failed:
        the server would answer such a commit with a rollback, and call that a success.
        """
        failed = self.in_transaction() and self._state.conn.pgconn.transaction_status == TransactionStatus.INERROR
        super()._finish(commit and not failed)
        if commit and failed:
            raise peewee.InternalError("a failed transaction was to be committed")
        if commit and self._transaction.away:
            raise peewee.OperationalError("the commit was not confirmed")

    def _is_spoilt(self, error: BaseException) -> bool:
        return _sqlstate(error) not in CONFLICTS


def _is_direct(connection: Connection) -> bool:
    """Tell whether nothing stands between: a pooler names another process than the one that answers.

    psycopg#280: what was prepared in one of the server's processes is not there in the next.
    """
    answer = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return answer is not None and answer[0] == connection.info.backend_pid


def _sqlstate(error: BaseException) -> str | None:
    """Return the state that the server gave with an error."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)
