"""A small Arazzo runner: walks through one workflow and stumbles over the first thing that is not as it is written.

It knows what the journeys use, and refuses the rest of Arazzo 1.0 by name: steps of operations by `operationId`;
parameters in path, query and header, of the step and of its workflow; bodies as JSON, as a form and as text; runtime
expressions that are a whole value, or stand in one between braces; outputs; conditions that compare two values, and
regular expressions. Beyond the step's own criteria, every answer must be declared in the spec: status, media type, and
body.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2
from openapi_schema_validator import OAS30ReadValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from scripts.tools.journeys.journeys import Journey, Workflow
from server.specs import Contract

WORKFLOW_FIELDS = {"workflowId", "summary", "description", "inputs", "parameters", "steps"}
STEP_FIELDS = {"stepId", "description", "operationId", "parameters", "requestBody", "successCriteria", "outputs"}
EXTENSIONS = {"x-inputs", "x-client", "x-role", "x-one-runner", "x-respect-severity", "x-successCriteria"}
METHODS = {"get", "put", "post", "delete"}
DOCUMENT = "urn:contract"

EMBEDDED = re.compile(r"\{(\$[^{}]+)\}")
CONDITION = re.compile(r"(\S+) (==|!=|<=|>=|<|>) (.+)")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: _exact(left) == _exact(right),
    "!=": lambda left, right: _exact(left) != _exact(right),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ABSENT = object()
"""What is not there: equal to nothing that can be written."""

Step = dict[str, Any]


class Stumbled(Exception):
    """A step did not go as it is written."""


@dataclass(frozen=True)
class Operation:
    """One operation of a contract: where it is, and what it may answer."""

    method: str
    path: str
    pointer: str
    responses: dict[str, Any]


class Declared:
    """What a contract declares."""

    def __init__(self, contract: Contract) -> None:
        self.base_path = contract.base_path
        document = contract.document
        self.registry: Registry[Any] = Registry().with_resource(DOCUMENT, DRAFT202012.create_resource(document))
        self.operations = {
            operation["operationId"]: Operation(
                method, path, f"#/paths/{_escape(path)}/{method}/responses", operation["responses"]
            )
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def complaints(self, operation: Operation, response: httpx2.Response) -> Iterator[str]:
        """Yield in what an answer is not as the spec declares it."""
        status = str(response.status_code)
        if status not in operation.responses:
            yield f"status {status} is not declared"
            return
        pointer, answer = f"{operation.pointer}/{status}", operation.responses[status]
        if "$ref" in answer:
            pointer = answer["$ref"]
            answer = self._resolve(pointer)
        content = answer.get("content", {})
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if not content and response.content:
            yield f"a body is not declared for status {status}"
        elif content and media_type not in content:
            yield f"media type {media_type!r} is not declared for status {status}"
        elif content and media_type.endswith("json"):
            schema = {"$ref": f"{DOCUMENT}{pointer}/content/{_escape(media_type)}/schema"}
            validator = OAS30ReadValidator(schema, registry=self.registry)
            yield from (f"body: {error.json_path}: {error.message}" for error in validator.iter_errors(response.json()))

    def _resolve(self, pointer: str) -> Any:
        return self.registry.resolver(DOCUMENT).lookup(pointer).contents


@dataclass
class Walk:
    """One walk through a workflow."""

    inputs: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    response: httpx2.Response | None = None

    def evaluate(self, value: Any) -> Any:
        """Return a value with every runtime expression in it replaced by what it stands for."""
        if isinstance(value, dict):
            return {name: self.evaluate(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.evaluate(item) for item in value]
        if isinstance(value, str) and EMBEDDED.search(value):
            return self.embed(value)
        return self.find(value) if isinstance(value, str) and value.startswith("$") else value

    def embed(self, text: str) -> Any:
        """Return a text with the values of the expressions that stand in it between braces; ABSENT if one is."""
        found = [self.find(expression) for expression in EMBEDDED.findall(text)]
        if ABSENT in found:
            return ABSENT
        values = iter(found)
        return EMBEDDED.sub(lambda _: str(next(values)), text)

    def find(self, expression: str) -> Any:
        """Return what a runtime expression stands for, or ABSENT."""
        name, _, pointer = expression.partition("#")
        match name.split("."):
            case ["$inputs", key]:
                found = self.inputs.get(key, ABSENT)
            case ["$steps", step, "outputs", key]:
                found = self.outputs.get(step, {}).get(key, ABSENT)
            case ["$statusCode"] if self.response is not None:
                found = self.response.status_code
            case ["$response", "header", key] if self.response is not None:
                # the last of several cookies counts: theirs is the one header that must not be joined (RFC 9110)
                values = self.response.headers.get_list(key)
                found = ABSENT if not values else values[-1] if key.lower() == "set-cookie" else ", ".join(values)
            case ["$response", "body"] if self.response is not None:
                found = point(self._body(), pointer) if pointer else self.response.text
            case _:
                raise Stumbled(f"{expression} is no expression that this runner knows here")
        return found

    def _body(self) -> Any:
        """Return the latest answer's body, or ABSENT if it is no JSON."""
        try:
            return json.loads(self.response.content) if self.response is not None else ABSENT
        except ValueError:
            return ABSENT

    def holds(self, criterion: dict[str, Any]) -> bool:
        """Tell whether a criterion is met."""
        condition = criterion["condition"]
        kind = criterion.get("type", "simple")
        if kind == "regex":
            found = self.find(criterion["context"])
            return found is not ABSENT and re.search(condition, str(found)) is not None
        compared = CONDITION.fullmatch(condition)
        if kind != "simple" or not compared:
            raise Stumbled(f"{criterion} is no criterion that this runner knows")
        left, compare, right = compared.groups()
        both = self._term(left), self._term(right)
        return COMPARISONS[compare](*both) if ABSENT not in both or compare in ("==", "!=") else False

    def _term(self, term: str) -> Any:
        if term.startswith("$"):
            return self.find(term)
        if term.startswith("'"):
            return term[1:-1].replace("''", "'")
        return json.loads(term)


def walk(
    journey: Journey,
    workflow: Workflow,
    inputs: dict[str, Any],
    url: str,
    connect: Callable[..., httpx2.Client] = httpx2.Client,
) -> int:
    """Walk through a workflow of a journey on a server; return the number of steps. Raises Stumbled.

    connect: makes the client, given `base_url`.
    """
    declared = {contract.stem: Declared(contract) for contract in (journey.contract, *journey.beside)}
    _refuse_unknown(workflow, WORKFLOW_FIELDS)
    missing = set(workflow["inputs"]["required"]) - inputs.keys()
    if missing:
        raise Stumbled(f"{workflow['workflowId']}: no value for {', '.join(sorted(missing))}")
    progress = Walk(inputs)
    with connect(base_url=url) as client:
        client.timeout = httpx2.Timeout(30)
        for step in workflow["steps"]:
            try:
                stem, operation = _operation(step["operationId"], journey)
                _take(step, operation, workflow.get("parameters", []), progress, declared[stem], client)
            except Stumbled as reason:
                told = progress.response and f"{progress.response.status_code} {progress.response.text[:500]}"
                where = f"{journey.stem} / {workflow['workflowId']} / {step.get('stepId')}"
                raise Stumbled(f"{where}: {reason}\nlast answer: {told}") from None
    return len(workflow["steps"])


def _operation(named: str, journey: Journey) -> tuple[str, str]:
    """Return the contract and the operation that a step names: its own by the id alone. Raises Stumbled."""
    match named.split("."):
        case [id]:
            return journey.stem, id
        case ["$sourceDescriptions", stem, id] if stem in {one.stem for one in (journey.contract, *journey.beside)}:
            return stem, id
    raise Stumbled(f"no operation {named}")


def _take(
    step: Step, named: str, common: list[dict[str, Any]], progress: Walk, declared: Declared, client: httpx2.Client
) -> None:
    """Take one step. Raises Stumbled."""
    _refuse_unknown(step, STEP_FIELDS)
    operation = declared.operations.get(named)
    if not operation:
        raise Stumbled(f"no operation {named}")
    call = bind(step, common, progress)
    sent = compose(operation, call)
    sent["url"] = declared.base_path + sent["url"]
    client.cookies.clear()
    whole = {"call": call}  # for what speaks by the names of operations: scripts/tools/interop
    progress.response = response = client.request(operation.method, **sent, extensions=whole)
    complaints = list(declared.complaints(operation, response))
    criteria = step["successCriteria"] + step.get("x-successCriteria", [])
    complaints += [f"does not hold: {criterion}" for criterion in criteria if not progress.holds(criterion)]
    outputs = {name: progress.find(expression) for name, expression in step.get("outputs", {}).items()}
    complaints += [f"no output {name}" for name, value in outputs.items() if value is ABSENT]
    if complaints:
        raise Stumbled("; ".join(complaints))
    progress.outputs[step["stepId"]] = outputs


@dataclass(frozen=True)
class Call:
    """What a step asks for, before it becomes a request.

    parameters: each with `name`, `in` and `value`. payload: the body as it is written, or None.
    """

    operation: str
    parameters: list[dict[str, Any]]
    content_type: str
    payload: Any


def bind(step: Step, common: list[dict[str, Any]], progress: Walk) -> Call:
    """Return what a step asks for, with values in place of expressions; its parameters come after the workflow's."""
    parameters = [{**one, "value": progress.evaluate(one["value"])} for one in common + step.get("parameters", [])]
    body = step.get("requestBody", {})
    return Call(step["operationId"], parameters, body.get("contentType", ""), progress.evaluate(body.get("payload")))


@dataclass
class Request:
    """A request that can still be changed. places: path, query and header -> name -> value, a list where it repeats."""

    operation: Operation
    places: dict[str, dict[str, Any]]
    media_type: str
    payload: Any

    def sent(self) -> dict[str, Any]:
        """Return it as the client takes it."""
        path, headers = self.operation.path, dict(self.places["header"])
        for name, value in self.places["path"].items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        sent: dict[str, Any] = {"url": path, "params": self.places["query"], "headers": headers}
        if self.media_type:
            headers["Content-Type"] = self.media_type
            match self.media_type:
                case "application/json":
                    sent["content"] = json.dumps(self.payload)
                case "application/x-www-form-urlencoded":
                    sent["data"] = self.payload
                case _:
                    sent["content"] = self.payload
        return sent


def make_request(operation: Operation, call: Call) -> Request:
    """Return the request of a call; a parameter of the step comes before one of the workflow. Raises Stumbled."""
    places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for parameter in call.parameters:
        if parameter["value"] is ABSENT or parameter["in"] not in places:
            raise Stumbled(f"parameter {parameter}: no such value or place")
        value = parameter["value"]
        several = isinstance(value, list)  # a query may repeat its name
        places[parameter["in"]][parameter["name"]] = [str(one) for one in value] if several else str(value)
    return Request(operation, places, call.content_type, call.payload)


def compose(operation: Operation, call: Call) -> dict[str, Any]:
    """Return what is sent, as the client takes it. Raises Stumbled."""
    return make_request(operation, call).sent()


def _refuse_unknown(part: dict[str, Any], known: set[str]) -> None:
    if unknown := part.keys() - known - EXTENSIONS:
        raise Stumbled(f"this runner does not know {', '.join(sorted(unknown))}")


def point(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer finds, or ABSENT."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def _escape(token: str) -> str:
    return quote(token.replace("~", "~0").replace("/", "~1"), safe="~{}")


def _exact(value: Any) -> tuple[bool, Any]:
    """Tell true from 1 and false from 0, which Python does not."""
    return isinstance(value, bool), value
