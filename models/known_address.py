"""Addresses from which an account has logged in: guesses from elsewhere are not held against it there."""

import hashlib
import hmac
from functools import cache
from typing import Any

import peewee

from models import clock, settings
from models.account import BY_LOGIN_NAME, LOGIN_KEYS, Account, by_login_name
from models.db.cached_query import CachedStatement
from models.db.database import Model, database, delete_some
from models.identifiers import username_key
from models.keys import ring


class KnownAddress(Model):
    """An address from which an account logged in lately; `seen` is when, in Unix seconds, to the day."""

    id = peewee.BigAutoField()
    account = peewee.ForeignKeyField(Account, backref="known_addresses", index=False, on_delete="CASCADE")
    address_digest = peewee.CharField(max_length=64)
    seen = peewee.BigIntegerField(index=True)

    class Meta:
        indexes = ((("account", "address_digest"), True),)

    @classmethod
    def note(cls, account_id: int, address: str) -> None:
        """Remember that an account has just logged in from an address; of an account that is gone nothing."""
        database.begin_immediate()
        now = clock.now()
        NOTE.execute(_digests(address)[0], now, account_id, now)

    @classmethod
    def last_seen(cls, account_id: int, address: str) -> int:
        """Return when an account logged in from an address, to the day; 0 if it did not lately."""
        digests = _digests(address)
        return int(_last_seen(len(digests)).execute(account_id, *digests, _since()).fetchone()[0])

    @classmethod
    def find_login(cls, name: str, address: str) -> tuple[Account | None, int]:
        """Return whom somebody may mean who logs in, and when that account logged in from an address, to the day.

        One look-up, the same work either way; who authenticates in the same unit of work finds the account read.
        """
        key, digests = username_key(name), _digests(address)
        row = _by_login_name(len(digests)).execute(*digests, _since(), *(key,) * LOGIN_KEYS).fetchone()
        account = BY_LOGIN_NAME.instance(row[1:])
        return database.read_once(("login", key), lambda: account), int(row[0])

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of addresses that were not seen lately; return how many."""
        return delete_some(cls, cls.seen <= clock.now() - settings.current.known_device_seconds, batch)


def _since() -> int:
    return clock.now() - settings.current.known_device_seconds


def _note() -> Any:
    accounts = Account.select(Account.id, peewee.Value(""), peewee.Value(0)).where(Account.id == 0)
    fields = [KnownAddress.account, KnownAddress.address_digest, KnownAddress.seen]
    return KnownAddress.insert_from(database.for_share(accounts), fields).on_conflict(
        conflict_target=fields[:2], update={KnownAddress.seen: 0}
    )


NOTE = CachedStatement(_note)


def _newest(account: Any, digests: int) -> Any:
    """Return the query for when an account was seen, by so many digests of the address; nothing where it was not."""
    known = (KnownAddress.account == account) & KnownAddress.address_digest.in_([""] * digests)
    newest = KnownAddress.select(peewee.fn.MAX(KnownAddress.seen)).where(known & (KnownAddress.seen > 0))
    return peewee.fn.COALESCE(newest, peewee.SQL("0"))


@cache
def _last_seen(digests: int) -> CachedStatement:
    return CachedStatement(lambda: peewee.Select(columns=[_newest(0, digests)]).bind(database))


@cache
def _by_login_name(digests: int) -> CachedStatement:
    """Return the look-up of an account, which also finds a row where there is none, and of when it was seen."""

    def build() -> Any:
        condition, order = by_login_name("")
        nobody = peewee.Select(columns=[peewee.SQL("1")]).alias("nobody")
        account = peewee.fn.COALESCE(Account.id, peewee.SQL("0"))
        columns = [_newest(account, digests), *Account._meta.sorted_fields]
        return (
            peewee.Select([nobody], columns)
            .join(Account, peewee.JOIN.LEFT_OUTER, condition)
            .order_by(order)
            .bind(database)
        )

    return CachedStatement(build)


def _digests(address: str) -> list[str]:
    """Digest an address under each key of the server, the first one first: a copy of the store tells nobody's."""
    return [hmac.digest(key, address.encode(), hashlib.sha256).hex() for key in ring("known address")]
