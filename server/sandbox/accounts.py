"""Accounts that are made at once, and those that a sandbox begins with."""

from typing import Any

from models import actor
from models.access_key import AccessKey
from models.account import Account
from models.actor import OPERATOR, Caller
from models.db.database import transaction
from models.passwords import hashing
from models.secret import alphanumeric, lowercase

MADE_UP_LENGTH = 12
STRONG_LENGTH = 256
"""Of a password that every rule lets pass."""
MEMBERS = ("username", "password", "email", "mobile", "display_name", "admin", "disabled", "proved")
"""What may be asked of one."""
SHOWN = ("id", "username", "email", "mobile", "display_name", "admin", "disabled")

SEED: list[dict[str, Any]] = [
    {"username": "zhangsan", "email": "zhangsan@example.com", "mobile": "13800138001"},
    {"username": "lisi", "email": "lisi@example.com", "mobile": "13800138002", "proved": False},
    {"username": "admin", "email": "admin@example.com", "admin": True},
    {"username": "disabled", "email": "disabled@example.com", "disabled": True},
]
"""Each has `<username>-sandbox` as its password."""
ACCESS_KEY = {"accessid": "sandbox", "accesskey": "sandbox-accesskey"}
seeded: list[dict[str, Any]] = []
"""What was made of them."""


def sow() -> None:
    """Make what a sandbox begins with."""
    before = actor.current.set(lambda: Caller(OPERATOR))
    try:
        with transaction():
            seeded[:] = [make(password=f"{one['username']}-sandbox", **one) for one in SEED]
            AccessKey.create(**ACCESS_KEY)
    finally:
        actor.current.reset(before)


def make(
    username: str = "",
    password: str = "",
    admin: bool = False,
    disabled: bool = False,
    proved: bool = True,
    **profile: Any,
) -> dict[str, Any]:
    """Make an account, with any password; return it as who is to use it must know it.

    What is empty is made up. proved: so are its address and number. Raises the Taken errors.
    """
    username = username or f"user-{lowercase(MADE_UP_LENGTH)}"
    password = password or alphanumeric(MADE_UP_LENGTH)
    hashed = hashing.hash(password)
    account = Account.register(username, alphanumeric(STRONG_LENGTH), admin=admin, **profile)
    columns = {"email_proved": account.email_key, "mobile_proved": account.mobile_key} if proved else {}
    account.write(password_hash=hashed, disabled=disabled, **columns)
    shown = {name: value for name in SHOWN if (value := getattr(account, name)) is not None}
    return {**shown, "password": password, "proved": proved}
