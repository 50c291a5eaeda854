"""How a contract says yes, and how it says what is wrong: by its `fail` and its examples."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from handlers.exceptions import FAULTS, BadRequest, Fault, TooManyRequests
from scripts.tools.journeys.arazzo import ABSENT
from server.cli.contract_check import follow
from server.contract.validation import Schema
from server.specs import Contract

METHODS = ("get", "put", "post", "delete")


class Envelope:
    """How a contract tells success, and what is wrong with a request: by its `fail` and its examples."""

    def __init__(self, contract: Contract) -> None:
        self.fail = contract.fail
        one, self.status = contract.fail(BadRequest(Fault("alpha", "missing")))
        other, _ = contract.fail(BadRequest(Fault("beta", "too-long", 7)))
        constant = {name for name, value in one.items() if other.get(name, ABSENT) == value}
        examples = list(_first_examples(contract.document))
        found = {name: [example.get(name, ABSENT) for example in examples] for name in constant}
        self.success = {name: values[0] for name, values in found.items() if values and _are_one(values)}
        self.throttled, _ = contract.fail(TooManyRequests(1, "", 1, 1))

    def words(self, name: str, schema: Schema) -> list[Any]:
        """Return all that can be said of a malformed member."""
        bounds = [value for one in (schema, schema.get("items", {})) for value in one.values()]
        bounds = [value for value in bounds if isinstance(value, int | str)]
        faults = (Fault(name, kind, bound) for kind in FAULTS for bound in bounds or [""])
        return [self.fail(BadRequest(fault))[0] for fault in faults]

    def is_malformed(self, answer: httpx2.Response, words: list[Any]) -> bool:
        """Tell whether the request is said to be malformed, in one of these words."""
        return answer.status_code == self.status and read_json(answer) in words

    def is_success(self, answer: httpx2.Response) -> bool:
        """Tell whether the answer says yes."""
        return answer.status_code < 400 and self.says_yes(read_json(answer))

    def says_yes(self, body: Any) -> bool:
        """Tell whether a body of success says yes."""
        return not isinstance(body, dict) or all(
            body.get(name, ABSENT) == value for name, value in self.success.items()
        )


def _are_one(values: list[Any]) -> bool:
    return values.count(values[0]) == len(values)


def _first_examples(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in follow(document, document["paths"]).values():
        for method, operation in item.items():
            for status, response in operation.get("responses", {}).items() if method in METHODS else ():
                examples = response.get("content", {}).get("application/json", {}).get("examples", {})
                first = next((one["value"] for one in examples.values()), None)
                if status < "400" and isinstance(first, dict):
                    yield first


def read_json(answer: httpx2.Response) -> Any:
    """Return the body, or ABSENT where it is no JSON."""
    try:
        return json.loads(answer.content)
    except ValueError:
        return ABSENT
