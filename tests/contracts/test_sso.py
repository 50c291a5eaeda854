"""sso单点登录系统, as its document prints it and as it fails."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import jwt
import peewee
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from handlers._sso_token import USE
from models import clock
from models.account import Account
from models.account_block import AccountBlockChange
from models.db.database import database
from models.keys import derive
from models.session import Session
from server.settings import Settings

MINUTE = 60
HOUR = 60 * MINUTE
JSON = {"content-type": "application/json"}
DEFAULT = {"token": "default"}
CREDENTIALS = {"username": "alice", "password": "correct horse"}
DOCUMENTED = {"username": "p", "password": "2"}

Register = Callable[..., Account]


def log_in(client: TestClient, username: str = "alice", password: str = "correct horse") -> str:
    """Log in and return the token."""
    body = {"username": username, "password": password}
    response = client.post("/v1/login", json=body, headers=DEFAULT)
    assert response.json()["code"] == "OK", response.text
    token: str = response.json()["data"]
    return token


def everything() -> list[Any]:
    """All that the store holds, to be compared before and after."""
    return [list(table.select().order_by(table.id).tuples()) for table in (Account, Session)]


def assert_says(response: Response, status: int, code: str, message: str = "", data: Any = None) -> None:
    """Check the whole envelope; an empty message stands for any."""
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert (response.status_code, body["code"]) == (status, code), body
    assert body == {"code": code, "message": message or body["message"], "data": data}
    assert body["message"]


def forge(claims: Any, header: dict[str, Any], key: bytes = b"") -> str:
    """Write a token by hand; it is signed with HMAC-SHA256 if there is a key."""

    def part(value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{part(header)}.{part(claims)}"
    signature = hmac.digest(key, signed.encode(), hashlib.sha256) if key else b""
    return f"{signed}.{part(signature)}"


@pytest.fixture
def alice(register: Register) -> Account:
    return register("alice")


@pytest.fixture
def token(client: TestClient, alice: Account) -> str:
    return log_in(client)


@pytest.fixture
def dead(client: TestClient, token: str) -> str:
    """A token that was logged out."""
    assert client.get("/v1/logout", headers={"token": token}).status_code == 200
    return token


# --- the document's own examples -----------------------------------------------------------------


def test_the_documented_registration_is_answered_as_printed(client: TestClient) -> None:
    response = client.post("/v1/user", json=DOCUMENTED)
    assert response.text == '{"code":"OK","message":"用户创建成功","data":null}'
    assert Account.by_username("p").username == "p"


def test_the_documented_login_is_answered_with_a_web_token(
    client: TestClient, register: Register, settings: Settings
) -> None:
    account = register("p", "2")
    response = client.post("/v1/login", json=DOCUMENTED, headers=DEFAULT)
    token = response.json()["data"]
    assert_says(response, 200, "OK", "登录成功", token)
    claims = jwt.decode(token, derive(settings.secret_key, USE), algorithms=["HS256"])
    assert claims.keys() == {"userId", "username", "jti", "iat"}
    assert (claims["userId"], claims["username"]) == (account.id, "p")
    assert abs(claims["iat"] - clock.now()) < MINUTE
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_the_documented_authentication_tells_the_id_as_text(client: TestClient, token: str) -> None:
    id = Account.by_username("alice").id
    response = client.get("/v1/auth", headers={"token": token})
    assert response.text == f'{{"code":"OK","message":"认证成功，用户已登录","data":"{id}"}}'


@pytest.mark.parametrize("path", ["/v1/logout", "/v1/Logout"])
def test_the_documented_logout_is_answered_as_printed(client: TestClient, token: str, path: str) -> None:
    response = client.get(path, headers={"token": token})
    assert response.text == '{"code":"OK","message":"用户退出成功","data":null}'


def test_the_documented_update_is_answered_as_printed(client: TestClient, token: str) -> None:
    response = client.put("/v1/user", json=DOCUMENTED, headers={"token": token})
    assert response.text == '{"code":"OK","message":"用户更新成功","data":null}'
    log_in(client, "p", "2")


def test_the_documented_list_has_these_fields_and_no_password(client: TestClient, register: Register) -> None:
    accounts = [register(name) for name in ("b", "a")]
    response = client.get("/v1/user/list")
    listed = response.json()["data"]
    assert_says(response, 200, "OK", "查询用户列表成功", listed)
    assert [user["id"] for user in listed] == sorted(account.id for account in accounts)
    for user, account in zip(listed, accounts, strict=True):
        created = datetime.fromtimestamp(account.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert user == {
            "id": account.id,
            "username": account.username,
            "password": "",
            "createtime": created,
            "updatetime": created,
        }


def test_the_documented_user_is_shown_without_a_password(client: TestClient, alice: Account) -> None:
    response = client.get(f"/v1/user/{alice.id}")
    shown = response.json()["data"]
    assert_says(response, 200, "OK", "用户存在", shown)
    assert (shown["id"], shown["username"], shown["password"]) == (alice.id, "alice", "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["createtime"])


# --- log in: the four cases of the header ---------------------------------------------------------


def test_default_means_a_first_login(client: TestClient, alice: Account) -> None:
    assert log_in(client)


@pytest.mark.requirement("ASVS 7.2.4")
@pytest.mark.parametrize("password", ["correct horse", "wrong"])
def test_a_live_token_is_refused_as_a_second_login(client: TestClient, token: str, password: str) -> None:
    body = CREDENTIALS | {"password": password}
    before = everything()
    response = client.post("/v1/login", json=body, headers={"token": token})
    assert_says(response, 200, "token_err", "重复登录")
    assert everything() == before
    assert client.get("/v1/auth", headers={"token": token}).status_code == 200


def test_a_token_that_was_logged_out_is_let_through_to_login(client: TestClient, dead: str) -> None:
    response = client.post("/v1/login", json=CREDENTIALS, headers={"token": dead})
    assert_says(response, 200, "OK", "登录成功", response.json()["data"])


def test_a_token_that_expired_is_let_through_to_login(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = clock.now() + 5 * HOUR
    monkeypatch.setattr(clock, "now", lambda: late)
    response = client.post("/v1/login", json=CREDENTIALS, headers={"token": token})
    assert_says(response, 200, "OK", "登录成功", response.json()["data"])


@pytest.mark.parametrize("headers", [{}, {"token": ""}, {"Authorization": "x"}])
def test_a_login_without_the_header_is_refused(client: TestClient, alice: Account, headers: dict[str, str]) -> None:
    response = client.post("/v1/login", json=CREDENTIALS, headers=headers)
    assert_says(response, 200, "token_err", "无token")
    assert Session.select().count() == 0


@pytest.mark.parametrize("value", ["Default", "null", "undefined", "a.b.c", "786-OLaWfBisMY"])
def test_a_login_with_any_other_header_is_refused(client: TestClient, alice: Account, value: str) -> None:
    response = client.post("/v1/login", json=CREDENTIALS, headers={"token": value})
    assert_says(response, 200, "token_err", "token解析失败")
    assert Session.select().count() == 0


def test_a_wrong_password_and_an_unknown_user_are_refused_alike(client: TestClient, alice: Account) -> None:
    before = everything()
    for wrong in ({"password": "wrong"}, {"username": "nobody"}):
        response = client.post("/v1/login", json=CREDENTIALS | wrong, headers=DEFAULT)
        assert_says(response, 200, "db_crud_err", "用户名或密码错误")
    assert everything() == before


def test_a_disabled_account_cannot_log_in(client: TestClient, alice: Account) -> None:
    alice.disable()
    response = client.post("/v1/login", json=CREDENTIALS, headers=DEFAULT)
    assert_says(response, 200, "db_crud_err", "用户名或密码错误")


# --- sessions ------------------------------------------------------------------------------------


@pytest.mark.requirement("ASVS 7.4.1")
def test_a_logout_is_final_whatever_the_token_says(client: TestClient, dead: str) -> None:
    for path in ("/v1/auth", "/v1/logout", "/v1/Logout"):
        response = client.get(path, headers={"token": dead})
        assert_says(response, 200, "token_err", "token已失效")


def test_of_two_simultaneous_logouts_one_finds_the_session_gone(app: Any, token: str) -> None:
    start = Barrier(2)

    def log_out(_: int) -> str:
        client = TestClient(app)
        start.wait()
        return str(client.get("/v1/logout", headers={"token": token}).json()["code"])

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(log_out, range(2))) == ["OK", "token_err"]


@pytest.mark.requirement("ASVS 7.3.1", "ASVS 7.4.1")
def test_a_session_lives_four_hours_after_its_last_use(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    for hours, code in ((3, "OK"), (6, "OK"), (9, "OK"), (13.1, "token_err")):
        now = start + int(hours * HOUR)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        response = client.get("/v1/auth", headers={"token": token})
        assert response.json()["code"] == code, hours


def test_a_sliding_lifetime_is_written_at_most_once_a_minute(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Session.get().created
    written = []
    for seconds in (1, 30, 59, 60, 61, 119, 120):
        monkeypatch.setattr(clock, "now", lambda now=start + seconds: now)
        assert client.get("/v1/auth", headers={"token": token}).status_code == 200
        written.append(Session.get().expires - start - 4 * HOUR)
    assert written == [0, 0, 0, 60, 60, 60, 120]


def test_no_token_is_kept_in_clear(client: TestClient, token: str, settings: Settings) -> None:
    secret = jwt.decode(token, derive(settings.secret_key, USE), algorithms=["HS256"])["jti"]
    assert secret not in repr(everything())
    assert token not in repr(everything())


def test_a_renamed_account_keeps_its_token(client: TestClient, token: str) -> None:
    body = CREDENTIALS | {"username": "alicia"}
    client.put("/v1/user", json=body, headers={"token": token})
    assert client.get("/v1/auth", headers={"token": token}).status_code == 200


# --- tokens that this server did not write --------------------------------------------------------

HS256 = {"alg": "HS256", "typ": "JWT"}

FORGERIES: list[Any] = [
    pytest.param(lambda c, k: forge(c, {"alg": "none", "typ": "JWT"}), id="alg none"),
    pytest.param(lambda c, k: forge(c, {"alg": "None"}), id="alg None"),
    pytest.param(lambda c, k: forge(c, {"alg": "none"}, k), id="alg none, but signed"),
    pytest.param(lambda c, k: forge(c, {"alg": "RS256"}, k), id="alg RS256"),
    pytest.param(lambda c, k: forge(c, {"alg": "ES256"}, k), id="alg ES256"),
    pytest.param(lambda c, k: forge(c, {"alg": "HS512"}, k), id="alg HS512 in name"),
    pytest.param(
        lambda c, k: jwt.encode(c, k, "HS512"),
        id="alg HS512 in fact",
        marks=pytest.mark.filterwarnings("ignore:The HMAC key is 32 bytes"),
    ),
    pytest.param(lambda c, k: forge(c, {"typ": "JWT"}, k), id="no alg"),
    pytest.param(lambda c, k: forge(c, {"alg": ["HS256"]}, k), id="alg an array"),
    pytest.param(lambda c, k: forge(c, {"alg": {"HS256": 1}}, k), id="alg an object"),
    pytest.param(lambda c, k: forge(c, HS256 | {"crit": ["x"], "x": 1}, k), id="critical header"),
    pytest.param(lambda c, k: forge(c, HS256, b"wrong " + k), id="a wrong key"),
    pytest.param(lambda c, k: forge(c, HS256), id="no signature"),
    pytest.param(lambda c, k: forge(c, HS256, b"HSSignedKey"), id="the old server's key"),
    pytest.param(lambda c, k: forge({**c, "jti": None}, HS256, k), id="no jti"),
    pytest.param(lambda c, k: forge({**c, "jti": 7}, HS256, k), id="a number for jti"),
    pytest.param(lambda c, k: forge({**c, "jti": [c["jti"]]}, HS256, k), id="an array for jti"),
    pytest.param(lambda c, k: forge([c], HS256, k), id="an array of claims"),
    pytest.param(lambda c, k: forge(b"\xff\xfe", HS256, k), id="claims not UTF-8"),
    pytest.param(lambda c, k: forge(b"[" * 3000, HS256, k), id="deep claims"),
    pytest.param(lambda c, k: "W1tb" * 1500 + ".e30.e30", id="a deep header"),
    pytest.param(lambda c, k: forge(c, HS256, k)[:-1], id="a signature cut short"),
    pytest.param(lambda c, k: forge(c, HS256, k) + ".x", id="four parts"),
    pytest.param(lambda c, k: "Bearer " + forge(c, HS256, k), id="a scheme in front"),
    pytest.param(lambda c, k: "..", id="dots"),
    pytest.param(lambda c, k: "\xe9" * 100, id="no ASCII"),
    pytest.param(lambda c, k: "default", id="default anywhere but at login"),
    pytest.param(lambda c, k: c["jti"], id="the bare secret"),
]


@pytest.mark.requirement("ASVS 7.2.1")
@pytest.mark.parametrize("write", FORGERIES)
def test_a_forged_token_cannot_be_read(
    client: TestClient, token: str, settings: Settings, write: Callable[[Any, bytes], str]
) -> None:
    claims = jwt.decode(token, derive(settings.secret_key, USE), algorithms=["HS256"])
    forged = {"token": write(claims, derive(settings.secret_key, USE)).encode("latin-1")}
    before = everything()
    for method, path in (("GET", "/v1/auth"), ("GET", "/v1/logout"), ("GET", "/v1/Logout"), ("PUT", "/v1/user")):
        body = {"json": CREDENTIALS} if method == "PUT" else {}
        response = client.request(method, path, headers=forged, **body)
        assert_says(response, 200, "token_err", "token解析失败")
    assert everything() == before


@pytest.mark.requirement("ASVS 7.2.1", "ASVS 7.2.2")
def test_a_well_signed_token_without_a_session_has_lost_its_force(
    client: TestClient, token: str, settings: Settings
) -> None:
    claims = jwt.decode(token, derive(settings.secret_key, USE), algorithms=["HS256"])
    for jti in ("", "x", claims["jti"] + "x", "\x00", "\U0001f600"):
        forged = forge(claims | {"jti": jti}, HS256, derive(settings.secret_key, USE))
        response = client.get("/v1/auth", headers={"token": forged})
        assert_says(response, 200, "token_err", "token已失效")


def test_a_token_of_another_contract_is_none_of_this_one(
    client: TestClient, alice: Account, settings: Settings
) -> None:
    foreign = client.get("/login", params=CREDENTIALS).json()["token"]
    response = client.get("/v1/auth", headers={"token": foreign})
    assert_says(response, 200, "token_err", "token解析失败")
    wrapped = forge({"jti": foreign}, HS256, derive(settings.secret_key, USE))
    response = client.get("/v1/auth", headers={"token": wrapped})
    assert_says(response, 200, "token_err", "token已失效")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/logout"), ("GET", "/v1/Logout"), ("GET", "/v1/auth"), ("PUT", "/v1/user")],
)
def test_a_missing_token_is_refused(client: TestClient, token: str, method: str, path: str) -> None:
    body = {"json": CREDENTIALS} if method == "PUT" else {}
    before = everything()
    for headers in ({}, {"token": ""}):
        response = client.request(method, path, headers=headers, **body)
        assert_says(response, 200, "token_err", "无token")
    in_the_query = client.request(method, path, params={"token": token}, **body)
    assert_says(in_the_query, 200, "token_err", "无token")
    assert everything() == before


# --- register ------------------------------------------------------------------------------------


@pytest.mark.parametrize("username", ["alice", "ALICE", "ａlice", "other", "Register"])
def test_a_taken_name_is_refused(client: TestClient, alice: Account, username: str) -> None:
    before = everything()
    response = client.post("/v1/user", json=CREDENTIALS | {"username": username})
    assert_says(response, 200, "new_user_err", "用户已存在")
    assert everything() == before


def test_two_simultaneous_registrations_of_one_name_give_one_account(app: Any) -> None:
    start = Barrier(2)

    def ask(username: str) -> str:
        client = TestClient(app)
        start.wait()
        body = CREDENTIALS | {"username": username}
        code: str = client.post("/v1/user", json=body).json()["code"]
        return code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(ask, ["alice", "Alice"])) == ["OK", "new_user_err"]
    assert Account.select().count() == 1


# --- update --------------------------------------------------------------------------------------


def test_an_update_concerns_the_caller_alone(client: TestClient, token: str, register: Register) -> None:
    register("bob", "a long bow")
    before = everything()
    body = {"username": "bob", "password": "stolen"}
    response = client.put("/v1/user", json=body, headers={"token": token})
    assert_says(response, 200, "new_user_err", "用户已存在")
    assert everything() == before
    log_in(client, "bob", "a long bow")
    log_in(client, "alice", "correct horse")


def test_an_update_with_the_own_name_sets_the_password(client: TestClient, token: str) -> None:
    body = CREDENTIALS | {"password": "battery staple"}
    response = client.put("/v1/user", json=body, headers={"token": token})
    assert_says(response, 200, "OK", "用户更新成功")
    log_in(client, "alice", "battery staple")
    old = client.post("/v1/login", json=CREDENTIALS, headers=DEFAULT)
    assert_says(old, 200, "db_crud_err", "用户名或密码错误")


def test_a_new_password_ends_the_other_sessions_in_every_contract(client: TestClient, token: str) -> None:
    other = log_in(client)
    elsewhere = client.get("/login", params=CREDENTIALS).json()["token"]
    body = CREDENTIALS | {"password": "battery staple"}
    assert client.put("/v1/user", json=body, headers={"token": token}).status_code == 200
    assert client.get("/v1/auth", headers={"token": token}).status_code == 200
    gone = client.get("/v1/auth", headers={"token": other})
    assert_says(gone, 200, "token_err", "token已失效")
    assert client.get("/user/alice", params={"token": elsewhere}).status_code == 401


# --- list and find -------------------------------------------------------------------------------


def test_a_list_is_read_page_by_page(client: TestClient, register: Register) -> None:
    ids = [register(f"user{n}").id for n in range(5)]

    def page(**query: int) -> list[int]:
        data = client.get("/v1/user/list", params=query).json()["data"]
        return [user["id"] for user in data]

    assert page(size=2) == ids[:2]
    assert page(size=2, page=1) == ids[2:4]
    assert page(size=2, page=2) == ids[4:]
    assert page(size=2, page=3) == []
    assert page(page=2_147_483_647, size=1000) == []
    assert page() == ids


def test_a_list_shows_at_most_a_thousand(client: TestClient, alice: Account) -> None:
    row = Account.select().dicts().get()
    del row["id"], row["email_key"], row["mobile_key"]
    with database.atomic():
        for n in range(2, 1_006):
            Account.insert(row | {"id": n, "username": f"user{n}", "username_key": f"user{n}"}).execute()
            AccountBlockChange.add(n, 1)
    assert len(client.get("/v1/user/list").json()["data"]) == 1_000
    assert len(client.get("/v1/user/list?page=1").json()["data"]) == 5


@pytest.mark.parametrize("uid", [10**6, 2**63 - 1])
def test_an_unknown_user_does_not_exist(client: TestClient, uid: int) -> None:
    assert_says(client.get(f"/v1/user/{uid}"), 200, "db_crud_err", "用户不存在")


@pytest.mark.parametrize("uid", ["0", "-1", "1.5", "x", "1e3", "%00", "٣", 2**63, "9" * 99])
def test_an_id_that_is_no_number_does_not_exist(client: TestClient, uid: Any) -> None:
    assert_says(client.get(f"/v1/user/{uid}"), 200, "db_crud_err", "用户不存在")


def test_a_path_that_is_not_utf8_is_malformed(client: TestClient) -> None:
    assert_says(client.get("/v1/user/%ff"), 400, "request_param_err", "uid编码不正确")


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=x",
        "page=2147483648",
        "size=0",
        "size=1001",
        "size=1e2",
        "size=99999999999999999999",
        "page=0&page=1",
        "page=%ff",
    ],
)
def test_a_malformed_page_is_refused(client: TestClient, query: str) -> None:
    assert_says(client.get(f"/v1/user/list?{query}"), 400, "request_param_err")


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guard_list_and_find_need_a_live_token(client: TestClient, token: str) -> None:
    id = Account.by_username("alice").id
    for path in ("/v1/user/list", f"/v1/user/{id}"):
        assert_says(client.get(path), 200, "token_err", "无token")
        assert_says(client.get(path, headers={"token": "garbage"}), 200, "token_err", "token解析失败")
        assert client.get(path, headers={"token": token}).json()["code"] == "OK"
    client.get("/v1/logout", headers={"token": token})
    for path in ("/v1/user/list", f"/v1/user/{id}"):
        assert_says(client.get(path, headers={"token": token}), 200, "token_err", "token已失效")


# --- bad input -----------------------------------------------------------------------------------

BAD_BODIES = [
    pytest.param(b"", id="no body"),
    pytest.param(b"{", id="broken JSON"),
    pytest.param(b'{"username": "\xff\xfe", "password": "x"}', id="not UTF-8"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b'"text"', id="a string"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[" * 20_000 + b"]" * 20_000, id="20,000 brackets"),
    pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="20,000 braces"),
    pytest.param(b"{}", id="an empty object"),
    pytest.param(b'{"password": "x"}', id="no username"),
]

BAD_VALUES = [
    pytest.param({"username": None}, id="null"),
    pytest.param({"username": 10**30}, id="an integer beyond 64 bits"),
    pytest.param({"username": ""}, id="an empty name"),
    pytest.param({"username": "x" * 65}, id="an over-long name"),
    pytest.param({"username": "x\ny"}, id="a line end"),
    pytest.param({"username": " \n"}, id="nothing but white space"),
    pytest.param({"username": "x\x00y"}, id="NUL"),
    pytest.param({"username": "x\x7fy"}, id="a control character"),
    pytest.param({"username": {"x": 1}}, id="an object"),
    pytest.param({"username": "x\ud800y"}, id="a lone surrogate"),
    pytest.param({"password": 2.5}, id="a fraction"),
    pytest.param({"password": "x" * 257}, id="an over-long password"),
    pytest.param({"password": [2]}, id="a list"),
]

WITH_BODY = [("POST", "/v1/login"), ("POST", "/v1/user"), ("PUT", "/v1/user")]


def header_for(path: str, token: str) -> dict[str, str]:
    return JSON | (DEFAULT if path == "/v1/login" else {"token": token})


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_malformed_body_is_refused(client: TestClient, token: str, method: str, path: str, body: bytes) -> None:
    before = everything()
    response = client.request(method, path, content=body, headers=header_for(path, token))
    assert_says(response, 400, "request_param_err")
    assert everything() == before


@pytest.mark.parametrize("path", ["/v1/login", "/v1/user"])
@pytest.mark.parametrize("blank", [{}, {"password": ""}, {"password": None}])
def test_a_password_that_is_needed_is_not_blank(client: TestClient, path: str, blank: dict[str, Any]) -> None:
    answer = client.post(path, json={"username": "x"} | blank, headers=header_for(path, ""))
    assert_says(answer, 400, "request_param_err", "缺少password")


@pytest.mark.parametrize("blank", [{}, {"password": ""}, {"password": None}])
def test_an_update_without_a_password_renames_only(client: TestClient, token: str, blank: dict[str, Any]) -> None:
    answer = client.put("/v1/user", json={"username": "alicia"} | blank, headers={"token": token})
    assert_says(answer, 200, "OK", "用户更新成功")
    assert Account.authenticate("alicia", CREDENTIALS["password"])


@pytest.mark.parametrize("bad", BAD_VALUES)
@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_bad_value_is_refused(client: TestClient, token: str, method: str, path: str, bad: dict[str, Any]) -> None:
    before = everything()
    body = json.dumps(CREDENTIALS | bad)
    response = client.request(method, path, content=body, headers=header_for(path, token))
    assert_says(response, 400, "request_param_err")
    assert everything() == before


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_another_media_type_is_refused(client: TestClient, token: str, method: str, path: str) -> None:
    before = everything()
    for media_type in ("application/x-www-form-urlencoded", "text/plain"):
        headers = header_for(path, token) | {"content-type": media_type}
        response = client.request(method, path, content="username=x&password=y", headers=headers)
        assert_says(response, 415, "request_param_err")
    assert everything() == before


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_body_beyond_the_limit_is_refused(client: TestClient, token: str, method: str, path: str) -> None:
    before = everything()
    body = json.dumps(CREDENTIALS | {"password": "x" * 5_000_000})
    response = client.request(method, path, content=body, headers=header_for(path, token))
    assert_says(response, 413, "request_param_err")
    assert everything() == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/login", {"POST"}),
        ("POST", "/v1/logout", {"GET", "HEAD"}),
        ("GET", "/v1/user", {"POST", "PUT"}),
        ("DELETE", "/v1/user/list", {"GET", "HEAD"}),
        ("PUT", "/v1/user/1", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: TestClient, method: str, path: str, allowed: set[str]) -> None:
    response = client.request(method, path)
    assert_says(response, 405, "request_param_err")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/Login", "/v1/user//", "/v1/user/1/friends"])
def test_an_unknown_path_is_not_found(client: TestClient, path: str) -> None:
    assert_says(client.get(path), 404, "request_param_err")


# --- when the server fails -----------------------------------------------------------------------


def test_a_bug_tells_nothing_and_changes_nothing(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise RuntimeError("hunter2")

    before = everything()
    monkeypatch.setattr(Account, "change", break_down)
    body = {"username": "alicia", "password": "battery staple"}
    response = client.put("/v1/user", json=body, headers={"token": token})
    assert_says(response, 500, "server_err")
    assert "hunter2" not in response.text
    assert everything() == before


def test_a_store_that_is_away_is_told_with_a_time_to_come_again(
    client: TestClient, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(*_: Any, **__: Any) -> None:
        raise peewee.OperationalError("disk I/O error")

    monkeypatch.setattr(Account, "authenticate", be_away)
    response = client.post("/v1/login", json=CREDENTIALS, headers=DEFAULT)
    assert_says(response, 503, "server_err")
    assert int(response.headers["retry-after"]) >= 1


def test_the_first_key_signs_and_all_verify(
    client: TestClient, token: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = b"a new key that is just as long as the old one", settings.secret_key
    monkeypatch.setattr("models.settings.current", replace(settings, secret_key=new + b"," + old))
    assert client.get("/v1/auth", headers={"token": token}).status_code == 200
    jwt.decode(log_in(client), derive(new, USE), algorithms=["HS256"])
    monkeypatch.setattr("models.settings.current", replace(settings, secret_key=new))
    response = client.get("/v1/auth", headers={"token": token})
    assert_says(response, 200, "token_err", "token解析失败")
