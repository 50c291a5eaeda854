"""A journey as a Postman collection: a folder for each workflow, a request with its tests for each step.

What the journey takes from elsewhere (`x-inputs`) is made by scripts where a script can make it: fresh names, times,
signatures. What only the operator or a message can give is a variable that stands empty: the access key, a project's
number, codes. Variables of an environment come before all of these.
"""

import json
import re
from typing import Any

from scripts.tools.journeys.arazzo import CONDITION, EMBEDDED, METHODS
from scripts.tools.journeys.journeys import Journey, Workflow

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
"""The format's own name for itself."""
BASE = "baseUrl"
READ = """\
const body = (() => { try { return pm.response.json(); } catch { return undefined; } })();
const point = (pointer) => pointer.split("/").slice(1).reduce((found, key) => found?.[key], body);"""
SIGN = """\
const sign = (message) => CryptoJS.enc.Base64.stringify(CryptoJS.HmacSHA1(message, pm.variables.get("accesskey")));"""
ALONE = {"disableBodyPruning": True, "disableCookies": True, "followRedirects": False}
"""Each request carries what its step says, a body of GET too, and nothing else."""

Part = dict[str, Any]


def write(journey: Journey) -> Part:
    """Return the collection of a journey, below the address of a fresh server."""
    info = journey.contract.document["info"]
    variables: Part = {BASE: f"http://127.0.0.1:8000{journey.contract.base_path}"}
    operations = {
        operation["operationId"]: (method.upper(), path)
        for path, item in journey.contract.document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    folders, made = [], set[str]()
    for workflow in journey.workflows:
        properties = workflow["inputs"]["properties"]
        variables |= {name: schema.get("default", "") for name, schema in properties.items() if name not in variables}
        begin = _begin(journey, workflow, made)
        if "access_key" in str(workflow.get("x-inputs")):
            variables.setdefault("accesskey", "")
        items = [_request(step, workflow, operations) for step in workflow["steps"]]
        if begin:
            items[0]["event"].append(_script("prerequest", begin))
        about = workflow.get("description", workflow["summary"])
        folders.append({"name": workflow["workflowId"], "description": about, "item": items})
    return {
        "info": {
            "name": info["title"],
            "description": f"{journey.document['info']['summary']}\n\n{_needs(journey)}".strip(),
            "version": info["version"],
            "schema": SCHEMA,
        },
        "variable": [{"key": name, "value": value} for name, value in variables.items()],
        "item": folders,
    }


def _needs(journey: Journey) -> str:
    """Say which variables nothing here can fill."""
    told = {
        "access_key": "`{}` and `accesskey`: an access key (`rollbook key create {}`)",
        "project_of": "`{}`: the number of an imported project (`rollbook project import`)",
        "delivered_to": "`{}`: the code or the link that was sent",
    }
    lines = dict.fromkeys(
        told[kind].format(*[name] * told[kind].count("{}"))
        for workflow in journey.workflows
        for name, source in workflow.get("x-inputs", {}).items()
        if (kind := next(iter(source))) in told
    )
    return "To be filled in:\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _begin(journey: Journey, workflow: Workflow, made: set[str]) -> list[str]:
    """Return the script that fills a workflow's inputs; made: those of earlier workflows, which stay."""
    lines = []
    properties = workflow["inputs"]["properties"]
    for name, source in workflow.get("x-inputs", {}).items():
        if name in made:
            continue
        made.add(name)
        value = _made(journey, workflow, source, properties[name].get("default", ""))
        if value:
            lines.append(f"pm.collectionVariables.set({json.dumps(name)}, {value});")
    if any("sign(" in line for line in lines):
        lines = [SIGN, *lines]
    if any("fresh" in line for line in lines):
        lines.insert(0, "const fresh = `-${Date.now().toString(36)}`;")
    return lines


def _made(journey: Journey, workflow: Workflow, source: Part, default: Any) -> str:
    """Return the expression that makes an input; nothing where no script can."""
    match source:
        case {"unique": True}:
            local, at, domain = str(default).partition("@")
            return f"{json.dumps(local, ensure_ascii=False)} + fresh + {json.dumps(at + domain)}"
        case {"unique_number": True}:
            return f"{json.dumps(str(default)[:3])} + String(Date.now()).slice(-8)"
        case {"seconds_ahead": int(seconds)}:
            return f"Math.floor(Date.now() / 1000) + {seconds}"
        case {"http_date": True}:
            return "new Date().toUTCString()"
        case {"signs": str(action), **where}:
            (path,) = journey.contract.document["paths"]
            target = f"{journey.contract.base_path}{path}{action}"
            time = f'${{pm.variables.get("{where.get("until") or where["at"]}")}}'
            signature = f"sign(`GET\\n\\n\\n{time}\\n{target}`)"
            if "by" in where:
                return f'pm.variables.get("{where["by"]}") + ":" + {signature}'
            return f"encodeURIComponent({signature})"  # Postman lets a `+` stand in a query
    return ""


def _request(step: Part, workflow: Workflow, operations: dict[str, tuple[str, str]]) -> Part:
    method, path = operations[step["operationId"]]
    places: dict[str, Part] = {"path": {}, "query": {}, "header": {}}
    for one in [*workflow.get("parameters", []), *step.get("parameters", [])]:
        several = isinstance(one["value"], list)
        places[one["in"]][one["name"]] = [_text(item) for item in one["value"]] if several else _text(one["value"])
    for name, value in places["path"].items():
        path = path.replace(f"{{{name}}}", value)
    request: Part = {
        "method": method,
        "description": step.get("description", ""),
        "header": [{"key": name, "value": value} for name, value in places["header"].items()],
        "url": {
            "raw": f"{{{{{BASE}}}}}{path}",
            "host": [f"{{{{{BASE}}}}}"],
            "path": path.removeprefix("/").split("/"),
            "query": [
                {"key": name, "value": one}
                for name, value in places["query"].items()
                for one in (value if isinstance(value, list) else [value])
            ],
        },
    }
    if body := step.get("requestBody"):
        request["header"].append({"key": "Content-Type", "value": body["contentType"]})
        request["body"] = _body(body, workflow["inputs"]["properties"])
    tests = [READ, *(_test(one) for one in step["successCriteria"])]
    tests += [
        f"pm.collectionVariables.set({json.dumps(step['stepId'] + '.' + name)}, {_term(value)});"
        for name, value in step.get("outputs", {}).items()
    ]
    return {
        "name": step["stepId"],
        "protocolProfileBehavior": ALONE,
        "event": [_script("test", tests)],
        "request": request,
    }


def _body(body: Part, properties: Part) -> Part:
    payload = body["payload"]
    if body["contentType"] == "application/x-www-form-urlencoded" and isinstance(payload, dict):
        return {"mode": "urlencoded", "urlencoded": [{"key": name, "value": _text(payload[name])} for name in payload]}
    if isinstance(payload, str):
        return {"mode": "raw", "raw": _text(payload)}
    text = _text(json.dumps(payload, ensure_ascii=False, indent=2))
    for name, schema in properties.items():
        if schema["type"] in ("integer", "number", "boolean"):
            text = text.replace(f'"{{{{{name}}}}}"', f"{{{{{name}}}}}")
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


def _text(value: Any) -> str:
    """Return a value with Postman's variables in place of expressions."""
    text = str(value)
    text = EMBEDDED.sub(lambda found: _variable(found[1]), text)
    return re.sub(r"\$(?:inputs|steps)\.[\w.]+", lambda found: _variable(found[0]), text)


def _variable(expression: str) -> str:
    return f"{{{{{_name(expression)}}}}}"


def _name(expression: str) -> str:
    """Return the variable of an expression: `$inputs.a` is `a`, `$steps.b.outputs.c` is `b.c`."""
    return expression.removeprefix("$inputs.").removeprefix("$steps.").replace(".outputs.", ".")


def _test(criterion: Part) -> str:
    condition = criterion["condition"]
    if criterion.get("type", "simple") == "regex":
        name = f"{criterion['context']} matches {condition}"
        claim = f"new RegExp({json.dumps(condition, ensure_ascii=False)}).test(String({_term(criterion['context'])}))"
    else:
        compared = CONDITION.fullmatch(condition)
        assert compared  # noqa: S101  # the journeys are walked by the same expression
        left, compare, right = compared.groups()
        name = condition
        both = f"{_term(left)}, {_term(right)}"
        claim = {
            "==": f"String({_term(left)}) === String({_term(right)})",
            "!=": f"String({_term(left)}) !== String({_term(right)})",
        }.get(compare) or f"(([a, b]) => Number(a) {compare} Number(b))([{both}])"
    return f"pm.test({json.dumps(name, ensure_ascii=False)}, () => pm.expect({claim}).to.equal(true));"


def _term(term: str) -> str:
    """Return a side of a condition, or an output, in the words of Postman's scripts."""
    source, _, pointer = term.partition("#")
    match source.split("."):
        case ["$statusCode"]:
            return "pm.response.code"
        case ["$response", "header", name]:
            return f"pm.response.headers.get({json.dumps(name)})"
        case ["$response", "body"]:
            return f"point({json.dumps(pointer)})" if pointer else "pm.response.text()"
        case ["$inputs" | "$steps", *_]:
            return f"pm.variables.get({json.dumps(_name(term))})"
    if term.startswith("'"):
        return json.dumps(term[1:-1].replace("''", "'"), ensure_ascii=False)
    return term


def _script(listen: str, lines: list[str]) -> Part:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": "\n".join(lines).splitlines()}}
