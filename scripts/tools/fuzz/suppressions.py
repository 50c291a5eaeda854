"""The failures of Schemathesis that are none: what no OpenAPI document can tell it, each with the reason.

The checks stay on. A failure is dropped only where the answer is, to the word, the one that the contract's document
prescribes, or where the request on the wire was not what Schemathesis took it for; any other fails the run.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import jsonschema_rs
import requests
from schemathesis import Case as SomeCase
from schemathesis import Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData

from server.cli.contract_check import follow

Case = SomeCase[Any]


class Suppression(NamedTuple):
    """One kind of failure of one contract, dropped where `holds` says so."""

    stem: str
    failure: type[Failure]
    holds: Callable[[Case, Response], bool]
    reason: str


def answers(status: int, **body: Any) -> Callable[[Case, Response], bool]:
    """Hold where the answer is exactly this."""

    def holds(case: Case, response: Response) -> bool:
        return response.status_code == status and _json(response.content) == body

    return holds


def either(*rules: Callable[[Case, Response], bool]) -> Callable[[Case, Response], bool]:
    """Hold where one of the rules does."""
    return lambda case, response: any(rule(case, response) for rule in rules)


def is_page(title: str) -> Callable[[Case, Response], bool]:
    """Hold where the answer is a page that refuses with this title."""

    def holds(case: Case, response: Response) -> bool:
        return response.status_code == 400 and f"<title>{title}</title>".encode() in response.content

    return holds


NOT_LOGGED_IN = {"ret": -1, "msg": "用户未登录"}
_refusing: set[str] = set()


def refuses_in_its_words(case: Case, response: Response) -> bool:
    """Hold where the same request is refused as not logged in, both without a cookie and with a wrong one."""
    operation = case.operation.label
    if operation not in _refusing:
        for cookie in (None, "sessionid=wrong"):
            again = response.request.copy()
            again.headers.pop("Cookie", None)
            if cookie:
                again.headers["Cookie"] = cookie
            with requests.Session() as session:
                if _json(session.send(again, timeout=30).content) != NOT_LOGGED_IN:
                    return False
        _refusing.add(operation)
    return True


def fits_as_text(case: Case, response: Response) -> bool:
    """Hold where nothing but the query was to be wrong, and the query as it was sent fits the document."""
    parts = case.meta.components if case.meta else {}
    wrong = [where.value for where, part in parts.items() if part.mode.is_negative]
    query = dict(reversed(parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)))
    return wrong == ["query"] and all(
        jsonschema_rs.Draft4Validator(
            {**parameter["schema"], "components": case.operation.schema.raw_schema["components"]}
        ).is_valid(_cast(query[parameter["name"]], parameter["schema"].get("type")))
        if parameter["name"] in query
        else not parameter.get("required")
        for parameter in case.operation.definition.raw["parameters"]
        if parameter["in"] == "query"
    )


def _cast(text: str, kind: str | None) -> Any:
    return int(text) if kind == "integer" and text.isdecimal() else text


def led_astray(case: Case, response: Response) -> bool:
    """Hold where a link led a text to where the document asks for an id."""
    return not re.fullmatch("[1-9][0-9]{0,18}", str(case.path_parameters.get("uid")))


def is_an_example(case: Case, response: Response) -> bool:
    """Hold where the answer is, to the word, one that the document gives as an example of a refusal."""
    document = case.operation.schema.raw_schema
    declared = follow(document, case.operation.definition.raw["responses"].get(str(response.status_code), {}))
    content = declared.get("content", {}).values()
    told = [one["value"] for media in content for one in media.get("examples", {}).values()]
    return 400 <= response.status_code < 500 and _json(response.content) in told


EVERY = "*"
SUPPRESSIONS = [
    Suppression(
        EVERY,
        RejectedPositiveData,
        is_an_example,
        "The document tells by an example what it refuses beyond what a schema can say, such as a name that is taken.",
    ),
    Suppression(
        "annotation",
        IgnoredAuth,
        refuses_in_its_words,
        "The document answers who is not logged in with 200 and ret -1; the check knows 401 and 403 only.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        answers(200, **NOT_LOGGED_IN),
        "Who is not logged in is told so before anything else is looked at, with the document's 200 and ret -1.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        answers(200, ret=-2, msg="用户已登录"),
        "Who is logged in already is told so before the body of signin is looked at, with the document's 200.",
    ),
    Suppression(
        "sso",
        AcceptedNegativeData,
        answers(200, code="token_err", message="重复登录", data=None),
        "A live token at login is answered at once, before the body is looked at, with the document's 200.",
    ),
    Suppression(
        "sso",
        RejectedPositiveData,
        led_astray,
        "Schemathesis takes the username of a registration for the uid of the path; no link in the document says so.",
    ),
    Suppression(
        "signed",
        AcceptedNegativeData,
        fits_as_text,
        "A query is text: `property=false` is what became of a value of the wrong type, and is a good text.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        fits_as_text,
        "A query is text: a value of the wrong type may have become a good text on its way.",
    ),
    Suppression(
        "indexy",
        RejectedPositiveData,
        either(
            answers(400, payload="用户名或密码错误", success=False),
            answers(400, payload="旧密码输入有误", success=False),
            answers(400, payload="手机号或短信验证码错误", success=False),
            answers(400, payload="找不到邮箱对应的账号", success=False),
            is_page("链接无效或已过期"),
        ),
        "The document answers wrong passwords, codes, links and addresses with 400, which elsewhere means malformed.",
    ),
]


def find(stem: str, failure: Failure, case: Case, response: Response) -> Suppression | None:
    """Return the suppression of a failure, if there is one."""
    for suppression in SUPPRESSIONS:
        if (
            suppression.stem in (stem, EVERY)
            and isinstance(failure, suppression.failure)
            and suppression.holds(case, response)
        ):
            return suppression
    return None


def _json(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"")
    except ValueError:
        return None
