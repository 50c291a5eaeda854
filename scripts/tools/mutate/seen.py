"""What was seen of what is declared: statuses, examples to the word, and every way an answer may look."""

import json
import re
from collections.abc import Iterator
from typing import Any

from scripts.tools.journeys.arazzo import ABSENT
from scripts.tools.mutate.envelope import Envelope
from server.cli.contract_check import follow
from server.contract.validation import Check, compile_schema
from server.specs import Contract

TIME = re.compile(r"\d{4}-\d\d-\d\d")
Mark = tuple[str, str]
"""Place in the document, and what was seen there: `null`, `absent`, `given`, or a value of an enum."""


class Seen:
    """What operations were seen to answer: operation -> status -> bodies."""

    def __init__(self, contract: Contract, operations: dict[str, dict[str, Any]], envelope: Envelope) -> None:
        self.operations = operations
        self.envelope = envelope
        self.bodies: dict[str, dict[str, list[Any]]] = {name: {} for name in operations}
        self.answers = _Answers(contract)

    def note(self, operation: str, status: str, body: Any) -> None:
        """Remember an answer. body: ABSENT where it has none, or none that is JSON."""
        bodies = self.bodies[operation].setdefault(status, [])
        if body is not ABSENT:
            bodies.append(body)

    def missing(self, probed: set[str], limits: bool) -> Iterator[str]:
        """Yield what is declared and was never seen. probed: operations. limits: whether they were used up."""
        shown: dict[str, list[tuple[str, str]]] = {}
        for name, operation in self.operations.items():
            for status, response in operation["responses"].items():
                examples = [one for one in _examples(response) if limits or one[1] != self.envelope.throttled]
                for _, value in examples:
                    shown.setdefault(json.dumps(value, sort_keys=True), []).append((name, status))
                if name in probed and (examples or not _examples(response)):
                    yield from self._missing_of(name, status, examples)
        for text, places in shown.items():
            value = json.loads(text)
            is_failure = any(status >= "400" for _, status in places) or not self.envelope.says_yes(value)
            is_seen = any(value in self.bodies[name].get(status, []) for name, status in places)
            if is_failure and not is_seen and all(name in probed for name, _ in places):
                yield f"{' '.join(sorted({name for name, _ in places}))}: {text} was never seen"
        yield from self.answers.missing(self.bodies, probed)

    def _missing_of(self, name: str, status: str, examples: list[tuple[str, Any]]) -> Iterator[str]:
        bodies = self.bodies[name].get(status)
        if bodies is None:
            yield f"{name}: {status} was never seen"
        elif status >= "400" and examples and not any(value in bodies for _, value in examples):
            yield f"{name}: {status}: none of its examples was seen"
        elif status < "400":
            for label, value in examples:
                if self.envelope.says_yes(value) and _differs(value, bodies):
                    yield f"{name}: {status}: example {label} is not what is answered"


def _examples(response: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the examples of an answer as JSON, by name."""
    return [
        (name, example["value"])
        for media_type, content in response.get("content", {}).items()
        if media_type.endswith("json")
        for name, example in content.get("examples", {}).items()
    ]


def _differs(example: Any, bodies: list[Any]) -> bool:
    """Tell whether an example of success is none that could be answered: by shape, or where all answers are alike."""
    alike = [dict(_leaves(body)) for body in bodies if _shape(body) == _shape(example)]
    for place, value in _leaves(example):
        found = {one.get(place, ABSENT) for one in alike}
        if (
            isinstance(value, str)
            and not TIME.match(value)
            and len(alike) > 1
            and len(found) == 1
            and value not in found
        ):
            return True
    return not alike


def _shape(value: Any) -> Any:
    """Return a value without what it holds: names and types; of a list those of its first entry."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value[:1]]
    return type(value).__name__


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, f"{place}/{key}")
    else:
        yield place, value


class _Answers:
    """The schemas of answers, as the document has them: what may be null, absent, or one of some values."""

    def __init__(self, contract: Contract) -> None:
        self.document = contract.document
        self.checks: dict[str, Check] = {}
        self.schemas: dict[str, list[tuple[str, str, Any]]] = {}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if not isinstance(operation, dict) or "responses" not in operation:
                    continue
                found = self.schemas.setdefault(operation["operationId"], [])
                for status, one in operation["responses"].items():
                    response = self._resolve(one["$ref"]) if "$ref" in one else one
                    for media_type, content in response.get("content", {}).items():
                        if media_type.endswith("json"):
                            place = f"{one.get('$ref', f'{method} {path} {status}')} {media_type}"
                            found.append((status, place, content["schema"]))

    def missing(self, bodies: dict[str, dict[str, list[Any]]], probed: set[str]) -> Iterator[str]:
        """Yield what may be, and was never seen."""
        declared: dict[Mark, set[str]] = {}
        seen: set[Mark] = set()
        for name, schemas in self.schemas.items():
            for status, place, schema in schemas:
                for mark in self._marks(schema, place, frozenset()):
                    declared.setdefault(mark, set()).add(name)
                for body in bodies[name].get(status, []):
                    seen.update(self._found(schema, place, body))
        for mark, names in declared.items():
            if mark not in seen and names <= probed:
                yield f"{mark[0]}: {mark[1]} was never seen"

    def _resolve(self, reference: str) -> Any:
        found: Any = self.document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        return found

    def _marks(self, schema: Any, place: str, above: frozenset[str]) -> Iterator[Mark]:
        if "$ref" in schema:
            if schema["$ref"] not in above:
                yield from self._marks(self._resolve(schema["$ref"]), schema["$ref"], above | {schema["$ref"]})
            return
        if schema.get("nullable"):
            yield place, "null"
        yield from ((place, json.dumps(value)) for value in schema.get("enum", ()))
        for word in ("allOf", "anyOf", "oneOf"):
            for number, one in enumerate(schema.get(word, ())):
                yield from self._marks(one, f"{place}/{word}/{number}", above)
        for name, one in schema.get("properties", {}).items():
            if name not in schema.get("required", ()):
                yield from ((f"{place}/{name}", mark) for mark in ("absent", "given"))
            yield from self._marks(one, f"{place}/{name}", above)
        if "items" in schema:
            yield from self._marks(schema["items"], f"{place}/items", above)

    def _found(self, schema: Any, place: str, value: Any) -> Iterator[Mark]:
        if "$ref" in schema:
            yield from self._found(self._resolve(schema["$ref"]), schema["$ref"], value)
            return
        if value is None:
            yield place, "null"
        if "enum" in schema:
            yield place, json.dumps(value)
        for word in ("allOf", "anyOf", "oneOf"):
            for number, one in enumerate(schema.get(word, ())):
                inner = f"{place}/{word}/{number}"
                if word == "allOf" or self._fits(inner, one, value):
                    yield from self._found(one, inner, value)
        if isinstance(value, dict):
            for name, one in schema.get("properties", {}).items():
                if name in value:
                    yield f"{place}/{name}", "given"
                    yield from self._found(one, f"{place}/{name}", value[name])
                else:
                    yield f"{place}/{name}", "absent"
        if isinstance(value, list) and "items" in schema:
            for one in value:
                yield from self._found(schema["items"], f"{place}/items", one)

    def _fits(self, place: str, schema: Any, value: Any) -> bool:
        if place not in self.checks:
            self.checks[place] = compile_schema(follow(self.document, schema))
        return self.checks[place](value) is None
