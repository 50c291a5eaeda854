"""What a password must be: told wherever one is set, under the guarded policy alone, and never at login."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from handlers import notices
from models import password_rules, passwords, rules
from models.account import Account
from models.database import unit_of_work
from models.errors import PasswordCommon, PasswordIsUsername, PasswordTooShort
from models.outbox import OutboxMessage
from models.recovery import RecoveryCode
from models.rules import Rules
from server.settings import Settings
from server.specs import load_contracts
from server.validation import merge, properties
from tests.doors import INDEXY, Door, open_doors
from tests.test_every_operation import Operation
from tests.test_indexy import everything, make_admin
from tests.test_specs import follow, operations

OLD, GOOD = "correct horse", "battery staple"
ALICE = "aloysia.weber"
"""A username that is long enough for a password."""
MOBILE, EMAIL = "13345587000", "alice@example.com"

REASONS = {
    "short": "abcdefg",
    "common": "Password1",
    "username": ALICE.upper(),
}
"""Why a password is refused -> such a password."""


class Setter:
    """Sets passwords of an account of that name by every way that there is; each returns the answer."""

    def __init__(self, client: TestClient, account: Account) -> None:
        self.doors = open_doors(client)
        self.account = account

    def send(self, method: str, path: str, **options: Any) -> Response:
        return self.doors["dbms"].send(method, path, **options)

    def as_new(self, act: Callable[[], Response]) -> Response:
        """Free the name first, so that it can be registered."""
        if Account.get_or_none(Account.id == self.account.id, Account.username == ALICE):
            with unit_of_work():
                self.account.change(username="somebody.else")
        return act()

    def cookie(self, stem: str) -> dict[str, str]:
        name = {"annotation": "sessionid", "indexy": "indexy_session"}[stem]
        return {"cookie": f"{name}={self.doors[stem].enter(ALICE, OLD)}"}

    def changes_password(self, stem: str, new: str) -> Response:
        door = self.doors[stem]
        return door.change_password(door.enter(ALICE, OLD), ALICE, OLD, new)


def _registers(stem: str) -> Callable[[Setter, str], Response]:
    return lambda at, new: at.as_new(lambda: at.doors[stem].register(ALICE, new))


def _changes(stem: str) -> Callable[[Setter, str], Response]:
    return lambda at, new: at.changes_password(stem, new)


def _creates(at: Setter, new: str) -> Response:
    headers = at.cookie("indexy")
    return at.as_new(lambda: at.send("POST", INDEXY, json={"username": ALICE, "password": new}, headers=headers))


def _resets(at: Setter, new: str) -> Response:
    return at.send("PUT", f"{INDEXY}/{at.account.id}", json={"password": new}, headers=at.cookie("indexy"))


def _replaces(at: Setter, new: str) -> Response:
    return at.send("PUT", f"{INDEXY}/{at.account.id}/password", json={"oldPassword": OLD, "newPassword": new})


def _recovers_by_code(at: Setter, new: str) -> Response:
    with unit_of_work():
        RecoveryCode.send_code(MOBILE, notices.code)
    (code,) = re.findall(r"\b[0-9]{6}\b", OutboxMessage.select().order_by(OutboxMessage.id.desc()).first().text)[:1]
    return at.send("POST", f"{INDEXY}/password/mobile", json={"mobile": MOBILE, "msCaptcha": code, "newPassword": new})


def _recovers_by_link(at: Setter, new: str) -> Response:
    with unit_of_work():
        RecoveryCode.send_link(EMAIL, notices.link)
    (code,) = re.findall(r"code=(\w+)", OutboxMessage.select().order_by(OutboxMessage.id.desc()).first().text)
    return at.send("POST", f"{INDEXY}/password/email/link", data={"code": code, "newPassword": new})


WAYS: dict[str, Callable[[Setter, str], Response]] = {
    "dbms register": _registers("dbms"),
    "dbms update": _changes("dbms"),
    "sso register": _registers("sso"),
    "sso update": _changes("sso"),
    "signed register": _registers("signed"),
    "signed update": _changes("signed"),
    "annotation register": _registers("annotation"),
    "annotation change_password": _changes("annotation"),
    "indexy create": _creates,
    "indexy update": _resets,
    "indexy register": _registers("indexy"),
    "indexy change_password": _replaces,
    "indexy recover_by_mobile": _recovers_by_code,
    "indexy reset_password": _recovers_by_link,
}
"""Contract, operation or action -> how it sets a password."""

SAID: dict[str, dict[str, Any]] = {
    "dbms": {
        "short": "A password has at least 8 characters.",
        "common": "This password is one of the most common ones.",
        "username": "The password must not be the username.",
    },
    "sso": {"short": "密码不能少于8个字符", "common": "密码过于常见", "username": "密码不能与用户名相同"},
    "signed": {"short": "密码过短：至少8个字符", "common": "密码过于常见", "username": "密码不能与userid相同"},
    "annotation": {"short": "密码不能少于8个字符", "common": "密码过于常见", "username": "密码不能与用户id相同"},
    "indexy": {"short": "密码不能少于8个字符", "common": "密码过于常见", "username": "密码不能与用户名相同"},
}
"""Contract -> reason -> its words."""
STATUS = {"signed": 200}
"""Status of the refusal, where it is not 400."""
PLACES = {"dbms": "detail", "sso": "message", "signed": "errstr", "annotation": "msg", "indexy": "payload"}


@pytest.fixture
def at(client: TestClient, register: Callable[..., Account]) -> Setter:
    account = register(ALICE, OLD, mobile=MOBILE, email=EMAIL)
    make_admin(account)  # or she could not make accounts in indexy
    return Setter(client, account)


def can_log_in(doors: dict[str, Door], password: str) -> bool:
    return bool(doors["sso"].enter(ALICE, password))


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reason", REASONS)
def test_under_guarded_a_password_that_is_guessed_first_is_refused_with_the_reason_and_nothing_changes(
    at: Setter, way: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = way.split(maxsplit=1)[0]
    hashed = []
    monkeypatch.setattr(passwords, "hash", lambda password: hashed.append(password) or "no hash")
    answer = WAYS[way](at, REASONS[reason])
    assert answer.status_code == STATUS.get(stem, 400), answer.text
    if way == "indexy reset_password":
        assert f'<p role="alert">{SAID[stem][reason]} ' in answer.text
        assert '<form method="post"' in answer.text, "the link is good for another try"
    else:
        assert answer.json()[PLACES[stem]] == SAID[stem][reason]
    assert REASONS[reason] not in answer.text
    assert hashed == []
    assert at.account.password_hash in [row.password_hash for row in Account.select()]
    assert Account.select().count() == 1


@pytest.mark.parametrize("policy", ["guarded", "documented"])
@pytest.mark.parametrize("way", WAYS)
def test_a_good_password_is_set_by_every_way(at: Setter, way: str) -> None:
    assert WAYS[way](at, GOOD).status_code in (200, 201)
    assert can_log_in(at.doors, GOOD)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reason", REASONS)
def test_under_documented_any_password_is_set(at: Setter, way: str, reason: str) -> None:
    assert WAYS[way](at, REASONS[reason]).status_code in (200, 201)
    assert can_log_in(at.doors, REASONS[reason])


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("stem", PLACES)
def test_who_logs_in_is_never_asked_for_the_rules(
    client: TestClient, register: Callable[..., Account], settings: Settings, stem: str
) -> None:
    rules.apply(replace(settings, policy="documented"))
    register("early", "x")
    rules.apply(settings)
    assert open_doors(client)[stem].enter("early", "x")


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("way", ["indexy recover_by_mobile", "indexy reset_password"])
def test_a_refused_password_does_not_use_a_code_or_link_up(at: Setter, way: str) -> None:
    before = everything()
    WAYS[way](at, REASONS["short"])
    assert RecoveryCode.get().tries == 0
    assert everything()[0] == before[0], "the account"


@pytest.mark.parametrize("policy", ["guarded"])
def test_who_is_renamed_with_a_new_password_cannot_take_the_new_name_for_it(at: Setter) -> None:
    token = {"token": at.doors["sso"].enter(ALICE, OLD)}
    both = {"username": "constanze", "password": "Constanze"}
    assert at.send("PUT", "/v1/user", json=both, headers=token).json()["message"] == "密码不能与用户名相同"
    answer = at.send("PUT", f"/user/{at.account.id}", json=both, params={"token": at.doors["dbms"].enter(ALICE, OLD)})
    assert answer.json()["title"] == "Password is username"
    answer = at.send("PUT", f"{INDEXY}/{at.account.id}", json=both, headers=at.cookie("indexy"))
    assert answer.json()["payload"] == "密码不能与用户名相同"
    assert Account.get().username == ALICE


# --- the rules themselves ----------------------------------------------------------------------------------------


@pytest.fixture
def guarded() -> Iterator[None]:
    before = rules.current
    rules.apply(Rules(policy="guarded"))
    yield
    rules.apply(before)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    "password", ["12345678", "PASSWORD", "ｐａｓｓｗｏｒｄ", "qwertyuiop", "Jennifer", "aaaaaaaa", "1q2w3e4r"]
)
def test_what_is_guessed_first_is_refused_however_it_is_spelled(password: str) -> None:
    with pytest.raises(PasswordCommon):
        password_rules.check(password, "alice")


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    "password", ["zxqkvjwp", "        ", "密码密码密码密码", "correct horse", "x" * 256, "aloysia.weber1"]
)
def test_any_characters_will_do(password: str) -> None:
    password_rules.check(password, ALICE)


@pytest.mark.usefixtures("guarded")
def test_length_counts_characters_and_its_limit_is_a_setting() -> None:
    with pytest.raises(PasswordTooShort, match="at least 8"):
        password_rules.check("密码密码密码密")
    rules.apply(Rules(policy="guarded", password_min_length=15))
    with pytest.raises(PasswordTooShort, match="at least 15"):
        password_rules.check("correct horse")
    with pytest.raises(PasswordIsUsername):
        password_rules.check("ＡＬＩＣＥ　alice alice", "alice alice alice")


# --- what the specs say of it ------------------------------------------------------------------------------------


def _ways_in_specs() -> Iterator[str]:
    """Yield every operation, or action of one, that takes a password which is to be set."""
    for contract in load_contracts():
        for path, method, operation in operations(contract.document):
            declared = Operation(contract, path, method, follow(contract.document, operation)).declared
            body = declared.get("requestBody", {}).get("content", {})
            for schema in [part["schema"] for part in [*declared.get("parameters", []), *body.values()]]:
                variants = [one for part in schema.get("allOf", []) for one in part.get("oneOf", [])] or [schema]
                for variant in variants:
                    members = {name: merge(member) for name, member in properties(variant).items()}
                    if any("x-guarded" in member for member in members.values()):
                        actions = members.get("action", {}).get("enum", [operation["operationId"]])
                        yield f"{contract.stem} {actions[0]}"


def test_every_way_that_the_specs_declare_is_tried_here_and_no_other() -> None:
    assert set(_ways_in_specs()) == WAYS.keys()


def test_the_specs_say_the_length_that_is_asked_for() -> None:
    for contract in load_contracts():
        declared = contract.document["components"]["schemas"]["PasswordToSet"]
        assert declared["x-guarded"]["minLength"] == Rules().password_min_length
