"""A server in this process: no socket, no worker, one store that can be put back to where it was."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from typer.testing import CliRunner

from models.account import Account
from models.db.database import connect, database
from models.migrations import migrate
from models.settings import apply
from scripts.tools.journeys.inputs import Inputs
from server.app import create_app
from server.cli.__main__ import app as rollbook
from server.jobs.delivery.transports import transports
from server.jobs.mailer import Mailer
from server.settings import read
from server.specs import Contract

ADDRESS = "127.0.0.1"
URL = "http://127.0.0.1:8000"
KINDS: dict[str, dict[str, Any]] = {
    "documented": {},
    "guarded": {"policy": "guarded"},
    "limited": {"rate_limits": True},
}
"""Kind of application -> settings in which it is not as the first."""
NAMED = {
    "ROLLBOOK_ARGON2_TIME_COST": "1",
    "ROLLBOOK_ARGON2_MEMORY_KIB": "8",
    "ROLLBOOK_RATE_LIMITS": "0",
    "ROLLBOOK_POLICY": "documented",
    "ROLLBOOK_SECRET_KEY": "a key of the mutants that is as long as the server asks for and is no secret",
    "ROLLBOOK_REQUEST_LOG": "0",
    "ROLLBOOK_MAX_SESSIONS": str(10**6),
}


class InProcess:
    """The applications of one contract over one store. folder: where it lies; best a disk in memory."""

    def __init__(self, contract: Contract, folder: Path) -> None:
        """Migrate the store. Raises SpecError where the contract cannot be served."""
        self.contract = contract
        self.folder = folder
        self.environment = NAMED | {"ROLLBOOK_DATA": str(folder)}
        self.settings = read(self.environment)
        connect(self.settings.database_url)
        migrate()
        self.store = sqlite3.connect(folder / "rollbook.sqlite3", timeout=10)
        self.loop = asyncio.new_event_loop()
        self.apps: dict[str, Any] = {}
        self.send("GET", "/healthz")

    @property
    def data(self) -> Path:
        """Return the data folder, once what is due was delivered."""
        Mailer(transports(self.settings)).deliver_due()
        return self.folder

    def send(
        self, method: str, url: str, kind: str = "documented", address: str = ADDRESS, **sent: Any
    ) -> httpx2.Response:
        """Send a request to an application. address: whence it comes."""
        settings = replace(self.settings, **KINDS[kind])
        if kind not in self.apps:
            self.apps[kind] = create_app(settings, contracts=[self.contract])
        apply(settings)
        transport = httpx2.ASGITransport(self.apps[kind], raise_app_exceptions=False, client=(address, 1))

        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
                return await client.request(method, url, **sent)

        return self.loop.run_until_complete(ask())

    def snapshot(self) -> sqlite3.Connection:
        """Return a copy of the store as it is now."""
        copy = sqlite3.connect(":memory:")
        self.store.backup(copy)
        return copy

    def restore(self, copy: sqlite3.Connection) -> None:
        """Put the store back to where it was."""
        copy.backup(self.store)

    def operate(self, *command: str) -> str:
        """Run the operator's command on the store; return what it prints."""
        ran = CliRunner(env=os.environ | self.environment).invoke(rollbook, command)
        connect(self.settings.database_url)
        if ran.exit_code:
            raise RuntimeError(f"rollbook {' '.join(command)}: {ran.stderr}")
        return ran.stdout

    def make_administrator(self, username: str) -> None:
        """Make an account an administrator's."""
        Account.update(admin=True).where(Account.username == username).execute()

    @contextmanager
    def broken(self, error: Exception) -> Iterator[None]:
        """Have every statement fail, inside."""

        def fail(*_: Any, **__: Any) -> Any:
            raise error

        kind: Any = type(database.obj)
        usual = kind.execute_sql
        kind.execute_sql = fail
        try:
            yield
        finally:
            kind.execute_sql = usual


class Undisturbed(Inputs):
    """Inputs of a journey that nobody else walks: its defaults are unique as they are."""

    def __init__(self, server: InProcess) -> None:
        super().__init__(server)
        self.suffix = ""
