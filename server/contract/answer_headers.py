"""Headers that the server adds to every answer, declared as OpenAPI has it: for who reads a contract from outside."""

from copy import deepcopy
from typing import Any

Document = dict[str, Any]

REQUEST_ID = {
    "description": (
        "Names this request in the server's log: what the client sent under this name if it is short and harmless, "
        "else a new one."
    ),
    "required": True,
    "schema": {"type": "string", "maxLength": 64, "pattern": "^[0-9A-Za-z][0-9A-Za-z._:-]*$"},
    "example": "9f86d081884c-1",
}


def declare_headers(public: Document, document: Document) -> None:
    """Declare at every answer of a published contract what `x-headers` of its source says, and the request's id."""
    components = public["components"]
    of_all = {"X-Request-ID": REQUEST_ID, **_constant(document.get("x-headers", {}))}
    components["headers"] = {**of_all, **components.get("headers", {})}
    shared = {name: {"$ref": f"#/components/headers/{name}"} for name in of_all}
    responses = components.get("responses", {})
    for name, response in responses.items():
        responses[name] = _with(response, shared)
    for path, item in public["paths"].items():
        for method, operation in item.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            own = _constant(document["paths"][path][method].get("x-headers", {}))
            answers = operation["responses"]
            for status, response in answers.items():
                if "$ref" not in response:
                    answers[status] = _with(response, {**shared, **own})
                elif own:  # nothing may stand beside a reference
                    answers[status] = _with(deepcopy(responses[response["$ref"].rpartition("/")[2]]), own)


def _constant(headers: dict[str, str]) -> Document:
    return {
        name: {
            "description": "The same on every answer.",
            "required": True,
            "schema": {"type": "string", "maxLength": len(value), "enum": [value]},
        }
        for name, value in headers.items()
    }


def _with(response: Document, headers: Document) -> Document:
    return {**response, "headers": {**headers, **response.get("headers", {})}}
