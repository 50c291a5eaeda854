"""How an operator finds accounts: by whatever names one, or by a piece of it."""

from typing import Any

from models.account import LARGEST_ID, Account
from models.errors import AccountAmbiguous, AccountNotFound
from models.identifiers import email_key, mobile_key, username_key

BY_ID = "id:"
"""What stands before a number that is an id and nothing else."""


def named(text: str) -> Account:
    """Find the account that a text names: id, username, e-mail address, mobile number or foreign id.

    As at a login, a username comes before an address, and a proved address before one that is only shown.
    Raises AccountNotFound, and AccountAmbiguous where the text is one account's id and another's name.
    """
    digits = text.removeprefix(BY_ID)
    id = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
    by_id = Account.get_or_none(Account.id == id) if 0 < id <= LARGEST_ID else None
    other = None if text.startswith(BY_ID) else _by_name(text)
    if by_id and other and by_id != other:
        raise AccountAmbiguous(f"{id} is the id of {by_id.username}, and the id of who has that name is {other.id}")
    found = by_id or other
    if found is None:
        raise AccountNotFound
    return found


def matching(text: str) -> Any:
    """Return the condition that an account's names, address, number or foreign id hold a text, whatever its case.

    Every account is looked at.
    """
    key = username_key(text)
    found = Account.mobile_key == mobile_key(text)
    for column, piece in (
        (Account.username_key, key),
        (Account.email_key, key),
        (Account.mobile_key, key),
        (Account.display_name, text),
        (Account.foreign_id, text),
    ):
        if piece:
            found |= column.contains(piece)
    return found


def _by_name(text: str) -> Account | None:
    for column, key in (
        (Account.username_key, username_key(text)),
        (Account.email_proved, email_key(text)),
        (Account.mobile_proved, mobile_key(text)),
        (Account.email_key, email_key(text)),
        (Account.mobile_key, mobile_key(text)),
        (Account.foreign_id, text),
    ):
        found = list(Account.select().where(column == key).order_by(Account.id).limit(2))
        if found[1:]:
            raise AccountAmbiguous(f"several accounts show this, ids {found[0].id} and {found[1].id} among them")
        if found:
            account: Account = found[0]
            return account
    return None
