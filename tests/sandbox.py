"""A sandbox in this process, and what a client's test asks of one."""

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from models import clock
from models import settings as directory
from models.db.database import connect, database
from models.migrations import migrate
from scripts.tools import contract_coverage
from server.app import create_app
from server.sandbox.start import Sandbox
from server.settings import Settings
from server.specs import load_contracts


class SandboxUnderTest:
    """A sandbox with its client. settings, parts: what it is made of."""

    def __init__(self, folder: Path, **environment: str) -> None:
        sandbox = Sandbox(environment, folder)
        self.settings: Settings = sandbox.settings
        self.parts = sandbox.parts
        self.open()
        migrate()
        sandbox.seed()
        contracts = load_contracts(self.settings)
        app: Any = create_app(self.settings, None, contract_coverage.layers(), contracts=contracts, **self.parts)
        self.client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)

    def open(self) -> None:
        """Make this process's directory that of the sandbox, whatever other tests have made of it."""
        directory.apply(self.settings)
        connect(self.settings.database_url)

    def close(self) -> None:
        """Let the clock go, for other tests."""
        clock.stop(None)
        database.close()

    def ask(self, method: str, path: str, expected: int = 200, **options: Any) -> Any:
        """Ask something of the sandbox itself; return what it answers."""
        answer = self.client.request(method, f"/sandbox{path}", **options)
        assert answer.status_code == expected, answer.text
        return answer.json() if answer.content else None

    def advance(self, seconds: int) -> int:
        """Move the clock on; return where it stands."""
        return int(self.ask("POST", "/clock", json={"seconds": seconds})["now"])

    def make(self, **account: Any) -> dict[str, Any]:
        """Make an account."""
        made: dict[str, Any] = self.ask("POST", "/accounts", 201, json=account)
        return made

    def latest(self, to: str, **query: Any) -> dict[str, Any]:
        """Return the newest message to somebody."""
        found: dict[str, Any] = self.ask("GET", "/messages/latest", params={"to": to, **query})
        return found
