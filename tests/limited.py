"""Every limited operation of every contract, and a request to each that its limits count."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from httpx2 import Response

from handlers import _sso_token
from models import clock
from models.access_key import AccessKey
from models.account import Account
from models.db.database import database, run_transaction
from models.identifiers import mobile_key
from models.rate_counter import RateCounter
from models.recovery import RecoveryCode
from models.session import Session
from server.specs import load_contracts

INDEXY = "/indexy-api/api/v1/users"
WRONG = "a wrong guess"
RIGHT = "correct horse"
EMAIL = "alice@example.com"
INDEXY_COOKIE = "aliveCookieOfIndexy"
TOKEN = "1-aliveTokenOfDbmsFor22x"
MOBILE = mobile_key("13345587000")
SIGNED_TOKEN = "alivetokenofsign"
ON_ITS_PAGES = {"/user/signin": "/user/sigin", "/user/change_pasword": "/user/change_password"}
"""Path of annotation -> how its pages spell it."""
COOKIE = "a live cookie of the annotation contract"
NOW = int(time.time())
"""Where the clock stands that tests set."""


class Limited(NamedTuple):
    """One entry of `x-rate-limit`, with the operation that it stands at."""

    stem: str
    operation: str
    name: str
    limit: int
    seconds: int
    wait: int
    beyond: str

    @property
    def refuses(self) -> bool:
        """Tell whether who goes beyond is refused."""
        return self.beyond == "refused"

    def __str__(self) -> str:
        return f"{self.stem} {self.operation}: {self.name}"


ENDS_ITSELF = ("log_out", "log_out_as_in_outline")
"""Operations that cannot be asked for twice with one credential."""


def declared() -> Iterator[Limited]:
    """Yield every limit of every operation."""
    for contract in load_contracts():
        for item in contract.document["paths"].values():
            for operation in item.values():
                for entry in operation.get("x-rate-limit", []) if isinstance(operation, dict) else []:
                    names = entry["name"], entry["limit"], entry["seconds"], entry.get("wait", 0)
                    names = *names, entry.get("beyond", "refused")
                    if operation["operationId"] not in ENDS_ITSELF:
                        yield Limited(contract.stem, operation["operationId"], *names)


class World:
    """What the requests need to be there."""

    def __init__(self) -> None:
        self.accesskey = run_transaction(lambda: AccessKey.create("clients", "a-key-of-the-tests")).accesskey
        self.alice = run_transaction(lambda: Account.register("alice", RIGHT, email=EMAIL, mobile="13345587000"))
        self.bob = run_transaction(lambda: Account.register("taken", RIGHT, email="taken@example.com"))
        session = run_transaction(lambda: Session.open(self.alice, "annotation", COOKIE))
        own = run_transaction(lambda: Session.open(self.alice, "dbms", TOKEN))
        indexy = run_transaction(lambda: Session.open(self.alice, "indexy", INDEXY_COOKIE))
        sso = run_transaction(lambda: Session.open(self.alice, "sso", "aliveSecretOfSso"))
        signed = run_transaction(lambda: Session.open(self.alice, "signed", SIGNED_TOKEN))
        alive = [session.id, own.id, indexy.id, sso.id, signed.id]
        Session.update(expires=clock.now() * 2).where(Session.id.in_(alive)).execute()
        run_transaction(self._send_codes)
        self.sso = _sso_token.write(self.alice, "aliveSecretOfSso")

    def _send_codes(self) -> None:
        database.begin_immediate()
        for channel in ("mobile", "confirm_mobile"):
            RecoveryCode.keep(self.alice, channel, MOBILE, channel, 10**9)

    def counted(self, limit: Limited) -> dict[str, Any]:
        """Return a request that this limit counts."""
        if (limit.stem, limit.name) == ("signed", "changes"):
            return self.signed(action="update", token=SIGNED_TOKEN, alias="Alice")
        if (limit.stem, limit.operation) == ("annotation", "update") and limit.name != "changes":
            return self.request("annotation", "act") | {"method": "POST"}
        request = self.request(limit.stem, limit.operation)
        if limit.name == "changes" and limit.operation.startswith("change_password"):
            own = {"indexy": f"indexy_session={INDEXY_COOKIE}", "annotation": f"sessionid={COOKIE}"}
            request["headers"] = {"cookie": own[limit.stem]}
        return request

    def request(self, stem: str, operation: str, username: str = "alice", password: str = WRONG) -> dict[str, Any]:
        """Return a request that every limit of the operation counts: a wrong guess wherever something is guessed."""
        if operation.endswith("_as_on_its_pages"):
            request = self.request(stem, operation.removesuffix("_as_on_its_pages"), username, password)
            return request | {"url": ON_ITS_PAGES[request["url"]]}
        cookie = {"cookie": f"sessionid={COOKIE}"}
        body = {"username": username, "password": password}
        requests: dict[tuple[str, str], dict[str, Any]] = {
            ("dbms", "log_in"): {"method": "GET", "url": "/login", "params": body},
            ("dbms", "register"): {"method": "POST", "url": "/user", "json": {**body, "email": "a@example.com"}},
            ("dbms", "request_confirmation"): {
                "method": "POST",
                "url": f"/user/{self.alice.id}/email/confirmation",
                "params": {"token": TOKEN},
                "json": {"email": "nobody@example.com"},
            },
            ("dbms", "confirm_email"): {
                "method": "PUT",
                "url": f"/user/{self.alice.id}/email/confirmation",
                "params": {"token": TOKEN},
                "json": {"email": EMAIL, "code": "0" * 32},
            },
            ("sso", "log_in"): {"method": "POST", "url": "/v1/login", "json": body, "headers": {"token": "default"}},
            ("dbms", "log_out"): {"method": "GET", "url": "/logout", "params": {"token": TOKEN}},
            ("dbms", "update"): {
                "method": "PUT",
                "url": f"/user/{self.alice.id}",
                "params": {"token": TOKEN},
                "json": {"username": "taken"},
            },
            ("sso", "log_out"): {"method": "GET", "url": "/v1/logout", "headers": {"token": self.sso}},
            ("sso", "log_out_as_in_outline"): {"method": "GET", "url": "/v1/Logout", "headers": {"token": self.sso}},
            ("sso", "update"): {
                "method": "PUT",
                "url": "/v1/user",
                "json": {"username": "taken", "password": "battery staple"},
                "headers": {"token": self.sso},
            },
            ("annotation", "update"): {
                "method": "POST",
                "url": "/user/other",
                "json": {"action": "change_name", "user_name": "Alice"},
                "headers": cookie,
            },
            ("indexy", "create"): {
                "method": "POST",
                "url": INDEXY,
                "json": {"username": "taken", "password": password},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "update"): {
                "method": "PUT",
                "url": f"{INDEXY}/{self.alice.id}",
                "json": {"username": "taken"},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "delete"): {
                "method": "DELETE",
                "url": f"{INDEXY}/9999999",
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("sso", "register"): {"method": "POST", "url": "/v1/user", "json": body},
            ("signed", "act"): self.signed(action="login", userid=username, password=password),
            ("annotation", "register"): {
                "method": "POST",
                "url": "/user/register/",
                "data": {"user_id": username, "user_name": "Alice", "password": password},
            },
            ("annotation", "log_in"): {
                "method": "POST",
                "url": "/user/signin",
                "data": {"user_id": username, "password": password},
            },
            ("annotation", "change_password"): {
                "method": "POST",
                "url": "/user/change_pasword",
                "data": {"cur_password": password, "new_password": "battery staple"},
                "headers": cookie,
            },
            ("annotation", "act"): {
                "method": "PUT",
                "url": "/user/other",
                "json": {"action": "friend_apply", "id": "nobody"},
                "headers": cookie,
            },
            ("indexy", "register"): {"method": "POST", "url": f"{INDEXY}/register", "json": {**body, "nickName": "A"}},
            ("indexy", "log_in"): {"method": "POST", "url": f"{INDEXY}/login", "json": body},
            ("indexy", "change_password"): {
                "method": "PUT",
                "url": f"{INDEXY}/{self.alice.id}/password",
                "json": {"oldPassword": password, "newPassword": "battery staple"},
            },
            ("indexy", "recover_by_mobile"): {
                "method": "POST",
                "url": f"{INDEXY}/password/mobile",
                "json": {"mobile": "13345587000", "msCaptcha": "000000", "newPassword": "battery staple"},
            },
            ("indexy", "recover_by_email"): {
                "method": "POST",
                "url": f"{INDEXY}/password/email",
                "json": {"email": "nobody@example.com"},
            },
            ("indexy", "request_code"): {
                "method": "POST",
                "url": f"{INDEXY}/password/mobile/captcha",
                "json": {"mobile": "13345587000"},
            },
            ("indexy", "request_email_confirmation"): {
                "method": "POST",
                "url": f"{INDEXY}/{self.alice.id}/email/confirmation",
                "json": {"email": EMAIL},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "confirm_email"): {
                "method": "PUT",
                "url": f"{INDEXY}/{self.alice.id}/email/confirmation",
                "json": {"email": EMAIL, "code": "0" * 32},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "request_mobile_confirmation"): {
                "method": "POST",
                "url": f"{INDEXY}/{self.alice.id}/mobile/confirmation",
                "json": {"mobile": "13345587000"},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "confirm_mobile"): {
                "method": "PUT",
                "url": f"{INDEXY}/{self.alice.id}/mobile/confirmation",
                "json": {"mobile": "13345587000", "msCaptcha": "000000"},
                "headers": {"cookie": f"indexy_session={INDEXY_COOKIE}"},
            },
            ("indexy", "reset_password"): {
                "method": "POST",
                "url": f"{INDEXY}/password/email/link",
                "data": {"code": "0" * 32, "newPassword": "battery staple"},
            },
        }
        return requests[stem, operation]

    def signed(self, **request: str) -> dict[str, Any]:
        """Return a signed request."""
        expires = clock.now() + 3600
        message = f"GET\n\n\n{expires}\n/openapi/user{request['action']}"
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        signature = {"accessid": "clients", "expires": expires, "signature": base64.b64encode(digest).decode()}
        return {"method": "GET", "url": "/openapi/user", "params": {**request, **signature}}


def set_counts(name: str, count: int) -> None:
    """Say how often everybody has been counted under the limit of this name; under others it was next to never."""
    this = RateCounter.key.startswith(f"limit/{name}/")
    with database.atomic():  # no unit: what the server does is told from what a test does by its units
        RateCounter.update(count=-1000).where(~this).execute()
        assert RateCounter.update(count=count).where(this).execute()


def forget_counts() -> None:
    """Forget what was counted."""
    with database.atomic():
        RateCounter.delete().execute()


def throttled(answer: Response) -> bool:
    """Tell whether a limit refused: by its headers, since some contracts say it with status 200."""
    return "ratelimit" in answer.headers
