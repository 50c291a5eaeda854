"""The audit of packages, against a vulnerability service of its own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT

VULNERABLE = "starlette"


class Vulnerabilities(BaseHTTPRequestHandler):
    """Speaks as much of the protocol of OSV as the audit needs."""

    vulnerable = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        found = [{"id": "EXAMPLE-1", "summary": "made up", "affected": [_affected(asked)]}]
        body = json.dumps({"vulns": found} if asked == self.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _affected(name: str) -> dict[str, object]:
    repaired = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}
    return {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [repaired]}


@pytest.fixture
def service() -> Iterator[str]:
    """Address of a service that knows of no vulnerability, until a test says of one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vulnerabilities)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _audit(url: str, folder: Path, *others: str) -> subprocess.CompletedProcess[str]:
    options = ["--vulnerability-service=osv", f"--osv-url={url}", f"--cache-dir={folder}"]
    command = [sys.executable, "-m", "scripts.tools.audit", *options, *others]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_packages_without_known_vulnerabilities_pass(service: str, tmp_path: Path) -> None:
    ran = _audit(service, tmp_path, "--must-answer")
    assert ran.returncode == 0
    assert "packages audited, 0 vulnerable" in ran.stdout
    assert "NOT AUDITED" not in ran.stderr


def test_a_vulnerable_package_fails_and_is_named(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vulnerabilities, "vulnerable", VULNERABLE)
    ran = _audit(service, tmp_path)
    assert ran.returncode == 1
    assert f"{VULNERABLE} " in ran.stderr
    assert "EXAMPLE-1, repaired in: 999.0" in ran.stderr


def test_a_service_that_cannot_be_asked_is_said_and_is_no_failure(service: str, tmp_path: Path) -> None:
    ran = _audit("http://127.0.0.1:9", tmp_path)
    assert ran.returncode == 0
    assert ran.stderr.startswith("NOT AUDITED for vulnerabilities: the service cannot be asked")
    assert _audit("http://127.0.0.1:9", tmp_path, "--must-answer").returncode == 3
