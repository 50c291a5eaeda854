"""Where limited requests are counted: in the store, or in Redis where that is configured.

All workers and instances share the counts. While Redis is away the store counts in its place, so that nothing is
refused for its sake and nothing may be guessed without limit; whoever guesses may then begin anew once.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import NamedTuple, TypeVar

import peewee
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from models import clock
from models.db.database import run_transaction
from models.db.transaction import CONNECTION_ERRORS
from models.rate_counter import ALL, Growth, RateCounter

Result = TypeVar("Result")


class Quota(NamedTuple):
    """What is to be counted: at most so often in a window of so many seconds, or with a wait that grows.

    soft: who goes beyond it is not refused.
    """

    key: str
    most: int
    seconds: int
    growth: Growth | None = None
    soft: bool = False


class Excess(NamedTuple):
    """Which quota of several was exceeded, and in how many seconds there is room again."""

    number: int
    left: float


PAUSE_SECONDS = 10.0
"""For so long Redis is not asked again once it failed."""

log = logging.getLogger("rollbook.limits")


class DatabaseStorage(Storage):
    """The store as the `limits` library wants to see it; used inside a unit of work."""

    STORAGE_SCHEME = ["rollbook"]  # noqa: RUF012  # the library declares it so

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return what is raised when the store is away."""
        return peewee.PeeweeException

    def take(self, quotas: list[Quota]) -> list[Excess]:
        """Count once under each quota; return those that were exceeded. Whoever is refused undoes its transaction."""
        seconds = {quota.key: quota.seconds for quota in quotas if not quota.growth}
        counts = RateCounter.add(seconds) if seconds else {}
        found: list[Excess] = []
        for number, quota in enumerate(quotas):
            if quota.growth:
                if early := RateCounter.grow(quota.key, quota.growth):
                    found.append(Excess(number, early))
            elif counts[quota.key][0] > quota.most:
                found.append(Excess(number, counts[quota.key][1] - clock.now()))
        return found

    def give_back(self, amounts: dict[str, int]) -> None:
        """Take back what was counted; ALL clears it."""
        RateCounter.give_back(amounts)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count."""
        return RateCounter.add({key: expiry}, amount)[key][0]

    def get(self, key: str) -> int:
        """Return the count."""
        return RateCounter.read(key)[0]

    def get_expiry(self, key: str) -> float:
        """Return when the window ends."""
        return RateCounter.read(key)[1]

    def check(self) -> bool:
        """Tell whether the store answers."""
        self.get("")
        return True

    def reset(self) -> int | None:
        """Forget all counts."""
        return int(RateCounter.delete().execute())

    def clear(self, key: str) -> None:
        """Forget one count."""
        RateCounter.give_back({key: ALL})


class RateLimitStorage:
    """The shared counters of a process."""

    def __init__(self, url: str = "") -> None:
        self.store = FixedWindowRateLimiter(DatabaseStorage())
        self.redis: FixedWindowRateLimiter | None = None
        self.redis_failures: tuple[type[Exception], ...] = ()
        if url:
            from server.limits import redis_storage  # noqa: PLC0415  # Redis's library takes memory and time

            self.redis = FixedWindowRateLimiter(redis_storage.connect(url))
            self.redis_failures = redis_storage.FAILURES
        self._asked_again = 0.0

    def count(self, work: Callable[[FixedWindowRateLimiter], Result]) -> Result:
        """Count in Redis, or else in the store, where it is all or nothing."""
        if self.redis and monotonic() >= self._asked_again:
            try:
                return work(self.redis)
            except self.redis_failures as error:
                self._asked_again = monotonic() + PAUSE_SECONDS
                log.warning("redis: %s; the store counts limited requests meanwhile", type(error).__name__)
        return run_transaction(lambda: work(self.store), durable=False)

    def correct(self, limiter: FixedWindowRateLimiter, work: Callable[[FixedWindowRateLimiter], None]) -> None:
        """Correct what was counted by a limiter, in the transaction at hand where that is the store's.

        If its counters are away meanwhile, the count stands.
        """
        if limiter is self.store:
            work(limiter)
            return
        with suppress(*self.redis_failures):
            work(limiter)

    def correct_alone(self, limiter: FixedWindowRateLimiter, work: Callable[[FixedWindowRateLimiter], None]) -> None:
        """Correct what was counted by a limiter, after the transaction at hand; if it is away, the count stands."""
        with suppress(*CONNECTION_ERRORS):
            run_transaction(lambda: self.correct(limiter, work), durable=False)
