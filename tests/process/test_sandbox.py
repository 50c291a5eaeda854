"""The sandbox as a process: several beside each other, whatever befalls one, and clients that nobody here wrote."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scripts.tools.journeys import redocly
from scripts.tools.journeys.arazzo import Declared, Stumbled, walk
from scripts.tools.journeys.journeys import Workflow, load_journey
from server.cli.contract_check import mistakes
from server.settings import Settings
from server.specs import SANDBOX, load_contracts
from tests.conftest import ROOT
from tests.process.test_zoo import program
from tests.redocly_cli import require

pytestmark = pytest.mark.once("a sandbox's store is a file of SQLite")
PAGE = ROOT / "scripts/tools/docs/pages/test-your-client.md"
BASE = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SECONDS = 120


class Process:
    """A sandbox that was started as its users start it. url: where it said that it answers."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.output = folder.with_suffix(".log")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [ROOT / "scripts/serve", "--sandbox"],
                env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.url = ""
        deadline = time.monotonic() + SECONDS
        while not self.url or not self._answers():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
            if said := re.search(r"explorer +(http://\S+)/docs$", self.output.read_text(), re.MULTILINE):
                self.url = said[1]

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask something of the sandbox itself."""
        answer = httpx2.request(method, f"{self.url}/sandbox{path}", **options)
        assert answer.is_success, answer.text
        return answer.json()

    def end(self) -> int:
        """End it as its user does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts sandboxes, which end with these tests."""
    folder = tmp_path_factory.mktemp("sandboxes")
    processes: list[Process] = []

    def start(**environment: str) -> Process:
        processes.append(Process(folder / str(len(processes)), **environment))
        return processes[-1]

    yield start
    for process in processes:
        process.process.kill()
        process.process.wait()


@pytest.fixture(scope="module")
def running(started: Callable[..., Process]) -> Process:
    """A sandbox for those tests that do not mind others."""
    return started()


def test_two_beside_each_other_have_nothing_in_common(running: Process, started: Callable[..., Process]) -> None:
    """cypress-mailhog#55, gunicorn#1990: tests that ran at once and shared a server, a mailbox, a clock."""
    other = started()
    assert other.url != running.url
    running.ask("POST", "/accounts", json={"username": "onlyhere"})
    before = other.ask("GET", "/clock")
    running.ask("POST", "/clock", json={"seconds": 86_400})
    assert other.ask("GET", "/clock") == before
    assert other.ask("POST", "/accounts", json={"username": "onlyhere"})["id"] == 5
    other.ask("POST", "/reset")
    assert running.ask("GET", "/clock")["now"] >= before["now"] + 86_000
    assert list(other.folder.iterdir())
    assert other.end() == 0
    assert not list(other.folder.iterdir())  # the store went with it


def test_a_worker_that_dies_does_not_come_back_with_half_a_state(started: Callable[..., Process]) -> None:
    """Else its successor had the accounts of before, and the clock of the start."""
    sandbox = started()
    sandbox.ask("POST", "/accounts", json={"username": "before"})
    sandbox.ask("POST", "/clock", json={"seconds": 86_400})
    sandbox.ask("POST", "/snapshots")
    (worker,) = _children(sandbox.process.pid)
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while _children(sandbox.process.pid) in ([], [worker]) or not sandbox._answers():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert abs(sandbox.ask("GET", "/clock")["now"] - time.time()) < 3600
    assert sandbox.ask("GET", "/snapshots") == {"snapshots": []}
    assert sandbox.ask("POST", "/accounts", json={"username": "before"})["id"] == 5


def _children(pid: int) -> list[int]:
    """Return the workers of a server."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()]


def test_nobody_else_is_let_in_by_a_name_or_a_proxy(started: Callable[..., Process]) -> None:
    """firebase-tools#10596: a page had its own name point to this machine, and drove the emulator there."""
    sandbox = started(ROLLBOOK_POLICY="guarded")
    assert httpx2.get(f"{sandbox.url}/sandbox/messages").status_code == 200
    rebound = httpx2.get(f"{sandbox.url}/sandbox/messages", headers={"host": "evil.example"})
    assert rebound.status_code == 421
    tunnelled = httpx2.get(f"{sandbox.url}/sandbox/messages", headers={"x-forwarded-for": "203.0.113.7"})
    assert tunnelled.status_code == 503
    assert "set ROLLBOOK" in sandbox.output.read_text()


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["--sandbox"], {"ROLLBOOK_PUBLIC_URL": "https://example.com"}, "rollbook: ROLLBOOK_PUBLIC_URL: others than"),
        (["--sandbox"], {"ROLLBOOK_WORKERS": "2"}, "rollbook: ROLLBOOK_WORKERS: a setting of a production"),
        (["--public"], {}, "serve: error: --public is said of a --sandbox"),
        (["--snadbox"], {}, "serve: error: unrecognized arguments: --snadbox"),
    ],
)
def test_where_it_does_not_start_it_says_why(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], told: str
) -> None:
    ended = subprocess.run(
        [ROOT / "scripts/serve", *arguments],
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith(told)
    assert not list(tmp_path.iterdir())


BLOCKS = [
    pytest.param(language, textwrap.dedent(code), id=f"{number}-{language}")
    for number, (_, language, code) in enumerate(BLOCK.findall(PAGE.read_text("utf-8")))
    if BASE in code  # all but the one that starts it
]
COMMANDS = {
    "python": lambda: [sys.executable],
    "js": lambda: [program("node")],
    "sh": lambda: [program("bash"), "-euo", "pipefail"],
}
ENDINGS = {"python": "py", "js": "mjs", "sh": "sh"}


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_every_snippet_of_the_page_does_what_it_says(
    running: Process, tmp_path: Path, language: str, code: str
) -> None:
    """By requests, by Node's fetch and by curl."""
    running.ask("POST", "/reset")
    file = tmp_path / f"snippet.{ENDINGS[language]}"
    file.write_text(code.replace(BASE, running.url), "utf-8")
    ran = subprocess.run(
        [*COMMANDS[language](), file], capture_output=True, text=True, check=False, timeout=SECONDS, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    if "msCaptcha" in code:
        assert "验证码" in ran.stdout


JOURNEY = load_journey(
    next(one for one in load_contracts(Settings(contracts=str(SANDBOX), sandbox=True)) if one.stem == "sandbox")
)
every_workflow = pytest.mark.parametrize("workflow", JOURNEY.workflows, ids=lambda one: one["workflowId"])


def _inputs(workflow: Workflow) -> dict[str, Any]:
    return {name: schema["default"] for name, schema in workflow["inputs"]["properties"].items()}


@every_workflow
def test_expiry_and_recovery_are_walked_through_while_nobody_waits(running: Process, workflow: Workflow) -> None:
    assert walk(JOURNEY, workflow, _inputs(workflow), running.url) == len(workflow["steps"])


@every_workflow
def test_an_independent_runner_comes_to_the_same_end(running: Process, workflow: Workflow) -> None:
    require()
    ran = redocly.respect(JOURNEY, workflow, _inputs(workflow), running.url)
    assert ran.returncode == 0, ran.stdout
    steps = len(workflow["steps"])
    assert f"Steps: {steps} passed, {steps} total" in ran.stdout, ran.stdout


def test_a_step_of_a_contract_that_the_journey_does_not_name_is_refused(running: Process) -> None:
    workflow = deepcopy(JOURNEY.workflows[0])
    workflow["steps"][0]["operationId"] = "$sourceDescriptions.signed.act"
    with pytest.raises(Stumbled, match=r"reset: no operation \$sourceDescriptions.signed.act"):
        walk(JOURNEY, workflow, _inputs(workflow), running.url)


def test_every_operation_of_the_sandbox_occurs_in_its_journey() -> None:
    named = {step["operationId"] for workflow in JOURNEY.workflows for step in workflow["steps"]}
    own = {f"$sourceDescriptions.sandbox.{name}" for name in Declared(JOURNEY.contract).operations}
    assert own <= named


def test_the_contract_and_its_journey_keep_every_rule(tmp_path: Path) -> None:
    require()
    source = JOURNEY.contract.source
    assert list(mistakes(source)) == []
    bundled = tmp_path / "sandbox.json"
    bundled.write_text(json.dumps(JOURNEY.contract.document), "utf-8")
    ran = redocly.lint(bundled, source.journey)
    assert ran.returncode == 0, ran.stdout


def test_the_page_shows_how_in_three_languages() -> None:
    languages = [block.values[0] for block in BLOCKS]
    assert {"python", "js", "sh"} == set(languages)
    assert len(languages) >= 7
