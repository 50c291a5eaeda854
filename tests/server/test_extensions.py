"""The `x-` words: what is wrong with one ends the start, with file, place and reason; the page lists them all."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from starlette.testclient import TestClient

from server.app import create_app
from server.contract.extensions import SCHEMA
from server.contract.spec_error import SpecError
from server.settings import Settings
from tests.conftest import ROOT

PAGE = ROOT / "scripts/tools/docs/pages/spec-words.md"
SPEC = """\
openapi: 3.0.3
info: {title: One, version: "1"}
servers: [{url: /one}]
x-headers: {Cache-Control: no-store}
paths:
  /keep/{id}:
    parameters:
      - {name: id, in: path, required: true, x-account: id, schema: {type: integer}}
      - {name: name, in: query, schema: {type: string}}
    post:
      operationId: keep
      security: [{key: []}]
      x-guarded: owner
      x-rate-limit:
        - {name: one, per: account, of: /user/email, counts: failures, limit: 5, seconds: 60}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [user]
              properties:
                user: {type: object, required: [email], properties: {email: {type: string}, nick: {type: string}}}
      responses:
        "204": {description: Kept.}
        "400": {description: Not.}
        "401": {description: Not.}
        "403": {description: Not.}
  /empty:
    post:
      operationId: empty
      security: []
      responses: {"204": {description: Nothing.}}
components:
  securitySchemes:
    key: {type: apiKey, in: query, name: key, x-apikeyInfoFunc: handlers.one.know}
"""
MODULE = """
import connexion, starlette.exceptions
ERRORS = {
    "oauth": connexion.exceptions.OAuthProblem(),
    "http": starlette.exceptions.HTTPException(403),
    "bug": RuntimeError("hunter2"),
    "denied": PermissionError("hunter2"),
}
def know(key):
    if key in ERRORS:
        raise ERRORS[key]
def keep(id): ...
def empty(): ...
def fail(error): return None, getattr(error, "status", 500)
"""


@pytest.fixture
def start(contract_folder: Path, settings: Settings) -> Callable[..., Any]:
    """Starts a server of contracts: `start(one=SPEC)`."""

    def start(**specs: str) -> Any:
        for stem, spec in specs.items():
            (contract_folder / f"{stem}.yaml").write_text(spec)
            (contract_folder / f"{stem}.py").write_text(MODULE)
        return create_app(replace(settings, contracts=str(contract_folder), serve=",".join(specs)))

    return start


POST = "/paths/~1keep~1{id}/post"
OF = f"{POST}/x-rate-limit/0/of"
WRONG = {
    "a word that is not known": ("x-guarded: owner", "x-gaurded: owner", f"{POST}/x-gaurded: no such word"),
    "a word at the wrong place": ("info: {title", "info: {x-session: {seconds: 5}, title", None),
    "a word of an operation in the document": ("x-headers", "x-cross-site", "/x-cross-site: no such word"),
    "a value that is not known": ("owner", "ownr", f'{POST}/x-guarded: "ownr" is not one of'),
    "a kind of account": ("x-account: id", "x-account: name", '/paths/~1keep~1{id}/parameters/0/x-account: "name" is'),
    "no parameter of the owner": ("x-account: id, ", "", f"{POST}/x-guarded: owner: one parameter .* there is none"),
    "two of them": (
        "{name: name, in",
        "{name: name, x-account: id, in",
        f"{POST}/x-guarded: owner: one .* there is .*id and name|name and id",
    ),
    "a limit of nothing": ("of: /user/email", "of: /user/mail", f"{OF}: the request declares no /user/mail"),
    "a limit of what is not wrapped": ("of: /user/email", "of: email", f"{OF}: the request declares no email"),
    "a limit of a member that may be left out": ("of: /user/email", "of: /user/nick", f"{OF}: /user/nick may be left"),
    "a limit of a parameter that may be left out": ("of: /user/email", "of: name", f"{OF}: name may be left out"),
    "a limit of a body that may be left out": (
        "requestBody:\n        required: true",
        "requestBody:",
        f"{OF}: /user/email may be left out",
    ),
    "a limit in words": ("limit: 5", "limit: five", f'{POST}/x-rate-limit/0/limit: "five" is not of type "integer"'),
    "a limit with a slip": ("seconds: 60", "second: 60", f"{POST}/x-rate-limit/0"),
    "no limit": ("limit: 5, ", "", f"{POST}/x-rate-limit/0/limit: missing"),
    "a recipient without a name": (
        "per: account, of: /user/email",
        "per: recipient",
        f"{POST}/x-rate-limit/0/of: missing",
    ),
    "no servers": ("servers: [{url: /one}]\n", "", "/servers: missing"),
    "an empty list of servers": ("[{url: /one}]", "[]", r"/servers: \[\] has less than 1 item"),
    # connexion#306: without its function a scheme was skipped with a warning, and the operation stood open
    "no security function": (", x-apikeyInfoFunc: handlers.one.know", "", "key: x-apikeyInfoFunc is missing"),
    "a security function that is not there": ("one.know", "one.knows", "key: .* no function handlers.one.knows"),
    "a scheme that is not there": ("[{key: []}]", "[{token: []}]", f"{POST}/security: token is no security scheme"),
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("good", "bad", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_ends_the_start(start: Callable[..., Any], good: str, bad: str, told: str | None) -> None:
    assert SPEC.count(good) >= 1
    if told is None:
        start(one=SPEC.replace(good, bad))  # OpenAPI's own objects may hold what other tools read
        return
    with pytest.raises(SpecError, match=f"^one.yaml: .*{told.replace('{id}', '.id.')}"):
        start(one=SPEC.replace(good, bad))


@pytest.mark.usefixtures("engine")
def test_two_contracts_that_claim_one_path_and_method_end_the_start(start: Callable[..., Any]) -> None:
    """connexion#1598: the first took the path, the second was ignored; only then does the method matter."""
    told = r"^(one|two).yaml: /paths/~1empty/post: claimed twice, by (one.empty and two.empty|two.empty and one.empty)$"
    with pytest.raises(SpecError, match=told):
        start(one=SPEC, two=SPEC.replace("/keep/", "/kept/").replace("handlers.one", "handlers.two"))
    with pytest.raises(
        SpecError, match=r"/paths/~1keep~1{(id|other)}/post: claimed twice, by (one|two).keep and (two|one).keep$"
    ):
        start(one=SPEC, two=SPEC.replace("{id}", "{other}").replace("name: id", "name: other").replace("/empty", "/e"))


@pytest.mark.usefixtures("engine")
def test_two_contracts_share_a_path_by_method(start: Callable[..., Any]) -> None:
    """connexion#1598: spec1 had GET of it, and spec2's POST was answered 405."""
    other = SPEC.replace("/keep/", "/kept/").replace("/empty:\n    post", "/empty:\n    put")
    client = TestClient(start(one=SPEC, two=other.replace("handlers.one", "handlers.two")))
    assert client.post("/one/empty").status_code == 204
    assert client.put("/one/empty").status_code == 204


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bases", [("/", "/one"), ("/one", "/"), ("/one", "/one/more"), ("/one/more", "/one")])
def test_base_paths_may_stand_in_each_other(start: Callable[..., Any], bases: tuple[str, str]) -> None:
    """connexion#1709, connexion#2108: what was mounted first hid the other."""
    first, second = (SPEC.replace("url: /one", f"url: {base}") for base in bases)
    client = TestClient(start(one=first, two=second.replace("handlers.one", "handlers.two")))
    for base in bases:
        assert client.post(f"{base.rstrip('/')}/empty").status_code == 204
        assert client.post(f"{base.rstrip('/')}/keep/1").status_code == 401


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_an_empty_body_with_a_media_type_is_none(start: Callable[..., Any], media_type: str) -> None:
    """connexion#1294: where the operation declares no body, a client that names a type all the same was told 400."""
    client = TestClient(start(one=SPEC))
    assert client.post("/one/empty", headers={"content-type": media_type, "content-length": "0"}).status_code == 204


@pytest.mark.usefixtures("engine")
def test_none_from_a_security_function_is_401(start: Callable[..., Any]) -> None:
    """connexion#829: it was a 500."""
    answer = TestClient(start(one=SPEC)).post("/one/keep/1", params={"key": "x"}, json={"user": {"email": "a"}})
    assert answer.status_code == 401


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("key", "status"), [("oauth", 401), ("http", 403), ("bug", 500), ("denied", 500)])
@pytest.mark.parametrize("asked", ["[{key: []}]", "[{key: []}, {}]", "[{key: []}, {other: []}]"])
def test_a_foreign_exception_of_a_security_function_lets_nobody_in(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, key: str, status: int, asked: str
) -> None:
    """connexion#1916: the next of several alternatives was tried, and an empty one let everybody in."""
    spec = SPEC.replace("[{key: []}]", asked).replace("      x-guarded: owner\n", "")
    spec += "    other: {type: apiKey, in: header, name: other, x-apikeyInfoFunc: handlers.one.know}\n"
    client = TestClient(start(one=spec), raise_server_exceptions=False)
    answer = client.post("/one/keep/1", params={"key": key}, json={"user": {"email": "a"}}, headers={"other": "x"})
    assert answer.status_code == status
    assert "hunter2" not in answer.text + caplog.text


# --- the page --------------------------------------------------------------------------------------------------------

DEFINITIONS = json.loads(SCHEMA.read_text("utf-8"))["definitions"]
PROPERTIES = {place: one.get("properties", {}) for place, one in DEFINITIONS.items()}
DECLARED = {(place, word) for place, words in PROPERTIES.items() for word in words if word.startswith("x-")}


def _explained() -> Iterator[tuple[str, str, str]]:
    """Yield place, word and example of each section of the page."""
    for part in PAGE.read_text("utf-8").split("\n## Of ")[1:]:
        head, *sections = part.split("\n### ")
        place = head.strip().split(" ", 1)[1].replace(" ", "-")
        for section in sections:
            word, _, rest = section.partition("\n")
            (example,) = re.findall(r"^```yaml\n(.*?)^```", rest, re.MULTILINE | re.DOTALL)
            yield place, word, example


EXPLAINED = list(_explained())


def test_the_page_explains_every_word_of_the_schema_and_no_other() -> None:
    assert [(place, word) for place, word, _ in EXPLAINED if (place, word) not in DECLARED] == []
    assert sorted((place, word) for place, word, _ in EXPLAINED) == sorted(DECLARED)


@pytest.mark.parametrize(("place", "word", "example"), EXPLAINED, ids=[f"{one[0]} {one[1]}" for one in EXPLAINED])
def test_each_example_is_of_the_form_that_the_schema_gives_it(place: str, word: str, example: str) -> None:
    value = yaml.safe_load(example)
    assert list(value) == [word]
    form = {"definitions": DEFINITIONS, **PROPERTIES[place][word]}
    assert jsonschema_rs.Draft7Validator(form).is_valid(value[word])


def test_every_word_has_a_description_that_editors_show() -> None:
    assert all(len(PROPERTIES[place][word]["description"]) > 20 for place, word in DECLARED)
