"""A collection that Postman's converter makes of a contract, run by newman."""

import json
import re

import httpx2

from scripts.tools.harness.npm import BIN
from scripts.tools.interop import clients
from scripts.tools.interop.place import Fault, Place, npm_tool, run
from scripts.tools.journeys.arazzo import Declared

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
