"""What the fuzz suppresses is what the request explains, and nothing beside it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.tools.fuzz.suppressions import is_an_example, no_id, tells_a_fault
from server.specs import load_contracts

CONTRACTS = {contract.stem: contract.published("http://127.0.0.1:8000") for contract in load_contracts()}


def case(stem: str, path: str, method: str) -> Any:
    """Return a case of an operation, as far as suppressions look at it."""
    document = CONTRACTS[stem]
    operation = SimpleNamespace(
        schema=SimpleNamespace(raw_schema=document), definition=SimpleNamespace(raw=document["paths"][path][method])
    )
    return SimpleNamespace(operation=operation)


def response(status: int, body: Any, url: str = "http://127.0.0.1:8000/") -> Any:
    """Return an answer, as far as suppressions look at it."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return SimpleNamespace(status_code=status, content=content, request=SimpleNamespace(url=url))


@pytest.mark.parametrize(
    ("message", "status", "explained"),
    [
        ("缺少action", 200, True),
        ("id不能超过64个字符", 200, True),
        ("user_name必须是文本", 200, True),
        ("请求体不是有效的JSON", 200, True),
        ("缺少hobby", 200, False),
        ("好友数已达上限", 200, False),
        ("缺少action", 400, False),
    ],
)
def test_a_fault_is_one_of_a_member_of_the_operation(message: str, status: int, explained: bool) -> None:
    answer = response(status, {"ret": -400, "msg": message})
    assert tells_a_fault(case("annotation", "/user/other", "post"), answer) is explained


@pytest.mark.parametrize(
    ("uid", "explained"), [("0", True), ("x", True), ("9223372036854775808", True), ("%D9%A3", True), ("7", False)]
)
def test_nobody_has_what_is_no_id(uid: str, explained: bool) -> None:
    nobody = {"code": "db_crud_err", "message": "用户不存在", "data": None}
    answer = response(200, nobody, f"http://127.0.0.1:8000/v1/user/{uid}")
    assert no_id(case("sso", "/user/{uid}", "get"), answer) is explained
    assert not no_id(case("sso", "/user/{uid}", "get"), response(200, {**nobody, "code": "OK"}, answer.request.url))


@pytest.mark.parametrize(
    ("status", "body", "explained"),
    [
        (409, {"message": "用户名已存在", "success": False}, True),
        (409, {"message": "用户已存在", "success": False}, False),
        (400, {"payload": "密码太容易被猜到", "message": "密码太容易被猜到", "success": False}, True),
        (400, {"payload": "缺少password", "message": "缺少password", "success": False}, False),
    ],
)
def test_an_example_explains_what_no_schema_says(status: int, body: Any, explained: bool) -> None:
    assert is_an_example(case("indexy", "/users", "post"), response(status, body)) is explained
