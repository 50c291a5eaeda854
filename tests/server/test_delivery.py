"""Messages go out by SMTP and by webhook, to real servers: encrypted, signed, once, and again where they could not."""

import base64
import hashlib
import hmac
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import standardwebhooks
import trustme
from typer.testing import Result

from models import clock
from models import settings as directory_settings
from models.cleanup import purge
from models.db.database import database, transaction
from models.keys import unwrap, wrap
from models.outbox import KEPT_SECONDS, LONGEST_PAUSE, Notice, OutboxMessage
from server.jobs.delivery.transports import transports
from server.jobs.mailer import Mailer
from server.settings import SettingError, Settings, read
from tests.clients import INDEXY
from tests.conftest import CHEAP, Served
from tests.mail_server import PASSWORD, USER, MailServer, Receiver, serving_hook, serving_mail

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
ALICE, MOBILE = "alice@example.com", "13393922000"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """What a server called localhost needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The authority as one that this machine trusts."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return str(file)


@pytest.fixture(scope="module")
def shared(trust: ssl.SSLContext) -> Iterator[MailServer]:
    with serving_mail(trust) as server:
        yield server


@pytest.fixture
def mail(shared: MailServer) -> MailServer:
    """A mail server that speaks STARTTLS and wants a password."""
    for kept in (shared.mails, shared.recipients, shared.credentials, *shared.answers.values()):
        kept.clear()
    return shared


@pytest.fixture
def hook(trust: ssl.SSLContext) -> Iterator[Receiver]:
    with serving_hook(trust) as receiver:
        yield receiver


@pytest.fixture
def make_mailer(settings: Settings) -> Callable[..., Mailer]:
    """Makes a mailer by settings: `make_mailer(smtp_url=..., sms_webhook_url=...)`."""

    def make(**given: str) -> Mailer:
        return Mailer(transports(replace(settings, mail_from="Rollbook <no-reply@example.com>", **given)))

    return make


def url(server: MailServer, scheme: str = "smtp", password: str = PASSWORD) -> str:
    return f"{scheme}://{USER}:{quote(password, safe='')}@localhost:{server.port}"


def post(kind: str = "mail", recipient: str = ALICE, body: str = "您好：\n\nhttp://127.0.0.1/link?code=abc\n") -> None:
    with transaction():
        OutboxMessage.post(kind, recipient, Notice("重设密码" if kind == "mail" else "", body))


def message(id: int = 1) -> OutboxMessage:
    found: OutboxMessage = OutboxMessage.get_by_id(id)
    return found


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    now = clock.now() + seconds
    monkeypatch.setattr(clock, "now", lambda: now)


# --- SMTP ----------------------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_out_encrypted_and_with_a_password(
    trust: ssl.SSLContext, make_mailer: Callable[..., Mailer], scheme: str
) -> None:
    with serving_mail(trust, implicit=scheme == "smtps") as server:
        post()
        assert make_mailer(smtp_url=url(server, scheme)).deliver_due() == 1
    (mail,) = server.mails
    assert (mail["from"], mail["to"], mail["subject"]) == ("Rollbook <no-reply@example.com>", ALICE, "重设密码")
    assert mail.get_content().replace("\r\n", "\n") == "您好：\n\nhttp://127.0.0.1/link?code=abc\n"
    assert mail["message-id"] == f"<1.{message().created}.no-reply@example.com>"
    assert (server.recipients, server.credentials) == ([[ALICE]], [(USER, PASSWORD)])
    assert (message().body, message().error) == ("", None)


@pytest.mark.usefixtures("trusted")
def test_an_address_beyond_ascii_goes_out_too(mail: MailServer, make_mailer: Callable[..., Mailer]) -> None:
    post(recipient="张三@例子.中国")
    assert make_mailer(smtp_url=url(mail)).deliver_due() == 1
    assert mail.recipients == [["张三@例子.中国"]]


@pytest.mark.process
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(
    trust: ssl.SSLContext, make_mailer: Callable[..., Mailer], scheme: str
) -> None:
    with serving_mail(trust, implicit=scheme == "smtps") as server:
        post()
        assert make_mailer(smtp_url=url(server, scheme)).deliver_due() == 0
    assert (server.mails, server.credentials) == ([], [])
    assert str(message().error).startswith("SSLCertVerificationError")


@pytest.mark.process
@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_name_is_not_accepted(
    authority: trustme.CA, make_mailer: Callable[..., Mailer]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.com").configure_cert(context)
    with serving_mail(context) as server:
        post()
        assert make_mailer(smtp_url=url(server)).deliver_due() == 0
    assert (server.mails, server.credentials) == ([], [])


@pytest.mark.process
@pytest.mark.usefixtures("trusted")
def test_without_starttls_neither_password_nor_mail_is_sent(make_mailer: Callable[..., Mailer]) -> None:
    with serving_mail(None) as server:
        post()
        assert make_mailer(smtp_url=url(server)).deliver_due() == 0
    assert server.greeted == 1
    assert (server.mails, server.credentials) == ([], [])
    assert message().error == "SMTPNotSupportedError"


def test_a_relay_on_loopback_needs_neither(make_mailer: Callable[..., Mailer]) -> None:
    with serving_mail(None, login=False) as server:
        post()
        assert make_mailer(smtp_url=f"smtp+plain://localhost:{server.port}").deliver_due() == 1
    assert len(server.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_a_wrong_password_is_told_by_its_number_and_tried_again(
    mail: MailServer, make_mailer: Callable[..., Mailer], caplog: pytest.LogCaptureFixture
) -> None:
    post()
    mailer = make_mailer(smtp_url=url(mail, password="wrong-and-secret"))
    assert mailer.deliver_due() == 0
    assert (message().error, message().failed) == ("SMTPAuthenticationError 535", None)
    assert "message 1 cannot be delivered: SMTPAuthenticationError 535" in caplog.text
    for secret in ("wrong-and-secret", ALICE, "code=abc"):
        assert secret not in caplog.text


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_what_a_server_will_never_take_is_given_up_at_once(
    mail: MailServer, make_mailer: Callable[..., Mailer], command: str, caplog: pytest.LogCaptureFixture
) -> None:
    mail.answers[command] = [f"550 no such user {ALICE}"]
    post()
    post(recipient="bob@example.com")
    assert make_mailer(smtp_url=url(mail)).deliver_due() == 1, "the others still go"
    assert message().failed is not None
    assert message().error == "refused with 550"
    assert "is given up" in caplog.text
    assert ALICE not in caplog.text


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_what_a_server_does_not_take_now_goes_later(
    mail: MailServer, make_mailer: Callable[..., Mailer], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.answers[command] = ["451 try later"]
    post()
    mailer = make_mailer(smtp_url=url(mail))
    assert mailer.deliver_due() == 0
    assert (message().error, message().failed) == ("SMTPResponseException 451", None)
    assert mailer.deliver_due() == 0, "not yet"
    later(monkeypatch, 5)
    assert mailer.deliver_due() == 1
    assert len(mail.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_a_farewell_that_goes_wrong_does_not_send_the_mail_again(
    mail: MailServer, make_mailer: Callable[..., Mailer], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.answers["QUIT"] = ["421 closing"]
    post()
    mailer = make_mailer(smtp_url=url(mail))
    assert mailer.deliver_due() == 1
    later(monkeypatch, 3600)
    assert mailer.deliver_due() == 0
    assert len(mail.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_couriers_of_several_instances_send_each_mail_once(
    mail: MailServer, make_mailer: Callable[..., Mailer]
) -> None:
    for number in range(24):
        post(recipient=f"{number}@example.com")

    def send(_: int) -> int:
        delivered = make_mailer(smtp_url=url(mail)).deliver_due()
        database.close()
        return delivered

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(send, range(6))) == 24
    assert sorted(mail.recipients) == sorted([f"{number}@example.com"] for number in range(24))


# --- webhook -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusted")
def test_a_short_message_is_posted_and_signed_by_the_standard(
    hook: Receiver, make_mailer: Callable[..., Mailer]
) -> None:
    post("sms", MOBILE, "您的短信验证码是 637845")
    assert make_mailer(sms_webhook_url=hook.url, sms_webhook_secret=SECRET).deliver_due() == 1
    ((path, headers, body),) = hook.got
    assert path == "/hook?key=of-the-gateway"
    assert headers["content-type"] == "application/json"
    told = json.loads(body)
    assert (told["type"], told["data"]) == ("sms", {"to": MOBILE, "text": "您的短信验证码是 637845"})
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    verifier = standardwebhooks.Webhook(SECRET)
    assert verifier.verify(body, headers) == told
    for wrong in ({**headers, "webhook-id": "msg_1_2"}, {**headers, "webhook-timestamp": "1"}):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verifier.verify(body, wrong)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verifier.verify(body.replace(b"637845", b"000000"), headers)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("status", [500, 404, 302, 429])
def test_whatever_is_no_success_is_posted_again_under_the_same_id(
    hook: Receiver, make_mailer: Callable[..., Mailer], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.statuses = [status]
    post("sms", MOBILE, "637845")
    mailer = make_mailer(sms_webhook_url=hook.url, sms_webhook_secret=SECRET)
    assert mailer.deliver_due() == 0
    assert message().error == f"RefusedByReceiver {status}"
    later(monkeypatch, 5)
    assert mailer.deliver_due() == 1
    assert [path for path, *_ in hook.got] == ["/hook?key=of-the-gateway"] * 2, "a redirect is not followed"
    first, second = (headers for _, headers, _ in hook.got)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]


@pytest.mark.usefixtures("trusted")
def test_an_answer_without_end_is_not_read(hook: Receiver, make_mailer: Callable[..., Mailer]) -> None:
    hook.endless = True
    hook.statuses = [200]
    post("sms", MOBILE, "637845")
    assert make_mailer(sms_webhook_url=hook.url, sms_webhook_secret=SECRET).deliver_due() == 1


def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(
    hook: Receiver, make_mailer: Callable[..., Mailer], caplog: pytest.LogCaptureFixture
) -> None:
    post("sms", MOBILE, "637845")
    assert make_mailer(sms_webhook_url=hook.url, sms_webhook_secret=SECRET).deliver_due() == 0
    assert (hook.got, message().error) == ([], "ConnectError")
    for secret in ("of-the-gateway", MOBILE, "637845", SECRET):
        assert secret not in caplog.text


# --- again, and given up -------------------------------------------------------------------------


def test_pauses_double_up_to_an_hour_and_then_a_message_is_given_up(
    make_mailer: Callable[..., Mailer], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_settings, "current", replace(settings, delivery_max_attempts=13))
    mailer = make_mailer(smtp_url="smtp+plain://localhost:9")
    post()
    pauses = []
    for _ in range(12):
        assert mailer.deliver_due() == 0
        pauses.append(message().due - clock.now())
        later(monkeypatch, pauses[-1] - 1)
        assert mailer.deliver_due() == 0
        later(monkeypatch, 1)
    longest = [min(5 * 2**number, LONGEST_PAUSE) for number in range(12)]
    assert all(most / 2 <= interval <= most for interval, most in zip(pauses, longest, strict=True)), pauses
    assert message().failed is None
    assert mailer.deliver_due() == 0
    assert (message().attempts, message().failed) == (13, clock.now())
    later(monkeypatch, 10 * LONGEST_PAUSE)
    assert mailer.deliver_due() == 0
    assert message().attempts == 13


def test_the_operator_sees_what_was_given_up_and_has_it_tried_again(
    operate: Callable[..., Result],
    make_mailer: Callable[..., Mailer],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory_settings, "current", replace(settings, delivery_max_attempts=1))
    sealed = wrap("471108")
    post("sms", MOBILE, f"code {sealed}")
    post(recipient=ALICE)
    with transaction():
        OutboxMessage.post_to_nobody("sms")
    (settings.data / "outbox").write_text("in the way")
    assert make_mailer().deliver_due() == 0
    shown = operate("outbox", "list", "--failed", "--json")
    rows: list[dict[str, Any]] = json.loads(shown.stdout)
    assert [(row["id"], row["state"], row["recipient"], row["attempts"]) for row in rows] == [
        (1, "failed", MOBILE, 1),
        (2, "failed", ALICE, 1),
    ]
    assert rows[0]["error"] == "FileExistsError 17"
    assert unwrap(sealed) not in shown.stdout
    assert "code" not in shown.stdout
    assert operate("outbox", "retry", "1", "7").exit_code == 1
    assert message(1).failed is not None
    assert operate("outbox", "retry", "1").stdout == "1 due again\n"
    assert operate("outbox", "retry", "--all").stdout == "1 due again\n"
    (settings.data / "outbox").unlink()
    directory_settings.apply(settings)
    assert make_mailer().deliver_due() == 2
    assert [row["state"] for row in json.loads(operate("outbox", "list", "--json").stdout)] == ["delivered"] * 2
    assert operate("outbox", "retry", "1").exit_code == 1, "delivered once is enough"
    assert operate("outbox", "retry").exit_code == 2


def test_what_was_given_up_is_forgotten_after_a_week(
    make_mailer: Callable[..., Mailer], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_settings, "current", replace(settings, delivery_max_attempts=1))
    post()
    assert make_mailer(smtp_url="smtp+plain://localhost:9").deliver_due() == 0
    post()
    with transaction():
        purge()
    assert OutboxMessage.select().count() == 2
    later(monkeypatch, KEPT_SECONDS)
    with transaction():
        purge()
    assert [left.id for left in OutboxMessage.select()] == [2]


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "http://user:secret@mail.example.com"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtps://user:secret@mail.example.com/path"),
        ("SMTP_URL", "smtps://user:secret@mail.example.com:port"),
        ("SMTP_URL", "smtps://user:secret"),
        ("SMTP_URL", "smtps://user:secret@[secret]"),
        ("SMTP_URL", "smtp+plain://mail.example.com"),
        ("SMTP_URL", "smtp+plain://user:secret@localhost"),
        ("SMS_WEBHOOK_URL", "http://sms.example.com/secret"),
        ("SMS_WEBHOOK_URL", "ftp://sms.example.com/secret"),
        ("SMS_WEBHOOK_SECRET", "secret"),
        ("SMS_WEBHOOK_SECRET", "whsec_" + base64.b64encode(b"secret").decode()),
        ("EVENT_WEBHOOK_URL", "http://events.example.com/secret"),
        ("EVENT_WEBHOOK_URL", "ftp://events.example.com/secret"),
        ("EVENT_WEBHOOK_URL", "https:///secret"),
        ("EVENT_WEBHOOK_URL", "events.example.com/secret"),
        ("EVENT_WEBHOOK_URL", "https://[secret"),
        ("EVENT_WEBHOOK_URL", "https://events.example.com:secret/"),
        ("EVENT_WEBHOOK_URL", "https://[secret]/"),
        ("EVENT_WEBHOOK_URL", "https://secret℀.example.com/"),
        ("EVENT_WEBHOOK_SECRET", ""),
        ("EVENT_WEBHOOK_SECRET", "secret"),
        ("EVENT_WEBHOOK_SECRET", SECRET.removeprefix("whsec_")),
        ("EVENT_WEBHOOK_SECRET", "whsec_secret!"),
        ("EVENT_WEBHOOK_SECRET", "whsec_" + base64.b64encode(b"secret").decode()),
        ("EVENT_WEBHOOK_SECRET", "whsec_" + base64.b64encode(b"secret" * 11).decode()),
        ("SMS_WEBHOOK_URL", "https://sms.example.com:secret/"),
        ("MAIL_FROM", "secret"),
        ("MAIL_FROM", "secret@example.com\nBcc: all@example.com"),
        ("LANGUAGE", "../secret"),
        ("DELIVERY_MAX_ATTEMPTS", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(tmp_path: Path, name: str, value: str) -> None:
    given = {f"ROLLBOOK_{kind}_WEBHOOK_URL": "https://hook.example.com" for kind in ("SMS", "EVENT")}
    given |= {f"ROLLBOOK_{kind}_WEBHOOK_SECRET": SECRET for kind in ("SMS", "EVENT")}
    with pytest.raises(SettingError, match=f"^ROLLBOOK_{name}: ") as told:
        read({**given, f"ROLLBOOK_{name}": value, "ROLLBOOK_DATA": str(tmp_path)})
    assert "secret" not in str(told.value).replace("webhook_secret", "")


def test_settings_that_are_printed_tell_no_password(tmp_path: Path) -> None:
    given = {"ROLLBOOK_SMTP_URL": "smtps://user:hidden-one@mail.example.com", "ROLLBOOK_DATA": str(tmp_path)}
    hooked = {"ROLLBOOK_SMS_WEBHOOK_URL": "https://x.example.com/hidden-two", "ROLLBOOK_SMS_WEBHOOK_SECRET": SECRET}
    printed = repr(read({**CHEAP, **given, **hooked}))
    assert "hidden" not in printed
    assert SECRET not in printed


# --- with the real server ------------------------------------------------------------------------


def test_the_server_mails_a_link_and_posts_a_code_in_the_language_that_is_set(
    mail: MailServer, hook: Receiver, trusted: str, serve: Callable[..., Served]
) -> None:
    served = serve(
        ROLLBOOK_SMTP_URL=url(mail),
        ROLLBOOK_SMS_WEBHOOK_URL=hook.url,
        ROLLBOOK_SMS_WEBHOOK_SECRET=SECRET,
        ROLLBOOK_LANGUAGE="en",
        ROLLBOOK_WORKERS="2",
        SSL_CERT_FILE=trusted,
    )
    body = {"username": "alice", "password": "correct horse", "mobile": MOBILE, "email": ALICE}
    assert httpx2.post(f"{served.url}{INDEXY}", json=body).json()["success"] is True
    httpx2.post(f"{served.url}{INDEXY}/password/mobile/captcha", json={"mobile": MOBILE}).raise_for_status()
    httpx2.post(f"{served.url}{INDEXY}/password/email", json={"email": ALICE}).raise_for_status()
    deadline = time.monotonic() + 10
    while not (mail.mails and hook.got) and time.monotonic() < deadline:
        time.sleep(0.05)
    ((_, headers, posted),) = hook.got
    text = standardwebhooks.Webhook(SECRET).verify(posted, headers)["data"]["text"]
    (code,) = re.findall(r"^Your code is (\d{6}),", text)
    (link,) = re.findall(rf"{served.url}\S+", mail.mails[0].get_content())
    assert httpx2.get(link).status_code == 200
    new = {"mobile": MOBILE, "msCaptcha": code, "newPassword": "another horse"}
    assert httpx2.post(f"{served.url}{INDEXY}/password/mobile", json=new).json()["success"] is True
    while len(mail.mails) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [one["subject"] for one in mail.mails] == ["Set a new password", "Your password has changed"]
    for secret in (code, MOBILE, ALICE, "of-the-gateway", quote(PASSWORD, safe="")):
        assert secret not in served.log
