"""In which order the snippets of a contract's page follow one another, so that each succeeds on a fresh server."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Var:
    """A value that an earlier snippet kept, under its name."""

    name: str


@dataclass(frozen=True)
class Step:
    """One request, made of the spec's examples.

    example: the name of the example that is sent; default: the first that each parameter and body has.
    given: values that take the place of the example's.
    answer: the name of the example that comes back; default: the first of the first success.
    keep: what later snippets need of the answer: name -> JSON pointer.
    asks: what a person has to tell before: name -> question.
    opens: whose session begins. person: whose session it is. tells: what happens, where the operation does not say it.
    """

    operation: str
    example: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    keep: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    opens: str = ""
    person: str = ""
    tells: str = ""


@dataclass(frozen=True)
class Scenario:
    """The snippets of one contract.

    varies: names of values that differ from those of the examples; their kind does not.
    settings: what the server needs to be told, so that it answers as in the examples.
    operator: what the operator does before, in words and in a shell.
    prelude: what comes before the first snippet, by language; default: the address and nothing else.
    """

    steps: list[Step]
    varies: set[str]
    settings: dict[str, str] = field(default_factory=dict)
    operator: tuple[str, str] | None = None
    prelude: dict[str, str] = field(default_factory=dict)


ASK = """\
import { createInterface } from "node:readline/promises";

async function ask(question: string): Promise<string> {
  const terminal = createInterface(process.stdin, process.stdout);
  const line = await terminal.question(question);
  terminal.close();
  return line;
}
"""
"""TypeScript that asks a person."""

TOKEN, CODE = Var("token"), Var("code")

DBMS = Scenario(
    varies={"id", "token"},
    prelude={
        "typescript": f"""\
{ASK}
const base = "http://127.0.0.1:8000";
let query: URLSearchParams, response: Response, answer: any, token: string, code: string;
""",
    },
    steps=[
        Step("register"),
        Step("log_in", "by_username", keep={"token": "/token"}),
        Step("find", "by_username"),
        Step("request_confirmation", "by_username"),
        Step(
            "confirm_email",
            "by_username",
            given={"email": "user@xyz.com", "code": CODE},
            asks={"code": "The code in the mail: "},
            tells="it ends all sessions",
        ),
        Step("log_in", "by_username", keep={"token": "/token"}),
        Step("update", "by_username", tells="the new password ends all other sessions"),
        Step("check_login", given={"username": "TestUser", "token": TOKEN}, keep={"token": "/token"}),
        Step("log_out"),
    ],
)

SSO = Scenario(
    varies={"data", "id", "username", "createtime", "updatetime"},
    steps=[
        Step("register"),
        Step("log_in", keep={"token": "/data"}),
        Step("check_login", keep={"uid": "/data"}),
        Step("list_accounts"),
        Step("find", given={"uid": Var("uid")}),
        Step("update"),
        Step("log_out_as_in_outline"),
        Step("log_in", keep={"token": "/data"}),
        Step("log_out"),
    ],
)

SIGNED = Scenario(
    varies={"token"},
    settings={"ROLLBOOK_DATASVR": "datasvr.cn"},
    operator=(
        "The operator makes an access key. What signs is printed this once.",
        """\
export ACCESSKEY=$(./scripts/rollbook key create openapiuser --json |
  sed 's/.*"accesskey": *"\\([^"]*\\)".*/\\1/')
""",
    ),
    prelude={
        "sh": """\
base=http://127.0.0.1:8000/openapi

sign() { # sign ACTION: sets expires and signature
  expires=$(($(date +%s) + 3600))
  signature=$(printf 'GET\\n\\n\\n%s\\n/openapi/user%s' "$expires" "$1" |
    openssl dgst -sha1 -hmac "$ACCESSKEY" -binary | base64)
}
""",
        "python": """\
import base64
import hmac
import os
import time

import httpx2

client = httpx2.Client(base_url="http://127.0.0.1:8000/openapi")


def sign(action):
    expires = str(int(time.time()) + 3600)
    message = f"GET\\n\\n\\n{expires}\\n/openapi/user{action}"
    digest = hmac.digest(os.environ["ACCESSKEY"].encode(), message.encode(), "sha1")
    signature = base64.b64encode(digest).decode()
    return {"accessid": "openapiuser", "expires": expires, "signature": signature}
""",
        "typescript": """\
import { createHmac } from "node:crypto";

const base = "http://127.0.0.1:8000/openapi";
let query: URLSearchParams, response: Response, answer: any, token: string;

function sign(action: string) {
  const expires = String(Math.floor(Date.now() / 1000) + 3600);
  const message = `GET\\n\\n\\n${expires}\\n/openapi/user${action}`;
  const hmac = createHmac("sha1", process.env.ACCESSKEY!).update(message);
  const signature = hmac.digest("base64");
  return { accessid: "openapiuser", expires, signature };
}
""",
    },
    steps=[
        Step("act", "register", keep={"token": "/token"}),
        Step("act", "logout", given={"token": TOKEN}, answer="logout"),
        Step("act", "login", answer="login", keep={"token": "/token"}),
        Step("act", "update", {"userid": "testuser", "token": TOKEN, "password": "123456"}, answer="update"),
        Step("act", "unregister", given={"token": TOKEN}, answer="unregister"),
    ],
)

PROJECT = Var("project")
ANNOTATION = Scenario(
    varies={"id", "project_id", "user_id", "user_name", "source_id", "target_id"},
    operator=(
        "The operator makes accounts for 李四 and 王五, and brings in a project of 李四's.",
        """\
for name in lisi wangwu; do
  printf K16ldRr922I1 | ./scripts/rollbook account create $name --password-stdin
done
export PROJECT=$(./scripts/rollbook project import 三国 --owner lisi \\
  --entities <(echo '[{"id": 7, "name": "刘备"}, {"id": 8, "name": "关羽"}]') \\
  --triads <(echo '[{"id": 3, "name": "结义", "source_id": 7, "source_name": "刘备",
    "target_id": 8, "target_name": "关羽"}]'))
""",
    ),
    prelude={
        "sh": """\
base=http://127.0.0.1:8000
project=$PROJECT

for name in lisi wangwu; do # the cookie of each goes into a file
  curl -s -o /dev/null -c $name.jar $base/user/signin \\
    -d user_id=$name -d password=K16ldRr922I1
done
""",
        "python": """\
import os

import httpx2

base = "http://127.0.0.1:8000"
project = os.environ["PROJECT"]

# each with cookies of its own
lisi, wangwu = httpx2.Client(base_url=base), httpx2.Client(base_url=base)
lisi.post("/user/signin", data={"user_id": "lisi", "password": "K16ldRr922I1"})
wangwu.post("/user/signin", data={"user_id": "wangwu", "password": "K16ldRr922I1"})
""",
        "typescript": """\
const base = "http://127.0.0.1:8000";
const project = process.env.PROJECT!;
let query: URLSearchParams, response: Response, answer: any, zhangsan: string;

// a browser keeps the cookie and sends it by itself; elsewhere it is sent by hand
function cookie(response: Response): string {
  return response.headers.getSetCookie()[0]!.split(";")[0]!;
}

async function logIn(user_id: string): Promise<string> {
  const body = new URLSearchParams({ user_id, password: "K16ldRr922I1" });
  return cookie(await fetch(`${base}/user/signin`, { method: "POST", body }));
}

const lisi = await logIn("lisi");
const wangwu = await logIn("wangwu");
""",
    },
    steps=[
        Step("register", opens="zhangsan"),
        Step("log_in", opens="zhangsan"),
        Step("read", answer="own_data", person="zhangsan"),
        Step("act", "apply", {"id": "lisi"}, answer="sent", person="zhangsan", tells="张三 applies to 李四"),
        Step("act", "accept_application", answer="accepted", person="lisi", tells="李四 accepts"),
        Step("act", "apply", answer="sent", person="wangwu", tells="王五 applies to 张三"),
        Step("read", "get_friends_applications", answer="applications", person="zhangsan"),
        Step("act", "deny_application", {"id": "wangwu"}, answer="denied", person="zhangsan", tells="张三 denies"),
        Step("read", "get_friends", answer="friends", person="zhangsan"),
        Step("act", "invite", {"project_id": PROJECT}, answer="sent", person="lisi", tells="李四 invites all friends"),
        Step("act", "deny_invitation", {"project_id": PROJECT}, answer="denied", person="zhangsan"),
        Step("act", "invite_one", {"project_id": PROJECT}, answer="sent", person="lisi", tells="李四 invites 张三"),
        Step("read", "get_project_invites", answer="invites", person="zhangsan"),
        Step("act", "accept_invitation", {"project_id": PROJECT}, answer="accepted", person="zhangsan"),
        Step("read", "get_entities_json", {"id": PROJECT}, answer="entities", person="zhangsan"),
        Step("read", "get_relations_json", {"id": PROJECT}, answer="relations", person="zhangsan"),
        Step("read", "get_triads_json", {"id": PROJECT}, answer="triads", person="zhangsan"),
        Step("update", person="zhangsan"),
        Step("change_password", person="zhangsan"),
        Step("act", "log_out", answer="logged_out", person="zhangsan"),
    ],
)

ID = Var("id")
MOBILE = "13393922xxx"
INDEXY = Scenario(
    varies={"id"},
    prelude={
        "typescript": f"""\
{ASK}
const base = "http://127.0.0.1:8000/indexy-api/api/v1";
let query: URLSearchParams, response: Response, answer: any, id: number, code: string;
""",
    },
    steps=[
        Step("register", "without_nickname"),
        Step("create"),
        Step("list_accounts", keep={"id": "/payload/rows/0/id"}),
        Step("find", given={"id": ID}),
        Step("update", given={"id": ID}),
        Step("log_in"),
        Step("change_password", given={"id": ID}),
        Step("request_code", given={"mobile": MOBILE}, tells="the mailer leaves it in data/outbox"),
        Step(
            "recover_by_mobile",
            given={"mobile": MOBILE, "msCaptcha": CODE},
            asks={"code": "The code in the message: "},
        ),
        Step("recover_by_email"),
        Step("show_reset_form", given={"code": CODE}, asks={"code": "What follows code= in the mail: "}),
        Step("reset_password", given={"code": CODE}),
        Step("request_email_confirmation", given={"id": ID}),
        Step("confirm_email", given={"id": ID, "code": CODE}, asks={"code": "The code in the mail: "}),
        Step("request_mobile_confirmation", given={"id": ID, "mobile": MOBILE}),
        Step(
            "confirm_mobile",
            given={"id": ID, "mobile": MOBILE, "msCaptcha": CODE},
            asks={"code": "The code in the message: "},
        ),
        Step("delete", given={"id": ID}),
    ],
)

SCENARIOS = {"annotation": ANNOTATION, "dbms": DBMS, "indexy": INDEXY, "signed": SIGNED, "sso": SSO}
"""Stem of a contract -> its snippets."""
