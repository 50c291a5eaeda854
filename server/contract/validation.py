"""Values held against the spec, by validators that are compiled once.

Connexion builds its validators anew for each request. Here every schema of an operation is compiled at start
(`jsonschema-rs`), values are checked as Python objects without a detour over text, and a fault names the field and what
was expected but never the value, which may be a password.
"""

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from handlers.exceptions import Fault

Schema = dict[str, Any]
Check = Callable[[Any], Fault | None]
"""Returns what is wrong with a value, or None."""

VISIBLE = {"pattern": r"^[^\u0080-\u009f]*$"}
"""The format `visible`: no control characters beyond ASCII. A spec cannot say so, since a portable pattern cannot name
them; the validator's own can, in a fourth of the time of a function of ours."""
KINDS = {
    "type": ("type", "types"),
    "pattern": ("format", ""),
    "format": ("format", ""),
    "oneOf": ("format", ""),
    "anyOf": ("format", ""),
    "enum": ("unknown", ""),
    "minLength": ("too-short", "limit"),
    "maxLength": ("too-long", "limit"),
    "minimum": ("too-small", "limit"),
    "maximum": ("too-large", "limit"),
    "minItems": ("too-few", "limit"),
    "maxItems": ("too-many", "limit"),
}
"""Keyword of JSON Schema -> kind of fault, and where its bound stands."""


def compile_schema(schema: Schema) -> Check:
    """Compile one schema; a `oneOf` with a discriminator answers for the variant that the value names."""
    if "discriminator" in schema:
        return _compile_variants(schema)
    validator = jsonschema_rs.Draft4Validator(_as_draft4(schema), mask="the value", validate_formats=True)
    is_valid, iter_errors = validator.is_valid, validator.iter_errors

    def check(value: Any) -> Fault | None:
        return None if is_valid(value) else _to_fault(next(iter(iter_errors(value))))

    return check


def _to_fault(error: jsonschema_rs.ValidationError) -> Fault:
    """Say in the project's own terms what the validator found."""
    field = ".".join(str(step) for step in error.instance_path if isinstance(step, str))
    said = error.kind.as_dict()
    match error.kind.name:
        case "required":
            return Fault(".".join(filter(None, (field, said["property"]))), "missing")
        case "additionalProperties":
            return Fault(".".join(filter(None, (field, said["unexpected"][0]))), "undeclared")
        case "minProperties":
            return Fault(field, "nothing")
        case name:
            kind, bound = KINDS.get(name, ("format", ""))
            limit = said.get(bound, "")
            if isinstance(limit, list):  # of types, of which one is null where that is as good as nothing
                limit = next(one for one in limit if one != "null")
            return Fault(field, kind, limit)


def _compile_variants(schema: Schema) -> Check:
    name = schema["discriminator"]["propertyName"]
    named = {
        choice: compile_schema(variant) for variant in schema["oneOf"] for choice in variant["properties"][name]["enum"]
    }

    def check(value: Any) -> Fault | None:
        if not isinstance(value, dict):
            return Fault("", "no-object")
        if name not in value:
            return Fault(name, "missing")
        chosen = value[name]
        variant = named.get(chosen) if isinstance(chosen, str) else None
        return variant(value) if variant else Fault(name, "unknown")

    return check


def _as_draft4(node: Any) -> Any:
    """Say OpenAPI's `nullable` in the words of JSON Schema, and drop the names that mean something else there."""
    if isinstance(node, list):
        return [_as_draft4(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_draft4(value) for key, value in node.items() if key not in ("example", "id")}
    if "properties" in node:
        plain["properties"] = {name: _as_draft4(value) for name, value in node["properties"].items()}
    if plain.get("format") == "visible":
        del plain["format"]
        plain["allOf"] = [*plain.get("allOf", []), VISIBLE]
    if plain.pop("nullable", False):
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*(choice for choice in plain["enum"] if choice is not None), None]
    return plain


def _variants(schema: Schema) -> list[Schema]:
    variants: list[Schema] = schema.get("oneOf", [schema])
    return variants


def properties(schema: Schema) -> dict[str, Schema]:
    """Return the properties of an object schema, of all its variants together."""
    members = (item for variant in _variants(schema) for item in variant.get("properties", {}).items())
    return {name: merge(value) for name, value in members}


def merge(schema: Schema) -> Schema:
    """Return a schema with what its `allOf` says: the way in which OpenAPI 3.0 adds words to a reference."""
    merged = {key: value for part in schema.get("allOf", []) for key, value in merge(part).items()}
    return merged | {key: value for key, value in schema.items() if key != "allOf"}


def make_cast(schema: Schema) -> Callable[[str], Any]:
    """Return what turns text into the schema's type; text that is no such thing stays, for the check to refuse."""

    def to_integer(text: str) -> Any:
        digits = text[1:] if text.startswith("-") else text
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text

    def to_boolean(text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)

    def unchanged(text: str) -> str:
        return text

    return {"integer": to_integer, "boolean": to_boolean}.get(merge(schema).get("type", ""), unchanged)
