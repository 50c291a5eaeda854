"""Members of a request at any depth: found where the schema declares them, and nowhere else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.db.database import transaction
from models.session import Session
from scripts.tools.docs.contracts import Reader
from server.app import create_app
from server.contract.request_members import compile_pointer, compile_search, find_members, is_required
from server.settings import Settings
from server.specs import load_contracts

SPEC = """\
openapi: 3.0.3
info: {title: Wrapped, version: "1"}
servers: [{url: /wrapped}]
x-failure-media-type: application/problem+json
paths:
  /login:
    post:
      operationId: log_in
      security: []
      x-rate-limit:
        - {name: wrapped-login, per: account, of: /user/email, counts: failures in a row,
           limit: 2, wait: 60, longest: 600, seconds: 600}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Login'}}}
      responses: &responses
        '200': {description: Done., content: {application/json: {schema: {$ref: '#/components/schemas/Told'}}}}
        '400': &failure {description: Not., content: {application/problem+json: {schema: {type: object}}}}
        '401': *failure
        '403': *failure
        '429': *failure
        '500': *failure
  /act:
    post:
      operationId: act
      security: [{token: []}]
      x-documented: owner
      x-action: {places: [body], name: kind}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Act'}}}
      responses: *responses
  /known:
    post:
      operationId: tell
      security: [{basic: []}, {}]
      responses: *responses
components:
  securitySchemes:
    basic: {type: http, scheme: basic, x-basicInfoFunc: handlers.wrapped.find_account}
    token: {type: apiKey, in: header, name: token, x-apikeyInfoFunc: handlers.wrapped.find_session}
  schemas:
    Told: {type: object, properties: {thread: {type: string}}}
    Login:
      type: object
      required: [user]
      properties:
        user:
          allOf: [{$ref: '#/components/schemas/Name'}]
          type: object
          properties: {password: {type: string, format: password}, more: {type: object}}
    Name:
      type: object
      required: [email]
      properties: {email: {type: string, maxLength: 64}}
    Act:
      oneOf: [{$ref: '#/components/schemas/Change'}, {$ref: '#/components/schemas/Look'}]
      discriminator:
        propertyName: kind
        mapping: {change: '#/components/schemas/Change', look: '#/components/schemas/Look'}
    Change:
      type: object
      required: [kind, account]
      properties:
        kind: {type: string, enum: [change]}
        account:
          type: object
          required: [id]
          properties: {id: {type: integer, x-account: id}, secrets: {type: array, items: {format: password}}}
    Look:
      type: object
      required: [kind, account]
      properties:
        kind: {type: string, enum: [look]}
        account: {type: object, required: [id], properties: {id: {type: integer, x-account: id}}}
"""
MODULE = """
import threading
from types import SimpleNamespace

from handlers.dbms import fail
from models.account import Account
from models.session import Session

def find_session(token):
    return {"sub": Session.find("wrapped", token)}

def log_in(body):
    if "password" in body["user"]:
        Account.authenticate(body["user"]["email"], body["user"]["password"])
    return {"thread": threading.current_thread().name}

def find_account(username, password):
    return {"sub": SimpleNamespace(account=Account.authenticate(username, password), id=0)}

def tell():
    return {"thread": threading.current_thread().name}

def act(kind, account, user):
    return {"thread": threading.current_thread().name}
"""


@pytest.fixture
def wrapped(contract_folder: Path, settings: Settings) -> TestClient:
    """A client of a contract whose requests wrap what they say."""
    (contract_folder / "wrapped.yaml").write_text(SPEC)
    (contract_folder / "wrapped.py").write_text(MODULE)
    app: Any = create_app(replace(settings, contracts=str(contract_folder), serve="wrapped", rate_limits=True))
    return TestClient(app, raise_server_exceptions=False)


def _log_in(client: TestClient, name: str, password: str = "wrong", **beside: Any) -> int:
    return client.post("/wrapped/login", json={"user": {"email": name, "password": password}, **beside}).status_code


@pytest.mark.usefixtures("engine")
def test_a_wrapped_name_has_a_counter_of_its_own(wrapped: TestClient, register: Any) -> None:
    register("alice"), register("bob")
    assert [_log_in(wrapped, "alice") for _ in range(3)] == [401, 401, 429]
    assert _log_in(wrapped, "nobody") == 401
    assert _log_in(wrapped, "bob", "correct horse") == 200


@pytest.mark.usefixtures("engine")
def test_a_name_that_is_not_declared_does_not_count(wrapped: TestClient, register: Any) -> None:
    register("alice")
    tried = [_log_in(wrapped, "alice", email=f"other{n}", other={"email": f"x{n}"}) for n in range(3)]
    assert tried == [401, 401, 429]


@pytest.mark.parametrize(
    ("path", "body", "hashes"),
    [
        ("login", {"user": {"email": "alice", "password": "correct horse"}}, True),
        ("login", {"user": {"email": "alice"}}, False),
        ("login", {"user": {"email": "alice", "more": {"password": "x"}}, "password": "x"}, False),
        ("act", {"kind": "change", "account": {"id": 1, "secrets": ["x"]}}, True),
        ("act", {"kind": "change", "account": {"id": 1, "secrets": []}}, False),
        ("act", {"kind": "look", "account": {"id": 1, "secrets": ["x"]}}, False),
    ],
)
def test_who_sends_a_password_is_served_where_passwords_are_hashed(
    wrapped: TestClient, register: Any, engine: str, path: str, body: Any, hashes: bool
) -> None:
    account = register("alice")
    with transaction():
        Session.open(account, "wrapped", "alices")
    if "account" in body:
        body["account"]["id"] = account.id
    answer = wrapped.post(f"/wrapped/{path}", json=body, headers={"token": "alices"})
    assert answer.status_code == 200, answer.text
    thread = answer.json()["thread"]
    assert thread.startswith("logging-in") == hashes
    if engine == "sqlite" and not hashes:
        assert not thread.startswith("store")


@pytest.mark.usefixtures("engine")
def test_a_password_in_a_header_is_checked_where_passwords_are_hashed(wrapped: TestClient, register: Any) -> None:
    register("alice")
    threads = [
        wrapped.post("/wrapped/known", auth=auth).json()["thread"] for auth in (("alice", "correct horse"), None)
    ]
    assert [thread.startswith("logging-in") for thread in threads] == [True, False]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", ["change", "look"])
def test_the_account_that_is_named_in_the_body_is_the_owner(wrapped: TestClient, register: Any, kind: str) -> None:
    alice, bob = register("alice"), register("bob")
    with transaction():
        Session.open(bob, "wrapped", "bobs")

    def act(number: int, **beside: Any) -> int:
        body = {"kind": kind, "account": {"id": number}, **beside}
        return wrapped.post("/wrapped/act", json=body, headers={"token": "bobs"}).status_code

    assert act(bob.id) == 200
    assert act(alice.id) == 403
    assert act(alice.id, id=bob.id) == 403
    assert act(10**6) == 403
    assert wrapped.post("/wrapped/act", json={"kind": kind, "account": {"id": bob.id}}).status_code == 401


# --- schemas ---------------------------------------------------------------------------------------------------------

NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
NUMBER = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
KINDS = {
    "discriminator": {"propertyName": "kind"},
    "oneOf": [
        {"properties": {"kind": {"enum": ["named"]}, "name": {}}, "required": ["name"]},
        {"properties": {"kind": {"enum": ["other"]}, "nick": {}}},
    ],
}


@pytest.mark.parametrize(
    ("schema", "pointer", "value", "found"),
    [
        (NAME, "name", {"name": "a"}, "a"),
        (NAME, "name", {}, None),
        (NAME, "name", ["name"], None),
        ({"properties": {"a/b": {"properties": {"c": NAME}}}}, "a/b c name", {"a/b": {"c": {"name": "a"}}}, "a"),
        ({"allOf": [NAME, NUMBER]}, "name", {"name": "a", "number": 1}, "a"),
        ({"allOf": [NAME, NUMBER]}, "number", {"name": "a", "number": 1}, 1),
        ({"allOf": [{"allOf": [NAME]}], "properties": {"more": {}}}, "name", {"name": "a"}, "a"),
        ({"oneOf": [NAME, NUMBER]}, "name", {"name": "a"}, "a"),
        ({"anyOf": [NAME, NUMBER]}, "number", {"number": 1}, 1),
        # of alternatives only the one that the value is: here `name` is no member that is declared
        ({"oneOf": [{**NAME, "additionalProperties": False}, NUMBER]}, "name", {"name": "a", "number": 1}, None),
        (KINDS, "name", {"kind": "named", "name": "a"}, "a"),
        (KINDS, "name", {"kind": "other", "name": "a"}, None),
        (KINDS, "name", {"kind": ["named"], "name": "a"}, None),
        (KINDS, "name", {"name": "a"}, None),
    ],
)
def test_a_pointer_leads_through_the_schema(schema: Any, pointer: str, value: Any, found: Any) -> None:
    read = compile_pointer(schema, pointer.split(" "))
    assert read
    assert read(value) == found


def test_a_pointer_to_what_is_not_declared_leads_nowhere() -> None:
    for schema in (NAME, KINDS, {"allOf": [NAME]}, {"additionalProperties": NAME}, {}):
        assert compile_pointer(schema, ["user", "name"]) is None
        assert compile_pointer(schema, ["nobody"]) is None


PASSWORD = {"type": "string", "format": "password"}


@pytest.mark.parametrize(
    ("schema", "value", "there"),
    [
        ({"properties": {"a": {"properties": {"b": {"allOf": [PASSWORD]}}}}}, {"a": {"b": "x"}}, True),
        ({"properties": {"a": {"properties": {"b": PASSWORD}}}}, {"b": "x", "a": {}}, False),
        ({"properties": {"a": {}}, "additionalProperties": PASSWORD}, {"b": "x"}, True),
        ({"properties": {"a": {}}, "additionalProperties": PASSWORD}, {"a": "x"}, False),
        ({"type": "array", "items": {"properties": {"a": PASSWORD}}}, [{}, {"a": "x"}], True),
        ({"type": "array", "items": {"properties": {"a": PASSWORD}}}, [{}], False),
        ({"properties": {"a": {"oneOf": [PASSWORD, {"type": "integer"}]}}}, {"a": "x"}, True),
        ({"properties": {"a": {"oneOf": [PASSWORD, {"type": "integer"}]}}}, {"a": 1}, False),
    ],
)
def test_a_kind_of_member_is_found_however_deep(schema: Any, value: Any, there: bool) -> None:
    search = compile_search(schema, lambda schema: schema.get("format") == "password")
    assert search
    assert bool(search(value)) == there
    assert compile_search(schema, lambda schema: "no such" in schema) is None


@pytest.mark.parametrize(
    ("schema", "pointer", "acts", "required"),
    [
        (NAME, "name", "", True),
        ({"properties": NAME["properties"]}, "name", "", False),
        ({"properties": {"a": NAME}}, "a name", "", False),
        ({"required": ["a"], "properties": {"a": NAME}}, "a name", "", True),
        ({"required": ["a"], "properties": {"a": {**NAME, "nullable": True}}}, "a name", "", False),
        ({"required": ["a"], "properties": {"a": {"nullable": True}}}, "a", "", False),
        ({"allOf": [NAME, {"required": ["number"]}], "properties": {"number": {}}}, "number", "", True),
        ({"oneOf": [NAME, NAME]}, "name", "", True),
        ({"oneOf": [NAME, NUMBER]}, "name", "", False),
        (KINDS, "name", "", False),
        (KINDS, "name", "named", True),
        (KINDS, "name", "named other", False),
    ],
)
def test_a_member_is_required_where_every_value_has_it(schema: Any, pointer: str, acts: str, required: bool) -> None:
    assert is_required(schema, pointer.split(" "), acts.split()) == required


def test_members_are_found_with_the_steps_to_them() -> None:
    schema = {"properties": {"a": {"oneOf": [{"properties": {"b": {"x-account": "id"}}}, NAME]}, "c": NAME}}
    assert list(find_members(schema, lambda one: "x-account" in one)) == [(("a", "b"), {"x-account": "id"})]


def test_the_documentation_lists_what_is_wrapped(contract_folder: Path) -> None:
    (contract_folder / "wrapped.yaml").write_text(SPEC)
    (contract_folder / "wrapped.py").write_text(MODULE)
    (contract,) = load_contracts(Settings(contracts=str(contract_folder), serve="wrapped"))
    reader = Reader(contract)
    fields = reader.fields(reader.schema({"$ref": "#/components/schemas/Login"}), "body")
    assert [(one.name, one.required) for one in fields] == [
        ("user", True),
        ("user/email", True),
        ("user/password", False),
        ("user/more", False),
    ]
