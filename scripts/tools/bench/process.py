"""Servers as processes: started, asked whether they answer rightly, watched, stopped."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.tools.bench.load import Request

ROOT = Path(__file__).parents[3]
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60


class WrongAnswerError(Exception):
    """Raised when a server does not answer as it should before it is measured."""


class Process:
    """A server that runs while the `with` block does.

    ready_seconds: from start to the first answer.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], port: int, log: Path) -> None:
        self.command, self.port, self.log = command, port, log
        self.environment = plain_environment() | dict(environment)
        self.url = f"http://127.0.0.1:{port}"
        self.ready_seconds = 0.0

    def __enter__(self) -> Self:
        started = time.monotonic()
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > started + PATIENCE:
                self._kill()
                raise WrongAnswerError(f"{self.command}: does not start\n{self.log.read_text()}")
            time.sleep(0.01)
        self.ready_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            self.ask(Request("GET", "/healthz"))
        except (OSError, http.client.HTTPException):
            return False
        return True

    def ask(self, request: Request) -> tuple[int, bytes]:
        """Send one request; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(request.method, request.path, request.body.encode() or None, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def expect(self, request: Request, text: str) -> None:
        """Check that a request succeeds and its answer holds a text. Raises WrongAnswerError."""
        status, body = self.ask(request)
        if status >= 400 or text not in body.decode():
            raise WrongAnswerError(f"{self.command}: {request.path}: {status} {body[:300]!r}\n{self.log.read_text()}")

    def cpu_seconds(self) -> float:
        """Return the processor time that the server took so far, all its processes together."""
        return sum(int(stat[11]) + int(stat[12]) for _, stat in self._processes()) / TICKS

    def worker_mib(self) -> float:
        """Return the resident memory of its largest worker in MiB: of a process that forks, of its children."""
        pages = {number: int(stat[21]) for number, stat in self._processes()}
        workers = [size for number, size in pages.items() if number != self.process.pid] or pages.values()
        return max(workers) * os.sysconf("SC_PAGESIZE") / 2**20

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the `stat` fields (from the third on) of each of its processes."""
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                stat = file.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(stat[2]) == self.process.pid:
                yield int(file.parent.name), stat


def plain_environment() -> dict[str, str]:
    """Return the environment without settings of a Rollbook that this machine may serve."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def busy_seconds() -> float:
    """Return the processor time that the whole machine spent so far, its hypervisor's claims included."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS
