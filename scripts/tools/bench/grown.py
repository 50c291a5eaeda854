"""What an operation costs when the data has grown: the same server over a thousand accounts and over many more.

Passwords are hashed as cheaply as Argon2 can, because 20 ms of hashing in every login would hide what the store costs.
"""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from scripts.tools.bench.fill import PROJECT, Store, fill_once, secret
from scripts.tools.bench.load import Load, Request, send
from scripts.tools.bench.place import Place
from scripts.tools.bench.process import Process
from scripts.tools.bench.rounds import Series
from scripts.tools.bench.servers import (
    CHECK,
    FIND,
    JSON,
    LOG_IN,
    Data,
    Operation,
    Server,
    argon2_settings,
    rollbook_operations,
    serve,
)

SMALL = 1_000
CHEAP = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "argon2_parallelism": 1}
MOST = 10_000
PAGE = 10
REGISTER, FIRST_PAGE, DEEP_PAGE = "register", "list, first page", "list, last page"
OPERATIONS = (CHECK, FIND, LOG_IN, REGISTER, FIRST_PAGE, DEEP_PAGE)
LIMIT = 1.3
"""So many times dearer an operation may be over the large store."""
SERVER = Server(
    "Rollbook",
    serve,
    lambda store, place, connections: Data(Place(store.copy(place).folder), {}),
    argon2_settings(CHEAP),
    "rollbook",
)
REQUESTS_PER_SECOND = 3_000
"""More registrations a second than a disk can keep."""


def measure_grown(
    folder: Path,
    *,
    sizes: tuple[int, int],
    rounds: int,
    seconds: float,
    connections: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Measure both stores in turn; return medians, ratios, and the memory that exports take."""
    stores = {}
    for size in sizes:
        report(f"a store of {size} accounts")
        stores[size] = fill_once(folder / f"grown-{size}", size, size, CHEAP)
    shown: dict[int, dict[str, Series]] = {size: {name: Series() for name in OPERATIONS} for size in sizes}
    exports: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    serial = itertools.count()
    for number, (size, store) in itertools.product(range(1, rounds + 1), stores.items()):
        data = SERVER.prepare(store, Place(folder / "grown"), connections)
        with SERVER.start(data, workers=1) as process:
            for name, operation in _operations(store, connections, seconds, serial).items():
                report(f"round {number}/{rounds}: {size} accounts: {name}")
                # the first request is asked once here; a registration must not come a second time
                process.expect(operation.load.requests.pop(0), operation.expected)
                if name != REGISTER:
                    send(process.url, operation.load, 1)
                shown[size][name].measure(process, operation.load, seconds)
        with SERVER.start(data, workers=1) as process:
            report(f"round {number}/{rounds}: export of {size} relations")
            exports[size].append(_export(process))
    small, large = sizes
    return {
        "accounts": list(sizes),
        "operations": {
            name: {
                "limit": LIMIT,
                "ratio": median(shown[small][name].rate) / median(shown[large][name].rate),
                "rates": {size: median(shown[size][name].rate) for size in sizes},
                "cpu_us": {size: median(shown[size][name].cpu_us) for size in sizes},
                "p99_ms": {size: median(shown[size][name].p99_ms) for size in sizes},
                "failed": {size: shown[size][name].failed for size in sizes},
            }
            for name in OPERATIONS
        },
        "export": {size: {key: median(row[key] for row in rows) for key in rows[0]} for size, rows in exports.items()},
    }


def _operations(store: Store, connections: int, seconds: float, serial: Iterator[int]) -> dict[str, Operation]:
    known = rollbook_operations(store, connections, MOST)
    users = "/indexy-api/api/v1/users?size=10&order=id%2Casc&page="

    def page(number: int) -> Operation:
        return Operation(Load([Request("GET", users + str(number))] * 2, connections), '"rows":[{')

    accounts = [
        json.dumps({"username": f"new{n}", "password": "correct horse", "email": f"new{n}@example.com"})
        for n in itertools.islice(serial, round(seconds * REQUESTS_PER_SECOND))
    ]
    registrations = [Request("POST", "/user", JSON, account) for account in accounts]
    return {
        CHECK: known[CHECK],
        FIND: known[FIND],
        LOG_IN: known[LOG_IN],
        FIRST_PAGE: page(0),
        DEEP_PAGE: page(store.accounts // PAGE - 1),
        REGISTER: Operation(Load(registrations, connections), '"id":'),
    }


def _export(process: Process) -> dict[str, float]:
    """Download the project's triads as fast as they come; return what that took of the worker's memory."""
    cookie = {"Cookie": f"sessionid={secret('annotation', 1)}"}
    process.expect(Request("GET", "/user/other", cookie), '"ret":0')
    before, started = process.worker_mib(), time.monotonic()
    with _watched(process) as seen:
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)
        connection.request("GET", f"/user/other?action=get_triads_json&id={PROJECT}", headers=cookie)
        answer = connection.getresponse()
        size = 0
        while piece := answer.read(1 << 16):
            size += len(piece)
        connection.close()
    return {
        "bytes": size,
        "seconds": time.monotonic() - started,
        "before_mib": before,
        "peak_mib": max(seen),
    }


@contextmanager
def _watched(process: Process) -> Iterator[list[float]]:
    """Note the worker's memory while the block runs."""
    seen = [process.worker_mib()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.append(process.worker_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
