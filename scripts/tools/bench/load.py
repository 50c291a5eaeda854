"""Load: requests that are ready for the wire, and the tool that sends them.

wrk sends many different requests in turn. Where it is not installed, oha stands in; it sends one request over and over.
Where neither is, Locust sends them in turn, but so few a second that a fast server waits for it.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("wrk.lua")
LOCUST = Path(__file__).parents[3] / ".venv-bench/bin/locust"
LOCUST_FILE = Path(__file__).parents[1] / "bench_peers/locustfile.py"


@dataclass(frozen=True)
class Request:
    """One request: method, path with query, headers, body."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def on_the_wire(self, host: str) -> str:
        """Return the request as text for a connection that is kept open."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return "\r\n".join([*lines, "", self.body])


@dataclass(frozen=True)
class Figures:
    """What a run showed.

    refused: answers with a status of 400 or more. broken: connections that failed or timed out.
    tool_cpu_seconds: processor time that the load tool took.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int
    statuses: dict[str, int]
    tool_cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Return accepted requests per second."""
        return (self.requests - self.refused) / self.seconds


@dataclass(frozen=True)
class Load:
    """What is sent: requests in turn over so many connections, each waiting `delay_ms` on average before each."""

    requests: list[Request]
    connections: int
    delay_ms: int = 0
    count_statuses: bool = False


class ToolMissingError(Exception):
    """Raised where no load tool is installed."""


def tool() -> str:
    """Return the path of the load tool. Raises ToolMissingError."""
    found = shutil.which("wrk") or shutil.which("oha") or shutil.which(str(LOCUST))
    if found is None:
        raise ToolMissingError("none of wrk, oha and Locust is installed; on Debian: apt-get install wrk")
    return found


def describe_tool() -> str:
    """Return what sends the load, with its version."""
    path = tool()
    option = "-v" if path.endswith("wrk") else "--version"
    said = subprocess.run([path, option], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).splitlines()[0].partition(" Copyright")[0].partition(" from ")[0]


def send(url: str, load: Load, seconds: float) -> Figures:
    """Send load to a server for some seconds."""
    with sending(url, load, seconds) as running:
        pass
    return running.figures()


@contextmanager
def sending(url: str, load: Load, seconds: float) -> Iterator["_Running"]:
    """Send load while the block runs, and until the seconds are over."""
    with tempfile.TemporaryDirectory(prefix="rollbook-bench-") as folder:
        running = TOOLS[Path(tool()).name](url, load, seconds, Path(folder))
        try:
            yield running
            running.wait()
        finally:
            running.process.kill()
            running.process.wait()


class _Running:
    """A load tool at work."""

    process: "subprocess.Popen[str]"
    output = ""
    cpu_seconds = 0.0

    def wait(self) -> None:
        """Wait for the end. Raises RuntimeError when the tool fails."""
        before = _children_cpu_seconds()
        self.output, errors = self.process.communicate()
        self.cpu_seconds = _children_cpu_seconds() - before
        if self.process.returncode:
            raise RuntimeError(f"{self.process.args!r}: {self.output}{errors}")

    def figures(self) -> Figures:
        """Return what the run showed, once it is over."""
        raise NotImplementedError

    def _start(self, command: list[str], environment: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)


class _Wrk(_Running):
    def __init__(self, url: str, load: Load, seconds: float, folder: Path) -> None:
        host = url.removeprefix("http://")
        file = folder / "requests"
        file.write_text("\0".join(request.on_the_wire(host) for request in load.requests), newline="")
        environment = {
            "BENCH_REQUESTS": str(file),
            "BENCH_DELAY_MS": str(load.delay_ms),
            "BENCH_COUNT": str(int(load.count_statuses)),
        }
        options = ["-t", "1", "-c", str(load.connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
        self._start([tool(), *options, "-s", str(SCRIPT), url], environment)

    def figures(self) -> Figures:
        return Figures(**json.loads(self.output.splitlines()[-1]), tool_cpu_seconds=self.cpu_seconds)


class _Oha(_Running):
    def __init__(self, url: str, load: Load, seconds: float, folder: Path) -> None:
        request = load.requests[0]
        options = ["--no-tui", "--json", "-c", str(load.connections), "-z", f"{seconds}s", "-m", request.method]
        if load.delay_ms:
            options += ["-q", str(load.connections * 1_000 // load.delay_ms)]
        for name, value in request.headers.items():
            options += ["-H", f"{name}: {value}"]
        if request.body:
            options += ["-d", request.body]
        self._start([tool(), *options, url + request.path], {})

    def figures(self) -> Figures:
        told: dict[str, Any] = json.loads(self.output)
        statuses: dict[str, int] = told["statusCodeDistribution"]
        return Figures(
            requests=sum(statuses.values()),
            seconds=told["summary"]["total"],
            p50_ms=told["latencyPercentiles"]["p50"] * 1e3,
            p99_ms=told["latencyPercentiles"]["p99"] * 1e3,
            refused=sum(count for status, count in statuses.items() if int(status) >= 400),
            broken=sum(count for error, count in told["errorDistribution"].items() if "deadline" not in error),
            statuses=statuses,
            tool_cpu_seconds=self.cpu_seconds,
        )


class _Locust(_Running):
    def __init__(self, url: str, load: Load, seconds: float, folder: Path) -> None:
        file = folder / "requests"
        file.write_text(json.dumps([astuple(request) for request in load.requests]))
        environment = {"BENCH_REQUESTS": str(file), "BENCH_DELAY_MS": str(load.delay_ms)}
        users = str(load.connections)
        options = ["-u", users, "-r", users, "-t", f"{max(1, round(seconds))}s", "--stop-timeout", "0", "-H", url]
        quiet = ["--headless", "--only-summary", "--skip-log", "--exit-code-on-error", "0"]
        self._start([tool(), "-f", str(LOCUST_FILE), *options, *quiet], environment)

    def figures(self) -> Figures:
        told = next(line for line in reversed(self.output.splitlines()) if line.startswith("{"))
        return Figures(**json.loads(told), tool_cpu_seconds=self.cpu_seconds)


TOOLS: dict[str, Callable[[str, Load, float, Path], _Running]] = {"wrk": _Wrk, "oha": _Oha, "locust": _Locust}


def _children_cpu_seconds() -> float:
    """Return the processor time of all children that were waited for."""
    times = os.times()
    return times.children_user + times.children_system
