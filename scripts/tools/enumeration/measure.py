"""Pairs of requests: sent in turn, held side by side, timed."""

import gc
import random
import re
import time
from http.client import HTTPConnection, HTTPResponse
from statistics import median
from typing import NamedTuple

from scripts.tools.enumeration.probes import Probe, Request
from scripts.tools.enumeration.rank import rank_test
from scripts.tools.enumeration.server import Server

WARMING = 20
"""Pairs that are sent first and not counted."""
OF_THE_REQUEST = ("date", "x-request-id", "content-length")
"""Headers that differ from any answer to the next, or say what the body says."""


class Answer(NamedTuple):
    """What came back, and after how many seconds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    seconds: float


class Finding(NamedTuple):
    """What a probe found. Times are medians in microseconds. probability: of such ranks, were both alike."""

    name: str
    pairs: int
    alike: bool
    known: float
    unknown: float
    difference: float
    probability: float
    control: bool

    def detects(self, level: float) -> bool:
        """Tell whether known and unknown can be told apart."""
        return not self.alike or self.probability < level


def measure(server: Server, probe: Probe, pairs: int) -> Finding:
    """Send pairs of requests, in random order within each."""
    probe.prepare(server)
    connection = server.connection()
    dice = random.Random(probe.name)  # noqa: S311  # no secret: the order of requests
    known, unknown, alike = [], [], True
    gc.disable()
    for pair in range(-min(pairs, WARMING), pairs):
        requests = [probe.known(server, pair % 1_000_000), probe.unknown(server, pair % 1_000_000)]
        order = dice.sample((0, 1), 2)
        answers = {place: _ask(connection, requests[place]) for place in order}
        alike = alike and _shape(answers[0]) == _shape(answers[1])
        if pair >= 0:
            known.append(answers[0].seconds)
            unknown.append(answers[1].seconds)
    gc.enable()
    connection.close()
    middle, other = median(known) * 1e6, median(unknown) * 1e6
    difference = median(one - two for one, two in zip(known, unknown, strict=True)) * 1e6
    return Finding(probe.name, pairs, alike, middle, other, difference, rank_test(known, unknown), probe.control)


def _ask(connection: HTTPConnection, request: Request) -> Answer:
    begun = time.perf_counter()
    connection.request(request.method, request.path, request.body or None, request.headers)
    response: HTTPResponse = connection.getresponse()
    body = response.read().decode()
    seconds = time.perf_counter() - begun
    headers = ((name.lower(), value) for name, value in response.getheaders())
    return Answer(response.status, tuple(h for h in headers if h[0] not in OF_THE_REQUEST), body, seconds)


def _shape(answer: Answer) -> tuple[object, ...]:
    """Return what must be alike: all but the numbers that new accounts are given."""
    return answer.status, answer.headers, re.sub(r"[0-9]+", "0", answer.body)
