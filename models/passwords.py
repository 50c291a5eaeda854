"""Argon2id. The only module that sees how a password is stored."""

from functools import cache
from threading import BoundedSemaphore

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from models import password_rules, rules


@cache
def _hasher(time_cost: int, memory_kib: int, parallelism: int) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost, memory_kib, parallelism)


def _current() -> argon2.PasswordHasher:
    now = rules.current
    return _hasher(now.argon2_time_cost, now.argon2_memory_kib, now.argon2_parallelism)


@cache
def _slots(number: int) -> BoundedSemaphore:
    """Return what keeps more hashes than this from being computed at once."""
    return BoundedSemaphore(number)


def hash(password: str) -> str:
    """Hash a password with the current parameters; takes some 20 ms and releases the GIL."""
    with _slots(rules.current.hash_slots):
        return _current().hash(password)


def hash_new(password: str, *usernames: str) -> str:
    """Hash a password that is about to be set, by whatever way. Raises PasswordRefused."""
    password_rules.check(password, *usernames)
    return hash(password)


def verify(hashed: str, password: str) -> bool:
    """Tell whether the password is the hashed one."""
    try:
        with _slots(rules.current.hash_slots):
            return _current().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def verify_nobody(password: str) -> None:
    """Spend the time of a check for an account that does not exist, so that time does not tell."""
    verify(_nobody(_current()), password)


def is_outdated(hashed: str) -> bool:
    """Tell whether the hash was made with other parameters than today's."""
    return _current().check_needs_rehash(hashed)


@cache
def _nobody(hasher: argon2.PasswordHasher) -> str:
    return hasher.hash("nobody")


def is_known(hashed: str) -> bool:
    """Tell whether a hash is of a form that can be checked."""
    return hashed.startswith("$argon2id$")
