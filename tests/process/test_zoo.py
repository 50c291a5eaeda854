"""A zoo of clients: each was written against the five documents as its time and language wrote it, and runs unchanged.

Every client prints what it found in the Test Anything Protocol. Why they do what they do stands in
`tests/process/zoo/README.md`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, sync_playwright

from models.access_key import AccessKey
from models.account import Account
from models.db.database import database, transaction
from models.project import Project
from tests.conftest import ROOT, Served
from tests.process.test_explorer import CHROMIUMS, FLAGS

pytestmark = pytest.mark.once("clients see no store")

ZOO = Path(__file__).parent / "zoo"
ENTITIES = [{"id": 7, "name": "刘备"}, {"id": 8, "name": "关羽"}]
TRIADS = [{"id": 3, "name": "结义", "source_id": 7, "source_name": "刘备", "target_id": 8, "target_name": "关羽"}]
SECONDS = 240


def program(name: str) -> str:
    """Return where a program is; say aloud that a client was not run here where there is none, and fail on CI."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        reason = f"not run here: there is no {name}; scripts/programs installs it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return found


@pytest.fixture
def habitat(serve: Callable[..., Served]) -> Iterator[dict[str, str]]:
    """What a client is told of a server of its own: its address, an access key, a project of `owner`."""
    server = serve(ROLLBOOK_POLICY="documented", ROLLBOOK_RATE_LIMITS="1")
    server.open_store()
    with transaction():
        AccessKey.create("zoo", "rollbook-example-key")
        owner = Account.register("owner", "correct horse")
        project = Project.import_graph("三国", owner, ENTITIES, TRIADS)
    database.close()
    yield {
        "ZOO_URL": server.url,
        "ZOO_ACCESSID": "zoo",
        "ZOO_ACCESSKEY": "rollbook-example-key",
        "ZOO_PROJECT": str(project.id),
    }
    assert "bug:" not in server.log
    assert "Traceback" not in server.log


def run(command: list[str | Path], habitat: dict[str, str]) -> None:
    """Run a client; nothing that it tried failed, and it came to its end."""
    done = subprocess.run(
        command, env=os.environ | habitat, cwd=ZOO, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert_all_ok(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr


def assert_all_ok(report: str, besides: str = "") -> None:
    """Read a report in the Test Anything Protocol: all that was planned was done, and done well."""
    failed = [line for line in report.splitlines() if line.startswith("not ok")]
    assert not failed, "\n".join([*failed, besides])
    planned = re.search(r"^1\.\.(\d+)$", report, re.M)
    assert planned, f"{report}\n{besides}"
    assert len(re.findall(r"^ok \d+ - ", report, re.M)) == int(planned[1]) > 0


def test_curl(habitat: dict[str, str]) -> None:
    for needed in ("curl", "openssl"):
        program(needed)
    run([program("bash"), "curl.sh"], habitat)


@pytest.mark.parametrize("client", ["urllib_client.py", "requests_client.py"])
def test_python(habitat: dict[str, str], client: str) -> None:
    run([sys.executable, client], habitat)


def test_php(habitat: dict[str, str]) -> None:
    run([program("php"), "client.php"], habitat)


def test_java(habitat: dict[str, str]) -> None:
    program("javac")  # a runtime alone does not compile what it is to run
    run([program("java"), "-Dfile.encoding=UTF-8", "Client.java"], habitat)


def test_go(habitat: dict[str, str], tmp_path: Path) -> None:
    built = tmp_path / "client"
    environment = os.environ | {"GOCACHE": str(ROOT / "build" / "go"), "GO111MODULE": "off", "GOPROXY": "off"}
    subprocess.run([program("go"), "build", "-o", built, "client.go"], env=environment, cwd=ZOO, check=True)
    run([built], habitat)


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Axios and jQuery, as the lock file beside the clients has them; kept in `build/`."""
    folder = ROOT / "build" / "zoo"
    modules = folder / "node_modules"
    lock = (ZOO / "package-lock.json").read_bytes()
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ZOO / name, folder)
        done = subprocess.run(
            [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = f"not run here: npm cannot install what package-lock.json lists: {done.stderr}"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        shutil.copy(ZOO / "package-lock.json", installed)
    return modules


def test_node(habitat: dict[str, str], node_modules: Path) -> None:
    client = node_modules.parent / "fetch.mjs"  # node looks for packages beside the file
    shutil.copy(ZOO / "fetch.mjs", client)
    run([program("node"), client], habitat)


def test_jquery(habitat: dict[str, str], node_modules: Path) -> None:
    """The page stands where it stood: at the server's own address."""
    files = {
        "page.html": ("text/html", ZOO / "page.html"),
        "jquery.js": ("text/javascript", node_modules / "jquery/dist/jquery.min.js"),
    }

    def serve_file(route: Route) -> None:
        media_type, file = files[route.request.url.rpartition("/")[2]]
        route.fulfill(content_type=media_type, body=file.read_text("utf-8"))

    chromium_path = next(filter(None, map(shutil.which, CHROMIUMS)), None) or program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        page = browser.new_page()
        page.route("**/zoo/*", serve_file)
        page.goto(f"{habitat['ZOO_URL']}/zoo/page.html")
        report = page.locator("#report[data-done]")
        report.wait_for(timeout=SECONDS * 1000, state="attached")
        text = report.inner_text()
        browser.close()
    assert_all_ok(text)
