"""Where work runs.

An embedded store answers faster than a thread can be woken, so its work runs on the event loop itself. Password
hashing takes tens of milliseconds without the GIL, so it always runs in threads of its own, as many as may hash at
once; who would have to wait too long is told so at once.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

from handlers.protocol import Unavailable
from server.settings import Settings

Result = TypeVar("Result")
NICENESS = 10


def _yield_to_the_loop() -> None:
    """Let the event loop run before this thread whenever both want a core (threads have a niceness on Linux only)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Placement:
    """Decides where a handler runs. One per process."""

    def __init__(self, settings: Settings) -> None:
        self.hashing = ThreadPoolExecutor(settings.hash_slots, "hashing", initializer=_yield_to_the_loop)
        self.most_waiting = settings.hash_slots + settings.hash_queue
        self.deadline = settings.hash_deadline_seconds
        self.retry_after = settings.retry_after_seconds
        self.waiting = 0

    async def run(self, work: Callable[[], Result], hashes: bool) -> Result:
        """Run work that may read and write the store.

        hashes: whether a password is hashed on the way. Raises Unavailable when too many wait for that.
        """
        if not hashes:
            return work()
        if self.waiting >= self.most_waiting:
            raise self._overloaded()
        asked = monotonic()

        def in_time() -> Result:
            if monotonic() - asked > self.deadline:
                raise self._overloaded()
            return work()

        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.hashing, in_time)
        finally:
            self.waiting -= 1

    def _overloaded(self) -> Unavailable:
        return Unavailable(self.retry_after, "Too many passwords are being checked; try again later.")

    def close(self) -> None:
        """Let running work end."""
        self.hashing.shutdown()
