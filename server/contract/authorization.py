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
from server.contract.request_members import account_members, argument_reader
from server.contract.response import Reply
from server.contract.spec_error import error_in

FIND: dict[str, Callable[[Any], Account]] = {"id": Account.by_id, "id_or_username": Account.find}
"""What `x-account` says of a value: how the account is found that it names."""


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
        rules = {policy: operation._operation.get(f"x-{policy}") for policy in ("documented", "guarded")}
        rule: str | None = rules[self.policy]
        is_owner = _owner_check(operation) if "owner" in rules.values() else None
        if rule is None:
            return step

        def authorize(request: Request) -> Reply:
            user = request.user
            if user is None:
                raise request.refused or Unauthorized("log in first")
            if rule != "token" and not user.admin and (rule == "admin" or not (is_owner and is_owner(request))):
                raise PermissionDenied
            return step(request)

        return authorize


def _owner_check(operation: AbstractOperation) -> Callable[[Request], bool]:
    """Return what tells whether the caller is the account that a request names. Raises SpecError."""
    named = dict(account_members(operation))
    if len(named) != 1:
        rule = "x-guarded" if "x-guarded" in operation._operation else "x-documented"
        there = " and ".join(named) or "none"
        reason = f"owner: one parameter or member with x-account is expected, there is {there}"
        raise error_in(operation, rule, reason=reason)
    ((of, kind),) = named.items()
    try:
        read, find = argument_reader(operation, of), FIND[kind]
    except ValueError as error:
        raise error_in(operation, reason=f"x-account: {error}") from None

    def is_owner(request: Request) -> bool:
        try:
            return bool(find(read(request)).id == request.user.account_id)
        except AccountNotFound:
            return False  # who may not look is not told what is there

    return is_owner


class AuthorizationMiddleware(LayerMiddleware, RoutedMiddleware[AuthorizationAPI]):
    """Lets callers do what they may."""

    api_cls = AuthorizationAPI
