"""The failures of Schemathesis that are none: what no OpenAPI document can tell it, each with the reason.

The checks stay on. A failure is dropped only where the answer is, to the word, the one that the contract's document
prescribes, or where the request on the wire was not what Schemathesis took it for; any other fails the run.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import jsonschema_rs
import requests
from schemathesis import Case as SomeCase
from schemathesis import Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import IgnoredAuth, MissingHeaderNotRejected, RejectedPositiveData

from handlers._chinese import FAULTS, TYPES
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


NOT_LOGGED_IN = {"ret": -1, "msg": "用户未登录"}
TOKEN_REFUSALS = [
    {"code": "token_err", "message": message, "data": None} for message in ("无token", "token解析失败", "token已失效")
]
_refusing: set[str] = set()


def refuses_strangers(header: str, wrong: str, words: list[Any]) -> Callable[[Case, Response], bool]:
    """Hold where the same request is refused in these words, both without a credential and with a wrong one."""

    def holds(case: Case, response: Response) -> bool:
        operation = case.operation.label
        if operation not in _refusing:
            for credential in (None, wrong):
                again = response.request.copy()
                again.headers.pop(header, None)
                if credential:
                    again.headers[header] = credential
                with requests.Session() as session:
                    if _json(session.send(again, timeout=30).content) not in words:
                        return False
            _refusing.add(operation)
        return True

    return holds


def fits_once_read(case: Case, response: Response) -> bool:
    """Hold where only query and body were to be wrong, and what was sent fits once it is read as generously as we do.

    Left-overs are dropped, what is blank and may be left out is absent, and digits and numbers are the same.
    """
    parts = case.meta.components if case.meta else {}
    wrong = {where.value for where, part in parts.items() if part.mode.is_negative}
    if not wrong or not wrong <= {"query", "body"}:
        return False
    components = case.operation.schema.raw_schema["components"]
    given: dict[str, Any] = {}
    schemas: list[Any] = []
    if "query" in wrong:
        given = _text(urlsplit(str(response.request.url)).query)
        schemas = [_parameters(case)]
    if "body" in wrong:
        text = _sent(response)
        found = _json(text.encode())
        given = found if isinstance(found, dict) else _text(text)
        schemas = [media["schema"] for media in case.operation.definition.raw["requestBody"]["content"].values()]
    return any(_fits(given, schema, components) for schema in schemas)


def _sent(response: Response) -> str:
    body = response.request.body
    return body if isinstance(body, str) else body.decode("utf-8", "replace") if isinstance(body, bytes) else ""


def _text(form: str) -> dict[str, Any]:
    return dict(reversed(parse_qsl(form, keep_blank_values=True)))


def _parameters(case: Case) -> dict[str, Any]:
    """Return the query as one object."""
    declared = [one for one in case.operation.definition.raw.get("parameters", []) if one["in"] == "query"]
    required = [one["name"] for one in declared if one.get("required")]
    whole: dict[str, Any] = {"type": "object", "properties": {one["name"]: one["schema"] for one in declared}}
    return whole | ({"required": required} if required else {})


def _fits(given: dict[str, Any], schema: dict[str, Any], components: dict[str, Any]) -> bool:
    """Tell whether members fit the schema of an object, or one of its variants, once they are read."""
    whole = _resolve(schema, components)
    if "oneOf" in whole:
        return any(_fits(given, variant, components) for variant in whole["oneOf"])
    required = whole.get("required", [])
    read = {}
    for name, member in whole.get("properties", {}).items():
        value = _cast(given.get(name), _resolve(member, components).get("type"))
        if value not in (None, "") or (name in required and name in given):
            read[name] = value if value is not None else ""
        elif name in given and "minProperties" in whole:
            whole = whole | {"minProperties": whole["minProperties"] - 1}  # blank takes away, which is a change
    return jsonschema_rs.Draft4Validator({**whole, "components": components}).is_valid(read)


def _resolve(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to."""
    whole: dict[str, Any] = {}
    for part in schema.get("allOf", []):
        whole |= _resolve(part, components)
    if "$ref" in schema:
        whole |= _resolve(components["schemas"][schema["$ref"].rpartition("/")[2]], components)
    return whole | {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}


def _cast(value: Any, kind: str | None) -> Any:
    if type(value) is int and kind == "string":
        return str(value)
    if isinstance(value, str) and kind == "integer" and value.strip().isdecimal():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" and isinstance(value, str) else value


def tells_a_fault(case: Case, response: Response) -> bool:
    """Hold where annotation says, with the status that it has for all, which member of this operation is malformed."""
    said = _json(response.content)
    if response.status_code != 200 or not isinstance(said, dict) or {**said, "msg": ""} != {"ret": -400, "msg": ""}:
        return False
    components = case.operation.schema.raw_schema["components"]
    bodies = case.operation.definition.raw.get("requestBody", {}).get("content", {}).values()
    members = [*_names(_parameters(case), components)]
    members += [name for media in bodies for name in _names(media["schema"], components)]
    bound = "|".join([*TYPES.values(), "[0-9]+"])
    forms = "|".join(re.escape(form).replace(r"\{field\}", "{field}") for form in FAULTS.values())
    forms = forms.replace(r"\{bound\}", f"({bound})").format(field=f"({'|'.join([*members, '请求'])})")
    return re.fullmatch(forms, str(said["msg"])) is not None


def _names(schema: dict[str, Any], components: dict[str, Any]) -> list[str]:
    whole = _resolve(schema, components)
    variants = [name for variant in whole.get("oneOf", []) for name in _names(variant, components)]
    return [*whole.get("properties", {}), *variants]


def reads_oneself(case: Case, response: Response) -> bool:
    """Hold where the request names no action, and the answer is who the caller is and no more."""
    text, said = _sent(response), _json(response.content)
    asked = _json(text.encode()) if text else {}
    return (
        isinstance(asked, dict)
        and asked.get("action") in (None, "")
        and isinstance(said, dict)
        and said.keys() == {"ret", "user_name", "user_id"}
        and said["ret"] == 0
    )


def refuses_a_stranger(header: str, own: str, words: list[Any]) -> Callable[[Case, Response], bool]:
    """Hold where the answer is one of these words, and the credential that was sent opens its owner's data neither.

    own: path of what everybody may read who is logged in.
    """

    def holds(case: Case, response: Response) -> bool:
        if response.status_code != 200 or _json(response.content) not in words:
            return False
        sent = {name: value for name, value in response.request.headers.items() if name.lower() == header}
        with requests.Session() as session:
            return (
                _json(session.get(urljoin(str(response.request.url), own), headers=sent, timeout=30).content) in words
            )

    return holds


def no_id(case: Case, response: Response) -> bool:
    """Hold where sso finds nobody, and the path held what no account can have for its id."""
    asked = unquote(urlsplit(str(response.request.url)).path).rpartition("/")[2]
    could_be = re.fullmatch("[1-9][0-9]{0,18}", asked) is not None and int(asked) < 2**63
    nobody = {"code": "db_crud_err", "message": "用户不存在", "data": None}
    return not could_be and response.status_code == 200 and _json(response.content) == nobody


MALFORMED = {"malformed", "missing", "nothing", "broken_json", "not_utf8", "repeated", "no_number", "too_many"}
"""Names of the examples that tell what does not fit the schema."""


def is_an_example(case: Case, response: Response) -> bool:
    """Hold where the answer is, to the word, one that the document gives as an example of a refusal.

    It is none that tells what is malformed: the request was not.
    """
    document = case.operation.schema.raw_schema
    declared = follow(document, case.operation.definition.raw["responses"].get(str(response.status_code), {}))
    content = declared.get("content", {}).values()
    examples = [one for media in content for one in media.get("examples", {}).items()]
    told = [one["value"] for name, one in examples if name not in MALFORMED]
    said = _json(response.content) or response.content.decode("utf-8", "replace")
    return 400 <= response.status_code < 500 and said in told


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
        refuses_strangers("Cookie", "sessionid=wrong", [NOT_LOGGED_IN]),
        "The document answers who is not logged in with 200 and ret -1; the check knows 401 and 403 only.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        refuses_a_stranger("cookie", "/user/other", [NOT_LOGGED_IN]),
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
        EVERY,
        AcceptedNegativeData,
        fits_once_read,
        "Left-overs, blanks, digits and numbers are read as old clients write them, and a query is text anyway.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        reads_oneself,
        "Without an action, or a body, one reads who one is; the clients' generator can make no optional body of acts.",
    ),
    Suppression(
        "annotation",
        AcceptedNegativeData,
        tells_a_fault,
        "Its pages read their message on 200 only: what is malformed is told there, with ret -400.",
    ),
    *(
        Suppression(
            "sso",
            failure,
            rule,
            "Its pages read their message on 200 only: a token that is none is told there, with code token_err.",
        )
        for failure, rule in (
            (AcceptedNegativeData, refuses_a_stranger("token", "/v1/auth", TOKEN_REFUSALS)),
            (IgnoredAuth, refuses_strangers("token", "wrong", TOKEN_REFUSALS)),
            (MissingHeaderNotRejected, refuses_a_stranger("token", "/v1/auth", TOKEN_REFUSALS)),
        )
    ),
    Suppression(
        "sso",
        AcceptedNegativeData,
        no_id,
        "A number that no account can have is that of an unknown user, which the document tells with 200.",
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
