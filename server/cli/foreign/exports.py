"""Accounts as the files that Kratos and Django take, with the passwords that these can check."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NamedTuple

import orjson

from models.account import Account
from models.passwords import foreign_hashes
from models.passwords.foreign_schemes import Argon2, Bcrypt, Passlib, Pbkdf2, SaltedDigest, Scrypt
from server.cli.output import time

DJANGO_KEYS = {"sha1": 20, "sha256": 32}
"""Digests of Django's PBKDF2 -> the bytes of its keys."""
KRATOS_FORMATS = {True: b"{SALT}{PASSWORD}", False: b"{PASSWORD}{SALT}"}


class Written(NamedTuple):
    """How many accounts were written, and how many of them have a password that the other system cannot check."""

    accounts: int
    without_password: int


def save(lines: BinaryIO, accounts: Iterable[Account], system: str, report: Callable[[int], None]) -> Written:
    """Write accounts as one array of JSON, one by one."""
    records, respell = SYSTEMS[system]
    number = lost = 0
    before = b"[\n"
    for account in accounts:
        number += 1
        hashed = respell(account.password_hash)
        lost += hashed is None and account.password_hash != foreign_hashes.NONE
        for record in records(account, hashed):
            lines.write(before + orjson.dumps(record))
            before = b",\n"
        report(1)
    lines.write(b"\n]\n" if number else b"[]\n")
    return Written(number, lost)


def _identity(account: Account, hashed: str | None) -> list[dict[str, Any]]:
    """Return an account as an identity that `kratos import identities` takes."""
    traits = {
        "username": account.username,
        "email": account.email,
        "phone": account.mobile,
        "name": account.display_name,
        "picture": account.photo,
    }
    verified = account.email and {
        "value": account.email,
        "verified": account.email_proved is not None,
        "via": "email",
        "status": "completed" if account.email_proved else "pending",
    }
    return [
        {
            "schema_id": "default",
            "state": "inactive" if account.disabled else "active",
            "traits": {name: value for name, value in traits.items() if value},
            **({"verifiable_addresses": [verified]} if verified else {}),
            **({"credentials": {"password": {"config": {"hashed_password": hashed}}}} if hashed else {}),
            "metadata_admin": {"rollbook_id": account.id},
        }
    ]


def _fixture(account: Account, hashed: str | None) -> list[dict[str, Any]]:
    """Return an account as `manage.py loaddata` takes it, with allauth's address where it was proved."""
    fields = {
        "username": account.username,
        "password": hashed or "!",
        "email": account.email or "",
        "first_name": account.display_name or "",
        "last_name": "",
        "is_active": not account.disabled,
        "is_superuser": bool(account.admin),
        "is_staff": bool(account.admin),
        "date_joined": time(account.created),
        "last_login": None,
        "groups": [],
        "user_permissions": [],
    }
    address = {"user": account.id, "email": account.email, "verified": True, "primary": True}
    proved = [{"model": "account.emailaddress", "pk": account.id, "fields": address}] if account.email_proved else []
    return [{"model": "auth.user", "pk": account.id, "fields": fields}, *proved]


def _for_kratos(stored: str) -> str | None:
    scheme = foreign_hashes.read(stored)
    match scheme:
        case Argon2() if scheme.kind != "Argon2d":
            return stored
        case Bcrypt():
            return stored
        case Pbkdf2():
            cost = f"i={scheme.iterations},l={len(scheme.key)}"
            return f"$pbkdf2-{scheme.digest}${cost}${_base64(scheme.salt, bare=True)}${_base64(scheme.key, bare=True)}"
        case Scrypt() if scheme.signer:
            return stored
        case Scrypt():
            cost = f"ln={scheme.n},r={scheme.r},p={scheme.p}"
            return f"$scrypt${cost}${_base64(scheme.salt)}${_base64(scheme.key)}"
        case SaltedDigest():
            order = _base64(KRATOS_FORMATS[scheme.is_salt_first])
            return f"${scheme.digest}$pf={order}${_base64(scheme.salt)}${_base64(scheme.key)}"
        case Passlib() if stored.startswith("{SSHA"):
            return stored
    return None


def _for_django(stored: str) -> str | None:
    scheme = foreign_hashes.read(stored)
    match scheme:
        case Argon2() if scheme.kind != "Argon2d":
            return f"argon2{stored}"
        case Bcrypt():
            return f"bcrypt${stored}"
        case Pbkdf2() if DJANGO_KEYS.get(scheme.digest) == len(scheme.key) and (salt := _text(scheme)):
            return f"pbkdf2_{scheme.digest}${scheme.iterations}${salt}${_base64(scheme.key)}"
        case Scrypt() if not scheme.signer and len(scheme.key) == 64 and (salt := _text(scheme)):
            return f"scrypt${scheme.n}${salt}${scheme.r}${scheme.p}${_base64(scheme.key)}"
        case Passlib() if stored.startswith("bcrypt_sha256$$"):
            return stored
    return None


def _text(scheme: Pbkdf2 | Scrypt) -> str | None:
    """Return a salt as text, where it is one that Django could have made."""
    text = scheme.salt.decode("ascii", "replace")
    return text if text.isalnum() and text.isascii() else None


def _base64(data: bytes, bare: bool = False) -> str:
    text = b64encode(data).decode()
    return text.rstrip("=") if bare else text


Respell = Callable[[str], str | None]
SYSTEMS: dict[str, tuple[Callable[[Account, str | None], list[dict[str, Any]]], Respell]] = {
    "kratos": (_identity, _for_kratos),
    "django": (_fixture, _for_django),
}
