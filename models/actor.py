"""For whom the work in hand is done, as far as whoever runs it has said."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

OPERATOR = "operator"
"""What stands in the place of a contract while the operator's command works."""


class Caller(NamedTuple):
    """A contract (or `operator`), the address of the client, and the id of the account that acts, where known."""

    contract: str | None = None
    address: str | None = None
    actor: int | None = None


current: ContextVar[Callable[[], Caller]] = ContextVar("caller", default=Caller)
"""Tells the caller when it is asked for: of most requests nobody asks."""


class Visit:
    """From where somebody asks, and what the directory finds out meanwhile.

    place: what tries are counted by, empty where nothing is counted.
    full: the recipient of what is asked for had so many messages that there is room for more in so many seconds only; 0
    where there is room.
    account_id: of the account that the caller has made or proved its own.
    """

    def __init__(self, place: str = "", full: int = 0) -> None:
        self.place, self.full = place, full
        self.account_id: int | None = None


visit: ContextVar[Visit] = ContextVar("visit", default=Visit())  # noqa: B039  # replaced for each request, never altered
