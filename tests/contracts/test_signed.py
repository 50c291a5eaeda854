"""The signed contract: what its document prints, every refusal, and who may sign."""

import asyncio
import base64
import hashlib
import hmac
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from threading import current_thread
from typing import Any

import argon2
import httpx2
import pytest
from starlette.testclient import TestClient

from handlers import signed
from models import clock
from models import settings as directory_settings
from models.access_key import AccessKey
from models.account import Account
from models.db.database import database, transaction
from models.errors import BadKey, KeyLost, KeyNotFound, KeyTaken, WrongCredentials
from models.session import Session
from server.settings import Settings
from server.specs import load_contracts

ACCESSID, ACCESSKEY = "openapiuser", "rollbook-example-key"
PATH = "/openapi/user"
NOW = 1572457000
TOKEN = "mnd4fb5gvcpg92rp"
DOCUMENT = next(c.document for c in load_contracts() if c.stem == "signed")
OPERATION = DOCUMENT["paths"]["/user"]["get"]
SCHEMAS = DOCUMENT["components"]["schemas"]
REQUIRED = OPERATION["x-action"]["requires"]
EXAMPLES = {
    parameter["name"]: {name: e["value"] for name, e in parameter.get("examples", {}).items()}
    or {"": parameter["example"]}
    for parameter in OPERATION["parameters"]
}
"""Parameter -> its examples by their names."""
REQUESTS = {
    action: {
        name: EXAMPLES[name].get(action, next(iter(EXAMPLES[name].values()))) for name in ["action", *needed, *more]
    }
    for (action, needed), more in zip(REQUIRED.items(), [[], [], ["userid", "password"], [], []], strict=True)
}
"""The requests that the document prints."""
ANSWERS = {
    name: e["value"] for name, e in OPERATION["responses"]["200"]["content"]["application/json"]["examples"].items()
}
HEADERS_OF_THE_DOCUMENT = {
    "Connection": "Keep-Alive",
    "Accept": "*/*",
    "Content-Type": "application/json;charsets: utf-8",
    "Content-Length": "0",
}
Ask = Callable[..., httpx2.Response]


def sign(message: str, accesskey: str = ACCESSKEY) -> str:
    """Sign as a client does."""
    digest = hmac.new(accesskey.encode(), message.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signature(action: str, expires: Any, accesskey: str = ACCESSKEY) -> dict[str, Any]:
    """Return the three parameters that sign a request in its URL."""
    message = f"GET\n\n\n{expires}\n{PATH}{action}"
    return {"accessid": ACCESSID, "expires": expires, "signature": sign(message, accesskey)}


@pytest.fixture(autouse=True)
def key(settings: Settings) -> AccessKey:
    with transaction():
        return AccessKey.create(ACCESSID, ACCESSKEY)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time at which the document was written."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token that the document prints is the one that is given next."""
    monkeypatch.setattr(signed, "lowercase", lambda length: TOKEN)


@pytest.fixture
def datasvr(settings: Settings) -> None:
    """The data server that the document names."""
    directory_settings.apply(replace(settings, datasvr="datasvr.cn"))


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Sends a well-signed request: `ask("login", userid="alice", password="correct horse")`."""

    def send(action: str, **parameters: Any) -> httpx2.Response:
        query = {"action": action, **parameters, **signature(action, NOW + 60)}
        return client.get(PATH, params=query)

    return send


@pytest.fixture
def alice(register: Callable[..., Account]) -> Account:
    return register("alice", "correct horse")


def log_in(ask: Ask, userid: str = "alice", password: str = "correct horse") -> str:
    """Return a token."""
    token: str = ask("login", userid=userid, password=password).json()["token"]
    return token


def refused(answer: httpx2.Response, errstr: str) -> bool:
    """Tell whether the signature was refused for this reason."""
    body = {"errno": 403, "errstr": f"签名验证失败：{errstr}"}
    return answer.status_code == 403 and answer.json() == body


# --- the document ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("GET\n\n\n1572457028\n/openapi/userregister", "l9cUJOukhtgASkLQ7VPf1lbh+0E="),
        ("GET\n\n\n4102444800\n/openapi/userlogin", "a02IKqehuTO+JLyiGStNE5rOwkY="),
    ],
)
def test_the_published_signatures_come_out(key: AccessKey, message: str, expected: str) -> None:
    assert key.has_signed(message, expected)
    assert sign(message) == expected


@pytest.mark.usefixtures("token")
def test_the_documented_register_is_answered_to_the_byte(client: TestClient) -> None:
    answer = client.get(
        "/openapi/user?action=register&userid=testuser&password=123456&accessid=openapiuser"
        "&expires=1572457028&signature=l9cUJOukhtgASkLQ7VPf1lbh%2B0E%3D",
        headers=HEADERS_OF_THE_DOCUMENT,
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "48"
    assert answer.content == b'{"userid":"testuser","token":"mnd4fb5gvcpg92rp"}'


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("action", "expires", "length"),
    [
        ("register", 1572457028, 48),
        ("login", 1572457091, 71),
        ("update", 1572457139, 21),
        ("logout", 1572457174, 21),
        ("unregister", 1572457198, 21),
    ],
)
@pytest.mark.usefixtures("datasvr")
def test_each_documented_request_gets_its_documented_answer(
    client: TestClient, register: Callable[..., Account], action: str, expires: int, length: int
) -> None:
    request = REQUESTS[action]
    if action != "register":
        account = register("testuser", "123456")
        if "token" in request:
            Session.open(account, "signed", request["token"])
    answer = client.get(PATH, params=request | signature(action, expires), headers=HEADERS_OF_THE_DOCUMENT)
    assert answer.status_code == 200
    assert answer.json() == ANSWERS[action]
    assert list(answer.json()) == list(ANSWERS[action])
    assert answer.headers["content-length"] == str(length) == str(len(answer.content))


def test_a_token_is_sixteen_digits_and_small_letters(ask: Ask) -> None:
    answer = ask("register", userid="bob", password="123456").json()
    assert len(answer["token"]) == 16
    assert set(answer["token"]) <= set("0123456789abcdefghijklmnopqrstuvwxyz")
    assert answer["token"] != log_in(ask, "bob", "123456")


def test_the_one_life_of_an_account(ask: Ask) -> None:
    first = ask("register", userid="bob", password="123456").json()["token"]
    second = log_in(ask, "bob", "123456")
    assert ask("update", token=first, alias="Bobby").json() == {"userid": "bob"}
    assert ask("login", userid="bob", password="123456").json()["alias"] == "Bobby"
    assert ask("logout", userid="bob", token=first).json() == {"userid": "bob"}
    assert ask("logout", userid="bob", token=first).json()["errno"] == 1003
    assert ask("unregister", userid="bob", token=second).json() == {"userid": "bob"}
    assert ask("login", userid="bob", password="123456").json()["errno"] == 1002
    assert "token" in ask("register", userid="bob", password="654321").json()


# --- the signature in the URL ------------------------------------------------------------------

LOGIN = {"action": "login", "userid": "alice", "password": "correct horse"}
INCOMPLETE = signed.INCOMPLETE
EXPIRED, TOO_FAR = "签名已过期", "expires超出允许范围"
UNKNOWN, WRONG = "accessid不存在", "signature不正确"


@pytest.mark.parametrize("missing", ["accessid", "expires", "signature"])
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.usefixtures("alice")
def test_an_incomplete_signature_is_refused(client: TestClient, missing: str, empty: bool) -> None:
    credentials = signature("login", NOW + 60)
    if empty:
        credentials[missing] = ""
    else:
        del credentials[missing]
    assert refused(client.get(PATH, params=LOGIN | credentials), INCOMPLETE)


def test_a_request_without_signature_is_refused(client: TestClient) -> None:
    assert refused(client.get(PATH, params=LOGIN), INCOMPLETE)


@pytest.mark.parametrize(
    "expires", ["soon", "-1", "1e10", "1572457028.0", " 1572457028", "１５７２４５７０２８", "9" * 5000]
)
def test_an_expiry_that_is_no_number_of_seconds_is_refused(client: TestClient, expires: str) -> None:
    assert refused(client.get(PATH, params=LOGIN | signature("login", expires)), INCOMPLETE)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-1, EXPIRED), (0, None), (64800, None), (64801, TOO_FAR), (10**18, TOO_FAR)],
)
def test_a_signature_holds_until_it_expires_and_for_64800_seconds_at_most(
    client: TestClient, seconds: int, reason: str | None
) -> None:
    answer = client.get(PATH, params=LOGIN | signature("login", NOW + seconds))
    assert answer.status_code == 200 if reason is None else refused(answer, reason)


def test_the_published_signature_for_2100_is_too_far_ahead(client: TestClient) -> None:
    answer = client.get(
        f"{PATH}?action=login&userid=alice&password=x&accessid=openapiuser"
        "&expires=4102444800&signature=a02IKqehuTO%2BJLyiGStNE5rOwkY%3D"
    )
    assert refused(answer, TOO_FAR)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"accessid": "", "expires": 1, "signature": "wrong"}, INCOMPLETE),
        ({"accessid": "nobody", "expires": 1, "signature": "wrong"}, EXPIRED),
        ({"accessid": "nobody", "expires": NOW + 64801, "signature": "wrong"}, TOO_FAR),
        ({"accessid": "nobody", "signature": "wrong"}, UNKNOWN),
        ({"signature": "wrong"}, WRONG),
    ],
)
def test_the_first_thing_wrong_with_a_signature_is_told(
    client: TestClient, changed: dict[str, Any], reason: str
) -> None:
    credentials = signature("login", NOW + 60) | changed
    assert refused(client.get(PATH, params=LOGIN | credentials), reason)


@pytest.mark.parametrize("accessid", ["no body", "nobody\x00", "a" * 65, "用户", "' or 1=1 --", "%"])
def test_an_accessid_that_cannot_be_is_unknown(client: TestClient, accessid: str) -> None:
    credentials = signature("login", NOW + 60) | {"accessid": accessid}
    assert refused(client.get(PATH, params=LOGIN | credentials), UNKNOWN)


@pytest.mark.parametrize(
    "forged",
    [
        signature("logout", NOW + 60),
        signature("login", NOW + 60, "another key") | {"expires": NOW + 60},
        signature("login", NOW + 59) | {"expires": NOW + 60},
        signature("login", NOW + 60) | {"signature": "é"},
        signature("login", NOW + 60) | {"signature": sign("GET\n\n\n\n/openapi/userlogin")},
    ],
    ids=["another action", "another key", "another expiry", "not ASCII", "no expiry"],
)
@pytest.mark.usefixtures("alice")
def test_a_signature_of_something_else_is_refused(client: TestClient, forged: dict[str, Any]) -> None:
    assert refused(client.get(PATH, params=LOGIN | forged), WRONG)


def test_a_refused_signature_changes_nothing(client: TestClient) -> None:
    query = {"action": "register", "userid": "mallory", "password": "123456"}
    assert client.get(PATH, params=query | signature("login", NOW + 60)).status_code == 403
    assert Account.select().count() == 0


def test_a_revoked_key_signs_no_more(client: TestClient, key: AccessKey) -> None:
    with transaction():
        key.revoke()
    assert refused(client.get(PATH, params=LOGIN | signature("login", NOW + 60)), UNKNOWN)


def test_a_signature_is_looked_at_before_the_parameters(client: TestClient) -> None:
    assert client.get(PATH, params={"action": "fly"}).status_code == 403


# --- the signature in headers ------------------------------------------------------------------


def in_headers(action: str, seconds: int = 0, **headers: str) -> dict[str, str]:
    """Return the headers that sign a request. seconds: how far off its date is."""
    date = formatdate(NOW + seconds, usegmt=True)
    parts = (headers.get("Content-MD5", ""), headers.get("Content-Type", ""), date)
    message = "\n".join(("GET", *parts, f"{PATH}{action}"))
    return {"Authorization": f"{ACCESSID}:{sign(message)}", "Date": date, **headers}


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json;charsets: utf-8"},
        {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==", "Content-Type": "text/plain"},
    ],
)
def test_a_signature_in_headers_is_as_good(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.get(PATH, params=LOGIN, headers=in_headers("login", **headers))
    assert answer.status_code == 200
    assert answer.json()["userid"] == "alice"


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-901, EXPIRED), (-900, None), (900, None), (901, "Date超出允许范围")],
)
def test_a_date_may_be_fifteen_minutes_off(client: TestClient, seconds: int, reason: str | None) -> None:
    answer = client.get(PATH, params=LOGIN, headers=in_headers("login", seconds))
    assert answer.status_code == 200 if reason is None else refused(answer, reason)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Authorization": ""}, "缺少Authorization（accessid:signature）或Date"),
        ({"Authorization": "Bearer abc"}, "缺少Authorization（accessid:signature）或Date"),
        ({"Authorization": f"{ACCESSID}:"}, "缺少Authorization（accessid:signature）或Date"),
        ({"Date": ""}, "缺少Authorization（accessid:signature）或Date"),
        ({"Date": "yesterday"}, "缺少Authorization（accessid:signature）或Date"),
        ({"Date": "Mon, 99 Foo 0000 99:99:99 GMT"}, "缺少Authorization（accessid:signature）或Date"),
        ({"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, EXPIRED),
        ({"Authorization": f"nobody:{sign('')}"}, UNKNOWN),
        ({"Authorization": f"{ACCESSID}:{sign('')}"}, WRONG),
        ({"Content-Type": "text/plain"}, WRONG),
        ({"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, WRONG),
        ({"Date": formatdate(NOW + 1, usegmt=True)}, WRONG),
    ],
)
def test_the_first_thing_wrong_with_signed_headers_is_told(
    client: TestClient, changed: dict[str, str], reason: str
) -> None:
    answer = client.get(PATH, params=LOGIN, headers=in_headers("login") | changed)
    assert refused(answer, reason)


def test_a_signature_in_headers_is_bound_to_its_action(client: TestClient) -> None:
    assert refused(client.get(PATH, params=LOGIN, headers=in_headers("logout")), WRONG)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("in_url", "reason"),
    [
        ({"accessid": ACCESSID}, INCOMPLETE),
        ({"signature": ""}, INCOMPLETE),
        (signature("login", NOW - 60), EXPIRED),
        (signature("logout", NOW + 60), WRONG),
    ],
)
def test_the_url_counts_where_both_are_signed(client: TestClient, in_url: dict[str, Any], reason: str) -> None:
    answer = client.get(PATH, params=LOGIN | in_url, headers=in_headers("login"))
    assert refused(answer, reason)


@pytest.mark.usefixtures("alice")
def test_a_wrong_header_does_not_spoil_a_signed_url(client: TestClient) -> None:
    headers = {"Authorization": "Bearer abc", "Date": "yesterday"}
    answer = client.get(PATH, params=LOGIN | signature("login", NOW + 60), headers=headers)
    assert answer.status_code == 200


# --- the parameters ----------------------------------------------------------------------------


def test_the_first_value_of_a_repeated_parameter_counts(client: TestClient) -> None:
    query = [
        ("action", "register"),
        ("action", "unregister"),
        ("userid", "first"),
        ("userid", "second"),
        ("password", "123456"),
        *signature("register", NOW + 60).items(),
        ("accessid", "nobody"),
        ("expires", "1"),
        ("signature", "wrong"),
    ]
    answer = client.get(PATH, params=query)
    assert answer.status_code == 200
    assert answer.json()["userid"] == "first"
    answer = client.get(PATH, params=[("signature", "wrong"), *query])
    assert refused(answer, WRONG)


def test_unnamed_parameters_are_ignored(ask: Ask) -> None:
    assert "token" in ask("register", userid="bob", password="123456", color="red", token="!").json()


@pytest.mark.parametrize("action", ["", "fly", "LOGIN", "login ", "register\n", "__class__"])
def test_an_unknown_action_is_malformed(ask: Ask, action: str) -> None:
    answer = ask(action, userid="bob", password="123456")
    assert answer.status_code == 400
    assert answer.json()["errno"] == 400


def test_no_action_is_malformed(client: TestClient) -> None:
    answer = client.get(PATH, params={"userid": "bob"} | signature("", NOW + 60))
    assert (answer.status_code, answer.json()["errno"]) == (400, 400)
    answer = client.get(PATH, params=signature("", NOW + 60))
    assert (answer.status_code, answer.json()["errno"]) == (400, 400)


@pytest.mark.parametrize(
    ("action", "missing"), [(action, name) for action, names in REQUIRED.items() for name in names]
)
def test_a_missing_parameter_is_named(ask: Ask, action: str, missing: str) -> None:
    request = {name: value for name, value in REQUESTS[action].items() if name != missing}
    answer = ask(**request)
    assert answer.status_code == 400
    assert answer.json()["errno"] == 400
    assert missing in answer.json()["errstr"]


def test_the_required_parameters_are_the_documented_ones() -> None:
    assert REQUIRED == {
        "register": ["userid", "password"],
        "login": ["userid", "password"],
        "update": ["token"],
        "logout": ["userid", "token"],
        "unregister": ["userid", "token"],
    }


def test_each_action_takes_the_parameters_that_its_function_has() -> None:
    allowed = OPERATION["x-action"]["allows"]
    for action, function in signed.ACTIONS.items():
        parameters = inspect.signature(function).parameters
        names = [*signed.PROFILE] if "profile" in parameters else []
        names += [name for name in parameters if name != "profile"]
        assert set(names) == {*REQUIRED[action], *allowed.get(action, [])}


@pytest.mark.parametrize(
    "wrong",
    [
        {"userid": ""},
        {"userid": " "},
        {"userid": "b\x00b"},
        {"userid": "b\nb"},
        {"userid": "b" * 65},
        {"password": ""},
        {"password": "s3cret" * 50},
        {"domain": "d" * 256},
        {"alias": "a" * 65},
        {"alias": "\x07"},
        {"property": "p" * 1025},
    ],
)
def test_a_value_beyond_its_limits_is_malformed_and_not_repeated(ask: Ask, wrong: dict[str, str]) -> None:
    answer = ask(**{"action": "register", "userid": "bob", "password": "123456"} | wrong)
    assert answer.status_code == 400
    assert answer.json()["errno"] == 400
    assert next(iter(wrong)) in answer.json()["errstr"]
    assert "s3cret" not in answer.text
    assert Account.select().count() == 0


@pytest.mark.parametrize("token", ["short", "MND4FB5GVCPG92RP", "mnd4fb5gvcpg92r\n", "é" * 16, "a" * 256])
@pytest.mark.parametrize("action", ["update", "logout", "unregister"])
def test_a_token_of_another_shape_is_a_dead_one(ask: Ask, action: str, token: str) -> None:
    answer = ask(action, userid="alice", token=token)
    assert (answer.status_code, answer.json()) == (200, {"errno": 1003, "errstr": "token无效或已过期"})


def test_a_token_longer_than_any_is_malformed(ask: Ask) -> None:
    assert ask("logout", userid="alice", token="a" * 257).status_code == 400


def test_an_empty_password_at_update_sets_none(ask: Ask, alice: Account) -> None:
    token = log_in(ask)
    assert ask("update", token=token, password="", alias="Al").json() == {"userid": "alice"}
    assert ask("login", userid="alice", password="correct horse").json()["alias"] == "Al"


@pytest.mark.parametrize("action", ["register", "login"])
def test_what_an_action_does_not_know_is_left_alone(ask: Ask, action: str) -> None:
    ask("register", userid="bob", password="123456") if action == "login" else None
    answer = ask(action, userid="bob", password="123456", token="ab", **({"alias": "Al"} if action == "login" else {}))
    assert answer.json()["userid"] == "bob"
    assert "alias" not in answer.json()


def test_a_query_that_is_not_utf8_is_malformed(client: TestClient) -> None:
    query = f"action=register&userid=%ff&password=x&expires={NOW + 60}&accessid={ACCESSID}"
    credential = signature("register", NOW + 60)["signature"].replace("+", "%2B").replace("=", "%3D")
    answer = client.get(f"{PATH}?{query}&signature={credential}")
    assert (answer.status_code, answer.json()["errno"]) == (400, 400)


def test_another_method_is_not_allowed(client: TestClient) -> None:
    answer = client.post(PATH, params=LOGIN | signature("login", NOW + 60))
    assert (answer.status_code, answer.json()["errno"]) == (405, 405)
    assert answer.headers["allow"] == "GET, HEAD"


def test_another_path_under_openapi_is_told_in_this_contracts_words(client: TestClient) -> None:
    answer = client.get("/openapi/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"errno": 404, "errstr": "路径不存在"}


def test_head_is_told_without_a_body(app: Any) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "scheme": "http", "method": "HEAD", "path": PATH, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    assert [message.get("status") for message in sent] == [403, None]
    assert [message.get("body") for message in sent] == [None, b""]


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_no_meaning_but_a_limit(client: TestClient, chunked: bool) -> None:
    def ask_with(size: int) -> Any:
        part = b"{" * size
        content = iter([part]) if chunked else part
        return client.request("GET", PATH, params=LOGIN | signature("login", NOW + 60), content=content)

    assert ask_with(1_048_576).json()["userid"] == "alice"
    answer = ask_with(1_048_577)
    assert answer.status_code == 413
    assert answer.json() == {"errno": 413, "errstr": "请求体过大"}


def test_the_longest_values_fit_into_one_url(serve: Callable[..., Any]) -> None:
    longest = {"userid": 64, "password": 256, "domain": 255, "alias": 64, "property": 1024}
    query = {name: "\U00020000" * length for name, length in longest.items()}
    url = f"{serve().url}{PATH}"
    answer = httpx2.get(url, params={"action": "register"} | query | signature("register", NOW))
    assert answer.json() == {"errno": 403, "errstr": f"签名验证失败：{EXPIRED}"}


# --- the actions -------------------------------------------------------------------------------


def test_a_taken_userid_is_refused(ask: Ask, alice: Account) -> None:
    for taken in ("alice", "ALICE", "ａｌｉｃｅ", "register"):
        answer = ask("register", userid=taken, password="123456")
        assert answer.status_code == 200
        assert answer.json() == {"errno": 1001, "errstr": "用户已存在"}
    assert Account.select().count() == 1
    assert alice.has_password("correct horse")


def test_a_wrong_password_and_an_unknown_userid_are_refused_alike(ask: Ask, alice: Account) -> None:
    answers = [
        ask("login", userid="alice", password="wrong"),
        ask("login", userid="nobody", password="correct horse"),
    ]
    with transaction():
        alice.disable()
    answers.append(ask("login", userid="alice", password="correct horse"))
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {"errno": 1002, "errstr": "用户名或密码错误"}
    assert Session.select().count() == 0


def test_an_account_of_another_contract_logs_in(ask: Ask, register: Callable[..., Account]) -> None:
    register("carol", "correct horse", email="carol@example.com", display_name="Carol")
    answer = ask("login", userid="carol", password="correct horse").json()
    assert list(answer) == ["userid", "token", "alias"]
    assert ask("login", userid="carol@example.com", password="correct horse").json()["errno"] == 1002


def test_login_tells_only_what_is_set(ask: Ask, settings: Settings) -> None:
    ask("register", userid="bob", password="123456", domain="example.com", alias="", property="")
    answer = ask("login", userid="bob", password="123456").json()
    assert list(answer) == ["userid", "token", "domain"]
    bob = Account.by_username("bob")
    assert (bob.display_name, bob.property) == (None, None)
    token = answer["token"]
    ask("update", token=token, domain="", alias="鲍勃", property='{"level": 3}')
    directory_settings.apply(replace(settings, datasvr="datasvr.cn"))
    answer = ask("login", userid="bob", password="123456").json()
    assert list(answer) == ["userid", "token", "alias", "property", "datasvr"]
    assert (answer["alias"], answer["property"]) == ("鲍勃", '{"level": 3}')


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("userid", [{}, {"userid": ""}, {"userid": "alice"}, {"userid": "ALICE"}])
def test_update_concerns_the_owner_of_the_token(ask: Ask, userid: dict[str, str]) -> None:
    answer = ask("update", token=log_in(ask), alias="Al", **userid)
    assert answer.json() == {"userid": "alice"}
    assert Account.by_username("alice").display_name == "Al"


def test_update_leaves_alone_what_is_left_out(ask: Ask) -> None:
    profile = {"domain": "example.com", "alias": "Bobby", "property": "x"}
    token = ask("register", userid="bob", password="123456", **profile).json()["token"]
    assert ask("update", token=token).json() == {"userid": "bob"}
    assert ask("update", token=token, alias="Rob").json() == {"userid": "bob"}
    answer = ask("login", userid="bob", password="123456").json()
    assert answer == profile | {"userid": "bob", "token": answer["token"], "alias": "Rob"}


@pytest.mark.usefixtures("alice")
def test_a_new_password_ends_all_other_sessions(ask: Ask, client: TestClient) -> None:
    first, other = log_in(ask), log_in(ask)
    sso = client.post(
        "/v1/login",
        json={"username": "alice", "password": "correct horse"},
        headers={"token": "default"},
    ).json()["data"]
    assert client.get("/v1/auth", headers={"token": sso}).status_code == 200
    assert ask("update", token=first, password="battery staple").json() == {"userid": "alice"}
    assert ask("update", token=first).json() == {"userid": "alice"}
    assert ask("update", token=other).json()["errno"] == 1003
    assert client.get("/v1/auth", headers={"token": sso}).json()["code"] == "token_err"
    assert ask("login", userid="alice", password="correct horse").json()["errno"] == 1002
    assert log_in(ask, password="battery staple")


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("action", ["update", "logout", "unregister"])
def test_the_userid_of_somebody_else_is_refused(ask: Ask, register: Callable[..., Account], action: str) -> None:
    register("bob", "battery staple")
    token = log_in(ask)
    for userid in ("bob", "nobody"):
        answer = ask(action, userid=userid, token=token)
        assert answer.status_code == 403
        assert answer.json() == {"errno": 1004, "errstr": "userid与token不符"}
    assert ask("update", token=token).json() == {"userid": "alice"}
    assert Account.select().count() == 2


@pytest.mark.parametrize("action", ["update", "logout", "unregister"])
def test_a_token_of_no_live_session_is_refused(
    ask: Ask, alice: Account, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    Session.open(alice, "annotation", TOKEN)
    ended, expired = log_in(ask), log_in(ask)
    ask("logout", userid="alice", token=ended)
    Session.update(expires=NOW).where(Session.contract == "signed").execute()
    for token in ("0" * 16, TOKEN, ended, expired):
        answer = ask(action, userid="alice", token=token)
        assert answer.status_code == 200
        assert answer.json() == {"errno": 1003, "errstr": "token无效或已过期"}
    assert Account.select().count() == 1


@pytest.mark.usefixtures("alice")
def test_its_token_opens_no_other_contract(ask: Ask, client: TestClient) -> None:
    token = log_in(ask)
    assert client.get("/logout", params={"token": token}).status_code == 401
    assert client.get("/v1/auth", headers={"token": token}).json()["code"] == "token_err"


@pytest.mark.requirement("ASVS 7.4.2")
@pytest.mark.usefixtures("alice")
def test_unregister_ends_all_sessions_and_frees_the_userid(ask: Ask) -> None:
    first, other = log_in(ask), log_in(ask)
    assert ask("unregister", userid="alice", token=first).json() == {"userid": "alice"}
    assert ask("update", token=other).json()["errno"] == 1003
    assert "token" in ask("register", userid="alice", password="123456").json()
    assert ask("update", token=other).json()["errno"] == 1003


@pytest.mark.parametrize("action", ["register", "login", "update"])
def test_passwords_are_hashed_in_threads_of_their_own(
    ask: Ask, alice: Account, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    threads = []

    def note(*arguments: object) -> str:
        threads.append(current_thread().name)
        raise WrongCredentials

    Session.open(alice, "signed", TOKEN)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", note)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", note)
    assert ask(**REQUESTS[action] | {"userid": "alice"}).json()["errno"] == 1002
    assert [name.partition("_")[0] for name in threads] == ["hashing"]


def test_of_simultaneous_registrations_one_wins(ask: Ask) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = ("dave", "DAVE") * 8
        answers = list(pool.map(lambda n: ask("register", userid=n, password="123456"), names))
    bodies = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert sum("token" in body for body in bodies) == 1
    assert sum(body.get("errno") == 1001 for body in bodies) == len(bodies) - 1
    assert Account.select().count() == 1
    assert Session.select().count() == 1


def test_of_simultaneous_logouts_one_wins(ask: Ask, alice: Account) -> None:
    token = log_in(ask)
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda _: ask("logout", userid="alice", token=token), range(16))
        bodies = [answer.json() for answer in asked]
    assert bodies.count({"userid": "alice"}) == 1
    assert sum(body.get("errno") == 1003 for body in bodies) == len(bodies) - 1


# --- the table of failures ---------------------------------------------------------------------


def test_the_table_of_failures_is_the_one_in_the_spec() -> None:
    errno = SCHEMAS["Errno"]
    lines = [line.strip("| ").split(" | ") for line in errno["description"].splitlines()]
    rows = {(int(line[1]), int(line[0]), line[2]) for line in lines if line[0].isdigit()}
    assert rows == {tuple(words) for words in signed.FAILURES.values()}
    assert sorted(row[1] for row in rows) == errno["enum"]


def test_every_example_of_a_failure_says_the_words_of_the_table() -> None:
    words = {row.errno: row.errstr for row in signed.FAILURES.values()}
    answers = [
        OPERATION["responses"]["200"],
        *DOCUMENT["components"]["responses"].values(),
    ]
    for media in (answer["content"]["application/json"] for answer in answers):
        examples = [e["value"] for e in media.get("examples", {}).values()] or [media["example"]]
        for example in (e for e in examples if "errno" in e):
            assert example["errstr"].partition("：")[0] == words[example["errno"]]


# --- access keys -------------------------------------------------------------------------------


def test_a_derived_accesskey_is_not_in_the_store(client: TestClient, alice: Account) -> None:
    with transaction():
        key = AccessKey.create("derived")
    stored = database.execute_sql("SELECT * FROM access_key WHERE accessid = 'derived'").fetchone()
    assert key.accesskey not in map(str, stored)
    assert len(key.accesskey) == 43
    assert AccessKey.find("derived").accesskey == key.accesskey
    message = f"GET\n\n\n{NOW + 60}\n{PATH}login"
    credentials = {"accessid": "derived", "expires": NOW + 60}
    query = LOGIN | credentials | {"signature": sign(message, key.accesskey)}
    assert client.get(PATH, params=query).status_code == 200


def test_an_accesskey_signs_as_long_as_a_key_of_the_server_decrypts_it(settings: Settings) -> None:
    """django-fernet-encrypted-fields#46: what the old key had encrypted was mangled by a new one."""
    key = AccessKey.create("first")
    issued = key.accesskey
    key.revoke()
    key = AccessKey.create("first")
    assert key.accesskey != issued
    issued = key.accesskey
    fresh = b"another secret key of the server"
    directory_settings.apply(replace(settings, secret_key=b"%s,%s" % (fresh, settings.secret_keys[0])))
    assert AccessKey.find("first").has_signed("a message", sign("a message", issued))
    AccessKey.renew()
    directory_settings.apply(replace(settings, secret_key=fresh))
    assert AccessKey.find("first").has_signed("a message", sign("a message", issued))
    assert AccessKey.find(ACCESSID).accesskey == ACCESSKEY
    directory_settings.apply(settings)
    assert not AccessKey.find("first").has_signed("a message", sign("a message", issued))
    with pytest.raises(KeyLost):
        str(AccessKey.find("first").accesskey)


def test_keys_are_listed_by_their_accessid(key: AccessKey) -> None:
    AccessKey.create("a")
    assert [k.accessid for k in AccessKey.list_all()] == ["a", ACCESSID]


def test_an_issued_accessid_is_taken() -> None:
    with pytest.raises(KeyTaken):
        AccessKey.create(ACCESSID)
    assert AccessKey.find(ACCESSID).accesskey == ACCESSKEY


@pytest.mark.parametrize("accessid", ["", "a b", "a" * 65, "a:b", "用户", "a\n"])
def test_an_accessid_that_could_not_travel_is_refused(accessid: str) -> None:
    with pytest.raises(BadKey):
        AccessKey.create(accessid)


@pytest.mark.parametrize("accesskey", ["", "a b", "a" * 257, "密", "a\n"])
def test_an_accesskey_that_could_not_be_typed_is_refused(accesskey: str) -> None:
    with pytest.raises(BadKey):
        AccessKey.create("fresh", accesskey)


def test_a_key_is_revoked_once(key: AccessKey) -> None:
    key.revoke()
    with pytest.raises(KeyNotFound):
        key.revoke()
    with pytest.raises(KeyNotFound):
        AccessKey.find(ACCESSID)
