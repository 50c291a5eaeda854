"""The specs are the truth: complete, within limits, true to themselves and to the code."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import peewee
import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

import models
from server.contract.credentials import find_function
from server.contract.validation import compile_schema, merge
from server.specs import FOLDER, load_contracts

CONTRACTS = {contract.stem: contract.document for contract in load_contracts()}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
COLUMNS = {
    "Username": "account.username",
    "DisplayName": "account.display_name",
    "Email": "account.email",
    "Mobile": "account.mobile",
    "Domain": "account.domain",
    "Property": "account.property",
    "Photo": "account.photo",
    "Job": "account.job",
    "School": "account.school",
    "Introduct": "account.introduct",
    "ProjectName": "project.name",
    "GraphName": "entity.name",
}
"""Common value types and the columns that they mirror."""

EXPECTED = {"dbms": 8, "sso": 8, "signed": 1, "annotation": 8, "indexy": 17}
READS = (
    "get_user_info get_friends get_friends_applications get_friends_appli get_project_invites "
    "get_entities_json get_relations_json get_triads_json"
)
ACTS = (
    "logout friend_apply friend_apply_accept friend_apply_deny "
    f"project_invite project_invite_accept project_invite_deny change_name {READS}"
)
ACTIONS = {
    ("signed", "/user", "get"): "register login update logout unregister",
    ("annotation", "/user/other", "put"): ACTS,
    ("annotation", "/user/other", "post"): ACTS,
    ("annotation", "/user/other", "get"): READS,
}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation, in the document's order."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def nodes(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping of a document but those inside examples, with its place."""
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from nodes(value, f"{where}/{key}")
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from nodes(item, f"{where}/{number}")


def schemas(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping that describes a value."""
    for where, node in nodes(document):
        if isinstance(node.get("type"), str) and where.split("/")[-2:-1] != ["securitySchemes"]:
            yield where, node


def follow(document: dict[str, Any], node: Any) -> Any:
    """Return a copy in which every reference is replaced by what it refers to."""
    if isinstance(node, list):
        return [follow(document, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return follow(document, found)
    return {key: follow(document, value) for key, value in node.items()}


@pytest.mark.parametrize("stem", ["common", *CONTRACTS])
def test_the_file_is_valid_openapi(stem: str) -> None:
    file = FOLDER / f"{stem}.yaml"
    OpenAPIV30SpecValidator(yaml.safe_load(file.read_text("utf-8")), base_uri=file.as_uri()).validate()


@pytest.mark.parametrize("stem", CONTRACTS)
def test_the_self_contained_document_is_valid_openapi(stem: str) -> None:
    OpenAPIV30SpecValidator(CONTRACTS[stem]).validate()


@pytest.mark.requirement("ASVS 6.3.4")
@pytest.mark.parametrize("stem", CONTRACTS)
def test_every_operation_has_its_function_and_every_function_its_operation(stem: str) -> None:
    module = import_module(f"handlers.{stem}")
    declared = [operation["operationId"] for _, _, operation in operations(CONTRACTS[stem])]
    assert len(declared) == EXPECTED[stem]
    source = inspect.getsource(module)
    lines = [source.index(f"\ndef {name}(") for name in declared]
    assert lines == sorted(lines), "functions stand in the order of the spec"
    answering = {
        name
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }
    acts = {name for table in vars(module).values() if isinstance(table, dict) for name in map(_name, table.values())}
    schemes = CONTRACTS[stem]["components"]["securitySchemes"].values()
    callers = {find_function(scheme).__name__ for scheme in schemes}
    assert answering - acts - callers - {"fail"} == set(declared)


def _name(value: Any) -> str:
    return value.__name__ if inspect.isfunction(value) else ""


@pytest.mark.parametrize(("place", "actions"), ACTIONS.items())
def test_every_documented_action_is_declared_and_has_its_function(place: tuple[str, str, str], actions: str) -> None:
    stem, path, method = place
    document = CONTRACTS[stem]
    operation = follow(document, document["paths"][path][method])
    bodies = [content["schema"] for content in operation.get("requestBody", {}).get("content", {}).values()]
    chosen = [schema for schema in bodies if "discriminator" in schema]
    declared = [list(operation["x-action"].get("requires", {}))] if not chosen else []
    for schema in chosen:
        named = [value for variant in schema["oneOf"] for value in variant["properties"]["action"]["enum"]]
        assert list(schema["discriminator"]["mapping"]) == named
        declared.append(named)
    for parameter in operation.get("parameters", []):
        if parameter["name"] == operation["x-action"]["name"]:
            declared.append(parameter["schema"]["enum"])
            assert list(parameter["examples"]) == parameter["schema"]["enum"]
    assert declared
    assert all(actions_ == actions.split() for actions_ in declared)
    module = import_module(f"handlers.{stem}")
    tables = [table for table in vars(module).values() if isinstance(table, dict)]
    assert any(set(actions.split()) <= table.keys() for table in tables)


def retry_after(header: dict[str, Any]) -> dict[str, Any]:
    """Return how long a client may be told to wait, without whether it is always told and an example."""
    words = header["description"].partition(";")[0].rstrip(".")
    return {"description": words, "schema": header["schema"]}


@pytest.mark.parametrize("stem", CONTRACTS)
def test_a_contract_says_who_answers_for_it_and_what_is_out_of_date(stem: str) -> None:
    document = CONTRACTS[stem]
    info = document["info"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["version"]), "a semantic version"
    assert info["contact"]["name"]
    assert info["license"]["url"].startswith("https://")
    assert document["externalDocs"]["url"] == f"../docs/{stem}"
    for tag in document["tags"]:
        assert tag["name"].isascii()
        assert re.match("[\u4e00-\u9fff]", tag["description"]), "begins in Chinese, as the documents do"
    for path, _, operation in operations(document):
        out_of_date = operation.get("x-headers", {}).get("Deprecation")
        assert bool(out_of_date) == operation.get("deprecated", False), path
        assert out_of_date is None or re.fullmatch("@[0-9]{10}", out_of_date), "RFC 9745"


def test_the_time_to_come_again_is_told_alike_everywhere() -> None:
    told = [
        (stem, status, response["headers"]["Retry-After"])
        for stem, document in CONTRACTS.items()
        for _, _, operation in operations(document)
        for status, response in follow(document, operation["responses"]).items()
        if "Retry-After" in response.get("headers", {})
    ]
    assert {stem for stem, _, _ in told} == set(CONTRACTS)
    assert all(retry_after(header) == retry_after(told[0][2]) for _, _, header in told)
    assert all(header.get("required", False) == (status != "200") for _, status, header in told)


def test_an_operation_that_sets_the_device_cookie_names_it() -> None:
    """OpenAPI 3.0 has one header of a name (OAI/OpenAPI-Specification#1237): a second cookie is told in words."""
    told = {
        f"{stem} {operation['operationId']}": str(
            follow(document, operation["responses"]["200"])["headers"]["Set-Cookie"]
        )
        for stem, document in CONTRACTS.items()
        for _, _, operation in operations(document)
        if operation.get("x-device-cookie")
    }
    assert {"annotation log_in", "indexy log_in"} <= told.keys()
    assert [name for name, header in told.items() if "rollbook_device" not in header] == []


@pytest.mark.parametrize("stem", CONTRACTS)
def test_variants_stand_alone_and_are_named(stem: str) -> None:
    """Own properties or `allOf` beside a `oneOf` are inheritance to generators (openapi-generator#10880)."""
    for where, node in nodes(CONTRACTS[stem]):
        if "oneOf" in node or "anyOf" in node:
            assert not node.keys() & {"properties", "allOf", "additionalProperties", "required"}, where
        if "discriminator" in node:
            assert {variant["$ref"] for variant in node["oneOf"]} == {*node["discriminator"]["mapping"].values()}, where


@pytest.mark.parametrize("stem", CONTRACTS)
def test_what_an_action_takes_is_declared(stem: str) -> None:
    for path, method, operation in operations(CONTRACTS[stem]):
        for declared in (operation[key] for key in ["x-action"] if key in operation):
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            requires, allows = declared.get("requires", {}), declared.get("allows", {})
            assert {declared["name"]} <= names or declared["places"] == ["body"], (path, method)
            assert {name for some in [*requires.values(), *allows.values()] for name in some} <= names
            assert allows.keys() <= requires.keys()


@pytest.mark.parametrize("stem", ["common", *CONTRACTS])
def test_every_value_has_limits(stem: str) -> None:
    document = CONTRACTS.get(stem) or yaml.safe_load((FOLDER / "common.yaml").read_text("utf-8"))
    unlimited = []
    for where, schema in schemas(document):
        kind = schema["type"]
        limited = {
            "string": "maxLength" in schema or "enum" in schema or schema.get("format") in ("binary", "date-time"),
            "integer": {"minimum", "maximum"} <= schema.keys() or "enum" in schema,
            "number": {"minimum", "maximum"} <= schema.keys() or "enum" in schema,
            "array": "maxItems" in schema,
            "object": "additionalProperties" in schema,
        }
        if not limited.get(kind, True):
            unlimited.append(where)
    assert unlimited == []


@pytest.mark.parametrize("stem", CONTRACTS)
def test_every_status_has_an_example_and_every_operation_its_words(stem: str) -> None:
    document = CONTRACTS[stem]
    missing = []
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert {"500", "503"} <= operation["responses"].keys(), (path, method)
        for status, response in follow(document, operation["responses"]).items():
            for media_type, content in response.get("content", {}).items():
                if not content.get("examples") and "example" not in content:
                    missing.append((path, method, status, media_type))
            if status in ("429", "503"):
                assert "Retry-After" in response["headers"], (path, method, status)
    assert missing == []


@pytest.mark.parametrize("stem", CONTRACTS)
def test_every_example_fits_its_schema(stem: str) -> None:
    document = CONTRACTS[stem]
    wrong = []
    for where, node in nodes(follow(document, document["paths"])):
        if not isinstance(node.get("schema"), dict) or node["schema"].get("format") == "binary":
            continue
        check = compile_schema(node["schema"])
        examples = {name: example["value"] for name, example in node.get("examples", {}).items()}
        if "example" in node:
            examples["example"] = node["example"]
        wrong += [(where, name, check(value)) for name, value in examples.items() if check(value)]
    assert wrong == []


@pytest.mark.parametrize("stem", ["common", *CONTRACTS])
def test_the_example_of_a_value_type_fits_it(stem: str) -> None:
    document = CONTRACTS.get(stem) or yaml.safe_load((FOLDER / "common.yaml").read_text("utf-8"))
    for name, schema in document["components"]["schemas"].items():
        whole = follow(document, schema)
        if "example" in whole:
            assert compile_schema(whole)(whole["example"]) is None, name


@pytest.mark.parametrize(("value_type", "column"), COLUMNS.items())
def test_limits_of_value_types_are_those_of_their_columns(value_type: str, column: str) -> None:
    common = yaml.safe_load((FOLDER / "common.yaml").read_text("utf-8"))["components"]["schemas"]
    table, name = column.split(".")
    model = next(model for model in models.TABLES if model._meta.table_name == table)
    field = model._meta.fields[name]
    assert isinstance(field, peewee.CharField)
    assert field.max_length == common[value_type]["maxLength"]


@pytest.mark.parametrize("stem", CONTRACTS)
def test_links_lead_to_operations_of_the_contract_and_every_operation_takes_part(stem: str) -> None:
    document = CONTRACTS[stem]
    declared = {operation["operationId"] for _, _, operation in operations(document)}
    linked = set()
    for _, _, operation in operations(document):
        for response in follow(document, operation["responses"]).values():
            linked |= {link["operationId"] for link in response.get("links", {}).values()}
    assert linked
    assert linked <= declared


@pytest.mark.parametrize("stem", CONTRACTS)
def test_every_security_requirement_names_a_scheme_with_its_function(stem: str) -> None:
    document = CONTRACTS[stem]
    schemes = document["components"]["securitySchemes"]
    for path, method, operation in operations(document):
        assert "security" in operation, (path, method)
        for requirement in operation["security"]:
            for name in requirement:
                assert callable(find_function(schemes[name]))


def test_passwords_are_known_as_such_wherever_they_are_sent() -> None:
    unmarked = []
    for stem, document in CONTRACTS.items():
        for where, node in nodes(follow(document, document["paths"])):
            for name, schema in node.get("properties", {}).items() if "/responses/" not in where else ():
                if "assword" in name and merge(schema).get("format") != "password":
                    unmarked.append((stem, where, name))
    assert unmarked == []


@pytest.mark.requirement("ASVS 6.4.2", "63B hints", "63B questions")
def test_no_contract_knows_hints_or_secret_questions() -> None:
    names = {
        name
        for document in CONTRACTS.values()
        for _, node in nodes(follow(document, document["paths"]))
        for name in [*node.get("properties", {}), *([node["name"]] if isinstance(node.get("in"), str) else [])]
    }
    assert "password" in names
    assert [name for name in names if re.search("hint|question|answer|remind", name, re.IGNORECASE)] == []


def sets(schema: dict[str, Any]) -> bool:
    """Tell whether a password is always about to be set: one that some actions set is tried by others."""
    return "x-guarded" in schema and "actions" not in schema["x-guarded"]


@pytest.mark.requirement("ASVS 6.3.4")
def test_wherever_a_password_is_tried_the_same_limits_hold() -> None:
    tried = {
        (stem, operation["operationId"]): {limit["name"] for limit in operation.get("x-rate-limit", ())}
        for stem, document in CONTRACTS.items()
        for _, _, operation in operations(document)
        if any(
            merge(schema).get("format") == "password" and not sets(merge(schema))
            for where, node in nodes(follow(document, operation))
            if "/responses/" not in where
            for schema in [
                *node.get("properties", {}).values(),
                *([node["schema"]] if isinstance(node.get("in"), str) else []),
            ]
        )
    }
    assert {stem for stem, _ in tried} == set(CONTRACTS)
    assert {place: limits for place, limits in tried.items() if "login" not in limits} == {}
