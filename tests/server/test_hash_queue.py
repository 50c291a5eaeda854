"""Nobody takes the queue for hashing alone: neither a client, nor all who name an account, nor who is logged in.

34 of 34 logins of others were refused while one user logged in without pause.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any

import httpx2
import pytest

from models.account import Account
from models.db.database import run_transaction
from models.passwords import hashing
from tests.limited import RIGHT, World

PLACES, SHARE = 68, 17
OTHERS = 34
FLOOD = 60

Requests = list[tuple[str, dict[str, Any]]]
"""Each with the address that it comes from."""


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"ROLLBOOK_RATE_LIMITS": "1", "ROLLBOOK_HASH_CONCURRENCY": "2", "ROLLBOOK_HASH_QUEUE": str(PLACES - 4)}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Keeps every password from being checked until it is set."""
    opened, verify = Event(), hashing.verify

    def wait(hashed: str, password: str) -> bool:
        assert opened.wait(60)
        return verify(hashed, password)

    monkeypatch.setattr(hashing, "verify", wait)
    return opened


def flood(app: Any, gate: Event, requests: Requests, world: World) -> tuple[int, list[int]]:
    """Send requests at once, then those of others; return how many of the first were let in, and what others got."""
    for number in range(OTHERS):
        run_transaction(lambda number=number: Account.register(f"other{number}", RIGHT))

    async def send(address: str, request: dict[str, Any]) -> int:
        transport = httpx2.ASGITransport(app, client=(address, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return (await client.request(**request)).status_code

    async def run() -> tuple[int, list[int]]:
        first = [asyncio.create_task(send(*one)) for one in requests]
        while sum(task.done() for task in first) < len(first) - SHARE:
            await asyncio.sleep(0.01)
        # all of `sso` send the same word in the place of a token
        doors = (("dbms", "sso")[number % 2] for number in range(OTHERS))
        logins = (world.request(stem, "log_in", f"other{number}", RIGHT) for number, stem in enumerate(doors))
        others = [asyncio.create_task(send(f"192.0.2.{number}", login)) for number, login in enumerate(logins)]
        await asyncio.sleep(0.1)
        gate.set()
        statuses = Counter(await asyncio.gather(*first))
        return len(requests) - statuses[503], await asyncio.gather(*others)

    return asyncio.run(run())


def one_client(world: World) -> Requests:
    names = (f"nobody{number}" for number in range(FLOOD))
    return [(f"2001:db8::{number:x}", world.request("sso", "log_in", name)) for number, name in enumerate(names)]


def one_account(world: World) -> Requests:
    """From many addresses, through several contracts, in several spellings."""
    doors = [("dbms", "alice"), ("sso", "ALICE"), ("indexy", "Alice"), ("annotation", "ａlice")]
    asked = (doors[number % len(doors)] for number in range(FLOOD))
    return [(f"198.51.100.{n}", world.request(stem, "log_in", name)) for n, (stem, name) in enumerate(asked)]


def one_session(world: World) -> Requests:
    change = world.request("annotation", "change_password")
    return [(f"198.51.100.{number}", change) for number in range(FLOOD)]


@pytest.mark.parametrize("requests", [one_client, one_account, one_session])
def test_one_user_leaves_room_for_all_others(
    app: Any, world: World, gate: Event, requests: Callable[[World], Requests]
) -> None:
    let_in, others = flood(app, gate, requests(world), world)
    assert let_in == SHARE
    assert others == [200] * OTHERS
