"""What browsers do with cookies: who may call from which page, and what answers say of themselves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from server.app import create_app
from server.contract.csrf import is_origin
from server.settings import SettingError, Settings, read
from tests.clients import INDEXY, open_clients
from tests.contracts.test_every_operation import Operation, every_operation, send
from tests.contracts.test_indexy import everything

__all__ = ["send"]  # a fixture

ANOTHER = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
SAFE = ("get", "head")


def _uses_cookies(operation: Operation) -> bool:
    """Tell whether an operation takes a cookie or sets one."""
    schemes = operation.contract.document["components"]["securitySchemes"]
    taken = [schemes[name]["in"] for way in operation.declared["security"] for name in way]
    answers = operation.declared["responses"].values()
    return "cookie" in taken or any("Set-Cookie" in answer.get("headers", {}) for answer in answers)


@pytest.mark.requirement("ASVS 7.6.2")
@every_operation
def test_a_page_of_another_site_is_refused_where_cookies_change_something(
    send: Callable[..., Response], operation: Operation
) -> None:
    before = everything()
    answer = send(operation, headers=ANOTHER)
    if operation.method in SAFE or not _uses_cookies(operation):
        assert "x-cross-site" not in operation.declared
        assert "another site" not in answer.text
    else:
        assert operation.declared["x-cross-site"] == "refused"
        assert answer.status_code == 403, answer.text
        charset = operation.contract.charset and f"; charset={operation.contract.charset}"
        assert answer.headers["content-type"] == operation.contract.failure_media_type + charset
        assert "set-cookie" not in answer.headers
        assert everything() == before


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://testserver"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://testserver.example"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "CROSS-SITE"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://testserver"}, False),
        ({"origin": "http://testserver"}, True),
        ({"origin": "https://testserver"}, True),
        ({"origin": "http://testserver:81"}, False),
        ({"origin": "http://testserver.evil.example"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://testserver@evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://[evil"}, False),
        ({"origin": "http://127.0.0.1:8000"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"}, True),
    ],
    ids=str,
)
def test_the_browser_says_whose_page_it_is(client: TestClient, headers: dict[str, str], admitted: bool) -> None:
    answer = client.post("/user/register/", data={"user_id": "zs", "user_name": "zs", "password": "x"}, headers=headers)
    assert answer.status_code == (200 if admitted else 403), answer.text
    assert answer.json()["ret"] == (0 if admitted else -403)


@every_operation
@pytest.mark.parametrize("failing", [False, True], ids=["ordinary", "failing"])
def test_every_answer_says_that_nobody_may_keep_it(
    send: Callable[..., Response], operation: Operation, failing: bool
) -> None:
    assert {name.lower(): value for name, value in operation.contract.headers.items()} == HEADERS
    answer = send(operation, **({"content": b" " * 2_000_000} if failing else {}))
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert [answer.headers.get_list(name) for name in HEADERS] == [[value] for value in HEADERS.values()]


@pytest.mark.parametrize("path", ["/v1/nothing", "/user/1", "/indexy-api/api/v1/nothing", "/openapi/nothing"])
def test_a_failure_before_any_operation_says_so_too(client: TestClient, path: str) -> None:
    answer = client.request("DELETE", path)
    assert answer.status_code in (404, 405)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_failure_at_nobodys_path_is_not_to_be_sniffed(client: TestClient) -> None:
    assert client.get("/nobody").headers["x-content-type-options"] == "nosniff"


# --- pages of other sites that the operator names ----------------------------------------------------------------

NAMED = "https://app.example"
PREFLIGHT = {"origin": NAMED, "access-control-request-method": "PUT", "access-control-request-headers": "token"}


@pytest.fixture
def named(settings: Settings) -> TestClient:
    """A client of a server whose operator named one site."""
    return TestClient(create_app(replace(settings, cors_origins=f" {NAMED}, https://other.example")))


def test_without_the_setting_no_other_site_may_read(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    preflight = client.options("/v1/user", headers=PREFLIGHT)
    assert preflight.status_code == 405
    assert "ROLLBOOK_CORS_ORIGINS" in caplog.text
    assert "ROLLBOOK_CORS_ORIGINS" in client.options("/user/1", headers=PREFLIGHT).json()["detail"]
    answers = preflight, client.get("/v1/user/list", headers={"origin": NAMED})
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]


def test_a_named_site_may_call_and_use_cookies(named: TestClient) -> None:
    preflight = named.options("/v1/user", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == NAMED
    assert "token" in preflight.headers["access-control-allow-headers"].lower()
    body = {"username": "alice", "password": "correct horse"}
    headers = {"origin": NAMED, "sec-fetch-site": "cross-site"}
    assert named.post("/v1/user", json=body, headers=headers).headers["access-control-allow-origin"] == NAMED
    answer = named.post(f"{INDEXY}/login", json=body, headers=headers)
    assert answer.json()["success"]
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_a_named_site_may_read_failures_and_when_to_come_again(named: TestClient) -> None:
    headers = {"origin": NAMED}
    answers = [named.get("/v1/auth", headers=headers), named.get("/v1/nothing", headers=headers)]
    answers.append(named.post("/v1/user", content=b" " * 2_000_000, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 404, 413]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == NAMED
        assert {"Retry-After", "RateLimit"} <= set(answer.headers["access-control-expose-headers"].split(", "))
        assert "Origin" in answer.headers["vary"]


def test_a_named_site_changes_what_a_cookie_lets_it_change(named: TestClient) -> None:
    headers = {"origin": NAMED, "sec-fetch-site": "same-site"}
    form = {"user_id": "zhangsan", "user_name": "张三", "password": "correct horse"}
    assert named.post("/user/register/", data=form, headers=headers).json()["ret"] == 0
    change = {"action": "change_name", "user_name": "李四"}
    assert named.post("/user/other", json=change, headers=headers).json()["ret"] == 0
    assert named.post("/user/other", json=change, headers=ANOTHER).status_code == 403
    assert named.get("/user/other", headers=headers).json()["user_name"] == "李四"


def test_a_site_that_is_not_named_stays_out(named: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Kludex/starlette#798: who was refused changed Starlette's own code to learn by what."""
    strange = {**PREFLIGHT, "origin": "https://evil.example"}
    for url in ("/v1/user", "/user/1"):
        preflight = named.options(url, headers=strange)
        assert preflight.status_code == 405
        assert "access-control-allow-origin" not in preflight.headers
        assert "Origin" in preflight.headers["vary"], "no cache gives it to a site that is named"
        assert "ROLLBOOK_CORS_ORIGINS" in caplog.text
        caplog.clear()
    assert "ROLLBOOK_CORS_ORIGINS" in preflight.json()["detail"]
    answer = named.post(f"{INDEXY}/login", json={}, headers=ANOTHER)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origins", ["*", "null", "https://a.example/", "https://a.example/x", "a.example", "ftp://a.example", "https://[x"]
)
def test_what_is_no_origin_ends_the_start(tmp_path: Any, origins: str) -> None:
    assert not is_origin(origins)
    with pytest.raises(SettingError, match=r"^ROLLBOOK_CORS_ORIGINS: "):
        read({"ROLLBOOK_DATA": str(tmp_path), "ROLLBOOK_CORS_ORIGINS": f"https://good.example,{origins}"})


# --- a credential that is not accepted, where one can do without --------------------------------------------------


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guarded_a_dead_credential_is_told_from_none(client: TestClient) -> None:
    clients = open_clients(client)
    clients["sso"].register("alice", "correct horse")
    token = clients["sso"].enter("alice", "correct horse")
    clients["sso"].log_out(token)
    path = "/v1/user/list"
    for headers, told in (({}, "无token"), ({"token": "x"}, "token解析失败"), ({"token": token}, "token已失效")):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (200, told)
    path = f"{INDEXY}/1"
    assert client.get(path).json()["message"] == "请先登录"
    assert client.get(path, headers={"cookie": "indexy_session=gone"}).json()["message"] == "登录已失效"
