"""Members of a request, at any depth of the schema that declares them; what is not declared is never looked at.

All is resolved at start: one member by its JSON pointer, or whether there are members of a kind. Of alternatives only
the one that a value is counts: by its discriminator, or else because the value fits.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from connexion.operations import AbstractOperation

from server.contract.action import read_action
from server.contract.request import Request
from server.contract.spec_error import pointer
from server.contract.validation import Schema, compile_schema, merge

Read = Callable[[Any], Any]
"""Returns what was looked for in a value; None where it is not there."""


def argument_reader(operation: AbstractOperation, of: str, acts: Collection[str] = ()) -> Callable[[Request], Any]:
    """Return what reads a value that every request has, once it was found to fit the spec.

    of: a JSON pointer into the body, or the name of a parameter or else of a member of the body. acts: the only ones
    that matter; default: all. Raises ValueError with the reason why there is no such value.
    """
    if any(one["name"] == of for one in operation.parameters):
        return _parameter_reader(operation, of, acts)
    steps = _steps(of)
    schemas = list(_body_schemas(operation).values())
    read = compile_pointer(schemas[0], steps) if schemas else None
    if read is None:
        raise ValueError(f"the request declares no {of}")
    if not operation.request_body.get("required") or not all(is_required(one, steps, acts) for one in schemas):
        raise ValueError(f"{of} may be left out of a request; required is expected")
    return lambda request: read(request.members)  # as the handler sees them: a name that came as a number is a name


def member_reader(operation: AbstractOperation, of: str) -> Callable[[Request], Any] | None:
    """Return what reads a member of the body, by its name or JSON pointer; None where no schema declares it."""
    return read_body_by(operation, lambda schema: compile_pointer(schema, _steps(of)))


def _steps(of: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in of.removeprefix("/").split("/")]


def account_members(operation: AbstractOperation) -> Iterator[tuple[str, str]]:
    """Yield what is marked by `x-account`, in the form of `of`, with what the mark says."""
    for parameter in operation.parameters:
        if kind := parameter.get("x-account") or merge(parameter["schema"]).get("x-account"):
            yield parameter["name"], kind
    for schema in _body_schemas(operation).values():
        for steps, member in find_members(schema, lambda schema: "x-account" in schema):
            yield pointer(*steps), member["x-account"]


def _parameter_reader(operation: AbstractOperation, name: str, acts: Collection[str]) -> Callable[[Request], Any]:
    action = read_action(operation)
    if action and action.requires:
        always = all(name in action.requires.get(act, ()) for act in acts or action.requires)
    else:
        declared = [one for one in operation.parameters if one["name"] == name]
        always = any(one.get("required") or "default" in merge(one["schema"]) for one in declared)
    if not always:
        raise ValueError(f"{name} may be left out of a request; required is expected")
    return lambda request: (request.arguments or {})[name]


def read_body_by(
    operation: AbstractOperation, make: Callable[[Schema], Read | None]
) -> Callable[[Request], Any] | None:
    """Return what reads from the parsed body of a request; None where no schema has it.

    The media types of one operation say the same of its body.
    """
    schemas = _body_schemas(operation)
    inner = make(next(iter(schemas.values()))) if schemas else None
    return inner and (lambda request: inner(request.document))


def _body_schemas(operation: AbstractOperation) -> dict[str, Schema]:
    content = operation.request_body.get("content", {})
    return {media_type.lower(): declared["schema"] for media_type, declared in content.items()}


def compile_pointer(schema: Schema, steps: list[str]) -> Read | None:
    """Return what reads the member to which these steps lead; None where the schema declares none."""
    if not steps:
        return lambda value: value
    name, *rest = steps

    def look(part: Schema) -> Read | None:
        inner = compile_pointer(part["properties"][name], rest) if name in part.get("properties", {}) else None
        return inner and (lambda value: inner(value[name]) if isinstance(value, dict) and name in value else None)

    return _compile(schema, look)


def compile_search(schema: Schema, wanted: Callable[[Schema], bool]) -> Read | None:
    """Return what tells whether a value holds a member of this kind, however deep; None where there can be none."""

    def look(part: Schema) -> Read | None:
        if wanted(merge(part)):
            return lambda value: True
        inner = {name: compile_search(member, wanted) for name, member in part.get("properties", {}).items()}
        more = part.get("additionalProperties")
        others = compile_search(more, wanted) if isinstance(more, dict) else None
        items = compile_search(part["items"], wanted) if "items" in part else None

        def read(value: Any) -> Any:
            if isinstance(value, dict):
                pairs = ((inner.get(name, others), member) for name, member in value.items())
                return any(reads and reads(member) for reads, member in pairs) or None
            return (items and isinstance(value, list) and any(map(items, value))) or None

        return read if others or items or any(inner.values()) else None

    return _compile(schema, look)


def find_members(
    schema: Schema, wanted: Callable[[Schema], bool], steps: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield the members of this kind, lists aside: the steps to each, and its schema."""
    if steps and wanted(merge(schema)):
        yield steps, merge(schema)
        return
    for part in _parts(schema):
        for name, member in part.get("properties", {}).items():
            yield from find_members(member, wanted, (*steps, name))
        for variant in _variants(part):
            yield from find_members(variant, wanted, steps)


def is_required(schema: Schema, steps: list[str], acts: Collection[str] = ()) -> bool:
    """Tell whether a value of this schema always has a member. acts: variants that matter; default: all."""
    if not steps:
        return not merge(schema).get("nullable", False)
    if merge(schema).get("nullable"):
        return False
    name, *rest = steps
    parts = list(_parts(schema))
    if any(name in part.get("required", ()) for part in parts):
        declared = [part["properties"][name] for part in parts if name in part.get("properties", {})]
        if any(is_required(member, rest, acts) for member in declared):
            return True
    chooser = _chooser(schema)
    return any(
        all(is_required(one, steps, acts) for one in part_variants if not acts or {*acts} & {*_choices(one, chooser)})
        for part_variants in map(_variants, parts)
        if part_variants
    )


def _compile(schema: Schema, look: Callable[[Schema], Read | None]) -> Read | None:
    """Combine what `look` finds in a schema and in all that it is made of."""
    chooser = _chooser(schema)
    found = []
    for part in _parts(schema):
        found.append(look(part))
        if variants := _variants(part):
            found += [_of_variants(variants, chooser, look)] if chooser else [_if_fits(one, look) for one in variants]
    reads = [read for read in found if read]
    if len(reads) < 2:  # one is called at once
        return reads[0] if reads else None
    return lambda value: next((one for read in reads if (one := read(value)) is not None), None)


def _of_variants(variants: list[Schema], chooser: str, look: Callable[[Schema], Read | None]) -> Read | None:
    by_choice = {choice: _compile(one, look) for one in variants for choice in _choices(one, chooser)}

    def read(value: Any) -> Any:
        chosen = value.get(chooser) if isinstance(value, dict) else None
        inner = by_choice.get(chosen) if isinstance(chosen, str) else None
        return inner(value) if inner else None

    return read if any(by_choice.values()) else None


def _if_fits(variant: Schema, look: Callable[[Schema], Read | None]) -> Read | None:
    read, check = _compile(variant, look), compile_schema(variant)
    return read and (lambda value: read(value) if check(value) is None else None)


def _parts(schema: Schema) -> Iterator[Schema]:
    yield schema
    for part in schema.get("allOf", ()):
        yield from _parts(part)


def _variants(part: Schema) -> list[Schema]:
    return [*part.get("oneOf", ()), *part.get("anyOf", ())]


def _chooser(schema: Schema) -> str | None:
    name: str | None = merge(schema).get("discriminator", {}).get("propertyName")
    return name


def _choices(variant: Schema, chooser: str | None) -> list[str]:
    members = (part.get("properties", {}).get(chooser, {}) for part in _parts(variant))
    return [choice for member in members for choice in merge(member).get("enum", ())]
