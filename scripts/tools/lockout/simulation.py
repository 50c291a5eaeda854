"""An attacker who never sleeps and an owner who logs in every hour, asked of the real application in this process."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from itertools import count
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlencode

from models import clock
from models.account import Account
from models.db.database import run_transaction
from models.outbox import OutboxMessage
from models.settings import DAY, HOUR, MINUTE

INDEXY = "/indexy-api/api/v1/users"
PASSWORD = "a password that nobody guesses"  # noqa: S105  # of simulated accounts
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"
MOST_REFUSED = 3
"""An attacker who is refused so often in a row waits for the next minute."""


class Answer(NamedTuple):
    """What was answered: status, and the name of the limit that refused."""

    status: int
    limit: str


class Outcome(NamedTuple):
    """What a day brought.

    guesses: passwords that the attacker tried. at_home: logins of the owner from a known place that opened, of 24.
    elsewhere: tries of the owner from a new place that were let through, of 24.
    recovered: whether a code opened at last.
    """

    guesses: int
    at_home: int
    elsewhere: int
    recovered: bool


class Simulation:
    """The application, and a clock that stands still until it is set."""

    def __init__(self, app: Any, start: int) -> None:
        self.app, self.now = app, start

    @contextmanager
    def running(self) -> Iterator[None]:
        """Set the directory's clock while the context lasts."""
        with patch.object(clock, "now", lambda: self.now):
            yield

    def ask(self, address: str, method: str, path: str, query: dict[str, str], body: dict[str, str]) -> Answer:
        """Send a request from an address."""
        got: list[Any] = []
        content = json.dumps(body).encode() if body else b""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "root_path": "",
            "path": path,
            "query_string": urlencode(query).encode(),
            "headers": [(b"host", b"localhost"), *headers],
            "client": (address, 4711),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        asyncio.run(self.app(scope, receive, send))
        told = dict(got[0]["headers"]).get(b"ratelimit", b"").decode()
        return Answer(got[0]["status"], told.partition(";")[0].strip('"'))

    def log_in(self, address: str, username: str, password: str) -> Answer:
        """Try a password."""
        return self.ask(address, "GET", "/login", {"username": username, "password": password}, {})

    def guess(self, addresses: Iterator[str], username: str) -> int:
        """Try passwords until refused; return how many were tried."""
        tried = refused = 0
        while refused < MOST_REFUSED:
            answer = self.log_in(next(addresses), username, "a wrong guess")
            tried += answer.status == 401
            refused = refused + 1 if answer.status == 429 else 0
        return tried

    def recover(self, address: str, mobile: str, new: str) -> bool:
        """Ask for a code, read the newest that came to the phone, and set a password by it."""
        self.ask(address, "POST", f"{INDEXY}/password/mobile/captcha", {}, {"mobile": mobile})
        newest = OutboxMessage.select().where(OutboxMessage.recipient == mobile).order_by(OutboxMessage.id.desc())
        code = re.findall("[0-9]{6}", newest.first().text)[0]
        body = {"mobile": mobile, "msCaptcha": code, "newPassword": new}
        return self.ask(address, "POST", f"{INDEXY}/password/mobile", {}, body).status == 200


def addresses(number: int) -> Iterator[str]:
    """Yield so many addresses, again and again."""
    first = int(IPv4Address("10.0.0.1"))
    return (str(IPv4Address(first + turn % number)) for turn in count())


def one_account(simulation: Simulation, number: int, username: str, mobile: str) -> Outcome:
    """Let somebody with so many addresses try one account, every minute of a day, and keep its codes from coming."""
    strangers = addresses(number)
    run_transaction(lambda: Account.register(username, PASSWORD, mobile=mobile))
    guesses = at_home = elsewhere = 0
    with simulation.running():
        simulation.log_in(HOME, username, PASSWORD)
        for minute in range(DAY // MINUTE):
            guesses += simulation.guess(strangers, username)
            if minute % 10 == 0:
                simulation.ask(next(strangers), "POST", f"{INDEXY}/password/mobile/captcha", {}, {"mobile": mobile})
            if minute % 60 == 30:
                at_home += simulation.log_in(HOME, username, PASSWORD).status == 200
                if simulation.log_in(ELSEWHERE, username, "mistyped").status == 401:
                    elsewhere += 1
            simulation.now += MINUTE
        recovered = simulation.recover(ELSEWHERE, mobile, f"{PASSWORD} again")
        known = simulation.log_in(ELSEWHERE, username, f"{PASSWORD} again").status == 200
    return Outcome(guesses, at_home, elsewhere, recovered and known)


def all_accounts(simulation: Simulation, hours: int, network: str) -> int:
    """Let one address, or one network of IPv6, try a new account with each guess; return how many it tried an hour."""
    guesses = 0
    names = count()
    with simulation.running():
        for _ in range(hours):
            refused = False
            while not refused:
                number = next(names)
                address = network.format(f"{number % 65536:x}")
                answer = simulation.log_in(address, f"somebody-{number}", "a wrong guess")
                refused = answer.status == 429
                guesses += not refused
            simulation.now += HOUR
    return guesses // hours
