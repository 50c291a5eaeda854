"""Who is measured: how each server is started, what it stores, what it is asked."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import quote, urlencode

from scripts.tools.bench.fill import PASSWORD, Store, secret, username
from scripts.tools.bench.load import Load, Request
from scripts.tools.bench.place import Place
from scripts.tools.bench.process import ROOT, Process, free_port, plain_environment
from server.settings import Settings

OURS = ROOT / ".venv/bin"
THEIRS = ROOT / ".venv-bench/bin"
MOST = 1_000
"""So many different requests are sent in turn."""
ARGON2 = {name: getattr(Settings(), name) for name in ("argon2_time_cost", "argon2_memory_kib", "argon2_parallelism")}
JSON = {"Content-Type": "application/json"}

CHECK, FIND, LOG_IN = "token check", "find", "log in"
OWN_DATA, SIGNED_LOG_IN, LIST = "annotation own data", "signed log in", "indexy list"
CAN_SWITCH_VALIDATION = any(field.name == "validate_responses" for field in fields(Settings))


@dataclass(frozen=True)
class Operation:
    """What is asked of a server. expected: a text that is in the right answer to the first request."""

    load: Load
    expected: str


@dataclass(frozen=True)
class Data:
    """What a server works on: where its store is, and what it may be asked."""

    place: Place
    operations: dict[str, Operation]


@dataclass(frozen=True)
class Server:
    """A server under test.

    command: what starts it, given port and number of workers.
    prepare: makes its store in a place, given the store of Rollbook that all share.
    """

    title: str
    command: Callable[[int, int], list[str]]
    prepare: Callable[[Store, Place, int], Data]
    environment: Mapping[str, str]
    family: str
    """Peers of one family are the same application on different servers."""

    def start(self, data: Data, workers: int) -> Process:
        """Return the process, yet to be entered."""
        port = free_port()
        folder = data.place.folder.resolve()
        environment = {
            "ROLLBOOK_DATA": str(folder),
            "ROLLBOOK_DATABASE_URL": data.place.database_url,
            "ROLLBOOK_BIND": f"127.0.0.1:{port}",
            "ROLLBOOK_WORKERS": str(workers),
            "ROLLBOOK_MAX_SESSIONS": str(10**6),
            "ROLLBOOK_RATE_LIMITS": "0",
            "ROLLBOOK_LOG_LEVEL": "warning",
            "BENCH_DATA": str(folder),
            "BENCH_DATABASE_URL": data.place.database_url,
            **argon2_settings(ARGON2),
            **self.environment,
        }
        return Process(self.command(port, workers), environment, port, folder.with_suffix(".log"))


def argon2_settings(parameters: Mapping[str, int]) -> dict[str, str]:
    """Return the parameters as variables of the environment."""
    return {f"ROLLBOOK_{name.upper()}": str(value) for name, value in parameters.items()}


# --- what is asked ---------------------------------------------------------------------------------------------------


def rollbook_operations(store: Store, connections: int, most: int = MOST) -> dict[str, Operation]:
    """Return all that Rollbook is asked, over accounts spread through the store."""
    sso, dbms, annotation = (store.numbers(contract, most) for contract in ("sso", "dbms", "annotation"))
    everybody = [number for numbers in zip(sso, dbms, annotation, strict=False) for number in numbers]
    names = [username(number) for number in everybody]

    def asks(requests: list[Request], expected: str) -> Operation:
        return Operation(Load(requests, connections), expected)

    return {
        CHECK: asks(
            [Request("GET", "/v1/auth", {"token": store.web_token(number)}) for number in sso],
            f'"data":"{sso[0]}"',
        ),
        FIND: asks(
            [Request("GET", f"/user/{number}?{urlencode({'token': secret('dbms', number)})}") for number in dbms],
            f'"username":"{username(dbms[0])}"',
        ),
        LOG_IN: asks(
            [Request("GET", "/login?" + urlencode({"username": name, "password": PASSWORD})) for name in names],
            '"token":',
        ),
        OWN_DATA: asks(
            [
                Request("GET", "/user/other", {"Cookie": f"sessionid={secret('annotation', number)}"})
                for number in annotation
            ],
            f'"user_id":"{username(annotation[0])}"',
        ),
        SIGNED_LOG_IN: asks(
            [Request("GET", store.signed("login", userid=name, password=PASSWORD)) for name in names],
            '"token":',
        ),
        LIST: asks([Request("GET", "/indexy-api/api/v1/users?page=0&size=10")], '"rows":[{'),
    }


def _rollbook(store: Store, place: Place, connections: int) -> Data:
    return Data(place, rollbook_operations(store.copy(place), connections))


def _same(*names: str) -> Callable[[Store, Place, int], Data]:
    """Return what prepares a peer that serves these operations over Rollbook's models."""

    def prepare(store: Store, place: Place, connections: int) -> Data:
        data = _rollbook(store, place, connections)
        # stock Connexion writes a space after a colon, so only values are looked for
        return Data(
            place,
            {
                name: Operation(
                    data.operations[name].load, data.operations[name].expected.partition(":")[2].strip("[{")
                )
                for name in names
            },
        )

    return prepare


SAME = _same(CHECK, FIND, OWN_DATA, LIST)
STOCK = _same(CHECK, FIND, LIST)
"""It answers 400 where an optional body is absent, so nobody gets their own data."""


def _tokens(module: str, store: Store, place: Place) -> list[str]:
    """Have a peer fill its own store; return its tokens, one for each account."""
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    where = {"BENCH_DATA": str(place.folder.resolve()), "BENCH_DATABASE_URL": place.database_url}
    environment = {**where, **argon2_settings(ARGON2)}
    command = [str(THEIRS / "python"), "-m", f"scripts.tools.bench_peers.{module}", str(store.accounts)]
    subprocess.run(command, env={**plain_environment(), **environment}, cwd=ROOT, check=True)
    return (place.folder / "tokens").read_text().split()


def _fastapi_users(store: Store, place: Place, connections: int) -> Data:
    tokens = _tokens("fastapi_users_app", store, place)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    checks = [Request("GET", "/auth/me", {"Authorization": f"Bearer {token}"}) for token in tokens[:MOST]]
    logins = [
        Request("POST", "/auth/login", form, f"username={quote(username(n))}%40example.com&password={quote(PASSWORD)}")
        for n in range(1, min(store.accounts, MOST) + 1)
    ]
    return Data(
        place,
        {
            CHECK: Operation(Load(checks, connections), '"email":"user1@example.com"'),
            LOG_IN: Operation(Load(logins, connections), '"access_token":'),
        },
    )


def _allauth(store: Store, place: Place, connections: int) -> Data:
    tokens = _tokens("allauth_app", store, place)
    path = "/_allauth/app/v1/auth"
    checks = [Request("GET", f"{path}/session", {"X-Session-Token": token}) for token in tokens[:MOST]]
    logins = [
        Request("POST", f"{path}/login", JSON, json.dumps({"username": username(n), "password": PASSWORD}))
        for n in range(1, min(store.accounts, MOST) + 1)
    ]
    return Data(
        place,
        {
            CHECK: Operation(Load(checks, connections), '"username": "user1"'),
            LOG_IN: Operation(Load(logins, connections), '"session_token":'),
        },
    )


# --- who is asked ----------------------------------------------------------------------------------------------------


def serve(port: int, workers: int) -> list[str]:
    """Return what starts Rollbook."""
    return [str(OURS / "python"), "-m", "server"]


def _gunicorn(module: str, *options: str) -> Callable[[int, int], list[str]]:
    def command(port: int, workers: int) -> list[str]:
        where = ["--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
        quiet = ["--log-level", "warning", "--no-control-socket"]
        return [str(THEIRS / "gunicorn"), *where, *quiet, *options, f"scripts.tools.bench_peers.{module}:app"]

    return command


def _uvicorn(module: str) -> Callable[[int, int], list[str]]:
    def command(port: int, workers: int) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        quiet = ["--log-level", "warning", "--no-access-log"]
        fast = ["--loop", "uvloop", "--http", "httptools"]
        return [str(THEIRS / "uvicorn"), *where, *quiet, *fast, f"scripts.tools.bench_peers.{module}:app"]

    return command


ASGI = ("--worker-class", "asgi")
CHECKED = {"BENCH_VALIDATE_RESPONSES": "1"}

SERVERS = {
    "rollbook": Server("Rollbook", serve, _rollbook, {}, "rollbook"),
    "rollbook-unchecked": Server(
        "Rollbook, responses not validated",
        serve,
        _rollbook,
        {"ROLLBOOK_VALIDATE_RESPONSES": "0"},
        "rollbook",
    ),
    "connexion": Server("Connexion, gunicorn asgi", _gunicorn("connexion_app", *ASGI), STOCK, CHECKED, "connexion"),
    "connexion-uvicorn": Server("Connexion, uvicorn", _uvicorn("connexion_app"), STOCK, CHECKED, "connexion"),
    "connexion-unchecked": Server(
        "Connexion, gunicorn asgi, responses not validated",
        _gunicorn("connexion_app", *ASGI),
        STOCK,
        {},
        "connexion",
    ),
    "fastapi": Server("FastAPI, gunicorn asgi", _gunicorn("fastapi_app", *ASGI), SAME, {}, "fastapi"),
    "fastapi-uvicorn": Server("FastAPI, uvicorn", _uvicorn("fastapi_app"), SAME, {}, "fastapi"),
    "starlette": Server("Starlette, gunicorn asgi", _gunicorn("starlette_app", *ASGI), SAME, {}, "starlette"),
    "starlette-uvicorn": Server("Starlette, uvicorn", _uvicorn("starlette_app"), SAME, {}, "starlette"),
    "fastapi-users": Server(
        "fastapi-users, uvicorn", _uvicorn("fastapi_users_app"), _fastapi_users, {}, "fastapi-users"
    ),
    "allauth": Server("django-allauth, gunicorn sync", _gunicorn("allauth_app"), _allauth, {}, "allauth"),
    "allauth-gthread": Server(
        "django-allauth, gunicorn gthread",
        _gunicorn("allauth_app", "--worker-class", "gthread", "--threads", "4"),
        _allauth,
        {},
        "allauth",
    ),
}
if not CAN_SWITCH_VALIDATION:
    del SERVERS["rollbook-unchecked"]
