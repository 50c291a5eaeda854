"""One proof of a contract, from its spec and its journey alone: walk, and at each operation's first success probe it.

Every answer is held against the spec. Probes start from the store as it was before the step, and leave no trace.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import httpx2

from handlers.exceptions import Fault
from scripts.tools.harness.client import ContractClient, find_client
from scripts.tools.harness.in_process import InProcess, Undisturbed
from scripts.tools.journeys.arazzo import ABSENT, Declared, Request, Step, Stumbled, Walk, bind, make_request
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import Journey, Workflow, load_journey
from scripts.tools.mutate.envelope import METHODS, Envelope, read_json
from scripts.tools.mutate.seen import Seen
from scripts.tools.mutate.sent import Sent
from server.cli.contract_check import follow
from server.contract.validation import compile_schema, make_cast, merge
from server.specs import Contract

OTHER, ADMIN = "somebody-else", "administrator"
PASSWORD = "Zr4u7x0QmYk1LwTb"  # noqa: S105  # of accounts that live for one proof


@dataclass(frozen=True)
class Focus:
    """What of a proof is run: what reads nothing of what was changed comes out as for the original.

    operations: those that are probed; all if None. limits: names of those that are used up; all if None.
    """

    operations: frozenset[str] | None = None
    limits: frozenset[str] | None = None

    def probes(self, operation: str) -> bool:
        """Tell whether an operation is probed."""
        return self.operations is None or operation in self.operations

    def uses_up(self, limit: str) -> bool:
        """Tell whether a limit is used up."""
        return self.limits is None or limit in self.limits


@dataclass
class Base:
    """A step that went well, from which an operation is probed; `request` makes its request."""

    operation: str
    declared: dict[str, Any]
    request: Callable[[], Request]
    before: Any
    succeeded: bool


class Proof:
    """Proofs of one contract against a server, which may serve another."""

    def __init__(self, contract: Contract, server: InProcess, focus: Focus) -> None:
        self.contract = contract
        self.server = server
        self.focus = focus
        self.journey: Journey = load_journey(contract)
        self.declared = Declared(contract)
        self.envelope = Envelope(contract)
        self.operations = dict(_operations(contract))
        self.inputs = Undisturbed(server)
        self.clients: dict[str, ContractClient] = {}
        self.seen = Seen(contract, self.operations, self.envelope)
        self.sent = Sent(self.operations)
        self.bases: list[Base] = []
        self.of_limits: list[str] = []
        self.validators: dict[tuple[str, str, str], Any] = {}
        self.credentials = {who: self._make(who) for who in (OTHER, ADMIN)}

    def faults(self) -> Iterator[str]:
        """Yield what does not hold."""
        from scripts.tools.mutate.limits import use_up  # noqa: PLC0415  # they need each other
        from scripts.tools.mutate.probes import probe, probe_acts  # noqa: PLC0415

        probed: set[tuple[str, ...]] = set()
        for workflow in self.journey.workflows:
            walk = Walk(self.inputs.of(workflow))
            for step in workflow["steps"]:
                base, faults = self._take(workflow, step, walk)
                yield from faults
                if base is None:
                    break
                if not self.focus.probes(base.operation):
                    continue
                self.bases.append(base)
                key = self._variant(base)
                if base.succeeded and key not in probed:
                    probed.add(key)
                    after = self.server.snapshot()
                    yield from probe(self, base)
                    self.server.restore(after)
        if self.focus.limits != frozenset():
            yield from use_up(self)
        names = {key[0] for key in probed}
        for name in self.operations:
            if not self.focus.probes(name):
                continue
            if name not in names:
                yield f"{name}: no step of the journey succeeds"
            first = next((base for base in self.bases if base.operation == name and base.succeeded), None)
            yield from probe_acts(self, first) if first else ()
        for name in filter(self.focus.probes, names):
            yield from self.sent.missing(name)
        yield from self.seen.missing(names, self.focus.limits != frozenset())

    def _take(self, workflow: Workflow, step: Step, walk: Walk) -> tuple[Base | None, list[str]]:
        """Take a step as the journey has it."""
        name = step["operationId"]
        where = f"{workflow['workflowId']} {step['stepId']}"
        if name not in self.operations:
            return None, [f"{where}: no operation {name}"]
        operation, common = self.declared.operations[name], workflow.get("parameters", [])
        before = self.server.snapshot() if self.focus.probes(name) else None

        outputs = deepcopy(walk.outputs)

        def request() -> Request:
            """Return what the step asks for, anew each time."""
            return make_request(operation, bind(step, common, Walk(walk.inputs, outputs)))

        try:
            asked = request()
            self.sent.note(name, asked)
            walk.response = answer = self.send(asked)
            faults = list(self.complaints(name, where, answer))
            criteria = step["successCriteria"] + step.get("x-successCriteria", [])
            faults += [f"{where}: criterion {n} does not hold" for n, one in enumerate(criteria) if not walk.holds(one)]
            found = {key: walk.find(expression) for key, expression in step.get("outputs", {}).items()}
        except Stumbled as error:
            return None, [f"{where}: {str(error)[:80]}"]
        faults += [f"{where}: no output {key}" for key, value in found.items() if value is ABSENT]
        walk.outputs[step["stepId"]] = found
        succeeded = self.envelope.is_success(answer)
        return Base(name, self.operations[name], request, before, succeeded), faults

    def _variant(self, base: Base) -> tuple[str, ...]:
        """Return what tells apart the acts of an operation: media type, action, and where the credential stands."""
        request = base.request()
        action = base.declared.get("x-action", {}).get("name", "")
        body = request.payload if isinstance(request.payload, dict) else {}
        named = str(request.places["query"].get(action, body.get(action, "")))
        return base.operation, request.media_type, named, str("Authorization" in request.places["header"])

    def send(self, request: Request, kind: str = "documented", **options: Any) -> httpx2.Response:
        """Send a request. options: what is sent otherwise."""
        sent = request.sent()
        if headers := options.pop("headers", None):
            sent["headers"] = sent["headers"] | headers
        if params := options.pop("params", None):
            sent["params"] = sent["params"] | params
        if "content" in options:
            sent.pop("data", None)
        sent |= options
        url = self.declared.base_path + sent.pop("url")
        return self.server.send(request.operation.method.upper(), url, kind, **sent)

    def complaints(self, name: str, label: str, answer: httpx2.Response) -> Iterator[str]:
        """Yield in what an answer is not as it is declared, without what it holds; remember it."""
        declared = self.operations[name]["responses"]
        status = str(answer.status_code)
        if status not in declared:
            yield f"{label}: status {status} is not declared"
            return
        body = read_json(answer)
        self.seen.note(name, status, body)
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        content = declared[status].get("content", {})
        if bool(content) != bool(answer.content) or (content and media_type not in content):
            yield f"{label}: media type of {status} is not declared"
        elif media_type.endswith("json") and content:
            key = (name, status, media_type)
            if key not in self.validators:
                self.validators[key] = compile_schema(merge(content[media_type]["schema"]))
            wrong = Fault("", "no-json") if body is ABSENT else self.validators[key](body)
            if wrong:
                yield f"{label}: body of {status} does not fit: {wrong.field} {wrong.kind}"
        for header, one in declared[status].get("headers", {}).items():
            given = answer.headers.get(header)
            if given is None and one.get("required"):
                yield f"{label}: {status} has no {header}"
            elif given is not None and compile_schema(one["schema"])(make_cast(one["schema"])(given)):
                yield f"{label}: {header} of {status} does not fit"

    def _make(self, who: str) -> Any:
        """Make an account of that name; return the credential of a login."""
        workflow, _ = find_client(self.journey)
        self.clients[who] = ContractClient(self.journey, self.server.send, Inputs(self.server).of(workflow))
        self.clients[who].register(who, PASSWORD)
        if who == ADMIN:
            self.server.make_administrator(who)
        return self.enter(who)

    def enter(self, who: str) -> Any:
        """Log in and return the credential."""
        return self.clients[who].enter(who, PASSWORD)


def _operations(contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield operations by name, with the parameters of their path; references replaced."""
    for item in follow(contract.document, contract.document["paths"]).values():
        for method, operation in item.items():
            if method in METHODS:
                own = {
                    (one["in"], one["name"]): one
                    for one in [*item.get("parameters", []), *operation.get("parameters", [])]
                }
                yield operation["operationId"], operation | {"parameters": list(own.values())}
