"""The device cookie: by it a browser from which an account has logged in is told from strangers.

It opens nothing. Guesses at the account's password are counted for each such device apart, so that the guesses of
strangers do not keep its owner out.
"""

from contextlib import suppress

import jwt
from jwt.types import Options

from handlers._cookies import set_cookie
from models import clock, settings
from models.keys import ring
from models.secret import alphanumeric
from server.contract.request import Request

COOKIE = "rollbook_device"
ALGORITHM = "HS256"
AUDIENCE = "device"
USE = "device cookie"
LENGTH = 22
CHECKS: Options = {"require": ["exp", "sub", "jti"], "verify_exp": False}
"""Whether it has expired, the directory's clock says."""


def read(request: Request, account_id: int) -> str | None:
    """Return what a device calls itself, if this account has logged in from it."""
    cookie = request.cookie(COOKIE) or ""
    for key in ring(USE) if cookie else ():
        with suppress(jwt.InvalidTokenError):
            claims = jwt.decode(cookie, key, [ALGORITHM], CHECKS, audience=AUDIENCE)
            good = claims["sub"] == str(account_id) and claims["exp"] > clock.now()
            return str(claims["jti"]) if good else None
    return None


def write(account_id: int, device: str | None) -> dict[str, str]:
    """Return the header that lets a device be known again, under its old name if it has one."""
    lifetime = settings.current.known_device_seconds
    claims = {
        "aud": AUDIENCE,
        "sub": str(account_id),
        "jti": device or alphanumeric(LENGTH),
        "exp": clock.now() + lifetime,
    }
    return set_cookie(COOKIE, jwt.encode(claims, ring(USE)[0], ALGORITHM), lifetime)
