"""A server under the guarded policy, with people of whom some are known."""

import os
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models import settings
from models.access_key import AccessKey
from models.account import Account
from models.db.database import connect, database, transaction
from models.migrations import migrate
from server.settings import Settings, read

ROOT = Path(__file__).parents[3]
PASSWORD = "kept by nobody else"  # noqa: S105  # of accounts that live as long as the measurement
ACCESSID = "enumeration"
CHEAP = {"ROLLBOOK_ARGON2_TIME_COST": "1", "ROLLBOOK_ARGON2_MEMORY_KIB": "64"}
START_SECONDS = 30


class Server:
    """A server of its own over a store of its own; use it as a context. cheap: whether hashing costs nothing.

    database_url: of an empty store; default: a file of SQLite.
    """

    def __init__(self, folder: Path, cheap: bool, database_url: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = {
            "ROLLBOOK_DATA": str(folder),
            "ROLLBOOK_BIND": f"127.0.0.1:{port}",
            "ROLLBOOK_POLICY": "guarded",
            "ROLLBOOK_LOG_LEVEL": "warning",
            "ROLLBOOK_SECRET_KEY": "enumeration " * 4,
            "ROLLBOOK_MAX_SESSIONS": str(10**6),
            "ROLLBOOK_RATE_LIMITS": "0",
            "ROLLBOOK_MOBILE_CODE_TRIES": str(10**9),  # each try meets a live code
            **(CHEAP if cheap else {}),
            **({"ROLLBOOK_DATABASE_URL": database_url} if database_url else {}),
        }
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")
        } | given
        self.settings: Settings = read(given)
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> "Server":
        settings.apply(self.settings)
        connect(self.settings.database_url)
        migrate()
        with transaction():
            self.accesskey = AccessKey.create(ACCESSID).accesskey
        self.process = subprocess.Popen([ROOT / "scripts/serve"], env=self.environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server does not start")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        database.close()
        self.process.terminate()
        self.process.wait()

    def _answers(self) -> bool:
        connection = self.connection()
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def connection(self) -> HTTPConnection:
        """Open a connection."""
        parts = urlsplit(self.url)
        return HTTPConnection(str(parts.hostname), parts.port, timeout=60)

    def register(self, username: str, **profile: Any) -> Account:
        """Make an account."""
        with transaction():
            return Account.register(username, PASSWORD, **profile)
