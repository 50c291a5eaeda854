"""Redis as a place to count in. Loaded only where `ROLLBOOK_RATE_LIMIT_URL` names one."""

from time import time

from limits.storage import RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.rate_counter import ALL, Growth
from server.limits.rate_limit_storage import Excess, Quota

ANSWER_SECONDS = 0.5
"""Redis stands nearby: what takes longer is taken for an outage."""
FAILURES = (RedisError,)
GROW = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local free, first, longest, forgotten = unpack(ARGV)
if count >= tonumber(free) then
    local wait = math.min(tonumber(longest), tonumber(first) * 2 ^ math.min(20, count - free)) * 1000
    local early = wait - (forgotten * 1000 - redis.call('PTTL', KEYS[1]))
    if early > 0 then return early end
end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], forgotten)
return 0
"""
"""As `RateCounter.grow` has it, in milliseconds."""


class RedisCounters(RedisStorage):
    """Redis, which knows nothing of windows that are over."""

    STORAGE_SCHEME = ["rollbook+redis"]  # noqa: RUF012  # the library declares it so

    def take(self, quotas: list[Quota]) -> list[Excess]:
        """Count once under each quota, or under none where one that refuses is exceeded; return those exceeded."""
        found: list[Excess] = []
        for number, quota in enumerate(quotas):
            left = self._grow(quota.key, quota.growth) if quota.growth else self._count(quota)
            if left:
                found.append(Excess(number, left))
            if left and not quota.soft:
                counted = quotas[: number if quota.growth else number + 1]
                self.give_back(dict.fromkeys((one.key for one in counted), 1))
                break
        return found

    def _count(self, quota: Quota) -> float:
        over = self.incr(quota.key, quota.seconds) > quota.most
        return max(1, self.get_expiry(quota.key) - time()) if over else 0

    def _grow(self, key: str, growth: Growth) -> float:
        """Count a try, unless it comes too early after the last one; return how many seconds too early, else 0."""
        return float(self.storage.eval(GROW, 1, self.prefixed_key(key), *growth)) / 1000

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
    return RedisCounters(url, key_prefix="rollbook", **waits)  # type: ignore[arg-type]  # the library says `str`
