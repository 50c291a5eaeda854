"""By what proxies give themselves away: `X-Forwarded-*`, `Forwarded` (RFC 7239), `Via`, and what some write instead.

Where nobody said that others than this machine are meant, such a header shows that they are: somebody put a proxy in
front, or a tunnel, and everything that the documents ask no credential for would be open to whoever finds it.
"""

import logging
from collections.abc import Collection
from functools import cache

from handlers.exceptions import ServiceUnavailable

PREFIX = b"x-forwarded-"
NAMES = frozenset(
    [b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip", b"cf-connecting-ip"]
)

log = logging.getLogger("rollbook")


def refuse_forwarded(names: Collection[bytes]) -> None:
    """Refuse what came by a proxy, by the names of its headers.

    Raises ServiceUnavailable, which every operation of every contract declares.
    """
    if not NAMES.isdisjoint(names) or (PREFIX in b"\n".join(names) and any(n.startswith(PREFIX) for n in names)):
        _tell_once()
        raise ServiceUnavailable


@cache
def _tell_once() -> None:
    log.error(
        "a proxy passes requests on, so others than this machine may be behind it, and they are refused: set "
        "ROLLBOOK_TRUSTED_PROXIES to its address, or ROLLBOOK_POLICY, where `guarded` protects accounts and "
        "`documented` lets everybody change and delete them"
    )
