"""Examples of failures, each asked for as a client would run into it, and received to the word.

`test_contract_coverage.py` demands all of them of the suite; here stand those that no other test happens to receive.
"""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.account import Account
from models.db.database import transaction
from models.session import Session
from server.specs import load_contracts
from tests.clients import INDEXY, Indexy, open_clients
from tests.contracts.test_specs import follow, operations

ALICE, PASSWORD, EMAIL, MOBILE = "alice", "correct horse", "alice@example.com", "13345587000"
OTHERS = {"email": "bob@example.com", "mobile": "13345587999"}
CODE = {"email": {"code": "0" * 32}, "mobile": {"msCaptcha": "000000"}}

FAILURES: dict[tuple[str, str, str], tuple[str, str, dict[str, Any]]] = {
    ("dbms", "log_in", "not_utf8"): ("GET", "/login?username=%FF&password=x", {}),
    ("dbms", "check_login", "not_utf8"): ("GET", "/valid_login?username=%FF&token=x", {}),
    ("dbms", "log_out", "not_utf8"): ("GET", "/logout?token=%FF", {}),
    ("dbms", "log_out", "repeated"): ("GET", "/logout?token=a&token=b", {}),
    ("dbms", "find", "not_utf8"): ("GET", "/user/1?token=%FF", {}),
    ("dbms", "find", "repeated"): ("GET", "/user/1?token=a&token=b", {}),
    ("dbms", "update", "nothing"): ("PUT", "/user/1?token={dbms}", {"json": {}}),
    ("dbms", "request_confirmation", "missing_token"): ("POST", "/user/1/email/confirmation", {"json": {}}),
    ("dbms", "confirm_email", "missing_token"): ("PUT", "/user/1/email/confirmation", {"json": {}}),
    ("dbms", "request_confirmation", "missing"): ("POST", "/user/1/email/confirmation?token={dbms}", {"json": {}}),
    ("dbms", "confirm_email", "missing"): ("PUT", "/user/1/email/confirmation?token={dbms}", {"json": {}}),
    ("dbms", "confirm_email", "nothing_to_confirm"): (
        "PUT",
        "/user/1/email/confirmation?token={dbms}",
        {"json": {"email": OTHERS["email"], **CODE["email"]}},
    ),
    ("sso", "list_accounts", "no_number"): ("GET", "/v1/user/list?page=first", {}),
    ("sso", "list_accounts", "too_many"): ("GET", "/v1/user/list?size=1001", {}),
    ("annotation", "log_in_as_on_its_pages", "malformed"): ("POST", "/user/sigin", {"data": {"user_id": ALICE}}),
    ("annotation", "act", "malformed"): ("PUT", "/user/other", {"json": {"action": "friend_apply"}}),
    ("annotation", "update", "malformed"): ("POST", "/user/other", {"json": {"action": "friend_apply"}}),
    ("annotation", "read", "malformed"): ("GET", "/user/other?action=get_entities_json", {}),
    ("annotation", "change_password", "malformed"): ("POST", "/user/change_pasword", {"data": {"cur_password": "x"}}),
    ("annotation", "change_password_as_on_its_pages", "malformed"): (
        "POST",
        "/user/change_password",
        {"data": {"cur_password": "x"}},
    ),
    ("indexy", "update", "malformed"): ("PUT", f"{INDEXY}/1", {"json": {}}),
    ("indexy", "request_code", "malformed"): ("POST", f"{INDEXY}/password/mobile/captcha", {"json": {}}),
    ("indexy", "show_reset_form", "dead_link"): ("GET", f"{INDEXY}/password/email/link?code={'0' * 32}", {}),
    ("indexy", "reset_password", "dead_link"): (
        "POST",
        f"{INDEXY}/password/email/link",
        {"data": {"code": "0" * 32, "newPassword": "battery staple"}},
    ),
}
"""Contract, operation, example -> method, URL and the rest of a request. Who logs in is alice, who has the id 1."""

for channel in ("email", "mobile"):
    for method, operation in (("POST", f"request_{channel}_confirmation"), ("PUT", f"confirm_{channel}")):
        url = f"{INDEXY}/1/{channel}/confirmation"
        body = {channel: OTHERS[channel], **(CODE[channel] if method == "PUT" else {})}
        FAILURES["indexy", operation, "malformed"] = (method, url, {"json": {}})
        FAILURES["indexy", operation, "nothing_to_confirm"] = (method, url, {"json": body})


def find_example(stem: str, name: str, example: str) -> tuple[int, str, Any]:
    """Return status, media type and body of an example."""
    document = next(contract.document for contract in load_contracts() if contract.stem == stem)
    (responses,) = (one["responses"] for _, _, one in operations(document) if one["operationId"] == name)
    found = [
        (int(status), media_type, follow(document, content["examples"][example])["value"])
        for status, response in follow(document, responses).items()
        for media_type, content in response.get("content", {}).items()
        if example in content.get("examples", {})
    ]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def alice(register: Callable[..., Account]) -> Account:
    account = register(ALICE, PASSWORD, email=EMAIL, mobile=MOBILE)
    assert account.id == 1
    return account


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("failure", FAILURES, ids="-".join)
def test_a_failure_is_as_its_example(client: TestClient, failure: tuple[str, str, str]) -> None:
    method, url, rest = FAILURES[failure]
    status, media_type, body = find_example(*failure)
    clients = open_clients(client)
    headers = {}
    if failure[0] == "annotation" and failure[1] != "log_in_as_on_its_pages":
        headers = {"cookie": f"sessionid={clients['annotation'].enter(ALICE, PASSWORD)}"}
    token = clients["dbms"].enter(ALICE, PASSWORD)
    answer = clients["dbms"].send(method, url.replace("{dbms}", token), headers=headers, **rest)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert (answer.text if media_type == "text/html" else answer.json()) == body


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("channel", ["email", "mobile"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_session_that_has_ended_confirms_nothing(
    client: TestClient, alice: Account, channel: str, method: str
) -> None:
    indexy = Indexy(client)
    headers = {"cookie": f"indexy_session={indexy.enter(ALICE, PASSWORD)}"}
    with transaction():
        Session.end_all(alice)
    body = {"email": EMAIL, "mobile": MOBILE, "code": "0" * 32, "msCaptcha": "000000"}
    answer = indexy.send(method, f"{INDEXY}/1/{channel}/confirmation", json=body, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"message": "登录已失效", "success": False}
