"""Collections, run by newman: what Postman's converter makes of a contract, and the one that the server publishes."""

import json
import re

import httpx2

from scripts.tools.harness.npm import BIN
from scripts.tools.interop import clients
from scripts.tools.interop.place import Fault, Place, npm_tool, run
from scripts.tools.journeys.arazzo import Declared
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import load_journey

SCRIPTED = {"unique", "unique_number", "seconds_ahead", "http_date", "signs"}
"""Sources of inputs that a collection makes by itself."""
NAMES = {"unique", "unique_number"}
"""Those of them that somebody else has to know who gives what is left: an operator, or who reads a message."""
SLASHES = re.compile("/+$")


def convert(place: Place) -> str:
    """Make a collection of the contract, and have newman send its requests; each answer must be declared."""
    made = place.folder / "collection.json"
    run(BIN / "node", npm_tool("openapi2postmanv2"), "-s", place.document, "-o", made)
    seen = place.folder / "seen.json"
    words = ("run", made, "--reporters", "json", "--reporter-json-export", seen, "--timeout-request", "20000")
    run(BIN / "node", npm_tool("newman"), *words)
    declared = Declared(place.contract)
    names = {
        (one["method"].upper(), SLASHES.sub("", one["path"])): name for name, one in clients.describe(place).items()
    }
    sent = json.loads(seen.read_bytes())["run"]["executions"]
    for one in sent:
        request, response = one["item"]["request"], one["response"]
        path = "".join(f"/{{{part[1:]}}}" if part.startswith(":") else f"/{part}" for part in request["url"]["path"])
        name = names[request["method"], SLASHES.sub("", path)]
        headers = {header["key"]: header["value"] for header in response["header"]}
        headers.pop("content-encoding", None)
        answer = httpx2.Response(response["code"], headers=headers, content=bytes(response["stream"]["data"]))
        if complaints := list(declared.complaints(declared.operations[name], answer)):
            raise Fault(f"{name}: {response['code']} {'; '.join(complaints)} {answer.text[:300]}")
    if len(sent) != len(names):
        raise Fault(f"{len(sent)} requests for {len(names)} operations")
    return f"{len(sent)} requests"


def walk(place: Place) -> str:
    """Have newman run the published collection, a folder for each workflow, with what only the operator can give."""
    published = place.folder / "published.json"
    published.write_bytes(
        httpx2.get(f"{place.server.url}/specs/{place.stem}.postman_collection.json").raise_for_status().content
    )
    inputs = Inputs(place.server)
    steps = 0
    workflows = load_journey(place.contract).workflows
    kinds = {next(iter(source)) for workflow in workflows for source in workflow["x-inputs"].values()}
    scripted = SCRIPTED - NAMES if kinds & {"project_of", "delivered_to"} else SCRIPTED
    for workflow in workflows:
        values = inputs.of(workflow)
        given = {name: values[name] for name, source in workflow["x-inputs"].items() if scripted.isdisjoint(source)}
        given |= {"accesskey": inputs.accesskey} if inputs.accesskey else {}
        words = [word for name, value in given.items() for word in ("--env-var", f"{name}={value}")]
        folder = ("--folder", workflow["workflowId"], "--reporters", "cli", "--reporter-cli-no-banner", "--bail")
        run(BIN / "node", npm_tool("newman"), "run", published, *folder, *words)
        steps += len(workflow["steps"])
    return f"{steps} steps"
