"""Accounts: one directory for all contracts."""

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import peewee

from models import actor, claims, clock, messages, settings
from models.account_block import AccountBlock, AccountBlockChange
from models.audit.events import Event, note, note_refusal
from models.db.cached_query import CachedInsert, CachedQuery, CachedStatement
from models.db.database import LastingId, Model, database
from models.db.transaction import RunAgain
from models.errors import (
    AccountNotFound,
    EmailTaken,
    MobileTaken,
    UsernameChanged,
    UsernameReserved,
    UsernameTaken,
    WrongCredentials,
    WrongPassword,
)
from models.identifiers import email_key, is_mobile, is_reserved, mobile_key, username_key
from models.outbox import CHANGED, CLAIMED, OutboxMessage
from models.passwords import hashing

LARGEST_ID = 2**63 - 1
KNOWN_OF_OWNER = ("display_name", "email", "mobile")
"""What nobody takes for a password, since others know it too."""
UNIQUE = {"username_key": UsernameTaken, "email_proved": EmailTaken, "mobile_proved": MobileTaken}


@contextmanager
def _told_apart() -> Iterator[None]:
    """Say which unique value was taken."""
    try:
        yield
    except peewee.IntegrityError as error:
        for column, taken in UNIQUE.items():
            if column in str(error):
                raise taken from None
        raise


class Account(Model):
    """A person or program that can log in. Times are Unix seconds; unset text is NULL."""

    id = LastingId()
    username = peewee.CharField(max_length=64)
    username_key = peewee.TextField(unique=True)
    password_hash = peewee.CharField(max_length=512)
    display_name = peewee.CharField(max_length=64, null=True)
    email = peewee.CharField(max_length=254, null=True)
    email_key = peewee.TextField(null=True, index=True)
    email_proved = peewee.TextField(null=True, unique=True)
    """The key again, once a link or code that was sent there was used; till then the address is held loosely."""
    mobile = peewee.CharField(max_length=32, null=True)
    mobile_key = peewee.TextField(null=True, index=True)
    mobile_proved = peewee.TextField(null=True, unique=True)
    former_key = peewee.TextField(null=True, index=True)
    """Key of the username that it lost to who proved that address."""
    domain = peewee.CharField(max_length=255, null=True)
    property = peewee.CharField(max_length=1024, null=True)
    photo = peewee.CharField(max_length=2048, null=True)
    job = peewee.CharField(max_length=128, null=True)
    school = peewee.CharField(max_length=128, null=True)
    introduct = peewee.CharField(max_length=4096, null=True)
    foreign_id = peewee.CharField(max_length=255, null=True, index=True)
    """What another system called it, such as `keycloak:f27826f7-...`."""
    admin = peewee.BooleanField(default=False)
    disabled = peewee.BooleanField(default=False)
    created = peewee.BigIntegerField()
    updated = peewee.BigIntegerField()
    sessions: Any
    """Sessions of this account, in all contracts (the other side of `Session.account`)."""
    recovery_codes: Any
    """Codes and links sent to its owner (the other side of `RecoveryCode.account`)."""

    @classmethod
    def register(
        cls, username: str, password: str, discreet: bool = False, binds_number: bool = False, **profile: Any
    ) -> Self:
        """Make an account.

        binds_number: a username that is a mobile number is bound as such where it is free.
        discreet: under the policy `guarded` the caller is not told that an address or number was proved by another. The
        account is made and shows it; it goes on to lead to its holder alone, who is told by mail.
        Raises PasswordRefused, UsernameTaken (UsernameReserved for what no path carries), EmailTaken, MobileTaken.
        """
        columns = _columns({"username": username, **dict.fromkeys(KNOWN_OF_OWNER), **profile})
        hashed = hashing.hash_new(password, username, words=map(columns.__getitem__, KNOWN_OF_OWNER))
        database.begin_immediate()
        now = clock.now()
        holder = claims.claim(cls, columns, discreet)
        if binds_number and is_mobile(username):
            claims.bind(cls, columns)
        with _told_apart():
            account: Self = INSERT.create(password_hash=hashed, created=now, updated=now, **columns)
        AccountBlockChange.add(account.id, 1)
        if holder:
            _tell(holder, "email_taken")
        elif discreet:
            OutboxMessage.post_to_nobody("mail", account.email)  # so that time does not tell either
        actor.visit.get().account_id = account.id
        note(Event.REGISTERED, account.id, **({"admin": True} if account.admin else {}))
        return account

    @classmethod
    def authenticate(cls, name: str, password: str, by_email: bool = False) -> "Account":
        """Find the enabled account with this name (or e-mail address) and password.

        The name means the username, else who has proved the address, else the only one who shows it.
        Raises WrongCredentials, after the same work for unknown and for known names; UsernameChanged where the password
        is right and the username has become another, since it was an address that somebody else proved.
        """
        key = username_key(name)
        account = cls.by_login_name(name)
        if account is None or not (by_email or account.username_key == key):
            hashing.verify_nobody(password)
            _tell_new_username(key, password)
            note_refusal(Event.LOGIN_REFUSED, reason="unknown")  # not what was typed: it may be a password
            raise WrongCredentials
        is_right = hashing.verify(account.password_hash, password)
        if not is_right or account.disabled:
            _tell_new_username(key, password)
            note_refusal(Event.LOGIN_REFUSED, account.id, reason="disabled" if is_right else "password")
            raise WrongCredentials
        if hashing.is_outdated(account.password_hash, password):
            renewed = hashing.hash(password)
            if not account._store_hash(renewed, account.password_hash):
                raise RunAgain  # it was renewed or changed meanwhile; nothing is hashed while the write lock is held
            account.password_hash = renewed
        return account

    @classmethod
    def by_login_name(cls, name: str) -> "Account | None":
        """Return the account that somebody may mean who logs in, if there is one: the same work either way.

        Until the unit's transaction begins it is looked up once, for who counts the guesses and for who tries them.
        """
        key = username_key(name)
        found: Account | None = database.read_once(("login", key), lambda: BY_LOGIN_NAME.first(*(key,) * LOGIN_KEYS))
        return found

    @classmethod
    def by_id(cls, id: int) -> "Account":
        """Find an account by its id. Raises AccountNotFound."""
        return _known(database.read_once((cls, id), lambda: BY_ID.first(id)) if 0 < id <= LARGEST_ID else None)

    @classmethod
    def by_id_to_prove(cls, id: int, password: str) -> "Account":
        """Find the account that a caller is about to prove its own by its password.

        Raises AccountNotFound; under the policy `guarded` WrongPassword, after the work of trying it.
        """
        try:
            return cls.by_id(id)
        except AccountNotFound:
            if settings.current.policy != "guarded":
                raise
            hashing.verify_nobody(password)
            note_refusal(Event.PASSWORD_REFUSED)
            raise WrongPassword from None

    @classmethod
    def by_username(cls, username: str) -> "Account":
        """Find an account by its username. Raises AccountNotFound."""
        return _known(BY_USERNAME.first(username_key(username)))

    @classmethod
    def find(cls, id_or_username: str) -> "Account":
        """Find an account by id if all are digits and there is one, else by username. Raises AccountNotFound."""
        if id_or_username.isascii() and id_or_username.isdigit():
            try:
                return cls.by_id(int(id_or_username))
            except AccountNotFound:
                pass
        return cls.by_username(id_or_username)

    @classmethod
    def page(cls, order: list[tuple[str, str]], offset: int, limit: int) -> list[Self]:
        """Return accounts in order, e.g. `[("username", "asc"), ("id", "desc")]`.

        A page in order of id is as near when it is deep as when it is the first; in other orders it is not.
        """
        found = cls.select()
        field, direction = order[0]
        if field == "id":
            ids, offset = AccountBlock.seek(offset, direction)
            if not ids:
                return []
            found = found.where(cls.id >= ids[0] if direction == "asc" else cls.id <= ids[-1])
        terms = [_in_order(getattr(cls, field), direction) for field, direction in order]
        return list(found.order_by(*terms).offset(offset).limit(limit))

    @classmethod
    def count(cls) -> int:
        """Count all accounts."""
        return AccountBlock.total()

    def change(self, discreet: bool = False, **fields: Any) -> None:
        """Change username, e-mail, mobile or profile fields; None unsets.

        discreet: as at `register`. Raises the Taken errors.
        """
        if not fields:
            return
        columns = _columns(fields) | claims.unproved(self, fields)
        before_email = self.email
        changed = [n.removesuffix("_key") for n in claims.CONTACT if n in columns and columns[n] != getattr(self, n)]
        holder = claims.claim(Account, columns, discreet, self)
        with _told_apart():
            self.write(**columns)
        if changed:
            note(Event.CONTACT_CHANGED, self.id, fields=changed)
        for what in ("username", "mobile"):
            if what in changed:
                _tell(before_email, what)
        if "email" in changed:
            _tell(before_email, "email_left")
            _tell(*((holder, "email_taken") if holder else (self.email, "email_set")))

    def change_password(self, old: str, new: str, keep: Any = None) -> None:
        """Set a new password if the old one is right, and end all sessions but the one to keep.

        Raises WrongPassword, PasswordRefused.
        """
        current = self.password_hash
        if not hashing.verify(current, old):
            note_refusal(Event.PASSWORD_REFUSED, self.id)
            raise WrongPassword
        hashed = self.hash_new(new)
        if not self._store_hash(hashed, current):
            note_refusal(Event.PASSWORD_REFUSED, self.id)
            raise WrongPassword
        self._password_changed(keep)

    def set_password(self, new: str, keep: Any = None, username: str | None = None) -> None:
        """Set a new password, and end all sessions but the one to keep.

        username: the one that the account is about to get, if another. Raises PasswordRefused.
        """
        self.store_password(self.hash_new(new, *filter(None, [username])), keep)

    def hash_new(self, password: str, *usernames: str) -> str:
        """Hash a password that is about to be the account's. Raises PasswordRefused."""
        return hashing.hash_new(
            password, self.username, *usernames, words=map(self.__data__.__getitem__, KNOWN_OF_OWNER)
        )

    def store_password(self, hashed: str, keep: Any = None) -> None:
        """Set a password that was hashed before the caller's first write, and end all sessions but the one to keep."""
        self.write(password_hash=hashed)
        self._password_changed(keep)

    def has_password(self, password: str) -> bool:
        """Tell whether this is the account's password."""
        return hashing.verify(self.password_hash, password)

    def answers_to(self, name: str) -> bool:
        """Tell whether this is the account's username or e-mail address."""
        return username_key(name) in (self.username_key, email_key(self.email or self.username))

    def disable(self) -> None:
        """Keep the account from logging in, and end its sessions."""
        self.write(disabled=True)
        self.end_sessions()
        note(Event.ACCOUNT_DISABLED, self.id)

    def enable(self) -> None:
        """Let the account log in again."""
        self.write(disabled=False)
        note(Event.ACCOUNT_ENABLED, self.id)

    @builtins.property  # a field of that name stands above
    def shown_name(self) -> str:
        """Return the display name, or the username where none is set."""
        return self.display_name or self.username

    def write(self, **columns: Any) -> None:
        """Set columns, and when. Raises AccountNotFound when it was deleted meanwhile."""
        database.begin_immediate()
        columns["updated"] = clock.now()
        if not Account.update(**columns).where(Account.id == self.id).execute():
            raise AccountNotFound
        self.__data__.update(columns)

    def _store_hash(self, new: str, old: str) -> bool:
        """Replace the hash unless somebody was faster."""
        database.begin_immediate()
        return bool(REHASH.execute(new, clock.now(), self.id, old).rowcount)

    def _password_changed(self, keep: Any) -> None:
        self.end_sessions(keep)
        note(Event.PASSWORD_CHANGED, self.id)
        _tell(self.email, "password")

    def end_sessions(self, keep: Any = None) -> None:
        """End all sessions but the one to keep; outstanding recovery codes and links go with them."""
        self.sessions.model.end_all(self, keep)
        self.recovery_codes.model.revoke_all(self)


BY_ID = CachedQuery(Account, lambda: Account.select().where(Account.id == 0))
BY_USERNAME = CachedQuery(Account, lambda: Account.select().where(Account.username_key == ""))
LOGIN_KEYS = 4
"""So often is the key of the name said in what follows."""


def by_login_name(key: str) -> tuple[Any, Any]:
    """Return the condition that a name means an account where somebody logs in, and which of two it means."""
    is_username = Account.username_key == key
    return is_username | claims.is_found_by(Account, key), is_username.desc()


def _login_query() -> Any:
    condition, order = by_login_name("")
    return Account.select().where(condition).order_by(order)


BY_LOGIN_NAME = CachedQuery(Account, _login_query)


def _tell_new_username(key: str, password: str) -> None:
    """Tell who logs in, with the right password, by a username that was lost what it is now. Raises UsernameChanged."""
    former = BY_FORMER.first(key, 1)
    if former is not None and not former.disabled and hashing.verify(former.password_hash, password):
        note_refusal(Event.LOGIN_REFUSED, former.id, reason="renamed")
        raise UsernameChanged(former.username)


BY_STRANGERS = ("email_taken", "email_set")
"""Messages to who has an address that somebody else may have typed."""


def _tell(email: str | None, what: str) -> None:
    """Mail an account's owner, where there is an address, that something has changed."""
    if email:
        OutboxMessage.post("mail", email, messages.changed(what), CLAIMED if what in BY_STRANGERS else CHANGED)


def _in_order(field: Any, direction: str) -> Any:
    """Order by a field alike on every store: text by code points, what is unset before what is set."""
    if isinstance(field, peewee.BigAutoField):
        return getattr(field, direction)()
    return getattr(database.by_code_points(field), direction)(nulls="first" if direction == "asc" else "last")


def _known(account: Account | None) -> Account:
    if account is None:
        raise AccountNotFound
    return account


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the keys of names, addresses and numbers to the fields that are about to be written."""
    columns = dict(fields)
    if "username" in fields:
        key = username_key(fields["username"])
        if is_reserved(key):
            raise UsernameReserved
        if not key:
            raise UsernameTaken  # nobody could tell it from another name that shows nothing
        columns["username_key"] = key
    if "email" in fields:
        columns["email_key"] = email_key(fields["email"]) if fields["email"] else None
    if "mobile" in fields:
        columns["mobile_key"] = mobile_key(fields["mobile"]) if fields["mobile"] else None
    return columns


BY_FORMER = CachedQuery(
    Account, lambda: Account.select().where(Account.former_key == "").order_by(Account.id.desc()).limit(1)
)
INSERT = CachedInsert(Account)
REHASH = CachedStatement(
    lambda: Account.update(password_hash="", updated=0).where(Account.id == 0, Account.password_hash == "")
)
