"""One contract, one caller, one run of Schemathesis, and what it found."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from scripts.tools.fuzz import store
from scripts.tools.fuzz.callers import OWNER
from scripts.tools.fuzz.outcome import Outcome
from scripts.tools.fuzz.server import ROOT, Server
from scripts.tools.fuzz.signature import ACCESSID
from server.specs import load_contracts

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
STEMS = tuple(contract.stem for contract in load_contracts())
PHASES = "examples,coverage,fuzzing,stateful"
CALLERS = ("anonymous", "logged-in")
WITH_ADDRESSES = {
    contract.stem for contract in load_contracts() if "Email" in contract.document["components"]["schemas"]
}
"""Contracts for which values draw slowly: an address is of two parts by a pattern, and not too long."""


@dataclass(frozen=True)
class Effort:
    """How long to try.

    examples: cases per operation in each of the phases that draw them. seconds: repeat these phases until then.
    """

    seed: int = 1
    examples: int = 50
    seconds: int | None = None

    @property
    def options(self) -> list[str]:
        """Return it in Schemathesis's words."""
        options = ["--seed", str(self.seed), "--max-examples", str(self.examples)]
        return options if self.seconds is None else [*options, "--max-time", str(self.seconds)]


def fuzz(stem: str, caller: str, effort: Effort, reports: Path, document: Path | None = None) -> Outcome:
    """Fuzz a server of its own with one contract, then look at its store and its log.

    reports: folder that gets JUnit XML, JSON, HTML and text. document: the contract, if not the one that is served.
    """
    outcome = Outcome(stem, caller)
    reports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rollbook-fuzz-") as scratch:
        folder = Path(scratch)
        (folder / "secrets").touch()
        with Server(folder) as server:
            accesskey = _furnish(stem, server, folder)
            _run(outcome, effort, server, folder, accesskey, reports, document)
            store.wait_for_delivery(server.data / "rollbook.sqlite3")
        _inspect(outcome, server, folder)
    (reports / f"{outcome.name}.txt").write_text(outcome.text)
    return outcome


def _furnish(stem: str, server: Server, folder: Path) -> str:
    """Make what no contract can: an access key, or a project and its owner. Returns the accesskey or password."""
    if stem == "signed":
        return server.create_key(ACCESSID)
    password = token_hex()
    if stem == "annotation":
        entities = [{"id": number, "name": f"实体{number}"} for number in range(1, 4)]
        triad = {"id": 1, "name": "结义", "source_id": 1, "target_id": 2}
        for name, rows in (("entities", entities), ("triads", [triad])):
            (folder / f"{name}.json").write_text(json.dumps(rows))
        server.operate("account", "create", OWNER, "--password-stdin", given=password)
        files = ["--entities", str(folder / "entities.json"), "--triads", str(folder / "triads.json")]
        server.operate("project", "import", "三国", "--owner", OWNER, *files)
    return password


def _run(
    outcome: Outcome,
    effort: Effort,
    server: Server,
    folder: Path,
    accesskey: str,
    reports: Path,
    document: Path | None,
) -> None:
    environment = os.environ | {
        "FUZZ_STEM": outcome.stem,
        "FUZZ_CALLER": outcome.caller,
        "FUZZ_FOLDER": str(folder),
        "FUZZ_URL": server.url,
        "FUZZ_ACCESSKEY": accesskey,
    }
    report = reports / f"{outcome.name}.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "--no-color", "run"]
    command += [str(document or f"{server.url}/specs/{outcome.stem}.json"), "--origin", server.url]
    command += ["--phases", PHASES, "--checks", "all", *effort.options, "--report", "junit,json,html"]
    command += ["--report-junit-path", str(reports / f"{outcome.name}.xml"), "--report-json-path", str(report)]
    command += ["--report-html-path", str(reports / outcome.name)]
    if outcome.stem in WITH_ADDRESSES:
        command += ["--suppress-health-check", "filter_too_much"]
    ended = subprocess.run(  # noqa: S603  # the command is this function's own
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    outcome.text = ended.stdout
    if not report.exists():
        outcome.faults.append(f"schemathesis ended with {ended.returncode}: {ended.stdout[-2000:]}")
        return
    found: dict[str, Any] = json.loads(report.read_text())
    outcome.count, outcome.seconds = found["test_cases"]["generated"], found["running_time"]
    outcome.faults += [_describe(failure) for failure in found["failures"]]
    outcome.faults += [f"error: {error}" for error in found["errors"]]
    if ended.returncode and not outcome.faults:
        outcome.faults.append(f"schemathesis ended with {ended.returncode}: {ended.stdout[-2000:]}")


def _describe(failure: dict[str, Any]) -> str:
    return f"{failure['count']} x {failure['title']}: {', '.join(failure['operations'])}"


def _inspect(outcome: Outcome, server: Server, folder: Path) -> None:
    """Look at what the run left behind."""
    seen = folder / "seen.json"
    outcome.seen = json.loads(seen.read_text()) if seen.exists() else {}
    used = folder / "suppressed"
    outcome.suppressed.update(map(int, used.read_text().split()) if used.exists() else ())
    outcome.faults += store.faults(server.data / "rollbook.sqlite3")
    secrets = {*(folder / "secrets").read_text().splitlines(), *store.mailed_secrets(server.data / "outbox")}
    outcome.faults += store.leaks(sorted(secrets), [*server.data.glob("rollbook.sqlite3*"), server.output])
    outcome.faults += store.complaints(server.output.read_text())
