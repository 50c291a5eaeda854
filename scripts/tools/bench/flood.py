"""Logins against the raw rate of the hash, and token checks while logins flood.

The flood offers ten times as many logins as the machine can hash. Token checks are measured twice: at a steady pace,
as clients would ask, and as fast as they go.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Any

from models import settings
from models.passwords import hashing
from models.settings import DirectorySettings
from scripts.tools.bench.fill import PASSWORD, Store
from scripts.tools.bench.load import Load, send, sending
from scripts.tools.bench.place import Places
from scripts.tools.bench.servers import ARGON2, CHECK, LOG_IN, SERVERS
from server.settings import Settings

TIMES = 10
"""The flood offers so many times what can be hashed."""
STEADY_CONNECTIONS, STEADY_DELAY_MS = 16, 50
"""Some 300 token checks a second."""
HEAD_START_SECONDS = 2
"""Time for the queue of logins to fill up."""


def raw_hash_rate(threads: int, seconds: float) -> float:
    """Return how many passwords a second this machine checks when it does nothing else."""
    settings.apply(DirectorySettings(**ARGON2))
    hashed = hashing.hash(PASSWORD)
    until = time.monotonic() + seconds

    def check() -> int:
        count = 0
        while time.monotonic() < until:
            hashing.verify(hashed, PASSWORD)
            count += 1
        return count

    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        counts = [pool.submit(check) for _ in range(threads)]
        checked = sum(count.result() for count in counts)
    return checked / (time.monotonic() - started)


def measure_flood(
    store: Store, places: Places, *, rounds: int, seconds: float, report: Callable[[str], None]
) -> dict[str, Any]:
    """Measure hashing and the flood, several times in turn; return medians and all rounds."""
    slots = Settings().hash_concurrency
    server = SERVERS["rollbook"]
    data = server.prepare(store, places.make("rollbook-flood"), STEADY_CONNECTIONS)
    logins, checks = (data.operations[name].load for name in (LOG_IN, CHECK))
    shown: list[dict[str, Any]] = []
    for number in range(1, rounds + 1):
        report(f"round {number}/{rounds}: raw hash rate, {slots} threads")
        raw = raw_hash_rate(slots, seconds)
        with server.start(data, workers=1) as process:
            report(f"round {number}/{rounds}: logins")
            send(process.url, logins, 1)
            accepted = send(process.url, replace(logins, connections=slots * 8), seconds)
            row: dict[str, Any] = {"raw": raw, "accepted": accepted.rate, "share": accepted.rate / raw}
            steady = Load(checks.requests, STEADY_CONNECTIONS, delay_ms=STEADY_DELAY_MS)
            for pace, load in (("steady", steady), ("full", checks)):
                report(f"round {number}/{rounds}: token checks at {pace} pace, idle and under the flood")
                send(process.url, load, 1)
                idle = send(process.url, load, seconds)
                with sending(process.url, _flood(logins, raw), seconds + HEAD_START_SECONDS + 1) as flood:
                    time.sleep(HEAD_START_SECONDS)
                    flooded = send(process.url, load, seconds)
                offered = flood.figures()
                row[pace] = {
                    "idle_p50_ms": idle.p50_ms,
                    "idle_p99_ms": idle.p99_ms,
                    "idle_rate": idle.rate,
                    "flood_p50_ms": flooded.p50_ms,
                    "flood_p99_ms": flooded.p99_ms,
                    "flood_rate": flooded.rate,
                    "p99_ratio": flooded.p99_ms / idle.p99_ms,
                    "failed": idle.refused + idle.broken + flooded.refused + flooded.broken,
                    "offered": offered.requests / offered.seconds,
                    "accepted": offered.rate,
                    "statuses": offered.statuses,
                    "broken": offered.broken,
                }
        shown.append(row)
    return {"slots": slots, "median": _medians(shown), "rounds": shown}


def _flood(logins: Load, capacity: float) -> Load:
    """Return so many connections, waiting so long, that ten times the capacity is offered.

    Those whose login is waiting to be hashed offer nothing; the others come back after a delay.
    """
    settings = Settings()
    waiting = settings.hash_concurrency + settings.hash_queue
    delay_ms, answer_ms = 200, 50
    connections = waiting + round(capacity * TIMES * (delay_ms + answer_ms) / 1_000)
    return replace(logins, connections=connections, delay_ms=delay_ms, count_statuses=True)


def _medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number, through nested tables."""
    known: dict[str, Any] = {}
    for key, value in rows[0].items():
        if isinstance(value, dict) and key != "statuses":
            known[key] = _medians([row[key] for row in rows])
        elif isinstance(value, int | float):
            known[key] = median(row[key] for row in rows)
    return known
