"""What a writer was told: facts that must hold, and acts of which it does not know whether they happened."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Fact = tuple[Any, ...]
"""A question to the directory, such as `("password", "alice")` or `("session", "sso", secret, "alice")`."""
Facts = dict[Fact, Any]

DEFAULTS: dict[str, Any] = {"password": None, "session": False, "friends": False, "applied": False, "invited": False}
"""The answer before anything was done; nobody is a member of a project, and nobody is shown under another name."""


@dataclass
class Entry:
    """An act with what holds before it and what holds after it."""

    act: str
    before: Facts
    after: Facts

    @property
    def names(self) -> set[str]:
        """Return whom it is about."""
        return {name for fact in self.before | self.after for name in people(fact)}


@dataclass
class Journal:
    """What one writer did.

    facts: what must hold. unknown: acts that no answer came for. touched: facts not yet looked at.
    """

    file: Path
    facts: Facts = field(default_factory=dict)
    unknown: list[Entry] = field(default_factory=list)
    touched: set[Fact] = field(default_factory=set)
    passwords: dict[str, list[str]] = field(default_factory=dict)
    """All passwords that a name ever had or may have had, the newest last."""
    sent: Counter[str] = field(default_factory=Counter)
    """Mobile -> messages that were acknowledged."""
    perhaps_sent: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def get(self, fact: Fact) -> Any:
        """Return what holds."""
        return self.facts.get(fact, fact[1] if fact[0] == "shown" else DEFAULTS.get(fact[0], False))

    def plan(self, act: str, after: Facts) -> Entry:
        """Return an act that would bring about these facts."""
        return Entry(act, {fact: self.get(fact) for fact in after}, after)

    def note(self, entry: Entry, outcome: str, learnt: Facts | None = None) -> None:
        """Note how an act ended: `acknowledged`, `refused` or `unknown`."""
        self.counts[outcome] += 1
        if outcome == "acknowledged":
            self.hold(entry.after | (learnt or {}))
        elif outcome == "unknown":
            self.unknown.append(entry)
        with self.file.open("a") as file:
            line = {"act": entry.act, "outcome": outcome, "after": [[*fact, to] for fact, to in entry.after.items()]}
            file.write(json.dumps(line) + "\n")

    def hold(self, facts: Facts) -> None:
        """Take facts for true from now on."""
        self.facts |= facts
        self.touched |= facts.keys()

    def complain(self, kind: str, what: str) -> None:
        """Note what must not be: `lost`, `half-done` or `wrong`."""
        self.counts[kind] += 1
        self.complaints.append(f"{kind}: {what}")


def people(fact: Fact) -> tuple[str, ...]:
    """Return the names of the accounts that a fact is about."""
    kind, *parts = fact
    return tuple(parts) if kind in ("friends", "applied") else (parts[-1],)
