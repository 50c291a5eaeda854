"""The members of a request, read as generously as they were written.

Left-overs, which the contract does not know, go no further: no check, limit, guard or hash ever sees one. A member that
may be left out may be blank, `null` or `""`: it is then None, which says nothing at creation and takes away at update.
A number and its digits are the same. Spaces around what is marked `x-trim` (names, addresses, numbers) are dropped.
"""

from collections.abc import Callable
from typing import Any

from handlers.exceptions import BadRequest, Fault
from server.contract.action import Action
from server.contract.validation import Schema, compile_schema, make_cast, merge, properties

Cast = Callable[[Any], Any]


class Members:
    """Reads the members of one object; of a `oneOf` with a discriminator, those of the variant that is named."""

    def __init__(self, schema: Schema, action: Action | None = None) -> None:
        whole = merge(schema)
        self.least: int = whole.pop("minProperties", 0)
        self.may_lack = action is not None and action.may_lack
        self.chooses: str = whole.get("discriminator", {}).get("propertyName", "")
        if self.chooses:
            self.variants = {
                choice: Members(variant)
                for variant in whole["oneOf"]
                for choice in variant["properties"][self.chooses]["enum"]
            }
            return
        self.check = compile_schema(whole)
        self.members = {name: Member(member) for name, member in properties(whole).items()}
        self.required = frozenset(whole.get("required", ()))

    def read(self, given: Any) -> dict[str, Any]:
        """Return what is declared. Raises BadRequest."""
        if not isinstance(given, dict):
            raise BadRequest(Fault("", "no-object"))
        return self._read_variant(given) if self.chooses else self._read(given)

    def _read_variant(self, given: dict[str, Any]) -> dict[str, Any]:
        choice = given.get(self.chooses)
        if choice in (None, ""):
            if self.may_lack:
                return {}
            raise BadRequest(Fault(self.chooses, "missing"))
        variant = self.variants.get(choice) if isinstance(choice, str) else None
        if variant is None:
            raise BadRequest(Fault(self.chooses, "unknown"))
        return variant.read(given)

    def _read(self, given: dict[str, Any]) -> dict[str, Any]:
        blank: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for name, member in self.members.items():
            value = member.cast(given.get(name))
            if value is not None and value != "":
                found[name] = value
            elif name in self.required:
                if name not in given or not member.may_be_blank:
                    raise BadRequest(Fault(name, "missing"))
                found[name] = ""
            elif name in given:
                blank[name] = None
        if len(found) + len(blank) < self.least:
            raise BadRequest(Fault("", "nothing"))
        fault = self.check(found)
        if fault:
            raise BadRequest(fault)
        return found | blank


class Member:
    """How one value is read, whether it comes as JSON or as text."""

    def __init__(self, schema: Schema) -> None:
        whole = merge(schema)
        self.type: str = whole.get("type", "")
        self.trims = bool(whole.get("x-trim"))
        self.may_be_blank = self.type == "string" and not whole.get("minLength") and "enum" not in whole
        self.from_text = make_cast(whole)

    def cast(self, value: Any) -> Any:
        """Return the value in the schema's type; one that is nothing like it stays, for the check to refuse."""
        if type(value) is int and self.type == "string":
            value = str(value)
        if type(value) is not str:
            return value
        trimmed = value.strip() if self.trims or self.type != "string" else value
        return self.from_text(trimmed or value)  # of nothing but spaces, it is not blank
