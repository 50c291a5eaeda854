"""The directory's clock, and the one of a store that is embedded in this process."""

import time

_stopped: int | None = None
"""Where the clock stands still; None while it goes."""


def now() -> int:
    """Return the current time in whole Unix seconds (UTC)."""
    return int(time.time()) if _stopped is None else _stopped


def milliseconds() -> int:
    """Return the current time in milliseconds, as an embedded store has it."""
    return int(time.time() * 1000) if _stopped is None else _stopped * 1000


def stop(at: int | None) -> None:
    """Have the clock stand still at a time in Unix seconds; None lets it go again, at the real time."""
    global _stopped  # noqa: PLW0603  # one clock per process
    _stopped = at
