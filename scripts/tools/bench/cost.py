"""What a request costs in processor time, without a socket: each application in a process of its own, all in turn.

Processor time, and turns so short that a busy minute of the machine strikes all alike, so that this can be measured
beside other work. `python -m scripts.tools.bench.cost APPLICATION` is such a process: for each line `OPERATION COUNT`
it answers so many requests and prints how many seconds of processor time one took.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from statistics import median
from typing import Any
from urllib.parse import unquote

from scripts.tools.bench.fill import Store
from scripts.tools.bench.load import Request
from scripts.tools.bench.place import Places
from scripts.tools.bench.process import ROOT, WrongAnswerError, plain_environment
from scripts.tools.bench.servers import CHECK, FIND, LIST, MOST, OURS, OWN_DATA, THEIRS, Operation, rollbook_operations

WARM_UP, COUNT = MOST, MOST
ROLLBOOK = "rollbook"
MODULES = {name: f"scripts.tools.bench_peers.{name}_app" for name in ("starlette", "fastapi", "connexion")}
OPERATIONS = (CHECK, FIND, OWN_DATA, LIST)
UNASKED = {("connexion", OWN_DATA)}
"""Stock Connexion answers 400 where an optional body is absent."""


def measure_cost(store: Store, places: Places, *, rounds: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Return application -> operation -> microseconds of processor time per request, one number for each round."""
    took: dict[str, dict[str, list[float]]] = {}
    children: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in (ROLLBOOK, *MODULES):
            children[name] = _start(name, store, places)
            took[name] = {key: [] for key in OPERATIONS if (name, key) not in UNASKED}
        for number in range(rounds + 1):
            for name, child in children.items():
                report(f"round {number}/{rounds}: {name}")
                for key, numbers in took[name].items():
                    told = _tell(child, f"{key}\t{COUNT if number else WARM_UP}")
                    if number:
                        numbers.append(told * 1e6)
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    return {
        name: {key: {"cpu_us": median(numbers), "rounds": numbers} for key, numbers in operations.items()}
        for name, operations in took.items()
    }


def show_cost(cost: dict[str, Any]) -> str:
    """Return a line for each application: microseconds per operation, and how that compares with bare Starlette."""
    lines = [f"{'processor time in process':28}" + "".join(f"{key:>24}" for key in OPERATIONS)]
    for name, operations in cost.items():
        line = f"{name:28}"
        for key in OPERATIONS:
            us = operations[key]["cpu_us"] if key in operations else 0
            line += f"{us:12.1f} us {us / cost['starlette'][key]['cpu_us']:6.2f} x" if us else f"{'-':>24}"
        lines.append(line)
    return "\n".join(lines)


def _start(name: str, store: Store, places: Places) -> "subprocess.Popen[str]":
    place = places.make(f"cost-{name}")
    own = store.copy(place)
    asked = {key: _as_json(operation) for key, operation in rollbook_operations(own, 1).items() if key in OPERATIONS}
    (place.folder / "asked.json").write_text(json.dumps(asked))
    python = (THEIRS if THEIRS.exists() and name != ROLLBOOK else OURS) / "python"
    environment = {
        "ROLLBOOK_DATA": str(place.folder.resolve()),
        "ROLLBOOK_DATABASE_URL": place.database_url,
        "ROLLBOOK_RATE_LIMITS": "0",
        "BENCH_VALIDATE_RESPONSES": "1",
    }
    return subprocess.Popen(
        [str(python), "-m", "scripts.tools.bench.cost", name],
        cwd=ROOT,
        env=plain_environment() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(place.folder / "log").open("w"),
        text=True,
    )


def _as_json(operation: Operation) -> dict[str, Any]:
    return {"expected": operation.expected, "requests": [vars(request) for request in operation.load.requests]}


def _tell(child: "subprocess.Popen[str]", line: str) -> float:
    """Have a process answer requests. Raises WrongAnswerError when it ends or answers something else."""
    if child.stdin is None or child.stdout is None:
        raise WrongAnswerError("no pipes")
    told = ""
    with suppress(BrokenPipeError):
        child.stdin.write(f"{line}\n")
        child.stdin.flush()
        told = child.stdout.readline()
    if not told:
        raise WrongAnswerError(f"{child.args!r}: ended; its folder holds a log")
    return float(told)


# --- one application -------------------------------------------------------------------------------------------------


def load(name: str) -> Any:
    """Return an application."""
    if name != ROLLBOOK:
        return import_module(MODULES[name]).app
    from models.db.database import connect  # noqa: PLC0415  # peers have not all that the server needs
    from server.app import create_app  # noqa: PLC0415
    from server.settings import read  # noqa: PLC0415

    settings = read()
    connect(settings.database_url)
    return create_app(replace(settings, rate_limits=False))


def scope(request: Request) -> dict[str, Any]:
    """Return a request as gunicorn hands it over."""
    path, _, query = request.path.partition("?")
    headers = {"Host": "127.0.0.1:8000", "User-Agent": "bench", "Accept": "*/*", **request.headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
    }


async def answer(app: Any, asked: dict[str, Any], count: int) -> float:
    """Answer so many requests; return the seconds of processor time that one took."""
    scopes = [scope(Request(**one)) for one in asked["requests"]]
    body = b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal body
        body = message.get("body", b"")

    await app(dict(scopes[0]), receive, send)
    if asked["expected"].partition(":")[2] not in body.decode():
        raise WrongAnswerError(body.decode())
    fresh = [{**scopes[number % len(scopes)]} for number in range(count)]
    began = time.process_time()
    for one in fresh:
        await app(one, receive, send)
    return (time.process_time() - began) / count


async def serve(app: Any) -> None:
    """Do what stdin says."""
    asked = json.loads((ROOT / os.environ["ROLLBOOK_DATA"] / "asked.json").read_text())
    for line in sys.stdin:
        key, _, count = line.strip().partition("\t")
        print(await answer(app, asked[key], int(count)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(load(sys.argv[1])))
