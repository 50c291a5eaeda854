"""`x-rate-limit` in the specs is what the server keeps to: to the request, to the second, over all processes."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from models import clock
from models import settings as directory_settings
from models.account import Account
from models.db.database import connect, database, run_transaction
from models.known_address import KnownAddress
from models.rate_counter import RateCounter
from models.session import Session
from server.contract.request import Request
from server.limits import device_cookie
from tests.conftest import Served
from tests.limited import (
    INDEXY,
    NOW,
    RIGHT,
    TOKEN,
    WRONG,
    Limited,
    World,
    declared,
    forget_counts,
    set_counts,
    throttled,
)

ALL_LIMITS = list(declared())
LIMITS = [limit for limit in ALL_LIMITS if limit.refuses]
NAMES = [limit for name, limit in {limit.name: limit for limit in LIMITS}.items() if name != "redeem"]
"""One of each name: they share their counts. The budget of codes of all is reached after that of a network."""
CLIENTS = 50
LEFT = 25
"""So many tries are left when the clients begin all at once."""
ELSEWHERE = ("198.51.100.9", 4711)
DOORS = [("dbms", "log_in"), ("sso", "log_in"), ("signed", "act"), ("annotation", "log_in"), ("indexy", "log_in")]


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"ROLLBOOK_RATE_LIMITS": "1"}


@pytest.fixture(scope="module")
def two_workers(
    new_store: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, World]]:
    """A server of two workers behind a trusted proxy."""
    folder = tmp_path_factory.mktemp("limits")
    settings = {"ROLLBOOK_RATE_LIMITS": "1", "ROLLBOOK_WORKERS": "2", "ROLLBOOK_TRUSTED_PROXIES": "127.0.0.1"}
    settings["ROLLBOOK_HASH_QUEUE"] = str(4 * CLIENTS)  # they come from one address, which has a quarter
    settings |= dict.fromkeys(("ROLLBOOK_HASH_DEADLINE_SECONDS", "ROLLBOOK_DATABASE_TIMEOUT_SECONDS"), "60")
    server = Served(folder / "data", settings | new_store())
    server.open_store()
    yield server, World()
    server.end(signal.SIGKILL)
    database.close()


def name_of(answer: httpx2.Response) -> str:
    """Return the name of the limit that refused a request."""
    return str(answer.headers["ratelimit"].partition(";")[0].strip('"'))


@pytest.fixture(scope="module")
def crowd() -> Iterator[httpx2.Client]:
    """Many clients, each with a connection of its own."""
    limits = httpx2.Limits(max_connections=CLIENTS, keepalive_expiry=1)
    with httpx2.Client(timeout=60, limits=limits) as client:
        yield client


def all_at_once(crowd: httpx2.Client, request: dict[str, Any]) -> list[httpx2.Response]:
    """Send one request from all clients in the same moment."""
    barrier = Barrier(CLIENTS)

    def send(number: int) -> httpx2.Response:
        barrier.wait()
        return crowd.request(**request)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(send, range(CLIENTS)))


@pytest.mark.process
@pytest.mark.requirement("ASVS 6.3.1", "ASVS 6.6.3", "63B limited")
@pytest.mark.parametrize("limit", NAMES, ids=str)
def test_of_fifty_clients_at_once_exactly_those_pass_who_may(
    two_workers: tuple[Served, World], crowd: httpx2.Client, limit: Limited
) -> None:
    server, world = two_workers
    connect(server.store)  # other tests have pointed the directory elsewhere
    forget_counts()
    request = world.counted(limit)
    request["url"] = server.url + request["url"]
    assert not throttled(crowd.request(**request))
    left = min(LEFT, limit.limit)
    set_counts(limit.name, limit.limit - left)
    answers = all_at_once(crowd, request)
    assert [answer.text for answer in answers if answer.status_code == 503] == []  # who is put off is not counted
    assert Counter(map(throttled, answers)) == {True: CLIENTS - left, False: left}
    assert {name_of(answer) for answer in answers if throttled(answer)} == {limit.name}


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_who_was_refused_is_told_when_to_come_again_and_may_then(
    client: TestClient, world: World, now: Callable[[int], None], limit: Limited
) -> None:
    def send() -> httpx2.Response:
        return client.request(**world.counted(limit))

    assert not throttled(send())
    set_counts(limit.name, limit.limit)
    now(NOW + 7)
    refused = send()
    wait = limit.wait or limit.seconds
    left = wait - 7
    assert throttled(refused)
    assert refused.headers["retry-after"] == str(left)
    assert refused.headers["ratelimit-policy"] == f'"{limit.name}";q={limit.limit};w={limit.seconds}'
    assert refused.headers["ratelimit"] == f'"{limit.name}";r=0;t={left}'
    now(NOW + wait - 1)
    assert throttled(send())
    now(NOW + wait)
    assert not throttled(send())
    counted = RateCounter.get(RateCounter.key.startswith(f"limit/{limit.name}/"), RateCounter.expires > clock.now())
    assert counted.count == (limit.limit + 1 if limit.wait else 1)


def test_who_logs_out_too_often_is_refused_and_stays_logged_in(client: TestClient, world: World) -> None:
    assert client.get("/logout", params={"token": TOKEN}).status_code == 204
    other = TOKEN.swapcase()
    run_transaction(lambda: Session.open(world.alice, "dbms", other))
    set_counts("changes", 600)
    assert client.get("/logout", params={"token": other}).status_code == 429
    assert Session.find("dbms", other).account == world.alice


@pytest.mark.parametrize(
    ("stem", "operation", "expected"),
    [
        ("dbms", "log_in", {"title": "Too Many Requests", "status": 429}),
        ("sso", "log_in", {"code": "request_param_err", "data": None}),
        ("signed", "act", {"errno": 429, "errstr": "请求过于频繁"}),
        ("annotation", "log_in", {"ret": -429}),
        ("indexy", "log_in", {"success": False}),
    ],
)
def test_a_refusal_is_said_in_the_words_of_the_contract(
    client: TestClient, world: World, stem: str, operation: str, expected: dict[str, Any]
) -> None:
    request = world.request(stem, operation)
    for _ in range(10):
        client.request(**request)
    answer = client.request(**request)
    assert throttled(answer)
    assert answer.status_code == (429 if stem in ("dbms", "indexy") else 200)
    assert expected.items() <= answer.json().items()


@pytest.mark.requirement("ASVS 6.3.1", "ASVS 6.3.4", "63B limited")
def test_failed_logins_count_over_all_contracts_together(client: TestClient, world: World) -> None:
    for door in DOORS * 2:
        assert not throttled(client.request(**world.request(*door)))
    for door in [*DOORS, ("indexy", "change_password")]:
        assert throttled(client.request(**world.request(*door, password=RIGHT)))


def test_a_username_and_the_address_of_the_same_account_count_together(client: TestClient, world: World) -> None:
    world.alice.change(email="alice@example.com")
    for number in range(10):
        name = ["alice", "ALICE", "alice@example.com"][number % 3]
        assert client.request(**world.request("dbms", "log_in", name)).status_code == 401
    assert throttled(client.request(**world.request("dbms", "log_in", "Alice@example.com")))


def test_an_unknown_username_is_throttled_as_a_known_one(client: TestClient, world: World) -> None:
    answers = {}
    for username in ("alice", "nobody"):
        guesses = [client.request(**world.request("sso", "log_in", username)) for _ in range(12)]
        answers[username] = [(guess.status_code, guess.json(), sorted(guess.headers)) for guess in guesses]
    assert answers["alice"] == answers["nobody"]
    assert ["ratelimit" in names for _, _, names in answers["alice"]] == [False] * 10 + [True] * 2


def test_what_succeeds_is_not_counted_as_a_failure(client: TestClient, world: World) -> None:
    for _ in range(9):
        client.request(**world.request("dbms", "log_in"))
    for _ in range(12):
        assert client.request(**world.request("dbms", "log_in", password=RIGHT)).status_code == 200
    assert client.request(**world.request("dbms", "log_in")).status_code == 401
    assert client.request(**world.request("dbms", "log_in")).status_code == 401  # from an address known by now
    assert client.request(**world.request("annotation", "register")).json()["ret"] == -1


def test_a_request_that_is_malformed_or_refused_is_not_counted(client: TestClient, world: World) -> None:
    for _ in range(3):
        client.request(**world.request("dbms", "log_in"))
        client.get("/login", params={"username": "alice"})
    for _ in range(9):
        client.request(**world.request("dbms", "log_in"))
    counts = {row.key.split("/")[1]: row.count for row in RateCounter.select()}
    assert counts == {"login": 10, "login-address": 10, "login-network": 10}


def storm(app: Any, path: str, query: str, times: int) -> Counter[int]:
    """Send one request again and again from elsewhere; count the statuses of the answers."""
    statuses: Counter[int] = Counter()
    base = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "", "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses[message["status"]] += 1

    async def send_all() -> None:
        for _ in range(times):
            await app({**base, "path": path, "query_string": query.encode(), "client": ELSEWHERE}, receive, send)

    asyncio.run(send_all())
    return statuses


@pytest.mark.requirement("ASVS 6.3.1", "63B limited")
def test_ten_thousand_wrong_guesses_from_elsewhere_do_not_keep_the_owner_out(
    app: Any, world: World, now: Callable[[int], None]
) -> None:
    now(NOW)
    owner, stranger = TestClient(app), TestClient(app, client=ELSEWHERE)
    cookie = owner.request(**world.request("annotation", "log_in", password=RIGHT)).cookies[device_cookie.COOKIE]
    assert storm(app, "/login", f"username=alice&password={WRONG}", 10_000) == {401: 10, 429: 9_990}
    for door in [door for door in DOORS if door[0] != "signed"]:  # its clients are known by their access key
        right = world.request(*door, password=RIGHT)
        stranger.cookies.clear()
        owner.cookies.clear()
        assert throttled(stranger.request(**right)), door
        assert owner.request(**right).status_code == 200, f"{door}, from an address that is known"
        travelling = TestClient(app, client=(f"203.0.113.{DOORS.index(door)}", 1))
        right["headers"] = {**right.get("headers", {}), "cookie": f"{device_cookie.COOKIE}={cookie}"}
        assert travelling.request(**right).status_code == 200, f"{door}, from a device that is known"


@pytest.mark.parametrize("stem", ["annotation", "indexy"])
def test_a_device_that_has_logged_in_is_known_wherever_it_is(app: Any, world: World, stem: str) -> None:
    at_home, travelling, stranger = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", *"ab"))
    right = world.request(stem, "log_in", password=RIGHT)
    wrong = world.request(stem, "log_in")
    cookie = {"cookie": f"{device_cookie.COOKIE}={at_home.request(**right).cookies[device_cookie.COOKIE]}"}
    at_home.cookies.clear()
    for _ in range(10):
        stranger.request(**wrong)
    assert throttled(stranger.request(**right))
    answer = travelling.request(**right, headers=cookie)
    travelling.cookies.clear()
    assert answer.status_code == 200
    assert device_cookie.COOKIE in answer.cookies
    for _ in range(10):
        assert not throttled(travelling.request(**wrong, headers=cookie))
    assert throttled(travelling.request(**right, headers=cookie)), "a device has its own tries, and no more"
    assert at_home.request(**right).status_code == 200


def test_a_device_cookie_is_good_for_its_account_its_time_and_its_keys_only(
    client: TestClient,
    world: World,
    now: Callable[[int], None],
    register: Callable[..., Account],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bob = register("bob")
    answer = client.request(**world.request("indexy", "log_in", password=RIGHT))
    assert "HttpOnly; SameSite=Lax" in answer.headers["set-cookie"]
    cookie = answer.cookies[device_cookie.COOKIE]
    request = _sent(cookie)
    assert device_cookie.read(request, world.alice.id)
    assert device_cookie.read(request, bob.id) is None
    assert device_cookie.read(_sent(f"{cookie[:-4]}AAAA"), world.alice.id) is None
    for keys, known in ((b"x" * 32 + b"," + directory_settings.current.secret_key, True), (b"x" * 32, False)):
        with monkeypatch.context() as patch:
            patch.setattr(directory_settings, "current", replace(directory_settings.current, secret_key=keys))
            assert bool(device_cookie.read(request, world.alice.id)) is known
    now(NOW + 90 * 86_400)
    assert device_cookie.read(request, world.alice.id) is None


def _sent(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{device_cookie.COOKIE}={cookie}".encode())]})


def test_a_device_cookie_opens_nothing(client: TestClient, world: World) -> None:
    cookie = client.request(**world.request("indexy", "log_in", password=RIGHT)).cookies[device_cookie.COOKIE]
    client.cookies.clear()
    assert client.get("/v1/auth", headers={"token": cookie}).json()["code"] == "token_err"
    as_session = {"cookie": f"sessionid={cookie}; indexy_session={cookie}"}
    assert client.get("/user/other", headers=as_session).json()["ret"] == -1


@pytest.mark.requirement("63B forgive")
def test_a_new_password_begins_the_count_anew_and_a_login_that_of_its_own_place(app: Any, world: World) -> None:
    owner, stranger = TestClient(app), TestClient(app, client=ELSEWHERE)
    right = world.request("dbms", "log_in", password=RIGHT)
    owner.request(**right)
    owner.request(**world.request("dbms", "log_in"))
    stranger.request(**world.request("dbms", "log_in"))
    set_counts("login", 9)
    assert owner.request(**right).status_code == 200
    counts = [row.count for row in RateCounter.select().where(RateCounter.key.startswith("limit/login/"))]
    assert sorted(counts) == [0, 9], "the owner's login gives strangers no further tries"
    stranger.request(**world.request("dbms", "log_in"))
    assert throttled(stranger.request(**right))
    run_transaction(lambda: world.alice.set_password("battery staple"))
    assert stranger.request(**world.request("dbms", "log_in", password="battery staple")).status_code == 200


def test_who_is_logged_in_changes_the_password_whatever_strangers_do(app: Any, world: World) -> None:
    owner, stranger = TestClient(app), TestClient(app, client=ELSEWHERE)
    for _ in range(12):
        stranger.request(**world.request("annotation", "log_in"))
    answer = owner.request(**world.request("annotation", "change_password", password=RIGHT))
    assert answer.json() == {"ret": 0, "msg": "密码修改成功"}


def test_an_address_is_known_to_one_account_for_a_time(
    client: TestClient, world: World, now: Callable[[int], None], register: Callable[..., Account]
) -> None:
    bob = register("bob")
    client.request(**world.request("dbms", "log_in", password=RIGHT))
    assert KnownAddress.last_seen(world.alice.id, "testclient") == NOW
    assert KnownAddress.last_seen(bob.id, "testclient") == 0
    assert "testclient" not in str(list(KnownAddress.select().dicts()))
    now(NOW + 86_400)
    client.request(**world.request("dbms", "log_in", password=RIGHT))
    assert KnownAddress.last_seen(world.alice.id, "testclient") == NOW + 86_400
    now(NOW + 91 * 86_400)
    assert KnownAddress.last_seen(world.alice.id, "testclient") == 0
    assert run_transaction(lambda: KnownAddress.purge(10)) == 1


def test_clients_of_one_ipv6_network_count_as_one(app: Any, world: World) -> None:
    world.alice.change(mobile="1")
    for number in range(30):
        client = TestClient(app, client=(f"2001:db8::{number:x}", 1))
        request = world.request("indexy", "request_code")
        request["json"] = {"mobile": f"133455870{number:02}"}
        assert client.request(**request).status_code == 200
    assert throttled(TestClient(app, client=("2001:db8::ffff", 1)).request(**request))
    assert TestClient(app, client=("2001:db8:0:1::1", 1)).request(**request).status_code == 200


@pytest.mark.process
def test_a_claimed_address_counts_only_where_the_proxy_is_trusted(
    client: TestClient, world: World, two_workers: tuple[Served, World], crowd: httpx2.Client
) -> None:
    statuses = []
    for number in range(6):
        request = world.request("indexy", "request_code")
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        statuses.append(client.request(**request, headers=headers).status_code)
    assert statuses == [200] * 6, "past a recipient's quota the last code stays good"
    addresses = {row.key for row in RateCounter.select() if "recovery-address" in row.key}
    assert len(addresses) == 1
    server, _ = two_workers
    connect(server.store)
    forget_counts()
    for number in range(3):
        headers = {"X-Forwarded-For": f"203.0.113.77, 198.51.100.{number}"}
        crowd.post(f"{server.url}{INDEXY}/password/mobile/captcha", json={"mobile": "1" * 11}, headers=headers)
    assert RateCounter.select().where(RateCounter.key.startswith("limit/recovery-address/")).count() == 3


def test_what_was_counted_is_cleared_away_once_its_window_is_over(
    client: TestClient, world: World, now: Callable[[int], None]
) -> None:
    client.request(**world.request("dbms", "log_in"))
    now(NOW + 3600)
    assert run_transaction(lambda: RateCounter.purge(10)) == 2
    assert [row.key.split("/")[1] for row in RateCounter.select()] == ["login"]
    assert WRONG not in str(list(RateCounter.select().dicts()))
