"""The inspector: asks, while nobody writes, whether what was acknowledged is there and nothing is half done."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import orjson

from models.audit.chain import AuditHead
from models.audit.verification import events, pending, verify
from models.db.database import database, run_transaction
from models.outbox import CLAIM_SECONDS, OutboxMessage
from models.transfer.integrity import findings
from scripts.tools.crash.journal import Fact, Journal
from scripts.tools.crash.writers import Doors

SAMPLE = 40
"""Facts of a journal that are looked at again though nobody touched them."""
MOST_PASSWORDS = 4
"""Of the passwords that an account had, so many are tried."""

INVARIANTS = {
    "friends have not applied": (
        "SELECT COUNT(*) FROM friend_application a JOIN friendship f"
        " ON f.account_id = a.applicant_id AND f.friend_id = a.recipient_id"
    ),
    "members are not invited": (
        "SELECT COUNT(*) FROM invitation i JOIN member m ON m.project_id = i.project_id AND m.account_id = i.invitee_id"
    ),
}
"""What must hold beside what `rollbook db check` looks for -> how often it does not."""


class Inspector:
    """Compares journals with the directory. doors: any server of the town."""

    def __init__(self, doors: Doors, random: Random) -> None:
        self.doors, self.random = doors, random
        self.secrets: dict[str, Any] = {}

    def inspect(self, journal: Journal, everything: bool = False) -> None:
        """Find out what became of the acts that no answer came for; complain about what is not as it must be."""
        self.secrets.clear()
        unknown, journal.unknown = journal.unknown, []
        for entry in unknown:
            seen = {fact: self.ask(journal, fact) for fact in entry.after}
            if seen == entry.after:
                journal.hold(entry.after)
                journal.counts["happened"] += 1
            elif seen != entry.before:
                journal.complain("half-done", f"{entry.act}: {entry.before} to {entry.after} is {seen}")
                journal.hold(seen)
        known = sorted(journal.facts, key=repr)
        asked = known if everything else {*journal.touched, *self.random.sample(known, min(SAMPLE, len(known)))}
        journal.touched = set()
        for fact in asked:
            should = journal.get(fact)
            if (found := self.ask(journal, fact)) != should:
                journal.complain("lost", f"{fact} is {found}, not {should}")
        journal.counts["asked"] += len(asked)

    def ask(self, journal: Journal, fact: Fact) -> Any:
        """Ask the directory a question; try again while the store is away."""
        kind, *parts = fact
        while True:
            try:
                return QUESTIONS[kind](self, journal, *parts)
            except (httpx2.TransportError, AwayError):
                time.sleep(0.2)

    def password(self, journal: Journal, name: str) -> str | None:
        """Return the password of an account; of two that are accepted, both."""
        known = journal.get(("password", name))
        tried = {*([known] if known else []), *journal.passwords.get(name, [])[-MOST_PASSWORDS:]}
        right = [word for word in tried if self._yes(self._any_door(), _attempt(name, word))]
        return " and ".join(right) or None

    def session(self, journal: Journal, stem: str, secret: Any, name: str) -> bool:
        """Tell whether a session lives."""
        return self._yes(self.doors.all[stem], lambda door: door.use(secret))

    def shown(self, journal: Journal, name: str) -> str:
        """Return the display name; of an account that is gone, what it had."""
        if not (secret := self._annotator(journal, name)):
            return str(journal.get(("shown", name)))
        return str(self._read(secret, "")["user_name"])

    def friends(self, journal: Journal, one: str, other: str) -> bool | str:
        """Tell whether the two are friends of each other."""
        sides = {
            friend in self._list(journal, name, "friends", "get_friends")
            for name, friend in ((one, other), (other, one))
            if self._annotator(journal, name)
        }
        return "one-sided" if len(sides) == 2 else sides == {True}

    def applied(self, journal: Journal, one: str, other: str) -> bool:
        """Tell whether one waits for the other's answer."""
        return one in self._list(journal, other, "applications", "get_friends_applications")

    def invited(self, journal: Journal, project: str, name: str) -> bool:
        """Tell whether somebody is invited to a project."""
        if not (secret := self._annotator(journal, name)):
            return False
        return project in [one["project_id"] for one in self._read(secret, "get_project_invites")["invites"]]

    def member(self, journal: Journal, project: str, name: str) -> bool:
        """Tell whether somebody works on a project."""
        if not (secret := self._annotator(journal, name)):
            return False
        return isinstance(self._read(secret, "get_entities_json", id=project), list)

    # --- how it asks -------------------------------------------------------------------------------------------------

    def _any_door(self) -> Any:
        return self.random.choice(list(self.doors.all.values()))

    def _yes(self, door: Any, send: Callable[[Any], httpx2.Response]) -> bool:
        answer = send(door)
        if answer.status_code >= 500:
            raise AwayError
        return bool(door.succeeded(answer))

    def _annotator(self, journal: Journal, name: str) -> Any:
        """Return a session of an account, or None if there is no such account."""
        if name not in self.secrets:
            password = self.password(journal, name)
            self.secrets[name] = password and self.doors.annotation.enter(name, password)
        return self.secrets[name]

    def _list(self, journal: Journal, name: str, entries: str, action: str) -> list[str]:
        secret = self._annotator(journal, name)
        return [person["user_id"] for person in self._read(secret, action)[entries]] if secret else []

    def _read(self, secret: Any, action: str, **fields: str) -> Any:
        answer = self.doors.annotation.read(secret, action, **fields)
        if answer.status_code >= 500:
            raise AwayError
        return orjson.loads(answer.content)


def _attempt(name: str, word: str) -> Callable[[Any], httpx2.Response]:
    return lambda door: door.log_in(name, word)


def _count(query: str) -> int:
    return run_transaction(lambda: int(database.execute_sql(query).fetchone()[0]))


class AwayError(Exception):
    """Raised when the store is away while it is asked."""


QUESTIONS: dict[str, Callable[..., Any]] = {
    "password": Inspector.password,
    "session": Inspector.session,
    "shown": Inspector.shown,
    "friends": Inspector.friends,
    "applied": Inspector.applied,
    "invited": Inspector.invited,
    "member": Inspector.member,
}


def broken_invariants() -> list[str]:
    """Look into the store itself; return what does not hold in it."""
    broken = [f"{name}: {count} times not" for name, query in INVARIANTS.items() if (count := _count(query))]
    broken += [
        f"{finding.what}: {finding.rows} {finding.examples}" for finding in run_transaction(lambda: list(findings()))
    ]
    return broken


def broken_audit() -> list[str]:
    """Return what is wrong with the chain of the audit."""
    with database.snapshot():
        audit = verify(events(), pending(), AuditHead.find())
    return [f"audit: {audit.fault} at {audit.row}"] if audit.fault else []


def miscarried(outbox: Path, journals: list[Journal]) -> list[str]:
    """Wait until the couriers have nothing left to carry; return what was not delivered, or more than once.

    The minute is over at once in which nobody else takes what a mailer died with.
    """

    def let_all_be_due() -> None:
        database.begin_immediate()
        OutboxMessage.update(due=0).where(OutboxMessage.delivered.is_null()).execute()

    run_transaction(let_all_be_due)
    until = time.monotonic() + 2 * CLAIM_SECONDS
    waiting = "SELECT COUNT(*) FROM outbox_message WHERE delivered IS NULL"
    while _count(waiting) and time.monotonic() < until:
        time.sleep(0.5)
    delivered = [orjson.loads(file.read_bytes())["to"] for file in outbox.glob("*.json")]
    found = []
    for journal in journals:
        for mobile, sent in journal.sent.items():
            count = delivered.count(mobile)
            if not sent <= count <= sent + journal.perhaps_sent[mobile]:
                found.append(
                    f"{count} messages to {mobile}, {sent} acknowledged, {journal.perhaps_sent[mobile]} perhaps"
                )
    return found
