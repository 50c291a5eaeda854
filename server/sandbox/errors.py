"""What a sandbox refuses, and why."""

from models.errors import DirectoryError


class ClockGoesForward(DirectoryError):
    """Raised when the clock would go back. now: where it stands."""

    def __init__(self, now: int = 0) -> None:
        super().__init__(f"the clock stands at {now}")
        self.now = now


class NoSuchMessage(DirectoryError):
    """Raised when nothing was sent that is asked for."""


class NoSuchSnapshot(DirectoryError):
    """Raised when no snapshot has this id."""


class TooManySnapshots(DirectoryError):
    """Raised when there is no room for another snapshot. most: how many there may be."""

    def __init__(self, most: int = 0) -> None:
        super().__init__(f"there are {most} snapshots")
        self.most = most
