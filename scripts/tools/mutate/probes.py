"""What is tried at one step: values at and past their bounds, what the spec shows, and failures of the protocol."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import peewee

from scripts.tools.journeys.arazzo import ABSENT, Request
from scripts.tools.mutate.asking import at, expect, members, of_object, put
from scripts.tools.mutate.callers import by, probe_callers
from scripts.tools.mutate.proof import ADMIN, Base, Proof
from scripts.tools.mutate.values import try_values, usual_value
from server.contract.media import FORM
from server.contract.validation import Schema, merge

LARGE = b" " * 2_000_000
LONG = "x" * 40_000
JSON = "application/json"


def probe(proof: Proof, base: Base) -> Iterator[str]:
    """Yield what does not hold at a step that went well."""
    media_type = base.request().media_type
    for other in base.declared.get("requestBody", {}).get("content", {}) if media_type else ():
        if other != media_type:
            yield from _bounds(proof, replace(base, request=partial(_as, base, other)))
    for part in (_bounds, _examples, probe_callers, _protocol):
        yield from part(proof, base)


def _as(base: Base, media_type: str) -> Request:
    request = base.request()
    request.media_type = media_type
    return request


def probe_acts(proof: Proof, base: Base) -> Iterator[str]:
    """Try the acts of an operation that no step asks for, from a step that asks for another."""
    action, body = base.declared.get("x-action", {}).get("name"), base.declared.get("requestBody", {})
    for media_type, content in body.get("content", {}).items() if action else ():
        for variant in map(merge, merge(content["schema"]).get("oneOf", ())):
            members_of = variant["properties"]
            acts = merge(members_of[action]).get("enum", [])
            if acts and proof.sent.acts[base.operation].isdisjoint(acts):
                payload = {name: usual_value(members_of[name]) for name in variant.get("required", ())}
                request = partial(_showing, base, media_type, payload | {action: acts[0]})
                proof.sent.note(base.operation, request())
                yield from _bounds(proof, replace(base, request=request))


def _showing(base: Base, media_type: str, payload: Any) -> Request:
    request = base.request()
    request.media_type, request.payload = media_type, deepcopy(payload)
    return request


# --- values ----------------------------------------------------------------------------------------------------------


def _bounds(proof: Proof, base: Base) -> Iterator[str]:
    action = base.declared.get("x-action", {})
    for where, path, schema, required in list(members(base)):
        label, words = f"{base.operation}: {where} {'/'.join(path)}", proof.envelope.words(".".join(path), schema)

        def tried(what: str, value: Any, expected: str) -> Iterator[str]:
            changed = put(base.request(), where, path, value)  # noqa: B023  # used before the next one
            yield from expect(proof, base, f"{label} {what}", changed, expected, words=words)  # noqa: B023

        if path[-1] == action.get("name"):  # of another kind, an action is another request
            for choice in schema.get("enum", ()) if where == "body" else ():
                yield from tried(f"is {choice}", choice, "accepted")
            continue
        usual = at(base.request(), where, path)
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
                yield from expect(proof, base, f"{label} of nobody", request, "told")


def _may_be_blank(schema: Schema) -> bool:
    return schema.get("type") == "string" and not schema.get("minLength") and "enum" not in schema


def _examples(proof: Proof, base: Base) -> Iterator[str]:
    """Send what the spec shows; whoever writes a client begins there."""
    media_type = base.request().media_type
    content = base.declared.get("requestBody", {}).get("content", {}) if media_type else {}
    for shown_type, one in content.items():
        for name, example in one.get("examples", {}).items():
            shown = _showing(base, shown_type, example["value"])
            told = list(of_object(one["schema"], example["value"], ()))
            words = [word for _, path, schema, _ in told for word in proof.envelope.words(".".join(path), schema)]
            label = f"{base.operation}: example {shown_type} {name}"
            yield from expect(proof, base, label, shown, "accepted", words=words)
    if media_type == JSON:
        broken = base.request()
        broken.media_type, broken.payload = "text/plain", "{"
        yield from expect(proof, base, f"{base.operation}: broken JSON", broken, "refused")
        broken.payload = "{}"
        yield from expect(proof, base, f"{base.operation}: an empty object", broken, "told")
    for one in base.declared["parameters"]:
        if one["in"] == "query":
            shown_values = [example["value"] for example in one.get("examples", {}).values()]
            words = proof.envelope.words(one["name"], merge(one["schema"]))
            for number, value in enumerate([*shown_values, *([one["example"]] if "example" in one else [])]):
                label = f"{base.operation}: query {one['name']} example {number}"
                request = put(base.request(), "query", (one["name"],), value)
                yield from expect(proof, base, label, request, "accepted", words=words)


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
        yield from expect(proof, base, f"{name}: {status}", request, str(status), **options)
    for status, error in ((503, peewee.OperationalError("away")), (500, RuntimeError("unforeseen"))):
        proof.server.restore(base.before)
        with proof.server.broken(error):
            answer = proof.send(request)
        yield from proof.complaints(name, f"{name}: {status}", answer)
        if answer.status_code != status:
            yield f"{name}: {status} is expected of a server that fails"
