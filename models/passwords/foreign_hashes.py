"""Password hashes of other systems: which are known, how much a check may cost, and the check itself.

They serve until their owner logs in once, when Argon2id takes their place. Whoever runs the server has to bear what a
check costs, so what is too costly is refused where it comes in; so is what would not keep a password.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NamedTuple

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError

from models import settings
from models.errors import BadHash

ARGON2 = "$argon2id$"
NONE = "!"
"""Stands for no password: nobody logs in until one is set."""
LONGEST = 512
"""Characters of a hash, as its column holds them."""
KEY = "([A-Za-z0-9+/]{43}=?)"
"""32 bytes in Base64."""
BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
PBKDF2 = re.compile(rf"pbkdf2_sha256\$([0-9]{{1,9}})\$([^$]+)\${KEY}")
"""Iterations, salt as text, key: as Django writes it."""
SCRYPT = re.compile(rf"\$scrypt\$ln=([0-9]{{1,2}}),r=([0-9]{{1,4}}),p=([0-9]{{1,4}})\$([A-Za-z0-9+/]+)\${KEY}")
"""log2(N), r, p, salt, key: as passlib writes it."""
SHA256 = re.compile(rf"sha256\$(salt\+password|password\+salt)\$([A-Za-z0-9+/]+={{0,2}})\${KEY}")
"""What is hashed in which order, salt, digest."""


BARE = {32: "md5", 40: "sha1", 64: "sha256"}
"""Hexadecimal digits of an unsalted digest -> what made it; the documents' own servers kept such ones."""
HEXADECIMAL = re.compile("[0-9a-fA-F]+")
WRAPPED = re.compile(r"(md5|sha1|sha256)(\$argon2id\$.+)")
"""What an unsalted digest becomes: Argon2id over it. The digest itself is never stored."""


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
SCRYPT_WORK = Range(2**17, 2**21)
"""N * r * p."""
SCRYPT_KIB = Range(1, 131_072)
ARGON2_WORK = Range(32_768, 1_048_576)
"""KiB * passes."""
ARGON2_KIB = Range(1, 262_144)
ARGON2_LANES = Range(1, 16)
SALT_BYTES = Range(4, 64)
"""Of salted SHA-256."""


class Scheme(NamedTuple):
    """One way in which another system writes a hash.

    bounds: raises BadHash for a hash that cannot be taken over, ValueError for one that cannot be read.
    check: tells whether the password is the hashed one.
    """

    prefixes: tuple[str, ...]
    bounds: Callable[[str], None]
    check: Callable[[str, str], bool]


def examine(hashed: str) -> str:
    """Return a hash as it is stored. Raises BadHash, which says what is wrong without repeating it."""
    stored = hashed.removeprefix("argon2") if hashed.startswith("argon2$argon2id$") else hashed  # Django's own prefix
    if len(stored) in BARE and HEXADECIMAL.fullmatch(stored):
        return _wrap(stored)
    form = _form(stored)
    if len(stored) > LONGEST:
        raise BadHash(f"longer than {LONGEST} characters")
    try:
        if (inner := unwrap(stored, "")[0]).startswith(ARGON2):
            _bound_argon2(inner)
        elif form is not None:
            form.bounds(stored)
        else:
            raise BadHash("of no known form")
    except (ValueError, InvalidHashError):
        raise BadHash("does not keep to its form") from None
    return stored


def is_known(stored: str) -> bool:
    """Tell whether a hash is of a form that can be checked, or stands for none."""
    return stored == NONE or unwrap(stored, "")[0].startswith(ARGON2) or _form(stored) is not None


def matches(stored: str, password: str) -> bool:
    """Tell whether the password is the one that another system hashed; False for a hash of no known form."""
    form = _form(stored)
    try:
        return form is not None and form.check(stored, password)
    except ValueError:  # a password that the form cannot have, such as one with a NUL
        return False


def unwrap(stored: str, password: str) -> tuple[str, str]:
    """Return the Argon2id hash in a wrapped one, and what it is of: the digest of the password; others as they are."""
    found = WRAPPED.fullmatch(stored)
    if found is None:
        return stored, password
    return found[2], hashlib.new(found[1], password.encode(), usedforsecurity=False).hexdigest()


def _wrap(digest: str) -> str:
    now = settings.current
    hasher = argon2.PasswordHasher(now.argon2_time_cost, now.argon2_memory_kib, now.argon2_parallelism)
    return BARE[len(digest)] + hasher.hash(digest.lower())


def _form(stored: str) -> Scheme | None:
    return next((form for form in FOREIGN if stored.startswith(form.prefixes)), None)


def _bound_argon2(stored: str) -> None:
    found = argon2.extract_parameters(stored)
    now = settings.current
    weakest = min(ARGON2_WORK.least, now.argon2_memory_kib * now.argon2_time_cost)  # what this server makes is let in
    Range(weakest, ARGON2_WORK.most).hold("Argon2id work", found.memory_cost * found.time_cost)
    ARGON2_KIB.hold("Argon2id memory", found.memory_cost)
    ARGON2_LANES.hold("Argon2id lanes", found.parallelism)


def _bound_bcrypt(stored: str) -> None:
    (cost,) = _parts(BCRYPT, stored)
    BCRYPT_COST.hold("bcrypt cost", int(cost))


def _check_bcrypt(stored: str, password: str) -> bool:
    return bcrypt.checkpw(password.encode()[:72], stored.encode())  # no system ever hashed more


def _bound_pbkdf2(stored: str) -> None:
    iterations, _, key = _parts(PBKDF2, stored)
    PBKDF2_ITERATIONS.hold("PBKDF2 iterations", int(iterations))
    _decode(key)


def _check_pbkdf2(stored: str, password: str) -> bool:
    iterations, salt, key = _parts(PBKDF2, stored)
    made = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(iterations))
    return hmac.compare_digest(made, _decode(key))


def _bound_scrypt(stored: str) -> None:
    ln, r, p, salt, key = _parts(SCRYPT, stored)
    Range(1, 31).hold("scrypt ln", int(ln))  # before two is raised to it
    cost = 2 ** int(ln) * int(r)
    SCRYPT_KIB.hold("scrypt memory", cost // 8)
    SCRYPT_WORK.hold("scrypt work", cost * int(p))
    _decode(salt)
    _decode(key)


def _check_scrypt(stored: str, password: str) -> bool:
    ln, r, p, salt, key = _parts(SCRYPT, stored)
    shape = {"n": 2 ** int(ln), "r": int(r), "p": int(p)}
    most = 2 * SCRYPT_KIB.most * 1024
    made = hashlib.scrypt(password.encode(), salt=_decode(salt), dklen=32, maxmem=most, **shape)
    return hmac.compare_digest(made, _decode(key))


def _bound_sha256(stored: str) -> None:
    _, salt, key = _parts(SHA256, stored)
    SALT_BYTES.hold("salt length", len(_decode(salt)))
    _decode(key)


def _check_sha256(stored: str, password: str) -> bool:
    order, salt, key = _parts(SHA256, stored)
    secret = password.encode()
    text = _decode(salt) + secret if order == "salt+password" else secret + _decode(salt)
    return hmac.compare_digest(hashlib.sha256(text).digest(), _decode(key))


def _parts(form: re.Pattern[str], stored: str) -> tuple[str, ...]:
    """Take a hash apart. Raises ValueError."""
    found = form.fullmatch(stored)
    if found is None:
        raise ValueError
    return found.groups()


def _decode(text: str) -> bytes:
    """Decode Base64, with or without its padding. Raises ValueError."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)


FOREIGN = (
    Scheme(("$2a$", "$2b$", "$2y$"), _bound_bcrypt, _check_bcrypt),
    Scheme(("pbkdf2_sha256$",), _bound_pbkdf2, _check_pbkdf2),
    Scheme(("$scrypt$",), _bound_scrypt, _check_scrypt),
    Scheme(("sha256$",), _bound_sha256, _check_sha256),
)
