"""Who may call an operation beyond what its security requirement asks: `x-documented` and `x-guarded` in the spec."""

from collections.abc import Callable
from typing import Any

from connexion.operations import AbstractOperation

from handlers.exceptions import Unauthorized
from models.account import Account
from models.errors import AccountNotFound, PermissionDenied

ACCOUNTS: dict[str, Callable[[Any], Account]] = {"id": Account.by_id, "id_or_username": Account.find}
"""Path parameters that name an account."""


class Authorization:
    """The rule of one operation under the policy in force.

    token: any live session. owner: the session of the account in the path, or an admin's. admin: an admin's.
    """

    def __init__(self, operation: AbstractOperation, policy: str) -> None:
        self.rule: str | None = operation._operation.get(f"x-{policy}")
        if self.rule not in (None, "token", "owner", "admin"):
            raise ValueError(f"{operation.operation_id}: x-{policy} is {self.rule!r}")

    def authorize(self, user: Any, arguments: dict[str, Any], refused: Exception | None = None) -> None:
        """Let a caller pass. refused: why its credential was not accepted, if it had one.

        Raises that, Unauthorized, PermissionDenied.
        """
        if self.rule is None:
            return
        if user is None:
            raise refused or Unauthorized("log in first")
        if self.rule == "token" or user.account.admin:
            return
        if self.rule == "admin" or not self._is_owner(user, arguments):
            raise PermissionDenied

    @staticmethod
    def _is_owner(user: Any, arguments: dict[str, Any]) -> bool:
        name = next(name for name in ACCOUNTS if name in arguments)
        try:
            owner: bool = ACCOUNTS[name](arguments[name]) == user.account
        except AccountNotFound:
            return False  # who may not look is not told what is there
        return owner
