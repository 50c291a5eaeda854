"""The failure table, row by row, for all five contracts; and bad input, which changes nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from models.account import Account
from models.errors import InvalidSession, NotAMember, PermissionDenied
from server.contract.exceptions import ExceptionMiddleware
from server.contract.request import Request
from server.contract.response_validation import ResponseValidationMiddleware
from server.specs import load_contracts
from tests.clients import INDEXY, open_clients
from tests.clients import Signed as SignedDoor
from tests.conftest import DIRECTORY

STEMS = ("dbms", "sso", "signed", "annotation", "indexy")
REGISTRATION = {
    "dbms": ("POST", "/user"),
    "sso": ("POST", "/v1/user"),
    "annotation": ("POST", "/user/register/"),
    "indexy": ("POST", f"{INDEXY}/register"),
}
"""Where each contract takes JSON. The signed one takes no body."""

PROTECTED = {
    "dbms": ("GET", "/user/1"),
    "sso": ("GET", "/v1/auth"),
    "signed": ("GET", "/openapi/user?action=login&userid=a&password=b"),
    "annotation": ("GET", "/user/other"),
}
"""Requests that need a credential under every policy."""

GOOD = {
    "dbms": {"username": "bob", "password": "correct horse", "email": "bob@example.com"},
    "sso": {"username": "bob", "password": "correct horse"},
    "annotation": {"user_id": "bob", "user_name": "Bob", "password": "correct horse"},
    "indexy": {"username": "bob", "password": "correct horse", "nickName": "Bob"},
}
NAME = {"dbms": "username", "sso": "username", "annotation": "user_id", "indexy": "username"}

TABLE: dict[str, dict[str, tuple[int, Any]]] = {
    "malformed": {
        "dbms": (400, 400),
        "sso": (400, "request_param_err"),
        "signed": (400, 400),
        "annotation": (200, -400),
    },
    "unauthenticated": {"dbms": (401, 401), "sso": (200, "token_err"), "signed": (403, 403), "annotation": (200, -1)},
    "session gone": {"dbms": (401, 401), "sso": (200, "token_err"), "signed": (200, 1003), "annotation": (200, -1)},
    "not yours": {"dbms": (403, 403), "sso": (200, "token_err"), "signed": (403, 1004), "annotation": (200, -1)},
    "no such path": {
        "dbms": (404, 404),
        "sso": (404, "request_param_err"),
        "signed": (404, 404),
        "annotation": (404, 404),
    },
    "method": {"dbms": (405, 405), "sso": (405, "request_param_err"), "signed": (405, 405), "annotation": (405, -405)},
    "too large": {"dbms": (413, 413), "sso": (413, "request_param_err"), "annotation": (413, -413)},
    "media type": {"dbms": (415, 415), "sso": (415, "request_param_err"), "annotation": (415, -415)},
    "store away": {"dbms": (503, 503), "sso": (503, "server_err"), "signed": (503, 503), "annotation": (503, -503)},
    "bug": {"dbms": (500, 500), "sso": (500, "server_err"), "signed": (500, 500), "annotation": (500, -500)},
}
"""Situation -> contract -> HTTP status and the envelope's own code. indexy has no code of its own."""

CODE = {"dbms": "status", "sso": "code", "signed": "errno", "annotation": "ret"}
STATUS = {"unauthenticated": 401, "session gone": 401, "not yours": 403}
"""Situation -> HTTP status in indexy, where it is not that of sso."""


def expect(answer: Response, situation: str, stem: str) -> None:
    """Check one cell of the table."""
    if stem == "indexy":
        status = STATUS.get(situation, TABLE[situation]["sso"][0])
        body = answer.json()
        assert answer.status_code == status, answer.text
        assert body.keys() == {"success", "message"} | ({"payload"} if status == 400 else set())
        assert body["success"] is False
        assert body["message"] == body.get("payload", body["message"])
        assert not re.search("[a-z]+ [a-z]+", body["message"]), "people are told in Chinese"
        return
    status, code = TABLE[situation][stem]
    assert answer.status_code == status, answer.text
    field = "status" if answer.headers["content-type"] == "application/problem+json" else CODE[stem]
    assert answer.json()[field] == code, answer.text
    assert "Traceback" not in answer.text


def everything() -> list[Any]:
    """All that the store holds."""
    return [list(table.select().tuples()) for table in DIRECTORY]


@pytest.fixture
def unchanged(register: Callable[..., Account]) -> Any:
    """Make sure that a test changes nothing: there is an account before, and the same after."""
    register("alice", email="alice@example.com")
    before = everything()
    yield
    assert everything() == before


def _break(function: Callable[..., Any], error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(Account, function.__name__, classmethod(broken))


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
def test_a_missing_field_is_malformed(client: TestClient, stem: str) -> None:
    method, path = REGISTRATION[stem]
    expect(client.request(method, path, json={}), "malformed", stem)


def test_a_missing_parameter_is_malformed_in_the_signed_contract(client: TestClient) -> None:
    door = open_clients(client)["signed"]
    assert isinstance(door, SignedDoor)
    expect(door.act("register", userid="bob"), "malformed", "signed")
    expect(door.act("dance", userid="bob"), "malformed", "signed")
    assert Account.select().count() == 0


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", PROTECTED)
def test_a_missing_credential_is_told(client: TestClient, stem: str) -> None:
    method, path = PROTECTED[stem]
    expect(client.request(method, path), "unauthenticated", stem)


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.usefixtures("unchanged")
def test_a_missing_credential_is_told_in_indexy_where_it_is_asked_for(client: TestClient) -> None:
    expect(client.get(INDEXY), "unauthenticated", "indexy")


@pytest.mark.parametrize("stem", STEMS)
def test_what_only_a_handler_finds_out_has_its_row(stem: str) -> None:
    contract = next(contract for contract in load_contracts() if contract.stem == stem)
    nothing: Any = None
    door = ExceptionMiddleware(app=nothing, contracts=[contract], writers={}, executors=nothing)
    foreign = NotAMember() if stem == "annotation" else PermissionDenied()  # a project is all that is foreign there
    for situation, error in (("session gone", InvalidSession()), ("not yours", foreign)):
        request = Request({"path": "/", "method": "GET", "headers": []})
        request.contract = stem
        reply = door.reply(error, request)
        expect(Response(reply.status, headers=reply.headers, content=reply.content), situation, stem)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("stem", "path"),
    [
        ("dbms", "/user/1/friends"),
        ("dbms", "/nothing"),
        ("sso", "/v1/nothing"),
        ("signed", "/openapi/nothing"),
        ("indexy", "/indexy-api/api/v1/nothing"),
    ],
)
def test_an_unknown_path_is_told_in_the_words_of_its_contract(client: TestClient, stem: str, path: str) -> None:
    expect(client.get(path), "no such path", stem)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("stem", "path", "allowed"),
    [
        ("dbms", "/user/1", "GET, HEAD, PUT"),
        ("dbms", "/login", "GET, HEAD"),
        ("sso", "/v1/user", "POST, PUT"),
        ("signed", "/openapi/user", "GET, HEAD"),
        ("annotation", "/user/other", "GET, HEAD, POST, PUT"),
        ("indexy", f"{INDEXY}/1", "DELETE, GET, HEAD, PUT"),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS"])
def test_a_wrong_method_is_told_the_right_ones(
    client: TestClient, stem: str, path: str, allowed: str, method: str
) -> None:
    answer = client.request(method, path)
    expect(answer, "method", stem)
    assert answer.headers["allow"] == allowed


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
@pytest.mark.parametrize("announced", [True, False])
def test_five_megabytes_are_too_much(client: TestClient, stem: str, announced: bool) -> None:
    method, path = REGISTRATION[stem]
    whole = b'{"username": "' + b"a" * 5_000_000 + b'"}'
    content: Any = whole if announced else (whole[start : start + 65_536] for start in range(0, len(whole), 65_536))
    answer = client.request(method, path, content=content, headers={"content-type": "application/json"})
    expect(answer, "too large", stem)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", ["dbms", "sso", "indexy"])
@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
def test_what_is_neither_json_nor_labelled_so_is_told(client: TestClient, stem: str, media_type: str) -> None:
    method, path = REGISTRATION[stem]
    answer = client.request(method, path, content="<user/>", headers={"content-type": media_type})
    expect(answer, "media type", stem)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize(
    ("situation", "error"),
    [
        ("store away", peewee.OperationalError("could not connect, password=hunter2")),
        ("store away", peewee.InterfaceError("connection closed, password=hunter2")),
        ("bug", RuntimeError("unforeseen, password=hunter2")),
    ],
)
def test_failures_of_the_server_are_told_without_their_secrets(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stem: str,
    situation: str,
    error: Exception,
) -> None:
    door = open_clients(client)[stem]
    _break(Account.authenticate, error, monkeypatch)
    answer = door.log_in("alice", "correct horse")
    expect(answer, situation, stem)
    assert ("retry-after" in answer.headers) == (situation == "store away")
    assert "hunter2" not in answer.text + caplog.text
    assert "correct horse" not in caplog.text


@pytest.mark.breaks_contract
def test_a_refusal_that_the_spec_does_not_declare_is_a_bug_wherever_it_is_raised(
    app: Any, client: TestClient, contract_coverage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/logout", params={"token": "1-OLaWfBisMY"}).status_code == 401
    layer = next(layer for layer in app.middleware_stack if isinstance(layer, ResponseValidationMiddleware))
    monkeypatch.delitem(layer.options["writers"]["handlers.dbms.log_out"].declared, 401)
    expect(client.get("/logout", params={"token": "1-OLaWfBisMY"}), "bug", "dbms")
    noted = json.loads(contract_coverage.read_text().splitlines()[-1])
    assert noted["operation"] == "log_out"
    assert noted["breach"] == "status 401 is not declared"


# --- bad input -------------------------------------------------------------------------------------------------------

BAD_JSON = {
    "broken": b'{"username": ',
    "nothing": b"",
    "not UTF-8": b'{"username": "\xff\xfe"}',
    "UTF-16": '{"username": "bob"}'.encode("utf-16"),
    "null": b"null",
    "a list": b"[]",
    "a string": b'"bob"',
    "a number": b"1",
    "20,000 brackets": b"[" * 20_000 + b"]" * 20_000,
    "20,000 objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "NaN": b'{"username": NaN}',
    "two values": b"{} {}",
}
BAD_NAMES: dict[str, Any] = {
    "null": None,
    "a fraction": 1.5,
    "beyond 64 bits": 2**70,
    "a list": ["bob"],
    "an object": {"name": "bob"},
    "empty": "",
    "too long": "a" * 65,
    "a NUL byte": "bo\x00b",
    "a control character": "bo\x1bb",
    "C1 control": "bo\x85b",
    "a line break": "bo\nb",
    "nothing but blanks": " \u3000 ",
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
@pytest.mark.parametrize("content", BAD_JSON.values(), ids=BAD_JSON)
def test_what_is_no_json_object_is_refused(client: TestClient, stem: str, content: bytes) -> None:
    method, path = REGISTRATION[stem]
    answer = client.request(method, path, content=content, headers={"content-type": "application/json"})
    expect(answer, "malformed", stem)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_what_is_no_name_is_refused_by_its_field(client: TestClient, stem: str, name: Any) -> None:
    method, path = REGISTRATION[stem]
    answer = client.request(method, path, json=GOOD[stem] | {NAME[stem]: name})
    expect(answer, "malformed", stem)
    assert NAME[stem] in answer.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
def test_a_lone_surrogate_is_refused(client: TestClient, stem: str) -> None:
    method, path = REGISTRATION[stem]
    content = json.dumps(GOOD[stem] | {NAME[stem]: "bo\ud800b"}).encode()
    answer = client.request(method, path, content=content, headers={"content-type": "application/json"})
    expect(answer, "malformed", stem)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("stem", REGISTRATION)
def test_a_password_beyond_its_limit_is_refused_and_not_quoted(client: TestClient, stem: str) -> None:
    method, path = REGISTRATION[stem]
    long = client.request(method, path, json=GOOD[stem] | {"password": "secret" * 50})
    expect(long, "malformed", stem)
    assert "secret" not in long.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("stem", "path"),
    [
        ("dbms", "/login?username=alice&username=bob&password=x"),
        ("dbms", "/login?username=%FF&password=x"),
        ("dbms", "/login?username=alice"),
        ("dbms", "/login?username=alice&password="),
        ("dbms", f"/login?username={'a' * 300}&password=x"),
        ("dbms", "/login?username=alice&password=x&" + "&".join(f"a{number}=1" for number in range(200))),
        ("sso", "/v1/user/list?page=-1"),
        ("sso", "/v1/user/list?size=1001"),
        ("sso", "/v1/user/list?page=1&page=2"),
        ("indexy", f"{INDEXY}?page=x"),
        ("indexy", f"{INDEXY}?size=0"),
        ("indexy", f"{INDEXY}?order=password,asc"),
        ("indexy", f"{INDEXY}?order=id,up"),
    ],
)
def test_parameters_beyond_the_contract_are_refused(client: TestClient, stem: str, path: str) -> None:
    expect(client.get(path), "malformed", stem)
