"""Whoever loses a credential between its check and the act does nothing any more, as if it had been dead before.

auth0/nextjs-auth0#2335, leodip/goiabada#129, expressjs/session#632: requests under way brought ended sessions to life.
"""

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from models import TABLES
from models.access_key import AccessKey
from models.account import Account
from models.audit.chain import AuditEvent, AuditHead
from models.audit.lanes import PendingEvent
from models.db.database import database, transaction
from models.departure import delete_account
from models.rate_counter import RateCounter
from models.session import Session
from tests.clients import Annotation, ContractClient, Dbms, Indexy, Signed, Sso, open_clients

OLD, NEW = "correct horse", "battery staple"
WRITTEN_BY_REFUSALS = (PendingEvent, AuditEvent, AuditHead, RateCounter)

ACTS: dict[str, Callable[[Any, Any, Account], Response]] = {
    "dbms update": lambda c, token, alice: c.update(token, alice.id, email="new@example.com"),
    "dbms change_password": lambda c, token, alice: c.change_password(token, "alice", OLD, NEW),
    "dbms log_out": lambda c, token, alice: c.log_out(token),
    "dbms check_login": lambda c, token, alice: c.check_login("alice", token),
    "sso change_password": lambda c, token, alice: c.change_password(token, "alice", OLD, NEW),
    "sso rename": lambda c, token, alice: c.update(token, "alicia", NEW),
    "sso log_out": lambda c, token, alice: c.log_out(token),
    "signed update": lambda c, token, alice: c.act("update", userid="alice", token=token, alias="new"),
    "signed change_password": lambda c, token, alice: c.change_password(token, "alice", OLD, NEW),
    "signed log_out": lambda c, token, alice: c.act("logout", userid="alice", token=token),
    "signed unregister": lambda c, token, alice: c.unregister(token, "alice"),
    "annotation change_name": lambda c, token, alice: c.change_name(token, "new"),
    "annotation change_password": lambda c, token, alice: c.change_password(token, "alice", OLD, NEW),
    "annotation apply": lambda c, token, alice: c.act(token, "friend_apply", id="bob"),
    "annotation log_out": lambda c, token, alice: c.log_out(token),
    "indexy update": lambda c, token, alice: c.update(alice.id, token, nickName="new"),
    "indexy delete": lambda c, token, alice: c.delete(alice.id, token),
}
"""Operations that write, by a contract that asks for a session there."""


def _end_sessions(alice: Account) -> None:
    Session.end_all(alice)


def _disable(alice: Account) -> None:
    alice.disable()


def _delete(alice: Account) -> None:
    delete_account(alice)


@pytest.fixture
def meanwhile(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """`meanwhile(work)` does work elsewhere, right before the next request begins its transaction."""
    planned: list[Callable[[], Any]] = []
    done: list[object] = []
    kind: Any = type(database.obj)
    begin = kind.begin_immediate

    def interfere(work: Callable[[], Any]) -> None:
        with transaction():
            work()
        database.close()
        done.append(work)

    def begin_later(self: Any, **options: Any) -> None:
        if planned and not self.in_transaction() and self._transaction.unit:
            thread = Thread(target=interfere, args=(planned.pop(),))
            thread.start()
            thread.join()
        begin(self, **options)

    monkeypatch.setattr(kind, "begin_immediate", begin_later)
    yield planned.append
    assert len(done) == 1
    assert not planned


def _rows() -> dict[str, list[Any]]:
    """Return all that is in the store but for what a refusal writes."""
    return {
        table._meta.table_name: list(table.select().order_by(table._meta.primary_key).tuples())
        for table in TABLES
        if table not in WRITTEN_BY_REFUSALS
    }


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("end", [_end_sessions, _disable, _delete])
@pytest.mark.parametrize("act", ACTS)
def test_who_is_logged_out_disabled_or_deleted_meanwhile_does_nothing(
    act: str,
    end: Callable[[Account], None],
    client: TestClient,
    register: Callable[..., Account],
    meanwhile: Callable[[Callable[[], Any]], None],
) -> None:
    alice, _ = register(), register("bob")
    Account.update(admin=act == "indexy delete").where(Account.id == alice.id).execute()
    contract = open_clients(client)[act.partition(" ")[0]]
    token = contract.enter("alice", OLD)
    assert token
    left: dict[str, list[Any]] = {}

    def work() -> None:
        end(Account.by_id(alice.id))
        database.before_commit(lambda: left.update(_rows()))

    meanwhile(work)
    answer = ACTS[act](contract, token, alice)
    assert left, "the act began no transaction"
    assert _rows() == left
    again = ACTS[act](contract, token, alice)
    assert (answer.status_code, answer.content) == (again.status_code, again.content)


@pytest.mark.parametrize("act", ["register", "update", "change_password", "unregister"])
def test_a_key_that_is_revoked_meanwhile_signs_nothing(
    act: str,
    client: TestClient,
    register: Callable[..., Account],
    meanwhile: Callable[[Callable[[], Any]], None],
) -> None:
    register()
    contract = Signed(client)
    token = contract.enter("alice", OLD)
    left: dict[str, list[Any]] = {}

    def send() -> Response:
        if act == "register":
            return contract.register("carol", OLD)
        if act == "update":
            return contract.act("update", token=token, alias="new")
        if act == "unregister":
            return contract.unregister(token, "alice")
        return contract.change_password(token, "alice", OLD, NEW)

    def work() -> None:
        AccessKey.find("clients").revoke()
        database.before_commit(lambda: left.update(_rows()))

    meanwhile(work)
    answer = send()
    assert left, "the act began no transaction"
    assert _rows() == left
    again = send()
    assert (answer.status_code, answer.content) == (again.status_code, again.content)
    assert "accessid不存在" in answer.json()["errstr"]


@pytest.mark.parametrize("policy", ["documented"])
def test_where_anybody_may_act_who_is_logged_out_meanwhile_acts_as_anybody(
    client: TestClient, register: Callable[..., Account], meanwhile: Callable[[Callable[[], Any]], None]
) -> None:
    alice = register()
    contract = Indexy(client)
    token = contract.enter("alice", OLD)
    meanwhile(lambda: Session.end_all(Account.by_id(alice.id)))
    assert contract.succeeded(contract.update(alice.id, token, nickName="new"))
    assert Account.by_id(alice.id).display_name == "new"
    assert PendingEvent.select().where(PendingEvent.actor == alice.id).count() == 0


def test_every_contract_is_asked() -> None:
    kinds: list[type[ContractClient]] = [Dbms, Sso, Signed, Annotation, Indexy]
    assert {act.partition(" ")[0] for act in ACTS} == {kind.stem for kind in kinds}
