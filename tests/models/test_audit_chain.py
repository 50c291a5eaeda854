"""What concerns security goes on record with the act, and no line of the record changes unseen."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from models import clock
from models import settings as directory_settings
from models.access_key import AccessKey
from models.account import Account
from models.audit import chain as audit_chain
from models.audit import lanes, verification
from models.audit.chain import AuditEvent, AuditHead, sequence
from models.audit.events import Event, note
from models.audit.lanes import PendingEvent
from models.audit.verification import Finding, Point, verify
from models.db.database import database, run_transaction, transaction
from models.departure import delete_account
from models.errors import UsernameTaken, WrongCode, WrongCredentials
from models.outbox import Notice, OutboxMessage
from models.recovery import RecoveryCode
from models.session import Session
from server.settings import Settings
from tests.clients import INDEXY, ContractClient, open_clients

SECRET = "Correct-Horse-7"


@pytest.fixture
def clients(client: TestClient) -> dict[str, ContractClient]:
    """One driver per contract."""
    return open_clients(client)


@pytest.fixture
def chain(settings: Settings) -> Callable[..., None]:
    """Records so many events, and puts them into the chain: `chain(5)`."""

    def record(number: int) -> None:
        for account in range(1, number + 1):
            with transaction():
                note(Event.LOGGED_IN, account)
        sequence()

    return record


def recorded(after: int = 0) -> list[tuple[str, int | None, dict[str, Any]]]:
    """Return event, account and detail of what was recorded, refusals of the minute last."""
    sequence()
    told = [*verification.events(after), *verification.pending()]
    return [(entry.event, entry.account, json.loads(entry.detail)) for entry in told]


def check(since: Point | None = None) -> Finding:
    """Verify the store."""
    entries = verification.events(since.id) if since else verification.events()
    return verify(entries, verification.pending(), AuditHead.find(), since)


def end() -> int:
    """Return the id of the newest event of the chain."""
    sequence()
    return int(AuditHead.get().last)


# --- what is recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize("stem", ["dbms", "sso", "signed", "annotation", "indexy"])
def test_registering_and_logging_in_go_on_record_through_every_contract(
    clients: dict[str, ContractClient], stem: str
) -> None:
    door = clients[stem]
    door.register("alice", SECRET)
    door.log_in("alice", SECRET)
    door.log_in("alice", "wrong-and-secret")
    door.log_in("typed-a-password-here", SECRET)
    told = [entry for entry in recorded() if entry[0] != "key_made"]
    assert told[0] == ("registered", 1, {})
    assert told[-3:] == [
        ("logged_in", 1, {}),
        ("login_refused", 1, {"reason": "password"}),
        ("login_refused", None, {"reason": "unknown"}),
    ]
    ours = [*verification.events(), *verification.pending()]
    assert {(entry.contract, entry.address) for entry in ours if entry.event != "key_made"} == {(stem, "testclient")}


@pytest.mark.parametrize("stem", ["dbms", "sso", "signed", "annotation"])
def test_ending_a_session_and_changing_a_password_go_on_record(clients: dict[str, ContractClient], stem: str) -> None:
    door = clients[stem]
    door.register("alice", SECRET)
    credential, other = door.enter("alice", SECRET), door.enter("alice", SECRET)
    start = end()
    assert door.succeeded(door.change_password(credential, "alice", SECRET, "another-Secret-8"))
    assert door.succeeded(door.log_out(credential))
    assert not door.is_live(other)
    ended, changed, left = recorded(start)
    assert ended[:2] == ("session_ended", 1)
    assert ended[2]["sessions"] >= 1
    assert changed == ("password_changed", 1, {})
    assert left[:2] == ("session_ended", 1)
    assert AuditEvent.get_by_id(start + 2).actor == (None if stem == "signed" else 1)


@pytest.mark.usefixtures("clients")
def test_nothing_that_was_typed_is_on_record(clients: dict[str, ContractClient]) -> None:
    for stem, door in clients.items():
        door.register(f"{stem}-alice", SECRET)
        door.log_in(f"{stem}-alice", "wrong-and-secret")
        door.log_in("typed-a-password-here", SECRET)
    sequence()
    text = repr([list(table.select().tuples()) for table in (AuditEvent, PendingEvent)]).lower()
    assert "login_refused" in text
    for typed in (SECRET, "wrong-and-secret", "typed-a-password-here", "alice"):
        assert typed.lower() not in text


def test_recovery_goes_on_record_from_asking_to_done(client: TestClient, register: Callable[..., Account]) -> None:
    register("alice", mobile="13393922000")
    start = end()
    client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": "13393922000"})
    client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": "13900000000"})
    wrong = {"mobile": "13393922000", "msCaptcha": "000000", "newPassword": SECRET}
    client.post(f"{INDEXY}/password/mobile", json=wrong)
    client.post(f"{INDEXY}/password/email/link", data={"code": "a" * 32, "newPassword": SECRET})
    assert recorded(start) == [
        ("recovery_asked", 1, {"channel": "mobile"}),
        ("recovery_asked", None, {"channel": "mobile"}),
        ("recovery_refused", 1, {"channel": "mobile"}),
        ("recovery_refused", None, {"channel": "email"}),
    ]


def test_a_takeover_by_code_does_not_look_like_a_plain_change_of_password(register: Callable[..., Account]) -> None:
    alice = register("alice", mobile="13393922000")
    run_transaction(lambda: RecoveryCode.send_code("13393922000", lambda code: Notice("", code)))
    code = OutboxMessage.get().text
    start = end()
    run_transaction(lambda: RecoveryCode.redeem_code("13393922000", code, SECRET))
    assert recorded(start) == [
        ("address_proved", alice.id, {"channel": "mobile"}),
        ("password_changed", alice.id, {}),
        ("recovered", alice.id, {"channel": "mobile"}),
    ]


def test_a_code_that_another_was_faster_to_use_goes_on_record_as_refused(
    register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = register("alice", mobile="13393922000")
    run_transaction(lambda: RecoveryCode.send_code("13393922000", lambda code: Notice("", code)))
    code = OutboxMessage.get().text
    start = end()
    monkeypatch.setattr(RecoveryCode, "_redeem", lambda sent, new: False)
    with pytest.raises(WrongCode):
        run_transaction(lambda: RecoveryCode.redeem_code("13393922000", code, SECRET))
    assert recorded(start) == [("recovery_refused", alice.id, {"channel": "mobile"})]


def test_a_login_that_a_change_overtook_goes_on_record_as_refused(register: Callable[..., Account]) -> None:
    alice = register("alice")
    run_transaction(lambda: Account.by_id(alice.id).set_password("another-Secret-8"))
    start = end()
    with pytest.raises(WrongCredentials):
        run_transaction(lambda: Session.open(alice, "dbms", "a secret"))
    assert recorded(start) == [("login_refused", alice.id, {"reason": "changed"})]


def test_what_an_operator_or_a_verb_does_goes_on_record(register: Callable[..., Account]) -> None:
    alice = register("alice")
    with transaction():
        alice.disable()
        alice.enable()
        alice.change(email="a@example.com", school="none of the audit's business")
        AccessKey.create("phone").revoke()
    with transaction():
        delete_account(alice)
    assert recorded(1) == [
        ("account_disabled", 1, {}),
        ("account_enabled", 1, {}),
        ("contact_changed", 1, {"fields": ["email"]}),
        ("key_made", None, {"accessid": "phone", "given": False}),
        ("key_revoked", None, {"accessid": "phone"}),
        ("account_deleted", 1, {}),
    ]


@pytest.mark.parametrize("policy", ["guarded"])
def test_an_act_of_an_admin_names_both_accounts(client: TestClient, clients: dict[str, ContractClient]) -> None:
    with transaction():
        Account.register("root", SECRET, admin=True)
        Account.register("alice", SECRET)
    cookie = clients["indexy"].enter("root", SECRET)
    assert client.delete(f"{INDEXY}/2", headers={"cookie": f"indexy_session={cookie}"}).status_code == 200
    (last,) = verification.newest(1)
    assert (last.event, last.account, last.actor, last.contract) == ("account_deleted", 2, 1, "indexy")


def test_a_detail_that_is_not_foreseen_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="may not be told"), transaction():
        note(Event.LOGIN_REFUSED, name="typed")


# --- with the act, or not at all ------------------------------------------------------------------


def test_what_is_undone_leaves_no_event(register: Callable[..., Account]) -> None:
    alice = register("alice")
    with pytest.raises(RuntimeError), transaction():
        alice.disable()
        raise RuntimeError
    with pytest.raises(UsernameTaken), transaction():
        Account.register("alice", SECRET)
    assert [event for event, *_ in recorded()] == ["registered"]
    assert check().fault is None


def test_an_event_that_cannot_be_written_undoes_its_act(
    register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = register("alice")
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "INSERT", None)
        with pytest.raises(AttributeError), transaction():
            alice.disable()
    assert not Account.by_id(alice.id).disabled
    with transaction():
        alice.disable()
    sequence()
    assert check().checked == 2


def test_using_a_session_writes_nothing(clients: dict[str, ContractClient]) -> None:
    for stem in ("dbms", "sso", "annotation"):
        door = clients[stem]
        door.register(f"{stem}-alice", SECRET)
        credential = door.enter(f"{stem}-alice", SECRET)
        before = verification.tail().events
        assert door.is_live(credential)
        assert verification.tail().events == before


def test_events_of_many_writers_make_one_chain(register: Callable[..., Account]) -> None:
    alice = register("alice")

    def work(number: int) -> None:
        run_transaction(lambda: Session.open(alice, "dbms", f"secret {number}"))
        database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    sequence()
    found = check()
    assert (found.fault, found.checked) == (None, 61)


# --- tampering ------------------------------------------------------------------------------------


def resealed(entry: AuditEvent, before: str) -> str:
    """Write an event's chain anew, as far as whoever has no key can; return it."""
    entry.chain = entry.chained_to(before)
    entry.save()
    return entry.chain


def alter_column(column: str, value: Any) -> Callable[[], object]:
    """Return what changes a column of event 4."""
    return lambda: AuditEvent.update({column: value}).where(AuditEvent.id == 4).execute()


def alter_and_chain_anew() -> None:
    alter_column("account", 999)()
    before = AuditEvent.get_by_id(3).chain
    for id in range(4, 9):
        before = resealed(AuditEvent.get_by_id(id), before)
    AuditHead.update(last_chain=before).execute()


def remove(*ids: int) -> Callable[[], object]:
    return lambda: AuditEvent.delete().where(AuditEvent.id.in_(ids)).execute()


def remove_and_close_the_gap() -> None:
    remove(4)()
    for id in range(5, 9):
        AuditEvent.update(id=id - 1).where(AuditEvent.id == id).execute()
    AuditHead.update(last=7).execute()


def cut_the_tail() -> None:
    remove(7, 8)()
    AuditHead.update(last=6, last_chain=AuditEvent.get_by_id(6).chain).execute()


def insert_in_the_middle() -> None:
    for id in range(8, 3, -1):
        AuditEvent.update(id=id + 1).where(AuditEvent.id == id).execute()
    forge(4, 3)
    AuditHead.update(last=9).execute()


def forge(id: int, after: int) -> None:
    """Put in an event that fits into the chain, under a seal that was copied."""
    made = AuditEvent(**{**AuditEvent.get_by_id(after).__data__, "id": id, "account": 666})
    made.chain = made.chained_to(AuditEvent.get_by_id(after).chain)
    AuditEvent.insert(made.__data__).execute()


def swap() -> None:
    fourth, fifth = AuditEvent.get_by_id(4).__data__, AuditEvent.get_by_id(5).__data__
    remove(4, 5)()
    AuditEvent.insert({**fifth, "id": 4}).execute()
    AuditEvent.insert({**fourth, "id": 5}).execute()


def cut_the_front() -> None:
    remove(1, 2, 3)()
    AuditHead.update(purged=3, purged_chain=AuditEvent.get_by_id(4).chain).execute()


def cut_the_front_knowingly() -> None:
    third = AuditEvent.get_by_id(3).chain
    remove(1, 2, 3)()
    AuditHead.update(purged=3, purged_chain=third).execute()


TAMPERINGS: dict[str, tuple[Callable[[], object], int | None, str]] = {
    "time": (alter_column("created", 1), 4, "altered"),
    "kind": (alter_column("event", "registered"), 4, "altered"),
    "account": (alter_column("account", None), 4, "altered"),
    "actor": (alter_column("actor", 7), 4, "altered"),
    "contract": (alter_column("contract", "sso"), 4, "altered"),
    "address": (alter_column("address", "10.0.0.1"), 4, "altered"),
    "detail": (alter_column("detail", '{"admin":true}'), 4, "altered"),
    "chain": (alter_column("chain", "0" * 64), 4, "altered"),
    "seal": (alter_column("seal", "0" * 64), 4, "altered"),
    "chained anew": (alter_and_chain_anew, 4, "written anew"),
    "removed first": (remove(1), 1, "removed"),
    "removed middle": (remove(4, 5), 4, "removed"),
    "removed, gap closed": (remove_and_close_the_gap, 4, "removed"),
    "removed last": (remove(8), 8, "removed"),
    "tail cut, head moved": (cut_the_tail, None, "head was altered"),
    "inserted middle": (insert_in_the_middle, 4, "put in"),
    "inserted behind the last": (lambda: forge(9, 8), 9, "put in"),
    "inserted before the first": (lambda: forge(0, 1), 0, "put in"),
    "two swapped": (swap, 4, "altered"),
    "front cut, wrong anchor": (cut_the_front, 4, "removed"),
    "front cut, right anchor": (cut_the_front_knowingly, None, "head was altered"),
    "all removed": (lambda: AuditEvent.delete().execute(), 1, "removed"),
    "head removed": (lambda: AuditHead.delete().execute(), None, "head was removed"),
    "head counts less": (lambda: AuditHead.update(last=3).execute(), None, "head was altered"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_its_first_row_named(chain: Callable[[int], None], name: str) -> None:
    chain(8)
    assert check() == Finding(None, None, Point(8, AuditEvent.get_by_id(8).chain), 8, 0, 0)
    tamper, row, words = TAMPERINGS[name]
    tamper()
    found = check()
    assert found.fault is not None
    assert (found.row, words in found.fault) == (row, True), found


@pytest.mark.parametrize(
    "tamper",
    [
        cut_the_tail,
        lambda: AuditHead.delete().execute(),
        lambda: forge(9, 8),
        lambda: AuditHead.update(last=2).execute(),
    ],
    ids=["tail cut", "head removed", "row behind the last", "head counts less"],
)
def test_what_is_recorded_after_tampering_does_not_wash_it_clean(
    chain: Callable[[int], None], tamper: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    chain(8)
    tamper()
    chain(3)
    assert check().fault is not None
    assert [event for event, *_ in recorded()].count("chain_broken") == 1
    assert "audit verify" in caplog.text


def test_replacing_all_of_it_by_an_older_copy_shows_to_whoever_noted_the_end(chain: Callable[[int], None]) -> None:
    chain(4)
    copy = list(AuditEvent.select().dicts()), list(AuditHead.select().dicts())
    chain(4)
    noted = check().end
    assert check(noted).fault is None
    for table, rows in zip((AuditEvent, AuditHead), copy, strict=True):
        table.delete().execute()
        table.insert_many(rows).execute()
    assert check().fault is None, "no store can show this by itself"
    assert check(noted).fault is not None
    chain(1)
    chain(6)
    assert check(noted).row == noted.id + 1


def test_a_rotated_key_goes_on_with_the_chain(chain: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    chain(3)
    old = directory_settings.current.secret_key
    new = b"another key, long enough for HMAC-SHA256, made later"
    monkeypatch.setattr(directory_settings, "current", replace(directory_settings.current, secret_key=new + b"," + old))
    chain(3)
    assert check()[:1] == (None,)
    monkeypatch.setattr(directory_settings, "current", replace(directory_settings.current, secret_key=new))
    found = check()
    assert (found.fault, found.checked, found.vouched) == (None, 6, 3)
    AuditEvent.update(account=9).where(AuditEvent.id == 2).execute()
    assert check().row == 2, "what an older key sealed is vouched for by what follows"


def test_a_key_that_was_just_replaced_leaves_its_mark(
    chain: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain(3)
    monkeypatch.setattr(
        directory_settings, "current", replace(directory_settings.current, secret_key=b"the key of another server" * 2)
    )
    assert "key" in str(check().fault)
    chain(2)
    assert check().row == 4
    assert check(Point(4, AuditEvent.get_by_id(4).chain)).fault is None, "an operator who knows why goes on from there"


# --- retention ------------------------------------------------------------------------------------


def test_old_events_are_purged_from_the_front_and_the_rest_stays_verifiable(
    chain: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        directory_settings, "current", replace(directory_settings.current, audit_retention_seconds=1000)
    )
    begin = clock.now()
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: begin - 1100)
        chain(7)
        earlier.setattr(clock, "now", lambda: begin - 200)
        chain(2)
    for purged in (3, 3, 1, 0):
        with transaction():
            assert audit_chain.purge(3) == purged
        assert check().fault is None
    assert [entry.id for entry in verification.events()] == [8, 9]
    chain(1)
    assert (check().fault, check().checked) == (None, 3)
    assert check(Point(3, "")).fault == "event 3 was purged: name a newer one"
    remove(8)()
    assert check().row == 8


def test_everything_may_be_purged_or_nothing(chain: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: 1_000)
        chain(3)
    monkeypatch.setattr(directory_settings, "current", replace(directory_settings.current, audit_retention_seconds=0))
    assert audit_chain.purge(500) == 0
    monkeypatch.setattr(directory_settings, "current", replace(directory_settings.current, audit_retention_seconds=1))
    with transaction():
        assert audit_chain.purge(500) == 3
    assert check().fault is None
    chain(1)
    assert [entry.id for entry in verification.events()] == [4]
    assert check().fault is None


def test_whoever_broke_the_chain_does_not_get_the_traces_purged(
    chain: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: 1_000)
        chain(3)
    AuditHead.update(last=2).execute()
    assert audit_chain.purge(500) == 0
    assert AuditEvent.select().count() == 3


def test_an_empty_record_is_whole(settings: Settings) -> None:
    assert check() == Finding(None, None, Point(0, ""), 0, 0, 0)
    with transaction():
        assert audit_chain.purge(500) == 0


# --- by the operator ------------------------------------------------------------------------------


@pytest.fixture
def answer(operate: Callable[..., Result]) -> Callable[..., Any]:
    """Runs a command that must succeed, and returns the JSON that it prints."""

    def run(*words: str) -> Any:
        result = operate(*words, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return run


def test_the_operator_lists_verifies_and_exports(
    answer: Callable[..., Any], register: Callable[..., Account], tmp_path: Path
) -> None:
    register("alice")
    answer("account", "disable", "alice")
    made, disabled = answer("audit", "list", "--account", "alice")
    assert (made["id"], disabled["id"]) == (None, None)
    sequence()
    made, disabled = answer("audit", "list", "--account", "alice")
    assert (made["id"], disabled["id"]) == (1, 2)
    assert (made["event"], made["contract"], disabled["contract"]) == ("registered", None, "operator")
    assert answer("audit", "list", "--event", "account_disabled") == [disabled]
    assert answer("audit", "list", "--last", "1") == [disabled]
    whole = answer("audit", "verify")
    assert (whole["events"], whole["tail"]) == (2, {"events": 0, "seconds": 0.0})
    file = str(tmp_path / "audit.jsonl")
    assert answer("audit", "export", file)["events"] == 2
    assert answer("audit", "verify", "--file", file) == whole
    assert answer("audit", "list", "--event", "exported")[0]["detail"] == {"what": "audit", "rows": 2}
    answer("account", "delete", "alice", "--yes")
    assert answer("audit", "list", "--account", "1")[-1]["event"] == "account_deleted"
    after = answer("audit", "verify", "--since", whole["end"])
    assert (after["events"], after["tail"]["events"]) == (0, 2)
    assert after["tail"]["seconds"] > 0
    assert answer("audit", "export", file, "--force")["events"] == 4
    assert answer("audit", "verify", "--file", file)["tail"]["events"] == 2


def test_the_operator_is_told_the_row_that_was_tampered_with(
    operate: Callable[..., Result], register: Callable[..., Account], tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    register("alice")
    assert operate("account", "disable", "alice").exit_code == 0
    sequence()
    assert operate("audit", "export", str(file)).exit_code == 0
    file.write_text(file.read_text().replace('"account_disabled"', '"account_enabled"'))
    broken = operate("audit", "verify", "--file", str(file))
    words = "rollbook: audit: event 2: it was altered, or put in, or one before it was removed\n"
    assert (broken.exit_code, broken.stderr) == (1, words)
    assert operate("audit", "export", str(file)).exit_code == 1
    assert operate("audit", "verify", "--since", "2:zz").exit_code == 2
    file.write_text("no JSON\n")
    assert "not JSON" in operate("audit", "verify", "--file", str(file)).stderr
