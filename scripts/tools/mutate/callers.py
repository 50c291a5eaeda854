"""Who may: without a credential and with wrong ones, under both policies, and with passwords that are refused."""

from collections.abc import Iterator
from typing import Any

from models.account import Account
from models.errors import PasswordTooShort
from models.session import Session
from scripts.tools.journeys.arazzo import Request
from scripts.tools.mutate.asking import expect, members, put
from scripts.tools.mutate.envelope import read_json
from scripts.tools.mutate.proof import ADMIN, OTHER, Base, Proof

STRONG = "Zr4u7x0QmYk1LwTbVq9sHd3nKp8c"
GUESSABLE = "password123"
NAME = "Qm7Yk1LwTb"


def probe_callers(proof: Proof, base: Base) -> Iterator[str]:
    """Yield what does not hold of who may ask what a step asks."""
    for part in (_credentials, _optional, _policies, _passwords):
        yield from part(proof, base)


def _credentials(proof: Proof, base: Base) -> Iterator[str]:
    """Ask without a credential, and with a wrong one."""
    asked = base.declared.get("security", [])
    if not asked:
        return
    open_to_all = {} in asked and "x-documented" not in base.declared
    bare = _without_credential(proof, base)
    expected = "refused" if not open_to_all else "let in" if bare == base.request() else "told"
    yield from expect(proof, base, f"{base.operation}: without a credential", bare, expected)
    for way in filter(None, asked):
        expected = "told" if open_to_all else "refused"
        for wrong in ("x" * 40, "not.a.token"):
            label = f"{base.operation}: a wrong {'+'.join(way)}"
            yield from expect(proof, base, label, _with_credential(proof, base, way, wrong), expected)
        for name in way:
            place, key = _place(_scheme(proof, name))
            if place == "query" and key in (request := base.request()).places[place]:
                request.places[place][key] = [request.places[place][key]] * 2
                first = "x-repeated" in _scheme(proof, name)
                label = f"{base.operation}: {key} repeated"
                yield from expect(proof, base, label, request, "let in" if first else "refused")


def _without_credential(proof: Proof, base: Base) -> Request:
    request = base.request()
    for way in base.declared.get("security", []):
        for name in way:
            place, key = _place(_scheme(proof, name))
            request.places[place].pop(key, None)
    return request


def _scheme(proof: Proof, name: str) -> dict[str, Any]:
    scheme: dict[str, Any] = proof.contract.document["components"]["securitySchemes"][name]
    return scheme


def _place(scheme: dict[str, Any]) -> tuple[str, str]:
    if scheme["type"] == "http":
        return "header", "Authorization"
    return ("header", "Cookie") if scheme["in"] == "cookie" else (scheme["in"], scheme["name"])


def _with_credential(proof: Proof, base: Base, way: dict[str, Any], credential: str) -> Request:
    """Return the step's request with another credential, at its place."""
    request = _without_credential(proof, base)
    for name in way:
        scheme = _scheme(proof, name)
        place, key = _place(scheme)
        value = credential
        if scheme["type"] == "http":
            value = f"{scheme['scheme']} {credential}"
        elif scheme["in"] == "cookie":
            value = credential.partition(";")[0]
            value = value if "=" in value else f"{scheme['name']}={value}"
        request.places[place][key] = value
    return request


def by(proof: Proof, base: Base, credential: Any) -> Request:
    """Return the step's request as somebody else makes it, in their own session."""
    way: dict[str, Any] = next(filter(None, base.declared.get("security", [])), {})
    return _with_credential(proof, base, way, str(credential))


def _optional(proof: Proof, base: Base) -> Iterator[str]:
    """Ask with a credential that may be left out: it makes a difference, in the answer or in what is kept."""
    asked = base.declared.get("security", [])
    if {} not in asked or "x-documented" in base.declared or "x-guarded" in base.declared:
        return
    without = _effect(proof, base, _without_credential(proof, base))
    for way in filter(None, asked):
        tries = (base.request(), _with_credential(proof, base, way, str(proof.credentials[OTHER])))
        if all(_effect(proof, base, one) == without for one in tries):
            yield f"{base.operation}: {'+'.join(way)} makes no difference"


def _effect(proof: Proof, base: Base, request: Request) -> Any:
    """Return what a request is answered, and how many accounts and sessions there are then."""
    proof.server.restore(base.before)
    body = read_json(proof.send(request))
    return body, Account.select().count(), Session.select().count()


def _policies(proof: Proof, base: Base) -> Iterator[str]:
    """Ask as nobody, as somebody else, and as an administrator, where the spec says who may."""
    for kind in ("documented", "guarded"):
        if not (rule := base.declared.get(f"x-{kind}")):
            continue
        way: dict[str, Any] = next(filter(None, base.declared["security"]))
        callers = {
            "nobody": (_without_credential(proof, base), "refused"),
            "who has a wrong credential": (_with_credential(proof, base, way, "x" * 40), "refused"),
            OTHER: (by(proof, base, proof.credentials[OTHER]), "let in" if rule == "token" else "refused"),
            ADMIN: (by(proof, base, proof.credentials[ADMIN]), "let in"),
        }
        for who, (request, expected) in callers.items():
            yield from expect(proof, base, f"{base.operation}: {kind}: {who}", request, expected, kind)


def _passwords(proof: Proof, base: Base) -> Iterator[str]:
    """Set passwords that the policy `guarded` refuses, and one that it does not."""
    told = list(members(base))
    for where, path, schema, _ in told:
        if not isinstance(rule := schema.get("x-guarded"), dict):
            if schema.get("format") == "password":
                yield from _tried(proof, base, where, path)
            continue
        if not _is_set(base, rule):
            continue
        least = rule["minLength"]
        tries = {"long enough": STRONG[:least], "too short": STRONG[: least - 1], "guessable": GUESSABLE}
        for what, password in tries.items():
            request = by(proof, base, proof.credentials[ADMIN]) if base.declared.get("x-guarded") else base.request()
            expected = "let in" if what == "long enough" else "refused"
            label = f"{base.operation}: guarded: {'/'.join(path)} {what}"
            yield from expect(proof, base, label, put(request, where, path, password), expected, "guarded")
        for place, name, one, _ in told:
            if one.get("x-trim") and one.get("maxLength", 0) >= len(NAME):
                request = (
                    by(proof, base, proof.credentials[ADMIN]) if base.declared.get("x-guarded") else base.request()
                )
                request = put(put(request, where, path, NAME), place, name, NAME)
                label = f"{base.operation}: guarded: {'/'.join(path)} is {'/'.join(name)}"
                yield from expect(proof, base, label, request, "refused", "guarded")


def _tried(proof: Proof, base: Base, where: str, path: tuple[str, ...]) -> Iterator[str]:
    """Try a password that is too short to be set where none is set: that is not what is wrong with it."""
    proof.server.restore(base.before)
    request = by(proof, base, proof.credentials[ADMIN]) if base.declared.get("x-guarded") else base.request()
    answer = proof.send(put(request, where, path, STRONG[:1]), "guarded")
    if read_json(answer) in [proof.contract.fail(PasswordTooShort(least))[0] for least in range(1, 16)]:
        yield f"{base.operation}: guarded: {'/'.join(path)} is said to be too short, which nobody said before"


def _is_set(base: Base, rule: dict[str, Any]) -> bool:
    action = base.request().places["query"].get(base.declared.get("x-action", {}).get("name", ""))
    return action in rule.get("actions", [action])
