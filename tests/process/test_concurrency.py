"""What fifty clients do in the same moment comes to one outcome, whichever worker and engine serves them."""

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from typer.testing import CliRunner

from models import settings as directory_settings
from models.account import Account
from models.db.database import connect, database, transaction
from models.friendship import Friendship
from models.project import Member, Project
from models.session import Session
from scripts.tools.fuzz.store import complaints
from server.cli.__main__ import app as rollbook
from server.settings import read
from tests.concurrent_clients import Crowd, fresh, gather
from tests.conftest import CHEAP, Served
from tests.linearizability import Befriending, Entering

CLIENTS = 50
STEMS = ("dbms", "sso", "signed", "annotation", "indexy")
PASSWORD = "correct horse"
EXAMPLES = hypothesis.settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate],  # what depends on the moment cannot be shrunk
)


@pytest.fixture(scope="module")
def server(new_store: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two workers."""
    settings = {"ROLLBOOK_WORKERS": "2", "ROLLBOOK_HASH_DEADLINE_SECONDS": "60"}
    served = Served(tmp_path_factory.mktemp("crowd") / "data", settings | new_store())
    yield served
    served.end()


@pytest.fixture(scope="module")
def environment(server: Served) -> dict[str, str]:
    """What the operator's shell says about the store."""
    return {**CHEAP, "ROLLBOOK_DATA": str(server.data), "ROLLBOOK_DATABASE_URL": server.store}


@pytest.fixture(scope="module")
def staged(server: Served, environment: dict[str, str]) -> Iterator[Crowd]:
    """As many clients as there ever are at once."""
    made = CliRunner(env=environment).invoke(rollbook, ["key", "create", "clients", "--json"])
    with gather(server.url, CLIENTS, json.loads(made.stdout)["accesskey"]) as crowd:
        yield crowd


@pytest.fixture
def crowd(server: Served, environment: dict[str, str], staged: Crowd) -> Iterator[Crowd]:
    """Clients of a server; in the end its store is sound, and its log complains of nothing."""
    before = directory_settings.current
    directory_settings.apply(read(environment))
    connect(server.store)
    yield staged
    database.close()
    directory_settings.apply(before)
    for words in (["db", "check"], ["audit", "verify"]):
        checked = CliRunner(env=environment).invoke(rollbook, words)
        assert checked.exit_code == 0, checked.output
    assert list(complaints(server.log)) == []


def number_of(username: str) -> int:
    """Return the id of an account."""
    return Account.by_username(username).id


def enters(crowd: Crowd, username: str, password: str) -> bool:
    """Tell whether somebody is let in."""
    return bool(crowd.one.dbms.enter(username, password))


# --- one wins --------------------------------------------------------------------------------------------------------


def test_of_fifty_who_register_one_name_one_gets_it(crowd: Crowd) -> None:
    (name,) = fresh("straße")
    spelled = [name, name.upper(), f"ＳＴＲＡＳＳＥ{name.removeprefix('straße')}"]
    clients = [(STEMS[n % 5], spelled[n % 3], f"password {n}") for n in range(CLIENTS)]
    answers = crowd.at_once([lambda c, who=who: c.by(who[0]).register(*who[1:]) for who in clients])
    made = [who for who, answer in zip(clients, answers, strict=True) if crowd.one.by(who[0]).succeeded(answer)]
    assert len(made) == 1
    assert [who for who in clients if enters(crowd, name, who[2])] == made


@pytest.mark.parametrize("sent", ["code", "link"])
def test_what_was_sent_to_recover_an_account_works_once_of_fifty_times(crowd: Crowd, server: Served, sent: str) -> None:
    (name,) = fresh("alice")
    mobile, email = f"138{number_of_digits(name):08}", f"{name}@example.com"
    crowd.one.indexy.create(username=name, password=PASSWORD, mobile=mobile, email=email)
    if sent == "code":
        crowd.one.indexy.request_code(mobile)
        secret = wait_for(server.data / "outbox", "*.json", mobile, r"\b[0-9]{6}\b")
        answers = crowd.at_once(
            [lambda c, n=n: c.indexy.recover_by_mobile(mobile, secret, f"password {n}") for n in range(CLIENTS)]
        )
    else:
        crowd.one.indexy.request_link(email)
        secret = wait_for(server.data / "outbox", "*.eml", email, r"(?<=code=)\w+")
        answers = crowd.at_once(
            [lambda c, n=n: c.indexy.recover_by_link(secret, f"password {n}") for n in range(CLIENTS)]
        )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: CLIENTS - 1}
    (winner,) = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    assert [n for n in range(CLIENTS) if enters(crowd, name, f"password {n}")] == [winner]


def number_of_digits(name: str) -> int:
    """Return the number at the end of a name."""
    return int(re.findall(r"\d+$", name)[0])


def wait_for(outbox: Path, kind: str, recipient: str, shape: str) -> str:
    """Wait until a message to somebody was delivered; return the secret in it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for text in (file.read_text() for file in outbox.glob(kind)):
            if recipient in text and (found := re.search(shape, text)):
                return found[0]
        time.sleep(0.05)
    raise AssertionError("nothing was delivered")


def test_of_many_who_rename_themselves_alike_one_gets_the_name(crowd: Crowd) -> None:
    people = [fresh("alice")[0] for _ in range(10)]
    (wanted,) = fresh("wanted")
    tokens = []
    for person in people:
        crowd.one.dbms.register(person, PASSWORD)
        tokens.append(crowd.one.dbms.enter(person, PASSWORD))
    answers = crowd.at_once(
        [
            lambda c, t=token: c.dbms.update(t, t.partition("-")[0], username=wanted)
            for token in tokens
            for _ in range(CLIENTS // len(people))
        ]
    )
    each = CLIENTS // len(people)
    outcomes = [{answer.status_code for answer in answers[n : n + each]} for n in range(0, CLIENTS, each)]
    assert sorted(outcomes, key=str) == [{200}] + [{409}] * 9
    assert number_of(wanted) == int(tokens[outcomes.index({200})].partition("-")[0])


def test_of_fifty_exchanges_of_one_token_one_wins(crowd: Crowd) -> None:
    (name,) = fresh("alice")
    crowd.one.dbms.register(name, PASSWORD)
    token = crowd.one.dbms.enter(name, PASSWORD)
    answers = crowd.at_once([lambda c: c.dbms.check_login(name, token)] * CLIENTS)
    (renewed,) = [answer.json()["token"] for answer in answers if answer.json()["token"]]
    assert crowd.one.dbms.is_live(renewed)
    assert not crowd.one.dbms.is_live(token)


# --- nothing survives ------------------------------------------------------------------------------------------------


def test_no_session_survives_a_new_password_that_was_opened_by_the_old_one(crowd: Crowd) -> None:
    (name,) = fresh("alice")
    crowd.one.annotation.register(name, PASSWORD)
    mine = crowd.one.annotation.enter(name, PASSWORD)
    stems = [STEMS[n % 5] for n in range(CLIENTS - 1)]
    answers = crowd.at_once(
        [
            *(lambda c, stem=stem: c.by(stem).log_in(name, PASSWORD) for stem in stems[:20]),
            lambda c: c.annotation.change_password(mine, name, PASSWORD, "another horse"),
            *(lambda c, stem=stem: c.by(stem).log_in(name, PASSWORD) for stem in stems[20:]),
        ]
    )
    assert crowd.one.annotation.succeeded(answers.pop(20))
    assert [session.contract for session in Session.select().where(Session.account == number_of(name))] == [
        "annotation"
    ]
    assert crowd.one.annotation.is_live(mine)
    for stem, answer in zip(stems, answers, strict=True):
        door = crowd.one.by(stem)
        if door.succeeded(answer) and stem != "indexy":  # whose sessions the documented policy never asks for
            assert not door.is_live(door.credential(answer))
    assert not enters(crowd, name, PASSWORD)
    assert enters(crowd, name, "another horse")


def test_of_an_account_that_is_deleted_while_others_change_it_nothing_is_left(crowd: Crowd) -> None:
    name, other = fresh("alice", "bob")
    for person in (name, other):
        crowd.one.annotation.register(person, PASSWORD)
    hers, his = (crowd.one.annotation.enter(person, PASSWORD) for person in (name, other))
    token, id = crowd.one.dbms.enter(name, PASSWORD), number_of(name)
    acts: list[Callable[[Any], Any]] = [
        lambda c: c.indexy.update(id, job="writer"),
        lambda c: c.dbms.update(token, id, password="another horse"),
        lambda c: c.annotation.act(his, "friend_apply", id=name),
        lambda c: c.annotation.act(hers, "friend_apply", id=other),
        lambda c: c.annotation.act(his, "friend_apply_accept", id=name),
        lambda c: c.sso.log_in(name, PASSWORD),
        lambda c: c.annotation.change_name(hers, "Alice"),
    ]
    deletes = [lambda c: c.indexy.delete(id)] * 3
    answers = crowd.at_once([*acts, *acts, *acts, *deletes, *acts, *acts])
    assert sorted(answer.status_code for answer in answers[21:24]) == [200, 404, 404]
    assert crowd.one.indexy.find(id).status_code == 404
    assert not crowd.one.annotation.is_live(hers)
    assert not Session.select().where(Session.account == id).exists()
    assert crowd.one.annotation.read(his, "get_friends").json()["sum"] == 0
    assert crowd.one.annotation.read(his, "get_friends_applications").json()["sum"] == 0


# --- both or none ----------------------------------------------------------------------------------------------------


def test_applications_that_cross_make_one_friendship(crowd: Crowd) -> None:
    pairs = [fresh("left", "right") for _ in range(10)]
    sessions = {}
    for name in itertools.chain(*pairs):
        crowd.one.annotation.register(name, PASSWORD)
        sessions[name] = crowd.one.annotation.enter(name, PASSWORD)
    both = [*pairs, *(pair[::-1] for pair in pairs)]
    for action in ("friend_apply", "friend_apply_accept"):
        crowd.at_once([lambda c, p=p, a=action: c.annotation.act(sessions[p[0]], a, id=p[1]) for p in both * 2])
    for one, other in both:
        shown = crowd.one.annotation.read(sessions[one], "get_friends").json()["friends"]
        assert [friend["user_id"] for friend in shown] == [other]
        assert crowd.one.annotation.read(sessions[one], "get_friends_applications").json()["sum"] == 0


def test_an_invitation_that_is_accepted_fifty_times_makes_one_member(crowd: Crowd) -> None:
    owner, friend = fresh("owner", "friend")
    for name in (owner, friend):
        crowd.one.annotation.register(name, PASSWORD)
    hers, his = (crowd.one.annotation.enter(name, PASSWORD) for name in (owner, friend))
    with transaction():
        accounts = Account.by_username(owner), Account.by_username(friend)
        Friendship.make(*accounts)
        project = str(Project.import_graph("三国", accounts[0], []).id)
    crowd.one.annotation.act(hers, "project_invite", project_id=project)
    answers = crowd.at_once([lambda c: c.annotation.act(his, "project_invite_accept", project_id=project)] * CLIENTS)
    assert Counter(answer.json()["ret"] for answer in answers) == {0: 1, -1: CLIENTS - 1}
    assert Member.select().where(Member.project == int(project)).count() == 2


# --- whatever is done at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Befriending, Entering], ids=["friends and projects", "names and passwords"])
def test_what_is_done_at_once_is_as_if_it_were_done_one_after_another(
    crowd: Crowd, kind: type[Befriending] | type[Entering]
) -> None:
    @EXAMPLES
    @hypothesis.given(before=st.lists(kind.acts, max_size=5), at_once=st.lists(kind.acts, min_size=2, max_size=5))
    def explore(before: list[Any], at_once: list[Any]) -> None:
        world = kind(crowd.one)
        for act in before:
            world.do(crowd.one, act)
        answers = crowd.at_once([lambda c, act=act: world.send(c, act) for act in at_once])
        assert world.explains(at_once, answers), (
            before,
            [(*it, a.text) for it, a in zip(at_once, answers, strict=True)],
        )

    explore()
