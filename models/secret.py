"""Secrets that clients carry. The directory keeps their digest only."""

import hashlib
import hmac
import re
import secrets
import string

from models import rules

ALPHANUMERIC = string.digits + string.ascii_letters
LOWERCASE = string.digits + string.ascii_lowercase

SHAPES = {"digits": string.digits, "alphanumeric": ALPHANUMERIC}
SALT_LENGTH = 22
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
    return f"⟦{shape}:{length}:{alphanumeric(SALT_LENGTH)}⟧"


def unseal(text: str) -> str:
    """Put the secrets in the place of their seals. Under another key than theirs they are worthless."""
    return SEAL.sub(_open, text)


def _open(sealed: re.Match[str]) -> str:
    alphabet, length = SHAPES[sealed[1]], int(sealed[2])
    number = int.from_bytes(hmac.digest(rules.current.secret_key, sealed[0].encode(), hashlib.sha512))
    picked = []
    for _ in range(length):
        number, place = divmod(number, len(alphabet))
        picked.append(alphabet[place])
    return "".join(picked)


def _pick(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
