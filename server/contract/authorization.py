"""Who may call an operation beyond what its security requirement asks: `x-documented` and `x-guarded` in the spec."""

from collections.abc import Callable
from typing import Any

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation

from handlers.exceptions import Unauthorized
from models.account import Account
from models.errors import AccountNotFound, PermissionDenied
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.response import Reply

ACCOUNTS: dict[str, Callable[[Any], Account]] = {"id": Account.by_id, "id_or_username": Account.find}
"""Path parameters that name an account."""


class AuthorizationAPI(LayerAPI, RoutedAPI[Step]):
    """The rules of one contract under the policy in force."""

    def __init__(self, specification: Any, *, policy: str, **options: Any) -> None:
        known = {key: options[key] for key in ("next_app", "base_path", "resolver", "uri_parser_class")}
        super().__init__(specification, **known)
        self.policy = policy
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what lets a caller pass.

        token: any live session. owner: the session of the account that is named, or an admin's. admin: an admin's.
        """
        step = self.next_step(operation)
        rule: str | None = operation._operation.get(f"x-{self.policy}")
        if rule is None:
            return step
        if rule not in ("token", "owner", "admin"):
            raise ValueError(f"{operation.operation_id}: x-{self.policy} is {rule!r}")

        def authorize(request: Request) -> Reply:
            user = request.user
            if user is None:
                raise request.refused or Unauthorized("log in first")
            if rule != "token" and not user.account.admin and (rule == "admin" or not _is_owner(request)):
                raise PermissionDenied
            return step(request)

        return authorize


def _is_owner(request: Request) -> bool:
    arguments = request.arguments or {}
    name = next(name for name in ACCOUNTS if name in arguments)
    try:
        owner: bool = ACCOUNTS[name](arguments[name]) == request.user.account
    except AccountNotFound:
        return False  # who may not look is not told what is there
    return owner


class AuthorizationMiddleware(LayerMiddleware, RoutedMiddleware[AuthorizationAPI]):
    """Lets callers do what they may."""

    api_cls = AuthorizationAPI
