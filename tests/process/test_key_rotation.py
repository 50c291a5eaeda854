"""The server's key is rotated and retired while clients go on: nobody is refused, and nothing is taken for broken.

certmate#764: what was encrypted by a lost key was lost with it. Rotation elsewhere asks for a window of maintenance.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx2
import pytest

from models.access_key import sign
from tests.conftest import CHEAP, ROOT, Served

pytestmark = pytest.mark.once("the file of the key, beside any store")
LOGIN = {"username": "alice", "password": "correct horse"}


def log_in_signed(url: str, accesskey: str) -> Any:
    expires = int(time.time()) + 3600
    signature = sign(accesskey, f"GET\n\n\n{expires}\n/openapi/userlogin")
    query = {"action": "login", "userid": "alice", "password": "correct horse", "accessid": "phone"}
    return httpx2.get(f"{url}/openapi/user", params={**query, "expires": expires, "signature": signature}).json()


def log_in(url: str) -> dict[str, str]:
    answer = httpx2.post(f"{url}/v1/login", json=LOGIN, headers={"token": "default"})
    return {"token": answer.json()["data"]}


def test_a_key_is_rotated_and_retired_while_clients_go_on(serve: Callable[..., Served]) -> None:
    server = serve(ROLLBOOK_SECRET_KEY="", ROLLBOOK_WORKERS="2")
    environment = os.environ | CHEAP | {"ROLLBOOK_DATA": str(server.data), "ROLLBOOK_SECRET_KEY": ""}

    def rollbook(*words: str) -> str:
        command = [ROOT / "scripts/rollbook", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    accesskey = json.loads(rollbook("key", "create", "phone", "--json"))["accesskey"]
    assert httpx2.post(f"{server.url}/v1/user", json=LOGIN).json()["code"] == "OK"
    early = log_in(server.url)
    done = Event()
    refused: list[Any] = []

    def go_on() -> int:
        """Use what is signed, encrypted and sealed, without pause."""
        number = 0
        while not done.is_set():
            number += 1
            answers = [log_in_signed(server.url, accesskey)]
            tokens = (early, log_in(server.url))
            answers += [httpx2.get(f"{server.url}/v1/auth", headers=token).json() for token in tokens]
            refused.extend(one for one in answers if "errno" in one or one.get("code", "OK") != "OK")
        return number

    with ThreadPoolExecutor(2) as pool:
        crowd = [pool.submit(go_on) for _ in range(2)]
        try:
            rollbook("key", "rotate")
            began = log_in(server.url)
            time.sleep(2)
        finally:
            done.set()
        assert all(one.result() > 3 for one in crowd)
    assert refused == []
    old = (server.data / "secret_key").read_bytes().split(b",")[1]
    rollbook("key", "retire")
    assert old not in (server.data / "secret_key").read_bytes()
    while httpx2.get(f"{server.url}/v1/auth", headers=early).json()["code"] == "OK":
        time.sleep(0.05)
    assert httpx2.get(f"{server.url}/v1/auth", headers=began).json()["code"] == "OK"
    assert "errno" not in log_in_signed(server.url, accesskey)
    assert "whole" in rollbook("audit", "verify")
    assert "server_key_retired" in rollbook("audit", "list")
    assert "does not fit" not in server.log
    assert server.end() == 0
