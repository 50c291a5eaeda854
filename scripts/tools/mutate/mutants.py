"""The mutants of a contract: every place at which its document can be changed in one way, one at a time.

Some changes are not made, since nobody could ever see them. An example of a request becomes one that does not fit:
another value that fits is as good an example. `nullable` of a member that a request may leave out stays, since by the
rule of the house null is then the same as nothing (`server/contract/members.py`), whatever `nullable` says. What only
answers hold is not widened in a limit or a pattern, since whatever is answered fits as before, and it is narrowed to
what nothing fits: no answer need ever be just as long as it may be. And what stands in `components` and is referred
to by nothing stays: an `allOf` of the YAML was put in place of its reference, and is changed there.
"""

import copy
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from scripts.tools.mutate.envelope import METHODS
from scripts.tools.mutate.proof import Focus
from server.contract.spec_error import pointer
from server.contract.validation import merge
from server.specs import Contract

LIMITS = {"maxLength": 1, "minLength": -1, "maximum": 1, "minimum": -1, "maxItems": 1, "minItems": -1, "limit": 1}
"""Word -> what makes it wider."""
HUGE = 10**9
"""More than any answer has."""
TOO_LONG = "x" * 5_000
"""For every text of a request."""
Place = tuple[Any, ...]
Change = Callable[[Any], None]
"""Changes a node of the document in place."""


@dataclass(frozen=True)
class Mutant:
    """One change of one contract. place: of the node that is changed. what: in words."""

    stem: str
    kind: str
    place: Place
    what: str
    change: Change
    focus: Focus

    def document(self, original: dict[str, Any]) -> dict[str, Any]:
        """Return the changed document."""
        document = copy.deepcopy(original)
        node: Any = document
        for step in self.place:
            node = node[step]
        self.change(node)
        return document

    def __str__(self) -> str:
        return f"{self.stem} {self.kind} {pointer(*self.place)}: {self.what}"


def choose(contracts: list[Contract], count: int, seed: int) -> list[Mutant]:
    """Return so many mutants, of every kind as many as there are, or as of the others; the same for the same seed."""
    by_kind: dict[str, list[Mutant]] = {}
    for contract in contracts:
        for mutant in mutants(contract):
            by_kind.setdefault(mutant.kind, []).append(mutant)
    shuffle = random.Random(seed)  # noqa: S311  # the same for the same seed
    for found in by_kind.values():
        shuffle.shuffle(found)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(by_kind.values()):
        for kind in sorted(by_kind):
            if by_kind[kind] and len(chosen) < count:
                chosen.append(by_kind[kind].pop())
    return chosen


def mutants(contract: Contract) -> Iterator[Mutant]:
    """Yield every mutant of a contract."""
    reach = _Reach(contract.document)
    for place, node in _nodes(contract.document):
        if reach.is_left_over(place):
            continue
        answers = reach.is_answered_only(place)
        for kind, what, change in _changes(contract.document, place, node, answers):
            if kind == "nullable" and not reach.tells_null(place):
                continue
            about = " (of answers alone)" if answers else ""
            yield Mutant(contract.stem, kind, place, f"{what}{about}", change, reach.focus(place, what))


class _Reach:
    """Which operations read a place of the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.names: dict[Place, str] = {}
        self.answered: set[Place] = set()
        self.asked: set[Place] = set()
        self.demanded: set[Place] = set()
        self.needs: dict[str, set[Place]] = {}
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    name = operation["operationId"]
                    self.names["paths", path, method] = name
                    self.needs[name] = set()
                    self._follow(operation, self.needs[name])
                    self._follow(item.get("parameters", []), self.needs[name])
                    self._follow(operation["responses"], self.answered)
                    self._follow([*item.get("parameters", []), *operation.get("parameters", [])], self.asked)
                    self._follow(operation.get("requestBody", {}), self.asked)
                    for way in operation.get("security", []):
                        self.needs[name] |= {("components", "securitySchemes", scheme) for scheme in way}
        for place, node in _nodes(document):
            members = node.get("properties", {}) if isinstance(node, dict) else {}
            required = node.get("required") if isinstance(node, dict) else None
            for member in required if isinstance(members, dict) and isinstance(required, list) else ():
                one = members.get(member, {})
                referred = tuple(one["$ref"][2:].split("/")) if "$ref" in one else (*place, "properties", member)
                self.demanded.add(referred)

    def _follow(self, node: Any, needs: set[Place]) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/"):
                place = tuple(reference[2:].split("/"))
                if place not in needs:
                    needs.add(place)
                    found: Any = self.document
                    for step in place:
                        found = found[step]
                    self._follow(found, needs)
            for value in node.values():
                self._follow(value, needs)
        elif isinstance(node, list):
            for value in node:
                self._follow(value, needs)

    def tells_null(self, place: Place) -> bool:
        """Tell whether it is seen what a value says of null: in an answer, or where a request must have it."""
        inside = "responses" in place or (place[:3] in self.answered and place[:2] != ("components", "headers"))
        return inside or place in self.demanded

    def is_left_over(self, place: Place) -> bool:
        """Tell whether a place is in a component that no operation refers to."""
        return (
            place[0:1] == ("components",)
            and len(place) > 2
            and not any(place[:3] in one for one in self.needs.values())
        )

    def is_answered_only(self, place: Place) -> bool:
        """Tell whether no request is read by it."""
        inside = "responses" in place or place[:2] == ("components", "headers")
        return inside or (place[:3] in self.answered and place[:3] not in self.asked)

    def focus(self, place: Place, what: str) -> Focus:
        """Return what of a proof can tell that a place was changed."""
        limits: frozenset[str] | None = frozenset()
        if "x-rate-limit" in place:
            limits = frozenset({what.partition(" ")[0]})
        elif re.search("429|[Tt]hrottled|RateLimit", f"{place} {what}"):
            limits = None
        if place[0] == "paths":
            if place[:3] in self.names:
                return Focus(frozenset({self.names[place[:3]]}), limits)
            return Focus(frozenset(name for one, name in self.names.items() if one[:2] == place[:2]), limits)
        if place[0] == "components":
            return Focus(frozenset(name for name, needs in self.needs.items() if place[:3] in needs), limits)
        return Focus(None, limits)


def _nodes(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every mapping and every list of the document that says something to a client or to the server."""
    if not isinstance(node, dict | list):
        return
    yield place, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key not in ("example", "examples", "default", "links", "info", "tags", "externalDocs", "discriminator"):
            yield from _nodes(value, (*place, key))


def _changes(document: dict[str, Any], place: Place, node: Any, answers: bool) -> Iterator[tuple[str, str, Change]]:
    """Yield what can be changed at a node: kind, in words, and what does it. answers: whether only they hold it."""
    if place[-1:] == ("x-rate-limit",) and isinstance(node, list):
        for number, limit in enumerate(node):
            yield "x-rate-limit", f"{limit['name']} is gone", partial(_drop_entry, number)
    if not isinstance(node, dict):
        return
    is_schema = "type" in node and "securitySchemes" not in place
    if isinstance(node.get("required"), list):
        for name in node["required"]:
            yield "required", f"{name} is not required", partial(_take, ("required",), name)
    elif node.get("required") is True and node.get("in") != "path":
        yield "required", "not required", _put("required", False)
    for word, step in LIMITS.items() if is_schema or place[-2:-1] == ("x-rate-limit",) else ():
        if isinstance(bound := node.get(word), int):
            about = f"{node['name']} " if "per" in node else ""
            nothing = -bound if step > 0 else HUGE
            for direction, by in (("narrower", nothing),) if answers else (("wider", step), ("narrower", -step)):
                if by and bound + by >= 0:
                    change = _put(word, bound + by)
                    yield "limit", f"{about}{word} {direction}: {bound} becomes {bound + by}", change
    yield from _of_schema(node, answers) if is_schema else ()
    yield from _of_operation(document, place, node)
    yield from _of_examples(node, "responses" in place)
    yield from _swaps(document, place, node)


def _put(name: Any, value: Any) -> Change:
    return partial(_replace, (name,), value)


def _drop(word: str, node: Any) -> None:
    node.pop(word)


def _drop_entry(number: int, node: Any) -> None:
    node.pop(number)


def _drop_from(word: str, which: Any, node: Any) -> None:
    node[word].pop(which)


def _take(place: Place, value: Any, node: Any) -> None:
    for step in place:
        node = node[step]
    node.remove(value)


def _swap(one: str, other: str, node: Any) -> None:
    node[one], node[other] = node[other], node[one]


def _of_schema(node: dict[str, Any], answers: bool) -> Iterator[tuple[str, str, Change]]:
    if choices := node.get("enum"):
        stranger = max(choices) + 1 if isinstance(choices[0], int) else "an-added-value"
        yield "enum", f"wider: {stranger} is added", _put("enum", [*choices, stranger])
        if len(choices) > 1:
            yield "enum", f"narrower: {choices[-1]} is gone", _put("enum", choices[:-1])
    if answers and "pattern" in node:
        yield "pattern", "narrower: nothing fits", _put("pattern", "(?!)")
    elif pattern := node.get("pattern"):
        yield "pattern", "wider: there is none", partial(_drop, "pattern")
        yield "pattern", "narrower: no digits", _put("pattern", f"^(?!.*[0-9]){pattern.removeprefix('^')}")
    yield "nullable", f"{bool(node.get('nullable'))} is flipped", _put("nullable", not node.get("nullable"))
    if "x-guarded" in node:
        yield "x-guarded", "gone", partial(_drop, "x-guarded")
    for name in node.get("properties", {}):
        yield "rename", f"{name} becomes {name}X", partial(_rename, name)


def _rename(name: str, node: dict[str, Any]) -> None:
    node["properties"] = {f"{one}X" if one == name else one: schema for one, schema in node["properties"].items()}
    if name in node.get("required", ()):
        node["required"] = [f"{one}X" if one == name else one for one in node["required"]]


def _of_operation(document: dict[str, Any], place: Place, node: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    if node.get("in") and "schema" in node:
        name = node["name"]
        if node["in"] != "path":
            yield "rename", f"{name} becomes {name}X", _put("name", f"{name}X")
    if "operationId" not in node or place[0] != "paths":
        return
    for number, way in enumerate(node.get("security", ())):
        yield "security", f"{'+'.join(way) or 'nobody'} is gone", partial(_drop_from, "security", number)
    for status in node["responses"]:
        yield "response", f"{status} is gone", partial(_drop_from, "responses", status)
    for word in ("x-guarded", "x-documented"):
        if word in node:
            yield "x-guarded", f"{word} is gone", partial(_drop, word)
    for action, names in node.get("x-action", {}).get("requires", {}).items():
        for name in names:
            yield (
                "required",
                f"{name} is not required by {action}",
                partial(_take, ("x-action", "requires", action), name),
            )


def _of_examples(node: dict[str, Any], answers: bool) -> Iterator[tuple[str, str, Change]]:
    if "schema" not in node:
        return
    for name, example in node.get("examples", {}).items():
        for path, value in _leaves(example.get("value")):
            changed = _another(value) if answers else TOO_LONG if isinstance(value, str) else {"of": "another type"}
            what = f"{name} {pointer(*path)}: {value!r} becomes {str(changed)[:40]!r}"
            yield "example", what, partial(_replace, ("examples", name, "value", *path), changed)


def _replace(place: Place, value: Any, node: Any) -> None:
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value


def _leaves(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, (*path, key))
    elif value is not None:
        yield path, value


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def _swaps(document: dict[str, Any], place: Place, node: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    """Yield swaps of two references of one shape: of two answers of an operation, or of two members of an object."""
    if place[-1:] not in (("responses",), ("properties",)) or place == ("components", "responses"):
        return
    references = {name: one["$ref"] for name, one in node.items() if isinstance(one, dict) and "$ref" in one}
    for one, other in combinations(references, 2):
        if references[one] != references[other] and _shape(document, node[one]) == _shape(document, node[other]):
            yield "swap", f"{one} and {other}", partial(_swap, one, other)


def _shape(document: dict[str, Any], node: Any) -> Any:
    """Return the form of what is referred to: its types, without words, limits and examples."""
    if "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        return _shape(document, found)
    if "content" in node:
        return {media_type: _shape(document, one["schema"]) for media_type, one in node["content"].items()}
    whole = merge(node)
    if "properties" in whole:
        return {name: _shape(document, one) for name, one in whole["properties"].items()}
    return whole.get("type", str(sorted(whole)))
