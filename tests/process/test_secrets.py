"""Secrets stay where they belong: nothing that a client sends as one, or gets as one, is found anywhere else.

Every operation is driven with marked secrets, in every part of a request, well-formed and not, and while the server
breaks. Then everything that the server wrote is searched for the marks. A server that is careless on purpose shows that
they would be found.
"""

import base64
import hashlib
import itertools
import json
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import jwt
import pytest
from typer.testing import CliRunner

import models
from models.account import Account
from models.db.database import connect, database
from models.outbox import OutboxMessage
from server.cli.__main__ import app as rollbook
from server.contract.media import FORM
from server.contract.validation import compile_schema
from server.settings import Settings
from tests.clients import ContractClient, Dbms, Indexy, Signed, open_clients
from tests.conftest import CHEAP, ROOT, STORE, Served
from tests.contracts.test_every_operation import OPERATIONS, Operation, example, write_body
from tests.limited import forget_counts
from tests.postgres import PostgresServer
from tests.server.test_telemetry import collector

__all__ = ["collector"]  # a fixture

SECRET = re.compile("password|token|signature|accesskey|code|captcha|session|authorization", re.IGNORECASE)
"""Names of what is secret."""
FAULTS = ["handler", "store", "credential", "answer"]
PLACES = {"log", "files", "rows", "outbox", "answers", "metrics", "traces"}
FOREIGN_KEY = "a key that is long enough, and not the server's"
RESET_PAGE = "/password/email/link"
MOBILE = "13345587777"


class Marks:
    """Secrets that can be found again: all that a client makes up share one random beginning."""

    def __init__(self) -> None:
        self.beginning = f"q{secrets.token_hex(4)}"
        self.numbers = itertools.count(1)
        self.noted: dict[str, str] = {}
        """Secrets that the server gave -> what they are; and those that are too short for the beginning."""

    def make(self, length: int = 20) -> str:
        """Return a new secret of letters and digits."""
        return f"{self.beginning}{next(self.numbers):04}".ljust(length, "z")

    def fit(self, schema: dict[str, Any]) -> str:
        """Return a new secret that a schema admits."""
        wrong = compile_schema(schema)
        kinds: list[Callable[[], str]] = [
            self.make,
            lambda: self.make(16),
            lambda: f"1-{self.make(22)}",
            lambda: self.make(32),
            self.code,
        ]
        return next(mark for mark in (make() for make in kinds) if wrong(mark) is None)

    def code(self) -> str:
        """Return six digits."""
        return self.note(f"{secrets.randbelow(900_000) + 100_000}", "code")

    def web_token(self) -> str:
        """Return a token as `sso` has them, under another key."""
        claims = {"userId": 1, "username": self.make(), "jti": self.make(32), "iat": 1}
        return jwt.encode(claims, FOREIGN_KEY, "HS256")

    def note(self, secret: str, what: str) -> str:
        """Have a secret looked for."""
        self.noted[secret] = what
        return secret

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Yield what is looked for, however it is written."""
        for form in {self.beginning.encode(), self.beginning.encode().hex().encode(), *_in_base64(self.beginning)}:
            yield "made up", form
        for secret, what in self.noted.items():
            yield secret, secret.encode()
            if what == "password":
                for algorithm in ("md5", "sha1", "sha256"):
                    bare = hashlib.new(algorithm, secret.encode())
                    yield f"{algorithm} of {secret}", bare.hexdigest().encode()
                    yield f"{algorithm} of {secret}", bare.digest()


def _in_base64(text: str) -> Iterator[bytes]:
    """Yield what a text looks like inside of a longer one that is written in base64."""
    for before in range(3):
        written = base64.b64encode(bytes(before) + text.encode())
        inner = written[(0, 2, 3)[before] : (before + len(text)) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


class Remains:
    """All that was found of a server, by place."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.found: list[tuple[str, str, bytes, set[str]]] = []

    def add(self, place: str, name: str, content: bytes | str, belongs: set[str] | None = None) -> None:
        """Keep something. belongs: secrets that may stand there."""
        self.found.append((place, name, content.encode() if isinstance(content, str) else content, belongs or set()))

    def leaks(self) -> Iterator[tuple[str, str, str]]:
        """Yield place, name and secret, wherever one is found that does not belong there."""
        for secret, form in self.marks.forms():
            for place, name, content, belongs in self.found:
                at = find_code(content, form) if self.marks.noted.get(secret) == "code" else content.find(form)
                if at >= 0 and secret not in belongs:
                    yield place, name, f"{secret}: {content[max(0, at - 60) : at + len(form) + 30]!r}"


def find_code(content: bytes, code: bytes) -> int:
    """Return where six digits stand by themselves, not among others, or -1."""
    found = re.search(rb"(?<![0-9A-Za-z+/])" + code + rb"(?![0-9A-Za-z+/])", content) if code in content else None
    return found.start() if found else -1


class Request(NamedTuple):
    """One request, with marks in it."""

    what: str
    method: str
    url: str
    params: list[tuple[str, Any]]
    headers: dict[str, str]
    content: bytes


class Drive:
    """Somebody who asks a server for everything and keeps every answer."""

    def __init__(self, server: Served, fault: Path, remains: Remains) -> None:
        self.server, self.fault, self.remains = server, fault, remains
        self.marks = remains.marks
        once = httpx2.Limits(max_keepalive_connections=0)  # the server closes what was torn
        self.client = httpx2.Client(base_url=server.url, timeout=60, limits=once, event_hooks={"response": [self.keep]})
        self.clients = open_clients(self.client)  # type: ignore[arg-type]
        signed = self.clients["signed"]
        assert isinstance(signed, Signed)
        self.signed = signed
        self.marks.note(signed.accesskey, "accesskey")
        self.link = ""
        self.credentials: dict[str, str] = {}

    def keep(self, answer: httpx2.Response) -> None:
        """Keep an answer, and note the secrets that it gives."""
        answer.read()
        given = set(self.given(answer))
        asked = f"{answer.request.method} {answer.request.url.path}"
        if answer.request.url.path.endswith(RESET_PAGE):
            given.add(self.link)  # the form has what its link had
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        self.remains.add("answers", f"{asked} {answer.status_code}", f"{head}\n\n".encode() + answer.content, given)

    def given(self, answer: httpx2.Response) -> Iterator[str]:
        """Yield the secrets that an answer gives, and their parts."""
        for cookie in answer.headers.get_list("set-cookie"):
            value = cookie.partition("=")[2].partition(";")[0]
            if value:
                yield self.marks.note(value, "cookie")
        if answer.headers.get("content-type") != "application/json" or not isinstance(answer.json(), dict):
            return
        for name in ("token", "data"):
            token = answer.json().get(name)
            if not isinstance(token, str) or len(token) < 16:
                continue
            yield self.marks.note(token, "token")
            if token.count(".") == 2:
                yield self.marks.note(token.rpartition(".")[2], "signature of a token")
                claims = jwt.decode(token, options={"verify_signature": False})
                yield self.marks.note(claims["jti"], "secret of a session")
            elif "-" in token:
                yield self.marks.note(token.partition("-")[2], "secret of a session")

    # --- what goes well ---------------------------------------------------------------------------------------------

    def walk(self) -> None:
        """Register, log in, change passwords, recover, log out, through every door."""
        for door in self.clients.values():
            forget_counts()
            self.live(door)
        self.recover()

    def password(self) -> str:
        """Return a new password, which not even a bare digest may tell."""
        return self.marks.note(self.marks.make(), "password")

    def live(self, door: ContractClient) -> None:
        """Do all that an account does in a contract."""
        name, first, second = f"{door.stem}-{secrets.token_hex(3)}", self.password(), self.password()
        assert door.succeeded(door.register(name, first))
        assert not door.succeeded(door.register(name, first))
        assert not door.succeeded(door.log_in(name, self.password()))
        credential = door.enter(name, first)
        if isinstance(door, Indexy):
            account = Account.by_username(name).id
            assert door.find(account, credential).status_code == 200
            door.change_password_of(account, first, second)
            door.create(username=f"{name}-2", password=self.password())
            door.update(account, job="farmer")
        else:
            assert door.is_live(credential)
            door.change_password(credential, name, first, second)
        assert door.succeeded(door.log_in(name, second)), door.stem
        if isinstance(door, Dbms):
            assert door.check_login(name, door.enter(name, second)).json()["token"]
        if isinstance(door, Signed):
            door.unregister(door.enter(name, second), name)
        elif isinstance(door, Indexy):
            door.delete(account)
        else:
            door.log_out(door.enter(name, second))

    def recover(self) -> None:
        """Have a code and a link sent, and use them."""
        dbms, indexy = self.clients["dbms"], self.clients["indexy"]
        assert isinstance(dbms, Dbms)
        assert isinstance(indexy, Indexy)
        name = f"recovering-{secrets.token_hex(3)}"
        account = dbms.register(name, self.password()).json()["id"]
        assert indexy.succeeded(indexy.update(account, mobile=MOBILE))
        assert indexy.succeeded(indexy.request_code(MOBILE))
        assert indexy.succeeded(indexy.request_link(dbms.email_of(name)))
        bodies = [message.body for message in OutboxMessage.select().where(OutboxMessage.delivered.is_null())]
        self.remains.add("outbox", "while they wait", "\n".join(bodies))
        folder = self.server.data / "outbox"
        code = self.marks.note(self._delivered(folder, "*.json", r"\b([0-9]{6})\b"), "code")
        self.link = self.marks.note(self._delivered(folder, "*.eml", r"code=([0-9A-Za-z]{32})"), "link")
        indexy.recover_by_mobile(MOBILE, self.marks.code(), self.password())
        assert indexy.succeeded(indexy.recover_by_mobile(MOBILE, code, self.password()))
        assert indexy.succeeded(indexy.request_link(dbms.email_of(name)))
        another = rf"code=((?!{self.link})[0-9A-Za-z]{{32}})"
        self.link = self.marks.note(self._delivered(folder, "*.eml", another), "link")
        assert indexy.show_reset_form(self.link).status_code == 200
        assert indexy.recover_by_link(self.link, self.password()).status_code == 200

    def _delivered(self, folder: Path, files: str, secret: str) -> str:
        """Wait for a message and return the secret in it."""
        found = None
        while not found:
            assert self.server.process.poll() is None, self.server.log
            time.sleep(0.1)
            found = next(filter(None, (re.search(secret, file.read_text()) for file in folder.glob(files))), None)
        return found[1]

    # --- what does not ----------------------------------------------------------------------------------------------

    def ask(self, operations: list[Operation]) -> None:
        """Ask for operations in every way; then again while the server has each of the faults."""
        for operation in operations:
            for logged_in in (False, True):
                self.come_in(operation.contract.stem)
                good = self.well_formed(operation, logged_in)
                for request in [*self.malformed(good, operation), good]:  # the good one may end the session
                    self.send(request)
            self.come_in(operation.contract.stem)
            for fault in FAULTS:
                self.fault.write_text(fault)
                self.send(self.well_formed(operation, logged_in=True))
                self.fault.unlink()
        for raw in self.torn():
            self.send_raw(raw)

    def come_in(self, stem: str) -> None:
        """Log in to a contract with a new account."""
        forget_counts()
        name, password = f"asking-{secrets.token_hex(3)}", self.marks.make()
        self.clients[stem].register(name, password)
        self.credentials[stem] = self.clients[stem].enter(name, password)

    def send(self, request: Request) -> None:
        """Send a request, without the cookies of earlier ones."""
        self.client.cookies.clear()
        _, method, url, params, headers, content = request
        query = urlencode(params, doseq=True, errors="surrogateescape")
        with suppress(httpx2.TransportError):  # a body that is too large is cut off
            self.client.request(method, f"{url}?{query}", headers=headers, content=content)

    def well_formed(self, operation: Operation, logged_in: bool = False) -> Request:
        """Return what an operation accepts, but that every secret is one of ours; and secrets that it never asked for.

        logged_in: with a credential that is live.
        """
        path, query, headers, cookies = operation.path, {}, {}, {}
        parts: dict[str, dict[str, Any]] = {"path": {}, "query": query, "header": headers, "cookie": cookies}
        for parameter in operation.declared["parameters"]:
            value = example(parameter)
            named = value if isinstance(value, dict) else {parameter["name"]: value}
            schema = parameter["schema"]
            parts[parameter["in"]] |= {
                name: self.marked(operation, name, given, schema) for name, given in named.items()
            }
        for scheme in operation.schemes or self._optional(operation):
            parts[scheme["in"]][scheme["name"]] = self.credential(
                operation, scheme, logged_in and bool(operation.schemes)
            )
        for name, value in parts["path"].items():
            path = path.replace(f"{{{name}}}", quote(str(value)))
        content = b""
        if body := operation.declared.get("requestBody"):
            media_type = headers["content-type"] = next(iter(body["content"]))
            content = write_body(media_type, self.body(operation, media_type))
        for name in ("password", "token", "signature", "accesskey"):
            query.setdefault(name, self.marks.make(16))
        headers.setdefault("authorization", f"Bearer {self.marks.make()}")
        cookies["other"] = self.marks.make()
        headers |= {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        headers |= {"referer": f"https://example.com/?password={self.marks.make()}", "x-api-key": self.marks.make()}
        if logged_in and "action" in query and operation.contract.stem == "signed":
            query |= self.signed.signature(query["action"])
        url = operation.contract.base_path + path
        return Request(str(operation), operation.method.upper(), url, list(query.items()), headers, content)

    @staticmethod
    def _optional(operation: Operation) -> list[dict[str, Any]]:
        """Return the first way to be known to an operation that can do without."""
        names = next((way for way in operation.declared["security"] if way), {})
        return [operation.contract.document["components"]["securitySchemes"][name] for name in names]

    def body(self, operation: Operation, media_type: str) -> dict[str, Any]:
        """Return the example of a body, its secrets marked."""
        content = operation.declared["requestBody"]["content"][media_type]
        return {name: self.marked(operation, name, v, content["schema"]) for name, v in example(content).items()}

    def marked(self, operation: Operation, name: str, value: Any, schema: dict[str, Any]) -> Any:
        """Return a mark in the place of a secret; people type passwords where they log in as somebody, too."""
        logs_in = operation.declared["operationId"] == "log_in" and name in ("username", "user_id")
        if not logs_in and not SECRET.search(name):
            return value
        kinds = [schema, *schema.get("oneOf", []), *(part for one in schema.get("allOf", []) for part in one["oneOf"])]
        own = next((kind["properties"][name] for kind in kinds if name in kind.get("properties", {})), schema)
        return self.marks.fit(own)

    def credential(self, operation: Operation, scheme: dict[str, Any], logged_in: bool) -> str:
        """Return a credential of the right form."""
        if logged_in:
            return str(scheme.get("x-first-value", self.credentials[operation.contract.stem]))
        known = {"accessid": "clients", "expires": str(int(time.time()) + 600)}
        if scheme["name"] in known:
            return known[scheme["name"]]
        if operation.contract.stem == "sso":
            return self.marks.web_token()
        return f"1-{self.marks.make(22)}" if operation.contract.stem == "dbms" else self.marks.make(40)

    def malformed(self, good: Request, operation: Operation) -> Iterator[Request]:
        """Yield requests to an operation that are malformed in every way."""
        if "requestBody" in operation.declared:
            for content in self.malformed_bodies(good, operation):
                yield good._replace(content=content)
        yield good._replace(params=[(name, f"{value}{self.marks.make(3000)}") for name, value in good.params])
        yield good._replace(params=[*good.params, *good.params])
        yield good._replace(params=[*good.params, ("page", "\udcff"), ("size", self.marks.make())])
        yield good._replace(url=f"{good.url}/{self.marks.make()}")
        yield good._replace(url=f"{good.url.rpartition('/')[0]}/{self.marks.make()}")
        yield good._replace(method="PATCH")
        yield good._replace(headers=good.headers | {"sec-fetch-site": "cross-site", "origin": "https://evil.example"})
        yield good._replace(headers=good.headers | {"token": self.marks.make(), "date": self.marks.make()})
        yield good._replace(headers=good.headers | {"content-type": f"text/{self.marks.make()}"})
        yield good._replace(content=good.content + self.marks.make(2_000_000).encode())

    def malformed_bodies(self, good: Request, operation: Operation) -> Iterator[bytes]:
        """Yield what a body must not be."""
        media_type = good.headers["content-type"]
        body = self.body(operation, media_type)
        for odd in ({"secret": self.marks.make()}, dict.fromkeys(body, self.marks.make(5000))):
            yield write_body(media_type, body | odd)
        if media_type == FORM:
            yield good.content + b"&" + good.content + b"%ff" + self.marks.make().encode()
            return
        for value in ([self.marks.make()], {"inner": self.marks.make()}, f"\x00\ud83d{self.marks.make()}"):
            yield json.dumps(dict.fromkeys(body, value)).encode()
        yield b'{"password": "' + self.marks.make().encode()
        yield b'"' + self.marks.make().encode() + b'"'
        yield b'{"password": "\xff' + self.marks.make().encode() + b'"}'
        yield urlencode(body).encode()

    def torn(self) -> Iterator[bytes]:
        """Yield what is hardly HTTP."""
        mark, host = self.marks.make, b"Host: localhost\r\n"
        lines = ["GET /login?password={} HTTP/9.9", "GET /login?password={}\x00 HTTP/1.1", "GET {}", "{} / HTTP/1.1"]
        for line in lines:
            yield line.format(mark()).encode() + b"\r\n" + host + b"\r\n"
        yield f"GET http://user:{mark()}@localhost/login?password={mark()} HTTP/1.1\r\n".encode() + host + b"\r\n"
        yield f"GET /login?password={mark(40_000)} HTTP/1.1\r\n".encode() + host + b"\r\n"
        headers = ["Token : {}", "token {}", "Content-Length: {}", "To{}ken:\x00x", "Expect: {}", "Token: {}\x00"]
        for header in [*headers, "Transfer-Encoding: {}", f"Token: {{}}{'z' * 70_000}"]:
            yield b"POST /v1/login HTTP/1.1\r\n" + host + header.format(mark()).encode() + b"\r\n\r\n"
        chunked = b"POST /v1/login HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + host
        yield chunked + f"\r\n{mark()}\r\n".encode()
        yield chunked + f"\r\n5;{mark()}\r\nhello\r\n9\r\n{mark()}\r\n".encode()
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        yield f"GET /login?password={mark()} HTTP/1.1\r\n".encode() + host + upgrade + key

    def send_raw(self, raw: bytes) -> None:
        """Send bytes; keep what comes back."""
        address = urlsplit(self.server.url)
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            answer = b""
            try:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
            except (ConnectionError, TimeoutError):
                pass
        self.remains.add("answers", f"{raw[:60]!r}", answer)


@pytest.fixture
def drive(
    request: pytest.FixtureRequest, tmp_path: Path, collector: Any, settings: Settings
) -> Iterator[Callable[..., Remains]]:
    """Drives a server of its own, `drive("careless")`, and returns all that it left behind."""
    started: list[Served] = []
    begun = time.time()  # what was not written since holds none of its secrets

    def start(*ways: str) -> Remains:
        fault, launcher = tmp_path / "fault", tmp_path / "launch"
        python = ROOT / ".venv" / "bin" / "python"
        launcher.write_text(f"#!/bin/sh\ncd {ROOT}\nexec {python} -m tests.faulty_server {fault} {' '.join(ways)}\n")
        launcher.chmod(0o700)
        url = settings.database_url
        with socket.create_server(("127.0.0.1", 0)) as free:
            metrics = f"127.0.0.1:{free.getsockname()[1]}"
        environment = {
            "ROLLBOOK_DATABASE_URL": url,
            "ROLLBOOK_METRICS_BIND": metrics,
            "ROLLBOOK_OTLP_ENDPOINT": collector.url,
            "ROLLBOOK_RATE_LIMITS": "1",
        }
        started.append(server := Served(tmp_path / "data", environment, str(launcher)))
        remains = Remains(Marks())
        drive = Drive(server, fault, remains)
        with drive.client:
            drive.walk()
            drive.ask([one for one in OPERATIONS if one.contract.stem == "dbms"] if "careless" in ways else OPERATIONS)
        remains.add("metrics", "as they are read", httpx2.get(f"http://{metrics}/metrics").text)
        keep_store(url, remains)  # while its log of writes is there
        server.end()
        remains.add("log", "stdout and stderr", server.log)
        remains.add("traces", "spans", str(collector.spans))
        keep_files(server, remains)
        return remains

    def keep_store(url: str, remains: Remains) -> None:
        for table in models.TABLES:
            remains.add("rows", table._meta.table_name, str(list(table.select().tuples())))
        for words in ("account list", "session list", "key list", "outbox list", "audit list"):
            environment = {**CHEAP, "ROLLBOOK_DATA": str(tmp_path / "data"), "ROLLBOOK_DATABASE_URL": url}
            shown = CliRunner(env=environment).invoke(rollbook, [*words.split(), "--json"])
            assert shown.exit_code == 0, shown.output
            remains.add("rows", words, shown.output)
        connect(url)
        if STORE == "postgresql":
            postgres: PostgresServer = request.getfixturevalue("postgres")
            postgres.execute("CHECKPOINT")
            files = [file for file in postgres.data.rglob("*") if file.is_file() and file.stat().st_mtime >= begun]
        else:
            files = list(tmp_path.glob("*.sqlite3*"))
            assert [file for file in files if file.name.endswith("-wal") and file.stat().st_size]
        for file in files:
            remains.add("files", file.name, file.read_bytes())

    def keep_files(server: Served, remains: Remains) -> None:
        sent = {secret for secret, what in remains.marks.noted.items() if what in ("code", "link")}
        for file in filter(Path.is_file, server.data.rglob("*")):
            remains.add("files", file.name, file.read_bytes(), sent if file.parent.name == "outbox" else None)

    yield start
    for server in started:
        server.end()
    database.close()


@pytest.mark.breaks_contract
def test_no_secret_is_found_where_it_must_not_be(drive: Callable[..., Remains]) -> None:
    remains = drive()
    assert list(remains.leaks()) == []
    assert {place for place, *_ in remains.found} == PLACES
    log = next(content for place, _, content, _ in remains.found if place == "log").decode()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    reached = {(line["contract"], line["operation"], line["status"]) for line in lines if line.get("contract")}
    for operation in OPERATIONS:
        takes_input = operation.declared["parameters"] or "requestBody" in operation.declared
        for status in (400, 500, 503) if takes_input else (500, 503):
            told = {status}
            if status == 400:  # an id that is no number is one that is not there; some tell it all with 200
                told |= {404, 200} if operation.contract.stem in ("annotation", "sso") else {404}
            assert {(operation.contract.stem, operation.declared["operationId"], one) for one in told} & reached


@pytest.mark.breaks_contract
def test_a_server_that_is_careless_is_found_out_at_every_place(drive: Callable[..., Remains]) -> None:
    leaks = list(drive("careless").leaks())
    assert {place for place, *_ in leaks} == PLACES
