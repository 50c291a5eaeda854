"""Stock Connexion: the same specs, the same handlers, Connexion's own routing, validation and JSON.

The handlers are wrapped into coroutines, because an embedded store answers faster on the event loop than from one of
the forty threads in which Connexion runs plain functions. `BENCH_VALIDATE_RESPONSES=1` has it check responses too.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from connexion import AsyncApp
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.resolver import RelativeResolver

from handlers import sso
from models.db.database import transaction
from models.errors import DirectoryError
from scripts.tools.bench_peers.directory import open_directory
from server.specs import load_contracts

CONTRACTS = ("dbms", "annotation", "sso", "indexy")
"""In this order: of those at one base path, the last whose router knows the path has the request."""


class Resolver(RelativeResolver):
    """Finds the handlers of one contract."""

    def resolve_function_from_operation_id(self, operation_id: str) -> Callable[..., Any]:
        """Return the handler, one that answers with a body alone, inside a unit of work."""
        handler = super().resolve_function_from_operation_id(operation_id)

        @wraps(handler)
        async def answer(*args: Any, **options: Any) -> Any:
            with transaction():
                body = handler(*args, **options)
            return body, 200, {"Content-Type": "application/json"}  # it does not choose among several by itself

        return answer


def refuse(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Answer for what the models raise; the failure cases are not measured, so one contract's words will do."""
    body, status = sso.fail(error)
    return ConnexionResponse(status, body=body)


def make_app() -> AsyncApp:
    """Build the application."""
    open_directory()
    stock = AsyncApp("bench")
    contracts = {contract.stem: contract for contract in load_contracts()}
    for stem in CONTRACTS:
        stock.add_api(
            contracts[stem].document,
            name=stem,
            resolver=Resolver(f"handlers.{stem}"),
            validate_responses=os.environ.get("BENCH_VALIDATE_RESPONSES") == "1",
        )
    stock.add_error_handler(DirectoryError, refuse)
    return stock


app = make_app()
