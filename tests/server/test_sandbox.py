"""The sandbox: what went wrong with those of others, and what its own specification says.

Each test of the first part is a case from the world; its source stands in its docstring.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import peewee
import pytest
import yaml
from starlette.testclient import TestClient

from models import clock
from models.account import Account
from models.audit.chain import AuditEvent, AuditHead, store_time
from models.audit.lanes import PendingEvent
from models.audit.verification import events, pending, verify
from models.db.database import connect, database
from models.identifiers import mobile_key
from server.contract import executors
from server.jobs.periodic import PeriodicTask
from server.sandbox import accounts, start, state
from server.sandbox.start import settle
from server.settings import SettingError, Settings, variables
from server.specs import SANDBOX, find_sources, load_contracts
from tests.clients import Dbms, Indexy, Sso
from tests.contract_coverage import Document, compare, read_answers
from tests.sandbox import SandboxUnderTest

pytestmark = pytest.mark.once("a sandbox's store is a file of SQLite")
MOBILE, EMAIL = "13393922000", "wangwu@example.com"
ALICE = {"username": "wangwu", "password": "correct horse", "email": EMAIL, "mobile": MOBILE}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SandboxUnderTest:
    """A sandbox."""
    return SandboxUnderTest(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
def sandbox(built: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """A sandbox as it begins."""
    built.open()
    built.ask("POST", "/reset")
    state.current.snapshots.clear()
    yield built
    built.close()


@pytest.fixture
def indexy(sandbox: SandboxUnderTest) -> Indexy:
    """A client of the contract that recovers."""
    return Indexy(sandbox.client)


# --- cases from the world ----------------------------------------------------------------------------------------


def test_the_clock_never_goes_back(sandbox: SandboxUnderTest) -> None:
    """Stripe's test clocks advance only; autumn#3492 had to refuse times that are not ahead itself."""
    now = sandbox.advance(86_400)
    refused = sandbox.ask("PUT", "/clock", 409, json={"now": now - 1})
    assert refused["type"] == "urn:problem-type:rollbook:clock-goes-forward"
    assert str(now) in refused["detail"]
    assert sandbox.ask("GET", "/clock")["now"] == now
    assert sandbox.ask("PUT", "/clock", json={"now": now})["now"] == now  # a request that is sent twice
    assert sandbox.ask("PUT", "/clock", json={"now": now + 1})["now"] == now + 1


def test_the_clock_stands_still_until_it_is_told(sandbox: SandboxUnderTest) -> None:
    """timekeeper#26: a frozen clock that then was to travel stood, or went on by itself."""
    before = sandbox.ask("GET", "/clock")
    assert abs(before["now"] - time.time()) < 3600
    sandbox.make(username="one")
    time.sleep(1.1)
    sandbox.make(username="two")
    assert sandbox.ask("GET", "/clock") == before
    made = Account.select(Account.created).where(Account.username << ("one", "two")).tuples()
    assert set(made) == {(before["now"],)}


def test_what_expires_does_so_at_once_and_comes_back_with_its_time(sandbox: SandboxUnderTest) -> None:
    """keycloak#16242: with the offset set, a reaper in the background removed sessions at some moment or other; once
    the offset was taken back they were gone, and tests failed now and then."""
    dbms = Dbms(sandbox.client)
    sandbox.make(**ALICE)
    token = dbms.enter("wangwu", "correct horse")
    snapshot = sandbox.ask("POST", "/snapshots", 201)
    sandbox.advance(sandbox.settings.session_lifetime("dbms") - 1)
    assert dbms.is_live(token)
    sandbox.advance(1)
    assert not dbms.is_live(token)
    assert database.execute_sql("SELECT COUNT(*) FROM session").fetchone() == (0,)
    assert sandbox.ask("POST", f"/snapshots/{snapshot['id']}/restore")["now"] == snapshot["now"]
    assert dbms.is_live(token)


def test_there_is_one_clock_and_not_another_one_in_the_store(sandbox: SandboxUnderTest) -> None:
    """keycloak#27625, #16316: the cache under the sessions had a clock of its own, which no offset reached."""
    now = sandbox.advance(3 * 365 * 86_400)
    assert store_time() == now * 1000
    Dbms(sandbox.client).log_in("zhangsan", "wrong")
    (refusal,) = PendingEvent.select().where(PendingEvent.counting)
    assert (refusal.created, refusal.arrived) == (now, now * 1000)
    _sequence(sandbox)
    assert PendingEvent.select().where(PendingEvent.counting).count() == 1  # it is counted on for a minute
    sandbox.advance(90)
    _sequence(sandbox)
    assert PendingEvent.select().where(PendingEvent.counting).count() == 0
    sandbox.advance(sandbox.settings.audit_retention_seconds + 1)
    assert AuditEvent.select().count() == 0


def test_a_reset_waits_for_what_is_in_hand_and_leaves_nothing_of_it(sandbox: SandboxUnderTest) -> None:
    """spring-cloud-contract#2160, firebase-tools#1971: what one test had still in hand ran into the state of the next,
    or the emulator stood still after a reset."""
    dbms, sso = Dbms(sandbox.client), Sso(sandbox.client)
    blocked, begun = threading.Event(), threading.Event()
    pool = sandbox.parts["executors"].store

    def block() -> None:
        begun.set()
        blocked.wait(30)

    occupied = pool.submit(block)
    begun.wait(30)
    with ThreadPoolExecutor(12) as many:
        early = [many.submit(dbms.register, f"early{number}", "correct horse") for number in range(5)]
        _until(lambda: pool._work_queue.qsize() == 5)
        reset = many.submit(sandbox.client.post, "/sandbox/reset")
        _until(lambda: pool._work_queue.qsize() == 6)
        late = [many.submit(sso.register, f"late{number}", "correct horse") for number in range(5)]
        _until(lambda: pool._work_queue.qsize() == 11)
        blocked.set()
        answers = [one.result() for one in early]
    occupied.result()
    assert [answer.status_code for answer in answers] == [201] * 5
    assert reset.result().status_code == 200
    assert all(sso.succeeded(one.result()) for one in late)
    assert set(_usernames()) == {one["username"] for one in accounts.SEED} | {f"late{number}" for number in range(5)}


def test_a_message_of_an_earlier_test_is_not_read_by_a_later_one(sandbox: SandboxUnderTest, indexy: Indexy) -> None:
    """schellingboard#888: a mailbox kept the mail of every run before, and waiting for one more never ended;
    firebase-js-sdk#4578: of several mails to one address, the last one overwrote the others."""
    sandbox.make(**ALICE)
    indexy.request_code(MOBILE)
    first = sandbox.latest(MOBILE)
    assert sandbox.ask("GET", "/messages/latest", 404, params={"to": MOBILE, "after": first["id"]})["title"] == (
        "No such message"
    )
    indexy.request_code(MOBILE)
    second = sandbox.latest(MOBILE, after=first["id"])
    assert second["id"] > first["id"]
    listed = sandbox.ask("GET", "/messages", params={"to": MOBILE})["messages"]
    assert listed == [second, first]
    assert sandbox.ask("GET", "/messages", params={"limit": 1})["messages"] == [second]
    sandbox.ask("POST", "/reset")
    assert sandbox.ask("GET", "/messages")["messages"] == []


def test_messages_to_others_are_others(sandbox: SandboxUnderTest, indexy: Indexy) -> None:
    """synaplan#600, mattermost#7656: workers that shared a mailbox emptied it for each other, or read each other's."""
    sandbox.make(**ALICE)
    indexy.request_link(EMAIL)
    indexy.request_link("zhangsan@example.com")
    for email in (EMAIL, "zhangsan@example.com"):
        assert sandbox.latest(email)["to"] == email
    assert sandbox.latest(EMAIL.upper(), kind="mail")["to"] == EMAIL
    sandbox.ask("GET", "/messages/latest", 404, params={"to": EMAIL, "kind": "sms"})
    indexy.request_code(MOBILE)
    assert sandbox.latest("+86 133-9392-2000")["to"] == MOBILE
    sandbox.ask("GET", "/messages/latest", 404, params={"to": "nobody@example.com"})


@pytest.mark.parametrize("number", range(2))
def test_a_reset_gives_the_same_ids_again(sandbox: SandboxUnderTest, number: int) -> None:
    """Gladys#2802, testing-framework#275: rows were put back, the counters of ids were not; so the second test of a run
    met other ids than the first."""
    assert sandbox.make(username=f"user{number}")["id"] == len(accounts.SEED) + 1
    Indexy(sandbox.client).request_link("zhangsan@example.com")
    assert sandbox.latest("zhangsan@example.com")["id"] == 1


def test_a_reset_leaves_no_count_and_no_lock(sandbox: SandboxUnderTest) -> None:
    """wiremock#495, WireMock.Net#1031: a reset that forgot one kind of state; here who was locked out stays so."""
    dbms = Dbms(sandbox.client)
    tries = [dbms.log_in("zhangsan", "wrong").status_code for _ in range(11)]
    assert tries == [401] * 10 + [429]
    assert dbms.log_in("zhangsan", "zhangsan-sandbox").status_code == 429
    sandbox.ask("POST", "/reset")
    assert dbms.log_in("zhangsan", "zhangsan-sandbox").status_code == 200


def test_many_resets_leave_nothing_behind(sandbox: SandboxUnderTest) -> None:
    """firebase-js-sdk#2042, firebase-tools#10896: each clearing took longer than the one before, until nothing went."""
    sandbox.make()
    files = [Path(sandbox.settings.database_url.removeprefix("sqlite:///") + end) for end in ("", "-wal")]
    sizes = set()
    for number in range(150):
        sandbox.make(username=f"user{number}")
        sandbox.ask("POST", "/reset")
        if number >= 50:
            sizes.add(tuple(file.stat().st_size for file in files))
    assert len(sizes) == 1
    assert threading.active_count() < 50


def test_a_snapshot_is_whole_and_stays_what_it_was(sandbox: SandboxUnderTest) -> None:
    """firebase-tools#3546: an export held the first 20 accounts; touchstone#13: after one test was run alone, the
    snapshot seemed to be that of its end."""
    for number in range(150):
        sandbox.make(username=f"user{number}")
    taken = sandbox.ask("POST", "/snapshots", 201)["id"]
    everybody = _usernames()
    for _ in range(2):
        sandbox.make(username="later")
        Dbms(sandbox.client).update(Dbms(sandbox.client).enter("zhangsan", "zhangsan-sandbox"), 1, username="other")
        sandbox.ask("POST", f"/snapshots/{taken}/restore")
        assert _usernames() == everybody
    sandbox.ask("POST", "/reset")
    sandbox.ask("POST", f"/snapshots/{taken}/restore")
    assert _usernames() == everybody
    sandbox.ask("DELETE", f"/snapshots/{taken}", 204)
    sandbox.ask("POST", f"/snapshots/{taken}/restore", 404)
    for gone in (taken, "none"):
        sandbox.ask("DELETE", f"/snapshots/{gone}", 404)
    assert sandbox.ask("POST", "/snapshots", 201)["id"] > taken  # never another's id
    sandbox.ask("DELETE", f"/snapshots/{taken + 1}", 204)


def test_what_others_wait_for_goes_on_while_the_clock_stands(sandbox: SandboxUnderTest) -> None:
    """freezegun#437, #384: with the time of the process frozen, timers and heartbeats never came to their end."""
    ran = threading.Event()

    class Note(PeriodicTask):
        interval = 0.01
        times = 0

        def run(self) -> None:
            Note.times += 1
            if Note.times == 3:
                ran.set()

    task = Note()
    task.start()
    assert ran.wait(30)
    task.stop()
    sequencer = sandbox.parts["jobs"][0]
    sandbox.make()
    sequencer.start()
    _until(lambda: PendingEvent.select().count() == 0)
    sequencer.stop()


@pytest.mark.parametrize("path", ["/reset", "/accounts", "/snapshots/1/restore"])
def test_nothing_changes_by_a_link(sandbox: SandboxUnderTest, path: str) -> None:
    """fln#79: a reset by GET was done by whatever prefetched it."""
    sandbox.make(username="stays")
    assert sandbox.client.get(f"/sandbox{path}").status_code == 405
    assert sandbox.client.head(f"/sandbox{path}").status_code == 405
    assert "stays" in _usernames()


@pytest.mark.parametrize("site", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}], ids=str)
def test_the_page_of_another_site_can_do_nothing(sandbox: SandboxUnderTest, site: dict[str, str]) -> None:
    """cezar#426: a page of any site sent JSON as text to a server of the developer's machine, which obeyed."""
    for path, item in _document()["paths"].items():
        for method in item:
            headers = {**site, "content-type": "text/plain"}
            url = f"/sandbox{path.replace('{snapshot}', '1')}"
            answer = sandbox.client.request(method, url, headers=headers, content=b'{"seconds": 1}')
            assert answer.status_code == 403, (method, path)


# --- where it does not start -------------------------------------------------------------------------------------


REFUSED = {
    "ROLLBOOK_SMTP_URL": "smtps://user:secret@mail.example.com",
    "ROLLBOOK_SECRET_KEY": "k" * 32,
    "ROLLBOOK_WORKERS": "2",
    "ROLLBOOK_RATE_LIMIT_URL": "redis://cache",
    "ROLLBOOK_METRICS_BIND": "127.0.0.1:9000",
    "ROLLBOOK_SMS_WEBHOOK_SECRET": "whsec_" + "a" * 32,
    "ROLLBOOK_OTLP_ENDPOINT": "http://collector",
    "ROLLBOOK_DATABASE_URL": "postgresql://rollbook:secret@db/rollbook",
    "ROLLBOOK_BIND": "0.0.0.0:8000",
    "ROLLBOOK_PUBLIC_URL": "https://accounts.example.com",
    "ROLLBOOK_TRUSTED_PROXIES": "10.0.0.1",
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_does_not_start_as_a_production(tmp_path: Path, name: str) -> None:
    """subarr#204, gunicorn#1990: workers that each had a state of their own. yap#1575: what wipes a store was kept from
    productions by one word that many of them did not have."""
    with pytest.raises(SettingError, match=f"^{name}: ") as refused:
        settle({name: REFUSED[name]}, tmp_path)
    assert "secret" not in str(refused.value).replace("_SECRET", "")


def test_others_may_come_only_if_somebody_said_so(tmp_path: Path) -> None:
    for name in ("ROLLBOOK_BIND", "ROLLBOOK_PUBLIC_URL", "ROLLBOOK_TRUSTED_PROXIES"):
        settings = settle({name: REFUSED[name]}, tmp_path, public=True)
        assert (settings.sandbox, settings.local_only, settings.policy) == (True, False, "guarded")
    assert settle({"ROLLBOOK_POLICY": "guarded"}, tmp_path).local_only


def test_a_setting_that_comes_later_is_refused_until_somebody_has_thought_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settle({"ROLLBOOK_LANGUAGE": "en"}, tmp_path).language == "en"
    assert {field.name for field in variables().values()} >= start.ALLOWED
    monkeypatch.setattr(start, "ALLOWED", start.ALLOWED - {"language"})
    with pytest.raises(SettingError, match=r"^ROLLBOOK_LANGUAGE: a setting of a production"):
        settle({"ROLLBOOK_LANGUAGE": "en"}, tmp_path)
    assert settle({"ROLLBOOK_LANGUAGE": "zh"}, tmp_path)  # as it is anyhow


def test_it_does_not_start_on_a_store_that_has_accounts(sandbox: SandboxUnderTest, tmp_path: Path) -> None:
    """PageSpace#1133: a seed that was pointed at the wrong database."""
    (tmp_path / "empty").mkdir()
    named = {"ROLLBOOK_DATA": str(sandbox.settings.data)}
    with pytest.raises(SettingError, match=r"rollbook\.sqlite3: it has accounts, which a sandbox would throw away$"):
        settle(named, tmp_path / "empty")
    with pytest.raises(SettingError, match="it has accounts"):
        settle({"ROLLBOOK_DATABASE_URL": sandbox.settings.database_url}, tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())
    connect(sandbox.settings.database_url)
    assert _usernames() == [one["username"] for one in accounts.SEED]
    fresh = settle({"ROLLBOOK_DATA": str(tmp_path / "fresh")}, tmp_path / "empty")
    assert fresh.data == tmp_path / "fresh"


@pytest.mark.usefixtures("settings")
def test_no_other_server_has_its_paths(client: TestClient) -> None:
    """weight-tracker#28, uttertype#33: doors for tests that stood open in production."""
    for path in _document()["paths"]:
        for method in ("GET", "PUT", "POST", "DELETE"):
            assert client.request(method, f"/sandbox{path.replace('{snapshot}', '1')}").status_code == 404
    assert client.get("/specs/sandbox.json").status_code == 404
    assert client.get("/docs/sandbox").status_code == 404
    with pytest.raises(SettingError, match=r"^ROLLBOOK_CONTRACTS: .* only scripts/serve --sandbox serves this$"):
        load_contracts(Settings(contracts=str(SANDBOX)))
    parent = os.path.relpath(SANDBOX)
    with pytest.raises(SettingError, match="only scripts/serve --sandbox"):
        load_contracts(Settings(contracts=f"/nowhere{os.pathsep}{parent}"))


def test_contracts_that_are_named_are_served_beside_it(tmp_path: Path) -> None:
    settings = settle({"ROLLBOOK_SERVE": "sso,dbms"}, tmp_path)
    assert [contract.stem for contract in load_contracts(settings)] == ["dbms", "sandbox", "sso"]


# --- what it can do ----------------------------------------------------------------------------------------------


def test_the_seed_is_as_it_tells(sandbox: SandboxUnderTest) -> None:
    dbms = Dbms(sandbox.client)
    seed = sandbox.ask("GET", "/seed")
    for one in seed["accounts"]:
        status = dbms.log_in(one["username"], one["password"]).status_code
        assert status == (401 if one["disabled"] else 200), one
    assert _usernames() == [one["username"] for one in seed["accounts"]]
    assert [one["proved"] for one in seed["accounts"] if "email" in one] == [True, False, True, True]
    (proved,) = Account.select(Account.email_proved, Account.mobile_proved).where(Account.id == 1).tuples()
    assert proved == ("zhangsan@example.com", mobile_key("13800138001"))


def test_an_account_of_any_kind_is_made_at_once(sandbox: SandboxUnderTest) -> None:
    dbms = Dbms(sandbox.client)
    made = sandbox.ask("POST", "/accounts", 201)
    assert dbms.log_in(made["username"], made["password"]).status_code == 200
    assert made.keys() == {"id", "username", "password", "admin", "disabled", "proved"}
    admin = sandbox.make(admin=True)
    assert dbms.find(dbms.enter(admin["username"], admin["password"]), made["id"]).status_code == 200
    assert sandbox.make(**ALICE, display_name="王五", unknown=1, id=99)["display_name"] == "王五"
    assert dbms.log_in(EMAIL, "correct horse").status_code == 200
    for username, title in (("WangWu", "Username taken"), ("other", "Username reserved")):
        assert sandbox.ask("POST", "/accounts", 409, json={"username": username})["title"] == title
    for member, title in (("email", "Email taken"), ("mobile", "Mobile taken")):
        assert sandbox.ask("POST", "/accounts", 409, json={member: ALICE[member]})["title"] == title
    assert sandbox.ask("GET", "/messages")["messages"] == []


def test_codes_and_links_are_there_as_soon_as_they_were_asked_for(sandbox: SandboxUnderTest, indexy: Indexy) -> None:
    sandbox.make(**ALICE)
    indexy.request_code(MOBILE)
    sms = sandbox.latest(MOBILE)
    (code,) = sms["codes"]
    assert re.fullmatch(r"\d{6}", code)
    assert code in sms["text"]
    assert (sms["kind"], sms["subject"], sms["links"]) == ("sms", "", [])
    indexy.request_link(EMAIL)
    mail = sandbox.latest(EMAIL)
    (link,), (secret,) = mail["links"], mail["codes"]
    assert link.startswith(sandbox.settings.public_url)
    assert link.endswith(f"code={secret}")
    assert mail["sent"] == sandbox.ask("GET", "/clock")["now"]
    assert indexy.recover_by_link(secret, "battery staple").is_success
    assert Dbms(sandbox.client).log_in("wangwu", "battery staple").status_code == 200
    assert sandbox.latest(EMAIL)["codes"] == []  # that the password was changed


def test_the_audit_stays_whole_over_resets_and_snapshots(sandbox: SandboxUnderTest) -> None:
    dbms = Dbms(sandbox.client)
    dbms.log_in("zhangsan", "zhangsan-sandbox")
    _sequence(sandbox)
    taken = sandbox.ask("POST", "/snapshots", 201)["id"]
    dbms.log_in("zhangsan", "wrong")
    dbms.log_in("zhangsan", "zhangsan-sandbox")
    sandbox.ask("POST", f"/snapshots/{taken}/restore")
    dbms.log_in("lisi", "lisi-sandbox")
    sandbox.advance(86_400)
    _sequence(sandbox)
    found = verify(events(), pending(), AuditHead.find(), None)
    assert (found.fault, found.pending) == (None, 0)
    assert found.checked > len(accounts.SEED)
    sandbox.ask("DELETE", f"/snapshots/{taken}", 204)


def test_there_is_room_for_a_hundred_snapshots(sandbox: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST_SNAPSHOTS", 2)
    taken = [sandbox.ask("POST", "/snapshots", 201) for _ in range(2)]
    assert sandbox.ask("POST", "/snapshots", 409)["detail"] == "There are 2 snapshots; drop one first."
    assert sandbox.ask("GET", "/snapshots")["snapshots"] == taken
    for one in taken:
        sandbox.ask("DELETE", f"/snapshots/{one['id']}", 204)
    assert sandbox.ask("GET", "/snapshots")["snapshots"] == []


WRONG = [
    ("PUT", "/clock", {"json": {}}),
    ("PUT", "/clock", {"json": {"now": "soon"}}),
    ("PUT", "/clock", {"json": {"now": 10**12}}),
    ("POST", "/clock", {"json": {"seconds": 0}}),
    ("POST", "/clock", {"json": {"seconds": -60}}),
    ("POST", "/clock", {"content": b"{"}),
    ("GET", "/messages", {"params": {"kind": "pigeon"}}),
    ("GET", "/messages", {"params": {"limit": "0"}}),
    ("GET", "/messages/latest", {"params": {"after": "-1"}}),
    ("POST", "/accounts", {"json": {"username": "a\tb"}}),
    ("POST", "/accounts", {"json": {"admin": "perhaps"}}),
    ("POST", "/accounts", {"json": []}),
]


@pytest.mark.parametrize(("method", "path", "request_"), WRONG)
def test_what_is_wrong_is_told_and_changes_nothing(
    sandbox: SandboxUnderTest, method: str, path: str, request_: dict[str, Any]
) -> None:
    before = database.image(), clock.now()
    refused = sandbox.ask(method, path, 400, **request_)
    assert refused["title"] == "Bad Request"
    assert (database.image(), clock.now()) == before


def test_the_clock_has_an_end(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("PUT", "/clock", json={"now": 32_503_680_000 - 60})
    assert Dbms(sandbox.client).log_in("zhangsan", "zhangsan-sandbox").status_code == 200
    assert sandbox.ask("POST", "/clock", 400, json={"seconds": 61})["detail"] == "seconds is greater than 60."
    assert sandbox.advance(60) == 32_503_680_000


# --- its specification -------------------------------------------------------------------------------------------


def _document() -> dict[str, Any]:
    (contract,) = load_contracts(Settings(contracts=str(SANDBOX), serve="sandbox", sandbox=True))
    return contract.document


def test_every_declared_answer_is_given_and_no_other(
    sandbox: SandboxUnderTest, contract_coverage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(contract_coverage.read_text("utf-8").splitlines())
    document, client = _document(), sandbox.client
    good: dict[str, dict[str, Any]] = {
        "set_clock": {"json": {"now": clock.now() + 1}},
        "advance_clock": {"json": {"seconds": 1}},
        "make_account": {"json": {"username": "unique"}},
    }
    longest = sandbox.settings.max_url_bytes
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name, url = operation["operationId"], f"/sandbox{path}"
            taken = sandbox.ask("POST", "/snapshots", 201)["id"]
            if name == "find_latest_message":
                Indexy(client).request_link("zhangsan@example.com")
            url = url.replace("{snapshot}", str(taken))
            assert client.request(method, url, **good.get(name, {})).is_success
            client.request(method, f"{url}?after=x", content=b"\xff" * 9)
            client.request(method, url, headers={"content-length": "5", "content-type": "text/csv"}, content=b"a,b,c")
            client.request(method, url.replace(str(taken), "x"), content=b"{")
            client.request(method, url, headers={"sec-fetch-site": "cross-site"})
            client.request(method, url, content=b" " * (sandbox.settings.max_body_bytes + 1))
            client.request(method, f"{url}?{'a' * longest}")
            client.request(method, url, headers={"a": "b" * sandbox.settings.max_header_bytes})
            client.request(method, url.replace(str(taken), "999999"), json={"now": 1, "username": "zhangsan"})
            client.request(method, url, params={"to": "nobody@example.com"})
            for broken in (peewee.OperationalError, RuntimeError):
                with monkeypatch.context() as patch:
                    patch.setattr(executors, "timeout", Mock(side_effect=broken))
                    client.request(method, url, **good.get(name, {}))
    for wrong in ({"username": "other"}, {"email": "zhangsan@example.com"}, {"mobile": "13800138001"}):
        sandbox.ask("POST", "/accounts", 409, json=wrong)
    monkeypatch.setattr(state.current, "snapshots", dict.fromkeys(range(100)))
    sandbox.ask("POST", "/snapshots", 409)
    sandbox.ask("PUT", "/clock", json={"now": 4_102_444_800})
    sandbox.ask("PUT", "/clock", 409, json={"now": 1})
    answers = read_answers(contract_coverage.read_text("utf-8").splitlines()[before - 1 :])
    spec = {"sandbox": dict(Document("sandbox", SANDBOX).operations())}
    mine = [fault for fault in compare(spec, answers)[1] if "specs/sandbox.yaml" in fault]
    assert not mine, "\n".join(mine)


def test_its_journey_is_published_beside_the_contracts_that_it_names(sandbox: SandboxUnderTest) -> None:
    published = yaml.safe_load(sandbox.client.get("/specs/sandbox.arazzo.yaml").text)
    for source in published["sourceDescriptions"]:
        assert sandbox.client.get(f"/specs/{source['url']}").status_code == 200
        assert source["url"] == f"{source['name']}.yaml"


def test_the_files_of_the_contract_are_found() -> None:
    source = find_sources([SANDBOX])["sandbox"]
    assert source.spec.is_file()
    assert source.handlers.is_file()


def _usernames() -> list[str]:
    return [username for (username,) in Account.select(Account.username).order_by(Account.id).tuples()]


def _sequence(sandbox: SandboxUnderTest) -> None:
    sandbox.parts["jobs"][0].run()


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
