"""The documentation site: every snippet runs, every page shows what is, nothing leads nowhere."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import TimeoutError as NotThere
from starlette.testclient import TestClient

import server.docs.pages
from scripts.tools.clients import typescript_client
from scripts.tools.docs import interop_page, last_run, ledger_page, site
from scripts.tools.docs.contracts import examples, readers, take_apart
from scripts.tools.docs.languages import BASE, LANGUAGES, Language
from scripts.tools.docs.markdown import as_json
from scripts.tools.docs.snippets import Sheet, Snippet, anchor, make_sheet
from scripts.tools.harness.npm import CannotBeHad, install
from server.app import create_app
from server.settings import read
from tests.conftest import CHEAP, ROOT, Served
from tests.contract_coverage import compare as compare_ledger
from tests.contract_coverage import read_answers, read_specs
from tests.contract_coverage import write as write_ledger
from tests.process.test_explorer import FLAGS

pytestmark = pytest.mark.once("what readers copy and see comes from the specs")
READERS = readers()
SHEETS = {stem: make_sheet(reader) for stem, reader in READERS.items()}
BIN = ROOT / ".venv/bin"
NEEDED = {"sh": ["bash", "curl", "grep", "openssl"], "python": ["bash"], "typescript": ["bash", str(BIN / "node")]}
MARK = "\x1e"
"""Stands between the output of two snippets."""

BETWEEN = {
    "sh": f"printf '\\n{MARK}'",
    "python": f'print("\\n{MARK}", end="")',
    "typescript": f'process.stdout.write("\\n{MARK}");',
}
STATUS_TO_STDERR = 'write-out = "\\n%{stderr}%{http_code}\\n"\n'
JSON_TO_STDOUT = (
    "data:text/javascript,const log = console.log;"
    "console.log = (...values) => log(...values.map((v) => typeof v === 'string' ? v : JSON.stringify(v)))"
)
SMS, MAILED_LINK, MAILED_CODE = ("*.json", r"\b\d{6}\b"), ("*.eml", r"(?<=code=)\w+"), ("*.eml", r"(?<![=\w])\w{32}\b")
DELIVERED = {"dbms": [MAILED_CODE], "indexy": [SMS, MAILED_LINK, MAILED_CODE, SMS]}
"""What a person reads in the messages, in the order in which the snippets of a contract ask for it."""


class Person(threading.Thread):
    """Who sits at the keyboard: waits for messages and types what they say."""

    def __init__(self, stem: str, outbox: Path, keyboard: Any) -> None:
        super().__init__(daemon=True)
        self.awaited = DELIVERED.get(stem, [])
        self.typed: set[str] = set()
        self.outbox = outbox
        self.keyboard = keyboard
        self.leaves = threading.Event()

    def run(self) -> None:
        """Type a line for each message."""
        for kind, wanted in self.awaited:
            while not (code := self.find(kind, wanted)):
                if self.leaves.wait(0.05):
                    return
            self.typed.add(code)
            with suppress(BrokenPipeError):
                self.keyboard.write(f"{code}\n")
                self.keyboard.flush()

    def find(self, kind: str, wanted: str) -> str | None:
        """Return what is wanted of the messages of a kind; others, such as notices to owners, do without it."""
        found = (re.search(wanted, message.read_text("utf-8")) for message in self.outbox.glob(kind))
        return next((code[0] for code in found if code and code[0] not in self.typed), None)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sheet], tuple[Path, dict[str, str]]]:
    """Does what the operator does before the snippets of a contract; returns a data folder and what was exported."""

    @cache
    def operate_once(stem: str) -> tuple[Path, dict[str, str]]:
        data = tmp_path_factory.mktemp(stem) / "data"
        data.mkdir()
        operator = SHEETS[stem].scenario.operator
        return data, operate(operator[1], data) if operator else {}

    return lambda sheet: operate_once(sheet.reader.stem)


def run_sheet(
    sheet: Sheet, language: Language, folder: Path, operated: tuple[Path, dict[str, str]]
) -> list[tuple[int, str]]:
    """Run all snippets of a contract in one language on a fresh server; return status and text of each answer."""
    shutil.copytree(operated[0], folder / "data")
    server = Served(folder / "data", sheet.scenario.settings)
    try:
        environment = os.environ | operated[1]
        parts = [sheet.prelude(language), *(snippet.code[language.name] for snippet in sheet.snippets)]
        code = f"\n{BETWEEN[language.name]}\n".join(parts).replace(BASE, server.url)
        output, errors = run_code(code, language, folder, environment, sheet.reader.stem)
    finally:
        server.end(signal.SIGKILL)
    texts = [text.strip() for text in output.split(f"\n{MARK}")[1:]]
    if language.name == "sh":
        statuses = [int(line) for line in errors.splitlines() if re.fullmatch(r"\d{3}", line)]
        return list(zip(statuses[-len(texts) :], texts, strict=True))
    return [read_printed(text) for text in texts]


def operate(lines: str, data: Path) -> dict[str, str]:
    """Do what the operator does with a new store, and return what was exported."""
    environment = os.environ | CHEAP | {"ROLLBOOK_DATA": str(data)}
    names = re.findall(r"^export (\w+)", lines, re.MULTILINE)
    tell = "".join(f'\nprintf "{MARK}%s" "${name}"' for name in names)
    ran = subprocess.run(
        # the snippets of the documentation
        ["bash", "-euo", "pipefail", "-c", f"./scripts/rollbook db migrate >/dev/null\n{lines}{tell}"],  # noqa: S607
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(names, ran.stdout.split(MARK)[1:], strict=True))


def run_code(
    code: str, language: Language, folder: Path, environment: dict[str, str], stem: str = ""
) -> tuple[str, str]:
    """Run code as a reader would; return what it printed on both streams."""
    file, output, errors = (folder / name for name in (f"snippets.{language.ending}", "output", "errors"))
    file.write_text(code)
    (folder / ".curlrc").write_text(STATUS_TO_STDERR)
    command = {
        "sh": ["bash", "-euo", "pipefail"],
        "python": [BIN / "python"],
        "typescript": [BIN / "node", "--import", JSON_TO_STDOUT],
    }[language.name]
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(
            [*command, file],
            cwd=folder,
            env=environment | {"CURL_HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            text=True,
        )
        person = Person(stem, folder / "data/outbox", process.stdin)
        person.start()
        try:
            process.wait(60)
        finally:
            process.kill()
            person.leaves.set()
            person.join()
            assert process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()
    assert process.returncode == 0, errors.read_text() + output.read_text()
    return output.read_text(), errors.read_text()


def read_printed(text: str) -> tuple[int, str]:
    """Tell the status from the text; a question may stand before them."""
    printed = re.search(r"(?:^|: )(\d{3})(?: (.*))?$", text, re.DOTALL)
    assert printed, text
    return int(printed[1]), printed[2] or ""


def parse(text: str) -> Any:
    """Read JSON, or what Python prints of it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return ast.literal_eval(text)


def differences(found: Any, example: Any, varies: set[str], at: str = "") -> Iterator[str]:
    """Yield where an answer is not as the example: other names, another kind, another value of what does not vary."""
    if isinstance(example, dict) and isinstance(found, dict):
        if found.keys() != example.keys():
            yield f"{at}: {sorted(found)} instead of {sorted(example)}"
        for name in found.keys() & example.keys():
            yield from differences(found[name], example[name], varies, f"{at}/{name}")
    elif isinstance(example, list) and isinstance(found, list):
        if not found and example:
            yield f"{at}: empty"
        for number, item in enumerate(found):
            yield from differences(item, example[min(number, len(example) - 1)], varies, f"{at}/{number}")
    elif type(found) is not type(example) or (found != example and not varies & set(at.split("/"))):
        yield f"{at}: {found!r} instead of {example!r}"


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
@pytest.mark.parametrize("stem", SHEETS)
def test_every_snippet_is_answered_as_the_example_says(
    stem: str, language: Language, tmp_path: Path, operated: Callable[[Sheet], tuple[Path, dict[str, str]]]
) -> None:
    missing = [tool for tool in NEEDED[language.name] if not shutil.which(tool)]
    if missing:
        reason = f"the snippets for {language.label} need {', '.join(missing)}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    sheet = SHEETS[stem]
    answers = run_sheet(sheet, language, tmp_path, operated(sheet))
    assert len(answers) == len(sheet.snippets)
    for snippet, (status, text) in zip(sheet.snippets, answers, strict=True):
        where = f"{snippet.number} {snippet.name}"
        assert (where, status) == (where, snippet.status), text
        assert (where, list(compare(snippet, text, sheet.scenario.varies))) == (where, [])


def compare(snippet: Snippet, text: str, varies: set[str]) -> Iterator[str]:
    """Yield in what an answer is not as the example."""
    example = snippet.content
    if example is None:
        return
    if snippet.request.is_text:
        if not text.startswith("<!doctype html>"):
            yield "no page"
        return
    yield from differences(parse(text), parse(example) if isinstance(example, str) else example, varies)


def test_typescript_snippets_compile_under_strict(tmp_path: Path) -> None:
    home = ROOT / "build/clients/typescript"
    home.mkdir(parents=True, exist_ok=True)
    try:
        install(typescript_client.HERE, home)
    except CannotBeHad as error:
        pytest.fail(str(error)) if os.environ.get("CI") == "true" else pytest.skip(str(error))
    (tmp_path / "node_modules").symlink_to(home / "node_modules")
    shutil.copy(ROOT / "tests/process/typescript/tsconfig.json", tmp_path / "base.json")
    settings = {"extends": "./base.json", "compilerOptions": {"noEmit": True}, "include": ["*.mts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    for stem, sheet in SHEETS.items():
        (tmp_path / f"{stem}.mts").write_text(sheet.whole(LANGUAGES[2]), "utf-8")
    compiled = subprocess.run(
        [BIN / "node", home / "node_modules/typescript/bin/tsc", "--project", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout


@pytest.mark.parametrize("stem", SHEETS)
def test_every_operation_and_every_variant_has_a_snippet(stem: str) -> None:
    acts = {
        (operation.path, variant.name if variant else operation.id): operation.spec.get("deprecated", False)
        for operation in READERS[stem].operations
        for variant in operation.variants or [None]
    }  # what two methods do alike is one act, and another spelling needs no snippet of its own
    shown = {
        (one.operation.path, one.operation.id if one.variant is None else one.variant) for one in SHEETS[stem].snippets
    }
    spelled = {"get_friends_appli", "get_user_info"}  # other spellings of what is shown
    assert {act for act, is_old in acts.items() if not is_old and act[1] not in spelled} <= shown <= acts.keys()


@pytest.mark.parametrize(
    ("found", "example", "as_it_should"),
    [
        ({"id": 1, "msg": "好"}, {"id": 7, "msg": "好"}, True),
        ({"id": "1", "msg": "好"}, {"id": 7, "msg": "好"}, False),
        ({"id": 1, "msg": "坏"}, {"id": 7, "msg": "好"}, False),
        ({"id": 1}, {"id": 7, "msg": "好"}, False),
        ([], [{"id": 7}], False),
        ([{"id": 1}, {"id": 2}], [{"id": 7}], True),
        (True, 1, False),
    ],
)
def test_answers_are_compared_by_names_kinds_and_words(found: Any, example: Any, as_it_should: bool) -> None:
    assert (list(differences(found, example, {"id"})) == []) is as_it_should


# --- the site --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    folder = tmp_path_factory.mktemp("docs")
    site.build(folder / "site", folder / "work")
    return folder / "site"


class Page(HTMLParser):
    """A page: its headings and other names, its addresses, its code by language, its text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.code: dict[str, list[str]] = {}
        self.text = ""
        self._language: str | None = None
        self._block: str | None = None
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of names, addresses and code."""
        values = {name: value or "" for name, value in attributes}
        self.names |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loaded += [values[name] for name in ("src", "href") if name in values and tag != "a"]
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values and values.get("type") != "application/json"):
            self.inline.append(tag)
        if language := re.match(r"language-(\w+)", values.get("class", "")):
            self._language = language[1]
        if tag == "pre" and self._language:
            self._block = ""

    def handle_endtag(self, tag: str) -> None:
        """Keep the code that ends here."""
        if tag == "pre" and self._language and self._block is not None:
            self.code.setdefault(self._language, []).append(self._block.strip("\n"))
            self._language = self._block = None

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data
        if self._block is not None:
            self._block += data


def html_files(built: Path) -> list[Path]:
    """Return all pages."""
    return sorted(built.rglob("*.html"))


def test_every_page_that_was_asked_for_is_there(built: Path) -> None:
    asked = {
        "index",
        "zh",
        "five-minutes",
        "proof",
        "failures",
        "journeys",
        "ledger",
        "operator",
        "security",
        "adding-a-contract",
    }
    made = {f"{folder}/{stem}" for folder in ("contracts", "journeys") for stem in READERS}
    there = {str(file.relative_to(built).with_suffix("")) for file in html_files(built)}
    assert asked <= there
    assert there == made | {page.stem for page in (site.HERE / "pages").glob("*.md")}


@pytest.mark.parametrize("stem", SHEETS)
def test_a_page_shows_the_snippets_that_ran_and_no_others(built: Path, stem: str) -> None:
    page, sheet = Page(built / f"contracts/{stem}.html"), SHEETS[stem]
    for language in LANGUAGES:
        shown = page.code[language.name]
        ran = {sheet.prelude(language).strip("\n"), *(snippet.code[language.name] for snippet in sheet.snippets)}
        if language.name == "sh":
            operator = sheet.scenario.operator
            ran |= {shown[0], operator[1].strip("\n")} if operator else {shown[0]}
            assert shown[0].endswith("./scripts/serve")
        assert set(shown) == ran
        whole = (built / f"snippets/{stem}.{language.ending}").read_text("utf-8")
        assert all(snippet.code[language.name] in whole for snippet in sheet.snippets)


@pytest.mark.parametrize("stem", READERS)
def test_a_page_has_every_operation_with_every_answer_and_example(built: Path, stem: str) -> None:
    reader, page = READERS[stem], Page(built / f"contracts/{stem}.html")
    shown = {re.sub(r"\s", "", text) for texts in page.code.values() for text in texts}
    for operation in reader.operations:
        assert anchor(operation) in page.names
        assert operation.full_path in page.text
        for status, answer in operation.responses.items():
            assert f"{status} · {' '.join(answer['description'].replace('`', '').split())}" in page.text
            for content in answer.get("content", {}).values():
                for example in examples(content, reader).values():
                    value = example["value"]
                    text = value if isinstance(value, str) else as_json(value)
                    assert re.sub(r"\s", "", text) in shown, (operation.id, status)
        for limit in operation.spec.get("x-rate-limit", ()):
            assert f"{limit['limit']} {limit.get('counts', 'requests')}" in page.text
        for field in operation.fields:
            assert f"{field.name} " in page.text or f"{field.name}\n" in page.text


def test_nothing_on_the_site_leads_nowhere_or_loads_from_elsewhere(built: Path) -> None:
    pages = {file: Page(file) for file in html_files(built)}
    for file, page in pages.items():
        for link in page.loaded:
            assert not urlsplit(link).netloc, (file, link)
            assert (file.parent / urlsplit(link).path).is_file(), (file, link)
        for link in page.links:
            parts = urlsplit(link)
            if parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.is_file(), (file, link)
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, (file, link)


def test_no_page_holds_what_the_policy_forbids(built: Path) -> None:
    assert {file: inline for file in html_files(built) if (inline := Page(file).inline)} == {}


def test_the_chinese_page_says_that_it_is_chinese(built: Path) -> None:
    assert '<html lang="zh"' in (built / "zh.html").read_text("utf-8")
    assert '<html lang="en"' in (built / "index.html").read_text("utf-8")


def test_the_five_minutes_are_those_of_the_readme(built: Path) -> None:
    lines = (ROOT / "README.md").read_text("utf-8").partition("```sh\n")[2].partition("```")[0].strip()
    assert Page(built / "five-minutes.html").code["sh"] == [lines]


def test_every_journey_is_told_step_by_step(built: Path) -> None:
    for stem in READERS:
        page = Page(built / f"journeys/{stem}.html")
        file = ROOT / f"specs/journeys/{stem}.yaml"
        steps = file.read_text("utf-8").count("stepId:") if file.exists() else 0
        assert len(re.findall(r"^Expected:$", page.text, re.MULTILINE)) == steps
        reasons = re.findall("x-one-runner: (.*)", file.read_text("utf-8")) if file.exists() else []
        assert all(reason in page.text for reason in reasons)


def test_the_failures_are_those_that_the_code_says(built: Path) -> None:
    text = Page(built / "failures.html").text
    for body in ('{"ret": -2, "msg": "新密码重复"}', '{"errno": 1001, "errstr": "用户已存在"}'):
        assert body in text
    assert "请求无法完成" not in text  # what a contract says of what cannot happen there


def test_a_page_that_leads_nowhere_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    shutil.copytree(site.HERE, here)
    page = here / "pages/five-minutes.md"
    page.write_text(page.read_text("utf-8") + "\n[nowhere](nowhere.md)\n", "utf-8")
    monkeypatch.setattr(site, "HERE", here)
    with pytest.raises(SystemExit, match=r"nowhere\.md"):
        site.build(tmp_path / "site", tmp_path / "work")
    assert not (tmp_path / "site").exists()


def test_a_section_that_the_readme_lost_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("# Rollbook\n\n## Run it\n", "utf-8")
    with pytest.raises(LookupError, match="Settings"):
        site._readme("Settings")


@pytest.mark.parametrize(
    ("description", "heading", "document", "decided"),
    [
        (
            "1.2 用户登出\n\nEnds the session. 该方法无任何返回.",
            "1.2 用户登出",
            "",
            "Ends the session. 该方法无任何返回.",
        ),
        (
            "登录。验证用户id是否存在。An unknown id is no secret.",
            "登录",
            "验证用户id是否存在。",
            "An unknown id is no secret.",
        ),
        ("修改昵称。", "修改昵称", "", ""),
    ],
)
def test_the_documents_words_are_told_from_ours(description: str, heading: str, document: str, decided: str) -> None:
    told = take_apart(description)
    assert (told.heading, told.document, told.decided) == (heading, document, decided)


def test_a_ledger_is_shown_by_contract_and_its_absence_is_told(tmp_path: Path) -> None:
    build, released = tmp_path / "build", tmp_path / "released"
    assert "./scripts/test" in ledger_page.write(last_run.read("contract_coverage", build, released))
    build.mkdir()
    write_ledger(compare_ledger(read_specs(), read_answers([]))[0], build / "contract_coverage.json")
    shown = ledger_page.write(last_run.read("contract_coverage", build, released))
    assert "in this checkout" in shown
    for stem, reader in READERS.items():
        assert f"## {stem} " in shown
        for operation in reader.operations:
            for status in operation.responses:
                assert f"[{operation.id}](contracts/{stem}.md#{operation.id}) | {status} " in shown


def test_what_came_with_a_release_is_shown_with_its_date_where_nothing_was_run_here(tmp_path: Path) -> None:
    released = tmp_path / "released"
    released.mkdir()
    row = {"contract": "dbms", "operation": "find", "action": None, "status": 200, "media_type": None, "line": 7}
    record = {"date": "2026-11-25", "commit": "abc1234", "value": [row | {"count": 3, "example": ""}]}
    (released / "contract_coverage.json").write_text(json.dumps(record))
    shown = ledger_page.write(last_run.read("contract_coverage", tmp_path, released))
    assert "commit `abc1234`, 2026-11-25. 1 rows, 3 answers." in shown


def test_the_table_of_tools_names_whose_fault_it_is(tmp_path: Path) -> None:
    told = {"does": "compiled", "version": "1.0", "told": "Reads a mixture."}
    rows = [
        {"tool": "one", "contract": "dbms", "outcome": "works", **told},
        {"tool": "one", "contract": "sso", "outcome": "the tool's fault", "link": "https://example.com/1", **told},
    ]
    (tmp_path / "interop.json").write_text(json.dumps(rows))
    shown = interop_page.write(last_run.read("interop", tmp_path, tmp_path))
    assert "| one | 1.0 | compiled | works | [the tool's fault](https://example.com/1) |" in shown
    assert "- one, sso: Reads a mixture." in shown


# --- served, and in a browser ----------------------------------------------------------------------


@pytest.fixture
def serving(built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], TestClient]:
    """Makes clients of an application that finds the site in a folder."""

    def make(folder: Path) -> TestClient:
        monkeypatch.setattr(server.docs.pages, "SITE", folder)
        return TestClient(create_app(read({**CHEAP, "ROLLBOOK_DATA": str(tmp_path)})), follow_redirects=False)

    return make


def test_the_server_serves_the_site_beside_the_explorer(serving: Callable[[Path], TestClient], built: Path) -> None:
    client = serving(built)
    for path, file in {"/docs/": "index.html", "/docs/contracts/dbms.html": "contracts/dbms.html"}.items():
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.text == (built / file).read_text("utf-8")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert "swagger-ui" in client.get("/docs/dbms").text
    assert 'href="/docs/"' in client.get("/docs").text
    assert client.post("/docs/index.html").status_code == 405


@pytest.mark.parametrize(
    "path", ["/docs/nowhere.html", "/docs/contracts", "/docs/..%2Findex.html", "/docs/%00", "/docs//etc/passwd"]
)
def test_what_is_not_on_the_site_is_not_found(serving: Callable[[Path], TestClient], built: Path, path: str) -> None:
    client = serving(built / "contracts")
    answer = client.get(httpx2.URL("http://testserver").copy_with(raw_path=path.encode()))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_site_the_explorer_is_all_there_is(serving: Callable[[Path], TestClient], tmp_path: Path) -> None:
    client = serving(tmp_path / "site")
    assert client.get("/docs/").status_code == 404
    index = client.get("/docs")
    assert index.status_code == 200
    assert 'href="/docs/"' not in index.text


SERVE = """#!{python}
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
import server.docs.pages
from server.__main__ import main

server.docs.pages.SITE = Path({site!r})
main()
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        reason = "there is no Chromium to read the site in; scripts/programs installs one"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def look(browser: Browser, url: str, width: int, javascript: bool = True) -> Any:
    """Open a page; what the browser complains of and what it asks other hosts for is kept in `complaints`."""
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=javascript)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    here = urlsplit(url).netloc
    page.on("request", lambda request: urlsplit(request.url).netloc == here or page.complaints.append(request.url))
    page.goto(url)
    return page


def search(page: Any, words: str) -> str:
    """Search for words and return what is found."""
    field = page.get_by_role("combobox", name="Search")
    for _ in range(50):  # the search is not there until its index is
        page.keyboard.press("Control+k")
        with suppress(NotThere):
            field.wait_for(timeout=200)
            break
    field.fill(words)
    page.get_by_text(re.compile(r"^\d+ results?$")).wait_for()
    return str(page.get_by_role("dialog", name="Search").last.inner_text())


@pytest.mark.parametrize("width", [1440, 390])
def test_search_finds_both_languages_in_files_without_a_server(chromium: Browser, built: Path, width: int) -> None:
    page = look(chromium, (built / "index.html").as_uri(), width)
    assert "用户登录 · Log in" in search(page, "用户登录")
    page.reload()
    assert "indexy" in search(page, "captcha")
    assert page.complaints == []


def test_search_works_under_the_policy_of_the_server(chromium: Browser, built: Path, tmp_path: Path) -> None:
    script = tmp_path / "serve"
    script.write_text(SERVE.format(python=BIN / "python", root=str(ROOT), site=str(built)))
    script.chmod(0o700)
    served = Served(tmp_path / "data", {}, str(script))
    try:
        page = look(chromium, f"{served.url}/docs/contracts/sso.html", 1440)
        assert "Change the password" in search(page, "修改密码")
        assert page.complaints == []
    finally:
        served.end(signal.SIGKILL)


@pytest.mark.parametrize("name", ["index", "zh", "contracts/annotation", "failures", "journeys/signed"])
def test_a_page_fits_a_narrow_screen_and_reads_without_scripts(chromium: Browser, built: Path, name: str) -> None:
    page = look(chromium, (built / f"{name}.html").as_uri(), 390, javascript=False)
    assert page.locator("article h1").is_visible()
    page = look(chromium, (built / f"{name}.html").as_uri(), 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []
