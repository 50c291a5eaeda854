"""What a contract keeps of an account: by name, within what it declares, and gone with the account."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from models import account_field
from models.account import Account
from models.account_field import AccountField
from models.db.database import connect, run_transaction, transaction
from models.departure import delete_account
from server.cli import account_file
from server.contract.validation import compile_schema
from server.settings import Settings

Operate = Callable[..., Result]
Register = Callable[..., Account]
FIELDS = {"bio": {"type": "string", "maxLength": 5}, "image": {"type": "string", "maxLength": 9, "pattern": "^h"}}


@pytest.fixture(autouse=True)
def _declared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the contract dbms declare two fields."""
    lengths = {name: schema["maxLength"] for name, schema in FIELDS.items()}
    check = compile_schema({"type": "object", "additionalProperties": False, "properties": FIELDS})
    monkeypatch.setitem(account_field.declared, "dbms", lengths)
    monkeypatch.setattr(account_file, "_field_checks", lambda: {"dbms": check})


def test_values_are_kept_by_contract_replaced_and_removed(register: Register) -> None:
    alice, bob = register("alice"), register("bob")
    run_transaction(lambda: AccountField.put(alice, "dbms", {"bio": "读书", "image": "http"}))
    run_transaction(lambda: AccountField.put(bob, "dbms", {"bio": ""}))
    assert AccountField.of(alice, "dbms") == {"bio": "读书", "image": "http"}
    run_transaction(lambda: AccountField.put(alice, "dbms", {"bio": "five!", "image": None}))
    assert AccountField.of(alice, "dbms") == {"bio": "five!"}
    assert AccountField.of(bob, "dbms") == {"bio": ""}
    assert AccountField.of(alice, "sso") == {}
    run_transaction(lambda: delete_account(alice))
    assert [row.account_id for row in AccountField.select()] == [bob.id]


@pytest.mark.parametrize("values", [{"bio": "longer"}, {"job": "x"}])
def test_what_is_not_declared_is_not_kept(register: Register, values: dict[str, str]) -> None:
    alice = register("alice")
    with pytest.raises(ValueError, match="dbms does not declare such a"):
        run_transaction(lambda: AccountField.put(alice, "dbms", values))
    assert AccountField.select().count() == 0


@pytest.fixture
def file(operate: Operate, register: Register, settings: Settings, tmp_path: Path) -> Path:
    """An export of two accounts, of one of which something is kept; the store is sound."""
    alice, _ = register("alice"), register("bob")
    with transaction():
        AccountField.put(alice, "dbms", {"bio": "读书"})
    assert operate("db", "check").stdout == "the store is sound\n"
    exported = tmp_path / "accounts.jsonl"
    assert operate("account", "export", str(exported)).exit_code == 0
    connect(settings.database_url)
    return exported


def test_an_export_has_them_and_an_import_brings_them_back(
    operate: Operate, file: Path, settings: Settings, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert [line.get("fields") for line in lines] == [{"dbms": {"bio": "读书"}}, None]
    again = operate("account", "import", str(file))
    assert again.stdout == "0 accounts were added, 2 were there already\n"
    connect(settings.database_url)
    for name in ("alice", "bob"):
        run_transaction(lambda name=name: delete_account(Account.by_username(name)))
    assert AccountField.select().count() == 0
    assert operate("account", "import", str(file)).stdout == "2 accounts were added, 0 were there already\n"
    connect(settings.database_url)
    assert AccountField.of(Account.by_username("alice"), "dbms") == {"bio": "读书"}
    out = tmp_path / "out.jsonl"
    assert operate("account", "export", str(out)).exit_code == 0
    assert out.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"dbms": {"bio": "other"}}, "line 1: fields: the account has others in dbms"),
        ({"dbms": {"bio": "longer"}}, "line 1: fields: dbms: bio has more than 5 characters"),
        ({"dbms": {"job": "x"}}, "line 1: fields: dbms"),
        ({"nobody": {"bio": "x"}}, "line 1: fields: no contract 'nobody' that keeps any is known"),
        ({"dbms": {"bio": 5}}, "line 1"),
    ],
)
def test_what_no_contract_declares_is_refused_by_line(
    operate: Operate, file: Path, fields: dict[str, object], told: str
) -> None:
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps(json.loads(first) | {"fields": fields}), *others]) + "\n")
    result = operate("account", "import", str(file))
    assert result.exit_code == 1
    assert told in result.stderr
