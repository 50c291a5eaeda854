"""Values held against the spec, by validators that are compiled once.

Connexion builds its validators anew for each request. Here every schema of an operation is compiled at start
(`jsonschema-rs`), values are checked as Python objects without a detour over text, and messages name the field and
what was expected but never the value, which may be a password.
"""

import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""

C1 = re.compile("[\x80-\x9f]")


def is_visible(text: str) -> bool:
    """Tell whether a text has none of the control characters beyond ASCII, which a portable pattern cannot name."""
    return not C1.search(text)


FORMATS: dict[str, Any] = {"validate_formats": True, "formats": {"visible": is_visible}}
"""Formats that schemas are held to."""


def compile_schema(schema: Schema) -> Check:
    """Compile one schema; a `oneOf` with a discriminator answers for the variant that the value names."""
    if "discriminator" in schema:
        return _compile_variants(schema)
    validator = jsonschema_rs.Draft4Validator(_as_draft4(schema), mask="the value", **FORMATS)
    is_valid, iter_errors = validator.is_valid, validator.iter_errors

    def check(value: Any) -> str | None:
        if is_valid(value):
            return None
        error = next(iter(iter_errors(value)))
        path = ".".join(str(step) for step in error.instance_path)
        return f"{path}: {error.message}" if path else str(error.message)

    return check


def _compile_variants(schema: Schema) -> Check:
    name = schema["discriminator"]["propertyName"]
    named = {
        choice: compile_schema(variant) for variant in schema["oneOf"] for choice in variant["properties"][name]["enum"]
    }

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return 'the value is not of type "object"'
        if name not in value:
            return f'"{name}" is a required property'
        chosen = value[name]
        variant = named.get(chosen) if isinstance(chosen, str) else None
        return variant(value) if variant else f"{name}: one of {', '.join(named)} is expected"

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
    if plain.pop("nullable", False):
        return {"anyOf": [plain, {"type": "null"}]}
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
