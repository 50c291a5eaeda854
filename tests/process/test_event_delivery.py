"""A server is killed between an act and the telling of its event; the next one tells it.

probot#1049, OpenWA#1402: a crash between keeping a message and posting it lost it; events of a restart never came.
"""

import base64
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import httpx2
import pytest
import standardwebhooks

from scripts.tools.crash.town import children
from tests.conftest import Served
from tests.mail_server import Receiver, serving_hook

pytestmark = pytest.mark.once("kills servers over the store of this test")
SECRET = "whsec_" + base64.b64encode(b"e" * 32).decode()
NAMES = [f"user{number}" for number in range(5)]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """Who is told."""
    with serving_hook(None) as receiver:
        yield receiver


def kill(server: Served) -> None:
    """Kill the workers, and who began them."""
    for pid in (*children(server.process.pid), server.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def told(hook: Receiver) -> dict[str, int]:
    """Return the ids of what came, each verified as its receiver does, with the account of each."""
    verifier = standardwebhooks.Webhook(SECRET)
    return {headers["webhook-id"]: verifier.verify(body, headers)["data"]["account"] for _, headers, body in hook.got}


@pytest.mark.parametrize("moment", ["acknowledged", "posted"])
def test_what_was_not_told_before_the_server_was_killed_is_told_by_the_next(
    hook: Receiver, serve: Callable[..., Served], moment: str
) -> None:
    settings = {
        "ROLLBOOK_EVENT_WEBHOOK_URL": hook.url,
        "ROLLBOOK_EVENT_WEBHOOK_SECRET": SECRET,
        "ROLLBOOK_WORKERS": "1",
    }
    server = serve(**settings)
    if moment == "posted":
        hook.before_answer = lambda: kill(server)  # it has come, and the server does not know
    acknowledged = []
    for name in NAMES:
        with suppress(httpx2.TransportError):
            account = {"username": name, "password": "correct horse"}
            answer = httpx2.post(f"{server.url}/v1/user", json=account, timeout=30)
            acknowledged += [name] if answer.json()["code"] == "OK" else []
    if moment == "acknowledged":
        kill(server)
    server.process.wait(60)
    assert acknowledged
    before = len(hook.got)
    assert before <= 1 or moment == "acknowledged"
    hook.before_answer = lambda: None
    with closing(sqlite3.connect(server.store.removeprefix("sqlite:///"))) as store, store:
        accounts = {id for (id,) in store.execute("SELECT id FROM account")}
        store.execute("UPDATE outbox_message SET due = 0")  # who had claimed it is given a minute, else
    assert len(accounts) >= len(acknowledged)
    after = serve(**settings)
    deadline = time.monotonic() + 30
    while set(told(hook).values()) != accounts and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(told(hook).values()) == accounts
    assert len(told(hook)) == len(accounts), "an event that came twice came under one id"
    if moment == "posted":
        ids = [headers["webhook-id"] for _, headers, _ in hook.got]
        assert ids.count(ids[0]) == 2, "what was not answered is told again"
    assert after.end() == 0
