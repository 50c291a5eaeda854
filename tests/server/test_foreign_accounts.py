"""Accounts of other systems come in by the name of what they leave, and their owners log in.

The files in foreign/ are of the shape that each system writes, with hashes of PASSWORD made by the libraries that it
uses: Django 5.2's hashers, bcrypt, argon2-cffi, hashlib's PBKDF2 and scrypt (which are OpenSSL's, as Node's are),
passlib, Werkzeug.
"""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from models.account import Account
from models.account_block import AccountBlock, AccountBlockChange
from models.db.database import connect
from server.cli.foreign import SYSTEMS
from server.settings import Settings
from tests.models.test_foreign_hashes import PASSWORD
from tests.server.test_cli import refusal

FOLDER = Path(__file__).parent / "foreign"
Import = Callable[..., Result]

FILES: dict[str, tuple[list[str], list[str], int]] = {
    "kratos.json": (["--from", "kratos"], ["li", "han", "王五", "zhao", "qian", "sun"], 7),
    "keycloak.json": (["--from", "keycloak"], ["li.lei", "han", "wang", "zhao", "qian", "old"], 7),
    "django.json": (["--from", "django"], ["root", "han", "wang@django.example", "zhao", "qian", "孙"], 8),
    "django.sqlite3": (["--from", "django"], ["root", "han", "wang@django.example", "zhao", "qian", "孙"], 6),
    "supabase.csv": (["--from", "supabase"], ["li", "han", "wang", "zhao", "qian", "8613800000301"], 7),
    "supabase.sql": (["--from", "supabase"], ["li", "han", "wang", "zhao", "qian", "8613800000301"], 7),
    "pocketbase.db": (["--from", "pocketbase"], ["li", "han", "wang", "zhao", "qian"], 6),
    "firebase.json": (
        ["--from", "firebase", "--hash-config", str(FOLDER / "firebase.txt"), "--skip-refused", "left-out.txt"],
        ["li", "han", "wang", "zhao", "qian", "8613800000401"],
        7,
    ),
    "excel.csv": (["--from", "csv"], ["li", "han", "wang", "zhao", "qian", "sun", "zhou"], 7),
    "beego.sql": (["--from", "beego", "--keep-ids"], ["foo@example.com", "li", "O'Brien", "王五", "zhao", "qian"], 6),
    "egg.tsv": (["--from", "egg"], ["li", "han", "wang", "赵", "qian", "sun"], 6),
}
"""A file -> what says how to read it, whose passwords are known, and how many accounts it has."""


@pytest.fixture
def bring_in(
    operate: Callable[..., Result], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Import:
    """Imports a file: `bring_in("kratos.json", "--from", "kratos")`; others are written first."""
    monkeypatch.chdir(tmp_path)

    def run(file: str, *words: str, text: str | bytes | None = None) -> Result:
        path = FOLDER / file
        if text is not None:
            path = tmp_path / file
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        result = operate("account", "import", str(path), *words)
        connect(settings.database_url)
        return result

    return run


def shown(username: str) -> Account:
    """Return an account."""
    return Account.by_username(username)


@pytest.mark.parametrize("file", FILES)
def test_owners_log_in_with_the_passwords_that_they_had(bring_in: Import, client: TestClient, file: str) -> None:
    words, names, number = FILES[file]
    answer = bring_in(file, *words)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith(f"{number} accounts were added, 0 were there already")
    assert Account.count() == number
    for name in names:
        assert client.get("/login", params={"username": name, "password": "wrong"}).status_code == 401
        answered = client.get("/login", params={"username": name, "password": PASSWORD})
        assert answered.status_code == 200, name
        assert shown(name).password_hash.startswith("$argon2id$")
        assert client.get("/login", params={"username": name, "password": PASSWORD}).status_code == 200, "again"


@pytest.mark.parametrize("file", FILES)
def test_the_same_file_again_adds_nobody(bring_in: Import, file: str) -> None:
    words, _, number = FILES[file]
    assert bring_in(file, *words).exit_code == 0
    assert bring_in(file, *words).stdout.startswith(f"0 accounts were added, {number} were there already")


def test_what_is_mapped_is_kept_and_shown(bring_in: Import, operate: Callable[..., Result]) -> None:
    bring_in("keycloak.json", "--from", "keycloak")
    told = json.loads(operate("account", "show", "li.lei", "--json").stdout)
    foreign = json.loads((FOLDER / "keycloak.json").read_bytes())["users"][0]["id"]
    expected = {
        "username": "li.lei",
        "display_name": "Li Lei",
        "email": "li@keycloak.example",
        "mobile": "+8613800000201",
        "photo": "https://keycloak.example/li.png",
        "foreign_id": f"keycloak:{foreign}",
        "created": "2023-08-01T11:02:21Z",
    }
    assert told.items() >= expected.items()
    assert json.loads(operate("account", "show", f"keycloak:{foreign}", "--json").stdout) == told


def test_a_chinese_name_has_its_family_first(bring_in: Import) -> None:
    bring_in("keycloak.json", "--from", "keycloak")
    assert shown("han").display_name == "韩梅梅"


def test_what_the_system_had_verified_is_proved_and_nothing_else(bring_in: Import) -> None:
    bring_in("django.json", "--from", "django")
    assert shown("root").email_proved == "root@django.example"
    assert shown("han").email_proved is None
    assert shown("zhao").email_proved == "zhao@django.example", (
        "allauth keeps it in small letters (django-allauth#3250)"
    )
    assert shown("root").admin
    assert shown("gone").disabled
    assert shown("social").password_hash == "!"  # Django's own sign for none


def test_numbers_of_the_old_server_go_on_where_that_is_asked(bring_in: Import) -> None:
    bring_in("beego.sql", "--from", "beego", "--keep-ids")
    assert {account.id: account.username for account in Account.select()}[786] == "foo@example.com"
    assert shown("王五").foreign_id == "beego:789"


def test_ids_that_are_no_numbers_cannot_go_on(bring_in: Import) -> None:
    assert "ids that are no numbers" in refusal(bring_in("pocketbase.db", "--from", "pocketbase", "--keep-ids"))


def test_two_of_one_name_at_different_hosts_get_different_usernames(bring_in: Import) -> None:
    bring_in("pocketbase.db", "--from", "pocketbase")
    emails = {account.username: account.email for account in Account.select()}
    assert emails.pop("li") == "li@pocketbase.example"
    (other,) = [name for name, email in emails.items() if email == "li@other.example"]
    assert other.startswith("li-")


def test_a_made_username_never_takes_one_that_is_there(bring_in: Import, register: Callable[..., Account]) -> None:
    register("li", email="li@elsewhere.example")
    assert bring_in("supabase.csv", "--from", "supabase").exit_code == 0
    assert shown("li").email == "li@elsewhere.example"
    assert Account.count() == 8


@pytest.mark.parametrize(
    ("file", "system", "like"),
    [
        ("keycloak.json", "kratos", "but like keycloak: --from keycloak"),
        ("kratos.json", "keycloak", "but like kratos: --from kratos"),
        ("django.json", "firebase", "but like django: --from django"),
        ("django.sqlite3", "beego", "but like django: --from django"),
        ("supabase.csv", "django", "but like supabase: --from supabase"),
        ("supabase.sql", "kratos", "but like supabase: --from supabase"),
        ("pocketbase.db", "supabase", "but like pocketbase: --from pocketbase"),
        ("firebase.json", "kratos", "but like firebase: --from firebase"),
        ("beego.sql", "django", "but like beego: --from beego"),
        ("excel.csv", "keycloak", "but like"),
    ],
)
def test_a_wrong_name_is_told_by_what_the_file_looks_like(bring_in: Import, file: str, system: str, like: str) -> None:
    assert f"does not look like {system}, {like}" in refusal(bring_in(file, "--from", system))
    assert Account.count() == 0


def test_a_system_that_nobody_knows_is_refused_by_the_list(bring_in: Import) -> None:
    told = refusal(bring_in("excel.csv", "--from", "auth0"), code=2)
    assert "'auth0' is none of kratos, keycloak, django" in told


def test_what_cannot_be_taken_is_left_out_and_listed(bring_in: Import, tmp_path: Path) -> None:
    lines = ["username,email,password", "li,li@x.example,", "signin,a@x.example,", "han,nowhere,", "LI,b@x.example,"]
    csv = "\n".join([*lines, "wu,,hunter2", "ok,,"])
    assert refusal(bring_in("people.csv", "--from", "csv", text=csv)).endswith("(and 3 more)")
    assert Account.count() == 0
    told = bring_in("people.csv", "--from", "csv", "--skip-refused", str(tmp_path / "left.txt"), text=csv)
    assert told.stdout == f"2 accounts were added, 0 were there already, 4 were left out: {tmp_path / 'left.txt'}\n"
    assert {account.username for account in Account.select()} == {"li", "ok"}
    left = (tmp_path / "left.txt").read_text().splitlines()
    assert [line.partition(": ")[0] for line in left] == ["line 2", "line 3", "line 4", "line 5"]
    assert left[3] == "line 5: password: of no known form"
    assert "hunter2" not in "".join(left)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_of_excel_is_read_whatever_it_was_saved_as(bring_in: Import, encoding: str, mark: str) -> None:
    """The first column was lost to a byte order mark at dotCMS/core#36508, dbeaver#10994 and many others."""
    text = mark.join(["用户名", "邮箱", "姓名"]) + "\r\n" + mark.join(["张三", "zhang@x.example", "法外狂徒"]) + "\r\n"
    assert bring_in("people.csv", "--from", "csv", text=text.encode(encoding)).exit_code == 0
    assert shown("张三").display_name == "法外狂徒"


def test_a_dump_that_a_windows_shell_redirected_is_read(bring_in: Import) -> None:
    """PowerShell's > writes UTF-16, which `loaddata` itself does not read."""
    text = (FOLDER / "django.json").read_text().encode("utf-16")
    assert bring_in("django.json", "--from", "django", text=text).exit_code == 0


def test_addresses_that_differ_in_case_alone_do_not_stop_an_import(bring_in: Import) -> None:
    """Django's usernames and addresses are told apart by case (django ticket 2273); only one can be proved."""
    csv = "username,email\nli,Li@x.example\nhan,li@X.example\n"
    assert bring_in("people.csv", "--from", "csv", text=csv).exit_code == 0
    assert Account.count() == 2


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ({"hashIterations": 1, "algorithm": "pbkdf2-sha512"}, "PBKDF2 iterations 1 is too weak"),
        ({"hashIterations": None, "algorithm": "pbkdf2-sha512"}, "does not keep to its form"),
        ({"hashIterations": 3, "algorithm": "whirlpool"}, "of no known form"),
        ({"hashIterations": 3, "algorithm": "argon2"}, "does not keep to its form"),
        ({"hashIterations": 10, "algorithm": "bcrypt"}, "of no known form"),
    ],
)
def test_a_credential_that_cannot_be_checked_is_told(bring_in: Import, credential: Any, reason: str) -> None:
    """keycloak#51008: credentials without iterations ended the import; kratos#3759: a digest that nobody has."""
    secret = json.dumps({"value": "A" * 43 + "=", "salt": "A" * 22 + "=="})
    kept = {"type": "password", "secretData": secret, "credentialData": json.dumps(credential)}
    text = json.dumps({"realm": "town", "users": [{"username": "li", "credentials": [kept]}]})
    assert reason in refusal(bring_in("realm.json", "--from", "keycloak", text=text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"realm": "town", "users": [{"username": "li", "credentials": [{"type": "password", "secretData": "x"}]}]}',
         "record 1 is of another form"),
        ('{"realm": "town", "users": [{"username": "li", "attributes": 3}]}', "record 1 is of another form"),
        ('{"realm": "town", "users"', "not JSON"),
        (b"\xff\xfe\xfa", ""),
        (b"\x81\x20\xff", "neither text in UTF-8"),
        ("", "does not look like keycloak"),
    ],
)  # fmt: skip
def test_a_broken_file_ends_in_one_line(bring_in: Import, text: Any, reason: str) -> None:
    assert reason in refusal(bring_in("realm.json", "--from", "keycloak", text=text))


def test_firebase_says_what_it_needs(bring_in: Import, tmp_path: Path) -> None:
    """firebase-tools#253, #639: without the parameters of the project nobody can check its hashes."""
    assert "--hash-config FILE is needed" in refusal(bring_in("firebase.json", "--from", "firebase"))
    (tmp_path / "half.txt").write_text("hash_config { rounds: 8 }")
    words = ("--from", "firebase", "--hash-config", str(tmp_path / "half.txt"))
    assert "base64_signer_key is missing" in refusal(bring_in("firebase.json", *words))


def test_a_dump_of_inserts_is_read_as_its_engine_writes_them(bring_in: Import) -> None:
    """pg_dump --inserts doubles quotes and knows no backslash; mysqldump may break a statement."""
    postgres = (
        '--\n-- PostgreSQL database dump\n--\nINSERT INTO public."user" (id, username, introduct) VALUES '
        "(1, 'a''b', 'x\\ny');\nINSERT INTO public.\"user\" (id, username, introduct) VALUES (2, 'c;\n(d', NULL);\n"
    )
    told = bring_in("dump.sql", "--from", "beego", "--skip-refused", "left.txt", text=postgres)
    assert told.exit_code == 0
    assert shown("a'b").introduct == "x\\ny"
    mysql = (
        "-- MySQL dump\nCREATE TABLE `user` (\n  `id` int,\n  `name` text,\n  `introduct` text\n);\n"
        "INSERT INTO `user` VALUES (1,'e\\'f','x\\ny'),\n(2,'g','');\n"
    )
    assert bring_in("dump.sql", "--from", "beego", text=mysql).exit_code == 0
    assert (shown("e'f").introduct, shown("g").introduct) == ("x\ny", None)


def test_a_file_may_come_through_a_pipe(operate: Callable[..., Result], settings: Settings) -> None:
    text = (FOLDER / "keycloak.json").read_bytes()
    assert operate("account", "import", "-", "--from", "keycloak", stdin=text).exit_code == 0
    connect(settings.database_url)
    assert Account.count() == 7


# --- the page, and the way back ---------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "scripts/tools/docs/pages/bring-your-accounts.md"
COMMANDS = re.findall(r"^\./scripts/rollbook (account .*)$", PAGE.read_text(), re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the operator stands, with the files that the page names."""
    shutil.copytree(FOLDER, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_does_what_it_says(
    operate: Callable[..., Result], settings: Settings, folder: Path, command: str
) -> None:
    result = operate(*shlex.split(command))
    assert result.exit_code == 0, result.output
    connect(settings.database_url)
    if "import" in command:
        file = command.split()[2]
        assert Account.count() == FILES[file][2]
    else:
        assert json.loads((folder / command.split()[2]).read_bytes()) == []


def test_the_page_has_a_command_for_every_system_and_file() -> None:
    words = [command.split() for command in COMMANDS]
    assert {word[2] for word in words if word[1] == "import"} == set(FILES)
    assert {word[word.index("--from") + 1] for word in words if word[1] == "import"} == set(SYSTEMS)


@pytest.mark.parametrize(
    ("file", "system", "lost"),
    [
        ("kratos.json", "kratos", []),
        ("keycloak.json", "kratos", []),
        ("django.json", "kratos", ["zhao"]),
        ("django.json", "django", []),
        ("firebase.json", "kratos", []),
        ("excel.csv", "kratos", ["li", "qian", "zhou"]),
        ("beego.sql", "django", ["foo@example.com", "li", "O'Brien", "qian"]),
    ],
)
def test_what_goes_out_comes_in_again_with_its_passwords(
    bring_in: Import,
    operate: Callable[..., Result],
    renew_store: Callable[[], str],
    client: TestClient,
    tmp_path: Path,
    file: str,
    system: str,
    lost: list[str],
) -> None:
    words, names, number = FILES[file]
    bring_in(file, *words)
    told = json.loads(operate("account", "export", "out.json", "--to", system, "--json").stdout)
    assert (told["accounts"], told["without_password"]) == (number, len(lost))
    Account.delete().execute()
    AccountBlockChange.delete().execute()
    AccountBlock.delete().execute()
    again = bring_in("out.json", "--from", system, text=(tmp_path / "out.json").read_bytes())
    assert again.stdout.startswith(f"{number} accounts were added"), again.output
    for name in set(names) - set(lost):
        answer = client.get("/login", params={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, name
    for name in lost:
        assert shown(name).password_hash == "!"


def test_what_is_not_known_is_not_written_to(operate: Callable[..., Result], settings: Settings) -> None:
    assert "'auth0' is none of kratos, django" in refusal(operate("account", "export", "-", "--to", "auth0"), code=2)
