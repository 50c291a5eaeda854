"""Sessions: who is logged in, through which contract, until when."""

from typing import Any, Self

import peewee

from models import clock, settings
from models.account import Account
from models.audit.events import Event, note, note_refusal
from models.db.cached_query import CachedStatement, fill
from models.db.database import Model, database, delete_some
from models.errors import AccountNotFound, InvalidSession, WrongCredentials
from models.secret import digest


class _Owner(peewee.ForeignKeyAccessor):
    """Reads the account when it is first asked for, by a statement that is written once."""

    def get_rel_instance(self, instance: Any) -> Account:
        """Return the account of a session. Raises InvalidSession when it was deleted meanwhile."""
        if self.name not in instance.__rel__:
            try:
                instance.__rel__[self.name] = Account.by_id(instance.account_id)
            except AccountNotFound:
                raise InvalidSession from None
        account: Account = instance.__rel__[self.name]
        return account


class _OwnerField(peewee.ForeignKeyField):
    accessor_class = _Owner


class Session(Model):
    """A live token or cookie of one contract. Times are Unix seconds."""

    id = peewee.BigAutoField()
    account = _OwnerField(Account, backref="sessions", on_delete="CASCADE")
    account_id: int
    contract = peewee.CharField(max_length=16)
    secret_digest = peewee.CharField(max_length=64, unique=True)
    created = peewee.BigIntegerField()
    expires = peewee.BigIntegerField(index=True)
    admin = False
    """Whether the account that it was found for administers."""

    @classmethod
    def open(cls, account: Account, contract: str, secret: str) -> "Session":
        """Open a session of this contract under this secret; the oldest ends where the account has too many.

        Raises WrongCredentials when the account was deleted, disabled or given another password meanwhile.
        """
        database.begin_immediate()
        now, most = clock.now(), settings.current.max_sessions
        expires = now + settings.current.session_lifetime(contract)
        columns = contract, digest(secret), now, expires
        row = OPEN.execute(*columns, account.id, account.password_hash, account.id, contract).fetchone()
        if row is None:
            note_refusal(Event.LOGIN_REFUSED, account.id, reason="changed")
            raise WrongCredentials
        id, others = row
        if others >= most:
            ended = END_OLDEST.execute(account.id, contract, account.id, contract, 1, most).rowcount
            if ended:
                note(Event.SESSION_ENDED, account.id, sessions=ended)
        note(Event.LOGGED_IN, account.id)
        return cls(id=id, account=account, **dict(zip(COLUMNS, columns, strict=True)))

    @classmethod
    def find(cls, contract: str, secret: str, with_account: bool = False) -> "Session":
        """Find the live session with this secret; let it slide where the contract says so.

        with_account: read its account in the same look-up, for who will show or change it. Raises InvalidSession.
        """
        digested = digest(secret)
        row = (BY_SECRET_WITH_ACCOUNT if with_account else BY_SECRET).execute(digested, contract).fetchone()
        if row is None or row[2] <= clock.now():
            raise InvalidSession
        id, account_id, expires, admin = row[:4]
        session: Session = fill(cls, (id, account_id, contract, digested, expires), FOUND)
        session.admin = bool(admin)
        if settings.sessions[contract].sliding:
            session._slide(expires)
        database.obj.rely_on(session)  # past the proxy, whose look-up of a name is a call of its own
        if with_account:
            account = fill(Account, row[4:])
            session.__rel__["account"] = database.read_once((Account, account_id), lambda: account)
        return session

    def reread(self) -> None:
        """Look again whether the session lives; it does not end before this transaction. Raises InvalidSession.

        The account is held, not the session: whatever ends sessions writes or holds their account first. Two that share
        a session, and then both want to end it, would wait for each other.
        """
        database.lock(self._owner)
        if not LIVES.execute(self.secret_digest, clock.now(), self.admin).fetchone():
            raise InvalidSession

    @classmethod
    def by_id(cls, id: int) -> Self:
        """Find a live session by its id, its account with it. Raises InvalidSession."""
        live = (cls.id == id) & (cls.expires > clock.now())
        session: Self | None = cls.select(cls, Account).join(Account).where(live).first()
        if session is None:
            raise InvalidSession
        return session

    @classmethod
    def exchange(cls, contract: str, account: Account, old: str, new: str) -> None:
        """Replace a live secret by a new one with a fresh lifetime; of two calls at once, one wins.

        Raises InvalidSession.
        """
        database.begin_immediate()
        now = clock.now()
        expires = now + settings.current.session_lifetime(contract)
        if not EXCHANGE.execute(digest(new), expires, digest(old), contract, account.id, now).rowcount:
            raise InvalidSession

    def end(self) -> None:
        """End this session. Raises InvalidSession when it had ended meanwhile."""
        database.begin_immediate()
        database.lock(self._owner)
        if not Session.delete().where(self._is_this()).execute():
            raise InvalidSession
        note(Event.SESSION_ENDED, self.account_id, session=self.id)

    @classmethod
    def end_all(cls, account: Account, keep: "Session | None" = None) -> int:
        """End the account's sessions in all contracts, but for the one to keep; return how many.

        Raises InvalidSession when that one has ended meanwhile: who was logged out changes nothing any more.
        """
        database.begin_immediate()
        database.lock(account)
        ended = cls.delete().where(cls.account == account)
        if keep is not None:
            ended = ended.where(cls.secret_digest != keep.secret_digest)
        number: int = ended.execute()
        if keep is not None and cls.get_or_none(keep._is_this()) is None:
            raise InvalidSession
        if number:
            note(Event.SESSION_ENDED, account.id, sessions=number)
        return number

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of expired sessions; return how many."""
        return delete_some(cls, cls.expires <= clock.now(), batch)

    @property
    def _owner(self) -> Account:
        """Return the account to be held; nothing but its number is looked at, so it need not be read."""
        owner: Account = fill(Account, (self.account_id,), ("id",))
        return owner

    def _slide(self, expired: int) -> None:
        expires = clock.now() + settings.current.session_lifetime(self.contract)
        if expires - expired >= settings.current.session_touch_seconds:
            # at the end: whatever the caller wants done begins the transaction when it has hashed what it hashes
            database.before_commit(lambda: SLIDE.execute(expires, self.secret_digest), also_if_refused=True)
            self.expires = expires

    def _is_this(self) -> Any:
        """Return the condition that a row is this session: an id may be given again, a secret never is."""
        return Session.secret_digest == self.secret_digest


OTHERS = Session.alias()
COLUMNS = ("contract", "secret_digest", "created", "expires")


def _open() -> Any:
    """Return what opens a session of an account that is as it was, and counts how many others it has."""
    unchanged = Account.select(Account.id, *map(peewee.Value, COLUMNS)).where(
        Account.id == 0, Account.password_hash == "", ~Account.disabled
    )
    fields = [Session.account, *(getattr(Session, name) for name in COLUMNS)]
    others = OTHERS.select(peewee.fn.COUNT(OTHERS.id)).where(
        OTHERS.account == 0, OTHERS.contract == "", OTHERS.id != Session.id
    )
    return Session.insert_from(database.for_share(unchanged), fields).returning(Session.id, others)


OPEN = CachedStatement(_open)
END_OLDEST = CachedStatement(
    lambda: Session.delete().where(
        Session.account == 0,
        Session.contract == "",
        Session.id
        <= OTHERS.select(OTHERS.id)
        .where(OTHERS.account == 0, OTHERS.contract == "")
        .order_by(OTHERS.id.desc())
        .limit(1)
        .offset(0),
    )
)
EXCHANGE = CachedStatement(
    lambda: Session.update(secret_digest="", expires=0).where(
        Session.secret_digest == "", Session.contract == "", Session.account == 0, Session.expires > 0
    )
)
LIVES = CachedStatement(
    lambda: (
        Session.select(Session.id)
        .join(Account)
        .where(Session.secret_digest == "", Session.expires > 0, ~Account.disabled, Account.admin == False)  # noqa: E712  # a column's
    )
)
SLIDE = CachedStatement(lambda: Session.update(expires=0).where(Session.secret_digest == ""))
FOUND = ("id", "account", "contract", "secret_digest", "expires")
"""Columns that a session has once it was found by its secret."""


def _by_secret(*more: Any) -> CachedStatement:
    """Return what finds the session of a secret whose account may log in: only columns that each caller needs."""
    columns = Session.id, Session.account, Session.expires, Account.admin, *more
    is_it = (Session.secret_digest == "") & (Session.contract == "") & ~Account.disabled
    return CachedStatement(lambda: Session.select(*columns).join(Account).where(is_it))


BY_SECRET = _by_secret()
BY_SECRET_WITH_ACCOUNT = _by_secret(*Account._meta.sorted_fields)
