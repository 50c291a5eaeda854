"""The token of the sso contract: a JSON Web Token that carries the secret of a session.

The signature tells what this server wrote from what it did not. Whether it is still good, the
session row alone says.
"""

from functools import lru_cache
from typing import Any

import jwt
from jwt.types import Options

from handlers.exceptions import InvalidToken, Unauthorized
from models import clock, settings
from models.account import Account
from models.keys import ring
from models.secret import digest

ALGORITHM = "HS256"
USE = "sso token"
CHECKS: Options = {"require": ["jti"], "verify_iat": False}
"""iat is for people: a clock that was set back must not turn good tokens bad."""


REMEMBERED = 10_000
"""Tokens of a few hundred bytes each."""


def write(account: Account, secret: str) -> str:
    """Write a token for this account and session."""
    claims = {"userId": account.id, "username": account.username, "jti": secret, "iat": clock.now()}
    return jwt.encode(claims, ring(USE)[0], ALGORITHM)


def read(token: str) -> str:
    """Return the secret in a token of this server.

    Raises Unauthorized if there is no token, InvalidToken if no key of this server signed it.
    """
    if not token:
        raise Unauthorized
    secret: str = _verify(token, ring(USE))["jti"]
    return secret


def known(token: str) -> tuple[int, str] | None:
    """Return whose ended token this is and what its client is known by; None where it is too old to tell."""
    claims = _verify(token, ring(USE))
    old = claims.get("iat", 0) <= clock.now() - settings.current.known_device_seconds
    return None if old else (claims["userId"], digest(claims["jti"]))


@lru_cache(maxsize=REMEMBERED)
def _verify(token: str, keys: tuple[bytes, ...]) -> dict[str, Any]:
    """Remember what was verified: a token comes with every request, and its signature stays what it is."""
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options=CHECKS)
        except (jwt.InvalidTokenError, RecursionError):
            continue  # the header is parsed, however deep, before the signature is checked
        return claims
    raise InvalidToken
