"""The rounds: every server in turn, over and over, so that a slow minute of the machine strikes all alike."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from scripts.tools.bench.fill import Store
from scripts.tools.bench.load import Load, send
from scripts.tools.bench.place import Places
from scripts.tools.bench.process import Process, busy_seconds
from scripts.tools.bench.servers import SERVERS, Server

WARM_UP_SECONDS = 1


@dataclass
class Series:
    """What the rounds showed of one operation of one server, one number for each round.

    cpu_us: processor time of the server per request. others: processor time that neither the server nor the load tool
    took, as a share of one processor: other programs, or the kernel on their behalf.
    """

    rate: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    failed: int = 0

    def measure(self, process: Process, load: Load, seconds: float) -> None:
        """Add a round."""
        cpu, busy = process.cpu_seconds(), busy_seconds()
        figures = send(process.url, load, seconds)
        cpu, busy = process.cpu_seconds() - cpu, busy_seconds() - busy
        self.rate.append(figures.rate)
        self.p50_ms.append(figures.p50_ms)
        self.p99_ms.append(figures.p99_ms)
        self.cpu_us.append(cpu / max(1, figures.requests) * 1e6)
        self.others.append((busy - cpu - figures.tool_cpu_seconds) / figures.seconds)
        self.failed += figures.refused + figures.broken


@dataclass
class Result:
    """What the rounds showed of one server."""

    server: Server
    operations: dict[str, Series]
    ready_seconds: list[float] = field(default_factory=list)
    worker_mib: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return medians, and the numbers of all rounds."""
        return {
            "title": self.server.title,
            "ready_seconds": median(self.ready_seconds),
            "worker_mib": median(self.worker_mib),
            "operations": {
                name: {"median": {key: median(numbers) for key, numbers in _numbers(series).items()}} | asdict(series)
                for name, series in self.operations.items()
            },
        }


def _numbers(series: Series) -> dict[str, list[float]]:
    return {name: numbers for name, numbers in vars(series).items() if isinstance(numbers, list)}


def run_rounds(
    names: list[str],
    store: Store,
    places: Places,
    *,
    rounds: int,
    seconds: float,
    connections: int,
    workers: int,
    report: Callable[[str], None],
) -> dict[str, Result]:
    """Measure the servers of these names in turn."""
    data = {name: SERVERS[name].prepare(store, places.make(name), connections) for name in names}
    results = {name: Result(SERVERS[name], {key: Series() for key in data[name].operations}) for name in names}
    for number in range(1, rounds + 1):
        for name, result in results.items():
            with result.server.start(data[name], workers) as process:
                result.ready_seconds.append(process.ready_seconds)
                for key, operation in data[name].operations.items():
                    report(f"round {number}/{rounds}: {result.server.title}: {key}")
                    process.expect(operation.load.requests[0], operation.expected)
                    if number == 1 or key == next(iter(data[name].operations)):
                        send(process.url, operation.load, WARM_UP_SECONDS)
                    result.operations[key].measure(process, operation.load, seconds)
                result.worker_mib.append(process.worker_mib())
    return results
