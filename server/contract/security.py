"""Who calls: credentials, taken from where the spec says and handed to the functions that it names."""

from collections.abc import Callable
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.middleware import security as connexion
from connexion.operations import AbstractOperation
from connexion.utils import inspect_function_arguments

from handlers.exceptions import Unauthorized
from models.errors import InvalidSession
from server.contract.credentials import Read, find_function, reader
from server.contract.csrf import OriginPolicy
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.response import Reply
from server.contract.spec_error import error_in

NOT_ACCEPTED = (Unauthorized, InvalidSession)
"""After these the next of several alternatives is tried; every other refusal is final."""

Found = dict[str, Any]
"""What a security function tells of a caller: `sub`, its session; `client`, the access key that it signs with."""
Verify = Callable[[Request], Found | None]
"""Returns who calls; None where the credential is not there. Raises what the security function raises."""


def _verify(scheme: dict[str, Any], read: Read) -> Verify:
    """Return what checks a scheme for a request: a plain function, since nothing is to be waited for but the store."""
    function = find_function(scheme)
    takes_request = "request" in inspect_function_arguments(function)[0]

    def verify(request: Request) -> Found | None:
        credential = read(request)
        if credential is None:
            return None
        options = {"request": ConnexionRequest(request.scope)} if takes_request else {}
        found: Found | None = function(*credential, **options)
        if found is None:
            raise Unauthorized  # so Connexion has it
        request.credential = credential[0]
        return found

    return verify


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


def _only(alternative: Verify) -> Callable[[Request], None]:
    """Return what finds out who calls where there is one way to say so, as for most operations."""

    def verify(request: Request) -> None:
        found = alternative(request)
        if found is None:
            raise Unauthorized
        _note(request, found)

    return verify


def _note(request: Request, found: Found) -> None:
    request.user, request.client, request.known = found.get("sub"), found.get("client"), found.get("known")


class SecurityOperation(connexion.SecurityOperation):
    """The security requirement of one operation."""

    def _get_verification_fn(self) -> Callable[[Request], None] | None:
        """Return what finds out who calls; None where nobody is asked.

        Overridden: Connexion takes any exception for a reason to try the next alternative, and is a coroutine.
        """
        if not self.security:
            return None
        alternatives = [self._alternative(requirement) for requirement in self.security]
        if len(alternatives) == 1:
            return _only(alternatives[0])

        def verify(request: Request) -> None:
            refused: list[Exception] = []
            for alternative in alternatives:
                try:
                    found = alternative(request)
                except NOT_ACCEPTED as error:
                    refused.append(error)
                    continue
                if found is not None:
                    _note(request, found)
                    request.refused = refused[0] if refused else None
                    return
            raise refused[-1] if refused else Unauthorized()

        return verify

    def _alternative(self, requirement: dict[str, list[str]]) -> Verify:
        schemes = [self.security_schemes[name] for name in requirement]
        verifies = [_verify(scheme, reader(scheme)) for scheme in schemes]
        if not verifies:
            return _nobody
        return verifies[0] if len(verifies) == 1 else _all(verifies)


class SecurityAPI(LayerAPI, connexion.SecurityAPI):
    """The security requirements of one contract."""

    def __init__(self, *args: Any, origins: OriginPolicy, **options: Any) -> None:
        self.origins = origins
        super().__init__(*args, **options)

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what lets in who may come in. Raises SpecError."""
        for name in (name for requirement in operation.security or () for name in requirement):
            if name not in operation.security_schemes:
                raise error_in(operation, "security", reason=f"{name} is no security scheme")
        asked = SecurityOperation(
            next_app=self.next_app,
            security_handler_factory=self.security_handler_factory,
            security=operation.security,
            security_schemes=operation.security_schemes,
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
