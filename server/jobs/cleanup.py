"""The cleanup: clears away what has expired."""

from models.cleanup import purge
from models.db.database import transaction
from server.jobs.periodic import PeriodicTask


class Cleanup(PeriodicTask):
    """Purges in small batches, each a transaction of its own."""

    interval = 60.0
    breath = 0.05
    """Seconds between two batches, in which others may write."""

    def run(self) -> None:
        """Purge until nothing is left."""
        more = True
        while more and not self.stopping.wait(self.breath):
            with transaction():
                more = purge()
