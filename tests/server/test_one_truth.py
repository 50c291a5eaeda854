"""One truth for all ways of the store: check, backup, restore, export, import and copy take what any verb leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from models.account import Account
from models.db.database import connect, database, transaction
from models.proof import prove
from models.recovery import RecoveryCode
from server.settings import Settings

Operate = Callable[..., Result]
Register = Callable[..., Account]

EMAIL, MOBILE = "Shared@Example.com", "+86 139 1234 5678"


def furnish(register: Register, policy: str) -> None:
    """Leave every state of names, addresses and numbers that the operations of a policy can leave."""
    register("plain")
    register("loose", email="loose@例子.中国", mobile="13393922xxx")
    register("own@example.com", email="Own@example.com")
    number = register("13912340000", binds_number=True)
    assert number.mobile == "13912340000"
    proved = register("proved", email="proved@example.com", mobile="0086 139 0000 0000")
    with transaction():
        prove(proved, "mobile", "0086 139 0000 0000")
        prove(proved, "email", "proved@example.com")
    register("disabled").disable()
    first = register("first", email=EMAIL, mobile=MOBILE)
    if policy == "documented":
        return
    register("second", email=EMAIL.lower(), mobile="13912345678", discreet=True)
    register("named@example.com")
    taker = register("taker", email="named@example.com", discreet=True)
    register("shows", email="proved@example.com", mobile="13900000000", discreet=True)
    register("looks@example.com")
    register("shows too", email="looks@example.com", discreet=True)
    with transaction():
        prove(taker, "email", "named@example.com")  # takes the username from its holder
        prove(first, "email", EMAIL)
    assert Account.select().where(Account.former_key == "named@example.com").count() == 1


def accounts() -> list[dict[str, Any]]:
    """Return all accounts."""
    return list(Account.select().order_by(Account.id).dicts())


@pytest.mark.parametrize("policy", ["documented", "guarded"])
@pytest.mark.parametrize("later", ["documented", "guarded"])
def test_whatever_a_policy_leaves_goes_all_ways_and_comes_back(
    register: Register, operate: Operate, settings: Settings, tmp_path: Path, policy: str, later: str
) -> None:
    def run(*words: str, **environment: str) -> str:
        result = operate(*words, ROLLBOOK_POLICY=later, **environment)
        assert result.exit_code == 0, (words, result.stdout, result.stderr)
        return result.stdout

    def assert_same(url: str) -> None:
        assert run("db", "check", ROLLBOOK_DATABASE_URL=url) == "the store is sound\n"
        connect(url)
        assert accounts() == before
        database.close()

    furnish(register, policy)
    before, url = accounts(), settings.database_url
    assert_same(url)
    run("db", "backup", str(tmp_path / "backup"))
    run("db", "restore", str(tmp_path / "backup"), "--force")
    assert_same(url)
    run("account", "export", str(tmp_path / "accounts.jsonl"))
    elsewhere = f"sqlite:///{tmp_path}/imported.sqlite3"
    run("db", "migrate", ROLLBOOK_DATABASE_URL=elsewhere)
    told = run("account", "import", str(tmp_path / "accounts.jsonl"), ROLLBOOK_DATABASE_URL=elsewhere)
    assert told == f"{len(before)} accounts were added, 0 were there already\n"
    assert_same(elsewhere)
    again = run("account", "import", str(tmp_path / "accounts.jsonl"), "--json", ROLLBOOK_DATABASE_URL=elsewhere)
    assert json.loads(again) == {"added": 0, "there": len(before), "left_out": 0}
    copied = f"sqlite:///{tmp_path}/copied.sqlite3"
    run("db", "copy", "--to", copied, ROLLBOOK_DATABASE_URL=url)
    assert_same(copied)
    connect(url)
    assert RecoveryCode.select().count() == 0
