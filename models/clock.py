"""The directory's clock."""

import time


def now() -> int:
    """Return the current time in whole Unix seconds (UTC)."""
    return int(time.time())
