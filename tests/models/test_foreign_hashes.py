"""Hashes of other systems: checked once, bounded in what they cost, replaced at the first login."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import argon2
import bcrypt
import pytest
from starlette.testclient import TestClient

from models import settings as directory_settings
from models.account import Account
from models.db.database import database, transaction
from models.errors import BadHash, WrongCredentials
from models.passwords import hashing
from models.passwords.foreign_hashes import NONE, examine, is_known, matches

PASSWORD = "correct 马 battery"
SALT = b"NaClNaClNaClNaCl"


def b64(data: bytes) -> str:
    """Return Base64 with its padding."""
    return base64.b64encode(data).decode()


def salted(text: bytes) -> str:
    """Return a SHA-256 as the example of the sso document shows one: 44 characters."""
    return b64(hashlib.sha256(text).digest())


def pbkdf2(iterations: int = 10_000) -> str:
    """Return a hash as Django writes it."""
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, iterations)
    return f"pbkdf2_sha256${iterations}${SALT.decode()}${b64(key)}"


def scrypt(ln: int = 14, r: int = 8, p: int = 1, key: bytes = b"") -> str:
    """Return a hash as passlib writes it."""
    key = key or hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=2**ln, r=r, p=p, maxmem=2**26, dklen=32)
    return f"$scrypt$ln={ln},r={r},p={p}${b64(SALT).rstrip('=')}${b64(key).rstrip('=')}"


def bcrypted(cost: int = 8, password: str = PASSWORD) -> str:
    """Return a hash as most systems write it."""
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()


SCHEMES: dict[str, Callable[[], str]] = {
    "bcrypt": bcrypted,
    "bcrypt of PHP": lambda: bcrypted().replace("$2b$", "$2y$"),
    "PBKDF2": pbkdf2,
    "scrypt": scrypt,
    "salt first": lambda: f"sha256$salt+password${b64(SALT)}${salted(SALT + PASSWORD.encode())}",
    "salt last": lambda: f"sha256$password+salt${b64(SALT)}${salted(PASSWORD.encode() + SALT)}",
}


@pytest.mark.parametrize("form", SCHEMES)
def test_a_hash_of_another_system_knows_its_password_and_no_other(form: str) -> None:
    stored = examine(SCHEMES[form]())
    assert is_known(stored)
    assert matches(stored, PASSWORD)
    assert not matches(stored, PASSWORD + " ")
    assert not matches(stored, "")
    assert not matches(stored, "\0")


MADE_BY_LIBRARIES: dict[str, str] = json.loads(Path(__file__).with_name("foreign_hashes.json").read_bytes())
"""Hashes of PASSWORD that Django 5.2, Werkzeug 3.1, libpass 1.9 and argon2-cffi 25.1 made, by who made them and how."""

PUBLISHED = {
    "firebase/scrypt: the example of its documentation": (
        "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjo"
        "Zilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9Wm"
        "XA==",
        "user1password",
    ),
    "kratos: firescrypt": (
        "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1ox"
        "M2/k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPK"
        "yw==",
        "8x4WjoDbSxJZdR",
    ),
    "kratos: pbkdf2-sha256": (
        "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJcto"
        "YpI",
        "test",
    ),
    "kratos: pbkdf2-sha512 with a key of 32 bytes": (
        "$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/Ixpg"
        "YfPwc",
        "test",
    ),
    "kratos: scrypt, which says N where others say its logarithm": (
        "$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cV"
        "NYE=",
        "test",
    ),
    "kratos: salted SHA-256": (
        "$sha256$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NW9wbWtnejAzcg==$0gfRVLCvtBCk20udLDEY5vNhujWx7RGjwRIS1ebMsLY=",
        "test",
    ),
    "kratos: argon2i": (
        "$argon2i$v=19$m=65536,t=3,p=4$kk51rW/vxIVCYn+EG4kTSg$NyT88uraJ6im6dyha/M5jhXvpqlEdlS/9fEm7ScMb8c",
        "test",
    ),
    "kratos: SSHA256": ("{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK", "test123"),
}
"""Hashes that projects publish beside their passwords."""


@pytest.mark.parametrize("made", MADE_BY_LIBRARIES)
def test_what_other_libraries_made_is_checked(made: str) -> None:
    stored = examine(MADE_BY_LIBRARIES[made])
    assert is_known(stored)
    assert examine(stored) == stored, "an export comes in again"
    assert hashing.verify(stored, PASSWORD)
    assert not hashing.verify(stored, PASSWORD + " ")
    assert hashing.is_outdated(stored, PASSWORD) or stored.startswith("$argon2id$")


@pytest.mark.parametrize("published", PUBLISHED)
def test_what_other_projects_publish_is_checked(published: str) -> None:
    hashed, password = PUBLISHED[published]
    assert hashing.verify(examine(hashed), password)
    assert not hashing.verify(examine(hashed), password + " ")


@pytest.mark.parametrize(
    "hashed",
    [
        "pbkdf2_sha256$20000$saltsaltsalt$O2xjkko3hhtn1HePC1+lGGJA46RDJHSoCr5yBInKycY=",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0$/W9L6LJPOdfqqD++U0Myy3GEPCyKE2F0IuXUHY956cM",
        "$scrypt$ln=14,r=8,p=1$BOCckxKCkNKac66Vcs55Lw$ePy05K9wZ9vTAn1Us9YnWpFeVDt+m1yrRvNTHo/MAU4",
        "$2y$08$JjA.yqrC8UclWFam/P5CjOQoEID/fLhzdkM1IbSCIZ.IWFbt0mhiS",
    ],
)
def test_what_django_and_passlib_made_is_understood(hashed: str) -> None:
    assert hashing.verify(examine(hashed), PASSWORD)


def test_argon2id_is_known_as_it_is_and_as_django_writes_it() -> None:
    hashed = argon2.PasswordHasher(2, 19_456, 1).hash(PASSWORD)
    assert examine(hashed) == hashed
    assert examine(f"argon2{hashed}") == hashed
    assert hashing.verify(hashed, PASSWORD)


def test_bcrypt_looks_at_72_bytes_as_it_always_did() -> None:
    assert matches(bcrypted(password="x" * 80), "x" * 72 + "y")


@pytest.mark.parametrize(
    ("hashed", "reason"),
    [
        ("", "of no known form"),
        ("$1$salt$abcdefghijklmnopqrstuv", "of no known form"),
        ("$2x$12$" + "a" * 53, "of no known form"),
        (NONE, "of no known form"),
        ("$2b$12$short", "does not keep to its form"),
        ("$2b$12$" + "a" * 22, "does not keep to its form"),
        ("$2b$07$" + "a" * 53, "bcrypt cost 7 is too weak: at least 8"),
        ("$2b$15$" + "a" * 53, "bcrypt cost 15 is too costly: at most 14"),
        ("$2b$31$" + "a" * 53, "bcrypt cost 31 is too costly: at most 14"),
        ("pbkdf2_sha256$9999$salt$" + "A" * 43 + "=", "PBKDF2 iterations 9999 is too weak: at least 10000"),
        ("pbkdf2_sha256$2000001$salt$" + "A" * 43 + "=", "PBKDF2 iterations 2000001 is too costly: at most 2000000"),
        ("pbkdf2_sha256$many$salt$" + "A" * 43 + "=", "does not keep to its form"),
        (scrypt(ln=13, key=b"k" * 32), "scrypt work 65536 is too weak: at least 131072"),
        (scrypt(ln=18, key=b"k" * 32), "scrypt memory 262144 is too costly: at most 131072"),
        (scrypt(ln=17, p=3, key=b"k" * 32), "scrypt work 3145728 is too costly: at most 2097152"),
        ("$scrypt$ln=16,r=8$abc$def", "does not keep to its form"),
        ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "Argon2id work 8 is too weak: at least 32768"),
        ("$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "memory 524288 is too costly: at most 262144"),
        ("$argon2id$v=19$m=65536,t=99,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "work 6488064 is too costly: at most 1048576"),
        ("$argon2id$v=19$m=65536,t=3,p=99$c2FsdHNhbHQ$aGFzaGhhc2g", "lanes 99 is too costly: at most 16"),
        ("$argon2id$v=19$nonsense", "does not keep to its form"),
        ("pbkdf2:sha256:1000$salt$" + "ab" * 32, "PBKDF2 iterations 1000 is too weak"),  # Werkzeug before 2016
        ("$pbkdf2-sha1$i=900000,l=64$c2FsdA$" + "A" * 86, "PBKDF2 iterations 3600000 is too costly"),
        ("$pbkdf2-sha256$i=20000,l=8$c2FsdA$" + "A" * 11, "key length 8 is too weak: at least 16"),
        ("$pbkdf2-sha256$c2FsdA$" + "A" * 43, "does not keep to its form"),
        ("scrypt:16383:8:1$salt$" + "ab" * 32, "does not keep to its form"),
        ("scrypt$536870912$salt$8$1$" + "A" * 43, "scrypt memory 536870912 is too costly"),
        ("$scrypt$ln=0,r=8,p=1$c2FsdA$" + "A" * 43, "scrypt ln 0 is too weak"),
        ("$firescrypt$ln=14,r=8,p=1$c2FsdA$" + "A" * 43 + "$Bw==$c2FsdA==", "does not keep to its form"),
        ("$P$S" + "a" * 30, "phpass cost 30 is too costly: at most 16"),
        ("$P$7" + "a" * 30, "phpass cost 9 is too weak: at least 11"),
        ("{SSHA}tooshort", "does not keep to its form"),  # kratos: hash/hasher_test.go
        ("$bcrypt-sha256$v=2,t=2b,r=15$" + "a" * 21 + "O" + "$" + "a" * 31, "bcrypt_sha256 cost 15 is too costly"),
        ("$argon2i$v=19$m=32,t=2,p=4$cm94YnRVOW5jZzFzcVE4bQ$MNzk5BtR2vUhrp6qQEjRNw", "Argon2i work 64 is too weak"),
        ("$sha256$pf=e1NBTFR9$c2FsdA==$" + salted(b""), "does not keep to its form"),
        ("$md5$pf=e1NBTFR9$c2FsdA==$" + salted(b""), "of no known form"),
        (f"sha256$salt+password$YWI=${salted(b'')}", "salt length 2 is too weak: at least 4"),
        (f"sha256$salt$c2FsdA==${salted(b'')}", "does not keep to its form"),
        ("sha256$salt+password$c2FsdA==$" + "0" * 64, "does not keep to its form"),
        ("sha256$salt+password$" + "A" * 600 + "$" + salted(b""), "longer than 512 characters"),
    ],
)
def test_what_is_too_costly_too_weak_or_unreadable_is_refused(hashed: str, reason: str) -> None:
    directory_settings.apply(directory_settings.DirectorySettings())
    with pytest.raises(BadHash) as refused:
        examine(hashed)
    assert reason in str(refused.value)
    assert hashed == "" or hashed not in str(refused.value)


@pytest.mark.parametrize("form", SCHEMES)
def test_the_first_login_puts_argon2id_in_its_place(form: str, register: Callable[..., Account]) -> None:
    account = register("alice")
    with transaction():
        database.begin_immediate()
        Account.update(password_hash=SCHEMES[form]()).execute()
    with transaction(), pytest.raises(WrongCredentials):
        Account.authenticate("alice", "wrong")
    assert not Account.by_id(account.id).password_hash.startswith("$argon2id$")
    with transaction():
        Account.authenticate("alice", PASSWORD)
    renewed = Account.by_id(account.id).password_hash
    assert renewed.startswith("$argon2id$")
    assert not hashing.is_outdated(renewed, PASSWORD)
    with transaction():
        assert Account.authenticate("alice", PASSWORD).password_hash == renewed


def test_every_contract_lets_an_imported_account_in(client: TestClient, register: Callable[..., Account]) -> None:
    register("alice")
    with transaction():
        database.begin_immediate()
        Account.update(password_hash=SCHEMES["salt first"]()).execute()
    answer = client.post("/v1/login", json={"username": "alice", "password": PASSWORD}, headers={"token": "default"})
    assert answer.json()["code"] == "OK"
    assert client.get("/login", params={"username": "alice", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("stored", [NONE, "plain", SCHEMES["salt first"]()])
def test_a_wrong_password_always_takes_the_time_of_argon2id(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = []
    monkeypatch.setattr(hashing, "verify_nobody", spent.append)
    assert not hashing.verify(stored, "wrong")
    assert spent == ["wrong"]


def test_without_a_password_nobody_logs_in_until_one_is_set(register: Callable[..., Account]) -> None:
    account = register("alice")
    with transaction():
        database.begin_immediate()
        Account.update(password_hash=NONE).execute()
    for guess in (NONE, "", "correct horse"):
        with transaction(), pytest.raises(WrongCredentials):
            Account.authenticate("alice", guess)
    with transaction():
        Account.by_id(account.id).set_password("correct horse")
    assert Account.authenticate("alice", "correct horse").id == account.id


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_an_unsalted_digest_is_wrapped_and_never_stored(name: str) -> None:
    digest = hashlib.new(name, b"correct horse").hexdigest()
    for given in (digest, digest.upper()):
        stored = examine(given)
        assert digest not in stored.lower()
        assert stored.startswith(f"{name}$argon2id$")
        assert is_known(stored)
        assert examine(stored) == stored, "an export comes in again"
        assert hashing.verify(stored, "correct horse")
        assert not hashing.verify(stored, "correct house")
        assert not hashing.verify(stored, digest), "the digest opens nothing"
        assert hashing.is_outdated(stored, "correct horse")


@pytest.mark.parametrize("length", [31, 33, 39, 41, 63, 65])
def test_a_digest_of_no_usual_length_is_refused(length: int) -> None:
    with pytest.raises(BadHash, match="of no known form"):
        examine("a" * length)
