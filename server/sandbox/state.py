"""What a sandbox can go back to: its seed, and the snapshots that were taken; and the clock, which goes along."""

from itertools import count
from time import time
from typing import NamedTuple

from models import clock
from models.audit import lanes
from models.cleanup import purge
from models.db.database import database
from server.sandbox.errors import ClockGoesForward, NoSuchSnapshot, TooManySnapshots

MOST_SNAPSHOTS = 100


class Snapshot(NamedTuple):
    """A store, and what time it was there."""

    now: int
    image: bytes


class State:
    """The state of the one sandbox of this process."""

    def __init__(self) -> None:
        self.seed = b""
        self.snapshots: dict[int, Snapshot] = {}
        self.ids = count(1)

    def keep_seed(self) -> None:
        """Take the store as it is now for the seed."""
        self.seed = database.image()

    def reset(self) -> None:
        """Put the store back to its seed, and the clock to the real time."""
        _put(Snapshot(int(time()), self.seed))

    def take(self) -> int:
        """Take a snapshot; return its id. Raises TooManySnapshots."""
        if len(self.snapshots) >= MOST_SNAPSHOTS:
            raise TooManySnapshots(MOST_SNAPSHOTS)
        id = next(self.ids)  # never given again: an old one must not mean another's
        self.snapshots[id] = Snapshot(clock.now(), database.image())
        return id

    def restore(self, id: int) -> None:
        """Go back to a snapshot. Raises NoSuchSnapshot."""
        _put(self._find(id))

    def drop(self, id: int) -> None:
        """Forget a snapshot. Raises NoSuchSnapshot."""
        self._find(id)
        del self.snapshots[id]

    def _find(self, id: int) -> Snapshot:
        if id not in self.snapshots:
            raise NoSuchSnapshot
        return self.snapshots[id]


def _put(snapshot: Snapshot) -> None:
    database.put_image(snapshot.image)
    lanes.forget()  # their numbers would go on from events that are gone
    clock.stop(snapshot.now)


def set_clock(now: int) -> None:
    """Set the clock, and clear away what has expired, as a server does in time. Raises ClockGoesForward.

    Cleared now and not some time later: what a client sees must not hang on that (keycloak#16242).
    """
    if now < clock.now():
        raise ClockGoesForward(clock.now())
    clock.stop(now)
    while purge():
        pass


current = State()
