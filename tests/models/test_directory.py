"""One directory behind five contracts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from starlette.testclient import TestClient

from models.account import Account
from models.db.database import database, transaction
from models.departure import delete_account
from models.errors import InvalidSession
from models.passwords import hashing
from models.project import Project
from models.session import Session
from server.settings import Settings
from tests.clients import ContractClient, Indexy, open_clients

STEMS = ("dbms", "sso", "signed", "annotation", "indexy")
WITH_SESSIONS = ("dbms", "sso", "signed", "annotation")
"""Contracts in which a session can be asked for under every policy."""
RESERVED = (
    *("other", "signin", "sigin", "register", "change_pasword", "change_password", "OTHER", "ｏｔｈｅｒ"),
    *(".", "..", "a/b", "／"),
)


@pytest.fixture
def clients(client: TestClient) -> dict[str, ContractClient]:
    """All five contracts from the client's side."""
    return open_clients(client)


@pytest.mark.parametrize("stem", STEMS)
def test_who_registered_through_one_contract_logs_in_through_every_other(
    clients: dict[str, ContractClient], stem: str
) -> None:
    assert clients[stem].succeeded(clients[stem].register("TestUser", "correct horse"))
    for door in clients.values():
        assert door.enter("TestUser", "correct horse"), door.stem
        assert door.enter("testuser", "correct horse"), door.stem
        assert not door.succeeded(door.log_in("TestUser", "wrong")), door.stem


@pytest.mark.parametrize("stem", STEMS)
def test_a_name_taken_through_one_contract_is_taken_in_all(clients: dict[str, ContractClient], stem: str) -> None:
    clients[stem].register("straße", "correct horse")
    for door in clients.values():
        assert not door.succeeded(door.register("STRASSE", "another one")), door.stem
    assert Account.select().count() == 1


@pytest.mark.parametrize("stem", STEMS)
def test_a_name_that_only_looks_different_to_a_machine_is_the_same(
    clients: dict[str, ContractClient], stem: str
) -> None:
    clients["sso"].register("alice", "correct horse")
    same = (
        "ａｌｉｃｅ",
        "alice\u200b",
        "ali\u00adce",
        "\u202ealice",
        "alice\ufe0f",
        "\u2060Alice",
        "alice \u200d",
        "ali\u2028ce",
    )
    for name in same:
        assert not clients[stem].succeeded(clients[stem].register(name, "another one")), ascii(name)
    assert Account.select().count() == 1
    assert clients[stem].enter("ali\u00adce", "correct horse")


@pytest.mark.parametrize("stem", STEMS)
def test_a_name_that_shows_nothing_is_none(clients: dict[str, ContractClient], stem: str) -> None:
    for name in ("\u200b", "\u2060\u3164", "\u2800"):
        assert not clients[stem].succeeded(clients[stem].register(name, "correct horse")), ascii(name)
    assert Account.select().count() == 0


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("name", RESERVED)
def test_path_words_are_no_names(clients: dict[str, ContractClient], stem: str, name: str) -> None:
    assert not clients[stem].succeeded(clients[stem].register(name, "correct horse"))
    assert Account.select().count() == 0


@pytest.mark.requirement("ASVS 6.2.2", "ASVS 6.5.6", "ASVS 7.4.3")
@pytest.mark.parametrize("stem", WITH_SESSIONS)
def test_a_changed_password_ends_the_sessions_of_every_contract(clients: dict[str, ContractClient], stem: str) -> None:
    clients["sso"].register("alice", "correct horse")
    live = {other: clients[other].enter("alice", "correct horse") for other in STEMS}
    changed = clients[stem].change_password(live[stem], "alice", "correct horse", "battery staple")
    assert clients[stem].succeeded(changed)
    for other in WITH_SESSIONS:
        assert clients[other].is_live(live[other]) == (other == stem), other
    assert not Session.select().where(Session.contract == "indexy").exists()
    for door in clients.values():
        assert not door.enter("alice", "correct horse"), door.stem
        assert door.enter("alice", "battery staple"), door.stem


@pytest.mark.requirement("ASVS 7.2.2", "ASVS 7.4.1")
@pytest.mark.parametrize("stem", WITH_SESSIONS)
def test_logging_out_ends_that_session_alone(clients: dict[str, ContractClient], stem: str) -> None:
    door = clients[stem]
    door.register("alice", "correct horse")
    first, second = (door.enter("alice", "correct horse") for _ in range(2))
    assert door.succeeded(door.log_out(first))
    assert not door.is_live(first)
    assert not door.succeeded(door.log_out(first))
    assert door.is_live(second)


@pytest.mark.parametrize("stem", WITH_SESSIONS)
def test_a_credential_of_one_contract_opens_no_other(clients: dict[str, ContractClient], stem: str) -> None:
    clients["sso"].register("alice", "correct horse")
    for other in STEMS:
        if other != stem:
            assert not clients[stem].is_live(clients[other].enter("alice", "correct horse")), other


@pytest.mark.requirement("ASVS 6.5.6", "ASVS 7.4.2")
@pytest.mark.parametrize("stem", WITH_SESSIONS)
def test_a_disabled_account_is_out_and_stays_out(clients: dict[str, ContractClient], stem: str) -> None:
    door = clients[stem]
    door.register("alice", "correct horse")
    credential = door.enter("alice", "correct horse")
    with transaction():
        Account.by_username("alice").disable()
    assert not door.is_live(credential)
    assert not door.enter("alice", "correct horse")
    with transaction():
        Account.by_username("alice").enable()
    assert not door.is_live(credential)
    assert door.enter("alice", "correct horse")


def test_one_name_registered_at_once_through_all_contracts_gives_one_account(
    clients: dict[str, ContractClient],
) -> None:
    together = Barrier(len(STEMS))

    def register(door: ContractClient) -> bool:
        door.client = TestClient(door.client.app)
        together.wait()
        return door.succeeded(door.register("alice", "correct horse"))

    with ThreadPoolExecutor(len(STEMS)) as pool:
        outcomes = list(pool.map(register, clients.values()))
    assert outcomes.count(True) == 1
    assert Account.select().count() == 1


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_the_guarded_policy_accounts_are_their_owners_business(
    clients: dict[str, ContractClient], register: Callable[..., Account]
) -> None:
    alice, bob = register("alice"), register("bob")
    root = register("root")
    with transaction():
        database.begin_immediate()
        Account.update(admin=True).where(Account.id == root.id).execute()
    indexy = clients["indexy"]
    assert isinstance(indexy, Indexy)
    credentials = {name: indexy.enter(name, "correct horse") for name in ("alice", "root")}
    assert indexy.find(alice.id).status_code == 401
    assert indexy.find(alice.id, credentials["alice"]).status_code == 200
    assert indexy.find(bob.id, credentials["alice"]).status_code == 403
    assert indexy.find(4711, credentials["alice"]).status_code == 403
    assert indexy.find(bob.id, credentials["root"]).status_code == 200
    assert indexy.find(4711, credentials["root"]).status_code == 404


@pytest.mark.requirement("63B cost-grows", "63B scheme-stored")
def test_parameters_of_hashing_may_change_and_hashes_follow_at_login(
    clients: dict[str, ContractClient],
    settings: Settings,
    register: Callable[..., Account],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = register("alice").password_hash
    monkeypatch.setattr("models.settings.current", _stronger(settings))
    assert clients["sso"].enter("alice", "correct horse")
    new = Account.by_username("alice").password_hash
    assert "t=1," in old
    assert "t=2," in new
    assert clients["dbms"].enter("alice", "correct horse")
    assert Account.by_username("alice").password_hash == new


def _stronger(settings: Settings) -> Settings:
    return replace(settings, argon2_time_cost=2)


@pytest.mark.parametrize("stem", ["dbms", "sso", "signed", "annotation"])
def test_who_is_logged_out_while_a_new_password_is_hashed_changes_nothing(
    clients: dict[str, ContractClient], stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = clients[stem]
    door.register("alice", "correct horse")
    credential = door.enter("alice", "correct horse")
    hash_password = hashing.hash

    def hash_while_another_takes_its_place(password: str) -> str:
        alice = Account.by_username("alice")
        Session.end_all(alice)
        Session.open(alice, stem, "another")  # gets the number of the row that is gone, where numbers are given again
        return hash_password(password)

    monkeypatch.setattr(hashing, "hash", hash_while_another_takes_its_place)
    changed = door.change_password(credential, "alice", "correct horse", "battery staple")
    assert not door.succeeded(changed)
    monkeypatch.undo()
    assert door.enter("alice", "correct horse")
    assert not door.enter("alice", "battery staple")


def test_who_logs_out_late_ends_no_session_that_took_the_place_of_his(register: Callable[..., Account]) -> None:
    alice, bob = register("alice"), register("bob")
    with transaction():
        gone = Session.open(alice, "dbms", "first")
        Session.find("dbms", "first").end()
        Session.open(bob, "dbms", "second")
        with pytest.raises(InvalidSession):
            gone.end()
        assert Session.find("dbms", "second").account == bob


def test_the_id_of_a_deleted_project_is_never_given_again(register: Callable[..., Account]) -> None:
    alice = register("alice")
    with transaction():
        database.begin_immediate()
        gone = Project.import_graph("三国", alice, [])
        gone.delete_instance()
        assert Project.import_graph("三国", alice, []).id > gone.id


def test_the_id_of_a_deleted_account_is_never_given_again(register: Callable[..., Account]) -> None:
    gone = register("alice")
    with transaction():
        delete_account(gone)
    assert register("bob").id > gone.id
