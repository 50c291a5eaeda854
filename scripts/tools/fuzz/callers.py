"""Who calls a contract: registers, logs in again whenever its session may have ended, and knows what is its own.

Accounts are made through the contract itself. Their passwords, and every credential that the server gives, are noted as
secrets, for the runner to look for where they must not be.
"""

import base64
import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from scripts.tools.fuzz.signature import Signature

INDEXY = "/indexy-api/api/v1/users"
OWNER = "owner"
PROJECT = "1"
"""The first project of the store, which the runner imports."""

MOST_TRIES = 10

Credential = str | None


class Caller:
    """Somebody who calls one contract and is logged in whenever it sends a request.

    accesskey: what signs, for the signed contract; what the project's owner has for a password. folder: the run's own,
    which gets a file with every secret, one a line.
    """

    stem: str
    place: str
    """Part of a case that carries the credential: query, headers, cookies."""
    name: str
    """What carries it there."""

    def __init__(self, url: str, accesskey: str, folder: Path) -> None:
        self.url = url
        self.accesskey = accesskey
        self.folder = folder
        self.known: set[str] = set()
        self.own: set[str] = set()
        self.numbers = itertools.count(1)
        self.username = ""
        self.password = ""
        self.credential: Credential = None
        self.turns = itertools.cycle((True, False))
        self.client = requests.Session()
        self.note(accesskey)

    def session(self) -> str:
        """Return the credential of the session in use, or of a new one. Raises RuntimeError where none can be had."""
        if self.credential is None and self.username:
            self.credential = self.log_in()
        tries = itertools.count(1)
        while self.credential is None:  # the account was renamed, deleted, or got another password
            if next(tries) > MOST_TRIES:
                raise RuntimeError(f"{self.stem}: registering and logging in gave no credential {MOST_TRIES} times")
            number = next(self.numbers)
            self.username, self.password = f"fuzz-{number}", f"plaintext-password-{number}-of-the-{self.stem}-caller"
            self.note(self.password)
            self.register(f"fuzz-{number}@example.com")
            self.credential = self.log_in()
        self.own.add(self.credential)
        return self.credential

    def before(self, case: Any) -> None:
        """Prepare a case that is about to be sent.

        A session that ended since the case was made is replaced by a live one. Every other case that is meant to be
        accepted, but those that links lead to each other, is made to concern the caller itself.
        """
        if _is_meant_well(case):
            if case.meta.phase.name != "stateful" and next(self.turns):
                self.session()
                self.fill_in(case, case.operation.definition.raw["operationId"])
            self.complete(case)
        if self.carried(case) in self.own:
            self.attach(case, self.session())

    def complete(self, case: Any) -> None:
        """Give a case what its act requires, which no schema says: `x-action`."""
        action = case.operation.definition.raw.get("x-action", {})
        for member in action.get("requires", {}).get(case.query.get(action.get("name")), ()):
            if not case.query.get(member):
                case.query[member] = self.has(member)

    def has(self, member: str) -> str:
        """Return what the caller has for a member that an act requires."""
        raise NotImplementedError

    def after(self, response: Any) -> None:
        """Learn from an answer: credentials that it gives; whether the session may have ended with its request."""
        for secret in self.given(response):
            self.note(secret)
        if self.may_end_sessions(response.request):
            self.credential = None

    def note(self, secret: str) -> None:
        """Write a secret down, once."""
        if secret not in self.known:
            self.known.add(secret)
            with (self.folder / "secrets").open("a") as file:
                file.write(f"{secret}\n")

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request of the caller's own, without the cookies of earlier ones."""
        self.client.cookies.clear()
        answer = self.client.request(method, f"{self.url}{path}", timeout=30, **options)
        for secret in self.given(answer):
            self.note(secret)
        return answer

    def may_end_sessions(self, request: Any) -> bool:
        """Tell whether a request may end a session, or take the account away from the caller."""
        return bool(request.method != "GET") or urlsplit(request.url).path.lower().endswith("logout")

    def fill_in(self, case: Any, operation: str) -> None:
        """Put what is the caller's own in place of what was generated: names, passwords, projects; a free username."""

    def free_name(self) -> str:
        """Return a username that nobody has."""
        return f"new-{next(self.numbers)}"

    def register(self, email: str) -> None:
        """Make an account."""
        raise NotImplementedError

    def log_in(self) -> Credential:
        """Log in and return the credential, or None."""
        raise NotImplementedError

    def given(self, response: Any) -> list[str]:
        """Return the credentials in an answer."""
        raise NotImplementedError

    def carried(self, case: Any) -> Credential:
        """Return the credential of a case if the server gave it: a link led from the login to here."""
        value = getattr(case, self.place).get(self.name)
        return value if isinstance(value, str) and value in self.known else None

    def anonymous(self, case: Any) -> Credential:
        """Return what stands for a credential where there is none."""
        return None

    def attach(self, case: Any, credential: str) -> None:
        """Put a credential into a case, in place of what was generated."""
        getattr(case, self.place)[self.name] = credential


class Dbms(Caller):
    """数据库接口管理系统: a token in the query."""

    stem = "dbms"
    place, name = "query", "token"

    def register(self, email: str) -> None:
        """Make an account."""
        self.send("POST", "/user", json={"username": self.username, "password": self.password, "email": email})

    def log_in(self) -> Credential:
        """Log in and return the token."""
        answer = self.send("GET", "/login", params={"username": self.username, "password": self.password})
        return _member(answer, "token") or None

    def given(self, response: Any) -> list[str]:
        """Return the token, and the secret in it."""
        token = _member(response, "token")
        return [token, token.partition("-")[2]] if token else []

    def fill_in(self, case: Any, operation: str) -> None:
        """Name the caller's account in the path, log in as the caller, register somebody new."""
        match operation:
            case "log_in":
                case.query.update(username=self.username, password=self.password)
            case "find":
                case.path_parameters["id_or_username"] = self.username
            case "register" | "update":
                if operation == "update":
                    case.path_parameters["id_or_username"] = self.username
                name = self.free_name()
                free = {"username": name, "email": f"{name}@example.com"}
                case.body.update({key: value for key, value in free.items() if key in case.body})


class Sso(Caller):
    """sso单点登录系统: a JSON Web Token in the header `token`."""

    stem = "sso"
    place, name = "headers", "token"

    def register(self, email: str) -> None:
        """Make an account."""
        self.send("POST", "/v1/user", json={"username": self.username, "password": self.password})

    def log_in(self) -> Credential:
        """Log in and return the token."""
        account = {"username": self.username, "password": self.password}
        return _member(self.send("POST", "/v1/login", json=account, headers={"token": "default"}), "data") or None

    def given(self, response: Any) -> list[str]:
        """Return the token, and the secret in it."""
        token = _member(response, "data")
        if token.count(".") != 2:
            return []
        claims = token.split(".")[1]
        return [token, json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]]

    def fill_in(self, case: Any, operation: str) -> None:
        """Register somebody new, rename the caller to a name that is free."""
        if operation in ("register", "update"):
            case.body["username"] = self.free_name()

    def anonymous(self, case: Any) -> Credential:
        """Return what the contract has a client without a token send at login."""
        return "default" if case.operation.definition.raw["operationId"] == "log_in" else None


class Signed(Caller):
    """用户: every request is signed; the token is a parameter like any other."""

    stem = "signed"
    place, name = "query", "token"

    def __init__(self, url: str, accesskey: str, folder: Path) -> None:
        super().__init__(url, accesskey, folder)
        self.signature = Signature(accesskey)

    def register(self, email: str) -> None:
        """Make an account."""
        self._act("register")

    def log_in(self) -> Credential:
        """Log in and return the token."""
        return _member(self._act("login"), "token") or None

    def given(self, response: Any) -> list[str]:
        """Return the token."""
        token = _member(response, "token")
        return [token] if token else []

    def may_end_sessions(self, request: Any) -> bool:
        """Tell whether a request may end a session, or take the account away from the caller."""
        return "action=login" not in urlsplit(request.url).query

    def before(self, case: Any) -> None:
        """Prepare a case."""
        super().before(case)
        self.signature.url_only = not _is_meant_well(case)

    def fill_in(self, case: Any, operation: str) -> None:
        """Act as the caller, register somebody new."""
        if case.query.get("action") == "register":
            case.query["userid"] = self.free_name()
        else:
            case.query.update({name: self.has(name) for name in ("token", "userid", "password") if name in case.query})

    def has(self, member: str) -> str:
        """Return the caller's own token, userid or password."""
        return {"token": self.session(), "userid": self.username, "password": self.password}[member]

    def _act(self, action: str) -> requests.Response:
        account = {"userid": self.username, "password": self.password}
        return self.send("GET", "/openapi/user", params={"action": action, **account}, auth=self.signature)


class CookieCaller(Caller):
    """A caller whose session is in a cookie."""

    place = "cookies"

    def given(self, response: Any) -> list[str]:
        """Return the cookie's value."""
        headers = response.headers.get("set-cookie") or []
        headers = [headers] if isinstance(headers, str) else headers
        cookies = [header.partition(";")[0].partition("=") for header in headers]
        return [value for name, _, value in cookies if name == self.name and value]


class Annotation(CookieCaller):
    """用户部分及导出: the cookie `sessionid`. Each of its accounts is a friend of `owner` and works on its project."""

    stem = "annotation"
    name = "sessionid"

    def register(self, email: str) -> None:
        """Make an account, friend of the owner and member of the project."""
        account = {"user_id": self.username, "user_name": self.username, "password": self.password}
        newcomer = self.given(self.send("POST", "/user/register/", data=account))
        owner = self.given(self.send("POST", "/user/signin", data={"user_id": OWNER, "password": self.accesskey}))
        for cookies, act in (
            (newcomer, {"action": "friend_apply", "id": OWNER}),
            (owner, {"action": "friend_apply_accept", "id": self.username}),
            (owner, {"action": "project_invite", "project_id": PROJECT, "friend_id": self.username}),
            (newcomer, {"action": "project_invite_accept", "project_id": PROJECT}),
        ):
            if cookies:
                self.send("PUT", "/user/other", json=act, headers={"cookie": f"{self.name}={cookies[0]}"})

    def log_in(self) -> Credential:
        """Log in and return the cookie."""
        account = {"user_id": self.username, "password": self.password}
        return next(iter(self.given(self.send("POST", "/user/signin", data=account))), None)

    def has(self, member: str) -> str:
        """Return the project."""
        return PROJECT

    def fill_in(self, case: Any, operation: str) -> None:
        """Name the project, tell the current password, register somebody new."""
        own = {"project_id": PROJECT, "cur_password": self.password}
        if operation == "read":
            own["id"] = PROJECT
        if operation == "register":
            own["user_id"] = self.free_name()
        for asked in (case.body, case.query):
            if isinstance(asked, dict):
                asked.update({name: value for name, value in own.items() if name in asked})


class Indexy(CookieCaller):
    """智能论文系统: the cookie `indexy_session`. Each of its accounts has a code and a link sent to it."""

    stem = "indexy"
    name = "indexy_session"
    id = 0

    def register(self, email: str) -> None:
        """Make an account that can be recovered, and begin to."""
        account = {"username": self.username, "password": self.password, "email": email, "mobile": self.mobile}
        self.send("POST", INDEXY, json=account)
        newest = self.send("GET", INDEXY, params={"size": 1}).json()["payload"]["rows"][0]
        self.id = newest["id"] if newest["username"] == self.username else 0
        self.send("POST", f"{INDEXY}/password/email", json={"email": email})
        self.send("POST", f"{INDEXY}/password/mobile/captcha", json={"mobile": self.mobile})

    @property
    def mobile(self) -> str:
        """Return the caller's mobile number."""
        return f"+1000000{self.username.partition('-')[2]}"

    def log_in(self) -> Credential:
        """Log in and return the cookie."""
        account = {"username": self.username, "password": self.password}
        return next(iter(self.given(self.send("POST", f"{INDEXY}/login", json=account))), None)

    def fill_in(self, case: Any, operation: str) -> None:
        """Name the caller's account, tell its password, use what was sent to it, register somebody new."""
        if "id" in case.path_parameters:
            case.path_parameters["id"] = self.id
        match operation:
            case "log_in":
                case.body.update(username=self.username, password=self.password)
            case "change_password":
                case.body["oldPassword"] = self.password
            case "recover_by_email":
                case.body["email"] = f"{self.username}@example.com"
            case "recover_by_mobile":
                case.body.update(mobile=self.mobile, msCaptcha=self._sent("json", r"\b[0-9]{6}\b", "000000"))
            case "show_reset_form":
                case.query["code"] = self._sent("eml", r"(?<=code=)[0-9A-Za-z]+", "0")
            case "reset_password":
                case.body["code"] = self._sent("eml", r"(?<=code=)[0-9A-Za-z]+", "0")
            case "register" | "create" | "update":
                name = self.free_name()
                free = {"username": name, "email": f"{name}@example.com", "mobile": f"+2000000{name.partition('-')[2]}"}
                case.body.update({key: value for key, value in free.items() if key in case.body})

    def _sent(self, kind: str, pattern: str, otherwise: str) -> str:
        """Return what the newest message to the caller holds."""
        recipient = self.mobile if kind == "json" else f"{self.username}@example.com"
        for message in sorted((self.folder / "data/outbox").glob(f"*.{kind}"), key=lambda file: -int(file.stem)):
            text = message.read_text()
            found = re.search(pattern, text)
            if recipient in text and found:
                return found[0]
        return otherwise


CALLERS: dict[str, type[Caller]] = {caller.stem: caller for caller in (Dbms, Sso, Signed, Annotation, Indexy)}


def _is_meant_well(case: Any) -> bool:
    """Tell whether a case is meant to be accepted."""
    return case.meta is None or case.meta.generation.mode.is_positive


def _member(response: Any, name: str) -> str:
    """Return a text member of a JSON object, or nothing."""
    try:
        value = json.loads(response.content).get(name)
    except (ValueError, AttributeError):
        return ""
    return value if isinstance(value, str) else ""
