"""Where work runs.

An embedded store answers faster than a thread can be woken, so its work runs on the event loop itself, unless another
process has its lock: then it begins anew in a thread, where it may wait. A remote store is waited for in a few threads,
each with a connection of its own; more of them would only fight for the GIL. Who has a password hashed waits for tens
of milliseconds, so such requests always run in threads of their own, a few more than may hash at once
(`models.passwords`); who would have to wait too long is told so at once. Of the places in that queue nobody takes more
than a share: neither one client, nor all those who name one account.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import peewee

from handlers.exceptions import ServiceUnavailable
from models.db.database import at_once, database, timeout, transaction
from server.settings import Settings

Result = TypeVar("Result")
THREADS_PER_SLOT = 2
"""While one request waits for the disk, another is hashed (`models.passwords` keeps to the slots)."""
SHARES = 4
"""Into so many the places for those who have a password hashed are parted, where requests are limited."""


class Executors:
    """Decides where a handler runs. One per process."""

    def __init__(self, settings: Settings) -> None:
        threads = settings.hash_concurrency * THREADS_PER_SLOT
        self.hashing = ThreadPoolExecutor(threads, "logging-in")
        self.store = ThreadPoolExecutor(settings.database_pool_size, "store")
        self.embedded = settings.embedded
        self.most_waiting = threads + settings.hash_queue
        self.share = max(1, self.most_waiting // SHARES) if settings.rate_limits else self.most_waiting
        self.shares: Counter[str] = Counter()
        self.deadline = settings.hash_deadline_seconds
        self.store_deadline = settings.database_timeout_seconds
        self.retry_after = settings.retry_after_seconds
        self.waiting = 0
        self.closed = False
        self.database_pool_size = 0 if settings.embedded else settings.database_pool_size
        self.at_store = 0

    async def run(self, work: Callable[[], Result], hashes: bool, askers: Collection[str] = ()) -> Result:
        """Run work that may read and write the store.

        hashes: whether a password is hashed on the way. askers: of whose shares that takes a place. Raises
        ServiceUnavailable when too many wait for that, or for the store.
        """
        if not hashes:
            done = self.look_up(work)
            return await done if isinstance(done, Coroutine) else done
        asked = monotonic()

        def in_time() -> Result:
            if monotonic() - asked > self.deadline:
                raise self._overloaded()
            return timeout(self.store_deadline, work)

        with self._place(askers):
            return await self._in(self.hashing, in_time)

    @contextmanager
    def _place(self, askers: Collection[str]) -> Iterator[None]:
        """Hold a place in the queue, of everybody's share who asks. Raises ServiceUnavailable."""
        if self.waiting >= self.most_waiting or any(self.shares[asker] >= self.share for asker in askers):
            raise self._overloaded()
        self.waiting += 1
        self.shares.update(askers)
        try:
            yield
        finally:
            self.waiting -= 1
            self.shares.subtract(askers)
            for asker in askers:
                if not self.shares[asker]:
                    del self.shares[asker]

    def look_up(self, work: Callable[[], Result]) -> Result | Coroutine[Any, Any, Result]:
        """Run work at once where the store is embedded and nobody is in the way; else return what is to be awaited."""
        if self.embedded:
            try:
                return at_once(work)
            except peewee.OperationalError as error:
                if not database.is_busy(error):
                    raise
        return self._in_store(work)

    async def iterate(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Read an answer that is streamed, piece by piece, each where the store wants it to be read."""
        while (part := await self.run(lambda: _next(parts), hashes=False)) is not None:
            yield part
            await asyncio.sleep(0)  # a client that reads fast never makes send wait: others get their turn here

    async def _in_store(self, work: Callable[[], Result]) -> Result:
        asked = monotonic()

        def in_time() -> Result:
            left = self.store_deadline - (monotonic() - asked)
            if left <= 0:
                raise ServiceUnavailable(self.retry_after, "The store is too slow; try again later.")
            return timeout(left, work)

        self.at_store += 1
        try:
            return await self._in(self.store, in_time)
        finally:
            self.at_store -= 1

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        if self.closed:  # a connection that was kept may still bring a request
            raise ServiceUnavailable(self.retry_after, "This server is stopping; try again.")
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _overloaded(self) -> ServiceUnavailable:
        return ServiceUnavailable(self.retry_after, "Too many passwords are being checked; try again later.")

    def close(self) -> None:
        """Let running work end, and take no more."""
        self.closed = True
        self.hashing.shutdown()
        self.store.shutdown()


def _next(parts: Iterator[bytes]) -> bytes | None:
    """Return the next part, if there is one; what breaks off while it is read cannot be read again."""
    with transaction():
        return next(parts, None)
