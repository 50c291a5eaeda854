"""Security schemes as OpenAPI has them: each is read to its bare credential, together and as alternatives."""

import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import handlers
from server.app import create_app
from server.settings import Settings
from server.specs import SpecError, load_contracts
from tests.clients import Dbms

SPEC = """\
openapi: 3.0.3
info: {title: Keys, version: "1"}
servers: [{url: /keys}]
paths:
%s
components:
  securitySchemes:
    query: {type: apiKey, in: query, name: key, x-also-in: body, x-apikeyInfoFunc: handlers.keys.know}
    header: {type: apiKey, in: header, name: X-Key, x-apikeyInfoFunc: handlers.keys.know}
    cookie: {type: apiKey, in: cookie, name: key, x-apikeyInfoFunc: handlers.keys.know}
    bearer: {type: http, scheme: bearer, x-bearerInfoFunc: handlers.keys.know}
    basic: {type: http, scheme: Basic, x-basicInfoFunc: handlers.keys.know_both}
    token: {type: http, scheme: Token, x-httpInfoFunc: handlers.keys.know}
    app: {type: apiKey, in: header, name: X-App, x-apikeyInfoFunc: handlers.keys.know_app}
"""
OPERATION = """\
  /{0}:
    post:
      operationId: tell_{0}
      security: {1}
      responses:
        "200":
          description: What was sent.
          content: {{application/json: {{schema: {{type: object, additionalProperties: true}}}}}}
        "401":
          description: Nobody.
          content: {{application/json: {{schema: {{type: object, additionalProperties: true}}}}}}
        "400":
          description: Wrong.
          content: {{application/json: {{schema: {{type: object, additionalProperties: true}}}}}}
"""
WAYS = {
    **{name: f"[{{{name}: []}}]" for name in ("query", "header", "cookie", "bearer", "basic", "token")},
    "together": "[{app: [], token: []}]",
    "either": "[{token: []}, {bearer: []}]",
}
MODULE = """
from types import SimpleNamespace
from handlers.exceptions import Unauthorized

def session(*key):
    return SimpleNamespace(key=key, account=SimpleNamespace(id=1))

def know(key):
    if key == "wrong":
        raise Unauthorized("not this one")
    return {"sub": session(key)}

def know_both(username, password):
    return {"sub": session(username, password)}

def know_app(key):
    return {"client": key} if key == "app" else None

def tell(user, credential):
    return {"user": user.key, "credential": credential}

tell_query = tell_header = tell_cookie = tell_bearer = tell_basic = tell_token = tell_together = tell_either = tell

def fail(error):
    return {"error": str(error)}, getattr(error, "status", 500)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a contract that tells who called."""
    monkeypatch.setattr(handlers, "__path__", list(handlers.__path__))
    paths = "".join(OPERATION.format(name, way) for name, way in WAYS.items())
    (tmp_path / "keys.yaml").write_text(SPEC % paths)
    (tmp_path / "keys.py").write_text(MODULE)
    yield tmp_path
    handlers.__dict__.pop("keys", None)
    sys.modules.pop("handlers.keys", None)


@pytest.fixture
def keys(folder: Path, settings: Settings) -> TestClient:
    """A client of that contract."""
    app: Any = create_app(replace(settings, contracts=str(folder), serve="keys"))
    return TestClient(app, raise_server_exceptions=False)


def basic(text: bytes) -> dict[str, str]:
    """Return the header that carries a name and a password."""
    return {"authorization": f"Basic {b64encode(text).decode()}"}


SENT: list[tuple[str, dict[str, Any], Any]] = [
    ("query", {"params": {"key": "a b"}}, ["a b"]),
    ("header", {"headers": {"x-key": "abc"}}, ["abc"]),
    ("cookie", {"headers": {"cookie": "other=1; key=abc"}}, ["abc"]),
    ("bearer", {"headers": {"authorization": "Bearer abc"}}, ["abc"]),
    ("bearer", {"headers": {"authorization": "bearer  abc "}}, ["abc"]),
    # a JSON Web Token has dots, and base64 ends with signs of equality
    ("token", {"headers": {"authorization": "Token abc.def=="}}, ["abc.def=="]),
    ("token", {"headers": {"authorization": "TOKEN abc"}}, ["abc"]),
    ("basic", {"headers": basic("张三:pass:word".encode())}, ["张三", "pass:word"]),
    ("basic", {"headers": basic("müller:x".encode("latin-1"))}, ["müller", "x"]),  # before RFC 7617
    ("basic", {"headers": {"authorization": "Basic " + b64encode(b"a:b1").decode().rstrip("=")}}, ["a", "b1"]),
    ("query", {"json": {"key": "abc"}}, ["abc"]),
    ("query", {"data": {"key": "abc"}}, ["abc"]),
    ("query", {"params": {"key": "abc"}, "json": {"key": "wrong"}}, ["abc"]),
    ("together", {"headers": {"x-app": "app", "authorization": "Token abc"}}, ["abc"]),
    ("either", {"headers": {"authorization": "Bearer abc"}}, ["abc"]),
    ("either", {"headers": {"authorization": "Token abc"}}, ["abc"]),
]


@pytest.mark.parametrize(("way", "parts", "known"), SENT)
def test_a_credential_is_read_from_where_the_scheme_says(
    keys: TestClient, way: str, parts: dict[str, Any], known: Any
) -> None:
    answer = keys.post(f"/keys/{way}", **parts)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"user": known, "credential": known[0]}


REFUSED: list[tuple[str, dict[str, Any]]] = [
    *[(way, {}) for way in WAYS],
    ("query", {"params": {"key": "wrong"}, "json": {"key": "abc"}}),
    ("query", {"json": {"key": 5}}),
    ("query", {"content": b"{"}),
    ("query", {"json": ["key"]}),
    ("bearer", {"headers": {"authorization": "abc"}}),
    ("bearer", {"headers": {"authorization": "Bearer"}}),
    ("bearer", {"headers": {"authorization": "Token abc"}}),
    ("basic", {"headers": {"authorization": "Basic a:b"}}),
    ("basic", {"headers": basic(b"nobody")}),
    ("together", {"headers": {"authorization": "Token abc"}}),
    ("together", {"headers": {"x-app": "other", "authorization": "Token abc"}}),
    ("either", {"headers": {"authorization": "Token wrong"}}),
]


@pytest.mark.parametrize(("way", "parts"), REFUSED)
def test_what_is_no_credential_is_refused(keys: TestClient, way: str, parts: dict[str, Any]) -> None:
    answer = keys.post(f"/keys/{way}", **parts)
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("scheme: Token, x-httpInfoFunc", "scheme: Token, x-bearerInfoFunc", "x-httpInfoFunc is missing"),
        ("know_app}", "knows_app}", "there is no function handlers.keys.knows_app"),
        ("type: http, scheme: bearer", "type: oauth2, flows: {}", "apiKey with name and in"),
        ("in: cookie", "in: body", "apiKey with name and in"),
        ("in: header, name: X-Key", "in: header, x-also-in: body, name: X-Key", "beside in: query"),
    ],
)
def test_a_scheme_that_cannot_be_served_ends_the_start(folder: Path, good: str, bad: str, told: str) -> None:
    file = folder / "keys.yaml"
    file.write_text(file.read_text().replace(good, bad))
    with pytest.raises(SpecError, match=f"^keys.yaml: components securitySchemes .*{told}"):
        load_contracts(Settings(contracts=str(folder), serve="keys"))


def test_an_old_client_may_put_the_dbms_token_into_the_body(client: TestClient) -> None:
    dbms = Dbms(client)
    alice, bob = (dbms.register(name, "correct horse").json()["id"] for name in ("alice", "bob"))
    alices, bobs = (dbms.enter(name, "correct horse") for name in ("alice", "bob"))
    changed = client.put(f"/user/{alice}", json={"token": alices, "email": "a@example.com"})
    assert (changed.status_code, changed.json()) == (200, {"id": alice})
    # where both are there, the query counts
    refused = client.put(f"/user/{alice}", params={"token": bobs}, json={"token": alices, "email": "b@example.com"})
    assert refused.status_code == 403
    assert client.get(f"/user/{bob}", params={"token": bobs}).json()["id"] == bob
