"""How a sandbox starts: on a store of its own, which goes with it, and never where a production may be meant."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from models.db.database import connect, database
from models.migrations import check_ours
from models.settings import DirectorySettings
from server.contract.executors import Executors
from server.sandbox import accounts, state
from server.sandbox.turns import OneThread, SequencerInTurn
from server.settings import PREFIX, SettingError, Settings, read
from server.specs import SANDBOX

STEM = "sandbox"
"""Of the contract."""
FIRST_PORT = 8000
MOST_BESIDE = 100
"""Sandboxes beside each other that need not be told their ports."""
CHEAP = {"ARGON2_TIME_COST": "1", "ARGON2_MEMORY_KIB": "8"}
"""Hashing that costs a millisecond, where nothing else is named: the passwords are made up."""

OWN = {
    *("bind", "public_url", "trusted_proxies", "cors_origins", "contracts", "serve", "data", "database_url"),
    *("log_level", "request_log", "rate_limits", "validate_responses", "shutdown_seconds", "keepalive_seconds"),
    *("max_url_bytes", "max_headers", "max_header_bytes", "max_body_bytes", "max_json_depth", "max_connections"),
    *("request_seconds", "hash_queue", "hash_deadline_seconds", "retry_after_seconds"),
}
ALLOWED = (OWN | {field.name for field in fields(DirectorySettings)}) - {"secret_key"}
"""Settings that may differ from their defaults. Each of the others, and of those that are still to come, holds a
secret, names something that lives outside, or makes more than one process."""


class Sandbox:
    """A sandbox that is about to be served. settings, parts: what the server is made of."""

    def __init__(self, environment: Mapping[str, str], folder: Path, public: bool = False) -> None:
        self.named = environment, folder, public

    @cached_property
    def settings(self) -> Settings:
        """Read its settings. Raises as `settle`."""
        return settle(*self.named)

    @property
    def parts(self) -> dict[str, Any]:
        """Return what differs from other servers: how work runs, and what runs beside it; no mail goes out."""
        executors: Executors = OneThread(self.settings)
        # a worker that takes the place of a dead one knows neither its clock nor its snapshots: it begins anew
        return {"executors": executors, "jobs": [SequencerInTurn(executors, state.current.reset)]}

    def seed(self) -> None:
        """Fill the store, which has just been migrated, with what every reset brings back."""
        database.obj.pragma("synchronous", "off", permanent=True)  # it need not survive anything
        accounts.sow()
        state.current.keep_seed()


@contextmanager
def started(public: bool = False, environment: Mapping[str, str] = os.environ) -> Iterator[Sandbox]:
    """Have a folder for a sandbox inside. public: others than this machine may use it."""
    parent = os.getpid()
    folder = TemporaryDirectory(prefix="rollbook-sandbox-", ignore_cleanup_errors=True)
    try:
        yield Sandbox(environment, Path(folder.name), public)
    finally:
        if os.getpid() == parent:  # a worker, which was forked inside, leaves the store to the others
            folder.cleanup()


def settle(environment: Mapping[str, str], folder: Path, public: bool = False) -> Settings:
    """Read the settings of a sandbox whose store lies in a folder, unless another one is named.

    Raises SettingError where it would be a production's, or others could reach it and nobody said that they may.
    """
    own = {"ROLLBOOK_DATA": str(folder), **{PREFIX + name: value for name, value in CHEAP.items()}}
    if not environment.get("ROLLBOOK_BIND"):
        own["ROLLBOOK_BIND"] = f"127.0.0.1:{_free_port()}"
    given = own | {name: value for name, value in environment.items() if value}
    _check(read(given, creates=False), environment, public)
    settings = read(given)
    served = ",".join([*settings.served, STEM]) if settings.served else ""
    contracts = os.pathsep.join(filter(None, (settings.contracts, str(SANDBOX))))
    return replace(settings, sandbox=True, local_only=not public, contracts=contracts, serve=served)


def _check(settings: Settings, environment: Mapping[str, str], public: bool) -> None:
    for field in fields(Settings):
        name = PREFIX + field.name.upper()
        if field.name not in ALLOWED and environment.get(name) and getattr(settings, field.name) != field.default:
            raise SettingError(f"{name}: a setting of a production; a sandbox does without")
    if settings.reachable_by and not public:
        raise SettingError(f"{settings.reachable_by}: others than this machine could use the sandbox: say --public")
    if not settings.embedded:
        raise SettingError("ROLLBOOK_DATABASE_URL: sqlite:///file is expected; a sandbox lives in one process")
    file = Path(urlsplit(settings.database_url).path.removeprefix("/"))
    if file.exists() and _has_accounts(settings.database_url):
        raise SettingError(f"ROLLBOOK_DATABASE_URL: {file}: it has accounts, which a sandbox would throw away")


def _has_accounts(url: str) -> bool:
    """Tell whether somebody lives in a store, of whatever version. Raises StoreForeign where it is somebody else's."""
    connect(url)
    try:
        check_ours()
        return "account" in database.tables() and bool(database.execute_sql("SELECT 1 FROM account LIMIT 1").fetchone())
    finally:
        database.close()


def _free_port() -> int:
    """Return the first port from 8000 on that is free here."""
    for port in range(FIRST_PORT, FIRST_PORT + MOST_BESIDE):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise SettingError("ROLLBOOK_BIND: no port is free from 8000 on")
