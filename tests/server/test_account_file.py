"""Accounts leave in a file and come back from one: all or none, each once, byte for byte."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from models.account import Account
from models.db.database import connect, database, transaction
from models.departure import delete_account
from models.errors import WrongCredentials
from models.proof import prove
from server.cli.account_file import LARGEST_ID
from server.settings import Settings
from tests.models.test_foreign_hashes import PASSWORD, SCHEMES
from tests.server.test_cli import refusal

Operate = Callable[..., Result]
Lines = list[dict[str, Any]]

WHOLE = {
    "id": 40,
    "username": "张三",
    "password": SCHEMES["salt first"](),
    "display_name": "法外狂徒",
    "email": "Zhang@Example.com",
    "mobile": "13393922111",
    "domain": "",
    "property": '{"level":\n3}',
    "photo": "p.jpg",
    "job": "教授",
    "school": "武汉大学",
    "introduct": "…",
    "foreign_id": "keycloak:f27826f7-6ec1-4283-822f-10e0c51a9089",
    "admin": True,
    "disabled": False,
    "created": "2018-01-26T07:33:04Z",
    "updated": "2018-01-26T07:34:03Z",
}


@pytest.fixture
def bring_in(operate: Operate, settings: Settings, tmp_path: Path) -> Callable[..., Result]:
    """Imports lines, given as objects or as bytes."""

    def run(lines: Any, *words: str) -> Result:
        file = tmp_path / "in.jsonl"
        if not isinstance(lines, bytes):
            lines = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        file.write_bytes(lines)
        result = operate("account", "import", str(file), *words)
        connect(settings.database_url)
        return result

    return run


@pytest.fixture
def take_out(operate: Operate, settings: Settings, tmp_path: Path) -> Callable[[], bytes]:
    """Exports, and returns the file."""

    def run() -> bytes:
        file = tmp_path / "out.jsonl"
        assert operate("account", "export", str(file), "--force").exit_code == 0
        assert file.stat().st_mode & 0o777 == 0o600
        connect(settings.database_url)
        return file.read_bytes()

    return run


def test_an_export_is_imported_and_exported_byte_for_byte(
    register: Callable[..., Account], bring_in: Callable[..., Result], take_out: Callable[[], bytes]
) -> None:
    register("alice", email="Alice@example.com", admin=True)
    gone = register("bob")
    register("carol", property="a\tb", domain="")
    with transaction():
        delete_account(gone)
        Account.by_username("carol").disable()
    exported = take_out()
    assert [json.loads(line)["id"] for line in exported.splitlines()] == [1, 3]
    for account in list(Account.select()):
        with transaction():
            delete_account(account)
    assert bring_in(exported).stdout == "2 accounts were added, 0 were there already\n"
    assert take_out() == exported
    assert Account.authenticate("alice", "correct horse").id == 1


def test_all_that_a_line_says_is_taken_over(bring_in: Callable[..., Result], take_out: Callable[[], bytes]) -> None:
    assert bring_in([WHOLE]).exit_code == 0
    assert json.loads(take_out()) == WHOLE
    with transaction():
        account = Account.authenticate("zhang@example.com", PASSWORD, by_email=True)
    assert (account.id, account.created) == (40, 1516951984)


def test_what_a_line_leaves_out_has_its_default(
    bring_in: Callable[..., Result], operate: Operate, settings: Settings, register: Callable[..., Account]
) -> None:
    register("alice")
    assert bring_in([{"username": "bob"}, WHOLE, {"username": "carol", "password": None}]).exit_code == 0
    ids = {account.username: account.id for account in Account.select()}
    assert ids == {"alice": 1, "张三": 40, "bob": 41, "carol": 42}
    with pytest.raises(WrongCredentials):
        Account.authenticate("bob", "!")
    assert Account.count() == 4
    assert operate("db", "check").stdout == "the store is sound\n"
    connect(settings.database_url)
    assert register("dave").id == 43


def test_the_same_file_again_adds_what_is_missing_and_changes_nothing(
    bring_in: Callable[..., Result], take_out: Callable[[], bytes]
) -> None:
    lines = [WHOLE, {"username": "bob"}]
    assert bring_in(lines[:1]).stdout == "1 accounts were added, 0 were there already\n"
    with transaction():
        Account.authenticate("张三", PASSWORD)  # hashed anew
    before = take_out()
    assert bring_in(lines[:1]).stdout == "0 accounts were added, 1 were there already\n"
    assert take_out() == before
    assert bring_in(lines).stdout == "1 accounts were added, 1 were there already\n"
    assert bring_in(lines).stdout == "0 accounts were added, 2 were there already\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'"bob"', "not of type"),
        (b'{"username": "bob"}' + b" " * 65_536, "longer than 65536 bytes"),
        ({}, "username is missing"),
        ({"username": "two\nlines"}, "username is not of the form"),
        ({"username": "Signin"}, "username: is a path word of a contract"),
        ({"username": "bob", "shoe_size": 43}, "shoe_size"),
        ({"username": "bob", "id": 0}, "id is less than 1"),
        ({"username": "bob", "email": "nowhere"}, "email is not of the form"),
        ({"username": "bob", "password": "hunter2"}, "password: of no known form"),
        ({"username": "bob", "password": "$2b$31$" + "a" * 53}, "password: bcrypt cost 31 is too costly: at most 14"),
        ({"username": "bob", "created": "yesterday"}, "created: not a time"),
        ({"username": "bob", "created": "2018-01-26T07:33:04"}, "created: not a time"),
        ({"username": "bob", "created": "1868-01-26T07:33:04Z"}, "created: not a time"),
        ({"username": "BOB"}, "username is on line 1 too"),
        ({"username": "rob", "email": "B@example.com", "email_proved": True}, "email is on line 1 too"),
        ({"username": "rob", "id": 7}, "id is on line 1 too"),
        ({"username": "ALICE", "id": 9}, "username is another account's"),
        ({"username": "rob", "email": "A@example.com", "email_proved": True}, "email is another account's"),
        ({"username": "rob", "mobile": "13393922111", "mobile_proved": True}, "mobile is another account's"),
        ({"username": "rob", "id": 1}, "id is another account's"),
    ],
)
def test_one_wrong_line_keeps_all_out_and_is_named(
    bring_in: Callable[..., Result], register: Callable[..., Account], line: Any, reason: str
) -> None:
    alice = register("alice", email="a@example.com", mobile="13393922111")
    with transaction():
        prove(alice, "email", "a@example.com")
        prove(alice, "mobile", "13393922111")
    good = json.dumps({"username": "bob", "id": 7, "email": "b@example.com", "email_proved": True}).encode()
    wrong = line if isinstance(line, bytes) else json.dumps(line).encode()
    told = refusal(bring_in(good + b"\n" + wrong + b"\n"))
    assert ": line 2: " in told
    assert reason in told
    assert Account.count() == 1


def test_a_refused_hash_is_not_repeated(bring_in: Callable[..., Result]) -> None:
    assert "hunter2" not in refusal(bring_in([{"username": "bob", "password": "hunter2"}]))


def test_all_wrong_lines_are_told_in_a_file(bring_in: Callable[..., Result], tmp_path: Path) -> None:
    told = tmp_path / "refused.txt"
    lines = [{"username": "a"}, {"username": "signin"}, {"username": "b", "password": "x"}, {"username": "A"}]
    first = refusal(bring_in(lines, "--refused", str(told)))
    assert first.endswith(": line 2: username: is a path word of a contract, or cannot stand in a path (and 2 more)")
    assert told.read_text().splitlines() == [
        "line 2: username: is a path word of a contract, or cannot stand in a path",
        "line 3: password: of no known form",
        "line 4: username is on line 1 too",
    ]


def test_an_interrupted_import_changes_nothing_and_can_be_done_again(
    bring_in: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr("models.transfer.account_import._count_in", interrupt)
        assert refusal(bring_in([WHOLE]), code=130) == "interrupted, nothing was changed"
    assert Account.select().count() == 0
    assert bring_in([WHOLE]).exit_code == 0


def test_an_import_holds_no_lock_while_it_reads(
    bring_in: Callable[..., Result], register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(hashed: str) -> str:
        with ThreadPoolExecutor() as another:
            assert another.submit(register, "meanwhile").result().id == 1
            another.submit(database.close)
        return hashed

    monkeypatch.setattr("models.passwords.foreign_hashes.examine", examine)
    assert bring_in([{"username": "bob", "password": "x"}]).exit_code == 0
    assert Account.by_username("bob").id == 2


def test_an_export_is_replaced_by_force_only(operate: Operate, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("keep me")
    assert "is there already" in refusal(operate("account", "export", str(tmp_path / "out")))
    assert (tmp_path / "out").read_text() == "keep me"


def test_an_id_that_leaves_no_room_for_later_ones_is_refused(
    bring_in: Callable[..., Result], register: Callable[..., Account]
) -> None:
    """At 2**63 - 1 SQLite has no further number (SQLITE_FULL), and nobody could register any more."""
    for id in (2**63 - 1, 2**53, LARGEST_ID + 1):
        assert bring_in([{"id": id, "username": "last"}]).exit_code == 1
        assert Account.select().count() == 0
    assert bring_in([{"id": LARGEST_ID, "username": "last"}]).exit_code == 0
    assert register("next").id == LARGEST_ID + 1
