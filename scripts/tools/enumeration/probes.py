"""The questions: how each operation that could tell who has an account is asked for a known and an unknown one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

import argon2

from models import settings
from models.account import Account
from models.db.database import database, transaction
from models.outbox import Notice
from models.recovery import RecoveryCode
from scripts.tools.enumeration.server import ACCESSID, PASSWORD, Server

INDEXY = "/indexy-api/api/v1/users"
KNOWN_EMAIL, UNKNOWN_EMAIL = "known@example.com", "nobody@example.com"
KNOWN_MOBILE, UNKNOWN_MOBILE = "13345587000", "13345587999"
UNKNOWN_ID = 4711
WRONG = "guessed by somebody"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Request(NamedTuple):
    """What is sent."""

    method: str
    path: str
    body: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed


class Probe(NamedTuple):
    """An operation, asked about somebody known and somebody unknown. Both get the number of the pair.

    prepare: what must be there before the first pair. control: whether a difference must be found.
    """

    name: str
    known: Callable[[Server, int], Request]
    unknown: Callable[[Server, int], Request]
    prepare: Callable[[Server], None] = lambda server: None
    control: bool = False


def _send(method: str, path: str, **body: object) -> Request:
    return Request(method, path, json.dumps(body), JSON)


def _dbms(server: Server, name: str) -> Request:
    return Request("GET", f"/login?{urlencode({'username': name, 'password': WRONG})}")


def _sso(server: Server, name: str) -> Request:
    return Request("POST", "/v1/login", json.dumps({"username": name, "password": WRONG}), JSON | {"token": "default"})


def _signed(server: Server, name: str) -> Request:
    expires = int(time.time()) + 3600
    message = f"GET\n\n\n{expires}\n/openapi/userlogin"
    signature = base64.b64encode(hmac.digest(server.accesskey.encode(), message.encode(), hashlib.sha1)).decode()
    given = {"action": "login", "userid": name, "password": WRONG}
    signed = {"accessid": ACCESSID, "expires": expires, "signature": signature}
    return Request("GET", f"/openapi/user?{urlencode(given | signed)}")


def _annotation(server: Server, name: str) -> Request:
    return Request("POST", "/user/signin", urlencode({"user_id": name, "password": WRONG}), FORM)


def _indexy(server: Server, name: str) -> Request:
    return _send("POST", f"{INDEXY}/login", username=name, password=WRONG)


def _log_in(name: str, ask: Callable[[Server, str], Request], known: str = "known", unknown: str = "unknow") -> Probe:
    return Probe(name, lambda server, pair: ask(server, known), lambda server, pair: ask(server, unknown))


def _register(username: str, email: str) -> Request:
    return _send("POST", "/user", username=username, password=PASSWORD, email=email)


def _change(id: int) -> Request:
    return _send("PUT", f"{INDEXY}/{id}/password", oldPassword=WRONG, newPassword=PASSWORD)


def _try_code(mobile: str, pair: int) -> Request:
    return _send("POST", f"{INDEXY}/password/mobile", mobile=mobile, msCaptcha=f"{pair:06}", newPassword=PASSWORD)


def _ask_code(mobile: str) -> Request:
    return _send("POST", f"{INDEXY}/password/mobile/captcha", mobile=mobile)


def _ask_link(email: str, blanks: int = 0) -> Request:
    request = _send("POST", f"{INDEXY}/password/email", email=email)
    return request._replace(body=request.body + " " * blanks)


def _send_code(server: Server) -> None:
    with transaction():
        RecoveryCode.send_code(KNOWN_MOBILE, lambda code: Notice("", code))


def _hash_otherwise(server: Server) -> None:
    """Give an account a hash that takes a tenth more memory, as those have that were made under other settings."""
    now = settings.current
    hasher = argon2.PasswordHasher(now.argon2_time_cost, now.argon2_memory_kib * 11 // 10, now.argon2_parallelism)
    account = server.register("outdated")
    with transaction():
        database.begin_immediate()
        Account.update(password_hash=hasher.hash(PASSWORD)).where(Account.id == account.id).execute()


PROBES = (
    _log_in("dbms log_in, by username", _dbms),
    _log_in("dbms log_in, by e-mail", _dbms, KNOWN_EMAIL, UNKNOWN_EMAIL),
    _log_in("sso log_in", _sso),
    _log_in("signed login", _signed),
    _log_in("annotation log_in", _annotation),
    _log_in("indexy log_in", _indexy),
    Probe(
        "dbms register, by e-mail",
        lambda server, pair: _register(f"one{pair:06}", KNOWN_EMAIL),
        lambda server, pair: _register(f"two{pair:06}", f"free{pair:06}@example.com"),
    ),
    Probe(
        "indexy change_password, by id",
        lambda server, pair: _change(1),
        lambda server, pair: _change(UNKNOWN_ID),
    ),
    Probe(
        "indexy recover_by_email",
        lambda server, pair: _ask_link(KNOWN_EMAIL),
        lambda server, pair: _ask_link(UNKNOWN_EMAIL),
    ),
    Probe(
        "indexy request_code",
        lambda server, pair: _ask_code(KNOWN_MOBILE),
        lambda server, pair: _ask_code(UNKNOWN_MOBILE),
    ),
    Probe(
        "indexy recover_by_mobile",
        lambda server, pair: _try_code(KNOWN_MOBILE, pair),
        lambda server, pair: _try_code(UNKNOWN_MOBILE, pair),
        _send_code,
    ),
    Probe(
        "control: a hash that takes a tenth more memory",
        lambda server, pair: _sso(server, "outdated"),
        lambda server, pair: _sso(server, "nobody00"),
        _hash_otherwise,
        control=True,
    ),
    Probe(
        "control: 100 kB of white space around the address",
        lambda server, pair: _ask_link(UNKNOWN_EMAIL, blanks=100_000),
        lambda server, pair: _ask_link(UNKNOWN_EMAIL),
        control=True,
    ),
)
