"""Redis as a place to count in. Loaded only where `ROLLBOOK_RATE_LIMIT_URL` names one."""

from limits.storage import RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_SECONDS = 0.5
"""Redis stands nearby: what takes longer is taken for an outage."""
FAILURES = (RedisError,)


class RedisCounters(RedisStorage):
    """Redis, which knows nothing of windows that are over."""

    STORAGE_SCHEME = ["rollbook+redis"]  # noqa: RUF012  # the library declares it so

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count; a negative amount is given back, unless its window is over."""
        if amount < 0 and self.get(key) < -amount:
            return 0
        return int(super().incr(key, expiry, amount))


def connect(url: str) -> RedisCounters:
    """Return the counters at an address."""
    waits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS, "retry": Retry(NoBackoff(), 0)}
    return RedisCounters(url, key_prefix="rollbook", **waits)  # type: ignore[arg-type]
