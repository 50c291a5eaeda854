"""The contracts are Connexion's: the same specs and handlers under Connexion's own default middlewares.

What only Rollbook's layers do is named here with its reason; everything else holds under both.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any

import orjson
import pytest
from connexion import AsyncApp, ConnexionMiddleware
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.resolver import RelativeResolver
from httpx2 import Response
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from handlers.exceptions import BadRequest, Fault, ProtocolError
from models.db.database import transaction
from models.errors import DirectoryError
from scripts.tools.journeys.arazzo import Declared, walk
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import Journey, load_journeys
from server.contract.action import Action
from server.contract.exceptions import STATUSES, to_problem
from server.jobs.delivery.transports import transports
from server.jobs.mailer import Mailer
from server.settings import Settings
from server.specs import Contract, load_contracts
from tests.contracts.test_every_operation import OPERATIONS, Operation, make_send
from tests.contracts.test_specs import follow, operations

ABSENT_BODY = {"annotation.read"}
"""Operations whose body is optional: Connexion answers 400 where it is absent, so it is served without a body."""
COMMA = {"indexy.list_accounts"}
"""Operations with an exploded array: Connexion splits its values at commas, which the spec says are part of them."""
NEWEST_FIRST = {"name": "order", "in": "query", "value": "id,desc"}
"""Such a value, and the default besides: journeys go without it."""
CHARSET = {"condition": "$response.header.Content-Type == 'text/html; charset=utf-8'"}
"""Connexion refuses a media type with a parameter, unless the spec has it too: journeys do not look for it."""
REFUSED_BY_US = {
    ("dbms", "update_somebody_else"): "x-documented: who may act on whom is no word of OpenAPI, so nobody is refused",
    ("annotation", "log_in_while_logged_in"): "after a credential is refused Connexion tries the next requirement, {}",
    ("indexy", "find_no_number"): "Connexion finds no path where an integer is expected, and answers 404",
    ("sso", "find_no_number"): "likewise",
    (
        "indexy",
        "update_nothing",
    ): "what no contract declares is left alone first, so that nothing is left; Connexion counts it",
    ("annotation", "register_as_text"): "JSON is read whatever its label says; Connexion answers 415",
}
"""Steps of journeys that only Rollbook's layers refuse, or refuse otherwise."""
READ_BY_US = {
    ("dbms", "send_back_what_was_read"): "x-also-in: the token stands in the body",
    **dict.fromkeys(
        [
            ("dbms", "take_the_email_away"),
            ("dbms", "find_without_email"),
            ("signed", "update_with_blanks"),
            ("sso", "rename"),
            ("sso", "find_the_renamed"),
            ("sso", "list_with_blanks"),
            ("indexy", "list_with_blanks"),
            ("indexy", "update_with_blanks"),
            ("indexy", "find_what_is_left"),
        ],
        "a blank is none; Connexion takes it for a value",
    ),
}
"""Steps of journeys that only Rollbook's layers grant, and what follows from them."""
ORDER = ("dbms", "annotation", "sso", "indexy", "signed")
"""Of two contracts at one base path, Connexion gives what both know to the one that was added last (connexion#1542)."""

JOURNEYS = load_journeys()
pytestmark = pytest.mark.once("Connexion's layers see no store")


class Resolver(RelativeResolver):
    """Finds the handlers of one contract, each to run in a transaction."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(f"handlers.{contract.stem}")
        self.headers = contract.headers
        self.declared = {
            operation["operationId"]: follow(contract.document, operation)
            for _, _, operation in operations(contract.document)
        }

    def resolve_function_from_operation_id(self, operation_id: str) -> Callable[..., Any]:
        """Return the handler with what Rollbook's layers add, for which Connexion leaves the handler to care.

        Of several media types the first is chosen and told without a charset, `x-headers` are sent, what is streamed is
        sent as a whole, `x-action` keeps from the handler what does
        not belong to the act, and nobody is given a `user` who does not name it.
        """
        handler = super().resolve_function_from_operation_id(operation_id)
        declared = self.declared[operation_id.rpartition(".")[2]]
        takes_user = "user" in signature(handler).parameters
        action = Action(declared["x-action"]) if "x-action" in declared else None

        @wraps(handler)
        def answer(user: Any = None, **arguments: Any) -> Any:
            user = {"user": user} if takes_user else {}
            arguments = action.choose(arguments) if action else arguments
            with transaction():
                result = handler(**arguments, **user)
                body, status, headers = (*result, {})[:3] if type(result) is tuple else (result, 0, {})
                if isinstance(body, Iterator):
                    body = b"".join(body)
            status = status or (204 if body is None else 200)
            media_types = list(declared["responses"][str(status)].get("content", {}))
            headers = self.headers | ({"Content-Type": media_types[0]} if media_types else {}) | headers
            if "Content-Type" in headers:
                headers["Content-Type"] = headers["Content-Type"].partition(";")[0]
            return body, status, headers

        return answer


def _fail(contracts: dict[str, Contract], request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Say a failure in the words of the contract that the path belongs to."""
    stem = (request.scope["extensions"]["connexion_routing"]["operation_id"] or "").split(".")[1:2]
    contract = contracts[stem[0] if stem else "dbms"]
    if isinstance(error, ProblemException) and error.status in STATUSES:
        missing = re.search(r"'(\w+)' is a required property", error.detail or "")
        error = BadRequest(Fault(missing[1], "missing")) if missing else STATUSES[error.status]()
    body, status = contract.fail(to_problem(error))
    return ConnexionResponse(status, mimetype=contract.failure_media_type, body=orjson.dumps(body))


@pytest.fixture
def stock(settings: Settings) -> AsyncApp:
    """The application as Connexion has it."""
    contracts = {contract.stem: contract for contract in load_contracts(settings)}
    app = AsyncApp("stock")
    assert app.middleware.middlewares == ConnexionMiddleware.default_middlewares
    for stem in ORDER:
        for _, _, operation in operations(contracts[stem].document):
            if f"{stem}.{operation['operationId']}" in ABSENT_BODY:
                assert not operation.pop("requestBody").get("required")
        app.add_api(contracts[stem].document, name=stem, resolver=Resolver(contracts[stem]), validate_responses=True)
    for kind in (DirectoryError, ProtocolError, ProblemException, HTTPException):
        app.add_error_handler(kind, partial(_fail, contracts))
    return app


@dataclass
class Here:
    """A server in this process."""

    data: Path
    run: Callable[..., Any]
    url = "http://127.0.0.1"

    def operate(self, *command: str) -> str:
        """Run the operator command; return what it prints."""
        ran = self.run(*command)
        assert ran.exit_code == 0, ran.output
        output: str = ran.stdout
        return output


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_the_journey_comes_to_its_end(
    journey: Journey, stock: AsyncApp, settings: Settings, operate: Callable[..., Any]
) -> None:
    inputs, mailer = Inputs(Here(settings.data, operate)), Mailer(transports(settings))
    connect = partial(TestClient, stock, raise_server_exceptions=False, follow_redirects=False)
    left_out = REFUSED_BY_US | READ_BY_US
    for whole in journey.shared:  # the others are of what Connexion reads otherwise, too
        mailer.deliver_due()
        steps = [
            _without_differences(step) for step in whole["steps"] if (journey.stem, step["stepId"]) not in left_out
        ]
        workflow = whole | {"steps": steps}
        assert walk(journey, workflow, inputs.of(workflow), Here.url, connect) == len(steps)


def _without_differences(step: dict[str, Any]) -> dict[str, Any]:
    parameters = [parameter for parameter in step.get("parameters", []) if parameter != NEWEST_FIRST]
    criteria = [criterion for criterion in step["successCriteria"] if criterion != CHARSET]
    return step | {"parameters": parameters, "successCriteria": criteria}


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_answers_its_own_examples_alike(
    operation: Operation, client: TestClient, stock: AsyncApp, renew_store: Callable[[], str]
) -> None:
    ours: Response = make_send(client)(operation)
    renew_store()
    theirs: Response = make_send(TestClient(stock, raise_server_exceptions=False, follow_redirects=False))(operation)
    if f"{operation.contract.stem}.{operation.declared['operationId']}" in COMMA:
        assert (ours.status_code, theirs.status_code) == (200, 400)
        return
    if "x-documented" in operation.declared:
        assert (ours.status_code, theirs.status_code) == (403, 404)  # of an account that is not there
        return
    assert theirs.status_code == ours.status_code, theirs.text
    if ours.content:
        assert theirs.headers["content-type"].partition(";")[0] == ours.headers["content-type"].partition(";")[0]
    declared = Declared(operation.contract)
    assert not list(declared.complaints(declared.operations[operation.declared["operationId"]], theirs))
