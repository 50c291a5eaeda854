"""The housekeeper: clears away what has expired."""

from models.cleanup import purge
from models.db.database import unit_of_work
from server.jobs.periodic import Repeating


class Housekeeper(Repeating):
    """Purges in small batches, each a transaction of its own."""

    pause = 60.0
    breath = 0.05
    """Seconds between two batches, in which others may write."""

    def once(self) -> None:
        """Purge until nothing is left."""
        more = True
        while more and not self.stopping.wait(self.breath):
            with unit_of_work():
                more = purge()
