"""The compiled validators agree with Connexion's own, on whatever the schemas can be given."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from connexion.exceptions import BadRequestProblem
from connexion.spec import Specification
from connexion.uri_parsing import OpenAPIURIParser
from connexion.validators import JSONRequestBodyValidator, ParameterValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from handlers.exceptions import Fault
from server.contract.validation import compile_schema, merge, properties
from server.specs import load_contracts
from tests.contracts.test_specs import operations

Schema = dict[str, Any]

SPECIFICATIONS = {c.stem: (c.document, Specification.load(c.document)) for c in load_contracts()}

# Connexion is told of the same format
C1 = re.compile("[\x80-\x9f]")
Draft4Validator.FORMAT_CHECKER.checks("visible")(lambda value: not isinstance(value, str) or not C1.search(value))

DIFFERENCES = {
    # `$` of Python's regular expressions also matches before a final line break, that of ECMAScript does not
    ("a\n", (("type", "string"), ("pattern", "^a$"))),
}
"""What Connexion lets pass and the compiled validators, on purpose, do not. Values like these are not drawn."""


def _resolved(schema: Any) -> Any:
    """Return plain containers: Connexion's dereferenced specs are lazy."""
    if isinstance(schema, dict):
        return {key: _resolved(value) for key, value in schema.items()}
    return [_resolved(item) for item in schema] if isinstance(schema, list) else schema


def bodies() -> Iterator[Any]:
    """Yield every JSON body that is declared."""
    for stem, (document, specification) in SPECIFICATIONS.items():
        for path, method, operation in operations(document):
            content = specification.get_operation(path, method).get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield pytest.param(
                    _resolved(content["application/json"]["schema"]), id=f"{stem} {operation['operationId']}"
                )


def parameters() -> Iterator[Any]:
    """Yield every parameter that is declared, but the whole queries."""
    for stem, (document, specification) in SPECIFICATIONS.items():
        for path, method, operation in operations(document):
            for declared in specification.get_operation(path, method).get("parameters", []):
                if not properties(declared["schema"]):
                    yield pytest.param(_resolved(declared), id=f"{stem} {operation['operationId']} {declared['name']}")


# --- values ----------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: not text.endswith("\n"))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.sampled_from(["", " ", "a" * 65, "a" * 300, "a\x00b", "\x85", " a", "a\u3000", "user@xyz.com", "a@", "0" * 20]),
    st.lists(TEXT, max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)
"""Anything that JSON can say."""


def fitting(schema: Schema) -> st.SearchStrategy[Any]:
    """Draw values that mostly fit a schema."""
    whole = merge(schema)
    if "oneOf" in whole or "anyOf" in whole:
        return st.one_of([fitting(variant) for variant in whole.get("oneOf", whole.get("anyOf"))])
    if "enum" in whole:
        return st.sampled_from(whole["enum"])
    match whole.get("type"):
        case "object":
            required = {name: fitting(member) for name, member in whole.get("properties", {}).items()}
            optional = {name: required.pop(name) for name in list(required) if name not in whole.get("required", ())}
            return st.fixed_dictionaries(required, optional=optional)
        case "array":
            return st.lists(fitting(whole["items"]), max_size=3)
        case "integer":
            return st.integers(whole.get("minimum"), whole.get("maximum"))
        case "boolean":
            return st.booleans()
        case "string" if "pattern" in whole:
            wanted = st.from_regex(whole["pattern"], fullmatch=True)
            return wanted.filter(lambda text: not text.endswith("\n") and _is_encodable(text))
        case "string":
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=whole.get("maxLength", 20))
    return ODD


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@st.composite
def drawn(draw: st.DrawFn, schema: Schema) -> Any:
    """Draw a value that fits a schema, or one that fits but for one thing, or anything."""
    value = draw(st.one_of(fitting(schema), fitting(schema), ODD))
    if isinstance(value, dict) and draw(st.booleans()):
        names = [*sorted(value), "more"]
        spoiled = draw(st.sampled_from(names))
        if spoiled in value and draw(st.booleans()):
            del value[spoiled]
        else:
            value[spoiled] = draw(ODD)
    return value


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", list(bodies()))
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_body_is_refused_by_both_or_by_none(schema: Schema, data: st.DataObject) -> None:
    value = data.draw(drawn(schema))
    wrong = compile_schema(schema)(value)
    assert bool(wrong) == _refused_by_connexion(schema, value), (wrong, value)


def _refused_by_connexion(schema: Schema, value: Any) -> bool:
    validator = JSONRequestBodyValidator(schema=schema, encoding="utf-8", strict_validation=False)
    try:
        validator._validate(value)
    except BadRequestProblem:
        return True
    return False


@pytest.mark.parametrize("declared", list(parameters()))
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_parameter_is_refused_by_both_or_by_none(declared: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(drawn(declared["schema"]).filter(lambda value: value is not None))
    parser = OpenAPIURIParser([declared], {})
    theirs = ParameterValidator([declared], uri_parser=parser).validate_parameter(declared["in"], value, declared)
    ours = compile_schema(declared["schema"])(value)
    assert bool(ours) == bool(theirs), (ours, theirs, value)


@pytest.mark.parametrize(("value", "schema"), DIFFERENCES)
def test_the_known_differences_are_still_there(value: Any, schema: tuple[tuple[str, Any], ...]) -> None:
    plain = dict(schema)
    assert not _refused_by_connexion(plain, value)
    assert compile_schema(plain)(value)


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": "object", "required": ["name"]}, {}, "name is missing"),
        ({"properties": {"name": {"maxLength": 3}}}, {"name": "secret"}, "name has more than 3 characters"),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, "a is not of type integer"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"admin": 1}, "admin"),
    ],
)
def test_a_message_names_the_field_and_what_was_expected_but_not_the_value(
    schema: Schema, value: Any, words: str
) -> None:
    wrong = compile_schema(schema)(value)
    assert wrong
    assert words in str(wrong)
    assert "secret" not in str(wrong)


def test_a_variant_is_named_by_its_discriminator() -> None:
    variant = {"type": "object", "required": ["action", "id"], "properties": {"action": {"enum": ["go"]}}}
    check = compile_schema({"oneOf": [variant], "discriminator": {"propertyName": "action"}})
    assert check({"action": "go", "id": 1}) is None
    assert check({"action": "go"}) == Fault("id", "missing")
    assert check({"action": "stay"}) == Fault("action", "unknown")
    assert check([]) == Fault("", "no-object")


@pytest.mark.parametrize("character", ["\x80", "\x85", "\x9f"])
def test_a_visible_text_has_no_control_characters_beyond_ascii(character: str) -> None:
    check = compile_schema({"type": "string", "format": "visible"})
    assert check(f"a{character}b")
    assert check("a\x7f\xa0b法外狂徒") is None
