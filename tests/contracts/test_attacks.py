"""Attacks that were made by hand, kept; those that other tests keep stand beside them in the documentation."""

import email
import email.policy
import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from models.account import Account
from tests.clients import Annotation, ContractClient, Indexy, open_clients
from tests.conftest import ROOT, Served

PASSWORD = "Walk 7 miles home"
PAGE = ROOT / "scripts/tools/docs/pages/attacks.md"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
HIDDEN = "GET /v1/auth HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""The request that is smuggled in."""
POST = "POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def policy() -> str:
    return "guarded"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], dict[str, str]]) -> Iterator[Served]:
    """A server under the policy of those that are exposed."""
    served = Served(tmp_path_factory.mktemp("attacks") / "data", {"ROLLBOOK_POLICY": "guarded", **new_store()})
    yield served
    served.end()


def send(server: Served, request: str) -> list[str]:
    """Send bytes as they are; return the status lines of all that comes back until the server has no more to say."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return re.findall(r"HTTP/1\.[01] \d\d\d", answer.decode("latin-1"))


@pytest.mark.process
@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: +4\r\n\r\nabcd",
        "Content-Length: 0x4\r\n\r\nabcd",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 4 4\r\n\r\nabcd",
        'Transfer-Encoding: chunked\r\n\r\n2;x="\r\n"\r\n{}\r\n0\r\n\r\n',
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_no_request_is_smuggled_in_behind_another(server: Served, head: str) -> None:
    answers = send(server, POST + head + HIDDEN)
    assert len(answers) == 1
    assert answers[0].rpartition(" ")[2] in ("400", "501")


@pytest.mark.process
def test_a_body_that_nobody_asked_for_is_no_request(server: Served) -> None:
    framed = f"GET /v1/auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(HIDDEN)}\r\n\r\n"
    assert send(server, framed + HIDDEN) == ["HTTP/1.1 200"]


@pytest.mark.process
@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("GET /v1/auth HTTP/1.0", "HTTP/1.0 200"),
        ("GET /v1/auth", "HTTP/1.1 400"),
        ("GET /v1/auth HTTP/9.9", "HTTP/1.1 400"),
        ("PRI * HTTP/2.0", "HTTP/1.1 400"),
        ("CONNECT evil.example:80 HTTP/1.1", "HTTP/1.1 404"),
        ("TRACE /v1/auth HTTP/1.1", "HTTP/1.1 405"),
        ("OPTIONS * HTTP/1.1", "HTTP/1.1 404"),
        ("GET http://evil.example/v1/auth HTTP/1.1", "HTTP/1.1 200"),  # guarded: it answers to every name
    ],
)
def test_other_versions_and_forms_of_http_get_no_further(server: Served, request_line: str, answer: str) -> None:
    assert send(server, f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n") == [answer]


@pytest.mark.parametrize("path", ["//evil.example", "/?next=https://evil.example", "/docs?url=//evil.example"])
def test_no_redirect_leaves_this_server(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert answer.headers.get("location", "/docs") == "/docs"


def test_a_secret_that_was_fixed_before_login_is_not_taken(client: TestClient) -> None:
    clients = open_clients(client)
    clients["sso"].register("alice", PASSWORD)
    fixed = {"sessionid": "F" * 40, "indexy_session": "F" * 32}
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in fixed.items())}
    form = {"user_id": "alice", "password": PASSWORD}
    signed_in = clients["annotation"].send("POST", "/user/signin", data=form, headers=cookies)
    assert signed_in.cookies["sessionid"] != fixed["sessionid"]
    body = {"username": "alice", "password": PASSWORD}
    logged_in = clients["indexy"].send("POST", "/indexy-api/api/v1/users/login", json=body, headers=cookies)
    assert logged_in.cookies["indexy_session"] != fixed["indexy_session"]
    assert not clients["annotation"].is_live(fixed["sessionid"])


def test_of_two_cookies_of_one_name_one_counts(client: TestClient) -> None:
    door = Annotation(client)
    open_clients(client)["sso"].register("alice", PASSWORD)
    live = door.enter("alice", PASSWORD)
    tossed = "A" * 40
    statuses = []
    for first, last in ((tossed, live), (live, tossed)):
        cookie = {"cookie": f"sessionid={first}; sessionid={last}"}
        statuses.append(door.send("GET", "/user/other", headers=cookie).json()["ret"])
    assert statuses == [0, -1]


@pytest.mark.parametrize("stem", ["dbms", "sso", "signed", "annotation", "indexy"])
def test_a_nul_is_in_no_name_and_ends_no_password(client: TestClient, stem: str) -> None:
    door: ContractClient = open_clients(client)[stem]
    for name in ("al\0ice", "alice\0", "\0"):
        assert not door.succeeded(door.register(name, PASSWORD))
    whole = f"{PASSWORD}\0and on"
    door.register("alice", whole)
    assert Account.select().count() == 1
    assert not door.enter("alice", PASSWORD)
    assert door.enter("alice", whole)


def test_a_member_that_is_there_twice_counts_once(client: TestClient) -> None:
    body = f'{{"username": "first", "password": "{PASSWORD}", "username": "last"}}'
    assert client.post("/v1/user", content=body, headers=JSON).json()["code"] == "OK"
    assert [account.username for account in Account.select()] == ["last"]


@pytest.mark.parametrize(
    "body",
    [
        {"username": {"$ne": None}, "password": {"$ne": None}},
        {"username": ["alice"], "password": [PASSWORD]},
        {"username": "alice", "password": True},
        {"username": "alice", "password": None},
        ["x"] * 10_000,
        {"username": ["x"] * 10_000, "password": PASSWORD},
        {f"k{number}": number for number in range(10_000)},
        {"username": 10**400, "password": PASSWORD},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_nothing_but_text_is_a_name_or_a_password(client: TestClient, body: Any) -> None:
    open_clients(client)["sso"].register("alice", PASSWORD)
    for path in ("/v1/login", "/v1/user", "/user", "/indexy-api/api/v1/users/login"):
        answer = client.post(path, content=json.dumps(body), headers={**JSON, "token": "default"})
        assert answer.status_code == 400
    assert Account.select().count() == 1


@pytest.mark.parametrize("name", ["' OR 1=1 --", "alice' --", "%", "*", "alice*)(uid=*", '"; DROP TABLE account; --'])
def test_no_name_is_a_pattern_or_a_statement(client: TestClient, name: str) -> None:
    clients = open_clients(client)
    clients["sso"].register("alice", PASSWORD)
    for door in clients.values():
        assert not door.enter(name, PASSWORD), door.stem
    assert Account.select().count() == 1


@pytest.mark.parametrize("field", ["admin", "id", "disabled", "password_hash", "created", "username_key"])
def test_nobody_sets_what_the_contract_does_not_name(client: TestClient, field: str) -> None:
    clients = open_clients(client)
    clients["sso"].register("alice", PASSWORD)
    before = Account.select().tuples().get()
    token, cookie = (clients[stem].enter("alice", PASSWORD) for stem in ("dbms", "indexy"))
    users = "/indexy-api/api/v1/users"
    answers = [
        clients["dbms"].send("PUT", "/user/alice", params={"token": token}, json={field: 1}),
        clients["indexy"].send(
            "PUT", f"{users}/1", json={field: 1}, headers={"cookie": f"{Indexy.stem}_session={cookie}"}
        ),
    ]
    assert [answer.status_code for answer in answers] == [400] * 2, "there is nothing to change"
    assert list(Account.select().tuples()) == [before]
    new = {"username": "bob", "password": PASSWORD, field: 4711, "__proto__": {field: 4711}}
    assert clients["indexy"].send("POST", f"{users}/register", json=new).status_code == 200
    bob = Account.by_username("bob")
    assert 4711 not in bob.__data__.values()
    assert not bob.admin
    assert not bob.disabled


@pytest.mark.parametrize("length", [257, 900_000])
def test_a_password_that_is_too_long_is_never_hashed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    hashed: list[str] = []
    for name in ("hash", "verify_nobody"):
        monkeypatch.setattr(f"models.passwords.hashing.{name}", hashed.append)
    body = {"username": "nobody", "password": "x" * length}
    for path in ("/v1/login", "/v1/user", "/indexy-api/api/v1/users/login"):
        assert client.post(path, json=body, headers={"token": "default"}).status_code == 400
    assert hashed == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (gzip.compress(b'{"username":"x","password":"Walk 7 miles home"}'), {"content-encoding": "gzip", **JSON}, 400),
        ('{"username":"x","password":"Walk 7 miles home"}'.encode("utf-16"), JSON, 400),
        (b'{"username":"\xc0\xaf","password":"Walk 7 miles home"}', JSON, 400),
        (b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>', {"content-type": "text/xml"}, 415),
        (b"username=x&password=Walk+7+miles+home", FORM, 415),
    ],
    ids=["gzip", "utf-16", "overlong", "xml", "form"],
)
def test_a_body_in_disguise_is_not_read(
    client: TestClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert client.post("/v1/user", content=content, headers=headers).status_code == status
    assert Account.select().count() == 0


@pytest.mark.process
def test_a_name_with_line_breaks_adds_nothing_to_a_mail(server: Served) -> None:
    for number, line_break in enumerate("\u2028\u2029"):
        body = {
            "username": f"x{number}{line_break}Bcc: e@evil.example",
            "password": PASSWORD,
            "email": f"m{number}@example.com",
        }
        assert httpx2.post(f"{server.url}/user", json=body).status_code == 201
        asked = httpx2.post(f"{server.url}/indexy-api/api/v1/users/password/email", json={"email": body["email"]})
        assert asked.status_code == 200
    mails = _mails(server.data / "outbox", 2)
    assert sorted(str(mail["To"]) for mail in mails) == ["m0@example.com", "m1@example.com"]
    assert not any(mail["Bcc"] or "evil" in mail.as_string() for mail in mails)
    address = "m@example.com\r\nBcc: e@evil.example"
    refused = httpx2.post(f"{server.url}/user", json={"username": "y", "password": PASSWORD, "email": address})
    assert refused.status_code == 400


def _mails(outbox: Path, number: int) -> list[Any]:
    """Wait until so many mails were delivered; return them."""
    for _ in range(600):
        files = list(outbox.glob("*.eml"))
        if len(files) >= number:
            return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
        time.sleep(0.05)
    raise AssertionError("no mail came")


def test_every_test_that_the_documentation_names_is_there() -> None:
    named = re.findall(r"`(tests/\w+/test_\w+\.py)::(test_\w+)`", PAGE.read_text("utf-8"))
    assert len(named) >= 30
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")]
    assert missing == []
