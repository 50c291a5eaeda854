"""Under the guarded policy nobody learns who has an account, but for what must be told: a taken username."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import argon2
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from models.access_key import AccessKey
from models.account import Account
from models.db.database import database, transaction
from models.outbox import OutboxMessage
from models.proof import prove
from models.recovery import RecoveryCode
from scripts.tools.enumeration.measure import measure
from scripts.tools.enumeration.probes import KNOWN_EMAIL, KNOWN_MOBILE, PROBES, Probe
from scripts.tools.enumeration.rank import rank_test
from scripts.tools.enumeration.server import ACCESSID, Server
from tests.clients import INDEXY
from tests.contracts.test_indexy import make_admin

PASSWORD = "correct horse"
EMAIL = "alice@example.com"

Register = Callable[..., Account]


@pytest.fixture
def policy() -> str:
    return "guarded"


@pytest.fixture
def alice(register: Register) -> Account:
    account = register("alice", PASSWORD, email=EMAIL, mobile="13345587000")
    with transaction():
        prove(account, "mobile", "13345587000")
        prove(account, "email", EMAIL)
    return account


def sign_up(client: TestClient, username: str, email: str) -> Response:
    answer: Response = client.post("/user", json={"username": username, "password": PASSWORD, "email": email})
    return answer


def token_of(client: TestClient, username: str) -> str:
    token: str = client.get("/login", params={"username": username, "password": PASSWORD}).json()["token"]
    return token


def cookie_of(client: TestClient, username: str) -> dict[str, str]:
    answer = client.post(f"{INDEXY}/login", json={"username": username, "password": PASSWORD})
    client.cookies.clear()
    return {"cookie": f"indexy_session={answer.cookies['indexy_session']}"}


def waiting() -> list[tuple[str, str]]:
    messages = OutboxMessage.select().where(OutboxMessage.delivered.is_null())
    return [(message.recipient, message.subject) for message in messages]


def test_a_taken_address_is_not_told_and_its_holder_is_warned(client: TestClient, alice: Account) -> None:
    free, taken = sign_up(client, "bob", "bob@example.com"), sign_up(client, "eve", "ALICE@example.com")
    assert (free.status_code, free.json().keys()) == (taken.status_code, taken.json().keys()) == (201, {"id"})
    assert waiting() == [(EMAIL, "您的邮箱地址")]
    token = token_of(client, "eve")
    assert client.get("/user/eve", params={"token": token}).json()["email"] == "ALICE@example.com"


def test_a_taken_address_goes_on_to_lead_to_its_first_holder_alone(client: TestClient, alice: Account) -> None:
    sign_up(client, "eve", EMAIL)
    assert client.get("/login", params={"username": EMAIL, "password": PASSWORD}).json()["id"] == alice.id
    client.post(f"{INDEXY}/password/email", json={"email": EMAIL})
    assert RecoveryCode.get().account == alice
    with transaction():
        alice.set_password("battery staple")
    assert client.get("/login", params={"username": EMAIL, "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("way", ["dbms", "indexy"])
def test_who_changes_to_a_taken_address_is_not_told_either(client: TestClient, alice: Account, way: str) -> None:
    sign_up(client, "eve", "eve@example.com")
    eve = Account.by_username("eve")
    if way == "dbms":
        answer = client.put("/user/eve", json={"email": EMAIL}, params={"token": token_of(client, "eve")})
    else:
        answer = client.put(f"{INDEXY}/{eve.id}", json={"email": EMAIL}, headers=cookie_of(client, "eve"))
    assert answer.status_code == 200
    assert Account.by_id(eve.id).email == EMAIL
    assert Account.by_id(eve.id).email_proved is None
    assert waiting() == [("eve@example.com", "您的账号邮箱已更改"), (EMAIL, "您的邮箱地址")]


def test_the_own_address_stays_ones_own(client: TestClient, alice: Account) -> None:
    answer = client.put("/user/alice", json={"email": "Alice@Example.com"}, params={"token": token_of(client, "alice")})
    assert answer.status_code == 200
    assert Account.by_id(alice.id).email_proved == EMAIL
    assert waiting() == []


def test_a_token_is_checked_under_the_address_as_typed_whoever_has_it(client: TestClient, alice: Account) -> None:
    for name, email in (("bob", "bob@example.com"), ("eve", EMAIL)):
        sign_up(client, name, email)
        checked = client.get("/valid_login", params={"username": email, "token": token_of(client, name)})
        assert checked.json()["token"], name


def test_an_admin_is_told(client: TestClient, alice: Account, register: Register) -> None:
    make_admin(register("root", PASSWORD))
    cookie = cookie_of(client, "root")
    body = {"username": "eve", "password": PASSWORD, "email": EMAIL}
    assert client.post(INDEXY, json=body, headers=cookie).json()["message"] == "邮箱已存在"
    sign_up(client, "bob", "bob@example.com")
    bob = Account.by_username("bob")
    assert client.put(f"{INDEXY}/{bob.id}", json={"email": EMAIL}, headers=cookie).status_code == 409
    assert client.put("/user/bob", json={"email": EMAIL}, params={"token": token_of(client, "root")}).status_code == 409
    assert waiting() == []


# --- what scripts/enumeration measures, but for the time ---------------------------------------------------------


@pytest.mark.process
@pytest.mark.once("what is told does not depend on the store")
@pytest.mark.requirement("ASVS 6.3.8")
def test_no_answer_differs_between_known_and_unknown(tmp_path: Path) -> None:
    with Server(tmp_path, cheap=True) as server:
        server.register("known", email=KNOWN_EMAIL, mobile=KNOWN_MOBILE)
        findings = [measure(server, probe, 3) for probe in PROBES]
    assert [finding.name for finding in findings if not finding.alike] == []
    assert len(findings) == len(PROBES)


class Work:
    """What was done for a request: hashes that were computed, and writes by their first words."""

    def __init__(self) -> None:
        self.hashes = 0
        self.writes: list[str] = []


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """`with watch() as work:` notes what the directory does meanwhile."""

    @contextmanager
    def note() -> Iterator[Work]:
        work = Work()
        kind: Any = type(database.obj)
        verify, execute = argon2.PasswordHasher.verify, kind.execute_sql

        def verify_and_count(self: Any, *given: Any) -> Any:
            work.hashes += 1
            return verify(self, *given)

        def execute_and_note(self: Any, sql: str, params: Any = None) -> Any:
            if re.match("INSERT|UPDATE|DELETE|WITH", sql):
                work.writes.append(" ".join(sql.split()[:3]))
            return execute(self, sql, params)

        with monkeypatch.context() as patch:
            patch.setattr(argon2.PasswordHasher, "verify", verify_and_count)
            patch.setattr(kind, "execute_sql", execute_and_note)
            yield work

    return note


@pytest.mark.parametrize("probe", [probe for probe in PROBES if not probe.control], ids=lambda probe: probe.name)
def test_as_much_is_hashed_and_written_for_known_and_unknown(
    client: TestClient, register: Register, watch: Callable[[], Any], probe: Probe
) -> None:
    """Without `verify_nobody`, or with one message less, time tells: what a mutant of the product showed."""
    known = register("known", PASSWORD, email=KNOWN_EMAIL, mobile=KNOWN_MOBILE)
    with transaction():
        prove(known, "email", KNOWN_EMAIL)
        prove(known, "mobile", KNOWN_MOBILE)
        accesskey = AccessKey.create(ACCESSID).accesskey
    server: Any = SimpleNamespace(accesskey=accesskey)
    probe.prepare(server)
    done = []
    for ask in (probe.known, probe.unknown) * 2:
        request = ask(server, len(done))
        with watch() as work:
            client.request(request.method, request.path, content=request.body, headers=request.headers)
        done.append((work.hashes, len(work.writes)))
    assert done[2] == done[3], work.writes
    hashes, writes = done[2]
    assert hashes or writes
    assert bool(hashes) == ("log" in probe.name or "change_password" in probe.name)


@pytest.mark.parametrize(
    ("ones", "others", "probability"),
    [
        ([1, 2, 3, 4, 5] * 5, [2, 3, 4, 5, 6] * 5, 0.027064),
        (list(range(20)), list(range(5, 25)), 0.018522),
        (list(range(20)), list(range(20, 40)), 0.0),
        ([1, 1], [1, 1], 1.0),
    ],
)
def test_the_rank_test_gives_what_scipy_gives(ones: list[float], others: list[float], probability: float) -> None:
    assert rank_test(ones, others) == pytest.approx(probability, abs=1e-6)
    assert rank_test(others, ones) == pytest.approx(rank_test(ones, others))
