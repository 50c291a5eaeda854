"""The contracts as they are published: the specs without what is the server's alone."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from connexion import AsyncApp
from connexion.mock import MockResolver
from starlette.testclient import TestClient

from scripts.tools.harness.examples import documented
from server.contract.answer_headers import declare_headers
from server.specs import SERVER_ONLY, load_contracts
from tests.contracts.test_specs import follow, operations

CONTRACTS = {contract.stem: contract for contract in load_contracts()}
ADDRESS = "https://accounts.example.com/below"

pytestmark = pytest.mark.once("no store is asked")


def differences(source: Any, published: Any, at: str = "") -> Iterator[str]:
    """Yield the place of everything that is not the same."""
    if isinstance(source, dict) and isinstance(published, dict):
        for key in sorted(source.keys() | published.keys()):
            if key in source and key in published:
                yield from differences(source[key], published[key], f"{at} {key}")
            else:
                yield f"{at} {key}"
    elif isinstance(source, list) and isinstance(published, list) and len(source) == len(published):
        for number, (one, other) in enumerate(zip(source, published, strict=True)):
            yield from differences(one, other, f"{at} {number}")
    elif source != published:
        yield at


@pytest.mark.parametrize("stem", CONTRACTS)
def test_a_published_contract_lacks_what_is_the_servers_and_nothing_else(stem: str) -> None:
    source = CONTRACTS[stem].document
    expected = deepcopy(source)
    declare_headers(expected, source)
    found = list(differences(expected, CONTRACTS[stem].published(ADDRESS)))
    told = [where for where in found if where.split()[-1] not in SERVER_ONLY and where != " servers"]
    bodies = [
        f" paths {path} get requestBody"
        for path, method, operation in operations(source)
        if method == "get" and "requestBody" in operation
    ]
    assert told == bodies
    assert any(where.endswith("x-apikeyInfoFunc") for where in found)
    assert bodies or stem != "annotation"


def test_every_answer_declares_the_headers_of_every_answer() -> None:
    """schemathesis and generated clients know of a header what the published contract says."""
    for contract in CONTRACTS.values():
        document = contract.published(ADDRESS)
        for path, method, operation in operations(document):
            source = contract.document["paths"][path][method]
            constant = contract.headers | source.get("x-headers", {})
            for status, answer in follow(document, operation["responses"]).items():
                told = {
                    name: header["schema"]["enum"][0]
                    for name, header in answer["headers"].items()
                    if "enum" in header["schema"]
                }
                assert told == constant, (contract.stem, path, method, status)
                assert answer["headers"]["X-Request-ID"]["required"]
    outline = CONTRACTS["sso"].published(ADDRESS)["paths"]["/Logout"]["get"]["responses"]
    assert all("Deprecation" in answer["headers"] for answer in outline.values())


@pytest.mark.parametrize("stem", CONTRACTS)
def test_the_first_address_is_absolute_and_the_other_relative(stem: str) -> None:
    contract = CONTRACTS[stem]
    first, second = contract.published(ADDRESS)["servers"]
    assert first["url"] == f"{ADDRESS}{contract.base_path}"
    assert second["url"] == f"/below{contract.base_path}"


def test_no_simple_type_hides_behind_a_description() -> None:
    """Behind `allOf` with one reference, generators take it for an object of any kind (openapi-generator#8457)."""
    for contract in CONTRACTS.values():
        published = contract.published(ADDRESS)
        waiting: list[Any] = [follow(published, published)]
        while waiting:
            node = waiting.pop()
            waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
            if isinstance(node, dict) and isinstance(node.get("allOf"), list) and len(node["allOf"]) == 1:
                assert node["allOf"][0].get("type") not in ("string", "integer", "boolean", "number"), node


def test_a_body_that_get_may_have_is_told_in_words() -> None:
    (document,) = (CONTRACTS[stem].document for stem in CONTRACTS if stem == "annotation")
    read = document["paths"]["/user/other"]["get"]
    assert "JSON body" in read["description"]


def accept(value: str) -> dict[str, Any]:
    """Take every key for good: how Connexion is told so in a document that names no function."""
    return {"sub": value}


class Mock(MockResolver):
    """Connexion's mock, which cannot itself tell which of an operation's media types is that of its success."""

    def mock_operation(self, operation: Any, *args: Any, **options: Any) -> Any:
        """Return an example of the first success, with its media type."""
        body, status = super().mock_operation(operation, *args, **options)
        media_types = operation._responses[str(status)].get("content", {})
        return body, status, {"Content-Type": next(iter(media_types))} if media_types else {}


@pytest.mark.parametrize("stem", CONTRACTS)
def test_connexions_own_mock_answers_every_documented_request(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIKEYINFO_FUNC", f"{__name__}.accept")
    contract = CONTRACTS[stem]
    document = contract.published("http://127.0.0.1:8000")
    app = AsyncApp("mock")
    app.add_api(document, resolver=Mock(mock_all=True))
    client = TestClient(app)
    for path, method, operation in operations(follow(document, document)):
        answer = client.request(method, **documented(contract, path, operation))
        assert str(answer.status_code) == min(operation["responses"]), (path, method, answer.text)


def test_fields_of_forms_have_a_type_of_their_own() -> None:
    """A lone `allOf` in a form's field is a fault to Connexion's own form parser (`KeyError: 'type'`)."""
    for contract in CONTRACTS.values():
        for path, _, operation in operations(follow(contract.document, contract.document)):
            content = operation.get("requestBody", {}).get("content", {})
            form = content.get("application/x-www-form-urlencoded", {"schema": {"properties": {}}})["schema"]
            assert all("type" in field for field in form["properties"].values()), (contract.stem, path)


def test_no_link_has_an_object_for_a_body() -> None:
    """openapi-generator takes a text there only: "links.log_out.requestBody is not of type `string`"."""
    for contract in CONTRACTS.values():
        for path, _, operation in operations(contract.document):
            links = [link for answer in operation["responses"].values() for link in answer.get("links", {}).values()]
            assert not any(isinstance(link.get("requestBody"), dict) for link in links), (contract.stem, path)


def test_every_operation_has_one_tag() -> None:
    """Of an operation with two, typescript-fetch of openapi-generator exports the request twice (TS2308)."""
    for contract in CONTRACTS.values():
        declared = {tag["name"] for tag in contract.document["tags"]}
        for path, _, operation in operations(contract.document):
            assert len(operation["tags"]) == 1, (contract.stem, path)
            assert declared.issuperset(operation["tags"])
            assert all(name.isascii() for name in declared)


def test_no_schema_is_called_as_the_constructor_of_another() -> None:
    """Go's clients have a function `NewX` for each type `X` (OpenAPITools/openapi-generator#21857, kiota#3920)."""
    for contract in CONTRACTS.values():
        names = contract.document["components"]["schemas"].keys()
        assert not names & {f"New{name}" for name in names}, contract.stem


def test_json_comes_first_where_a_body_may_come_in_several_media_types() -> None:
    """openapi-generator takes parameters of the first, and names JSON all the same (openapi-generator#9963)."""
    for contract in CONTRACTS.values():
        for path, _, operation in operations(contract.document):
            content = list(operation.get("requestBody", {}).get("content", {}))
            assert "application/json" not in content[1:], (contract.stem, path)
