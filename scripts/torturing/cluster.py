"""The cluster that the operator guide describes, on one machine: etcd, and three PostgreSQL servers under Patroni."""

import itertools
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from string import Template
from typing import Any

import httpx2
import psycopg

from scripts.benchmark.process import ROOT, free_port
from scripts.torturing.town import (
    Kill,
    TortureError,
    Town,
    is_alive,
    kill,
    kill_backend,
    kill_tree,
    postmaster_of,
    wait_for,
)

CONFIGURATION = ROOT / "deploy" / "cluster" / "patroni.yml"
ACCOUNT = "postgres"
"""Who runs etcd, Patroni and PostgreSQL when the run is root's."""
HOST = "127.0.0.1"
NODES = 3
ELECTION_SECONDS = 120


class Node:
    """A machine of the cluster: Patroni and its PostgreSQL.

    start: starts a program of the cluster. values: what its configuration file wants to know.
    """

    def __init__(self, name: str, folder: Path, start: Callable[..., Any], values: dict[str, Any]) -> None:
        self.name, self.start_program = name, start
        self.port, self.api_port = free_port(), free_port()
        self.home = folder / name
        self.data, self.configuration, self.log = self.home / "data", folder / f"{name}.yml", folder / f"{name}.log"
        known = {"name": name, "host": HOST, "port": self.port, "api_port": self.api_port, "data": self.data}
        self.configuration.write_text(Template(CONFIGURATION.read_text()).substitute(known | values))
        self.patroni: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, unless it runs; it starts PostgreSQL."""
        if self.patroni is None or self.patroni.poll() is not None:
            self.patroni = self.start_program(self.log, self.home, "patroni", self.configuration)

    @property
    def postmaster(self) -> int:
        """Return the number of PostgreSQL's first process."""
        return postmaster_of(self.data)

    def kill_patroni(self) -> None:
        """Kill Patroni alone: PostgreSQL goes on without it."""
        if self.patroni:
            kill(self.patroni.pid)
            self.patroni.wait()

    def kill_machine(self) -> None:
        """Kill all that runs on it."""
        self.kill_patroni()
        if is_alive(self.postmaster):
            kill_tree(self.postmaster)


class ClusterTown(Town):
    """Two servers over the cluster; its address names all three machines."""

    name = "cluster"
    instances_count, workers = 2, 1
    nodes: tuple[Node, ...] = ()
    etcd: Any = None

    def start_store(self) -> str:
        """Make the cluster, and in it an account and a database for Rollbook."""
        for program in ("etcd", "patroni"):
            if shutil.which(program) is None:
                raise TortureError(f"{program} is missing: apt-get install etcd-server patroni postgresql")
        self.base = Path(tempfile.mkdtemp(prefix="rollbook-cluster-"))
        self.account: dict[str, Any] = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam(ACCOUNT)
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.base, entry.pw_uid, entry.pw_gid)
        self.password = password = secrets.token_hex(16)
        client, peer = (f"http://{HOST}:{free_port()}" for _ in range(2))
        home = self.base / "etcd"
        options = {
            "--name": "etcd",
            "--data-dir": home / "data",
            "--log-level": "error",
            "--listen-client-urls": client,
            "--advertise-client-urls": client,
            "--listen-peer-urls": peer,
            "--initial-advertise-peer-urls": peer,
            "--initial-cluster": f"etcd={peer}",
        }
        self.etcd = self._start(self.base / "etcd.log", home, "etcd", *itertools.chain(*options.items()))
        values = {
            "etcd": client.removeprefix("http://"),
            "network": f"{HOST}/32",
            "password": password,
            "programs": _programs(),
            "sockets": self.base,
        }
        self.nodes = tuple(Node(f"node{number}", self.base, self._start, values) for number in range(1, NODES + 1))
        self.last_leader = ""
        self.heal_store()
        self._ask(f"CREATE ROLE rollbook LOGIN PASSWORD '{password}'", "CREATE DATABASE rollbook OWNER rollbook")
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"postgresql://rollbook:{password}@{hosts}/rollbook?target_session_attrs=read-write"

    def _start(self, log: Path, home: Path, program: str, *arguments: object) -> Any:
        home.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(home, self.account["user"], self.account["group"])
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        with log.open("a") as output:
            return subprocess.Popen(
                [program, *map(str, arguments)], cwd=home, env=environment, stdout=output, stderr=output, **self.account
            )

    def _ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the leader, and return what the last one gave."""
        address = f"postgresql://postgres:{self.password}@{HOST}:{self.leader().port}/postgres?connect_timeout=2"
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    # --- who leads ---------------------------------------------------------------------------------------------------

    def members(self) -> dict[str, tuple[str, str]]:
        """Return name -> role and state, as any living machine tells them."""
        for node in self.nodes:
            try:
                answer = httpx2.get(f"http://{HOST}:{node.api_port}/cluster", timeout=5).json()
                return {one["name"]: (one["role"], one["state"]) for one in answer["members"]}
            except (httpx2.TransportError, KeyError, ValueError):
                continue
        return {}

    def leader(self) -> Node:
        """Return the machine that leads. Raises TortureError if none does for long."""
        found: list[Node] = []

        def look() -> bool:
            leading = [
                name for name, (role, state) in self.members().items() if role == "leader" and state == "running"
            ]
            found[:] = [node for node in self.nodes if node.name in leading]
            return bool(found)

        wait_for(look, "nobody leads the cluster", ELECTION_SECONDS)
        return found[0]

    def is_whole(self) -> bool:
        """Tell whether one leads, one stands by in step, and all others follow; the leader itself must say so."""
        members = self.members().values()
        roles = [role for role, state in members if state in ("running", "streaming")]
        if len(roles) < NODES or "sync_standby" not in roles:
            return False
        try:
            followers = self._ask("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
        except psycopg.OperationalError:
            return False
        return len(followers) == NODES - 1 and ("sync",) in followers

    # --- what is done to it ------------------------------------------------------------------------------------------

    def kills(self) -> dict[str, Kill]:
        """Return what can be killed; mostly the leader."""
        servers = {"a worker": super().kills()["a worker"], "a whole server": super().kills()["a whole server"]}
        return {
            "the leader's machine": self._kill_leader(Node.kill_machine),
            "the leader's machine ": self._kill_leader(Node.kill_machine),
            "the leader's PostgreSQL": self._kill_leader(lambda node: kill_tree(node.postmaster)),
            "the leader's PostgreSQL ": self._kill_leader(lambda node: kill_tree(node.postmaster)),
            "the leader's Patroni": self._kill_leader(Node.kill_patroni),
            "a backend of the leader": lambda random: kill_backend(self.leader().postmaster, random),
            **servers,
        }

    def _kill_leader(self, how: Callable[[Node], None]) -> Kill:
        def strike(_: Random) -> None:
            leader = self.leader()
            how(leader)
            if not is_alive(leader.postmaster):
                self.last_leader = leader.name

        return strike

    def heal_store(self) -> None:
        """Wait for another leader where a machine died; then let the dead one join again."""
        if self.last_leader:
            wait_for(lambda: self.leader().name != self.last_leader, "no other leads", ELECTION_SECONDS)
            self.last_leader = ""
        for node in self.nodes:
            node.start()
        wait_for(self.is_whole, f"the cluster does not become whole: {self.members()}", ELECTION_SECONDS)

    def stop_store(self) -> None:
        """End the cluster; keep its logs."""
        for node in self.nodes:
            node.kill_machine()
        if self.etcd:
            self.etcd.kill()
            self.etcd.wait()
        shutil.copytree(self.base, self.folder / "cluster", ignore=shutil.ignore_patterns("etcd", "node?", ".s.*"))
        shutil.rmtree(self.base)

    def describe(self) -> str:
        """Say what runs."""
        return f"{super().describe()} over {NODES} machines under Patroni, synchronous mode"


def _programs() -> Path:
    """Find PostgreSQL where Debian puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not found:
        raise TortureError("PostgreSQL is missing: apt-get install postgresql")
    return found[-1]
