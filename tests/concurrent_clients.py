"""Many clients of one server, who do things in the same moment."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import httpx2

from tests.clients import Annotation, Dbms, Indexy, Signed, Sso

PATIENCE = 60
"""Seconds after which a client counts as forgotten."""
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Client:
    """A client with five clients and connections of its own."""

    dbms: Dbms
    sso: Sso
    signed: Signed
    annotation: Annotation
    indexy: Indexy

    def by(self, stem: str) -> Any:
        """Return the door of a contract."""
        return getattr(self, stem)


Act = Callable[[Client], httpx2.Response]


class Crowd:
    """Clients, as many as there are acts; one of them is `one`."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = clients
        self.one = clients[0]

    def at_once(self, acts: Sequence[Act]) -> list[httpx2.Response]:
        """Have each act done by a client of its own, all in the same moment; the server must not stumble."""
        start = Barrier(len(acts))

        def do(client: Client, act: Act) -> httpx2.Response:
            start.wait()
            return act(client)

        with ThreadPoolExecutor(len(acts)) as pool:
            answers = list(pool.map(do, self.clients, acts))
        assert [(answer.status_code, answer.text) for answer in answers if answer.status_code >= 500] == []
        return answers


@contextmanager
def gather(url: str, clients: int, key: str) -> Iterator[Crowd]:
    """Bring so many clients to a server. key: the access key `clients`."""
    limits = httpx2.Limits(max_keepalive_connections=0)  # each request comes to whichever worker is free
    with ExitStack() as stack:
        opened = [
            stack.enter_context(httpx2.Client(base_url=url, timeout=PATIENCE, limits=limits, verify=False))
            for _ in range(clients)
        ]
        yield Crowd([Client(Dbms(c), Sso(c), Signed(c, key), Annotation(c), Indexy(c)) for c in opened])


def fresh(*names: str) -> list[str]:
    """Return names that nobody has had yet, made of these."""
    number = next(NUMBERS)
    return [f"{name}{number}" for name in names]
