"""The cluster that the operator guide describes, on one machine: three times etcd, Patroni and PostgreSQL."""

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

from scripts.tools.bench.process import ROOT
from scripts.tools.crash.town import (
    CrashError,
    Kill,
    Town,
    is_alive,
    kill,
    kill_backend,
    kill_tree,
    postmaster_of,
    wait_for,
)

DEPLOY = ROOT / "deploy" / "cluster"
ACCOUNT = "postgres"
"""Who runs etcd, Patroni and PostgreSQL when the run is root's."""
NODES = 3
ELECTION_SECONDS = 120


class Node:
    """A machine of the cluster, with an address of its own: etcd, Patroni and its PostgreSQL.

    start: starts a program of the cluster. values: what the files of deploy/cluster want to know.
    """

    def __init__(self, name: str, folder: Path, start: Callable[..., Any], values: dict[str, Any]) -> None:
        self.name, self.host, self.start_program = name, values[name], start
        self.home = folder / name
        self.data, self.configuration, self.log = self.home / "data", folder / f"{name}.yml", folder / f"{name}.log"
        known = values | {"name": name, "host": self.host, "data": self.data, "sockets": self.home}
        self.configuration.write_text(Template((DEPLOY / "patroni.yml").read_text()).substitute(known))
        lines = Template((DEPLOY / "etcd.env").read_text()).substitute(known).splitlines()
        self.environment = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        self.environment |= {"ETCD_DATA_DIR": str(self.home / "etcd"), "ETCD_LOG_LEVEL": "error"}
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start what does not run; Patroni starts PostgreSQL."""
        commands = {"etcd": (), "patroni": (self.configuration,)}
        for program, arguments in commands.items():
            if program not in self.started or self.started[program].poll() is not None:
                self.started[program] = self.start_program(self, program, *arguments)

    @property
    def postmaster(self) -> int:
        """Return the number of PostgreSQL's first process."""
        return postmaster_of(self.data)

    def kill(self, program: str) -> None:
        """Kill one program: what it started goes on without it."""
        if program in self.started:
            kill(self.started[program].pid)
            self.started[program].wait()

    def kill_patroni(self) -> None:
        """Kill Patroni alone."""
        self.kill("patroni")

    def kill_machine(self) -> None:
        """Kill all that runs on it."""
        for program in self.started:
            self.kill(program)
        if is_alive(self.postmaster):
            kill_tree(self.postmaster)


class ClusterTown(Town):
    """Two servers over the cluster; its address names all three machines."""

    name = "cluster"
    instances_count, workers = 2, 1
    nodes: tuple[Node, ...] = ()

    def start_store(self) -> str:
        """Make the cluster, and in it an account and a database for Rollbook."""
        for program in ("etcd", "patroni"):
            if shutil.which(program) is None:
                raise CrashError(f"{program} is missing: apt-get install etcd-server patroni postgresql")
        self.base = Path(tempfile.mkdtemp(prefix="rollbook-cluster-"))
        self.account: dict[str, Any] = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam(ACCOUNT)
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.base, entry.pw_uid, entry.pw_gid)
        self.password = password = secrets.token_hex(16)
        network = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}"
        values = {f"db{number}": f"{network}.{number}" for number in range(1, NODES + 1)}
        values |= {"network": "127.0.0.0/8", "password": password, "programs": str(_programs())}
        self.nodes = tuple(Node(f"db{number}", self.base, self._start, values) for number in range(1, NODES + 1))
        self.last_leader = ""
        self.heal_store()
        self._ask(f"CREATE ROLE rollbook LOGIN PASSWORD '{password}'", "CREATE DATABASE rollbook OWNER rollbook")
        hosts = ",".join(node.host for node in self.nodes)
        return f"postgresql://rollbook:{password}@{hosts}/rollbook?target_session_attrs=read-write"

    def _start(self, node: Node, program: str, *arguments: object) -> Any:
        node.home.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(node.home, self.account["user"], self.account["group"])
        environment = {"PATH": os.environ["PATH"], "HOME": str(node.home), **node.environment}
        with node.log.open("a") as output:
            return subprocess.Popen(
                [program, *map(str, arguments)],
                cwd=node.home,
                env=environment,
                stdout=output,
                stderr=output,
                **self.account,
            )

    def _ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the leader, and return what the last one gave."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _address(self, database: str) -> str:
        """Return the address at which the owner speaks to the leader."""
        return f"postgresql://postgres:{self.password}@{self.leader().host}/{database}?connect_timeout=2"

    # --- who leads ---------------------------------------------------------------------------------------------------

    def members(self) -> dict[str, tuple[str, str]]:
        """Return name -> role and state, as any living machine tells them."""
        for node in self.nodes:
            try:
                answer = httpx2.get(f"http://{node.host}:8008/cluster", timeout=5).json()
                return {one["name"]: (one["role"], one["state"]) for one in answer["members"]}
            except (httpx2.TransportError, KeyError, ValueError):
                continue
        return {}

    def leader(self) -> Node:
        """Return the machine that leads. Raises CrashError if none does for long."""
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
            "one of two sequencers at once": lambda random: self.kill_sequencer(self._address("rollbook"), random),
            "all servers, between an act and the chain": self.kill_unsequenced,
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
        shutil.copytree(self.base, self.folder / "cluster", ignore=shutil.ignore_patterns("db?"))
        shutil.rmtree(self.base)

    def describe(self) -> str:
        """Say what runs."""
        return f"{super().describe()} over {NODES} machines under Patroni, synchronous mode"


def _programs() -> Path:
    """Find PostgreSQL where Debian puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not found:
        raise CrashError("PostgreSQL is missing: apt-get install postgresql")
    return found[-1]
