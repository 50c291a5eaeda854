"""The address under which people reach the server, which a proxy may have put below a path."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from server.connection.client_ip import read_address

PORTS = {"http": 80, "https": 443}
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
"""What a path may hold, so that it reads the same in a URL, in a cookie and in the configuration of a proxy."""


@dataclass(frozen=True)
class PublicURL:
    """The parts of the address.

    origin: as browsers write it. host: without port and brackets. path: empty, or from its slash on, none at its end.
    """

    origin: str
    host: str
    path: str

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
        return cls(f"{scheme}://{where}" + (f":{port}" if port not in (None, PORTS[scheme]) else ""), host, path)
