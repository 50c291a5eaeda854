"""The generated clients are built, and speak their contracts with a running server."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.specs import load_contracts
from tests.conftest import CHEAP, ROOT, Served

pytestmark = pytest.mark.once("clients see no store")
BUILT = ROOT / "build" / "clients"
BIN = Path(sys.executable).parent
CONTRACTS = {contract.stem: contract for contract in load_contracts()}
CANNOT_BE_HAD = 75
"""How `scripts/clients` ends where npm cannot install."""

PASSWORD = "correct horse"
GRAPH = {
    "entities": [{"id": 7, "name": "刘备"}, {"id": 8, "name": "关羽"}],
    "relations": [{"id": 3, "name": "结义"}],
    "triads": [
        {"id": 3, "name": "结义", "source_id": 7, "source_name": "刘备", "target_id": 8, "target_name": "关羽"},
    ],
}


@dataclass(frozen=True)
class Host:
    """A running server, with an access key and the operator's command."""

    served: Served
    data: Path
    accesskey: str

    def base_url(self, stem: str) -> str:
        """Return where a contract begins."""
        return self.served.url + CONTRACTS[stem].base_path

    def import_project(self, name: str, owner: str) -> str:
        """Make a project of `GRAPH` and return its number."""
        files = {}
        for part in ("entities", "triads"):
            files[part] = self.data.parent / f"{name}_{part}.json"
            files[part].write_text(json.dumps(GRAPH[part]))
        options = ["--entities", files["entities"], "--triads", files["triads"]]
        made = _operate(self.data, "project", "import", name, "--owner", owner, *options)
        return str(made["id"])

    def delivered_code(self) -> str:
        """Wait for the text message and return the code in it."""
        until = time.monotonic() + 10
        while not (messages := list((self.data / "outbox").glob("*.json"))):
            assert time.monotonic() < until
            time.sleep(0.05)
        found = re.search(r"\b[0-9]{6}\b", messages[0].read_text())
        assert found
        return found.group()


def _operate(data: Path, *words: str | Path) -> dict[str, Any]:
    command = [ROOT / "scripts" / "rollbook", *words, "--json"]
    environment = os.environ | CHEAP | {"ROLLBOOK_DATA": str(data)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server for all journeys."""
    data = tmp_path_factory.mktemp("clients") / "data"
    served = Served(data, {})
    yield Host(served, data, _operate(data, "key", "create", "clients")["accesskey"])
    served.end()


@pytest.fixture(scope="session")
def made() -> subprocess.CompletedProcess[str]:
    """What `scripts/clients` said; Python clients come first."""
    ran = subprocess.run([ROOT / "scripts" / "clients"], capture_output=True, text=True, check=False)
    assert ran.returncode in (0, CANNOT_BE_HAD), ran.stdout + ran.stderr
    return ran


# --- Python ----------------------------------------------------------------------------------------------------------


class Package:
    """A generated Python package: its operations and models by their names."""

    def __init__(self, stem: str, host: Host) -> None:
        folder = str(BUILT / "python" / stem)
        if folder not in sys.path:
            sys.path.append(folder)
        self.name = f"rollbook_{stem}"
        self.models = import_module(f"{self.name}.models")
        self.base_url = host.base_url(stem)
        self.opened: list[Any] = []

    def __getattr__(self, operation: str) -> Any:
        """Return the module of an operation."""
        return import_module(f"{self.name}.api.default.{operation}")

    def client(self, kind: str = "Client", **options: Any) -> Any:
        """Open a client that raises where a status is not declared."""
        make = getattr(import_module(self.name), kind)
        self.opened.append(make(self.base_url, raise_on_unexpected_status=True, **options))
        return self.opened[-1]


@pytest.fixture
def package(made: subprocess.CompletedProcess[str], host: Host) -> Iterator[Callable[[str], Package]]:
    """Imports the Python client of a contract, `package("dbms")`; what it opens is closed in the end."""
    packages: list[Package] = []

    def load(stem: str) -> Package:
        packages.append(Package(stem, host))
        return packages[-1]

    yield load
    for client in [client for package in packages for client in package.opened]:
        client.get_httpx_client().close()


@pytest.mark.parametrize("stem", CONTRACTS)
def test_a_python_client_has_every_operation(stem: str, package: Callable[[str], Package]) -> None:
    api = package(stem)
    operations = [operation for item in CONTRACTS[stem].document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations if "operationId" in operation]
    assert names
    for name in names:
        assert callable(getattr(api, name).sync_detailed)
        assert callable(getattr(api, name).asyncio_detailed)


def test_the_dbms_journey_in_python(package: Callable[[str], Package]) -> None:
    api = package("dbms")
    models = api.models
    anybody = api.client()

    def holding(token: str) -> Any:
        return api.client(httpx_args={"params": {"token": token}})

    alice = models.Registration(email="dbms@example.com", username="dbms_python", password=PASSWORD)
    id = api.register.sync(client=anybody, body=alice).id
    assert id > 0
    taken = api.register.sync_detailed(client=anybody, body=alice)
    assert (taken.status_code, taken.parsed.status) == (409, 409)
    wrong = api.log_in.sync(client=anybody, username="dbms_python", password="wrong")
    assert wrong.type_ == "urn:problem-type:rollbook:wrong-credentials"

    logged_in = api.log_in.sync(client=anybody, username="dbms@example.com", password=PASSWORD)
    assert logged_in == models.LoggedIn(token=logged_in.token, id=id)
    me = holding(logged_in.token)
    assert api.find.sync("dbms_python", client=me) == models.User(id, "dbms@example.com", "dbms_python")
    assert api.find.sync("nobody", client=me).title == "Unknown user"
    assert api.update.sync(str(id), client=me, body=models.Change(username="dbms_python2")) == models.UserId(id=id)

    checked = api.check_login.sync(client=anybody, username="dbms_python2", token=logged_in.token)
    assert api.find.sync(str(id), client=me).status == 401
    me = holding(checked.token)
    assert api.log_out.sync_detailed(client=me).status_code == 204
    assert api.log_out.sync_detailed(client=me).status_code == 401
    assert api.check_login.sync(client=anybody, username="dbms_python2", token=checked.token).token == ""


def test_the_sso_journey_in_python(package: Callable[[str], Package]) -> None:
    api = package("sso")
    models = api.models

    def holding(token: str) -> Any:
        return api.client("AuthenticatedClient", token=token, prefix="", auth_header_name="token")

    anybody = api.client()
    new = models.Registration(username="sso_python", password=PASSWORD)
    p = models.Credentials(username="sso_python", password=PASSWORD)
    assert api.register.sync(client=anybody, body=new) == models.Registered("OK", "用户创建成功", None)
    assert api.register.sync(client=anybody, body=new) == models.NameTaken("new_user_err", "用户已存在", None)
    first = holding("default")
    wrong = api.log_in.sync(client=first, body=models.Credentials("sso_python", "wrong"))
    assert wrong == models.WrongCredentials("db_crud_err", "用户名或密码错误", None)

    me = holding(api.log_in.sync(client=first, body=p).data)
    assert api.log_in.sync(client=me, body=p) == models.TokenRefused("token_err", "重复登录", None)
    uid = int(api.check_login.sync(client=me).data)
    user = api.find.sync(uid, client=anybody).data
    assert (user.id, user.username, user.password) == (uid, "sso_python", "")
    assert user in api.list_accounts.sync(client=anybody, page=0, size=1000).data
    assert isinstance(api.find.sync(10**9, client=anybody), models.UnknownUser)
    changed = api.update.sync(client=me, body=models.Registration("sso_python2", "another horse"))
    assert changed.message == "用户更新成功"

    assert api.log_out.sync(client=me).code == "OK"
    refused = api.check_login.sync_detailed(client=me)
    assert (refused.status_code, refused.parsed) == (200, models.TokenRefused("token_err", "token已失效", None))
    assert api.log_out_as_in_outline.sync(client=me).message == "token已失效"
    assert api.find.sync(uid, client=anybody).data.username == "sso_python2"


class Signature(httpx.Auth):
    """Signs every request in its URL."""

    def __init__(self, accesskey: str) -> None:
        self.accesskey = accesskey

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        expires = str(int(time.time()) + 600)
        message = f"{request.method}\n\n\n{expires}\n{request.url.path}{request.url.params['action']}"
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        parts = {"accessid": "clients", "expires": expires, "signature": base64.b64encode(digest).decode()}
        request.url = request.url.copy_merge_params(parts)
        yield request


def test_the_signed_journey_in_python(package: Callable[[str], Package], host: Host) -> None:
    api = package("signed")
    models = api.models
    client = api.client(httpx_args={"auth": Signature(host.accesskey)})
    profile = {"alias": "法外狂徒张三", "domain": "example.com"}

    def act(action: str, **what: str) -> Any:
        return api.act.sync(client=client, action=action, **what)

    registered = act("register", userid="signed_python", password=PASSWORD, property_='{"level": 3}', **profile)
    assert registered.userid == "signed_python"
    taken = act("register", userid="signed_python", password=PASSWORD)
    assert taken == models.Failure(errno=1001, errstr="用户已存在")
    assert act("login", userid="signed_python", password="wrong").errno == 1002
    incomplete = api.act.sync_detailed(client=client, action="login", userid="signed_python")
    assert (incomplete.status_code, incomplete.parsed.errno) == (400, 400)
    unsigned = api.act.sync_detailed(client=api.client(), action="login", userid="signed_python", password=PASSWORD)
    assert (unsigned.status_code, unsigned.parsed.errno) == (403, 403)

    logged_in = act("login", userid="signed_python", password=PASSWORD)
    assert logged_in == models.LoggedIn(
        userid="signed_python", token=logged_in.token, property_='{"level": 3}', **profile
    )
    holder = {"userid": "signed_python", "token": logged_in.token}
    assert act("update", alias="", **holder) == models.Done(userid="signed_python")
    assert act("logout", **holder) == models.Done(userid="signed_python")
    assert act("update", **holder).errno == 1003
    assert act("unregister", userid="signed_python", token=registered.token) == models.Done(userid="signed_python")
    assert act("login", userid="signed_python", password=PASSWORD).errno == 1002


def test_the_annotation_journey_in_python(package: Callable[[str], Package], host: Host) -> None:
    api = package("annotation")
    models = api.models

    def act(client: Any, kind: Any, action: str, **what: str) -> int:
        ret: int = api.act.sync(client=client, body=kind(action=action, **what)).ret
        return ret

    def read(client: Any, **what: str) -> Any:
        return api.read.sync(client=client, **what)

    form = models.RegistrationForm(user_id="annotation_python", user_name="法外狂徒张三", password=PASSWORD)
    assert api.register.sync(client=api.client(), body=form) == models.Outcome(ret=0, msg="创建成功")
    assert api.register.sync(client=api.client(), body=form).msg == "该账号id已使用"
    project = host.import_project("三国", "annotation_python")

    alice, bob = api.client(), api.client()
    assert read(alice) == models.Outcome(ret=-1, msg="用户未登录")
    credentials = models.Credentials("annotation_python", PASSWORD)
    assert api.log_in.sync(client=alice, body=credentials).msg == "登陆成功"
    assert api.log_in.sync(client=alice, body=credentials).ret == -2
    bobs = models.Registration(user_id="annotation_python2", user_name="annotation_python2", password=PASSWORD)
    assert api.register.sync(client=bob, body=bobs).ret == 0
    assert read(alice) == models.OwnData(ret=0, user_name="法外狂徒张三", user_id="annotation_python")
    changed = api.update.sync(client=alice, body=models.ChangeName("change_name", "穿林北腿蒋中正"))
    assert changed.msg == "修改成功"

    assert act(bob, models.Apply, "friend_apply", id="nobody at all") == -1
    assert act(bob, models.Apply, "friend_apply", id="annotation_python") == 0
    applicant = models.Person(user_name="annotation_python2", user_id="annotation_python2")
    assert read(alice, action="get_friends_applications") == models.ApplicationList(0, 1, [applicant], [applicant])
    assert act(alice, models.AcceptApplication, "friend_apply_accept", id="annotation_python2") == 0
    assert read(alice, action="get_friends").friends == [applicant]

    assert act(alice, models.Invite, "project_invite", project_id=project) == 0
    (invitation,) = read(bob, action="get_project_invites").invites
    assert (invitation.project_id, invitation.project_name) == (project, "三国")
    assert read(bob, action="get_entities_json", id=project) == models.Outcome(ret=-1, msg="未参与该项目")
    assert act(bob, models.AcceptInvitation, "project_invite_accept", project_id=project) == 0
    for part, rows in GRAPH.items():
        export = api.read.sync_detailed(client=bob, action=f"get_{part}_json", id=project)
        assert export.parsed is None
        assert export.headers["content-disposition"].startswith("attachment")
        assert [row["name"] for row in json.loads(export.content)] == [row["name"] for row in rows]

    change = models.PasswordChange(new_password="another horse", cur_password=PASSWORD)
    assert api.change_password.sync(client=alice, body=change).msg == "密码修改成功"
    assert api.change_password.sync(client=alice, body=change).ret == -1
    assert act(alice, models.LogOut, "logout") == 0
    assert read(alice) == models.Outcome(ret=-1, msg="用户未登录")
    assert api.log_in.sync(client=alice, body=credentials).msg == "用户id或密码错误"


def test_the_indexy_journey_in_python(package: Callable[[str], Package], host: Host) -> None:
    api = package("indexy")
    models = api.models
    client = api.client()

    one = models.Registration("indexy_python", PASSWORD, nick_name="sw")
    assert api.register.sync(client=client, body=one) == models.Created(payload=True, success=True)
    assert api.register.sync(client=client, body=one) == models.Failed(message="用户名已存在", success=False)
    wrong = api.log_in.sync_detailed(client=client, body=models.Credentials("indexy_python", "wrong"))
    assert (wrong.status_code, wrong.parsed) == (
        400,
        models.Refused("用户名或密码错误", "用户名或密码错误", success=False),
    )
    logged_in = api.log_in.sync_detailed(client=client, body=models.Credentials("indexy_python", PASSWORD))
    assert logged_in.parsed == models.Done(payload=1, success=True)
    assert "HttpOnly" in logged_in.headers["set-cookie"]
    two = models.AccountToCreate("indexy_python2", PASSWORD, job="教授", mobile="13393922000")
    assert api.create.sync(client=client, body=two).payload is True

    rows = api.list_accounts.sync(client=client, page=0, size=2, order=["id,desc", "username,asc"]).payload.rows
    assert [row.username for row in rows] == ["indexy_python2", "indexy_python"]
    second, first = (row.id for row in rows)
    assert api.update.sync(first, client=client, body=models.AccountChange(school="武汉大学")).payload == 1
    found = api.find.sync(first, client=client).payload
    assert found == models.Account(id=first, username="indexy_python", nick_name="sw", school="武汉大学")
    change = models.PasswordChange(old_password=PASSWORD, new_password="another horse")
    assert api.change_password.sync(first, client=client, body=change).success is True
    assert api.change_password.sync(first, client=client, body=change).payload == "旧密码输入有误"

    assert api.request_code.sync(client=client, body=models.CodeRequest(mobile="13393922000")).payload == 1
    recovery = models.MobileRecovery("13393922000", host.delivered_code(), "another horse")
    client = api.client()  # the connection of the other one has waited, and may be closed at this moment
    assert api.recover_by_mobile.sync(client=client, body=recovery).payload == 1
    assert api.recover_by_mobile.sync(client=client, body=recovery).payload == "手机号或短信验证码错误"
    address = models.EmailRecovery("nobody@example.com")
    assert api.recover_by_email.sync(client=client, body=address).payload == "找不到邮箱对应的账号"
    assert "<title>" in api.show_reset_form.sync(client=client, code="unknown")
    form = api.reset_password.sync_detailed(client=client, body=models.LinkReset("unknown", "another horse"))
    assert (form.status_code, form.headers["content-type"].partition(";")[0]) == (400, "text/html")

    assert api.delete.sync(second, client=client) == models.Done(payload=1, success=True)
    assert api.find.sync(second, client=client) == models.Failed(message="用户不存在", success=False)


def test_the_readme_says_how_to_speak_python(package: Callable[[str], Package], host: Host) -> None:
    api = package("dbms")
    body = api.models.Registration(username="TestUser", password="K16ldRr922I1", email="python@example.com")
    api.register.sync(client=api.client(), body=body)
    spoken: dict[str, Any] = {}
    # a snippet of the documentation
    exec(_snippet("python").replace("http://127.0.0.1:8000", host.served.url), spoken)  # noqa: S102
    assert spoken["user"].username == "TestUser"


def _snippet(language: str) -> str:
    return (ROOT / "README.md").read_text("utf-8").partition(f"```{language}\n")[2].partition("```")[0]


# --- TypeScript ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def journeys(made: subprocess.CompletedProcess[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journeys of `tests/process/typescript`, compiled against the generated clients."""
    if made.returncode == CANNOT_BE_HAD:
        reason = f"scripts/clients cannot make TypeScript clients: {made.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("typescript")
    for source in (ROOT / "tests/process/typescript").iterdir():
        shutil.copy(source, folder)
    told = _snippet("typescript").replace('"http://127.0.0.1:8000"', "process.argv[2]")
    (folder / "readme.ts").write_text(f"{told}\nconsole.log(JSON.stringify(user.data));\n")
    (folder / "node_modules").symlink_to(BUILT / "typescript" / "node_modules")
    compiled = _node(folder, "node_modules/typescript/bin/tsc")
    assert compiled.returncode == 0, compiled.stdout
    return folder


def _node(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "node", script, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("stem", CONTRACTS)
def test_a_typescript_client_has_every_operation(stem: str, journeys: Path) -> None:
    operations = [operation for item in CONTRACTS[stem].document["paths"].values() for operation in item.values()]
    script = f"import * as api from 'rollbook-{stem}'; console.log(JSON.stringify(Object.keys(api)))"
    listed = _node(journeys, "--input-type=module", "--eval", script)
    names = {name.rstrip("_").lower() for name in json.loads(listed.stdout)} - {"client"}
    assert names == {
        operation["operationId"].replace("_", "") for operation in operations if "operationId" in operation
    }


@pytest.mark.parametrize("stem", CONTRACTS)
def test_a_journey_in_typescript(stem: str, journeys: Path, host: Host) -> None:
    given = {"baseUrl": host.base_url(stem), "accesskey": host.accesskey}
    if stem == "annotation":
        owner = {"user_id": "annotation_owner", "user_name": "annotation_owner", "password": PASSWORD}
        assert httpx.post(f"{given['baseUrl']}/user/register/", data=owner).json()["ret"] == 0
        given["project"] = host.import_project("水浒", "annotation_owner")
    walked = _node(journeys, f"{stem}.js", json.dumps(given))
    assert walked.returncode == 0, walked.stderr


def test_the_readme_says_how_to_speak_typescript(journeys: Path, host: Host) -> None:
    body = {"username": "TestUser", "password": "K16ldRr922I1", "email": "typescript@example.com"}
    httpx.post(f"{host.served.url}/user", json=body)
    spoken = _node(journeys, "readme.js", host.served.url)
    assert json.loads(spoken.stdout)["username"] == "TestUser", spoken.stderr
