"""智能论文系统用户管理API文档, as its document prints it and as it fails. Recovery has a file of its own."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any
from urllib.parse import quote

import peewee
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from handlers import indexy
from models import clock, errors
from models.account import Account
from models.db.database import database, transaction
from models.project import Member, Project
from models.session import Session
from tests.conftest import DIRECTORY

USERS = "/indexy-api/api/v1/users"
JSON = {"content-type": "application/json"}
HOUR = 3600
PASSWORD = "correct horse"

DOCUMENTED = {
    "username": "13393922xxx",
    "password": "xxxxxxxx",
    "photo": "http://www.toptech-gt.com/uploads/cp/20141119041529.jpg",
    "nickName": "sw",
    "job": "教授",
    "school": "武汉大学",
    "mobile": "13393922xxx",
    "email": "sw@163.com",
    "introduct": "担任武汉大学工程学院的教授...",
}
"""The document's user object, all fields."""

SHOWN = {field: value for field, value in DOCUMENTED.items() if field != "password"}

Register = Callable[..., Account]


def everything() -> list[Any]:
    """Return all that the store holds, to be compared before and after."""
    return [list(table.select().order_by(peewee.SQL("1")).tuples()) for table in DIRECTORY]


def assert_succeeds(response: Response, payload: Any) -> None:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == {"success": True, "payload": payload}
    assert type(response.json()["payload"]) is type(payload)


def assert_fails(response: Response, status: int, text: str = "") -> None:
    """Check the whole envelope: a 400 carries its text as payload, too; an empty text stands for any."""
    body = response.json()
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.status_code == status, body
    told = text or body["message"]
    assert told
    assert body == {"success": False, "message": told} | ({"payload": told} if status == 400 else {})


def log_in(client: TestClient, username: str = "alice", password: str = PASSWORD) -> Response:
    response: Response = client.post(f"{USERS}/login", json={"username": username, "password": password})
    return response


def make_admin(account: Account) -> None:
    with transaction():
        database.begin_immediate()
        Account.update(admin=True).where(Account.id == account.id).execute()


def rows(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"{USERS}?{query}")
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["payload"]["rows"]
    return listed


# --- what the document prints --------------------------------------------------------------------


def test_create_answers_as_printed_and_find_shows_all_fields(client: TestClient) -> None:
    assert_succeeds(client.post(USERS, json=DOCUMENTED), True)
    id = rows(client)[0]["id"]
    assert_succeeds(client.get(f"{USERS}/{id}"), {"id": id, **SHOWN})


@pytest.mark.requirement("ASVS 7.2.4")
def test_a_login_ends_the_session_that_it_takes_the_place_of(
    client: TestClient, register: Callable[..., Account]
) -> None:
    def log_in(username: str, password: str = "correct horse") -> int:
        return client.post(f"{USERS}/login", json={"username": username, "password": password}).status_code

    def live() -> list[str]:
        return [session.account.username for session in Session.select().order_by(Session.id)]

    register("alice"), register("bob")
    assert log_in("alice") == 200
    first = client.cookies["indexy_session"]
    assert log_in("alice", "wrong") == 400
    assert live() == ["alice"], "who did not get in has changed nothing"
    assert log_in("bob") == 200
    assert live() == ["bob"], "on one device there is one session"
    client.cookies.clear()
    client.cookies.set("indexy_session", first)
    assert log_in("alice") == 200, "an ended one is no hindrance"
    client.cookies.clear()
    assert log_in("alice") == 200
    assert live() == ["bob", "alice", "alice"], "another device has one of its own"


def test_a_list_holds_count_and_rows(client: TestClient, register: Register) -> None:
    register("TestUser")
    client.post(USERS, json=DOCUMENTED)
    first, second = Account.select().order_by(Account.id)
    payload = {"count": 2, "rows": [{"id": second.id, **SHOWN}, {"id": first.id, "username": "TestUser"}]}
    assert_succeeds(client.get(USERS), payload)


def test_update_takes_all_fields_as_printed(client: TestClient, register: Register) -> None:
    account = register("before", display_name="x", job="y")
    assert_succeeds(client.put(f"{USERS}/{account.id}", json=DOCUMENTED), 1)
    assert_succeeds(client.get(f"{USERS}/{account.id}"), {"id": account.id, **SHOWN})
    assert_succeeds(log_in(client, "13393922xxx", "xxxxxxxx"), 1)


def test_delete_answers_as_printed_and_the_account_is_gone(client: TestClient, register: Register) -> None:
    account = register()
    assert_succeeds(client.delete(f"{USERS}/{account.id}"), 1)
    assert_fails(client.get(f"{USERS}/{account.id}"), 404, "用户不存在")
    assert_fails(client.delete(f"{USERS}/{account.id}"), 404, "用户不存在")


def test_register_and_log_in_answer_as_printed(client: TestClient) -> None:
    registration = {"username": "13393922xxx", "password": "xxxxxxxx", "nickName": "sw"}
    assert_succeeds(client.post(f"{USERS}/register", json=registration), True)
    assert rows(client)[0].items() >= {"username": "13393922xxx", "nickName": "sw"}.items()
    assert_succeeds(log_in(client, "13393922xxx", "xxxxxxxx"), 1)


@pytest.mark.parametrize(("username", "password"), [("13393922xxx", "yyyyyyyy"), ("nobody", "xxxxxxxx")])
def test_wrong_credentials_are_told_as_printed(client: TestClient, username: str, password: str) -> None:
    client.post(USERS, json=DOCUMENTED)
    before = everything()
    assert_fails(log_in(client, username, password), 400, "用户名或密码错误")
    assert everything() == before


@pytest.mark.requirement("ASVS 6.2.2")
def test_a_password_change_answers_as_printed(client: TestClient, register: Register) -> None:
    id = register("13393922xxx", "xxxxxxxx").id
    body = {"oldPassword": "xxxxxxxx", "newPassword": "xxxxxxxx"}
    assert_succeeds(client.put(f"{USERS}/{id}/password", json=body), 1)
    body = {"oldPassword": "xxxxxxxx", "newPassword": "K16ldRr922I1"}
    assert_succeeds(client.put(f"{USERS}/{id}/password", json=body), 1)
    assert_succeeds(log_in(client, "13393922xxx", "K16ldRr922I1"), 1)
    assert_fails(log_in(client, "13393922xxx", "xxxxxxxx"), 400, "用户名或密码错误")


@pytest.mark.requirement("ASVS 6.2.3")
def test_a_wrong_old_password_is_told_as_printed(client: TestClient, register: Register) -> None:
    id = register().id
    before = everything()
    body = {"oldPassword": "yyyyyyyy", "newPassword": "xxxxxxxx"}
    assert_fails(client.put(f"{USERS}/{id}/password", json=body), 400, "旧密码输入有误")
    assert everything() == before


def test_a_bug_is_told_in_the_envelope(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down() -> int:
        raise RuntimeError("xxxxxxxx")

    monkeypatch.setattr(Account, "count", break_down)
    response = client.get(USERS)
    assert_fails(response, 500)
    assert "xxxxxxxx" not in response.text


# --- lists ---------------------------------------------------------------------------------------


def test_pages_count_from_zero_hold_ten_and_leave_nothing_out(client: TestClient, register: Register) -> None:
    ids = [register(f"user{number}").id for number in range(23)]
    pages = [[row["id"] for row in rows(client, f"page={page}")] for page in range(4)]
    assert [len(page) for page in pages] == [10, 10, 3, 0]
    assert [id for page in pages for id in page] == sorted(ids, reverse=True)
    assert client.get(f"{USERS}?page=9").json()["payload"] == {"count": 23, "rows": []}


def test_a_page_holds_what_size_says(client: TestClient, register: Register) -> None:
    ids = [register(f"user{number}").id for number in range(5)]
    assert [row["id"] for row in rows(client, "size=2&page=1&order=id,asc")] == ids[2:4]
    assert len(rows(client, "size=1000")) == 5
    assert rows(client, "page=2147483647&size=1000") == []


@pytest.mark.parametrize("field", [field for field in SHOWN if field not in ("username", "mobile", "email")])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_field_orders_and_equals_come_newest_first(
    client: TestClient, register: Register, field: str, direction: str
) -> None:
    column = indexy.FIELDS[field]
    given = [("a", "2"), ("b", "1"), ("c", "2"), ("d", None)]
    ids = {name: register(name, **({column: value} if value else {})).id for name, value in given}
    listed = [row["id"] for row in rows(client, f"order={field},{direction}")]
    expected = {"asc": ["d", "b", "c", "a"], "desc": ["c", "a", "b", "d"]}[direction]
    assert listed == [ids[name] for name in expected]


@pytest.mark.parametrize("field", ["username", "mobile", "email"])
def test_unique_fields_order_both_ways(client: TestClient, register: Register, field: str) -> None:
    values = {"username": ["m", "z", "a"], "mobile": ["130", "139", "110"], "email": ["m@x", "z@x", "a@x"]}
    for number in range(3):
        register(**{"username": f"user{number}", field: values[field][number]})
    for direction, sign in (("asc", 1), ("desc", -1)):
        listed = [row[field] for row in rows(client, f"order={field},{direction}")]
        assert listed == sorted(values[field])[::sign]


def test_order_may_be_repeated_and_the_first_counts_most(client: TestClient, register: Register) -> None:
    for name, job, school in [("a", "x", "2"), ("b", "y", "1"), ("c", "x", "1"), ("d", "y", "2")]:
        register(name, job=job, school=school)
    for query, expected in [
        ("order=job,asc&order=school,desc", "acdb"),
        ("order=school,asc&order=job,desc&order=id,asc", "bcda"),
        ("order=job%2Cdesc&order=username%2Cdesc", "dbca"),
        ("order=id,asc&order=username,desc", "abcd"),
    ]:
        assert "".join(row["username"] for row in rows(client, query)) == expected, query


def test_no_account_appears_twice_or_never_while_pages_are_turned(client: TestClient, register: Register) -> None:
    ids = [register(f"user{number}", job=str(number % 2)).id for number in range(9)]
    turned = [row["id"] for page in range(3) for row in rows(client, f"size=3&page={page}&order=job,asc")]
    assert sorted(turned) == ids


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=2147483648",
        "page=99999999999999999999999",
        "page=one",
        "page=1&page=2",
        "size=0",
        "size=1001",
        "size=1.5",
        "size=5&size=5",
        "order=id,up",
        "order=order",
        "order=ids",
        "order=,",
        "order=password,asc",
        "order=password_hash,asc",
        "order=admin,desc",
        "order=id,desc,username,asc",
        "order=id,desc&order=nick_name,asc",
        "order=id,desc%0A",
        "order=id,desc;drop",
        "&".join(["order=id,asc"] * 10),
        "page=%FF",
    ],
)
def test_a_list_that_cannot_be_had_is_refused(client: TestClient, query: str) -> None:
    assert_fails(client.get(f"{USERS}?{query}"), 400)


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("page=&size=&order=", ""),
        ("order=id", "order=id,asc"),
        ("order=ID,DESC", "order=id,desc"),
        ("order=NICKNAME,Desc", "order=nickName,desc"),
        ("order=id,", "order=id,asc"),
        ("order=%20nickname%20,%20Asc&order=id", "order=nickName,asc&order=id,asc"),
        ("size=%203", "size=3"),
    ],
)
def test_a_list_is_asked_for_as_people_write_it(client: TestClient, register: Register, query: str, plain: str) -> None:
    for number in range(5):
        register(f"user{number}", display_name=str(number % 2))
    assert rows(client, query) == rows(client, plain)


def test_stray_parameters_are_ignored(client: TestClient) -> None:
    assert_succeeds(client.get(f"{USERS}?_=1572457028&password=x"), {"count": 0, "rows": []})


# --- accounts ------------------------------------------------------------------------------------


def test_what_was_never_set_is_left_out_and_no_password_is_shown(client: TestClient, register: Register) -> None:
    account = register()
    assert_succeeds(client.get(f"{USERS}/{account.id}"), {"id": account.id, "username": "alice"})


@pytest.mark.parametrize("field", [field for field in DOCUMENTED if field != "password"])
def test_an_update_changes_one_field_and_nothing_else(client: TestClient, register: Register, field: str) -> None:
    account = register(job="x", email="a@b")
    before = client.get(f"{USERS}/{account.id}").json()["payload"]
    assert_succeeds(client.put(f"{USERS}/{account.id}", json={field: DOCUMENTED[field]}), 1)
    after = client.get(f"{USERS}/{account.id}").json()["payload"]
    assert after == before | {field: DOCUMENTED[field]}


def test_an_update_with_the_own_values_is_no_conflict(client: TestClient) -> None:
    client.post(USERS, json=DOCUMENTED)
    id = rows(client)[0]["id"]
    assert_succeeds(client.put(f"{USERS}/{id}", json=DOCUMENTED), 1)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("username", "13393922XXX", "用户名已存在"),
        ("username", "１３３９３９２２xxx", "用户名已存在"),
        ("username", "register", "用户名已存在"),
        ("mobile", "13393922xxx", "手机号已存在"),
        ("email", "SW@163.com", "邮箱已存在"),
    ],
)
def test_what_is_taken_is_refused_and_nothing_changes(
    client: TestClient, register: Register, field: str, value: str, text: str
) -> None:
    client.post(USERS, json=DOCUMENTED)
    other = register("bob", job="x")
    before = everything()
    assert_fails(client.post(USERS, json={"username": "carol", "password": "x", field: value}), 409, text)
    change = {"job": "y", "password": "stolen", field: value}
    assert_fails(client.put(f"{USERS}/{other.id}", json=change), 409, text)
    if field == "username":
        assert_fails(client.post(f"{USERS}/register", json={"username": value, "password": "x"}), 409, text)
    assert everything() == before


@pytest.mark.parametrize("method", ["create", "register"])
def test_of_simultaneous_registrations_of_one_name_one_succeeds(app: Any, method: str) -> None:
    start = Barrier(8)
    path = {"create": USERS, "register": f"{USERS}/register"}[method]

    def ask(number: int) -> int:
        client = TestClient(app)
        start.wait()
        body = {"username": "alice" if number % 2 else "Alice", "password": "x"}
        return int(client.post(path, json=body).status_code)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [200] + 7 * [409]
    assert Account.select().count() == 1


def test_an_unknown_id_is_told_everywhere(client: TestClient, register: Register) -> None:
    register()
    before = everything()
    for id in (4711, 9223372036854775807):
        assert_fails(client.get(f"{USERS}/{id}"), 404, "用户不存在")
        assert_fails(client.put(f"{USERS}/{id}", json={"job": "x"}), 404, "用户不存在")
        assert_fails(client.put(f"{USERS}/{id}", json={"password": "x"}), 404, "用户不存在")
        assert_fails(client.delete(f"{USERS}/{id}"), 404, "用户不存在")
        body = {"oldPassword": "x", "newPassword": "y"}
        assert_fails(client.put(f"{USERS}/{id}/password", json=body), 404, "用户不存在")
    assert everything() == before


@pytest.mark.parametrize("id", ["0", "-1", "one", "1.0", "9223372036854775808", "9" * 40, "%00", "1%2F2", "１"])
def test_an_id_that_is_no_number_does_not_exist(client: TestClient, id: str) -> None:
    for response in (
        client.get(f"{USERS}/{id}"),
        client.put(f"{USERS}/{id}", json={"job": "x"}),
        client.delete(f"{USERS}/{id}"),
        client.put(f"{USERS}/{id}/password", json={"oldPassword": "x", "newPassword": "y"}),
    ):
        assert_fails(response, 404, "用户不存在")


@pytest.mark.requirement("ASVS 7.4.2")
def test_deleting_hands_projects_over_and_ends_sessions(client: TestClient, register: Register) -> None:
    alice, bob = register(), register("bob")
    log_in(client)
    with transaction():
        database.begin_immediate()
        project = Project.create(name="三国", owner=alice, created=clock.now())
        for member in (alice, bob):
            Member.create(project=project, account=member, joined=clock.now())
    assert_succeeds(client.delete(f"{USERS}/{alice.id}"), 1)
    assert Project.get().owner == bob
    assert Session.select().count() == 0


# --- sessions ------------------------------------------------------------------------------------


def test_login_sets_a_cookie_out_of_reach_of_scripts(client: TestClient, register: Register) -> None:
    register()
    cookie = log_in(client).headers["set-cookie"]
    value, *attributes = cookie.split("; ")
    assert value.startswith("indexy_session=")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax"]
    assert value.removeprefix("indexy_session=") not in json.dumps(everything())


def test_the_cookie_is_secure_under_tls(app: Any, register: Register) -> None:
    register()
    response = log_in(TestClient(app, base_url="https://testserver"))
    assert response.headers["set-cookie"].endswith("; Secure")


def test_a_failed_login_sets_no_cookie(client: TestClient, register: Register) -> None:
    register()
    assert "set-cookie" not in log_in(client, password="wrong").headers


def test_a_password_change_ends_all_sessions_but_the_callers(app: Any, register: Register) -> None:
    account = register()
    mine, other = TestClient(app), TestClient(app)
    log_in(mine)
    log_in(other)
    token = other.get(f"/login?username=alice&password={PASSWORD}").json()["token"]
    body = {"oldPassword": PASSWORD, "newPassword": "battery staple"}
    assert_succeeds(mine.put(f"{USERS}/{account.id}/password", json=body), 1)
    left = Session.select().get()
    assert left.contract == "indexy"
    assert Session.find("indexy", mine.cookies["indexy_session"]) == left
    assert other.get(f"/user/alice?token={token}").status_code == 401


@pytest.mark.parametrize("by", ["owner", "somebody else", "nobody"])
def test_a_password_reset_by_update_ends_the_sessions(app: Any, register: Register, by: str) -> None:
    account, bob = register(), register("bob")
    alices = TestClient(app)
    log_in(alices)
    caller = {"owner": alices, "nobody": TestClient(app), "somebody else": TestClient(app)}[by]
    if by == "somebody else":
        log_in(caller, "bob")
    assert_succeeds(caller.put(f"{USERS}/{account.id}", json={"password": "battery staple"}), 1)
    assert Session.select().where(Session.account == account).count() == (by == "owner")
    assert Session.select().where(Session.account == bob).count() == (by == "somebody else")
    assert_succeeds(log_in(TestClient(app), password="battery staple"), 1)


def test_of_simultaneous_password_changes_one_succeeds(app: Any, register: Register) -> None:
    id = register().id
    start = Barrier(8)

    def change(number: int) -> int:
        client = TestClient(app)
        start.wait()
        body = {"oldPassword": PASSWORD, "newPassword": f"new {number}"}
        return int(client.put(f"{USERS}/{id}/password", json=body).status_code)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(8)))
    assert sorted(statuses) == [200] + 7 * [400]
    assert_succeeds(log_in(TestClient(app), password=f"new {statuses.index(200)}"), 1)


def test_a_disabled_account_cannot_log_in(client: TestClient, register: Register) -> None:
    with transaction():
        register().disable()
    assert_fails(log_in(client), 400, "用户名或密码错误")


# --- policies ------------------------------------------------------------------------------------

OPERATIONS: dict[str, tuple[str, str, Any]] = {
    "list_accounts": ("GET", "", None),
    "create": ("POST", "", {"username": "new", "password": PASSWORD}),
    "find": ("GET", "/{id}", None),
    "update": ("PUT", "/{id}", {"job": "教授"}),
    "delete": ("DELETE", "/{id}", None),
}
OWN = ("find", "update")


def ask(client: TestClient, operation: str, id: int) -> Response:
    method, path, body = OPERATIONS[operation]
    response: Response = client.request(method, USERS + path.format(id=id), json=body)
    return response


@pytest.mark.parametrize("operation", OPERATIONS)
def test_under_documented_nobody_needs_a_session(client: TestClient, register: Register, operation: str) -> None:
    assert ask(client, operation, register().id).status_code == 200


@pytest.mark.parametrize("operation", OPERATIONS)
def test_under_documented_a_dead_cookie_counts_as_none(client: TestClient, register: Register, operation: str) -> None:
    client.cookies.set("indexy_session", "gone")
    assert ask(client, operation, register().id).status_code == 200


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_under_guarded_only_who_may_gets_through(
    app: Any, register: Register, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {name: register(name) for name in ("alice", "bob", "root")}
    make_admin(accounts["root"])
    callers = {name: TestClient(app) for name in ("anonymous", "forger", "late", *accounts)}
    for name in accounts:
        log_in(callers[name], name)
    callers["forger"].cookies.set("indexy_session", "x" * 32)
    alices = accounts["alice"].id

    before = everything()
    for name in ("anonymous", "forger"):
        assert_fails(ask(callers[name], operation, alices), 401)
    assert_fails(ask(callers["bob"], operation, alices), 403, "没有权限")
    if operation in OWN:
        assert_fails(ask(callers["bob"], operation, 4711), 403, "没有权限")
    else:
        assert_fails(ask(callers["alice"], operation, alices), 403, "没有权限")
    assert everything() == before

    if operation in OWN:
        assert ask(callers["alice"], operation, alices).status_code == 200
        later = clock.now() + 12 * HOUR
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda: later)
            assert_fails(ask(callers["alice"], operation, alices), 401)
    assert ask(callers["root"], operation, alices).status_code == 200


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guarded_a_session_of_another_contract_is_none(client: TestClient, register: Register) -> None:
    account = register()
    token = client.get(f"/login?username=alice&password={PASSWORD}").json()["token"]
    client.cookies.set("indexy_session", token)
    assert_fails(client.get(f"{USERS}/{account.id}"), 401)
    client.cookies.set("indexy_session", "x")
    client.cookies.set("sessionid", token)
    assert_fails(client.get(f"{USERS}/{account.id}?token={token}"), 401)


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guarded_registering_and_the_old_password_need_no_session(client: TestClient) -> None:
    assert_succeeds(client.post(f"{USERS}/register", json={"username": "alice", "password": PASSWORD}), True)
    body = {"oldPassword": PASSWORD, "newPassword": "battery staple"}
    assert_succeeds(client.put(f"{USERS}/{Account.get().id}/password", json=body), 1)
    assert_succeeds(log_in(client, password="battery staple"), 1)


# --- bad input -----------------------------------------------------------------------------------

WRITING = {
    "create": ("POST", ""),
    "update": ("PUT", "/{id}"),
    "register": ("POST", "/register"),
    "log_in": ("POST", "/login"),
    "change_password": ("PUT", "/{id}/password"),
    "recover_by_mobile": ("POST", "/password/mobile"),
    "recover_by_email": ("POST", "/password/email"),
    "request_code": ("POST", "/password/mobile/captcha"),
    "request_email_confirmation": ("POST", "/{id}/email/confirmation"),
    "confirm_email": ("PUT", "/{id}/email/confirmation"),
    "request_mobile_confirmation": ("POST", "/{id}/mobile/confirmation"),
    "confirm_mobile": ("PUT", "/{id}/mobile/confirmation"),
}
GOOD: dict[str, dict[str, Any]] = {
    "create": {"username": "new", "password": "x"},
    "update": {"job": "x"},
    "register": {"username": "new", "password": "x"},
    "log_in": {"username": "alice", "password": PASSWORD},
    "change_password": {"oldPassword": PASSWORD, "newPassword": "x"},
    "recover_by_mobile": {"mobile": "13345587xxx", "msCaptcha": 637845, "newPassword": "x"},
    "recover_by_email": {"email": "sw@163.com"},
    "request_code": {"mobile": "13345587xxx"},
    "request_email_confirmation": {"email": "sw@163.com"},
    "confirm_email": {"email": "sw@163.com", "code": "x"},
    "request_mobile_confirmation": {"mobile": "13345587xxx"},
    "confirm_mobile": {"mobile": "13345587xxx", "msCaptcha": 637845},
}
BODIES = {
    "nothing": b"",
    "broken JSON": b'{"username": "x"',
    "not UTF-8": b'{"username": "\xff", "password": "x"}',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"username"',
    "a number": b"17",
    "no fields": b"{}",
    "20,000 nested brackets": b"[" * 20_000,
    "20,000 nested and closed": b"[" * 20_000 + b"]" * 20_000,
    "a lone surrogate": b'{"username": "\\ud800", "password": "\\ud800"}',
    "NaN": b"NaN",
    "a form": b"username=x&password=y",
}


@pytest.fixture
def full(client: TestClient, register: Register) -> int:
    """A store with an account that could be recovered; return its id."""
    id = register(mobile="13345587xxx", email="sw@163.com").id
    client.post(f"{USERS}/password/mobile/captcha", json={"mobile": "13345587xxx"})
    return id


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("operation", WRITING)
def test_a_bad_body_is_refused_and_nothing_changes(client: TestClient, full: int, operation: str, body: str) -> None:
    method, path = WRITING[operation]
    before = everything()
    url = USERS + path.format(id=full)
    assert_fails(client.request(method, url, content=BODIES[body], headers=JSON), 400)
    assert everything() == before


@pytest.mark.parametrize("wrong", [None, True, 10**30, 1.5, [], {}, "", "a\0b", "a\nb", "x" * 10_000])
@pytest.mark.parametrize("operation", WRITING)
def test_a_bad_value_is_refused_and_nothing_changes(client: TestClient, full: int, operation: str, wrong: Any) -> None:
    method, path = WRITING[operation]
    before = everything()
    for field in GOOD[operation]:
        free_text = field in ("job", "msCaptcha") or "assword" in field
        if free_text and isinstance(wrong, str) and 0 < len(wrong) < 256:
            continue
        if wrong in (None, "") and field == "job":
            continue  # which takes it away
        body = GOOD[operation] | {field: wrong}
        response = client.request(method, USERS + path.format(id=full), json=body)
        assert_fails(response, 400)
        assert "x" * 100 not in response.text, "what was sent is not told back"
    assert everything() == before


@pytest.mark.parametrize("spaces", [" ", "\u3000", " \t "])
def test_spaces_are_not_blank_and_take_nothing_away(client: TestClient, full: int, spaces: str) -> None:
    before = everything()
    for field in ("username", "mobile", "email"):
        assert_fails(client.put(f"{USERS}/{full}", json={field: spaces}), 400)
    assert_fails(client.get(f"{USERS}?page={quote(spaces)}"), 400, "page必须是整数")
    assert everything() == before


@pytest.mark.parametrize("operation", WRITING)
def test_a_missing_field_is_refused(client: TestClient, full: int, operation: str) -> None:
    method, path = WRITING[operation]
    good = GOOD[operation]
    url = USERS + path.format(id=full)
    before = everything()
    for field in good:
        assert_fails(client.request(method, url, json={k: v for k, v in good.items() if k != field}), 400)
    assert everything() == before


@pytest.mark.parametrize("operation", ["create", "update", "register"])
def test_left_overs_give_no_right(client: TestClient, full: int, operation: str) -> None:
    method, path = WRITING[operation]
    left_over = {"admin": True, "id": 4711, "password_hash": "x", "disabled": True, "email_key": "x", "created": 1}
    assert client.request(method, USERS + path.format(id=full), json=GOOD[operation] | left_over).status_code == 200
    for account in Account.select():
        assert not account.admin
        assert not account.disabled
        assert account.id != 4711


@pytest.mark.parametrize("operation", WRITING)
def test_what_is_no_json_or_too_large_is_refused(client: TestClient, full: int, operation: str) -> None:
    method, path = WRITING[operation]
    url = USERS + path.format(id=full)
    before = everything()
    for media_type in ("text/html; charset=utf-8", "application/x-www-form-urlencoded", "application/xml", "nonsense"):
        content = "username=x&password=y"
        assert_fails(client.request(method, url, content=content, headers={"content-type": media_type}), 415)
    assert_fails(client.request(method, url, content=b" " * 5_000_000, headers=JSON), 413)
    assert everything() == before


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", ";charset=UTF-8", ";charsets: utf-8", "; charset"])
def test_json_may_name_its_charset(client: TestClient, charset: str) -> None:
    content = json.dumps({"username": "张三", "password": "密码"}, ensure_ascii=False).encode()
    headers = {"content-type": f"application/json{charset}"}
    assert_succeeds(client.post(f"{USERS}/register", content=content, headers=headers), True)
    assert_succeeds(log_in(client, "张三", "密码"), 1)


@pytest.mark.parametrize("path", ["", "/1/passwords", "/password/fax", "/register//", "/login/x"])
def test_an_unknown_path_is_told_in_the_envelope(client: TestClient, path: str) -> None:
    url = f"{USERS}{path}" if path else "/indexy-api/api/v1/nothing"
    assert_fails(client.get(url), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "", {"GET", "POST"}),
        ("POST", "/1", {"GET", "PUT", "DELETE"}),
        ("GET", "/register", {"POST"}),
        ("GET", "/login", {"POST"}),
        ("PUT", "/login", {"POST"}),
        ("GET", "/1/password", {"PUT"}),
        ("GET", "/password/mobile", {"POST"}),
        ("GET", "/password/mobile/captcha", {"POST"}),
        ("DELETE", "/password/email/link", {"GET", "POST"}),
    ],
)
def test_an_unknown_method_is_told_which_ones_are_known(
    client: TestClient, method: str, path: str, allow: set[str]
) -> None:
    response = client.request(method, USERS + path)
    assert_fails(response, 405)
    assert set(response.headers["allow"].split(", ")) - {"HEAD", "OPTIONS"} == allow


def test_an_absent_store_is_told_with_when_to_come_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_away(*_: Any, **__: Any) -> None:
        raise peewee.OperationalError("database is locked")

    monkeypatch.setattr(database.obj, "execute_sql", be_away)
    response = client.get(USERS)
    assert_fails(response, 503)
    assert int(response.headers["retry-after"]) >= 1


# --- words ---------------------------------------------------------------------------------------


def test_every_refusal_of_the_directory_has_words() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    for kind in kinds:
        body, status = indexy.fail(kind())
        assert 400 <= status < 500
        assert body["success"] is False
        assert ("payload" in body) == (status == 400)


def test_fields_stand_in_the_documents_order() -> None:
    places = [list(DOCUMENTED).index(field) for field in indexy.FIELDS if field in DOCUMENTED]
    assert all(first < second for first, second in pairwise(places))
