"""数据库接口管理系统, as its document prints it and as it fails."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import quote

import peewee
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from models import clock
from models.account import Account
from models.db.database import database
from models.session import Session

DAY = 24 * 60 * 60
JSON = {"content-type": "application/json"}
REGISTRATION = {"email": "user@xyz.com", "username": "TestUser", "password": "K16ldRr922I1"}

Register = Callable[..., Account]


def log_in(client: TestClient, username: str = "alice", password: str = "correct horse") -> str:
    """Log in and return the token."""
    response = client.get("/login", params={"username": username, "password": password})
    assert response.status_code == 200, response.text
    token: str = response.json()["token"]
    return token


def everything() -> list[Any]:
    """All that the store holds, to be compared before and after."""
    return [list(table.select().order_by(table.id).tuples()) for table in (Account, Session)]


def assert_problem(response: Response, status: int, kind: str = "") -> dict[str, Any]:
    """Check that the answer is a problem detail of this status and type; return it."""
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"]) == (status, status), problem
    assert problem["type"] == (f"urn:problem-type:rollbook:{kind}" if kind else "about:blank")
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail"}
    return problem


@pytest.fixture
def alice(register: Register) -> Account:
    return register("alice", email="alice@example.com")


@pytest.fixture
def token(client: TestClient, alice: Account) -> str:
    return log_in(client)


# --- the document's own examples -----------------------------------------------------------------


def test_the_documented_registration_is_answered_with_the_id(client: TestClient) -> None:
    response = client.post("/user", json=REGISTRATION)
    account = Account.by_username("TestUser")
    assert response.status_code == 201
    assert response.json() == {"id": account.id}
    assert response.headers["content-type"] == "application/json"


def test_the_documented_login_is_answered_with_token_and_id(client: TestClient, register: Register) -> None:
    account = register("foo", "toosecrettoshow", email="foo@example.com")
    response = client.get("/login?username=foo@example.com&password=toosecrettoshow")
    assert response.status_code == 200
    assert response.json().keys() == {"token", "id"}
    assert response.json()["id"] == account.id
    assert re.fullmatch(f"{account.id}-[0-9A-Za-z]{{22}}", response.json()["token"])


def test_the_documented_logout_returns_nothing(client: TestClient, token: str) -> None:
    response = client.get(f"/logout?token={token}")
    assert response.status_code == 204
    assert response.content == b""


def test_the_documented_tokens_mean_nobody_here(client: TestClient) -> None:
    assert_problem(client.get("/logout?token=1234-VWvO51X69r"), 401, "token-not-live")
    checked = client.get("/valid_login?username=foo@example.com&token=1234-VWvO51X69r")
    assert (checked.status_code, checked.json()) == (200, {"token": ""})


def test_the_documented_update_changes_the_password(client: TestClient, token: str) -> None:
    account = Account.by_username("alice")
    response = client.put(f"/user/{account.id}?token={token}", json={"password": "o0xi8wbnd7sdRF7sdF"})
    assert (response.status_code, response.json()) == (200, {"id": account.id})
    log_in(client, password="o0xi8wbnd7sdRF7sdF")


def test_the_documented_user_is_shown(client: TestClient) -> None:
    id = client.post("/user", json=REGISTRATION).json()["id"]
    token = log_in(client, "TestUser", "K16ldRr922I1")
    for name in (id, "TestUser"):
        response = client.get(f"/user/{name}", params={"token": token})
        assert response.json() == {"id": id, "email": "user@xyz.com", "username": "TestUser"}


# --- log in, log out -----------------------------------------------------------------------------


def test_username_and_email_are_compared_after_folding(client: TestClient, alice: Account) -> None:
    for name in ("ALICE", "ａｌｉｃｅ", "Alice@EXAMPLE.com"):
        assert log_in(client, name).startswith(f"{alice.id}-")


def test_a_wrong_password_and_an_unknown_user_are_refused_alike(client: TestClient, alice: Account) -> None:
    before = everything()
    wrong = client.get("/login", params={"username": "alice", "password": "wrong"})
    unknown = client.get("/login", params={"username": "nobody", "password": "correct horse"})
    assert_problem(wrong, 401, "wrong-credentials")
    assert wrong.content == unknown.content
    assert everything() == before


def test_a_disabled_account_cannot_log_in(client: TestClient, alice: Account) -> None:
    alice.disable()
    response = client.get("/login", params={"username": "alice", "password": "correct horse"})
    assert_problem(response, 401, "wrong-credentials")


def test_logging_out_ends_that_token_and_no_other(client: TestClient, token: str) -> None:
    other = log_in(client)
    assert client.get("/logout", params={"token": token}).status_code == 204
    assert_problem(client.get("/user/alice", params={"token": token}), 401, "token-not-live")
    assert_problem(client.get("/logout", params={"token": token}), 401, "token-not-live")
    assert client.get("/user/alice", params={"token": other}).status_code == 200


@pytest.mark.requirement("ASVS 7.4.1")
def test_a_token_lives_thirty_days(client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + 30 * DAY - 5)
    assert client.get("/user/alice", params={"token": token}).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: start + 30 * DAY + 5)
    assert_problem(client.get("/user/alice", params={"token": token}), 401, "token-not-live")


def test_no_token_is_kept_in_clear(client: TestClient, token: str) -> None:
    assert token not in repr(everything())
    assert token.partition("-")[2] not in repr(everything())


# --- check a login -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com"])
def test_a_live_token_is_replaced_and_the_old_one_dies(client: TestClient, token: str, name: str) -> None:
    fresh = client.get("/valid_login", params={"username": name, "token": token}).json()["token"]
    assert re.fullmatch(r"[0-9]+-[0-9A-Za-z]{22}", fresh)
    assert fresh != token
    assert_problem(client.get("/user/alice", params={"token": token}), 401, "token-not-live")
    assert client.get("/user/alice", params={"token": fresh}).status_code == 200


def test_a_replaced_token_has_a_fresh_lifetime(client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + 29 * DAY)
    asked = {"username": "alice", "token": token}
    fresh = client.get("/valid_login", params=asked).json()["token"]
    monkeypatch.setattr(clock, "now", lambda: start + 58 * DAY)
    assert client.get("/user/alice", params={"token": fresh}).status_code == 200


@pytest.mark.requirement("ASVS 7.2.1")
@pytest.mark.parametrize(
    ("username", "shape"),
    [
        pytest.param("bob", "{token}", id="of another user"),
        pytest.param("nobody", "{token}", id="of an unknown user"),
        pytest.param("alice", "", id="empty"),
        pytest.param("alice", "x{token}", id="altered"),
        pytest.param("alice", "1234-VWvO51X69r", id="from the old server"),
        pytest.param("alice", "\x00 ' OR 1=1 --\n", id="garbage"),
        pytest.param("alice", "é" * 400, id="long garbage"),
        pytest.param("alice", "a.b.c", id="of another contract"),
    ],
)
def test_a_token_that_is_not_this_users_gives_an_empty_one(
    client: TestClient, token: str, register: Register, username: str, shape: str
) -> None:
    register("bob")
    before = everything()
    asked = {"username": username, "token": shape.format(token=token)}
    response = client.get("/valid_login", params=asked)
    assert (response.status_code, response.json()) == (200, {"token": ""})
    assert everything() == before


@pytest.mark.parametrize(
    "query", ["username=alice", "username=&token={token}", "username=&token=", "username=+&token=x"]
)
def test_a_check_of_nothing_gives_an_empty_token(client: TestClient, token: str, query: str) -> None:
    """axios leaves out what is null and throws at the 400 (axios#1104); the check is always answered with 200."""
    response = client.get("/valid_login?" + query.format(token=token))
    assert (response.status_code, response.json()) == (200, {"token": ""})
    assert client.get("/user/alice", params={"token": token}).status_code == 200


def test_of_simultaneous_checks_of_one_token_exactly_one_wins(app: Any, token: str) -> None:
    callers = 8
    start = Barrier(callers)

    def check(_: int) -> str:
        client = TestClient(app)
        start.wait()
        response = client.get("/valid_login", params={"username": "alice", "token": token})
        assert response.status_code == 200, response.text
        fresh: str = response.json()["token"]
        return fresh

    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(check, range(callers)))
    (fresh,) = [answer for answer in answers if answer]
    assert Session.select().count() == 1
    assert TestClient(app).get("/user/alice", params={"token": fresh}).status_code == 200


# --- register ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "kind"),
    [
        ({"username": "Alice"}, "username-taken"),
        ({"username": "ａlice"}, "username-taken"),
        ({"email": "ALICE@example.com"}, "email-taken"),
        ({"username": "signin"}, "username-reserved"),
        ({"username": "Change_Pasword"}, "username-reserved"),
    ],
)
def test_a_taken_name_or_address_is_refused(
    client: TestClient, alice: Account, taken: dict[str, str], kind: str
) -> None:
    before = everything()
    assert_problem(client.post("/user", json=REGISTRATION | taken), 409, kind)
    assert everything() == before


def test_two_simultaneous_registrations_of_one_name_give_one_account(app: Any) -> None:
    start = Barrier(2)

    def ask(email: str) -> int:
        client = TestClient(app)
        start.wait()
        return client.post("/user", json=REGISTRATION | {"email": email}).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(ask, ["a@xyz.com", "b@xyz.com"]))
    assert statuses == [201, 409]
    assert Account.select().count() == 1


# --- update --------------------------------------------------------------------------------------


def test_what_an_update_leaves_out_stays(client: TestClient, token: str) -> None:
    response = client.put("/user/alice", params={"token": token}, json={"username": "alicia"})
    assert response.status_code == 200
    shown = client.get("/user/alicia", params={"token": token}).json()
    assert (shown["username"], shown["email"]) == ("alicia", "alice@example.com")
    log_in(client, "alicia")


def test_an_update_may_change_everything_at_once(client: TestClient, token: str) -> None:
    change = {"username": "alicia", "email": "alicia@example.com", "password": "battery staple"}
    assert client.put("/user/alice", params={"token": token}, json=change).status_code == 200
    shown = client.get("/user/alicia", params={"token": token}).json()
    assert (shown["username"], shown["email"]) == ("alicia", "alicia@example.com")
    log_in(client, "alicia@example.com", "battery staple")


def test_a_refused_update_changes_nothing(client: TestClient, token: str, register: Register) -> None:
    register("bob", email="bob@example.com")
    before = everything()
    for taken in ({"username": "BOB"}, {"email": "bob@example.com"}, {"username": "other"}):
        change = {"password": "battery staple", **taken}
        response = client.put("/user/alice", params={"token": token}, json=change)
        assert response.status_code == 409
        assert everything() == before


def test_an_own_name_in_other_letters_is_not_taken(client: TestClient, token: str) -> None:
    response = client.put("/user/alice", params={"token": token}, json={"username": "ALICE"})
    assert response.status_code == 200
    shown = client.get("/user/alice", params={"token": token})
    assert shown.json()["username"] == "ALICE"


def test_a_new_password_ends_the_other_sessions_in_every_contract(client: TestClient, token: str) -> None:
    other = log_in(client)
    body = {"username": "alice", "password": "correct horse"}
    elsewhere = client.post("/v1/login", json=body, headers={"token": "default"}).json()["data"]
    change = {"password": "battery staple"}
    assert client.put("/user/alice", params={"token": token}, json=change).status_code == 200
    assert client.get("/user/alice", params={"token": token}).status_code == 200
    assert client.get("/user/alice", params={"token": other}).status_code == 401
    assert client.get("/v1/auth", headers={"token": elsewhere}).json()["code"] == "token_err"
    old = client.get("/login", params={"username": "alice", "password": "correct horse"})
    assert_problem(old, 401, "wrong-credentials")


def test_nobody_changes_somebody_else(client: TestClient, token: str, register: Register) -> None:
    bob = register("bob")
    before = everything()
    for name in (bob.id, "bob", "nobody", 10**18):
        response = client.put(f"/user/{name}", params={"token": token}, json={"password": "battery staple"})
        assert_problem(response, 403, "not-yours")
    assert everything() == before


def test_an_admin_may_change_everybody(client: TestClient, alice: Account, register: Register) -> None:
    register("root", admin=True)
    victim, admin = log_in(client), log_in(client, "root")
    change = {"password": "battery staple"}
    assert client.put("/user/alice", params={"token": admin}, json=change).status_code == 200
    assert client.get("/user/alice", params={"token": victim}).status_code == 401
    assert client.get("/user/alice", params={"token": admin}).status_code == 200
    unknown = client.put("/user/nobody", params={"token": admin}, json=change)
    assert_problem(unknown, 404, "unknown-user")


# --- find ----------------------------------------------------------------------------------------


def test_any_live_token_finds_any_user(client: TestClient, token: str, register: Register) -> None:
    bob = register("bob")
    response = client.get(f"/user/{bob.id}", params={"token": token})
    assert response.json() == {"id": bob.id, "email": "", "username": "bob"}


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guard_only_owner_and_admin_see_a_user(client: TestClient, alice: Account, register: Register) -> None:
    bob = register("bob")
    register("root", admin=True)
    token, admin = log_in(client), log_in(client, "root")
    assert client.get("/user/alice", params={"token": token}).status_code == 200
    for name in (bob.id, "bob", "nobody"):
        assert_problem(client.get(f"/user/{name}", params={"token": token}), 403, "not-yours")
    assert client.get("/user/bob", params={"token": admin}).status_code == 200
    unknown = client.get("/user/nobody", params={"token": admin})
    assert_problem(unknown, 404, "unknown-user")


def test_digits_mean_the_id_first_and_a_username_second(client: TestClient, token: str, register: Register) -> None:
    me = Account.by_username("alice")
    twin = register(str(me.id))
    lone = register("8675309")
    assert client.get(f"/user/{me.id}", params={"token": token}).json()["id"] == me.id
    assert client.get("/user/8675309", params={"token": token}).json()["id"] == lone.id
    assert client.get(f"/user/{twin.id}", params={"token": token}).json()["id"] == twin.id


@pytest.mark.parametrize("name", ["nobody", "0", "9223372036854775808", "9" * 64, "-1", "٣", "alice@example.com"])
def test_an_unknown_user_is_not_found(client: TestClient, token: str, name: str) -> None:
    response = client.get(f"/user/{quote(name)}", params={"token": token})
    assert_problem(response, 404, "unknown-user")


@pytest.mark.parametrize("name", ["张三", "a b", "a+b", "a%b", "a?b#c", "..%2e", "é'\"\\"])
def test_a_username_of_any_letters_is_found_by_name(
    client: TestClient, token: str, register: Register, name: str
) -> None:
    account = register(name)
    response = client.get(f"/user/{quote(name, safe='')}", params={"token": token})
    assert response.json() == {"id": account.id, "email": "", "username": name}


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("GET", "/logout"), ("PUT", "/user/alice"), ("GET", "/user/alice")])
def test_a_missing_or_foreign_token_is_refused(client: TestClient, alice: Account, method: str, path: str) -> None:
    body = {"username": "alice", "password": "correct horse"}
    foreign = client.post("/v1/login", json=body, headers={"token": "default"}).json()["data"]
    change = {"json": {"password": "battery staple"}} if method == "PUT" else {}
    before = everything()
    assert_problem(client.request(method, path, **change), 401)
    header = client.request(method, path, headers={"token": foreign}, **change)
    assert_problem(header, 401)
    for token in ("", "1234-VWvO51X69r", foreign, "\x00", "é" * 2000):
        response = client.request(method, path, params={"token": token}, **change)
        assert_problem(response, 401, "token-not-live")
    assert everything() == before


# --- bad input -----------------------------------------------------------------------------------

BAD_BODIES = [
    pytest.param(b"", id="no body"),
    pytest.param(b"{", id="broken JSON"),
    pytest.param(b'{"username": "\xff\xfe"}', id="not UTF-8"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b'"text"', id="a string"),
    pytest.param(b"null", id="null"),
    pytest.param(b"NaN", id="not a number"),
    pytest.param(b"[" * 20_000 + b"]" * 20_000, id="20,000 brackets"),
    pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="20,000 braces"),
    pytest.param(b"{}", id="an empty object"),
]

BAD_VALUES = [
    pytest.param({"username": 10**30}, id="an integer beyond 64 bits"),
    pytest.param({"username": "x" * 65}, id="an over-long name"),
    pytest.param({"username": "x\ny"}, id="a line end"),
    pytest.param({"username": "x\x00y"}, id="NUL"),
    pytest.param({"username": "x\x1by"}, id="a control character"),
    pytest.param({"username": "x\x85y"}, id="a C1 control character"),
    pytest.param({"username": ["x"]}, id="an array"),
    pytest.param({"username": "x\ud800y"}, id="a lone surrogate"),
    pytest.param({"password": "x" * 257}, id="an over-long password"),
    pytest.param({"password": True}, id="a boolean"),
    pytest.param({"email": "no address"}, id="no address"),
    pytest.param({"email": "a@" + "b" * 253}, id="an over-long address"),
    pytest.param({"email": "a@b\r\nBcc: c@d"}, id="a header in an address"),
]


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize(("method", "path"), [("POST", "/user"), ("PUT", "/user/alice")])
def test_a_malformed_body_is_refused(client: TestClient, token: str, method: str, path: str, body: bytes) -> None:
    before = everything()
    response = client.request(method, path, params={"token": token}, content=body, headers=JSON)
    assert_problem(response, 400)
    assert everything() == before


@pytest.mark.parametrize("bad", BAD_VALUES)
def test_a_bad_value_is_refused(client: TestClient, token: str, bad: dict[str, Any]) -> None:
    before = everything()
    created = client.post("/user", content=json.dumps(REGISTRATION | bad), headers=JSON)
    assert_problem(created, 400)
    changed = client.put("/user/alice", params={"token": token}, content=json.dumps(bad), headers=JSON)
    assert_problem(changed, 400)
    assert everything() == before


def test_a_refused_password_is_not_quoted(client: TestClient) -> None:
    response = client.post("/user", json=REGISTRATION | {"password": "hunter2" * 64})
    assert "hunter2" not in assert_problem(response, 400)["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "username=alice",
        "password=correct+horse",
        "username=&password=correct+horse",
        "username=alice&password=",
        "username=alice&username=alice&password=correct+horse",
        "username=alice&password=correct+horse&password=x",
        "username=%00&password=correct+horse",
        "username=%ff&password=correct+horse",
        "username=%ed%a0%80&password=correct+horse",
        f"username={'x' * 255}&password=correct+horse",
        f"username=alice&password={'x' * 257}",
        "username=alice&password=correct+horse&" + "&".join(f"p{n}=1" for n in range(200)),
    ],
)
def test_a_malformed_login_is_refused(client: TestClient, alice: Account, query: str) -> None:
    assert_problem(client.get(f"/login?{query}"), 400)
    assert Session.select().count() == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "token={token}",
        "username=alice&token={token}&token={token}",
        "username=alice&token=" + "x" * 401,
    ],
)
def test_a_malformed_check_is_refused(client: TestClient, token: str, query: str) -> None:
    before = everything()
    assert_problem(client.get("/valid_login?" + query.format(token=token)), 400)
    assert everything() == before


@pytest.mark.parametrize("path", ["/logout", "/user/alice"])
def test_a_repeated_token_is_refused(client: TestClient, token: str, path: str) -> None:
    before = everything()
    assert_problem(client.get(f"{path}?token={token}&token=x"), 400)
    assert_problem(client.get(f"{path}?token=x&token={token}"), 400)
    assert everything() == before


@pytest.mark.parametrize("name", ["x" * 65, "%00", "x%0ay", "%20", "%ff", "%ed%a0%80"])
def test_a_malformed_name_in_the_path_is_refused(client: TestClient, token: str, name: str) -> None:
    assert_problem(client.get(f"/user/{name}", params={"token": token}), 400)


def test_a_stray_query_parameter_is_ignored(client: TestClient, token: str) -> None:
    response = client.get("/user/alice", params={"token": token, "_": "1700000000"})
    assert response.status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/user"), ("PUT", "/user/alice")])
def test_another_media_type_is_refused(client: TestClient, token: str, method: str, path: str) -> None:
    before = everything()
    for media_type in ("application/x-www-form-urlencoded", "text/plain", "application/xml"):
        response = client.request(
            method,
            path,
            params={"token": token},
            content="username=x&password=y",
            headers={"content-type": media_type},
        )
        assert_problem(response, 415)
    assert everything() == before


@pytest.mark.parametrize(("method", "path"), [("POST", "/user"), ("PUT", "/user/alice")])
def test_a_body_beyond_the_limit_is_refused(client: TestClient, token: str, method: str, path: str) -> None:
    before = everything()
    body = json.dumps(REGISTRATION | {"password": "x" * 5_000_000}).encode()
    declared = client.request(method, path, params={"token": token}, content=body, headers=JSON)
    chunked = client.request(
        method,
        path,
        params={"token": token},
        content=(body[at : at + 65_536] for at in range(0, len(body), 65_536)),
        headers=JSON,
    )
    assert_problem(declared, 413)
    assert_problem(chunked, 413)
    assert everything() == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/login", {"GET"}),
        ("DELETE", "/logout", {"GET"}),
        ("PUT", "/valid_login", {"GET"}),
        ("GET", "/user", {"POST"}),
        ("DELETE", "/user/alice", {"GET", "PUT"}),
        ("PATCH", "/user/1", {"GET", "PUT"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: TestClient, method: str, path: str, allowed: set[str]) -> None:
    response = client.request(method, path)
    assert_problem(response, 405)
    assert allowed <= set(response.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ["/nothing", "/login//", "/user/alice/friends", "/LOGIN"])
def test_an_unknown_path_is_not_found(client: TestClient, path: str) -> None:
    assert_problem(client.get(path), 404)


# --- when the server fails -----------------------------------------------------------------------


def test_a_bug_tells_nothing_and_changes_nothing(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise RuntimeError("hunter2")

    before = everything()
    monkeypatch.setattr(Account, "change", break_down)
    response = client.put("/user/alice", params={"token": token}, json={"password": "battery staple"})
    assert_problem(response, 500)
    assert "hunter2" not in response.text
    assert everything() == before


def test_a_store_that_is_away_is_told_with_a_time_to_come_again(
    client: TestClient, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(*_: Any, **__: Any) -> None:
        raise peewee.OperationalError("disk I/O error")

    monkeypatch.setattr(Account, "authenticate", be_away)
    response = client.get("/login", params={"username": "alice", "password": "correct horse"})
    assert_problem(response, 503)
    assert int(response.headers["retry-after"]) >= 1


def test_nobody_and_a_malformed_request_confirm_nothing(client: TestClient, register: Callable[..., Account]) -> None:
    root = register("root", "correct horse", email="root@example.com")
    with database.atomic():
        Account.update(admin=True).where(Account.id == root.id).execute()
    token = client.get("/login", params={"username": "root", "password": "correct horse"}).json()["token"]
    code = "Zr4u7x0QmYk1LwTbV9sHcE6nAaGd2PjR"
    for method, body in (("POST", {"email": "root@example.com"}), ("PUT", {"email": "root@example.com", "code": code})):
        for user, sent, status in (("999", body, 404), ("root", {}, 400)):
            url = f"/user/{user}/email/confirmation"
            answer = client.request(method, url, params={"token": token}, json=sent)
            assert answer.status_code == status, answer.text
