"""One entry of `x-rate-limit`, as the spec has it."""

import hashlib
import hmac
from typing import Any

from models.keys import ring
from models.rate_counter import Growth

PER = ("address", "network", "server", "account", "recipient", "access key")
IN_A_ROW = "failures in a row"
COUNTS = ("requests", "failures", IN_A_ROW)
BEYOND = ("refused", "not sent")
REQUIRED = {"name", "per", "limit", "seconds"}
KNOWN = REQUIRED | {"of", "session", "actions", "counts", "wait", "longest", "beyond"}


class Limit:
    """One entry of `x-rate-limit`.

    name: limits of one name share their counts, in all contracts. per: who is counted.
    of: the argument that names the account or recipient; without it the account is the caller's own.
    session: the argument that holds its session, where no security requirement does.
    actions: the only ones that are counted. seconds: of the window.
    wait, longest: so long one waits after the first failure beyond the limit, twice as long after each that
    follows, and never longer; all are forgotten when the last one is as old as the window is long.
    beyond: what becomes of more requests.
    """

    def __init__(self, declared: dict[str, Any]) -> None:
        self.name: str = declared.get("name", "")
        self.per: str = declared.get("per", "")
        self.of: str | None = declared.get("of")
        self.session: str | None = declared.get("session")
        self.actions = frozenset(declared.get("actions", ()))
        self.counts: str = declared.get("counts", "requests")
        self.soft = declared.get("beyond", "refused") == "not sent"
        grows = "wait" in declared
        if (
            not REQUIRED <= declared.keys() <= KNOWN
            or self.per not in PER
            or self.counts not in COUNTS
            or declared.get("beyond", "refused") not in BEYOND
            or grows != ("longest" in declared)
            or grows != (self.counts == IN_A_ROW)
        ):
            raise ValueError(f"x-rate-limit {self.name!r} cannot be read")
        self.most: int = declared["limit"]
        self.seconds: int = declared["seconds"]
        self.growth = Growth(self.most, declared["wait"], declared["longest"], self.seconds) if grows else None

    @property
    def names_owner(self) -> bool:
        """Tell whether it says whose secret is tried."""
        return self.counts == IN_A_ROW or (self.per == "server" and self.of is not None)

    def key(self, *who: object) -> str:
        """Return what a caller is counted under; it does not tell who that is."""
        text = "\n".join(map(str, who)).encode()
        secret = hmac.digest(ring("rate limit")[0], text, hashlib.sha256).hex()[:32]
        return f"limit/{self.name}/{secret}"
