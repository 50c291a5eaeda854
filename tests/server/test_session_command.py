"""The operator sees who is logged in, and logs out, in all contracts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from models import clock
from models.account import Account
from models.audit.verification import newest
from tests.clients import open_clients


@pytest.fixture
def logged_in(client: TestClient, register: Callable[..., Account]) -> dict[str, Callable[[], bool]]:
    """Alice is logged in through four contracts, bob through one; each tells whether the session lives."""
    register("alice")
    register("bob")
    clients = open_clients(client)
    alice = {stem: clients[stem].enter("alice", "correct horse") for stem in ("dbms", "sso", "signed", "annotation")}
    bob = clients["dbms"].enter("bob", "correct horse")
    lives = {stem: lambda stem=stem: clients[stem].is_live(alice[stem]) for stem in alice}
    return {**lives, "bob": lambda: clients["dbms"].is_live(bob)}


def listed(operate: Callable[..., Result], *words: str) -> list[dict[str, Any]]:
    result = operate("session", "list", *words, "--json")
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_sessions_of_all_contracts_are_listed_without_their_secrets(
    operate: Callable[..., Result], logged_in: dict[str, Callable[[], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = listed(operate)
    assert [(row["username"], row["contract"]) for row in rows] == [
        *(("alice", stem) for stem in ("dbms", "sso", "signed", "annotation")),
        ("bob", "dbms"),
    ]
    assert set(rows[0]) == {"id", "account", "username", "contract", "created", "expires"}
    assert len(listed(operate, "--account", "bob")) == 1
    later = clock.now() + 20 * 24 * 3600
    monkeypatch.setattr(clock, "now", lambda: later)
    assert [row["contract"] for row in listed(operate)] == ["dbms", "signed", "dbms"], "the others have expired"


@pytest.mark.requirement("ASVS 7.4.5")
def test_all_sessions_of_an_account_end_in_all_contracts(
    operate: Callable[..., Result], logged_in: dict[str, Callable[[], bool]]
) -> None:
    result = operate("session", "end", "--account", "alice")
    assert (result.exit_code, result.stdout) == (0, "4 ended\n")
    assert {who: lives() for who, lives in logged_in.items()} == dict.fromkeys(logged_in, False) | {"bob": True}
    (last,) = newest(1)
    assert (last.event, last.account, last.contract, last.detail) == ("session_ended", 1, "operator", '{"sessions":4}')


def test_named_sessions_end_all_or_none(
    operate: Callable[..., Result], logged_in: dict[str, Callable[[], bool]]
) -> None:
    ids = {row["contract"]: str(row["id"]) for row in listed(operate, "--account", "alice")}
    refused = operate("session", "end", ids["sso"], "999")
    assert (refused.exit_code, refused.stderr) == (1, "rollbook: session 999: not live\n")
    assert logged_in["sso"]()
    assert operate("session", "end", ids["sso"], ids["signed"], ids["sso"]).stdout == "2 ended\n"
    assert [who for who, lives in logged_in.items() if lives()] == ["dbms", "annotation", "bob"]


@pytest.mark.parametrize("words", [(), ("1", "--account", "alice"), ("0",), ("x",)])
def test_what_to_end_must_be_said(operate: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert operate("session", "end", *words).exit_code == 2
