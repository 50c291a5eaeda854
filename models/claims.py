"""Who may show an address or number, and whom it leads to.

It is held loosely until a link or code that was sent there was used, which proves it (`models/proof.py`). What is
proved is one account's. Under the policy `documented` what is shown is one account's, too: so the documents have it.
"""

from functools import cache
from typing import Any

import peewee

from models import settings
from models.db.cached_query import CachedStatement
from models.db.database import database
from models.errors import EmailTaken, MobileTaken, UsernameTaken
from models.identifiers import is_email, mobile_key

CONTACT = ("username_key", "email_key", "mobile_key")
"""What an account is found and reached by."""


def claim(accounts: Any, columns: dict[str, Any], discreet: bool, oneself: Any = None) -> str | None:
    """See to it that what is about to be written leads to no two accounts, and no username is another's address.

    discreet: under the policy `guarded` what another has proved is not told; it may be shown, and leads to its holder.
    Returns the e-mail address of who is to be told that it was given to another account.
    Raises UsernameTaken, EmailTaken, MobileTaken.
    """
    fresh = {name: key for name in CONTACT if (key := columns.get(name)) and key != getattr(oneself, name, None)}
    username, email, mobile = map(fresh.get, CONTACT)
    if username and not is_email(columns["username"]):
        username = None
    if not (username or email or mobile):
        return None
    database.begin_immediate()
    database.lock_names(*filter(None, (username, email, mobile and f"mobile {mobile}")))  # none must be taken meanwhile

    def find(column: str, key: str | None) -> Any:
        return _other(accounts, column).execute(key, oneself.id if oneself else 0, 1).fetchone() if key else None

    if find("email_key", username):
        raise UsernameTaken
    is_told = not (discreet and settings.current.policy == "guarded")
    holder = find(_held("email"), email)
    if is_told and (holder or find("username_key", email)):
        raise EmailTaken
    if is_told and find(_held("mobile"), mobile):
        raise MobileTaken
    return str(holder[0]) if holder else None


def bind(accounts: Any, columns: dict[str, Any]) -> None:
    """Make a username that is a mobile number the account's number, where it is free."""
    key = mobile_key(columns["username"])
    database.begin_immediate()
    database.lock_names(f"mobile {key}")
    if _other(accounts, _held("mobile")).execute(key, 0, 1).fetchone() is None:
        columns |= {"mobile": columns["username"], "mobile_key": key}


def unproved(account: Any, fields: dict[str, Any]) -> dict[str, None]:
    """Return what is proved no more once these fields are written, unless they say the same in other words."""
    gone = []
    if "email" in fields and mailbox(fields["email"]) != mailbox(account.email):
        gone.append("email_proved")
    if "mobile" in fields and (not fields["mobile"] or mobile_key(fields["mobile"]) != account.mobile_key):
        gone.append("mobile_proved")
    if "username" in fields:
        gone.append("former_key")
    return dict.fromkeys(gone)


def mailbox(email: str | None) -> str | None:
    """Return an address as far as mail systems take it for the same: beyond ASCII, case may make another mailbox."""
    return email.lower() if email and email.isascii() else email


def is_found_by(accounts: Any, email: str) -> Any:
    """Return the condition that an account has proved an e-mail address, or is the only one that shows it."""
    other = accounts.alias()
    another = other.select(other.id).where(other.email_key == accounts.email_key, other.id != accounts.id)
    return (accounts.email_proved == email) | ((accounts.email_key == email) & ~peewee.fn.EXISTS(another))


def _held(channel: str) -> str:
    """Return the column of the keys of addresses or numbers that are one account's under the policy in force."""
    return f"{channel}_key" if settings.current.policy == "documented" else f"{channel}_proved"


@cache
def _other(accounts: Any, column: str) -> CachedStatement:
    """Return the look-up of the address of another account that has a key."""
    return CachedStatement(
        lambda: accounts.select(accounts.email).where(getattr(accounts, column) == "", accounts.id != 0).limit(1)
    )
