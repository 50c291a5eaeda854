"""Tokens and cookies of an old server are dead here: each document's word for that, and a login afterwards."""

from typing import cast

import jwt
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.clients import Signed, open_clients

INDEXY = "/indexy-api/api/v1/users"
OLD_KEY = "what the old server signed with, long enough for each algorithm: nobody here has it"


@pytest.fixture
def alice(client: TestClient) -> Signed:
    """Registers her; returns what signs requests."""
    clients = open_clients(client)
    clients["sso"].register("alice", "correct horse")
    client.cookies.clear()
    return cast(Signed, clients["signed"])


@pytest.mark.usefixtures("alice")
def test_dbms_tells_an_old_token_with_401_and_logs_in(client: TestClient) -> None:
    assert client.get("/user/1", params={"token": "1-" + "Zr4u7x0QmYk1LwTbV9sHcE"}).status_code == 401
    assert client.get("/login", params={"username": "alice", "password": "correct horse"}).status_code == 200


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "none"])
def test_sso_tells_an_old_token_as_one_that_it_cannot_read_and_logs_in(client: TestClient, algorithm: str) -> None:
    claims = {"userId": 1, "username": "alice", "exp": 2**31}
    headers = {"token": jwt.encode(claims, None if algorithm == "none" else OLD_KEY, algorithm)}
    told = client.get("/v1/auth", headers=headers)
    assert (told.status_code, told.json()) == (200, {"code": "token_err", "message": "token解析失败", "data": None})
    body = {"username": "alice", "password": "correct horse"}
    again = client.post("/v1/login", json=body, headers=headers)
    assert again.json() == told.json(), "its clients drop what cannot be read, and log in with what stands for none"
    assert client.post("/v1/login", json=body, headers={"token": "default"}).json()["code"] == "OK"


def test_signed_tells_an_old_token_by_errno_and_logs_in(client: TestClient, alice: Signed) -> None:
    def ask(action: str, **request: str) -> Response:
        return client.get("/openapi/user", params={"action": action, **request, **alice.signature(action)})

    told = ask("update", token="0123456789abcdef", alias="Alice")
    assert told.status_code == 200
    assert told.json().keys() == {"errno", "errstr"}
    assert "errno" not in ask("login", userid="alice", password="correct horse").json()


@pytest.mark.usefixtures("alice")
def test_annotation_tells_an_old_cookie_as_nobody_logged_in_and_logs_in(client: TestClient) -> None:
    headers = {"cookie": "sessionid=0z1y2x3w4v5u6t7s8r9q0p1o2n3m4l5k; csrftoken=anything"}
    told = client.get("/user/other", headers=headers)
    assert (told.status_code, told.json()) == (200, {"ret": -1, "msg": "用户未登录"})
    form = {"user_id": "alice", "password": "correct horse"}
    assert client.post("/user/signin", data=form, headers=headers).json() == {"ret": 0, "msg": "登陆成功"}


@pytest.mark.usefixtures("alice")
def test_indexy_serves_who_has_an_old_cookie_as_who_has_none_and_logs_in(client: TestClient) -> None:
    headers = {"cookie": "EGG_SESS=from-the-old-server; indexy_session=from-the-old-server"}
    assert client.get(INDEXY, headers=headers).status_code == client.get(INDEXY).status_code
    body = {"username": "alice", "password": "correct horse"}
    assert client.post(f"{INDEXY}/login", json=body, headers=headers).json()["success"]
