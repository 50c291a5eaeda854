"""Generated clients that walk through the journey of their contract, each call by the operation's name.

A driver is a small program in the client's language. It reads a call as one line of JSON, makes it by the client, and
writes one line: what came over the wire (`status`, `headers`, `body`), with what the client made of it (`understood`)
or why it could not read it (`broken`); or `refused`, why the client did not send it.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

import httpx2
from openapi_schema_validator import OAS30WriteValidator

from scripts.tools.interop.place import ENVIRONMENT, Fault, Place
from scripts.tools.journeys.arazzo import Call, Stumbled, walk
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import load_journey
from server.cli.contract_check import follow
from server.contract.validation import merge

DRIVERS = Path(__file__).with_name("drivers")
METHODS = ("get", "put", "post", "delete")


class Judge:
    """Tells what of a journey a client can say, and what the contract allows."""

    def __init__(self, place: Place) -> None:
        self.described = describe(place)
        self.schemes = place.contract.document["components"].get("securitySchemes", {})

    def is_speakable(self, call: Call) -> bool:
        """Tell whether a client can have words for a call: for its media type, and for the members of its body."""
        if not call.content_type:
            return True
        content = self.described[call.operation].get("requestBody", {}).get("content", {})
        if call.content_type not in content:
            return False
        schema = merge(content[call.content_type]["schema"])
        return (
            "oneOf" in schema
            or not isinstance(call.payload, dict)
            or call.payload.keys() <= schema["properties"].keys()
        )

    def fits(self, call: Call) -> bool:
        """Tell whether a call is as the contract says, so that a client has no reason not to send it."""
        described = self.described[call.operation]
        given = {(one["in"], one["name"]): one["value"] for one in call.parameters}
        for one in described["parameters"]:
            key = (one["in"], one["name"])
            if key not in given and one.get("required"):
                return False
            if key in given and not _is_valid(one["schema"], typed(merge(one["schema"]), given[key])):
                return False
        if not any(all(self._holds(call, name) for name in way) for way in described.get("security", [{}])):
            return False
        if not call.content_type:
            return not described.get("requestBody", {}).get("required")
        return _is_valid(described["requestBody"]["content"][call.content_type]["schema"], call.payload)

    def _holds(self, call: Call, name: str) -> bool:
        """Tell whether a call has a credential of a scheme."""
        scheme = self.schemes[name]
        given = {(one["in"], one["name"]): str(one["value"]) for one in call.parameters}
        if scheme["in"] == "cookie":
            return f"{scheme['name']}=" in given.get(("header", "Cookie"), "")
        return (scheme["in"], scheme["name"]) in given


class Driver(httpx2.BaseTransport):
    """Sends the calls of a journey by a generated client; what that refuses to send goes as the journey has it."""

    def __init__(
        self, place: Place, command: Sequence[str | Path], folder: Path, complaints: Mapping[int, str]
    ) -> None:
        self.judge = Judge(place)
        self.schemes = place.contract.document["components"].get("securitySchemes", {})
        self.plain = httpx2.HTTPTransport()
        self.complaints = complaints
        self.number = 0
        self.refused: list[str] = []
        self.misread: dict[str, str] = {}
        self.process = subprocess.Popen(
            [*map(str, command), place.base_url],
            cwd=folder,
            env=ENVIRONMENT | {"PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(place.folder / "driver.log").open("w"),
            text=True,
        )
        self.pipes = cast("tuple[IO[str], IO[str]]", (self.process.stdin, self.process.stdout))

    def __enter__(self) -> Self:
        """Go on running."""
        return self

    def close(self) -> None:
        """Leave the driver running: each workflow has a client of its own."""

    def end(self) -> None:
        """End the driver."""
        self.process.communicate()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Have the client make a call; what it misread is kept. Raises Stumbled where it refuses what is allowed."""
        call: Call = request.extensions["call"]
        self.number += 1
        speakable = self.judge.is_speakable(call)
        answer: dict[str, Any] = {"refused": "it has no words for what is not declared"}
        if speakable:
            answer = self._ask(self._prepare(call))
        refused = answer.get("refused") or self.complaints.get(self.number)
        if speakable and refused and self.judge.fits(call):
            raise Stumbled(f"the client does not send what the contract allows: {refused}")
        if "refused" in answer:
            response = self.plain.handle_request(request)
            response.read()
            self.refused.append(call.operation)
            return response
        if "broken" in answer:
            self.misread[call.operation] = answer["broken"]
        if "understood" in answer and (wrong := _difference(json.loads(answer["body"]), answer["understood"])):
            self.misread[call.operation] = wrong
        kept = [(name, value) for name, value in answer["headers"] if name.lower() != "content-encoding"]
        return httpx2.Response(answer["status"], headers=kept, content=answer["body"].encode())

    def _ask(self, call: dict[str, Any]) -> dict[str, Any]:
        (to_client, from_client) = self.pipes
        try:
            to_client.write(json.dumps(call) + "\n")
            to_client.flush()
        except BrokenPipeError:
            raise Stumbled("the driver ended") from None
        if not (line := from_client.readline()):
            raise Stumbled("the driver ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _prepare(self, call: Call) -> dict[str, Any]:
        """Return a call with its values in their types, and with credentials told from parameters.

        credentials: by the names of their schemes. keys: by the names under which they travel, those not sent too.
        headers, query: what a client adds that knows no credentials.
        """
        described = self.judge.described[call.operation]
        schemas = {(one["in"], one["name"]): merge(one["schema"]) for one in described["parameters"]}
        parameters: list[dict[str, Any]] = []
        credentials: dict[str, str] = {}
        keys: dict[str, str] = {}
        headers: dict[str, str] = {}
        query: dict[str, str] = {}
        for one in {(one["in"], one["name"]): one for one in call.parameters}.values():
            key = (one["in"], one["name"])
            if key in schemas:
                parameters.append({**one, "value": typed(schemas[key], one["value"])})
            elif names := [name for name, scheme in self.schemes.items() if (scheme["in"], scheme["name"]) == key]:
                credentials |= dict.fromkeys(names, str(one["value"]))
                keys[one["name"]] = str(one["value"])
                {"query": query, "header": headers}[one["in"]][one["name"]] = str(one["value"])
            else:
                headers[one["name"]] = str(one["value"])
        return {
            "number": self.number,
            "operation": call.operation,
            "method": described["method"],
            "path": described["path"],
            "parameters": parameters,
            "credentials": credentials,
            "keys": {one["name"]: None for one in self.schemes.values()} | keys,
            "headers": headers,
            "query": query,
            "payload": call.payload,
        }


def describe(place: Place) -> dict[str, dict[str, Any]]:
    """Return the published operations by name, without references: with `method`, `path` and all parameters."""
    published = place.contract.published(place.server.url)
    return {
        operation["operationId"]: {
            **operation,
            "method": method,
            "path": path,
            "parameters": [*item.get("parameters", []), *operation.get("parameters", [])],
        }
        for path, item in follow(published, published["paths"]).items()
        for method, operation in item.items()
        if method in METHODS
    }


def drive(
    place: Place, command: Sequence[str | Path], folder: Path, complaints: Mapping[int, str] | None = None
) -> str:
    """Walk through the contract's journey by a client; return how far it came. Raises Fault.

    complaints: what a compiler said of the steps, by their number from 1.
    """
    journey = load_journey(place.contract)
    driver = Driver(place, command, folder, complaints or {})
    inputs = Inputs(place.server)
    steps = 0
    try:
        for workflow in journey.workflows:
            steps += walk(
                journey,
                workflow,
                inputs.of(workflow),
                place.server.url,
                lambda base_url: httpx2.Client(transport=driver, base_url=base_url),
            )
    except Stumbled as reason:
        raise Fault(f"{reason}\n{(place.folder / 'driver.log').read_text()[-2000:]}") from None
    finally:
        driver.end()
    if driver.misread:
        told = "\n".join(f"{operation}: {wrong}" for operation, wrong in driver.misread.items())
        raise Fault(f"{steps} steps; misreads the answers of {len(driver.misread)} operations:\n{told}")
    return f"{steps} steps, {len(driver.refused)} of them past the client, which has no words for them"


def _is_valid(schema: dict[str, Any], value: Any) -> bool:
    return bool(OAS30WriteValidator(schema).is_valid(value))


def typed(schema: dict[str, Any], value: Any) -> Any:
    """Return a value in the type that its schema names."""
    match schema.get("type"):
        case "array" if not isinstance(value, list):
            return [value]
        case "string":
            return str(value)
        case "integer" if isinstance(value, str) and value.lstrip("-").isdecimal():
            return int(value)
    return value


def _difference(sent: Any, understood: Any, at: str = "$") -> str:
    """Return where a client lost or changed something of what was sent; null and absent are the same to many."""
    if isinstance(sent, dict) and isinstance(understood, dict):
        for name in sorted(sent.keys() | understood.keys()):
            if told := _difference(sent.get(name), understood.get(name), f"{at}.{name}"):
                return told
        return ""
    if isinstance(sent, list) and isinstance(understood, list) and len(sent) == len(understood):
        return next(filter(None, map(_difference, sent, understood, [f"{at}[]"] * len(sent))), "")
    return "" if sent == understood else f"{at}: {sent!r} became {understood!r}"
