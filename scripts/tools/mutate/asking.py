"""Requests changed at one place, and what is expected of their answers."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from scripts.tools.journeys.arazzo import ABSENT, Request
from scripts.tools.mutate.proof import Base, Proof
from server.contract.validation import Schema, merge, properties

Member = tuple[str, tuple[str, ...], Schema, bool]
"""Where it stands, its path, its schema, whether it is required."""


def members(base: Base) -> Iterator[Member]:
    request = base.request()
    action = base.declared.get("x-action", {})
    asked = request.places["query"].get(action.get("name", ""), "")
    needed = action.get("requires", {}).get(asked, [])
    taken = [*needed, *action.get("allows", {}).get(asked, [])]
    for one in base.declared["parameters"]:
        if one["in"] in request.places and not (asked and one["name"] not in taken):
            required = one.get("required", False) or one["name"] in needed
            yield one["in"], (one["name"],), merge(one["schema"]), required
    if request.media_type:
        content = base.declared["requestBody"]["content"]
        schema = content.get(request.media_type, next(iter(content.values())))["schema"]
        if isinstance(request.payload, dict):
            yield from of_object(schema, request.payload, ())


def of_object(schema: Schema, value: dict[str, Any], path: tuple[str, ...]) -> Iterator[Member]:
    schema = merge(schema)
    if name := schema.get("discriminator", {}).get("propertyName"):
        variants = [merge(one) for one in schema["oneOf"]]
        unknown = {"properties": {name: variants[0]["properties"][name]}}
        schema = next((one for one in variants if value.get(name) in one["properties"][name].get("enum", ())), unknown)
    for member, one in properties(schema).items():
        inner = merge(one)
        yield "body", (*path, member), inner, member in schema.get("required", ())
        if isinstance(value.get(member), dict):
            yield from of_object(inner, value[member], (*path, member))


def at(request: Request, where: str, path: tuple[str, ...]) -> Any:
    node: Any = request.payload if where == "body" else request.places[where]
    for step in path:
        node = node.get(step, ABSENT) if isinstance(node, dict) else ABSENT
    return node


def put(request: Request, where: str, path: tuple[str, ...], value: Any) -> Request:
    """Put another value at one place of a request; return it."""
    request.payload = deepcopy(request.payload)
    node: Any = request.payload if where == "body" else request.places[where]
    for step in path[:-1]:
        node = node.setdefault(step, {})
    if value is ABSENT:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = str(value) if where in ("path", "header") else value
    return request


def expect(
    proof: Proof,
    base: Base,
    label: str,
    request: Request,
    expected: str,
    kind: str = "documented",
    words: list[Any] | None = None,
    **options: Any,
) -> Iterator[str]:
    """Send a request and yield in what its answer is not as expected.

    expected: `malformed` (in one of the words) or `accepted` (in none), `refused` or `let in`, `told`, or a status.
    """
    proof.server.restore(base.before)
    answer = proof.send(request, kind, **options)
    yield from proof.complaints(base.operation, label, answer)
    if answer.status_code in (500, 503):
        yield f"{label} is answered {answer.status_code}"
        return
    malformed, success = proof.envelope.is_malformed(answer, words or []), proof.envelope.is_success(answer)
    holds = {"malformed": malformed, "accepted": not malformed, "refused": not success, "let in": success, "told": True}
    if not holds.get(expected, str(answer.status_code) == expected):
        yield f"{label} is not {expected}"
