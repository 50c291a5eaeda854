"""One operation, from checked arguments to a checked answer, inside one unit of work."""

import inspect
from functools import partial
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT, RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.types import Receive, Scope, Send

from models import actor
from models.actor import Caller
from models.db.database import database, run_transaction
from models.errors import InvalidSession
from server.connection.client_ip import client_ip
from server.contract.authorization import Authorization
from server.contract.csrf import OriginPolicy
from server.contract.executors import Executors
from server.contract.request import RequestReader
from server.contract.response import Reply, ResponseWriter, send_reply
from server.contract.routing import CONTRACT
from server.contract.security import REFUSED, credentials, refuse
from server.limits.rate_limit_storage import RateLimitStorage
from server.limits.rate_limits import RateLimits
from server.settings import Settings


class Operation:
    """A handler with all that the spec says of it, prepared once."""

    def __init__(
        self,
        operation: AbstractOperation,
        settings: Settings,
        executors: Executors,
        rate_limit_storage: RateLimitStorage,
        headers: dict[str, str],
    ) -> None:
        self.function = operation.function
        wanted = inspect.signature(self.function).parameters
        self.wants_user = "user" in wanted
        self.admits_anybody = {} in operation._operation.get("security", [])
        self.request = RequestReader(operation, wanted, settings)
        self.response = ResponseWriter(operation, settings.validate_responses, headers)
        self.origins = OriginPolicy(settings.origins) if operation._operation.get("x-cross-site") == "refused" else None
        self.authorization = Authorization(operation, settings.policy)
        self.limits = RateLimits(operation, settings, rate_limit_storage)
        self.executors = executors
        self.proxies = settings.trusted_networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self.origins:
            self.origins.check(scope)
        context = scope["extensions"].get("connexion_context", {})
        refuse(context.get("token_info"))
        arguments = await self.request.arguments(scope, receive)
        hashes = self.request.has_password(arguments)
        user = context.get("user")
        work = partial(self.perform, user, arguments, scope, context.get("token_info"))
        if self.limits:
            work = partial(self.limits.within, scope, user, arguments, context.get("token_info"), work)
        reply = await self.executors.run(work, hashes, once=bool(self.limits))
        await send_reply(reply, scope, send, self.executors.iterate)

    def perform(self, user: Any, arguments: dict[str, Any], scope: Scope, token_info: Any = None) -> Reply:
        """Run the handler; what it wrote is kept only if its answer fits the spec.

        A credential that is dead by then counts as one that was dead before.
        """
        actor.current.set(lambda: self._caller(user, scope))
        refused = scope.get(REFUSED)
        given = {**arguments, "user": user} if self.wants_user else arguments

        def answer() -> Reply:
            for credential in credentials(token_info):
                database.rely_on(credential)
            self.authorization.authorize(user, given, refused)
            return self.response.reply(self.function(**given))

        try:
            return run_transaction(answer)
        except InvalidSession as error:
            if user is None or not self.admits_anybody:
                raise
            scope[REFUSED] = error
        return self.perform(None, arguments, scope)

    def _caller(self, user: Any, scope: Scope) -> Caller:
        """Tell the audit who calls."""
        address = client_ip(scope, self.proxies) or None
        return Caller(scope[CONTRACT], address, user.account.id if user else None)


class Operations(RoutedAPI[Operation]):
    """The operations of one contract."""

    def __init__(
        self,
        specification: Specification,
        *,
        settings: Settings,
        executors: Executors,
        rate_limit_storage: RateLimitStorage,
        **options: Any,
    ) -> None:
        known = {key: options[key] for key in ("next_app", "base_path", "resolver", "uri_parser_class")}
        super().__init__(specification, **known)
        self.settings = settings
        self.executors = executors
        self.rate_limit_storage = rate_limit_storage
        self.headers: dict[str, str] = specification.get("x-headers", {})
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        """Prepare one operation."""
        return Operation(operation, self.settings, self.executors, self.rate_limit_storage, self.headers)


class OperationMiddleware(RoutedMiddleware[Operations]):
    """Ends the journey of every request that a contract knows; others go on to the pages."""

    api_cls = Operations

    def find(self, scope: Scope) -> Operation | None:
        """Return the operation that a request is meant for, however far it came."""
        route = scope.get("extensions", {}).get(ROUTING_CONTEXT, {})
        name = route.get("operation_id")
        apis = self.apis.get(route.get("api_base_path"), [])
        return next((api.operations[name] for api in apis if name in api.operations), None)
