"""RateLimitStorage of requests within windows of time, shared by all processes that use the store."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import peewee

from models import clock
from models.db.database import Model, database, delete_some

ALL = 2**31 - 1
"""Amount by which a count is cleared."""
ROW = "(?, ?, ?)"
ADD = (
    "INSERT INTO rate_counter (key, count, expires) VALUES {rows} ON CONFLICT (key) DO UPDATE SET "
    "count = CASE WHEN rate_counter.expires > ? THEN rate_counter.count ELSE 0 END + excluded.count, "
    "expires = CASE WHEN rate_counter.expires > ? THEN rate_counter.expires ELSE excluded.expires END "
    "RETURNING key, count, expires"
)
GIVE_BACK = (
    "INSERT INTO rate_counter (key, count, expires) VALUES {rows} ON CONFLICT (key) DO UPDATE SET "
    "count = CASE WHEN rate_counter.count > excluded.count THEN rate_counter.count - excluded.count ELSE 0 END, "
    "expires = CASE WHEN rate_counter.count > excluded.count THEN rate_counter.expires ELSE excluded.expires END"
)
READ = "SELECT count, expires FROM rate_counter WHERE key = ? AND expires > ?"
"""Written by hand, since they stand on the path of every login: Peewee takes longer to write them than they run."""


class RateCounter(Model):
    """How much was counted under a key; from `expires` on, in Unix seconds, the count is nothing."""

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
