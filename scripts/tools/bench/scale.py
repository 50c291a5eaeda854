"""Whether work grows with the instances, whatever a commit takes: three of them over one PostgreSQL.

A commit that takes 20 ms is a standby in the next data centre; a real standby stands on the same machine, and takes its
processor time. Hashing is made cheap, since it is the same for all.
"""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from models.settings import DAY
from scripts.tools.bench.load import Request
from scripts.tools.bench.process import ROOT, TICKS, Process, WrongAnswerError, free_port
from tests.postgres import PostgresServer, StandbyServer

INSTANCES = 3
POOL = 16
"""Connections to the store of each instance, and requests that hash there at once."""
CONNECTIONS = INSTANCES * POOL
ACCOUNTS = 500
DELAYED = "-c commit_delay=20000 -c commit_siblings=0"
"""Each commit waits for 20 ms, whoever else commits."""
ONE, FAST, ONE_SLOW, SLOW, STANDBY = "1 instance", "3", "1, commits of 20 ms", "3, commits of 20 ms", "3, a standby"
CASES = {
    ONE: (1, "", False),
    FAST: (INSTANCES, "", False),
    ONE_SLOW: (1, DELAYED, False),
    SLOW: (INSTANCES, DELAYED, False),
    STANDBY: (INSTANCES, "", True),
}
"""What is measured: so many instances, PostgreSQL with options, and a synchronous standby or none."""
PASSWORD = "correct horse"  # noqa: S105  # of accounts that live for a minute
COMMANDS = [str(ROOT / ".venv/bin/python"), "-m", "server"]
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Operation:
    """What is sent, the next one each time, and a text that is in every right answer."""

    make: Callable[[int], Request]
    expected: bytes


def log_in(number: int, password: str = PASSWORD) -> Request:
    """Return a login of one of the accounts, the next one each time."""
    body = json.dumps({"username": f"user{number % ACCOUNTS}", "password": password})
    return Request("POST", "/v1/login", JSON | {"token": "default"}, body)


def refused(number: int) -> Request:
    """Return a login with a wrong password."""
    return log_in(number, "wrong")


def register(number: int) -> Request:
    """Return a registration of a name that nobody has."""
    body = json.dumps({"username": f"new{secrets.token_hex(4)}{number}", "password": PASSWORD})
    return Request("POST", "/v1/user", JSON, body)


OPERATIONS = {
    "login": Operation(log_in, b'"code":"OK"'),
    "refused login": Operation(refused, b'"db_crud_err"'),
    "registration": Operation(register, b'"code":"OK"'),
}


def measure_scale(seconds: float, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure each operation with fast commits and slow ones, on one instance and on three; return a row for each."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for case, (instances, options, standby) in CASES.items():
        with _standing(options, instances, standby) as (postgres, processes):
            for name, operation in OPERATIONS.items():
                report(f"{case}: {name}")
                found[name, case] = _measure(postgres, processes, operation, seconds)
    rows = []
    for name in OPERATIONS:
        rates = {case: found[name, case][0] for case in CASES}
        cpu = {case: found[name, case][1] for case in CASES}
        slow = {f"share, {case}": rates[case] / rates[FAST] for case in (SLOW, STANDBY)}
        rows.append({"operation": name, **rates, **slow, "processor time of 3 to 1": cpu[FAST] / cpu[ONE]})
    return rows


def show_scale(rows: list[dict[str, Any]]) -> str:
    """Return the table of the rows."""
    names = [name for name in rows[0] if name != "operation"]
    lines = [f"| answers a second | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        shown = " | ".join(f"{row[name]:,.0f}" if name in CASES else f"{row[name]:.2f}" for name in names)
        lines.append(f"| {row['operation']} | {shown} |")
    return "\n".join(lines)


@contextmanager
def _standing(options: str, instances: int, standby: bool) -> Iterator[tuple[PostgresServer, list[Process]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollbook-scale-")))
        postgres = PostgresServer(options)
        stack.callback(postgres.remove)
        if standby:
            stack.callback(StandbyServer(postgres).remove)
        shared = {
            "ROLLBOOK_DATABASE_URL": postgres.url,
            "ROLLBOOK_SECRET_KEY": secrets.token_hex(32),
            "ROLLBOOK_WORKERS": "1",
            "ROLLBOOK_DATABASE_POOL_SIZE": str(POOL),
            "ROLLBOOK_DATABASE_TIMEOUT_SECONDS": "60",
            "ROLLBOOK_HASH_CONCURRENCY": str(POOL // 2),  # each with two threads
            "ROLLBOOK_HASH_QUEUE": "100",
            "ROLLBOOK_HASH_DEADLINE_SECONDS": "60",
            "ROLLBOOK_ARGON2_TIME_COST": "1",
            "ROLLBOOK_ARGON2_MEMORY_KIB": "8",
            "ROLLBOOK_RATE_LIMITS": "0",  # all come from one address
            "ROLLBOOK_MAX_SESSIONS": str(DAY),
            "ROLLBOOK_LOG_LEVEL": "warning",
        }
        processes = []
        for number in range(instances):
            port = free_port()
            own = {"ROLLBOOK_BIND": f"127.0.0.1:{port}", "ROLLBOOK_DATA": str(folder / str(number))}
            process = Process(COMMANDS, shared | own, port, folder / f"{number}.log")
            processes.append(stack.enter_context(process))
        numbers = iter(range(ACCOUNTS))
        made = asyncio.run(_send(processes, numbers, Operation(_register_user, b'"code":"OK"'), 60))
        if made != ACCOUNTS:
            raise WrongAnswerError(f"{made} of {ACCOUNTS} accounts were made")
        yield postgres, processes


def _register_user(number: int) -> Request:
    body = json.dumps({"username": f"user{number}", "password": PASSWORD})
    return Request("POST", "/v1/user", JSON, body)


def _measure(
    postgres: PostgresServer, processes: list[Process], operation: Operation, seconds: float
) -> tuple[float, float]:
    """Return answers a second, and the processor time in seconds that servers and store took for each."""
    asyncio.run(_send(processes, count(), operation, seconds / 3))
    roots = [
        *(process.process.pid for process in processes),
        int((postgres.data / "postmaster.pid").read_text().split()[0]),
    ]
    before, began = _cpu_seconds(roots), time.monotonic()
    answers = asyncio.run(_send(processes, count(ACCOUNTS // 2), operation, seconds))
    took = time.monotonic() - began
    return answers / took, (_cpu_seconds(roots) - before) / answers


async def _send(processes: list[Process], numbers: Iterator[int], operation: Operation, seconds: float) -> int:
    """Send requests over all connections, each its next one after the answer; return how many were answered."""
    until = time.monotonic() + seconds
    answered = 0

    async def connection(process: Process) -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        host = f"127.0.0.1:{process.port}"
        while time.monotonic() < until and (number := next(numbers, None)) is not None:
            writer.write(operation.make(number).on_the_wire(host).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            body = await reader.readexactly(int(length))
            if operation.expected not in body:
                raise WrongAnswerError(f"{process.url} answered {body!r}")
            answered += 1
        writer.close()

    await asyncio.gather(*(connection(processes[n % len(processes)]) for n in range(CONNECTIONS)))
    return answered


def _cpu_seconds(roots: list[int]) -> float:
    """Return the processor time that processes and all that they started have taken."""
    times: dict[int, tuple[int, int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        times[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    total = 0
    for pid, (_, ticks) in times.items():
        ancestor = pid
        while ancestor in times and ancestor not in roots:
            ancestor = times[ancestor][0]
        total += ticks if ancestor in roots else 0
    return total / TICKS
