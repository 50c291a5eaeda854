"""Lifetimes and limits that the directory lives by.

The defaults stand here. The server's settings extend this class, so every field can be set from the environment
as `ROLLBOOK_<FIELD>`.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlsplit

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class SessionRules(NamedTuple):
    """What a contract says of its sessions: how many seconds they last, and whether from their last use."""

    seconds: int
    sliding: bool = False


sessions: dict[str, SessionRules] = {}
"""Of each contract that is loaded."""


@dataclass(frozen=True, kw_only=True)
class DirectorySettings:
    """What may be set, with its default. Lifetimes are in seconds."""

    policy: str = "documented"
    """Who may call what: `documented` or `guarded`."""
    public_url: str = "http://127.0.0.1:8000"
    """Address under which people reach the server, which may end with a path; mailed links start with it."""
    password_min_length: int = 8
    """Fewest characters of a password that is set under the policy `guarded`."""
    password_words: str = ""
    """Words near at hand, parted by commas, which a guesser tries first: see `passwords.guesses`."""
    secret_key: bytes = b""
    """Keys of the server, parted by commas: the first signs, all verify."""

    session_seconds: str = ""
    """Lifetimes of sessions that are others than their contracts say: `dbms=3600,sso=600`."""
    session_touch_seconds: int = MINUTE
    """A sliding session is written at most this often."""

    phone_region: str = "CN"
    """Region, in two letters (ISO 3166), whose mobile numbers need no country code."""
    language: str = "zh"
    """Language of messages: `zh` or `en`."""
    delivery_max_attempts: int = 8
    """After so many tries a message is given up, until the operator has it tried again."""
    mobile_code_seconds: int = 10 * MINUTE
    mobile_code_tries: int = 5
    email_link_seconds: int = 30 * MINUTE

    database_timeout_seconds: int = 5
    """Longest time that the store may take of one request before it is answered 503."""

    known_device_seconds: int = 90 * DAY
    """How long a device or an address from which an account logged in is counted apart from strangers."""

    max_sessions: int = 100
    """Live sessions of one account in one contract; a new one beyond that ends the oldest."""
    max_friends: int = 1_000
    max_applications: int = 1_000
    """Applications for friendship that wait for one account, and that one account has waiting."""
    max_invitations: int = 1_000
    """Invitations that wait for one account."""
    max_claim_messages: int = 5
    """Messages a day to one recipient about an address or number that somebody typed; beyond that none is sent."""
    max_change_messages: int = 30
    """Messages a day to one recipient about changes of an account."""
    max_page_size: int = 1_000
    """Accounts on a page of a list; the contracts allow no more either."""

    signature_max_ahead_seconds: int = 18 * HOUR
    signature_date_skew_seconds: int = 15 * MINUTE
    datasvr: str = ""
    """Data server named to clients of the signed contract; left out where empty."""

    audit_retention_seconds: int = 365 * DAY
    """How long an event of the audit is kept; 0 for good."""

    hash_concurrency: int = os.cpu_count() or 1
    """Passwords that are hashed at the same time in one process; each takes `argon2_memory_kib` and a core."""
    argon2_time_cost: int = 2
    argon2_memory_kib: int = 19_456
    argon2_parallelism: int = 1

    @property
    def public_path(self) -> str:
        """Return the path of the public address, without a slash at its end; empty where a proxy puts none before."""
        return urlsplit(self.public_url).path.rstrip("/")

    @cached_property
    def secret_keys(self) -> tuple[bytes, ...]:
        """Return the server's keys; the first one signs."""
        return tuple(self.secret_key.split(b","))

    @cached_property
    def chosen_lifetimes(self) -> dict[str, int]:
        """Return what `session_seconds` says, by contract. Raises ValueError."""
        pairs = [pair.partition("=") for pair in self.session_seconds.split(",") if pair.strip()]
        chosen = {stem.strip(): int(seconds) for stem, _, seconds in pairs}
        if any(seconds < 1 for seconds in chosen.values()):
            raise ValueError("at least 1 is expected")
        return chosen

    def session_lifetime(self, contract: str) -> int:
        """Return the lifetime of a session of one contract, in seconds."""
        return self.chosen_lifetimes.get(contract) or sessions[contract].seconds


current = DirectorySettings()


def apply(rules: DirectorySettings) -> None:
    """Make these the rules of this process."""
    global current  # noqa: PLW0603  # one set of rules per process, replaced whole
    current = rules
