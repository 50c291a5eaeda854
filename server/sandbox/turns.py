"""One after the other: requests and background work take turns, in the order in which they came.

So nothing races a reset. What was asked before it has ended before it, and leaves no message and no account in the
store that comes after; elsewhere a test found what an earlier one had still in hand (spring-cloud-contract#2160,
firebase-tools#1971).
"""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from server.contract.executors import Executors
from server.jobs.sequencer import Sequencer
from server.settings import Settings


class OneThread(Executors):
    """Runs all work in one thread."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.hashing = self.store = ThreadPoolExecutor(1, "sandbox")
        self.embedded = False  # nothing runs on the event loop

    async def iterate(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Read an answer that is streamed as a whole: half of it must not be of a store that is gone."""
        yield await self.run(lambda: b"".join(parts), hashes=False)


class SequencerInTurn(Sequencer):
    """Sequences in that thread. begin: what is done first of all, when the process starts."""

    def __init__(self, executors: Executors, begin: Callable[[], object]) -> None:
        super().__init__()
        self.executors = executors
        self.begin = begin

    def start(self) -> None:
        """Begin, then go on in a thread of its own, which waits for its turn."""
        self.executors.store.submit(self.begin).result()
        super().start()

    def run(self) -> None:
        """Sequence what waits."""
        self.executors.store.submit(super().run).result()
