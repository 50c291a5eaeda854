"""One client per contract: the steps of its journey that say what they are (`x-role`), with other values.

`x-client` of the workflow says where the values of a client stand: each is the expression that the steps use for it.
"""

from collections.abc import Callable
from typing import Any

from scripts.tools.journeys.arazzo import ABSENT, Declared, Step, Walk, bind, compose
from scripts.tools.journeys.journeys import Journey, Workflow
from server.contract.spec_error import SpecError

ROLES = ("register", "log_in", "use", "log_out", "change_password")
VALUES = ("username", "address", "password", "new_password", "credential")

Send = Callable[..., Any]
"""Sends `(method, url, params=…, headers=…, content=… or data=…)`; the URL begins with the contract's base path."""


class ContractClient:
    """A contract seen from its client. A credential is what the contract gives at login."""

    def __init__(self, journey: Journey, send: Send, inputs: dict[str, Any] | None = None) -> None:
        """inputs: values of the workflow that are none of the client's, such as signatures; default: as it says."""
        self.journey = journey
        self.send = send
        self.declared = Declared(journey.contract)
        self.workflow, self.values = find_client(journey)
        self.roles = {step["x-role"]: step for step in self.workflow["steps"] if "x-role" in step}
        if strangers := self.roles.keys() - set(ROLES):
            raise self._lacks(f"x-role: {min(strangers)} is none of {', '.join(ROLES)}")
        properties = self.workflow["inputs"]["properties"]
        self.inputs = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        self.inputs |= inputs or {}
        self.latest = Walk(self.inputs)

    def step(self, role: str) -> Step:
        """Return the step of a role. Raises SpecError where the journey has none."""
        if role not in self.roles:
            raise self._lacks(f"no step has x-role: {role}")
        step: Step = self.roles[role]
        return step

    def act(self, role: str, **values: Any) -> Any:
        """Send the request of a role with these values of the client; return the answer."""
        step = self.step(role)
        walk = self._walk(values)
        operation = self.declared.operations[step["operationId"]]
        sent = compose(operation, bind(step, self.workflow.get("parameters", []), walk))
        walk.response = self.send(operation.method.upper(), self.declared.base_path + sent.pop("url"), **sent)
        self.latest = walk
        return walk.response

    def register(self, username: str, password: str) -> Any:
        """Make an account, with an address of its own where the contract asks for one."""
        return self.act("register", username=username, password=password, address=f"{username}@example.com")

    def log_in(self, username: str, password: str) -> Any:
        """Log in."""
        return self.act("log_in", username=username, password=password, address=f"{username}@example.com")

    def use(self, credential: Any, username: str) -> Any:
        """Do something that needs a live session."""
        return self.act("use", credential=credential, username=username)

    def credential(self, answer: Any) -> Any:
        """Return what a login gave, or None."""
        _, step, _, output = self.values["credential"].split(".")
        outputs = next(one["outputs"] for one in self.workflow["steps"] if one["stepId"] == step)
        found = self._seen(answer).find(outputs[output])
        return None if found is ABSENT or not found else found

    def enter(self, username: str, password: str) -> Any:
        """Log in and return the credential, or None."""
        return self.credential(self.log_in(username, password))

    def succeeded(self, role: str, answer: Any) -> bool:
        """Tell whether the latest answer says yes: it is as the step expects, with the values that were sent.

        What a step compares with the answers of others is left out.
        """
        if answer is not self.latest.response:
            raise ValueError("not the latest answer")
        criteria = self.step(role)["successCriteria"]
        return all(self.latest.holds(one) for one in criteria if "$steps" not in one["condition"])

    def _walk(self, values: dict[str, Any]) -> Walk:
        inputs, outputs = dict(self.inputs), dict[str, dict[str, Any]]()
        for name, value in values.items():
            match self.values.get(name, "").split("."):
                case ["$inputs", key]:
                    inputs[key] = value
                case ["$steps", _, "outputs", key]:  # wherever a step uses what some login gave
                    outputs |= {step["stepId"]: {key: value} for step in self.workflow["steps"]}
        return Walk(inputs, outputs)

    def _seen(self, answer: Any) -> Walk:
        walk = Walk(self.inputs)
        walk.response = answer
        return walk

    def _lacks(self, what: str) -> SpecError:
        return SpecError(self.journey.stem, self.journey.file.name, what)


def find_client(journey: Journey) -> tuple[Workflow, dict[str, str]]:
    """Return the workflow that says where the values of a client stand. Raises SpecError."""
    found = [workflow for workflow in journey.workflows if "x-client" in workflow]
    if len(found) != 1:
        raise SpecError(journey.stem, journey.file.name, "one workflow with x-client is expected")
    values: dict[str, str] = found[0]["x-client"]
    if strangers := values.keys() - set(VALUES):
        raise SpecError(journey.stem, journey.file.name, f"x-client: {min(strangers)} is none of {', '.join(VALUES)}")
    for name in ("username", "password", "credential"):
        if name not in values:
            raise SpecError(journey.stem, journey.file.name, f"x-client: {name} is missing")
    return found[0], values
