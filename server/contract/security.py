"""Credentials: taken from where the spec says, handed to the function that the spec names."""

from collections.abc import Callable, Iterator
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.security import NO_VALUE, ApiKeySecurityHandler
from connexion.utils import get_function_from_name, inspect_function_arguments
from starlette.types import Scope

from handlers.exceptions import ProtocolError
from models.db.database import run_transaction
from models.db.transaction import Credential
from models.errors import DirectoryError
from server.contract.executors import Executors
from server.contract.request import read_cookie, read_query

REFUSAL = "refusal"
"""Key under which a final refusal travels past the alternatives that Connexion would try next."""

REFUSED = "rollbook.refused"
"""Key of the ASGI scope: why a credential was not accepted, for an operation that can do without one or not."""


class ApiKey(ApiKeySecurityHandler):
    """Connexion's API key with the look-up inside a unit of work, where the store wants it to run."""

    def __init__(self, executors: Executors) -> None:
        self.executors = executors

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: Any) -> Callable[..., Any]:
        """Return what checks this scheme for a request."""
        function = get_function_from_name(security_scheme["x-apikeyInfoFunc"])
        takes_request = "request" in inspect_function_arguments(function)[0]
        read = _reader(security_scheme)

        def check(request: ConnexionRequest) -> Any:
            value = read(request)
            if value is None:
                return NO_VALUE
            options = {"request": request} if takes_request else {}
            return self.executors.look_up(lambda: _ask(function, value, options, request.scope))

        return check


def _ask(function: Callable[..., Any], value: str, options: dict[str, Any], scope: Scope) -> Any:
    try:
        return run_transaction(lambda: function(value, **options))
    except (DirectoryError, ProtocolError) as error:
        if error.final:
            return {REFUSAL: error}
        scope[REFUSED] = error
        raise


def refuse(token_info: dict[str, Any] | None) -> None:
    """Raise the final refusal among what the security functions of a request returned, if there is one."""
    for found in (token_info or {}).values():
        if isinstance(found, DirectoryError):
            raise found
        if isinstance(found, dict):
            refuse(found)  # one entry per scheme where several are asked for together


def credentials(token_info: dict[str, Any] | None) -> Iterator[Credential]:
    """Yield by what a caller was let in, of what the security functions of a request returned."""
    for found in (token_info or {}).values():
        if isinstance(found, dict):
            yield from credentials(found)
        elif hasattr(found, "reread"):
            yield found


def _reader(security_scheme: dict[str, Any]) -> Callable[[ConnexionRequest], str | None]:
    """Return what takes the credential from a request; a repeated one is refused, unless the first counts."""
    name = security_scheme["name"]
    first = security_scheme.get("x-repeated") == "first"
    readers: dict[str, Callable[[ConnexionRequest], str | None]] = {
        "query": lambda request: read_query(request.scope).one(name, first),
        "header": lambda request: request.headers.get(name),
        "cookie": lambda request: read_cookie(request.scope, name),
    }
    return readers[security_scheme["in"]]
