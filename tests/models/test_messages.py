"""Owners are told what changes about their accounts, in the language that the operator chose."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from handlers import _messages as words
from models import settings as directory_settings
from models.account import Account
from models.db.database import transaction
from models.messages import FOLDER, LANGUAGES, changed
from models.outbox import OutboxMessage
from models.recovery import RecoveryCode
from server.settings import Settings
from tests.clients import INDEXY, open_clients

OLD, NEW = "old@example.com", "new@example.com"
PASSWORD_CHANGED, LEFT, SET = "您的密码已更改", "您的账号邮箱已更改", "本邮箱已用于您的账号"


def mails() -> list[tuple[str, str]]:
    """Return recipient and subject of what waits in the outbox."""
    waiting = OutboxMessage.select().where(OutboxMessage.kind == "mail").order_by(OutboxMessage.id)
    return [(message.recipient, message.subject) for message in waiting]


@pytest.fixture
def alice(register: Callable[..., Account]) -> Account:
    return register("alice", email=OLD, mobile="13393922000")


@pytest.mark.requirement("ASVS 6.3.7")
@pytest.mark.parametrize("stem", ["dbms", "sso", "signed", "annotation"])
def test_a_changed_password_is_told_by_mail(client: TestClient, alice: Account, stem: str) -> None:
    door = open_clients(client)[stem]
    credential = door.enter("alice", "correct horse")
    assert mails() == []
    assert door.succeeded(door.change_password(credential, "alice", "correct horse", "another horse"))
    assert mails() == [(OLD, PASSWORD_CHANGED)]


@pytest.mark.requirement("ASVS 6.3.7", "ASVS 7.5.1")
def test_a_changed_address_is_told_to_the_old_one_and_to_the_new_one(client: TestClient, alice: Account) -> None:
    assert client.put(f"{INDEXY}/1", json={"email": NEW, "job": "painter"}).status_code == 200
    assert mails() == [(OLD, LEFT), (NEW, SET)]
    texts = [message.body for message in OutboxMessage.select()]
    assert not any(NEW in text or OLD in text or "alice" in text for text in texts)


def test_a_password_and_an_address_changed_together_are_told_to_who_had_the_account(
    client: TestClient, alice: Account
) -> None:
    door = open_clients(client)["dbms"]
    token = door.enter("alice", "correct horse")
    assert door.send("PUT", "/user/1", params={"token": token}, json={"password": "x", "email": NEW}).status_code == 200
    assert mails() == [(OLD, PASSWORD_CHANGED), (OLD, LEFT), (NEW, SET)]


@pytest.mark.requirement("ASVS 6.3.7")
def test_a_changed_username_or_number_is_told_by_mail(client: TestClient, alice: Account) -> None:
    assert client.put(f"{INDEXY}/1", json={"username": "alicia", "mobile": "13393922001"}).status_code == 200
    assert mails() == [(OLD, "您的用户名已更改"), (OLD, "您的手机号已更改")]
    assert client.put(f"{INDEXY}/1", json={"username": "alicia", "mobile": "13393922001"}).status_code == 200
    assert len(mails()) == 2


def test_the_same_address_again_and_other_fields_are_not_told(client: TestClient, alice: Account) -> None:
    assert client.put(f"{INDEXY}/1", json={"email": OLD.upper(), "school": "x"}).status_code == 200
    assert mails() == []


@pytest.mark.requirement("ASVS 6.3.7")
def test_a_recovered_password_is_told_by_mail(
    alice: Account, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.recovery.digits", lambda length: "123456")
    with transaction():
        RecoveryCode.send_code("13393922000", words.code)
    with transaction():
        RecoveryCode.redeem_code("13393922000", "123456", "another horse")
    assert mails() == [(OLD, PASSWORD_CHANGED)]


def test_what_the_operator_sets_is_told_by_mail(
    operate: Callable[..., Result], alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.cli.account.read_password", lambda *_: "another horse")
    result = operate("account", "set-password", "alice")
    assert result.exit_code == 0, result.stderr
    assert mails() == [(OLD, PASSWORD_CHANGED)]


def test_who_has_no_address_is_not_told_and_what_is_undone_neither(register: Callable[..., Account]) -> None:
    bob = register("bob")
    with transaction():
        bob.set_password("another horse")
    carol = register("carol", email=NEW)
    with pytest.raises(RuntimeError), transaction():
        carol.set_password("another horse")
        raise RuntimeError
    assert mails() == []


# --- words ---------------------------------------------------------------------------------------


def test_every_language_has_the_same_notices_with_the_same_values() -> None:
    assert LANGUAGES == ("en", "zh")
    values = {
        language: {file.name: set(re.findall(r"\$\w+", file.read_text("utf-8"))) for file in folder.iterdir()}
        for language, folder in ((language, FOLDER / language) for language in LANGUAGES)
    }
    assert values["en"] == values["zh"]
    assert values["en"]


@pytest.mark.parametrize(
    ("language", "code", "link", "password"),
    [
        ("zh", "您的短信验证码是 637845", "重设密码", PASSWORD_CHANGED),
        ("en", "Your code is 637845", "Set a new password", "Your password has changed"),
    ],
)
def test_notices_speak_the_language_of_the_setting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, language: str, code: str, link: str, password: str
) -> None:
    monkeypatch.setattr(directory_settings, "current", replace(settings, language=language))
    assert words.code("637845").body.startswith(code)
    assert words.links([("alice", "abc")]).subject == link
    assert "?code=abc" in words.links([("alice", "abc")]).body
    assert changed("password").subject == password
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", changed("password").body)
