"""What can be seen of a contract without a server: every mistake, with its file and line and what was expected."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.contract.spec_error import SpecError
from server.contract.validation import compile_schema, merge
from server.settings import SettingError
from server.specs import FOLDER, Contract, Loader, Source, load

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
STATUSES = ("413", "500", "503")
"""What every operation can answer."""
Place = tuple[Any, ...]


class Mistake(NamedTuple):
    """What is wrong, and where."""

    file: Path
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words}"


def mistakes(source: Source) -> Iterator[Mistake]:
    """Yield every mistake of a contract; those that hide others alone."""
    try:
        text = source.spec.read_text("utf-8")
        root = yaml.compose(text, Loader)
    except yaml.MarkedYAMLError as error:
        yield Mistake(source.spec, error.problem_mark.line + 1 if error.problem_mark else 1, f"{error.problem}")
        return
    lines = _lines(root)
    document: Any = yaml.load(text, Loader)  # noqa: S506  # a safe one
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        yield Mistake(source.spec, 1, "an OpenAPI document with paths is expected")
        return
    wrong = False
    for words, place in _invalid(document, source.spec):
        wrong = True
        yield Mistake(source.spec, lines(place), words)
    if wrong:
        return
    for words, place in _unlimited(document):
        yield Mistake(source.spec, lines(place), words)
    try:
        contract = load(source)
    except (SpecError, SettingError) as error:
        in_module = re.fullmatch(r".*\.py, line (\d+)", getattr(error, "place", ""))
        place = (source.handlers, int(in_module[1])) if in_module else (source.spec, _line_of(error, lines))
        yield Mistake(*place, str(error))
        return
    for words, place in [*_operations(contract.document), *_examples(contract.document)]:
        yield Mistake(source.spec, lines(place), words)
    yield from _journey(contract)


def _line_of(error: Exception, lines: Any) -> int:
    """Return the line of the place that an error names: a JSON pointer, or `paths /users post`."""
    place: str = getattr(error, "place", "")
    if place.startswith("/"):
        return int(lines(tuple(step.replace("~1", "/").replace("~0", "~") for step in place[1:].split("/"))))
    return int(lines(tuple(place.split())))


def _lines(root: Any) -> Any:
    """Return what finds the line of a place, or of the nearest one that is written here."""
    found: dict[Place, int] = {}

    def note(node: Any, place: Place) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[*place, str(key.value)] = key.start_mark.line + 1
                note(value, (*place, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                found[*place, str(number)] = value.start_mark.line + 1
                note(value, (*place, str(number)))

    note(root, ())

    def line(place: Place) -> int:
        steps = tuple(map(str, place))
        while steps and steps not in found:
            steps = steps[:-1]
        return found.get(steps, 1)

    return line


def _invalid(document: dict[str, Any], file: Path) -> Iterator[tuple[str, Place]]:
    """Yield in what the document is not OpenAPI 3.0; what refers to the common values is looked up in the house."""
    for error in OpenAPIV30SpecValidator(document, base_uri=(FOLDER / file.name).as_uri()).iter_errors():
        deepest = error
        while deepest.context:
            deepest = max(deepest.context, key=lambda one: len(one.absolute_path))
        yield f"not OpenAPI 3.0: {deepest.message[:200]}", tuple(deepest.absolute_path)


def _nodes(node: Any, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield every mapping but those inside examples, with its place."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            if key not in ("example", "examples", "default"):
                yield from _nodes(value, (*place, key))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _nodes(item, (*place, number))


def _unlimited(document: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    """Yield values without limits."""
    for place, node in _nodes(document):
        kind = node.get("type")
        if not isinstance(kind, str) or "securitySchemes" in place[-2:] or "enum" in node:
            continue
        bounds = {
            "string": () if node.get("format") in ("binary", "date-time") else ("maxLength",),
            "integer": ("minimum", "maximum"),
            "number": ("minimum", "maximum"),
            "array": ("maxItems",),
            "object": ("additionalProperties",),
        }
        missing = [name for name in bounds.get(kind, ()) if name not in node]
        if missing:
            yield f"{kind} without a limit: {' and '.join(missing)} is expected", place


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    """Yield what operations lack."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            place = ("paths", path, method)
            for name in ("summary", "description", "security"):
                if name not in operation:
                    yield f"{name} is missing{': [] where nobody is asked' if name == 'security' else ''}", place
            needed = [*STATUSES, *(["415"] if "requestBody" in operation else [])]
            needed += ["429"] if "x-rate-limit" in operation else []
            for status in needed:
                if status not in operation["responses"]:
                    yield f"responses: {status} is missing, which every such operation can answer", place
            yield from _limits(document, operation, place)


def _limits(document: dict[str, Any], operation: dict[str, Any], place: Place) -> Iterator[tuple[str, Place]]:
    """Yield what lets strangers guess at a password without end."""
    media = operation.get("requestBody", {}).get("content", {})
    schemas = [content["schema"] for content in media.values()]
    schemas += [one["schema"] for one in operation.get("parameters", []) if "schema" in one]
    tried = any(
        merge(node).get("format") == "password" and "x-guarded" not in merge(node)
        for schema in schemas
        for _, node in _nodes(follow(document, schema))
    )
    names = {limit.get("name") for limit in operation.get("x-rate-limit", [])}
    if tried and "login" not in names:
        yield "a password is tried here: x-rate-limit of the name login is expected", place


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    """Yield statuses without an example, and examples that do not fit."""
    for place, node in _nodes(document):
        schema = node.get("schema")
        if not isinstance(schema, dict) or schema.get("format") == "binary":
            continue
        node = follow(document, node)  # noqa: PLW2901  # examples may be references, too
        examples: dict[Place, Any] = {
            ("examples", name, "value"): one["value"] for name, one in node.get("examples", {}).items()
        }
        if "example" in node:
            examples["example",] = node["example"]
        if not examples and "content" in place:
            yield "an example is missing", place
        check = compile_schema(follow(document, schema))
        for name, value in examples.items():
            if wrong := check(value):
                yield f"the example does not fit its schema: {wrong}", (*place, *name)


def follow(document: dict[str, Any], node: Any) -> Any:
    """Return a copy in which every reference is replaced by what it refers to."""
    if isinstance(node, list):
        return [follow(document, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        return follow(document, found)
    return {key: follow(document, value) for key, value in node.items()}


def _requirements(document: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield the security requirements of the operations that ask for a session under every policy."""
    for item in document["paths"].values():
        for method, operation in item.items():
            if method in METHODS and operation.get("security"):
                yield operation["security"]


def _journey(contract: Contract) -> Iterator[Mistake]:
    """Yield what the journey lacks."""
    file = contract.source.journey
    if not file.is_file():
        yield Mistake(file, 1, "missing: what a client does, step by step (Arazzo)")
        return
    try:
        root = yaml.compose(file.read_text("utf-8"), Loader)
    except yaml.MarkedYAMLError as error:
        yield Mistake(file, error.problem_mark.line + 1 if error.problem_mark else 1, f"{error.problem}")
        return
    lines = _lines(root)
    document: Any = yaml.load(file.read_text("utf-8"), Loader)  # noqa: S506  # a safe one
    workflows = document.get("workflows", []) if isinstance(document, dict) else []
    declared = {
        operation["operationId"]
        for item in contract.document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
    }
    taken = set()
    for number, workflow in enumerate(workflows):
        for at, step in enumerate(workflow.get("steps", [])):
            place = ("workflows", number, "steps", at)
            *source, named = str(step.get("operationId")).rpartition("$sourceDescriptions.")[2].split(".")
            if source not in ([], [contract.stem]):
                continue  # a step of another contract, which whoever walks looks for
            taken.add(named)
            if named not in declared:
                yield Mistake(file, lines(place), f"operationId {step.get('operationId')!r}: no such operation")
            if not step.get("successCriteria"):
                yield Mistake(file, lines(place), "successCriteria are missing: what the step expects")
    for name in sorted(declared - taken):
        yield Mistake(file, lines(("workflows",)), f"no step has operationId {name}")
    roles = {step.get("x-role") for workflow in workflows for step in workflow.get("steps", [])}
    has_client = any("x-client" in workflow for workflow in workflows)
    demanded = any({} not in asked for asked in _requirements(contract.document))
    for role in ("register", "log_in", *(["use"] if demanded else [])) if has_client else ():
        if role not in roles:
            yield Mistake(file, lines(("workflows",)), f"no step has x-role: {role}")
    if not has_client and contract.document.get("x-session"):
        yield Mistake(file, lines(("workflows",)), "no workflow has x-client: where the values of a client stand")
