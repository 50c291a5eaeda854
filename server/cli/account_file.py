"""Accounts as a file: JSON Lines, one account each, with password hashes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
import peewee

from models.audit.events import Event, note
from models.db.database import transaction
from models.errors import BadHash
from models.identifiers import email_key, is_reserved, mobile_key, username_key
from models.passwords import foreign_hashes
from models.transfer import account_import
from models.transfer.account_import import TEXTS, Inserted
from server.cli import listing
from server.cli.failure import Refused
from server.cli.output import time
from server.cli.values import schema
from server.contract.validation import Check, compile_schema
from server.specs import load_contracts

Report = Callable[[int], None]
Entry = tuple[int, Any]
"""The number of a line, and the line, or what it says."""

LONGEST_LINE = 65_536
"""Bytes; the longest account takes some 35,000."""
LAST_TIME = 253_402_300_799
"""The end of the year 9999."""
BATCH = 1_000
"""Lines between two reports."""
TEXT = {"type": "string"}
TIME = {"type": "string", "maxLength": 40}
TYPES = {
    "display_name": "DisplayName",
    "email": "Email",
    "mobile": "Mobile",
    "domain": "Domain",
    "property": "Property",
    "photo": "Photo",
    "job": "Job",
    "school": "School",
    "introduct": "Introduct",
}
FOREIGN_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"}
LARGEST_ID = 2**53 - 2**32
"""Whoever registers later gets a number beyond it, and clients read numbers up to 2**53 only."""
LINE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["username"],
    "properties": {
        "id": {**schema("AccountId"), "maximum": LARGEST_ID},
        "username": schema("Username"),
        "password": {"type": "string", "nullable": True},
        **{field: {**schema(type), "nullable": True} for field, type in TYPES.items()},
        "email_proved": {"type": "boolean"},
        "mobile_proved": {"type": "boolean"},
        "former_username": schema("Username"),
        "foreign_id": {**FOREIGN_ID, "nullable": True},
        "fields": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TEXT}},
        "admin": {"type": "boolean"},
        "disabled": {"type": "boolean"},
        "created": TIME,
        "updated": TIME,
    },
}
"""What a line may hold; `password` is a hash."""


class Refusal(NamedTuple):
    """A line that cannot be taken over, and why."""

    line: int
    reason: str


def save(lines: BinaryIO, report: Report) -> int:
    """Write all accounts as of one moment, in order of id; return how many."""
    number = 0
    for number, (account, fields) in enumerate(listing.accounts_with_fields(), 1):
        lines.write(orjson.dumps(_record(account, fields), option=orjson.OPT_APPEND_NEWLINE))
        if number % BATCH == 0:
            report(BATCH)
    return number


def bring_in(entries: Iterable[Entry], report: Report, skips: bool = False) -> tuple[Inserted | None, list[Refusal]]:
    """Take over all accounts, or none; return how many, or else what is wrong with which lines.

    skips: take over those that can be, and return what is wrong with the others as well.
    Raises Refused when somebody was faster with one of the accounts.
    """
    refused: list[Refusal] = []
    with account_import.staged(_rows(entries, refused, report)):
        try:
            with suppress(_Undone), transaction():
                conflicts = [Refusal(*conflict) for conflict in account_import.conflicts()]
                refused += conflicts
                if refused and not skips:
                    raise _Undone
                account_import.leave_out(sorted({line for line, _ in conflicts}))
                inserted = account_import.insert()
                if inserted.added:
                    note(Event.IMPORTED, what="accounts", rows=inserted.added)
                return inserted, sorted(refused)
        except peewee.IntegrityError:
            raise Refused("one of the accounts was made by somebody else meanwhile: run it again") from None
    return None, sorted(refused)


class _Undone(Exception):
    """Raised to leave a unit of work without a change."""


def lines(file: Path) -> Iterator[Entry]:
    """Yield the lines of a file of ours, as they are."""
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(LONGEST_LINE):
            number += 1
            yield number, line
            if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
                return  # what follows is no line of its own


def _rows(entries: Iterable[Entry], refused: list[Refusal], report: Report) -> Iterator[dict[str, Any]]:
    """Yield accounts as columns; note those that cannot be taken over."""
    for number, entry in entries:
        try:
            yield _columns(_parse(entry) if isinstance(entry, bytes) else entry) | {"line": number}
        except (_Wrong, BadHash) as error:
            refused.append(Refusal(number, f"password: {error}" if isinstance(error, BadHash) else str(error)))
        if number % BATCH == 0:
            report(BATCH)


class _Wrong(Exception):
    """Raised when a line is no account; the text says why."""


def _parse(line: bytes) -> Any:
    """Return what a line says. Raises _Wrong."""
    if len(line) == LONGEST_LINE:
        raise _Wrong(f"longer than {LONGEST_LINE} bytes")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _Wrong(f"not JSON: {error.msg}") from None


def _columns(given: Any) -> dict[str, Any]:
    """Return an account as columns. Raises _Wrong, BadHash."""
    wrong = _check(given)
    if wrong:
        raise _Wrong(wrong)
    columns: dict[str, Any] = {name: given[name] for name in KEPT if name in given}
    columns["username_key"] = username_key(given["username"])
    if is_reserved(columns["username_key"]):
        raise _Wrong("username: is a path word of a contract, or cannot stand in a path")
    if given.get("email") is not None:
        columns["email_key"] = email_key(given["email"])
    if given.get("mobile") is not None:
        columns["mobile_key"] = mobile_key(given["mobile"])
    for channel in ("email", "mobile"):
        if given.get(f"{channel}_proved"):
            columns[f"{channel}_proved"] = columns.get(f"{channel}_key")
    if "former_username" in given:
        columns["former_key"] = username_key(given["former_username"])
    if given.get("password") is not None:
        columns["password_hash"] = foreign_hashes.examine(given["password"])
    if given.get("fields"):
        columns["fields"] = _fields(given["fields"])
    return columns | {name: _seconds(name, given[name]) for name in ("created", "updated") if name in given}


def _fields(given: dict[str, Any]) -> str:
    """Return what contracts keep of an account as JSON. Raises _Wrong for what no contract declares."""
    checks = _field_checks()
    for stem, values in given.items():
        if stem not in checks:
            raise _Wrong(f"fields: no contract {stem!r} that keeps any is known (ROLLBOOK_CONTRACTS)")
        if wrong := checks[stem](values):
            raise _Wrong(f"fields: {stem}: {wrong}")
    return orjson.dumps(given).decode()


@cache
def _field_checks() -> dict[str, Check]:
    return {
        contract.stem: compile_schema(
            {"type": "object", "additionalProperties": False, "properties": contract.account_fields}
        )
        for contract in load_contracts()
        if contract.account_fields
    }


def _seconds(name: str, text: str) -> int:
    """Return a time of RFC 3339 in Unix seconds. Raises _Wrong."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong(f"{name}: not a time such as 2026-01-31T12:00:00Z") from None
    seconds = int(moment.timestamp()) if moment.tzinfo else -1
    if not 0 <= seconds <= LAST_TIME:
        raise _Wrong(f"{name}: not a time since 1970 with its offset, such as 2026-01-31T12:00:00Z")
    return seconds


def _record(account: Any, fields: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return an account as its line says it; what is unset is left out."""
    hashed = account.password_hash
    return {
        "id": account.id,
        "username": account.username,
        **({} if hashed == foreign_hashes.NONE else {"password": hashed}),
        **{name: value for name in TEXTS if (value := getattr(account, name)) is not None},
        **{name: True for name in ("email_proved", "mobile_proved") if getattr(account, name)},
        **({"former_username": account.former_key} if account.former_key else {}),
        **({"fields": fields} if fields else {}),
        "admin": bool(account.admin),
        "disabled": bool(account.disabled),
        "created": time(account.created),
        "updated": time(account.updated),
    }


KEPT = ("id", "username", *TEXTS, "admin", "disabled")
_check = compile_schema(LINE)
