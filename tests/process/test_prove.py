"""Every proof holds for a contract that is three files in a folder of its own, and fails for one that is broken."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.tools.prove.proofs import PROOFS
from server.settings import Settings
from server.specs import Contract, load_contracts
from tests.conftest import ROOT

CONDUIT = ROOT / "tests/contracts/conduit"
pytestmark = pytest.mark.once("each proof starts servers of its own")


@pytest.fixture
def conduit(monkeypatch: pytest.MonkeyPatch) -> Contract:
    """The contract of seven operations, the only one that is served."""
    monkeypatch.setenv("ROLLBOOK_CONTRACTS", str(CONDUIT))
    monkeypatch.setenv("ROLLBOOK_SERVE", "conduit")
    (contract,) = load_contracts(Settings(contracts=str(CONDUIT), serve="conduit"))
    return contract


@pytest.mark.parametrize("proof", PROOFS)
def test_every_proof_holds_for_a_contract_of_three_files(conduit: Contract, proof: str) -> None:
    assert {file.name for file in CONDUIT.iterdir() if file.is_file()} == {Path(f).name for f in conduit.source}
    assert PROOFS[proof](conduit) == []


def spoil(kind: str, good: str, bad: str) -> Callable[[Path], object]:
    """Return what replaces something in one of the files of a folder."""

    def change(folder: Path) -> None:
        file = folder / f"conduit{kind}"
        text = file.read_text()
        assert good in text
        file.write_text(text.replace(good, bad))

    return change


BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no limit": (
        spoil(".yaml", "- {name: login, per", "- {name: logins, per"),
        "limits",
        "no x-rate-limit of the name",
    ),
    "any token": (
        spoil(".py", "Session.find(CONTRACT, token)", "Session.select().first()"),
        "permissions",
        "read_user: a wrong credential",
    ),
    "any password": (
        spoil(
            ".py",
            'Account.authenticate(body["user"]["email"], body["user"]["password"], by_email=True)',
            'Account.by_username(body["user"]["email"].partition("@")[0])',
        ),
        "client",
        "a wrong password opens a session",
    ),
    "sessions outlive a password": (
        spoil(".py", '    if "password" in given:', "    if False:"),
        "client",
        "the other session outlives a new password",
    ),
    "no role": (spoil(".journey.yaml", "x-role: log_in", "x-role: register"), "limits", "no step has x-role: log_in"),
    "no journey": (lambda folder: (folder / "conduit.journey.yaml").unlink(), "client", "missing: what a client does"),
    "an undeclared status": (
        spoil(".yaml", "        '415': {$ref: '#/components/responses/UnsupportedMediaType'}\n", ""),
        "failures",
        "a body of another media type is answered 500",
    ),
}


@pytest.mark.breaks_contract
@pytest.mark.parametrize(("change", "proof", "told"), BROKEN.values(), ids=BROKEN)
def test_a_contract_that_is_broken_is_found_out(
    tmp_path: Path, change: Callable[[Path], object], proof: str, told: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(CONDUIT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    change(folder)
    ran = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "scripts.tools.prove", folder, "--json", "--only", proof],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    (row,) = json.loads(ran.stdout)
    assert (row["contract"], row["proof"]) == ("conduit", proof)
    assert told in "\n".join(row["faults"])
