"""Proofs: who used a code or link that was sent to an address or number holds it, and nobody else does."""

from typing import Any

from models import messages, settings
from models.account import Account
from models.audit.events import Event, note
from models.db.database import database
from models.errors import EmailTaken, MobileTaken, Taken
from models.identifiers import email_key, mobile_key, username_key
from models.outbox import OutboxMessage

CHANNELS = ("email", "mobile")
MOST_HOLDERS = 100
"""Accounts that one mail has links for: the oldest that show an address which nobody has proved."""


def holders_of_email(key: str) -> list[Account]:
    """Return whom a mail to this address may recover: who has proved it, else all who show it, the oldest first.

    Who has it as a username shows it too, unless another address of that account was proved.
    """
    holder = Account.get_or_none(Account.email_proved == key)
    if holder is not None:
        return [] if holder.disabled else [holder]
    by_username = (Account.username_key == key) & Account.email_proved.is_null()
    shown = ((Account.email_key == key) | by_username) & ~Account.disabled
    return list(Account.select().where(shown).order_by(Account.id).limit(MOST_HOLDERS))


def holder_of_mobile(key: str) -> Account | None:
    """Return whom a message to this number may recover: who has proved it, else the oldest who shows it."""
    holder = Account.get_or_none(Account.mobile_proved == key)
    if holder is not None:
        return None if holder.disabled else holder
    shown = (Account.mobile_key == key) & ~Account.disabled
    return Account.select().where(shown).order_by(Account.id).first()  # type: ignore[no-any-return]  # Peewee's


def address_of(account: Account, key: str) -> str:
    """Return the address with this key as the account has it: mail goes there, never to what was typed."""
    return str(account.email if account.email_key == key else account.username)


def is_anothers(account: Account, channel: str, address: str) -> bool:
    """Tell whether another account has proved an address; nobody proves one until this unit of work ends."""
    key = _key(channel, address)
    database.begin_immediate()
    database.lock_names(key if channel == "email" else f"mobile {key}")
    proved = getattr(Account, f"{channel}_proved")
    return bool(Account.select(Account.id).where(proved == key, Account.id != account.id).exists())


def prove(account: Account, channel: str, address: str) -> None:
    """Make an address or number the account's own: its sessions, codes and links end, and so, under `guarded`, do its
    addresses that are not proved. Others who showed it are told; whose username it was gets another one.

    channel: `email` or `mobile`. Raises EmailTaken or MobileTaken where another has proved it.
    """
    if is_anothers(account, channel, address):
        taken: Taken = EmailTaken() if channel == "email" else MobileTaken()
        raise taken
    key = _key(channel, address)
    columns: dict[str, Any] = {channel: address, f"{channel}_key": key, f"{channel}_proved": key}
    if settings.current.policy == "guarded":
        for other in CHANNELS:
            if other != channel and getattr(account, f"{other}_proved") is None:
                columns |= {other: None, f"{other}_key": None}
    account.write(**columns)
    account.end_sessions()
    note(Event.ADDRESS_PROVED, account.id, channel=channel)
    shown = getattr(Account, f"{channel}_key") == key
    for other_account in Account.select().where(shown, Account.id != account.id).order_by(Account.id):
        _tell(other_account, f"{channel}_lost")
    if channel == "email":
        for former in Account.select().where(Account.username_key == key, Account.id != account.id):
            _rename(former)


def _rename(account: Account) -> None:
    """Give an account another username, since its own is an address that somebody else proved."""
    former = account.username_key
    name = f"u{account.id}"
    while Account.select(Account.id).where(Account.username_key == username_key(name)).exists():
        name += "_"
    account.write(username=name, username_key=username_key(name), former_key=former)
    note(Event.CONTACT_CHANGED, account.id, fields=["username"])
    _tell(account, "username_lost", username=name)


def _tell(account: Account, what: str, **values: str) -> None:
    """Tell an account's owner at an address or number that was proved, where there is one."""
    if account.email_proved:
        OutboxMessage.post("mail", str(account.email), messages.changed(what, **values))
    elif account.mobile_proved:
        OutboxMessage.post("sms", str(account.mobile), messages.compose(f"{what}.sms", **values))


def _key(channel: str, address: str) -> str:
    return email_key(address) if channel == "email" else mobile_key(address)
