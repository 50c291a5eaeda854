"""What a journey sent of what is declared: each parameter, and each act by its name."""

from collections.abc import Iterator
from typing import Any

from scripts.tools.journeys.arazzo import Request
from server.contract.validation import merge


class Sent:
    """What operations were asked with: parameters by place and name, and the names of acts."""

    def __init__(self, operations: dict[str, dict[str, Any]]) -> None:
        self.operations = operations
        self.parameters: dict[str, set[tuple[str, str]]] = {name: set() for name in operations}
        self.acts: dict[str, set[str]] = {name: set() for name in operations}

    def note(self, operation: str, request: Request) -> None:
        """Remember a request of the journey."""
        for place in ("query", "header"):
            self.parameters[operation] |= {(place, name.lower()) for name in request.places[place]}
        if action := self.operations[operation].get("x-action", {}).get("name"):
            body = request.payload if isinstance(request.payload, dict) else {}
            named = (request.places["query"].get(action), body.get(action))
            self.acts[operation] |= {one for one in named if isinstance(one, str)}

    def missing(self, operation: str) -> Iterator[str]:
        """Yield what is declared and was never sent."""
        declared = self.operations[operation]
        action = declared.get("x-action", {}).get("name")
        acts: list[Any] = []
        for one in declared["parameters"]:
            if one["in"] in ("query", "header") and (one["in"], one["name"].lower()) not in self.parameters[operation]:
                yield f"{operation}: {one['in']} {one['name']} was never sent"
            if one["name"] == action:
                acts += [example["value"] for example in one.get("examples", {}).values()]
                acts += merge(one["schema"]).get("enum", [])
        sent = set[str]().union(*self.acts.values())  # operations share acts
        for act in acts:
            if not isinstance(act, str) or act not in sent:
                yield f"{operation}: {action} {act} was never sent"
