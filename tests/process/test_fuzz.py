"""Every contract under fire: a short run of what `scripts/fuzz` does for long, and proof that it sees what is wrong."""

import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.tools.fuzz import store
from scripts.tools.fuzz.runner import CALLERS, STEMS, Effort, fuzz
from server.specs import load_contracts

SHORT = Effort(seed=1, examples=10)


@pytest.mark.parametrize("stem", STEMS)
def test_the_contract_holds_under_fire(stem: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(CALLERS)) as pool:
        outcomes = list(pool.map(lambda caller: fuzz(stem, caller, SHORT, tmp_path), CALLERS))
    for outcome in outcomes:
        assert not outcome.faults, outcome.text
        assert outcome.count > 100


def test_a_server_that_breaks_its_contract_is_found_out(tmp_path: Path) -> None:
    document = next(contract.document for contract in load_contracts() if contract.stem == "dbms")
    promised = json.loads(json.dumps(document))
    del promised["paths"]["/logout"]["get"]["responses"]["401"]
    answer = promised["components"]["schemas"]["LoggedIn"]
    answer["required"].append("name")
    answer["properties"]["name"] = {"type": "string", "maxLength": 64}
    file = tmp_path / "promised.json"
    file.write_text(json.dumps(promised))
    outcome = fuzz("dbms", "logged-in", SHORT, tmp_path, document=file)
    assert any("Undocumented status code" in fault and "GET /logout" in fault for fault in outcome.faults)
    assert any("Response violates schema" in fault and "GET /login" in fault for fault in outcome.faults)


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """A store that no server has open."""
    return Path(shutil.copy(migrated, tmp_path / "rollbook.sqlite3"))


@pytest.mark.once("reads a file of SQLite")
def test_a_good_store_has_no_faults(database: Path) -> None:
    assert list(store.faults(database)) == []


@pytest.mark.once("reads a file of SQLite")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("INSERT INTO session VALUES (1, 4711, 'dbms', 'digest', 0, 0)", "orphan: row 1 of session"),
        ("INSERT INTO friendship VALUES (1, 1, 2, 0)", "a friendship in one direction only: rows 1"),
        ("INSERT INTO project VALUES (1, 'lost', 4711, 0)", "a project whose owner is no member: rows 1"),
    ],
)
def test_a_fault_of_the_store_is_named(database: Path, statement: str, fault: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()
    assert fault in list(store.faults(database))


def test_a_secret_is_found_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"\x00\xffcorrect horse\x00")
    (tmp_path / "log").write_text("nothing to see")
    assert list(store.leaks(["correct horse", "battery"], sorted(tmp_path.iterdir()))) == [
        "secret in store: correct horse"
    ]


def test_whatever_a_server_complains_of_is_found_in_its_log() -> None:
    log = 'Rollbook\n{"level": "info"}\nbug: KeyError\n{"level": "error"}\nbug: KeyError'
    assert list(store.complaints(log)) == ["log: bug: KeyError", 'log: {"level": "error"}']
