"""Recovery: setting a new password without the old one, by a code or a link that was sent to the account's owner."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Self

import peewee

from models import actor, clock, proof, settings
from models.account import Account
from models.audit.events import Event, note, note_refusal
from models.claims import mailbox
from models.db.database import Model, database, delete_some
from models.errors import EmailUnknown, NoCode, WrongCode, WrongLink
from models.identifiers import email_key, mobile_key
from models.keys import ring, wrap
from models.outbox import ASKED, Notice, OutboxMessage
from models.rate_counter import RateCounter
from models.secret import alphanumeric, digest, digits

CODE_LENGTH = 6
LINK_LENGTH = 32
USE = "recovery code"

Compose = Callable[[str], Notice]
"""Puts a secret, encrypted, into the words in which it is sent."""
ComposeLinks = Callable[[list[tuple[str, str]]], Notice]
"""Puts the username and the encrypted secret of each account into the words of one mail."""


class RecoveryCode(Model):
    """A live code or link of an account; a newer one takes the place of the one before. Times are Unix seconds."""

    id = peewee.BigAutoField()
    account = peewee.ForeignKeyField(Account, backref="recovery_codes", index=False, on_delete="CASCADE")
    channel = peewee.CharField(max_length=16)
    """`mobile` for a code, `email` for a link; `confirm_mobile`, `confirm_email` for what only proves an address."""
    recipient = peewee.CharField(max_length=254)
    """Key of the number, or the address as the account has it. Once that is another one, the code is dead."""
    digest = peewee.CharField(max_length=64, unique=True)
    expires = peewee.BigIntegerField(index=True)

    class Meta:
        indexes = ((("account", "channel"), True),)

    @classmethod
    def send_code(cls, mobile: str, compose: Compose) -> None:
        """Send a code to a mobile number; for a number that nobody has, do as much work and send nothing."""
        number = mobile_key(mobile)
        account = proof.holder_of_mobile(number)
        code = digits(CODE_LENGTH)
        notice = compose(wrap(code))
        database.begin_immediate()
        note(Event.RECOVERY_ASKED, account.id if account else None, channel="mobile")
        if account is None or cls.keep_last([account], "mobile"):
            cls._keep_nothing("sms")
            return
        kept = cls.digest_of(account.id, number, code)
        cls.keep(account, "mobile", number, kept, settings.current.mobile_code_seconds)
        OutboxMessage.post("sms", str(account.mobile), notice, ASKED)  # as registered

    @classmethod
    def send_link(cls, email: str, compose: ComposeLinks) -> None:
        """Send one mail with a link for each account that an e-mail address may recover.

        Raises EmailUnknown; under the policy `guarded` it does as much work for an unknown address and sends nothing.
        """
        key = email_key(email)
        accounts = proof.holders_of_email(key)
        if not accounts and settings.current.policy == "documented":
            raise EmailUnknown
        database.begin_immediate()
        note(Event.RECOVERY_ASKED, accounts[0].id if accounts else None, channel="email")
        if not accounts or cls.keep_last(accounts, "email"):
            secret = alphanumeric(LINK_LENGTH)
            digest(secret)
            compose([("", wrap(secret))])
            cls._keep_nothing("mail")
            return
        mails: dict[str | None, tuple[str, list[tuple[str, str]]]] = {}
        for account in accounts:
            address, secret = proof.address_of(account, key), alphanumeric(LINK_LENGTH)
            cls.keep(account, "email", address, digest(secret), settings.current.email_link_seconds)
            mails.setdefault(mailbox(address), (address, []))[1].append((account.username, wrap(secret)))
        for address, links in mails.values():
            OutboxMessage.post("mail", address, compose(links), ASKED)

    @classmethod
    def redeem_code(cls, mobile: str, code: str, new: str) -> None:
        """Set a new password by a code of 6 digits.

        Raises WrongCode, and counts the try (NoCode where there was nothing to guess); PasswordRefused.
        """
        number = mobile_key(mobile)
        reached = (cls.recipient == Account.mobile_key) & (cls.recipient == number)
        sent = cls.live("mobile", reached).order_by(Account.mobile_proved.is_null(), Account.id).first()
        if sent is None:
            if settings.current.policy == "guarded":
                cls._try_nothing(number, code)
            note_refusal(Event.RECOVERY_REFUSED, channel="mobile")
            raise NoCode
        if not sent.may_try():
            note_refusal(Event.RECOVERY_REFUSED, sent.account.id, channel="mobile")
            raise NoCode
        if not sent.is_code(number, code):
            sent.count_try()
            note_refusal(Event.RECOVERY_REFUSED, sent.account.id, channel="mobile")
            raise WrongCode
        if not sent._redeem(new):
            note_refusal(Event.RECOVERY_REFUSED, sent.account.id, channel="mobile")
            raise WrongCode

    @classmethod
    def find_link(cls, secret: str) -> Self:
        """Find the live link with this secret, its account with it. Raises WrongLink."""
        sent: Self | None = cls.live("email", cls.recipient_is_address()).where(cls.digest == digest(secret)).first()
        if sent is None:
            raise WrongLink
        return sent

    @classmethod
    def redeem_link(cls, secret: str, new: str) -> None:
        """Set a new password by a mailed link. Raises WrongLink; PasswordRefused, and the link stays good."""
        try:
            sent = cls.find_link(secret)
        except WrongLink:
            note_refusal(Event.RECOVERY_REFUSED, channel="email")
            raise
        if not sent._redeem(new):
            note_refusal(Event.RECOVERY_REFUSED, sent.account.id, channel="email")
            raise WrongLink

    def _redeem(self, new: str) -> bool:
        """Use the code up, which proves where it was sent, and set the password.

        Of many calls at once, one wins and the others change nothing.
        """
        hashed = self.account.hash_new(new)  # before the first write, which takes the lock
        if proof.is_anothers(self.account, self.channel, self.address) or not self.use_up():
            return False
        proof.prove(self.account, self.channel, self.address)
        self.account.store_password(hashed)
        actor.visit.get().account_id = self.account.id
        note(Event.RECOVERED, self.account.id, channel=self.channel)
        return True

    @classmethod
    def digest_of(cls, account_id: int, key: str, code: str) -> str:
        """Return what is kept of a code that is sent to the address or number with this key."""
        return _code_digest(account_id, key, code, ring(USE)[0])

    def is_code(self, key: str, code: str) -> bool:
        """Tell in constant time whether this is the code that was sent to the address or number with this key."""
        return _is_code(self.digest, self.account.id, key, code)

    def may_try(self) -> bool:
        """Tell whether who asks has tries left at this code; a stranger's take none from whom it was sent to."""
        return RateCounter.read(_tries(self.digest))[0] < settings.current.mobile_code_tries

    def count_try(self) -> None:
        """Count a wrong try of who asks."""
        _count_try(self.digest)

    def use_up(self) -> bool:
        """Delete the code; of many calls at once, one gets True, and none if too many were wrong meanwhile."""
        database.begin_immediate()
        this = (RecoveryCode.id == self.id) & (RecoveryCode.digest == self.digest)
        return self.may_try() and bool(RecoveryCode.delete().where(this & _alive()).execute())

    @property
    def address(self) -> str:
        """Return where it was sent, as the account has it."""
        return self.recipient if "email" in self.channel else str(self.account.mobile)

    @classmethod
    def recipient_is_address(cls) -> Any:
        """Return the condition that it was sent to the account's e-mail address, or to a username that is one."""
        return (cls.recipient == Account.email) | (cls.recipient == Account.username)

    @classmethod
    def revoke_all(cls, account: Account) -> None:
        """Make the account's outstanding codes and links worthless."""
        database.begin_immediate()
        cls.delete().where(cls.account == account).execute()

    @classmethod
    def live(cls, channel: str, reached: Any) -> Any:
        """Return the query for live codes, with their accounts. reached: that it went to where the account is today."""
        return (
            cls.select(cls, Account).join(Account).where(cls.channel == channel, reached, ~Account.disabled, _alive())
        )

    @classmethod
    def keep(cls, account: Account, channel: str, recipient: str, digest: str, lifetime: int) -> None:
        """Store a new code in place of the one before."""
        fresh = {
            "recipient": recipient,
            "digest": digest,
            "expires": clock.now() + max(lifetime, actor.visit.get().full),
        }
        cls.insert(account=account, channel=channel, **fresh).on_conflict(
            conflict_target=[cls.account, cls.channel], update=fresh
        ).execute()

    @classmethod
    def keep_last(cls, accounts: list[Account], channel: str) -> bool:
        """Where the recipient had too many messages, keep the last code good until there is room for more.

        Tells whether there is one: nothing is sent then. So strangers who ask in an owner's name fill no mailbox, and
        keep no code from the owner.
        """
        full = actor.visit.get().full
        if not full:
            return False
        until = clock.now() + full
        last = cls.account.in_([account.id for account in accounts]) & (cls.channel == channel) & _alive()
        longer = peewee.Case(None, [(cls.expires < until, until)], cls.expires)
        return bool(cls.update(expires=longer).where(last).execute())

    @classmethod
    def _keep_nothing(cls, kind: str) -> None:
        """Do the work of keeping and posting a code for somebody who does not exist, so that time does not tell.

        The look-up stands for reading the account; scripts/enumeration measures whether it is as much.
        """
        cls.select(cls.id).where(cls.id == 0).first()
        OutboxMessage.post_to_nobody(kind)
        OutboxMessage.post_to_nobody(kind)

    @classmethod
    def _try_nothing(cls, mobile: str, code: str) -> None:
        """Do the work of a wrong try where no code is, so that time does not tell.

        The look-up stands for reading the code and its account; scripts/enumeration measures whether it is as much.
        """
        cls.select(cls.id).where(cls.id == 0).first()
        RateCounter.read(_tries(""))
        _is_code("", 0, mobile, code)
        _count_try("")

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of expired codes and links; return how many."""
        return delete_some(cls, cls.expires <= clock.now(), batch)


def _alive() -> Any:
    return RecoveryCode.expires > clock.now()


def _tries(kept: str) -> str:
    """Return what tries at a code are counted under, for whoever asks apart from all others."""
    who = digest(f"{kept}\n{actor.visit.get().place}")
    return f"code/{who}"


def _count_try(kept: str) -> None:
    RateCounter.add({_tries(kept): settings.current.mobile_code_seconds})


def _is_code(kept: str, account_id: int, mobile: str, code: str) -> bool:
    """Tell whether this is the code that was sent, under whichever of the server's keys."""
    return any(hmac.compare_digest(kept, _code_digest(account_id, mobile, code, key)) for key in ring(USE))


def _code_digest(account_id: int, mobile: str, code: str, key: bytes) -> str:
    """Digest a code so that a copy of the store does not tell it.

    There are only a million codes: a bare SHA-256 is undone in a second. The key of the server, which is not in the
    store, keeps it from being tried out; account and number keep it from being used for another.
    """
    message = f"recovery code\n{account_id}\n{mobile}\n{code}".encode()
    return hmac.digest(key, message, hashlib.sha256).hex()
