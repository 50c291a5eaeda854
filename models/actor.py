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
