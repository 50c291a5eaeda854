"""Work beside the requests: a daemon thread in each worker that does a task again and again."""

import logging
from threading import Event, Thread

from models.db.database import database

log = logging.getLogger("rollbook.jobs")


class PeriodicTask:
    """Base of the background tasks. `interval` is the time between two runs, in seconds."""

    interval: float

    def __init__(self) -> None:
        self.stopping = Event()
        self._thread: Thread | None = None

    def run(self) -> None:
        """Do the task."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self.stopping.clear()
        self._thread = Thread(target=self._repeat, name=type(self).__name__.lower(), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what is in hand."""
        self.stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _repeat(self) -> None:
        """Repeat until told to stop; whatever fails is tried again."""
        while not self.stopping.is_set():
            try:
                self.run()
            except Exception as error:  # a full disk or a store that is away must not end it
                log.error("%s: %s", type(self).__name__.lower(), type(error).__name__)
            self.stopping.wait(self.interval)
        database.close()
