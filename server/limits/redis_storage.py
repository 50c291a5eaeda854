"""Redis as a place to count in. Loaded only where `ROLLBOOK_RATE_LIMIT_URL` names one."""

from limits.storage import RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.rate_counter import ALL

ANSWER_SECONDS = 0.5
"""Redis stands nearby: what takes longer is taken for an outage."""
FAILURES = (RedisError,)


class RedisCounters(RedisStorage):
    """Redis, which knows nothing of windows that are over."""

    STORAGE_SCHEME = ["rollbook+redis"]  # noqa: RUF012  # the library declares it so

    def take(self, wanted: list[tuple[str, int, int]]) -> tuple[int, float] | None:
        """Count once under each key, or under none; return which one is over its limit, and when its window ends."""
        for number, (key, most, seconds) in enumerate(wanted):
            if self.incr(key, seconds) > most:
                expires = self.get_expiry(key)
                self.give_back({key: 1 for key, _, _ in wanted[: number + 1]})
                return number, expires
        return None

    def give_back(self, amounts: dict[str, int]) -> None:
        """Take back what was counted, unless its window is over; ALL clears it."""
        for key, amount in amounts.items():
            if amount == ALL:
                self.clear(key)
            elif self.get(key) >= amount:
                self.incr(key, 1, -amount)


def connect(url: str) -> RedisCounters:
    """Return the counters at an address."""
    waits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS, "retry": Retry(NoBackoff(), 0)}
    return RedisCounters(url, key_prefix="rollbook", **waits)  # type: ignore[arg-type]
