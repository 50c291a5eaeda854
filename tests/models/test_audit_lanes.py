"""Acts leave their events side by side, nobody waiting for anybody; sequencers put them into one chain, whole."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee
import pytest
from typer.testing import Result

from models import clock
from models.account import Account
from models.audit import chain, lanes
from models.audit.chain import AuditEvent, AuditHead, Overtaken, sequence
from models.audit.events import Event, note, note_refusal
from models.audit.lanes import COUNTING_SECONDS, RESTING_SECONDS, PendingEvent
from models.audit.verification import Finding, events, head_faults, pending, tail, verify
from models.db.database import connect, database, run_transaction, transaction
from models.departure import delete_account
from models.errors import WrongCredentials
from models.session import Session
from server.jobs.sequencer import Sequencer
from server.settings import Settings
from tests.conftest import STORE

pytestmark = pytest.mark.usefixtures("settings")
SECRET = "Correct-Horse-7"


def check() -> Finding:
    """Verify the store."""
    return verify(events(), pending(), AuditHead.find())


def act(account: int) -> None:
    """Do something that goes on record."""
    with transaction():
        note(Event.LOGGED_IN, account)


def refuse(account: int | None, reason: str = "password") -> None:
    """Refuse somebody, in a unit that is undone."""
    with pytest.raises(WrongCredentials), transaction():
        note_refusal(Event.LOGIN_REFUSED, account, reason=reason)
        raise WrongCredentials


@contextmanager
def elsewhere() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Run work in another thread, which has a connection, and so a lane, of its own."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work).result()
        pool.submit(database.close).result()


def in_lanes() -> list[tuple[str, int]]:
    """Return lane and number of all events, in the order of the chain."""
    return [(entry.lane, entry.number) for entry in [*events(), *pending()]]


# --- lanes -----------------------------------------------------------------------------------------------------------


def test_each_connection_counts_in_a_lane_of_its_own() -> None:
    with elsewhere() as other:
        for account in (1, 2, 3):
            act(account)
            other(lambda account=account: act(account))
    assert [number for _, number in in_lanes()] == [1, 1, 2, 2, 3, 3]
    assert len({lane for lane, _ in in_lanes()}) == 2
    sequence()
    assert (check().fault, check().checked) == (None, 6)


def test_what_is_undone_leaves_no_gap() -> None:
    act(1)
    with pytest.raises(RuntimeError), transaction():
        note(Event.LOGGED_IN, 2)
        raise RuntimeError
    act(3)
    (first, one), (second, two) = in_lanes()
    assert (first, one, two) == (second, 1, 2)
    sequence()
    assert check().fault is None


def test_a_commit_that_fails_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    act(1)
    with monkeypatch.context() as patch, pytest.raises(peewee.IntegrityError):
        patch.setattr(type(database.obj), "session_commit", _fail(peewee.IntegrityError))
        act(2)
    act(3)
    assert [number for _, number in in_lanes()] == [1, 1], "the second one is in a lane of its own"
    sequence()
    assert (check().fault, check().checked) == (None, 2)


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_commit_of_which_nothing_is_known_a_new_lane_begins(
    monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    act(1)
    commit = type(database.obj).session_commit

    def lose(store: Any) -> None:
        if happened:
            commit(store)
        raise peewee.OperationalError("the connection was lost")

    with monkeypatch.context() as patch, pytest.raises(peewee.OperationalError):
        patch.setattr(type(database.obj), "session_commit", lose)
        act(2)
    act(3)
    numbers = [number for _, number in in_lanes()]
    assert numbers == ([1, 2, 1] if happened else [1, 1])
    sequence()
    assert (check().fault, check().checked) == (None, len(numbers))


def _fail(kind: type[Exception]) -> Callable[[Any], None]:
    def fail(store: Any) -> None:
        store.session_rollback()
        raise kind("not committed")

    return fail


# --- the sequencer ---------------------------------------------------------------------------------------------------


def test_an_event_that_is_committed_late_is_not_passed_over() -> None:
    """Ids are given before they are committed: kamu-data/kamu-cli#1398, Eventuous#222."""
    if STORE == "sqlite":
        pytest.skip("one writer at a time")
    written, may_commit = threading.Event(), threading.Event()

    def pause() -> None:
        written.set()
        may_commit.wait(30)

    def slow() -> None:
        with transaction():
            note(Event.LOGGED_IN, 1)
            database.before_commit(pause)
        database.close()

    thread = threading.Thread(target=slow)
    thread.start()
    written.wait(30)
    act(2)
    assert sequence() == 1
    may_commit.set()
    thread.join()
    assert sequence() == 1
    assert [entry.account for entry in events()] == [2, 1]
    assert check().fault is None


def test_two_sequencers_at_once_make_one_chain() -> None:
    """Chains fork where two writers read the same end: LanternOps/breeze#1002, FootprintAI/Containarium#1326."""
    done = threading.Event()

    def keep_sequencing() -> None:
        while not done.is_set():
            sequence(batch=7)
        database.close()

    def work(account: int) -> None:
        run_transaction(lambda: note(Event.LOGGED_IN, account))
        database.close()

    with ThreadPoolExecutor(3) as sequencers, ThreadPoolExecutor(4) as actors:
        for _ in range(3):
            sequencers.submit(keep_sequencing)
        list(actors.map(work, range(200)))
        done.set()
    while sequence():
        pass
    assert (check().fault, check().checked, tail().events) == (None, 200, 0)
    assert sorted(entry.account for entry in events() if entry.account is not None) == list(range(200))


def test_of_two_sequencers_that_saw_the_same_head_one_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    act(1)
    find = AuditHead.find

    def be_overtaken() -> AuditHead | None:
        seen = find()
        monkeypatch.setattr(AuditHead, "find", find)
        with elsewhere() as other:
            assert other(sequence) == 1
        return seen

    if STORE == "sqlite":  # which begins with the lock: nobody can be faster
        seen = find()
        assert sequence() == 1
        assert seen is not None
        with pytest.raises(Overtaken), transaction():
            seen.store()
    else:
        monkeypatch.setattr(AuditHead, "find", be_overtaken)
        assert sequence() == 0
    assert (check().fault, check().checked) == (None, 1)


def test_a_sequencer_that_dies_midway_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    act(1)
    act(2)
    for step in ("insert_many", "delete"):
        model = AuditEvent if step == "insert_many" else PendingEvent
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(model, step, classmethod(_die))
            sequence()
        assert (tail().events, check().checked, check().fault) == (2, 0, None)
    assert sequence() == 2
    assert (check().checked, check().fault) == (2, None)


def _die(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_nobody_waits_for_a_sequencer_and_acts_go_on_without_one(register: Callable[..., Account]) -> None:
    """Keycloak had logins wait for the one thread that processed events: keycloak#14082."""
    if STORE == "sqlite":
        pytest.skip("one writer at a time")
    alice = register("alice")
    act(1)
    with transaction():
        assert chain._sequence(1000, None) == 2  # and does not commit yet
        with elsewhere() as other:
            other(lambda: database.execute_sql("SET lock_timeout = 50"))
            other(lambda: run_transaction(lambda: Session.open(alice, "dbms", "a secret")))
            other(lambda: refuse(alice.id))
    sequence()
    assert (check().fault, check().checked, check().pending) == (None, 3, 1)


def test_the_job_sequences_all_there_is_and_tells_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rollbook.audit")
    act(1)
    job = Sequencer()
    job.run()
    head = AuditHead.get()
    assert f"the end of the chain is 1:{head.last_chain}" in caplog.text
    act(2)
    job.run()
    assert caplog.text.count("the end of the chain") == 1, "at most once a minute"
    assert tail().events == 0


@pytest.mark.parametrize("jump", [-(10**8), 10**8])
def test_clocks_that_jump_break_no_chain(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    act(1)
    refuse(1)
    usual = clock.now
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: usual() + jump)
        act(2)
        refuse(2)
        with transaction():
            chain.purge(500)
        sequence()
    act(3)
    rest(monkeypatch)
    sequence()
    with transaction():
        assert chain.purge(500) == 0
    assert (check().fault, check().checked) == (None, 5)


# --- refusals are counted --------------------------------------------------------------------------------------------


def rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute pass, for the store and for who counts."""
    monkeypatch.setattr(lanes, "COUNTING_SECONDS", 0)
    monkeypatch.setattr(chain, "RESTING_SECONDS", -1)


def test_guessing_does_not_fill_the_store() -> None:
    """Each wrong guess was a row, until the disk was full: keycloak#41826."""
    for _ in range(50):
        refuse(7)
        refuse(None, "unknown")
    refuse(7, "disabled")
    told = [(entry.account, entry.detail, entry.count) for entry in pending()]
    assert told == [
        (7, '{"reason":"password"}', 50),
        (None, '{"reason":"unknown"}', 50),
        (7, '{"reason":"disabled"}', 1),
    ]
    assert check().fault is None


def test_a_refusal_goes_into_the_chain_when_its_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RESTING_SECONDS > COUNTING_SECONDS
    refuse(7)
    refuse(7)
    act(7)
    assert sequence() == 1
    assert (check().fault, check().pending, tail().seconds) == (None, 1, 0)
    rest(monkeypatch)
    assert sequence() == 1
    refuse(7)
    assert sequence() == 1
    assert [(entry.event, entry.count) for entry in events()] == [
        ("logged_in", 1),
        ("login_refused", 2),
        ("login_refused", 1),
    ]
    assert (check().fault, check().checked) == (None, 3)


def test_a_refusal_that_is_counted_after_its_event_was_taken_is_an_event_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse(7)
    with monkeypatch.context() as patch:
        patch.setattr(chain, "RESTING_SECONDS", -1)  # the store's clock has jumped
        assert sequence() == 1
    refuse(7)
    assert [entry.count for entry in [*events(), *pending()]] == [1, 1]
    assert check().fault is None


def test_a_refusal_that_is_counted_while_it_is_taken_undoes_the_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    if STORE == "sqlite":
        pytest.skip("one writer at a time")
    store = AuditHead.store

    def count_on(head: AuditHead) -> None:
        with elsewhere() as other:
            other(lambda: PendingEvent.update(count=2, seal="another").execute())
        store(head)

    refuse(7)
    monkeypatch.setattr(chain, "RESTING_SECONDS", -1)
    with monkeypatch.context() as patch:
        patch.setattr(AuditHead, "store", count_on)
        assert sequence() == 0
    assert (AuditEvent.select().count(), PendingEvent.get().count) == (0, 2)


def test_a_lane_of_refusals_stays_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(1)
    refuse(2)
    later = chain.store_time() + 10**8
    PendingEvent.update(arrived=later).where(PendingEvent.account == 1).execute()
    monkeypatch.setattr(chain, "RESTING_SECONDS", -1)
    assert sequence() == 0, "the second one waits for the first"
    PendingEvent.update(arrived=0).execute()
    assert sequence() == 2
    assert check().fault is None


# --- tampering with the tail -----------------------------------------------------------------------------------------


def forged(**other: Any) -> dict[str, Any]:
    """Return a pending event like the first one, under its seal."""
    entry: dict[str, Any] = PendingEvent.select().order_by(PendingEvent.id).dicts().get()
    return {name: value for name, value in entry.items() if name != "id"} | other


def change_pending(**columns: Any) -> Callable[[], Any]:
    return lambda: PendingEvent.update(**columns).where(PendingEvent.number == 2).execute()


TAMPERINGS: dict[str, tuple[Callable[[], Any], str]] = {
    "altered": (change_pending(account=666), "altered"),
    "counts less": (change_pending(count=0), "altered"),
    "in another lane": (change_pending(lane="0" * 16), "altered"),
    "removed first": (lambda: PendingEvent.delete().where(PendingEvent.number == 1).execute(), "event 1 of"),
    "removed middle": (lambda: PendingEvent.delete().where(PendingEvent.number == 2).execute(), "event 2 of"),
    "put in": (lambda: PendingEvent.insert(forged(number=4)).execute(), "altered or put in"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
@pytest.mark.parametrize("then", ["at once", "when it is in the chain"])
def test_tampering_with_the_tail_is_found(name: str, then: str) -> None:
    for account in (1, 2, 3):
        act(account)
    tamper, words = TAMPERINGS[name]
    tamper()
    if then != "at once":
        while sequence():
            pass
    fault = check().fault
    assert fault is not None
    assert words in fault


def test_what_was_in_the_chain_is_not_taken_twice() -> None:
    act(1)
    again = forged()
    sequence()
    PendingEvent.insert(again).execute()
    assert "put in twice" in str(check().fault)
    sequence()
    assert "put in twice" in str(check().fault)


def test_the_newest_events_of_a_lane_can_be_cut_off_before_they_are_in_the_chain() -> None:
    """What no store can show: the page on the audit says so, and `verify` tells how long the tail is."""
    for account in (1, 2):
        act(account)
    assert tail().events == 2
    PendingEvent.delete().where(PendingEvent.number == 2).execute()
    assert check().fault is None
    act(3)
    assert "event 2 of" in str(check().fault), "as soon as the connection acts again, it shows"


# --- the head against the rest of the store --------------------------------------------------------------------------


def test_a_store_has_a_sealed_head_from_its_making(new_store: Callable[[], dict[str, str]], settings: Settings) -> None:
    assert list(head_faults()) == []
    AuditHead.delete().execute()
    assert list(head_faults()) == ["the head was removed"]
    assert check().fault == "the head was removed"
    with transaction():
        chain.begin()
    AuditHead.update(seal="0" * 64).execute()
    assert "sealed by a key" in next(head_faults())


@pytest.mark.parametrize("what", ["account", "session"])
def test_an_older_audit_under_a_newer_store_is_told_at_once_and_leaves_its_mark(
    register: Callable[..., Account], what: str
) -> None:
    alice = register("alice")
    sequence()
    copy = {table: list(table.select().dicts()) for table in (AuditEvent, AuditHead)}
    if what == "account":
        register("bob")
    else:
        run_transaction(lambda: Session.open(alice, "dbms", "a secret"))
    assert list(head_faults()) == [], "its event waits"
    sequence()
    assert list(head_faults()) == []
    for table, rows in copy.items():
        table.delete().execute()
        table.insert_many(rows).execute()
    assert [fault for fault in head_faults() if f"older than {what}" in fault] != []
    assert check().fault is None, "the chain alone does not show it"
    register("carol")
    sequence()
    assert list(head_faults()) == []
    assert "when it was written the head did not fit" in str(check().fault)


def test_accounts_of_an_import_are_newer_than_the_head_until_its_event_is_in_the_chain(
    operate: Callable[..., Result], settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "accounts.jsonl"
    file.write_text('{"username": "li"}\n')
    imported = operate("account", "import", str(file))
    assert imported.exit_code == 0, imported.stderr
    connect(settings.database_url)
    assert list(head_faults()) == []
    sequence()
    assert list(head_faults()) == []
    assert check().fault is None


def test_who_leaves_makes_no_head_too_old(register: Callable[..., Account]) -> None:
    register("alice")
    bob = register("bob")
    sequence()
    run_transaction(lambda: delete_account(Account.by_id(bob.id)))
    assert list(head_faults()) == []
    sequence()
    register("carol")
    assert list(head_faults()) == []
    sequence()
    assert list(head_faults()) == []
    assert check().fault is None
