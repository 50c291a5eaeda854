"""RateLimitStorage of requests within windows of time, shared by all processes that use the store."""

from typing import Any

import peewee

from models import clock
from models.db.database import Model, database, delete_some

ADD = (
    "INSERT INTO rate_counter (key, count, expires) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
    "count = CASE WHEN rate_counter.expires > ? THEN rate_counter.count ELSE 0 END + excluded.count, "
    "expires = CASE WHEN rate_counter.expires > ? THEN rate_counter.expires ELSE excluded.expires END "
    "RETURNING count"
)
GIVE_BACK = "UPDATE rate_counter SET count = count - ? WHERE key = ? AND expires > ? AND count >= ?"
READ = "SELECT count, expires FROM rate_counter WHERE key = ? AND expires > ?"
"""Written by hand, since they stand on the path of every login: Peewee takes longer to write them than they run."""


class RateCounter(Model):
    """How much was counted under a key; from `expires` on, in Unix seconds, the count is nothing."""

    key = peewee.CharField(max_length=128, primary_key=True)
    count = peewee.IntegerField()
    expires = peewee.BigIntegerField(index=True)

    @classmethod
    def add(cls, key: str, amount: int, seconds: int) -> int:
        """Count, in a new window of so many seconds if none is open; return the count in one step with that."""
        database.begin_immediate()
        now = clock.now()
        return int(_execute(ADD, key, amount, now + seconds, now, now).fetchone()[0])

    @classmethod
    def give_back(cls, key: str, amount: int) -> None:
        """Take back what was counted, unless its window is over."""
        database.begin_immediate()
        _execute(GIVE_BACK, amount, key, clock.now(), amount)

    @classmethod
    def read(cls, key: str) -> tuple[int, int]:
        """Return the count and when its window ends: nothing and now where none is open."""
        now = clock.now()
        found: tuple[int, int] | None = _execute(READ, key, now).fetchone()
        return found or (0, now)

    @classmethod
    def clear(cls, *keys: str) -> None:
        """Forget what was counted."""
        database.begin_immediate()
        cls.delete().where(cls.key.in_(keys)).execute()

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of counters whose windows are over; return how many."""
        return delete_some(cls, cls.expires <= clock.now(), batch)


def _execute(sql: str, *values: Any) -> Any:
    return database.execute_sql(sql.replace("?", database.param), values)
