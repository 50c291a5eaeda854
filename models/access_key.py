"""Access keys: who may sign requests of the signed contract."""

import base64
import hashlib
import hmac
import re
from typing import Self

import peewee

from models import clock, secret, settings
from models.audit.events import Event, note
from models.db.cached_query import CachedStatement
from models.db.database import Model, database
from models.errors import BadKey, KeyNotFound, KeyTaken

ACCESSID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ACCESSKEY = re.compile(r"[!-~]{1,256}")
SALT_LENGTH = 22


class AccessKey(Model):
    """A pair that signs: `accessid` travels in the clear, `accesskey` is known to both sides only.

    Checking a signature takes the accesskey itself, so a digest of it would not do. It is derived
    from the server's secret key and a random salt: a copy of the store does not tell it, and it
    signs as long as that secret key is among the server's. Only one that was given, to keep clients
    of an earlier server running, is stored as it is.
    """

    accessid = peewee.CharField(max_length=64, primary_key=True)
    salt = peewee.CharField(max_length=SALT_LENGTH)
    given = peewee.CharField(max_length=256, null=True)
    created = peewee.BigIntegerField()

    @classmethod
    def create(cls, accessid: str, accesskey: str | None = None) -> Self:  # type: ignore[override]
        """Make a key, with a derived accesskey unless one is given.

        accessid: 1-64 of A-Z a-z 0-9 _ . -; accesskey: 1-256 visible ASCII characters.
        Raises BadKey, KeyTaken.
        """
        if not ACCESSID.fullmatch(accessid):
            raise BadKey
        if accesskey is not None and not ACCESSKEY.fullmatch(accesskey):
            raise BadKey
        database.begin_immediate()
        columns = {"salt": secret.alphanumeric(SALT_LENGTH), "given": accesskey}
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
            key = cls.get_or_none(cls.accessid == accessid)
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

    @property
    def accesskey(self) -> str:
        """Return what signs, for who makes the key and hands it on."""
        return self._accesskeys()[0]

    def has_signed(self, message: str, signature: str) -> bool:
        """Tell in constant time whether the signature is this key's for the message."""
        told = signature.encode()
        return any(hmac.compare_digest(sign(key, message).encode(), told) for key in self._accesskeys())

    def _accesskeys(self) -> list[str]:
        """Return what may sign: one for each secret key of the server, that of its first one first."""
        if self.given is not None:
            return [self.given]
        seed = f"access key\n{self.accessid}\n{self.salt}".encode()  # no token has line breaks
        derived = (hmac.digest(key, seed, hashlib.sha256) for key in settings.current.secret_keys)
        return [base64.urlsafe_b64encode(key).rstrip(b"=").decode() for key in derived]


IS_GOOD = CachedStatement(
    lambda: database.for_share(
        AccessKey.select(AccessKey.accessid).where(AccessKey.accessid == "", AccessKey.salt == "")
    )
)


def sign(accesskey: str, message: str) -> str:
    """Return base64(HMAC-SHA1(accesskey, message)), 28 characters."""
    signature = hmac.digest(accesskey.encode(), message.encode(), hashlib.sha1)
    return base64.b64encode(signature).decode()
