"""Messages leave the outbox once, whole, and whatever happens."""

import json
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from pathlib import Path
from threading import Barrier

import httpx2
import pytest

from models import clock
from models.cleanup import purge
from models.db.database import transaction
from models.outbox import CLAIM_SECONDS, KEPT_SECONDS, Notice, OutboxMessage
from server.jobs.delivery.files import Files
from server.jobs.delivery.transports import Transport
from server.jobs.mailer import Mailer
from server.settings import Settings
from tests.conftest import Served

USERS = "/indexy-api/api/v1/users"
MOBILE = "13345587xxx"
TWO_SECONDS = 2


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data / "outbox"


@pytest.fixture
def mailer(folder: Path) -> Mailer:
    return Mailer(files(folder))


def files(folder: Path) -> dict[str, Transport]:
    """Return the carrier of all messages into a folder."""
    carrier = Files(folder, "rollbook@localhost")
    return {"mail": carrier, "sms": carrier}


def post(kind: str = "sms", recipient: str = MOBILE, subject: str = "", body: str = "您的短信验证码是 637845") -> None:
    with transaction():
        OutboxMessage.post(kind, recipient, Notice(subject, body))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def wait_until(condition: Callable[[], bool], seconds: float = TWO_SECONDS) -> bool:
    """Tell whether something came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --- files ---------------------------------------------------------------------------------------


def test_a_short_message_becomes_a_file_with_number_and_text(mailer: Mailer, folder: Path) -> None:
    post()
    assert mailer.deliver_due() == 1
    assert names(folder) == ["1.json"]
    assert json.loads((folder / "1.json").read_bytes()) == {"to": MOBILE, "text": "您的短信验证码是 637845"}


def test_a_mail_becomes_a_file_that_mail_programs_read(mailer: Mailer, folder: Path) -> None:
    post("mail", "sw@163.com", "重设密码", "您好：\n\nhttp://127.0.0.1:8000/link?code=abc\n")
    assert mailer.deliver_due() == 1
    content = (folder / "1.eml").read_bytes()
    mail = message_from_bytes(content, policy=policy.default)
    assert (mail["from"], mail["to"], mail["subject"]) == ("rollbook@localhost", "sw@163.com", "重设密码")
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "您好：\n\nhttp://127.0.0.1:8000/link?code=abc\n".replace("\n", "\r\n")
    assert mail["date"].datetime.timestamp() == OutboxMessage.get().created
    assert b"http://127.0.0.1:8000/link?code=abc\r\n" in content, "readable as it is"


@pytest.mark.parametrize(
    "recipient", ["张三@例子.中国", "a@b", ".@.", "o'neil+x=y@xn--fsq.cn", "%0aBcc:x@y".replace(":", "")]
)
def test_a_mail_to_an_odd_address_is_written_all_the_same(mailer: Mailer, folder: Path, recipient: str) -> None:
    post("mail", recipient, "重设密码", "link")
    assert mailer.deliver_due() == 1
    mail = message_from_bytes((folder / "1.eml").read_bytes(), policy=policy.default)
    assert {name.lower() for name in mail.keys()} >= {"from", "to", "subject", "date", "message-id"}  # noqa: SIM118
    assert mail.get_content().strip() == "link"


def test_folder_and_files_are_the_owners_alone(mailer: Mailer, folder: Path) -> None:
    before = os.umask(0)
    try:
        post()
        mailer.deliver_due()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "1.json").stat().st_mode) == 0o600


# --- once ----------------------------------------------------------------------------------------


def test_a_delivered_message_is_not_delivered_again_and_its_text_is_gone(mailer: Mailer, folder: Path) -> None:
    post()
    assert mailer.deliver_due() == 1
    (folder / "1.json").unlink()
    assert mailer.deliver_due() == 0
    assert names(folder) == []
    message = OutboxMessage.get()
    assert message.body == ""
    assert message.delivered is not None


def test_many_couriers_deliver_each_message_once(folder: Path) -> None:
    for number in range(40):
        post(recipient=str(13_393_922_000 + number), body=str(number))
    start = Barrier(8)

    def send(_: int) -> int:
        start.wait()
        return Mailer(files(folder)).deliver_due()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 40
    assert sorted(json.loads((folder / name).read_bytes())["text"] for name in names(folder)) == sorted(
        str(number) for number in range(40)
    )
    assert {message.attempts for message in OutboxMessage.select()} == {1}


def test_who_dies_before_delivery_is_replaced_after_a_minute(
    mailer: Mailer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post()
    claimed = clock.now()
    monkeypatch.setattr(clock, "now", lambda: claimed)
    with transaction():
        assert OutboxMessage.claim() is not None
    for seconds, delivered in ((0, 0), (CLAIM_SECONDS - 1, 0), (CLAIM_SECONDS, 1)):
        monkeypatch.setattr(clock, "now", lambda now=claimed + seconds: now)
        assert mailer.deliver_due() == delivered, seconds
    assert names(folder) == ["1.json"]


def test_who_dies_between_delivery_and_its_note_leaves_one_message(
    mailer: Mailer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post()
    with monkeypatch.context() as patch:
        patch.setattr(OutboxMessage, "mark_delivered", lambda message: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mailer.deliver_due()
    first = (folder / "1.json").read_bytes()
    later = clock.now() + CLAIM_SECONDS
    monkeypatch.setattr(clock, "now", lambda: later)
    assert mailer.deliver_due() == 1
    assert names(folder) == ["1.json"]
    assert (folder / "1.json").read_bytes() == first


def test_half_a_file_is_never_seen_as_a_message(mailer: Mailer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: 1 / 0)
        assert mailer.deliver_due() == 0
    assert [name for name in names(folder) if not name.startswith(".")] == []
    later = clock.now() + CLAIM_SECONDS
    monkeypatch.setattr(clock, "now", lambda: later)
    assert mailer.deliver_due() == 1
    assert names(folder) == ["1.json"]


def test_one_message_that_cannot_go_does_not_keep_the_others(mailer: Mailer, folder: Path) -> None:
    folder.mkdir()
    (folder / "1.json").mkdir()  # nothing can take this name
    post()
    post()
    assert mailer.deliver_due() == 1
    assert (folder / "2.json").is_file()
    assert OutboxMessage.get_by_id(1).delivered is None


def test_the_log_names_no_recipient_and_no_text(mailer: Mailer, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.write_text("in the way")
    post()
    assert mailer.deliver_due() == 0
    assert "message 1 cannot be delivered" in caplog.text
    assert "637845" not in caplog.text
    assert MOBILE not in caplog.text


def test_what_was_written_for_nobody_goes_nowhere(mailer: Mailer, folder: Path) -> None:
    with transaction():
        OutboxMessage.post_to_nobody("sms")
    assert mailer.deliver_due() == 0
    assert names(folder) == []


def test_old_rows_are_forgotten_and_no_number_is_given_twice(
    mailer: Mailer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post()
    post()
    mailer.deliver_due()
    later = clock.now() + KEPT_SECONDS
    monkeypatch.setattr(clock, "now", lambda: later)
    post()
    with transaction():
        purge()
    assert [message.id for message in OutboxMessage.select().order_by(OutboxMessage.id)] == [3]
    assert mailer.deliver_due() == 1
    assert names(folder) == ["1.json", "2.json", "3.json"]


# --- as a thread ---------------------------------------------------------------------------------


def test_a_started_courier_delivers_within_two_seconds_until_it_is_stopped(mailer: Mailer, folder: Path) -> None:
    mailer.start()
    try:
        post()
        assert wait_until(lambda: names(folder) == ["1.json"])
        post()
        assert wait_until(lambda: names(folder) == ["1.json", "2.json"])
    finally:
        mailer.stop()
    post()
    time.sleep(0.7)
    assert names(folder) == ["1.json", "2.json"]


def test_a_courier_outlives_a_store_that_is_away(mailer: Mailer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = OutboxMessage.claim
    answers = iter([ZeroDivisionError, ZeroDivisionError])

    def claim_later(kinds: Iterable[str]) -> OutboxMessage | None:
        for error in answers:
            raise error
        return claim(kinds)

    monkeypatch.setattr("server.jobs.mailer.Mailer.interval", 0.01)
    monkeypatch.setattr(OutboxMessage, "claim", claim_later)
    post()
    mailer.start()
    try:
        assert wait_until(lambda: names(folder) == ["1.json"])
    finally:
        mailer.stop()


# --- with the real server ------------------------------------------------------------------------


def register_and_ask(url: str, number: int) -> None:
    """Make an account and have a code and a link sent to it."""
    body = {"username": f"user{number}", "password": "x", "mobile": f"1380000{number:04}", "email": f"{number}@163.com"}
    assert httpx2.post(f"{url}{USERS}", json=body).json()["payload"] is True
    ask(url, number)


def ask(url: str, number: int) -> None:
    httpx2.post(f"{url}{USERS}/password/mobile/captcha", json={"mobile": f"1380000{number:04}"}).raise_for_status()
    httpx2.post(f"{url}{USERS}/password/email", json={"email": f"{number}@163.com"}).raise_for_status()


def test_the_server_delivers_within_two_seconds_and_the_link_works(
    tmp_path: Path, serve: Callable[..., Served]
) -> None:
    url = serve().url
    outbox = tmp_path / "data" / "outbox"
    register_and_ask(url, 1)
    assert wait_until(lambda: names(outbox) == ["1.json", "2.eml"])
    (link,) = re.findall(rf"{url}\S+", (outbox / "2.eml").read_text())
    assert httpx2.get(link).status_code == 200
    code = re.findall(r"\b[0-9]{6}\b", json.loads((outbox / "1.json").read_bytes())["text"])[0]
    body = {"mobile": "13800000001", "msCaptcha": code, "newPassword": "y"}
    assert httpx2.post(f"{url}{USERS}/password/mobile", json=body).json() == {"payload": 1, "success": True}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_several_workers_and_a_restart_deliver_each_message_once(
    tmp_path: Path, serve: Callable[..., Served], how: signal.Signals
) -> None:
    outbox = tmp_path / "data" / "outbox"
    first = serve(ROLLBOOK_WORKERS="3")
    for number in range(10):
        register_and_ask(first.url, number)
    first.end(how)
    before = {name: (outbox / name).stat().st_mtime_ns for name in names(outbox) if name[0] != "."}
    second = serve(ROLLBOOK_WORKERS="3")
    for number in range(10):
        ask(second.url, number)
    expected = {f"{id}.{'json' if id % 2 else 'eml'}" for id in range(1, 41)}
    # who was killed with a message in hand is replaced after a minute; the rest goes at once
    wait_until(lambda: set(names(outbox)) == expected, TWO_SECONDS + 1)
    assert len(set(names(outbox)) & expected) >= 40 - 3
    for name, written in before.items():
        assert (outbox / name).stat().st_mtime_ns == written, "delivered before, not again"
