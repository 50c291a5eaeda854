"""Which site's page a request comes from.

A browser sends cookies along whoever wrote the page. SameSite=Lax keeps them from most requests of other sites; what
changes something by a cookie, or sets one, is refused here besides. Programs send neither header and are let in.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from handlers.exceptions import Forbidden
from server.contract.request import Request

OWN = ("same-origin", "none")
"""`Sec-Fetch-Site` of this server's own pages, and of what people type in."""


class OriginPolicy:
    """The sites whose pages may do what cookies allow: the server's own, and those that the operator names."""

    def __init__(self, named: Iterable[str]) -> None:
        self.named = frozenset(named)

    def check(self, request: Request) -> None:
        """Let a request pass. Raises Forbidden for one that another site's page makes."""
        origin, site = request.header(b"origin"), request.header(b"sec-fetch-site")
        if origin in self.named or (origin is None and site is None):
            return
        own = site in OWN if site else (origin or "").partition("://")[2] == request.header(b"host")
        if not own:
            raise Forbidden("A page of another site must not do this.")


def is_origin(text: str) -> bool:
    """Tell whether this is an origin as browsers write it: scheme, host and, where it is not the usual one, port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False
