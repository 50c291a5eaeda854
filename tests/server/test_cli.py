"""The operator's command: what it does, what it refuses, and in how many lines."""

import base64
import hashlib
import hmac
import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.fernet import Fernet
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from models import settings as directory_settings
from models.account import Account
from models.audit import verification
from models.audit.chain import sequence
from models.audit.events import Event, note_refusal
from models.db.database import connect, database, run_transaction
from models.errors import DirectoryError
from models.keys import derive
from models.project import Project
from models.session import Session
from server import __version__
from server.cli import graph, listing
from server.cli.__main__ import app
from server.settings import Settings, read
from tests.conftest import CHEAP

ROOT = Path(__file__).parents[2]
SAN_GUO = (
    [{"id": 70, "name": "刘备"}, {"id": 80, "name": "关羽"}, {"id": 90, "name": "张飞"}],
    [
        {"id": 3, "name": "结义", "source_id": 70, "source_name": "刘备", "target_id": 80, "target_name": "关羽"},
        {"id": 4, "name": "结义", "source_id": 80, "source_name": "关羽", "target_id": 90, "target_name": "张飞"},
    ],
)
PATIENCE = 30
"""Seconds that a test waits for a program at a terminal."""
Rollbook = Callable[..., Result]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """What the operator's shell says about the store; it is the one that `client` serves."""
    return {**CHEAP, "ROLLBOOK_DATA": str(settings.data), "ROLLBOOK_DATABASE_URL": settings.database_url}


@pytest.fixture
def rollbook(environment: dict[str, str]) -> Rollbook:
    """Runs the command in this process: `rollbook("account", "show", "alice", input="...")`."""

    def run(*words: str, input: str | bytes | None = None) -> Result:
        return CliRunner(env=environment).invoke(app, words, input=input)

    return run


@pytest.fixture
def answer(rollbook: Rollbook) -> Callable[..., Any]:
    """Runs a command that must succeed, and returns the JSON that it prints."""

    def run(*words: str, input: str | bytes | None = None) -> Any:
        result = rollbook(*words, "--json", input=input)
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return run


@pytest.fixture
def alice(answer: Callable[..., Any]) -> Any:
    """An account, as the command shows it."""
    return answer("account", "create", "alice", "--password-stdin", input="correct horse\n")


@pytest.fixture
def import_rows(rollbook: Rollbook, tmp_path: Path, alice: Any) -> Callable[..., Result]:
    """Imports a project of alice's from rows, or from the text of files."""

    def run(entities: Any, triads: Any, name: str = "三国") -> Result:
        files = tmp_path / "e.json", tmp_path / "t.json"
        for file, rows in zip(files, (entities, triads), strict=True):
            file.write_bytes(rows if isinstance(rows, bytes) else json.dumps(rows).encode())
        words = ("--owner", "alice", "--entities", str(files[0]), "--triads", str(files[1]))
        return rollbook("project", "import", name, *words)

    return run


def refusal(result: Result, code: int = 1) -> str:
    """Return the one line with which a command failed."""
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("rollbook: ")
    return line.removeprefix("rollbook: ")


def at_terminal(environment: dict[str, str], words: list[str], typed: str = "") -> tuple[int, str, str]:
    """Run the command at a terminal; return exit code, stdout, and what the terminal shows.

    typed: lines that are typed one by one, each after the next prompt.
    """
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", *words],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        shown = ""
        for line in typed.splitlines(keepends=True):
            shown += read_until(keyboard, ": ")
            os.write(keyboard, line.encode())
        shown += read_until(keyboard)
        stdout, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
    return process.returncode, stdout.decode(), shown


def read_until(keyboard: int, end: str | None = None) -> str:
    """Return what the terminal shows until that ends so, or until the last program has left it."""
    shown = b""
    while not (end and shown.endswith(end.encode())):
        ready, _, _ = select.select([keyboard], [], [], PATIENCE)
        assert ready, f"waited in vain after {shown!r}"
        try:
            piece = os.read(keyboard, 1024)
        except OSError:  # how Linux says that nobody is left
            piece = b""
        if not piece:
            break
        shown += piece
    return shown.decode()


# --- accounts --------------------------------------------------------------------------------------------------------


def test_a_created_account_logs_in_through_a_contract(rollbook: Rollbook, client: TestClient) -> None:
    profile = ("--admin", "--email", "a@example.com", "--mobile", "13393922111", "--display-name", "爱丽丝")
    result = rollbook("account", "create", "alice", *profile, "--password-stdin", input="correct horse\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "username      alice\ndisplay_name  爱丽丝\n" in result.stdout
    reply = client.get("/login", params={"username": "a@example.com", "password": "correct horse"})
    assert reply.status_code == 200


def test_only_the_last_newline_is_not_part_of_a_password(answer: Callable[..., Any]) -> None:
    answer("account", "create", "alice", "--password-stdin", input=" a \n\n")
    assert Account.authenticate("alice", " a \n").username == "alice"


@pytest.mark.process
def test_a_password_is_asked_for_twice_and_never_shown(environment: dict[str, str]) -> None:
    words = ["account", "create", "alice", "--json"]
    code, stdout, shown = at_terminal(environment, words, "correct horse\ncorrect horse\n")
    assert code == 0
    assert json.loads(stdout)["username"] == "alice"
    assert "Password: " in shown
    assert "Once more: " in shown
    assert "horse" not in shown


def test_without_a_terminal_nothing_is_asked(rollbook: Rollbook, alice: Any) -> None:
    assert refusal(rollbook("account", "create", "bob")) == "no terminal to ask on: use --password-stdin"
    assert refusal(rollbook("account", "delete", "alice")) == "no terminal to ask on: use --yes"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("",), "USERNAME"),
        ((" bob",), "USERNAME"),
        (("b" * 65,), "USERNAME"),
        (("bob\x1b[2J",), "USERNAME"),
        (("\udcff",), "USERNAME"),
        (("bob", "--email", "nowhere"), "--email"),
        (("bob", "--email", "a@" + "b" * 254), "--email"),
        (("bob", "--mobile", "call me"), "--mobile"),
        (("bob", "--display-name", "two\nlines"), "--display-name"),
    ],
)
def test_a_value_that_the_specs_do_not_allow_is_refused(
    rollbook: Rollbook, answer: Callable[..., Any], words: tuple[str, ...], named: str
) -> None:
    line = refusal(rollbook("account", "create", *words, "--password-stdin", input="correct horse"), code=2)
    assert line.startswith(f"Invalid value for '{named}': ")
    assert answer("account", "list") == []


@pytest.mark.parametrize(
    ("password", "line"),
    [
        (b"", "password: the value has fewer than 1 characters"),
        (b"x" * 257, "password: the value has more than 256 characters"),
        (b"x" * 5_000, "password: the value has more than 256 characters"),
        (b"\xff", "stdin: not UTF-8 text"),
    ],
)
def test_a_password_that_the_specs_do_not_allow_is_refused(rollbook: Rollbook, password: bytes, line: str) -> None:
    assert refusal(rollbook("account", "create", "bob", "--password-stdin", input=password)) == line


def test_a_taken_name_is_refused(rollbook: Rollbook, alice: Any) -> None:
    again = rollbook("account", "create", "ALICE", "--password-stdin", input="correct horse")
    assert refusal(again) == "another account has this username"
    reserved = rollbook("account", "create", "signin", "--password-stdin", input="correct horse")
    assert refusal(reserved) == "the username is a path word of a contract"


def test_a_list_is_read_in_pages_and_aligned(
    rollbook: Rollbook, answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["张三", "b", "c", "d", "e"]
    for name in names:
        answer("account", "create", name, "--password-stdin", input="correct horse")
    monkeypatch.setattr(listing, "PAGE", 2)
    assert [account["username"] for account in answer("account", "list")] == names
    lines = rollbook("account", "list").stdout.splitlines()  # a Chinese character takes two columns
    assert lines[0].startswith("id  username  display name  email  mobile  admin  disabled  created")
    assert lines[1].startswith("1   张三      -             -      -       no     no        2")
    assert lines[2].startswith("2   b         -             -      -       no     no        2")
    assert len(lines) == 1 + len(names)


def test_an_account_is_shown_as_it_was_made(answer: Callable[..., Any], alice: Any) -> None:
    assert answer("account", "show", "alice") == alice
    assert (alice["admin"], alice["disabled"], alice["email"]) == (False, False, None)


def test_no_answer_holds_a_password_or_its_hash(rollbook: Rollbook, alice: Any) -> None:
    answers = [rollbook("account", *words).output for words in (["list"], ["list", "--json"], ["show", "alice"])]
    assert not any("argon2" in text or "password" in text for text in answers)


def test_a_value_cannot_steer_the_terminal(rollbook: Rollbook, alice: Any) -> None:
    Account.by_username("alice").change(property="\x9b2J\n\u202egone")
    assert "property      \\x9b2J\\n\\u202egone\n" in rollbook("account", "show", "alice").stdout


def test_a_disabled_account_is_logged_out_until_it_is_enabled(
    rollbook: Rollbook, client: TestClient, alice: Any
) -> None:
    credentials = {"username": "alice", "password": "correct horse"}
    token = client.get("/login", params=credentials).json()["token"]
    assert rollbook("account", "disable", "alice").stdout == "alice is disabled\n"
    assert client.get("/login", params=credentials).status_code == 401
    assert client.get("/user/alice", params={"token": token}).status_code == 401
    assert rollbook("account", "enable", "alice").stdout == "alice is enabled\n"
    assert client.get("/login", params=credentials).status_code == 200
    assert client.get("/user/alice", params={"token": token}).status_code == 401


def test_a_new_password_ends_all_sessions(answer: Callable[..., Any], client: TestClient, alice: Any) -> None:
    token = client.get("/login", params={"username": "alice", "password": "correct horse"}).json()["token"]
    answer("account", "set-password", "alice", "--password-stdin", input="battery staple\n")
    assert client.get("/user/alice", params={"token": token}).status_code == 401
    assert Account.authenticate("alice", "battery staple").username == "alice"
    assert Session.select().count() == 0


@pytest.mark.process
def test_an_account_is_deleted_after_asking(
    environment: dict[str, str], answer: Callable[..., Any], alice: Any
) -> None:
    code, _, shown = at_terminal(environment, ["account", "delete", "alice"], "n\n")
    assert code == 1
    assert shown.endswith("rollbook: aborted, nothing was changed\r\n")
    assert len(answer("account", "list")) == 1
    code, stdout, shown = at_terminal(environment, ["account", "delete", "alice"], "y\n")
    assert (code, stdout) == (0, "alice is deleted\n")
    assert shown.startswith("Delete alice (id 1)? [y/N]: ")
    assert answer("account", "list") == []


def test_an_account_is_deleted_unasked_with_yes(answer: Callable[..., Any], rollbook: Rollbook, alice: Any) -> None:
    assert answer("account", "delete", "alice", "--yes") == {"id": 1, "username": "alice", "deleted": True}
    assert refusal(rollbook("account", "show", "alice")) == "no account has this id or username"


# --- access keys -----------------------------------------------------------------------------------------------------


def sign(accesskey: str, expires: int, action: str) -> str:
    """Sign as a client of the signed contract does."""
    message = f"GET\n\n\n{expires}\n/openapi/user{action}"
    return base64.b64encode(hmac.digest(accesskey.encode(), message.encode(), hashlib.sha1)).decode()


@pytest.mark.requirement("ASVS 6.5.6")
def test_a_key_signs_until_it_is_revoked(answer: Callable[..., Any], client: TestClient, alice: Any) -> None:
    key = answer("key", "create", "openapiuser")
    expires = int(time.time()) + 60
    request = {
        "action": "login",
        "userid": "alice",
        "password": "correct horse",
        "accessid": key["accessid"],
        "expires": str(expires),
        "signature": sign(key["accesskey"], expires, "login"),
    }
    reply = client.get("/openapi/user", params=request)
    assert reply.status_code == 200
    assert reply.json()["userid"] == "alice"
    assert answer("key", "revoke", "openapiuser") == {"accessid": "openapiuser", "revoked": True}
    assert client.get("/openapi/user", params=request).status_code == 403


def test_the_accesskey_of_an_earlier_server_is_taken_over(answer: Callable[..., Any]) -> None:
    key = answer("key", "create", "old", "--accesskey-stdin", input="rollbook-example-key\n")
    assert key == {"accessid": "old", "accesskey": "rollbook-example-key"}


def test_an_accesskey_is_printed_once(rollbook: Rollbook, answer: Callable[..., Any]) -> None:
    accesskey = answer("key", "create", "openapiuser")["accesskey"]
    assert accesskey not in rollbook("key", "list").output
    (listed,) = answer("key", "list")
    assert listed.keys() == {"accessid", "created"}


def test_a_key_that_cannot_be_made_or_found_is_refused(rollbook: Rollbook, answer: Callable[..., Any]) -> None:
    answer("key", "create", "openapiuser")
    assert refusal(rollbook("key", "create", "openapiuser")) == "another access key has this accessid"
    assert "characters" in refusal(rollbook("key", "create", "two words"))
    assert refusal(rollbook("key", "revoke", "nobody")) == "no access key has this accessid"


# --- projects --------------------------------------------------------------------------------------------------------


def names(folder: Path, stem: str) -> tuple[Any, Any, Any]:
    """Return what a project's files say, without ids."""
    entities, relations, triads = (
        json.loads((folder / f"{stem}_{part}.json").read_bytes()) for part in ("entities", "relations", "triads")
    )
    return (
        [row["name"] for row in entities],
        [row["name"] for row in relations],
        [(row["source_name"], row["name"], row["target_name"]) for row in triads],
    )


def test_an_export_is_imported_again_and_exported_the_same(
    rollbook: Rollbook, import_rows: Callable[..., Result], tmp_path: Path
) -> None:
    assert import_rows(*SAN_GUO).stdout == "1\n"
    first, second = tmp_path / "first", tmp_path / "second"
    written = rollbook("project", "export", "1", str(first))
    assert written.stdout.splitlines() == [
        str(first / f"三国_{part}.json") for part in ("entities", "relations", "triads")
    ]
    again = import_rows((first / "三国_entities.json").read_bytes(), (first / "三国_triads.json").read_bytes())
    assert again.stdout == "2\n"
    assert rollbook("project", "export", "2", str(second)).exit_code == 0
    assert names(first, "三国") == names(second, "三国")
    assert names(first, "三国") == (
        ["刘备", "关羽", "张飞"],
        ["结义", "结义"],
        [("刘备", "结义", "关羽"), ("关羽", "结义", "张飞")],
    )


def test_the_files_are_those_of_the_annotation_contract(
    client: TestClient, rollbook: Rollbook, import_rows: Callable[..., Result], tmp_path: Path
) -> None:
    import_rows(*SAN_GUO)
    assert rollbook("project", "export", "1", str(tmp_path)).exit_code == 0
    client.post("/user/signin", data={"user_id": "alice", "password": "correct horse"})
    for part in ("entities", "relations", "triads"):
        served = client.get("/user/other", params={"action": f"get_{part}_json", "id": "1"})
        assert served.content == (tmp_path / f"三国_{part}.json").read_bytes()


@pytest.mark.parametrize(
    ("entities", "triads", "line"),
    [
        (b"[{]", [], "e.json: not JSON: "),
        (b"\xff", [], "e.json: not JSON: "),
        (b"[" * 20_000, [], "e.json: not JSON: "),
        ({"id": 1}, [], "e.json: a JSON array is expected"),
        (SAN_GUO[0], b"", "t.json: not JSON: "),
        ([{"id": 1}], [], "entities[0]: name is missing"),
        ([{"id": 1, "name": "a"}, {"name": "b"}], [], "entities[1]: id is missing"),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], [], "entities[1]: name is there twice"),
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], [], "entities[1]: id 1 is there twice"),
        ([{"id": 1, "name": "x" * 257}], [], "entities[0]: name is not a text"),
        (["a"], [], "entities[0]: not an object"),
        (SAN_GUO[0], [SAN_GUO[1][0] | {"target_id": 1}], "triads[0]: target_id 1 is none of the entities"),
        (SAN_GUO[0], [SAN_GUO[1][0], {"id": 9, "name": "x"}], "triads[1]: source_id is missing"),
        (SAN_GUO[0], [SAN_GUO[1][0], SAN_GUO[1][0]], "triads[1]: there is a relation"),
    ],
)
def test_a_broken_file_changes_nothing_and_the_row_is_named(
    import_rows: Callable[..., Result], answer: Callable[..., Any], entities: Any, triads: Any, line: str
) -> None:
    assert line in refusal(import_rows(entities, triads))
    assert answer("project", "list") == []


def test_an_import_for_nobody_or_from_nowhere_is_refused(rollbook: Rollbook, tmp_path: Path, alice: Any) -> None:
    nowhere = rollbook("project", "import", "三国", "--owner", "alice", "--entities", "/nowhere.json")
    assert refusal(nowhere) == "No such file or directory: /nowhere.json"
    (tmp_path / "e.json").write_text("[]")
    nobody = rollbook("project", "import", "三国", "--owner", "bob", "--entities", str(tmp_path / "e.json"))
    assert refusal(nobody) == "no account has this id or username"


def test_an_interrupted_import_changes_nothing(
    import_rows: Callable[..., Result], answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "_import_triads", interrupt)
    assert refusal(import_rows(*SAN_GUO), code=130) == "interrupted, nothing was changed"
    assert answer("project", "list") == []


def test_files_are_replaced_only_by_force_and_links_are_not_followed(
    rollbook: Rollbook, import_rows: Callable[..., Result], tmp_path: Path
) -> None:
    import_rows(*SAN_GUO)
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("keep me")
    (folder / "三国_triads.json").symlink_to(elsewhere)
    assert "is there already" in refusal(rollbook("project", "export", "1", str(folder)))
    assert [file.name for file in folder.iterdir()] == ["三国_triads.json"]
    assert rollbook("project", "export", "1", str(folder), "--force").exit_code == 0
    assert elsewhere.read_text() == "keep me"
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("三国", "三国"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("..\\x", "_._x"),
        (".bashrc", "_bashrc"),
        ("/", "_"),
        ("国" * 128, "国" * 66),
    ],
)
def test_a_project_name_leads_no_file_astray(name: str, stem: str) -> None:
    assert graph.file_stem(name) == stem


def test_a_project_is_listed_with_its_owner_and_counts(
    rollbook: Rollbook, import_rows: Callable[..., Result], answer: Callable[..., Any]
) -> None:
    import_rows(*SAN_GUO)
    (listed,) = answer("project", "list")
    created = listed.pop("created")
    assert created.endswith("Z")
    assert listed == {"id": 1, "name": "三国", "owner": "alice", "members": 1, "entities": 3, "relations": 2}
    assert refusal(rollbook("project", "export", "2", "nowhere")) == "no project has this id"
    assert "greater than" in refusal(rollbook("project", "export", str(2**63), "nowhere"), code=2)


@pytest.mark.process
def test_a_bar_is_shown_at_a_terminal_only(
    environment: dict[str, str], import_rows: Callable[..., Result], tmp_path: Path
) -> None:
    assert import_rows(*SAN_GUO).stderr == ""
    words = ["project", "import", "again", "--owner", "alice", "--entities", str(tmp_path / "e.json")]
    code, stdout, shown = at_terminal(environment, words)
    assert (code, stdout) == (0, "2\n")
    assert "Importing" in shown


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh_machine(environment: dict[str, str], new_store: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    """A store in which nothing is yet."""
    environment["ROLLBOOK_DATABASE_URL"] = f"sqlite:///{tmp_path}/fresh.sqlite3"
    environment |= new_store()


@pytest.mark.usefixtures("fresh_machine")
def test_migrations_are_applied_once(answer: Callable[..., Any], rollbook: Rollbook, engine: str) -> None:
    if engine == "sqlite":
        assert rollbook("db", "status").stderr.startswith("rollbook: no store at ")
    assert answer("db", "migrate")["applied"]
    assert answer("db", "migrate") == {"applied": []}
    assert rollbook("db", "migrate").stdout == "the store is up to date\n"
    assert all(step["applied"] for step in answer("db", "status"))


@pytest.mark.usefixtures("fresh_machine")
def test_a_command_that_writes_works_on_a_fresh_machine(answer: Callable[..., Any]) -> None:
    assert answer("key", "create", "phone")["accesskey"]
    assert all(step["applied"] for step in answer("db", "status"))


# --- all commands ----------------------------------------------------------------------------------------------------


def commands(group: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.once("prints help")
@pytest.mark.parametrize("words", list(commands()))
def test_every_command_explains_itself_and_speaks_json(rollbook: Rollbook, words: tuple[str, ...]) -> None:
    result = rollbook(*words, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Usage: rollbook {' '.join(words)} " in result.stdout
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    "words", [(), ("account",), ("nonsense",), ("account", "show"), ("db", "status", "--nonsense")]
)
def test_a_wrong_command_line_is_told_in_one_line(rollbook: Rollbook, words: tuple[str, ...]) -> None:
    assert "--help)" in refusal(rollbook(*words), code=2)


def test_a_password_on_the_command_line_is_not_repeated(rollbook: Rollbook) -> None:
    line = refusal(rollbook("account", "set-password", "alice", "correct (horse)\n"), code=2)
    assert line == "Got unexpected extra argument(s) (see rollbook account set-password --help)"


def test_every_refusal_says_when_it_is_raised() -> None:
    refusals = [DirectoryError]
    for kind in refusals:
        refusals += kind.__subclasses__()
    for kind in refusals[1:]:
        assert (kind.__doc__ or "").startswith(("Raised when ", "Base of "))


def test_a_bug_is_told_in_one_line_without_values(rollbook: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("correct horse")

    monkeypatch.setattr(Account, "register", fail)
    line = refusal(rollbook("account", "create", "alice", "--password-stdin", input="correct horse"))
    assert line.startswith("internal error: KeyError in ")
    assert "horse" not in line


@pytest.mark.once("damages a file of SQLite")
def test_a_store_that_does_not_work_is_told_in_one_line(rollbook: Rollbook, tmp_path: Path) -> None:
    (tmp_path / "rollbook.sqlite3").write_bytes(b"no database, but long enough to look at" * 100)
    assert refusal(rollbook("account", "list")) == "store: file is not a database"


def test_a_wrong_setting_is_told_by_its_name(environment: dict[str, str]) -> None:
    result = CliRunner(env=environment | {"ROLLBOOK_BIND": "nowhere"}).invoke(app, ["db", "status"])
    assert refusal(result) == "ROLLBOOK_BIND: host:port is expected"


@pytest.mark.process
def test_the_program_answers_in_utf_8_and_ends_with_a_code(environment: dict[str, str]) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "server.cli", *words]
        latin = os.environ | environment | {"PYTHONIOENCODING": "latin-1"}
        return subprocess.run(command, cwd=ROOT, env=latin, input=b"correct horse", capture_output=True, check=False)

    assert "张三".encode() in run("account", "create", "张三", "--password-stdin").stdout
    failed = run("account", "show", "nobody")
    assert failed.returncode == 1
    assert (failed.stdout, failed.stderr) == (b"", b"rollbook: no account has this id or username\n")


@pytest.mark.process
def test_files_are_named_from_where_the_operator_stands(
    environment: dict[str, str], tmp_path: Path, alice: Any
) -> None:
    (tmp_path / "e.json").write_text("[]")
    command = [sys.executable, "-m", "server.cli", "project", "import", "p", "--owner", "alice"]
    from_there = os.environ | environment | {"INVOKED_FROM": str(tmp_path)}
    done = subprocess.run(
        [*command, "--entities", "e.json"], cwd=ROOT, env=from_there, capture_output=True, check=False
    )
    assert (done.stdout, done.stderr) == (b"1\n", b"")


def test_the_command_tells_its_version_and_the_project_has_the_same(operate: Callable[..., Result]) -> None:
    assert operate("--version").output == f"{__version__}\n"
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_without_a_word_the_command_says_what_it_can_do(operate: Callable[..., Result]) -> None:
    shown = operate().output
    assert all(noun in shown for noun in ("account", "session", "audit", "db"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_command(operate: Callable[..., Result], shell: str) -> None:
    shown = operate("--show-completion", shell)
    assert shown.exit_code == 0
    assert "rollbook" in shown.output


# --- the server's own key ------------------------------------------------------------------------------------------


READS = [
    *(("account", "list"), ("account", "show", "li"), ("key", "list"), ("outbox", "list"), ("project", "list")),
    *(("session", "list"), ("audit", "verify"), ("db", "status"), ("db", "check"), ("key", "rotate")),
    *(("account", "export", "accounts.jsonl"), ("project", "export", "1", "."), ("audit", "list"), ("key", "retire")),
    *(("db", "copy", "--to", "sqlite:///copy.sqlite3"), ("db", "backup", "backup")),
]


@pytest.mark.once("no store is made")
@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_what_only_reads_makes_no_store_and_no_key(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = CliRunner(env={"ROLLBOOK_DATA": str(tmp_path / "data")}).invoke(app, words)
    assert result.exit_code == 1
    assert re.fullmatch(r"rollbook: no (store|key) at \S+\n", result.stderr), result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once("the file of the key, beside any store")
def test_a_new_key_takes_the_place_of_the_old_one_and_what_is_stored_goes_with_it(tmp_path: Path) -> None:
    run = CliRunner(env={"ROLLBOOK_DATA": str(tmp_path)})
    made = json.loads(run.invoke(app, ["key", "create", "phone", "--json"]).stdout)["accesskey"]
    file = tmp_path / "secret_key"
    old = file.read_bytes()
    assert run.invoke(app, ["key", "rotate"]).exit_code == 0
    new, kept = file.read_bytes().split(b",")
    assert kept == old != new
    assert file.stat().st_mode & 0o777 == 0o600
    assert run.invoke(app, ["key", "retire"]).exit_code == 0
    assert file.read_bytes() == new
    with closing(sqlite3.connect(tmp_path / "rollbook.sqlite3")) as store:
        (stored,) = store.execute("SELECT encrypted FROM access_key").fetchone()
    assert Fernet(base64.urlsafe_b64encode(derive(new, "encryption"))).decrypt(stored).decode() == made
    assert old not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.once("the file of the key, beside any store")
def test_a_key_stays_while_an_event_waits_that_it_sealed(tmp_path: Path) -> None:
    run = CliRunner(env={"ROLLBOOK_DATA": str(tmp_path)})
    assert run.invoke(app, ["key", "create", "phone"]).exit_code == 0
    store, file = f"sqlite:///{tmp_path}/rollbook.sqlite3", tmp_path / "secret_key"

    def as_server(work: Callable[[], object]) -> None:
        """Do what a server does meanwhile, under the keys of the file."""
        directory_settings.apply(read({"ROLLBOOK_DATA": str(tmp_path)}))
        connect(store)
        work()
        database.close()

    as_server(lambda: run_transaction(lambda: note_refusal(Event.LOGIN_REFUSED, reason="unknown")))
    assert run.invoke(app, ["key", "rotate"]).exit_code == 0
    both = file.read_bytes()
    refused = run.invoke(app, ["key", "retire"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "sealed by an older key: try again in two minutes" in refused.stderr
    assert file.read_bytes() == both, "nothing changed"
    with closing(sqlite3.connect(tmp_path / "rollbook.sqlite3")) as there, there:
        there.execute("UPDATE pending_event SET arrived = 0")  # two minutes later
    as_server(sequence)
    assert run.invoke(app, ["key", "retire"]).exit_code == 0
    assert file.read_bytes() == both.split(b",")[0]
    assert "whole" in run.invoke(app, ["audit", "verify"]).stdout
    assert "login_refused" in run.invoke(app, ["audit", "list"]).stdout


def test_keys_of_the_environment_are_rotated_there(rollbook: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_SECRET_KEY", "a" * 32)
    for command in ("rotate", "retire"):
        result = rollbook("key", command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "ROLLBOOK_SECRET_KEY has the keys" in result.stderr
        assert "aaa" not in result.stderr


# --- lists, names and streams ----------------------------------------------------------------------------------------


@pytest.fixture
def town(register: Callable[..., Account]) -> list[Account]:
    """Five accounts; the last one's username is the first one's id."""
    return [
        register("alice", email="Alice@Example.com", mobile="13800000001", display_name="爱丽丝"),
        register("bob", admin=True),
        register("carol", email="carol@example.com"),
        register("50%_off"),
        register("1"),
    ]


def ids(answer: Any) -> list[int]:
    """Return the ids of what was listed."""
    return [row["id"] for row in answer]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), [1, 2, 3, 4, 5]),
        (("--limit", "2"), [1, 2]),
        (("--after", "2", "--limit", "2"), [3, 4]),
        (("--after", "5"), []),
        (("--search", "EXAMPLE.com"), [1, 3]),
        (("--search", "example.com", "--after", "1"), [3]),
        (("--search", "ALI"), [1]),
        (("--search", "丽"), [1]),
        (("--search", "+86 138-0000-0001"), [1]),
        (("--search", "%_"), [4]),
        (("--search", "nobody"), []),
        (("--admin",), [2]),
        (("--no-admin", "--limit", "2"), [1, 3]),
        (("--disabled",), [3]),
        (("--enabled", "--admin"), [2]),
    ],
)
def test_accounts_are_searched_and_paged(
    rollbook: Rollbook,
    answer: Callable[..., Any],
    town: list[Account],
    words: tuple[str, ...],
    found: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    rollbook("account", "disable", "carol")
    assert ids(answer("account", "list", *words)) == found


def test_every_list_is_paged_and_filtered(
    rollbook: Rollbook, answer: Callable[..., Any], client: TestClient, town: list[Account]
) -> None:
    for name in ("alice", "bob", "alice"):
        client.get("/login", params={"username": name, "password": "correct horse"})
    assert ids(answer("session", "list", "--limit", "1", "--after", "1")) == [2]
    assert ids(answer("session", "list", "--account", "alice@example.com")) == [1, 3]
    assert ids(answer("session", "list", "--search", "bo")) == [2]
    assert ids(answer("session", "list", "--contract", "sso")) == []
    for name in ("one", "three", "two"):
        answer("key", "create", name)
    assert [key["accessid"] for key in answer("key", "list", "--after", "one", "--limit", "1")] == ["three"]
    assert [key["accessid"] for key in answer("key", "list", "--search", "tw")] == ["two"]
    for name in ("魏", "蜀", "吴"):
        words = ("project", "import", name, "--owner", "alice", "--entities", "-")
        assert rollbook(*words, input=json.dumps(SAN_GUO[0])).exit_code == 0
    assert ids(answer("project", "list", "--after", "1", "--limit", "1")) == [2]
    assert ids(answer("project", "list", "--search", "吴")) == [3]
    assert ids(answer("project", "list", "--account", "bob")) == []
    mails = answer("outbox", "list")
    assert ids(answer("outbox", "list", "--waiting", "--limit", "1")) == ids(mails)[:1]
    assert answer("outbox", "list", "--search", "nowhere.example") == []
    assert answer("outbox", "list", "--failed") == []


@pytest.mark.parametrize("page", [1, 1_000])
def test_events_are_the_newest_or_those_that_follow(
    answer: Callable[..., Any], town: list[Account], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PAGE", page)
    every = answer("audit", "list", "--last", "1000000")
    assert [event["account"] for event in every if event["event"] == "registered"] == [1, 2, 3, 4, 5]
    assert answer("audit", "list", "--last", "2") == every[-2:]
    assert answer("audit", "list", "--after", "0", "--limit", "3") == every[:3]
    assert [event["account"] for event in answer("audit", "list", "--account", "carol")] == [3]
    assert [event["account"] for event in answer("audit", "list", "--account", "99")] == []
    assert answer("audit", "list", "--search", "nobody was here") == []
    assert [event["account"] for event in answer("audit", "list", "--search", "admin")] == [2], "its detail says so"


@pytest.mark.parametrize(
    "name", ["2", "id:2", "bob", "BOB", "bob@example.com", "Bob@EXAMPLE.com", "13800000002", "+86 138 0000 0002"]
)
def test_an_account_is_named_by_whatever_names_it(
    answer: Callable[..., Any], register: Callable[..., Account], name: str
) -> None:
    register("alice")
    register("bob", email="bob@example.com", mobile="13800000002")
    assert answer("account", "show", name)["username"] == "bob"
    assert answer("account", "disable", name)["id"] == 2
    assert answer("account", "delete", name, "--yes") == {"id": 2, "username": "bob", "deleted": True}


def test_a_number_that_names_two_accounts_names_none(
    rollbook: Rollbook, answer: Callable[..., Any], town: list[Account]
) -> None:
    told = refusal(rollbook("account", "delete", "1", "--yes"))
    assert told == "1 is the id of alice, and the id of who has that name is 5"
    assert answer("account", "show", "id:1")["username"] == "alice"
    assert answer("account", "show", "id:5")["username"] == "1"
    assert Account.count() == 5


def test_an_address_that_two_show_and_neither_proved_names_none(
    rollbook: Rollbook, settings: Settings, tmp_path: Path
) -> None:
    rollbook("account", "import", "-", input=b'{"username": "a", "email": "x@x.example"}\n' * 1)
    rollbook("account", "import", "-", input=b'{"username": "b", "email": "X@x.example"}\n')
    assert "several accounts show this" in refusal(rollbook("account", "show", "x@x.example"))


def test_an_export_goes_through_a_pipe_into_another_store(
    rollbook: Rollbook, town: list[Account], tmp_path: Path
) -> None:
    exported = rollbook("account", "export", "-")
    assert (exported.exit_code, exported.stderr) == (0, "")
    assert [json.loads(line)["id"] for line in exported.stdout.splitlines()] == [1, 2, 3, 4, 5]
    again = rollbook("account", "import", "-", input=exported.stdout)
    assert again.stdout == "0 accounts were added, 5 were there already\n"
    audit = rollbook("audit", "export", "-").stdout
    assert "whole" in rollbook("audit", "verify", "--file", "-", input=audit).stdout


def test_entities_come_through_a_pipe(rollbook: Rollbook, alice: Any) -> None:
    words = ("project", "import", "三国", "--owner", "id:1", "--entities", "-")
    assert rollbook(*words, input=json.dumps(SAN_GUO[0])).stdout == "1\n"


@pytest.mark.process
@pytest.mark.parametrize("words", [["account", "list"], ["account", "list", "--json"], ["account", "export", "-"]])
def test_a_reader_that_leaves_ends_the_command_quietly(
    environment: dict[str, str], settings: Settings, words: list[str]
) -> None:
    """What `head -1` does. Others end with a traceback, or with "Exception ignored in" at the end."""
    rows = [{"username": f"a{number}", "introduct": "x" * 2_000} for number in range(1_500)]
    file = settings.data / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = [sys.executable, "-m", "server.cli"]
    subprocess.run([*run, "account", "import", file], cwd=ROOT, env=os.environ | environment, check=True)
    with subprocess.Popen(
        [*run, *words], cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
