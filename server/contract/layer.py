"""What the layers between the reading of a request and the sending of its answer have in common.

Connexion's layers call each other as ASGI applications, each a coroutine. From security to the check of the answer
nothing is waited for but the store, so these layers prepare each operation as one plain function (`Step`) that calls
the step of the next layer. `server/contract/operation.py` runs the first of them, which runs all.
"""

from collections.abc import Callable
from typing import Any

from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp

from server.contract.request import Request
from server.contract.response import Reply

Step = Callable[[Request], Reply]


class LayerMiddleware:
    """Mixin of a Connexion middleware of this kind.

    To Connexion it is the ASGI application that passes on what no contract knows.
    options: of its API, beside Connexion's.
    """

    apis: Any

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        super().__init__(app)  # type: ignore[call-arg]  # the mixin's base is a middleware
        self.options = options

    def add_api(self, specification: Specification, **options: Any) -> Any:
        """Prepare the operations of a contract."""
        return super().add_api(specification, **self.options, **options)  # type: ignore[misc]  # as above

    def step(self, base_path: str, operation_id: str | None) -> Step:
        """Return what this layer and all below it do for an operation."""
        for api in self.apis[base_path]:
            if operation_id in api.operations:
                step: Step = api.operations[operation_id]
                return step
        raise LookupError(operation_id)


class LayerAPI:
    """Mixin of the API of such a middleware."""

    next_app: Any
    base_path: Any

    def next_step(self, operation: AbstractOperation) -> Step:
        """Return what the layers below do for an operation: Connexion builds its stack from the inside out."""
        step: Step = self.next_app.step(self.base_path, operation.operation_id)
        return step
