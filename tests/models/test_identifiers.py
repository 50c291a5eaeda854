"""Identifiers mean what people mean: one number, one mailbox, one password, however it is typed."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from models import settings as directory_settings
from models.account import Account
from models.db.database import connect, database, transaction
from models.errors import EmailTaken, MobileTaken, UsernameTaken, WrongCredentials
from models.identifiers import contact_key, email_key, is_mobile, is_reserved, mobile_key, normalize, username_key
from models.outbox import OutboxMessage
from models.passwords import hashing
from models.proof import prove
from models.rate_counter import RateCounter
from models.transfer import integrity
from server.settings import Settings
from tests.clients import INDEXY
from tests.models.test_foreign_hashes import SCHEMES, bcrypted

Register = Callable[..., Account]
Operate = Callable[..., Result]

NUMBER = "13912345678"
WRITTEN = [
    *("139 1234 5678", "139-1234-5678", "+86 139 1234 5678", "+8613912345678", "008613912345678", "0086 139-1234-5678"),
    *(
        "8613912345678",
        "(+86) 139 1234 5678",
        "（+86）139 1234 5678",
        "１３９１２３４５６７８",
        "139\u20131234\u20135678",
    ),
    *("139\u00a01234\u00a05678", "013912345678", "+86 (0)139 1234 5678"),
]
"""One number as people write it."""


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_is_one_however_it_is_written(written: str) -> None:
    """RestComm/Restcomm-Connect#884, TrevorPilley/phone-number-parser#168: `+` and `00` made other numbers."""
    assert mobile_key(written) == mobile_key(NUMBER) == "+8613912345678"
    assert contact_key(written) == contact_key(NUMBER)


@pytest.mark.parametrize(
    "written",
    [
        "13393922xxx",  # the document's own
        "133 9392 2xxx",
        "13912345678 ext 5",  # martsinlabs/telixon#58: an extension read out of an x
        "070 123 45 67 (Axel)",  # google/libphonenumber#1302: letters became digits
        "+4072d3800439",  # google/libphonenumber#1798
        "110",
        "999999999999999",
        "+",
        "",
        "٠١٣٩١٢٣٤٥٦٧٨",
    ],
)
def test_what_is_more_than_digits_is_compared_as_written(written: str) -> None:
    assert mobile_key(written) == written


def test_a_number_without_a_country_code_belongs_to_the_region(settings: Settings) -> None:
    """twentyhq/twenty#25358: the region was looked at for one country only."""
    assert mobile_key("+1 415 555 2671") == "+14155552671"
    directory_settings.apply(replace(settings, phone_region="US"))
    assert mobile_key("(415) 555-2671") == "+14155552671"
    assert mobile_key("+86 139 1234 5678") == "+8613912345678"
    directory_settings.apply(replace(settings, phone_region="DE"))
    assert mobile_key("0151 23456789") == "+4915123456789"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sw@163.com", "SW@163.COM"),
        ("jürgen@münchen.de", unicodedata.normalize("NFD", "jürgen@münchen.de")),  # wasp-lang/wasp#4698
        ("test@παράδειγμα.δοκιμή", "test@xn--hxajbheg2az3al.xn--jxalpdlp"),  # mozilla/persona#1370
        ("用户@例子.中国", "用户@例子。中国"),
        ("bob@BÜCHER.example", "bob@xn--bcher-kva.example"),  # TryGhost/Ghost#24457
    ],
)
def test_a_mailbox_is_one_however_it_is_written(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mike@example.org", "mıke@example.org"),  # CVE-2019-19844: a dotless i was mailed another's link
        ("bob@faß.de", "bob@fass.de"),
        ("a.b@gmail.com", "ab@gmail.com"),
        ("a+b@example.org", "a@example.org"),
    ],
)
def test_mailboxes_that_only_look_alike_are_two(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize("name", ["@", "a@", "@b", "a@b@c", "a@-ü.de", "a@" + "ü" * 300, "a@\u200b", "a@xn--ü"])
def test_what_is_no_address_is_compared_as_a_name(name: str) -> None:
    assert email_key(name) == normalize(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((written, True) for written in ("13393922xxx", NUMBER, "+86 139 1234 5678", "１３９１２３４５６７８")),
        *((name, False) for name in ("20240101", "123", "alice", "139123456789012", "x" * 11, "1234567", "1" * 33)),
    ],
)
def test_a_username_may_be_a_mobile_number(name: str, expected: bool) -> None:
    assert is_mobile(name) == expected


@pytest.mark.parametrize("name", ["．", "‥", "a／b", ".", "..", "/", "Change_Password", "SIGIN"])
def test_what_a_path_cannot_carry_is_reserved(name: str) -> None:
    assert is_reserved(username_key(name))
    assert not is_reserved(username_key(f"{name.replace('/', '').replace('／', '')}x"))


# --- in the directory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["+86 139 1234 5678", "0086 13912345678", "139-1234-5678"])
def test_a_number_belongs_to_one_account_and_is_shown_as_typed(register: Register, written: str) -> None:
    """bigboringsystem/bigboringsystem#53: with and without the country code there were two accounts."""
    alice = register("alice", mobile=written)
    with pytest.raises(MobileTaken), transaction():
        Account.register("bob", "correct horse", mobile=NUMBER)
    assert Account.by_id(alice.id).mobile == written


@pytest.mark.parametrize("policy", ["documented", "guarded"])
def test_nobody_registers_anothers_address_as_a_username(register: Register) -> None:
    """zitadel/zitadel#10782, keycloak/keycloak#15024: it took the owner's login by address."""
    alice = register("alice", email="Alice@Example.com")
    for name in ("alice@example.com", "ALICE@EXAMPLE.COM"):
        with pytest.raises(UsernameTaken), transaction():
            Account.register(name, "battery staple")
    bob = register("bob")
    with pytest.raises(UsernameTaken), transaction():
        bob.change(username="alice@example.com")
    assert Account.authenticate("alice@example.com", "correct horse", by_email=True) == alice
    assert list(integrity.findings()) == []


def test_nobody_takes_anothers_username_for_an_address(register: Register) -> None:
    """sillsdev/TheCombine#3673."""
    register("alice@example.com")
    with pytest.raises(EmailTaken), transaction():
        Account.register("bob", "correct horse", email="Alice@example.com")
    carol = register("carol")
    with pytest.raises(EmailTaken), transaction():
        carol.change(email="alice@EXAMPLE.com")


@pytest.mark.parametrize("policy", ["documented", "guarded"])
def test_ones_own_address_may_be_ones_username(register: Register) -> None:
    alice = register("alice@example.com", email="Alice@example.com")
    bob = register("bob", email="bob@example.com")
    with transaction():
        bob.change(username="bob@example.com")
        alice.change(email="alice@EXAMPLE.com")
    assert list(integrity.findings()) == []


COMPOSED, APART = "Zoë passwörd", unicodedata.normalize("NFD", "Zoë passwörd")


@pytest.mark.parametrize(("set_as", "typed"), [(COMPOSED, APART), (APART, COMPOSED), (APART, APART)])
def test_a_password_is_one_on_every_keyboard(register: Register, set_as: str, typed: str) -> None:
    """matrix-org/synapse#3306, ulsklyc/yuvomi#608: Firefox on macOS sends NFD, Safari NFC."""
    alice = register(password=set_as)
    assert Account.authenticate("alice", typed) == alice
    with pytest.raises(WrongCredentials):
        Account.authenticate("alice", "Zoe password")


def test_full_width_characters_are_not_the_narrow_ones(register: Register) -> None:
    """CVE-2026-19611: NFKC let other passwords in."""
    register(password="Ａ１ passwort")
    with pytest.raises(WrongCredentials):
        Account.authenticate("alice", "A1 passwort")


@pytest.mark.parametrize("scheme", ["bcrypt", "PBKDF2", "salt first", "Argon2id"])
def test_a_password_that_was_hashed_as_typed_elsewhere_opens_and_is_hashed_anew(
    register: Register, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mattermost/mattermost#37938: after the change hashes of NFD refused the very same input."""
    register()
    monkeypatch.setattr("tests.models.test_foreign_hashes.PASSWORD", APART)
    elsewhere = {"Argon2id": lambda: hashing._current().hash(APART), "bcrypt": lambda: bcrypted(password=APART)}
    hashed = (SCHEMES | elsewhere)[scheme]()
    with transaction():
        database.begin_immediate()
        Account.update(password_hash=hashed).execute()
    with transaction():
        Account.authenticate("alice", APART)
    assert Account.authenticate("alice", COMPOSED)
    assert Account.authenticate("alice", APART)


# --- over the wire ----------------------------------------------------------------------------------------------------


def test_who_registered_with_a_number_recovers_by_it(client: TestClient, settings: Settings) -> None:
    registered = {"username": "13393922xxx", "password": "correct horse", "nickName": "sw"}
    assert client.post(f"{INDEXY}/register", json=registered).status_code == 200
    assert client.get(f"{INDEXY}/1").json()["payload"]["mobile"] == "13393922xxx"
    assert client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": "13393922xxx"}).status_code == 200
    message = OutboxMessage.get(OutboxMessage.delivered.is_null())
    code = next(word for word in message.text.replace("，", " ").split() if word.isdigit())
    body = {"mobile": "13393922xxx", "msCaptcha": code, "newPassword": "battery staple"}
    assert client.post(f"{INDEXY}/password/mobile", json=body).json() == {"payload": 1, "success": True}


def test_a_number_that_is_not_free_is_not_bound(client: TestClient, register: Register) -> None:
    register("alice", mobile="+86 139 1234 5678")
    body = {"username": NUMBER, "password": "correct horse"}
    assert client.post(f"{INDEXY}/register", json=body).status_code == 200
    assert Account.by_username(NUMBER).mobile is None


@pytest.mark.parametrize("overrides", [{"ROLLBOOK_RATE_LIMITS": "1"}])
def test_a_recipient_is_counted_once_however_it_is_written(client: TestClient) -> None:
    answers = [client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": mobile}) for mobile in WRITTEN[:6]]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert [row.count for row in RateCounter.select().where(RateCounter.key.startswith("limit/recovery/"))] == [6]


def test_a_code_is_redeemed_by_another_spelling(client: TestClient, register: Register) -> None:
    register("alice", mobile="139 1234 5678")
    client.post(f"{INDEXY}/password/mobile/captcha", json={"mobile": NUMBER})
    message = OutboxMessage.get(OutboxMessage.delivered.is_null())
    assert message.recipient == "139 1234 5678"
    code = next(word for word in message.text.replace("，", " ").split() if word.isdigit())
    body = {"mobile": "+86 13912345678", "msCaptcha": code, "newPassword": "battery staple"}
    assert client.post(f"{INDEXY}/password/mobile", json=body).status_code == 200


# --- from elsewhere ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'{{"username": "bob", "mobile": "{WRITTEN[0]}", "mobile_proved": true}}', "mobile is another account's"),
        ('{"username": "ALICE@example.com"}', "the username is another account's e-mail address"),
        (
            '{"username": "bob", "email": "Root@Example.com", "email_proved": true}',
            "the e-mail address is another account's username",
        ),
        ('{"username": "a/b"}', "username: is a path word of a contract, or cannot stand in a path"),
        (
            '{"username": "x"}\n{"username": "x@x.com"}\n{"username": "y", "email": "X@x.com", "email_proved": true}',
            "another account's",
        ),
    ],
)
def test_an_import_knows_the_rules(
    register: Register, operate: Operate, settings: Settings, tmp_path: Path, line: str, reason: str
) -> None:
    alice = register("alice", email="alice@example.com", mobile=NUMBER)
    register("root@example.com")
    with transaction():
        prove(alice, "mobile", NUMBER)
        prove(alice, "email", "alice@example.com")
    (tmp_path / "in.jsonl").write_text(line + "\n")
    result = operate("account", "import", str(tmp_path / "in.jsonl"))
    connect(settings.database_url)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert Account.count() == 2


def test_a_check_knows_the_rules(register: Register) -> None:
    alice, bob = register("alice", email="alice@example.com", mobile=NUMBER), register("bob")
    with transaction():
        prove(alice, "email", "alice@example.com")
    assert list(integrity.findings()) == []
    wrong: list[tuple[Any, Any, str]] = [
        (
            bob,
            {"username": "alice@example.com", "username_key": "alice@example.com"},
            "the username is another's address",
        ),
        (alice, {"mobile_key": NUMBER}, "mobile_key is not that of the mobile number"),
    ]
    for account, columns, words in wrong:
        before = Account.select().where(Account.id == account.id).dicts().get()
        with transaction():
            database.begin_immediate()
            Account.update(**columns).where(Account.id == account.id).execute()
        assert [finding.what for finding in integrity.findings()] == [f"account: {words}"]
        with transaction():
            database.begin_immediate()
            Account.update(**before).where(Account.id == account.id).execute()
