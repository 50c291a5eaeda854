"""Sandbox: plain JSON; failures as problem details (RFC 9457)."""

from datetime import UTC, datetime
from typing import Any

from handlers.exceptions import BadRequest, Fault, ProtocolError, lookup_by_mro
from models import clock
from models.errors import AccountNotFound, EmailTaken, MobileTaken, UsernameReserved, UsernameTaken
from server.sandbox import accounts, inbox, state
from server.sandbox.errors import ClockGoesForward, NoSuchMessage, NoSuchSnapshot, TooManySnapshots

LATEST = 32_503_680_000
"""The year 3000: beyond some time dates cannot be written."""

Body = dict[str, Any]


def read_clock() -> Body:
    """Tell the time."""
    time = datetime.fromtimestamp(clock.now(), UTC).isoformat().replace("+00:00", "Z")
    return {"now": clock.now(), "time": time}


def set_clock(body: Body) -> Body:
    """Set the clock to a time."""
    state.set_clock(body["now"])
    return read_clock()


def advance_clock(body: Body) -> Body:
    """Move the clock on."""
    if clock.now() + body["seconds"] > LATEST:
        raise BadRequest(Fault("seconds", "too-large", LATEST - clock.now()))
    state.set_clock(clock.now() + body["seconds"])
    return read_clock()


def list_messages(after: int, limit: int, to: str | None = None, kind: str | None = None) -> Body:
    """List what was sent, the newest first."""
    return {"messages": inbox.read(to, kind, after, limit)}


def find_latest_message(after: int, to: str | None = None, kind: str | None = None) -> Body:
    """Find the newest message."""
    return inbox.latest(to, kind, after)


def make_account(body: Body | None = None) -> tuple[Body, int]:
    """Make an account of any kind."""
    return accounts.make(**{name: value for name, value in (body or {}).items() if name in accounts.MEMBERS}), 201


def read_seed() -> Body:
    """Tell what a sandbox begins with."""
    return {"accounts": accounts.seeded, "access_keys": [accounts.ACCESS_KEY]}


def reset() -> Body:
    """Put the store back to its seed."""
    state.current.reset()
    return read_clock()


def list_snapshots() -> Body:
    """List the snapshots."""
    return {"snapshots": [{"id": id, "now": one.now} for id, one in state.current.snapshots.items()]}


def take_snapshot() -> tuple[Body, int]:
    """Keep store and clock."""
    return {"id": state.current.take(), "now": clock.now()}, 201


def drop_snapshot(snapshot: int) -> tuple[None, int]:
    """Forget a snapshot."""
    state.current.drop(snapshot)
    return None, 204


def restore_snapshot(snapshot: int) -> Body:
    """Go back to a snapshot."""
    state.current.restore(snapshot)
    return read_clock()


PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    ClockGoesForward: (
        409,
        "Clock goes forward",
        "The clock stands at {now}; only a reset or a snapshot takes it back.",
    ),
    NoSuchMessage: (404, "No such message", "Nothing was sent that is asked for."),
    NoSuchSnapshot: (404, "No such snapshot", "No snapshot has this id."),
    AccountNotFound: (404, "No such snapshot", "No snapshot has this id."),  # an id that is no number
    TooManySnapshots: (409, "Too many snapshots", "There are {most} snapshots; drop one first."),
    UsernameTaken: (409, "Username taken", "Another account has this username."),
    UsernameReserved: (409, "Username reserved", "This word belongs to a path."),
    EmailTaken: (409, "Email taken", "Another account has this e-mail address."),
    MobileTaken: (409, "Mobile taken", "Another account has this mobile number."),
}
"""Refusal -> status, title, detail. The problem type is made of the title."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure as problem details."""
    if isinstance(error, ProtocolError):
        return {
            "type": "about:blank",
            "title": error.title,
            "status": error.status,
            "detail": error.detail,
        }, error.status
    status, title, words = lookup_by_mro(PROBLEMS, error)
    kind = "urn:problem-type:rollbook:" + title.lower().replace(" ", "-")
    return {"type": kind, "title": title, "status": status, "detail": words.format_map(vars(error))}, status
