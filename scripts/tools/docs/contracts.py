"""The contracts as their pages need them: operations, the acts that one operation may stand for, values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from server.specs import Contract, load_contracts

METHODS = ("get", "put", "post", "delete")
ENGLISH = re.compile(r"(?:(?<=[。\n])|^)[ ]*(?=[A-Za-z`][^\u4e00-\u9fff]{12})")
"""Where a description turns from the document's words to ours: a sentence that begins in English and stays there."""
FOLDED = re.compile(r"(?<=[。，；]) (?=[\u4e00-\u9fff])")
"""The space that YAML leaves where a line of Chinese was folded."""
SCALARS = {"string", "integer", "boolean", "number"}
LONG = 2**31

Schema = dict[str, Any]


FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Told:
    """A description, taken apart. heading: the document's own. document: what it says. decided: what we added."""

    heading: str
    document: str
    decided: str


def take_apart(description: str) -> Told:
    """Tell the document's words from ours."""
    description = FOLDED.sub("", description)
    found = ENGLISH.search(description)
    ours = found.end() if found else len(description)
    document, decided = description[:ours].strip(), description[ours:].strip()
    heading = re.split("。|\n", document, maxsplit=1)[0].strip()
    rest = document.removeprefix(heading).lstrip("。").strip()
    return Told(heading, rest, decided)


@dataclass(frozen=True)
class Field:
    """A value of a request: where it stands, what it may be, what it means."""

    name: str
    place: str
    required: bool
    schema: Schema
    meaning: str


@dataclass(frozen=True)
class Variant:
    """One of the objects that the request of an operation may be. name: the value that says so, or empty."""

    name: str
    told: Told
    fields: list[Field]


class Reader:
    """A contract with its references followed."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.stem = contract.stem
        self.document = contract.document
        self.info = contract.document["info"]
        self.base_path = contract.base_path

    def resolve(self, node: Any) -> Any:
        """Follow a reference, if it is one."""
        while "$ref" in node:
            value: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                value = value[step]
            node = value
        return node

    def schema(self, node: Schema) -> Schema:
        """Return a schema with its reference followed and its `allOf` merged; `x-named` is the name it was known by."""
        named = {"x-named": node["$ref"].rpartition("/")[2]} if "$ref" in node else {}
        node = self.resolve(node)
        own = {key: value for key, value in node.items() if key != "allOf"}
        parts = [*(self.schema(part) for part in node.get("allOf", [])), own]
        merged = {key: value for part in parts for key, value in part.items()}
        if "properties" in merged:
            merged["properties"] = {name: one for part in parts for name, one in part.get("properties", {}).items()}
            merged["required"] = [name for part in parts for name in part.get("required", [])]
        return merged | named

    @cached_property
    def operations(self) -> list["Operation"]:
        """Return all operations, in the order of the spec."""
        return [
            Operation(self, method, path, item)
            for path, item in self.document["paths"].items()
            for method in item
            if method in METHODS
        ]

    @cached_property
    def acts(self) -> int:
        """Count operations; one whose request is one of several objects counts once for each of them."""
        return sum(max(1, len(operation.variants)) for operation in self.operations)

    @property
    def schemes(self) -> dict[str, Schema]:
        """Return the security schemes."""
        schemes: dict[str, Schema] = self.document["components"].get("securitySchemes", {})
        return schemes

    @property
    def values(self) -> dict[str, Schema]:
        """Return the named values that are no objects."""
        named = {name: self.schema(schema) for name, schema in self.document["components"]["schemas"].items()}
        return {name: schema for name, schema in named.items() if self._is_scalar(schema)}

    def _is_scalar(self, schema: Schema) -> bool:
        return all(self.schema(choice).get("type") in SCALARS for choice in schema.get("oneOf", [schema]))

    def fields(self, schema: Schema, place: str) -> list[Field]:
        """Return the properties of an object, those of objects in it as `user/email`."""
        return list(self._fields(schema, place, True, ""))

    def _fields(self, schema: Schema, place: str, required: bool, path: str) -> Iterator[Field]:
        for name, value in schema.get("properties", {}).items():
            is_needed = required and name in schema.get("required", [])
            yield self.field(f"{path}{name}", place, is_needed, value)
            yield from self._fields(self.schema(value), place, is_needed, f"{path}{name}/")

    def field(self, name: str, place: str, required: bool, schema: Schema, meaning: str = "") -> Field:
        """Describe one value."""
        whole = self.schema(schema)
        return Field(name, place, required, whole, meaning or whole.get("description", ""))

    def words(self, schema: Schema) -> str:
        """Say in a few words what a value may be."""
        schema = self.schema(schema)
        if "enum" in schema:
            return " or ".join(f"`{value}`" for value in schema["enum"])
        if "oneOf" in schema:
            return ", or ".join(self.words(variant) for variant in schema["oneOf"])
        kind = schema.get("type", "value")
        if kind == "array":
            return f"list of {self.words(schema['items'])}{_span(schema, 'minItems', 'maxItems', '')}"
        if kind == "string":
            return f"string{_span(schema, 'minLength', 'maxLength', ' characters')}"
        if kind == "integer":
            return f"integer{_span(schema, 'minimum', 'maximum', '')}"
        return str(kind)


def _span(schema: Schema, least: str, most: str, unit: str) -> str:
    low, high = schema.get(least, 0), schema.get(most)
    if high is None or high > LONG:
        return f", at least {low}" if least == "minimum" else ""
    if low == high:
        return f", {low}{unit}"
    return f", {low} to {high}{unit}" if low or least == "minimum" else f", at most {high}{unit}"


class Operation:
    """One operation of a contract."""

    def __init__(self, reader: Reader, method: str, path: str, item: dict[str, Any]) -> None:
        self.reader = reader
        self.method = method.upper()
        self.path = path
        self.spec: dict[str, Any] = item[method]
        self.id: str = self.spec["operationId"]
        self.told = take_apart(self.spec["description"])
        both = [*item.get("parameters", []), *self.spec.get("parameters", [])]
        self.parameters: list[dict[str, Any]] = [reader.resolve(parameter) for parameter in both]
        self.body: dict[str, Any] = reader.resolve(self.spec.get("requestBody", {}))
        self.action: dict[str, Any] = self.spec.get("x-action", {})

    @property
    def full_path(self) -> str:
        """Return the path as it is asked for."""
        return self.reader.base_path + self.path

    @property
    def media_types(self) -> dict[str, Any]:
        """Return what a body may be, a form first: media type -> schema and examples."""
        content: dict[str, Any] = self.body.get("content", {})
        return dict(sorted(content.items(), key=lambda one: one[0] != FORM))

    @property
    def responses(self) -> dict[int, dict[str, Any]]:
        """Return what the operation may answer, by status."""
        return {int(status): self.reader.resolve(answer) for status, answer in self.spec["responses"].items()}

    @property
    def fields(self) -> list[Field]:
        """Return all values of the request, of all its variants together."""
        read = self.reader
        chosen = {one.name for variant in self.variants for one in variant.fields}
        found = [self._field(parameter) for parameter in self.parameters if parameter["name"] not in chosen]
        for content in list(self.media_types.values())[:1]:
            found += [] if self.variants else read.fields(read.schema(content["schema"]), "body")
        return found

    def _field(self, parameter: dict[str, Any], required: bool | None = None) -> Field:
        needed = parameter.get("required", False) if required is None else required
        schema, meaning = parameter["schema"], parameter.get("description", "")
        return self.reader.field(parameter["name"], parameter["in"], needed, schema, meaning)

    @cached_property
    def variants(self) -> list[Variant]:
        """Return the acts among which the request chooses; none where it is always the same."""
        if not self.action:
            return []
        return list(self._acts() if "requires" in self.action else self._choices())

    def _acts(self) -> Iterator[Variant]:
        """Yield the acts that plain parameters make; the first is the one without a name, if there is that."""
        if "without" in self.action:
            yield Variant("", take_apart(self.action["without"]), [])
        named = {parameter["name"]: parameter for parameter in self.parameters}
        told_by = named[self.action["name"]]
        for act, needed in self.action["requires"].items():
            names = [self.action["name"], *needed, *self.action.get("allows", {}).get(act, [])]
            example = told_by["examples"][act]
            heading, told = example["summary"], take_apart(example["description"])
            yield Variant(
                act,
                told if told.heading else Told(heading, told.document, told.decided),
                [self._field(named[name], required=name in (self.action["name"], *needed)) for name in names],
            )

    def _choices(self) -> Iterator[Variant]:
        """Yield the objects of which the body is one."""
        content = next(iter(self.media_types.values()))  # all say the same
        for choice in map(self.reader.schema, self.reader.schema(content["schema"])["oneOf"]):
            name = choice["properties"][self.action["name"]]["enum"][0]  # the others are spellings of it
            yield Variant(name, take_apart(choice["description"]), self.reader.fields(choice, "body"))


def examples(holder: dict[str, Any], reader: Reader) -> dict[str, dict[str, Any]]:
    """Return the named examples of a parameter, a body or an answer; a single one has no name."""
    if "examples" in holder:
        return {name: reader.resolve(example) for name, example in holder["examples"].items()}
    if "example" in holder:
        return {"": {"value": holder["example"]}}
    schema = reader.schema(holder.get("schema", {}))
    return {"": {"value": schema["example"]}} if "example" in schema else {}


def readers() -> dict[str, Reader]:
    """Return all contracts by stem."""
    return {contract.stem: Reader(contract) for contract in load_contracts()}
