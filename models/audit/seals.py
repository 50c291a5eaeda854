"""Seals: what only who has the server's key can put on a text."""

import hashlib
import hmac

from models.keys import ring

USE = "audit seal"


def sign(message: bytes) -> str:
    """Return the HMAC-SHA256 of a text under the server's first key, 64 characters."""
    return _sign(ring(USE)[0], message)


def fits(seal: str, message: bytes) -> bool:
    """Tell whether one of the server's keys put this seal on a text."""
    told = seal.encode()
    return any(hmac.compare_digest(_sign(key, message).encode(), told) for key in ring(USE))


def renew(seal: str, message: bytes) -> str:
    """Return the seal of the first key in place of another key's; one that does not fit stays as it is."""
    return sign(message) if fits(seal, message) else seal


def _sign(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, hashlib.sha256).hex()
