"""What the operator sees: ids and lines of requests, metrics, traces; and what must never be seen."""

import io
import json
import logging
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from select import PIPE_BUF
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from handlers.exceptions import MethodNotAllowed
from models.account import Account
from models.outbox import NEVER, OutboxMessage
from server.telemetry.logs import make_handler, write
from tests.conftest import CHEAP, ROOT, Served

FIELDS = [
    "time",
    "level",
    "logger",
    "request_id",
    "contract",
    "operation",
    "action",
    "status",
    "duration_ms",
    "account",
]
PASSWORD = "a password that nobody may see"
USER = {"username": "alice", "password": PASSWORD}


def _lines(server: Served) -> list[dict[str, Any]]:
    """Return what the server has logged about requests of contracts."""
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("contract")]


def test_every_request_has_one_line_that_says_what_it_was_and_no_secret(serve: Callable[..., Served]) -> None:
    server = serve()
    httpx2.post(f"{server.url}/user", json={**USER, "email": "alice@example.com"})
    token = httpx2.get(f"{server.url}/login", params=USER).json()["token"]
    httpx2.get(f"{server.url}/user/alice", params={"token": token})
    httpx2.get(f"{server.url}/user/alice", params={"token": "no token"})
    form = {"user_id": "alice", "password": PASSWORD}
    with httpx2.Client(base_url=server.url) as browser:
        browser.post("/user/signin", data=form)
        browser.get("/user/other", params={"action": "get_friends"})
    server.end()
    lines = _lines(server)
    assert [list(line) for line in lines] == [FIELDS] * 6
    told = [(line["contract"], line["operation"], line["action"], line["status"], line["account"]) for line in lines]
    assert told == [
        ("dbms", "register", None, 201, None),
        ("dbms", "log_in", None, 200, None),
        ("dbms", "find", None, 200, 1),
        ("dbms", "find", None, 401, None),
        ("annotation", "log_in", None, 200, None),
        ("annotation", "read", "get_friends", 200, 1),
    ]
    assert len({line["request_id"] for line in lines}) == 6
    for secret in (PASSWORD, token, "alice", "no token", "?"):
        assert secret not in server.log.partition("gunicorn")[2]


@pytest.mark.parametrize("given", ["7f3a-9", "a" * 64, "trace:1.2_3"])
def test_a_harmless_request_id_is_taken_over(client: TestClient, given: str) -> None:
    assert client.get("/v1/auth", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", '"}', "-", "ä".encode("latin-1")])
def test_any_other_request_id_is_replaced_by_one_that_no_other_request_has(client: TestClient, given: Any) -> None:
    made = [client.get("/v1/auth", headers={"X-Request-ID": given}).headers["x-request-id"] for _ in range(3)]
    assert len(set(made)) == 3
    for one in made:
        assert re.fullmatch("[0-9a-f]{12}-[0-9]+", one)


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/no/such/path", "/user/other"])
def test_pages_and_failures_have_a_request_id_too(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"X-Request-ID": "mine"}).headers["x-request-id"] == "mine"


def test_an_error_is_logged_with_the_id_of_its_request_and_without_its_message(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Account:
        raise KeyError(PASSWORD)

    monkeypatch.setattr(Account, "authenticate", fail)
    written = io.StringIO()
    handler = make_handler(written)
    logging.getLogger("rollbook").addHandler(handler)
    try:
        answer = client.get("/login", params=USER, headers={"X-Request-ID": "broken-1"})
    finally:
        logging.getLogger("rollbook").removeHandler(handler)
    assert answer.status_code == 500
    line = json.loads(written.getvalue())
    assert line["request_id"] == "broken-1"
    assert line["level"] == "error"
    assert line["message"].startswith("bug: KeyError")
    assert PASSWORD not in written.getvalue()


@pytest.mark.breaks_contract
def test_a_failure_that_the_spec_does_not_declare_is_named_to_the_operator(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told of a bug, the operator of which: spec or handler wants mending (a mutant took that line)."""

    def fail(*_: Any, **__: Any) -> Account:
        raise MethodNotAllowed(["GET"])

    monkeypatch.setattr(Account, "authenticate", fail)
    answer = client.get("/login", params=USER)
    assert answer.status_code == 500
    assert PASSWORD not in answer.text + caplog.text
    said = [record.getMessage() for record in caplog.records if record.name == "rollbook.errors"]
    assert said == ["GET /login: undeclared failure: status 405 is not declared"]


def test_a_trace_is_logged_without_the_message_of_its_exception() -> None:
    written = io.StringIO()
    log = logging.getLogger("rollbook.test")
    log.addHandler(make_handler(written))
    try:
        raise ValueError(PASSWORD)  # it is what is logged
    except ValueError:
        log.exception("it failed")
    line = json.loads(written.getvalue())
    assert line["message"] == "it failed"
    assert line["trace"].endswith("ValueError")
    assert PASSWORD not in written.getvalue()


@pytest.mark.process
def test_a_person_at_a_terminal_reads_text(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {**CHEAP, "ROLLBOOK_DATA": str(tmp_path / "data"), "ROLLBOOK_BIND": bind}
    process = subprocess.Popen(
        [sys.executable, "-m", "server"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    try:
        read = ""
        while "listening on" not in read:
            read += os.read(ours, 4096).decode()
        httpx2.get(f"http://{bind}/user/other", params={"action": "get_friends"}, headers={"X-Request-ID": "mine"})
        while "id=mine" not in read:
            read += os.read(ours, 4096).decode()
    finally:
        process.terminate()
        process.wait()
        os.close(ours)
    assert re.search(r"\d\d:\d\d:\d\d info +annotation\.read 200 [\d.]+ ms id=mine", read)


def test_at_a_higher_level_only_requests_that_failed_are_logged(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_LOG_LEVEL="warning", ROLLBOOK_HASH_DEADLINE_SECONDS="0")
    httpx2.get(f"{server.url}/user/other", params={"action": "get_friends"})
    httpx2.get(f"{server.url}/login", params=USER)
    server.end()
    assert [(line["level"], line["status"]) for line in _lines(server)] == [("error", 503)]


def test_lines_go_into_a_pipe_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    monkeypatch.setattr("server.telemetry.logs.os.write", lambda _, piece: pieces.append(piece))
    lines = [b"%d %s\n" % (number, b"x" * (number * 7 % 400)) for number in range(200)]
    write(lines)
    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") and len(piece) <= PIPE_BUF for piece in pieces)
    assert len(pieces) < 15


def test_the_request_log_can_be_turned_off(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_REQUEST_LOG="0")
    httpx2.get(f"{server.url}/login", params=USER)
    server.end()
    assert _lines(server) == []


# --- metrics ---------------------------------------------------------------------------------------------------------


class Metered:
    """A server and the address at which its metrics are read."""

    def __init__(self, serve: Callable[..., Served], **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.server = serve(ROLLBOOK_METRICS_BIND=self.address, **settings)

    def read(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return all samples: name -> labels and value."""
        samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(httpx2.get(f"http://{self.address}/metrics").text):
            for sample in family.samples:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return samples

    def wait(self, name: str, value: float, **labels: str) -> None:
        """Wait until a sample has a value."""
        while not any(found == value and labels.items() <= known.items() for known, found in self.read()[name]):
            time.sleep(0.05)


def test_requests_are_counted_over_all_workers_and_none_is_lost_with_a_worker(serve: Callable[..., Served]) -> None:
    metered = Metered(serve, ROLLBOOK_WORKERS="2")
    url = metered.server.url
    refused = {"contract": "dbms", "operation": "find", "action": "", "status": "401"}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: httpx2.get(f"{url}/user/alice", params={"token": "no token"}), range(40)))
    metered.wait("rollbook_requests_total", 40, **refused)
    children = Path(f"/proc/{metered.server.process.pid}/task/{metered.server.process.pid}/children").read_text()
    workers = children.split()
    os.kill(int(workers[0]), signal.SIGKILL)
    while _slots(metered) != 2 * _slots_of_one():
        time.sleep(0.1)
    httpx2.get(f"{url}/user/alice", params={"token": "no token"})
    metered.wait("rollbook_requests_total", 41, **refused)
    took = {"contract": "dbms", "operation": "find", "action": ""}
    assert (took, 41) in metered.read()["rollbook_request_seconds_count"]


def _slots(metered: Metered) -> float:
    """Return the slots of the living workers; the dead one's are gone once it is replaced."""
    return metered.read()["rollbook_hashing_slots"][0][1]


def _slots_of_one() -> int:
    return os.cpu_count() or 1


def test_metrics_hold_no_secret_and_name_no_account(serve: Callable[..., Served]) -> None:
    metered = Metered(serve)
    httpx2.post(f"{metered.server.url}/user", json={**USER, "email": "alice@example.com"})
    httpx2.get(f"{metered.server.url}/login", params=USER)
    metered.wait("rollbook_requests_total", 1, operation="log_in", status="200")
    text = httpx2.get(f"http://{metered.address}/metrics").text
    assert PASSWORD not in text
    assert "alice" not in text


def test_limits_that_were_hit_are_counted_by_name(serve: Callable[..., Served]) -> None:
    metered = Metered(serve, ROLLBOOK_RATE_LIMITS="1")
    answers = [httpx2.get(f"{metered.server.url}/login", params=USER) for _ in range(200)]
    refused = [answer for answer in answers if answer.status_code == 429]
    name = refused[0].headers["ratelimit"].split('"')[1]
    metered.wait("rollbook_limit_hits_total", len(refused), limit=name)
    metered.server.end()
    assert {line.get("limit") for line in _lines(metered.server) if line["status"] == 429} == {name}


def test_the_queue_for_hashing_is_seen_while_it_stands(serve: Callable[..., Served]) -> None:
    metered = Metered(
        serve, ROLLBOOK_ARGON2_TIME_COST="60", ROLLBOOK_ARGON2_MEMORY_KIB="65536", ROLLBOOK_HASH_CONCURRENCY="1"
    )
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(httpx2.get, f"{metered.server.url}/login", params=USER, timeout=60) for _ in range(4)]
        while metered.read()["rollbook_hashing_requests"][0][1] < 2:
            assert not all(one.done() for one in asked)
            time.sleep(0.1)


def test_messages_that_wait_are_counted(settings: Any) -> None:
    for recipient in ("13800000000", "13800000001"):
        OutboxMessage.create(kind="sms", recipient=recipient, subject="", body="", created=1, due=1)
    OutboxMessage.create(kind="mail", recipient="", subject="", body="", created=1, due=1, delivered=2)
    OutboxMessage.create(kind="mail", recipient="", subject="", body="", created=1, due=NEVER, failed=2)
    assert OutboxMessage.depths() == {"mail": 0, "sms": 2}
    assert OutboxMessage.given_up() == {"mail": 1, "sms": 0}


@pytest.mark.process
def test_an_address_for_metrics_that_is_taken_ends_the_start_with_its_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = {**CHEAP, "ROLLBOOK_DATA": str(tmp_path), "ROLLBOOK_METRICS_BIND": bind}
        ran = subprocess.run(
            [sys.executable, "-m", "server"], cwd=ROOT, env=os.environ | settings, capture_output=True, check=False
        )
    assert ran.stderr.decode().startswith("rollbook: ROLLBOOK_METRICS_BIND: Address already in use")


# --- traces ----------------------------------------------------------------------------------------------------------


class Collector(BaseHTTPRequestHandler):
    """Takes traces by OTLP over HTTP, decoded by the protocol's own package."""

    spans: list[Span]
    services: set[str]

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Any]:
    """A collector; `url` is where it listens."""

    class Own(Collector):
        spans: list[Span] = []  # noqa: RUF012  # of this test
        services: set[str] = set()  # noqa: RUF012  # of this test
        url = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Own.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Own
    server.shutdown()
    server.server_close()


def _attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


def test_every_request_is_a_span_in_the_trace_of_its_caller(serve: Callable[..., Served], collector: Any) -> None:
    server = serve(ROLLBOOK_OTLP_ENDPOINT=collector.url, ROLLBOOK_HASH_DEADLINE_SECONDS="0")
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    asked = {"traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": "mine"}
    httpx2.get(f"{server.url}/user/other", params={"action": "get_friends"}, headers=asked)
    httpx2.get(f"{server.url}/login", params=USER)
    server.end()  # what is waiting is sent first
    of_contracts = [span for span in collector.spans if "." in span.name]
    found, failed = of_contracts
    assert (found.name, found.trace_id.hex(), found.parent_span_id.hex()) == (
        "annotation.read",
        trace,
        parent,
    )
    assert found.kind == Span.SPAN_KIND_SERVER
    assert found.end_time_unix_nano > found.start_time_unix_nano
    ended = datetime.fromisoformat(_lines(server)[0]["time"]).timestamp()
    assert found.end_time_unix_nano / 1e9 == pytest.approx(ended, abs=0.001, rel=0)
    assert _attributes(found) == {
        "http.request.method": "GET",
        "http.route": "/user/other",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "rollbook.contract": "annotation",
        "rollbook.operation": "read",
        "rollbook.request_id": "mine",
    }
    assert failed.name == "dbms.log_in"
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert collector.services == {"rollbook"}
    assert PASSWORD not in str(collector.spans)
    assert _lines(server)[0]["trace_id"] == trace


def test_a_collector_that_is_away_hinders_nothing(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert httpx2.get(f"{server.url}/user/other", params={"action": "get_friends"}).status_code == 200


@pytest.mark.process
def test_a_server_without_metrics_and_traces_loads_neither_library() -> None:
    asked = "import sys, server.__main__; print({'prometheus_client', 'opentelemetry.sdk'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
