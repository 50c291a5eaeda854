"""The server under fire: a real one, over a scratch folder, with cheap password hashing."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from scripts.tools import contract_coverage

ROOT = Path(__file__).parents[3]
START_SECONDS = 30
KEPT = ("ROLLBOOK_CONTRACTS", "ROLLBOOK_SERVE")
"""What a server takes over from the environment: which contracts there are."""


class Server:
    """A server of its own port and data folder, as a context manager.

    url: where it answers. data: its data folder. output: file with all that it wrote.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.data = folder / "data"
        self.output = folder / "server.log"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_") or name in KEPT
        }
        self.environment = inherited | {
            "ROLLBOOK_ARGON2_TIME_COST": "1",
            "ROLLBOOK_ARGON2_MEMORY_KIB": "8",
            "ROLLBOOK_BIND": f"127.0.0.1:{port}",
            "ROLLBOOK_DATA": str(self.data),
            "ROLLBOOK_MAX_SESSIONS": str(10**6),
            "ROLLBOOK_RATE_LIMITS": "0",  # thousands of requests a minute come from one address
            "ROLLBOOK_SECRET_KEY": secrets.token_hex(32),
        }

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        with self.output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603  # the project's own command
                contract_coverage.serve_command(),
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"the server does not start:\n{self.output.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it as an operator does."""
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def create_key(self, accessid: str) -> str:
        """Make an access key and return what signs."""
        return str(json.loads(self.operate("key", "create", accessid, "--json"))["accesskey"])

    def operate(self, *command: str, given: str = "") -> str:
        """Run the operator command on the server's store. given: its stdin. Returns what it prints."""
        return subprocess.run(  # noqa: S603  # the project's own command
            [sys.executable, "-m", "server.cli", *command],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            input=given,
        ).stdout

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz") as answer:  # noqa: S310  # the address is this object's own
                return bool(answer.status == 200)
        except URLError:
            return False
