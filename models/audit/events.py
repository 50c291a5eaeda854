"""The audit: what happened that concerns security.

An event is written in the transaction of the act that it records, as its last statements, into a lane that nobody else
writes to (`lanes`). At most a second later a sequencer, on whichever instance, puts it into the one chain (`chain`).
Both are sealed with the server's secret key. So whoever can write to the store, but does not have the key, can neither
change nor remove nor add an event unseen, but for the tail that is not in the chain yet: of that the newest events of a
lane can be cut off. `verify` tells how much of a tail there is.
"""

from enum import StrEnum
from functools import partial
from typing import Any

import orjson

from models.actor import current
from models.audit import lanes
from models.db.database import database


class Event(StrEnum):
    """What can happen."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # names an event
    PASSWORD_REFUSED = "password_refused"  # noqa: S105  # names an event
    CONTACT_CHANGED = "contact_changed"
    ADDRESS_PROVED = "address_proved"
    RECOVERY_ASKED = "recovery_asked"
    RECOVERY_REFUSED = "recovery_refused"
    RECOVERED = "recovered"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_DELETED = "account_deleted"
    KEY_MADE = "key_made"
    KEY_REVOKED = "key_revoked"
    SERVER_KEY_ROTATED = "server_key_rotated"
    SERVER_KEY_RETIRED = "server_key_retired"
    IMPORTED = "imported"
    EXPORTED = "exported"
    CHAIN_BROKEN = "chain_broken"
    """Written by the sequencer where the head was found to be gone, changed, or sealed by a key that nobody has."""


DETAILS: dict[Event, frozenset[str]] = {
    Event.REGISTERED: frozenset({"admin"}),
    Event.LOGIN_REFUSED: frozenset({"reason"}),
    Event.SESSION_ENDED: frozenset({"session", "sessions"}),
    Event.CONTACT_CHANGED: frozenset({"fields"}),
    Event.ADDRESS_PROVED: frozenset({"channel"}),
    Event.RECOVERY_ASKED: frozenset({"channel"}),
    Event.RECOVERY_REFUSED: frozenset({"channel"}),
    Event.RECOVERED: frozenset({"channel"}),
    Event.KEY_MADE: frozenset({"accessid", "given"}),
    Event.KEY_REVOKED: frozenset({"accessid"}),
    Event.IMPORTED: frozenset({"what", "id", "rows"}),
    Event.EXPORTED: frozenset({"what", "id", "rows"}),
}
"""What may be told of an event beside who, where and when. Never a secret, a name that was typed, or an address."""


CHANNELS = frozenset({"mobile", "email"})
ASKED = CHANNELS | {"confirm_mobile", "confirm_email"}
VALUES: dict[Event, dict[str, frozenset[str]]] = {
    Event.LOGIN_REFUSED: {"reason": frozenset({"unknown", "password", "disabled", "renamed", "changed"})},
    Event.ADDRESS_PROVED: {"channel": CHANNELS},
    Event.RECOVERY_ASKED: {"channel": ASKED},
    Event.RECOVERY_REFUSED: {"channel": ASKED},
    Event.RECOVERED: {"channel": CHANNELS},
}
"""What a detail may say, where that is one of a few words."""


def note(event: Event, account: int | None = None, **detail: Any) -> None:
    """Record an event at the end of the unit of work in hand; it is kept or undone with it."""
    lanes.end_doubtful()
    database.before_commit(partial(lanes.append, _said(event, account, detail)))


def note_refusal(event: Event, account: int | None = None, **detail: Any) -> None:
    """Record that something is refused; where the refusal undoes the unit in hand, in a transaction of its own.

    The same refusal of the same account to the same address is counted, so that guessing does not fill the store.
    """
    lanes.end_doubtful()
    database.before_commit(partial(lanes.count, _said(event, account, detail)), also_if_refused=True)


def _said(event: Event, account: int | None, detail: dict[str, Any]) -> dict[str, Any]:
    unknown = detail.keys() - DETAILS.get(event, frozenset())
    if unknown:
        raise ValueError(f"{event}: {min(unknown)} may not be told")
    for name, values in VALUES.get(event, {}).items():
        if detail[name] not in values:
            raise ValueError(f"{event}: {name} cannot be {detail[name]!r}")
    contract, address, actor = current.get()()
    return {
        "event": str(event),
        "account": account,
        "actor": actor,
        "contract": contract,
        "address": address,
        "detail": orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode(),
    }
