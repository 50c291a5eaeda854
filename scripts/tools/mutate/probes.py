"""What is tried at one step: values at and past their bounds, credentials, policies, and failures of the protocol."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import peewee

from models.errors import PasswordTooShort
from scripts.tools.journeys.arazzo import ABSENT, Request
from scripts.tools.mutate.envelope import read_json
from scripts.tools.mutate.proof import ADMIN, OTHER, Base, Proof
from scripts.tools.mutate.values import try_values, usual_value
from server.contract.media import FORM
from server.contract.validation import Schema, merge, properties

LARGE = b" " * 2_000_000
LONG = "x" * 40_000
STRONG = "Zr4u7x0QmYk1LwTbVq9sHd3nKp8c"
GUESSABLE = "password123"
NAME = "Qm7Yk1LwTb"
JSON = "application/json"
Member = tuple[str, tuple[str, ...], Schema, bool]
"""Where it stands, its path, its schema, whether it is required."""


def probe(proof: Proof, base: Base) -> Iterator[str]:
    """Yield what does not hold at a step that went well."""
    media_type = base.request().media_type
    for other in base.declared.get("requestBody", {}).get("content", {}) if media_type else ():
        if other != media_type:
            yield from _bounds(proof, replace(base, request=partial(_as, base, other)))
    for part in (_bounds, _examples, _credentials, _policies, _passwords, _protocol):
        yield from part(proof, base)


def _as(base: Base, media_type: str) -> Request:
    request = base.request()
    request.media_type = media_type
    return request


# --- values ----------------------------------------------------------------------------------------------------------


def _bounds(proof: Proof, base: Base) -> Iterator[str]:
    action = base.declared.get("x-action", {})
    for where, path, schema, required in list(members(base)):
        label, words = f"{base.operation}: {where} {'/'.join(path)}", proof.envelope.words(".".join(path), schema)

        def tried(what: str, value: Any, expected: str) -> Iterator[str]:
            changed = put(base.request(), where, path, value)  # noqa: B023  # used before the next one
            yield from _expect(proof, base, f"{label} {what}", changed, expected, words=words)  # noqa: B023

        if path[-1] == action.get("name"):  # of another kind, an action is another request
            for choice in schema.get("enum", ()) if where == "body" else ():
                yield from tried(f"is {choice}", choice, "accepted")
            continue
        usual = _at(base.request(), where, path)
        usual = usual_value(schema) if usual is ABSENT or isinstance(usual, dict) else usual
        is_text = where != "body" or base.request().media_type == FORM
        if where != "path":
            yield from tried("left out", ABSENT, "malformed" if required else "accepted")
            if required and not is_text and not _may_be_blank(schema):
                yield from tried("null", None, "accepted" if schema.get("nullable") else "malformed")
        if where == "query" and schema.get("type") != "array":
            first = any(one["name"] == path[0] and "x-repeated" in one for one in base.declared["parameters"])
            yield from tried("repeated", [str(usual), str(usual)], "accepted" if first else "malformed")
        for value in try_values(schema, usual, is_text):
            expected = "accepted" if value.fits else "refused" if where == "path" else "malformed"
            yield from tried(value.label, value.value, expected)
        if where == "path":
            for who in (None, ADMIN):
                request = by(proof, base, proof.credentials[who]) if who else base.request()
                put(request, where, path, "999999999")
                yield from _expect(proof, base, f"{label} of nobody", request, "told")


def _may_be_blank(schema: Schema) -> bool:
    return schema.get("type") == "string" and not schema.get("minLength") and "enum" not in schema


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
            yield from _of_object(schema, request.payload, ())


def _of_object(schema: Schema, value: dict[str, Any], path: tuple[str, ...]) -> Iterator[Member]:
    schema = merge(schema)
    if name := schema.get("discriminator", {}).get("propertyName"):
        variants = [merge(one) for one in schema["oneOf"]]
        schema = next((one for one in variants if value.get(name) in one["properties"][name].get("enum", ())), {})
    for member, one in properties(schema).items():
        inner = merge(one)
        yield "body", (*path, member), inner, member in schema.get("required", ())
        if isinstance(value.get(member), dict):
            yield from _of_object(inner, value[member], (*path, member))


def _at(request: Request, where: str, path: tuple[str, ...]) -> Any:
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


def _examples(proof: Proof, base: Base) -> Iterator[str]:
    """Send what the spec shows; whoever writes a client begins there."""
    media_type = base.request().media_type
    content = base.declared.get("requestBody", {}).get("content", {}) if media_type else {}
    for shown_type, one in content.items():
        for name, example in one.get("examples", {}).items():
            shown = base.request()
            shown.media_type, shown.payload = shown_type, example["value"]
            told = list(_of_object(one["schema"], example["value"], ()))
            words = [word for _, path, schema, _ in told for word in proof.envelope.words(".".join(path), schema)]
            label = f"{base.operation}: example {shown_type} {name}"
            yield from _expect(proof, base, label, shown, "accepted", words=words)
    if media_type == JSON:
        broken = base.request()
        broken.media_type, broken.payload = "text/plain", "{"
        yield from _expect(proof, base, f"{base.operation}: broken JSON", broken, "refused")
        broken.payload = "{}"
        yield from _expect(proof, base, f"{base.operation}: an empty object", broken, "told")
    for one in base.declared["parameters"]:
        if one["in"] == "query":
            shown_values = [example["value"] for example in one.get("examples", {}).values()]
            words = proof.envelope.words(one["name"], merge(one["schema"]))
            for number, value in enumerate([*shown_values, *([one["example"]] if "example" in one else [])]):
                label = f"{base.operation}: query {one['name']} example {number}"
                request = put(base.request(), "query", (one["name"],), value)
                yield from _expect(proof, base, label, request, "accepted", words=words)


# --- who may ---------------------------------------------------------------------------------------------------------


def _credentials(proof: Proof, base: Base) -> Iterator[str]:
    """Ask without a credential, and with a wrong one."""
    asked = base.declared.get("security", [])
    if not asked:
        return
    open_to_all = {} in asked and "x-documented" not in base.declared
    bare = _without_credential(proof, base)
    expected = "refused" if not open_to_all else "let in" if bare == base.request() else "told"
    yield from _expect(proof, base, f"{base.operation}: without a credential", bare, expected)
    for way in filter(None, asked):
        expected = "told" if open_to_all else "refused"
        for wrong in ("x" * 40, "not.a.token"):
            label = f"{base.operation}: a wrong {'+'.join(way)}"
            yield from _expect(proof, base, label, _with_credential(proof, base, way, wrong), expected)
        for name in way:
            place, key = _place(_scheme(proof, name))
            if place == "query" and key in (request := base.request()).places[place]:
                request.places[place][key] = [request.places[place][key]] * 2
                first = "x-repeated" in _scheme(proof, name)
                label = f"{base.operation}: {key} repeated"
                yield from _expect(proof, base, label, request, "let in" if first else "refused")


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
            yield from _expect(proof, base, f"{base.operation}: {kind}: {who}", request, expected, kind)


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
            yield from _expect(proof, base, label, put(request, where, path, password), expected, "guarded")
        for place, name, one, _ in told:
            if one.get("x-trim") and one.get("maxLength", 0) >= len(NAME):
                request = (
                    by(proof, base, proof.credentials[ADMIN]) if base.declared.get("x-guarded") else base.request()
                )
                request = put(put(request, where, path, NAME), place, name, NAME)
                label = f"{base.operation}: guarded: {'/'.join(path)} is {'/'.join(name)}"
                yield from _expect(proof, base, label, request, "refused", "guarded")


def _tried(proof: Proof, base: Base, where: str, path: tuple[str, ...]) -> Iterator[str]:
    """Try a password that is too short to be set where none is set: that is not what is wrong with it."""
    proof.server.restore(base.before)
    answer = proof.send(put(base.request(), where, path, STRONG[:1]), "guarded")
    if read_json(answer) in [proof.contract.fail(PasswordTooShort(least))[0] for least in range(1, 16)]:
        yield f"{base.operation}: guarded: {'/'.join(path)} is said to be too short, which nobody said before"


def _is_set(base: Base, rule: dict[str, Any]) -> bool:
    action = base.request().places["query"].get(base.declared.get("x-action", {}).get("name", ""))
    return action in rule.get("actions", [action])


# --- failures of the protocol ----------------------------------------------------------------------------------------


def _protocol(proof: Proof, base: Base) -> Iterator[str]:
    request, name = base.request(), base.operation
    sent: dict[int, dict[str, Any]] = {
        413: {"content": LARGE},
        414: {"params": {"left-over": LONG}},
        431: {"headers": {"x-left-over": LONG}},
    }
    media_types = base.declared.get("requestBody", {}).get("content", {})
    if media_types and FORM not in media_types:
        sent[415] = {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}
    if base.declared.get("x-cross-site"):
        sent[403] = {"headers": {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}}
    for status, options in sent.items():
        yield from _expect(proof, base, f"{name}: {status}", request, str(status), **options)
    for status, error in ((503, peewee.OperationalError("away")), (500, RuntimeError("unforeseen"))):
        proof.server.restore(base.before)
        with proof.server.broken(error):
            answer = proof.send(request)
        yield from proof.complaints(name, f"{name}: {status}", answer)
        if answer.status_code != status:
            yield f"{name}: {status} is expected of a server that fails"


def _expect(
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
