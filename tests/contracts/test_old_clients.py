"""The page of what old clients may do: every request on it is sent, one after the other, and answered as it says."""

import json
import re
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.conftest import ROOT

PAGE = ROOT / "scripts/tools/docs/pages/old-clients.md"
HEADINGS = (
    "A slash at the end, or none",
    "Left-overs",
    "Blanks",
    "Labels",
    "Cookies",
    "Reading",
    "Names and numbers",
    "The token where it was",
    "Statuses",
)


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"ROLLBOOK_RATE_LIMITS": "1"}  # or no device is told from others


def read_page() -> list[tuple[str, str]]:
    """Return the requests of the page, each with its answer."""
    blocks = re.findall("^```http\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return list(zip(blocks[::2], blocks[1::2], strict=True))


def take_apart(block: str) -> tuple[str, list[tuple[str, str]], str]:
    """Return first line, headers and body."""
    head, _, body = block.partition("\n\n")
    first, *lines = head.strip().splitlines()
    return first, [(name, value) for name, _, value in (line.partition(": ") for line in lines)], body.rstrip("\n")


def send(client: TestClient, request: str) -> Response:
    """Send a request as it is written; its body in the charset of its label."""
    first, headers, body = take_apart(request)
    method, url = first.split(" ", 1)
    label = dict(headers).get("Content-Type", "")
    charset = "gb18030" if "gbk" in label else "utf-8"
    text = body.replace("\n", "\r\n") if label.startswith("multipart") else body
    client.cookies.clear()
    answer: Response = client.request(method, url, headers=dict(headers), content=text.encode(charset))
    return answer


def pattern(text: str) -> str:
    """Return what matches a text in which … stands for what differs each time."""
    return ".+".join(map(re.escape, text.split("…")))


def fits(expected: Any, found: Any) -> bool:
    """Tell whether a value is as it is printed."""
    if isinstance(expected, str) and "…" in expected:
        return isinstance(found, str) and re.fullmatch(pattern(expected), found) is not None
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(fits(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(fits, expected, found))
    return type(expected) is type(found) and bool(expected == found)


def test_every_request_of_the_page_is_answered_as_it_says(client: TestClient) -> None:
    pairs = read_page()
    assert len(pairs) >= 25
    known: dict[str, str] = {}
    for request, answer in pairs:
        for name, value in known.items():
            request = request.replace(f"{{{name}}}", value)  # noqa: PLW2901  # what was given before
        response = send(client, request)
        status, headers, body = take_apart(answer)
        assert str(response.status_code) == status, (request, response.text)
        for name in {name for name, _ in headers}:
            printed = [value for other, value in headers if other == name]
            sent = response.headers.get_list(name)[-len(printed) :]
            assert len(sent) == len(printed), (request, name)
            assert all(re.match(pattern(one), other) for one, other in zip(printed, sent, strict=True)), (request, sent)
        if body:
            assert fits(json.loads(body), response.json()), (request, response.text)
            known |= {name: value for name, value in response.json().items() if isinstance(value, str)}
        else:
            assert response.content == b""
        if "sessionid" in response.headers.get("set-cookie", ""):
            known["set-cookie"] = response.headers.get_list("set-cookie")[-1]


def test_every_section_has_its_examples() -> None:
    sections = re.split("^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert tuple(section.splitlines()[0] for section in sections) == HEADINGS
    assert all("```http" in section for section in sections)


@pytest.mark.parametrize(
    ("expected", "found", "as_printed"),
    [
        ({"token": "1-…"}, {"token": "1-abc"}, True),
        ({"token": "1-…"}, {"token": "2-abc"}, False),
        ({"token": "1-…"}, {"token": "1-"}, False),
        ({"ret": 0}, {"ret": False}, False),
        ({"ret": 0}, {"ret": 0, "msg": ""}, False),
        ([1, 2], [1], False),
    ],
)
def test_an_answer_is_held_against_what_is_printed(expected: Any, found: Any, as_printed: bool) -> None:
    assert fits(expected, found) is as_printed
