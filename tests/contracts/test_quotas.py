"""No account can pile up sessions, friends, applications or invitations without end, and no list is read whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from models import settings as directory_settings
from models.account import Account
from models.audit.lanes import PendingEvent
from models.db.database import database, transaction
from models.friendship import FriendApplication, Friendship
from models.project import Invitation, Project
from models.session import Session
from server.settings import Settings
from tests.clients import Annotation, ContractClient, open_clients

PASSWORD = "correct horse"
MOST = 3
FRIENDS_FULL = {"ret": -400, "msg": "好友数已达上限"}
APPLICATIONS_FULL = {"ret": -400, "msg": "好友申请数已达上限"}
INVITATIONS_FULL = {"ret": -400, "msg": "项目邀请数已达上限"}
SENT = {"ret": 0, "msg": "邀请已发送"}
STEMS = ["dbms", "sso", "signed", "annotation", "indexy"]

People = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def few(settings: Settings) -> None:
    """Allow few of everything."""
    most = dict.fromkeys(["max_sessions", "max_friends", "max_applications", "max_invitations", "max_page_size"], MOST)
    directory_settings.apply(replace(settings, **most))


@pytest.fixture
def door(client: TestClient) -> Annotation:
    return Annotation(client)


@pytest.fixture
def people(door: Annotation, register: Callable[..., Account]) -> People:
    """Makes accounts that are logged in; returns their cookies."""

    def make(*names: str) -> list[Any]:
        for name in names:
            register(name)
        return [door.enter(name, PASSWORD) for name in names]

    return make


def befriend(name: str, *others: str) -> None:
    """Make somebody a friend of all others."""
    with transaction():
        for other in others:
            Friendship.make(Account.by_username(name), Account.by_username(other))


def rows() -> list[Any]:
    """Return what concerns friends and projects."""
    return [list(table.select().order_by(table.id).tuples()) for table in (Friendship, FriendApplication, Invitation)]


@pytest.mark.requirement("ASVS 7.1.2")
@pytest.mark.parametrize("stem", STEMS)
def test_a_session_too_many_ends_the_oldest_of_its_account_and_contract(
    client: TestClient, register: Callable[..., Account], stem: str
) -> None:
    register("alice")
    register("bob")
    clients = open_clients(client)
    door: ContractClient = clients[stem]
    others = {name: one.enter("alice", PASSWORD) for name, one in clients.items() if name != stem}
    bobs = door.enter("bob", PASSWORD)
    credentials = [door.enter("alice", PASSWORD) for _ in range(MOST + 2)]
    if stem != "indexy":  # nothing there asks for a session under `documented`
        assert [door.is_live(one) for one in credentials] == [False, False, True, True, True]
        assert door.is_live(bobs)
    assert all(clients[name].is_live(one) for name, one in others.items() if name != "indexy")
    assert Session.select().where(Session.contract == stem).count() == MOST + 1
    ended = PendingEvent.select().where(PendingEvent.event == "session_ended")
    assert [(event.account, event.contract, event.detail) for event in ended] == [(1, stem, '{"sessions":1}')] * 2


def test_who_has_enough_friends_makes_no_more_and_neither_does_who_asks_them(door: Annotation, people: People) -> None:
    alice, bob, *_ = people("alice", "bob", "a", "b", "c")
    befriend("alice", "a", "b", "c")
    assert door.act(bob, "friend_apply", id="alice").json() == SENT
    assert door.act(alice, "friend_apply", id="bob").json() == SENT
    before = rows()
    assert door.act(alice, "friend_apply_accept", id="bob").json() == FRIENDS_FULL
    assert door.act(bob, "friend_apply_accept", id="alice").json() == FRIENDS_FULL
    assert rows() == before
    with transaction():
        database.begin_immediate()
        Friendship.delete().where(Friendship.friend == Account.by_username("a")).execute()
    assert door.act(alice, "friend_apply_accept", id="bob").json()["ret"] == 0


def test_applications_neither_pile_up_at_one_account_nor_leave_one_without_end(
    door: Annotation, people: People
) -> None:
    cookies = people("a", "b", "c", "d", "e")
    for cookie in cookies[:MOST]:
        assert door.act(cookie, "friend_apply", id="e").json() == SENT
    before = rows()
    assert door.act(cookies[3], "friend_apply", id="e").json() == APPLICATIONS_FULL
    assert rows() == before
    assert door.act(cookies[0], "friend_apply", id="e").json() == SENT  # again is the same as once
    for name in ("b", "c"):
        assert door.act(cookies[0], "friend_apply", id=name).json() == SENT
    before = rows()
    assert door.act(cookies[0], "friend_apply", id="d").json() == APPLICATIONS_FULL
    assert rows() == before


def test_invitations_do_not_pile_up(door: Annotation, people: People) -> None:
    alice, *_ = people("alice", "bob", "carol")
    befriend("alice", "bob", "carol")
    with transaction():
        projects = [Project.import_graph(f"p{n}", Account.by_username("alice"), []) for n in range(MOST + 1)]
    numbers = [str(project.id) for project in projects]
    for number in numbers[:MOST]:
        assert door.act(alice, "project_invite", project_id=number, friend_id="bob").json() == SENT
    before = rows()
    assert door.act(alice, "project_invite", project_id=numbers[MOST], friend_id="bob").json() == INVITATIONS_FULL
    assert rows() == before
    # of all friends those are invited for whom there is room
    assert door.act(alice, "project_invite", project_id=numbers[MOST]).json() == SENT
    invitees = [one.invitee.username for one in Invitation.select().where(Invitation.project == projects[MOST])]
    assert invitees == ["carol"]


def test_a_page_is_no_larger_than_the_operator_allows(client: TestClient, register: Callable[..., Account]) -> None:
    for number in range(MOST + 1):
        register(f"user{number}")
    too_large = f"size不能大于{MOST}"
    assert len(client.get("/v1/user/list").json()["data"]) == MOST
    assert len(client.get("/v1/user/list", params={"page": 1}).json()["data"]) == 1
    refused = client.get("/v1/user/list", params={"size": MOST + 1})
    assert (refused.status_code, refused.json()["message"]) == (400, too_large)
    users = "/indexy-api/api/v1/users"
    assert len(client.get(users, params={"size": MOST}).json()["payload"]["rows"]) == MOST
    refused = client.get(users, params={"size": MOST + 1})
    assert (refused.status_code, refused.json()["payload"]) == (400, too_large)
