"""What makes types and calls of TypeScript, compiled under `strict`; openapi-fetch walks through the journey."""

import json
import re
import shutil
from typing import Any

from scripts.tools.harness.npm import BIN
from scripts.tools.interop import clients
from scripts.tools.interop.generators import STRICT, compile_typescript
from scripts.tools.interop.place import Fault, Place, npm_tool, run
from scripts.tools.journeys.arazzo import EMBEDDED
from scripts.tools.journeys.journeys import load_journey
from server.contract.validation import merge

CALLS = """\
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

export const client = createClient<paths>({ baseUrl: process.argv[2] ?? "" });

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const calls: Array<(v: any) => Promise<{ response: Response; data?: unknown; error?: unknown }>> = [
"""
EMIT = [word for word in STRICT if word != "--noEmit"]


def make_openapi_typescript(place: Place) -> None:
    """Compile the types."""
    made = place.folder / "schema.ts"
    run(BIN / "node", npm_tool("openapi-typescript"), place.document, "-o", made)
    compile_typescript(place, made)


def make_openapi_fetch(place: Place) -> str:
    """Write the journey as typed calls, compile them, and walk; the compiler may refuse what the contract refuses."""
    run(BIN / "node", npm_tool("openapi-typescript"), place.document, "-o", place.folder / "schema.d.ts")
    described = clients.describe(place)
    lines = [
        _call(step, workflow.get("parameters", []), described)
        for workflow in load_journey(place.contract).workflows
        for step in workflow["steps"]
    ]
    (place.folder / "calls.ts").write_text("".join([CALLS, *lines, "];\n"]))
    shutil.copy(clients.DRIVERS / "fetch_client.mjs", place.folder)
    (place.folder / "package.json").write_text('{"type": "module"}')
    (place.folder / "node_modules").symlink_to(npm_tool("tsc").parents[1])
    return clients.drive(place, [BIN / "node", "fetch_client.mjs"], place.folder, _compile(place))


def _compile(place: Place) -> dict[int, str]:
    """Compile the calls; return what the compiler says of them, by their number. Raises Fault."""
    try:
        run(BIN / "node", npm_tool("tsc"), *EMIT, "calls.ts", cwd=place.folder)
    except Fault as complaints:
        found = re.findall(r"^(?:node: )?calls\.ts\((\d+),\d+\): (.*)", str(complaints), re.MULTILINE)
        told = {int(line) - CALLS.count("\n"): what for line, what in found}
        if not told or min(told) < 1:
            raise
        return told
    return {}


def _call(step: dict[str, Any], common: list[dict[str, Any]], described: dict[str, Any]) -> str:
    """Return a step as a line of TypeScript: what is written in the journey is written here, with its type."""
    operation = described[step["operationId"]]
    declared = {(one["in"], one["name"]): merge(one["schema"]) for one in operation["parameters"]}
    places: dict[str, dict[str, str]] = {}
    for one in [*common, *step.get("parameters", [])]:
        if (one["in"], one["name"]) in declared:
            value = clients.typed(declared[one["in"], one["name"]], one["value"])
            found = f'v.parameters["{one["in"]}.{one["name"]}"]'
            places.setdefault(one["in"], {})[one["name"]] = _literal(value, found)
    params = ", ".join(f"{place}: {_object(values)}" for place, values in places.items())
    options = ["headers: v.headers"] + ([f"params: {{ {params} }}"] if params else [])
    if body := step.get("requestBody"):
        options.append(f"body: {_literal(body['payload'], 'v.payload')}")
    if any("text/html" in answer.get("content", {}) for answer in operation["responses"].values()):
        options.append('parseAs: "text"')
    method = operation["method"].upper()
    return f'  (v) => client.{method}("{operation["path"]}", {{ {", ".join(options)} }}),\n'


def _object(values: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items()) + " }"


def _literal(value: Any, place: str) -> str:
    """Return a value as it stands in the journey; where it is known at run time only, where it will be found."""
    if isinstance(value, dict):
        return _object({name: _literal(item, f"{place}[{json.dumps(name)}]") for name, item in value.items()})
    if isinstance(value, list) and all(_is_known(item) for item in value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) or not _is_known(value):
        return place
    return json.dumps(value, ensure_ascii=False)


def _is_known(value: Any) -> bool:
    """Tell whether a value stands in the journey itself."""
    return not (isinstance(value, str) and (value.startswith("$") or EMBEDDED.search(value)))


def make_orval(place: Place) -> None:
    """Compile what orval makes."""
    made = place.folder / "orval.ts"
    run(BIN / "node", npm_tool("orval"), "--input", place.document, "--output", made, cwd=place.folder)
    compile_typescript(place, made)


def make_swagger_typescript_api(place: Place) -> None:
    """Compile what swagger-typescript-api makes."""
    command = ("generate", "-p", place.document, "-o", place.folder, "-n", "api.ts")
    run(BIN / "node", npm_tool("swagger-typescript-api"), *command)
    compile_typescript(place, place.folder / "api.ts")
