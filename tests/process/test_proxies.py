"""Every proxy of `deploy/` in front of a server that was set up as the operator guide says."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest

from models.audit.verification import newest
from models.db.database import connect, database, transaction
from tests.conftest import Served
from tests.proxies import PROXIES, Proxy, run_proxy, wait_for

CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "Forwarded": "for=198.51.100.4;proto=http",
    "X-Real-IP": "203.0.113.9",
}
"""What a client says of itself."""
SAID = {"username": "alice", "password": "a long enough phrase"}
USERS = "/indexy-api/api/v1/users"
LIMIT = 100

pytestmark = pytest.mark.once("a proxy sees no store")


@pytest.fixture(params=PROXIES)
def name(request: pytest.FixtureRequest) -> str:
    """Which proxy; a test overrides it by parametrizing `name`."""
    return str(request.param)


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    """A server on loopback that trusts the proxy there."""
    return serve(ROLLBOOK_TRUSTED_PROXIES="127.0.0.1", ROLLBOOK_RATE_LIMITS="1")


@pytest.fixture
def proxy(name: str, server: Served, tmp_path: Path) -> Iterator[Proxy]:
    """The proxy in front of it."""
    with run_proxy(name, tmp_path, server.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx2.Client]:
    """A client on the other side of the proxy, who claims to be another."""
    with httpx2.Client(base_url=proxy.url, verify=proxy.trust, headers=CLAIMS, timeout=30) as client:
        yield client


def test_a_stranger_lists_changes_and_deletes_nobody(client: httpx2.Client) -> None:
    """The operator guide once led to all three, since the policy looked at the address listened on alone (issue 12)."""
    assert client.post("/v1/user", json=SAID).json()["code"] == "OK"
    assert client.get(USERS).status_code == 401
    assert client.put(f"{USERS}/1", json={"nickName": "mallory"}).status_code == 401
    assert client.delete(f"{USERS}/1").status_code == 401
    assert client.get("/v1/user/list", headers={"token": "default"}).json()["code"] != "OK"


def test_the_proxy_tells_who_the_client_is_and_not_the_client(
    client: httpx2.Client, server: Served, proxy: Proxy
) -> None:
    assert client.post("/v1/user", json=SAID).json()["code"] == "OK"
    form = {"user_id": "alice", "password": SAID["password"]}
    answer = client.post("/user/signin", data=form)
    assert answer.json()["ret"] == 0
    assert "; Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]
    query = {"username": "alice", "password": SAID["password"]}
    assert client.get("/login", params=query).status_code == 200
    connect(server.store)
    with transaction():
        addresses = {event.address for event in newest(1_000)}
    database.close()
    assert addresses == {"127.0.0.1"}
    written = proxy.log.read_text()
    assert "/login" in written
    assert "phrase" not in written
    assert "username" not in written


SPELLINGS = [
    *("/readyz", "/healthz", "/metrics", "/%72eadyz", "/read%79z", "/%68%65%61%6c%74%68%7a", "/readyz/", "//readyz"),
    *("/./readyz", "/docs/../readyz", "/docs/%2e%2e/readyz", "/readyz?x=1", "/%2freadyz", "/%2572eadyz", "/readyz%00"),
]


def test_no_spelling_of_what_is_blocked_gets_through(proxy: Proxy) -> None:
    """An encoded letter passed docker-socket-proxy#1 by, a slash more did so in haproxy#2785."""
    for path in SPELLINGS:
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=proxy.trust, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status in (400, 404), path
        assert b"ready" not in answer.read(), path
        connection.close()


def begin(proxy: Proxy, stack: ExitStack) -> ssl.SSLSocket:
    """Begin a request and do not end it. Raises OSError where the connection is not taken."""
    raw = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=30))
    tls = stack.enter_context(proxy.trust.wrap_socket(raw, server_hostname="127.0.0.1"))
    tls.sendall(
        b"POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    return tls


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
def test_one_address_does_not_take_all_connections(proxy: Proxy) -> None:
    with ExitStack() as stack:
        taken = 0
        with suppress(OSError):  # haproxy takes no more, nginx answers them
            while taken < LIMIT + 10:
                last = begin(proxy, stack)
                taken += 1
        assert taken == LIMIT if proxy.log.name.startswith("haproxy") else b" 429 " in last.recv(4096)
    with httpx2.Client(base_url=proxy.url, verify=proxy.trust) as client:
        wait_for(lambda: client.get("/docs").status_code == 200)
