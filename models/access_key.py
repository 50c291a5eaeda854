"""Access keys: who may sign requests of the signed contract."""

import base64
import hashlib
import hmac
import re
from typing import Self, cast

import peewee

from models import clock, keys, secret
from models.audit.events import Event, note
from models.db.cached_query import CachedQuery, CachedStatement
from models.db.database import Model, database
from models.errors import BadKey, KeyLost, KeyNotFound, KeyTaken

ACCESSID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ACCESSKEY = re.compile(r"[!-~]{1,256}")
SALT_LENGTH = 22
ACCESSKEY_LENGTH = 43


class AccessKey(Model):
    """A pair that signs: `accessid` travels in the clear, `accesskey` is known to both sides only.

    Checking a signature takes the accesskey itself, so a digest of it would not do. It is stored encrypted: a copy of
    the store does not tell it.
    """

    accessid = peewee.CharField(max_length=64, primary_key=True)
    salt = peewee.CharField(max_length=SALT_LENGTH)
    encrypted = peewee.TextField()
    created = peewee.BigIntegerField()

    @classmethod
    def create(cls, accessid: str, accesskey: str | None = None) -> Self:  # type: ignore[override]  # Peewee's takes columns
        """Make a key, with a random accesskey unless one is given.

        accessid: 1-64 of A-Z a-z 0-9 _ . -; accesskey: 1-256 visible ASCII characters.
        Raises BadKey, KeyTaken.
        """
        if not ACCESSID.fullmatch(accessid):
            raise BadKey
        if accesskey is not None and not ACCESSKEY.fullmatch(accesskey):
            raise BadKey
        database.begin_immediate()
        made = accesskey if accesskey is not None else secret.alphanumeric(ACCESSKEY_LENGTH)
        columns = {"salt": secret.alphanumeric(SALT_LENGTH), "encrypted": keys.encrypt(made)}
        try:
            with database.atomic():
                key: Self = super().create(accessid=accessid, created=clock.now(), **columns)
        except peewee.IntegrityError:
            raise KeyTaken from None
        note(Event.KEY_MADE, accessid=accessid, given=accesskey is not None)
        return key

    @classmethod
    def find(cls, accessid: str) -> Self:
        """Find a key. Raises KeyNotFound."""
        key: Self | None = None
        if ACCESSID.fullmatch(accessid):
            key = cast(Self | None, BY_ACCESSID.first(accessid))
        if key is None:
            raise KeyNotFound
        database.rely_on(key)
        return key

    @classmethod
    def list_all(cls) -> list[Self]:
        """Return all keys, ordered by accessid."""
        return list(cls.select().order_by(cls.accessid))

    def revoke(self) -> None:
        """Take the key back; its accessid is free again. Raises KeyNotFound if it was meanwhile."""
        database.begin_immediate()
        if not self.delete_instance():
            raise KeyNotFound
        note(Event.KEY_REVOKED, accessid=self.accessid)

    def reread(self) -> None:
        """Look again whether the key is good; it is not revoked before this transaction ends. Raises KeyNotFound."""
        if not IS_GOOD.execute(self.accessid, self.salt).fetchone():
            raise KeyNotFound

    @classmethod
    def renew(cls) -> int:
        """Encrypt all accesskeys by the server's first key; return how many there are."""
        stored = cls.list_all()
        for key in stored:
            cls.update(encrypted=keys.renew(key.encrypted)).where(cls.accessid == key.accessid).execute()
        return len(stored)

    @property
    def accesskey(self) -> str:
        """Return what signs, for who makes the key and hands it on. Raises KeyLost."""
        accesskey = keys.decrypt(self.encrypted)
        if accesskey is None:
            raise KeyLost
        return accesskey

    def has_signed(self, message: str, signature: str) -> bool:
        """Tell in constant time whether the signature is this key's for the message; none is of a key that is lost."""
        accesskey = keys.decrypt(self.encrypted)
        return accesskey is not None and hmac.compare_digest(sign(accesskey, message).encode(), signature.encode())


BY_ACCESSID = CachedQuery(AccessKey, lambda: AccessKey.select().where(AccessKey.accessid == ""))
IS_GOOD = CachedStatement(
    lambda: database.for_share(
        AccessKey.select(AccessKey.accessid).where(AccessKey.accessid == "", AccessKey.salt == "")
    )
)


def sign(accesskey: str, message: str) -> str:
    """Return base64(HMAC-SHA1(accesskey, message)), 28 characters."""
    signature = hmac.digest(accesskey.encode(), message.encode(), hashlib.sha1)
    return base64.b64encode(signature).decode()
