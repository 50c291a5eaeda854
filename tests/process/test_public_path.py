"""The server below a path of somebody else's host, behind nginx, used in a browser.

Others broke there: assets and calls of the explorer without the path (swagger-ui#7957, responder#274), links rewritten
twice or not at all (fastify-swagger-ui#162, springdoc-openapi#667).
"""

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from models.access_key import AccessKey
from models.db.database import database, transaction
from server.__main__ import check_public_path
from server.settings import SettingError, read
from server.specs import load_contracts
from tests.conftest import Served
from tests.process.test_explorer import ACCESSKEY, ALICE, WIDE, Explorer, browser
from tests.proxies import Proxy, free_port, run_proxy, wait_for

__all__ = ["browser"]
PATH = "/accounts"

pytestmark = pytest.mark.once("a browser sees no store")


class Below(Explorer):
    """The explorer as people reach it through the proxy."""

    def __init__(self, page: Page, server: Served, url: str) -> None:
        super().__init__(page, server)
        self.url = url


@pytest.fixture(params=[False, True], ids=["keeps", "strips"])
def proxied(
    serve: Callable[..., Served], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Served, Proxy]]:
    """A server below a path, which nginx hands on or takes off."""
    port = free_port()
    server = serve(
        ROLLBOOK_TRUSTED_PROXIES="127.0.0.1",
        ROLLBOOK_POLICY="documented",
        ROLLBOOK_PUBLIC_URL=f"https://127.0.0.1:{port}{PATH}/",
    )
    with run_proxy("nginx", tmp_path, server.url, port=port, path=PATH, strips=request.param) as proxy:
        yield server, proxy


@pytest.fixture
def explorer(browser: Browser, proxied: tuple[Served, Proxy]) -> Iterator[Below]:
    """The explorer behind the proxy; in the end the browser had no complaints, and asked for nothing above the path."""
    server, proxy = proxied
    context = browser.new_context(viewport=WIDE, ignore_https_errors=True)
    explorer = Below(context.new_page(), server, f"{proxy.url}{PATH}")
    yield explorer
    asked = [request.url for request in explorer.requests if request.url.startswith("http")]
    cookies = {cookie["name"]: cookie.get("path") for cookie in context.cookies()}
    context.close()
    assert explorer.complaints == []
    assert [url for url in asked if not url.startswith(f"{explorer.url}/")] == []
    assert set(cookies.values()) == {PATH}


def test_all_that_people_use_works_below_a_path(explorer: Below) -> None:
    page, url = explorer.page, explorer.url
    explorer.server.open_store()
    with transaction():
        AccessKey.create("explorer", ACCESSKEY)
    database.close()
    page.goto(f"{url}/")
    assert page.url == f"{url}/docs"
    page.get_by_role("main").get_by_role("link", name="dbms", exact=True).click()
    page.wait_for_url(f"{url}/docs/dbms")
    assert explorer.call("register", ALICE)[0] == 201
    explorer.call_json("log_in", username="alice", password=ALICE["password"])
    assert explorer.call_json("find", id_or_username="alice")["username"] == "alice"
    explorer.open("sso")
    explorer.call_json("log_in", {"username": "alice", "password": ALICE["password"]})
    assert explorer.call_json("check_login")["code"] == "OK"
    explorer.open("signed")
    explorer.give_access_key()
    assert explorer.call_json("act_login", userid="alice", password=ALICE["password"])["userid"] == "alice"
    explorer.open("indexy")
    assert explorer.call_json("log_in", {"username": "alice", "password": ALICE["password"]})["success"] is True
    assert explorer.call_json("recover_by_email", {"email": ALICE["email"]})["success"] is True
    page.goto(mailed_link(explorer.server.data))
    page.locator("#newPassword").fill("another long phrase")
    page.get_by_role("button").click()
    page.get_by_text("The password is set").wait_for()
    assert page.url.startswith(f"{url}/indexy-api/")
    page.goto(f"{url}/specs/indexy.json")
    document = json.loads(page.evaluate("document.body.innerText"))
    assert [urlsplit(server["url"]).path for server in document["servers"]] == [f"{PATH}/indexy-api/api/v1"] * 2


def mailed_link(data: Path) -> str:
    """Return the link of the one mail that holds one."""
    found: list[str] = []

    def has_come() -> bool:
        found[:] = [link for file in data.glob("outbox/*.eml") for link in re.findall(r"https://\S+", file.read_text())]
        return len(found) == 1

    wait_for(has_come)
    return found[0]


def test_a_signature_holds_over_the_documents_path_and_over_that_of_the_url(proxied: tuple[Served, Proxy]) -> None:
    server, proxy = proxied
    server.open_store()
    with transaction():
        AccessKey.create("explorer", ACCESSKEY)
    database.close()
    query = {"action": "login", "userid": "nobody", "password": "a long enough phrase"}
    with httpx2.Client(base_url=proxy.url, verify=proxy.trust) as client:
        for path, errno in (("/openapi/user", 1002), (f"{PATH}/openapi/user", 1002), ("/other/openapi/user", 403)):
            expires = int(time.time()) + 600
            mac = hmac.digest(ACCESSKEY.encode(), f"GET\n\n\n{expires}\n{path}login".encode(), "sha1")
            signed = {"accessid": "explorer", "expires": expires, "signature": base64.b64encode(mac).decode()}
            answer = client.get(f"{PATH}/openapi/user", params=query | signed)
            assert answer.json()["errno"] == errno, path
        assert client.get(f"{PATH}/%72eadyz").status_code == 404
        assert client.get("/openapi/user").status_code == 404


@pytest.mark.parametrize("path", ["/user", "/v1", "/openapi/accounts", "/docs", "/specs", "/readyz", "/indexy-api"])
def test_a_path_that_is_the_servers_own_is_refused_at_start(tmp_path: Path, path: str) -> None:
    environment = {"ROLLBOOK_DATA": str(tmp_path), "ROLLBOOK_PUBLIC_URL": f"https://example.com{path}"}
    with pytest.raises(SettingError, match=r"^ROLLBOOK_PUBLIC_URL: "):
        check_public_path(read(environment), load_contracts())
    below = read({**environment, "ROLLBOOK_PUBLIC_URL": f"https://example.com/accounts{path}"})
    check_public_path(below, load_contracts())
