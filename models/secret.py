"""Secrets that clients carry. The directory keeps their digest only."""

import hashlib
import secrets
import string

ALPHANUMERIC = string.digits + string.ascii_letters
LOWERCASE = string.digits + string.ascii_lowercase


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def alphanumeric(length: int) -> str:
    """Make a random secret of 0-9, A-Z and a-z."""
    return _pick(ALPHANUMERIC, length)


def lowercase(length: int) -> str:
    """Make a random secret of 0-9 and a-z."""
    return _pick(LOWERCASE, length)


def digits(length: int) -> str:
    """Make a random secret of 0-9."""
    return _pick(string.digits, length)


def _pick(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
