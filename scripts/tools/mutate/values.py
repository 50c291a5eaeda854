"""Values at the bounds of a schema, and just past them: each past one bound, and within all others."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from server.contract.validation import Schema, compile_schema, merge

UNUSUAL = ("\x01", "\x0b", "\x7f", "\x85", "\n", " ", "/", "@", "-", "é", "字", "0", "9", "Z", "x", "(", "+", "　")
"""Characters that patterns tell apart."""
LONGEST = 20_000
"""Characters of a value that still fits into a URL."""
STRANGER = "no-such-value"


class Value(NamedTuple):
    """A value to try. label: which bound it is at or past."""

    label: str
    value: Any
    fits: bool


def try_values(schema: Schema, usual: Any, textual: bool) -> Iterator[Value]:
    """Yield what to try of a schema. usual: a value that fits. textual: everything arrives as text."""
    schema = merge(schema)
    if "oneOf" in schema or "anyOf" in schema:
        return
    match schema.get("type"):
        case "string" if "enum" not in schema:
            yield from _texts(schema, str(usual))
        case "integer" | "number":
            yield from _numbers(schema)
        case "array":
            yield from _lists(schema, usual)
    for number, choice in enumerate(schema.get("enum", ())):
        yield Value(f"enum {number} of {len(schema['enum'])}", choice, True)
    if "enum" in schema:
        yield Value("past enum", STRANGER, False)
    if not textual and schema.get("type") in ("string", "integer", "boolean"):
        yield Value("of another type", {"a": [1]}, False)


def _without(schema: Schema, *words: str) -> Schema:
    return {name: value for name, value in schema.items() if name not in words}


def _fits(schema: Schema, value: Any) -> bool:
    return compile_schema(schema)(value) is None


def _first(schema: Schema, candidates: Iterator[str]) -> str | None:
    check = compile_schema(schema)
    return next((one for one in candidates if one.strip() == one and check(one) is None), None)


def _of_length(usual: str, length: int) -> Iterator[str]:
    """Yield texts of a length that are as like the usual one as may be."""
    if length <= len(usual):
        yield from (usual[:length], usual[len(usual) - length :])
    for filler in ("a", "1", "字"):
        yield filler * (length - len(usual)) + usual
        yield usual + filler * (length - len(usual))
        yield filler * length


def _texts(schema: Schema, usual: str) -> Iterator[Value]:
    bounds = {"maxLength": 1, "minLength": -1}
    for word, step in bounds.items():
        bound = schema.get(word, LONGEST)
        if bound >= LONGEST:
            continue
        at = _first(schema, (one for one in _of_length(usual, bound) if len(one) == bound and one))
        beyond = bound + step
        past = _first(_without(schema, word), (one for one in _of_length(usual, beyond) if len(one) == beyond and one))
        if at is not None:
            yield Value(f"at {word}", at, True)
            if word == "maxLength":
                yield Value("at maxLength with spaces around", f" {at} ", "x-trim" in schema)
        if past is not None:
            yield Value(f"past {word}", past, False)
    for word in {"pattern", "format"} & schema.keys():
        for number, character in enumerate(UNUSUAL):
            value = usual[:1] + character + (usual[1:] or usual)
            if _fits(schema, value):
                yield Value(f"{word} with {number}", value, True)
            elif _fits(_without(schema, word), value):
                yield Value(f"past {word} with {number}", value, False)


def _numbers(schema: Schema) -> Iterator[Value]:
    for word, step in {"maximum": 1, "minimum": -1}.items():
        if word in schema:
            yield Value(f"at {word}", schema[word], True)
            yield Value(f"past {word}", schema[word] + step, False)
    if "enum" not in schema:
        yield Value("no number", "x", False)


def _lists(schema: Schema, usual: Any) -> Iterator[Value]:
    item = usual[0] if isinstance(usual, list) and usual else merge(schema["items"]).get("example", "a")
    if "maxItems" in schema:
        for label, number, fits in (("at", 0, True), ("past", 1, False)):
            yield Value(f"{label} maxItems", [item] * (schema["maxItems"] + number), fits)
    for value in try_values(schema["items"], item, textual=True):
        if value.value != "":
            yield value._replace(label=f"item {value.label}", value=[value.value])


def usual_value(schema: Schema) -> Any:
    """Return a value that fits."""
    schema = merge(schema)
    if "example" in schema:
        return schema["example"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "array":
            return [usual_value(schema["items"])]
        case "boolean":
            return True
    return _first(schema, (filler * schema.get("minLength", 1) for filler in ("a", "1", "a@a.a"))) or "a"
