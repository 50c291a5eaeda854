"""Limits, used up: of as many requests as one allows, none is refused by it, and the next one is."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any

from peewee import fn

from models.outbox import OutboxMessage
from scripts.tools.journeys.arazzo import ABSENT, Request
from scripts.tools.mutate.asking import members, put
from scripts.tools.mutate.callers import by
from scripts.tools.mutate.proof import OTHER, Base, Proof

MOST = 8_000
"""Requests for one limit: of six hundred, some ways to use it up."""
WRONG = "a wrong guess at it"
WAYS = tuple(product((False, True), (None, OTHER, "anew"), (False, True)))
"""Whether with a wrong password, by whom, and whether each request names somebody else."""


def use_up(proof: Proof) -> Iterator[str]:
    """Yield which limits do not hold."""
    for name, operation in proof.operations.items():
        if not proof.focus.probes(name):
            continue
        for number, limit in enumerate(operation.get("x-rate-limit", [])):
            if not proof.focus.uses_up(limit["name"]):
                continue
            if not _holds(proof, name, limit):
                yield f"{name}: x-rate-limit {number} {limit['name']} does not hold"
            yield from proof.of_limits
            proof.of_limits.clear()


def _holds(proof: Proof, name: str, limit: dict[str, Any]) -> bool:
    """Tell whether some request of the journey, repeated, uses up the limit exactly."""
    failures = limit.get("counts", "requests") != "requests"
    bases = [base for base in proof.bases if base.operation == name and _is_counted(base, limit)]
    bases = [base for base in bases if base.succeeded != failures] + [
        base for base in bases if base.succeeded == failures
    ]
    left = MOST
    for base, (guesses, who, names_others) in product(bases, WAYS):
        if left <= 0 or (who and not base.declared.get("security")) or guesses > (failures and base.succeeded):
            continue
        sent, holds = _repeat(proof, base, limit, guesses, who, names_others)
        if holds:
            return True
        left -= sent
    return False


def _is_counted(base: Base, limit: dict[str, Any]) -> bool:
    action, request = base.declared.get("x-action", {}).get("name"), base.request()
    body = request.payload if isinstance(request.payload, dict) else {}
    return "actions" not in limit or request.places["query"].get(action, body.get(action, "")) in limit["actions"]


def _repeat(
    proof: Proof, base: Base, limit: dict[str, Any], guesses: bool, who: str | None, names_others: bool
) -> tuple[int, bool]:
    """Send a request as often as is allowed, and once more; return how often, and whether it was refused then alone."""
    proof.server.restore(base.before)
    policy = f'"{limit["name"]}";q={limit["limit"]};w={limit["seconds"]}'
    soft = "beyond" in limit
    names = [path for where, path, schema, _ in members(base) if where != "path" and "x-trim" in schema]
    for number in range(limit["limit"] + 1):
        request = base.request()
        if who:
            request = by(proof, base, proof.enter(OTHER) if who == "anew" else proof.credentials[who])
        for where, path, schema, _ in members(base) if guesses else ():
            if schema.get("format") == "password" and "x-guarded" not in schema:
                put(request, where, path, WRONG)
        for path in names if names_others else ():
            _name_another(request, path, number)
        sent = _last_message() if soft else 0
        answer = proof.send(request, "limited", address=_address(limit["per"], number))
        told = answer.headers.get("ratelimit-policy")
        if number == limit["limit"]:
            proof.of_limits += proof.complaints(base.operation, f"{base.operation}: beyond {limit['name']}", answer)
            return number, _last_message() == sent if soft else told == policy
        if told or (soft and _last_message() == sent):
            break
    return number, False


def _last_message() -> int:
    return OutboxMessage.select(fn.MAX(OutboxMessage.id)).scalar() or 0


def _address(per: str, number: int) -> str:
    """Return whence a request comes, so that no other limit counts it."""
    match per:
        case "address":
            return "2001:db8:1:1::1"
        case "network":
            return f"2001:db8:1:{number:x}::1"
        case _:
            return f"2001:db8:{number:x}:1::1"


def _name_another(request: Request, path: tuple[str, ...], number: int) -> None:
    """Name another account or address."""
    request.payload = deepcopy(request.payload)
    for node in (request.places["query"], request.payload):
        inner: Any = node
        for step in path[:-1]:
            inner = inner.get(step, ABSENT) if isinstance(inner, dict) else ABSENT
        if isinstance(inner, dict) and isinstance(inner.get(path[-1]), str):
            value = inner[path[-1]]
            digits = value.rstrip("x")
            inner[path[-1]] = f"{digits[:-4]}{number:04}" if digits[-4:].isdigit() else f"v{number}{value}"
