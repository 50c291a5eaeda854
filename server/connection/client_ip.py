"""Where a request comes from; the one place to ask: behind a proxy the peer of the connection is not the client.

Nothing but the proxies' own word tells the address of who stands behind them, so `X-Forwarded-For` counts only as far
as it was written by those that the operator named (`ROLLBOOK_TRUSTED_PROXIES`). gunicorn holds `X-Forwarded-Proto` to
the same list (`server/__main__.py`), so the scheme stands in the ASGI scope.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV6_SITE = 64
"""Length of the prefix that one client of IPv6 has to itself: it may take any address below that."""


def client_ip(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the address of the client: of the hops that a request took, the last one that is no trusted proxy.

    A hop that cannot be read ends the search at the proxy that passed it on. Empty where the peer has no address.
    """
    found = (scope.get("client") or ("",))[0]
    peer = read_address(found)
    if peer is None or not trusted:
        return str(peer or found)
    hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    while hops and any(peer in network for network in trusted):
        hop = read_address(hops.pop())
        if hop is None:
            break
        peer = hop
    return str(peer)


def read_address(text: str) -> Address | None:
    """Read an IP address, in IPv4 even where it is written as one of IPv6; None for anything else."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def site(address: str) -> str:
    """Return what one client has to itself: an address of IPv4, a network of IPv6."""
    if not isinstance(read_address(address), IPv6Address):
        return address
    return str(ip_network(f"{address}/{IPV6_SITE}", strict=False))


def read_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, parted by commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
