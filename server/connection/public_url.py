"""The address under which people reach the server, which a proxy may have put below a path."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from starlette.types import Scope

from server.connection.client_ip import read_address

PORTS = {"http": 80, "https": 443}
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
"""What a path may hold, so that it reads the same in a URL, in a cookie and in the configuration of a proxy."""


@dataclass(frozen=True)
class PublicURL:
    """The parts of the address.

    origin: as browsers write it. host: without port and brackets.
    """

    origin: str
    host: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read an address. Raises ValueError with what is expected instead."""
        try:
            parts = urlsplit(text)
            scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        except ValueError:
            raise ValueError("http://host or https://host is expected") from None
        if scheme not in PORTS or not host or parts.username is not None or text != text.strip():
            raise ValueError("http://host or https://host is expected")
        if not host.isascii():
            raise ValueError("a host in ASCII is expected (xn--...), as browsers send it")
        address = read_address(host)
        if address is not None and address.is_unspecified:
            raise ValueError(f"a host that people reach is expected, which {host} is not")
        if parts.query or parts.fragment or text.endswith(("?", "#")):
            raise ValueError("an address without query and fragment is expected")
        path = parts.path.rstrip("/")
        if not UNRESERVED.issuperset(path) or {"", ".", ".."} & set(path.split("/")[1:]):
            raise ValueError("a path of plain segments is expected, such as /accounts")
        where = f"[{host}]" if ":" in host else host
        return cls(f"{scheme}://{where}" + (f":{port}" if port not in (None, PORTS[scheme]) else ""), host)


def check_path(path: str, served: Iterable[str]) -> None:
    """Hold the path of the address against those that are served: one must not be taken for the other.

    Raises ValueError.
    """
    first = path.split("/")[1:2]
    if first in ([*one.split("/")[1:2]] for one in served):
        raise ValueError(f"a path is expected that the server has no use for itself, other than /{first[0]}")


def strip_path(scope: Scope, path: str) -> None:
    """Take the path of the address off a request, where the proxy left it on."""
    before = f"{path}/".encode()
    if scope["raw_path"].startswith(before):
        scope["raw_path"] = scope["raw_path"][len(before) - 1 :]
        scope["path"] = scope["path"][len(path) :]
    elif scope["path"] == path:
        scope["raw_path"], scope["path"] = b"/", "/"
