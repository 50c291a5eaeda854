"""Where a request comes from; the one place to ask: behind a proxy the peer of the connection is not the client.

Nothing but the proxies' own word tells the address and scheme of who stands behind them, so `X-Forwarded-For`,
`X-Forwarded-Proto` and `Forwarded` count only as far as they were written by those that the operator named
(`ROLLBOOK_TRUSTED_PROXIES`).
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV6_SITE = 64
"""Length of the prefix that one client of IPv6 has to itself: it may take any address below that."""
IPV6_NETWORK = 48
"""Length of the prefix that a customer may be given to make such sites of."""

HOP = re.compile(r'"?(?:\[(?P<bracketed>[^]]*)\](?::\d+)?|(?P<v4>[0-9.]+):\d+|(?P<plain>[^]["]*))"?')
"""An address as proxies write it: with a port (Azure, Caddy's `{remote}`), in brackets, in quotes, or as it is."""
PAIR = re.compile(r"""\s*([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*([;,]|$)""")
"""One pair of the header `Forwarded`, with what ends it."""


def client_ip(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the address of the client: of the hops that a request took, the last one that is no trusted proxy.

    A hop that cannot be read ends the search at the proxy that passed it on. Where two headers tell of two clients, one
    of them was not written by the proxy, so it is the proxy that counts. Empty where the peer has no address.
    """
    found = (scope.get("client") or ("",))[0]
    peer = read_address(found)
    if peer is None or not trusted:
        return str(peer or found)
    headers = Headers(scope=scope)
    told = [hops for hops in (_x_forwarded_for(headers), [hop for hop, _ in _forwarded(headers)]) if hops]
    clients = {_walk(peer, hops, trusted)[0] for hops in told}
    return str(clients.pop() if len(clients) == 1 else peer)


def client_scheme(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the scheme that the client used, `http` or `https`: what was told of its hop, or of the first one."""
    peer = read_address((scope.get("client") or ("",))[0])
    if peer is None or not any(peer in network for network in trusted):
        return str(scope["scheme"])
    headers = Headers(scope=scope)
    schemes = _split(headers.getlist("x-forwarded-proto"))
    hops = _x_forwarded_for(headers)
    if not schemes:
        forwarded = _forwarded(headers)
        hops, schemes = [hop for hop, _ in forwarded], [scheme for _, scheme in forwarded]
    if not schemes:
        return str(scope["scheme"])
    passed = _walk(peer, hops, trusted)[1]
    return "https" if schemes[-passed if passed < len(schemes) else 0].lower() == "https" else "http"


def _walk(peer: Address, hops: Sequence[str], trusted: Sequence[Network]) -> tuple[Address, int]:
    """Return the client, and how many hops there are from the server to it."""
    passed = 0
    for text in reversed(hops):
        if not any(peer in network for network in trusted):
            break
        hop = read_hop(text)
        if hop is None:
            break
        peer = hop
        passed += 1
    return peer, passed


def _split(values: list[str]) -> list[str]:
    return [part.strip() for part in ",".join(values).split(",")] if values else []


def _x_forwarded_for(headers: Headers) -> list[str]:
    return _split(headers.getlist("x-forwarded-for"))


def _forwarded(headers: Headers) -> list[tuple[str, str]]:
    """Return address and scheme of each hop, as written; empty texts for all where the header cannot be read."""
    text = ",".join(headers.getlist("forwarded"))
    hops: list[dict[str, str]] = [{}]
    place = 0
    while place < len(text):
        pair = PAIR.match(text, place)
        if pair is None:
            return [("", "")]
        name, value, end = pair.groups()
        hops[-1][name.lower()] = re.sub(r"\\(.)", r"\1", value.strip('"'))
        if end == ",":
            hops.append({})
        place = pair.end()
    return [(hop.get("for", ""), hop.get("proto", "")) for hop in hops] if text else []


def read_hop(text: str) -> Address | None:
    """Read the address of a hop, whatever port, brackets and quotes it was written with; None for anything else."""
    matched = HOP.fullmatch(text.strip())
    return read_address(next(filter(None, matched.groups()), "")) if matched else None


def read_address(text: str) -> Address | None:
    """Read an IP address, in IPv4 even where it is written as one of IPv6; None for anything else."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def site(address: str, prefix: int = IPV6_SITE) -> str:
    """Return what one client has to itself: an address of IPv4, a network of IPv6."""
    if not isinstance(read_address(address), IPv6Address):
        return address
    return str(ip_network(f"{address}/{prefix}", strict=False))


def read_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, parted by commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
