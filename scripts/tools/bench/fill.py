"""Stores filled with accounts, sessions and a project, fast enough for a million of each.

Rows go in by bulk inserts while the indexes are away; all accounts share one hash. Names, tokens and cookies follow
from the number of the account, so whoever sends load can write them down without asking the store.
"""

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from handlers import _sso_token
from models import settings
from models.access_key import AccessKey, sign
from models.account import Account
from models.account_block import SIZE as BLOCK
from models.audit.chain import HEAD, AuditHead
from models.db.database import connect, database, transaction
from models.keys import derive
from models.migrations import FOLDER, migrate
from models.passwords import hashing
from models.secret import digest
from models.settings import DAY, HOUR, DirectorySettings
from scripts.tools.bench.place import Place
from scripts.tools.bench.process import ROOT, plain_environment
from server.specs import load_contracts

PASSWORD = "correct horse"  # noqa: S105  # that of every account in a store made for measuring
CONTRACTS = ("annotation", "dbms", "sso", "signed", "indexy")
"""Account 1 has a session of the first, account 2 of the second, and so on round."""
ACCESSID = "bench"
PROJECT = 1
EXPIRES_AHEAD = HOUR
"""Sessions look used an hour from now, so that no run meets the write with which a session slides once a minute."""


@dataclass(frozen=True)
class Store:
    """A filled store: its folder, how many accounts it has, and what signs."""

    folder: Path
    accounts: int
    secret_key: bytes
    accesskey: str

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Return the store in a folder that `fill` made."""
        known = json.loads((folder / "bench.json").read_text())
        return cls(folder, known["accounts"], (folder / "secret_key").read_bytes(), known["accesskey"])

    def copy(self, place: Place) -> "Store":
        """Copy the store into another place, whose folder is emptied first."""
        shutil.rmtree(place.folder, ignore_errors=True)
        shutil.copytree(self.folder, place.folder)
        if place.database_url:
            command = [sys.executable, "-m", "server.cli", "db", "copy", "--to", place.database_url]
            environment = plain_environment() | {"ROLLBOOK_DATA": str(place.folder.resolve())}
            subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return Store.open(place.folder)

    def numbers(self, contract: str, most: int = 1_000) -> list[int]:
        """Return the numbers of accounts with a session of a contract, spread over the whole store."""
        first = CONTRACTS.index(contract) + 1
        known = range(first, self.accounts + 1, len(CONTRACTS))
        return list(known[:: max(1, len(known) // most)])[:most]

    def web_token(self, number: int) -> str:
        """Return the sso token of an account."""
        parts = (
            {"alg": "HS256", "typ": "JWT"},
            {"userId": number, "username": username(number), "jti": secret("sso", number), "iat": int(time.time())},
        )
        text = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        key = derive(self.secret_key, _sso_token.USE)
        return (text + b"." + _base64(hmac.digest(key, text, hashlib.sha256))).decode()

    def signed(self, action: str, **request: str) -> str:
        """Return the path and query of a signed request; its signature is good for hours."""
        expires = int(time.time()) + settings.current.signature_max_ahead_seconds - HOUR
        signature = sign(self.accesskey, f"GET\n\n\n{expires}\n/openapi/user{action}")
        fields = {"action": action, **request, "accessid": ACCESSID, "expires": str(expires), "signature": signature}
        return "/openapi/user?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def username(number: int) -> str:
    """Return the username of an account."""
    return f"user{number}"


def secret(contract: str, number: int) -> str:
    """Return the token or cookie of an account's session, without what a contract puts around it."""
    text = hashlib.sha256(f"{contract} {number}".encode()).hexdigest()
    length = {"dbms": 22, "sso": 22, "signed": 16, "annotation": 40, "indexy": 32}[contract]
    return f"{number}-{text[:length]}" if contract == "dbms" else text[:length]


def fill(folder: Path, accounts: int, relations: int, argon2: dict[str, Any]) -> Store:
    """Make a store with this many accounts, a session for each, and one project with this many relations."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    (folder / "secret_key").touch(mode=0o600)
    (folder / "secret_key").write_text(secrets.token_hex(32))
    settings.apply(DirectorySettings(secret_key=(folder / "secret_key").read_bytes(), **argon2))
    store = f"sqlite:///{folder.resolve()}/rollbook.sqlite3"
    connect(store)
    try:
        migrate()
        with transaction():
            accesskey = AccessKey.create(ACCESSID).accesskey
    finally:
        database.close()
    file = sqlite3.connect(folder / "rollbook.sqlite3", isolation_level=None)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            file.execute(f"PRAGMA {pragma}")
        file.execute("BEGIN")
        indexes = _drop_indexes(file)
        _insert(file, "account", _accounts(accounts))
        file.execute("INSERT INTO account_block SELECT id / ?, COUNT(*) FROM account GROUP BY 1", [BLOCK])
        _insert(file, "session", _sessions(accounts))
        _insert_project(file, relations)
        for statement in indexes:
            file.execute(statement)
        file.execute("COMMIT")
        file.execute("PRAGMA journal_mode = WAL")
    finally:
        file.close()
    connect(store)
    try:
        with transaction():
            AuditHead.get_by_id(HEAD).store()  # these accounts and sessions have no events
    finally:
        database.close()
    made = {"accounts": accounts, "accesskey": accesskey, "shape": _shape()}
    (folder / "bench.json").write_text(json.dumps(made))
    return Store.open(folder)


def fill_once(folder: Path, accounts: int, relations: int, argon2: dict[str, Any]) -> Store:
    """Return the store in a folder; it is made if it is not there, or is older than half a day or than this code."""
    made = folder / "bench.json"
    young = made.exists() and made.stat().st_mtime > time.time() - DAY // 2
    if young and json.loads(made.read_text())["shape"] == _shape():
        return Store.open(folder)
    return fill(folder, accounts, relations, argon2)


def _shape() -> str:
    """Return what changes when stores are to be made otherwise: a digest of the migrations and of this file."""
    files = [Path(__file__), *sorted(FOLDER.glob("0*.py"))]
    return digest("".join(file.read_text() for file in files))


def _accounts(count: int) -> Iterator[dict[str, Any]]:
    now, hashed = int(time.time()), hashing.hash(PASSWORD)
    columns: dict[str, Any] = {name: None for name, field in Account._meta.fields.items() if field.null}
    columns |= {"password_hash": hashed, "admin": 0, "disabled": 0, "created": now, "updated": now}
    for number in range(1, count + 1):
        name = username(number)
        email = f"{name}@example.com"
        yield columns | {
            "id": number,
            "username": name,
            "username_key": name,
            "display_name": f"User {number}",
            "email": email,
            "email_key": email,
        }


def _sessions(accounts: int) -> Iterator[dict[str, Any]]:
    now = int(time.time())
    load_contracts()  # they say how long sessions last
    for number in range(1, accounts + 1):
        contract = CONTRACTS[(number - 1) % len(CONTRACTS)]
        yield {
            "account_id": number,
            "contract": contract,
            "secret_digest": digest(secret(contract, number)),
            "created": now,
            "expires": now + max(settings.current.session_lifetime(contract), DAY) + EXPIRES_AHEAD,
        }


def _insert_project(file: sqlite3.Connection, relations: int) -> None:
    """Make the project: a tenth as many entities, each related to those that follow it."""
    now = int(time.time())
    entities = relations // 10 + 12
    _insert(file, "project", [{"id": PROJECT, "name": "bench", "owner_id": 1, "created": now}])
    _insert(file, "member", [{"project_id": PROJECT, "account_id": 1, "joined": now}])
    _insert(
        file,
        "entity",
        ({"id": id, "project_id": PROJECT, "name": f"entity {id}"} for id in range(1, entities + 1)),
    )
    _insert(
        file,
        "relation",
        (
            {
                "project_id": PROJECT,
                "name": "follows",
                "source_id": number % entities + 1,
                "target_id": (number + number // entities + 1) % entities + 1,
            }
            for number in range(relations)
        ),
    )


def _insert(file: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    columns, marks = ", ".join(f'"{name}"' for name in first), ", ".join(f":{name}" for name in first)
    statement = f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608  # names of our own columns
    file.execute(statement, first)
    file.executemany(statement, rows)


def _drop_indexes(file: sqlite3.Connection) -> list[str]:
    """Drop all indexes; return the statements that make them."""
    named = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    indexes = file.execute(named).fetchall()
    for name, _ in indexes:
        file.execute(f'DROP INDEX "{name}"')
    return [statement for _, statement in indexes]


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
