"""Sessions: who is logged in, through which contract, until when."""

from typing import Any, Self

import peewee

from models import clock, settings
from models.account import Account
from models.audit.events import Event, note, note_refusal
from models.db.cached_query import CachedQuery, CachedStatement
from models.db.database import Model, database, delete_some
from models.errors import InvalidSession, WrongCredentials
from models.secret import digest


class Session(Model):
    """A live token or cookie of one contract. Times are Unix seconds."""

    id = peewee.BigAutoField()
    account = peewee.ForeignKeyField(Account, backref="sessions", on_delete="CASCADE")
    contract = peewee.CharField(max_length=16)
    secret_digest = peewee.CharField(max_length=64, unique=True)
    created = peewee.BigIntegerField()
    expires = peewee.BigIntegerField(index=True)

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
    def find(cls, contract: str, secret: str) -> "Session":
        """Find the live session with this secret, its account with it; let it slide where the contract says so.

        Raises InvalidSession.
        """
        session = BY_SECRET.first(digest(secret), contract)
        if session is None or session.expires <= clock.now() or session.account.disabled:
            raise InvalidSession
        if settings.sessions[contract].sliding:
            session._slide()
        database.rely_on(session)
        database.read_once((Account, session.account.id), lambda: session.account)
        return session

    def reread(self) -> None:
        """Look again whether the session lives; it does not end before this transaction. Raises InvalidSession.

        The account is held, not the session: whatever ends sessions writes or holds their account first. Two that share
        a session, and then both want to end it, would wait for each other.
        """
        database.lock(self.account)
        if not LIVES.execute(self.secret_digest, clock.now(), self.account.admin).fetchone():
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
        database.lock(self.account)
        if not Session.delete().where(self._is_this()).execute():
            raise InvalidSession
        note(Event.SESSION_ENDED, self.account.id, session=self.id)

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

    def _slide(self) -> None:
        lifetime = settings.current.session_lifetime(self.contract)
        expires = clock.now() + lifetime
        if expires - self.expires >= settings.current.session_touch_seconds:
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
        .where(Session.secret_digest == "", Session.expires > 0, ~Account.disabled, Account.admin == False)  # noqa: E712
    )
)
SLIDE = CachedStatement(lambda: Session.update(expires=0).where(Session.secret_digest == ""))
BY_SECRET = CachedQuery(
    Session,
    lambda: Session.select(Session, Account).join(Account).where(Session.secret_digest == "", Session.contract == ""),
    joined="account",
)
