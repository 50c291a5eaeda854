"""Usernames for people who had none: made from the address, the same ones each time a file is read."""

import hashlib
from collections.abc import Iterable
from typing import Any

from models.account import Account
from models.errors import AccountNotFound
from models.identifiers import email_key, is_reserved, username_key
from server.cli.foreign.person import Given
from server.cli.values import checker

LONGEST = 55
"""Characters of an address that go into a username; a hyphen and eight digits may follow."""


class Usernames:
    """Those that are given in a file, and those that were made for others of it."""

    def __init__(self, people: Iterable[Given]) -> None:
        self._taken = {username_key(given["username"]) for given in people if "username" in given}

    def make(self, given: Given) -> dict[str, Any]:
        """Return a username made from the address or the number, where there is one and nobody else has it."""
        source = given.get("email", "").rpartition("@")[0] or given.get("mobile", "").lstrip("+")
        if not source:
            return {}
        told = given.get("foreign_id") or source
        mark = hashlib.sha256(f"{told}\n{given.get('email')}".encode()).hexdigest()[:8]
        for name in (source[:LONGEST], f"{source[:LONGEST]}-{mark}", f"user-{mark}"):
            key = username_key(name)
            if checker("Username")(name) or is_reserved(key) or key in self._taken or self._is_others(key, given):
                continue
            self._taken.add(key)
            return {"username": name}
        return {}

    @staticmethod
    def _is_others(key: str, given: Given) -> bool:
        """Tell whether an account has this name that did not come from the same person."""
        try:
            holder = Account.by_username(key)
        except AccountNotFound:
            return False
        is_same_address = "email" in given and holder.email_key == email_key(given["email"])
        return not is_same_address and (holder.foreign_id is None or holder.foreign_id != given.get("foreign_id"))
