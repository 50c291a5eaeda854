"""What every operation can give, whatever it is for: failures of the server and the protocol, as its spec declares."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import peewee
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from models.db.database import database
from server.contract.media import FORM
from server.specs import Contract, load_contracts
from tests.clients import Signed, open_clients
from tests.contracts.test_specs import follow, operations

TOO_LARGE = b" " * 2_000_000


@dataclass(frozen=True)
class Operation:
    """One operation of a contract; what its spec declares of it has no references left."""

    contract: Contract
    path: str
    method: str
    declared: dict[str, Any]

    @property
    def schemes(self) -> list[dict[str, Any]]:
        """Return the security schemes that a request must satisfy."""
        asked = self.declared["security"]
        names = asked[0] if asked and {} not in asked else {}
        return [self.contract.document["components"]["securitySchemes"][name] for name in names]

    def __str__(self) -> str:
        return f"{self.contract.stem}-{self.declared['operationId']}"


def _operations() -> Iterator[Operation]:
    for contract in load_contracts():
        for path, method, operation in operations(contract.document):
            shared = {"parameters": contract.document["paths"][path].get("parameters", [])}
            yield Operation(contract, path, method, follow(contract.document, shared | operation))


OPERATIONS = list(_operations())

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def make_send(client: TestClient) -> Callable[..., Response]:
    """Return what sends an operation what it accepts: its own examples, and a credential if it asks for one.

    changes: parts of the request, in the client's words, that are to be others.
    """
    clients = open_clients(client)
    clients["sso"].register("alice", "correct horse")
    credentials = {stem: door.enter("alice", "correct horse") for stem, door in clients.items()}

    def send_examples(operation: Operation, **changes: Any) -> Response:
        stem, path = operation.contract.stem, operation.path
        parts: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
        for parameter in operation.declared["parameters"]:
            value = example(parameter)
            parts[parameter["in"]] |= value if isinstance(value, dict) else {parameter["name"]: value}
        for scheme in operation.schemes:
            parts[scheme["in"]][scheme["name"]] = scheme.get("x-first-value", credentials[stem])
        if isinstance(door := clients[stem], Signed):
            parts["query"] |= door.signature(parts["query"]["action"])
        for name, value in parts["path"].items():
            path = path.replace(f"{{{name}}}", quote(str(value)))
        parts["query"] |= changes.pop("query", {})
        headers = parts["header"] | {"cookie": urlencode(parts["cookie"])}
        if body := operation.declared.get("requestBody"):
            media_type = headers["content-type"] = next(iter(body["content"]))
            changes.setdefault("content", write_body(media_type, example(body["content"][media_type])))
        headers |= changes.pop("headers", {})
        url = operation.contract.base_path + path
        return door.send(operation.method.upper(), url, params=parts["query"], headers=headers, **changes)

    return send_examples


@pytest.fixture
def send(client: TestClient) -> Callable[..., Response]:
    """Sends an operation what it accepts."""
    return make_send(client)


def example(node: dict[str, Any]) -> Any:
    """Return the first example of a parameter or body, or that of its schema."""
    examples = [example["value"] for example in node.get("examples", {}).values()]
    return examples[0] if examples else node.get("example", node["schema"].get("example"))


def write_body(media_type: str, value: Any) -> bytes:
    """Return a body as a client writes it."""
    return urlencode(value).encode() if media_type == FORM else json.dumps(value).encode()


def _expect(answer: Response, status: int, operation: Operation) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == operation.contract.failure_media_type
    assert ("retry-after" in answer.headers) == (status == 503)


@every_operation
@pytest.mark.parametrize(
    ("error", "status"), [(peewee.OperationalError("away"), 503), (RuntimeError("unforeseen"), 500)], ids=["503", "500"]
)
def test_a_store_that_is_away_and_a_bug_are_told(
    send: Callable[..., Response],
    operation: Operation,
    error: Exception,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(type(database.obj), "execute_sql", fail)
    _expect(send(operation), status, operation)


@every_operation
def test_a_body_that_is_too_large_is_told(send: Callable[..., Response], operation: Operation) -> None:
    _expect(send(operation, content=TOO_LARGE), 413, operation)


@every_operation
def test_a_url_and_headers_that_are_too_large_are_told(send: Callable[..., Response], operation: Operation) -> None:
    _expect(send(operation, query={"left-over": "x" * 40_000}), 414, operation)
    _expect(send(operation, headers={"x-left-over": "x" * 40_000}), 431, operation)


@every_operation
def test_a_body_of_another_media_type_is_told_where_there_is_one(
    send: Callable[..., Response], operation: Operation
) -> None:
    answer = send(operation, content=b"<a/>", headers={"content-type": "text/xml"})
    media_types = operation.declared.get("requestBody", {}).get("content", {})
    if FORM in media_types:
        assert answer.status_code in (200, 400), "whatever is no JSON is a form"
    elif media_types:
        _expect(answer, 415, operation)
    else:
        assert answer.status_code not in (413, 415), answer.text
