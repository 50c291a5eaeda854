"""How other systems hash passwords, one class for each way: read from every spelling, bounded in cost, checked."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Self

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from passlib import hash as passlib

from models import settings
from models.errors import BadHash


class Range(NamedTuple):
    """What a parameter may be, both ends included."""

    least: int
    most: int

    def hold(self, what: str, value: int) -> None:
        """Raise BadHash where the value is outside."""
        if value < self.least:
            raise BadHash(f"{what} {value} is too weak: at least {self.least}")
        if value > self.most:
            raise BadHash(f"{what} {value} is too costly: at most {self.most}")


BCRYPT_COST = Range(8, 14)
PBKDF2_ITERATIONS = Range(10_000, 2_000_000)
"""For each block of the key."""
SCRYPT_WORK = Range(2**17, 2**21)
"""N * r * p."""
SCRYPT_KIB = Range(1, 131_072)
ARGON2_WORK = Range(32_768, 1_048_576)
"""KiB * passes."""
ARGON2_KIB = Range(1, 262_144)
ARGON2_LANES = Range(1, 16)
PHPASS_COST = Range(11, 16)
"""log2 of the rounds of MD5; phpBB took 11, WordPress 13."""
SALT_BYTES = Range(4, 64)
"""Of a salted digest."""
KEY_BYTES = Range(16, 64)
BASE64 = "[A-Za-z0-9+/._-]+={0,2}"
"""Standard, URL-safe, or with a dot for the plus, as passlib has it."""


class Scheme(Protocol):
    """A hash that was read."""

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""

    def bound(self) -> None:
        """Raise BadHash where a check would cost too much, or the hash would not keep a password."""

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one. Raises ValueError for one that cannot be hashed so."""


class Argon2(NamedTuple):
    """Argon2i, Argon2d and Argon2id in the form of their reference implementation."""

    stored: str
    kind: str
    parameters: argon2.Parameters

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""
        try:
            return cls(stored, stored.split("$")[1].capitalize(), argon2.extract_parameters(stored))
        except InvalidHashError:
            raise ValueError from None

    def bound(self) -> None:
        """Hold work, memory and lanes; what this server makes itself is let in."""
        found, now = self.parameters, settings.current
        weakest = min(ARGON2_WORK.least, now.argon2_memory_kib * now.argon2_time_cost)
        Range(weakest, ARGON2_WORK.most).hold(f"{self.kind} work", found.memory_cost * found.time_cost)
        ARGON2_KIB.hold(f"{self.kind} memory", found.memory_cost)
        ARGON2_LANES.hold(f"{self.kind} lanes", found.parallelism)

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        try:
            return argon2.PasswordHasher().verify(self.stored, password)
        except (VerificationError, InvalidHashError):
            return False


class Bcrypt(NamedTuple):
    """bcrypt as everybody writes it."""

    stored: str
    cost: int

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""
        return cls(stored, int(_found((r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}",), stored)["cost"]))

    def bound(self) -> None:
        """Hold the cost."""
        BCRYPT_COST.hold("bcrypt cost", self.cost)

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        return bcrypt.checkpw(password.encode()[:72], self.stored.encode())  # no system ever hashed more


class Pbkdf2(NamedTuple):
    """PBKDF2 of Django, Werkzeug, passlib and Kratos (in this order), with HMAC over any SHA."""

    digest: str
    iterations: int
    salt: bytes
    key: bytes

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""
        sha = "(?P<digest>sha(?:1|224|256|384|512))"
        spellings = (
            rf"pbkdf2_{sha}\$(?P<iterations>[0-9]{{1,9}})\$(?P<text>[^$]+)\$(?P<key>{BASE64})",
            rf"pbkdf2:{sha}:(?P<iterations>[0-9]{{1,9}})\$(?P<text>[^$]+)\$(?P<hexadecimal>[0-9a-f]+)",
            rf"\$pbkdf2(?:-{sha})?\$(?P<iterations>[0-9]{{1,9}})\$(?P<salt>{BASE64})\$(?P<key>{BASE64})",
            rf"\$pbkdf2-{sha}\$i=(?P<iterations>[0-9]{{1,9}}),l=[0-9]{{1,4}}\$(?P<salt>{BASE64})\$(?P<key>{BASE64})",
        )
        part = _found(spellings, stored)
        return cls(part["digest"] or "sha1", int(part["iterations"]), _salt(part), _key(part))

    def bound(self) -> None:
        """Hold the iterations, and what they cost for a key of this length."""
        KEY_BYTES.hold("key length", len(self.key))
        PBKDF2_ITERATIONS.hold("PBKDF2 iterations", self.iterations)
        blocks = -(-len(self.key) // hashlib.new(self.digest).digest_size)
        PBKDF2_ITERATIONS.hold("PBKDF2 iterations", self.iterations * blocks)

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        made = hashlib.pbkdf2_hmac(self.digest, password.encode(), self.salt, self.iterations, len(self.key))
        return hmac.compare_digest(made, self.key)


class Scrypt(NamedTuple):
    """Scrypt of passlib and Kratos (which says N where it says ln), Werkzeug, Django; and Firebase's own.

    signer: Firebase's key, which is encrypted by what others keep as their hash.
    """

    n: int
    r: int
    p: int
    salt: bytes
    key: bytes
    signer: bytes = b""

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError, and BadHash before two is raised to anything large."""
        cost = "ln=(?P<ln>[0-9]{1,9}),r=(?P<r>[0-9]{1,4}),p=(?P<p>[0-9]{1,4})"
        count = "(?P<n>[0-9]{1,9})"
        spellings = (
            rf"\$scrypt\${cost}\$(?P<salt>{BASE64})\$(?P<key>{BASE64})",
            rf"scrypt:{count}:(?P<r>[0-9]{{1,4}}):(?P<p>[0-9]{{1,4}})\$(?P<text>[^$]+)\$(?P<hexadecimal>[0-9a-f]+)",
            rf"scrypt\${count}\$(?P<text>[^$]+)\$(?P<r>[0-9]{{1,4}})\$(?P<p>[0-9]{{1,4}})\$(?P<key>{BASE64})",
            rf"\$firescrypt\${cost}\$(?P<salt>{BASE64})\$(?P<key>{BASE64})\$(?P<separator>{BASE64})\$(?P<signer>{BASE64})",
        )
        part = _found(spellings, stored)
        n, salt, signer = int(part.get("ln") or part["n"]), _salt(part), b""
        if "ln" in part and n < 64:
            Range(1, 31).hold("scrypt ln", n)
            n = 2**n
        if "signer" in part:
            salt, signer = salt + _decode(part["separator"]), _decode(part["signer"])
        return cls(n, int(part["r"]), int(part["p"]), salt, _key(part), signer)

    def bound(self) -> None:
        """Hold memory and work."""
        if self.n < 2 or self.n & (self.n - 1) or not self.r or not self.p:
            raise ValueError
        KEY_BYTES.hold("key length", len(self.key))
        SCRYPT_KIB.hold("scrypt memory", self.n * self.r // 8)
        SCRYPT_WORK.hold("scrypt work", self.n * self.r * self.p)
        if self.signer and len(self.signer) != len(self.key):
            raise ValueError

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        length, most = 32 if self.signer else len(self.key), 2 * SCRYPT_KIB.most * 1024
        cost: dict[str, int] = {"n": self.n, "r": self.r, "p": self.p, "maxmem": most, "dklen": length}
        made = hashlib.scrypt(password.encode(), salt=self.salt, **cost)
        if self.signer:
            encryptor = Cipher(algorithms.AES(made), modes.CTR(bytes(16))).encryptor()
            made = encryptor.update(self.signer) + encryptor.finalize()
        return hmac.compare_digest(made, self.key)


class SaltedDigest(NamedTuple):
    """A SHA over salt and password: in our own form, and in Kratos' one."""

    digest: str
    is_salt_first: bool
    salt: bytes
    key: bytes

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""
        sha = "(?P<digest>sha(?:1|256|512))"
        spellings = (
            rf"{sha}\$(?P<order>salt\+password|password\+salt)\$(?P<salt>{BASE64})\$(?P<key>{BASE64})",
            rf"\${sha}\$pf=(?P<format>{BASE64})\$(?P<salt>{BASE64})\$(?P<key>{BASE64})",
        )
        part = _found(spellings, stored)
        order = part.get("order") or {
            b"{SALT}{PASSWORD}": "salt+password",
            b"{PASSWORD}{SALT}": "password+salt",
        }.get(_decode(part["format"]))
        if order is None or len(key := _key(part)) != hashlib.new(part["digest"]).digest_size:
            raise ValueError
        return cls(part["digest"], order == "salt+password", _salt(part), key)

    def bound(self) -> None:
        """Hold the salt."""
        SALT_BYTES.hold("salt length", len(self.salt))

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        secret = password.encode()
        text = self.salt + secret if self.is_salt_first else secret + self.salt
        return hmac.compare_digest(hashlib.new(self.digest, text).digest(), self.key)


class Passlib(NamedTuple):
    """What passlib knows: SSHA of directories, phpass, and bcrypt over SHA-256 as passlib and Django have it."""

    handler: Any
    stored: str
    rounds: int | None

    @classmethod
    def read(cls, stored: str) -> Self:
        """Take a hash apart. Raises ValueError."""
        handler = next(handler for handler in PASSLIB if handler.identify(stored))
        return cls(handler, stored, getattr(handler.from_string(stored), "rounds", None))

    def bound(self) -> None:
        """Hold the cost, where there is one."""
        if self.rounds is not None:
            cost = PHPASS_COST if self.handler.name == "phpass" else BCRYPT_COST
            cost.hold(f"{self.handler.name} cost", self.rounds)

    def matches(self, password: str) -> bool:
        """Tell whether the password is the hashed one."""
        return bool(self.handler.verify(password, self.stored))


PASSLIB = (
    passlib.bcrypt_sha256,
    passlib.django_bcrypt_sha256,
    passlib.phpass,
    passlib.ldap_salted_sha1,
    passlib.ldap_salted_sha256,
    passlib.ldap_salted_sha512,
)
SCHEMES: dict[tuple[str, ...], type[Scheme]] = {
    ("$argon2id$", "$argon2i$", "$argon2d$"): Argon2,
    ("$2a$", "$2b$", "$2y$"): Bcrypt,
    ("pbkdf2_", "pbkdf2:", "$pbkdf2"): Pbkdf2,
    ("$scrypt$", "scrypt:", "scrypt$", "$firescrypt$"): Scrypt,
    ("sha1$", "sha256$", "sha512$", "$sha1$", "$sha256$", "$sha512$"): SaltedDigest,
    ("$bcrypt-sha256$", "bcrypt_sha256$", "$P$", "$H$", "{SSHA}", "{SSHA256}", "{SSHA512}"): Passlib,
}
"""How a hash begins -> what it is."""


def _found(spellings: Sequence[str], stored: str) -> dict[str, str]:
    """Take a hash apart by the spelling that it has. Raises ValueError."""
    found = next(filter(None, (re.fullmatch(spelling, stored) for spelling in spellings)), None)
    if found is None:
        raise ValueError
    return found.groupdict()


def _salt(part: dict[str, str]) -> bytes:
    return part["text"].encode() if "text" in part else _decode(part["salt"])


def _key(part: dict[str, str]) -> bytes:
    return bytes.fromhex(part["hexadecimal"]) if "hexadecimal" in part else _decode(part["key"])


def _decode(text: str) -> bytes:
    """Decode Base64 of any alphabet, with or without its padding. Raises ValueError."""
    digits = text.rstrip("=").translate(str.maketrans("-_.", "+/+"))
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        raise ValueError from None
