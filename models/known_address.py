"""Addresses from which an account has logged in: guesses from elsewhere are not held against it there."""

import hashlib
import hmac
from contextlib import suppress

import peewee

from models import clock, settings
from models.account import Account
from models.db.database import Model, database, delete_some


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
        row = cls.insert(account=account_id, address_digest=_digests(address)[0], seen=now)
        with suppress(peewee.IntegrityError), database.atomic():
            row.on_conflict(conflict_target=[cls.account, cls.address_digest], update={cls.seen: now}).execute()

    @classmethod
    def last_seen(cls, account_id: int, address: str) -> int:
        """Return when an account logged in from an address, to the day; 0 if it did not lately."""
        since = clock.now() - settings.current.known_device_seconds
        known = (cls.account == account_id) & (cls.address_digest.in_(_digests(address))) & (cls.seen > since)
        return int(cls.select(peewee.fn.COALESCE(peewee.fn.MAX(cls.seen), 0)).where(known).scalar())

    @classmethod
    def purge(cls, batch: int) -> int:
        """Delete up to a batch of addresses that were not seen lately; return how many."""
        return delete_some(cls, cls.seen <= clock.now() - settings.current.known_device_seconds, batch)


def _digests(address: str) -> list[str]:
    """Digest an address under each key of the server, the first one first: a copy of the store tells nobody's."""
    keys = settings.current.secret_keys
    return [hmac.digest(key, f"known address\n{address}".encode(), hashlib.sha256).hex() for key in keys]
