"""Argon2id, and until their first login the hashes of other systems."""

import os
import sys
import threading
import unicodedata
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from models import settings
from models.passwords import foreign_hashes, password_validation

NICENESS = 10


@cache
def _hasher(time_cost: int, memory_kib: int, parallelism: int) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost, memory_kib, parallelism)


def _current() -> argon2.PasswordHasher:
    now = settings.current
    return _hasher(now.argon2_time_cost, now.argon2_memory_kib, now.argon2_parallelism)


@cache
def _slots(number: int) -> ThreadPoolExecutor:
    """Return the threads that hash.

    Hashing has threads of its own because they step back from a core that others want. Who steps back must hold nothing
    that others wait for, neither the GIL for long nor a transaction, so these threads do nothing else.
    """
    return ThreadPoolExecutor(number, "hashing", initializer=_step_back)


os.register_at_fork(after_in_child=_slots.cache_clear)  # threads do not follow into a child


def _step_back() -> None:
    """Let other threads run first whenever they want this one's core (threads have a niceness on Linux only)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def hash(password: str) -> str:
    """Hash a password with the current parameters; takes some 20 ms and releases the GIL.

    It is hashed in NFC: keyboards differ in how they send the same letters (matrix-org/synapse#3306). Not in NFKC,
    which would make fewer passwords of them (CVE-2026-19611).
    """
    return _slots(settings.current.hash_concurrency).submit(_current().hash, _normalize(password)).result()


def hash_new(password: str, *usernames: str, words: Iterable[str | None] = ()) -> str:
    """Hash a password that is about to be set, by whatever way; the names are for `password_validation.check`.

    Raises PasswordRefused.
    """
    password_validation.check(password, *usernames, words=words)
    return hash(password)


def verify(hashed: str, password: str) -> bool:
    """Tell whether the password is the hashed one.

    It is tried in NFC and, where that differs, as typed too: other systems hashed it so. A wrong one takes at least the
    time of Argon2id, whatever it was hashed by.
    """
    tried = [_verify(hashed, form) for form in dict.fromkeys((_normalize(password), password))]
    return any(tried)  # of all of them, so that the time does not depend on the account


def _verify(hashed: str, password: str) -> bool:
    slots = _slots(settings.current.hash_concurrency)
    hashed, password = foreign_hashes.unwrap(hashed, password)
    if not hashed.startswith(foreign_hashes.ARGON2):
        matches = slots.submit(foreign_hashes.matches, hashed, password).result()
        if not matches:
            verify_nobody(password)
        return matches
    try:
        return slots.submit(_current().verify, hashed, password).result()
    except (VerificationError, InvalidHashError):
        return False


def verify_nobody(password: str) -> None:
    """Spend the time of a check for an account that does not exist, so that time does not tell."""
    verify(_nobody(_current()), password)


def is_outdated(hashed: str, password: str) -> bool:
    """Tell whether the hash of a right password was made in another way than today's."""
    if not hashed.startswith(foreign_hashes.ARGON2) or _current().check_needs_rehash(hashed):
        return True
    normalized = _normalize(password)
    return normalized != password and not _verify(hashed, normalized)


def _normalize(password: str) -> str:
    return unicodedata.normalize("NFC", password)


@cache
def _nobody(hasher: argon2.PasswordHasher) -> str:
    return hasher.hash("nobody")
