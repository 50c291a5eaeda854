"""The application: every contract of `specs/` over one directory."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from connexion import ConnexionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.resolver import RelativeResolver
from starlette.types import ASGIApp

from models.db.database import connect
from models.passwords import guesses
from models.settings import apply
from server.contract.authorization import AuthorizationMiddleware
from server.contract.cors import CORSMiddleware
from server.contract.csrf import OriginPolicy
from server.contract.exceptions import ExceptionMiddleware
from server.contract.executors import Executors
from server.contract.operation import OperationMiddleware
from server.contract.request_validation import RequestValidationMiddleware
from server.contract.response_validation import ResponseValidationMiddleware, Writers
from server.contract.routing import RoutingMiddleware
from server.contract.security import SecurityMiddleware
from server.docs.pages import pages
from server.jobs.cleanup import Cleanup
from server.jobs.delivery.transports import event_transports, transports
from server.jobs.delivery.webhook import post_events
from server.jobs.key_watch import KeyWatch
from server.jobs.mailer import Mailer
from server.jobs.periodic import PeriodicTask
from server.jobs.sequencer import Sequencer
from server.limits.rate_limit_storage import RateLimitStorage
from server.limits.rate_limits import RateLimitMiddleware
from server.settings import Settings, read
from server.specs import Contract, load_contracts
from server.telemetry.access_log import AccessLog, AccessLogMiddleware

if TYPE_CHECKING:
    from server.telemetry.metrics import Metrics  # loads its library, which few servers need

Layer = Callable[[ASGIApp], ASGIApp]
"""Wraps an application."""


def create_app(
    settings: Settings | None = None,
    metrics: "Metrics | None" = None,
    layers: Sequence[Layer] = (),
    *,
    contracts: list[Contract] | None = None,
    executors: Executors | None = None,
    jobs: Sequence[PeriodicTask] | None = None,
) -> ConnexionMiddleware:
    """Build the ASGI application. The store must have been migrated.

    layers: of whoever looks on, such as tests; each sees all requests and answers. contracts, executors, jobs: others
    than the settings say. Raises SpecError.
    """
    settings = settings or read()
    apply(settings)
    connect(settings.database_url)
    if settings.policy == "guarded":
        guesses.ranked()  # read once, before workers are forked
    contracts = contracts or load_contracts(settings)
    executors = executors or Executors(settings)
    jobs = jobs or _jobs(settings)
    access_log = AccessLog(settings, [metrics] if metrics else [])

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        tasks = [*jobs]
        if settings.key_file:
            tasks.append(KeyWatch(settings.key_file))
        if metrics:
            metrics.serve()
            tasks.append(metrics.pulse(executors))
        for task in tasks:
            task.start()
        with tracing(settings.otlp_endpoint, access_log):
            yield
            access_log.flush()
        for task in tasks:
            task.stop()
        executors.close()

    writers: Writers = {}
    # why each is not Connexion's own, and the µs of a token check that it and Connexion's take (pages/speed.md)
    stack: list[Any] = [
        partial(AccessLogMiddleware, access_log=access_log),  # Connexion has none: 3.5
        *layers,
        *([partial(CORSMiddleware, origins=settings.named_origins)] if settings.cors_origins else []),
        # failures in the contract's words, two objects fewer a request: 0.7 for 22
        partial(ExceptionMiddleware, contracts=contracts, writers=writers, executors=executors),
        partial(RoutingMiddleware, settings=settings),  # one table for all contracts: 3.2 for 14
        # below here all runs in one hop, in one transaction: 5.5; Connexion waits for a thread: 207 with the handler
        partial(OperationMiddleware, settings=settings, executors=executors),
        # a refusal is final, and nothing is waited for: 12 for 62, the look-up included
        partial(SecurityMiddleware, origins=OriginPolicy(settings.origins)),
        partial(RequestValidationMiddleware, settings=settings),  # validators compiled once: 0.3 for 16
        partial(AuthorizationMiddleware, policy=settings.policy),  # Connexion has none: 0.1
        # Connexion has none: 0 where an operation has no limit
        partial(RateLimitMiddleware, settings=settings, storage=RateLimitStorage(settings.rate_limit_url)),
        partial(ResponseValidationMiddleware, writers=writers),  # compiled, nothing parsed again: 1.7
        LifespanMiddleware,
    ]
    app = ConnexionMiddleware(
        pages(contracts, executors, settings.public_url),
        lifespan=lifespan,
        middlewares=stack,
        validate_responses=settings.validate_responses,
    )
    for contract in contracts:
        app.add_api(contract.document, name=contract.stem, resolver=RelativeResolver(f"handlers.{contract.stem}"))
    # Connexion waits for the first request; so workers share it, and what is wrong with a spec ends the start
    app.app, app.middleware_stack = app._build_middleware_stack()
    return app


def _jobs(settings: Settings) -> list[PeriodicTask]:
    """Return what runs beside the requests. Events have a mailer of their own: a slow receiver keeps back no mail."""
    mailer, events = Mailer(transports(settings)), event_transports(settings)
    if not events:
        return [mailer, Sequencer(), Cleanup()]
    return [mailer, Mailer(events), Sequencer(post_events), Cleanup()]


@contextmanager
def tracing(endpoint: str, access_log: AccessLog) -> Iterator[None]:
    """Send traces while the context lasts, where a collector is named; without one the library is not even loaded."""
    if not endpoint:
        yield
        return
    from server.telemetry.tracing import Traces  # noqa: PLC0415  # takes memory and time

    traces = Traces(endpoint)
    access_log.listeners.append(traces)
    try:
        yield
    finally:
        access_log.listeners.remove(traces)
        traces.close()
