"""Confirmation: an owner proves the account's address or number by a code that was sent there; the password stays."""

from collections.abc import Callable

from models import actor, messages, proof, settings
from models.account import Account
from models.audit.events import Event, note, note_refusal
from models.db.database import database
from models.errors import NothingToConfirm, NothingToTry, WrongConfirmation
from models.identifiers import email_key, mobile_key
from models.keys import wrap
from models.outbox import ASKED, CLAIMED, Notice, OutboxMessage
from models.recovery import CODE_LENGTH, LINK_LENGTH, RecoveryCode
from models.secret import alphanumeric, digits

Compose = Callable[[str, str], Notice]
"""Puts a username and a secret, encrypted, into the words in which it is sent."""

MAKE = {"email": lambda: alphanumeric(LINK_LENGTH), "mobile": lambda: digits(CODE_LENGTH)}
"""Makes a code. A mailed one is long: an address may be tried by many accounts at once."""


def send(account: Account, channel: str, address: str, compose: Compose) -> None:
    """Send a code to the account's address or number; where another has proved that, tell its holder instead.

    channel: `email` or `mobile`. Raises NothingToConfirm where the address is not the account's.
    """
    key = _own_key(account, channel, address)
    database.begin_immediate()
    note(Event.RECOVERY_ASKED, account.id, channel=f"confirm_{channel}")
    code = MAKE[channel]()
    notice = compose(account.username, wrap(code))
    to = str(getattr(account, channel))
    if actor.visit.get().full:  # many accounts may show one address, and nobody is kept out by a code that is not sent
        RecoveryCode.keep_last([account], f"confirm_{channel}")
        OutboxMessage.post_to_nobody("mail" if channel == "email" else "sms")
        return
    if proof.is_anothers(account, channel, to):
        if channel == "email":
            OutboxMessage.post("mail", to, messages.changed("email_taken"), CLAIMED)
        else:
            OutboxMessage.post_to_nobody("sms")
        return
    email = channel == "email"
    lifetime = settings.current.email_link_seconds if email else settings.current.mobile_code_seconds
    kept = RecoveryCode.digest_of(account.id, key, code)
    RecoveryCode.keep(account, f"confirm_{channel}", to if email else key, kept, lifetime)
    OutboxMessage.post("mail" if email else "sms", to, notice, ASKED)


def redeem(account: Account, channel: str, address: str, code: str) -> None:
    """Prove the account's address or number; all its sessions end, and whatever else was sent to it is dead.

    Raises NothingToConfirm; WrongConfirmation, and counts the try.
    """
    key = _own_key(account, channel, address)
    recipient = str(account.email) if channel == "email" else key
    at_account = (RecoveryCode.account == account.id) & (RecoveryCode.recipient == recipient)
    sent = RecoveryCode.live(f"confirm_{channel}", at_account).first()
    if sent is None or not sent.may_try():
        note_refusal(Event.RECOVERY_REFUSED, account.id, channel=f"confirm_{channel}")
        raise NothingToTry
    is_right = sent.is_code(key, code)
    if not is_right:
        sent.count_try()
    if not is_right or proof.is_anothers(account, channel, sent.address) or not sent.use_up():
        note_refusal(Event.RECOVERY_REFUSED, account.id, channel=f"confirm_{channel}")
        raise WrongConfirmation
    proof.prove(account, channel, sent.address)


def _own_key(account: Account, channel: str, address: str) -> str:
    key = email_key(address) if channel == "email" else mobile_key(address)
    if key != getattr(account, f"{channel}_key"):
        raise NothingToConfirm
    return key
