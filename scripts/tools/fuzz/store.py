"""The store after the storm: whole, without orphans, without a secret in the clear; and the log of the server."""

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

DELIVERY_SECONDS = 10
ORDINARY = ("debug", "info")
"""Levels of lines that report nothing wrong."""

RULES = {
    "a project whose owner is no member": """
        SELECT id FROM project WHERE NOT EXISTS
        (SELECT 1 FROM member WHERE member.project_id = project.id AND member.account_id = project.owner_id)""",
    "a friendship in one direction only": """
        SELECT id FROM friendship AS one WHERE NOT EXISTS (SELECT 1 FROM friendship AS other
        WHERE other.account_id = one.friend_id AND other.friend_id = one.account_id)""",
    "a friend who waits for friendship": """
        SELECT waiting.id FROM friend_application AS waiting JOIN friendship
        ON account_id = applicant_id AND friend_id = recipient_id""",
    "a member who is invited": """
        SELECT waiting.id FROM invitation AS waiting JOIN member
        ON member.project_id = waiting.project_id AND account_id = invitee_id""",
    "a session of a disabled account": """
        SELECT session.id FROM session JOIN account ON account.id = account_id WHERE disabled""",
    "a delivered message that still has its text": """
        SELECT id FROM outbox_message WHERE delivered IS NOT NULL AND body <> ''""",
}
"""What must not be there, and the query that finds it."""


def wait_for_delivery(database: Path) -> None:
    """Wait until no message is waiting in the outbox, so that every text is gone from it."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as store:
        while store.execute("SELECT 1 FROM outbox_message WHERE delivered IS NULL").fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError("messages wait in the outbox")
            time.sleep(0.1)


def faults(database: Path) -> Iterator[str]:
    """Say what is wrong with a store that no server has open."""
    with sqlite3.connect(database) as store:
        answers = store.execute("PRAGMA integrity_check").fetchall()
        yield from (f"integrity: {text}" for (text,) in answers if text != "ok")
        yield from (f"orphan: row {row} of {table}" for table, row, *_ in store.execute("PRAGMA foreign_key_check"))
        for rule, query in RULES.items():
            found = [str(row) for (row,) in store.execute(query).fetchmany(10)]
            if found:
                yield f"{rule}: rows {', '.join(found)}"
    store.close()


def leaks(secrets: Iterable[str], files: Iterable[Path]) -> Iterator[str]:
    """Say which files hold a secret in the clear."""
    wanted = [(secret, secret.encode()) for secret in secrets]
    for file in files:
        content = file.read_bytes()
        yield from (f"secret in {file.name}: {secret}" for secret, text in wanted if text in content)


def mailed_secrets(outbox: Path) -> Iterator[str]:
    """Return the secrets of the links that were delivered."""
    for mail in outbox.glob("*.eml"):
        yield from re.findall(r"code=([0-9A-Za-z]{16,})", mail.read_text())


def complaints(log: str) -> Iterator[str]:
    """Return each line of a server's log that reports something wrong, after those that greet the operator."""
    begun = False
    for line in dict.fromkeys(log.splitlines()):
        ordinary = _level(line) in ORDINARY
        begun = begun or ordinary
        if begun and not ordinary:
            yield f"log: {line}"


def _level(line: str) -> str | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said.get("level") if isinstance(said, dict) else None
