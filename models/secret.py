"""Secrets that clients carry. The directory keeps their digest only."""

import hashlib
import hmac
import re
import secrets
import string

from models import settings

ALPHANUMERIC = string.digits + string.ascii_letters
LOWERCASE = string.digits + string.ascii_lowercase

SHAPES = {"digits": string.digits, "alphanumeric": ALPHANUMERIC}
SALT_LENGTH = 14
MARK_LENGTH = 8
SEAL = re.compile(r"⟦(digits|alphanumeric):([0-9]+):([0-9A-Za-z]+)⟧")


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def alphanumeric(length: int) -> str:
    """Make a random secret of 0-9, A-Z and a-z."""
    return _pick(ALPHANUMERIC, length)


def lowercase(length: int) -> str:
    """Make a random secret of 0-9 and a-z."""
    return _pick(LOWERCASE, length)


def seal(shape: str, length: int) -> str:
    """Make a random secret of a shape (`digits`, `alphanumeric`), as a seal: what stands for it in the store.

    Only the key of the server makes the secret of it again. So a text may wait in the store, and neither the store nor
    what stays behind in its files tells the secret.
    """
    salt = alphanumeric(SALT_LENGTH)
    return f"⟦{shape}:{length}:{salt}{_mark(settings.current.secret_keys[0], salt)}⟧"


def unseal(text: str) -> str:
    """Put the secrets in the place of their seals. Where the key of a seal is gone, what comes out is worthless."""
    return SEAL.sub(_open, text)


def _open(sealed: re.Match[str]) -> str:
    keys = settings.current.secret_keys
    salt, mark = sealed[3][:SALT_LENGTH], sealed[3][SALT_LENGTH:]
    key = next((key for key in keys if _mark(key, salt) == mark), keys[0])
    number = int.from_bytes(hmac.digest(key, sealed[0].encode(), hashlib.sha512))
    return _spell(number, SHAPES[sealed[1]], int(sealed[2]))


def _mark(key: bytes, salt: str) -> str:
    """Return what a seal says of its key, so that a message that waits outlives a new first key."""
    number = int.from_bytes(hmac.digest(key, f"key of a seal\n{salt}".encode(), hashlib.sha256))
    return _spell(number, ALPHANUMERIC, MARK_LENGTH)


def _spell(number: int, alphabet: str, length: int) -> str:
    picked = []
    for _ in range(length):
        number, place = divmod(number, len(alphabet))
        picked.append(alphabet[place])
    return "".join(picked)


def _pick(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
