"""The server's key ring: what is stored encrypted, and what a new key makes of it.

The first key of `secret_key` encrypts and signs, all of them decrypt and verify. Each use has a key of its own,
derived by HKDF, so that what was made for one use is worth nothing for another.
"""

import base64
import re
from functools import cache, lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models import settings

ENCRYPTED = re.compile("⟦([A-Za-z0-9_=-]+)⟧")
"""A secret inside a text that waits in the store."""
REMEMBERED = 1_000
"""Access keys that are decrypted once, not at every request."""


@cache
def derive(key: bytes, use: str) -> bytes:
    """Return the 32 bytes that a key of the server gives for one use."""
    return HKDF(SHA256(), 32, salt=None, info=f"rollbook {use}".encode()).derive(key)


def ring(use: str) -> tuple[bytes, ...]:
    """Return the keys of one use; the first one signs, all verify."""
    return _derive_all(settings.current.secret_keys, use)


@cache
def _derive_all(keys: tuple[bytes, ...], use: str) -> tuple[bytes, ...]:
    return tuple(derive(key, use) for key in keys)


def encrypt(secret: str) -> str:
    """Encrypt a secret that waits in the store, where neither it nor what stays behind in its files tells it."""
    return _ring().encrypt(secret.encode()).decode()


def decrypt(token: str) -> str | None:
    """Return a secret again; None where its key is gone."""
    return _decrypt(token, settings.current.secret_keys)


def wrap(secret: str) -> str:
    """Encrypt a secret so that it can stand in a text."""
    return f"⟦{encrypt(secret)}⟧"


def unwrap(text: str) -> str:
    """Put the secrets of a text in their places; where the key of one is gone, the text says nothing there."""
    return ENCRYPTED.sub(lambda found: decrypt(found[1]) or "", text)


def wrapped(text: str) -> list[str]:
    """Return the secrets of a text, in order; those whose key is gone are left out."""
    return list(filter(None, map(decrypt, ENCRYPTED.findall(text))))


def renew(token: str) -> str:
    """Encrypt by the first key what any key has encrypted; what none can decrypt stays as it is."""
    try:
        return _ring().rotate(token.encode()).decode()
    except InvalidToken:
        return token


def renew_wrapped(text: str) -> str:
    """Encrypt the secrets of a text anew."""
    return ENCRYPTED.sub(lambda found: f"⟦{renew(found[1])}⟧", text)


@lru_cache(REMEMBERED)
def _decrypt(token: str, keys: tuple[bytes, ...]) -> str | None:
    try:
        return _of(keys).decrypt(token.encode()).decode()
    except InvalidToken:
        return None


def _ring() -> MultiFernet:
    return _of(settings.current.secret_keys)


@cache
def _of(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(derive(key, "encryption"))) for key in keys])
