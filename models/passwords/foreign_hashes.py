"""Password hashes of other systems: which are known, how they are stored, and the check itself.

They serve until their owner logs in once, when Argon2id takes their place. Whoever runs the server has to bear what a
check costs, so what is too costly is refused where it comes in; so is what would not keep a password.
"""

import hashlib
import re

import argon2

from models import settings
from models.errors import BadHash
from models.passwords.foreign_schemes import SCHEMES, Scheme

ARGON2 = "$argon2id$"
NONE = "!"
"""Stands for no password: nobody logs in until one is set."""
LONGEST = 512
"""Characters of a hash, as its column holds them."""
LABEL = re.compile(r"(?:argon2|bcrypt\$|\{[A-Za-z0-9-]{1,20}\})(?=\$(?:argon2|2[aby]\$|pbkdf2|scrypt))")
"""What Django, Dovecot and Spring put before a hash that says itself what it is."""
BARE = {32: "md5", 40: "sha1", 64: "sha256"}
"""Hexadecimal digits of an unsalted digest -> what made it; the documents' own servers kept such ones."""
HEXADECIMAL = re.compile("[0-9a-fA-F]+")
WRAPPED = re.compile(r"(md5|sha1|sha256)(\$argon2id\$.+)")
"""What an unsalted digest becomes: Argon2id over it. The digest itself is never stored."""


def examine(hashed: str) -> str:
    """Return a hash as it is stored. Raises BadHash, which says what is wrong without repeating it."""
    stored = LABEL.sub("", hashed, count=1) if LABEL.match(hashed) else hashed
    if len(stored) in BARE and HEXADECIMAL.fullmatch(stored):
        return _wrap(stored)
    if len(stored) > LONGEST:
        raise BadHash(f"longer than {LONGEST} characters")
    inner = unwrap(stored, "")[0]
    scheme = _scheme(inner)
    if scheme is None:
        raise BadHash("of no known form")
    try:
        scheme.read(inner).bound()
    except ValueError:
        raise BadHash("does not keep to its form") from None
    return stored


def is_known(stored: str) -> bool:
    """Tell whether a hash is of a form that can be checked, or stands for none."""
    return stored == NONE or _scheme(unwrap(stored, "")[0]) is not None


def matches(stored: str, password: str) -> bool:
    """Tell whether the password is the one that another system hashed; False for a hash of no known form."""
    scheme = _scheme(stored)
    try:
        return scheme is not None and scheme.read(stored).matches(password)
    except ValueError:  # a password that the scheme cannot have, such as one with a NUL
        return False


def read(stored: str) -> Scheme | None:
    """Return a hash by its scheme; None for one that stands for no password, or is no hash of the password itself."""
    scheme = None if unwrap(stored, "")[0] != stored else _scheme(stored)
    return scheme.read(stored) if scheme else None


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


def _scheme(stored: str) -> type[Scheme] | None:
    return next((scheme for prefixes, scheme in SCHEMES.items() if stored.startswith(prefixes)), None)
