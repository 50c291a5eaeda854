"""The client's address and scheme: from the peer, or from the proxies that are trusted and from nobody else."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from server.connection.client_ip import client_ip, client_scheme, read_networks, site
from tests.conftest import Served

PROXIES = "10.0.0.0/8, 192.0.2.1, 2001:db8:1::/48"
CLIENT = "203.0.113.7"


def scope_of(peer: str, *headers: tuple[str, str]) -> dict[str, Any]:
    """Return what the server knows of a request that came from this peer with these headers."""
    encoded = [(name.encode(), text.encode()) for name, text in headers]
    return {"type": "http", "scheme": "http", "client": (peer, 1234), "headers": encoded}


def address(peer: str, *forwarded: str, trusted: str = PROXIES) -> str:
    """Return the address of the client of a request that came from this peer with such `X-Forwarded-For`."""
    return client_ip(scope_of(peer, *(("x-forwarded-for", text) for text in forwarded)), read_networks(trusted))


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


@pytest.mark.parametrize("hop", ["unknown", "_hidden", "", "1.2.3", "10.0.0.1/8", "1:2:3", "[::1", "::1]"])
def test_a_hop_that_cannot_be_read_ends_the_search_at_the_proxy_that_passed_it_on(hop: str) -> None:
    assert address("192.0.2.1", f"{CLIENT}, {hop}, 10.1.2.3") == "10.1.2.3"


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.7:49152", CLIENT),  # Azure's gateway (authentik#25679), Caddy's {remote} (home-assistant#176387)
        ("[2001:db8:2::7]:443", "2001:db8:2::7"),  # vertx-web#2464: the last group is no port
        ("2001:db8:2::443", "2001:db8:2::443"),
        ("[2001:db8:2::7]", "2001:db8:2::7"),  # firezone#12272
        ('"[2001:db8:2::7]:443"', "2001:db8:2::7"),
        ("[::ffff:203.0.113.7]:1", CLIENT),
        ("fe80::7%eth0", "fe80::7"),
        ("  203.0.113.7 ", CLIENT),
    ],
)
def test_an_address_is_read_however_a_proxy_writes_it(hop: str, expected: str) -> None:
    assert address("192.0.2.1", hop) == expected
    assert address("192.0.2.1", f"{hop}, 10.1.2.3:8080") == expected  # uvicorn#2789: a proxy with a port is trusted too


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["for=203.0.113.7"], CLIENT),
        (["For=203.0.113.7:4711;proto=https;by=192.0.2.1"], CLIENT),
        (['for="203.0.113.7:4711"'], CLIENT),
        (['for="[2001:db8:2::7]:4711"; proto=https'], "2001:db8:2::7"),
        (["for=198.51.100.1, for=203.0.113.7;proto=https, for=10.1.2.3"], CLIENT),
        (["for=198.51.100.1", "proto=https;for=203.0.113.7"], CLIENT),
        (['host="a,b;for=10.9.9.9";for=203.0.113.7'], CLIENT),
        (["for=203.0.113.7, for=unknown"], "192.0.2.1"),
        (["for=203.0.113.7, for=_gazonk"], "192.0.2.1"),
        (["for=203.0.113.7, proto=https"], "192.0.2.1"),
        (["for=2001:db8:2::7"], "2001:db8:2::7"),  # not allowed, and written all the same (forwarded-parse#7)
        (['for=198.51.100.1;x=", for=203.0.113.7'], "192.0.2.1"),  # a quote that swallows what the proxy wrote
        (['for=198.51.100.1;x=", for="[2001:db8:2::7]"'], "192.0.2.1"),
        ([";;;"], "192.0.2.1"),
    ],
)
def test_forwarded_is_read_where_a_proxy_writes_that(forwarded: list[str], expected: str) -> None:
    scope = scope_of("192.0.2.1", *(("forwarded", text) for text in forwarded))
    assert client_ip(scope, read_networks(PROXIES)) == expected
    assert client_ip(scope, ()) == "192.0.2.1"


def test_two_headers_that_disagree_leave_the_proxy() -> None:
    proxies = read_networks(PROXIES)
    told = ("x-forwarded-for", CLIENT)
    assert client_ip(scope_of("192.0.2.1", told, ("forwarded", f"for={CLIENT};proto=https")), proxies) == CLIENT
    assert client_ip(scope_of("192.0.2.1", told, ("forwarded", "for=198.51.100.1")), proxies) == "192.0.2.1"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-proto", "https")], "https"),
        ([("x-forwarded-proto", "HTTPS")], "https"),
        ([("x-forwarded-proto", "http")], "http"),
        ([("x-forwarded-proto", "https, http")], "https"),  # uvicorn#2102: two proxies, one list
        ([("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")], "https"),
        # two hops are told of, the client is the last: what stands further left is its own claim
        ([("x-forwarded-for", f"10.9.9.9, {CLIENT}"), ("x-forwarded-proto", "https, http")], "http"),
        ([("x-forwarded-for", f"{CLIENT}, 10.1.2.3"), ("x-forwarded-proto", "https,http")], "https"),
        ([("x-forwarded-for", f"{CLIENT}, 10.1.2.3"), ("x-forwarded-proto", "https")], "https"),
        ([("forwarded", f"for={CLIENT};proto=https")], "https"),
        ([("forwarded", f"for={CLIENT};proto=HTTPS, for=10.1.2.3;proto=http")], "https"),
        ([("forwarded", f"for={CLIENT}")], "http"),
        ([("x-forwarded-proto", "")], "http"),
        ([("x-forwarded-ssl", "on"), ("x-forwarded-protocol", "https")], "http"),  # gunicorn#1857: one name is enough
        ([], "http"),
    ],
)
def test_the_scheme_is_that_of_the_client_however_it_is_told(headers: list[tuple[str, str]], expected: str) -> None:
    assert client_scheme(scope_of("192.0.2.1", *headers), read_networks(PROXIES)) == expected
    assert client_scheme(scope_of(CLIENT, *headers), read_networks(PROXIES)) == "http"
    assert client_scheme(scope_of("192.0.2.1", *headers), ()) == "http"


def test_a_client_of_ipv6_is_known_by_its_network_and_one_of_ipv4_by_its_address() -> None:
    assert site("2001:db8:2:3:4:5:6:7") == site("2001:db8:2:3::1") == "2001:db8:2:3::/64"
    assert site(CLIENT) == CLIENT
    assert site("testclient") == "testclient"


@pytest.mark.parametrize(("trusted", "secure"), [("", False), ("192.0.2.1", False), ("127.0.0.0/8", True)])
def test_a_cookie_is_secure_where_a_trusted_proxy_says_that_the_client_used_tls(
    serve: Callable[..., Served], trusted: str, secure: bool
) -> None:
    server = serve(ROLLBOOK_TRUSTED_PROXIES=trusted, ROLLBOOK_POLICY="documented")
    form = {"user_id": "alice", "user_name": "Alice", "password": "correct horse"}
    https = {"X-Forwarded-Proto": "HTTPS", "X-Forwarded-Ssl": "on"}
    answer = httpx2.post(f"{server.url}/user/register/", data=form, headers=https)
    assert ("; Secure" in answer.headers["set-cookie"]) is secure
    several = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
    assert httpx2.get(f"{server.url}/healthz", headers=several).status_code == 200


PATHS = {
    "/user/alice": "title",
    "/user/other": "ret",
    "/v1/user/list": "code",
    "/openapi/user": "errno",
    "/indexy-api/api/v1/users": "success",
}
"""A path of each contract, and what its envelope has in it."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Forwarded", "for=203.0.113.7"),
        ("X-Forwarded-For", CLIENT),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "accounts.example.com"),
        ("Via", "1.1 tunnel"),
        ("X-Real-IP", CLIENT),
    ],
)
def test_what_a_proxy_passes_on_to_a_server_that_was_told_of_none_is_refused(
    serve: Callable[..., Served], name: str, value: str
) -> None:
    server = serve()
    users = f"{server.url}/indexy-api/api/v1/users"
    assert httpx2.get(users).status_code == 200
    for path, member in PATHS.items():
        answer = httpx2.get(f"{server.url}{path}", headers={name: value})
        assert member in answer.json(), path
        assert answer.json() != httpx2.get(f"{server.url}{path}").json(), path
    assert httpx2.get(f"{server.url}/docs", headers={name: value}).status_code == 503
    assert httpx2.get(users).status_code == 200
    lines = [line for line in server.log.splitlines() if "ROLLBOOK_TRUSTED_PROXIES" in line]
    assert len(lines) == 1
    assert "ROLLBOOK_POLICY" in lines[0]


def test_whoever_named_the_documented_policy_has_it_behind_a_proxy(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_POLICY="documented", ROLLBOOK_TRUSTED_PROXIES="127.0.0.1")
    headers = {"X-Forwarded-For": CLIENT, "Host": "accounts.example.com"}
    assert httpx2.get(f"{server.url}/indexy-api/api/v1/users", headers=headers).status_code == 200
    assert "WITHOUT A PASSWORD" in server.log
