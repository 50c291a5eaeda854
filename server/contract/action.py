"""`x-action`: one operation that is several acts, told apart by one member of the request.

in: where that member stands, `query` or `body`; of two places the first that holds anything counts.
name: the member. without: in words, what a request without it asks for.
requires, allows: act -> members that it needs, and that it takes besides. For requests that no schema describes as a
whole; where a body is a `oneOf` with a `discriminator`, its variants say so instead.
"""

from typing import Any

from connexion.operations import AbstractOperation

from handlers.exceptions import BadRequest, Fault


class Action:
    """The acts of one operation."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self.name: str = declared["name"]
        self.in_body = "body" in declared["places"]
        self.in_query = "query" in declared["places"]
        self.may_lack = "without" in declared
        self.requires: dict[str, list[str]] = declared.get("requires", {})
        allows: dict[str, list[str]] = declared.get("allows", {})
        self.takes = {act: [*needed, *allows.get(act, [])] for act, needed in self.requires.items()}

    def of(self, arguments: dict[str, Any]) -> str:
        """Return the act that is asked for; empty if there is none."""
        act: str = self._asked(arguments).get(self.name) or ""
        return act

    def choose(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the act and its own members, as far as they were given, for the handler; nothing else.

        Raises BadRequest if something is missing that the act requires; what is blank is missing.
        """
        asked = self._asked(arguments)
        act = asked.get(self.name) or ""
        for member in self.requires.get(act, ()):
            if asked.get(member) in (None, ""):
                raise BadRequest(Fault(member, "missing"))
        takes = self.takes.get(act, ()) if self.requires else [name for name in asked if name != self.name]
        return {self.name: act} | {member: asked[member] for member in takes if asked.get(member) is not None}

    def _asked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = (self.in_body and arguments.get("body")) or {}
        return body if body or not self.in_query else arguments


def read_action(operation: AbstractOperation) -> Action | None:
    """Return the acts of an operation, if it has any."""
    declared = operation._operation.get("x-action")
    return Action(declared) if declared else None
