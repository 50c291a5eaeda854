"""Who may do what: every operation of every contract, as four callers, under both policies, against a table."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from handlers import _messages
from models import confirmation
from models.account import Account
from models.db.database import run_transaction
from models.friendship import FriendApplication, Friendship
from models.outbox import OutboxMessage
from models.project import Project
from server.contract.validation import merge, properties
from tests.clients import INDEXY, Annotation, Dbms, Indexy, Signed, Sso, open_clients
from tests.contracts.test_every_operation import OPERATIONS, Operation
from tests.contracts.test_indexy import everything

TABLE = Path(__file__).with_name("permissions.txt")
CALLERS = {"anonymous": "", "other": "bob", "owner": "alice", "admin": "root"}
POLICIES = ("documented", "guarded")
PASSWORD, NEW = "correct horse battery", "another staple"
MOBILE, EMAIL = "13345587001", "alice@example.com"
NAMING = {
    *("id", "uid", "id_or_username", "userid", "username", "user_id"),
    *("friend_id", "project_id", "mobile", "email"),
}
"""Parts of a request that name an account, or something that has an owner."""
NOBODY = 4711


class Row(NamedTuple):
    """One line of the table. names: of the request's parts; whether they name what is the owner's."""

    stem: str
    operation: str
    action: str
    names: dict[str, bool]
    admitted: set[tuple[str, str]]
    reason: str

    def __str__(self) -> str:
        return "-".join(part for part in (self.stem, self.operation, self.action) if part)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the line is about."""
        return self.stem, self.operation, self.action


def _rows() -> Iterator[Row]:
    for line in TABLE.read_text().splitlines():
        told, _, reason = line.partition("#")
        if not told.strip():
            continue
        stem, operation, action, names, *cells = told.split()
        assert set(cells) <= {"yes", "no"}, line
        columns = zip(product(POLICIES, CALLERS), cells, strict=True)
        foreign = {name for inner in re.findall(r"\((.*?)\)", names) for name in inner.split(",")}
        listed = [name for name in re.split("[(),-]+", names) if name]
        admitted = {column for column, cell in columns if cell == "yes"}
        named = {name: name not in foreign for name in listed}
        for one in operation.split(","):
            yield Row(stem, one, action.strip("-"), named, admitted, reason.strip())


ROWS = list(_rows())


class Unsigned(Signed):
    """A client of the signed contract that has no access key."""

    def signature(self, action: str) -> dict[str, str]:
        return {}


class World:
    """What the owner has, and a caller who asks for it.

    id, name: what the caller names as the owner's account.
    """

    def __init__(self, client: TestClient, stem: str, caller: str) -> None:
        run_transaction(self.furnish)
        clients: Any = open_clients(client)
        self.dbms: Dbms = clients["dbms"]
        self.sso: Sso = clients["sso"]
        self.signed: Signed = clients["signed"]
        self.annotation: Annotation = clients["annotation"]
        self.indexy: Indexy = clients["indexy"]
        self.door = clients[stem]
        self.caller = CALLERS[caller]
        self.credential: str = self.door.enter(self.caller, PASSWORD) if self.caller else ""
        if not self.caller:
            self.signed = self.door = Unsigned(client, "none") if stem == "signed" else self.door
        self.id, self.name = self.alice.id, "alice"
        self.confirmation = {
            channel: run_transaction(partial(self.confirm, channel)) for channel in ("email", "mobile")
        }

    def confirm(self, channel: str) -> str:
        """Have the owner sent the code that proves an address; return it."""
        compose = {"email": _messages.confirm_email, "mobile": _messages.confirm_mobile}[channel]
        confirmation.send(self.alice, channel, {"email": EMAIL, "mobile": MOBILE}[channel], compose)
        return self.sent({"email": r"\b[0-9A-Za-z]{32}\b", "mobile": r"\b[0-9]{6}\b"}[channel])

    def furnish(self) -> None:
        """Make accounts; an application and an invitation to the owner; the owner's project, and somebody to invite."""
        self.alice = Account.register("alice", PASSWORD, email=EMAIL, mobile=MOBILE)
        bob, root, carol, dave = (Account.register(name, PASSWORD) for name in ("bob", "root", "carol", "dave"))
        Account.update(admin=True).where(Account.id == root.id).execute()
        for friend in (self.alice, bob, root):
            Friendship.make(carol, friend)
        FriendApplication.send(dave, self.alice)
        rows: Any = [{"id": 1, "name": "刘备"}], []
        self.project = str(Project.import_graph("三国", self.alice, *rows).id)
        invited = Project.import_graph("水浒", carol, *rows)
        invited.invite(carol, self.alice)
        self.invitation = str(invited.id)

    def sent(self, pattern: str) -> str:
        """Return the secret in the message that was sent last."""
        message = OutboxMessage.select().order_by(OutboxMessage.id.desc()).get()
        found = re.search(pattern, message.text)
        assert found
        return found[0]

    def code(self) -> str:
        """Return a code that the owner was sent."""
        self.indexy.request_code(MOBILE)
        return self.sent(r"\b[0-9]{6}\b")

    def link(self) -> str:
        """Return the secret of a link that the owner was sent."""
        self.indexy.request_link(EMAIL)
        return self.sent("(?<=code=)[0-9A-Za-z]{32}")

    def befriend(self, action: str) -> Response:
        """Answer the owner's application."""
        return self.annotation.act(self.credential, action, id="dave")

    def settle(self, action: str) -> Response:
        """Answer the owner's invitation."""
        return self.annotation.act(self.credential, action, project_id=self.invitation)

    def admits(self, answer: Response) -> bool:
        """Tell whether an answer says yes."""
        if answer.status_code >= 400 or answer.headers.get("content-type", "").startswith(("text/", "application/oct")):
            return answer.status_code < 400
        if "/valid_login" in str(answer.request.url):
            return bool(answer.json()["token"])
        return bool(self.door.succeeded(answer))


Ask = Callable[[World], Response]

ASKS: dict[tuple[str, str, str], list[Ask]] = {
    ("dbms", "log_in", ""): [
        lambda w: w.dbms.send(
            "GET", "/login", params={"username": w.name, "password": PASSWORD, "token": w.credential}
        ),
    ],
    ("dbms", "log_out", ""): [lambda w: w.dbms.log_out(w.credential)],
    ("dbms", "check_login", ""): [lambda w: w.dbms.check_login(w.name, w.credential)],
    ("dbms", "register", ""): [lambda w: w.dbms.register("new", PASSWORD)],
    ("dbms", "update", ""): [
        lambda w: w.dbms.update(w.credential, w.id, email="new@example.com"),
        lambda w: w.dbms.update(w.credential, w.name, password=NEW),
    ],
    ("dbms", "find", ""): [
        lambda w: w.dbms.find(w.credential, w.id),
        lambda w: w.dbms.find(w.credential, w.name.upper()),
    ],
    ("dbms", "request_confirmation", ""): [
        lambda w: w.dbms.confirm(w.credential, w.id, "POST", email=EMAIL),
        lambda w: w.dbms.confirm(w.credential, w.name, "POST", email=EMAIL),
    ],
    ("dbms", "confirm_email", ""): [
        lambda w: w.dbms.confirm(w.credential, w.id, "PUT", email=EMAIL, code=w.confirmation["email"]),
    ],
    ("sso", "log_in", ""): [lambda w: w.sso.log_in(w.name, PASSWORD, w.credential or "default")],
    ("sso", "log_out", ""): [lambda w: w.sso.log_out(w.credential)],
    ("sso", "log_out_as_in_outline", ""): [
        lambda w: w.sso.send("GET", "/v1/Logout", headers={"token": w.credential}),
    ],
    ("sso", "check_login", ""): [lambda w: w.sso.use(w.credential)],
    ("sso", "register", ""): [lambda w: w.sso.register("new", PASSWORD)],
    ("sso", "update", ""): [lambda w: w.sso.update(w.credential, "new", NEW)],
    ("sso", "list_accounts", ""): [lambda w: w.sso.list_accounts(w.credential)],
    ("sso", "find", ""): [lambda w: w.sso.send("GET", f"/v1/user/{w.id}", headers={"token": w.credential})],
    ("signed", "act", "register"): [lambda w: w.signed.register("new", PASSWORD)],
    ("signed", "act", "login"): [lambda w: w.signed.log_in(w.name, PASSWORD)],
    ("signed", "act", "update"): [
        lambda w: w.signed.act("update", userid=w.name, token=w.credential, alias="new"),
        lambda w: w.signed.act("update", userid=w.name, token=w.credential, password=NEW),
    ],
    ("signed", "act", "logout"): [lambda w: w.signed.act("logout", userid=w.name, token=w.credential)],
    ("signed", "act", "unregister"): [lambda w: w.signed.unregister(w.credential, w.name)],
    ("annotation", "register", ""): [lambda w: w.annotation.register("new", PASSWORD)],
    ("annotation", "log_in", ""): [lambda w: w.annotation.log_in(w.name, PASSWORD, w.credential)],
    ("annotation", "act", "logout"): [lambda w: w.annotation.log_out(w.credential)],
    ("annotation", "act", "friend_apply"): [lambda w: w.annotation.act(w.credential, "friend_apply", id="dave")],
    ("annotation", "act", "friend_apply_accept"): [lambda w: w.befriend("friend_apply_accept")],
    ("annotation", "act", "friend_apply_deny"): [lambda w: w.befriend("friend_apply_deny")],
    ("annotation", "act", "project_invite"): [
        lambda w: w.annotation.act(w.credential, "project_invite", project_id=w.project, friend_id="carol"),
        lambda w: w.annotation.act(w.credential, "project_invite", project_id=w.project),
    ],
    ("annotation", "act", "project_invite_accept"): [lambda w: w.settle("project_invite_accept")],
    ("annotation", "act", "project_invite_deny"): [lambda w: w.settle("project_invite_deny")],
    ("annotation", "update", "change_name"): [lambda w: w.annotation.change_name(w.credential, "new")],
    ("annotation", "read", ""): [lambda w: w.annotation.read(w.credential)],
    ("annotation", "read", "get_friends"): [lambda w: w.annotation.read(w.credential, "get_friends")],
    ("annotation", "read", "get_friends_applications"): [
        lambda w: w.annotation.read(w.credential, "get_friends_applications"),
    ],
    ("annotation", "read", "get_project_invites"): [lambda w: w.annotation.read(w.credential, "get_project_invites")],
    ("annotation", "read", "get_entities_json"): [
        lambda w: w.annotation.read(w.credential, "get_entities_json", id=w.project),
    ],
    ("annotation", "read", "get_relations_json"): [
        lambda w: w.annotation.read(w.credential, "get_relations_json", id=w.project),
    ],
    ("annotation", "read", "get_triads_json"): [
        lambda w: w.annotation.read(w.credential, "get_triads_json", id=w.project),
    ],
    ("annotation", "change_password", ""): [
        lambda w: w.annotation.change_password(w.credential, w.name, PASSWORD, NEW),
    ],
    ("indexy", "list_accounts", ""): [lambda w: w.indexy.list_accounts(w.credential)],
    ("indexy", "create", ""): [lambda w: w.indexy.create(w.credential, username="new", password=PASSWORD)],
    ("indexy", "find", ""): [lambda w: w.indexy.find(w.id, w.credential)],
    ("indexy", "update", ""): [
        lambda w: w.indexy.update(w.id, w.credential, job="new"),
        lambda w: w.indexy.update(w.id, w.credential, email="new@example.com", mobile="13345587002"),
    ],
    ("indexy", "delete", ""): [lambda w: w.indexy.delete(w.id, w.credential)],
    ("indexy", "register", ""): [lambda w: w.indexy.register("new", PASSWORD)],
    ("indexy", "log_in", ""): [
        lambda w: w.indexy.as_(w.credential, "POST", "/login", json={"username": w.name, "password": PASSWORD}),
    ],
    ("indexy", "change_password", ""): [lambda w: w.indexy.change_password_of(w.id, PASSWORD, NEW, w.credential)],
    ("indexy", "recover_by_mobile", ""): [lambda w: w.indexy.recover_by_mobile(MOBILE, w.code(), NEW)],
    ("indexy", "recover_by_email", ""): [lambda w: w.indexy.request_link(EMAIL)],
    ("indexy", "request_code", ""): [lambda w: w.indexy.request_code(MOBILE)],
    ("indexy", "show_reset_form", ""): [lambda w: w.indexy.show_reset_form(w.link())],
    ("indexy", "reset_password", ""): [lambda w: w.indexy.recover_by_link(w.link(), NEW)],
    ("indexy", "request_email_confirmation", ""): [
        lambda w: w.indexy.confirm(w.id, w.credential, "POST", "email", email=EMAIL),
    ],
    ("indexy", "confirm_email", ""): [
        lambda w: w.indexy.confirm(w.id, w.credential, "PUT", "email", email=EMAIL, code=w.confirmation["email"]),
    ],
    ("indexy", "request_mobile_confirmation", ""): [
        lambda w: w.indexy.confirm(w.id, w.credential, "POST", "mobile", mobile=MOBILE),
    ],
    ("indexy", "confirm_mobile", ""): [
        lambda w: w.indexy.confirm(
            w.id, w.credential, "PUT", "mobile", mobile=MOBILE, msCaptcha=w.confirmation["mobile"]
        ),
    ],
}
"""The requests of each line: what its owner may ask for, of what is its own."""


def _by(method: str, asks: list[Ask]) -> list[Ask]:
    """Return the same requests of the annotation contract by another method."""

    def by(ask: Ask) -> Ask:
        def asked(world: World) -> Response:
            world.annotation.method = method
            return ask(world)

        return asked

    return [by(ask) for ask in asks]


ASKS["annotation", "read", "get_user_info"] = [lambda w: w.annotation.read(w.credential, "get_user_info")]
ASKS["annotation", "read", "get_friends_appli"] = [lambda w: w.annotation.read(w.credential, "get_friends_appli")]
ASKS["annotation", "log_in_as_on_its_pages", ""] = ASKS["annotation", "log_in", ""]
ASKS["annotation", "change_password_as_on_its_pages", ""] = ASKS["annotation", "change_password", ""]
for (_, _operation, _action), _asks in list(ASKS.items()):
    if _ == "annotation" and _operation in ("act", "update", "read"):
        ASKS["annotation", "act", _action] = _by("PUT", _asks)
        ASKS["annotation", "update", _action] = _by("POST", _asks)

Renew = Callable[[], str]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_who_gets_through_is_who_the_table_says(client: TestClient, policy: str, row: Row, renew_store: Renew) -> None:
    told = {}
    for caller, ask in product(CALLERS, ASKS[row.key]):
        renew_store()
        world = World(client, row.stem, caller)
        before = everything()
        answer = ask(world)
        admitted = told[caller] = world.admits(answer)
        assert admitted is ((policy, caller) in row.admitted), f"{caller}: {answer.status_code} {answer.text}"
        if not admitted:
            assert everything() == before, caller
            assert not [secret for secret in (EMAIL, MOBILE, "刘备") if secret in answer.text]
    assert any(told.values()), "a request that nobody may make shows nothing"


# --- the table is whole ------------------------------------------------------------------------------------------


def _variants(operation: Operation) -> Iterator[tuple[str, set[str]]]:
    """Yield each action of an operation (empty where it has none) with all that its requests name."""
    acts = operation.declared.get("x-action", {})
    if "without" in acts:
        yield "", set()
    if "requires" in acts:
        for action, needed in acts["requires"].items():
            yield action, {*needed, *acts.get("allows", {}).get(action, [])} & NAMING
        return
    always: set[str] = set()
    choices: dict[str, set[str]] = {}
    bodies = operation.declared.get("requestBody", {}).get("content", {}).values()
    for place in [*operation.declared["parameters"], *bodies]:
        schema = merge(place["schema"])
        if "oneOf" not in schema:
            always |= {place["name"]} if schema.get("type") != "object" else set(properties(schema))
            continue
        for variant in schema["oneOf"]:
            members = variant.get("properties", {})
            for action in members.get("action", {}).get("enum", [""]):
                choices.setdefault(action, set()).update(members)
    for action, members in (choices or {"": set()}).items():
        yield action, (members | always) & NAMING


def test_every_operation_and_every_action_has_its_line() -> None:
    declared = {
        (operation.contract.stem, operation.declared["operationId"], action)
        for operation in OPERATIONS
        for action, _ in _variants(operation)
    }
    assert [row.key for row in ROWS if row.key not in declared] == []
    assert declared == {row.key for row in ROWS} == ASKS.keys()


def test_whatever_a_request_names_stands_in_its_line() -> None:
    lines = {row.key: row for row in ROWS}
    for operation in OPERATIONS:
        for action, named in _variants(operation):
            row = lines[operation.contract.stem, operation.declared["operationId"], action]
            assert row.names.keys() == named, row.key


def test_nobody_else_gets_through_to_what_is_the_owners_unless_the_reason_stands_there() -> None:
    for row in ROWS:
        open_to_others = ("guarded", "other") in row.admitted and any(row.names.values())
        assert open_to_others == bool(row.reason), row.key


# --- and what it does not show -----------------------------------------------------------------------------------

ACCOUNTS = [
    row
    for row in ROWS
    if {"id", "uid", "id_or_username", "userid", "username"} & {name for name, own in row.names.items() if own}
    and row.stem != "annotation"
    and ("guarded", "other") not in row.admitted
]
"""Lines in which an account is named that is the caller's own, or else refused."""


@pytest.mark.parametrize("policy", ["guarded"])
@pytest.mark.parametrize("row", ACCOUNTS, ids=str)
def test_somebody_elses_account_is_refused_as_one_that_is_not_there(client: TestClient, row: Row) -> None:
    world = World(client, row.stem, "other")
    for ask in ASKS[row.key]:
        world.id, world.name = world.alice.id, "alice"
        foreign = ask(world)
        world.id, world.name = NOBODY, "nobody"
        missing = ask(world)
        assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("row", [row for row in ROWS if row.stem == "signed"], ids=str)
def test_a_signature_alone_is_no_token_and_a_token_alone_no_signature(client: TestClient, row: Row) -> None:
    world = World(client, "signed", "owner")
    ask = ASKS[row.key][0]
    token, world.credential = world.credential, ""
    before = everything()
    if row.action not in ("register", "login"):
        assert not world.admits(ask(world))
    world.credential = token
    world.signed = Unsigned(client, "none")
    assert ask(world).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("policy", POLICIES)
def test_a_code_or_link_of_one_account_opens_no_other(client: TestClient, policy: str) -> None:
    world = World(client, "indexy", "other")
    run_transaction(lambda: Account.by_username("bob").change(mobile="13345587003", email="bob@example.com"))
    code = world.code()
    world.indexy.request_code("13345587003")
    assert not world.admits(world.indexy.recover_by_mobile("13345587003", code, NEW))
    link = world.link()
    assert world.indexy.recover_by_link(link, NEW).status_code == 200
    assert world.indexy.enter("alice", NEW)
    assert not world.indexy.enter("bob", NEW)
    assert world.indexy.send("GET", f"{INDEXY}/password/email/link", params={"code": link}).status_code == 400
