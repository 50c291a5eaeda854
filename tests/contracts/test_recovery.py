"""Recovery by mobile and by e-mail, from the request to the delivered file to the new password."""

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes, policy
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

import models
from handlers import _messages
from models import clock, secret
from models.account import Account
from models.cleanup import purge
from models.db.database import transaction
from models.outbox import OutboxMessage
from models.rate_counter import RateCounter
from models.recovery import RecoveryCode
from models.session import Session
from server.jobs.delivery.transports import transports
from server.jobs.mailer import Mailer
from server.settings import Settings
from server.specs import load_contracts
from tests.conftest import DIRECTORY

USERS = "/indexy-api/api/v1/users"
MOBILE = "13345587xxx"
EMAIL = "sw@163.com"
OLD, NEW = "correct horse", "battery staple"
DONE = {"payload": 1, "success": True}
WRONG = {"payload": "手机号或短信验证码错误", "message": "手机号或短信验证码错误", "success": False}
UNKNOWN = {"payload": "找不到邮箱对应的账号", "message": "找不到邮箱对应的账号", "success": False}

Register = Callable[..., Account]
Delivered = Callable[[], list[Any]]


@pytest.fixture
def delivered(settings: Settings) -> Delivered:
    """Has the mailer deliver, and returns what came: bodies of mails as text, short messages as dicts."""
    folder = settings.data / "outbox"
    seen: set[str] = set()

    def deliver() -> list[Any]:
        Mailer(transports(settings)).deliver_due()
        fresh = sorted(path for path in folder.glob("*") if path.name not in seen)
        seen.update(path.name for path in fresh)
        return [read[path.suffix](path.read_bytes()) for path in fresh]

    read: dict[str, Callable[[bytes], Any]] = {
        ".json": json.loads,
        ".eml": lambda content: message_from_bytes(content, policy=policy.default).get_content(),
    }
    return deliver


@pytest.fixture
def alice(register: Register) -> Account:
    return register(mobile=MOBILE, email=EMAIL)


def request_code(client: TestClient, delivered: Delivered, mobile: str = MOBILE) -> str:
    """Have a code sent and return it."""
    assert client.post(f"{USERS}/password/mobile/captcha", json={"mobile": mobile}).json() == DONE
    (message,) = delivered()
    assert message["to"] == mobile
    code: str = re.findall(r"\b[0-9]{6}\b", message["text"])[0]
    return code


def request_link(client: TestClient, delivered: Delivered, email: str = EMAIL) -> str:
    """Have a link mailed and return it."""
    assert client.post(f"{USERS}/password/email", json={"email": email}).json() == DONE
    (text,) = delivered()
    link: str
    (link,) = re.findall(r"https?://\S+", text)
    return link


def redeem(client: TestClient, code: Any, mobile: str = MOBILE, new: str = NEW) -> Response:
    body = {"mobile": mobile, "msCaptcha": code, "newPassword": new}
    response: Response = client.post(f"{USERS}/password/mobile", json=body)
    return response


def secret_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["code"][0]


def reset(client: TestClient, code: str, new: str = NEW) -> Response:
    response: Response = client.post(f"{USERS}/password/email/link", data={"code": code, "newPassword": new})
    return response


def can_log_in(client: TestClient, password: str) -> bool:
    response = TestClient(client.app).post(f"{USERS}/login", json={"username": "alice", "password": password})
    return response.status_code == 200


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def everything() -> list[Any]:
    return [list(table.select().tuples()) for table in DIRECTORY]


def assert_page(response: Response, status: int, title: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<title>{title}</title>" in response.text


# --- by mobile -----------------------------------------------------------------------------------


TYPED: list[Callable[[str], Any]] = [
    lambda code: f"{code[:3]} {code[3:]}",
    lambda code: f"\u3000{code[:3]}-{code[3:]}\n",
    lambda code: "".join(chr(ord(digit) + 0xFEE0) for digit in code),
    int,
]
"""How people type a code, or copy it (govuk-pay/pay-selfservice#3637, wso2/product-is#17641)."""


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("typed", TYPED)
def test_a_code_is_read_however_it_is_typed(
    client: TestClient, alice: Account, delivered: Delivered, typed: Callable[[str], Any]
) -> None:
    assert redeem(client, typed(request_code(client, delivered))).json() == DONE
    assert client.post(f"{USERS}/login", json={"username": "alice", "password": NEW}).json() == DONE
    for channel, to in (("mobile", MOBILE), ("email", EMAIL)):
        url = f"{USERS}/{alice.id}/{channel}/confirmation"
        delivered()
        assert client.post(url, json={channel: to}).json() == DONE
        if channel == "mobile":
            code = {"msCaptcha": typed(re.findall(r"\b[0-9]{6}\b", delivered()[-1]["text"])[0])}
        else:
            code = {"code": f" {re.findall(r'[0-9A-Za-z]{32}', delivered()[-1])[0]}\n"}
        assert client.put(url, json={channel: to, **code}).json() == DONE


@pytest.mark.requirement("ASVS 6.4.3", "ASVS 6.5.4")
@pytest.mark.usefixtures("alice")
def test_a_code_from_a_short_message_sets_a_new_password(client: TestClient, delivered: Delivered) -> None:
    response = redeem(client, request_code(client, delivered))
    assert (response.status_code, response.json()) == (200, DONE)
    assert can_log_in(client, NEW)
    assert not can_log_in(client, OLD)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("code", ["637845", "001234", "000000", "999999"])
@pytest.mark.parametrize("form", [str, int])
def test_a_code_may_be_a_number_or_text(
    client: TestClient, delivered: Delivered, monkeypatch: pytest.MonkeyPatch, code: str, form: Callable[[str], Any]
) -> None:
    monkeypatch.setattr("models.recovery.digits", lambda length: code)
    assert request_code(client, delivered) == code
    assert redeem(client, form(code)).json() == DONE
    assert can_log_in(client, NEW)


@pytest.mark.parametrize("code", ["1234567", "", "12345x", "壹贰叁肆伍陆", -1, 1_000_000, 1.5, None, True, [1]])
@pytest.mark.usefixtures("alice")
def test_what_cannot_be_a_code_is_refused_and_no_try_is_counted(
    client: TestClient, delivered: Delivered, code: Any
) -> None:
    request_code(client, delivered)
    before = everything()
    response = redeem(client, code)
    assert response.status_code == 400
    assert response.json().keys() == {"payload", "message", "success"}
    assert everything() == before


@pytest.mark.requirement("ASVS 6.4.1", "ASVS 6.5.1")
@pytest.mark.usefixtures("alice")
def test_a_code_works_once(client: TestClient, delivered: Delivered) -> None:
    code = request_code(client, delivered)
    assert redeem(client, code).json() == DONE
    before = everything()
    response = redeem(client, code, new="third")
    assert (response.status_code, response.json()) == (400, WRONG)
    assert everything() == before


@pytest.mark.requirement("ASVS 6.5.1")
@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.usefixtures("alice")
def test_a_code_used_fifty_times_at_once_works_once(
    app: Any, client: TestClient, delivered: Delivered, numeric: bool
) -> None:
    code = request_code(client, delivered)
    start = Barrier(50)

    def ask(number: int) -> int:
        mine = TestClient(app)
        start.wait()
        return redeem(mine, int(code) if numeric else code, new=f"new {number}").status_code

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(ask, range(50)))
    assert Counter(statuses) == {200: 1, 400: 49}
    assert can_log_in(client, f"new {statuses.index(200)}")


@pytest.mark.requirement("ASVS 6.6.3")
@pytest.mark.usefixtures("alice")
def test_five_wrong_tries_kill_a_code(client: TestClient, delivered: Delivered) -> None:
    code = request_code(client, delivered)
    for _ in range(5):
        response = redeem(client, other_than(code))
        assert (response.status_code, response.json()) == (400, WRONG)
    assert redeem(client, code).json() == WRONG
    assert can_log_in(client, OLD)
    assert redeem(client, request_code(client, delivered)).json() == DONE


@pytest.mark.usefixtures("alice")
def test_four_wrong_tries_are_borne(client: TestClient, delivered: Delivered) -> None:
    code = request_code(client, delivered)
    for _ in range(4):
        redeem(client, other_than(code))
    assert redeem(client, code).json() == DONE


@pytest.mark.usefixtures("alice")
def test_wrong_tries_at_once_are_all_counted(app: Any, client: TestClient, delivered: Delivered) -> None:
    code = request_code(client, delivered)
    start = Barrier(5)

    def ask(_: int) -> Any:
        mine = TestClient(app)
        start.wait()
        return redeem(mine, other_than(code)).json()

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(ask, range(5))) == 5 * [WRONG]
    assert RateCounter.get(RateCounter.key.startswith("code/")).count == 5
    assert redeem(client, code).json() == WRONG


@pytest.mark.requirement("ASVS 6.4.1", "ASVS 6.5.5")
@pytest.mark.parametrize(("seconds", "answer"), [(599, DONE), (600, WRONG)])
@pytest.mark.usefixtures("alice")
def test_a_code_lives_ten_minutes(
    client: TestClient, delivered: Delivered, monkeypatch: pytest.MonkeyPatch, seconds: int, answer: Any
) -> None:
    sent = clock.now()
    monkeypatch.setattr(clock, "now", lambda: sent)
    code = request_code(client, delivered)
    monkeypatch.setattr(clock, "now", lambda: sent + seconds)
    assert redeem(client, code).json() == answer


@pytest.mark.requirement("ASVS 6.6.2")
@pytest.mark.usefixtures("alice")
def test_a_newer_code_replaces_the_one_before(
    client: TestClient, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter(["111111", "222222"])
    monkeypatch.setattr("models.recovery.digits", lambda length: next(codes))
    first, second = request_code(client, delivered), request_code(client, delivered)
    assert redeem(client, first).json() == WRONG
    assert redeem(client, second).json() == DONE


@pytest.mark.requirement("ASVS 6.6.2")
def test_a_code_is_good_for_its_own_number_only(
    client: TestClient, delivered: Delivered, alice: Account, register: Register
) -> None:
    register("bob", OLD, mobile="13345587000")
    code = request_code(client, delivered)
    request_code(client, delivered, "13345587000")
    before = list(Account.select().tuples())
    assert redeem(client, code, mobile="13345587000").json() == WRONG
    assert redeem(client, code, mobile="13345587999").json() == WRONG
    assert list(Account.select().tuples()) == before


@pytest.mark.parametrize("known", [False, True])
def test_a_number_without_a_code_is_told_as_a_wrong_code(client: TestClient, register: Register, known: bool) -> None:
    if known:
        register(mobile=MOBILE)
    before = everything()
    response = redeem(client, 637845)
    assert (response.status_code, response.json()) == (400, WRONG)
    assert everything() == before


@pytest.mark.parametrize("policy", ["documented", "guarded"])
def test_asking_for_a_code_does_not_tell_whether_the_number_is_known(
    client: TestClient, alice: Account, delivered: Delivered
) -> None:
    known, unknown = (
        client.post(f"{USERS}/password/mobile/captcha", json={"mobile": mobile}, headers={"X-Request-ID": "1"})
        for mobile in (MOBILE, "13900000000")
    )
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (200, DONE)
    assert known.headers == unknown.headers
    assert [message["to"] for message in delivered()] == [MOBILE]


def test_a_code_dies_with_the_number_it_was_sent_to(client: TestClient, delivered: Delivered, alice: Account) -> None:
    code = request_code(client, delivered)
    client.put(f"{USERS}/{alice.id}", json={"mobile": "13345587000"})
    assert redeem(client, code).json() == WRONG
    assert redeem(client, code, mobile="13345587000").json() == WRONG
    assert can_log_in(client, OLD)


def test_a_disabled_account_cannot_recover(client: TestClient, delivered: Delivered, alice: Account) -> None:
    code = request_code(client, delivered)
    code_of_link = secret_of(request_link(client, delivered))
    with transaction():
        alice.disable()
    assert redeem(client, code).json() == WRONG
    assert_page(reset(client, code_of_link), 400, "链接无效或已过期")
    assert client.post(f"{USERS}/password/mobile/captcha", json={"mobile": MOBILE}).json() == DONE
    assert client.post(f"{USERS}/password/email", json={"email": EMAIL}).json() == UNKNOWN
    assert delivered() == []


def test_recovery_goes_with_its_account(client: TestClient, delivered: Delivered, alice: Account) -> None:
    code = request_code(client, delivered)
    assert client.delete(f"{USERS}/{alice.id}").json() == DONE
    assert redeem(client, code).json() == WRONG
    assert RecoveryCode.select().count() == 0


# --- by e-mail -----------------------------------------------------------------------------------


@pytest.mark.requirement("ASVS 6.4.3")
@pytest.mark.usefixtures("alice")
def test_a_mailed_link_leads_to_a_form_that_sets_a_new_password(client: TestClient, delivered: Delivered) -> None:
    link = request_link(client, delivered)
    page = client.get(link)
    assert_page(page, 200, "重设密码")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    (action,) = re.findall(r'<form method="post" action="([^"]*)"', page.text)
    answer = client.post(str(page.url.join(action)), data={**fields, "newPassword": NEW})
    assert_page(answer, 200, "密码已重设")
    assert can_log_in(client, NEW)
    assert not can_log_in(client, OLD)


@pytest.mark.requirement("ASVS 6.2.6", "ASVS 6.2.7", "63B managers", "63B paste", "63B guidance")
@pytest.mark.usefixtures("alice")
def test_the_form_hides_what_is_typed_lets_managers_fill_it_in_and_advises(
    client: TestClient, delivered: Delivered
) -> None:
    page = client.get(request_link(client, delivered)).text
    (field,) = re.findall(r'<input id="newPassword"[^>]*>', page)
    assert 'type="password"' in field
    assert 'autocomplete="new-password"' in field
    assert 'autocomplete="username"' in page
    assert " on" not in field, "no script hinders pasting"
    assert 'aria-describedby="advice"' in field
    assert "A few words that have nothing to do with each other" in page.partition('id="advice"')[2]


@pytest.mark.requirement("ASVS 6.3.6")
@pytest.mark.usefixtures("alice")
def test_a_mailed_link_logs_nobody_in(client: TestClient, delivered: Delivered) -> None:
    link = request_link(client, delivered)
    for answer in (client.get(link), reset(client, secret_of(link))):
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert Session.select().count() == 0


@pytest.mark.usefixtures("alice")
def test_looking_at_the_form_does_not_use_the_link_up(client: TestClient, delivered: Delivered) -> None:
    link = request_link(client, delivered)
    before = everything()
    for _ in range(3):
        assert_page(client.get(link), 200, "重设密码")
    assert everything() == before


@pytest.mark.requirement("ASVS 6.4.1", "ASVS 6.5.1")
@pytest.mark.usefixtures("alice")
def test_a_link_works_once(client: TestClient, delivered: Delivered) -> None:
    link = request_link(client, delivered)
    assert_page(reset(client, secret_of(link)), 200, "密码已重设")
    before = everything()
    assert_page(reset(client, secret_of(link), "third"), 400, "链接无效或已过期")
    assert_page(client.get(link), 400, "链接无效或已过期")
    assert everything() == before


@pytest.mark.usefixtures("alice")
def test_a_link_used_fifty_times_at_once_works_once(app: Any, client: TestClient, delivered: Delivered) -> None:
    code = secret_of(request_link(client, delivered))
    start = Barrier(50)

    def ask(number: int) -> int:
        mine = TestClient(app)
        start.wait()
        return reset(mine, code, f"new {number}").status_code

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(ask, range(50)))
    assert Counter(statuses) == {200: 1, 400: 49}
    assert can_log_in(client, f"new {statuses.index(200)}")


@pytest.mark.requirement("ASVS 6.4.1")
@pytest.mark.parametrize(("seconds", "status"), [(1799, 200), (1800, 400)])
@pytest.mark.usefixtures("alice")
def test_a_link_lives_thirty_minutes(
    client: TestClient, delivered: Delivered, monkeypatch: pytest.MonkeyPatch, seconds: int, status: int
) -> None:
    sent = clock.now()
    monkeypatch.setattr(clock, "now", lambda: sent)
    link = request_link(client, delivered)
    monkeypatch.setattr(clock, "now", lambda: sent + seconds)
    assert client.get(link).status_code == status
    assert reset(client, secret_of(link)).status_code == status
    assert can_log_in(client, NEW) == (status == 200)


@pytest.mark.requirement("ASVS 6.6.2")
@pytest.mark.usefixtures("alice")
def test_a_newer_link_replaces_the_one_before(client: TestClient, delivered: Delivered) -> None:
    first, second = request_link(client, delivered), request_link(client, delivered)
    assert client.get(first).status_code == 400
    assert client.get(second).status_code == 200


def test_an_unknown_address_is_told_as_printed(client: TestClient, delivered: Delivered, alice: Account) -> None:
    before = everything()
    response = client.post(f"{USERS}/password/email", json={"email": "nobody@163.com"})
    assert (response.status_code, response.json()) == (400, UNKNOWN)
    assert everything() == before
    assert delivered() == []


@pytest.mark.parametrize("policy", ["guarded"])
def test_under_guarded_an_unknown_address_gets_the_same_success(
    client: TestClient, delivered: Delivered, alice: Account
) -> None:
    known, unknown = (
        client.post(f"{USERS}/password/email", json={"email": email}, headers={"X-Request-ID": "1"})
        for email in (EMAIL, "nobody@163.com")
    )
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (200, DONE)
    assert known.headers == unknown.headers
    assert len(delivered()) == 1


@pytest.mark.parametrize("typed", ["SW@163.COM", "ｓｗ@163.com", "sw@１６３.com"])
@pytest.mark.usefixtures("alice")
def test_mail_goes_to_the_address_as_registered_however_it_was_typed(
    client: TestClient, settings: Settings, typed: str
) -> None:
    assert client.post(f"{USERS}/password/email", json={"email": typed}).json() == DONE
    assert OutboxMessage.get().recipient == EMAIL


def test_a_link_dies_with_the_address_it_was_sent_to(client: TestClient, delivered: Delivered, alice: Account) -> None:
    link = request_link(client, delivered)
    client.put(f"{USERS}/{alice.id}", json={"email": "new@163.com"})
    assert client.get(link).status_code == 400
    assert reset(client, secret_of(link)).status_code == 400


@pytest.mark.usefixtures("alice")
def test_a_link_leads_to_the_public_address(
    client: TestClient, delivered: Delivered, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.settings.current", replace(settings, public_url="https://accounts.example.com/"))
    link = request_link(client, delivered)
    assert link.startswith(f"https://accounts.example.com{USERS}/password/email/link?code=")


def test_the_page_is_where_the_contract_has_it() -> None:
    (contract,) = (contract for contract in load_contracts() if contract.stem == "indexy")
    pages = [path for path, item in contract.document["paths"].items() if "show_reset_form" in str(item.get("get"))]
    assert [contract.base_path + path for path in pages] == [_messages.RESET_PAGE]


def test_the_form_escapes_what_it_shows(client: TestClient, delivered: Delivered, register: Register) -> None:
    name = """<script src=x onload='a("&")'>"""
    register(name, email=EMAIL)
    page = client.get(request_link(client, delivered))
    assert "<script" not in page.text
    assert html.escape(name) in page.text


@pytest.mark.usefixtures("alice")
def test_pages_load_nothing_run_nothing_and_keep_the_link_to_themselves(
    client: TestClient, delivered: Delivered
) -> None:
    link = request_link(client, delivered)
    for response in (client.get(link), client.get(link + "x"), reset(client, secret_of(link))):
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "<script" not in response.text
        assert not re.findall(r'(?:src|href)="', response.text)


@pytest.mark.usefixtures("alice")
def test_a_malformed_request_to_the_page_is_refused(client: TestClient, delivered: Delivered) -> None:
    code = secret_of(request_link(client, delivered))
    url = f"{USERS}/password/email/link"
    before = everything()
    for query in ("", "?code=", "?code=%3Cscript%3E", f"?code={'x' * 65}", "?code=a&code=b", "?code=%FF"):
        response = client.get(url + query)
        assert (response.status_code, response.json().keys()) == (400, {"payload", "message", "success"}), query
    for form in (
        b"",
        b"code=",
        f"code={code}".encode(),
        f"code={code}&newPassword=".encode(),
        f"code={code}&newPassword={'x' * 257}".encode(),
        f"code={code}&newPassword=x&newPassword=y".encode(),
        f"code={code}&newPassword=%FF".encode(),
        b"{}",
    ):
        response = client.post(url, content=form, headers={"content-type": "application/x-www-form-urlencoded"})
        assert (response.status_code, response.json().keys()) == (400, {"payload", "message", "success"}), form
    assert everything() == before


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.requirement("ASVS 6.4.3", "ASVS 7.4.3")
@pytest.mark.parametrize("way", ["mobile", "email"])
def test_recovery_ends_all_sessions_in_all_contracts(
    client: TestClient, delivered: Delivered, alice: Account, register: Register, way: str
) -> None:
    bob = register("bob")
    with transaction():
        for contract in ("dbms", "sso", "signed", "annotation", "indexy"):
            Session.open(alice, contract, f"alice's {contract}")
            Session.open(bob, contract, f"bob's {contract}")
    recover(client, delivered, way)
    assert Session.select().where(Session.account == alice).count() == 0
    assert Session.select().where(Session.account == bob).count() == 5


def recover(client: TestClient, delivered: Delivered, way: str) -> None:
    if way == "mobile":
        assert redeem(client, request_code(client, delivered)).json() == DONE
    else:
        assert_page(reset(client, secret_of(request_link(client, delivered))), 200, "密码已重设")


def change(client: TestClient, account: Account, how: str) -> None:
    """Change the password in one of the ways that need no recovery."""
    indexy = f"{USERS}/{account.id}"
    if how == "change":
        response = client.put(f"{indexy}/password", json={"oldPassword": OLD, "newPassword": NEW})
    elif how == "update":
        response = client.put(indexy, json={"password": NEW})
    else:
        token = client.get(f"/login?username=alice&password={OLD}").json()["token"]
        response = client.put(f"/user/alice?token={token}", json={"password": NEW})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("how", ["mobile", "email", "change", "update", "another contract"])
def test_a_new_password_kills_outstanding_codes_and_links(
    client: TestClient, delivered: Delivered, alice: Account, how: str
) -> None:
    code = request_code(client, delivered)
    link = secret_of(request_link(client, delivered))
    if how == "mobile":
        assert redeem(client, code).json() == DONE
    elif how == "email":
        assert reset(client, link).status_code == 200
    else:
        change(client, alice, how)
    assert redeem(client, code, new="third").json() == WRONG
    assert reset(client, link, "third").status_code == 400
    assert can_log_in(client, NEW)


@pytest.mark.usefixtures("alice")
def test_the_store_keeps_no_code_and_no_link(client: TestClient, delivered: Delivered) -> None:
    code = request_code(client, delivered)
    link = secret_of(request_link(client, delivered))
    kept = repr([list(table.select().dicts()) for table in (RecoveryCode, OutboxMessage)])
    assert code not in re.findall("[0-9]+", kept)
    assert link not in kept
    assert secret.digest(code) not in kept, "a bare digest of six digits is undone in a second"


@pytest.mark.usefixtures("alice")
@pytest.mark.once("reads the files of SQLite")
def test_no_file_of_the_store_ever_holds_a_code_or_a_link(
    client: TestClient, delivered: Delivered, settings: Settings
) -> None:
    link = secret_of(request_link(client, delivered))
    assert client.post(f"{USERS}/password/mobile/captcha", json={"mobile": MOBILE}).json() == DONE
    waiting = OutboxMessage.select().where(OutboxMessage.delivered.is_null()).get()
    code = re.search("[0-9]{6}", waiting.text)
    assert code
    assert code[0] not in waiting.body
    files = list(settings.data.glob("rollbook.sqlite3*"))
    assert len(files) > 1, "the log of writes is one of them"
    assert not [file.name for file in files if link.encode() in file.read_bytes()]


@pytest.mark.usefixtures("alice")
def test_a_code_is_worth_nothing_under_another_key(
    client: TestClient, delivered: Delivered, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = request_code(client, delivered)
    monkeypatch.setattr("models.settings.current", replace(settings, secret_key=b"x" * 32))
    assert redeem(client, code).json() == WRONG


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("way", ["code", "link"])
def test_what_is_on_its_way_outlives_a_new_first_key(
    client: TestClient, delivered: Delivered, settings: Settings, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path, asked = {"code": ("mobile/captcha", {"mobile": MOBILE}), "link": ("email", {"email": EMAIL})}[way]
    assert client.post(f"{USERS}/password/{path}", json=asked).json() == DONE
    monkeypatch.setattr("models.settings.current", replace(settings, secret_key=b"x" * 32 + b"," + settings.secret_key))
    (message,) = delivered()
    if way == "code":
        assert redeem(client, re.findall("[0-9]{6}", message["text"])[0]).json() == DONE
    else:
        assert reset(client, secret_of(re.findall(r"https?://\S+", message)[0])).status_code == 200
    assert can_log_in(client, NEW)


@pytest.mark.breaks_contract
def test_nothing_is_sent_when_the_request_fails(
    client: TestClient, delivered: Delivered, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything()
    monkeypatch.setattr("handlers.indexy._succeed", lambda payload: {"success": "against the contract"})
    assert client.post(f"{USERS}/password/mobile/captcha", json={"mobile": MOBILE}).status_code == 500
    assert client.post(f"{USERS}/password/email", json={"email": EMAIL}).status_code == 500
    assert everything() == before
    assert delivered() == []


@pytest.mark.usefixtures("alice")
def test_dead_codes_are_forgotten(
    client: TestClient, delivered: Delivered, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("bob", mobile="13345587000")
    request_code(client, delivered)
    request_link(client, delivered)
    later = clock.now() + 1800
    monkeypatch.setattr(clock, "now", lambda: later)
    request_code(client, delivered, "13345587000")
    with transaction():
        purge()
    assert RecoveryCode.select().count() == 1


@pytest.mark.parametrize("policy", ["guarded"])
def test_known_and_unknown_cost_the_store_as_many_writes(
    client: TestClient, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(method: str, path: str, body: dict[str, str]) -> tuple[Any, Counter[str]]:
        statements: Counter[str] = Counter()
        execute = models.db.database.database.obj.execute_sql

        def note(sql: str, *rest: Any) -> Any:
            statements[sql.split(maxsplit=1)[0]] += 1
            return execute(sql, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(models.db.database.database.obj, "execute_sql", note)
            answer = client.request(method, f"{USERS}/{path}", json=body)
        del statements["SELECT"]  # an unknown one looks up more, which stands for reading what is there
        return (answer.status_code, answer.json()), statements

    tried = {"oldPassword": "wrong password", "newPassword": "correct horse battery"}
    for method, (path, known), (other_path, unknown) in (
        (
            "POST",
            ("password/mobile/captcha", {"mobile": MOBILE}),
            ("password/mobile/captcha", {"mobile": "13900000000"}),
        ),
        ("POST", ("password/email", {"email": EMAIL}), ("password/email", {"email": "nobody@163.com"})),
        ("PUT", (f"{alice.id}/password", tried), (f"{alice.id + 1}/password", tried)),
    ):
        assert count(method, path, known) == count(method, other_path, unknown)
