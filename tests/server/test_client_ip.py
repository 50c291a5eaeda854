"""The client's address and scheme: from the peer, or from the proxies that are trusted and from nobody else."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from server.connection.client_ip import client_ip, read_networks, site
from tests.conftest import Served

PROXIES = "10.0.0.0/8, 192.0.2.1, 2001:db8:1::/48"
CLIENT = "203.0.113.7"


def address(peer: str, *forwarded: str, trusted: str = PROXIES) -> str:
    """Return the address of the client of a request that came from this peer with these headers."""
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    scope: dict[str, Any] = {"type": "http", "client": (peer, 1234), "headers": headers}
    return client_ip(scope, read_networks(trusted))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [CLIENT], CLIENT),
        ("192.0.2.1", [f"{CLIENT}, 10.1.2.3"], CLIENT),
        ("192.0.2.1", [CLIENT, "10.1.2.3"], CLIENT),
        ("192.0.2.1", ["10.1.2.3, 10.1.2.4"], "10.1.2.3"),
        ("::ffff:192.0.2.1", [CLIENT], CLIENT),
        ("2001:db8:1::1", ["2001:DB8:2:0::7"], "2001:db8:2::7"),
    ],
)
def test_behind_trusted_proxies_the_last_hop_that_is_none_of_them_is_the_client(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert address(peer, *forwarded) == expected


@pytest.mark.parametrize("trusted", ["", PROXIES])
def test_a_peer_that_is_not_trusted_says_nothing_about_itself(trusted: str) -> None:
    assert address(CLIENT, "198.51.100.1", trusted=trusted) == CLIENT


@pytest.mark.parametrize("claim", ["198.51.100.1", "10.9.9.9", "127.0.0.1", "", "unknown", "x" * 5000])
def test_what_a_client_claims_is_left_of_what_the_proxy_saw_and_does_not_count(claim: str) -> None:
    assert address("192.0.2.1", f"{claim}, {CLIENT}") == CLIENT
    assert address("192.0.2.1", claim, CLIENT) == CLIENT


@pytest.mark.parametrize("hop", ["unknown", "_hidden", "203.0.113.7:80", "", "1.2.3", "10.0.0.1/8"])
def test_a_hop_that_cannot_be_read_ends_the_search_at_the_proxy_that_passed_it_on(hop: str) -> None:
    assert address("192.0.2.1", f"{CLIENT}, {hop}, 10.1.2.3") == "10.1.2.3"


def test_a_client_of_ipv6_is_known_by_its_network_and_one_of_ipv4_by_its_address() -> None:
    assert site("2001:db8:2:3:4:5:6:7") == site("2001:db8:2:3::1") == "2001:db8:2:3::/64"
    assert site(CLIENT) == CLIENT
    assert site("testclient") == "testclient"


@pytest.mark.parametrize(("trusted", "secure"), [("", False), ("192.0.2.1", False), ("127.0.0.0/8", True)])
def test_a_cookie_is_secure_where_a_trusted_proxy_says_that_the_client_used_tls(
    serve: Callable[..., Served], trusted: str, secure: bool
) -> None:
    server = serve(ROLLBOOK_TRUSTED_PROXIES=trusted)
    form = {"user_id": "alice", "user_name": "Alice", "password": "correct horse"}
    https = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}
    answer = httpx2.post(f"{server.url}/user/register/", data=form, headers=https)
    assert ("; Secure" in answer.headers["set-cookie"]) is secure
    contradiction = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
    assert httpx2.get(f"{server.url}/healthz", headers=contradiction).status_code == (400 if secure else 200)
