"""API 接口 用户部分及导出, as its document prints it and as it fails."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from handlers import annotation
from models import clock, friendship, project
from models.account import Account
from models.db.database import database, transaction
from models.departure import delete_account
from models.errors import AccountNotFound, AlreadyFriends, BadGraph, RequestNotFound
from models.friendship import FriendApplication, Friendship
from models.project import Entity, Invitation, Member, Project, Relation
from models.session import Session
from server.contract.validation import merge
from server.specs import load_contracts

PASSWORD = "correct horse"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
REGISTRATION = {"user_id": "zhangsan", "user_name": "法外狂徒张三", "password": "K16ldRr922I1"}
ZHANGSAN = {"user_name": "法外狂徒张三", "user_id": "zhangsan"}
NOT_LOGGED_IN = {"ret": -1, "msg": "用户未登录"}
UNKNOWN_ID = {"ret": -1, "msg": "id不存在"}
SENT = {"ret": 0, "msg": "邀请已发送"}
ACCEPTED = {"ret": 0, "msg": "已接受"}
DENIED = {"ret": 0, "msg": "已拒绝"}
NOTHING_PENDING = {"ret": -1, "msg": "没有待处理的申请或邀请"}
ENTITIES = [{"id": 7, "name": "刘备"}, {"id": 8, "name": "关羽"}, {"id": 9, "name": "张飞"}]
TRIADS = [
    {"id": 3, "name": "结义", "source_id": 7, "source_name": "刘备", "target_id": 8, "target_name": "关羽"},
    {"id": 4, "name": "兄长", "source_id": 8, "source_name": "关羽", "target_id": 9, "target_name": "张飞"},
]
EXPORTS = ("get_entities_json", "get_relations_json", "get_triads_json")
TABLES = (Account, Session, Friendship, FriendApplication, Project, Member, Invitation, Entity, Relation)

Person = Callable[..., TestClient]
Read = Callable[..., httpx.Response]


def answer(response: httpx.Response) -> Any:
    """Check that the contract's own envelope came with status 200; return it."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def put(client: TestClient, **body: str) -> Any:
    """Act by `PUT /user/other`; return the envelope."""
    return answer(client.put("/user/other", json=body))


def befriend(*clients: TestClient) -> None:
    """Make the first a friend of all others."""
    first, *others = clients
    for other in others:
        put(other, action="friend_apply", id=first.headers["x-name"])
        assert put(first, action="friend_apply_accept", id=other.headers["x-name"]) == ACCEPTED


def everything() -> list[Any]:
    """All that the store holds, to be compared before and after."""
    return [list(table.select().order_by(table.id).tuples()) for table in TABLES]


def make_project(name: str = "三国", owner: str = "zhangsan") -> Project:
    """Import a project with three entities and two relations."""
    with transaction():
        return Project.import_graph(name, Account.by_username(owner), ENTITIES, TRIADS)


@pytest.fixture
def person(app: Any, register: Callable[..., Account]) -> Person:
    """Makes somebody who is logged in: `person("zhangsan", "法外狂徒张三")` returns their client."""

    def make(user_id: str, user_name: str | None = None) -> TestClient:
        register(user_id, PASSWORD, display_name=user_name)
        client = TestClient(app, headers={"x-name": user_id}, raise_server_exceptions=False)
        answer(client.post("/user/signin", data={"user_id": user_id, "password": PASSWORD}))
        return client

    return make


@pytest.fixture
def zhangsan(person: Person) -> TestClient:
    return person("zhangsan", "法外狂徒张三")


@pytest.fixture
def lisi(person: Person) -> TestClient:
    return person("lisi", "李四")


@pytest.fixture(params=["body", "query"])
def read(request: pytest.FixtureRequest) -> Read:
    """Reads by `GET /user/other`, with the request in the body or in the query."""

    def send(client: TestClient, **asked: str) -> httpx.Response:
        where = {"json": asked} if request.param == "body" else {"params": asked}
        return client.request("GET", "/user/other", **where)

    return send


# --- 注册 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["data", "json"])
def test_registering_by_form_or_json_makes_an_account_and_logs_it_in(client: TestClient, how: str) -> None:
    response = client.post("/user/register/", **{how: REGISTRATION})
    assert answer(response) == {"ret": 0, "msg": "创建成功"}
    assert answer(client.get("/user/other")) == {"ret": 0} | ZHANGSAN


@pytest.mark.parametrize("user_id", ["zhangsan", "ZhangSan", "ｚｈａｎｇｓａｎ"])
def test_a_taken_id_is_refused_however_it_is_written(client: TestClient, zhangsan: TestClient, user_id: str) -> None:
    before = everything()
    response = client.post("/user/register/", data=REGISTRATION | {"user_id": user_id})
    assert answer(response) == {"ret": -1, "msg": "该账号id已使用"}
    assert "set-cookie" not in response.headers
    assert everything() == before


@pytest.mark.parametrize("word", ["other", "signin", "register", "change_pasword", "Other"])
def test_path_words_cannot_be_registered(client: TestClient, word: str) -> None:
    response = client.post("/user/register/", data=REGISTRATION | {"user_id": word})
    assert answer(response) == {"ret": -1, "msg": "该账号id已使用"}


# --- 登录 ------------------------------------------------------------------------------------------------------------


def test_signing_in_opens_a_session(client: TestClient, register: Callable[..., Account]) -> None:
    register("zhangsan", PASSWORD, display_name="法外狂徒张三")
    response = client.post("/user/signin", data={"user_id": "zhangsan", "password": PASSWORD})
    assert answer(response) == {"ret": 0, "msg": "登陆成功"}
    assert answer(client.get("/user/other")) == {"ret": 0} | ZHANGSAN


@pytest.mark.parametrize(("user_id", "password"), [("zhangsan", "wrong"), ("nobody", PASSWORD)])
def test_wrong_password_and_unknown_id_are_refused_alike(
    client: TestClient, register: Callable[..., Account], user_id: str, password: str
) -> None:
    register("zhangsan", PASSWORD)
    response = client.post("/user/signin", data={"user_id": user_id, "password": password})
    assert answer(response) == {"ret": -1, "msg": "用户id或密码错误"}
    assert "set-cookie" not in response.headers


@pytest.mark.requirement("ASVS 7.2.4")
@pytest.mark.parametrize("path", ["/user/signin", "/user/sigin"])
@pytest.mark.parametrize(
    "request_of_any_kind",
    [
        {"data": {"user_id": "zhangsan", "password": PASSWORD}},
        {"data": {"user_id": "zhangsan", "password": "wrong"}},
        {"data": {}},
        {"json": {"user_id": "zhangsan"}},
        {"content": b"\xff\xfe", "headers": {"content-type": "text/plain"}},
        {"content": b"x" * 2_000_000, "headers": FORM},
    ],
)
def test_signing_in_while_logged_in_is_refused_before_anything_else(
    zhangsan: TestClient, path: str, request_of_any_kind: dict[str, Any]
) -> None:
    assert answer(zhangsan.post(path, **request_of_any_kind)) == {"ret": -2, "msg": "用户已登录"}


def test_a_dead_cookie_is_no_obstacle_to_signing_in(zhangsan: TestClient) -> None:
    dead = zhangsan.cookies["sessionid"]
    put(zhangsan, action="logout")
    zhangsan.cookies.clear()
    zhangsan.cookies.set("sessionid", dead)
    response = zhangsan.post("/user/signin", data={"user_id": "zhangsan", "password": PASSWORD})
    assert answer(response) == {"ret": 0, "msg": "登陆成功"}


# --- the cookie ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "secure"), [("http", ""), ("https", "; Secure")])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    app: Any, register: Callable[..., Account], scheme: str, secure: str
) -> None:
    register("zhangsan", PASSWORD)
    client = TestClient(app, base_url=f"{scheme}://testserver")
    credentials = {"user_id": "zhangsan", "password": PASSWORD}
    name, _, rest = client.post("/user/signin", data=credentials).headers["set-cookie"].partition("=")
    secret, _, attributes = rest.partition("; ")
    assert name == "sessionid"
    assert len(secret) == 40
    assert attributes == f"Max-Age=1209600; Path=/; HttpOnly; SameSite=Lax{secure}"


@pytest.mark.parametrize(
    "sent", [["a=b", "{}"], ["{}", "a=b"], ['$Version=0; {}; $Path="/"'], ["a=b;{};"], ["junk", "{}"]]
)
def test_several_cookie_headers_are_one(zhangsan: TestClient, sent: list[str]) -> None:
    """nodejs/node#11256, js-cookie/java-cookie#11: Java adds a header for each cookie; the first alone was read."""
    cookie = f"sessionid={zhangsan.cookies['sessionid']}"
    zhangsan.cookies.clear()
    headers = [("cookie", one.format(cookie)) for one in sent]
    assert answer(zhangsan.get("/user/other", headers=headers)) == {"ret": 0} | ZHANGSAN


def test_the_store_does_not_know_the_cookie(zhangsan: TestClient) -> None:
    assert zhangsan.cookies["sessionid"] not in str(everything())


@pytest.mark.requirement("ASVS 7.3.2", "ASVS 7.4.1")
def test_a_session_lasts_fourteen_days(zhangsan: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + 14 * 86_400 - 10)
    assert answer(zhangsan.get("/user/other")) == {"ret": 0} | ZHANGSAN
    monkeypatch.setattr(clock, "now", lambda: start + 14 * 86_400 + 10)
    assert answer(zhangsan.get("/user/other")) == NOT_LOGGED_IN


@pytest.mark.parametrize("contract", ["dbms", "sso", "signed", "indexy"])
def test_secrets_of_other_contracts_open_nothing_here(
    client: TestClient, register: Callable[..., Account], contract: str
) -> None:
    with transaction():
        Session.open(register("zhangsan", PASSWORD), contract, "a-secret")
    client.cookies.set("sessionid", "a-secret")
    assert answer(client.get("/user/other")) == NOT_LOGGED_IN


def test_the_cookie_opens_nothing_elsewhere(zhangsan: TestClient) -> None:
    response = zhangsan.get("/user/zhangsan", params={"token": zhangsan.cookies["sessionid"]})
    assert response.status_code == 401


@pytest.mark.parametrize("cookie", [None, "", "nonsense", "ÿ", "x" * 5_000])
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", "/user/other", {"json": {"action": "logout"}}),
        ("PUT", "/user/other", {"json": {"action": "friend_apply", "id": "zhangsan"}}),
        ("PUT", "/user/other", {"content": b"{broken", "headers": JSON}),
        ("POST", "/user/other", {"json": {"action": "change_name", "user_name": "张三"}}),
        ("GET", "/user/other", {}),
        ("GET", "/user/other", {"params": {"action": "get_entities_json", "id": "1"}}),
        ("GET", "/user/other", {"params": {"action": "nonsense"}}),
        ("POST", "/user/change_pasword", {"data": {"new_password": "new", "cur_password": PASSWORD}}),
        ("POST", "/user/change_password", {"data": {"new_password": "new", "cur_password": PASSWORD}}),
    ],
)
def test_who_is_not_logged_in_is_told_so_first(
    client: TestClient, cookie: str | None, method: str, path: str, sent: dict[str, Any]
) -> None:
    given = {} if cookie is None else {"cookie": f"sessionid={cookie}".encode("latin-1")}
    headers = sent.get("headers", {}) | given
    assert answer(client.request(method, path, **sent | {"headers": headers})) == NOT_LOGGED_IN


# --- 登出, 修改密码, 修改昵称 ----------------------------------------------------------------------------------------


def test_logging_out_is_final(zhangsan: TestClient) -> None:
    secret = zhangsan.cookies["sessionid"]
    response = zhangsan.put("/user/other", json={"action": "logout"})
    assert answer(response) == {"ret": 0, "msg": "登出成功"}
    assert response.headers["set-cookie"] == "sessionid=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    assert "sessionid" not in zhangsan.cookies
    zhangsan.cookies.set("sessionid", secret)
    assert put(zhangsan, action="logout") == NOT_LOGGED_IN


def test_logging_out_ends_this_session_only(zhangsan: TestClient, client: TestClient) -> None:
    client.post("/user/signin", data={"user_id": "zhangsan", "password": PASSWORD})
    put(zhangsan, action="logout")
    assert answer(client.get("/user/other")) == {"ret": 0} | ZHANGSAN


def test_a_new_password_ends_the_sessions_of_all_contracts_but_this_one(zhangsan: TestClient) -> None:
    account = Account.by_username("zhangsan")
    with transaction():
        for contract in ("dbms", "sso", "signed", "annotation", "indexy"):
            Session.open(account, contract, f"{contract}-secret")
    change = {"new_password": "穿林北腿 123", "cur_password": PASSWORD}
    assert answer(zhangsan.post("/user/change_pasword", data=change)) == {"ret": 0, "msg": "密码修改成功"}
    assert Session.select().count() == 1
    assert answer(zhangsan.get("/user/other"))["ret"] == 0
    put(zhangsan, action="logout")
    old, new = ({"user_id": "zhangsan", "password": password} for password in (PASSWORD, "穿林北腿 123"))
    assert answer(zhangsan.post("/user/signin", data=old))["ret"] == -1
    assert answer(zhangsan.post("/user/signin", data=new))["ret"] == 0


@pytest.mark.requirement("ASVS 6.2.3")
@pytest.mark.parametrize("path", ["/user/change_pasword", "/user/change_password"])
@pytest.mark.parametrize(
    ("current", "new", "refusal"),
    [
        ("wrong", "new password", {"ret": -1, "msg": "当前密码错误"}),
        ("wrong", "wrong", {"ret": -1, "msg": "当前密码错误"}),
        (PASSWORD, PASSWORD, {"ret": -2, "msg": "新密码重复"}),
    ],
)
def test_a_wrong_or_repeated_password_changes_nothing(
    zhangsan: TestClient, path: str, current: str, new: str, refusal: dict[str, Any]
) -> None:
    before = everything()
    change = {"new_password": new, "cur_password": current}
    assert answer(zhangsan.post(path, data=change)) == refusal
    assert everything() == before


def test_a_changed_name_is_shown(zhangsan: TestClient) -> None:
    response = zhangsan.post("/user/other", json={"action": "change_name", "user_name": "穿林北腿蒋中正"})
    assert answer(response) == {"ret": 0, "msg": "修改成功"}
    assert answer(zhangsan.get("/user/other"))["user_name"] == "穿林北腿蒋中正"


# --- 拉取用户信息 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"headers": JSON},
        {"json": {}},
        {"json": {"id": "1"}},
        {"params": {"id": "1"}},
        {"params": {"unknown": "parameter"}},
        {"content": b"", "headers": FORM},
    ],
)
def test_own_data_comes_where_no_action_is_named(zhangsan: TestClient, sent: dict[str, Any]) -> None:
    assert answer(zhangsan.request("GET", "/user/other", **sent)) == {"ret": 0} | ZHANGSAN


def test_the_id_is_shown_where_there_is_no_name(person: Person) -> None:
    shown = answer(person("WangWu").get("/user/other"))
    assert shown == {"ret": 0, "user_name": "WangWu", "user_id": "WangWu"}


def test_the_body_counts_where_body_and_query_name_an_action(zhangsan: TestClient) -> None:
    asked = {"params": {"action": "get_friends"}, "json": {"action": "get_project_invites"}}
    assert answer(zhangsan.request("GET", "/user/other", **asked)) == {"ret": 0, "sum": 0, "invites": []}


def test_the_query_counts_where_the_body_names_no_action(zhangsan: TestClient) -> None:
    asked = {"params": {"action": "get_friends"}, "json": {}}
    assert answer(zhangsan.request("GET", "/user/other", **asked)) == {"ret": 0, "sum": 0, "friends": []}


# --- 好友 ------------------------------------------------------------------------------------------------------------


def test_an_accepted_application_makes_two_friends(zhangsan: TestClient, lisi: TestClient, read: Read) -> None:
    assert put(lisi, action="friend_apply", id="zhangsan") == SENT
    waiting = answer(read(zhangsan, action="get_friends_applications"))
    applicants = [{"user_name": "李四", "user_id": "lisi"}]
    assert waiting == {"ret": 0, "sum": 1, "applications": applicants, "friends": applicants}
    assert put(zhangsan, action="friend_apply_accept", id="lisi") == ACCEPTED
    assert answer(read(lisi, action="get_friends")) == {"ret": 0, "sum": 1, "friends": [ZHANGSAN]}
    friends = [{"user_name": "李四", "user_id": "lisi"}]
    assert answer(read(zhangsan, action="get_friends")) == {"ret": 0, "sum": 1, "friends": friends}
    empty = {"ret": 0, "sum": 0, "applications": [], "friends": []}
    assert answer(read(zhangsan, action="get_friends_applications")) == empty


def test_a_denied_application_is_gone_and_may_be_sent_again(zhangsan: TestClient, lisi: TestClient) -> None:
    put(lisi, action="friend_apply", id="zhangsan")
    assert put(zhangsan, action="friend_apply_deny", id="lisi") == DENIED
    assert put(zhangsan, action="friend_apply_deny", id="lisi") == NOTHING_PENDING
    assert Friendship.select().count() == 0
    assert put(lisi, action="friend_apply", id="zhangsan") == SENT


def test_applying_twice_is_the_same_as_once(zhangsan: TestClient, lisi: TestClient) -> None:
    assert put(lisi, action="friend_apply", id="zhangsan") == SENT
    once = everything()
    assert put(lisi, action="friend_apply", id="ZHANGSAN") == SENT
    assert everything() == once


def test_two_who_applied_to_each_other_become_friends_with_one_accept(zhangsan: TestClient, lisi: TestClient) -> None:
    assert put(lisi, action="friend_apply", id="zhangsan") == SENT
    assert put(zhangsan, action="friend_apply", id="lisi") == SENT
    assert put(lisi, action="friend_apply_accept", id="zhangsan") == ACCEPTED
    assert Friendship.select().count() == 2
    assert FriendApplication.select().count() == 0
    assert put(zhangsan, action="friend_apply_accept", id="lisi") == NOTHING_PENDING


@pytest.mark.parametrize("action", ["friend_apply", "friend_apply_accept", "friend_apply_deny"])
def test_an_unknown_id_has_no_applications(zhangsan: TestClient, action: str) -> None:
    before = everything()
    assert put(zhangsan, action=action, id="nobody") == UNKNOWN_ID
    assert everything() == before


def test_nobody_befriends_themselves_or_a_friend_again(zhangsan: TestClient, lisi: TestClient) -> None:
    befriend(zhangsan, lisi)
    before = everything()
    assert put(lisi, action="friend_apply", id="zhangsan") == {"ret": -2, "msg": "已与该用户成为好友"}
    assert put(lisi, action="friend_apply", id="LiSi") == {"ret": -1, "msg": "不能申请自己为好友"}
    assert everything() == before


def test_nobody_accepts_their_own_application(zhangsan: TestClient, lisi: TestClient) -> None:
    put(lisi, action="friend_apply", id="zhangsan")
    assert put(lisi, action="friend_apply_accept", id="zhangsan") == NOTHING_PENDING
    assert Friendship.select().count() == 0


def test_an_application_to_an_account_that_was_just_deleted_is_refused(register: Callable[..., Account]) -> None:
    applicant, recipient = register("lisi"), register("zhangsan")
    with transaction():
        delete_account(recipient)
    with pytest.raises(AccountNotFound), transaction():
        FriendApplication.send(applicant, recipient)


def test_of_two_accepts_at_once_one_finds_nothing(register: Callable[..., Account]) -> None:
    applicant, recipient = register("lisi"), register("zhangsan")
    with transaction():
        FriendApplication.send(applicant, recipient)
    together = Barrier(2)

    def accept(_: int) -> bool:
        together.wait()
        try:
            with transaction():
                FriendApplication.accept(applicant, recipient)
        except RequestNotFound:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(accept, range(2))) == [False, True]
    assert Friendship.select().count() == 2
    with pytest.raises(AlreadyFriends), transaction():
        FriendApplication.send(applicant, recipient)


def test_lists_are_cut_where_the_contract_says(
    zhangsan: TestClient, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(person(name), action="friend_apply", id="zhangsan")
    monkeypatch.setattr(friendship, "LONGEST_LIST", 2)
    waiting = answer(zhangsan.get("/user/other", params={"action": "get_friends_applications"}))
    assert [one["user_id"] for one in waiting["applications"]] == ["a", "b"]
    assert waiting["sum"] == 2


# --- 项目邀请 --------------------------------------------------------------------------------------------------------


def test_an_accepted_invitation_makes_a_member(zhangsan: TestClient, lisi: TestClient, read: Read) -> None:
    befriend(zhangsan, lisi)
    number = str(make_project().id)
    assert put(zhangsan, action="project_invite", project_id=number) == SENT
    invite = ZHANGSAN | {"project_id": number, "project_name": "三国"}
    assert answer(read(lisi, action="get_project_invites")) == {"ret": 0, "sum": 1, "invites": [invite]}
    assert answer(read(lisi, action="get_triads_json", id=number))["msg"] == "未参与该项目"
    assert put(lisi, action="project_invite_accept", project_id=number) == ACCEPTED
    assert read(lisi, action="get_triads_json", id=number).status_code == 200
    assert answer(read(lisi, action="get_project_invites")) == {"ret": 0, "sum": 0, "invites": []}


def test_a_denied_invitation_is_gone_and_may_be_sent_again(zhangsan: TestClient, lisi: TestClient) -> None:
    befriend(zhangsan, lisi)
    number = str(make_project().id)
    put(zhangsan, action="project_invite", project_id=number)
    assert put(lisi, action="project_invite_deny", project_id=number) == DENIED
    assert put(lisi, action="project_invite_deny", project_id=number) == NOTHING_PENDING
    assert put(lisi, action="project_invite_accept", project_id=number) == NOTHING_PENDING
    assert put(zhangsan, action="project_invite", project_id=number, friend_id="lisi") == SENT
    assert Invitation.select().count() == 1


def test_without_a_friend_all_friends_who_are_not_members_are_invited_once(
    zhangsan: TestClient, lisi: TestClient, person: Person
) -> None:
    wangwu, zhaoliu = person("wangwu"), person("zhaoliu")
    befriend(zhangsan, lisi, wangwu)
    number = str(make_project().id)
    put(zhangsan, action="project_invite", project_id=number, friend_id="wangwu")
    put(wangwu, action="project_invite_accept", project_id=number)
    for _ in range(2):
        assert put(zhangsan, action="project_invite", project_id=number) == SENT
    assert [invitation.invitee.username for invitation in Invitation.select()] == ["lisi"]
    assert put(zhaoliu, action="project_invite_accept", project_id=number) == NOTHING_PENDING


def test_a_member_may_invite_as_the_owner_may(zhangsan: TestClient, lisi: TestClient, person: Person) -> None:
    wangwu = person("wangwu")
    befriend(lisi, zhangsan, wangwu)
    number = str(make_project().id)
    assert put(lisi, action="project_invite", project_id=number)["msg"] == "未参与该项目"
    put(zhangsan, action="project_invite", project_id=number)
    put(lisi, action="project_invite_accept", project_id=number)
    assert put(lisi, action="project_invite", project_id=number, friend_id="wangwu") == SENT
    assert put(wangwu, action="project_invite_accept", project_id=number) == ACCEPTED


def test_an_invitation_that_cannot_be_sent_changes_nothing(
    zhangsan: TestClient, lisi: TestClient, person: Person
) -> None:
    person("wangwu")
    befriend(zhangsan, lisi)
    number = str(make_project().id)
    put(zhangsan, action="project_invite", project_id=number)
    put(lisi, action="project_invite_accept", project_id=number)
    before = everything()
    invite = {"action": "project_invite", "project_id": number}
    assert put(zhangsan, action="project_invite", project_id="1234") == UNKNOWN_ID
    assert put(zhangsan, **invite, friend_id="nobody") == UNKNOWN_ID
    assert put(zhangsan, **invite, friend_id="wangwu") == {"ret": -1, "msg": "未与该用户成为好友"}
    assert put(zhangsan, **invite, friend_id="zhangsan") == {"ret": -1, "msg": "未与该用户成为好友"}
    assert put(zhangsan, **invite, friend_id="lisi") == {"ret": -2, "msg": "该用户已参与项目"}
    assert everything() == before


# --- 导出 ------------------------------------------------------------------------------------------------------------


def test_exports_are_files_in_json(zhangsan: TestClient, read: Read) -> None:
    number = str(make_project("Three Kingdoms").id)
    entities, relations, triads = (read(zhangsan, action=action, id=number) for action in EXPORTS)
    ids = {row["name"]: row["id"] for row in entities.json()}
    assert [row["name"] for row in entities.json()] == ["刘备", "关羽", "张飞"]
    assert [row.keys() for row in relations.json()] == [{"id", "name"}] * 2
    assert triads.json()[0] == relations.json()[0] | {
        "source_id": ids["刘备"],
        "source_name": "刘备",
        "target_id": ids["关羽"],
        "target_name": "关羽",
        "destination_name": "关羽",
    }
    for response, what in ((entities, "entities"), (relations, "relations"), (triads, "triads")):
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"] == f'attachment;filename="Three Kingdoms_{what}.json"'
    assert "刘备".encode() in entities.content


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("三国", "attachment;filename=___entities.json;filename*=UTF-8''%E4%B8%89%E5%9B%BD_entities.json"),
        ('a"b', "attachment;filename=a_b_entities.json;filename*=UTF-8''a%22b_entities.json"),
        ("50%", "attachment;filename=50__entities.json;filename*=UTF-8''50%25_entities.json"),
        ("../a\\b", "attachment;filename=.._a_b_entities.json"),
    ],
)
def test_the_name_of_the_file_survives_every_project_name(zhangsan: TestClient, name: str, disposition: str) -> None:
    """As printed, `attachment;filename=`: clients take all that follows, quotation marks too (autopkg#633)."""
    asked = {"action": "get_entities_json", "id": str(make_project(name).id)}
    assert zhangsan.get("/user/other", params=asked).headers["content-disposition"] == disposition


@pytest.mark.parametrize("action", EXPORTS)
def test_exports_are_for_members(zhangsan: TestClient, lisi: TestClient, read: Read, action: str) -> None:
    number = str(make_project().id)
    assert answer(read(lisi, action=action, id=number)) == {"ret": -1, "msg": "未参与该项目"}
    assert answer(read(lisi, action=action, id="1234")) == UNKNOWN_ID
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in number)  # as Chinese keyboards write them
    for typed in (number.zfill(18), f" {number}", full_width):
        assert read(zhangsan, action=action, id=typed).content.startswith(b"[{"), typed


@pytest.mark.parametrize("action", EXPORTS)
def test_an_empty_project_gives_an_empty_file(zhangsan: TestClient, action: str) -> None:
    with transaction():
        number = Project.import_graph("空", Account.by_username("zhangsan"), []).id
    assert zhangsan.get("/user/other", params={"action": action, "id": str(number)}).content == b"[]"


def test_what_was_exported_can_be_imported(zhangsan: TestClient) -> None:
    first = make_project()
    entities, triads = list(first.entities_rows()), list(first.triads_rows())
    with transaction():
        second = Project.import_graph("again", first.owner, json.loads(json.dumps(entities)), triads)

    def structure(rows: Iterator[dict[str, Any]]) -> list[Any]:
        return [(row["name"], row["source_name"], row["target_name"]) for row in rows]

    assert [row["name"] for row in second.entities_rows()] == [row["name"] for row in entities]
    assert structure(second.triads_rows()) == structure(iter(triads))


def test_an_export_is_read_and_sent_piece_by_piece(
    register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "PAGE", 10)
    monkeypatch.setattr(annotation, "PIECE", 50)
    rows = [{"id": number, "name": f"entity {number}"} for number in range(1_000)]
    reported: list[int] = []
    with transaction():
        graph = Project.import_graph("p", register(), rows, progress=reported.append)
    assert sum(reported) == 1_000
    pieces = annotation._as_array(graph.entities_rows())
    beginning = next(pieces)
    with transaction():  # no transaction is open between two pages, so what is added meanwhile is read
        database.begin_immediate()
        Entity.create(project=graph, name="late")
    rest = list(pieces)
    assert len(rest) > 100
    assert [row["name"] for row in json.loads(beginning + b"".join(rest))] == [row["name"] for row in rows] + ["late"]


def _triad(**changes: Any) -> dict[str, Any]:
    return TRIADS[0] | changes


@pytest.mark.parametrize(
    ("entities", "triads", "place"),
    [
        ([*ENTITIES, "刘备"], [], "entities[3]: not an object"),
        ([{"name": "刘备"}], [], "entities[0]: id is missing"),
        ([{"id": 1}], [], "entities[0]: name is missing"),
        ([{"id": "1", "name": "刘备"}], [], "entities[0]: id is not a whole number"),
        ([{"id": True, "name": "刘备"}], [], "entities[0]: id is not a whole number"),
        ([{"id": 1, "name": 2}], [], "entities[0]: name is not a text"),
        ([{"id": 1, "name": ""}], [], "entities[0]: name is not a text"),
        ([{"id": 1, "name": "x" * 257}], [], "entities[0]: name is not a text"),
        ([{"id": 1, "name": "\0"}], [], "entities[0]: name is not a text"),
        ([{"id": 1, "name": "\ud800"}], [], "entities[0]: name is not a text"),
        ([*ENTITIES, {"id": 7, "name": "赵云"}], [], "entities[3]: id 7 is there twice"),
        ([*ENTITIES, {"id": 10, "name": "刘备"}], [], "entities[3]: name is there twice"),
        (ENTITIES, [_triad(target_id=10)], "triads[0]: target_id 10 is none of the entities"),
        (ENTITIES, [_triad(target_name="张飞")], "triads[0]: target_name is not the name of entity 8"),
        (ENTITIES, [_triad(target_id=7, target_name="刘备")], "triads[0]: source and target are the same entity"),
        (ENTITIES, [*TRIADS, _triad(name="再结义")], "triads[2]: there is a relation from this source to this target"),
        (ENTITIES, [{"source_id": 7, "target_id": 8}], "triads[0]: name is missing"),
        (ENTITIES, [None], "triads[0]: not an object"),
    ],
)
def test_a_graph_that_does_not_fit_together_is_refused_as_a_whole(
    register: Callable[..., Account], entities: list[Any], triads: list[Any], place: str
) -> None:
    owner = register()
    before = everything()
    with pytest.raises(BadGraph) as refusal, transaction():
        Project.import_graph("三国", owner, entities, triads)
    assert str(refusal.value).startswith(place)
    assert everything() == before


@pytest.mark.parametrize("name", ["", "x" * 129, "line\nbreak"])
def test_a_project_needs_a_name(register: Callable[..., Account], name: str) -> None:
    with pytest.raises(BadGraph, match="project: name"), transaction():
        Project.import_graph(name, register(), [])


def test_the_list_of_projects_shows_owner_and_counts(zhangsan: TestClient) -> None:
    make_project()
    (listed,) = Project.list_all()
    counts = (listed.member_count, listed.entity_count, listed.relation_count)
    assert (listed.name, listed.owner.username, *counts) == ("三国", "zhangsan", 1, 3, 2)


# --- who leaves ------------------------------------------------------------------------------------------------------


def test_a_leaving_owner_hands_the_project_to_the_longest_standing_member(
    register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, young, old = (register(name) for name in ("owner", "young", "old"))
    shared = make_project("shared", "owner")
    make_project("alone", "owner")
    guest = register("guest")
    with transaction():
        database.begin_immediate()
        Member.create(project=shared, account=young, joined=clock.now() + 2)
        Member.create(project=shared, account=old, joined=clock.now() + 1)
        Invitation.create(project=shared, inviter=owner, invitee=guest, created=clock.now())
        Friendship.make(owner, young)
        FriendApplication.send(old, owner)
        Session.open(owner, "annotation", "a-secret")
        delete_account(owner)
    (kept,) = Project.select()
    assert (kept.name, kept.owner.username) == ("shared", "old")
    assert [member.account.username for member in Member.select().order_by(Member.id)] == ["young", "old"]
    assert len(list(kept.triads_rows())) == Relation.select().count() == 2
    for table in (Invitation, Friendship, FriendApplication, Session):
        assert table.select().count() == 0


def test_an_account_is_deleted_once(register: Callable[..., Account]) -> None:
    account = register()
    with transaction():
        delete_account(account)
    with pytest.raises(AccountNotFound), transaction():
        delete_account(account)


# --- bad input -------------------------------------------------------------------------------------------------------

BODIES = {
    "/user/register/": ("POST", REGISTRATION),
    "/user/signin": ("POST", {"user_id": "lisi", "password": PASSWORD}),
    "/user/change_pasword": ("POST", {"new_password": "new", "cur_password": PASSWORD}),
}
ACTS = [
    ("PUT", {"action": "friend_apply", "id": "lisi"}),
    ("PUT", {"action": "project_invite", "project_id": "1"}),
    ("POST", {"action": "change_name", "user_name": "x"}),
    ("GET", {"action": "get_entities_json", "id": "1"}),
]
NO_NUMBERS = ["\0", "a\x1fb"]
"""Texts of a bearable length: as ids of projects, ids that do not exist."""
BROKEN_JSON = {
    "broken": b'{"action": ',
    "not UTF-8": b'{"action": "\xff"}',
    "a list": b"[]",
    "a text": b'"logout"',
    "a number": b"1",
    "null": b"null",
    "nested": b"[" * 20_000,
    "a lone surrogate": b'{"action": "change_name", "user_name": "\\ud800", "id": "\\ud800", "project_id": "\\ud800"}',
    "an unknown action": b'{"action": "delete_everything"}',
    "an action of the wrong type": b'{"action": ["logout"]}',
}


def assert_refused(response: httpx.Response, status: int = 400) -> None:
    """Check for the envelope of a failure that the document does not know."""
    assert response.status_code == (200 if status == 400 else status), response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"ret", "msg"}
    assert body["ret"] == -status
    assert body["msg"]


@pytest.fixture
def unchanged(zhangsan: TestClient, lisi: TestClient) -> Iterator[None]:
    """Checks that the test leaves the store as it was."""
    befriend(zhangsan, lisi)
    make_project()
    before = everything()
    yield
    assert everything() == before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
@pytest.mark.parametrize("content", BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_a_broken_json_body_is_refused(zhangsan: TestClient, method: str, content: bytes) -> None:
    assert_refused(zhangsan.request(method, "/user/other", content=content, headers=JSON))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("method", "good"), ACTS)
def test_an_act_with_a_bad_value_is_refused(zhangsan: TestClient, method: str, good: dict[str, str]) -> None:
    name = list(good)[1]
    bad: list[Any] = ["x" * 65, "\0", "a\x1fb", "9" * 65, 1.5, True, ["lisi"], {"id": "lisi"}, 2**70]
    if name != "user_name":
        bad += ["", None]
    for value in bad:
        if (method == "GET" or name == "project_id") and value in NO_NUMBERS:
            assert answer(zhangsan.request(method, "/user/other", json=good | {name: value})) == UNKNOWN_ID
        else:
            assert_refused(zhangsan.request(method, "/user/other", json=good | {name: value}))
    if name != "user_name":
        assert_refused(zhangsan.request(method, "/user/other", json={"action": good["action"]}))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("number", ["-1", "1.0", "0x1", "1 1", "१२३४", "9" * 19, "9223372036854775808", "1e3"])
def test_what_is_no_project_number_is_no_project(zhangsan: TestClient, read: Read, number: str) -> None:
    assert answer(read(zhangsan, action="get_triads_json", id=number)) == UNKNOWN_ID
    assert put(zhangsan, action="project_invite_accept", project_id=number) == UNKNOWN_ID


@pytest.mark.parametrize(
    "query",
    [
        "action=delete_everything",
        "action=get_friends&action=get_friends",
        "action=get_entities_json",
        "action=get_entities_json&id=1&id=2",
        "action=get_entities_json&id=%FF",
        "action=get_entities_json&id=",
        "action=%ED%A0%80",
    ],
)
def test_a_query_that_fits_no_action_is_refused(zhangsan: TestClient, query: str) -> None:
    assert_refused(zhangsan.get(f"/user/other?{query}"))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", BODIES)
def test_a_form_with_a_bad_value_is_refused(client: TestClient, zhangsan: TestClient, path: str) -> None:
    method, good = BODIES[path]
    sender = zhangsan if path == "/user/change_pasword" else client
    for name in good:
        if name == "user_name":
            continue  # it may be blank
        missing = {field: value for field, value in good.items() if field != name}
        bad = ["", "x" * 257] if "password" in name else ["", "x" * 65, "\0", "a\x7fb", "\n"]
        for form in (missing, *(good | {name: value} for value in bad), good | {name: [good[name]] * 2}):
            assert_refused(sender.request(method, path, data=form))
    for content in (b"", b"user_id=%FF&user_name=x&password=x", b"user_id=\xff", b"user_id=%ED%A0%80&password=x"):
        assert_refused(sender.request(method, path, content=content, headers=FORM))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("content", [*BROKEN_JSON.values(), b'{"user_id": [1], "user_name": "x", "password": "x"}'])
def test_registering_by_broken_json_is_refused(client: TestClient, content: bytes) -> None:
    assert_refused(client.post("/user/register/", content=content, headers=JSON))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("method", "path"), [*((method, path) for path, (method, _) in BODIES.items()), ("PUT", "/user/other")]
)
def test_too_large_bodies_and_other_media_types_are_refused(
    client: TestClient, zhangsan: TestClient, method: str, path: str
) -> None:
    sender = zhangsan if path in ("/user/change_pasword", "/user/other") else client
    for media_type in (FORM, JSON):
        assert_refused(sender.request(method, path, content=b"x" * 5_000_000, headers=media_type), 413)
    for media_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        headers = {"content-type": media_type}
        refused = 415 if path == "/user/other" else 400  # what is no JSON is a form, where forms are read
        assert_refused(sender.request(method, path, content=b"<x/>", headers=headers), refused)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/user/other", "GET, HEAD, POST, PUT"),
        ("PATCH", "/user/other", "GET, HEAD, POST, PUT"),
        ("GET", "/user/signin", "POST"),
        ("PUT", "/user/signin", "POST"),
        ("GET", "/user/register/", "POST"),
        ("GET", "/user/change_pasword", "POST"),
    ],
)
def test_another_method_is_told_which_are_allowed(client: TestClient, method: str, path: str, allow: str) -> None:
    response = client.request(method, path)
    assert_refused(response, 405)
    assert response.headers["allow"] == allow


# --- the spec --------------------------------------------------------------------------------------------------------


def test_every_action_of_the_spec_has_its_function_and_no_function_is_left_over() -> None:
    (document,) = (contract.document for contract in load_contracts() if contract.stem == "annotation")
    schemas = {name: merge(schema) for name, schema in document["components"]["schemas"].items()}
    assert {"", *schemas["Act"]["discriminator"]["mapping"]} == annotation.ACTS.keys()
    required = document["paths"]["/user/other"]["get"]["x-action"]["requires"]
    assert ["", *required] == list(annotation.READS)
    assert list(required) == schemas["ReadAction"]["enum"]


def test_lists_are_as_long_as_the_spec_lets_them_be() -> None:
    (document,) = (contract.document for contract in load_contracts() if contract.stem == "annotation")
    schemas = document["components"]["schemas"]
    lists = {"FriendList": "friends", "ApplicationList": "applications", "InviteList": "invites"}
    for schema, name in lists.items():
        assert schemas[schema]["properties"][name]["maxItems"] == friendship.LONGEST_LIST
    assert schemas["Sum"]["maximum"] == friendship.LONGEST_LIST
