"""Requests made of what a contract gives as examples."""

from typing import Any

from server.cli.contract_check import follow
from server.specs import Contract


def example(holder: dict[str, Any]) -> Any:
    """Return the first example."""
    named = [one["value"] for one in holder.get("examples", {}).values()]
    return [*named, holder.get("example"), holder["schema"].get("example")][0]


def documented(contract: Contract, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return a request made of the first examples of what an operation requires."""
    beside = follow(contract.document, contract.document["paths"][path].get("parameters", []))
    required = [one for one in [*beside, *operation.get("parameters", [])] if one.get("required")]
    places: dict[str, dict[str, Any]] = {
        place: {one["name"]: example(one) for one in required if one["in"] == place}
        for place in ("path", "query", "header")
    }
    schemes = contract.document["components"]["securitySchemes"]
    for requirement in operation["security"][:1]:
        for scheme in (schemes[name] for name in requirement):
            if scheme["in"] == "cookie":
                places["header"]["Cookie"] = f"{scheme['name']}=any"
            else:
                places[scheme["in"]][scheme["name"]] = "any"
    request: dict[str, Any] = {"params": places["query"], "headers": places["header"]}
    for media_type, content in list(operation.get("requestBody", {}).get("content", {}).items())[:1]:
        request["json" if media_type == "application/json" else "data"] = example(content)
    return {"url": contract.base_path + path.format(**places["path"]), **request}
