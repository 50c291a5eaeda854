"""Nobody is locked out by strangers, and nobody gets more tries by what others have fallen for."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.account import Account
from models.db.database import run_transaction
from models.known_address import KnownAddress
from models.outbox import OutboxMessage
from models.rate_counter import Growth, RateCounter
from scripts.tools.lockout.simulation import Simulation, all_accounts, one_account
from server.contract.request import Request
from server.limits import device_cookie
from tests.limited import EMAIL, INDEXY, NOW, RIGHT, TOKEN, WRONG, World, set_counts, throttled

NUMBER = "13345587000"


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"ROLLBOOK_RATE_LIMITS": "1"}


@pytest.fixture
def at(app: Any) -> Callable[[str], TestClient]:
    """Returns a client at an address, without cookies."""
    return lambda address: TestClient(app, client=(address, 4711))


def guess(client: TestClient, world: World, times: int, username: str = "alice") -> list[int]:
    client.cookies.clear()
    return [client.request(**world.request("dbms", "log_in", username)).status_code for _ in range(times)]


def right(client: TestClient, world: World, stem: str = "dbms") -> int:
    client.cookies.clear()
    operation = "act" if stem == "signed" else "log_in"
    return client.request(**world.request(stem, operation, password=RIGHT)).status_code


@pytest.mark.requirement("63B limited", "ASVS 6.3.1")
def test_a_day_of_ten_thousand_addresses_keeps_no_owner_out(app: Any, settings: Any) -> None:
    day = one_account(Simulation(app, NOW), 10_000, "owner", NUMBER)
    assert day.guesses == 38
    assert day.at_home == 24
    assert day.recovered


def test_all_accounts_are_tried_as_often_as_the_page_says(app: Any, settings: Any) -> None:
    simulation = Simulation(app, NOW)
    assert all_accounts(simulation, 1, "198.51.100.9") == 100
    assert all_accounts(simulation, 1, "2001:db8:1:0::{}") == 100
    assert all_accounts(simulation, 1, "2001:db8:2:{}::1") == 400, "zulip#21544: a /48 has 65,536 networks of a /64"


def test_the_wait_grows_to_an_hour_and_not_beyond(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """GHSA-cq42-vhv7-xr7p, keycloak#46164: whoever could fail often enough locked an account for good."""
    stranger, moment, waits = at("198.51.100.9"), NOW, []
    assert guess(stranger, world, 10) == [401] * 10
    for _ in range(9):
        refused = stranger.request(**world.request("dbms", "log_in"))
        assert throttled(refused)
        waits.append(int(refused.headers["retry-after"]))
        moment += waits[-1]
        now(moment)
        assert guess(stranger, world, 1) == [401]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_who_registers_is_known_where_it_was(at: Callable[[str], TestClient], world: World) -> None:
    """django-axes#6: an account that has never logged in is locked by who comes before its owner."""
    for number, (stem, username) in enumerate([("dbms", "a"), ("sso", "b"), ("annotation", "c"), ("indexy", "d")]):
        owner, stranger = at(f"203.0.113.{number}"), at(f"198.51.100.{number}")
        assert owner.request(**world.request(stem, "register", username, RIGHT)).status_code in (200, 201)
        cookie = owner.cookies.get(device_cookie.COOKIE)
        assert (cookie is not None) is (stem in ("annotation", "indexy"))
        assert guess(stranger, world, 11, username)[-1] == 429
        owner.cookies.clear()
        assert owner.request(**world.request("dbms", "log_in", username, RIGHT)).status_code == 200
        if cookie:
            travelling = {"cookie": f"{device_cookie.COOKIE}={cookie}"}
            login = world.request("dbms", "log_in", username, RIGHT) | {"headers": travelling}
            assert at(f"203.0.113.{100 + number}").request(**login).status_code == 200


def test_what_others_fail_at_from_the_owners_address_is_not_held_against_it(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """authentik#20175: an attacker behind the same address translation."""
    shared = at("203.0.113.1")
    assert right(shared, world) == 200
    refused = [guess(shared, world, 1, f"other{number}") for number in range(101)]
    assert refused[-1] == [429], "tries at other accounts count by address"
    assert right(shared, world) == 200


def test_an_own_account_gives_no_further_tries_at_another(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """nextcloud/server#3159, Baeldung/spring-security-registration#197: each own login began the count anew."""
    mallory = at("198.51.100.9")
    answers = []
    for _ in range(12):
        answers += guess(mallory, world, 1)
        mallory.request(**world.request("dbms", "log_in", "taken", RIGHT))
    assert answers == [401] * 10 + [429] * 2


@pytest.mark.parametrize(("stem", "member"), [("sso", "username"), ("annotation", "user_id"), ("indexy", "username")])
def test_a_name_that_comes_as_a_number_is_a_name(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None], stem: str, member: str
) -> None:
    """Old clients send `{"username": 10001}`: no id, and one name has one count (alfresco-repository#51)."""

    def log_in(client: TestClient, username: object, password: str) -> Any:
        request = world.request(stem, "log_in")
        request.pop("data", None)
        client.cookies.clear()
        return client.request(**request | {"json": {member: username, "password": password}})

    number = world.alice.id
    namesake = run_transaction(lambda: Account.register(str(number), RIGHT))
    owner, stranger = at("203.0.113.1"), at("198.51.100.9")
    assert log_in(owner, number, RIGHT).status_code == 200
    assert [place.account_id for place in KnownAddress.select()] == [namesake.id]
    if stem != "sso":
        cookie = f"{device_cookie.COOKIE}={owner.cookies[device_cookie.COOKIE]}"
        request = Request({"headers": [(b"cookie", cookie.encode())]})
        assert device_cookie.read(request, namesake.id)
        assert device_cookie.read(request, world.alice.id) is None
    for username in (str(number), number, f" {number} ", number) * 3:
        answer = log_in(stranger, username, WRONG)
    assert throttled(answer)
    assert guess(at("198.51.100.77"), world, 1) == [401], "alice was not guessed at"


def test_a_name_that_is_empty_or_unknown_locks_nobody(at: Callable[[str], TestClient], world: World) -> None:
    """django-axes#261: failures without a username locked everybody."""
    stranger = at("198.51.100.9")
    for name in ("", " ", "nobody"):
        guess(stranger, world, 12, name)
    assert right(at("203.0.113.9"), world) == 200


def test_a_program_is_known_by_its_ended_token(at: Callable[[str], TestClient], world: World) -> None:
    """The contract's third case: token已失效 at login passes."""
    program, stranger = at("203.0.113.1"), at("198.51.100.9")
    assert program.get("/v1/logout", headers={"token": world.sso}).status_code == 200
    guess(stranger, world, 11)
    login = world.request("sso", "log_in", password=RIGHT)
    assert throttled(program.request(**login))
    assert program.request(**login | {"headers": {"token": world.sso}}).json()["code"] == "OK"


def test_a_signed_client_is_known_by_its_access_key(at: Callable[[str], TestClient], world: World) -> None:
    assert right(at("203.0.113.1"), world, "signed") == 200
    guess(at("198.51.100.9"), world, 11)
    assert right(at("203.0.113.77"), world, "signed") == 200
    assert right(at("203.0.113.77"), world, "dbms") == 429


def test_recovery_opens_and_makes_the_place_known(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """openemr#2400: the counter outlived the new password."""
    stranger, owner = at("198.51.100.9"), at("203.0.113.9")
    assert guess(stranger, world, 11)[-1] == 429
    simulation = Simulation(owner.app, NOW)
    assert simulation.recover("203.0.113.9", NUMBER, "battery staple")
    guess(stranger, world, 12)
    login = world.request("dbms", "log_in", password="battery staple")
    assert owner.request(**login).status_code == 200
    assert throttled(stranger.request(**login))


def test_the_last_code_stays_good_where_strangers_used_the_quota_up(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """supabase/supabase#15804: who asks too often, for whomever, keeps the mail from coming (and rdyrct#50)."""
    asked = world.request("indexy", "request_code")
    for number in range(50):
        assert at(f"198.51.100.{number}").request(**asked).status_code == 200
    assert OutboxMessage.select().where(OutboxMessage.recipient == NUMBER).count() == 5
    now(NOW + 3 * 3600)
    assert Simulation(at("203.0.113.9").app, NOW).recover("203.0.113.9", NUMBER, "battery staple")
    assert OutboxMessage.select().where(OutboxMessage.recipient == NUMBER).count() == 5


def test_a_quota_does_not_tell_who_has_an_account(at: Callable[[str], TestClient], world: World) -> None:
    """supabase/auth#2398: the second request for a known address was refused."""
    told = {}
    for mobile in (NUMBER, "13345587999"):
        request = world.request("indexy", "request_code") | {"json": {"mobile": mobile}}
        answers = [at("198.51.100.9").request(**request) for _ in range(8)]
        told[mobile] = [(answer.status_code, answer.json()) for answer in answers]
    assert told[NUMBER] == told["13345587999"]


def test_strangers_use_up_no_tries_of_who_was_sent_the_code(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """dearmep#162: wrong codes for somebody else's number kept its owner out."""
    simulation = Simulation(at("203.0.113.9").app, NOW)
    simulation.ask("203.0.113.9", "POST", f"{INDEXY}/password/mobile/captcha", {}, {"mobile": NUMBER})
    wrong = world.request("indexy", "recover_by_mobile")
    assert [at("198.51.100.9").request(**wrong).status_code for _ in range(6)] == [400] * 6
    assert simulation.recover("203.0.113.9", NUMBER, "battery staple")


def test_ten_thousand_numbers_share_the_tries_at_codes(
    at: Callable[[str], TestClient], world: World, now: Callable[[int], None]
) -> None:
    """brave/accounts#183, better-auth#11162: each new code, number and address brought new tries."""
    statuses = []
    for number in range(40):
        mobile = f"133455880{number:02}"
        run_transaction(lambda number=number, mobile=mobile: Account.register(f"user{number}", RIGHT, mobile=mobile))
        client = at(f"198.51.100.{number}")
        client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": mobile})
        body = {"mobile": mobile, "msCaptcha": "000000", "newPassword": "battery staple"}
        statuses.append(client.post(f"{INDEXY}/password/mobile", json=body).status_code)
    assert statuses.count(400) <= 30
    assert statuses[-1] == 429
    nothing_live = {"mobile": "13345599999", "msCaptcha": "000000", "newPassword": "battery staple"}
    set_counts("redeem", 0)
    for number in range(31):
        answer = at(f"192.0.2.{number}").post(f"{INDEXY}/password/mobile", json=nothing_live)
        assert answer.status_code == 400, "what has no live code counts for nobody"


def test_nobody_gets_two_hundred_mails(at: Callable[[str], TestClient], world: World, settings: Any) -> None:
    """A user who sets a stranger's address, and another, in turns; Findus23 in matomo#13813 tells of the inbox."""
    client = at("203.0.113.1")
    for number in range(200):
        email = "stranger@example.org" if number % 2 else f"own{number}@example.org"
        update = world.request("dbms", "update") | {"json": {"email": email}}
        assert client.request(**update).status_code == 200
    sent = OutboxMessage.select().where(OutboxMessage.recipient == "stranger@example.org").count()
    assert 0 < sent <= settings.max_claim_messages + settings.max_change_messages


def test_names_cannot_be_tried_through_updates(at: Callable[[str], TestClient], world: World) -> None:
    client = at("203.0.113.1")
    answers = [client.request(**world.request("dbms", "update")).status_code for _ in range(31)]
    assert answers == [409] * 30 + [429]
    assert client.get(f"/user/{world.alice.id}", params={"token": TOKEN}).json()["email"] == EMAIL


@pytest.mark.parametrize("jump", [-86_400 * 365, 86_400 * 365])
@pytest.mark.usefixtures("world")
def test_a_clock_that_jumped_makes_no_wait(now: Callable[[int], None], jump: int) -> None:
    """rai#35: a clock that had been ahead kept people out until it was as late again."""
    growth = Growth(1, 60, 3600, 86_400)
    for _ in range(2):
        run_transaction(lambda: RateCounter.grow("grows", growth))
        run_transaction(lambda: RateCounter.add({"window": 3600}))
    now(NOW + jump)
    assert run_transaction(lambda: RateCounter.grow("grows", growth)) == 0
    assert run_transaction(lambda: RateCounter.add({"window": 3600}))["window"][0] == 1
