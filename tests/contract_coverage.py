"""The contract contract_coverage: what the specs declare, line by line, beside what servers were seen to answer."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scripts.tools.contract_coverage import digest
from server.cli.contract_check import follow
from server.specs import FOLDER, load_contracts

Pair = tuple[str, str, str | None, int, str | None]
"""Contract, operation, action, status, media type. No action: whatever was asked for. No media type: no body."""

TOO_LONG = (414, 431)
"""What is told before an operation is looked for: counted for all operations of a contract, which declare it."""
SUCCESS = {"code": "OK", "ret": 0, "errno": None}
"""What a body of status 200 says of itself where all is well; where it says something else, it is a failure, too."""
OF_HTTP = {"content-length", "content-type"}
"""What HTTP itself needs; OpenAPI declares the type with the body."""
OF_CORS = {f"access-control-{name}" for name in ("allow-origin", "allow-credentials", "expose-headers")} | {"vary"}
"""What browsers are told where the operator names sites; no contract's business."""
BEFORE_ROUTING = (404, 405, *TOO_LONG, 503)
"""What a path of a contract answers where no operation is meant; 503 where a proxy speaks that nobody told of."""


class Example(NamedTuple):
    """An example of a failure. line: of the spec."""

    name: str
    status: int
    media_type: str
    line: int
    value: Any


@dataclass(frozen=True)
class Declared:
    """An operation as its spec has it, each thing with its line.

    answers: status and media type -> line. actions: action -> line; the empty one is the request that names none.
    """

    line: int
    answers: dict[tuple[int, str | None], int]
    actions: dict[str, int]
    failures: tuple[Example, ...] = ()


@dataclass
class Seen:
    """What servers were seen to answer.

    breaches: contract, operation, what would have broken the spec -> the first test in which.
    """

    times: Counter[Pair] = field(default_factory=Counter)
    example: dict[Pair, str] = field(default_factory=dict)
    breaches: dict[tuple[str, str | None, str], str] = field(default_factory=dict)
    astray: set[tuple[str, int, str]] = field(default_factory=set)
    """Contract, status and test of answers that belong to no operation."""
    headers: dict[tuple[str, str, int, str], str] = field(default_factory=dict)
    """Contract, operation, status, header -> the first test in which it was sent."""
    bodies: set[tuple[Pair, str]] = field(default_factory=set)
    """What was answered, without an action, and the digest of its body."""


# --- what is declared ------------------------------------------------------------------------------------------------


class Document:
    """A spec as its lines."""

    def __init__(self, stem: str, folder: Path = FOLDER) -> None:
        self.root = yaml.compose((folder / f"{stem}.yaml").read_text("utf-8"), yaml.SafeLoader)

    def members(self, node: Any) -> dict[str, tuple[int, Any]]:
        """Return the members of a mapping, references inside the file followed: name -> line, value."""
        members = {name.value: (name.start_mark.line + 1, value) for name, value in node.value}
        reference = members["$ref"][1].value if "$ref" in members else ""
        if not reference.startswith("#/"):
            return members
        node = self.root
        for step in reference.split("/")[1:]:
            node = self.members(node)[step][1]
        return self.members(node)

    def operations(self) -> Iterator[tuple[str, Declared]]:
        """Yield every operation by its name."""
        for _, path in self.members(self.members(self.root)["paths"][1]).values():
            for line, node in self.members(path).values():
                if isinstance(node, yaml.MappingNode) and "operationId" in (operation := self.members(node)):
                    answers, actions = dict(self._answers(operation)), dict(self._actions(operation))
                    declared = Declared(line, answers, actions, tuple(self._failures(operation)))
                    yield operation["operationId"][1].value, declared

    def _answers(self, operation: dict[str, tuple[int, Any]]) -> Iterator[tuple[tuple[int, str | None], int]]:
        for status, (line, response) in self.members(operation["responses"][1]).items():
            here = response.start_mark.line, response.end_mark.line
            content = self.members(response).get("content")
            if content is None:
                yield (int(status), None), line
                continue
            for media_type, (inner, _) in self.members(content[1]).items():
                yield (int(status), media_type), inner if here[0] < inner <= here[1] else line

    def _failures(self, operation: dict[str, tuple[int, Any]]) -> Iterator[Example]:
        """Yield the examples of failures."""
        for status, (_, response) in self.members(operation["responses"][1]).items():
            content = self.members(response).get("content")
            for media_type, (_, body) in self.members(content[1]).items() if content else ():
                for name, line, node in self._examples(self.members(body)):
                    value = yaml.constructor.SafeConstructor().construct_document(node)
                    if int(status) >= 400 or _fails(value):
                        yield Example(name, int(status), media_type, line, value)

    def _examples(self, body: dict[str, tuple[int, Any]]) -> Iterator[tuple[str, int, Any]]:
        """Yield name, line and value of what stands as `example` or under `examples`."""
        if "example" in body:
            yield "example", *body["example"]
        named = self.members(body["examples"][1]) if "examples" in body else {}
        for name, (line, example) in named.items():
            yield name, line, self.members(example)["value"][1]

    def _actions(self, operation: dict[str, tuple[int, Any]]) -> Iterator[tuple[str, int]]:
        """Yield what tells apart the acts of an operation; an empty text if it may be left out."""
        action = self.members(operation["x-action"][1]) if "x-action" in operation else {}
        if "without" in action:
            yield "", action["without"][0]
        if "requires" in action:
            yield from ((name, at) for name, (at, _) in self.members(action["requires"][1]).items())
        elif action:
            content = self.members(self.members(operation["requestBody"][1])["content"][1])
            for _, media_type in content.values():
                schema = self.members(self.members(media_type)["schema"][1])
                mapping = self.members(schema["discriminator"][1])["mapping"][1]
                yield from ((name, at) for name, (at, _) in self.members(mapping).items())


def _fails(body: Any) -> bool:
    return isinstance(body, dict) and any(body.get(name, good) != good for name, good in SUCCESS.items())


def read_specs() -> dict[str, dict[str, Declared]]:
    """Return all operations of all contracts."""
    return {contract.stem: dict(Document(contract.stem).operations()) for contract in load_contracts()}


# --- what was seen ---------------------------------------------------------------------------------------------------


def read_answers(lines: Iterable[str]) -> Seen:
    """Count the lines that servers wrote; each belongs to the test that was begun last."""
    seen = Seen()
    test, on_purpose = "", False
    for entry in map(json.loads, lines):
        if "test" in entry:
            test, on_purpose = entry["test"], entry["breaks_contract"]
        elif not on_purpose:
            _count(seen, entry, test)
    return seen


def _count(seen: Seen, entry: dict[str, Any], test: str) -> None:
    contract, operation, status = entry["contract"], entry["operation"], entry["status"]
    if operation is None:
        if status not in BEFORE_ROUTING:
            seen.astray.add((contract, status, test))
        if status not in TOO_LONG:
            return
    if operation is not None:
        for header in entry["headers"]:
            seen.headers.setdefault((contract, operation, status, header), test)
    for action in {None, entry["action"] if status == 200 else None}:
        pair = contract, operation, action, status, entry["media_type"]
        seen.times[pair] += 1
        seen.example.setdefault(pair, test)
    if entry["body"]:
        seen.bodies.add(((contract, operation, None, status, entry["media_type"]), entry["body"]))
    if entry["breach"]:
        seen.breaches.setdefault((contract, operation, entry["breach"]), test)


# --- both, side by side ----------------------------------------------------------------------------------------------


def compare(specs: dict[str, dict[str, Declared]], seen: Seen) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for every declared pair, and what is wrong, each with file and line.

    All statuses count for the operation as a whole; each of its actions must have been answered with 200 besides.
    """
    rows, faults = [], []
    for stem, operations in specs.items():
        for name, declared in operations.items():
            pairs = {(stem, name, None, *answer): line for answer, line in declared.answers.items()}
            pairs |= _action_pairs(stem, name, declared, seen)
            for pair, line in pairs.items():
                row = _row(pair, line, seen)
                rows.append(row)
                if not row["count"]:
                    faults.append(f"{_place(stem, line)}: {_words(pair)} is declared and was never answered")
            faults += _unseen_failures(stem, name, declared, seen)
            known = {pair for pair in seen.times if pair[:3] == (stem, name, None)}
            faults += [
                f"{_place(stem, declared.line)}: {_words(pair)} was answered and is not declared ({seen.example[pair]})"
                for pair in sorted(known - pairs.keys(), key=str)
            ]
    for (stem, operation, breach), test in seen.breaches.items():
        line = specs[stem][operation].line if operation in specs.get(stem, {}) else 1
        faults.append(f"{_place(stem, line)}: {operation} would have broken the spec: {breach} ({test})")
    faults += [f"{_place(stem, 1)}: {status} for no operation ({test})" for stem, status, test in sorted(seen.astray)]
    return rows, faults


def _action_pairs(stem: str, name: str, declared: Declared, seen: Seen) -> dict[Pair, int]:
    """Return a pair for every media type in which an action was answered; at least one."""
    media_types: list[str | None] = [media_type for status, media_type in declared.answers if status == 200]
    pairs: dict[Pair, int] = {}
    for action, line in declared.actions.items():
        given = [media for media in media_types if seen.times[(stem, name, action, 200, media)]]
        pairs |= {(stem, name, action, 200, media): line for media in given or media_types[:1]}
    return pairs


def _unseen_failures(stem: str, name: str, declared: Declared, seen: Seen) -> Iterator[str]:
    """Yield the examples of failures that no answer of this operation was equal to."""
    for example in declared.failures:
        operation = None if example.status in TOO_LONG else name
        pair: Pair = (stem, operation, None, example.status, example.media_type)
        if (pair, digest(example.value)) not in seen.bodies:
            what = f"{example.status} as in the example {example.name}"
            yield f"{_place(stem, example.line)}: {name}: {what} was never answered to the word"


def _row(pair: Pair, line: int, seen: Seen) -> dict[str, Any]:
    contract, operation, action, status, media_type = pair
    noted = (contract, None, None, status, media_type) if status in TOO_LONG else pair
    return {
        "contract": contract,
        "operation": operation,
        "action": action,
        "status": status,
        "media_type": media_type,
        "count": seen.times[noted],
        "example": seen.example.get(noted),
        "line": line,
    }


def _place(stem: str, line: int) -> str:
    return f"specs/{stem}.yaml:{line}"


def _words(pair: Pair) -> str:
    _, operation, action, status, media_type = pair
    act = operation if action is None else f"{operation} ({action or 'no action'})"
    return f"{act}: {status} {media_type or 'without a body'}"


@cache
def declared_headers() -> dict[tuple[str, str], dict[int, set[str]]]:
    """Return the headers that the published contracts declare: contract, operation -> status -> names."""
    found: dict[tuple[str, str], dict[int, set[str]]] = {}
    for contract in load_contracts():
        document = contract.published("http://127.0.0.1:8000")
        for item in document["paths"].values():
            for operation in (one for one in item.values() if isinstance(one, dict) and "responses" in one):
                found[contract.stem, operation["operationId"]] = {
                    int(status): {name.lower() for name in follow(document, response).get("headers", {})}
                    for status, response in operation["responses"].items()
                }
    return found


def compare_headers(declared: dict[tuple[str, str], dict[int, set[str]]], seen: Seen) -> list[str]:
    """Return what was sent and is not declared; contracts that tests bring along are proved by themselves."""
    known = {stem for stem, _ in declared}
    return [
        f"specs/{stem}.yaml: {operation}: {status} came with the header {header}, which is not declared ({test})"
        for (stem, operation, status, header), test in sorted(seen.headers.items())
        if stem in known and header not in OF_HTTP | OF_CORS | declared.get((stem, operation), {}).get(status, set())
    ]


def write(rows: list[dict[str, Any]], file: Path) -> None:
    """Write the rows, a line each."""
    file.parent.mkdir(exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
