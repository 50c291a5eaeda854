"""Servers and stores as processes that can be killed and brought back."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import psycopg

from models.audit.lanes import PendingEvent
from models.db.database import run_transaction
from scripts.tools.bench.process import ROOT, free_port, plain_environment
from server.settings import Settings
from tests.postgres import PgBouncer, PostgresServer

PATIENCE = 90
CHEAP = {"ROLLBOOK_ARGON2_TIME_COST": "1", "ROLLBOOK_ARGON2_MEMORY_KIB": "8"}
Kill = Callable[[Random], None]
WAITING = "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted"
"""Who waits for a lock in PostgreSQL. Acts wait for nobody, so these are sequencers."""


class CrashError(Exception):
    """Raised when what was killed does not come back."""


class Instance:
    """One server. folder: where its log goes. environment: its settings."""

    def __init__(self, number: int, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{number}.log"
        bind = {"ROLLBOOK_BIND": f"127.0.0.1:{self.port}"}
        self.environment = plain_environment() | CHEAP | environment | bind
        self.started: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return its master. Raises CrashError before it was started."""
        if self.started is None:
            raise CrashError(f"{self.url} was not started")
        return self.started

    def start(self) -> None:
        """Start it, unless it runs; return when it is ready."""
        if self.started is None or self.started.poll() is not None:
            with self.log.open("a") as log:
                self.started = subprocess.Popen(
                    [sys.executable, "-m", "server"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
                )
        wait_for(self.is_ready, f"{self.url} is not ready, see {self.log}")

    def is_ready(self) -> bool:
        """Tell whether it answers and its store does; start it again if it ended because its store was away."""
        if self.process.poll() is not None:
            self.start()
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx2.TransportError:
            return False

    def kill_worker(self, random: Random) -> None:
        """Kill one worker; its master makes another."""
        if workers := children(self.process.pid):
            kill(random.choice(workers))

    def kill_master(self, random: Random) -> None:
        """Kill the master; its workers must leave by themselves, as must the port."""
        workers = children(self.process.pid)
        kill(self.process.pid)
        self.process.wait()
        wait_for(lambda: not any(map(is_alive, workers)), f"workers {workers} outlive their master")

    def kill_all(self, random: Random) -> None:
        """Kill master and workers at once, as the end of a container does."""
        for pid in (self.process.pid, *children(self.process.pid)):
            kill(pid)
        self.process.wait()

    def stop(self) -> None:
        """End it for good."""
        if self.started and self.started.poll() is None:
            self.started.terminate()
            self.started.wait()


class Town:
    """A store and the servers over it.

    settings: those of the servers, for whoever looks into the store. kills: what can be done to them, by name.
    left_unsequenced: kills after which events were found that no living sequencer had put into the chain.
    """

    name = "sqlite"
    instances_count, workers = 1, 2

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left_unsequenced = 0
        key = secrets.token_hex(32)
        self.instances: list[Instance] = []
        try:
            self.url = self.start_store()
        except BaseException:
            self.stop()
            raise
        shared = {
            "ROLLBOOK_DATA": str(folder / "data"),
            "ROLLBOOK_DATABASE_URL": self.url,
            "ROLLBOOK_SECRET_KEY": key,
            "ROLLBOOK_WORKERS": str(self.workers),
        }
        if "rate_limits" in Settings.__dataclass_fields__:
            shared["ROLLBOOK_RATE_LIMITS"] = "0"
        if "max_sessions" in Settings.__dataclass_fields__:
            shared["ROLLBOOK_MAX_SESSIONS"] = str(10**6)  # what was acknowledged is to be found again
        self.settings = Settings(database_url=self.url, secret_key=key.encode(), data=folder / "data")
        self.instances = [Instance(number, folder, shared) for number in range(self.instances_count)]

    def start_store(self) -> str:
        """Start the store and return its address."""
        return f"sqlite:///{self.folder}/data/rollbook.sqlite3"

    def kills(self) -> dict[str, Kill]:
        """Return what can be killed."""

        def somewhere(method: str) -> Kill:
            return lambda random: getattr(random.choice(self.instances), method)(random)

        return {
            "a worker": somewhere("kill_worker"),
            "a master": somewhere("kill_master"),
            "a whole server": somewhere("kill_all"),
            "all servers, between an act and the chain": self.kill_unsequenced,
        }

    def kill_unsequenced(self, random: Random) -> None:
        """Kill all servers at a moment at which events are in their lanes and not in the chain yet."""
        wait_for(lambda: bool(unsequenced()), "nobody acts")
        for instance in self.instances:
            instance.kill_all(random)
        self.left_unsequenced += bool(unsequenced())

    def kill_sequencer(self, address: str, random: Random) -> None:
        """Kill a server while both sequence: one has written the head and not yet the events, the other waits for it.

        address: where the owner of a PostgreSQL speaks to it.
        """
        with psycopg.connect(address) as owner:
            owner.execute("LOCK TABLE audit_event IN SHARE MODE")
            wait_for(lambda: len(owner.execute(WAITING).fetchall()) > 1, "nobody sequences")
            random.choice(self.instances).kill_all(random)
            self.left_unsequenced += bool(unsequenced())
            owner.rollback()

    def heal(self) -> None:
        """Bring back what does not come back by itself; return when all are ready."""
        self.heal_store()
        for instance in self.instances:
            instance.start()

    def heal_store(self) -> None:
        """Bring the store back."""

    def stop(self) -> None:
        """End everything."""
        for instance in self.instances:
            instance.stop()
        self.stop_store()

    def stop_store(self) -> None:
        """End the store, as far as it was started."""

    def describe(self) -> str:
        """Say what runs."""
        return f"{self.instances_count} server(s) of {self.workers} worker(s)"


class PostgresTown(Town):
    """Two servers over one PostgreSQL."""

    name = "postgresql"
    instances_count, workers = 2, 1

    def start_store(self) -> str:
        """Start PostgreSQL."""
        self.server = PostgresServer()
        return self.server.url

    def kills(self) -> dict[str, Kill]:
        """Return what can be killed."""
        return super().kills() | {
            "a backend of PostgreSQL": lambda random: kill_backend(self.postmaster, random),
            "all of PostgreSQL": lambda random: kill_tree(self.postmaster),
            "the postmaster": self.kill_postmaster,
            "one of two sequencers at once": lambda random: self.kill_sequencer(self.server.url, random),
        }

    @property
    def postmaster(self) -> int:
        """Return the number of the first process of PostgreSQL."""
        return postmaster_of(self.server.data)

    def kill_postmaster(self, random: Random) -> None:
        """Kill the postmaster alone; the others must leave by themselves."""
        pid = self.postmaster
        rest = children(pid)
        kill(pid)
        wait_for(lambda: not any(map(is_alive, rest)), "PostgreSQL outlives its postmaster")

    def heal_store(self) -> None:
        """Start PostgreSQL again, unless it lives."""
        if not is_alive(self.postmaster):
            self.server.start()

    def stop_store(self) -> None:
        """End PostgreSQL."""
        self.server.remove()


def unsequenced() -> int:
    """Return how many events are in their lanes and not in the chain yet."""
    return run_transaction(lambda: int(PendingEvent.select().count()))


class PgBouncerTown(PostgresTown):
    """Two servers that reach one PostgreSQL through a PgBouncer in transaction mode."""

    name = "pgbouncer"

    def start_store(self) -> str:
        """Start PostgreSQL, and PgBouncer before it."""
        super().start_store()
        if PgBouncer.program is None:
            raise CrashError("pgbouncer is missing: scripts/programs installs it")
        self.pooler = PgBouncer(self.server, "transaction", size=6)
        return self.pooler.url

    def kills(self) -> dict[str, Kill]:
        """Return what can be killed."""
        return super().kills() | {"PgBouncer": lambda random: self.pooler.kill()}

    def heal_store(self) -> None:
        """Start again what does not live."""
        super().heal_store()
        if self.pooler.process.poll() is not None:
            self.pooler.start()

    def stop_store(self) -> None:
        """End both."""
        self.pooler.remove()
        super().stop_store()

    def describe(self) -> str:
        """Say what runs."""
        return f"{super().describe()} behind PgBouncer, transaction mode"


def postmaster_of(data: Path) -> int:
    """Return the number of the process that serves a data folder, or 0."""
    with contextlib.suppress(FileNotFoundError, IndexError):
        return int((data / "postmaster.pid").read_text().split()[0])
    return 0


def kill_backend(postmaster: int, random: Random) -> None:
    """Kill one process that serves a client: PostgreSQL then ends all others and recovers."""
    serving = [pid for pid in children(postmaster) if "127.0.0.1" in _command(pid)]
    if serving:
        kill(random.choice(serving))


def kill_tree(pid: int) -> None:
    """Kill a process with its children, and wait until they are gone."""
    family = [pid, *children(pid)]
    for member in family:
        kill(member)
    wait_for(lambda: not any(map(is_alive, family)), f"{family} cannot be killed")


def kill(pid: int) -> None:
    """Kill one process, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        if pid > 1:
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the processes that a process began."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process is there; a dead one that nobody has buried is, for PostgreSQL takes it for alive too."""
    return pid > 1 and Path(f"/proc/{pid}").exists()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def wait_for(condition: Callable[[], bool], complaint: str, seconds: float = PATIENCE) -> None:
    """Wait until something is so. Raises CrashError."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise CrashError(complaint)
        time.sleep(0.1)


@contextlib.contextmanager
def standing(town: Any) -> Iterator[Any]:
    """Have a town stand while the block runs."""
    try:
        town.heal()
        yield town
    finally:
        town.stop()
