"""Sends what `wrk.lua` sends, the same way, with Locust; runs in the environment of the peers.

The last line that is printed is JSON.
"""

import itertools
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task

REQUESTS = itertools.cycle(json.loads(Path(os.environ["BENCH_REQUESTS"]).read_text()))
MEAN_SECONDS = float(os.environ["BENCH_DELAY_MS"]) / 1_000

started = time.monotonic()
milliseconds: list[float] = []
statuses: Counter[int] = Counter()


class Client(FastHttpUser):
    """A connection that is kept open."""

    network_timeout = connection_timeout = 30.0

    def wait_time(self) -> float:
        """Return the seconds to wait before the next request."""
        return random.uniform(0, 2 * MEAN_SECONDS)  # noqa: S311  # chance, not a secret

    @task
    def ask(self) -> None:
        """Send the request whose turn it is."""
        begun = time.perf_counter()
        method, path, headers, body = next(REQUESTS)
        answer: Any = self.client.request(method, path, data=body or None, headers=headers, allow_redirects=False)
        milliseconds.append((time.perf_counter() - begun) * 1_000)
        statuses[answer.status_code or 0] += 1


@events.quitting.add_listener
def tell(**_: Any) -> None:
    """Print what was seen, as `wrk.lua` does; a status of 0 is a connection that failed."""
    ordered = sorted(milliseconds) or [0.0]
    broken = statuses.pop(0, 0)
    figures = {
        "requests": statuses.total(),
        "seconds": time.monotonic() - started,
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[len(ordered) * 99 // 100],
        "refused": sum(count for status, count in statuses.items() if status >= 400),
        "broken": broken,
        "statuses": {str(status): count for status, count in statuses.items()},
    }
    print(f"\n{json.dumps(figures)}")  # it is what this file is for
