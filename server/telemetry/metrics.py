"""Prometheus metrics. Loaded only where `ROLLBOOK_METRICS_BIND` asks for them, and after `exposition.listen`.

Workers count in files that they share (the library's multiprocess mode), so that each of them can answer for all.
"""

import socket
from collections.abc import Iterator
from functools import cache
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from models import settings
from models.audit.verification import tail
from models.db.database import database, run_transaction
from models.db.transaction import CONNECTION_ERRORS
from models.outbox import OutboxMessage
from server.contract.executors import Executors
from server.contract.request import Request
from server.jobs.periodic import PeriodicTask
from server.telemetry.logs import Line
from server.telemetry.metrics_server import ScrapeServer

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the durations in seconds; a token check takes less than a millisecond, a login some 20."""


class Metrics:
    """What is counted. A listener of the access_log.

    Durations have no status, and counts no duration, so that the number of series stays small.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        act = ("contract", "operation", "action")
        self.requests = Counter("rollbook_requests", "Requests answered.", (*act, "status"))
        self.seconds = Histogram("rollbook_request_seconds", "Time to an answer.", act, buckets=BUCKETS)
        self.limit_hits = Counter("rollbook_limit_hits", "Requests refused by a limit.", ("limit",))

        def gauge(name: str, meaning: str) -> Any:
            return Gauge(name, meaning, multiprocess_mode="livesum")

        self.hashing = gauge("rollbook_hashing_requests", "Requests that hash a password or wait for their turn.")
        self.hash_concurrency = gauge("rollbook_hashing_slots", "Passwords that may be hashed at once.")
        self.at_store = gauge("rollbook_store_requests", "Requests at a remote store or waiting for a connection.")
        self.database_pool_size = gauge(
            "rollbook_store_connections", "Connections that requests have to a remote store."
        )
        # a child is looked up once; the library's own look-up takes as long as counting does
        self._count = cache(self.requests.labels)
        self._measure = cache(self.seconds.labels)

    def __call__(self, line: Line, request: Request, seconds: float) -> None:
        """Count a request."""
        act = (line["contract"] or "", line["operation"] or "", line["action"] or "")
        self._count(*act, line["status"] or "none").inc()
        self._measure(*act).observe(seconds)
        if "limit" in line:
            self.limit_hits.labels(line["limit"]).inc()

    def serve(self) -> None:
        """Answer scrapes, in a thread of this worker."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # of the library
        registry.register(Outbox())
        registry.register(Audit())
        server = ScrapeServer(self.listener, make_wsgi_app(registry))
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def pulse(self, executors: Executors) -> "Pulse":
        """Return the task that publishes how busy this worker is."""
        return Pulse(self, executors)

    @staticmethod
    def forget_worker(pid: int) -> None:
        """Take a worker that has ended out of what is summed over the living."""
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # of the library


class Pulse(PeriodicTask):
    """Publishes how busy this worker is; the others cannot see its variables."""

    interval = 1.0

    def __init__(self, metrics: Metrics, executors: Executors) -> None:
        super().__init__()
        self.metrics = metrics
        self.executors = executors

    def run(self) -> None:
        """Publish it."""
        self.metrics.hashing.set(self.executors.waiting)
        self.metrics.hash_concurrency.set(settings.current.hash_concurrency)
        self.metrics.at_store.set(self.executors.at_store)
        self.metrics.database_pool_size.set(self.executors.database_pool_size)


class Outbox:
    """Looks into the outbox whenever it is asked: its messages belong to no worker."""

    def collect(self) -> Iterator[Any]:
        """Return how many messages wait, and how many were given up; nothing while the store is away."""
        waiting = GaugeMetricFamily("rollbook_outbox_messages", "Messages that wait for delivery.", labels=["kind"])
        lost = GaugeMetricFamily("rollbook_outbox_given_up", "Messages that were given up.", labels=["kind"])
        try:
            depths, given_up = run_transaction(OutboxMessage.depths), run_transaction(OutboxMessage.given_up)
        except CONNECTION_ERRORS:
            return
        finally:
            database.close()  # the thread lives as long as this answer
        for kind, messages in depths.items():
            waiting.add_metric([kind], messages)
            lost.add_metric([kind], given_up[kind])
        yield from (waiting, lost)


class Audit:
    """Looks at the tail of the audit whenever it is asked: what is not in the chain yet could be cut off unseen."""

    def collect(self) -> Iterator[Any]:
        """Return how many events wait, and for how long the oldest act has; nothing while the store is away."""
        try:
            found = run_transaction(tail)
        except CONNECTION_ERRORS:
            return
        finally:
            database.close()  # the thread lives as long as this answer
        yield GaugeMetricFamily("rollbook_audit_pending_events", "Events not yet in the chain.", found.events)
        yield GaugeMetricFamily(
            "rollbook_audit_pending_seconds", "Age of the oldest act that is not yet in the chain.", found.seconds
        )
