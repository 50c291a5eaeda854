"""What every test stands on: an application, a fresh store, a client."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

import handlers
import models
from models import settings as directory_settings
from models.account import Account
from models.audit import chain, events
from models.audit.chain import AuditEvent, AuditHead
from models.audit.events import Event
from models.audit.lanes import PendingEvent
from models.db.database import connect, database, transaction
from models.db.postgres import Postgres
from models.db.transaction import Sqlite
from models.migrations import migrate
from scripts.tools import contract_coverage as coverage_tool
from scripts.tools.docs import requirements
from server.app import create_app
from server.cli.__main__ import app as rollbook
from server.settings import Settings, read
from server.specs import load_contracts
from tests.postgres import PostgresServer

load_contracts()  # models know of sessions what contracts say

STORE = os.environ.get("TEST_STORE", "sqlite")
"""Engine under the directory: `sqlite`, or `postgresql` for those tests alone that touch the store."""

ROOT = Path(__file__).parents[1]

DIRECTORY = [table for table in models.TABLES if table not in (PendingEvent, AuditEvent, AuditHead)]
"""What a failure leaves as it was; that it was refused goes on record in the three other tables."""

CHEAP = {
    "ROLLBOOK_ARGON2_TIME_COST": "1",
    "ROLLBOOK_ARGON2_MEMORY_KIB": "8",
    "ROLLBOOK_RATE_LIMITS": "0",  # tests/server/test_rate_limits.py is about them
    "ROLLBOOK_SECRET_KEY": "a key for tests that is long enough for every algorithm that an attacker may try",
}
"""Settings under which hashing costs next to nothing."""


class Served:
    """A server of its own, started as the operator starts it but for the layer that notes what it answers.

    script: what starts it instead.
    url: where it answers. store: address of its store. log: all that it wrote so far.
    """

    def __init__(self, data: Path, environment: dict[str, str], script: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        TOUCHED.add(data)
        self.data = data
        self.store = environment.get("ROLLBOOK_DATABASE_URL", f"sqlite:///{data}/rollbook.sqlite3")
        self.url = f"http://127.0.0.1:{port}"
        self.output = data.parent / f"server-{port}.log"
        settings = {"ROLLBOOK_DATA": str(data), "ROLLBOOK_BIND": f"127.0.0.1:{port}", **environment}
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [ROOT / script] if script else coverage_tool.serve_command(),
                cwd=ROOT,
                env=os.environ | CHEAP | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self._answers():
            assert self.process.poll() is None, self.log
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def log(self) -> str:
        """Return what the server has written."""
        return self.output.read_text()

    def open_store(self) -> None:
        """Point the directory at the server's store, under the server's own key, by which access keys are encrypted."""
        directory_settings.apply(read(CHEAP | {"ROLLBOOK_DATA": str(self.data)}))
        connect(self.store)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let scripts/fuzz take more steps than the suite does, and leave out what starts processes."""
    parser.addoption("--fast", action="store_true", help="only what starts no process: no server, browser, database")
    parser.addoption(
        "--evidence", type=Path, metavar="FOLDER", help="where to leave, and to find, what looks_back sees"
    )
    parser.addoption(
        "--steps", type=int, default=110, help="steps of the state machine under each policy (default: 110)"
    )
    parser.addoption("--seed", type=int, default=1, help="the same seed takes the same steps (default: 1)")
    parser.addoption("--shrink", action="store_true", help="look for the fewest steps that go wrong, for some minutes")


def runs_on_both(item: pytest.Item) -> bool:
    """Tell whether a test runs on each engine: it touches the store, and gives no reason to do so once."""
    return "engine" in getattr(item, "fixturenames", ()) and item.get_closest_marker("once") is None


def starts_process(item: pytest.Item) -> bool:
    """Tell whether a test starts a process: by its folder, its mark, or a server that it asks for."""
    folder = item.path.parent.name == "process"
    return folder or "serve" in getattr(item, "fixturenames", ()) or item.get_closest_marker("process") is not None


def refuse_process(event: str, _: Any) -> None:
    """Fail a test of the fast part that starts a process all the same."""
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        raise AssertionError("starts a process: belongs into tests/process, or needs the mark `process`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what starts a process, if only the fast part is asked for, and to the first engine what runs once."""
    if config.option.fast:
        config.hook.pytest_deselected(items=[item for item in items if starts_process(item)])
        items[:] = [item for item in items if not starts_process(item)]
        sys.addaudithook(refuse_process)
    if STORE != "sqlite":
        config.hook.pytest_deselected(items=[item for item in items if not runs_on_both(item)])
        items[:] = filter(runs_on_both, items)


OUTCOMES: dict[str, str] = {}
"""How the tests came out that show a requirement: `test_x.py::test_name` -> `passed` or `failed`."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in the report of a test that it shows a requirement."""
    report = yield
    if item.get_closest_marker(requirements.MARKER):
        name: str = item.originalname  # type: ignore[attr-defined]  # functions have it
        report.user_properties.append((requirements.MARKER, f"{item.path.name}::{name}"))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test came out that shows a requirement, whichever process ran it; of many runs, the worst counts."""
    test = dict(report.user_properties).get(requirements.MARKER)
    if test and (report.failed or (report.passed and report.when == "call")) and OUTCOMES.get(test) != "failed":
        OUTCOMES[test] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave for the documentation what requirements were shown, once for all processes of the first pass."""
    if OUTCOMES and STORE == "sqlite" and not hasattr(session.config, "workerinput"):
        requirements.note(OUTCOMES)


@pytest.fixture(scope="session")
def evidence(pytestconfig: pytest.Config) -> Path:
    """What the whole suite left, for the tests that look back on it; scripts/test runs them after it."""
    if (folder := pytestconfig.option.evidence) is None:
        pytest.skip("looks back on the whole suite: scripts/test runs it")
    return folder


@pytest.fixture(scope="session")
def left(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Says in which file this process leaves what it saw: `left("answers")`."""
    folder = pytestconfig.option.evidence or tmp_path_factory.mktemp("evidence")
    folder.mkdir(parents=True, exist_ok=True)
    return lambda kind: folder / f"{kind}.{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.jsonl"


TOUCHED: set[object] = set()
"""Stores that were opened and servers that were started for a test, or for it and others."""


@pytest.fixture(scope="session", autouse=True)
def _touches() -> Iterator[None]:
    """Note each store that is opened in this process."""

    def open_and_note(url: str) -> Any:
        TOUCHED.add(url)
        return open_store(url)

    open_store = models.db.database.store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.db.database, "store", open_and_note)
        yield


@pytest.fixture(autouse=True)
def _engine_is_chosen(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where a test touches a store past the fixture `engine`: nobody would see it on the other engine."""
    yield
    past = TOUCHED and "engine" not in request.fixturenames
    TOUCHED.clear()
    marker = request.node.get_closest_marker("once")
    assert marker or not past, "touches a store: needs the fixture `engine`, or once(reason)"
    assert not marker or len(marker.args) == 1, "once(reason) is expected"


@pytest.fixture(scope="session")
def contract_coverage(left: Callable[[str], Path]) -> Iterator[Path]:
    """The file in which every server that this process starts, or is, notes what it answers."""
    file = left("answers").resolve()
    file.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(coverage_tool.FILE, str(file))
        yield file


@pytest.fixture(autouse=True)
def _test_in_ledger(contract_coverage: Path, request: pytest.FixtureRequest) -> None:
    """Note which test the lines that follow belong to."""
    on_purpose = request.node.get_closest_marker("breaks_contract") is not None
    with contract_coverage.open("a") as file:
        file.write(json.dumps({"test": request.node.nodeid, "breaks_contract": on_purpose}) + "\n")


@pytest.fixture(scope="session", autouse=True)
def _statements(left: Callable[[str], Path]) -> Iterator[None]:
    """Leave the text of every statement that the server runs in this process."""
    seen: set[str] = set()
    serving = threading.local()
    kind: Any = {"sqlite": Sqlite, "postgresql": Postgres}[STORE]
    execute = kind.execute_sql

    @contextmanager
    def serve_in_unit(durable: bool = True) -> Iterator[None]:
        serving.now = True
        try:
            with transaction(durable):
                yield
        finally:
            serving.now = False

    def execute_and_note(self: Any, sql: str, params: Any = None) -> Any:
        if getattr(serving, "now", False):
            seen.add(sql)
        return execute(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "execute_sql", execute_and_note)
        for module in ("models.db.database", "server.jobs.cleanup"):
            patch.setattr(f"{module}.transaction", serve_in_unit)
        yield
    with left("statements").open("a") as file:
        file.writelines(json.dumps(statement) + "\n" for statement in sorted(seen))


@pytest.fixture(scope="session", autouse=True)
def _events(left: Callable[[str], Path]) -> Iterator[None]:
    """Leave each kind of event that is recorded in this process, with what it says in one of a few words."""
    seen: set[tuple[str, ...]] = set()
    say = events._said

    def say_and_note(event: Event, account: int | None, detail: dict[str, Any]) -> dict[str, Any]:
        said = say(event, account, detail)
        seen.add((event, *(detail[name] for name in events.VALUES.get(event, {}))))
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "_said", say_and_note)
        yield
    with left("events").open("a") as file:
        file.writelines(json.dumps(kind) + "\n" for kind in sorted(seen))


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine under the directory; a test that asks for it, mostly by way of others, runs on both."""
    return STORE


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on which all migrations ran."""
    file = tmp_path_factory.mktemp("store") / "migrated.sqlite3"
    connect(f"sqlite:///{file}")
    migrate()
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return file


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this run, with a migrated database."""
    server = PostgresServer("-c fsync=off")  # no test cuts the power
    connect(server.url)
    migrate()
    database.close()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def new_store(engine: str, request: pytest.FixtureRequest) -> Callable[[], dict[str, str]]:
    """Says what the environment of a server must hold that has a store of its own, in which nothing is yet."""
    numbers = itertools.count(1)

    def make() -> dict[str, str]:
        if engine == "sqlite":
            return {}  # it lies in the data folder
        server: PostgresServer = request.getfixturevalue("postgres")
        return {"ROLLBOOK_DATABASE_URL": server.create(f"store{next(numbers)}")}

    return make


@pytest.fixture(scope="session")
def apps(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Applications by policy; each is built once, its store is changed for every test."""
    built: dict[tuple[str, str], Any] = {}

    def app(policy: str, **environment: str) -> Any:
        if (policy, str(environment)) not in built:
            data = str(tmp_path_factory.mktemp(policy))
            store = {"ROLLBOOK_DATABASE_URL": request.getfixturevalue("postgres").url} if engine == "postgresql" else {}
            settings = read({**CHEAP, **store, "ROLLBOOK_DATA": data, "ROLLBOOK_POLICY": policy, **environment})
            built[policy, str(environment)] = create_app(settings, layers=coverage_tool.layers()), settings
        return built[policy, str(environment)]

    return app


@pytest.fixture
def contract_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for contracts of a test; their modules are forgotten afterwards."""
    monkeypatch.setattr(handlers, "__path__", list(handlers.__path__))
    folder = tmp_path / "contracts"
    folder.mkdir()
    yield folder
    for module in folder.glob("*.py"):
        vars(handlers).pop(module.stem, None)
        sys.modules.pop(f"handlers.{module.stem}", None)


@pytest.fixture
def policy() -> str:
    """The policy in force; a test overrides it by parametrizing `policy`."""
    return "documented"


@pytest.fixture
def renew_store(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Puts a store in place that is migrated and empty, and returns its address."""
    files = (tmp_path / f"rollbook{number}.sqlite3" for number in itertools.chain([""], itertools.count(2)))

    def renew() -> str:
        if engine == "postgresql":
            url: str = request.getfixturevalue("postgres").url
            connect(url)
            names = ", ".join(f'"{table._meta.table_name}"' for table in models.TABLES)
            database.execute_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        else:
            file = next(files)
            shutil.copy(request.getfixturevalue("migrated"), file)
            url = f"sqlite:///{file}"
            connect(url)
        return url

    return renew


@pytest.fixture
def overrides() -> dict[str, str]:
    """Variables of the environment in which an application differs from the usual; a module overrides it."""
    return {}


@pytest.fixture
def settings(
    apps: Callable[..., Any], policy: str, overrides: dict[str, str], renew_store: Callable[[], str], tmp_path: Path
) -> Iterator[Settings]:
    """Settings over a fresh store of this test."""
    fresh = replace(apps(policy, **overrides)[1], data=tmp_path, database_url=renew_store())
    directory_settings.apply(fresh)
    AuditHead.delete().execute()  # sealed with another key
    chain.begin()
    yield fresh
    database.close()


@pytest.fixture
def app(apps: Callable[..., Any], policy: str, overrides: dict[str, str], settings: Settings) -> Any:
    """The application over a fresh store."""
    return apps(policy, **overrides)[0]


@pytest.fixture
def client(app: Any) -> TestClient:
    """A client without cookies; unforeseen exceptions are answered, not raised."""
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def register(settings: Settings) -> Callable[..., Account]:
    """Makes accounts: `register(username="alice", password="correct horse", **profile)`."""

    def make(username: str = "alice", password: str = "correct horse", **profile: Any) -> Account:
        with transaction():
            return Account.register(username, password, **profile)

    return make


@pytest.fixture
def operate(
    settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs the operator's command on the store of this test: `operate("db", "check")`."""
    if STORE == "postgresql":
        programs = request.getfixturevalue("postgres").programs
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    environment = {**CHEAP, "ROLLBOOK_DATA": str(settings.data), "ROLLBOOK_DATABASE_URL": settings.database_url}

    def run(*words: str, stdin: bytes = b"", **given: str) -> Result:
        return CliRunner(env=environment | given).invoke(rollbook, words, input=stdin)

    return run


@pytest.fixture
def serve(tmp_path: Path, new_store: Callable[[], dict[str, str]]) -> Iterator[Callable[..., Served]]:
    """Starts real servers, `serve(ROLLBOOK_WORKERS="2")`, over one store; all end with the test."""
    started: list[Served] = []
    store: dict[str, str] = {}

    def start(**environment: str) -> Served:
        if not started:
            store.update(new_store())
        started.append(Served(tmp_path / "data", store | environment))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)
