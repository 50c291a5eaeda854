"""What is not a contract: the list, the explorer's page for each contract, the specs as files, the health check."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from server import __version__
from server.docs.pages import EXPLORER
from tests.conftest import Served

SPECS = Path(__file__).parents[2] / "specs"
STEMS = sorted(path.stem for path in SPECS.glob("*.yaml") if path.stem != "common")
HTML = ["/docs", *(f"/docs/{stem}" for stem in STEMS)]
FILES = [f"/specs/{stem}.{kind}" for stem in STEMS for kind in ("yaml", "json")]
ASSETS = [
    "/docs/swagger-ui/swagger-ui-bundle.js",
    "/docs/swagger-ui/swagger-ui.css",
    "/docs/swagger-ui/favicon-32x32.png",
    *(f"/docs/explorer/{file.name}" for file in sorted(EXPLORER.iterdir()) if file.suffix in (".js", ".css")),
]
PAGES = ["/", "/healthz", *HTML, *FILES, *ASSETS]


class Page(HTMLParser):
    """The links of a page, and what in it a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.current: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of addresses, and of scripts and styles that stand in the page itself."""
        values = dict(attributes)
        addresses = [value for name in ("href", "src", "action", "data-spec") if (value := values.get(name))]
        self.links += addresses
        if "aria-current" in values:
            self.current += addresses
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)


def get(client: TestClient, path: str) -> Any:
    """Return the answer to a GET that must succeed."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer


def test_the_start_leads_to_the_list_of_the_five_contracts(client: TestClient) -> None:
    start = client.get("/")
    assert start.status_code == 307
    assert start.headers["location"] == "/docs"
    text = get(client, "/docs").text
    assert len(STEMS) == 5
    entries = re.findall(r'<h2><a href="/docs/(\w+)">(\w+)</a></h2>', text)
    assert entries == [(stem, stem) for stem in STEMS]
    for stem in STEMS:
        assert yaml.safe_load((SPECS / f"{stem}.yaml").read_text("utf-8"))["info"]["title"] in text


def test_the_list_counts_what_each_document_describes(client: TestClient) -> None:
    text = get(client, "/docs").text
    counts = dict(zip(STEMS, map(int, re.findall(r"(\d+) operations?\b", text)), strict=True))
    assert counts == {"annotation": 20, "dbms": 8, "indexy": 17, "signed": 5, "sso": 7}


@pytest.mark.parametrize("path", HTML)
def test_every_page_has_the_chooser_and_marks_where_one_is(client: TestClient, path: str) -> None:
    page = Page(get(client, path).text)
    assert set(HTML) <= set(page.links)
    assert page.current == [path]


@pytest.mark.parametrize("path", HTML)
def test_every_link_of_a_page_leads_to_something_on_this_server(client: TestClient, path: str) -> None:
    for link in Page(get(client, path).text).links:
        assert re.match(r"/(?!/)", link), link
        get(client, link)


@pytest.mark.parametrize("path", HTML)
def test_no_page_holds_what_its_policy_forbids(client: TestClient, path: str) -> None:
    answer = get(client, path)
    assert Page(answer.text).inline == []
    assert "//" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", PAGES)
def test_head_answers_as_get_without_a_body(client: TestClient, path: str) -> None:
    same = {"x-request-id": "the-same"}
    get_answer, head_answer = client.get(path, headers=same), client.head(path, headers=same)
    assert head_answer.status_code == get_answer.status_code
    assert head_answer.content == b""
    assert head_answer.headers == get_answer.headers


@pytest.mark.parametrize("stem", STEMS)
def test_a_spec_is_served_valid_and_whole_with_its_names(client: TestClient, stem: str) -> None:
    text = get(client, f"/specs/{stem}.yaml")
    data = get(client, f"/specs/{stem}.json")
    assert text.headers["content-type"] == "application/yaml"
    assert data.headers["content-type"] == "application/json"
    document = data.json()
    assert yaml.safe_load(text.text) == document
    assert "common.yaml" not in text.text + data.text
    validate(document)

    source = (SPECS / f"{stem}.yaml").read_text("utf-8")
    own, common = (yaml.safe_load(text) for text in (source, (SPECS / "common.yaml").read_text("utf-8")))
    borrowed = _borrowed(common["components"]["schemas"], source)
    names = {kind: list(values) for kind, values in own["components"].items()}
    of_all = ["X-Request-ID", *own["x-headers"]]
    names["headers"] = [*of_all, *names["headers"]]
    served = {kind: list(values) for kind, values in document["components"].items()}
    assert set(served.pop("schemas")) == set(names.pop("schemas", [])) | borrowed
    assert served == names
    assert list(document["paths"]) == list(own["paths"])


def _borrowed(common: dict[str, Any], text: str) -> set[str]:
    """Return the common value types that a text names, with those that they name in turn."""
    names = set(re.findall(r"common\.yaml#/components/schemas/(\w+)", text))
    inner = set(re.findall(r"#/components/schemas/(\w+)", json.dumps([common[name] for name in names])))
    return names | inner


@pytest.mark.parametrize("path", ["/docs/nobody", "/specs/nobody.yaml", "/specs/nobody.json", "/specs/common.yaml"])
def test_an_unknown_contract_is_not_found(client: TestClient, path: str) -> None:
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/docs/swagger-ui/",
        "/docs/swagger-ui/index.html",
        "/docs/swagger-ui/oauth2-redirect.html",
        "/docs/swagger-ui/swagger-initializer.js",
        "/docs/explorer/",
        "/docs/explorer/contract.html",
        "/docs/explorer/../pages.py",
        "/docs/explorer/..%2Fpages.py",
        "/docs/explorer/%2E%2E/pages.py",
        "/docs/explorer/..%5Cpages.py",
        "/docs/explorer//etc/passwd",
        "/docs/explorer/%2Fetc%2Fpasswd",
        "/docs/explorer/explorer.js%00.css",
        "/docs/explorer/" + "a" * 5000,
        "/specs/..%2Fspecs%2Fdbms.yaml",
        "/specs/dbms.yaml%00",
    ],
)
def test_nothing_else_of_the_folders_is_served(client: TestClient, path: str) -> None:
    assert_problem(client.get(httpx2.URL("http://testserver").copy_with(raw_path=path.encode())), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/docs", "/docs/dbms", "/specs/dbms.yaml", "/healthz", "/docs/explorer/explorer.js"])
def test_pages_are_only_read(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"]


def assert_problem(answer: Any, status: int) -> None:
    """Check for a failure outside of all contracts."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_asset_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = get(client, "/docs/explorer/explorer.js")
    assert "javascript" in first.headers["content-type"]
    again = client.get("/docs/explorer/explorer.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


def test_the_server_says_that_it_serves(client: TestClient) -> None:
    assert get(client, "/healthz").json() == {"status": "ok", "version": __version__}


def test_head_over_a_socket_sends_no_body(serve: Any) -> None:
    server: Served = serve()
    with httpx2.Client() as http:
        for path in ("/docs", "/specs/dbms.yaml", "/docs/explorer/explorer.js"):
            head = http.head(server.url + path)
            assert head.content == b""
            assert int(head.headers["content-length"]) == len(http.get(server.url + path).content)
