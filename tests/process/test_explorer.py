"""The explorer in a browser: every operation can be tried there, and nothing leaves this host."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Download, Locator, Page, Request, sync_playwright

from models.access_key import AccessKey
from models.account import Account
from models.db.database import database, transaction
from models.project import Project
from tests.conftest import Served

pytestmark = pytest.mark.once("a browser sees no store")

STEMS = ["annotation", "dbms", "indexy", "signed", "sso"]
ACCESSKEY = "rollbook-example-key"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
ALICE = {"username": "alice", "password": "correct horse", "email": "alice@example.com"}
WIDTH = "document.documentElement.scrollWidth"
ANSWERED_WITH = "Failed to load resource: the server responded with a status of 4"


class Explorer:
    """A page of the explorer, used as a person does.

    requests: all that the browser sent. complaints: what the browser logged as an error; that an operation was
    answered with 4xx is no complaint.
    """

    def __init__(self, page: Page, server: Served) -> None:
        self.page = page
        self.server = server
        self.url = server.url
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        page.set_default_timeout(30_000)  # the machine may be busy
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location["url"]).path
        refused = message.text.startswith(ANSWERED_WITH) and not path.startswith(("/docs", "/specs"))
        if message.type == "error" and not refused:
            self.complaints.append(message.text)

    def open(self, stem: str) -> None:
        """Open the page of a contract."""
        self.page.goto(f"{self.url}/docs/{stem}")
        self.page.locator(".opblock").first.wait_for()

    def operation(self, name: str) -> Locator:
        """Return an operation, opened."""
        block = self.page.locator(f".opblock[id$='-{name}']").first
        if not block.locator(".opblock-body").count():
            block.locator(".opblock-summary-control").click()
        block.locator(".execute").wait_for()
        return block

    def close(self, name: str) -> None:
        """Close an operation: an open one costs the browser time with every key that is pressed."""
        block = self.operation(name)
        block.locator(".opblock-summary-control").click()
        block.locator(".opblock-body").wait_for(state="detached")

    def call(self, name: str, body: dict[str, Any] | None = None, **fields: str) -> tuple[int, str]:
        """Fill in a form, press Execute, and return the status and the text that are shown."""
        block = self.operation(name)
        if body is not None:
            block.locator("textarea.body-param__text").fill(json.dumps(body))
        for field, value in fields.items():
            row = block.locator(f"[data-param-name='{field}'], [data-property-name='{field}']")
            row.locator("input").first.fill(value)
        if block.locator(".btn-clear").count():
            block.locator(".btn-clear").click()
            block.locator(".live-responses-table").wait_for(state="detached")
        block.locator(".execute").click()
        answer = block.locator(".live-responses-table .response")
        answer.wait_for()
        text = answer.locator(".response-col_description code").first
        status = answer.locator(".response-col_status").inner_text()
        return int(status), text.inner_text() if text.count() else ""

    def call_json(self, name: str, body: dict[str, Any] | None = None, **fields: str) -> Any:
        """Call what must be answered with 200, and return the JSON that is shown."""
        status, text = self.call(name, body, **fields)
        assert status == 200, text
        return json.loads(text)

    def sent(self) -> Request:
        """Return the latest request."""
        return self.requests[-1]

    def give_access_key(self, accesskey: str = ACCESSKEY) -> None:
        """Fill in what signs."""
        self.page.get_by_label("accessid").fill("explorer")
        self.page.get_by_label("accesskey").fill(accesskey)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium with a profile of its own."""
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        reason = "there is no Chromium to test the explorer in; scripts/programs installs one"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def policy() -> str:
    """The policy of the server; a test overrides it by parametrizing `policy`."""
    return "documented"


@pytest.fixture
def explorer(browser: Browser, serve: Callable[..., Served], policy: str) -> Iterator[Explorer]:
    """The explorer of a server of its own; in the end the browser had no complaints and asked no other host."""
    server = serve(ROLLBOOK_POLICY=policy)
    context = browser.new_context(viewport=WIDE)
    explorer = Explorer(context.new_page(), server)
    yield explorer
    hosts = {urlsplit(request.url).netloc for request in explorer.requests if request.url.startswith("http")}
    context.close()
    assert explorer.complaints == []
    assert hosts == {urlsplit(server.url).netloc}
    assert "bug:" not in server.log


@pytest.fixture
def store(explorer: Explorer) -> Iterator[None]:
    """The store of the server, in which an access key is known."""
    explorer.server.open_store()
    with transaction():
        AccessKey.create("explorer", ACCESSKEY)
    yield
    database.close()


def test_the_list_leads_to_every_contract_and_from_each_to_the_others(explorer: Explorer) -> None:
    explorer.page.goto(explorer.url)
    explorer.page.get_by_role("main").get_by_role("link", name="dbms", exact=True).click()
    for stem in STEMS:
        explorer.page.get_by_role("navigation").get_by_role("link", name=stem, exact=True).click()
        explorer.page.wait_for_url(f"{explorer.url}/docs/{stem}")
        explorer.page.locator(".opblock").first.wait_for()
        assert explorer.page.locator(".opblock").count() >= 5


def test_dbms_finds_an_account_with_the_token_of_its_login(explorer: Explorer) -> None:
    explorer.open("dbms")
    status, _ = explorer.call("register", ALICE)
    assert status == 201
    token = explorer.call_json("log_in", username="alice", password="correct horse")["token"]
    assert explorer.call_json("find", id_or_username="alice")["username"] == "alice"
    assert parse_qs(urlsplit(explorer.sent().url).query) == {"token": [token]}

    renewed = explorer.call_json("check_login", username="alice", token=token)["token"]
    assert explorer.call_json("find", id_or_username="alice")["username"] == "alice"
    assert parse_qs(urlsplit(explorer.sent().url).query) == {"token": [renewed]}
    assert explorer.call("log_out") == (204, "")
    assert explorer.call("find", id_or_username="alice")[0] == 401


def test_dbms_takes_a_token_that_is_entered_by_hand(explorer: Explorer) -> None:
    explorer.open("dbms")
    explorer.call("register", ALICE)
    token = explorer.call_json("log_in", username="alice", password="correct horse")["token"]
    explorer.open("dbms")
    assert explorer.call("find", id_or_username="alice")[0] == 401  # a new page remembers nothing
    explorer.page.locator(".auth-wrapper .authorize").click()
    dialog = explorer.page.locator(".dialog-ux")
    dialog.locator("input").fill(token)
    dialog.locator("button.authorize").click()
    dialog.locator("button.btn-done").click()
    assert explorer.call("find", id_or_username="alice")[0] == 200


def test_sso_logs_in_with_one_click_and_knows_the_caller_from_then_on(explorer: Explorer) -> None:
    explorer.open("sso")
    account = {"username": "alice", "password": "correct horse"}
    assert explorer.call_json("register", account)["code"] == "OK"
    token = explorer.call_json("log_in", account)["data"]
    assert explorer.sent().headers["token"] == "default"
    assert explorer.call_json("check_login") == {"code": "OK", "message": "认证成功，用户已登录", "data": "1"}
    assert explorer.sent().headers["token"] == token


@pytest.mark.usefixtures("store")
def test_signed_calls_are_signed_in_the_browser(explorer: Explorer) -> None:
    explorer.open("signed")
    explorer.give_access_key()
    account = {"userid": "alice", "password": "123456"}
    assert explorer.call_json("act_register", **account)["userid"] == "alice"
    token = explorer.call_json("act_login", **account)["token"]
    assert explorer.call_json("act_update", userid="alice", token=token, alias="张三 & Söhne") == {"userid": "alice"}
    assert explorer.call_json("act_login", **account)["alias"] == "张三 & Söhne"
    assert explorer.call_json("act_unregister", userid="alice", token=token) == {"userid": "alice"}


@pytest.mark.usefixtures("store")
def test_signed_refuses_a_wrong_accesskey(explorer: Explorer) -> None:
    explorer.open("signed")
    explorer.give_access_key("another-key")
    status, text = explorer.call("act_register", userid="alice", password="correct horse")
    assert (status, json.loads(text)) == (403, {"errno": 403, "errstr": "签名验证失败：signature不正确"})
    assert explorer.page.locator(".live-responses-table").inner_text().count("403") >= 1


@pytest.mark.usefixtures("store")
def test_an_accesskey_stays_in_the_page(explorer: Explorer) -> None:
    explorer.open("signed")
    explorer.give_access_key("a-key-to-look-for")
    explorer.call("act_register", userid="alice", password="correct horse")
    for request in explorer.requests:
        assert "a-key-to-look-for" not in f"{request.url} {request.all_headers()} {request.post_data}"
    page = explorer.page
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
    assert "a-key-to-look-for" not in kept
    page.reload()
    assert page.get_by_label("accesskey").input_value() == ""


def test_a_page_without_web_crypto_says_that_it_cannot_sign(explorer: Explorer) -> None:
    explorer.page.add_init_script("Object.defineProperty(crypto, 'subtle', {value: undefined})")
    explorer.open("signed")
    assert "https or from 127.0.0.1" in explorer.page.get_by_role("alert").inner_text()
    assert explorer.page.get_by_label("accesskey").is_disabled()


def test_annotation_reads_with_the_cookie_of_its_login_and_without_a_body(explorer: Explorer) -> None:
    explorer.open("annotation")
    person = {"user_id": "zhangsan", "user_name": "法外狂徒张三"}
    assert explorer.call_json("read") == {"ret": -1, "msg": "用户未登录"}
    assert explorer.call_json("register", person | {"password": "correct horse"}) == {"ret": 0, "msg": "创建成功"}
    assert explorer.call_json("read") == {"ret": 0, **person}
    assert explorer.call_json("read_get_friends") == {"ret": 0, "sum": 0, "friends": []}
    assert urlsplit(explorer.sent().url).query == "action=get_friends"
    assert explorer.sent().post_data is None
    explorer.call("act", {"action": "logout"})
    assert explorer.call_json("log_in", {"user_id": "zhangsan", "password": "correct horse"})["ret"] == 0
    assert explorer.call_json("update", {"action": "change_name", "user_name": "张三"})["ret"] == 0


@pytest.mark.usefixtures("store")
def test_annotation_exports_a_file(explorer: Explorer) -> None:
    explorer.open("annotation")
    explorer.call("register", {"user_id": "zhangsan", "user_name": "张三", "password": "correct horse"})
    entities = [{"id": 7, "name": "刘备"}, {"id": 8, "name": "关羽"}]
    with transaction():
        project = Project.import_graph("三国", Account.by_username("zhangsan"), entities)
    block = explorer.operation("read_get_entities_json")
    block.locator("[data-param-name='id'] input").fill(str(project.id))
    block.locator(".execute").click()
    with explorer.page.expect_download() as started:
        block.get_by_text("Download file").click()
    download: Download = started.value
    assert download.suggested_filename == "三国_entities.json"
    assert [row["name"] for row in json.loads(download.path().read_text("utf-8"))] == ["刘备", "关羽"]


@pytest.mark.parametrize("policy", ["guarded"])
def test_indexy_shows_an_account_to_itself_by_its_cookie(explorer: Explorer) -> None:
    explorer.open("indexy")
    login = {"username": "alice", "password": "K16ldRr922I1"}
    assert explorer.call_json("register", {**login, "nickName": "sw"})["success"] is True
    assert explorer.call("find", id="1")[0] == 401
    assert explorer.call_json("log_in", login)["success"] is True
    assert explorer.call_json("find", id="1")["payload"]["username"] == "alice"


def test_the_dialog_says_that_a_cookie_needs_no_entry(explorer: Explorer) -> None:
    for stem in ("annotation", "indexy"):
        explorer.open(stem)
        explorer.page.locator(".auth-wrapper .authorize").click()
        dialog = explorer.page.locator(".dialog-ux")
        dialog.get_by_text("your browser sends it by itself once you have logged in").first.wait_for()
        assert dialog.locator("input:visible, button.authorize:visible").count() == 0


TURNED_DOWN = {"recover_by_mobile", "show_reset_form", "reset_password"}
"""Their documented examples hold codes that nobody was sent: 400 in words of the contract."""


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("stem", STEMS)
def test_every_operation_can_be_sent_as_it_is_filled_in(explorer: Explorer, stem: str) -> None:
    explorer.open(stem)
    if stem == "signed":
        explorer.give_access_key()
    blocks = explorer.page.locator(".opblock")
    names = [blocks.nth(index).get_attribute("id") for index in range(blocks.count())]
    for name in (name.rpartition("-")[2] for name in names if name):
        before = len(explorer.requests)
        status, text = explorer.call(name)
        assert explorer.requests[before:], name
        assert status < 500, text
        assert status not in (400, 405, 413, 415) or name in TURNED_DOWN, f"{name}: {text}"
        shown = explorer.operation(name).locator(".live-responses-table")
        assert shown.get_by_text("Undocumented").count() == 0, name
        explorer.close(name)


def test_pages_fit_a_narrow_screen(explorer: Explorer) -> None:
    explorer.page.set_viewport_size(NARROW)
    explorer.page.goto(f"{explorer.url}/docs")
    assert explorer.page.evaluate(WIDTH) <= NARROW["width"]
    for stem in STEMS:
        explorer.open(stem)
        explorer.page.locator(".opblock-summary-control").first.click()
        explorer.page.locator(".execute").click()
        explorer.page.locator(".live-responses-table .response").wait_for()
        explorer.page.locator("section.models button").first.click()
        assert explorer.page.evaluate(WIDTH) <= NARROW["width"], stem
