"""A store is kept in a file and put back from it, whole or not at all."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import Result

from models.account import Account
from models.db.database import connect, database, transaction
from models.departure import delete_account
from models.friendship import FriendApplication, Friendship
from models.project import Project
from models.session import Session
from server.cli import backup as backups
from server.settings import Settings
from tests.conftest import CHEAP, ROOT, STORE
from tests.server.test_cli import SAN_GUO, refusal

Operate = Callable[..., Result]
Register = Callable[..., Account]


@pytest.fixture
def backup(operate: Operate, tmp_path: Path, settings: Settings, register: Register) -> Path:
    """A backup of a store with two friends, a project and a session, all of which are gone from the store since."""
    alice, bob = register("alice"), register("bob")
    with transaction():
        FriendApplication.send(alice, bob)
        FriendApplication.accept(alice, bob)
        Project.import_graph("三国", alice, *SAN_GUO)
        Session.open(alice, "dbms", "a secret")
    file = tmp_path / "backup"
    assert operate("db", "backup", str(file)).exit_code == 0
    connect(settings.database_url)
    with transaction():
        delete_account(alice)
        delete_account(bob)
    return file


def put_back(operate: Operate, settings: Settings, *words: str) -> Result:
    """Restore, and connect to the store again."""
    result = operate("db", "restore", *words)
    connect(settings.database_url)
    return result


def test_all_of_a_store_comes_back(operate: Operate, backup: Path, settings: Settings) -> None:
    restored = put_back(operate, settings, str(backup))
    assert (restored.exit_code, restored.stdout) == (0, "2 accounts are back\n")
    alice = Account.authenticate("alice", "correct horse")
    (bob,) = Friendship.friends_of(alice)
    assert (alice.id, bob.id, bob.username) == (1, 2, "bob")
    assert [row["source_name"] for row in Project.by_id(1).triads_rows()] == ["刘备", "关羽"]
    assert Session.find("dbms", "a secret").account.id == alice.id
    assert operate("db", "check").stdout == "the store is sound\n"


def test_new_accounts_are_numbered_on_after_a_restore(
    operate: Operate, backup: Path, settings: Settings, register: Register
) -> None:
    put_back(operate, settings, str(backup))
    assert register("carol").id == 3


def test_sessions_may_be_left_out(operate: Operate, backup: Path, settings: Settings) -> None:
    assert put_back(operate, settings, str(backup), "--end-sessions").exit_code == 0
    assert Session.select().count() == 0
    assert Account.count() == 2


def test_a_store_with_accounts_is_replaced_by_force_only(
    operate: Operate, backup: Path, settings: Settings, register: Register
) -> None:
    register("carol")
    assert refusal(put_back(operate, settings, str(backup))) == "the store has accounts (--force replaces it)"
    assert [account.username for account in Account.select()] == ["carol"]
    assert put_back(operate, settings, str(backup), "--force").exit_code == 0
    assert [account.username for account in Account.select().order_by(Account.id)] == ["alice", "bob"]


def test_what_is_no_whole_backup_changes_nothing(
    operate: Operate, backup: Path, settings: Settings, register: Register, tmp_path: Path
) -> None:
    register("carol")
    other = tmp_path / "other"
    whole = backup.read_bytes()
    for broken in (b"", b"no database, but long enough to look at" * 100, whole[: len(whole) // 2]):
        other.write_bytes(broken)
        assert refusal(put_back(operate, settings, str(other), "--force")).startswith(f"{other}: ")
    assert "No such file" in refusal(put_back(operate, settings, "/nowhere", "--force"))
    assert [account.username for account in Account.select()] == ["carol"]


FOREIGN = {
    "view": ("CREATE VIEW grown AS SELECT password_hash FROM account", "DROP VIEW grown"),
    "function": ("CREATE FUNCTION grown() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION grown()"),
    "rule": (
        "CREATE RULE grown AS ON INSERT TO schema_migration DO ALSO UPDATE account SET admin = true",
        "DROP RULE grown ON schema_migration",
    ),
    "trigger": (
        "CREATE TRIGGER grown BEFORE UPDATE ON account FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP TRIGGER grown ON account",
    ),
}
"""Kind -> what makes one in PostgreSQL, and what takes it away again."""


@pytest.mark.skipif(STORE != "postgresql", reason="a backup of PostgreSQL; that of SQLite is tried below")
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_backup_of_postgresql_with_what_runs_by_itself_is_refused(
    operate: Operate, settings: Settings, register: Register, tmp_path: Path, kind: str
) -> None:
    """CVE-2018-1058 and CVE-2025-8714: who made a dump runs code with the rights of who puts it back."""
    register("carol")
    file = tmp_path / "backup"
    make, take_away = FOREIGN[kind]
    database.execute_sql(make)
    try:
        backups._run("pg_dump", "--format=custom", f"--file={file}", backups._address())
    finally:
        database.execute_sql(take_away)
    line = refusal(put_back(operate, settings, str(file), "--force"))
    assert line.endswith(f"has a {kind} that is none of Rollbook's")
    assert not Account.by_username("carol").admin


@pytest.mark.parametrize("kind", ["trigger", "view"])
@pytest.mark.once("both engines have their own way to hide one; this is a file of SQLite")
def test_a_backup_with_a_foreign_trigger_or_view_is_refused(
    operate: Operate, settings: Settings, register: Register, tmp_path: Path, kind: str
) -> None:
    """osquery#5702, and SQLite's own advice: a file from elsewhere may bring code of its own."""
    if not settings.embedded:
        pytest.skip("a file of SQLite")
    register("carol")
    file = tmp_path / "backup"
    assert operate("db", "backup", str(file)).exit_code == 0
    made = {
        "trigger": "CREATE TRIGGER grown AFTER INSERT ON schema_migration BEGIN UPDATE account SET admin = 1; END",
        "view": "CREATE VIEW grown AS SELECT password_hash FROM account",
    }
    with closing(sqlite3.connect(file)) as store:
        store.execute(made[kind])
        store.commit()
    line = refusal(put_back(operate, settings, str(file), "--force"))
    assert line.endswith(f"has a {kind} that is none of Rollbook's: grown")
    assert not Account.by_username("carol").admin


def test_a_backup_of_a_newer_version_is_refused(
    operate: Operate, settings: Settings, register: Register, tmp_path: Path
) -> None:
    register("carol")
    step = "INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2026-01-01')"
    database.execute_sql(step)
    try:
        assert operate("db", "backup", str(tmp_path / "newer")).exit_code == 0
    finally:
        connect(settings.database_url)
        database.execute_sql("DELETE FROM schema_migration WHERE name = '9999_later'")
    line = refusal(put_back(operate, settings, str(tmp_path / "newer"), "--force"))
    assert line.endswith("the store has been migrated by a newer version: 9999_later")
    assert Account.by_username("carol").id == 1


@pytest.mark.once("alters a file of SQLite")
def test_a_backup_that_does_not_hold_what_must_hold_is_refused(
    operate: Operate, backup: Path, settings: Settings
) -> None:
    with closing(sqlite3.connect(backup)) as file, file:
        file.execute("DELETE FROM friendship WHERE account_id = 1")
    assert refusal(put_back(operate, settings, str(backup))).endswith("friendship: one-sided")
    assert Account.count() == 0


def test_a_backup_is_private_and_replaced_by_force_only(operate: Operate, backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "is there already" in refusal(operate("db", "backup", str(backup)))
    assert operate("db", "backup", str(backup), "--force").exit_code == 0
    assert [file.name for file in backup.parent.iterdir() if file.name.startswith(".")] == []


@pytest.mark.process
def test_a_backup_is_of_one_moment_while_others_write(
    operate: Operate, settings: Settings, register: Register, tmp_path: Path
) -> None:
    files = [tmp_path / f"backup{number}" for number in range(2)]
    # programs of their own: a command in this process would have the writer change the store in mid-work
    environment = {**CHEAP, "ROLLBOOK_DATA": str(tmp_path), "ROLLBOOK_DATABASE_URL": settings.database_url}
    command = [sys.executable, "-m", "server.cli", "db", "backup"]

    def back_up() -> list[int]:
        ended = (
            subprocess.run([*command, file], cwd=ROOT, env=os.environ | environment, check=False) for file in files
        )
        return [program.returncode for program in ended]

    with ThreadPoolExecutor(1) as pool:
        codes = pool.submit(back_up)
        pairs = 0
        while not codes.done():
            one, other = (register(f"{name}{pairs}") for name in ("left", "right"))
            with transaction():
                FriendApplication.send(one, other)
                FriendApplication.accept(one, other)
            pairs += 1
    assert codes.result() == [0, 0]
    assert Account.count() == 2 * pairs
    for file in files:
        assert put_back(operate, settings, str(file), "--force").exit_code == 0
        assert operate("db", "check").exit_code == 0


@pytest.mark.skipif(STORE != "postgresql", reason="an embedded store has no password")
def test_a_password_of_the_store_is_not_among_the_arguments(
    operate: Operate, settings: Settings, tmp_path: Path
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.0" && exit\n'
                       'echo "$@" "$PGPASSWORD" >&2\nexit 1\n')  # fmt: skip
    program.chmod(0o700)
    parts: Any = psycopg.conninfo.conninfo_to_dict(settings.database_url)
    url = f"postgresql://postgres:hunter2@{parts['host']}:{parts['port']}/{parts['dbname']}"
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    line = refusal(operate("db", "backup", str(tmp_path / "b"), ROLLBOOK_DATABASE_URL=url, PATH=path))
    assert line.count("hunter2") == 1
    assert line.endswith(" hunter2")
