"""Who calls: credentials, taken from where the spec says and handed to the functions that it names."""

from collections.abc import Callable
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.middleware import security as connexion
from connexion.operations import AbstractOperation
from connexion.security import ApiKeySecurityHandler, SecurityHandlerFactory
from connexion.utils import get_function_from_name, inspect_function_arguments

from handlers.exceptions import Unauthorized
from models.errors import InvalidSession
from server.contract.csrf import OriginPolicy
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.response import Reply

NOT_ACCEPTED = (Unauthorized, InvalidSession)
"""After these the next of several alternatives is tried; every other refusal is final."""

Found = dict[str, Any]
"""What a security function tells of a caller: `sub`, its session; `client`, the access key that it signs with."""
Verify = Callable[[Request], Found | None]
"""Returns who calls; None where the credential is not there. Raises what the security function raises."""


class ApiKey(ApiKeySecurityHandler):
    """Connexion's API key as a plain function: nothing is to be waited for but the store."""

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: Any) -> Verify:
        """Return what checks this scheme for a request."""
        function = get_function_from_name(security_scheme[self.security_definition_key])
        takes_request = "request" in inspect_function_arguments(function)[0]
        read = _reader(security_scheme)

        def verify(request: Request) -> Found | None:
            value = read(request)
            if value is None:
                return None
            options = {"request": ConnexionRequest(request.scope)} if takes_request else {}
            found: Found | None = function(value, **options)
            if found is None:
                raise Unauthorized  # so Connexion has it
            return found

        return verify


def _reader(security_scheme: dict[str, Any]) -> Callable[[Request], str | None]:
    """Return what takes the credential from a request; a repeated one is refused, unless the first counts."""
    name: str = security_scheme["name"]
    key = name.lower().encode()
    first = security_scheme.get("x-repeated") == "first"
    readers: dict[str, Callable[[Request], str | None]] = {
        "query": lambda request: request.query.one(name, first),
        "header": lambda request: request.header(key),
        "cookie": lambda request: request.cookie(name),
    }
    return readers[security_scheme["in"]]


def _all(verifies: list[Verify]) -> Verify:
    """Return what asks for several credentials together."""

    def verify(request: Request) -> Found | None:
        together: Found = {}
        for one in verifies:
            found = one(request)
            if found is None:
                return None
            together |= found
        return together

    return verify


def _nobody(request: Request) -> Found:
    """Let in whoever has no credential, as an empty requirement says."""
    return {}


class SecurityOperation(connexion.SecurityOperation):
    """The security requirement of one operation."""

    security_handler_factory: SecurityHandlerFactory

    def _get_verification_fn(self) -> Callable[[Request], None] | None:
        """Return what finds out who calls; None where nobody is asked.

        Overridden: Connexion takes any exception for a reason to try the next alternative, and is a coroutine.
        """
        if not self.security:
            return None
        alternatives = [self._alternative(requirement) for requirement in self.security]

        def verify(request: Request) -> None:
            refused: list[Exception] = []
            for alternative in alternatives:
                try:
                    found = alternative(request)
                except NOT_ACCEPTED as error:
                    refused.append(error)
                    continue
                if found is not None:
                    request.user, request.client = found.get("sub"), found.get("client")
                    request.refused = refused[0] if refused else None
                    return
            raise refused[-1] if refused else Unauthorized()

        return verify

    def _alternative(self, requirement: dict[str, list[str]]) -> Verify:
        parse = self.security_handler_factory.parse_security_scheme
        verifies: list[Any] = [parse(self.security_schemes[name], scopes) for name, scopes in requirement.items()]
        if not verifies:
            return _nobody
        return verifies[0] if len(verifies) == 1 else _all(verifies)


class SecurityAPI(LayerAPI, connexion.SecurityAPI):
    """The security requirements of one contract."""

    def __init__(self, *args: Any, origins: OriginPolicy, **options: Any) -> None:
        self.origins = origins
        super().__init__(*args, **options)

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what lets in who may come in."""
        asked = SecurityOperation.from_operation(
            operation, next_app=self.next_app, security_handler_factory=self.security_handler_factory
        )
        step, verify = self.next_step(operation), asked.verification_fn
        if verify:
            step = _verified(verify, step)
        if operation._operation.get("x-cross-site") == "refused":
            step = _own_site(self.origins, step)
        return step


def _verified(verify: Callable[[Request], None], step: Step) -> Step:
    def identify(request: Request) -> Reply:
        verify(request)
        return step(request)

    return identify


def _own_site(origins: OriginPolicy, step: Step) -> Step:
    def check(request: Request) -> Reply:
        origins.check(request)
        return step(request)

    return check


class SecurityMiddleware(LayerMiddleware, connexion.SecurityMiddleware):
    """Finds out who calls."""

    api_cls = SecurityAPI
