"""Counts of requests, within windows of time or with growing waits, shared by all processes that use the store."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import peewee

from models import clock
from models.db.database import Model, database, delete_some

ALL = 2**31 - 1
"""Amount by which a count is cleared."""
ROW = "(?, ?, ?)"
SKEW_SECONDS = 5
"""So far may the clocks of two instances differ. A window that ends later than one that begins now, by more than that,
was opened by a clock that has jumped since; it is over."""
STALE = f"(rate_counter.expires <= ? OR rate_counter.expires > excluded.expires + {SKEW_SECONDS})"
ADD = (
    "INSERT INTO rate_counter (key, count, expires) VALUES {rows} ON CONFLICT (key) DO UPDATE SET "  # noqa: S608  # of our own words only
    f"count = CASE WHEN {STALE} THEN 0 ELSE rate_counter.count END + excluded.count, "
    f"expires = CASE WHEN {STALE} THEN excluded.expires ELSE rate_counter.expires END "
    "RETURNING key, count, expires"
)
WAIT = (
    "(CASE WHEN rate_counter.count - {free} >= 20 OR ({first} << (rate_counter.count - {free})) > {longest} "
    "THEN {longest} ELSE {first} << (rate_counter.count - {free}) END)"
)
"""Seconds after the last failure in which nothing may be tried, of as many failures as were counted."""
GROW = (
    "INSERT INTO rate_counter (key, count, expires) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET "  # noqa: S608  # as above
    f"count = CASE WHEN {STALE} THEN 0 ELSE rate_counter.count END + 1, expires = excluded.expires "
    f"WHERE {STALE} OR rate_counter.count < {{free}} OR excluded.expires - rate_counter.expires >= {WAIT} "
    "RETURNING count"
)
GIVE_BACK = (
    "INSERT INTO rate_counter (key, count, expires) VALUES {rows} ON CONFLICT (key) DO UPDATE SET "
    "count = CASE WHEN rate_counter.count > excluded.count THEN rate_counter.count - excluded.count ELSE 0 END, "
    "expires = CASE WHEN rate_counter.count > excluded.count THEN rate_counter.expires ELSE excluded.expires END"
)
READ = "SELECT count, expires FROM rate_counter WHERE key = ? AND expires > ?"
"""Written by hand, since they stand on the path of every login: Peewee takes longer to write them than they run."""


class Growth(NamedTuple):
    """How the wait grows with failures in a row.

    free: so many are followed by no wait. first: seconds of the first wait; each is twice as long as the one before, up
    to the longest. forgotten: so many seconds after the last failure all are forgotten.
    """

    free: int
    first: int
    longest: int
    forgotten: int

    def wait(self, count: int) -> int:
        """Return the seconds to wait after the last of so many failures."""
        return min(self.longest, self.first << min(20, count - self.free)) if count >= self.free else 0


class RateCounter(Model):
    """How much was counted under a key; from `expires` on, in Unix seconds, the count is nothing.

    Where waits grow, `expires` tells when the last failure was, too.
    """

    key = peewee.CharField(max_length=128, primary_key=True)
    count = peewee.IntegerField()
    expires = peewee.BigIntegerField(index=True)

    @classmethod
    def add(cls, seconds: dict[str, int], amount: int = 1) -> dict[str, tuple[int, int]]:
        """Count under each key, in a new window of so many seconds where none is open; one statement for all.

        Returns the counts, and when their windows end.
        """
        database.begin_immediate()
        now = clock.now()
        rows = ((key, amount, now + seconds[key]) for key in seconds)
        return {key: (count, expires) for key, count, expires in _execute(ADD, rows, now, now).fetchall()}

    @classmethod
    def grow(cls, key: str, growth: Growth) -> int:
        """Count a try, unless it comes too early after the last one; return how many seconds too early, else 0."""
        database.begin_immediate()
        now = clock.now()
        sql = GROW.format(**growth._asdict()).replace("?", database.param)
        if database.execute_sql(sql, (key, now + growth.forgotten, now, now)).fetchone():
            return 0
        count, expires = cls.read(key)
        return max(1, expires - growth.forgotten + growth.wait(count) - now)

    @classmethod
    def give_back(cls, amounts: dict[str, int]) -> None:
        """Take back what was counted under each key, ALL to clear it; a window in which nothing is left is closed."""
        database.begin_immediate()
        _execute(GIVE_BACK, ((key, amount, 0) for key, amount in amounts.items()))  # where it is gone, a closed one

    @classmethod
    def read(cls, key: str) -> tuple[int, int]:
        """Return the count and when its window ends: nothing and now where none is open."""
        now = clock.now()
        found: tuple[int, int] | None = _execute(READ, (), key, now).fetchone()
        return found or (0, now)

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of counters whose windows are over; return how many."""
        return delete_some(cls, cls.expires <= clock.now(), batch)


def _execute(sql: str, rows: Iterable[tuple[Any, ...]], *values: Any) -> Any:
    """Run a statement of several rows, always in the same order: two of them never wait for each other."""
    ordered = sorted(rows)
    return database.execute_sql(_text(sql, len(ordered), database.param), (*sum(ordered, ()), *values))


@cache
def _text(sql: str, rows: int, parameter: str) -> str:
    return sql.format(rows=", ".join([ROW] * rows)).replace("?", parameter)
